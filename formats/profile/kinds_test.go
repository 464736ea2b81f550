package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/jpeg"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/sample"
)

//go:generate go test -run TestGenerated -update .
//go:generate go test -run TestSamples -update .

const (
	profilesDir = "../../configs/profiles"
	schemasDir  = "../../docs/schemas"
)

// described are the kinds that have canonical layouts of their own.
func described() []*kind.Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k *kind.Kind) bool { return k.Root == "" })
}

// TestGenerated holds what is made from the canonical types to them: profiles,
// schemas and the list of kinds. With -update they are written anew.
func TestGenerated(t *testing.T) {
	t.Parallel()
	want := map[string][]byte{"../../docs/kinds.md": kindsDocument()}
	for _, k := range described() {
		for _, layout := range kind.Layouts {
			name, text := k.Profile(layout)
			want[filepath.Join(profilesDir, name+".yaml")] = text
		}
		want[filepath.Join(schemasDir, k.Slug()+".v1.xsd")] = k.Schema()
		want[filepath.Join(schemasDir, k.Slug()+".csv.schema.json")] = k.TableSchema()
	}
	for file, text := range want {
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not what the canonical types say (%v): run go generate ./formats/profile", file, err)
		}
	}
}

// kindsDocument is docs/kinds.md.
func kindsDocument() []byte {
	var b strings.Builder
	b.WriteString(`# Kinds of document

Made from the canonical types by ` + "`go generate ./formats/profile`" + `. For every kind: its fields as profiles (` + "`to:`" + `), canonical CSV, XML and
DBF name them, and the rules that hold whatever layout a document came in. A rule
whose clause could not be verified is a warning.

A sum is written in hryvnias with a point and at most two digits after it; a
` + "`change`" + ` may have a minus before it. "head" belongs to the document: in CSV and
DBF every record repeats it, in XML it stands once, in ` + "`Head`" + `. Schemas of XML
and CSV lie in [schemas/](schemas/).

Kinds that do not consist of such records: ` + "`supporting_document`" + ` (PDF, JPEG; see
configs/profiles/README.md), ` + "`report`" + ` and ` + "`letter`" + `, described in the guide.

`)
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for _, k := range kinds {
		fmt.Fprintf(&b, "## `%s`\n\n%s / %s.", k.ID, k.Title.UK, k.Title.EN)
		if k.Root == "" {
			b.WriteString(" ISO 20022 pain.001, DBF and texts of banks, [canonical CSV](payment-order-csv.md).\nThe rules are PO-001 to PO-071 in formats/payment; paths:\n\n")
			for i := range k.Fields {
				fmt.Fprintf(&b, "- `%s` (%s)\n", k.Fields[i].Path, k.Fields[i].Type)
			}
			b.WriteString("\n")
			continue
		}
		fmt.Fprintf(&b, " Basis: %s.\nXML: `%s` of `%s`, record `%s`, [schema](schemas/%s.v1.xsd); CSV: [schema](schemas/%s.csv.schema.json).\n\n", k.Basis, k.Root, k.Namespace(), k.Line, k.Slug(), k.Slug())
		b.WriteString("| `to` | CSV | XML | DBF | type | need | що це | what it is |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for i := range k.Fields {
			f := &k.Fields[i]
			var need []string
			if f.Header {
				need = append(need, "head")
			}
			if f.Required {
				need = append(need, "required")
			}
			t := f.Type
			switch {
			case f.Type == "word":
				t = strings.Join(f.Values, ", ")
			case f.Max > 0:
				t = fmt.Sprintf("%s, %d", f.Type, f.Max)
			}
			column, length, decimals := f.DBFColumn()
			fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | `%s` %c(%d", f.Path, f.Column(), f.Element(), f.DBF, column, length)
			if decimals > 0 {
				fmt.Fprintf(&b, ",%d", decimals)
			}
			fmt.Fprintf(&b, ") | %s | %s | %s | %s |\n", t, strings.Join(need, ", "), cell(f.Title.UK), cell(f.Title.EN))
		}
		b.WriteString("\n| rule | severity | requirement | citation |\n| --- | --- | --- | --- |\n")
		for _, r := range k.Rules {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.ID, r.Severity, cell(r.Title), cell(r.Citation))
		}
		b.WriteString("\n")
	}
	return []byte(b.String())
}

