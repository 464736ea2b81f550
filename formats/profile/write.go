package profile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/money"
)

// The rules on what is written. IDs are never reused.
const (
	RuleOutLetter = "OUT-LETTER" // the code page has no such letter
	RuleOutLong   = "OUT-LONG"   // the column cannot hold the value
	RuleOutSign   = "OUT-SIGN"   // the value holds what the container keeps for itself
	RuleOutValue  = "OUT-VALUE"  // the layout has no spelling for the value
)

// Unfit is why a document cannot be written in a layout without losing something.
type Unfit struct{ Findings []formats.Finding }

func (u *Unfit) Error() string {
	f := u.Findings[0]
	return fmt.Sprintf("record %d, column %s: %s: %s", f.Record, f.Field, f.Rule, f.Message.EN)
}

// WriteOptions say what a layout does not.
type WriteOptions struct {
	Page *charset.Page // of the client, for a layout that leaves it to it; nil: UTF-8
	At   time.Time     // when it is written; it stands in a DBF's header
}

// maxUnfit bounds the findings of one writing.
const maxUnfit = 50

// Write writes a document that holds, record by record. What the layout or its
// code page cannot say is an *Unfit, and what was written till then is nothing
// that may be used. A letter that the page lacks and a substitute is known for
// (package charset) is written so, unless the layout forbids it; replaced counts them.
func (l *Layout) Write(to io.Writer, doc formats.Source, o WriteOptions) (replaced int, err error) {
	if !l.Carries(doc.DocumentKind()) {
		return 0, fmt.Errorf("layout %s: does not carry %s", l.ref.Name, doc.DocumentKind())
	}
	w := &layoutWriter{l: l, page: l.page, values: make([][]byte, len(l.spec.Record))}
	if w.page == nil {
		w.page = o.Page
	}
	if w.page == nil {
		w.page = charset.UTF8
	}
	if l.page == nil && w.page == charset.UTF8 && l.spec.Container.Type == "dbf" {
		w.page = charset.Windows1251
	}
	var put func([][]byte) error
	var done func() error
	switch l.spec.Container.Type {
	case "dbf":
		t := l.table(doc.Len(), w.page)
		t.Date = o.At
		d, err := dbf.NewWriter(to, t)
		if err != nil {
			return 0, err
		}
		put, done = d.Write, d.Close
	default:
		b := bufio.NewWriterSize(to, 64<<10)
		if err := w.head(b); err != nil {
			return 0, err
		}
		put = func(values [][]byte) error { return w.line(b, values) }
		done = b.Flush
	}
	for i := range doc.Len() {
		for j := range l.spec.Record {
			w.values[j] = w.value(doc, i, &l.spec.Record[j])
		}
		if len(w.unfit.Findings) >= maxUnfit {
			break
		}
		if len(w.unfit.Findings) > 0 {
			continue // look for what else does not fit
		}
		if err := put(w.values); err != nil {
			var unfit *Unfit
			if !errors.As(err, &unfit) {
				return w.replaced, err
			}
			for _, f := range unfit.Findings {
				f.Record = i + 1
				w.unfit.Findings = append(w.unfit.Findings, f)
			}
		}
	}
	if len(w.unfit.Findings) > 0 {
		return w.replaced, &w.unfit
	}
	return w.replaced, done()
}

type layoutWriter struct {
	l        *Layout
	page     *charset.Page
	values   [][]byte
	replaced int
	unfit    Unfit
}

func (w *layoutWriter) refuse(i int, c *layoutColumnSpec, rule string, m formats.Text) []byte {
	w.unfit.Findings = append(w.unfit.Findings, formats.Finding{Rule: rule, Record: i + 1, Field: c.Name, Path: c.From, Message: m})
	return nil
}

