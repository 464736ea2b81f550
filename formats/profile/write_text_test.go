package profile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/formats/statement"
	"github.com/brama-gateway/brama/formats/text"
)

// outLayout compiles a layout of testdata/out.
func outLayout(t testing.TB, name string) *Layout {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "out", name))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLayout(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTextsReadBack writes a statement in each text container and reads it with
// the package that reads what clients send: every value comes back.
func TestTextsReadBack(t *testing.T) {
	t.Parallel()
	s := sample.Statement(sample.DemoPayer(), january.At, "1", 4)
	s.Entries[1].Purpose = `Акт "5"; ПДВ`
	s.Entries[2].Number = ""
	for file, c := range map[string]struct {
		client *charset.Page
		o      text.Options
		padded bool
	}{
		"delimited.yaml": {o: text.Options{Shape: text.Delimited, Separator: ';', Header: true, Quote: true, Page: charset.UTF8}},
		"bar.yaml":       {o: text.Options{Shape: text.Delimited, Separator: '|', Page: charset.Windows1251}},
		"fixed.yaml":     {client: charset.Windows1251, o: text.Options{Shape: text.Fixed, Page: charset.Windows1251, Length: 10 + 10 + 16 + 100 + 3, CRLF: true}, padded: true},
		"keyvalue.yaml":  {o: text.Options{Shape: text.KeyValue, Page: charset.Windows1251, First: "Content-Type=doc/statement"}},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			l := outLayout(t, file)
			var b bytes.Buffer
			if _, err := l.Write(&b, s, WriteOptions{Page: c.client}); err != nil {
				t.Fatal(err)
			}
			if got, want := bytes.Count(b.Bytes(), []byte("\n")), bytes.Count(b.Bytes(), []byte("\r\n")); got != want {
				t.Errorf("%d line ends, %d of them CR LF", got, want)
			}
			at := 0
			for _, col := range l.spec.Record {
				c.o.Columns = append(c.o.Columns, text.Column{Name: col.Name, At: at, Len: col.Len})
				at += col.Len
			}
			d, err := text.NewReader(section(b.Bytes()), c.o)
			if err != nil {
				t.Fatalf("%v\n%s", err, b.Bytes())
			}
			var got [][]string
			for d.Next() == nil {
				var row []string
				for j := range d.Fields {
					v, err := c.o.Page.Decode(d.Raw(j))
					if err != nil {
						t.Fatalf("%q is not of %s", d.Raw(j), c.o.Page.Name())
					}
					if c.padded {
						v = strings.Trim(v, " ")
					}
					row = append(row, v)
				}
				got = append(got, row)
			}
			if want := toldOf(s); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
				t.Errorf("read back\n%q\nwritten of\n%q", got, want)
			}
		})
	}
}

// toldOf is what every layout of testdata/out tells: number, day, kopecks,
// purpose, currency.
func toldOf(s *statement.Statement) (rows [][]string) {
	for _, e := range s.Entries {
		rows = append(rows, []string{e.Number, dotted(e.Date), plain(e.Amount), e.Purpose, "980"})
	}
	return rows
}

func plain(kopecks int64) string {
	s := []byte{}
	for ; kopecks > 0; kopecks /= 10 {
		s = append(s, byte('0'+kopecks%10))
	}
	slices.Reverse(s)
	return string(s)
}

