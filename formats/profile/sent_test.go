package profile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/formats/statement"
)

// TestSentIsNotTaken: what the treasury sends is checked for a tool, and refused
// with a clear word from everybody else.
func TestSentIsNotTaken(t *testing.T) {
	t.Parallel()
	s := &statement.Statement{Account: sample.Account("820172", 1), Currency: "UAH", Number: "7", From: "2026-01-14", To: "2026-01-15", Opening: 5, Closing: 5}
	var b bytes.Buffer
	if err := iso20022.WriteAccount(&b, "camt.053.001.08", s, iso20022.AccountOptions{At: january.At}); err != nil {
		t.Fatal(err)
	}
	r := Builtin().Check(january, Options{Name: "st.xml", Sent: true}, section(b.Bytes()))
	if !r.OK() || len(r.Findings) > 0 || r.Kind != formats.Statement || r.Profile.Name != "iso.camt.053.001.08" || len(r.Profile.SHA256) != 64 {
		t.Errorf("for a tool: %+v", r)
	}
	owned := january
	owned.Owner = &formats.Owner{EDRPOU: "00013480"}
	for what, r := range map[string]*formats.Report{
		"nothing said":             Builtin().Check(january, Options{}, section(b.Bytes())),
		"a client":                 Builtin().Check(owned, Options{}, section(b.Bytes())),
		"a client, asked by tools": Builtin().Check(owned, Options{Sent: true}, section(b.Bytes())),
	} {
		if r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != RuleForbidden || r.Kind != formats.Statement ||
			!strings.Contains(r.Findings[0].Message.EN, "the treasury sends") || !strings.Contains(r.Findings[0].Message.UK, "виписка") {
			t.Errorf("%s: %+v", what, r)
		}
	}
	if r := Builtin().Check(january, Options{Sent: true, Profile: "iso.pain.001.001.09"}, section(b.Bytes())); r.OK() {
		t.Errorf("as another layout: %+v", r)
	}
}
