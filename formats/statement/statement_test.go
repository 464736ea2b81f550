package statement

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
)

const (
	account = "UA608201720343340023000000141"
	other   = "UA213223130000026007233566001"
)

func good() *Statement {
	return &Statement{
		Account: account, Owner: "Відділ освіти", Currency: "UAH", Number: "12", From: "2026-01-15", To: "2026-01-16",
		Opening: 100000, Credits: 50000, Debits: 25001, Closing: 124999,
		Entries: []Entry{
			{Date: "2026-01-15", Credit: true, Amount: 50000, Number: "7", Counterparty: Counterparty{Name: "Бюджет", Code: "37567646", IBAN: other}, Purpose: "Асигнування"},
			{Date: "2026-01-16", Amount: 25001, Counterparty: Counterparty{Name: "=cmd()"}, Purpose: "За електроенергію; \"акт\"", Reference: "R-1"},
		},
	}
}

func grouped(s *Statement) {
	s.Entries[0].Group, s.Entries[1].Group = "2111", "2273"
	s.Groups = []Group{{"2111", 50000, 0}, {"2273", 0, 25001}}
}

var cases = []struct {
	rule, what string // "ok RULE" passes
	change     func(*Statement)
}{
	{"ok ST-001", "another account", func(s *Statement) { s.Account = other }},
	{"ST-001", "check digits", func(s *Statement) { s.Account = "UA618201720343340023000000141" }},
	{"ok ST-002", "hryvnia", func(*Statement) {}},
	{"ST-002", "euro", func(s *Statement) { s.Currency = "EUR" }},
	{"ok ST-003", "35", func(s *Statement) { s.Number = strings.Repeat("1", 35) }},
	{"ST-003", "36", func(s *Statement) { s.Number = strings.Repeat("1", 36) }},
	{"ST-003", "none", func(s *Statement) { s.Number = "" }},
	{"ok ST-004", "longer", func(s *Statement) { s.To = "2026-01-31" }},
	{"ST-004", "no such date", func(s *Statement) { s.To = "2026-01-32" }},
	{"ok ST-010", "overdrawn", func(s *Statement) { s.Opening, s.Closing = -100000, -75001 }},
	{"ST-010", "one kopeck", func(s *Statement) { s.Closing++ }},
	{"ST-010", "overflow", func(s *Statement) { s.Opening = math.MaxInt64 }},
	{"ok ST-011", "no entries", func(s *Statement) { s.Entries, s.Credits, s.Debits, s.Closing = nil, 0, 0, s.Opening }},
	{"ST-011", "one kopeck", func(s *Statement) { s.Entries[0].Amount++ }},
	{"ST-011", "direction", func(s *Statement) { s.Entries[0].Credit = false }},
	{"ok ST-005", "named", func(s *Statement) { s.Kind = formats.Statement }},
	{"ST-005", "a notice", func(s *Statement) { s.Kind = formats.Notice }},
	{"ok ST-006", "the last day in Kyiv", func(s *Statement) { s.Kind, s.AsOf = formats.AccountState, "2026-01-15T22:30:00Z" }},
	{"ST-006", "no moment", func(s *Statement) { s.Kind = formats.AccountState }},
	{"ST-006", "another day", func(s *Statement) { s.Kind, s.AsOf = formats.AccountState, "2026-01-16T22:30:00Z" }},
	{"ST-006", "of a statement", func(s *Statement) { s.AsOf = "2026-01-16T12:00:00Z" }},
	{"ok ST-007", "a code", func(s *Statement) { s.OwnerCode = "37567646" }},
	{"ST-007", "check digit", func(s *Statement) { s.OwnerCode = "37567647" }},
	{"ok ST-009", "none", func(s *Statement) { s.Kind, s.Opening, s.Closing = formats.AccountNotification, 0, 0 }},
	{"ST-009", "a balance", func(s *Statement) { s.Kind = formats.AccountNotification }},
	{"ok ST-012", "two groups", func(s *Statement) { grouped(s) }},
	{"ST-012", "one kopeck", func(s *Statement) { grouped(s); s.Groups[0].Credits++ }},
	{"ST-012", "no groups", func(s *Statement) { s.Entries[0].Group = "2111" }},
	{"ST-012", "an entry in none", func(s *Statement) { grouped(s); s.Groups[1].Debits = 0; s.Entries[1].Group = "" }},
	{"ok ST-024", "35", func(s *Statement) { s.Entries[0].Number = strings.Repeat("7", 35) }},
	{"ST-024", "36", func(s *Statement) { s.Entries[0].Number = strings.Repeat("7", 36) }},
	{"ST-024", "141", func(s *Statement) { s.Entries[0].Counterparty.Name = strings.Repeat("ї", 141) }},
	{"ok ST-020", "one kopeck", func(s *Statement) { s.Entries[1].Amount, s.Debits, s.Closing = 1, 1, 149999 }},
	{"ST-020", "zero", func(s *Statement) { s.Entries[1].Amount, s.Debits, s.Closing = 0, 0, 150000 }},
	{"ok ST-021", "the last day", func(s *Statement) { s.Entries[0].Date = "2026-01-16" }},
	{"ST-021", "a day before", func(s *Statement) { s.Entries[0].Date = "2026-01-14" }},
	{"ok ST-022", "none", func(s *Statement) { s.Entries[0].Counterparty.IBAN = "" }},
	{"ST-022", "check digits", func(s *Statement) { s.Entries[0].Counterparty.IBAN = "UA223223130000026007233566001" }},
	{"ok ST-023", "420", func(s *Statement) { s.Entries[0].Purpose = strings.Repeat("ї", 420) }},
	{"ST-023", "421", func(s *Statement) { s.Entries[0].Purpose = strings.Repeat("ї", 421) }},
	{"ST-023", "a line break", func(s *Statement) { s.Owner = "a\nb" }},
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		s := good()
		c.change(s)
		r := s.Check()
		if strings.HasPrefix(c.rule, "ok ") {
			if !r.OK() || len(r.Findings) > 0 {
				t.Errorf("%s, %s: %+v", c.rule, c.what, r.Findings)
			}
			continue
		}
		if r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != c.rule || r.Findings[0].Message.UK == "" || r.Findings[0].Message.EN == "" {
			t.Errorf("%s, %s: %+v", c.rule, c.what, r.Findings)
		}
	}
	for _, r := range Rules {
		for _, want := range []string{r.ID, "ok " + r.ID} {
			if !slices.ContainsFunc(cases, func(c struct {
				rule, what string
				change     func(*Statement)
			},
			) bool {
				return c.rule == want
			}) {
				t.Errorf("no case %q", want)
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(s)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("%s, %v", again, err)
	}
	doc := string(b)
	for what, bad := range map[string]string{
		"empty":              "",
		"cut":                doc[:len(doc)-1],
		"bytes after":        doc + "{}",
		"unknown key":        strings.Replace(doc, `"number"`, `"nummer"`, 1),
		"key twice":          strings.Replace(doc, `"currency"`, `"account":"x","currency"`, 1),
		"key twice by case":  strings.Replace(doc, `"currency"`, `"ACCOUNT":"x","currency"`, 1),
		"fraction":           strings.Replace(doc, `"opening":100000`, `"opening":100000.5`, 1),
		"exponent":           strings.Replace(doc, `"opening":100000`, `"opening":1e5`, 1),
		"beyond 63 bits":     strings.Replace(doc, `"opening":100000`, `"opening":9223372036854775808`, 1),
		"text for a number":  strings.Replace(doc, `"opening":100000`, `"opening":"100000"`, 1),
		"not UTF-8":          strings.Replace(doc, "Відділ", "\xc2\xb3\xff", 1),
		"deep":               strings.Repeat("[", 1000),
		"an array":           "[" + doc + "]",
		"null byte in a key": strings.Replace(doc, `"number"`, "\"num\x00ber\"", 1),
	} {
		if _, err := Parse(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	uk, en := good().Text("uk"), good().Text("en")
	for _, want := range []string{"ВИПИСКА № 12\r\n", "Вхідний залишок: 1000.00", "1. 2026-01-15  надходження  500.00", "Вихідний залишок: 1249.99", "Видатки: 250.01"} {
		if !strings.Contains(uk, want) {
			t.Errorf("no %q in\n%s", want, uk)
		}
	}
	if !strings.Contains(en, "STATEMENT No 12\r\n") || !strings.Contains(en, "2. 2026-01-16  debit  250.01") {
		t.Error(en)
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	b := good().CSV()
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma = ';'
	rows, err := r.ReadAll()
	if err != nil || len(rows) != 3 || rows[1][4] != "500.00" || rows[1][3] != "credit" || rows[2][7] != "'=cmd()" || rows[2][10] != `За електроенергію; "акт"` {
		t.Errorf("%q, %v", rows, err)
	}
	if !bytes.Contains(b, []byte("\r\n")) {
		t.Error("no CRLF")
	}
}

func FuzzParse(f *testing.F) {
	b, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"entries":[{}],"opening":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		if r := s.Check(); r.OK() && s.DocumentKind() != formats.AccountNotification && s.Opening+s.Credits-s.Debits != s.Closing {
			t.Error("balances do not hold")
		}
		_, _ = s.Text("uk"), s.CSV()
	})
}
