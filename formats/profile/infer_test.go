package profile

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

// A draft can be loaded, reads the table that it was made of, and holds none of
// its values.
func TestInfer(t *testing.T) {
	t.Parallel()
	orders := sample.Orders(sample.DemoPayer(), january.At, 1, 3)
	for _, c := range []struct {
		name  string
		doc   []byte
		clean bool // every field is mapped
		want  []string
	}{
		{"P.DBF", sample.OshchadDBF(january.At, orders), true, []string{
			"profile: site.p\n", "built-in layout ua.oshchad.payment-order:", "char_over_255: clipper", "name: windows-1251, from_ldid: [0x00]", "does not tell the page",
			`{src: "summa", to: amount, type: money, unit: kopeck, required: true}   # N(20)`, `{src: "saldovh", ignore: true}`,
		}},
		{"ПУМБ 1.dbf", pumb(0x26, charset.CP866, orders), true, []string{
			"profile: site.1\n", "versions: [0x83]", "name: cp866, from_ldid: [0x26], fold: cyrillic-i}\n", `{src: "DAY", to: date, type: date, format: dd.mm.yyyy, required: true}`, "unit: hryvnia",
		}},
		{"x.dbf", corp2(0, charset.CP866, "20260115", orders), true, []string{"name: cp866, from_ldid: [0x00]", "built-in layout ua.bars.corp2:"}},
		{"x.dbf", pumb(0, charset.CP1125, orders), true, []string{"name: cp1125, from_ldid: [0x00]"}},
		{"--.dbf", sample.DBF([]sample.DBFField{c("RAHUNOK", 29), d("KOLY"), n("SKILKY", 12, 2), c("NDOC", 10), c("PUSTO", 5), c("KOD", 8)}, 0xC9, charset.Windows1251, january.At,
			[][]string{{orders[0].Payee.IBAN, "20260115", "10.00", "1", "", orders[0].Payee.Code}}), false, []string{
			"profile: site.table\n", `"RAHUNOK", ignore: true}   # C(29): looks like an IBAN`, "D(8): looks like a date, yyyymmdd", "N(12,2): looks like a sum", "C(5): empty", "looks like a code", "# No field was found for date, amount, purpose",
		}},
	} {
		text, err := Infer(c.name, section(c.doc))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, text)
			}
		}
		for _, o := range orders {
			if strings.Contains(string(text), o.Payee.IBAN) || strings.Contains(string(text), o.Payee.Name) {
				t.Errorf("%s: tells what the table holds", c.name)
			}
		}
		set, err := Load(fstest.MapFS{"draft.yaml": {Data: text}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r := set.Check(january, Options{Name: "P.dbf"}, section(c.doc)); r.OK() != c.clean {
			t.Errorf("%s: %v %+v\n%s", c.name, r.OK(), r.Findings, text)
		}
	}
	if _, err := Infer("x.dbf", section([]byte("no table"))); err == nil {
		t.Error("text: taken for a table")
	}
}

func FuzzInfer(f *testing.F) {
	for name, b := range sampleFiles() {
		if strings.HasSuffix(name, ".dbf") && len(b) < 8000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := Infer("x.dbf", section(b)); err == nil && len(text) == 0 {
			t.Error("empty draft")
		} else if err != nil && strings.HasPrefix(err.Error(), "draft:") && !slices.Contains(b, 0) {
			t.Error(err)
		}
	})
}
