package pdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
)

// build makes a PDF of the objects given, with a right cross-reference.
func build(objects ...string) []byte {
	b := bytes.NewBufferString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}

func page(more ...string) []byte {
	return build(append([]string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"}, more...)...)
}

func stream(dict, data string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

func deflate(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

// testLimit stands for maxStream, to be quick.
const testLimit = 1 << 20

func run(b []byte) []formats.Finding {
	var found []formats.Finding
	check(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), testLimit, func(f formats.Finding) { found = append(found, f) })
	return found
}

var cases = []struct {
	rule, what string // "ok RULE" passes
	doc        []byte
}{
	{"ok PDF-001", "plain", page()},
	{"ok PDF-001", "2.0", bytes.Replace(page(), []byte("1.7"), []byte("2.0"), 1)},
	{"PDF-001", "bytes before", append([]byte(" "), page()...)},
	{"PDF-001", "an odd version", bytes.Replace(page(), []byte("1.7"), []byte("9.7"), 1)},
	{"ok PDF-002", "line ends after", append(page(), "\r\n\r\n"...)},
	{"PDF-002", "cut", page()[:150]},
	{"PDF-002", "a program after the end", append(page(), "MZ..."...)},
	{"ok PDF-003", "plain", page()},
	{"PDF-003", "leads elsewhere", bytes.Replace(page(), []byte("startxref\n"), []byte("startxref\n1"), 1)},
	{"PDF-003", "beyond the file", bytes.Replace(page(), []byte("startxref\n"), []byte("startxref\n9999999"), 1)},
	{"PDF-003", "no number", bytes.Replace(page(), []byte("startxref"), []byte("startxxxx"), 1)},
	{"ok PDF-004", "page in an object stream", build("<</Type/Catalog/Pages 2 0 R>>", stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflate("3 0 <</Type/Page/Parent 2 0 R>>")))},
	{"PDF-004", "no page", build("<</Type/Catalog>>")},
	{"ok PDF-010", "the word in a text, without a slash", page("(JavaScript)")},
	{"ok PDF-010", "a longer name", page("<</JavaScripting 1>>")},
	{"PDF-010", "an action", page("<</S/JavaScript/JS(app.alert\\(1\\))>>")},
	{"PDF-010", "escaped", page("<</S/J#61va#53cript>>")},
	{"PDF-010", "JS only", page("<</JS 5 0 R>>")},
	{"PDF-010", "in an object stream", page(stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflate("7 0 <</S/JavaScript>>")))},
	{"PDF-010", "short name in an object stream", page(stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflate("7 0 <</JS 8 0 R>>")))},
	{"PDF-010", "in an object stream that pretends to be a picture", page(stream("/Type/ObjStm/Subtype/Image/Filter/FlateDecode", deflate("7 0 <</S/JavaScript>>")))},
	{"PDF-010", "in an object stream without its type", page(stream("/N 1/First 4/Subtype/Image/Filter/FlateDecode", deflate("7 0 <</S/JavaScript>>")))},
	{"PDF-010", "in an object stream with a deceiving string", page(stream("/Type/ObjStm/X( obj )/Subtype/Image/Filter/FlateDecode", deflate("7 0 <</S/JavaScript>>")))},
	{"PDF-016", "two filters and a deceiving string", page(stream("/Type/ObjStm/Filter[/ASCIIHexDecode/FlateDecode]/X( obj )", "00>"))},
	{"PDF-010", "in an object stream with CRLF", page("<</Type/ObjStm/Filter/FlateDecode>>\nstream\r\n" + deflate("7 0 <</S/JavaScript>>") + "\nendstream")},
	{"PDF-010", "behind a false stream", page("<</Length 9>>\nstream\n7 0 obj <</S/JavaScript>> endobj\nendstream")},
	{"PDF-010", "in an object stream cut short", page(stream("/Type/ObjStm/Filter/FlateDecode", deflate(strings.Repeat("7 0 <</S/JavaScript>> ", 50))[:40]))},
	{"ok PDF-010", "short name in the data of a picture", page(stream("/Subtype/Image/Filter/DCTDecode", "\xff\xd8 /JS /EF ."))},
	{"ok PDF-011", "a page action", page("<</S/GoTo/D[3 0 R/Fit]>>")},
	{"PDF-011", "a program", page("<</S/Launch/F(cmd.exe)>>")},
	{"ok PDF-012", "a link", page("<</S/URI/URI(https://example.org)>>")},
	{"PDF-012", "embedded file", page("<</Type/EmbeddedFile>>")},
	{"PDF-012", "names", page("<</EmbeddedFiles 5 0 R>>")},
	{"PDF-012", "file specification", page("<</Type/Filespec/EF<</F 5 0 R>>>>")},
	{"ok PDF-013", "no encryption", page()},
	{"PDF-013", "encrypted", bytes.Replace(page(), []byte("/Root"), []byte("/Encrypt 9 0 R/Root"), 1)},
	{"ok PDF-014", "a plain form", page("<</AcroForm<</Fields[]>>>>")},
	{"PDF-014", "XFA", page("<</AcroForm<</XFA 5 0 R>>>>")},
	{"ok PDF-015", "a named action", page("<</S/Named/N/NextPage>>")},
	{"PDF-015", "multimedia", page("<</Subtype/RichMedia>>")},
	{"PDF-015", "sends a form", page("<</S/SubmitForm>>")},
	{"ok PDF-016", "plain object stream", page(stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflate("7 0 <</A 1>>")))},
	{"PDF-016", "two filters", page(stream("/Type/ObjStm/Filter[/ASCIIHexDecode/FlateDecode]", "00>"))},
	{"PDF-016", "a predictor", page(stream("/Type/ObjStm/Filter/FlateDecode/DecodeParms<</Predictor 12>>", deflate("7 0 <</A 1>>")))},
	{"ok PDF-017", "a large picture is not inflated", page(stream("/Subtype/Image/Filter/FlateDecode", deflate(strings.Repeat("\x00", testLimit+1))))},
	{"PDF-017", "a bomb", page(stream("/Filter/FlateDecode", deflate(strings.Repeat("\x00", testLimit+1))))},
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		found := run(c.doc)
		if strings.HasPrefix(c.rule, "ok ") {
			if len(found) > 0 {
				t.Errorf("%s, %s: %+v", c.rule, c.what, found)
			}
			continue
		}
		if !slices.ContainsFunc(found, func(f formats.Finding) bool {
			return f.Rule == c.rule && f.Severity == formats.Error && f.Message.UK != "" && f.Message.EN != ""
		}) {
			t.Errorf("%s, %s: %+v", c.rule, c.what, found)
		}
	}
}

