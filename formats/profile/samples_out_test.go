package profile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/extract"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/formats/statement"
)

const writtenDir = samplesDir + "/out"

// outSample is a sample of a layout of the direction out.
type outSample struct {
	layout, page string
	doc          Checked
}

// writtenSamples are, for every built-in layout, a document that it can say and
// one with values that it cannot.
func writtenSamples() map[string]outSample {
	said := func() *statement.Statement { return sample.Statement(sample.DemoPayer(), january.At, "1", 3) }
	unsaid := said()
	unsaid.Entries[0].Purpose = "Рахунок ✓"
	unsaid.Entries[1].Counterparty.Code = strings.Repeat("7", 36-1)
	long := said()
	long.Entries[0].Purpose = "Рахунок ✓"
	long.Entries[2].Counterparty.Name = strings.Repeat("₴", 60) // each is written "грн"
	row := extract.Row{EDRPOU: sample.EDRPOU(2), Name: "Школа № 2", KPKVK: "0611021", KEKV: "2273", Fund: "general", Month: 1, Amount: 100}
	rows := func(change func(*extract.Row)) *extract.Extract {
		second := row
		second.Month, second.Amount, second.Fund, second.Name = 2, 20050, "special", "Ліцей «Ґанок»"
		change(&second)
		return &extract.Extract{Kind: formats.AllocationExtract, Number: "2", Date: "2026-01-15", EDRPOU: sample.EDRPOU(1), Account: sample.Account("820172", 1), Total: 20150, Rows: []extract.Row{row, second}}
	}
	return map[string]outSample{
		"ua.otp.statement.pass.json": {"ua.otp.statement", "", said()},
		"ua.otp.statement.fail.json": {"ua.otp.statement", "", unsaid},
		"brama.statement.pass.json":  {"brama.statement", "cp866", said()},
		"brama.statement.fail.json":  {"brama.statement", "cp866", long},
		"brama.extract.pass.json":    {"brama.extract", "cp866", rows(func(r *extract.Row) { r.Note = strings.Repeat("ї", 300) })},
		"brama.extract.fail.json":    {"brama.extract", "cp866", rows(func(r *extract.Row) { r.Name, r.Status = "Школа ✓", strings.Repeat("₴", 12) })},
	}
}

// parseWritten reads canonical JSON of any kind that has records.
func parseWritten(t *testing.T, b []byte) Checked {
	t.Helper()
	if s, err := statement.Parse(bytes.NewReader(b)); err == nil {
		return s
	}
	x, err := extract.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func pageOf(t *testing.T, name string) *charset.Page {
	t.Helper()
	if name == "" {
		return nil
	}
	p, ok := charset.Lookup(name)
	if !ok {
		t.Fatalf("no page %q", name)
	}
	return p
}

// holdWritten is TestSamples for what is written: the findings and, byte by byte,
// the output.
func holdWritten(t *testing.T, set *Set) {
	t.Helper()
	if *update {
		updateWritten(t, set)
	}
	files, err := filepath.Glob(writtenDir + "/*.json.want.json")
	if err != nil {
		t.Fatal(err)
	}
	pass, fail := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".want.json")
		var w Expectation
		if err := json.Unmarshal(read(t, file), &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		l := set.Layout(w.Profile)
		if l == nil {
			t.Errorf("%s: no layout %q", file, w.Profile)
			continue
		}
		r, b, err := l.Try(parseWritten(t, read(t, name)), WriteOptions{Page: pageOf(t, w.Page), At: w.At})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, d := range w.Differences(Expect(r, w.At)) {
			t.Errorf("%s: %s", name, d.EN)
		}
		switch {
		case !w.OK:
			fail[w.Profile] = true
		case w.Output == "":
			t.Errorf("%s: names no output", file)
		default:
			pass[w.Profile] = true
			if want := read(t, filepath.Join(writtenDir, w.Output)); !bytes.Equal(b, want) {
				t.Errorf("%s: %d bytes written, not the %d of %s", name, len(b), len(want), w.Output)
			}
		}
	}
	for _, name := range set.Layouts() {
		if !pass[name] || !fail[name] {
			t.Errorf("%s: wants a sample that is written and one that is refused", name)
		}
	}
}

func updateWritten(t *testing.T, set *Set) {
	t.Helper()
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(writtenDir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lines := func(v any) []byte {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return append(b, '\n')
	}
	if err := os.MkdirAll(writtenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, s := range writtenSamples() {
		l := set.Layout(s.layout)
		r, b, err := l.Try(s.doc, WriteOptions{Page: pageOf(t, s.page), At: january.At})
		if err != nil {
			t.Fatal(err)
		}
		e := Expect(r, january.At)
		e.Page = s.page
		if e.OK {
			e.Output = name + ".want" + l.Extension()
			put(e.Output, b)
		}
		put(name, lines(s.doc))
		put(name+".want.json", lines(e))
	}
}
