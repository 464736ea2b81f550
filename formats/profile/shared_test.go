package profile

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats"
)

// shared is the folder of data that is not part of the repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("BRAMA_SHARED")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for dir != filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(dir, "..", "shared")
	}
	path := filepath.Join(root, "data", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: shared data not here", name)
		}
		t.Skip("shared data not here")
	}
	return path
}

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var january = formats.Context{At: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)}

func TestSharedClean(t *testing.T) {
	t.Parallel()
	for file, profile := range map[string]string{
		"formats/dbf/oshchad2023_cp1251_ldid00_c420.dbf":    "ua.oshchad.payment-order",
		"formats/dbf/corp2_cp1251_ldidC9.dbf":               "ua.bars.corp2",
		"formats/dbf/corp2_cp866_ldid65.dbf":                "ua.bars.corp2-cp866",
		"formats/dbf/pumb_cp866_ldid26_v83_latin_i.dbf":     "ua.pumb.payment-order",
		"formats/iso20022/samples/ua_pain001_synthetic.xml": "iso.pain.001.001.09",
		"formats/text/nbu_ab_594_cp866.dat":                 "ua.nbu.sep-ab",
		"formats/text/ibank2ua_cp1251.txt":                  "ua.ibank2.ua-payment",
		"formats/text/scan_ok.pdf":                          "brama.supporting-document",
	} {
		b := read(t, shared(t, file))
		r := Builtin().Check(january, Options{Name: filepath.Base(file)}, section(b))
		if !r.OK() || len(r.Findings) > 0 || r.Profile.Name != profile {
			t.Errorf("%s: %+v", file, r)
		}
	}
}

// TestSharedDBF reads the hostile tables: what CASES.tsv accepts is accepted,
// everything else refused.
func TestSharedDBF(t *testing.T) {
	t.Parallel()
	cases := read(t, shared(t, "relsec/dbf/CASES.tsv"))
	june := formats.Context{At: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(cases)), "\n")[1:] {
		row := strings.Split(line, "\t")
		n++
		t.Run(row[0], func(t *testing.T) {
			r := Builtin().Check(june, Options{Name: row[0]}, section(read(t, shared(t, "relsec/dbf/"+row[0]))))
			if want := row[1] == "accept"; r.OK() != want {
				t.Errorf("ok = %v, want %v: %+v", r.OK(), want, r.Findings)
			}
			if !r.OK() && len(r.Findings) == 0 {
				t.Error("refused without a word")
			}
			for _, f := range r.Findings {
				t.Logf("%s %s record %d field %s: %s", f.Rule, f.Severity, f.Record, f.Field, f.Message.EN)
			}
		})
	}
	if n != 27 {
		t.Errorf("%d cases, want 27", n)
	}
}
