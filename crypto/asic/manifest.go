package asic

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Namespaces of a manifest, EN 319 162-1, annex A.4.
const (
	manifestSpace = "http://uri.etsi.org/02918/v1.2.1#"
	digestSpace   = "http://www.w3.org/2000/09/xmldsig#"
)

// Manifest is a parsed ASiCManifest or ASiCArchiveManifest.
type Manifest struct {
	File *File
	// Signs is the name of the signature or token that is made over the manifest.
	Signs      string
	References []Reference
}

// Reference is what a manifest says of one file.
type Reference struct {
	Name     string
	MimeType string
	// Digest is the URI of the digest algorithm, Value what it gives over the file.
	Digest string
	Value  []byte
}

// parseManifest reads a manifest strictly: UTF-8, no document type, no processing
// instruction but the XML declaration, no comment, no element, attribute or
// namespace beyond those of the standard, and of these no extensions.
func parseManifest(f *File) (*Manifest, error) {
	m, err := readManifest(f.Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	m.File = f
	return m, nil
}

func readManifest(b []byte) (*Manifest, error) {
	switch {
	case len(b) > MaxManifest:
		return nil, fmt.Errorf("manifest: %w", ErrLimit)
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return nil, errors.New("manifest is not in UTF-8")
	}
	r := manifestReader{x: xml.NewDecoder(bytes.NewReader(b))}
	// The decoder is never given an encoding other than UTF-8: an error.
	r.x.CharsetReader = nil
	return r.manifest()
}

// manifestReader reads the elements of a manifest one after another.
type manifestReader struct {
	x     *xml.Decoder
	begun bool // something other than the declaration was read
}

var errManifest = errors.New("manifest is not as EN 319 162-1, A.4 says")

// next gives the next start or end of an element; text between them may only be
// white space. The end of the document is io.EOF.
func (r *manifestReader) next() (xml.Token, error) {
	for {
		t, err := r.x.Token()
		if err != nil {
			if err == io.EOF {
				return nil, err
			}
			return nil, errors.New("manifest is no well-formed XML in UTF-8")
		}
		first := !r.begun
		r.begun = true
		switch t := t.(type) {
		case xml.StartElement:
			return t.Copy(), nil
		case xml.EndElement:
			return t, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("%w: text between elements", errManifest)
			}
		case xml.ProcInst:
			if t.Target != "xml" || !first {
				return nil, fmt.Errorf("%w: processing instruction", errManifest)
			}
		case xml.Directive:
			return nil, fmt.Errorf("%w: document type declaration", errManifest)
		default:
			return nil, fmt.Errorf("%w: comment", errManifest)
		}
	}
}

// start reads the start of an element of a name, with its attributes; ok is false
// where the parent ends instead.
func (r *manifestReader) start() (e xml.StartElement, ok bool, err error) {
	t, err := r.next()
	if err != nil {
		return e, false, unexpected(err)
	}
	e, ok = t.(xml.StartElement)
	return e, ok, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return errors.New("manifest is cut")
	}
	return err
}

// end reads the end of an element without content.
func (r *manifestReader) end() error {
	t, err := r.next()
	if err != nil {
		return unexpected(err)
	}
	if _, ok := t.(xml.EndElement); !ok {
		return fmt.Errorf("%w: an element where none may be", errManifest)
	}
	return nil
}

// attributes gives the attributes of an element: of those allowed, each once, in no
// namespace.
func attributes(e xml.StartElement, allowed ...string) (map[string]string, error) {
	out := make(map[string]string)
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			if a.Value != manifestSpace && a.Value != digestSpace {
				return nil, fmt.Errorf("%w: a foreign namespace", errManifest)
			}
			continue
		}
		if _, twice := out[a.Name.Local]; twice || a.Name.Space != "" || !slices.Contains(allowed, a.Name.Local) {
			return nil, fmt.Errorf("%w: an unknown or repeated attribute", errManifest)
		}
		out[a.Name.Local] = a.Value
	}
	return out, nil
}

