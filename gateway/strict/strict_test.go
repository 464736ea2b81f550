package strict_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/strict"
)

type inner struct {
	Code string    `yaml:"code"`
	From time.Time `yaml:"from,omitempty"`
}

type outer struct {
	Name  string         `yaml:"name"`
	Wait  time.Duration  `yaml:"wait"`
	Count int            `yaml:"count"`
	On    bool           `yaml:"on"`
	List  []inner        `yaml:"list"`
	Table map[string]int `yaml:"table"`
	Inner inner          `yaml:"inner"`
}

func decode(text string) (outer, strict.Lines, error) {
	var o outer
	nodes, err := strict.Parse("f.yaml", []byte(text), 1<<16)
	if err != nil || len(nodes) == 0 {
		return o, nil, err
	}
	lines, err := nodes[0].Decode(&o, time.FixedZone("", 2*3600))
	return o, lines, err
}

func TestDecode(t *testing.T) {
	t.Parallel()
	o, lines, err := decode("name: no\nwait: 7d\ncount: 3\non: true\nlist:\n- code: 00012345\n  from: 2026-01-31\ntable: {a: 1}\ninner:\n")
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "no" || o.Wait != 7*24*time.Hour || o.Count != 3 || !o.On || o.List[0].Code != "00012345" || o.Table["a"] != 1 {
		t.Errorf("got %+v", o)
	}
	if want := time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC); !o.List[0].From.Equal(want) {
		t.Errorf("from = %s, want %s", o.List[0].From, want)
	}
	for key, line := range map[string]int{"list[0].from": 7, "list[0].absent": 6, "table.a": 8, "nothing": 1} {
		if got := lines.At(key); got != line {
			t.Errorf("line of %s = %d, want %d", key, got, line)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "nmae: x", "f.yaml:1: nmae: unknown key; did you mean name?"},
		{"unknown key below", "inner:\n  quite_other: x", "f.yaml:2: inner.quite_other: unknown key; the keys here are code, from"},
		{"doubled key", "name: a\nname: b", "f.yaml:2: name: is there twice, first at line 1"},
		{"not a number", "count: many", `f.yaml:1: count: "many" is not what is wanted; write a whole number`},
		{"octal", "count: 010", "whole number"},
		{"too large", "count: 99999999999999999999", "whole number"},
		{"not a boolean", "on: yes", "write true or false"},
		{"bad duration", "wait: 5", "write a duration such as"},
		{"too many days", "wait: 99999999d", "write a duration such as"},
		{"bad date", "inner:\n  from: 31.01.2026", "f.yaml:2: inner.from: \"31.01.2026\""},
		{"empty", "name:", "f.yaml:1: name: is empty"},
		{"list for a text", "name: [a]", "is a list"},
		{"text for a list", "list: a", "is not a list"},
		{"text for a section", "inner: a", "code, from"},
		{"anchor", "name: &a x", "f.yaml:1: name: anchor &a is not allowed"},
		{"alias", "name: &a x\ninner: {code: *a}", "alias *a"},
		{"merge", "inner:\n  <<: {code: x}", "f.yaml:2: inner.<<: merge keys"},
		{"tag", "name: !!binary eA==", "tag !!binary"},
		{"tab", "inner:\n\tcode: x", "f.yaml:2: the line is indented with a tab; write spaces"},
		{"not YAML", "name: 'x", "f.yaml:"},
		{"not a mapping", "- a", "f.yaml:1: a document"},
		{"key that is a list", "[a]: b", "a key is not plain text"},
		{"too long", strings.Repeat("#", 1<<16+1), "split it"},
		{"too deep", strings.Repeat("a: {", 40) + strings.Repeat("}", 40), "nested deeper"},
		{"control characters", "\"na\\u001bme\": x", `na\x1bme: unknown key`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(c.text)
			var ps strict.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error %v is not Problems", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q", err, c.want)
			}
		})
	}
}

func TestProblemsAreSorted(t *testing.T) {
	t.Parallel()
	_, _, err := decode("count: a\non: b\nzzz: 1\nwait: c\n")
	var ps strict.Problems
	if !errors.As(err, &ps) || len(ps) != 4 {
		t.Fatalf("got %v", err)
	}
	for i, p := range ps {
		if p.Line != i+1 {
			t.Errorf("problem %d is of line %d", i, p.Line)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("name: x\nlist:\n- code: 1\n---\ninner: {from: 2026-01-31}\n")
	f.Add("a: &x [*x]\n<<: {}\n\t")
	f.Add("? [a]\n: b\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _, _ = decode(text)
	})
}
