package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/gateway"
)

// A receipt's proof reaches the client, and what the client and the auditor have
// in hand proves it: beside the running daemon, and after it has stopped.
func TestJournal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure(`
schedule: {checkpoints: "@every 1s"}
journal: {copy: elsewhere}
`)
	p := s.start(nil)
	c := s.client(p)
	if err := put(c, "/inbox/contract.pdf.p7s", s.signedPDF("journal")); err != nil {
		t.Fatal(err)
	}
	const base = "contract.pdf.p7s.receipt1"
	await(t, 3*soon, "the proof of the receipt", func() bool {
		_, err := c.Stat("/receipts/" + base + ".proof")
		return err == nil
	})
	got := t.TempDir()
	for _, ending := range []string{".json", ".json.p7s", ".proof"} {
		b, err := fetch(c, "/receipts/"+base+ending)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(got, base+ending), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(got, "journal.key")
	if err := os.WriteFile(key, []byte(s.ctl("journal", "key")), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(got, "checkpoint")
	if err := os.WriteFile(kept, []byte(s.ctl("journal", "checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	receipt := filepath.Join(got, base+".json")
	out := s.ctl("receipt", "verify", receipt, "--proof", filepath.Join(got, base+".proof"), "--key", key, "--lang", "en")
	if !strings.Contains(out, "is in the journal: row") {
		t.Error(out)
	}
	body, err := os.ReadFile(receipt)
	if err != nil {
		t.Fatal(err)
	}
	var r gateway.Receipt
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(got, "again.proof")
	s.ctl("journal", "proof", r.Journal.Record.String(), "-o", again)
	s.ctl("receipt", "verify", receipt, "--proof", again, "--key", key)
	whole := func() {
		t.Helper()
		out := s.ctl("journal", "verify", "--key", key, "--checkpoint", kept, "--lang", "en")
		if !strings.Contains(out, "The journal is whole.") {
			t.Error(out)
		}
	}
	whole()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	whole()
	var report struct{ Rows, Signed int }
	if err := json.Unmarshal([]byte(s.ctl("journal", "verify", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Signed == 0 || report.Signed != report.Rows {
		t.Errorf("not signed at the stop: %+v", report)
	}
}