func is(e xml.StartElement, space, local string) bool {
	return e.Name.Space == space && e.Name.Local == local
}

func (r *manifestReader) manifest() (*Manifest, error) {
	root, err := r.next()
	if err != nil {
		return nil, unexpected(err)
	}
	e, ok := root.(xml.StartElement)
	if !ok || !is(e, manifestSpace, "ASiCManifest") {
		return nil, fmt.Errorf("%w: its root is another element or in another namespace", errManifest)
	}
	if _, err := attributes(e); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if e, ok, err = r.start(); err != nil {
		return nil, err
	}
	if !ok || !is(e, manifestSpace, "SigReference") {
		return nil, fmt.Errorf("%w: SigReference is missing", errManifest)
	}
	a, err := attributes(e, "URI", "MimeType")
	if err != nil {
		return nil, err
	}
	if m.Signs, err = resolve(a["URI"]); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for {
		e, ok, err := r.start()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if len(m.References) == MaxEntries {
			return nil, fmt.Errorf("references of a manifest: %w", ErrLimit)
		}
		ref, err := r.reference(e)
		if err != nil {
			return nil, err
		}
		if seen[ref.Name] {
			return nil, fmt.Errorf("%w: two references to one file", errManifest)
		}
		seen[ref.Name] = true
		m.References = append(m.References, ref)
	}
	if t, err := r.next(); err != io.EOF || t != nil {
		if err == nil {
			err = fmt.Errorf("%w: something after its root element", errManifest)
		}
		return nil, err
	}
	if len(m.References) == 0 {
		return nil, fmt.Errorf("%w: it names no file", errManifest)
	}
	return m, nil
}

// reference reads a DataObjectReference whose start is read.
func (r *manifestReader) reference(e xml.StartElement) (Reference, error) {
	var ref Reference
	switch {
	case is(e, manifestSpace, "ASiCManifestExtensions"):
		return ref, fmt.Errorf("%w, as Brama reads it: extensions", errManifest)
	case !is(e, manifestSpace, "DataObjectReference"):
		return ref, fmt.Errorf("%w: an unknown element", errManifest)
	}
	a, err := attributes(e, "URI", "MimeType", "Rootfile")
	if err != nil {
		return ref, err
	}
	if ref.Name, err = resolve(a["URI"]); err != nil {
		return ref, fmt.Errorf("manifest: %w", err)
	}
	ref.MimeType = a["MimeType"]
	method, err := r.child("DigestMethod")
	if err != nil {
		return ref, err
	}
	if a, err = attributes(method, "Algorithm"); err != nil {
		return ref, err
	}
	ref.Digest = a["Algorithm"]
	if err := r.end(); err != nil {
		return ref, err
	}
	value, err := r.child("DigestValue")
	if err != nil {
		return ref, err
	}
	if _, err := attributes(value); err != nil {
		return ref, err
	}
	if ref.Value, err = r.base64(); err != nil {
		return ref, err
	}
	if err := r.end(); err != nil {
		return ref, err
	}
	return ref, nil
}

func (r *manifestReader) child(name string) (xml.StartElement, error) {
	e, ok, err := r.start()
	if err != nil {
		return e, err
	}
	if !ok || !is(e, digestSpace, name) {
		return e, fmt.Errorf("%w: %s is missing", errManifest, name)
	}
	return e, nil
}

// base64 reads the text of an element up to its end.
func (r *manifestReader) base64() ([]byte, error) {
	var text strings.Builder
	for {
		t, err := r.x.Token()
		if err != nil {
			return nil, errors.New("manifest is no well-formed XML in UTF-8")
		}
		switch t := t.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			v, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(text.String()), ""))
			if err != nil || len(v) == 0 {
				return nil, fmt.Errorf("%w: DigestValue is no base64", errManifest)
			}
			return v, nil
		default:
			return nil, fmt.Errorf("%w: DigestValue is no text", errManifest)
		}
	}
}
