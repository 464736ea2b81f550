package payment

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

// noon is 14:00 in Kyiv on 15.01.2026.
var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

func good() *Order {
	return &Order{
		Record: 1, Number: "17", Date: "2026-01-15", ValueDate: "2026-01-16", Amount: 123456, Currency: "UAH",
		Payer:   Party{Name: "Відділ освіти", Code: "37567646", CodeType: EDRPOU, IBAN: "UA608201720343340023000000141", MFO: "820172"},
		Payee:   Party{Name: "ТОВ «Світанок-Є»", Code: "00013480", CodeType: EDRPOU, IBAN: "UA213223130000026007233566001", MFO: "322313"},
		Purpose: "За електроенергію",
	}
}

type testCase struct {
	rule string // "" passes
	what string
	make func(o *Order, c *formats.Context)
}

var revenue = "UA638999980333129340000026002"

// Every row starts from the good order and changes one thing. A row with a rule
// must yield exactly that one; a row "ok RULE" is the near miss that passes.
var cases = []testCase{
	{"ok PO-001", "35 characters", func(o *Order, _ *formats.Context) { o.Number = strings.Repeat("ї", 35) }},
	{"PO-001", "36 characters", func(o *Order, _ *formats.Context) { o.Number = strings.Repeat("ї", 36) }},
	{"PO-001", "empty", func(o *Order, _ *formats.Context) { o.Number = "" }},
	{"ok PO-002", "leap day", func(o *Order, c *formats.Context) {
		o.Date, o.ValueDate = "2024-02-29", ""
		c.At = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	}},
	{"PO-002", "no date", func(o *Order, _ *formats.Context) { o.Date = "" }},
	{"PO-002", "no such date", func(o *Order, _ *formats.Context) { o.Date = "2026-02-31" }},
	{"ok PO-003", "tomorrow in UTC is today in Kyiv", func(o *Order, c *formats.Context) {
		o.Date = "2026-01-16"
		c.At = time.Date(2026, 1, 15, 22, 0, 0, 0, time.UTC)
	}},
	{"PO-003", "a second earlier", func(o *Order, c *formats.Context) {
		o.Date = "2026-01-16"
		c.At = time.Date(2026, 1, 15, 21, 59, 59, 0, time.UTC)
	}},
	{"ok PO-004", "10 days", func(o *Order, _ *formats.Context) { o.Date, o.ValueDate = "2026-01-05", "" }},
	{"PO-004", "11 days", func(o *Order, _ *formats.Context) { o.Date, o.ValueDate = "2026-01-04", "" }},
	{"ok PO-005", "10 days", func(o *Order, _ *formats.Context) { o.ValueDate = "2026-01-25" }},
	{"PO-005", "11 days", func(o *Order, _ *formats.Context) { o.ValueDate = "2026-01-26" }},
	{"PO-005", "before", func(o *Order, _ *formats.Context) { o.ValueDate = "2026-01-14" }},
	{"ok PO-010", "one kopeck", func(o *Order, _ *formats.Context) { o.Amount = 1 }},
	{"PO-010", "zero", func(o *Order, _ *formats.Context) { o.Amount = 0 }},
	{"PO-010", "negative", func(o *Order, _ *formats.Context) { o.Amount = -1 }},
	{"ok PO-011", "the largest", func(o *Order, _ *formats.Context) { o.Amount = MaxAmount }},
	{"PO-011", "one more", func(o *Order, _ *formats.Context) { o.Amount = MaxAmount + 1 }},
	{"ok PO-012", "digits", func(o *Order, _ *formats.Context) { o.Currency = "980" }},
	{"PO-012", "euro", func(o *Order, _ *formats.Context) { o.Currency = "EUR" }},
	{"ok PO-020", "another account", func(o *Order, _ *formats.Context) { o.Payer.IBAN, o.Payer.MFO = revenue, "899998" }},
	{"PO-020", "check digits", func(o *Order, _ *formats.Context) { o.Payer.IBAN = "UA618201720343340023000000141" }},
	{"PO-020", "missing", func(o *Order, _ *formats.Context) { o.Payer.IBAN = "" }},
	{"ok PO-021", "another account", func(o *Order, _ *formats.Context) { o.Payee.IBAN, o.Payee.MFO = "UA213996220000026007233566001", "" }},
	{"PO-021", "check digits", func(o *Order, _ *formats.Context) { o.Payee.IBAN = "UA223223130000026007233566001" }},
	{"PO-021", "lower case", func(o *Order, _ *formats.Context) { o.Payee.IBAN = "ua213223130000026007233566001" }},
	{"ok PO-022", "no MFO", func(o *Order, _ *formats.Context) { o.Payer.MFO = "" }},
	{"PO-022", "another", func(o *Order, _ *formats.Context) { o.Payer.MFO = "899998" }},
	{"ok PO-023", "no MFO", func(o *Order, _ *formats.Context) { o.Payee.MFO = "" }},
	{"PO-023", "the swap that IBAN check digits miss", func(o *Order, _ *formats.Context) {
		o.Payee.IBAN, o.Payee.MFO = "UA213996220000026007233566001", "322313"
	}},
	{"ok PO-024", "no MFO", func(o *Order, _ *formats.Context) { o.Payer.MFO, o.Payee.MFO = "", "" }},
	{"PO-024", "a bank that fails the digit", func(o *Order, _ *formats.Context) {
		o.Payee.IBAN, o.Payee.MFO = "UA213996220000026007233566001", "399622"
	}},
	{"ok PO-030", "type not said", func(o *Order, _ *formats.Context) { o.Payer.CodeType = "" }},
	{"PO-030", "check digit", func(o *Order, _ *formats.Context) { o.Payer.Code = "37567647" }},
	{"PO-030", "missing", func(o *Order, _ *formats.Context) { o.Payer.Code = "" }},
	{"ok PO-031", "a person", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "1759013776", "" }},
	{"ok PO-031", "a passport", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "СН123456", Passport }},
	{"ok PO-031", "none", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "99999", NoCode }},
	{"PO-031", "none, but a code", func(o *Order, _ *formats.Context) { o.Payee.CodeType = NoCode }},
	{"PO-031", "check digit of a person", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "1759013770", RNOKPP }},
	{"PO-031", "seven digits", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "0013480", "" }},
	{"PO-031", "type does not fit", func(o *Order, _ *formats.Context) { o.Payee.Code = "1759013776" }},
	{"ok PO-032", "said to have none", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "000000000", NoCode }},
	{"PO-032", "zeros for a person", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "0000000000", RNOKPP }},
	{"PO-032", "zeros for an organisation", func(o *Order, _ *formats.Context) { o.Payer.Code = "00000000" }},
	{"ok PO-034", "resident", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "770000001", TaxNumber }},
	{"PO-034", "neither 77 nor 88", func(o *Order, _ *formats.Context) { o.Payee.Code, o.Payee.CodeType = "120000001", TaxNumber }},
	{"ok PO-040", "140", func(o *Order, _ *formats.Context) { o.Payer.Name = strings.Repeat("ґ", 140) }},
	{"PO-040", "141", func(o *Order, _ *formats.Context) { o.Payer.Name = strings.Repeat("ґ", 141) }},
	{"ok PO-041", "140", func(o *Order, _ *formats.Context) { o.Payee.Name = strings.Repeat("ґ", 140) }},
	{"PO-041", "spaces", func(o *Order, _ *formats.Context) { o.Payee.Name = "   " }},
	{"ok PO-050", "420", func(o *Order, _ *formats.Context) { o.Purpose = strings.Repeat("ґ", 420) }},
	{"PO-050", "421", func(o *Order, _ *formats.Context) { o.Purpose = strings.Repeat("ґ", 421) }},
	{"PO-050", "empty", func(o *Order, _ *formats.Context) { o.Purpose = "" }},
	{"ok PO-052", "code in the text", func(o *Order, _ *formats.Context) {
		o.Payee.IBAN, o.Payee.MFO, o.Purpose = revenue, "899998", "101 ЄСВ за січень"
	}},
	{"ok PO-052", "code of its own", func(o *Order, _ *formats.Context) {
		o.Payee.IBAN, o.Payee.MFO, o.PurposeCode = revenue, "899998", "101"
	}},
	{"ok PO-052", "before it came into force", func(o *Order, c *formats.Context) {
		o.Payee.IBAN, o.Payee.MFO, o.Date, o.ValueDate = revenue, "899998", "2023-11-30", ""
		c.At = time.Date(2023, 11, 30, 12, 0, 0, 0, time.UTC)
	}},
	{"PO-052", "no code", func(o *Order, _ *formats.Context) { o.Payee.IBAN, o.Payee.MFO = revenue, "899998" }},
	{"ok PO-053", "a no-break space", func(o *Order, _ *formats.Context) { o.Purpose = "За\u00a0світло" }},
	{"PO-053", "a line break", func(o *Order, _ *formats.Context) { o.Purpose = "За\nсвітло" }},
	{"PO-053", "a right-to-left override", func(o *Order, _ *formats.Context) { o.Payee.Name = "ТОВ \u202e" }},
	{"ok PO-070", "own", func(o *Order, c *formats.Context) {
		c.Owner = &formats.Owner{EDRPOU: "37567646", Accounts: []string{revenue, o.Payer.IBAN}}
	}},
	{"ok PO-070", "no list", func(_ *Order, c *formats.Context) { c.Owner = &formats.Owner{EDRPOU: "37567646"} }},
	{"PO-070", "another's", func(_ *Order, c *formats.Context) {
		c.Owner = &formats.Owner{EDRPOU: "37567646", Accounts: []string{revenue}}
	}},
	{"ok PO-071", "own", func(_ *Order, c *formats.Context) { c.Owner = &formats.Owner{EDRPOU: "37567646"} }},
	{"PO-071", "another's", func(_ *Order, c *formats.Context) { c.Owner = &formats.Owner{EDRPOU: "00013480"} }},
}

