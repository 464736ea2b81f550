// Package report reads electronic reports in the XML of the tax service's forms: a
// DECLAR with a DECLARHEAD, which says whose report it is, which form and which
// period, and a DECLARBODY of that form's fields. The head is held to the file's
// name, which repeats it, and to the sender. The body's fields are those of the
// form and are not known here: only their shape is looked at.
//
// The name is RRAA TTTTTTTTTT JFFFFFVV S TT NNNNNNN P MM YYYY OOOO without spaces: region
// and district, tax number, form, state, number of the same kind, count, sort of
// period, month, year, office.
//
// References: the register of electronic forms of the State Tax Service (forms J
// and F, common types); the names of two programs that write such files. What was
// not verified against the register makes a warning.
package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/iso20022"
)

// Rule is what is to be known of a rule; Rules lists them. IDs are never reused.
type Rule struct {
	ID, Title, Citation string
	Severity            formats.Severity
}

const citeForms = "register of electronic forms of the State Tax Service, common types (not verified against tax.gov.ua)"

// The rules.
var (
	ruleXML    = Rule{ID: "RP-001", Title: "the XML is whole, without DTD, instructions and depth", Citation: "Brama, formats/report"}
	ruleShape  = Rule{ID: "RP-002", Title: "DECLAR has one DECLARHEAD, then one DECLARBODY", Citation: citeForms}
	ruleHead   = Rule{ID: "RP-003", Title: "the head has its fields, each in its shape", Citation: citeForms}
	ruleSender = Rule{ID: "RP-004", Title: "the tax number is the sender's", Citation: "the sender's entry in the register; Brama, formats/report"}
	ruleName   = Rule{ID: "RP-005", Title: "the file's name repeats the head", Citation: citeForms}
	ruleUsual  = Rule{ID: "RP-006", Title: "the file is named as reports are", Citation: "names written by two programs", Severity: formats.Warning}
	rulePeriod = Rule{ID: "RP-007", Title: "the period is not in the future", Citation: "Brama, formats/report", Severity: formats.Warning}
	ruleFilled = Rule{ID: "RP-008", Title: "the date of filling exists and is not in the future", Citation: "Brama, formats/report"}
	ruleLinked = Rule{ID: "RP-009", Title: "attachments are named once, by plain file names", Citation: citeForms}
	ruleEmpty  = Rule{ID: "RP-010", Title: "the body has fields", Citation: "Brama, formats/report"}
)

// Rules are the rules on a report.
var Rules = []Rule{ruleXML, ruleShape, ruleHead, ruleSender, ruleName, ruleUsual, rulePeriod, ruleFilled, ruleLinked, ruleEmpty}

// shapes are the fields of the head that every report has.
var shapes = []struct {
	name  string
	shape *regexp.Regexp
}{
	{"TIN", regexp.MustCompile(`^([0-9]{8,10}|[А-ЯҐЄІЇ]{2}[0-9]{6})$`)},
	{"C_DOC", regexp.MustCompile(`^[JF][0-9]{2}$`)},
	{"C_DOC_SUB", regexp.MustCompile(`^[0-9]{3}$`)},
	{"C_DOC_VER", regexp.MustCompile(`^[0-9]{1,2}$`)},
	{"C_DOC_TYPE", regexp.MustCompile(`^[0-9]{1,2}$`)},
	{"C_DOC_CNT", regexp.MustCompile(`^[0-9]{1,7}$`)},
	{"C_REG", regexp.MustCompile(`^[0-9]{1,2}$`)},
	{"C_RAJ", regexp.MustCompile(`^[0-9]{1,2}$`)},
	{"PERIOD_MONTH", regexp.MustCompile(`^(0?[1-9]|1[0-2])$`)},
	{"PERIOD_TYPE", regexp.MustCompile(`^[1-5]$`)},
	{"PERIOD_YEAR", regexp.MustCompile(`^20[0-9]{2}$`)},
	{"C_STI_ORIG", regexp.MustCompile(`^[0-9]{1,4}$`)},
	{"C_DOC_STAN", regexp.MustCompile(`^[123]$`)},
	{"D_FILL", regexp.MustCompile(`^[0-9]{8}$`)},
}

