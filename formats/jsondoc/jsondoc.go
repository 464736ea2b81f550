// Package jsondoc reads documents in JSON as a stream, strictly (RFC 8259):
// UTF-8 without a byte order mark, no name twice in an object, no member that the
// layout does not have, nothing after the end. Numbers keep the text that they
// are written in. Texts, depth, members and records are bounded; a document is
// never in memory as a whole.
//
// A document is an array of objects, a record each, or an object that holds such
// an array as one of its members; the other members then belong to every record
// and stand before the array. Members of objects within a record are named with
// points, as payee.iban; those of the document with a slash before, as /number.
package jsondoc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/brama-gateway/brama/formats"
)

// Options describe a layout.
type Options struct {
	Array      string   // member that holds the records; empty: the document is the array
	Members    []string // that may be given, as payee.iban, /number
	MaxText    int      // bytes of one text; 0: 16 KiB
	MaxRecords int      // 0: 50000
}

const (
	maxDepth   = 8   // of objects within each other
	maxMembers = 300 // of one record
)

// Error is what is wrong with a document. After one that is not Fatal the next
// call of Next goes on with the next record.
type Error struct {
	Rule   string
	Record int // from 1; 0: the document
	Line   int // from 1
	Field  string
	Fatal  bool
	Text   formats.Text
}

func (e *Error) Error() string {
	return fmt.Sprintf("json: line %d: %s: %s", e.Line, e.Rule, e.Text.EN)
}

// Finding is the error as a receipt tells it.
func (e *Error) Finding() formats.Finding {
	return formats.Finding{Rule: e.Rule, Record: e.Record, Field: e.Field, Message: formats.Textf(
		"Рядок %[1]d: %[2]s", "Line %[1]d: %[3]s", e.Line, e.Text.UK, e.Text.EN)}
}

// The rules of this package. IDs are never reused.
const (
	RuleSyntax   = "JSON-001" // not JSON, or cut
	RuleUTF8     = "JSON-002" // not UTF-8
	RuleLong     = "JSON-003" // a text too long
	RuleShape    = "JSON-004" // not made up as the layout is
	RuleRepeated = "JSON-005" // a name twice in an object
	RuleUnknown  = "JSON-006" // a member that the layout does not have
	RuleTrailing = "JSON-007" // something after the end
	RuleRecords  = "JSON-008" // too many records
	RuleDeep     = "JSON-009" // nested too deeply, too many members
	RuleRead     = "JSON-010" // could not be read
	RuleLate     = "JSON-011" // a member of the document after its records
)

// Reader reads the records of a document.
type Reader struct {
	options Options
	lex     lexer
	member  map[string]int
	record  int
	ended   bool
	started bool // the array is open

	values  []value // of every member
	bytes   []byte  // of the record's values
	head    []byte  // of the document's values
	wrong   *Error  // what is wrong with this record, first
	pending *Error  // with the document's own members; Next says it first
	seen    []string
	count   int // members of this record
}

// value is where the text of a member lies.
type value struct {
	given    bool
	header   bool
	from, to int
	line     int
	offset   int64
}

