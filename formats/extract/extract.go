// Package extract holds what the treasury sends besides what it says of an
// account, in canonical form: the notice, the extract of an allocation
// distribution, the plan change and the register extract. A processor hands it
// over as JSON; here are its rules, and how it looks as text and CSV.
//
// The JSON is one object with the keys of [Extract]; anything else is refused.
// Sums are whole kopecks, dates ISO 8601.
package extract

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/strictjson"
)

// Bounds of a document.
const (
	MaxBytes = 64 << 20
	MaxRows  = 100000
	MaxText  = 20000 // characters of a notice
)

// Extract is a document of one of the four kinds.
type Extract struct {
	Kind   formats.Kind `json:"kind"`
	Number string       `json:"number"`
	Date   string       `json:"date"`
	EDRPOU string       `json:"edrpou"` // of the client it is for

	Owner   string `json:"owner,omitempty"`   // name of the client
	Account string `json:"account,omitempty"` // IBAN of the client, where it is about one
	Title   string `json:"title,omitempty"`   // subject
	Basis   string `json:"basis,omitempty"`   // what it rests on: order, number and date
	Year    int    `json:"year,omitempty"`    // budget year of a plan change
	Text    string `json:"text,omitempty"`    // of a notice; paragraphs end in line feeds

	Total int64 `json:"total,omitempty"` // kopecks; the sum of the rows
	Rows  []Row `json:"rows,omitempty"`
}