var usualName = regexp.MustCompile(`^[0-9]{14}[JF][0-9]{7}[0-9]{21}$`)

// Bounds.
const (
	maxDepth = 6
	maxText  = 64 << 10
	maxFiles = 100
)

// head is what was read of a report.
type head struct {
	values map[string]string
	files  []string
	fields int // of the body
	heads  int
	bodies int
	order  bool // the body came after the head
}

// Check reads the report in doc, whose file is called name (empty: not known), and
// reports what is wrong.
func Check(c *formats.Context, name string, doc *io.SectionReader, add func(formats.Finding)) []formats.Entry {
	tell := func(r Rule, field, uk, en string, args ...any) {
		add(formats.Finding{Rule: r.ID, Severity: r.Severity, Field: field, Message: formats.Textf(uk, en, args...)})
	}
	h, err := read(doc)
	if err != nil {
		tell(ruleXML, "", "Файл XML пошкоджено, обрізано або він містить DTD чи інструкції. Вивантажте звіт ще раз.", "The XML is damaged, cut, or has a DTD or instructions. Export the report again.")
		return nil
	}
	if h.heads != 1 || h.bodies != 1 || !h.order {
		tell(ruleShape, "DECLAR", "Звіт повинен мати один DECLARHEAD і після нього один DECLARBODY.", "A report must have one DECLARHEAD and after it one DECLARBODY.")
		return nil
	}
	good := true
	for _, f := range shapes {
		if v := h.values[f.name]; !f.shape.MatchString(v) {
			good = false
			tell(ruleHead, f.name, "Поля заголовка немає, або воно має неправильний вигляд.", "The field of the head is missing or has a wrong shape.")
		}
	}
	if h.fields == 0 {
		tell(ruleEmpty, "DECLARBODY", "Тіло звіту порожнє.", "The body of the report is empty.")
	}
	h.linked(tell)
	if !good {
		return nil
	}
	h.sender(c, tell)
	filled := h.dates(c, tell)
	h.name(name, tell)
	v := h.values
	return []formats.Entry{{
		Record: 1, Number: fmt.Sprintf("%s-%s-%s", h.form(), v["C_DOC_STAN"], h.padded("C_DOC_CNT", 7)) + "-" + v["PERIOD_YEAR"] + "-" + v["PERIOD_TYPE"] + h.padded("PERIOD_MONTH", 2), Date: filled,
	}}
}

type teller = func(r Rule, field, uk, en string, args ...any)

func (h *head) padded(field string, n int) string {
	s := h.values[field]
	return strings.Repeat("0", max(0, n-len(s))) + s
}

// form is the form as J0215104.
func (h *head) form() string {
	return h.values["C_DOC"] + h.values["C_DOC_SUB"] + h.padded("C_DOC_VER", 2)
}

func (h *head) sender(c *formats.Context, tell teller) {
	tin := h.values["TIN"]
	if c.Owner != nil && c.Owner.EDRPOU != "" && tin != c.Owner.EDRPOU {
		tell(ruleSender, "TIN", "Податковий номер у звіті не збігається з кодом ЄДРПОУ відправника.", "The tax number of the report is not the sender's EDRPOU.")
		return
	}
	if len(tin) == 8 && !ident.ValidEDRPOU(tin) || len(tin) == 10 && ident.Digits(tin, 10) && !ident.ValidRNOKPP(tin) {
		tell(ruleHead, "TIN", "Контрольна цифра податкового номера не збігається.", "The check digit of the tax number does not match.")
	}
}

// dates looks at the date of filling and the period; it returns the former, ISO 8601.
func (h *head) dates(c *formats.Context, tell teller) string {
	today := formats.KyivDate(c.At)
	filled := ""
	if t, err := time.Parse("02012006", h.values["D_FILL"]); err == nil {
		filled = t.Format(time.DateOnly)
	}
	if filled == "" || filled > today {
		tell(ruleFilled, "D_FILL", "Дати заповнення не існує або вона пізніша за сьогоднішню.", "The date of filling does not exist or is after today.")
	}
	if h.values["PERIOD_YEAR"]+"-"+h.padded("PERIOD_MONTH", 2) > today[:7] {
		tell(rulePeriod, "PERIOD_MONTH", "Звітний період ще не настав. Перевірте місяць і рік.", "The period of the report has not come yet. Check month and year.")
	}
	return filled
}

