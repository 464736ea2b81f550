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
