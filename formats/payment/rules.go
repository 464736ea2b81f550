package payment

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
)

// Bounds of a payment instruction.
const (
	MaxNumber  = 35              // ISO 20022, Max35Text
	MaxName    = 140             // ISO 20022, Max140Text
	MaxPurpose = 420             // 3 x Max140Text, as in SEP-4
	MaxAmount  = 999999999999999 // kopecks: ours, below what any layout can carry
	MaxAge     = 10              // days
)

// Treasury revenue accounts are kept under this ID НБУ.
const revenueBank = "899998"

// Citations used by more than one rule.
const (
	citeIBAN  = "ISO 13616-1; ISO 7064, MOD 97-10; NBU decree 162 of 28.12.2018"
	citeISO   = "ISO 20022, pain.001.001.09 (text lengths); NBU decree 16 of 03.03.2023 (SEP-4)"
	citeBrama = "Brama, formats/payment"
	citeDates = "NBU decree 163 of 29.07.2022 (term of a payment instruction; clause not verified); documented rule of the CORP2 layout"
	citeCodes = "published algorithm of the check digit; no clause known"
)

type report = func(path string, m formats.Text)

// Rules are the rules on one order. Those whose clause we could not verify are
// warnings. RuleUnique stands beside them.
var Rules = []formats.Rule[*Order]{
	{
		ID: "PO-001", Title: "the number has 1 to 35 characters", Citation: citeISO,
		Check: func(_ *formats.Context, o *Order, r report) {
			length(r, "number", o.Number, MaxNumber, "Номер", "The number")
		},
	},
	{
		ID: "PO-002", Title: "the date is given", Citation: "NBU decree 163 of 29.07.2022 (mandatory particulars)",
		Check: func(_ *formats.Context, o *Order, r report) {
			if _, ok := formats.Days(o.Date, o.Date); !ok {
				r("date", formats.Text{UK: "Немає дати або такої дати не існує. Вкажіть дату інструкції.", EN: "The date is missing or does not exist. Give the date of the instruction."})
			}
		},
	},
	{
		ID: "PO-003", Title: "the date is not in the future", Citation: citeBrama + "; " + citeDates,
		Check: func(c *formats.Context, o *Order, r report) {
			if n, ok := formats.Days(formats.KyivDate(c.At), o.Date); ok && n > 0 {
				r("date", formats.Text{UK: "Дата інструкції пізніша за сьогоднішню (за Києвом). Виправте дату.", EN: "The date of the instruction is after today (Kyiv). Mend the date."})
			}
		},
	},
	{
		ID: "PO-004", Title: "the date is at most 10 days old", Citation: citeDates, Severity: formats.Warning,
		Check: func(c *formats.Context, o *Order, r report) {
			if n, ok := formats.Days(o.Date, formats.KyivDate(c.At)); ok && n > MaxAge {
				r("date", formats.Text{UK: "Інструкції понад 10 днів: її можуть не виконати. Складіть нову із сьогоднішньою датою.", EN: "The instruction is more than 10 days old and may not be carried out. Make a new one with today's date."})
			}
		},
	},
	{
		ID: "PO-005", Title: "the value date is within 10 days of the date", Citation: citeDates, Severity: formats.Warning,
		Check: func(_ *formats.Context, o *Order, r report) {
			if o.ValueDate == "" {
				return
			}
			if n, ok := formats.Days(o.Date, o.ValueDate); ok && (n < 0 || n > MaxAge) {
				r("value_date", formats.Text{UK: "Дата валютування раніша за дату інструкції або пізніша за неї більш як на 10 днів.", EN: "The value date is before the date of the instruction or more than 10 days after it."})
			}
		},
	},
	{
		ID: "PO-010", Title: "the amount is greater than zero", Citation: citeBrama,
		Check: func(_ *formats.Context, o *Order, r report) {
			if o.Amount <= 0 {
				r("amount", formats.Text{UK: "Сума повинна бути більшою за нуль.", EN: "The amount must be greater than zero."})
			}
		},
	},
	{
		ID: "PO-011", Title: "the amount is within bounds", Citation: citeBrama,
		Check: func(_ *formats.Context, o *Order, r report) {
			if o.Amount > MaxAmount {
				r("amount", formats.Text{UK: "Сума неймовірно велика. Перевірте, чи вона в потрібних одиницях (гривні чи копійки).", EN: "The amount is impossibly large. See whether its unit is right (hryvnias or kopecks)."})
			}
		},
	},
	{
		ID: "PO-012", Title: "the currency is the hryvnia", Citation: "ISO 4217 (UAH, 980); " + citeBrama,
		Check: func(_ *formats.Context, o *Order, r report) {
			if o.Currency != "" && o.Currency != "UAH" && o.Currency != "980" {
				r("currency", formats.Text{UK: "Валюта повинна бути гривнею (UAH, 980).", EN: "The currency must be the hryvnia (UAH, 980)."})
			}
		},
	},
	{
		ID: "PO-020", Title: "the payer's account has valid check digits", Citation: citeIBAN,
		Check: func(_ *formats.Context, o *Order, r report) { account(r, "payer.iban", o.Payer.IBAN) },
	},
	{
		ID: "PO-021", Title: "the payee's account has valid check digits", Citation: citeIBAN,
		Check: func(_ *formats.Context, o *Order, r report) { account(r, "payee.iban", o.Payee.IBAN) },
	},
	{
		ID: "PO-022", Title: "the payer's bank is the one that the account names", Citation: "NBU decree 162 of 28.12.2018 (characters 5-10 of the IBAN)",
		Check: func(_ *formats.Context, o *Order, r report) { bank(r, "payer.mfo", o.Payer) },
	},
	{
		ID: "PO-023", Title: "the payee's bank is the one that the account names", Citation: "NBU decree 162 of 28.12.2018 (characters 5-10 of the IBAN)",
		Check: func(_ *formats.Context, o *Order, r report) { bank(r, "payee.mfo", o.Payee) },
	},
	{
		ID: "PO-024", Title: "the bank codes have a plausible check digit", Citation: citeCodes, Severity: formats.Warning,
		Check: func(_ *formats.Context, o *Order, r report) {
			for path, mfo := range each("payer.mfo", o.Payer.MFO, "payee.mfo", o.Payee.MFO) {
				if mfo != "" && !ident.MFODigit(mfo) {
					r(path, formats.Text{UK: "Контрольна цифра коду банку (МФО) незвична. Перевірте код.", EN: "The check digit of the bank's code (MFO) is unusual. Check the code."})
				}
			}
		},
	},
	{
		ID: "PO-030", Title: "the payer's code is valid", Citation: citeCodes,
		Check: func(_ *formats.Context, o *Order, r report) { code(r, "payer.code", o.Payer) },
	},
	{
		ID: "PO-031", Title: "the payee's code is valid", Citation: citeCodes,
		Check: func(_ *formats.Context, o *Order, r report) { code(r, "payee.code", o.Payee) },
	},
	{
		ID: "PO-032", Title: "a code is not all zeros", Citation: citeBrama,
		Check: func(_ *formats.Context, o *Order, r report) {
			for path, p := range each("payer.code", o.Payer, "payee.code", o.Payee) {
				if ident.Zeros(p.Code) && typeOf(p) != NoCode {
					r(path, formats.Text{UK: "Код із самих нулів не дозволено. Вкажіть справжній код; коли його немає, дев'ять нулів.", EN: "A code of zeros only is not allowed. Give the real code; nine zeros when there is none."})
				}
			}
		},
	},
	{
		ID: "PO-034", Title: "the nine-digit tax number begins with 77 or 88", Citation: "order 1588 of 09.12.2011, 2.3 (control digit not public)", Severity: formats.Warning,
		Check: func(_ *formats.Context, o *Order, r report) {
			for path, p := range each("payer.code", o.Payer, "payee.code", o.Payee) {
				if typeOf(p) == TaxNumber && ident.TaxNumber9(p.Code) && !ident.KnownTaxNumber9(p.Code) {
					r(path, formats.Text{UK: "Дев'ятизначний податковий номер звичайно починається з 77 або 88. Перевірте код.", EN: "A nine-digit tax number begins with 77 or 88 as a rule. Check the code."})
				}
			}
		},
	},
	{
		ID: "PO-040", Title: "the payer's name has 1 to 140 characters", Citation: citeISO,
		Check: func(_ *formats.Context, o *Order, r report) {
			length(r, "payer.name", o.Payer.Name, MaxName, "Назва платника", "The payer's name")
		},
	},
	{
		ID: "PO-041", Title: "the payee's name has 1 to 140 characters", Citation: citeISO,
		Check: func(_ *formats.Context, o *Order, r report) {
			length(r, "payee.name", o.Payee.Name, MaxName, "Назва отримувача", "The payee's name")
		},
	},
	{
		ID: "PO-050", Title: "the purpose has 1 to 420 characters", Citation: citeISO,
		Check: func(_ *formats.Context, o *Order, r report) {
			length(r, "purpose", o.Purpose, MaxPurpose, "Призначення платежу", "The purpose")
		},
	},
	{
		ID: "PO-052", Title: "a payment to 899998 has a structured purpose", Citation: "notice of the State Tax Service on payments from 01.12.2023 (clause and element not verified)",
		Severity: formats.Warning, From: "2023-12-01",
		Check: func(_ *formats.Context, o *Order, r report) {
			if ident.BankOf(o.Payee.IBAN) == revenueBank && o.PurposeCode == "" && PurposeCodeOf(o.Purpose) == "" {
				r("purpose", formats.Text{UK: "Для платежу на рахунок 899998 призначення повинно починатися з тризначного коду виду сплати, наприклад «101 ...».", EN: "For a payment to an account at 899998 the purpose must begin with the three-digit code of the payment, as \"101 ...\"."})
			}
		},
	},
	{
		ID: "PO-053", Title: "texts have no control characters", Citation: citeBrama,
		Check: func(_ *formats.Context, o *Order, r report) {
			for i := range fields {
				if s := o.Text(i); s != nil && strings.ContainsFunc(*s, unprintable) {
					r(fields[i].Path, formats.Text{UK: "Текст містить керівні або невидимі знаки (перенесення рядка, табуляція тощо). Вилучіть їх.", EN: "The text has control or invisible characters (line break, tabulation and so on). Remove them."})
				}
			}
		},
	},
	{
		ID: "PO-070", Title: "the payer's account belongs to the sender", Citation: "the sender's entry in the register; " + citeBrama,
		Check: func(c *formats.Context, o *Order, r report) {
			if c.Owner == nil || len(c.Owner.Accounts) == 0 || o.Payer.IBAN == "" { // missing: PO-020
				return
			}
			for _, a := range c.Owner.Accounts {
				if a == o.Payer.IBAN {
					return
				}
			}
			r("payer.iban", formats.Text{UK: "Рахунок платника не належить відправнику. Вкажіть власний рахунок або зверніться до казначейства, щоб його додали.", EN: "The payer's account does not belong to the sender. Give an account of your own, or ask the treasury to add it."})
		},
	},
	{
		ID: "PO-071", Title: "the payer's code is the sender's", Citation: "the sender's entry in the register; " + citeBrama,
		Check: func(c *formats.Context, o *Order, r report) {
			if c.Owner != nil && c.Owner.EDRPOU != "" && o.Payer.Code != "" && o.Payer.Code != c.Owner.EDRPOU { // missing: PO-030
				r("payer.code", formats.Text{UK: "Код платника не збігається з кодом ЄДРПОУ відправника. Вкажіть свій код.", EN: "The payer's code is not the sender's EDRPOU. Give your own code."})
			}
		},
	},
}

