package iso20022

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// scanned are the tags and texts of doc as the scanner finds them.
func scanned(r io.Reader) ([]string, error) {
	s := newScanner(r)
	var list []string
	text := ""
	say := func(what string) {
		if text != "" {
			list = append(list, "text "+text)
			text = ""
		}
		list = append(list, what)
	}
	for {
		t, err := s.next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		switch t {
		case startTag:
			ccy, ok := s.attribute("Ccy")
			say(fmt.Sprintf("start %s %s %v", s.name, ccy, ok))
		case endTag:
			say("end")
		case charData:
			text += string(s.text)
		}
	}
}

// decoded are the same as encoding/xml finds them.
func decoded(r io.Reader) ([]string, error) {
	d := xml.NewDecoder(r)
	var list []string
	text := ""
	depth := 0
	say := func(what string) {
		if text != "" {
			list = append(list, "text "+text)
			text = ""
		}
		list = append(list, what)
	}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			depth++
			ccy, ok := "", false
			for _, a := range t.Attr {
				if a.Name.Local == "Ccy" && !ok {
					ccy, ok = a.Value, true
				}
			}
			say(fmt.Sprintf("start %s %s %v", t.Name.Local, ccy, ok))
		case xml.EndElement:
			depth--
			say("end")
		case xml.CharData:
			text += string(t)
		case xml.Directive:
			return list, errDTD
		case xml.ProcInst:
			if t.Target != "xml" {
				return list, errProcess
			}
		}
	}
}

// compare holds the scanner to encoding/xml on a document that follows its schema.
func compare(t *testing.T, doc string) {
	t.Helper()
	want, wantErr := decoded(strings.NewReader(doc))
	got, err := scanned(strings.NewReader(doc))
	if wantErr != nil {
		return // stricter than the schema engine: nothing to compare with
	}
	if err != nil {
		t.Errorf("scanner: %v", err)
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("scanner:\n%.2000s\nencoding/xml:\n%.2000s", a, b)
	}
	slow, err := scanned(iotest.OneByteReader(strings.NewReader(doc)))
	if a, b := strings.Join(slow, "\n"), strings.Join(got, "\n"); a != b || err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

func TestScannerAgrees(t *testing.T) {
	t.Parallel()
	doc := good(t)
	compare(t, doc)
	for from, to := range map[string]string{
		"<GrpHdr>":     "<GrpHdr><!-- <MsgId> & > -->",
		"E1":           "<![CDATA[<E1>&amp;\r\n]]>",
		"\n":           "\r\n",
		"Світанок":     "&#x456;&#1110;&lt;&amp;&quot;&apos;&gt;\rx\r\n",
		`Ccy="UAH"`:    `  Ccy = 'UA&#72;>' `,
		"<PmtMtd>":     "<PmtMtd\n\t>",
		"</PmtMtd>":    "</PmtMtd \n>",
		"<RmtInf>":     "<RmtInf/><RmtInf>",
		"encoding=":    "\tencoding=",
		"GW-20260115":  "",
		"</Document>":  "</Document>\n<!-- end -->\n",
		"<Document xm": "<d:Document xmlns:d=\"x\" xm",
	} {
		changed := strings.ReplaceAll(doc, from, to)
		if strings.HasPrefix(to, "<d:") {
			changed = strings.ReplaceAll(changed, "</Document>", "</d:Document>")
		}
		compare(t, changed)
	}
	for range 3 { // a text that is longer than the buffer
		compare(t, strings.Replace(doc, "<GrpHdr>", "<GrpHdr>"+strings.Repeat(" &lt;\r\n", 40000), 1))
	}
}

func TestScannerRefuses(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]error{
		"<a>&b;</a>":     errSyntax,
		"<a>&#0;</a>":    errSyntax,
		"<a>&#xD800;":    errSyntax,
		"<a>&lt</a>":     errSyntax,
		"<a><!DOCTYPE b": errDTD,
		"<a><?php ?>":    errProcess,
		"<a><!-- ":       errSyntax,
		"<a></a></a>":    errSyntax,
		"<a":             errSyntax,
		"<>":             errSyntax,
		"<a><![CDATA[":   errSyntax,
		"<a>" + "<!--" + strings.Repeat(" ", 200<<10) + "-->":     errAside,
		"<a b=\"" + strings.Repeat(" ", 200<<10) + "\"></a>":      errSyntax,
		"<a><![CDATA[" + strings.Repeat(" ", 200<<10) + "]]></a>": errSyntax,
	} {
		if _, err := scanned(strings.NewReader(doc)); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", doc, err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("<a>text"), iotest.ErrReader(errAside))
	if _, err := scanned(broken); !errors.Is(err, errAside) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func FuzzScan(f *testing.F) {
	doc := good(f)
	f.Add(doc)
	for i := 0; i < len(cases); i += 3 {
		f.Add(strings.Replace(doc, cases[i].from, cases[i].to, 1))
	}
	engine, err := pain001Schema()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		_, _ = scanned(strings.NewReader(doc)) // no panic on anything
		problems, _ := validate(engine, Pain001, strings.NewReader(doc), int64(len(doc)), 10)
		if len(problems) == 0 {
			compare(t, doc)
		}
	})
}
