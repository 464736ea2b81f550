package gateway

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
)

func at(record int, field string) formats.Finding {
	return formats.Finding{Rule: "FLD-002", Record: record, Field: field, Message: formats.Text{UK: "Сума записана неправильно: її не можна прочитати.", EN: "The amount is written wrongly."}}
}

func TestFindingsAreGrouped(t *testing.T) {
	t.Parallel()
	r := &Receipt{Receipt: 1, Document: "P.DBF", Outcome: Rejected, More: 300, Findings: []formats.Finding{
		{Rule: "FMT-009", Severity: formats.Warning, Message: formats.Text{UK: "Увага.", EN: "Attention."}},
		at(3, "summa"), at(3, "nazn"), at(7, "summa"), at(8, "summa"), at(9, "summa"), at(11, "summa"), at(12, "summa"),
	}}
	uk, en := r.Text("uk"), r.Text("en")
	for _, want := range []string{
		"Що виправити (усього зауважень: 308):\r\n",
		"  1. (попередження) Увага. [FMT-009]\r\n",
		"  2. записи 3, 7-9, 11, 12, поле summa: Сума записана неправильно: її не можна прочитати. [FLD-002]\r\n",
		"  3. запис 3, поле nazn: Сума",
		"     ... і ще зауважень: 300, у наступних",
	} {
		if !strings.Contains(uk, want) {
			t.Errorf("no %q in\n%s", want, uk)
		}
	}
	for _, want := range []string{"What to mend (308 findings in all):", "  2. records 3, 7-9, 11, 12, field summa: The amount", "... and 300 more,"} {
		if !strings.Contains(en, want) {
			t.Errorf("no %q in\n%s", want, en)
		}
	}
}

// TestManyRecords: numbers that do not fit a sentence follow it, all of them, on
// lines that fit a page.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	r := &Receipt{Receipt: 1, Document: "P.DBF", Outcome: Rejected}
	for i := range 100 {
		r.Findings = append(r.Findings, at(1+2*i, "summa"))
	}
	text := string(mustDecode(t, charset.CP866, charset.CP866.Encode(r.Text("uk"))))
	if !strings.Contains(text, "  1. записiв: 100 (нижче), поле summa: ") && !strings.Contains(text, "  1. записів: 100 (нижче), поле summa: ") {
		t.Errorf("%s", text)
	}
	_, list, _ := strings.Cut(text, "     Записи:")
	list, _, _ = strings.Cut(list, "\r\n\r\n")
	for line := range strings.SplitSeq(list, "\r\n") {
		if utf8.RuneCountInString(line) > wide {
			t.Errorf("%q", line)
		}
	}
	got := strings.Fields(strings.ReplaceAll(list, ",", " "))
	for i := range 100 {
		if got[i] != fmt.Sprint(1+2*i) {
			t.Fatalf("%v", got)
		}
	}
}

func mustDecode(t *testing.T, p *charset.Page, b []byte) []byte {
	t.Helper()
	s, err := p.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(s)
}

// A sum is the file's own only where no record is wrong.
func TestTotalsOfWrongRecords(t *testing.T) {
	t.Parallel()
	totals := &Totals{Records: 2, Sum: "200.23"}
	signature := formats.Finding{Rule: "SIG-FAILED"}
	record := formats.Finding{Rule: "FLD-002", Record: 2}
	for _, c := range []struct {
		findings []formats.Finding
		more     int
		want     string
	}{
		{nil, 0, "Записів: 2, на суму 200.23 грн"},
		{[]formats.Finding{signature}, 0, "Записів: 2, на суму 200.23 грн"},
		{[]formats.Finding{signature, record}, 0, "Записів: 2; сума тих, що прочитано: 200.23 грн"},
		{nil, 1, "сума тих, що прочитано"},
	} {
		r := Receipt{Receipt: 1, Outcome: Rejected, Totals: totals, Findings: c.findings, More: c.more}
		if text := r.Text("uk"); !strings.Contains(text, c.want) {
			t.Errorf("no %q in\n%s", c.want, text)
		}
	}
	totals.Sum = ""
	if text := (&Receipt{Receipt: 1, Outcome: Rejected, Totals: totals}).Text("uk"); !strings.Contains(text, "Записів: 2\r\n") {
		t.Errorf("more than can be counted:\n%s", text)
	}
}