func run(c *formats.Context, orders ...*Order) []formats.Finding {
	var found []formats.Finding
	checker := Checker{Run: kind.Run{Context: c, Add: func(f formats.Finding) { found = append(found, f) }}}
	for _, o := range orders {
		checker.Check(o)
	}
	return found
}

func TestRules(t *testing.T) {
	t.Parallel()
	severity := map[string]formats.Severity{}
	for _, r := range Rules {
		severity[r.ID] = r.Severity
	}
	for _, c := range cases {
		o, at := good(), &formats.Context{At: noon}
		c.make(o, at)
		found := run(at, o)
		if strings.HasPrefix(c.rule, "ok ") {
			if len(found) > 0 {
				t.Errorf("%s, %s: %+v", c.rule, c.what, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Rule != c.rule {
			t.Errorf("%s, %s: %+v", c.rule, c.what, found)
			continue
		}
		f := found[0]
		if f.Severity != severity[f.Rule] || f.Record != 1 || f.Path == "" || f.Field == "" || f.Message.UK == "" || f.Message.EN == "" {
			t.Errorf("%s: incomplete: %+v", c.rule, f)
		}
		for _, private := range []string{o.Payer.Name, o.Payee.Name, o.Payer.Code, o.Payee.Code, o.Payer.IBAN, o.Payee.IBAN} {
			if private = strings.TrimSpace(private); private != "" && (strings.Contains(f.Message.UK, private) || strings.Contains(f.Message.EN, private)) {
				t.Errorf("%s: the message tells data of the document: %s", c.rule, f.Message.EN)
			}
		}
	}
}

// TestEveryRuleIsTested holds the cases above complete.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Rules {
		if seen[r.ID] || r.Title == "" || r.Citation == "" {
			t.Errorf("%s: twice, or without title or citation", r.ID)
		}
		seen[r.ID] = true
		for _, want := range []string{r.ID, "ok " + r.ID} {
			if !slices.ContainsFunc(cases, func(c testCase) bool { return c.rule == want }) {
				t.Errorf("no case %q", want)
			}
		}
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	second := func(change func(*Order)) *Order {
		o := good()
		o.Record = 2
		change(o)
		return o
	}
	for what, o := range map[string]*Order{
		"another number": second(func(o *Order) { o.Number = "18" }),
		"another day":    second(func(o *Order) { o.Date = "2026-01-14" }),
		"another payer":  second(func(o *Order) { o.Payer.IBAN, o.Payer.MFO = revenue, "" }),
	} {
		if found := run(&formats.Context{At: noon}, good(), o); len(found) > 0 {
			t.Errorf("%s: %+v", what, found)
		}
	}
	found := run(&formats.Context{At: noon}, good(), second(func(*Order) {}))
	if len(found) != 1 || found[0].Rule != RuleUnique.ID || found[0].Record != 2 || found[0].Severity != formats.Error {
		t.Errorf("%+v", found)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i, f := range Kind.Fields {
		o := &Order{}
		text, money := o.Text(i), o.Money(i)
		switch {
		case seen[f.Path]:
			t.Errorf("%s: twice", f.Path)
		case f.Money() != (money != nil) || f.Money() == (text != nil):
			t.Errorf("%s: money %v, text %v", f.Path, money, text)
		case f.Money():
			*money = 5
		default:
			*text = "x"
		}
		if seen[f.Path] = true; *o == (Order{}) {
			t.Errorf("%s: not kept", f.Path)
		}
	}
}
