package profile

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
)

var update = flag.Bool("update", false, "write the samples and what is expected of them anew")

const samplesDir = "../../configs/profiles/samples"

// sampleFiles are the samples as this test makes them: for every built-in
// profile one that passes and one that fails.
func sampleFiles() map[string][]byte {
	at := january.At
	orders := sample.Orders(sample.DemoPayer(), at, 1, 3)
	bad := slices.Clone(orders)
	bad[1].Payee.IBAN = "UA00" + bad[1].Payee.IBAN[4:]
	bad[2].Number = bad[1].Number
	short := []sample.DBFField{{Name: "NDOC", Type: 'C', Length: 10}, {Name: "DATE", Type: 'D', Length: 8}, {Name: "SUM", Type: 'N', Length: 15, Decimals: 2}, {Name: "NAZN", Type: 'C', Length: 40}}
	rows := func(sum string) [][]string {
		return [][]string{{"17", "20260115", "12500.00", "Сплата за послуги"}, {"18", "20260115", sum, "Податок"}}
	}
	files := map[string][]byte{
		"ua.oshchad.payment-order.pass.dbf":  sample.OshchadDBF(at, orders),
		"ua.oshchad.payment-order.fail.dbf":  sample.OshchadDBF(at, bad),
		"iso.pain.001.001.09.pass.xml":       sample.Pain001("SAMPLE-1", at, orders),
		"iso.pain.001.001.09.fail.xml":       sample.Pain001("SAMPLE-2", at, bad),
		"iso.pain.001.001.03.pass.xml":       pain03(sample.Pain001("SAMPLE-3", at, orders)),
		"iso.pain.001.001.03.fail.xml":       swap(pain03(sample.Pain001("SAMPLE-4", at, bad)), "<ReqdExctnDt>2026-01-15", "<ReqdExctnDt>2026-02-15"),
		"brama.supporting-document.pass.pdf": sample.PDF("Invoice No 1"),
		"brama.supporting-document.fail.pdf": []byte(strings.Replace(string(sample.PDF("Invoice No 1")), "/BaseFont/Helvetica", "/S/JavaScript/JS() ", 1)),
		"brama.payment-order.pass.dbf":       sample.DBF(short, 0x65, charset.CP866, at, rows("90.50")),
		"brama.payment-order.fail.dbf":       sample.DBF(short, 0x65, charset.CP866, at, rows("90,50")),
	}
	maps.Copy(files, layoutFiles(orders, bad))
	maps.Copy(files, engineFiles(orders, bad))
	maps.Copy(files, kindFiles())
	return files
}

func TestSamples(t *testing.T) {
	t.Parallel()
	set := Builtin()
	if *update {
		for name, b := range sampleFiles() {
			if err := os.WriteFile(filepath.Join(samplesDir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
			r := set.Check(january, Options{Name: name}, section(b))
			j, err := json.MarshalIndent(Expect(r, january.At), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(samplesDir, name+".want.json"), append(j, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(samplesDir + "/*.want.json")
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
		r := set.Check(formats.Context{At: w.At}, Options{Name: filepath.Base(name)}, section(read(t, name)))
		for _, d := range w.Differences(Expect(r, w.At)) {
			t.Errorf("%s: %s", name, d.EN)
		}
		if w.OK {
			pass[w.Profile] = true
		} else {
			fail[w.Profile] = true
		}
	}
	for _, name := range set.Names() {
		if pass[name] == (set.find(name).spec.Refuse.UK != "") || !fail[name] {
			t.Errorf("%s: wants a sample that passes and one that fails", name)
		}
	}
	holdWritten(t, set)
}
