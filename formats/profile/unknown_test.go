package profile

import (
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

// A refusal of what no layout fits is a sentence or two, names what the file is,
// and offers what is nearest to it.
func TestUnknownIsReadable(t *testing.T) {
	t.Parallel()
	table := sample.DBF([]sample.DBFField{
		{Name: "NDOC", Type: 'C', Length: 10}, {Name: "ZZ1", Type: 'C', Length: 1}, {Name: "ZZ2", Type: 'C', Length: 1}, {Name: "ZZ3", Type: 'C', Length: 1},
	}, 0x65, charset.CP866, january.At, [][]string{{"1", "a", "b", "c"}})
	for _, c := range []struct {
		what, name string
		doc        []byte
		options    Options
		uk, en     string
		offers     string // layouts of these names are offered
		not        string // and none of those
	}{
		{"table", "a.dbf", table, Options{}, "це таблиця DBF", "this is a DBF table", "brama.payment-order", ".xml)"},
		{"xml", "a.xml", []byte("<a/>"), Options{}, "це XML", "this is XML", ".xml)", "ua.oshchad"},
		{"pain", "a.xml", []byte(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.11"/>`), Options{}, "це XML", "this is XML", "send: ISO 20022", "ua.oshchad"},
		{"namespace", "a.xml", []byte(`<PaymentX xmlns="urn:nothing"/>`), Options{}, "це XML", "this is XML", ".xml)", "ua.oshchad"},
		{"text", "a.csv", []byte("Number;Sum\n1;2\n"), Options{}, "це текстовий файл", "this is a text file", ".csv)", ".xml)"},
		{"cp1251 text", "a.bin", []byte("\xcd\xee\xec\xe5\xf0\r\n"), Options{}, "це текстовий файл", "this is a text file", ".csv)", ".xml)"},
		{"json", "a.json", []byte(`{"a":1}`), Options{}, "це JSON", "this is JSON", ".json)", ".xml)"},
		{"bytes", "a.bin", []byte("\x00\x01\x02\xff\xfe"), Options{}, "вид файлу невідомий", "the sort of file is unknown", ".xml)", ""},
		{"zip in txt", "a.txt", []byte("PK\x03\x04\x00\x00"), Options{}, "вид файлу невідомий", "the sort of file is unknown", ".xml)", ""},
		{"restricted", "a.csv", []byte("Number;Sum\n1;2\n"), Options{Allowed: []string{"ua.oshchad.payment-order"}}, "Таких файлів від вас не приймають", "not taken from you", "(ua.oshchad.payment-order)", ".csv)"},
		{"nothing allowed", "a.csv", []byte("Number;Sum\n1;2\n"), Options{Allowed: []string{"none"}}, "жодного макета", "No layout is allowed", "", "(ua."},
	} {
		c.options.Name = c.name
		r := Builtin().Check(january, c.options, section(c.doc))
		if len(r.Findings) != 1 || r.Findings[0].Rule != RuleUnknown || r.OK() {
			t.Errorf("%s: %+v", c.what, r.Findings)
			continue
		}
		m := r.Findings[0].Message
		if !strings.Contains(m.UK, c.uk) || !strings.Contains(m.EN, c.en) || !strings.Contains(m.EN, c.offers) || c.not != "" && strings.Contains(m.EN, c.not) {
			t.Errorf("%s: %+v", c.what, m)
		}
		for _, s := range []string{m.UK, m.EN} {
			if runes(s) > 800 || !strings.Contains(s, "bramactl profile explain") || strings.Count(s, ";") > maxOffered {
				t.Errorf("%s: %d characters: %s", c.what, runes(s), s)
			}
		}
	}
}

// The layout whose names the table nearly has is offered first.
func TestUnknownNearestFirst(t *testing.T) {
	t.Parallel()
	r := Builtin().Check(january, Options{Name: "a.csv"}, section([]byte("number;aa;bb;cc;dd\n1;2;3;4;5\n")))
	run := &check{set: Builtin(), context: &formats.Context{}, doc: section([]byte("number;aa;bb;cc;dd\n1;2;3;4;5\n"))}
	list := run.offers("text")
	if r.OK() || len(list) < 2 {
		t.Fatal(r.Findings, len(list))
	}
	for i := range list[1:] {
		if run.near(list[i]) < run.near(list[i+1]) {
			t.Errorf("%s before %s", list[i].ref.Name, list[i+1].ref.Name)
		}
	}
}

// A version byte that the table's layout does not take is told as that, though
// another layout takes it and stumbles over the long field.
func TestVersionBeforeFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version byte
		rule    string
	}{{0x30, "DBF-002"}, {0x02, "DBF-002"}, {0x83, "DBF-003"}, {0xF5, "DBF-003"}} {
		doc := sample.OshchadDBF(january.At, sample.Orders(sample.DemoPayer(), january.At, 1, 1))
		doc[0] = c.version
		r := Builtin().Check(january, Options{Name: "a.dbf"}, section(doc))
		if len(r.Findings) != 1 || r.Findings[0].Rule != c.rule {
			t.Errorf("version %#x: %+v", c.version, r.Findings)
		}
	}
}
