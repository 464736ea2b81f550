package xmldsig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrXML is wrapped by every error about the form of a document.
var ErrXML = errors.New("XML")

// Limits of what Parse takes.
const (
	maxSize       = 32 << 20 // bytes; the largest national trusted lists have a third of it
	maxDepth      = 64
	maxElements   = 1_000_000 // and texts between them
	maxAttributes = 64        // of one element
	maxNamespaces = 64        // in force at once
)

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

// Element is an element of a document. What is read out of a document is read
// from these, and what is signed is made of these: there is no second reading that
// could differ.
type Element struct {
	Space, Local string // the namespace, and the name in it
	Attributes   []Attribute

	prefix   string
	scope    *scope
	children []node
	parent   *Element
}

// Attribute is one attribute that declares no namespace.
type Attribute struct {
	Space, Local, Value string

	prefix string
}

// node is a child: an element, or text where element is nil. Comments are not
// kept: they are not in the canonical form, and never part a text.
type node struct {
	element *Element
	text    string
}

// scope is the namespaces in force, innermost first.
type scope struct {
	prefix, uri string
	outer       *scope
	size        int
}

func (s *scope) find(prefix string) (uri string, ok bool) {
	for ; s != nil; s = s.outer {
		if s.prefix == prefix {
			return s.uri, true
		}
	}
	return "", prefix == ""
}

// Parse reads a document: UTF-8, well-formed, names within namespaces. A document
// type declaration, and processing instructions, are refused, so that nothing is
// ever expanded or left to who reads it.
func Parse(data []byte) (*Element, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrXML, maxSize)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	p := &parser{decoder: xml.NewDecoder(bytes.NewReader(data))}
	p.decoder.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.New("not in UTF-8") }
	root, err := p.document()
	if err != nil {
		line, column := p.decoder.InputPos()
		return nil, fmt.Errorf("%w: line %d, column %d: %w", ErrXML, line, column, err)
	}
	return root, nil
}

type parser struct {
	decoder  *xml.Decoder
	elements int
	depth    int
	root, at *Element
}

func (p *parser) document() (*Element, error) {
	for first := true; ; first = false {
		t, err := p.decoder.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			err = p.start(t)
		case xml.EndElement:
			err = p.end(t)
		case xml.CharData:
			err = p.text(string(t))
		case xml.Comment:
		case xml.ProcInst:
			if t.Target != "xml" || !first {
				err = errors.New("processing instruction")
			}
		default:
			err = errors.New("document type declaration")
		}
		if err != nil {
			return nil, err
		}
	}
	if p.root == nil || p.at != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return p.root, nil
}

func (p *parser) start(t xml.StartElement) error {
	if p.root != nil && p.at == nil {
		return errors.New("a second root element")
	}
	if p.elements++; p.elements > maxElements {
		return fmt.Errorf("more than %d elements and texts", maxElements)
	}
	if p.depth++; p.depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if len(t.Attr) > maxAttributes {
		return fmt.Errorf("more than %d attributes", maxAttributes)
	}
	e := &Element{parent: p.at}
	if p.at != nil {
		e.scope = p.at.scope
	}
	if err := e.declare(t.Attr); err != nil {
		return err
	}
	var err error
	if e.prefix, e.Local, e.Space, err = e.name(t.Name); err != nil {
		return err
	}
	for _, a := range t.Attr {
		if declaration(a) {
			continue
		}
		if err := e.attribute(a); err != nil {
			return err
		}
	}
	if p.at == nil {
		p.root = e
	} else {
		p.at.children = append(p.at.children, node{element: e})
	}
	p.at = e
	return nil
}

func declaration(a xml.Attr) bool {
	return a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns"
}

func (e *Element) declare(attrs []xml.Attr) error {
	had := map[string]bool{}
	for _, a := range attrs {
		if !declaration(a) {
			continue
		}
		prefix := ""
		if a.Name.Space == "xmlns" {
			prefix = a.Name.Local
		}
		switch {
		case had[prefix]:
			return errors.New("a namespace is declared twice")
		case prefix == "xmlns" || (prefix == "xml") != (a.Value == xmlSpace) || a.Value == "http://www.w3.org/2000/xmlns/":
			return errors.New("a reserved namespace is declared")
		case prefix != "" && a.Value == "":
			return errors.New("a prefix is declared without a namespace")
		case strings.ContainsAny(prefix, ":"), strings.ContainsAny(a.Value, "\t\r\n"):
			return errors.New("a namespace is declared oddly")
		}
		had[prefix] = true
		if prefix != "xml" {
			s := &scope{prefix: prefix, uri: a.Value, outer: e.scope, size: 1}
			if e.scope != nil {
				s.size += e.scope.size
			}
			if s.size > maxNamespaces {
				return fmt.Errorf("more than %d namespaces", maxNamespaces)
			}
			e.scope = s
		}
	}
	return nil
}

