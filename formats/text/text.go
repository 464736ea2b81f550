// Package text reads the text files that accounting programs drop, as a stream,
// strictly: lines of fixed width, blocks of KEY=value, blocks of lines that begin
// with a key of ten characters, and columns behind a separator. Lines, records
// and what is kept of a record are bounded. Values come out as bytes; their code
// page is the caller's matter.
package text

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
)

// Shape is how a file is made up.
type Shape uint8

// The shapes. The zero value is none and is refused.
const (
	Fixed     Shape = iota + 1 // a line is a record, a column is a place in it
	KeyValue                   // KEY=value lines, an empty line between records
	Keyed                      // lines that begin with a key of KeyWidth characters
	Delimited                  // a line is a record, columns stand between separators
)

// KeyWidth is how many characters of a line the key of a Keyed file takes.
const KeyWidth = 10

// Column is one field that a layout declares.
type Column struct {
	Name string // of Keyed: the key without colon and spaces
	At   int    // Fixed: first byte, from 0
	Len  int    // Fixed: bytes
}

// Options describe a layout.
type Options struct {
	Shape   Shape
	Page    *charset.Page // of names: in a header, of keys
	Columns []Column
	Length  int    // Fixed: bytes of a line without its end
	First   string // KeyValue: the first line of the file; empty: none
	CRLF    bool   // every line, the last one too, ends in CR and LF

	Separator byte // Delimited
	Header    bool // Delimited: the first line names the columns, in any order
	Quote     bool // Delimited: a value may stand in double quotes, which are doubled inside (RFC 4180, 2)

	MaxLine    int // bytes; 0: 16 KiB
	MaxRecords int // 0: 50000
}

// ErrShape says that the file is not made up as the layout is.
var ErrShape = errors.New("text: not of this shape")

// Error is what is wrong with a file or with one record. After an error that is
// not Fatal the next call of Next goes on with the next record.
type Error struct {
	Rule   string
	Record int // from 1; 0: the file
	Line   int // from 1
	Field  string
	Fatal  bool
	Text   formats.Text
}

func (e *Error) Error() string {
	return fmt.Sprintf("text: line %d: %s: %s", e.Line, e.Rule, e.Text.EN)
}

// Finding is the error as a receipt tells it.
func (e *Error) Finding() formats.Finding {
	return formats.Finding{Rule: e.Rule, Record: e.Record, Field: e.Field, Message: formats.Textf(
		"Рядок %[1]d: %[2]s", "Line %[1]d: %[3]s", e.Line, e.Text.UK, e.Text.EN)}
}

// The rules of this package. IDs are never reused.
const (
	RuleLong      = "TXT-001" // line longer than allowed
	RuleLineEnd   = "TXT-002" // not the line end of the layout, or several sorts of them
	RuleHeader    = "TXT-003" // a column without name, or named twice
	RuleLength    = "TXT-004" // fixed: line too long or too short
	RuleColumns   = "TXT-005" // delimited: number of columns
	RuleQuote     = "TXT-006" // quotes
	RuleKey       = "TXT-007" // line without a key
	RuleRepeated  = "TXT-008" // key twice in a record
	RuleUnknown   = "TXT-009" // key that the layout does not have
	RuleOrder     = "TXT-010" // keyed: keys in another order, or missing
	RuleRecords   = "TXT-011" // too many records
	RuleRead      = "TXT-012" // could not be read
	RuleEmptyLine = "TXT-013" // empty line where a record must be
)

// Reader reads the records of a file.
type Reader struct {
	// Fields are the names of the columns: as the header has them, or as declared.
	Fields []string

	options Options
	from    *bufio.Reader
	next    int64 // offset of the next line
	line    int   // lines read
	ended   bool
	lf      int // 1: lines end in LF, 2: in CR LF, 0: not known yet
	pushed  []byte
	again   bool

	record int
	cells  []cell
	values []byte
}

// cell is where a value lies.
type cell struct {
	from, to int   // in values; to < 0: not given
	line     int   // from 1
	offset   int64 // in the file
}

