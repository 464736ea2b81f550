package iso20022

import (
	"strconv"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/payment"
)

// Rule is a Ukrainian rule on pain.001, for lists and tests; the bodies stand
// below, where the elements are at hand.
type Rule struct {
	ID, Title, Citation string
	Severity            formats.Severity
}

const citeUA = "Ukrainian use of ISO 20022 (NBU decree 16 of 03.03.2023); clause not verified"

// The Ukrainian rules. IDs are never reused.
var (
	ruleCount    = newRule("UA-001", "NbOfTxs equals the number of payments, in the message and in each PmtInf", "ISO 20022, pain.001.001.09, NbOfTxs", formats.Error)
	ruleSum      = newRule("UA-002", "CtrlSum is present and equals the sum of the payments, in the message and in each PmtInf", "ISO 20022, pain.001.001.09, CtrlSum; Brama requires it", formats.Error)
	ruleMethod   = newRule("UA-010", "the method of payment is TRF", citeUA, formats.Error)
	ruleAccount  = newRule("UA-011", "the currency of the payer's account is UAH", "ISO 4217; "+citeUA, formats.Error)
	ruleAmount   = newRule("UA-013", "the amount is a plain decimal with at most two decimals", "ISO 4217 (UAH has two decimals); Brama", formats.Error)
	ruleInstd    = newRule("UA-014", "the amount is InstdAmt, not EqvtAmt", citeUA, formats.Error)
	ruleScheme   = newRule("UA-020", "a party's code stands with one of the schemes USRC, TRAN, NA, RNRCT, PSPT, UNKN", citeUA, formats.Error)
	ruleOneCode  = newRule("UA-021", "a party has one code", "Brama", formats.Error)
	ruleClearing = newRule("UA-030", "the agent is named by the clearing system UA", "ISO 20022 external code set, ClearingSystemIdentification; "+citeUA, formats.Error)
	ruleAgent    = newRule("UA-031", "the agent is given by its ID НБУ", citeUA, formats.Warning)
	ruleCategory = newRule("UA-041", "the category of a structured purpose is three digits, one in a payment", citeUA, formats.Warning)
)

// Rules are the Ukrainian rules on pain.001.
var Rules = []Rule{
	ruleCount, ruleSum, ruleMethod, ruleAccount, ruleAmount, ruleInstd, ruleScheme, ruleOneCode, ruleClearing, ruleAgent, ruleCategory,
}

func newRule(id, title, citation string, s formats.Severity) Rule {
	return Rule{id, title, citation, s}
}

func (r *reader) report(rule Rule, record int, field, path, uk, en string) {
	r.add(formats.Finding{Rule: rule.ID, Severity: rule.Severity, Record: record, Field: field, Path: path, Message: formats.Text{UK: uk, EN: en}})
}

func (r *reader) finishTransaction() {
	t, p := r.tx, r.pay
	number := t.instrID
	if number == "" {
		number = t.endToEnd
	}
	o := &r.order
	*o = payment.Order{
		Record: r.records, Number: number, Date: r.created, ValueDate: p.valueDate, Currency: t.ccy,
		Payer:       payment.Party{Name: p.dbtr.name, IBAN: p.iban, MFO: p.dbtrAgent.code, Bank: p.dbtrAgent.name},
		Payee:       payment.Party{Name: t.creditor.name, IBAN: t.iban, MFO: t.agent.code, Bank: t.agent.name},
		ActualPayer: payment.Party{Name: p.ultimate.name}, ActualPayee: payment.Party{Name: t.ultimateCr.name},
		PaymentID: p.id, EndToEndID: t.endToEnd, Instructed: t.instrID,
	}
	if t.ultimateDbtr.name != "" || len(t.ultimateDbtr.ids) > 0 {
		o.ActualPayer.Name = t.ultimateDbtr.name
		r.code(&o.ActualPayer, t.ultimateDbtr, o.Record, "actual_payer.code")
	} else {
		r.code(&o.ActualPayer, p.ultimate, o.Record, "actual_payer.code")
	}
	r.code(&o.ActualPayee, t.ultimateCr, o.Record, "actual_payee.code")
	r.code(&o.Payee, t.creditor, o.Record, "payee.code")
	// The payer is said once a payment; findings about the code too.
	if p.total.count == 0 {
		r.code(&o.Payer, p.dbtr, o.Record, "payer.code")
		r.agent(p.dbtrAgent, o.Record, "payer.mfo")
	} else {
		(&reader{add: func(formats.Finding) {}}).code(&o.Payer, p.dbtr, 0, "")
	}
	r.agent(t.agent, o.Record, "payee.mfo")
	r.purpose(o, t)

	amount, err := cents(t.amount, false)
	switch {
	case t.equivalent:
		r.report(ruleInstd, o.Record, "CdtTrfTxInf/Amt", "amount", "Вкажіть суму в InstdAmt (гривні); EqvtAmt не приймається.", "Give the amount in InstdAmt (hryvnias); EqvtAmt is not taken.")
	case err != nil:
		r.report(ruleAmount, o.Record, fields["amount"], "amount", "Сума повинна бути числом із цифр, крапки й не більш як двох знаків після неї.", "The amount must be digits, a point and at most two digits after it.")
	}
	o.Amount = amount
	if err != nil {
		p.total.unread, r.total.unread = true, true
	}
	p.total.plus(amount)
	r.total.plus(amount)
	if r.quoteOnly {
		r.entries = append(r.entries, o.Entry())
		return
	}
	if r.options.Each != nil {
		r.options.Each(o)
	}
	if err != nil {
		r.checker.Check(o, "amount")
		return
	}
	r.checker.Check(o)
}

