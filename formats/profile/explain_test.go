package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
)

// Every built-in profile can be described: no type, container or kind is without
// words, and each rule has an id and a title.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, name := range Builtin().Names() {
		e, err := Builtin().Describe(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []formats.Text{e.Title, e.KindTitle, e.Container, e.CodePage, e.Limits, e.Signatures} {
			if m.UK == "" || m.EN == "" {
				t.Errorf("%s: %+v", name, e)
			}
		}
		for _, f := range e.Fields {
			if f.Source == "" || f.Type.UK == "" || f.Type.EN == "" {
				t.Errorf("%s: field %+v", name, f)
			}
		}
		for _, r := range slices.Concat(e.Rules, e.FileRules, e.References) {
			if r.ID == "" || r.Title.UK == "" || r.Title.EN == "" {
				t.Errorf("%s: rule %+v", name, r)
			}
		}
		if e.Kind == string(formats.PaymentInstruction) && !strings.Contains(e.Text().EN, "PO-001: the number has 1 to 35 characters [ISO 20022") {
			t.Errorf("%s: %s", name, e.Text().EN)
		}
	}
	for _, typ := range typeNames() {
		if m := typeWords[typ]; m.UK == "" || m.EN == "" {
			t.Errorf("type %s: no words", typ)
		}
	}
	for _, c := range containers {
		if m := containerWords[c]; m.UK == "" || m.EN == "" {
			t.Errorf("container %s: no words", c)
		}
	}
}

// What a site writes into its own profile is told: rules with citation, rules on
// the file, references.
func TestDescribeOwn(t *testing.T) {
	t.Parallel()
	const refs = "\nreferences:\n  - {field: kekv, list: kekv}\n  - {field: payer.iban, list: client.accounts, severity: warning}\n"
	e, err := load(t, testProfile+refs).Describe("test.table")
	if err != nil {
		t.Fatal(err)
	}
	text := e.Text().EN
	for _, want := range []string{"SITE-010", "SITE-011", "REF-001: kekv: a code of the list kekv", "REF-003 (warning): payer.iban"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if _, err := Builtin().Describe("ua.oshchad.payment-ordr"); err == nil || !strings.Contains(err.Error(), "ua.oshchad.payment-order") {
		t.Error(err)
	}
}
