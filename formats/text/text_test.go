package text

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats/charset"
)

func columns(names ...string) (list []Column) {
	for _, n := range names {
		list = append(list, Column{Name: n})
	}
	return list
}

var (
	fixed  = Options{Shape: Fixed, Page: charset.CP866, Length: 6, CRLF: true, Columns: []Column{{"a", 0, 2}, {"b", 2, 4}}, MaxLine: 100, MaxRecords: 3}
	pairs  = Options{Shape: KeyValue, Page: charset.Windows1251, First: "Type=x", Columns: columns("A", "B"), MaxLine: 100, MaxRecords: 3}
	keyed  = Options{Shape: Keyed, Page: charset.UTF8, Columns: columns("A", "Own acc"), MaxLine: 100, MaxRecords: 3}
	csv    = Options{Shape: Delimited, Page: charset.UTF8, Separator: ';', Header: true, Quote: true, MaxLine: 100, MaxRecords: 3}
	barred = Options{Shape: Delimited, Page: charset.CP866, Separator: '|', Columns: columns("x", "y"), MaxLine: 100, MaxRecords: 3}
)

// dump reads everything and writes it in one line.
func dump(o Options, in string) string {
	d, err := NewReader(section([]byte(in)), o)
	var e *Error
	switch {
	case errors.Is(err, ErrShape):
		return "no"
	case errors.As(err, &e):
		return e.Rule
	}
	var b strings.Builder
	for {
		err := d.Next()
		if errors.Is(err, io.EOF) {
			return strings.TrimSpace(b.String())
		}
		if errors.As(err, &e) {
			fmt.Fprintf(&b, "%s@%d:%d ", e.Rule, e.Record, e.Line)
			if e.Fatal {
				return strings.TrimSpace(b.String())
			}
			continue
		}
		for i := range d.Fields {
			raw := d.Raw(i)
			if raw == nil {
				b.WriteString("-,")
				continue
			}
			fmt.Fprintf(&b, "%s,", raw)
			at := in[d.Offset(i):]
			if !strings.HasPrefix(at, string(raw)) && !strings.HasPrefix(at, `"`) {
				return fmt.Sprintf("offset of %q", raw)
			}
			if line := strings.Count(in[:d.Offset(i)], "\n") + 1; line != d.Line(i) {
				return fmt.Sprintf("line of %q: %d, want %d", raw, d.Line(i), line)
			}
		}
		b.WriteString(" ")
	}
}

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func TestRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name string
		o    Options
		in   string
		want string
	}{
		{"fixed", fixed, "aabbbb\r\nccdddd\r\n", "aa,bbbb, cc,dddd,"},
		{"fixed: another width", fixed, "aabbb\r\n", "no"},
		{"fixed: short line later", fixed, "aabbbb\r\nccddd\r\neeffff\r\n", "aa,bbbb, TXT-004@2:2 ee,ffff,"},
		{"fixed: cut", fixed, "aabbbb\r\nccdddd", "aa,bbbb, TXT-002@1:2"},
		{"fixed: LF", fixed, "aabbbb\nccdddd\n", "no"},
		{"fixed: mixed ends", fixed, "aabbbb\r\nccdddd\n", "aa,bbbb, TXT-002@1:2"},
		{"fixed: empty line", fixed, "aabbbb\r\n\r\n", "aa,bbbb, TXT-013@2:2"},
		{"fixed: too many", fixed, strings.Repeat("aabbbb\r\n", 4), "aa,bbbb, aa,bbbb, aa,bbbb, TXT-011@3:4"},
		{"fixed: endless line", fixed, "aabbbb\r\n" + long + long[:64] + strings.Repeat("y", 5000), "aa,bbbb, TXT-001@1:2"},
		{"fixed: empty", fixed, "", "no"},
		{"pairs", pairs, "Type=x\n\nA=1\nB=2=3\n\n\nB=4\n", "1,2=3, -,4,"},
		{"pairs: CRLF", pairs, "Type=x\r\n\r\nA=1\r\n\r\nA=2\r\n", "1,-, 2,-,"},
		{"pairs: another first line", pairs, "Type=y\n\nA=1\n", "no"},
		{"pairs: unknown key, then a good record", pairs, "Type=x\n\nC=1\nA=1\n\nA=2\n", "TXT-009@1:3 2,-,"},
		{"pairs: twice", pairs, "Type=x\n\nA=1\nA=2\n", "TXT-008@1:4"},
		{"pairs: no key", pairs, "Type=x\n\nA\n", "TXT-007@1:3"},
		{"pairs: too many", pairs, "Type=x\n\nA=1\n\nA=1\n\nA=1\n\nA=1\n", "1,-, 1,-, 1,-, TXT-011@3:9"},
		{"keyed", keyed, "A:        1\nOwn acc:  2\n", "1,2,"},
		{"keyed: colon at the end, dashes between", keyed, "A        :1\nOwn acc  :2\n----------\n\nA        :3\nOwn acc  :\n", "1,2, 3,,"},
		{"keyed: nothing between", keyed, "A:        1\nOwn acc:  2\nA:        3\nOwn acc:  4\n", "1,2, 3,4,"},
		{"keyed: order", keyed, "A:        1\nOwn acc:  2\n\nOwn acc:  2\nA:        1\n", "1,2, TXT-010@2:4"},
		{"keyed: missing", keyed, "A:        1\n\nA:        1\nOwn acc:  2\n", "TXT-010@1:2 1,2,"},
		{"keyed: no key", keyed, "A:        1\nOwn\n", "TXT-007@1:2"},
		{"keyed: another key first", keyed, "B:        1\n", "no"},
		{"csv", csv, "a;b\n1;2\n3;\n", "1,2, 3,,"},
		{"csv: mark, no end", csv, "\xef\xbb\xbfa;b\r\n1;\"2;\"\"x\"\"\"", `1,2;"x",`},
		{"csv: columns", csv, "a;b\n1\n1;2;3\n4;5\n", "TXT-005@1:2 TXT-005@2:3 4,5,"},
		{"csv: open quote", csv, "a;b\n1;\"2\n", "TXT-006@1:2"},
		{"csv: after quote", csv, "a;b\n1;\"2\"3\n", "TXT-006@1:2"},
		{"csv: quote inside", csv, "a;b\n1;2\"\n", "TXT-006@1:2"},
		{"csv: named twice", csv, "a;A\n1;2\n", "TXT-003"},
		{"csv: one column", csv, "a\n1\n", "no"},
		{"csv: bad utf-8 in header", csv, "a;\xff\n1;2\n", "no"},
		{"bar", barred, "1|\"2\n3|\n", `1,"2, 3,,`},
		{"bar: columns", barred, "1|2|3\n", "no"},
		{"no shape", Options{}, "x\n", "no"},
	} {
		if got := dump(c.o, c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	all := []Options{fixed, pairs, keyed, csv, barred}
	for i, s := range []string{"aabbbb\r\nccdddd\r\n", "Type=x\n\nA=1\nB=2\n\nA=3", "A:        1\nOwn acc:  2\n----------\n", "a;b\n1;\"2;\"\"\"\n", "1|2\n3|4\n"} {
		f.Add(byte(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		if got := dump(all[int(which)%len(all)], string(b)); strings.HasPrefix(got, "offset") || strings.HasPrefix(got, "line of") {
			t.Error(got)
		}
	})
}

func BenchmarkFixed(b *testing.B) {
	o := Options{Shape: Fixed, Page: charset.CP866, Length: 592, CRLF: true, Columns: []Column{{"a", 0, 592}}, MaxRecords: 1 << 30}
	doc := bytes.Repeat([]byte(strings.Repeat("x", 592)+"\r\n"), 20000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := NewReader(section(doc), o)
		if err != nil {
			b.Fatal(err)
		}
		for d.Next() == nil {
		}
	}
}
