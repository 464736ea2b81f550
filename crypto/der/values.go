package der

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// OID is an object identifier in dotted decimal form, usable as a map key.
type OID string

// maxOID is the longest OBJECT IDENTIFIER read, in octets. The longest in use
// have some twenty.
const maxOID = 128

// Integer reads an INTEGER of any sign. It must be in its shortest form.
func (r *Reader) Integer() (*big.Int, error) {
	e, err := r.Expect(Universal, TagInteger)
	if err != nil {
		return nil, err
	}
	return e.Integer()
}

// Integer gives the number in the contents of an INTEGER (or one tagged
// implicitly).
func (e Element) Integer() (*big.Int, error) {
	if !minimalInteger(e.Content) {
		return nil, e.fail("INTEGER is not in its shortest form")
	}
	n := new(big.Int).SetBytes(e.Content)
	if e.Content[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(e.Content))*8))
	}
	return n, nil
}

// Int reads an INTEGER between 0 and limit.
func (r *Reader) Int(limit int) (int, error) {
	e, err := r.Expect(Universal, TagInteger)
	if err != nil {
		return 0, err
	}
	return e.Int(limit)
}

// Int gives the number in the contents of an INTEGER, which must lie between 0
// and limit.
func (e Element) Int(limit int) (int, error) {
	if !minimalInteger(e.Content) {
		return 0, e.fail("INTEGER is not in its shortest form")
	}
	if e.Content[0]&0x80 != 0 || len(e.Content) > 5 {
		return 0, e.fail("INTEGER out of its range")
	}
	n := 0
	for _, c := range e.Content {
		n = n<<8 | int(c)
	}
	if n > limit {
		return 0, e.fail("INTEGER out of its range")
	}
	return n, nil
}

// OID reads an OBJECT IDENTIFIER.
func (r *Reader) OID() (OID, error) {
	e, err := r.Expect(Universal, TagOID)
	if err != nil {
		return "", err
	}
	return e.OID()
}

// OID gives the identifier in the contents of e.
func (e Element) OID() (OID, error) {
	c := e.Content
	if len(c) == 0 || len(c) > maxOID || c[len(c)-1]&0x80 != 0 {
		return "", e.fail("OBJECT IDENTIFIER is malformed")
	}
	var s strings.Builder
	first := true
	for len(c) > 0 {
		if c[0] == 0x80 {
			return "", e.fail("OBJECT IDENTIFIER is not in its shortest form")
		}
		n := 1
		for c[n-1]&0x80 != 0 {
			n++
		}
		var arc string
		if n <= 9 {
			var v uint64
			for _, b := range c[:n] {
				v = v<<7 | uint64(b&0x7f)
			}
			if first {
				top := min(v/40, 2)
				s.WriteString(strconv.FormatUint(top, 10))
				v -= top * 40
			}
			arc = strconv.FormatUint(v, 10)
		} else {
			v := new(big.Int)
			for _, b := range c[:n] {
				v.Lsh(v, 7)
				v.Or(v, big.NewInt(int64(b&0x7f)))
			}
			if first {
				s.WriteString("2")
				v.Sub(v, big.NewInt(80))
			}
			arc = v.String()
		}
		s.WriteByte('.')
		s.WriteString(arc)
		first = false
		c = c[n:]
	}
	return OID(s.String()), nil
}

// Bool reads a BOOLEAN, in DER 00 or FF.
func (r *Reader) Bool() (bool, error) {
	e, err := r.Expect(Universal, TagBoolean)
	if err != nil {
		return false, err
	}
	return e.Bool()
}

// Bool gives the truth in the contents of e.
func (e Element) Bool() (bool, error) {
	if len(e.Content) != 1 || e.Content[0] != 0 && e.Content[0] != 0xff {
		return false, e.fail("BOOLEAN is not DER")
	}
	return e.Content[0] != 0, nil
}

// BitString reads a BIT STRING; unused is the number of unused bits in the last
// octet, which must be zero in DER.
func (r *Reader) BitString() (bits []byte, unused int, err error) {
	e, err := r.Expect(Universal, TagBitString)
	if err != nil {
		return nil, 0, err
	}
	return e.BitString()
}

// BitString gives the bits in the contents of a primitive e.
func (e Element) BitString() (bits []byte, unused int, err error) {
	c := e.Content
	if e.Constructed || len(c) == 0 || c[0] > 7 || len(c) == 1 && c[0] != 0 {
		return nil, 0, e.fail("BIT STRING is malformed")
	}
	unused = int(c[0])
	if unused > 0 && c[len(c)-1]&(1<<unused-1) != 0 {
		return nil, 0, e.fail("BIT STRING has bits set that are unused")
	}
	return c[1:], unused, nil
}

// OctetString reads an OCTET STRING. Under BER it may be constructed; its
// segments are then joined in one new slice.
func (r *Reader) OctetString() ([]byte, error) {
	e, err := r.Expect(Universal, TagOctetString)
	if err != nil {
		return nil, err
	}
	return r.Octets(e)
}

