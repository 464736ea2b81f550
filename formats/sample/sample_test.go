package sample_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/formats/sample"
)

func TestSamplesAreClean(t *testing.T) {
	t.Parallel()
	payer := sample.DemoPayer()
	for _, at := range []time.Time{
		time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC),
		time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC), // the next day in Kyiv
		time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC),
	} {
		for _, count := range []int{1, 2, 100} {
			orders := sample.Orders(payer, at, 1000, count)
			for name, doc := range map[string][]byte{
				"P0001.xml": sample.Pain001("M-1", at, orders),
				"P0001.DBF": sample.OshchadDBF(at, orders),
				"P0001.pdf": sample.PDF("Invoice (1)"),
			} {
				c := formats.Context{At: at, Owner: &formats.Owner{EDRPOU: payer.EDRPOU, Accounts: []string{payer.IBAN}}}
				r := profile.Builtin().Check(c, profile.Options{Name: name}, io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
				if !r.OK() || len(r.Findings) > 0 {
					t.Errorf("%s %s: %+v", at, name, r.Findings)
				}
				if name != "P0001.pdf" && len(r.Entries) != count {
					t.Errorf("%s: %d entries, want %d", name, len(r.Entries), count)
				}
			}
		}
	}
}

func TestFilesAndStatement(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	payer := sample.DemoPayer()
	for name, doc := range sample.Files(payer, at) {
		r := profile.Builtin().Check(formats.Context{At: at}, profile.Options{Name: name}, io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
		if !r.OK() || len(r.Findings) > 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
	for _, count := range []int{0, 1, 20} {
		if r := sample.Statement(payer, at, "1", count).Check(); !r.OK() {
			t.Errorf("%d: %+v", count, r.Findings)
		}
	}
}