// What a text container cannot say is refused with record and column, and the
// other records are looked at too.
func TestTextsRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, purpose, rule string
	}{
		{"bar.yaml", "a|b", RuleOutSign},
		{"bar.yaml", "✓", RuleOutLetter},
		{"fixed.yaml", strings.Repeat("x", 101), RuleOutLong},
		{"keyvalue.yaml", "a\nb", RuleOutSign},
		{"delimited.yaml", "a\rb", RuleOutSign},
		{"refuse.yaml", "літера", RuleOutLetter}, // cp866 has no і, and the layout takes no substitute
	} {
		s := sample.Statement(sample.DemoPayer(), january.At, "1", 3)
		for i := range s.Entries {
			s.Entries[i].Purpose = "x"
		}
		s.Entries[1].Purpose = c.purpose
		var b bytes.Buffer
		_, err := outLayout(t, c.file).Write(&b, s, WriteOptions{})
		var unfit *Unfit
		if !errors.As(err, &unfit) || len(unfit.Findings) != 1 {
			t.Errorf("%s %q: %v", c.file, c.purpose, err)
			continue
		}
		if f := unfit.Findings[0]; f.Rule != c.rule || f.Record != 2 || f.Field != "purpose" || f.Path != "purpose" || f.Message.UK == "" || f.Message.EN == "" {
			t.Errorf("%s %q: %+v", c.file, c.purpose, f)
		}
	}
}

// TestWrongLayouts: what is wrong with a layout is said with file, line and what
// to write.
func TestWrongLayouts(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("testdata/out/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseLayout("l.yaml", whole); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, line, want string }{
		{"direction: out", "direction: outt", "3", "write out"},
		{"direction: out", "directoin: out", "3", `did you mean "direction"`},
		{"kinds: [statement]", "kinds: [statment]", "4", `did you mean "statement"`},
		{"kinds: [statement]", "kinds: [notice]", "4", "none that has records"},
		{"kinds: [statement]", "kinds: [statement, plan_change]", "4", "has other records"},
		{"type: dbf", "type: dbff", "6", `did you mean "dbf"`},
		{"extension: .dbf", "extension: dbf", "6", "write a point and small letters"},
		{"extension: .dbf", "extention: .dbf", "6", `did you mean "extension"`},
		{"extension: .dbf", "extension: .dbf, separator: ';'", "6", "only for delimited"},
		{"name: windows-1251", "name: windows-1215", "7", `did you mean "windows-1251"`},
		{"substitutes: refuse", "substitutes: no", "7", "write refuse or remove it"},
		{"from: number", "from: nubmer", "9", `did you mean "number"`},
		{"from: amount", "form: amount", "10", `did you mean "from"`},
		{"unit: kopeck", "unit: kopek", "10", "write kopeck or hryvnia"},
		{"len: 20,", "", "10", "len: missing"},
		{"type: D", "type: DT", "11", "write C, N or D"},
		{"name: dt", "name: SUM", "11", "there twice"},
		{"take: 200", "take: 199", "13", "skip 200: the columns before take 199"},
		{"skip: 200", "cut: true", "9", "no column takes purpose from character 200 on"},
		{"len: 3, const", "len: 3, from: currency, const", "14", "write from, or const"},
	} {
		if strings.Count(string(whole), c.from) != 1 {
			t.Errorf("%q stands %d times", c.from, strings.Count(string(whole), c.from))
		}
		_, err := ParseLayout("l.yaml", []byte(strings.Replace(string(whole), c.from, c.to, 1)))
		if err == nil || !strings.HasPrefix(err.Error(), "l.yaml:"+c.line+":") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: line %s, %q wanted: %v", c.to, c.line, c.want, err)
		}
	}
}

// FuzzLayout: no text makes a layout that panics when it writes.
func FuzzLayout(f *testing.F) {
	files, err := filepath.Glob("testdata/out/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range append(files, "../../configs/profiles/ua.otp.statement.yaml", "../../configs/profiles/brama.extract.yaml") {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	s := sample.Statement(sample.DemoPayer(), january.At, "1", 2)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLayout("x.yaml", b)
		if err != nil {
			if l != nil {
				t.Error("an error and a layout")
			}
			return
		}
		if e := l.Explain(); e.UK == "" || e.EN == "" {
			t.Error("nothing to explain")
		}
		if !l.Carries(s.DocumentKind()) {
			return
		}
		var out bytes.Buffer
		var unfit *Unfit
		if _, err := l.Write(&out, s, WriteOptions{At: january.At}); errors.As(err, &unfit) && len(unfit.Findings) == 0 {
			t.Error("refused without a word")
		}
	})
}
