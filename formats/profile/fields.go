package profile

import (
	"math"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/payment"
)

// The rules on fields. IDs are never reused.
const (
	fieldEmpty      = "FLD-001" // required, and empty
	fieldMoney      = "FLD-002"
	fieldDate       = "FLD-003"
	fieldShape      = "FLD-004" // not the digits or letters of its type
	fieldLength     = "FLD-005"
	fieldValue      = "FLD-006" // not one of the values
	fieldByte       = "FLD-007" // a byte that the code page does not define
	fieldLetters    = "FLD-008" // letters that show another code page
	fieldControl    = "FLD-009" // NUL or another control character
	fieldUndeclared = "FLD-010" // the table has a field that the layout does not know
	fieldMissing    = "FLD-011" // the layout has a field that the table lacks
	fieldAlign      = "FLD-012" // not at the side of its place where it must stand
	fieldLanguage   = "FLD-013" // the language byte contradicts the code page
)

// parser turns the trimmed text of a field into its canonical form. An empty
// rule means that it holds.
type parser func(f *fieldSpec, s string) (value, rule string, m formats.Text)

// fieldTypes are the types a field may have. They are closed: a new one is code.
// Check digits of codes and accounts are rules of the kind, not of the type.
var fieldTypes = map[string]parser{
	"text":     anyText,
	"ref":      shaped("літери, цифри та знаки /-?:().,'+ латинкою, до 35", "letters, digits and /-?:().,'+ of the Latin alphabet, at most 35", reference),
	"code":     anyText,
	"money":    nil, // has its own way: it is a number
	"change":   nil, // money with a sign
	"date":     date,
	"digits":   shaped("лише цифри", "digits only", func(s string) bool { return ident.Digits(s, len(s)) }),
	"iban":     shaped("29 знаків: UA і 27 цифр без пробілів", "29 characters: UA and 27 digits, no spaces", ident.IBANShape),
	"account":  shaped("IBAN із 29 знаків або від 5 до 19 цифр рахунку", "an IBAN of 29 characters or 5 to 19 digits of an account", account),
	"edrpou":   shaped("8 цифр", "8 digits", func(s string) bool { return ident.Digits(s, 8) }),
	"rnokpp":   shaped("10 цифр", "10 digits", func(s string) bool { return ident.Digits(s, 10) }),
	"taxno9":   shaped("9 цифр", "9 digits", ident.TaxNumber9),
	"passport": shaped("серія й номер паспорта", "a passport's series and number", ident.Passport),
	"mfo":      mfo,
	"ipn":      shaped("12 цифр або 10 цифр РНОКПП", "12 digits, or the 10 digits of an RNOKPP", ident.IPN),
	"tpkvkmb":  shaped("4 цифри", "4 digits", ident.TPKVKMB),
	"katottg":  shaped("UA латинкою і 17 цифр", "UA in Latin letters and 17 digits", ident.KATOTTG),
	"kekv":     shaped("4 цифри", "4 digits", ident.KEKV),
	"kpkvk":    shaped("7 цифр", "7 digits", ident.KPKVK),
	"kkdb":     shaped("8 цифр", "8 digits", ident.KKDB),
}

// codeTypes are the types that can stand together with |.
var codeTypes = map[string]payment.CodeType{
	"edrpou": payment.EDRPOU, "rnokpp": payment.RNOKPP, "taxno9": payment.TaxNumber, "passport": payment.Passport,
}

func typeNames() []string {
	var list []string
	for t := range fieldTypes {
		list = append(list, t)
	}
	sort.Strings(list)
	return list
}

// dateFormats are the ways a date may be written, by Go layout.
var dateFormats = map[string]string{
	"yyyymmdd": "20060102", "dd.mm.yyyy": "02.01.2006", "dd/mm/yyyy": "02/01/2006", "yyyy-mm-dd": time.DateOnly, "yymmdd": "060102",
}

func anyText(_ *fieldSpec, s string) (string, string, formats.Text) { return s, "", formats.Text{} }

func shaped(uk, en string, ok func(string) bool) parser {
	m := formats.Text{UK: "Неправильний вигляд значення: потрібно " + uk + ".", EN: "The value has a wrong shape: want " + en + "."}
	return func(_ *fieldSpec, s string) (string, string, formats.Text) {
		if !ok(s) {
			return s, fieldShape, m
		}
		return s, "", formats.Text{}
	}
}

func reference(s string) bool {
	return len(s) <= 35 && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7E || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/-?:().,'+ ", r))
	})
}

// account takes an IBAN, or the digits of an account, of which the bank's code
// makes an IBAN.
func account(s string) bool {
	return ident.IBANShape(s) || (len(s) >= 5 && len(s) <= 19 && ident.Digits(s, len(s)))
}

