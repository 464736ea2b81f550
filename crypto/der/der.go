// Package der reads ASN.1 values in BER and DER (ITU-T X.690) and writes DER.
//
// The reader is made for hostile input. It never allocates by a declared
// length: every length is compared with the bytes that are left first. It
// never recurses: nesting of indefinite-length values is followed with a stack
// of fixed size, and anything deeper than MaxDepth is refused. Elements alias
// the input, so the raw bytes of everything that was read stay at hand for
// hashing.
//
// Two rule sets exist. DER, the zero value, accepts one spelling of each value.
// BER also accepts indefinite and non-minimal lengths and constructed strings;
// it is meant for the outer layers of a container only.
package der

import (
	"errors"
	"fmt"
)

// MaxDepth is how deep values may nest.
const MaxDepth = 32

// ErrDepth is wrapped by errors about values that nest deeper than MaxDepth.
var ErrDepth = errors.New("nested too deep")

// SyntaxError says what is wrong with an encoding and where.
type SyntaxError struct {
	// Offset counts bytes from the start of the outermost input.
	Offset int
	// Reason is in English and carries nothing of the content.
	Reason string
	err    error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// Unwrap gives ErrDepth for a value that nests too deep, else nil.
func (e *SyntaxError) Unwrap() error { return e.err }

// Rules is the set of encoding rules a Reader holds its input to.
type Rules uint8

// The rule sets.
const (
	DER Rules = iota
	BER
)

// Class is the class of a tag, X.690 section 8.1.2.2.
type Class uint8

// The four classes.
const (
	Universal Class = iota
	Application
	Context
	Private
)

// Universal tag numbers that this module uses.
const (
	TagBoolean         = 1
	TagInteger         = 2
	TagBitString       = 3
	TagOctetString     = 4
	TagNull            = 5
	TagOID             = 6
	TagEnumerated      = 10
	TagUTF8String      = 12
	TagSequence        = 16
	TagSet             = 17
	TagNumericString   = 18
	TagPrintableString = 19
	TagTeletexString   = 20
	TagIA5String       = 22
	TagUTCTime         = 23
	TagGeneralizedTime = 24
	TagVisibleString   = 26
	TagUniversalString = 28
	TagBMPString       = 30
)

// Element is one tag, length and value.
type Element struct {
	Class       Class
	Tag         uint32
	Constructed bool
	// Indefinite tells that the value ended with end-of-contents octets.
	Indefinite bool
	// Raw is the whole element, Content its contents octets. Both alias the input.
	Raw, Content []byte
	// Offset of Raw in the outermost input; ContentOffset that of Content.
	Offset, ContentOffset int
}

// Is tells whether the element has a tag of class c and number tag.
func (e Element) Is(c Class, tag uint32) bool { return e.Class == c && e.Tag == tag }

// IsZero tells that no element was read.
func (e Element) IsZero() bool { return e.Raw == nil }

func (e Element) fail(reason string) error {
	return &SyntaxError{Offset: e.Offset, Reason: reason}
}

// Reader gives the elements of one level in their order.
type Reader struct {
	b     []byte
	base  int
	rules Rules
}

// NewReader reads the elements of b under rules.
func NewReader(b []byte, rules Rules) *Reader { return &Reader{b: b, rules: rules} }

// Inside reads the elements within a constructed e.
func (r *Reader) Inside(e Element) *Reader {
	return &Reader{b: e.Content, base: e.ContentOffset, rules: r.rules}
}

// Empty tells that nothing is left.
func (r *Reader) Empty() bool { return len(r.b) == 0 }

// Offset of what is read next in the outermost input.
func (r *Reader) Offset() int { return r.base }

func (r *Reader) fail(at int, reason string) error {
	return &SyntaxError{Offset: r.base + at, Reason: reason}
}

// header is a parsed identifier and length.
type header struct {
	class       Class
	tag         uint32
	constructed bool
	indefinite  bool
	size        int // octets of identifier and length
	length      int // contents octets; 0 when indefinite
}

// readHeader parses the head of b. Lengths are held against len(b).
func readHeader(b []byte, rules Rules) (header, string) {
	var h header
	if len(b) < 2 {
		return h, "cut off in a header"
	}
	h.class = Class(b[0] >> 6)
	h.constructed = b[0]&0x20 != 0
	h.tag = uint32(b[0] & 0x1f)
	i := 1
	if h.tag == 0x1f {
		h.tag = 0
		for {
			if i >= len(b) {
				return h, "cut off in a tag"
			}
			c := b[i]
			if i == 1 && c == 0x80 {
				return h, "tag with a leading zero"
			}
			if i > 4 {
				return h, "tag too large"
			}
			i++
			h.tag = h.tag<<7 | uint32(c&0x7f)
			if c&0x80 == 0 {
				break
			}
		}
		if h.tag < 0x1f {
			return h, "tag not in its shortest form"
		}
	}
	if i >= len(b) {
		return h, "cut off in a length"
	}
	l := b[i]
	i++
	switch {
	case l < 0x80:
		h.length = int(l)
	case l == 0x80:
		if rules == DER {
			return h, "indefinite length where DER is required"
		}
		if !h.constructed {
			return h, "indefinite length of a primitive value"
		}
		h.indefinite = true
	default:
		n := int(l & 0x7f)
		if n > 8 {
			return h, "length of more than 8 octets"
		}
		if n > len(b)-i {
			return h, "cut off in a length"
		}
		var v uint64
		for _, c := range b[i : i+n] {
			v = v<<8 | uint64(c)
		}
		if rules == DER && (b[i] == 0 || v < 0x80) {
			return h, "length not in its shortest form"
		}
		i += n
		if v > uint64(len(b)-i) {
			return h, "length goes beyond the end"
		}
		h.length = int(v)
	}
	h.size = i
	if h.length > len(b)-i {
		return h, "length goes beyond the end"
	}
	return h, ""
}

// contentsEnd finds the end-of-contents octets that close the indefinite value
// whose contents start at b[0]. It gives the number of contents octets.
func contentsEnd(b []byte) (n, at int, reason string) {
	depth := 1
	for i := 0; ; {
		if len(b)-i >= 2 && b[i] == 0 && b[i+1] == 0 {
			depth--
			if depth == 0 {
				return i, 0, ""
			}
			i += 2
			continue
		}
		h, why := readHeader(b[i:], BER)
		if why != "" {
			return 0, i, why
		}
		i += h.size
		if h.indefinite {
			depth++
			if depth > MaxDepth {
				return 0, i, ErrDepth.Error()
			}
			continue
		}
		i += h.length
	}
}

// Next reads one element. At the end of the input it gives an error: ask Empty
// first where the end is allowed.
func (r *Reader) Next() (Element, error) {
	if r.Empty() {
		return Element{}, r.fail(0, "a value is missing")
	}
	h, why := readHeader(r.b, r.rules)
	if why != "" {
		return Element{}, r.fail(0, why)
	}
	if h.class == Universal && h.tag == 0 {
		return Element{}, r.fail(0, "end-of-contents out of place")
	}
	e := Element{
		Class: h.class, Tag: h.tag, Constructed: h.constructed, Indefinite: h.indefinite,
		Offset: r.base, ContentOffset: r.base + h.size,
	}
	size := h.size + h.length
	if h.indefinite {
		n, at, why := contentsEnd(r.b[h.size:])
		if why != "" {
			err := &SyntaxError{Offset: r.base + h.size + at, Reason: why}
			if why == ErrDepth.Error() {
				err.err = ErrDepth
			}
			return Element{}, err
		}
		e.Content = r.b[h.size : h.size+n]
		size = h.size + n + 2
	} else {
		e.Content = r.b[h.size:size]
	}
	e.Raw = r.b[:size:size]
	e.Content = e.Content[:len(e.Content):len(e.Content)]
	r.b = r.b[size:]
	r.base += size
	return e, nil
}

// Peek tells the class and tag of the next element without reading it; ok is
// false at the end of the input or where no header can be read.
func (r *Reader) Peek(c Class, tag uint32) (ok bool) {
	if r.Empty() {
		return false
	}
	h, why := readHeader(r.b, r.rules)
	return why == "" && h.class == c && h.tag == tag
}

// Expect reads one element that must have the given tag.
func (r *Reader) Expect(c Class, tag uint32) (Element, error) {
	e, err := r.Next()
	if err != nil {
		return e, err
	}
	if !e.Is(c, tag) {
		return e, e.fail("a value of another type was expected")
	}
	if c == Universal {
		switch tag {
		case TagSequence, TagSet:
			if !e.Constructed {
				return e, e.fail("a primitive SEQUENCE or SET")
			}
		case TagOctetString, TagBitString:
			if e.Constructed && r.rules == DER {
				return e, e.fail("a constructed string where DER is required")
			}
		default:
			if e.Constructed {
				return e, e.fail("a constructed value where a primitive one is required")
			}
		}
	}
	return e, nil
}

// Optional reads the next element if it has the given tag; ok tells whether it had.
func (r *Reader) Optional(c Class, tag uint32) (e Element, ok bool, err error) {
	if !r.Peek(c, tag) {
		return Element{}, false, nil
	}
	e, err = r.Expect(c, tag)
	return e, err == nil, err
}

// Sequence enters the next element, a SEQUENCE.
func (r *Reader) Sequence() (*Reader, error) {
	e, err := r.Expect(Universal, TagSequence)
	if err != nil {
		return nil, err
	}
	return r.Inside(e), nil
}

// Set enters the next element, a SET.
func (r *Reader) Set() (*Reader, error) {
	e, err := r.Expect(Universal, TagSet)
	if err != nil {
		return nil, err
	}
	return r.Inside(e), nil
}

// Explicit enters the next element, a constructed context tag.
func (r *Reader) Explicit(tag uint32) (*Reader, error) {
	e, err := r.Expect(Context, tag)
	if err != nil {
		return nil, err
	}
	if !e.Constructed {
		return nil, e.fail("an explicit tag that is primitive")
	}
	return r.Inside(e), nil
}

// End gives an error unless everything was read.
func (r *Reader) End() error {
	if !r.Empty() {
		return r.fail(0, "unexpected bytes after the last value")
	}
	return nil
}

// One reads b, which must be exactly one element.
func One(b []byte, rules Rules) (Element, error) {
	r := NewReader(b, rules)
	e, err := r.Next()
	if err != nil {
		return e, err
	}
	return e, r.End()
}

// CheckDepth walks every constructed value in b under BER and refuses nesting
// deeper than MaxDepth. Contents of primitive strings are not entered.
func CheckDepth(b []byte) error {
	// ends holds where each open value ends; -1 for an indefinite one.
	var ends [MaxDepth + 1]int
	depth := 0
	for i := 0; ; {
		for depth > 0 && ends[depth-1] == i {
			depth--
		}
		if i == len(b) {
			if depth > 0 {
				return &SyntaxError{Offset: i, Reason: "end-of-contents missing"}
			}
			return nil
		}
		limit := len(b)
		for d := depth - 1; d >= 0; d-- {
			if ends[d] >= 0 {
				limit = ends[d]
				break
			}
		}
		if depth > 0 && ends[depth-1] == -1 && limit-i >= 2 && b[i] == 0 && b[i+1] == 0 {
			depth--
			i += 2
			continue
		}
		h, why := readHeader(b[i:limit], BER)
		if why != "" {
			return &SyntaxError{Offset: i, Reason: why}
		}
		if !h.constructed {
			i += h.size + h.length
			continue
		}
		if depth == MaxDepth {
			return &SyntaxError{Offset: i, Reason: ErrDepth.Error(), err: ErrDepth}
		}
		i += h.size
		if h.indefinite {
			ends[depth] = -1
		} else {
			ends[depth] = i + h.length
		}
		depth++
	}
}

// CheckDER walks every constructed value in b and gives an error where it is
// not DER: indefinite or long lengths, constructed strings, BOOLEAN and INTEGER
// spelled otherwise than DER spells them. The order within a SET OF is not
// judged; see SortedSet.
func CheckDER(b []byte) error {
	if err := CheckDepth(b); err != nil {
		return err
	}
	for i := 0; i < len(b); {
		h, why := readHeader(b[i:], DER)
		if why != "" {
			return &SyntaxError{Offset: i, Reason: why}
		}
		if h.class == Universal {
			structured := h.tag == TagSequence || h.tag == TagSet || h.tag == 8 || h.tag == 11
			if structured != h.constructed {
				return &SyntaxError{Offset: i, Reason: "primitive and constructed confused"}
			}
			c := b[i+h.size : i+h.size+h.length]
			switch h.tag {
			case 0:
				return &SyntaxError{Offset: i, Reason: "end-of-contents out of place"}
			case TagBoolean:
				if len(c) != 1 || c[0] != 0 && c[0] != 0xff {
					return &SyntaxError{Offset: i, Reason: "BOOLEAN is not DER"}
				}
			case TagInteger, TagEnumerated:
				if !minimalInteger(c) {
					return &SyntaxError{Offset: i, Reason: "INTEGER is not in its shortest form"}
				}
			}
		}
		i += h.size
		if !h.constructed {
			i += h.length
		}
	}
	return nil
}

func minimalInteger(c []byte) bool {
	return len(c) > 0 && (len(c) == 1 || !(c[0] == 0 && c[1] < 0x80 || c[0] == 0xff && c[1] >= 0x80))
}