// TestEveryRuleIsTested holds the cases above complete. PDF-005 needs a disk that
// fails, see below.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	for id := range messages {
		for _, want := range []string{id, "ok " + id} {
			if id != RuleRead && !slices.ContainsFunc(cases, func(c struct {
				rule, what string
				doc        []byte
			},
			) bool {
				return c.rule == want
			}) {
				t.Errorf("no case %q", want)
			}
		}
		if _, err := Explain(id); err != nil {
			t.Error(err)
		}
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReadError(t *testing.T) {
	t.Parallel()
	var found []string
	Check(io.NewSectionReader(failing{}, 0, 1000), func(f formats.Finding) { found = append(found, f.Rule) })
	if !slices.Contains(found, RuleRead) {
		t.Errorf("%v", found)
	}
}

// TestEachRuleOnce: a file of a thousand scripts gets one finding.
func TestEachRuleOnce(t *testing.T) {
	t.Parallel()
	if found := run(page(strings.Repeat("<</S/JavaScript>> ", 1000))); len(found) != 1 {
		t.Errorf("%d findings", len(found))
	}
}

func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		if len(c.doc) < 4096 {
			f.Add(c.doc)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found := run(b)
		if len(found) == 0 && !bytes.HasPrefix(b, []byte("%PDF-")) {
			t.Error("accepted without a header")
		}
	})
}