// PurposeCodeOf is the three-digit code that a text purpose begins with ("101
// ...", "101;...", "*;101;..."), or "". It is the form seen in practice; the
// clause is not verified.
func PurposeCodeOf(s string) string {
	s = strings.TrimPrefix(s, "*;")
	if len(s) > 3 && ident.Digits(s[:3], 3) && (s[3] == ' ' || s[3] == ';') {
		return s[:3]
	}
	return ""
}

// unprintable finds what has no place in a one-line text: controls, line
// separators, and format characters, which can reorder or hide what is read.
func unprintable(r rune) bool {
	if r >= 0x20 && r < 0x7F || r >= 0x400 && r < 0x530 { // most of what comes
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == utf8.RuneError
}

func length(r report, path, s string, limit int, uk, en string) {
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		r(path, formats.Textf("%[1]s: порожньо. Заповніть поле.", "%[2]s is empty. Fill it in.", uk, en))
	case n > limit:
		r(path, formats.Textf("%[1]s: %[3]d знаків, дозволено %[4]d. Скоротіть.", "%[2]s has %[3]d characters of %[4]d allowed. Shorten it.", uk, en, n, limit))
	}
}

func account(r report, path, iban string) {
	switch {
	case iban == "":
		r(path, formats.Text{UK: "Немає рахунку (IBAN). Вкажіть 29 знаків: UA і 27 цифр.", EN: "The account (IBAN) is missing. Give 29 characters: UA and 27 digits."})
	case !ident.IBANShape(iban):
		r(path, formats.Text{UK: "Рахунок не схожий на український IBAN: потрібно 29 знаків, UA великими латинськими і 27 цифр, без пробілів.", EN: "The account is not shaped as a Ukrainian IBAN: 29 characters are needed, UA in capitals and 27 digits, no spaces."})
	case !ident.ValidIBAN(iban):
		r(path, formats.Text{UK: "Контрольні цифри рахунку (IBAN) не збігаються: у номері помилка. Перевірте всі цифри.", EN: "The check digits of the account (IBAN) do not match: the number has a mistake. Check every digit."})
	}
}