// NewReader begins to read. The error is ErrShape when the beginning of the file
// is not that of the layout, or an *Error.
func NewReader(r *io.SectionReader, o Options) (*Reader, error) {
	if o.MaxLine == 0 {
		o.MaxLine = 16 << 10
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = 50000
	}
	d := &Reader{options: o, from: bufio.NewReaderSize(io.NewSectionReader(r, 0, r.Size()), max(o.MaxLine+2, 4096))}
	if bom, _ := d.from.Peek(3); string(bom) == "\xef\xbb\xbf" && o.Page == charset.UTF8 {
		_, _ = d.from.Discard(3) // it was just seen
		d.next = 3
	}
	for _, c := range o.Columns {
		d.Fields = append(d.Fields, c.Name)
	}
	d.cells = make([]cell, len(d.Fields))
	line, err := d.read()
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Rule == RuleRead {
			return nil, err
		}
		return nil, ErrShape
	}
	switch o.Shape {
	case Fixed:
		if len(line) != o.Length {
			return nil, ErrShape
		}
	case KeyValue:
		if o.First != "" {
			if string(line) != o.First {
				return nil, ErrShape
			}
			return d, nil
		}
		if k, _, ok := bytes.Cut(line, []byte("=")); !ok || d.column(string(k)) < 0 {
			return nil, ErrShape
		}
	case Keyed:
		if k, _, ok := d.key(line); !ok || len(d.Fields) == 0 || k != d.Fields[0] {
			return nil, ErrShape
		}
	case Delimited:
		if o.Header {
			if err := d.header(line); err != nil {
				return nil, err
			}
			return d, nil
		}
		if n, e := d.split(line); e != nil || n != len(d.Fields) {
			return nil, ErrShape
		}
	default:
		return nil, ErrShape
	}
	d.back(line)
	return d, nil
}

// header takes the names of the columns from the first line.
func (d *Reader) header(line []byte) error {
	d.cells = make([]cell, bytes.Count(line, []byte{d.options.Separator})+1)
	n, e := d.split(line)
	if e != nil {
		return ErrShape
	}
	d.cells = d.cells[:n]
	d.Fields = make([]string, n)
	for i := range d.cells {
		name, err := d.options.Page.Decode(d.Raw(i))
		name = strings.TrimSpace(name)
		if err != nil || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 }) {
			return ErrShape
		}
		for _, other := range d.Fields[:i] {
			if name == "" || strings.EqualFold(name, other) {
				return d.refuse(RuleHeader, true, "заголовок має дві колонки з однією назвою або колонку без назви.", "the header names a column twice or not at all.")
			}
		}
		d.Fields[i] = name
	}
	if n < 2 {
		return ErrShape
	}
	return nil
}

func (d *Reader) refuse(rule string, fatal bool, uk, en string) *Error {
	if fatal {
		d.ended = true
	}
	return &Error{Rule: rule, Record: d.record, Line: d.line, Fatal: fatal, Text: formats.Text{UK: uk, EN: en}}
}

// back gives a line to be read again.
func (d *Reader) back(line []byte) { d.pushed, d.again = line, true }

// read is the next line without its end; it is good until the next call.
func (d *Reader) read() ([]byte, error) {
	if d.again {
		d.again = false
		return d.pushed, nil
	}
	if d.ended {
		return nil, io.EOF
	}
	line, err := d.from.ReadSlice('\n')
	d.next += int64(len(line))
	if len(line) > 0 {
		d.line++
	}
	switch {
	case errors.Is(err, bufio.ErrBufferFull), len(line) > d.options.MaxLine+2:
		return nil, d.refuse(RuleLong, true, "задовгий рядок. Файл пошкоджено або це інший макет.", "the line is too long. The file is damaged or of another layout.")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, d.refuse(RuleRead, true, "файл не вдалося прочитати. Надішліть його ще раз.", "the file could not be read. Send it again.")
	case err != nil && len(line) == 0:
		d.ended = true
		return nil, io.EOF
	case err != nil:
		d.ended = true
		if d.options.CRLF {
			return nil, d.refuse(RuleLineEnd, true, "останній рядок не завершено: файл обрізано. Надішліть його повністю.", "the last line is not ended: the file was cut. Send the whole file.")
		}
		return line, nil
	}
	line = line[:len(line)-1]
	end := 1
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line, end = line[:len(line)-1], 2
	}
	if d.lf == 0 {
		d.lf = end
	}
	if d.lf != end || (d.options.CRLF && end != 2) {
		return nil, d.refuse(RuleLineEnd, true, "рядки завершуються по-різному або не так, як вимагає макет (CR LF). Вивантажте файл знову.", "lines end in different ways, or not as the layout demands (CR LF). Export the file again.")
	}
	return line, nil
}