// kindFiles are the samples of the canonical layouts: one that passes and one in
// which a sum is not the sum, or something required is missing.
func kindFiles() map[string][]byte {
	files := map[string][]byte{}
	for _, k := range described() {
		rows := sample.Rows(k.ID, sample.DemoPayer(), january.At, "1")
		bad := spoilt(k, rows)
		for _, layout := range kind.Layouts {
			name, _ := k.Profile(layout)
			files[name+".pass."+layout], files[name+".fail."+layout] = written(k, layout, rows), written(k, layout, bad)
		}
	}
	picture := sample.JPEG()
	files["brama.supporting-document.jpeg.pass.jpg"] = picture
	files["brama.supporting-document.jpeg.fail.jpg"] = picture[:len(picture)-2]
	files["brama.letter.pass.txt"] = sample.Letter(january.At, "12-05/17")
	files["brama.letter.fail.txt"] = []byte("Тема: \nДата: 2026-01-16\n\n")
	name, report := sample.Report(sample.DemoPayer(), january.At)
	files[name] = report // passes
	files["ua.tax.report.fail.xml"] = bytes.Replace(bytes.Replace(report, []byte("<PERIOD_TYPE>1<"), []byte("<PERIOD_TYPE>9<"), 1), []byte("<C_DOC>J05"), []byte("<C_DOC>X05"), 1)
	return files
}

func written(k *kind.Kind, layout string, rows []sample.Row) []byte {
	switch layout {
	case "csv":
		return sample.CSV(k, rows)
	case "dbf":
		return sample.Table(k, january.At, rows)
	}
	return sample.XML(k, rows)
}

// spoilt makes the last record wrong: its code has a wrong digit, its date is in
// the future, and the record before it is repeated.
func spoilt(k *kind.Kind, rows []sample.Row) []sample.Row {
	list := append(slices.Clone(rows), change(rows[len(rows)-1]))
	last := list[len(list)-1]
	for i := range k.Fields {
		if f := &k.Fields[i]; f.Type == "edrpou" && last[f.Path] != "" {
			last[f.Path] = "12345679"
		}
	}
	last["date"] = "2026-01-16"
	return list
}

