package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
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
	if text := tool(t, exitYes, append(args, "--lang", "uk")...); !strings.Contains(text, "корінь довіри") || !strings.Contains(text, "перевірка сертифіката та його ланцюжка: PASSED") {
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

// An OCSP answer among the material settles what is open without it, for every family
// of keys, whatever its file is called.
func TestVerifyMaterialOCSP(t *testing.T) {
	t.Parallel()
	for _, f := range ocsptest.Families {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			root := ocsptest.NewAuthority(t, f, "Root", now)
			by, head := root.Issue("Responder", ocsptest.ForAnswers), root.Issue("Head")
			signed, err := cades.Sign(rand.Reader, []byte("a document"), []cades.Signer{{Key: head.Key, Certificate: head.Certificate}}, cades.SignOptions{At: now})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			write := func(name string, b []byte) string {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			answer := func(name string, status []byte) {
				raw, err := ocsptest.Answer{ID: ocsptest.ID(head.Certificate, root.Certificate), Status: status, This: now.Add(-time.Minute), By: by}.Whole()
				if err != nil {
					t.Fatal(err)
				}
				write(name, raw)
			}
			doc, anchor := write("d.p7s", signed), write("root.cer", root.Certificate.Raw)
			answer("good/head.ors", nil)
			answer("gone/head.ocsp", ocsptest.Revoked(now.Add(-time.Hour), 1))
			// About somebody else: it settles nothing.
			other := root.Issue("Other")
			raw, err := ocsptest.Answer{ID: ocsptest.ID(other.Certificate, root.Certificate), This: now, By: by}.Whole()
			if err != nil {
				t.Fatal(err)
			}
			write("other/other.ors", raw)

			for _, c := range []struct {
				material, indication, sub string
				exit                      int
			}{
				{"", "INDETERMINATE", "TRY_LATER", exitUndecided},
				{"other", "INDETERMINATE", "TRY_LATER", exitUndecided},
				{"good", "TOTAL-PASSED", "", exitYes},
				// Nothing proves that it was signed before or after (EN 319 102-1, 5.2.6.4).
				{"gone", "INDETERMINATE", "REVOKED_NO_POE", exitUndecided},
			} {
				args := []string{"verify", doc, "--anchor", anchor, "--json"}
				if c.material != "" {
					args = append(args, "--material", filepath.Join(dir, c.material))
				}
				var out verifyReport
				if err := json.Unmarshal([]byte(tool(t, c.exit, args...)), &out); err != nil {
					t.Fatal(err)
				}
				if out.Indication != c.indication || out.SubIndication != c.sub {
					t.Errorf("%q: %s %s: %s", c.material, out.Indication, out.SubIndication, out.Detail)
				}
				if c.exit == exitYes && (len(out.Details) != 1 || len(out.Details[0].Revocation) != 1 || out.Details[0].Revocation[0].Kind != "ocsp") {
					t.Errorf("%q: %+v", c.material, out.Details)
				}
			}
		})
	}
}

// Every sub-indication has its meaning in Ukrainian.
func TestMeanings(t *testing.T) {
	t.Parallel()
	c := &call{lang: "uk"}
	for _, b := range blocks {
		if c.blockName(b.name) == b.name {
			t.Errorf("%s has no Ukrainian name", b.name)
		}
		for _, sub := range b.subs {
			if c.meaning(string(sub)) == string(sub) {
				t.Errorf("%s has no meaning in Ukrainian", sub)
			}
		}
	}
	if c.lang = "en"; c.meaning("HASH_FAILURE") != "HASH_FAILURE" || c.blockName("time-stamps") != "time-stamps" {
		t.Error("English has the standard's own words")
	}
}
