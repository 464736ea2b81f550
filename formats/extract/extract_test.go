package extract

import (
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
)

const account = "UA608201720343340023000000141"

func notice() *Extract {
	return &Extract{Kind: formats.Notice, Number: "1", Date: "2026-01-15", EDRPOU: "37567646", Title: "Тема", Text: "Перший.\nДругий."}
}

func allocation() *Extract {
	return &Extract{Kind: formats.AllocationExtract, Number: "2", Date: "2026-01-15", EDRPOU: "37567646", Account: account, Total: 300, Rows: []Row{
		{EDRPOU: "37567646", KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 1, Amount: 100},
		{EDRPOU: "37567646", KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 2, Amount: 200},
	}}
}

func change() *Extract {
	return &Extract{Kind: formats.PlanChange, Number: "3", Date: "2026-01-15", EDRPOU: "37567646", Year: 2026, Rows: []Row{
		{KPKVK: "0611021", KEKV: "2273", Fund: "special", Amount: -500}, {KPKVK: "0611021", KEKV: "2111", Fund: "special", Amount: 500},
	}}
}

func register() *Extract {
	return &Extract{Kind: formats.RegisterExtract, Number: "4", Date: "2026-01-15", EDRPOU: "37567646", Rows: []Row{{EDRPOU: "37567646", Name: "Ліцей", Status: "діє"}}}
}

var cases = []struct {
	rule, what string
	of         func() *Extract
	change     func(*Extract)
}{
	{"EX-001", "a statement", notice, func(x *Extract) { x.Kind, x.Text, x.Title = formats.Statement, "", ""; x.Rows = []Row{{}} }},
	{"EX-002", "none", notice, func(x *Extract) { x.Number = "" }},
	{"EX-002", "36", notice, func(x *Extract) { x.Number = strings.Repeat("1", 36) }},
	{"EX-003", "no such date", notice, func(x *Extract) { x.Date = "2026-02-30" }},
	{"EX-004", "check digit", notice, func(x *Extract) { x.EDRPOU = "37567647" }},
	{"EX-005", "check digits", allocation, func(x *Extract) { x.Account = "UA618201720343340023000000141" }},
	{"EX-005", "of a row", allocation, func(x *Extract) { x.Rows[1].Account = "UA618201720343340023000000141" }},
	{"EX-006", "a line break in a title", notice, func(x *Extract) { x.Title = "а\nб" }},
	{"EX-006", "NUL in a text", notice, func(x *Extract) { x.Text = "а\x00" }},
	{"EX-006", "a note", register, func(x *Extract) { x.Rows[0].Note = strings.Repeat("ї", 421) }},
	{"EX-007", "no text", notice, func(x *Extract) { x.Text = " " }},
	{"EX-007", "no rows", change, func(x *Extract) { x.Rows = nil }},
	{"EX-010", "one kopeck", allocation, func(x *Extract) { x.Total++ }},
	{"EX-020", "no code", allocation, func(x *Extract) { x.Rows[0].KEKV = "" }},
	{"EX-020", "no receiver", allocation, func(x *Extract) { x.Rows[0].EDRPOU = "" }},
	{"EX-020", "fund", change, func(x *Extract) { x.Rows[0].Fund = "own" }},
	{"EX-020", "month", change, func(x *Extract) { x.Rows[0].Month = 13 }},
	{"EX-020", "no name", register, func(x *Extract) { x.Rows[0].Name = "" }},
	{"EX-020", "nothing changes", change, func(x *Extract) { x.Rows = append(x.Rows, Row{KPKVK: "0611021", KEKV: "2111", Fund: "special"}) }},
	{"EX-021", "twice", allocation, func(x *Extract) { x.Rows[1].Month = 1 }},
	{"EX-022", "no year", change, func(x *Extract) { x.Year = 0 }},
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, of := range []func() *Extract{notice, allocation, change, register} {
		if x := of(); !x.Check().OK() {
			t.Errorf("%s: %+v", x.Kind, x.Check().Findings)
		}
	}
	tried := map[string]bool{}
	for _, c := range cases {
		x := c.of()
		c.change(x)
		tried[c.rule] = true
		r := x.Check()
		if r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != c.rule || r.Findings[0].Message.UK == "" || r.Findings[0].Message.EN == "" {
			t.Errorf("%s, %s: %+v", c.rule, c.what, r.Findings)
		}
	}
	for _, r := range Rules {
		if !tried[r.ID] {
			t.Errorf("no case of %s", r.ID)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{``, `[]`, `{"kind":"notice","x":1}`, `{"kind":"notice","KIND":"notice"}`, `{"kind":"notice"}{}`, `{"total":1.5}`} {
		if _, err := Parse(strings.NewReader(doc)); err == nil {
			t.Errorf("%s: taken", doc)
		}
	}
}