// value is the bytes of one column.
func (w *layoutWriter) value(doc formats.Source, i int, c *layoutColumnSpec) []byte {
	if c.From == "" {
		return []byte(c.Const)
	}
	v := doc.Value(i, c.From)
	text := v.Text
	switch c.kind {
	case formats.MoneyValue:
		text = sum(v.Kopecks, c)
	case formats.DateValue:
		text = dateOut(text, c)
	case formats.TextValue:
		if c.Skip > 0 || c.Take > 0 {
			text = part(text, c.Skip, c.Take)
		}
	}
	if len(c.Values) > 0 {
		spelled, ok := c.Values[text]
		if !ok {
			return w.refuse(i, c, RuleOutValue, formats.Textf("Макет %s не має позначення для цього значення.", "Layout %s has no spelling for this value.", w.l.ref.Name))
		}
		text = spelled
	}
	if strings.ContainsAny(text, "\r\n") {
		return w.refuse(i, c, RuleOutSign, formats.Text{UK: "Текст містить кінець рядка, якого колонка не може мати.", EN: "The text has a line end, which the column cannot have."})
	}
	if c.Type == "N" && c.kind == formats.TextValue && strings.Trim(text, "0123456789") != "" {
		return w.refuse(i, c, RuleOutValue, formats.Text{UK: "Числова колонка може мати лише цифри.", EN: "A number column can have digits only."})
	}
	b, replaced, lost := w.page.Exact(text)
	if len(lost) == 0 && replaced > 0 && w.l.spec.Charset.Substitutes == "refuse" {
		for _, r := range text {
			if _, n, _ := w.page.Exact(string(r)); n > 0 {
				lost = append(lost, r)
				break
			}
		}
	}
	if len(lost) > 0 {
		return w.refuse(i, c, RuleOutLetter, formats.Textf(
			"Кодова сторінка %s не має знака U+%04X. Змініть текст або сторінку клієнта.", "Code page %s has no character U+%04X. Change the text or the client's code page.", w.page.Name(), lost[0]))
	}
	w.replaced += replaced
	if c.Len > 0 && len(b) > c.Len {
		if !c.Cut {
			return w.refuse(i, c, RuleOutLong, formats.Textf("Значення довше за колонку (%d байтів).", "The value is longer than the column (%d bytes).", c.Len))
		}
		b = b[:c.Len]
		if w.page == charset.UTF8 {
			b = []byte(strings.ToValidUTF8(string(b), ""))
		}
	}
	return b
}

// part is the characters of s after skip, at most take of them; 0: all.
func part(s string, skip, take int) string {
	r := []rune(s)
	r = r[min(skip, len(r)):]
	if take > 0 {
		r = r[:min(take, len(r))]
	}
	return string(r)
}

func sum(kopecks int64, c *layoutColumnSpec) string {
	if c.Unit == "kopeck" {
		return fmt.Sprint(kopecks)
	}
	s := money.Format(kopecks)
	return s + strings.Repeat("0", max(0, c.Dec-2))
}

func dateOut(s string, c *layoutColumnSpec) string {
	if s == "" {
		return ""
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s // the document was checked: it does not happen
	}
	format := c.Format
	if format == "" {
		format = "yyyymmdd"
	}
	return t.Format(dateFormats[format])
}

const lineEnd = "\r\n"

func (w *layoutWriter) head(b *bufio.Writer) error {
	c := w.l.spec.Container
	if c.First != "" {
		first, _, lost := w.page.Exact(c.First)
		if len(lost) > 0 {
			return fmt.Errorf("layout %s: its first line is not of code page %s", w.l.ref.Name, w.page.Name())
		}
		_, err := b.Write(append(first, lineEnd...))
		return err
	}
	if c.Header {
		names := make([]string, len(w.l.spec.Record))
		for i, col := range w.l.spec.Record {
			names[i] = col.Name
		}
		_, err := b.WriteString(strings.Join(names, c.Separator) + lineEnd)
		return err
	}
	return nil
}

// line writes one record of a text.
func (w *layoutWriter) line(b *bufio.Writer, values [][]byte) error {
	c := w.l.spec.Container
	record := &w.l.spec.Record
	if c.Type == "keyvalue" {
		_, _ = b.WriteString(lineEnd) // an empty line before each document; the buffer keeps the first error
	}
	for j, v := range values {
		col := &(*record)[j]
		switch c.Type {
		case "keyvalue":
			_, _ = b.WriteString(col.Name + "=")
			_, _ = b.Write(v)
			_, _ = b.WriteString(lineEnd)
		case "fixed":
			pad := strings.Repeat(" ", col.Len-len(v))
			if col.Align == "right" {
				_, _ = b.WriteString(pad)
			}
			_, _ = b.Write(v)
			if col.Align != "right" {
				_, _ = b.WriteString(pad)
			}
		case "delimited":
			if j > 0 {
				_, _ = b.WriteString(c.Separator)
			}
			if err := w.cell(b, v, col); err != nil {
				return err
			}
		}
	}
	if c.Type == "keyvalue" {
		return nil
	}
	_, err := b.WriteString(lineEnd)
	return err
}

// cell writes one value between separators (RFC 4180 where the layout quotes).
func (w *layoutWriter) cell(b *bufio.Writer, v []byte, col *layoutColumnSpec) error {
	c := w.l.spec.Container
	s := string(v)
	if !strings.Contains(s, c.Separator) && !strings.Contains(s, `"`) {
		_, err := b.WriteString(s)
		return err
	}
	if c.Quote {
		_, err := b.WriteString(`"` + strings.ReplaceAll(s, `"`, `""`) + `"`)
		return err
	}
	if strings.Contains(s, c.Separator) {
		return &Unfit{Findings: []formats.Finding{{Rule: RuleOutSign, Field: col.Name, Path: col.From, Message: formats.Text{
			UK: "Текст містить роздільник колонок, а макет не має лапок.", EN: "The text holds the column separator, and the layout has no quotes.",
		}}}}
	}
	_, err := b.WriteString(s)
	return err
}