// Row is one line. Which keys it needs depends on the kind; see Rules.
type Row struct {
	EDRPOU  string `json:"edrpou,omitempty"`
	Name    string `json:"name,omitempty"`
	Account string `json:"account,omitempty"` // IBAN
	KPKVK   string `json:"kpkvk,omitempty"`   // program classification of expenditures
	KEKV    string `json:"kekv,omitempty"`    // economic classification of expenditures
	Fund    string `json:"fund,omitempty"`    // general or special
	Month   int    `json:"month,omitempty"`   // 1 to 12; 0: the whole year
	Amount  int64  `json:"amount,omitempty"`  // kopecks; of a plan change negative too
	Status  string `json:"status,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Parse reads a document strictly. It checks form only; see Check.
func Parse(r io.Reader) (*Extract, error) {
	x := &Extract{}
	if err := strictjson.Decode(r, MaxBytes, x); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	if len(x.Rows) > MaxRows {
		return nil, fmt.Errorf("document: more than %d rows", MaxRows)
	}
	return x, nil
}

type report = func(record int, path string, m formats.Text)

// Rule is one requirement.
type Rule struct {
	ID, Title, Citation string
	check               func(x *Extract, r report)
}

const cite = "Brama, formats/extract"

// Rules are the rules on these documents. All of them refuse. IDs are never reused.
var Rules = []Rule{
	{"EX-001", "the kind is one of the four", cite, func(x *Extract, r report) {
		switch x.Kind {
		case formats.Notice, formats.AllocationExtract, formats.PlanChange, formats.RegisterExtract:
		default:
			r(0, "kind", formats.Text{UK: "Невідомий вид документа.", EN: "The kind of document is unknown."})
		}
	}},
	{"EX-002", "the number has 1 to 35 characters", cite, func(x *Extract, r report) {
		if n := utf8.RuneCountInString(x.Number); n < 1 || n > 35 {
			r(0, "number", formats.Text{UK: "Номер документа повинен мати від 1 до 35 знаків.", EN: "The document's number must have 1 to 35 characters."})
		}
	}},
	{"EX-003", "the date exists", cite, func(x *Extract, r report) {
		if _, ok := formats.Days(x.Date, x.Date); !ok || x.Date < "1991" {
			r(0, "date", formats.Text{UK: "Такої дати документа не існує.", EN: "There is no such date of the document."})
		}
	}},
	{"EX-004", "it names the client that it is for by a valid EDRPOU", cite, func(x *Extract, r report) {
		if !ident.ValidEDRPOU(x.EDRPOU) {
			r(0, "edrpou", formats.Text{UK: "Код ЄДРПОУ клієнта, якому адресовано документ, неправильний.", EN: "The EDRPOU of the client that the document is for is not valid."})
		}
	}},
	{"EX-005", "accounts, when given, are valid Ukrainian IBANs", "ISO 13616-1; ISO 7064, MOD 97-10", func(x *Extract, r report) {
		m := formats.Text{UK: "Рахунок не є правильним IBAN.", EN: "The account is not a valid IBAN."}
		if x.Account != "" && !ident.ValidIBAN(x.Account) {
			r(0, "account", m)
		}
		for i := range x.Rows {
			if a := x.Rows[i].Account; a != "" && !ident.ValidIBAN(a) {
				r(i+1, "account", m)
			}
		}
	}},
	{"EX-006", "texts have no control characters and are not too long", cite, func(x *Extract, r report) {
		m := formats.Text{UK: "Текст задовгий або містить керівні знаки.", EN: "The text is too long or has control characters."}
		for _, v := range [...]struct{ path, text string }{{"owner", x.Owner}, {"title", x.Title}, {"basis", x.Basis}, {"number", x.Number}} {
			if unfit(v.text, 420) {
				r(0, v.path, m)
			}
		}
		if unfit(strings.ReplaceAll(x.Text, "\n", " "), MaxText) {
			r(0, "text", m)
		}
		for i := range x.Rows {
			w := &x.Rows[i]
			switch {
			case unfit(w.Name, 140):
				r(i+1, "name", m)
			case unfit(w.Status, 35):
				r(i+1, "status", m)
			case unfit(w.Note, 420):
				r(i+1, "note", m)
			}
		}
	}},
	{"EX-007", "a notice has a title and a text and nothing else; any other has rows and no text", cite, func(x *Extract, r report) {
		if x.Kind == formats.Notice {
			if strings.TrimSpace(x.Title) == "" || strings.TrimSpace(x.Text) == "" || len(x.Rows) > 0 || x.Total != 0 {
				r(0, "text", formats.Text{UK: "Повідомлення повинно мати тему (title) і текст (text) і не має рядків та суми.", EN: "A notice must have a title and a text, and no rows or total."})
			}
			return
		}
		if len(x.Rows) == 0 || x.Text != "" {
			r(0, "rows", formats.Text{UK: "Документ повинен мати рядки (rows) і не має тексту (text).", EN: "The document must have rows, and no text."})
		}
	}},
	{"EX-010", "the total is the sum of the rows", cite, func(x *Extract, r report) {
		var sum int64
		ok := true
		for i := range x.Rows {
			v, fits := add(sum, x.Rows[i].Amount)
			sum, ok = v, ok && fits
		}
		if !ok || sum != x.Total {
			r(0, "total", formats.Text{UK: "Загальна сума не дорівнює сумі рядків.", EN: "The total is not the sum of the rows."})
		}
	}},
	{"EX-020", "a row has what its kind needs, spelled as it must be", "Orders of the Ministry of Finance No 11 and No 793 (classifications)", func(x *Extract, r report) {
		for i := range x.Rows {
			x.Rows[i].check(x.Kind, func(path, uk, en string) { r(i+1, path, formats.Text{UK: uk, EN: en}) })
		}
	}},
	{"EX-021", "no receiver stands twice: of an allocation for the same codes, in a register at all", cite, func(x *Extract, r report) {
		if x.Kind != formats.AllocationExtract && x.Kind != formats.RegisterExtract {
			return
		}
		seen := make(map[Row]bool, len(x.Rows))
		for i := range x.Rows {
			w := x.Rows[i]
			k := Row{EDRPOU: w.EDRPOU, Account: w.Account}
			if x.Kind == formats.AllocationExtract {
				k.KPKVK, k.KEKV, k.Fund, k.Month = w.KPKVK, w.KEKV, w.Fund, w.Month
			}
			if seen[k] {
				r(i+1, "edrpou", formats.Text{UK: "Цей одержувач з тими самими кодами вже є в документі.", EN: "This receiver stands in the document already, with the same codes."})
			}
			seen[k] = true
		}
	}},
	{"EX-022", "a plan change names its budget year", cite, func(x *Extract, r report) {
		if (x.Kind == formats.PlanChange) != (x.Year != 0) || x.Year != 0 && (x.Year < 1991 || x.Year > 9999) {
			r(0, "year", formats.Text{UK: "Бюджетний рік указують у довідці про зміни, і лише в ній.", EN: "A plan change, and only it, has a budget year."})
		}
	}},
}

func (w *Row) check(kind formats.Kind, r func(path, uk, en string)) {
	need := func(ok bool, path, uk, en string) {
		if !ok {
			r(path, uk, en)
		}
	}
	codes := kind == formats.AllocationExtract || kind == formats.PlanChange
	need(w.EDRPOU == "" && !(kind == formats.AllocationExtract || kind == formats.RegisterExtract) || ident.ValidEDRPOU(w.EDRPOU),
		"edrpou", "Код ЄДРПОУ в рядку відсутній або неправильний.", "The EDRPOU of the row is missing or not valid.")
	need(w.Name != "" || kind != formats.RegisterExtract, "name", "У рядку реєстру немає назви.", "The row of the register has no name.")
	need(w.KPKVK == "" && !codes || ident.KPKVK(w.KPKVK), "kpkvk", "КПКВК повинен мати 7 цифр.", "The KPKVK must have 7 digits.")
	need(w.KEKV == "" && !codes || ident.KEKV(w.KEKV), "kekv", "КЕКВ повинен мати 4 цифри.", "The KEKV must have 4 digits.")
	need(w.Fund == "" && !codes || w.Fund == "general" || w.Fund == "special", "fund", "Фонд повинен бути general або special.", "The fund must be general or special.")
	need(w.Month >= 0 && w.Month <= 12, "month", "Місяць повинен бути від 1 до 12.", "The month must be 1 to 12.")
	switch kind {
	case formats.AllocationExtract:
		need(w.Amount > 0, "amount", "Сума рядка повинна бути більшою за нуль.", "The row's amount must be greater than zero.")
	case formats.PlanChange:
		need(w.Amount != 0, "amount", "Зміна не може бути нульовою.", "The change must not be zero.")
	case formats.RegisterExtract:
		need(w.Amount >= 0, "amount", "Сума не може бути від'ємною.", "The amount must not be negative.")
	}
}

func unfit(s string, most int) bool {
	return utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r&0xFFFE == 0xFFFE
	})
}

// add is a + b; ok is false when it does not fit.
func add(a, b int64) (sum int64, ok bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}

// Check holds the document to the rules. A record is a row, from 1.
func (x *Extract) Check() *formats.Report {
	report := &formats.Report{Recognised: true, Kind: x.Kind}
	c := formats.Collector{Report: report}
	for _, rule := range Rules {
		rule.check(x, func(record int, path string, m formats.Text) {
			c.Add(formats.Finding{Rule: rule.ID, Record: record, Field: path, Path: path, Message: m})
		})
	}
	return report
}