// Octets gives the octets of e, an OCTET STRING or one tagged implicitly. The
// segments of a constructed one may themselves be constructed, down to
// MaxDepth.
func (r *Reader) Octets(e Element) ([]byte, error) {
	if !e.Constructed {
		return e.Content, nil
	}
	if r.rules == DER {
		return nil, e.fail("a constructed string where DER is required")
	}
	total := 0
	if err := r.segments(e, func(b []byte) { total += len(b) }); err != nil {
		return nil, err
	}
	joined := make([]byte, 0, total)
	if err := r.segments(e, func(b []byte) { joined = append(joined, b...) }); err != nil {
		return nil, err
	}
	return joined, nil
}

// segments gives each primitive segment of a constructed OCTET STRING.
func (r *Reader) segments(e Element, each func([]byte)) error {
	stack := make([]*Reader, 1, 4)
	stack[0] = r.Inside(e)
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		if top.Empty() {
			stack = stack[:len(stack)-1]
			continue
		}
		s, err := top.Expect(Universal, TagOctetString)
		if err != nil {
			return err
		}
		if !s.Constructed {
			each(s.Content)
			continue
		}
		if len(stack) == MaxDepth {
			return &SyntaxError{Offset: s.Offset, Reason: ErrDepth.Error(), err: ErrDepth}
		}
		stack = append(stack, top.Inside(s))
	}
	return nil
}

// Null reads a NULL.
func (r *Reader) Null() error {
	e, err := r.Expect(Universal, TagNull)
	if err != nil {
		return err
	}
	if len(e.Content) != 0 {
		return e.fail("NULL with contents")
	}
	return nil
}

// Time reads a UTCTime or GeneralizedTime, in UTC.
func (r *Reader) Time() (time.Time, error) {
	e, err := r.Next()
	if err != nil {
		return time.Time{}, err
	}
	return e.Time()
}

// Time gives the time in e, a UTCTime (RFC 5280, 4.1.2.5.1: years 1950 to 2049)
// or a GeneralizedTime without fraction, both with seconds and Z.
func (e Element) Time() (time.Time, error) {
	layout := "20060102150405Z"
	c := string(e.Content)
	switch {
	case e.Constructed:
		return time.Time{}, e.fail("a constructed time")
	case e.Is(Universal, TagUTCTime):
		if len(c) != 13 {
			return time.Time{}, e.fail("UTCTime is malformed")
		}
		if c[:2] >= "50" {
			c = "19" + c
		} else {
			c = "20" + c
		}
	case !e.Is(Universal, TagGeneralizedTime):
		return time.Time{}, e.fail("a time was expected")
	}
	if len(c) != len(layout) || c[len(c)-1] != 'Z' {
		return time.Time{}, e.fail("time is malformed")
	}
	for _, d := range c[:len(c)-1] {
		if d < '0' || d > '9' {
			return time.Time{}, e.fail("time is malformed")
		}
	}
	t, err := time.Parse(layout, c)
	if err != nil || t.Format(layout) != c {
		return time.Time{}, e.fail("time is malformed")
	}
	return t, nil
}

// Text gives the characters of a string type as UTF-8. Teletex is read as
// Latin-1, as practice does. It gives false for what is not a string or has
// characters its type does not allow.
func (e Element) Text() (string, bool) {
	if e.Class != Universal || e.Constructed {
		return "", false
	}
	switch e.Tag {
	case TagUTF8String:
		return string(e.Content), utf8.Valid(e.Content)
	case TagPrintableString, TagNumericString, TagIA5String, TagVisibleString:
		for _, c := range e.Content {
			if c >= 0x80 {
				return "", false
			}
		}
		return string(e.Content), true
	case TagTeletexString:
		s := make([]rune, len(e.Content))
		for i, c := range e.Content {
			s[i] = rune(c)
		}
		return string(s), true
	case TagBMPString:
		if len(e.Content)%2 != 0 {
			return "", false
		}
		u := make([]uint16, len(e.Content)/2)
		for i := range u {
			u[i] = uint16(e.Content[2*i])<<8 | uint16(e.Content[2*i+1])
		}
		return string(utf16.Decode(u)), true
	case TagUniversalString:
		if len(e.Content)%4 != 0 {
			return "", false
		}
		s := make([]rune, 0, len(e.Content)/4)
		for i := 0; i < len(e.Content); i += 4 {
			c := uint32(e.Content[i])<<24 | uint32(e.Content[i+1])<<16 | uint32(e.Content[i+2])<<8 | uint32(e.Content[i+3])
			if c > utf8.MaxRune {
				return "", false
			}
			s = append(s, rune(c))
		}
		return string(s), true
	}
	return "", false
}

// SortedSet tells whether encoded elements stand in the order that DER demands
// of a SET OF (X.690, 11.6).
func SortedSet(elements [][]byte) bool {
	for i := 1; i < len(elements); i++ {
		if bytes.Compare(elements[i-1], elements[i]) > 0 {
			return false
		}
	}
	return true
}
