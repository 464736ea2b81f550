package der

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value encodes a definite, shortest-form element with the given identifier
// octet (low tag numbers only) over the joined parts.
func Value(identifier byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+10)
	out = append(out, identifier)
	out = appendLength(out, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func appendLength(out []byte, n int) []byte {
	if n < 0x80 {
		return append(out, byte(n))
	}
	size := 1
	for v := n >> 8; v > 0; v >>= 8 {
		size++
	}
	out = append(out, 0x80|byte(size))
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(n>>(8*i)))
	}
	return out
}

// Sequence encodes a SEQUENCE of encoded parts.
func Sequence(parts ...[]byte) []byte { return Value(0x30, parts...) }

// SetOf encodes a SET OF encoded parts in DER order. The argument is not
// changed.
func SetOf(parts ...[]byte) []byte {
	sorted := slices.Clone(parts)
	slices.SortFunc(sorted, bytes.Compare)
	return Value(0x31, sorted...)
}

// Explicit encodes an explicit context tag (0 to 30) over encoded parts.
func Explicit(tag int, parts ...[]byte) []byte { return Value(0xa0|byte(tag), parts...) }

// Implicit encodes a primitive context tag (0 to 30) over contents octets.
func Implicit(tag int, contents []byte) []byte { return Value(0x80|byte(tag), contents) }

// OctetString encodes an OCTET STRING.
func OctetString(b []byte) []byte { return Value(TagOctetString, b) }

// BitString encodes a BIT STRING of whole octets.
func BitString(b []byte) []byte { return Value(TagBitString, []byte{0}, b) }

// NamedBits encodes a BIT STRING with named bits, bit 0 being the lowest bit of
// bits, without trailing zero bits (X.690, 11.2.2).
func NamedBits(bits uint16) []byte {
	if bits == 0 {
		return Value(TagBitString, []byte{0})
	}
	var c [3]byte
	last := 0
	for i := range 16 {
		if bits>>i&1 != 0 {
			c[1+i/8] |= 0x80 >> (i % 8)
			last = i
		}
	}
	c[0] = byte(7 - last%8)
	return Value(TagBitString, c[:2+last/8])
}

// Integer encodes an INTEGER of any sign.
func Integer(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return Value(TagInteger, b)
	}
	size := uint(new(big.Int).Not(n).BitLen()/8 + 1)
	b := new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), size*8)).Bytes()
	return Value(TagInteger, b)
}

// Int encodes a small INTEGER.
func Int(n int64) []byte { return Integer(big.NewInt(n)) }

// Bool encodes a BOOLEAN.
func Bool(v bool) []byte {
	if v {
		return []byte{TagBoolean, 1, 0xff}
	}
	return []byte{TagBoolean, 1, 0}
}

// Null encodes a NULL.
func Null() []byte { return []byte{TagNull, 0} }

// Encode encodes the identifier. It panics if oid is not dotted decimal: it is
// meant for constants; a text from outside goes through ParseOID.
func (oid OID) Encode() []byte {
	b, err := encodeOID(string(oid))
	if err != nil {
		panic(err)
	}
	return b
}

// ParseOID checks that s is an object identifier in dotted decimal form.
func ParseOID(s string) (OID, error) {
	if _, err := encodeOID(s); err != nil {
		return "", err
	}
	return OID(s), nil
}

func encodeOID(s string) ([]byte, error) {
	arcs := strings.Split(s, ".")
	if len(arcs) < 2 {
		return nil, fmt.Errorf("object identifier %q is malformed", s)
	}
	var out []byte
	var top uint64
	for i, a := range arcs {
		v, err := strconv.ParseUint(a, 10, 62)
		if err != nil || strconv.FormatUint(v, 10) != a || i == 0 && v > 2 || i == 1 && top < 2 && v > 39 {
			return nil, fmt.Errorf("object identifier %q is malformed", s)
		}
		if i == 0 {
			top = v
			continue
		}
		if i == 1 {
			v += top * 40
		}
		n := 1
		for w := v >> 7; w > 0; w >>= 7 {
			n++
		}
		for j := n - 1; j >= 0; j-- {
			b := byte(v>>(7*j)) & 0x7f
			if j > 0 {
				b |= 0x80
			}
			out = append(out, b)
		}
	}
	return Value(TagOID, out), nil
}

// Time encodes t as RFC 5280, 4.1.2.5 wants it: UTCTime through 2049, then
// GeneralizedTime; whole seconds, UTC.
func Time(t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y >= 1950 && y < 2050 {
		return Value(TagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return Value(TagGeneralizedTime, []byte(t.Format("20060102150405Z")))
}

// UTF8String encodes a UTF8String.
func UTF8String(s string) []byte { return Value(TagUTF8String, []byte(s)) }

// PrintableString encodes a PrintableString; the caller answers for its letters.
func PrintableString(s string) []byte { return Value(TagPrintableString, []byte(s)) }

// Normalize re-encodes one BER element: definite, shortest lengths, constructed
// OCTET STRINGs joined. The order of sets is left as it is. It refuses what it
// cannot re-encode.
func Normalize(b []byte) ([]byte, error) {
	if err := CheckDepth(b); err != nil {
		return nil, err
	}
	e, err := One(b, BER)
	if err != nil {
		return nil, err
	}
	return normalize(e)
}

// normalize recurses; its depth was bounded by CheckDepth.
func normalize(e Element) ([]byte, error) {
	n := 1
	for e.Raw[0]&0x1f == 0x1f && e.Raw[n]&0x80 != 0 {
		n++
	}
	if e.Raw[0]&0x1f == 0x1f {
		n++
	}
	id := bytes.Clone(e.Raw[:n])
	r := NewReader(nil, BER).Inside(e)
	var contents []byte
	switch {
	case !e.Constructed:
		contents = e.Content
	case e.Is(Universal, TagOctetString):
		id[0] &^= 0x20
		var err error
		if contents, err = r.Octets(e); err != nil {
			return nil, err
		}
	case e.Class == Universal && e.Tag != TagSequence && e.Tag != TagSet:
		return nil, e.fail("a constructed string that is not an OCTET STRING")
	default:
		for !r.Empty() {
			c, err := r.Next()
			if err != nil {
				return nil, err
			}
			part, err := normalize(c)
			if err != nil {
				return nil, err
			}
			contents = append(contents, part...)
		}
	}
	out := appendLength(id, len(contents))
	return append(out, contents...), nil
}
