// Package transport reads the wrappers in which older Ukrainian reporting
// software sends signed and encrypted documents by mail: TRANSPORTABLE and
// ZPOSTTRANSPORTABLE headers, CERTCRYPT, UA1_SIGN, UA1_CRYPT, USC_*, QLB_* and
// DOCUMENT sections.
//
// A file is a row of sections: a label in ASCII that ends with a zero octet, a
// length of 32 bits, little-endian, and as many octets.
//
//   - TRANSPORTABLE, ZPOSTTRANSPORTABLE: lines KEY=VALUE CR LF in code page 1251,
//     a zero octet at the end. At most one, before the others.
//   - CERTCRYPT: the sender's certificate for key agreement.
//   - UA1_SIGN: SignedData. UA1_CRYPT: EnvelopedData. DOCUMENT: a bare document.
//   - USC_SIGN, USC_CRYPT: marks without length and contents.
//   - QLB_SIGN, QLB_CRYPT: blocks, each the octet 02, a length and contents, or
//     the octet 20 (hexadecimal) and a hash of 32 octets; four zero octets part
//     them; the last block may stand without its 02. Of QLB_SIGN the first is
//     SignedData, the second, if there, the document; of QLB_CRYPT the first is the
//     sender's certificate, the second EnvelopedData.
//   - PACKED_XML: known by its name and refused.
//
// Nothing of a wrapper is signed: headers are claims for people to read and
// decide nothing. No public text describes the format; it is known from what is
// in use, so the reader is strict: one spelling, known labels only, nothing empty,
// nothing left over.
//
// A wrapper may lie within what was signed or encrypted in another (sign, encrypt,
// sign). Parse reads one; who follows them in keeps to MaxNesting.
package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a file.
const (
	// MaxNesting is how many wrappers may lie one within the other.
	MaxNesting  = 4
	maxSections = 16
	maxBlocks   = 8
	maxLabel    = 20 // octets, the zero not counted
	maxHeaders  = 64
	maxKey      = 32
	maxValue    = 512
	hashSize    = 32
)

// Errors that callers tell apart.
var (
	// ErrNotWrapper: the bytes do not start with a known label.
	ErrNotWrapper = errors.New("not a transport wrapper")
	// ErrPackedXML: PACKED_XML, which is not opened.
	ErrPackedXML = errors.New("PACKED_XML wrapper is not supported")
	// ErrFormat is wrapped by errors about a wrapper's syntax.
	ErrFormat = errors.New("transport wrapper is malformed")
)

// Kind is what a part is.
type Kind uint8

// The kinds.
const (
	Document  Kind = iota // bare contents
	Signed                // CMS SignedData
	Encrypted             // CMS EnvelopedData
)

// Header is one line of the headers, in UTF-8.
type Header struct{ Key, Value string }

// Part is one thing that the wrapper carries. It aliases the input.
type Part struct {
	Kind Kind
	// Label is that of its section.
	Label string
	Data  []byte
	// Certificate is the sender's, DER, given with an encrypted part.
	Certificate []byte
	// Content is the document beside a signed part, where the signature does not
	// contain it (QLB_SIGN); nil otherwise.
	Content []byte
}

// File is a parsed wrapper.
type File struct {
	Headers []Header
	Parts   []Part
	// Labels are those of all sections in their order, marks too.
	Labels []string
}

// Header gives the value of a header, "" when absent.
func (f *File) Header(key string) string {
	for _, h := range f.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return ""
}

// Payload gives the one part that the wrapper carries; ErrFormat when there are
// more or none. What lies beside the part that is judged would not be judged.
func (f *File) Payload() (Part, error) {
	if len(f.Parts) != 1 {
		return Part{}, fmt.Errorf("%d parts where one is wanted: %w", len(f.Parts), ErrFormat)
	}
	return f.Parts[0], nil
}

const (
	transportable = "TRANSPORTABLE"
	zpost         = "ZPOSTTRANSPORTABLE"
	certCrypt     = "CERTCRYPT"
	packedXML     = "PACKED_XML"
)

var (
	// plain are sections of one part.
	plain = map[string]Kind{"UA1_SIGN": Signed, "UA1_CRYPT": Encrypted, "DOCUMENT": Document}
	marks = []string{"USC_SIGN", "USC_CRYPT"}
	// blocks are sections of blocks.
	blocks = map[string]Kind{"QLB_SIGN": Signed, "QLB_CRYPT": Encrypted}
)

func known(label string) bool {
	_, isPlain := plain[label]
	_, isBlocks := blocks[label]
	return isPlain || isBlocks || slices.Contains(marks, label) ||
		label == transportable || label == zpost || label == certCrypt
}

// label reads a label and gives what follows its zero octet.
func label(b []byte) (name string, rest []byte, ok bool) {
	n := bytes.IndexByte(b[:min(len(b), maxLabel+1)], 0)
	if n <= 0 {
		return "", nil, false
	}
	return string(b[:n]), b[n+1:], true
}

// Is tells from the first bytes of a file whether it is a wrapper.
func Is(head []byte) bool {
	if bytes.HasPrefix(head, []byte(packedXML)) {
		return true
	}
	name, _, ok := label(head)
	return ok && known(name)
}