// mfo takes six digits, also when written as nine with three zeros before them,
// as some layouts do.
func mfo(_ *fieldSpec, s string) (string, string, formats.Text) {
	if ident.Digits(s, 9) && s[:3] == "000" {
		s = s[3:]
	}
	if !ident.MFO(s) {
		return s, fieldShape, formats.Text{UK: "Код банку (МФО) повинен мати шість цифр.", EN: "The bank's code (MFO) must have six digits."}
	}
	return s, "", formats.Text{}
}

func date(f *fieldSpec, s string) (string, string, formats.Text) {
	format := f.Format
	if format == "" {
		format = "yyyymmdd"
	}
	for _, one := range strings.Split(format, "|") {
		layout := dateFormats[one]
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) {
			return t.Format(time.DateOnly), "", formats.Text{}
		}
	}
	return "", fieldDate, formats.Textf("Такої дати не існує або її записано не так. Потрібно: %s.", "There is no such date, or it is written in another way. Want: %s.", format)
}

// isMoney says whether a type is that of a sum.
func isMoney(t string) bool { return t == "money" || t == "change" }

func amount(f *fieldSpec, s string) (int64, string, formats.Text) {
	read, uk, en := money.Hryvnias, "цифри, крапка, не більш як два знаки після неї", "digits, a point, at most two digits after it"
	if f.Unit == "kopeck" {
		read, uk, en = money.Kopecks, "цілу кількість копійок, самі цифри", "a whole number of kopecks, digits only"
	}
	if whole, fraction, ok := strings.Cut(s, "."); ok && f.Decimals > 2 && len(fraction) > 2 && len(fraction) <= f.Decimals {
		s = whole + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0") // never rounded
	}
	least := f.Min
	negative := false
	if f.Type == "change" {
		if s, negative = strings.CutPrefix(s, "-"); f.Min == 0 {
			least = math.MinInt64
		}
	}
	v, err := read(s)
	if negative {
		v = -v
	}
	switch {
	case err != nil:
		return 0, fieldMoney, formats.Text{UK: "Сума записана неправильно. Потрібно " + uk + ".", EN: "The amount is written wrongly. Want " + en + "."}
	case v < least || (f.Max > 0 && v > f.Max):
		return v, fieldMoney, formats.Text{UK: "Сума менша або більша за дозволену цим макетом.", EN: "The amount is less or more than the layout allows."}
	}
	return v, "", formats.Text{}
}

var textOtherPage = formats.Text{
	UK: "Текст нечитний: схоже, кодова сторінка файлу не та, яку вказано. Вивантажте файл у правильному кодуванні.",
	EN: "The text is not readable: the file's code page seems to be another than stated. Export it in the right encoding.",
}

// problem of a decoded text, in a page of one byte a letter.
func textProblem(s string, oneByte bool) (rule string, m formats.Text) {
	for _, r := range s {
		switch {
		case r < 0x20 || r == 0x7F || (r >= 0x80 && r < 0xA0):
			return fieldControl, formats.Text{UK: "Текст містить нульовий або інший керівний знак. Вилучіть його.", EN: "The text has a NUL or another control character. Remove it."}
		case oneByte && foreign(r):
			return fieldLetters, textOtherPage
		}
	}
	return "", formats.Text{}
}

// foreign letters and signs stand in Ukrainian texts only when a page was
// mistaken for another: box drawing (windows-1251 read as CP866), Serbian and
// Macedonian letters and rare signs (CP866 read as windows-1251).
func foreign(r rune) bool {
	return r >= 0x2500 && r <= 0x259F || strings.ContainsRune("ЂЃѓЉЊЌЋЏђљњќћџЈјЅѕ†‡¤¦¬", r)
}

// foldCyrillicI makes і of a Latin i that stands in an otherwise Cyrillic word.
// CP866 has no і, and programs write i for it. Only the canonical view changes.
func foldCyrillicI(s string) string {
	if !strings.ContainsAny(s, "iI") {
		return s
	}
	r := []rune(s)
	for i := 0; i < len(r); {
		j, cyrillic, latin := i, 0, 0
		for ; j < len(r) && unicode.IsLetter(r[j]); j++ {
			switch {
			case unicode.Is(unicode.Cyrillic, r[j]):
				cyrillic++
			case r[j] != 'i' && r[j] != 'I':
				latin++
			}
		}
		if latin == 0 && (cyrillic > 0 || (j-i == 1 && r[i] == 'i')) {
			for k := i; k < j; k++ {
				switch r[k] {
				case 'i':
					r[k] = 'і'
				case 'I':
					r[k] = 'І'
				}
			}
		}
		i = max(j, i+1)
	}
	return string(r)
}

// runes is the length of s as people count it.
func runes(s string) int { return utf8.RuneCountInString(s) }