// name holds the file's name to the head.
func (h *head) name(name string, tell teller) {
	if name == "" {
		return
	}
	stem := strings.ToUpper(strings.TrimSuffix(name, path.Ext(name)))
	if !usualName.MatchString(stem) {
		tell(ruleUsual, "", "Файл звіту названо незвично: назва не повторює заголовка.", "The file of the report has an unusual name: it does not repeat the head.")
		return
	}
	at := 0
	for _, f := range []struct {
		field, want string
	}{
		{"C_REG", h.padded("C_REG", 2)},
		{"C_RAJ", h.padded("C_RAJ", 2)},
		{"TIN", h.padded("TIN", 10)},
		{"C_DOC", h.form()},
		{"C_DOC_STAN", h.values["C_DOC_STAN"]},
		{"C_DOC_TYPE", h.padded("C_DOC_TYPE", 2)},
		{"C_DOC_CNT", h.padded("C_DOC_CNT", 7)},
		{"PERIOD_TYPE", h.values["PERIOD_TYPE"]},
		{"PERIOD_MONTH", h.padded("PERIOD_MONTH", 2)},
		{"PERIOD_YEAR", h.values["PERIOD_YEAR"]},
		{"C_STI_ORIG", h.padded("C_STI_ORIG", 4)},
	} {
		if at+len(f.want) > len(stem) || stem[at:at+len(f.want)] != f.want {
			tell(ruleName, f.field, "Назва файлу суперечить заголовку звіту: очікувано %[1]s.", "The file's name contradicts the head of the report: want %[1]s.", f.want)
			return
		}
		at += len(f.want)
	}
}

// linked looks at the attachments that are named.
func (h *head) linked(tell teller) {
	seen := map[string]bool{}
	for _, f := range h.files {
		if f == "" || len(f) > 200 || seen[strings.ToLower(f)] || strings.ContainsAny(f, "/\\:") || strings.HasPrefix(f, ".") {
			tell(ruleLinked, "FILENAME", "Назва вкладення порожня, повторюється або містить шлях.", "The name of an attachment is empty, repeated, or has a path.")
			return
		}
		seen[strings.ToLower(f)] = true
	}
}

var errShape = errors.New("not a report")

// read walks over the XML in constant memory.
func read(doc *io.SectionReader) (*head, error) {
	h := &head{values: map[string]string{}}
	d := xml.NewDecoder(iso20022.Open(doc))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errShape }
	var at []string
	var text strings.Builder
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if len(at) > 0 {
				return nil, errShape
			}
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, errShape
			}
		case xml.Directive:
			return nil, errShape
		case xml.StartElement:
			at = append(at, t.Name.Local)
			text.Reset()
			if len(at) > maxDepth || len(t.Attr) > 8 || at[0] != "DECLAR" {
				return nil, errShape
			}
			switch {
			case len(at) == 2 && at[1] == "DECLARHEAD":
				h.heads++
			case len(at) == 2 && at[1] == "DECLARBODY":
				h.bodies++
				h.order = h.heads == 1
			case len(at) == 2:
				return nil, errShape
			case len(at) == 3 && at[1] == "DECLARBODY":
				h.fields++
			}
		case xml.CharData:
			if text.Len()+len(t) > maxText {
				return nil, errShape
			}
			text.Write(t)
		case xml.EndElement:
			if len(at) == 0 || at[len(at)-1] != t.Name.Local {
				return nil, errShape
			}
			s := strings.TrimSpace(text.String())
			switch {
			case len(at) == 3 && at[1] == "DECLARHEAD" && at[2] != "LINKED_DOCS":
				if _, twice := h.values[at[2]]; twice || len(h.values) > 64 {
					return nil, errShape
				}
				h.values[at[2]] = s
			case len(at) == 5 && at[2] == "LINKED_DOCS" && at[4] == "FILENAME":
				if h.files = append(h.files, s); len(h.files) > maxFiles {
					return nil, errShape
				}
			}
			at = at[:len(at)-1]
			text.Reset()
		}
	}
}
