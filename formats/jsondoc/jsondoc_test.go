package jsondoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

func section(s string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(s), 0, int64(len(s)))
}

var flat = Options{Members: []string{"a", "b.c", "n"}, MaxText: 100, MaxRecords: 3}

var within = Options{Array: "docs", Members: []string{"/number", "/unit.code", "a"}, MaxText: 100, MaxRecords: 3}

// read is the records as "name=text" words, a line each, and what was wrong.
func read(doc string, o Options) (rows []string, rules []string) {
	r, err := NewReader(section(doc), o)
	for err == nil || !fatal(err) {
		if err == nil {
			err = r.Next()
		} else {
			rules = append(rules, rule(err))
			err = r.Next()
		}
		if errors.Is(err, io.EOF) {
			return rows, rules
		}
		if err != nil {
			continue
		}
		var words []string
		for i := range o.Members {
			if raw := r.Raw(i); raw != nil {
				words = append(words, fmt.Sprintf("%s=%s", r.Name(i), raw))
			}
		}
		rows = append(rows, strings.Join(words, " "))
	}
	return rows, append(rules, rule(err))
}

func fatal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Fatal
}

func rule(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Rule
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc   string
		o     Options
		rows  string
		rules string
	}{
		{`[]`, flat, "", ""},
		{`[{"a":"x","b":{"c":"y"},"n":12.50}]`, flat, "a=x b.c=y n=12.50", ""},
		{` [ {"a" : "\u0456\ud83d\ude00\n\"" } , {"a":true,"n":null} ] ` + "\r\n", flat, "a=і😀\n\"|a=true", ""},
		{`{"number":"7","unit":{"code":"1"},"docs":[{"a":"x"},{}]}`, within, "/number=7 /unit.code=1 a=x|/number=7 /unit.code=1", ""},

		{``, flat, "", RuleSyntax},
		{`{}`, flat, "", RuleShape},
		{`[]`, within, "", RuleShape},
		{`{"number":"7"}`, within, "", RuleShape},
		{`{"docs":[],"number":"7"}`, within, "", RuleLate},
		{`{"docs":{}}`, within, "", RuleShape},
		{`[{"a":"x"}`, flat, "a=x", RuleSyntax},
		{`[{"a":"x"`, flat, "", RuleSyntax},
		{`[{"a":"x}]`, flat, "", RuleSyntax},
		{`[{"a":"x"},]`, flat, "a=x", RuleShape},
		{`[{"a":"x",}]`, flat, "", RuleSyntax},
		{`[{"a":01}]`, flat, "", RuleSyntax},
		{`[{"a":+1}]`, flat, "", RuleSyntax},
		{`[{"a":1.}]`, flat, "", RuleSyntax},
		{`[{"a":NaN}]`, flat, "", RuleSyntax},
		{`[{"a":tru}]`, flat, "", RuleSyntax},
		{`[{'a':1}]`, flat, "", RuleSyntax},
		{`[{a:1}]`, flat, "", RuleSyntax},
		{`[{"a":"\ud800x"}]`, flat, "", RuleSyntax},
		{`[{"a":"\x41"}]`, flat, "", RuleSyntax},
		{"[{\"a\":\"\n\"}]", flat, "", RuleSyntax},
		{"\xef\xbb\xbf[]", flat, "", RuleSyntax},
		{"[{\"a\":\"\xff\"}]", flat, "", RuleUTF8},
		{`[{"a":"` + strings.Repeat("x", 101) + `"}]`, flat, "", RuleLong},
		{`[{"a":` + strings.Repeat("1", 101) + `}]`, flat, "", RuleLong},
		{`[{"a":"x","a":"y"},{"a":"z"}]`, flat, "a=z", RuleRepeated},
		{`[{"a":"x","\u0061":"y"},{"a":"z"}]`, flat, "a=z", RuleRepeated},
		{`[{"z":"x"},{"a":"z"}]`, flat, "a=z", RuleUnknown},
		{`[{"z":null},{"a":"z"}]`, flat, "a=z", RuleUnknown},
		{`[{"b":{"z":"x"}},{"a":"z"}]`, flat, "a=z", RuleUnknown},
		{`[{"a":["x",[1,{"y":2}]]},{"a":"z"}]`, flat, "a=z", RuleShape},
		{`{"other":1,"docs":[{"a":"z"}]}`, within, "a=z", RuleUnknown},
		{`[] x`, flat, "", RuleTrailing},
		{`[][]`, flat, "", RuleTrailing},
		{`[{},{},{},{}]`, flat, "||", RuleRecords},
		{strings.Repeat(`[{"b":`, 1) + strings.Repeat(`{"c":`, 20), flat, "", RuleDeep},
		{`[{"a":` + strings.Repeat(`[`, 20), flat, "", RuleDeep},
		{`[1]`, flat, "", RuleShape},
	} {
		rows, rules := read(c.doc, c.o)
		if strings.Join(rows, "|") != c.rows || strings.Join(rules, " ") != c.rules {
			t.Errorf("%.60q: %q %q, want %q %q", c.doc, rows, rules, c.rows, c.rules)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		`[{"a":"` + strings.Repeat("x", 10<<20),
		strings.Repeat("[", 10<<20),
		`[{"a":1` + strings.Repeat(`,"a":1`, 1<<20),
		`[{"` + strings.Repeat("x", 10<<20),
		`[` + strings.Repeat(" ", 10<<20),
	} {
		s := section(doc)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader(s, Options{Members: []string{"a"}})
		for err == nil {
			err = r.Next()
		}
		Fits(s, Options{Members: []string{"a"}})
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
			t.Errorf("%.20q: %d bytes allocated", doc, grown)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	known, unknown, ok := Fits(section(`[{"a":1,"b":{"c":2,"d":3},"z":4}]`), flat)
	if known != 2 || unknown != 2 || !ok {
		t.Error(known, unknown, ok)
	}
	known, unknown, ok = Fits(section(`{"number":"7","docs":[{"a":1}]}`), within)
	if known != 2 || unknown != 0 || !ok {
		t.Error(known, unknown, ok)
	}
	if _, _, ok = Fits(section(`{"number":"7"}`), within); ok {
		t.Error("no records, and fits")
	}
}

func FuzzRead(f *testing.F) {
	for _, doc := range []string{
		`[{"a":"x","b":{"c":"y"},"n":12.50}]`, `{"number":"7","unit":{"code":"1"},"docs":[{"a":"x"},{}]}`,
		`[{"a":"\ud83d\ude00"},{"a":true,"n":null}]`, `[{"a":1,"a":2}]`, `[{"a":[1,{"b":2}]}]`, "[{\"a\":\"\xff\"}]",
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		for _, o := range []Options{flat, within} {
			o.MaxText, o.MaxRecords = 0, 0
			rows, rules := read(doc, o)
			Fits(section(doc), o)
			if len(rules) == 0 && !json.Valid([]byte(doc)) {
				t.Errorf("taken, and not JSON: %q", rows)
			}
		}
	})
}
