package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/provider"
)

// Time-stamps are shown with who made them, and with the reason where they fail.
func TestPrintTimeStamps(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 1, 0, time.UTC)
	r := provider.Report{Indication: "TOTAL-PASSED", Signatures: []provider.SignatureRow{{Indication: "TOTAL-PASSED", TimeStamps: []provider.TimeStampRow{
		{Kind: "content-time-stamp", Valid: true, Time: &at, Authority: "TSP"},
		{Kind: "signature-time-stamp", SubIndication: "FORMAT_FAILURE", Detail: "not a time-stamp token\x1b[1m"},
	}}}}
	for lang, want := range map[string][]string{
		"en": {"   content time-stamp: 2026-11-01T12:00:01Z, TSP, valid\n", "   signature time-stamp: not valid FORMAT_FAILURE: not a time-stamp token"},
		"uk": {"   позначка часу документа: 2026-11-01T12:00:01Z, TSP, дійсна\n", "   позначка часу підпису: недійсна FORMAT_FAILURE: "},
	} {
		var out bytes.Buffer
		c := &call{stdout: &out, lang: lang}
		c.printReport(r)
		for _, line := range want {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s: no %q in\n%s", lang, line, out.String())
			}
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: control characters", lang)
		}
	}
}

// What a verdict rests on is told, for people, programs, and in the form of ETSI.
func TestVerifyDetails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool(t, exitYes, "init", "--dir", filepath.Join(dir, "gate"), "--demo")
	demo := func(name string) string { return filepath.Join(dir, "gate", "demo", name) }
	doc := demo("samples/P0001.DBF")
	tool(t, exitYes, "sign", "--key", demo("head.key"), "--cert", demo("head.pem"), "--detached", doc)
	xml := filepath.Join(dir, "report.xml")
	args := []string{"verify", doc + ".p7s", "--detached", doc, "--anchor", demo("ca.pem"), "--material", demo("crl.pem"), "--report-xml", xml}
	var out verifyReport
	if err := json.Unmarshal([]byte(tool(t, exitYes, append(args, "--json")...)), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Details) != 1 {
		t.Fatalf("%+v", out)
	}
	d := out.Details[0]
	if len(d.Chain) != 2 || d.Chain[0].Anchor || !d.Chain[1].Anchor || len(d.Revocation) != 1 || d.Revocation[0].Kind != "crl" || d.Revocation[0].NextUpdate == nil {
		t.Errorf("%+v", d)
	}
	for _, c := range d.Constraints {
		if c.Result != "PASSED" {
			t.Errorf("%+v", c)
		}
	}
	b, err := os.ReadFile(xml)
	if err != nil || !strings.Contains(string(b), "mainindication:total-passed") || !strings.Contains(string(b), "validationObject:CRL") {
		t.Errorf("%v\n%s", err, b)
	}
	if text := tool(t, exitYes, append(args, "--lang", "uk")...); !strings.Contains(text, "корінь довіри") || !strings.Contains(text, "X.509 certificate validation: PASSED") {
		t.Errorf("%s", text)
	}
	// Without the list: what was reached, and where it ended.
	if err := json.Unmarshal([]byte(tool(t, exitUndecided, "verify", doc+".p7s", "--detached", doc, "--anchor", demo("ca.pem"), "--json")), &out); err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for _, c := range out.Details[0].Constraints {
		results[c.Block] = c.Result
	}
	if results["cryptographic verification"] != "PASSED" || results["revocation freshness"] != "INDETERMINATE" || results["time-stamps"] != "" {
		t.Errorf("%v", results)
	}
}