// name resolves a prefixed name.
func (e *Element) name(n xml.Name) (prefix, local, space string, err error) {
	if n.Local == "" || strings.Contains(n.Local, ":") || n.Space == "xmlns" {
		return "", "", "", errors.New("a name that is none")
	}
	if n.Space == "xml" {
		return "xml", n.Local, xmlSpace, nil
	}
	uri, ok := e.scope.find(n.Space)
	if !ok {
		return "", "", "", errors.New("a prefix without a namespace")
	}
	return n.Space, n.Local, uri, nil
}

func (e *Element) attribute(a xml.Attr) error {
	// XML 1.0, 3.3.3: white space in a value is a space. A character reference to
	// another would stay; it is read as a space too, and then no digest fits.
	out := Attribute{Value: strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(a.Value)}
	if a.Name.Space == "" { // it is in no namespace, whatever the default one
		if out.Local = a.Name.Local; out.Local == "" || strings.Contains(out.Local, ":") {
			return errors.New("a name that is none")
		}
	} else {
		var err error
		if out.prefix, out.Local, out.Space, err = e.name(a.Name); err != nil {
			return err
		}
	}
	for _, b := range e.Attributes {
		if b.Space == out.Space && b.Local == out.Local {
			return errors.New("an attribute is given twice")
		}
	}
	e.Attributes = append(e.Attributes, out)
	return nil
}

func (p *parser) end(t xml.EndElement) error {
	if p.at == nil || p.at.prefix != t.Name.Space || p.at.Local != t.Name.Local {
		return errors.New("an end tag that ends nothing")
	}
	p.at = p.at.parent
	p.depth--
	return nil
}

func (p *parser) text(s string) error {
	if p.at == nil {
		if strings.Trim(s, " \t\r\n") != "" {
			return errors.New("text outside of the root element")
		}
		return nil
	}
	if p.elements++; p.elements > maxElements {
		return fmt.Errorf("more than %d elements and texts", maxElements)
	}
	p.at.children = append(p.at.children, node{text: s})
	return nil
}

// Is tells whether the element has a name.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Local == local && e.Space == space
}

// Children gives the elements directly within that have a name.
func (e *Element) Children(space, local string) []*Element {
	if e == nil {
		return nil
	}
	var out []*Element
	for _, n := range e.children {
		if n.element.Is(space, local) {
			out = append(out, n.element)
		}
	}
	return out
}

// Elements gives the elements directly within.
func (e *Element) Elements() []*Element {
	if e == nil {
		return nil
	}
	var out []*Element
	for _, n := range e.children {
		if n.element != nil {
			out = append(out, n.element)
		}
	}
	return out
}

// Only gives the element directly within that has a name, if there is exactly
// one; else nil.
func (e *Element) Only(space, local string) *Element {
	if c := e.Children(space, local); len(c) == 1 {
		return c[0]
	}
	return nil
}

// Path follows Only, name after name in one namespace. Nil if a step has not
// exactly one.
func (e *Element) Path(space string, locals ...string) *Element {
	for _, l := range locals {
		e = e.Only(space, l)
	}
	return e
}

// Text is the text within, without white space at its ends; empty where there is
// an element within.
func (e *Element) Text() string {
	if e == nil {
		return ""
	}
	var b strings.Builder
	for _, n := range e.children {
		if n.element != nil {
			return ""
		}
		b.WriteString(n.text)
	}
	return strings.Trim(b.String(), " \t\r\n")
}

// Attribute gives the value of an attribute; empty if it is not there.
func (e *Element) Attribute(space, local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attributes {
		if a.Space == space && a.Local == local {
			return a.Value
		}
	}
	return ""
}

// Walk visits the element and all within, in document order.
func (e *Element) Walk(visit func(*Element)) {
	visit(e)
	for _, n := range e.children {
		if n.element != nil {
			n.element.Walk(visit)
		}
	}
}