func (r *reader) purpose(o *payment.Order, t *transaction) {
	o.Purpose = strings.TrimSpace(strings.Join(append(t.ustrd, t.info...), ""))
	if len(t.category) == 0 {
		return
	}
	if len(t.category) > 1 || !ident.Digits(t.category[0], 3) {
		r.report(ruleCategory, o.Record, fields["purpose_code"], "purpose_code", "Код виду сплати повинен бути один і мати три цифри.", "The category of the payment must be one, of three digits.")
		return
	}
	o.PurposeCode = t.category[0]
}

// schemes are the identification schemes of a party's code and where they stand.
var schemes = map[string]struct {
	private bool
	kind    payment.CodeType
	fixed   string
}{
	"USRC":  {false, payment.EDRPOU, ""},
	"TRAN":  {false, payment.TaxNumber, ""},
	"NA":    {false, payment.NoCode, "000000000"},
	"RNRCT": {true, payment.RNOKPP, ""},
	"PSPT":  {true, payment.Passport, ""},
	"UNKN":  {true, payment.NoCode, "99999"},
}

func (r *reader) code(to *payment.Party, from party, record int, path string) {
	found := false
	for _, id := range from.ids {
		s, known := schemes[id.scheme]
		switch {
		case !known || s.private != id.private:
			r.report(ruleScheme, record, fields[path], path,
				"Схема коду невідома або стоїть не на місці: для організацій USRC (ЄДРПОУ), TRAN, NA; для фізичних осіб RNRCT (РНОКПП), PSPT, UNKN.",
				"The scheme of the code is unknown or out of place: USRC (EDRPOU), TRAN, NA for organisations; RNRCT (RNOKPP), PSPT, UNKN for persons.")
		case found:
			r.report(ruleOneCode, record, fields[path], path, "Кодів декілька. Залиште один.", "There are several codes. Keep one.")
		case s.fixed != "" && id.id != s.fixed:
			r.report(ruleScheme, record, fields[path], path, "Зі схемою NA код повинен бути 000000000, зі схемою UNKN 99999.", "With scheme NA the code must be 000000000, with scheme UNKN 99999.")
		}
		if !found {
			to.Code, to.CodeType, found = id.id, s.kind, true
		}
	}
}

func (r *reader) agent(a agent, record int, path string) {
	field := fields[path]
	switch {
	case !a.given:
		r.report(ruleAgent, record, field, path, "Не вказано код банку (ID НБУ) в ClrSysMmbId.", "The bank's code (ID НБУ) is not given in ClrSysMmbId.")
	case a.system != "UA":
		r.report(ruleClearing, record, strings.TrimSuffix(field, "MmbId")+"ClrSysId/Cd", path, "Код банку повинен стояти з ClrSysId/Cd = UA.", "The bank's code must stand with ClrSysId/Cd = UA.")
	case !ident.MFO(a.code):
		r.report(ruleClearing, record, field, path, "Код банку (ID НБУ) повинен мати шість цифр.", "The bank's code (ID НБУ) must have six digits.")
	}
}

func (r *reader) finishPayment() {
	p := r.pay
	if p.method != "TRF" {
		r.report(ruleMethod, 0, "PmtInf/PmtMtd", "", "Спосіб платежу повинен бути TRF.", "The method of payment must be TRF.")
	}
	if p.currency != "" && p.currency != "UAH" {
		r.report(ruleAccount, 0, "PmtInf/DbtrAcct/Ccy", "", "Рахунок платника повинен бути в гривнях (UAH).", "The payer's account must be in hryvnias (UAH).")
	}
	r.control("PmtInf", p.count, p.sum, p.total)
}

func (r *reader) finishMessage() {
	r.control("GrpHdr", r.message.Count, r.message.Sum, r.total)
}

func (r *reader) control(where, count, sum string, t totals) {
	if n, err := strconv.ParseUint(count, 10, 32); err != nil || int(n) != t.count {
		r.report(ruleCount, 0, where+"/NbOfTxs", "", "NbOfTxs відсутнє або не дорівнює кількості платежів. Файл неповний або змінений.", "NbOfTxs is missing or not the number of payments. The file is incomplete or was changed.")
	}
	if v, err := cents(sum, true); err != nil || t.overflow || (v != t.sum && !t.unread) {
		r.report(ruleSum, 0, where+"/CtrlSum", "", "CtrlSum відсутня або не дорівнює сумі платежів. Файл неповний або змінений.", "CtrlSum is missing or not the sum of the payments. The file is incomplete or was changed.")
	}
}
