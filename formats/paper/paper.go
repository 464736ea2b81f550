// Package paper writes texts that people read or print: lines of at most 78
// characters that end in CR and LF, in one of two languages.
package paper

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats"
)

// Width is the longest line, in characters; a single longer word is not broken.
const Width = 78

// Writer writes one text. Errors are kept until Flush.
type Writer struct {
	b    *bufio.Writer
	lang string
}

// New writes to w in language lang, uk or en.
func New(w io.Writer, lang string) *Writer {
	return &Writer{bufio.NewWriterSize(w, 64<<10), lang}
}

// Line writes one line.
func (w *Writer) Line(s string) {
	_, _ = w.b.WriteString(s)
	_, _ = w.b.WriteString("\r\n")
}

// Say writes one line of two formats that take the same arguments.
func (w *Writer) Say(uk, en string, args ...any) {
	w.Line(fmt.Sprintf(formats.Text{UK: uk, EN: en}.In(w.lang), args...))
}

// Label wraps text after a label, in two languages.
func (w *Writer) Label(uk, en, text string) {
	w.Wrap(formats.Text{UK: uk, EN: en}.In(w.lang), text)
}

// Wrap writes text over as many lines as it needs, the first after head, the
// others as far from the side.
func (w *Writer) Wrap(head, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	line, width := strings.Builder{}, utf8.RuneCountInString(head)
	line.WriteString(head)
	begun := false
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if begun && width+1+n > Width {
			w.Line(line.String())
			line.Reset()
			line.WriteString(indent)
			width, begun = utf8.RuneCountInString(indent), false
		}
		if begun {
			line.WriteByte(' ')
			width++
		}
		line.WriteString(word)
		width += n
		begun = true
	}
	w.Line(strings.TrimRight(line.String(), " "))
}

// Flush ends the text; the error is the first that happened.
func (w *Writer) Flush() error { return w.b.Flush() }

// Plain makes a value safe in a spreadsheet: what would be taken for a formula
// gets an apostrophe before it.
func Plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