// Parse reads a wrapper. Errors wrap ErrNotWrapper, ErrPackedXML or ErrFormat.
func Parse(data []byte) (*File, error) {
	if bytes.HasPrefix(data, []byte(packedXML)) {
		return nil, ErrPackedXML
	}
	if !Is(data) {
		return nil, ErrNotWrapper
	}
	f := new(File)
	var certificate []byte
	for rest := data; len(rest) > 0; {
		at := len(data) - len(rest)
		bad := func(what string) (*File, error) {
			return nil, fmt.Errorf("byte %d: %s: %w", at, what, ErrFormat)
		}
		name, after, ok := label(rest)
		if !ok || !known(name) {
			return bad("no known label")
		}
		if len(f.Labels) == maxSections {
			return bad("too many sections")
		}
		f.Labels = append(f.Labels, name)
		if slices.Contains(marks, name) {
			rest = after
			continue
		}
		body, after, ok := sized(after)
		if !ok {
			return bad("length of the section goes beyond the end or is zero")
		}
		rest = after
		if certificate != nil && plain[name] != Encrypted {
			return bad("certificate before what is not encrypted")
		}
		switch kind, one := plain[name]; {
		case name == transportable || name == zpost:
			if f.Headers != nil || len(f.Parts) > 0 {
				return bad("headers out of place")
			}
			if f.Headers, ok = headers(body); !ok {
				return bad("headers are malformed")
			}
		case name == certCrypt:
			certificate = body
		case one:
			f.Parts = append(f.Parts, Part{Kind: kind, Label: name, Data: body, Certificate: certificate})
			certificate = nil
		default:
			p, ok := fromBlocks(name, body)
			if !ok {
				return bad("blocks are malformed")
			}
			f.Parts = append(f.Parts, p)
		}
	}
	if certificate != nil || len(f.Parts) == 0 {
		return nil, fmt.Errorf("nothing is in it: %w", ErrFormat)
	}
	return f, nil
}

// sized reads a length and as many octets, one at least.
func sized(b []byte) (body, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n == 0 || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// headers reads lines KEY=VALUE, each key once.
func headers(b []byte) ([]Header, bool) {
	b = bytes.TrimSuffix(b, []byte{0})
	out := []Header{}
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok || len(out) == maxHeaders {
			return nil, false
		}
		b = rest
		k, v, ok := bytes.Cut(line, []byte("="))
		if !ok || len(v) > maxValue || !isKey(k) {
			return nil, false
		}
		value, ok := decode(v)
		if !ok || slices.ContainsFunc(out, func(h Header) bool { return h.Key == string(k) }) {
			return nil, false
		}
		out = append(out, Header{Key: string(k), Value: value})
	}
	return out, true
}

func isKey(k []byte) bool {
	return len(k) > 0 && len(k) <= maxKey &&
		strings.Trim(string(k), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// fromBlocks makes a part of a QLB section.
func fromBlocks(name string, b []byte) (Part, bool) {
	data, ok := split(b)
	if !ok {
		return Part{}, false
	}
	p := Part{Kind: blocks[name], Label: name}
	switch {
	case p.Kind == Encrypted && len(data) == 2:
		p.Certificate, p.Data = data[0], data[1]
	case p.Kind == Signed && len(data) == 1:
		p.Data = data[0]
	case p.Kind == Signed && len(data) == 2:
		p.Data, p.Content = data[0], data[1]
	default:
		return Part{}, false
	}
	return p, true
}

// split gives the data blocks. Hashes are read over: nobody signed them.
func split(b []byte) (data [][]byte, ok bool) {
	for n := 0; len(b) > 0; n++ {
		switch {
		case n == maxBlocks:
			return nil, false
		case b[0] == 0x20:
			if len(b) < 1+hashSize {
				return nil, false
			}
			b = b[1+hashSize:]
		case len(b) >= 4 && binary.LittleEndian.Uint32(b) == 0:
			b = b[4:]
		case b[0] == 2 && len(b) >= 5 && binary.LittleEndian.Uint32(b[1:]) == 0:
			b = b[5:] // a block that was left out
		default:
			tagged := b[0] == 2
			if tagged {
				b = b[1:]
			}
			body, rest, ok := sized(b)
			if !ok || !tagged && (n == 0 || len(rest) > 0) {
				return nil, false
			}
			data, b = append(data, body), rest
		}
	}
	return data, len(data) > 0
}

// FirstPart gives what is there, in the first bytes of a wrapper, of the part that
// it carries; without Data where they do not reach it. It serves to tell what a
// file looks like and judges nothing.
func FirstPart(head []byte) Part {
	for range maxSections {
		name, rest, ok := label(head)
		if !ok || !known(name) {
			break
		}
		if slices.Contains(marks, name) {
			head = rest
			continue
		}
		if len(rest) < 4 {
			break
		}
		n := uint64(binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
		if kind, ok := plain[name]; ok {
			return Part{Kind: kind, Label: name, Data: rest[:min(n, uint64(len(rest)))]}
		}
		if kind, ok := blocks[name]; ok {
			// The first block: its octet 02 and its length. Of an encrypted one it is
			// the certificate.
			p := Part{Kind: kind, Label: name}
			if kind == Signed {
				p.Data = rest[min(5, len(rest)):]
			}
			return p
		}
		if n > uint64(len(rest)) {
			break
		}
		head = rest[n:]
	}
	return Part{}
}