// start is the offset of the line last read.
func (d *Reader) start(line []byte) int64 {
	if d.ended {
		return d.next - int64(len(line))
	}
	return d.next - int64(len(line)) - int64(d.lf)
}

// Next reads the next record; io.EOF ends them. Other errors are *Error.
func (d *Reader) Next() error {
	for i := range d.cells {
		d.cells[i] = cell{to: -1}
	}
	d.values = d.values[:0]
	if d.options.Shape == KeyValue || d.options.Shape == Keyed {
		return d.block()
	}
	line, err := d.read()
	if err != nil {
		return err
	}
	if err := d.count(); err != nil {
		return err
	}
	if len(line) == 0 {
		return orNil(d.refuse(RuleEmptyLine, false, "рядок порожній. Вилучіть його.", "the line is empty. Remove it."))
	}
	if d.options.Shape == Delimited {
		n, e := d.split(line)
		if e == nil && n != len(d.cells) {
			e = d.refuse(RuleColumns, false, "колонок більше або менше, ніж вимагає макет.", "there are more or fewer columns than the layout demands.")
		}
		return orNil(e)
	}
	if len(line) != d.options.Length {
		e := d.refuse(RuleLength, false, "", "")
		e.Text = formats.Textf("довжина рядка %[1]d, а повинна бути %[2]d байтів.", "the line has %[1]d bytes, it must have %[2]d.", len(line), d.options.Length)
		return e
	}
	start := d.start(line)
	d.values = append(d.values, line...)
	for i, c := range d.options.Columns {
		d.cells[i] = cell{c.At, c.At + c.Len, d.line, start + int64(c.At)}
	}
	return nil
}

