package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
)

const ownLayout = `profile: site.own
version: "1"
kind: payment_instruction
title: {uk: "свій макет", en: "a layout of the site"}
match: {name: '(?i)\.txt$'}
container: {type: delimited, separator: "~", header: true}
charset: {name: cp1125}
record:
  - {src: NOM,  to: number,  type: text, max: 10, required: true}
  - {src: DATA, to: date,    type: date, format: dd.mm.yyyy, required: true}
  - {src: SUMA, to: amount,  type: money, unit: hryvnia, min: 1, required: true}
  - {src: KEKV, to: kekv,    type: kekv, required: true}
  - {src: TEXT, to: purpose, type: text, max: 420, required: true}
absent: [payer.name, payer.code, payer.iban, payee.name, payee.code, payee.iban]
rules:
  - {id: SITE-001, expr: 'amount < 100000000', field: amount, message: {uk: "забагато", en: "too much"}}
references:
  - {field: kekv, list: kekv}
`

// A layout that only a YAML file describes is accepted end to end, without a
// rebuild and without a restart. A bad one does not take its place.
func TestOwnLayout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("profiles: DIR/profiles\n")
	p := s.start(nil)
	s.register()
	shown := s.ctl("client", "show", "demo")
	s.write(s.path("demo.yaml"), shown+"\nprofiles: [site.own]\n")
	if strings.Contains(shown, "profiles:") {
		t.Fatalf("the demo client names profiles: %s", shown)
	}
	s.ctl("client", "apply", "-f", s.path("demo.yaml"))
	c := s.client(p)
	defer c.Close()
	send := func(name string, rows ...string) gateway.Receipt {
		t.Helper()
		doc := []byte("NOM~DATA~SUMA~KEKV~TEXT\r\n" + strings.Join(rows, "\r\n") + "\r\n")
		signed := sign(t, doc, false, s.signer("head"), s.signer("accountant"))
		if err := put(c, "/inbox/"+name+".p7s", signed); err != nil {
			t.Fatal(err)
		}
		return s.receipt(c, name+".p7s")
	}
	day := time.Now().In(gateway.Kyiv).Format("02.01.2006")
	row := func(n int, sum, kekv string) string {
		return fmt.Sprintf("%d~%s~%s~%s~For services", n, day, sum, kekv)
	}
	hangup := func(said string) {
		t.Helper()
		before := strings.Count(p.said(), said)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		await(t, soon, said, func() bool { return strings.Count(p.said(), said) > before })
	}

	if r := send("A1.TXT", row(1, "10.00", "2273")); r.Outcome != gateway.Rejected || len(r.Findings) == 0 || r.Findings[0].Rule != "FMT-001" {
		t.Errorf("before the profile: %s %+v", r.Outcome, r.Findings)
	}
	s.write(s.path("profiles", "own.yaml"), ownLayout)
	s.write(s.path("kekv.csv"), "code;name\n2273;x\n")
	s.ctl("classifier", "import", s.path("kekv.csv"), "--list", "kekv")
	hangup(`"reloaded"`)
	r := send("A2.TXT", row(1, "10.00", "2273"), row(2, "10.50", "2273"))
	if r.Outcome != gateway.Accepted || r.Profile.Name != "site.own" || len(r.Profile.SHA256) != 64 {
		t.Errorf("with the profile: %s %+v %+v", r.Outcome, r.Profile, r.Findings)
	}
	if r := send("A3.TXT", row(3, "10.00", "2274")); r.Outcome != gateway.Rejected || len(r.Findings) == 0 || r.Findings[len(r.Findings)-1].Rule != "REF-001" {
		t.Errorf("a code that is not in the list: %s %+v", r.Outcome, r.Findings)
	}

	s.write(s.path("profiles", "own.yaml"), strings.Replace(ownLayout, "amount <", "ammount <", 1))
	hangup("not reloaded")
	if said := s.ctl("status"); !strings.Contains(said, `own.yaml:16: rule SITE-001: expr: unknown name ammount (1:1); did you mean "amount"?`) {
		t.Errorf("status does not tell of the bad profile: %s", said)
	}
	if r := send("A4.TXT", row(4, "10.00", "2273")); r.Outcome != gateway.Accepted {
		t.Errorf("the good one before is gone: %s %+v", r.Outcome, r.Findings)
	}
	s.write(s.path("profiles", "own.yaml"), strings.Replace(ownLayout, "100000000", "100", 1))
	hangup(`"reloaded"`)
	if said := s.ctl("status"); strings.Contains(said, "own.yaml") {
		t.Errorf("status still tells of it: %s", said)
	}
	if r := send("A5.TXT", row(5, "10.00", "2273")); r.Outcome != gateway.Rejected {
		t.Errorf("the new rule is not in force: %s", r.Outcome)
	}
}
