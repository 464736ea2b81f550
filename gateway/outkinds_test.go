package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/extract"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

func extractJSON(x extract.Extract) json.RawMessage {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}

func noticeTo(edrpou string) json.RawMessage {
	return extractJSON(extract.Extract{Kind: formats.Notice, Number: "N-1", Date: "2026-03-03", EDRPOU: edrpou, Title: "Про режим роботи", Text: "Шлюз не працює 8 березня."})
}

// refusal is the rule that refuses what is put.
func refusal(r *gatewaytest.Rig, to client.ID, o gateway.Outgoing) string {
	_, err := r.Gateway.PutStatement(r.Ctx(), to, o)
	var refused *gateway.RefusedError
	if !errors.As(err, &refused) {
		return fmt.Sprint(err)
	}
	return refused.Findings[0].Rule
}

func TestFormatsOfTheClient(t *testing.T) {
	t.Parallel()
	var code string
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) {
		code = e.EDRPOU
		e.CodePage = "cp866"
		e.Statements.Formats = []string{"txt", "camt.053.001.08", "camt.053.001.02", "ua.otp.statement", "brama.statement"}
	}})
	it := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k"})
	base := strings.TrimSuffix(it.Name, ".txt")
	want := []string{}
	for _, ext := range []string{".txt", ".xml", ".camt.053.001.02.xml", ".dbf", ".brama.statement.dbf"} {
		want = append(want, base+ext, base+ext+".p7s")
	}
	if got := sorted(r.Names("/outbox")); !slices.Equal(got, sorted(want)) {
		t.Errorf("%q, want %q", got, sorted(want))
	}
	if b := r.Read("/outbox/" + base + ".xml"); !bytes.Contains(b, []byte("camt.053.001.08")) || !bytes.Contains(b, []byte(`<Amt Ccy="UAH">1030.00</Amt>`)) {
		t.Errorf("%s", b)
	}

	// A kind that none of the forms carries reaches the client all the same.
	n := put(r, gateway.Outgoing{Statement: noticeTo(code), Key: "n"})
	if n.Kind != string(formats.Notice) || n.Number != "N-1" || n.Label != "000002" || !r.Has("/outbox/notice-2026-03-03.txt") {
		t.Errorf("%+v %q", n, r.Names("/outbox"))
	}
	r.Read("/outbox/" + n.Name)
	if err := r.Desk().Remove(r.Ctx(), "/outbox/"+n.Name); err != nil {
		t.Fatal(err)
	}
	if d, err := r.Gateway.Show(r.Ctx(), n.ID); err != nil || d.Item.State != gateway.StateAcknowledged || !r.Has("/archive/2026/03/04/"+n.Name) {
		t.Errorf("%v %+v", err, d.Item)
	}

	// What was handed over is known again whatever the entry has become.
	e := *r.Gateway.Register().ByID(r.Client)
	e.Statements.Formats = []string{"csv"}
	r.Apply(e)
	if again := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k"}); again.ID != it.ID {
		t.Error("released twice")
	}
	if _, err := r.Gateway.PutStatement(r.Ctx(), r.Client, gateway.Outgoing{Statement: canonical("8"), Key: "k"}); !errors.Is(err, gateway.ErrKey) {
		t.Errorf("another document under the same key: %v", err)
	}

	e.Statements.Formats = []string{"camt.053.001.09"}
	if _, err := r.Gateway.Apply(r.Ctx(), []client.Entry{e}, "test", false); err == nil || !strings.Contains(err.Error(), "camt.053.001.08") {
		t.Errorf("a format that there is not: %v", err)
	}
}

// THREATS E06: nothing goes to another client than the one it is about.
func TestDestination(t *testing.T) {
	t.Parallel()
	var code string
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) {
		code = e.EDRPOU
		e.Accounts = []string{sample.DemoPayer().IBAN}
		e.Statements.Formats = []string{"brama.statement"}
	}})
	other := gatewaytest.Entry()
	other.ID, other.EDRPOU, other.SSHKeys, other.Accounts = "other", sample.EDRPOU(77), nil, nil
	r.Apply(other)

	if got := refusal(r, "other", gateway.Outgoing{Statement: canonical("7")}); got != "OUT-ACCOUNT" {
		t.Errorf("a statement to another: %s", got)
	}
	if got := refusal(r, "other", gateway.Outgoing{Statement: noticeTo(code)}); got != "OUT-CLIENT" {
		t.Errorf("a notice to another: %s", got)
	}
	owned := bytes.Replace(canonical("7"), []byte(`"currency"`), []byte(`"ownerCode":"`+other.EDRPOU+`","currency"`), 1)
	if got := refusal(r, r.Client, gateway.Outgoing{Statement: owned}); got != "OUT-CLIENT" {
		t.Errorf("a statement of another owner: %s", got)
	}
	of := extractJSON(extract.Extract{Kind: formats.RegisterExtract, Number: "1", Date: "2026-03-03", EDRPOU: other.EDRPOU, Account: sample.DemoPayer().IBAN, Rows: []extract.Row{{EDRPOU: other.EDRPOU, Name: "Школа"}}})
	if got := refusal(r, "other", gateway.Outgoing{Statement: of}); got != "OUT-ACCOUNT" {
		t.Errorf("an extract about another's account: %s", got)
	}
	if got := refusal(r, r.Client, gateway.Outgoing{Statement: canonical("7"), Kind: formats.Notice}); got != "OUT-KIND" {
		t.Errorf("a statement as a notice: %s", got)
	}
	unfit := bytes.Replace(canonical("7"), []byte("Оплата"), []byte("Оплата ✓"), 1)
	if got := refusal(r, r.Client, gateway.Outgoing{Statement: unfit}); got != "OUT-LETTER" {
		t.Errorf("a letter that the page lacks: %s", got)
	}
	if it := put(r, gateway.Outgoing{Statement: canonical("7")}); it.Label != "000001" {
		t.Errorf("a refused one took number %s", it.Label)
	}
}
