package gateway_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jacoelho/xsd"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// What outside tools rely on (DESIGN 8).
func TestReceiptFields(t *testing.T) {
	r := stage(t)
	orders := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 2)
	orders[1].Amount = 0
	r.Advance(1500 * time.Millisecond)
	r.Send("P.DBF.p7s", r.Signed(sample.OshchadDBF(r.Clock.Now(), orders)))
	var got struct {
		Receipt                                int
		Document, SHA256, Submission, Received string
		Decided, Outcome                       string
		Findings                               []map[string]any
		Signatures                             []map[string]any
		Profile                                map[string]any
		Journal                                map[string]any
	}
	if err := json.Unmarshal(r.Read("/receipts/P.DBF.p7s.receipt1.json"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Receipt != 1 || got.Document != "P.DBF.p7s" || got.Outcome != "rejected" || got.Received != "2026-03-04T08:00:01.5Z" || got.Decided != got.Received {
		t.Errorf("%+v", got)
	}
	it := r.Items("P.DBF.p7s")[0]
	if got.Submission != it.ID.String() || len(got.SHA256) != 64 || got.SHA256 != it.SHA256 {
		t.Errorf("%+v", got)
	}
	f := got.Findings[0]
	if f["rule"] == "" || f["severity"] != "error" || f["record"] != 2.0 || f["field"] != "summa" || f["path"] != "amount" {
		t.Errorf("finding %v", f)
	}
	if m := f["message"].(map[string]any); m["uk"] == "" || m["en"] == "" {
		t.Errorf("message %v", m)
	}
	for _, s := range got.Signatures {
		signer := s["signer"].(map[string]any)
		if s["indication"] != "TOTAL-PASSED" || s["role"] == "" || s["time"] != "2026-03-04T08:00:01Z" || signer["name"] == "" || signer["edrpou"] != sample.DemoPayer().EDRPOU ||
			signer["person"] == "" || signer["serial"] == "" || signer["issuer"] == "" {
			t.Errorf("signature %v", s)
		}
	}
	if got.Profile["name"] != "ua.oshchad.payment-order" || len(got.Profile["sha256"].(string)) != 64 {
		t.Errorf("profile %v", got.Profile)
	}
	// The record that the receipt names stands in the journal, with the receipt's hash.
	d, err := r.Gateway.Show(r.Ctx(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.History, func(e spool.Event) bool { return e.ID.String() == got.Journal["record"] })
	if i < 0 || d.History[i].Kind != "decided" || !bytes.Contains(d.History[i].Record, []byte(hash(r.Read("/receipts/P.DBF.p7s.receipt1.json")))) {
		t.Errorf("journal %v: %v", got.Journal, d.History)
	}
	if bytes.Contains(d.History[i].Record, []byte(gatewaytest.HeadCode)) || bytes.Contains(d.History[i].Record, []byte("Тестовий")) {
		t.Error("the journal names a person")
	}
}

func TestSeal(t *testing.T) {
	r := stage(t)
	r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	body, seal := r.Read("/receipts/P.DBF.p7s.receipt1.json"), r.Read("/receipts/P.DBF.p7s.receipt1.json.p7s")
	rep := cades.Validate(cades.Input{Container: seal, Detached: sectionOf(body)}, cades.Options{
		At: r.Clock.Now(), Trust: pki.NewStore([]*pki.Certificate{r.SealCA.Certificate}, nil, nil),
		Tolerate: cades.Tolerances{cades.NoRevocation: true},
	})
	if rep.Indication != cades.TotalPassed {
		t.Errorf("%+v", rep)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("openssl not here")
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ca := write("seal-ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.SealCA.Certificate.Raw}))
	x := write("X.json", body)
	write("X.json.p7s", seal)
	// The line of DESIGN 8; -attime only because the clock of this play stands.
	cmd := exec.Command("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-content", x, "-in", x+".p7s", "-CAfile", ca, "-purpose", "any",
		"-attime", "1772611200")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	write("X.json", append(body, ' '))
	cmd = exec.Command("openssl", cmd.Args[1:]...)
	if cmd.Run() == nil {
		t.Error("a changed receipt verifies")
	}
}

func TestSecondReceipt(t *testing.T) {
	r := stage(t)
	r.Send("P.xml.p7s", r.Signed(r.Pain001("M1", 1, 2)))
	l := r.LeaseOne()
	r.Advance(time.Minute / 2)
	r.Answer(l, gateway.Answer{Outcome: gateway.Returned, Reason: "Недостатньо асигнувань", Reference: "К-17"})
	got := r.Receipt("P.xml.p7s", 2)
	if got.Receipt != 2 || got.Outcome != gateway.Returned || got.Reason != "Недостатньо асигнувань" || got.Reference != "К-17" ||
		got.SHA256 != r.Receipt("P.xml.p7s", 1).SHA256 || got.Submission != l.Submission.ID || got.Journal.Record == 0 || !got.Decided.Equal(r.Clock.Now()) {
		t.Errorf("%+v", got)
	}
	for _, n := range []string{".receipt2.txt", ".receipt2.json.p7s", ".receipt2.pain002.xml"} {
		if !r.Has("/receipts/P.xml.p7s" + n) {
			t.Error(n)
		}
	}
	if text := string(r.Read("/receipts/P.xml.p7s.receipt2.txt")); !strings.Contains(text, "ПОВЕРНУТО БЕЗ ВИКОНАННЯ") || !strings.Contains(text, "Причина: Недостатньо асигнувань") {
		t.Error(text)
	}
}

func TestPain002(t *testing.T) {
	r := stage(t)
	schema, err := xsd.Compile(xsd.File("../formats/iso20022/schema/pain.002.001.10.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	bad := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 11, 2)
	bad[1].Payee.IBAN = bad[1].Payee.IBAN[:28] + "x"
	good := r.Signed(r.Pain001("M1", 1, 2))
	r.Send("A.xml.p7s", good)
	r.Send("B.xml.p7s", r.Signed(sample.Pain001("M2", r.Clock.Now(), bad)))
	r.Send("C.xml.p7s", good)
	r.Answer(r.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	for _, name := range []string{"A.xml.p7s.receipt1", "B.xml.p7s.receipt1", "C.xml.p7s.receipt1", "A.xml.p7s.receipt2"} {
		if err := schema.Validate(bytes.NewReader(r.Read("/receipts/" + name + ".pain002.xml"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTextReceipts(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"", "cp866", "windows-1251", "koi8-u", "cp1125"} {
		for _, lang := range []string{"uk", "en"} {
			t.Run(page+lang, func(t *testing.T) {
				t.Parallel()
				r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.CodePage, e.Language = page, lang }})
				r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
				text := r.Read("/receipts/P.DBF.p7s.receipt1.txt")
				if page != "" {
					p, _ := charset.Lookup(page)
					s, err := p.Decode(text)
					if err != nil {
						t.Fatal(err)
					}
					text = []byte(s)
				}
				s := string(text)
				want := map[string]string{"uk": "ПРИЙНЯТО", "en": "ACCEPTED"}[lang]
				if !strings.Contains(s, want) || strings.Contains(s, "\ufffd") {
					t.Error(s)
				}
				if strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\n") {
					t.Error("a line without CR")
				}
				t.Log(s)
			})
		}
	}
}

// Names of the second and third answers under one name; receipts in the outbox too.
func TestReceiptNames(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.ReceiptsInOutbox = true }})
	for n := 1; n <= 3; n++ {
		r.Send("P.DBF.p7s", r.Signed(r.DBF(n, 1)))
	}
	r.Send("P.DBF.p7s.2", r.Signed(r.DBF(9, 1)))
	want := []string{"P.DBF.p7s.2.2", "P.DBF.p7s.2", "P.DBF.p7s.3", "P.DBF.p7s"}
	for _, dir := range []string{"/receipts", "/outbox"} {
		var got []string
		for _, n := range r.Names(dir) {
			if base, ok := strings.CutSuffix(n, ".receipt1.txt"); ok {
				got = append(got, base)
			}
		}
		if slices.Sort(got); !slices.Equal(got, sorted(want)) {
			t.Errorf("%s: %v", dir, got)
		}
	}
}

// A file of very many payments has a verdict and answers of hundreds of kilobytes.
func TestLargeFile(t *testing.T) {
	r := stage(t)
	doc := r.Pain001("M1", 1, 700)
	r.Upload("P.xml", doc)
	r.Send("P.xml.p7s", r.Detached(doc, r.Head, r.Accountant))
	expect(t, r.Receipt("P.xml", 1), gateway.Accepted)
	l := r.LeaseOne()
	if len(l.Submission.Entries) != 700 {
		t.Errorf("%d entries", len(l.Submission.Entries))
	}
	r.Answer(l, gateway.Answer{Outcome: gateway.Processed})
	if got := r.Receipt("P.xml", 2); got.Totals.Records != 700 {
		t.Errorf("%+v", got.Totals)
	}
}