// NewReader begins to read: up to the first record. The error is an *Error.
func NewReader(r *io.SectionReader, o Options) (*Reader, error) {
	if o.MaxText == 0 {
		o.MaxText = 16 << 10
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = 50000
	}
	d := &Reader{
		options: o, member: make(map[string]int, len(o.Members)), values: make([]value, len(o.Members)),
		lex: lexer{from: bufio.NewReaderSize(io.NewSectionReader(r, 0, r.Size()), 32<<10), line: 1, limit: o.MaxText},
	}
	for i, m := range o.Members {
		d.member[m] = i
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Reader) fatal(rule, uk, en string) *Error {
	d.ended = true
	return &Error{Rule: rule, Record: d.record, Line: d.lex.line, Fatal: true, Text: formats.Text{UK: uk, EN: en}}
}

// failed tells what an error of the lexer means.
func (d *Reader) failed(err error) *Error {
	switch {
	case errors.Is(err, errLong):
		return d.fatal(RuleLong, "значення задовге.", "a value is too long.")
	case errors.Is(err, errUTF8):
		return d.fatal(RuleUTF8, "текст не в кодуванні UTF-8.", "the text is not UTF-8.")
	case errors.Is(err, errSyntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return d.fatal(RuleSyntax, "це не JSON, або файл обрізано. Вивантажте його знову.", "this is not JSON, or the file was cut. Export it again.")
	}
	return d.fatal(RuleRead, "файл не вдалося прочитати. Надішліть його ще раз.", "the file could not be read. Send it again.")
}

func (d *Reader) next() (token, *Error) {
	t, err := d.lex.next()
	if err != nil {
		return 0, d.failed(err)
	}
	return t, nil
}

func (d *Reader) shape() *Error {
	return d.fatal(RuleShape, "документ складено не так, як вимагає макет.", "the document is not made up as the layout demands.")
}

func (d *Reader) syntax() *Error { return d.failed(errSyntax) }

// begin reads up to the first record.
func (d *Reader) begin() error {
	t, e := d.next()
	if e != nil {
		return e
	}
	if d.options.Array == "" {
		if t != '[' {
			return d.shape()
		}
		d.started = true
		return nil
	}
	if t != '{' {
		return d.shape()
	}
	d.seen = d.seen[:0]
	if e := d.members("/", 1); e != nil {
		return e
	}
	if !d.started {
		return d.shape()
	}
	d.pending = d.wrong
	return nil
}

// members reads the rest of an object, of which the brace was read; of the
// document up to the array of records. Name goes before the names of its members.
func (d *Reader) members(name string, depth int) *Error {
	if depth > maxDepth {
		return d.fatal(RuleDeep, "документ надто вкладений.", "the document is nested too deeply.")
	}
	from := len(d.seen)
	defer func() { d.seen = d.seen[:from] }()
	for first := true; ; first = false {
		t, e := d.next()
		if e != nil {
			return e
		}
		if t == '}' && first {
			return nil
		}
		if !first {
			switch t {
			case '}':
				return nil
			case ',':
				if t, e = d.next(); e != nil {
					return e
				}
			default:
				return d.syntax()
			}
		}
		if t != 's' {
			return d.syntax()
		}
		if d.count++; d.count > maxMembers {
			return d.fatal(RuleDeep, "членів об'єкта забагато.", "an object has too many members.")
		}
		if len(d.lex.text) > 100 {
			return d.fatal(RuleLong, "назва члена об'єкта задовга.", "the name of a member is too long.")
		}
		path := name + string(d.lex.text)
		if slices.Contains(d.seen[from:], path) {
			d.note(RuleRepeated, path, "назву вжито двічі в одному об'єкті. Залиште одну.", "a name stands twice in one object. Keep one.")
		}
		d.seen = append(d.seen, path)
		if t, e = d.next(); e != nil {
			return e
		}
		if t != ':' {
			return d.syntax()
		}
		line, offset := d.lex.line, d.lex.offset
		if t, e = d.next(); e != nil {
			return e
		}
		if depth == 1 && d.options.Array != "" && name == "/" && path == "/"+d.options.Array {
			if t != '[' {
				return d.shape()
			}
			if d.started {
				return nil // a second one was noted as repeated
			}
			d.started = true
			return nil
		}
		switch t {
		case 's', 'n', 't', 'f':
			d.give(path, t, line, offset)
		case '0': // not given
			if _, ok := d.member[path]; !ok {
				d.unknown(path)
			}
		case '{':
			if e := d.members(path+".", depth+1); e != nil {
				return e
			}
		case '[':
			d.note(RuleShape, d.known(path), "тут не може бути масиву.", "there can be no array here.")
			if e := d.skip(depth + 1); e != nil {
				return e
			}
		default:
			return d.syntax()
		}
	}
}

// give keeps the value of a member.
func (d *Reader) give(path string, t token, line int, offset int64) {
	i, ok := d.member[path]
	if !ok {
		d.unknown(path)
		return
	}
	text := d.lex.text
	switch t {
	case 't':
		text = []byte("true")
	case 'f':
		text = []byte("false")
	}
	v := value{given: true, header: path[0] == '/', line: line, offset: offset}
	to := &d.bytes
	if v.header {
		to = &d.head
	}
	v.from = len(*to)
	*to = append(*to, text...)
	v.to = len(*to)
	d.values[i] = v
}

func (d *Reader) unknown(path string) {
	d.note(RuleUnknown, d.known(path), "макет не має такого поля. Вилучіть його.", "the layout has no such field. Remove it.")
}

// known is path if it may be told: names of the writer's own making are not, as
// far as they are not plain.
func (d *Reader) known(path string) string {
	for _, r := range path {
		if r < '!' || r > '~' {
			return ""
		}
	}
	if len(path) > 64 {
		return ""
	}
	return path
}

// note keeps what is wrong with the record, the first of it.
func (d *Reader) note(rule, field, uk, en string) {
	if d.wrong == nil {
		d.wrong = &Error{Rule: rule, Record: d.record, Line: d.lex.line, Field: field, Text: formats.Text{UK: uk, EN: en}}
	}
}

// skip reads the rest of an array that nothing wants.
func (d *Reader) skip(depth int) *Error {
	for open := 1; open > 0; {
		t, e := d.next()
		if e != nil {
			return e
		}
		switch t {
		case '[', '{':
			if open++; open+depth > maxDepth {
				return d.fatal(RuleDeep, "документ надто вкладений.", "the document is nested too deeply.")
			}
		case ']', '}':
			open--
		}
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

// Next reads the next record; io.EOF ends them. Other errors are *Error.
func (d *Reader) Next() error {
	if d.ended {
		return io.EOF
	}
	if e := d.pending; e != nil {
		d.pending = nil
		return e
	}
	for i := range d.values {
		if !d.values[i].header {
			d.values[i] = value{}
		}
	}
	d.bytes, d.wrong, d.count = d.bytes[:0], nil, 0
	t, e := d.next()
	if e != nil {
		return e
	}
	switch {
	case t == ']':
		return d.finish()
	case d.record > 0 && t != ',':
		return d.syntax()
	case d.record > 0:
		if t, e = d.next(); e != nil {
			return e
		}
	}
	if d.record == d.options.MaxRecords {
		e := d.fatal(RuleRecords, "", "")
		e.Text = formats.Textf("записів більше, ніж дозволено (%d). Поділіть файл.", "there are more records than allowed (%d). Split the file.", d.options.MaxRecords)
		return e
	}
	d.record++
	if t != '{' {
		return d.shape()
	}
	d.seen = d.seen[:0]
	if e := d.members("", 2); e != nil {
		return e
	}
	return orNil(d.wrong)
}

// finish reads what follows the array: of an object its brace, then nothing.
func (d *Reader) finish() error {
	d.ended = true
	if d.options.Array != "" {
		t, e := d.next()
		if e != nil {
			return e
		}
		if t == ',' {
			return d.fatal(RuleLate, "члени документа повинні стояти перед записами.", "members of the document must stand before its records.")
		}
		if t != '}' {
			return d.syntax()
		}
	}
	if _, err := d.lex.next(); !errors.Is(err, io.EOF) {
		return d.fatal(RuleTrailing, "після кінця документа є зайве. Вилучіть його.", "something follows the end of the document. Remove it.")
	}
	return io.EOF
}

// Record is the number, from 1, of the record last read.
func (d *Reader) Record() int { return d.record }

// Name is the name of member i.
func (d *Reader) Name(i int) string { return d.options.Members[i] }

// Raw is the text of member i in the record last read, nil if it is not given.
// It is good until the next call of Next.
func (d *Reader) Raw(i int) []byte {
	v := d.values[i]
	switch {
	case !v.given:
		return nil
	case v.header:
		return d.head[v.from:v.to]
	}
	return d.bytes[v.from:v.to]
}

// Line is the line, from 1, of member i.
func (d *Reader) Line(i int) int { return d.values[i].line }

// Offset is where member i lies in the file.
func (d *Reader) Offset(i int) int64 { return d.values[i].offset }

// Fits says how many of the members of the first record, and of the document, a
// layout of these options has, and how many it does not have; ok is false if the
// document does not begin as such a layout does.
func Fits(r *io.SectionReader, o Options) (known, unknown int, ok bool) {
	d, err := NewReader(r, o)
	if err != nil {
		return 0, 0, false
	}
	probe := &prober{}
	d.probe(probe)
	for _, name := range probe.names {
		if _, has := d.member[name]; has {
			known++
		} else {
			unknown++
		}
	}
	for _, v := range d.values {
		if v.header {
			known++
		}
	}
	return known, unknown, true
}

// prober gathers the names of scalar members of a record.
type prober struct{ names []string }

// probe reads the first record for its names alone.
func (d *Reader) probe(p *prober) {
	var path []string
	var name string
	expect := false // a name comes next
	open := 0
	for len(p.names) < maxMembers {
		t, e := d.next()
		if e != nil {
			return
		}
		switch t {
		case '{':
			if open > 0 {
				path = append(path, name)
			}
			if open++; open > maxDepth {
				return
			}
			expect = true
		case '}':
			if open--; open <= 0 {
				return
			}
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
		case ',':
			expect = true
		case 's', 'n', 't', 'f', '0':
			if open == 0 {
				return
			}
			if expect && t == 's' {
				name, expect = string(d.lex.text), false
				continue
			}
			full := name
			for i := len(path) - 1; i >= 0; i-- {
				full = path[i] + "." + full
			}
			p.names = append(p.names, full)
		case '[', ']':
			return
		}
	}
}