func bank(r report, path string, p Party) {
	if b := ident.BankOf(p.IBAN); p.MFO != "" && b != "" && p.MFO != b {
		r(path, formats.Text{UK: "Код банку (МФО) не збігається із шістьма цифрами рахунку (знаки 5-10 IBAN). Виправте код або рахунок.", EN: "The bank's code (MFO) is not the one in the account (characters 5-10 of the IBAN). Mend the code or the account."})
	}
}

// typeOf is the sort of a party's code: what the layout says, else by length.
func typeOf(p Party) CodeType {
	if p.CodeType != "" {
		return p.CodeType
	}
	switch {
	case p.Code == "000000000" || p.Code == "99999":
		return NoCode
	case ident.Digits(p.Code, 8):
		return EDRPOU
	case ident.Digits(p.Code, 10):
		return RNOKPP
	case ident.Digits(p.Code, 9):
		return TaxNumber
	}
	return Passport
}

func code(r report, path string, p Party) {
	ok := false
	switch typeOf(p) {
	case EDRPOU:
		ok = ident.ValidEDRPOU(p.Code)
	case RNOKPP:
		ok = ident.ValidRNOKPP(p.Code) || ident.Zeros(p.Code) // zeros: PO-032
	case TaxNumber:
		ok = ident.TaxNumber9(p.Code)
	case Passport:
		ok = ident.Passport(p.Code)
	case NoCode:
		ok = p.Code == "000000000" || p.Code == "99999"
	}
	switch {
	case p.Code == "":
		r(path, formats.Text{UK: "Немає коду (ЄДРПОУ, РНОКПП або паспорт). Вкажіть код.", EN: "The code (EDRPOU, RNOKPP or passport) is missing. Give the code."})
	case !ok:
		r(path, formats.Text{UK: "Код неправильний: не та довжина або не збігається контрольна цифра. Перевірте код (ЄДРПОУ 8 цифр, РНОКПП 10).", EN: "The code is wrong: its length, or its check digit does not match. Check the code (EDRPOU 8 digits, RNOKPP 10)."})
	}
}

// each ranges over two pairs in their order.
func each[V any](p1 string, v1 V, p2 string, v2 V) func(func(string, V) bool) {
	return func(yield func(string, V) bool) {
		if yield(p1, v1) {
			yield(p2, v2)
		}
	}
}
