package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
)

// TestReceiptOfManyErrors sends a file with 500 wrong records over SFTP and through
// the folder to a client of CP866: an accountant must be told, in letters that the
// old screen shows, which records and which columns to mend, and how many more.
func TestReceiptOfManyErrors(t *testing.T) {
	t.Parallel()
	s, p := running(t, "", nil)
	entry := s.ctl("client", "export")
	s.write(s.path("demo866.yaml"), strings.Replace(entry, "id: demo\n", "id: demo\ncode_page: cp866\n", 1))
	s.ctl("client", "apply", "-f", s.path("demo866.yaml"))

	rows := sample.OshchadRows(sample.Orders(sample.DemoPayer(), time.Now(), 1, 500))
	names := map[string]int{}
	for i, f := range sample.OshchadFields() {
		names[f.Name] = i
	}
	for i := range rows {
		if record := i + 1; record == 3 || record >= 7 && record <= 19 {
			rows[i][names["nazn"]] = ""
		} else {
			rows[i][names["summa"]] = "12,5"
		}
	}
	doc := sample.DBF(sample.OshchadFields(), 0, charset.Windows1251, time.Now(), rows)
	signed := sign(t, doc, false, s.signer("head"), s.signer("accountant"))

	c := s.client(p)
	if err := put(c, "/inbox/ERR1.DBF.p7s", signed); err != nil {
		t.Fatal(err)
	}
	r := s.receipt(c, "ERR1.DBF.p7s")
	if r.Outcome != gateway.Rejected || len(r.Findings)+r.More < 500 || r.More == 0 {
		t.Fatalf("%s, %d findings and %d more", r.Outcome, len(r.Findings), r.More)
	}
	for i, last := 0, 0; i < len(r.Findings); i++ { // in the order of the file
		if f := r.Findings[i]; f.Record < last || f.Record > 0 && f.Field == "" || f.Message.UK == "" || f.Message.EN == "" {
			t.Errorf("finding %d: %+v", i, f)
		} else {
			last = f.Record
		}
	}
	over, err := fetch(c, "/receipts/ERR1.DBF.p7s.receipt1.txt")
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(s.path("clients", "demo", "inbox", "ERR2.DBF.p7s"), signed, 0o600); err != nil {
		t.Fatal(err)
	}
	var through []byte
	await(t, soon, "the receipt in the folder", func() bool {
		through, err = os.ReadFile(s.path("clients", "demo", "receipts", "ERR2.DBF.p7s.receipt1.txt"))
		return err == nil
	})
	for way, b := range map[string][]byte{"SFTP": over, "folder": through} {
		text, err := charset.CP866.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"ВIДХИЛЕНО", "поле nazn", "поле summa", "записи 3, 7-19",
			fmt.Sprintf("(усього зауважень: %d)", len(r.Findings)+r.More), fmt.Sprintf("i ще зауважень: %d", r.More),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", way, want, text)
			}
		}
		if strings.Contains(text, "?") || !regexp.MustCompile(`записи 1, 2, 4-6, 20-\d+, поле summa: `).MatchString(text) {
			t.Errorf("%s: not readable:\n%s", way, text)
		}
		if n := strings.Count(text, "\n"); n > 60 {
			t.Errorf("%s: %d lines", way, n)
		}
	}

	s.ctl("client", "apply", "-f", s.entry(strings.Replace(entry, "language: uk\n", "language: en\n", 1)))
	if err := put(c, "/inbox/ERR3.DBF.p7s", signed); err != nil {
		t.Fatal(err)
	}
	s.receipt(c, "ERR3.DBF.p7s")
	english, err := fetch(c, "/receipts/ERR3.DBF.p7s.receipt1.txt")
	if err != nil || !strings.Contains(string(english), "records 3, 7-19, field nazn") || !strings.Contains(string(english), fmt.Sprintf("and %d more", r.More)) {
		t.Errorf("%v\n%s", err, english)
	}
}

// entry writes a register entry and gives its file.
func (s *site) entry(text string) string {
	s.t.Helper()
	file := s.path("entry.yaml")
	s.write(file, text)
	return file
}