func change(r sample.Row, pairs ...string) sample.Row {
	out := sample.Row{}
	for k, v := range r {
		out[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// TestSchemas compiles every schema; the samples of TestSamples are held to them.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for _, k := range described() {
		if _, err := k.Engine(); err != nil {
			t.Errorf("%s: %v", k.ID, err)
		}
		if !json.Valid(k.TableSchema()) {
			t.Errorf("%s: table schema", k.ID)
		}
		columns := map[string]bool{}
		for i := range k.Fields {
			for _, name := range []string{"csv " + k.Fields[i].Column(), "xml " + k.Fields[i].Element(), "dbf " + k.Fields[i].DBF} {
				if columns[name] {
					t.Errorf("%s: %s: twice", k.ID, name)
				}
				columns[name] = true
			}
		}
	}
}

// TestLayoutsAgree holds the same records in all canonical layouts to the same findings.
func TestLayoutsAgree(t *testing.T) {
	t.Parallel()
	for _, k := range described() {
		rows := sample.Rows(k.ID, sample.DemoPayer(), january.At, "1")
		var first []string
		for _, layout := range kind.Layouts {
			for _, spoil := range []bool{false, true} {
				use := rows
				if spoil {
					use = spoilt(k, rows)
				}
				name, _ := k.Profile(layout)
				r := Builtin().Check(january, Options{Name: "x." + layout}, section(written(k, layout, use)))
				if r.Profile.Name != name || r.Kind != k.ID || r.OK() == spoil {
					t.Errorf("%s: %s %v %+v", name, r.Profile.Name, r.OK(), r.Findings)
				}
				if !spoil {
					if len(r.Findings) > 0 || len(r.Entries) == 0 || r.Entries[0].Number == "" || r.Entries[0].Date != "2026-01-15" {
						t.Errorf("%s: %+v %+v", name, r.Findings, r.Entries)
					}
					continue
				}
				var got []string
				for _, f := range r.Findings {
					if layout == "xml" && f.Path == "date" && f.Record != 1 {
						continue
					}
					got = append(got, fmt.Sprintf("%s %d %s", f.Rule, f.Record, f.Path))
				}
				if first == nil {
					first = got
				} else if layout == "dbf" && !slices.Equal(got, first) {
					t.Errorf("%s: %v, in CSV %v", name, got, first)
				}
			}
		}
	}
}

// Documents that are looked at as a whole: each row changes one thing.
func TestWholeDocuments(t *testing.T) {
	t.Parallel()
	at := january
	at.Owner = &formats.Owner{EDRPOU: sample.DemoPayer().EDRPOU}
	name, declar := sample.Report(sample.DemoPayer(), at.At)
	picture, letter := sample.JPEG(), sample.Letter(at.At, "1")
	swap := func(b []byte, old, with string) []byte {
		if !bytes.Contains(b, []byte(old)) {
			t.Errorf("%q is not in the sample", old)
		}
		return bytes.Replace(b, []byte(old), []byte(with), 1)
	}
	huge := bytes.Clone(picture)
	frame := bytes.Index(huge, []byte{0xFF, 0xC0})
	huge[frame+5], huge[frame+6] = 0xFF, 0xFF
	lossless := bytes.Clone(picture)
	lossless[frame+1] = 0xC3
	for _, c := range []struct {
		what, name string
		doc        []byte
		want       string // rules, in their order; "" passes
	}{
		{"report", name, declar, ""},
		{"report named otherwise", "ZVIT.XML", declar, rp(6)},
		{"report of another period", strings.Replace(name, "2025", "2024", 1), declar, rp(5)},
		{"report of another body", name, swap(declar, "<TIN>"+sample.DemoPayer().EDRPOU, "<TIN>00013480"), rp(4) + " " + rp(5)},
		{"report cut", name, declar[:len(declar)-12], rp(1)},
		{"report with a DTD", name, swap(declar, "<DECLAR ", "<!DOCTYPE x><DECLAR "), rp(1)},
		{"report without a body", name, swap(swap(declar, "<DECLARBODY>", "<DECLARHEAD>"), "</DECLARBODY>", "</DECLARHEAD>"), rp(2)},
		{"report without a field", name, swap(declar, "<C_DOC_STAN>1</C_DOC_STAN>", ""), rp(3)},
		{"report of the next month", name, swap(declar, "<PERIOD_MONTH>12</PERIOD_MONTH><PERIOD_TYPE>1</PERIOD_TYPE><PERIOD_YEAR>2025", "<PERIOD_MONTH>2</PERIOD_MONTH><PERIOD_TYPE>1</PERIOD_TYPE><PERIOD_YEAR>2026"), rp(7) + " " + rp(5)},
		{"report filled tomorrow", name, swap(declar, "15012026", "16012026"), rp(8)},
		{"report with a path", name, swap(declar, "<FILENAME>", "<FILENAME>../"), rp(9)},
		{"report of nothing", name, swap(swap(declar, "<R01G3>100.00</R01G3>", ""), string(declar[bytes.Index(declar, []byte("<HNAME>")):bytes.Index(declar, []byte("<R01G3>"))]), ""), rp(10)},

		{"picture", "A.JPG", picture, ""},
		{"picture named as a table", "A.DBF", picture, RuleName},
		{"picture cut", "A.JPG", picture[:len(picture)-1], jpeg.RuleCut},
		{"picture with a tail", "A.JPG", append(bytes.Clone(picture), 'x'), jpeg.RuleTrails},
		{"picture of 65535 lines", "A.JPG", huge, jpeg.RuleSize},
		{"picture of a rare sort", "A.JPG", lossless, jpeg.RuleProcess},
		{"picture without a frame", "A.JPG", []byte{0xFF, 0xD8, 0xFF, 0xD9}, jpeg.RuleBroken},

		{"letter", "A.TXT", letter, ""},
		{"letter in English", "A.TXT", []byte("Subject: account\r\n\r\nText\r\n"), ""},
		{"letter in another page", "A.TXT", swap(letter, "рах", "\xF0"), "LT-001"},
		{"letter with a NUL", "A.TXT", swap(letter, "рах", "\x00"), "LT-001"},
		{"letter without a subject", "A.TXT", swap(letter, " Про уточнення рахунку", ""), "LT-002"},
		{"letter with a strange head", "A.TXT", swap(letter, "Номер", "Адреса"), "LT-003"},
		{"letter without a text", "A.TXT", []byte("Тема: x\n"), "LT-004"},
		{"letter of tomorrow", "A.TXT", swap(letter, "2026-01-15", "2026-01-16"), "LT-005"},
	} {
		r := Builtin().Check(at, Options{Name: c.name}, section(c.doc))
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Rule)
		}
		if strings.Join(got, " ") != c.want || !r.Recognised {
			t.Errorf("%s: %v, want %q: %+v", c.what, got, c.want, r.Findings)
		}
	}
}

// FuzzWhole reads hostile reports, pictures and letters.
func FuzzWhole(f *testing.F) {
	_, declar := sample.Report(sample.DemoPayer(), january.At)
	f.Add(declar)
	f.Add(sample.JPEG())
	f.Add(sample.Letter(january.At, "1"))
	for _, k := range described() {
		f.Add(sample.XML(k, sample.Rows(k.ID, sample.DemoPayer(), january.At, "1")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, finding := range Builtin().Check(january, Options{}, section(b)).Findings {
			if finding.Rule == RuleInternal {
				t.Error("a fault")
			}
		}
	})
}

// rp is the id of a rule on reports.
func rp(n int) string { return fmt.Sprintf("RP-%03d", n) }