// orNil keeps a nil *Error from becoming an error.
func orNil(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func (d *Reader) count() error {
	if d.record == d.options.MaxRecords {
		e := d.refuse(RuleRecords, true, "", "")
		e.Text = formats.Textf("записів більше, ніж дозволено (%d). Поділіть файл.", "there are more records than allowed (%d). Split the file.", d.options.MaxRecords)
		return e
	}
	d.record++
	return nil
}

// split cuts a line into cells and returns how many it has.
func (d *Reader) split(line []byte) (int, *Error) {
	n, i, start := 0, 0, d.start(line)
	for {
		c := cell{from: len(d.values), line: d.line, offset: start + int64(i)}
		if d.options.Quote && i < len(line) && line[i] == '"' {
			for i++; ; i++ {
				q := bytes.IndexByte(line[i:], '"')
				if q < 0 {
					return n, d.refuse(RuleQuote, false, "лапки не закрито в цьому рядку.", "a quote is not closed in this line.")
				}
				d.values = append(d.values, line[i:i+q]...)
				i += q + 1
				if i == len(line) || line[i] != '"' {
					break
				}
				d.values = append(d.values, '"')
			}
			if i < len(line) && line[i] != d.options.Separator {
				return n, d.refuse(RuleQuote, false, "після закритих лапок немає роздільника. Лапки всередині значення подвоюють.", "no separator follows a closed quote. Quotes inside a value are doubled.")
			}
		} else {
			end := bytes.IndexByte(line[i:], d.options.Separator)
			if end < 0 {
				end = len(line) - i
			}
			if d.options.Quote && bytes.IndexByte(line[i:i+end], '"') >= 0 {
				return n, d.refuse(RuleQuote, false, "значення містить лапки, але саме не в лапках. Візьміть його в лапки, а внутрішні подвойте.", "a value has quotes and is not in quotes itself. Quote it and double the inner ones.")
			}
			d.values = append(d.values, line[i:i+end]...)
			i += end
		}
		c.to = len(d.values)
		if n < len(d.cells) {
			d.cells[n] = c
		}
		n++
		if i == len(line) {
			return n, nil
		}
		i++ // the separator
	}
}

// column is the place of a name, or -1.
func (d *Reader) column(name string) int {
	for i, f := range d.Fields {
		if f == name {
			return i
		}
	}
	return -1
}

// key cuts a line of a Keyed file. The key is KeyWidth characters wide, ends in a
// colon before or after the spaces that fill it.
func (d *Reader) key(line []byte) (key string, value []byte, ok bool) {
	if len(line) < KeyWidth {
		return "", nil, false
	}
	head, err := d.options.Page.Decode(line[:KeyWidth])
	head = strings.TrimRight(head, " ")
	if err != nil || !strings.HasSuffix(head, ":") {
		return "", nil, false
	}
	return strings.TrimRight(strings.TrimSuffix(head, ":"), " "), line[KeyWidth:], true
}

// aside says whether a line stands between records: empty, or of a Keyed file
// also dashes.
func (d *Reader) aside(line []byte) bool {
	return len(line) == 0 || (d.options.Shape == Keyed && len(bytes.Trim(line, "- ")) == 0)
}

// block reads a record of several lines. A wrong one is read to its end, so that
// the next one is found.
func (d *Reader) block() error {
	var wrong *Error
	note := func(rule, field, uk, en string) {
		if wrong == nil {
			wrong = d.refuse(rule, false, uk, en)
			wrong.Field = field
		}
	}
	begun, given := false, 0
	for {
		line, err := d.read()
		if errors.Is(err, io.EOF) && begun {
			break
		}
		if err != nil {
			return err
		}
		if d.aside(line) {
			if begun {
				break
			}
			continue
		}
		if begun && d.options.Shape == Keyed && given == len(d.Fields) {
			d.back(line) // records may follow each other without anything between
			break
		}
		if !begun {
			begun = true
			if err := d.count(); err != nil {
				return err
			}
		}
		var name string
		var value []byte
		var ok bool
		if d.options.Shape == Keyed {
			name, value, ok = d.key(line)
		} else {
			var k []byte
			k, value, ok = bytes.Cut(line, []byte("="))
			name = string(k)
		}
		if !ok {
			note(RuleKey, "", "рядок не має назви поля.", "the line has no name of a field.")
			continue
		}
		i := d.column(name)
		switch {
		case i < 0:
			note(RuleUnknown, "", "макет не має такого поля. Вилучіть рядок.", "the layout has no such field. Remove the line.")
			continue
		case d.cells[i].to >= 0:
			note(RuleRepeated, name, "поле повторено в одному документі. Залиште одне.", "the field stands twice in one document. Keep one.")
			continue
		case d.options.Shape == Keyed && i != given:
			note(RuleOrder, name, "поля стоять не в тому порядку, якого вимагає макет, або поле пропущено.", "the fields are not in the order of the layout, or one is missing.")
		}
		given++
		from := len(d.values)
		d.values = append(d.values, value...)
		d.cells[i] = cell{from, len(d.values), d.line, d.start(line) + int64(len(line)-len(value))}
	}
	if wrong == nil && d.options.Shape == Keyed && given != len(d.Fields) {
		note(RuleOrder, "", "у документі бракує рядків.", "the document lacks lines.")
	}
	return orNil(wrong)
}

// Record is the number, from 1, of the record last read.
func (d *Reader) Record() int { return d.record }

// Name is the name of field i.
func (d *Reader) Name(i int) string { return d.Fields[i] }

// Raw is the bytes of field i of the record last read; nil if it is not given.
// They are good until the next call of Next.
func (d *Reader) Raw(i int) []byte {
	if c := d.cells[i]; c.to >= 0 {
		return d.values[c.from:c.to]
	}
	return nil
}

// Line is the line, from 1, on which field i of the record last read stands.
func (d *Reader) Line(i int) int { return d.cells[i].line }

// Offset is where field i of the record last read lies in the file.
func (d *Reader) Offset(i int) int64 { return d.cells[i].offset }
