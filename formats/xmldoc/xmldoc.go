// Package xmldoc reads documents in canonical XML, record by record: a root with
// one Head, whose elements belong to the document, and any number of records
// after it. A document is first held to the schema of its kind, then read as a
// stream; each record gives the values of the head with its own.
//
// DTDs, entities and processing instructions are refused. The encoding is UTF-8,
// or windows-1251 if the XML declaration says so.
package xmldoc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/jacoelho/xsd"
	"github.com/jacoelho/xsd/xsderrors"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/iso20022"
)

// Bounds of a document.
const (
	maxDepth = 8
	maxText  = 64 << 10
)

// Schema is a compiled schema with the names that a reader needs.
type Schema struct {
	Engine *xsd.Engine
	Name   string // of the kind, for findings
	Head   string // element of what belongs to the document
	Line   string // element of a record
}

// Validate holds doc to the schema and reports what is wrong to add, at most
// limit times. It says whether the document follows the schema.
func (s *Schema) Validate(doc *io.SectionReader, limit int, add func(formats.Finding)) bool {
	err := s.Engine.ValidateWithOptions(&guard{from: iso20022.Open(doc)}, xsd.ValidateOptions{
		MaxErrors:             limit,
		MaxInstanceDepth:      maxDepth,
		MaxInstanceAttributes: 16,
		MaxInstanceTextBytes:  maxText,
		MaxInstanceTokenBytes: maxText,
		MaxInstanceBytes:      3*doc.Size() + 1024, // windows-1251 grows in UTF-8
	})
	if err == nil {
		return true
	}
	var starts []position
	for _, err := range xsderrors.Flatten(err) {
		var e *xsderrors.Error
		if !errors.As(err, &e) {
			add(formats.Finding{Rule: iso20022.RuleXML, Message: iso20022.TextXML})
			continue
		}
		if starts == nil {
			starts = s.starts(doc)
		}
		f := formats.Finding{Field: fieldOf(e.Path())}
		f.Rule, f.Message = iso20022.Explain(e, s.Name)
		f.Record = recordAt(starts, position{e.Line(), e.Column()})
		add(f)
	}
	return false
}

type position struct{ line, column int }

// starts are where the records begin.
func (s *Schema) starts(doc *io.SectionReader) []position {
	list := []position{}
	d := decoder(doc)
	for depth := 0; ; {
		line, column := d.InputPos()
		t, err := d.RawToken()
		if err != nil || len(list) > 1<<20 {
			return list
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth == 2 && t.Name.Local == s.Line {
				list = append(list, position{line, column})
			}
		case xml.EndElement:
			depth--
		}
	}
}

func recordAt(starts []position, p position) int {
	n, _ := slices.BinarySearchFunc(starts, p, func(a, b position) int {
		if a.line != b.line {
			return a.line - b.line
		}
		if a.column == b.column {
			return -1
		}
		return a.column - b.column
	})
	return n
}

// fieldOf is the element that a path of the schema engine ends in.
func fieldOf(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i]
	}
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r > 0x7E || r < 0x21 }) {
		return "" // a name of the writer's own making
	}
	return name
}

func decoder(doc *io.SectionReader) *xml.Decoder {
	d := xml.NewDecoder(&guard{from: iso20022.Open(doc)})
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	return d
}

// Reader gives the records of a document that follows its schema.
type Reader struct {
	Fields []string // the elements of head and record, in the order given

	schema *Schema
	d      *xml.Decoder
	at     map[string]int
	head   []value
	line   []value
	record int
	err    error
}

type value struct {
	text   []byte
	offset int64
}

// NewReader reads doc. Fields are the elements that head and records may have.
func NewReader(doc *io.SectionReader, s *Schema, fields []string) *Reader {
	r := &Reader{Fields: fields, schema: s, d: decoder(doc), at: map[string]int{}, head: make([]value, len(fields)), line: make([]value, len(fields))}
	for i, f := range fields {
		r.at[f] = i
	}
	return r
}

// Error says that reading ended early.
type Error struct{ Record int }

func (e *Error) Error() string { return "xml: cut or damaged" }

// Finding is what the sender is told.
func (e *Error) Finding() formats.Finding {
	return formats.Finding{Rule: iso20022.RuleXML, Record: e.Record, Message: iso20022.TextXML}
}

// Next reads the next record: io.EOF after the last, *Error if it cannot.
func (r *Reader) Next() error {
	if r.err != nil {
		return r.err
	}
	copy(r.line, r.head)
	r.err = r.next()
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = &Error{Record: r.record}
	}
	return r.err
}

func (r *Reader) next() error {
	depth := 0 // below the root
	into := r.line
	var text bytes.Buffer
	var offset int64
	for {
		t, err := r.d.Token()
		if err != nil {
			return err // io.EOF: after the root; an open element is a syntax error
		}
		switch t := t.(type) {
		case xml.StartElement:
			if r.record == 0 && depth == 0 && t.Name.Local != r.schema.Head && t.Name.Local != r.schema.Line {
				continue // the root
			}
			if depth++; depth == 1 {
				into = r.line
				if t.Name.Local == r.schema.Head {
					into = r.head
				} else {
					r.record++
				}
			}
			text.Reset()
			offset = r.d.InputOffset()
		case xml.CharData:
			if depth == 2 {
				text.Write(t)
			}
		case xml.EndElement:
			if depth == 2 {
				if i, ok := r.at[t.Name.Local]; ok {
					into[i] = value{bytes.Clone(text.Bytes()), offset}
				}
			}
			if depth--; depth == 0 {
				if &into[0] == &r.line[0] {
					return nil
				}
				copy(r.line, r.head)
			}
		}
	}
}

// Record is the number of the record, from 1.
func (r *Reader) Record() int { return r.record }

// Name is the element of field i.
func (r *Reader) Name(i int) string { return r.Fields[i] }

// Raw is the text of field i, in UTF-8.
func (r *Reader) Raw(i int) []byte { return r.line[i].text }

// Offset is where field i begins, in the document as UTF-8.
func (r *Reader) Offset(i int) int64 { return r.line[i].offset }

// guard ends the reading at a comment or processing instruction of more than
// maxText bytes, which the decoder would keep whole and the schema engine does
// not bound.
type guard struct {
	from  io.Reader
	last  uint32 // four bytes
	aside byte   // '-' in a comment, '?' in an instruction
	n     int
}

var errAside = errors.New("comment or instruction too long")

func (g *guard) Read(b []byte) (int, error) {
	n, err := g.from.Read(b)
	for _, c := range b[:n] {
		g.last = g.last<<8 | uint32(c)
		g.n++
		switch {
		case g.aside == 0 && g.last == '<'<<24|'!'<<16|'-'<<8|'-':
			g.aside, g.n = '-', 0
		case g.aside == 0 && g.last&0xffff == '<'<<8|'?':
			g.aside, g.n = '?', 0
		case g.aside == '-' && g.n > 2 && g.last&0xffffff == '-'<<16|'-'<<8|'>', g.aside == '?' && g.last&0xffff == '?'<<8|'>':
			g.aside = 0
		case g.aside != 0 && g.n > maxText:
			return 0, errAside
		}
	}
	return n, err
}
