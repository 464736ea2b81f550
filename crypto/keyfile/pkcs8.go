package keyfile

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"math/bits"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
)

// Object identifiers of keys.
const (
	oidRSA      der.OID = "1.2.840.113549.1.1.1"
	oidEC       der.OID = "1.2.840.10045.2.1"
	oidDSTU     der.OID = "1.2.804.2.1.1.1.1.3.1.1"
	oidDSTUBE   der.OID = "1.2.804.2.1.1.1.1.3.1.1.1.1"
	oidDSTUONB  der.OID = "1.2.804.2.1.1.1.1.3.1.2"
	oidDSTUONBB der.OID = "1.2.804.2.1.1.1.1.3.1.2.1.1"
)

// Attributes of IIT in a PrivateKeyInfo.
const (
	oidKeyID        der.OID = "1.3.6.1.4.1.19398.1.1.2.1"
	oidSecondParams der.OID = "1.3.6.1.4.1.19398.1.1.2.2"
	oidSecondKey    der.OID = "1.3.6.1.4.1.19398.1.1.2.3"
	oidSecondKeyID  der.OID = "1.3.6.1.4.1.19398.1.1.2.5"
)

// Named curves in polynomial basis, DSTU 4145-2002, by the degree of the field.
var named = map[der.OID]int{
	"1.2.804.2.1.1.1.1.3.1.1.2.0": 163,
	"1.2.804.2.1.1.1.1.3.1.1.2.1": 167,
	"1.2.804.2.1.1.1.1.3.1.1.2.2": 173,
	"1.2.804.2.1.1.1.1.3.1.1.2.3": 179,
	"1.2.804.2.1.1.1.1.3.1.1.2.4": 191,
	"1.2.804.2.1.1.1.1.3.1.1.2.5": 233,
	"1.2.804.2.1.1.1.1.3.1.1.2.6": 257,
	"1.2.804.2.1.1.1.1.3.1.1.2.7": 307,
	"1.2.804.2.1.1.1.1.3.1.1.2.8": 367,
	"1.2.804.2.1.1.1.1.3.1.1.2.9": 431,
}

func knownDegree(m int) bool {
	for _, d := range named {
		if d == m {
			return true
		}
	}
	return false
}

// bad wraps what a reader of encoded values found.
func bad(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s: %w", what, ErrFormat)
	}
	return fmt.Errorf("%s: %w: %w", what, ErrFormat, err)
}

func plainRSA(data []byte) ([]Entry, error) {
	k, err := x509.ParsePKCS1PrivateKey(data)
	if err != nil {
		return nil, bad("RSA key", nil)
	}
	return []Entry{{Signer: k}}, nil
}

func plainEC(data []byte) ([]Entry, error) {
	k, err := x509.ParseECPrivateKey(data)
	if err != nil {
		return nil, bad("EC key", nil)
	}
	return []Entry{{Signer: k}}, nil
}

// privateKeyInfo reads a PrivateKeyInfo, RFC 5958, section 2. It gives two entries
// where IIT has put a second key into the attributes. Less than two blocks of GOST 28147
// may follow: what is left of a Key-6.dat where a program has moved the key from there.
func privateKeyInfo(data []byte) ([]Entry, error) {
	whole := der.NewReader(data, der.BER)
	e, err := whole.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, bad("private key", err)
	}
	if len(data)-len(e.Raw) >= 2*gost28147.BlockSize {
		return nil, bad("private key", whole.End())
	}
	data = e.Raw
	r := whole.Inside(e)
	if _, err := r.Int(1); err != nil {
		return nil, bad("private key version", err)
	}
	alg, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, bad("private key algorithm", err)
	}
	secret, err := r.OctetString()
	if err != nil {
		return nil, bad("private key value", err)
	}
	oid, err := r.Inside(alg).OID()
	if err != nil {
		return nil, bad("private key algorithm", err)
	}
	switch oid {
	case oidRSA, oidEC:
		k, err := x509.ParsePKCS8PrivateKey(data)
		if err != nil {
			return nil, bad("private key", nil)
		}
		signer, ok := k.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("private key: %w", ErrUnsupported)
		}
		return []Entry{{Signer: signer}}, nil
	case oidDSTU, oidDSTUBE:
	case oidDSTUONB, oidDSTUONBB:
		return nil, fmt.Errorf("curve in normal basis: %w", ErrUnsupported)
	default:
		return nil, fmt.Errorf("private key algorithm %s: %w", oid, ErrUnsupported)
	}

	key, err := dstuKey(alg.Raw, secret)
	if err != nil {
		return nil, err
	}
	entries := []Entry{{DSTU: key}}
	attributes := der.Element{}
	if r.Peek(der.Context, 0) {
		if attributes, err = r.Next(); err != nil {
			key.Wipe()
			return nil, bad("private key attributes", err)
		}
	}
	if attributes.IsZero() {
		return entries, nil
	}
	second, err := iit(r.Inside(attributes), &entries[0])
	if err != nil {
		key.Wipe()
		return nil, err
	}
	if second != nil {
		entries[0].Usage = UsageSignature
		entries = append(entries, *second)
	}
	return entries, nil
}

// dstuKey takes a number with its lowest octet first, which may lack zeros at its
// end, and the AlgorithmIdentifier. Some writers put it into an OCTET STRING.
func dstuKey(algorithm, secret []byte) (*DSTUKey, error) {
	k := &DSTUKey{Algorithm: slices.Clone(algorithm)}
	r, err := der.NewReader(k.Algorithm, der.BER).Sequence()
	if err != nil {
		return nil, bad("key parameters", err)
	}
	if _, err := r.OID(); err != nil {
		return nil, bad("key parameters", err)
	}
	p, err := r.Sequence()
	if err != nil {
		return nil, bad("key parameters", err)
	}
	curve, err := p.Next()
	if err != nil {
		return nil, bad("curve", err)
	}
	switch {
	case curve.Is(der.Universal, der.TagOID):
		oid, err := curve.OID()
		if err != nil {
			return nil, bad("curve", err)
		}
		if k.M = named[oid]; k.M == 0 {
			return nil, fmt.Errorf("curve %s: %w", oid, ErrUnsupported)
		}
	case curve.Is(der.Universal, der.TagSequence):
		c, err := readCurve(p.Inside(curve))
		if err != nil {
			return nil, err
		}
		k.M = c.m
	default:
		return nil, bad("curve", nil)
	}
	if !p.Empty() {
		if k.SBox, err = p.OctetString(); err != nil || len(k.SBox) != 64 {
			return nil, bad("substitution block", err)
		}
		k.SBox = slices.Clone(k.SBox)
	}

	size := (k.M + 7) / 8
	if len(secret) == size+2 && secret[0] == der.TagOctetString && int(secret[1]) == size {
		secret = secret[2:]
	}
	for len(secret) > size && secret[len(secret)-1] == 0 {
		secret = secret[:len(secret)-1]
	}
	if len(secret) > size {
		return nil, bad("private number", nil)
	}
	k.D = make([]byte, size)
	any := byte(0)
	for i, b := range secret {
		k.D[size-1-i] = b
		any |= b
	}
	if any == 0 || bits.Len8(k.D[0]) > (k.M-1)%8+1 {
		k.Wipe()
		return nil, bad("private number", nil)
	}
	return k, nil
}

// curve is the explicit form of a curve's parameters, with its encoded parts.
type curve struct {
	version, a, n []byte
	b, base       []byte // octets
	m             int
	middle        []int // exponents between m and 0, ascending
}

// readCurve reads ECBinary.
func readCurve(r *der.Reader) (*curve, error) {
	c := new(curve)
	if e, ok, err := r.Optional(der.Context, 0); err != nil {
		return nil, bad("curve", err)
	} else if ok {
		c.version = e.Raw
	}
	f, err := r.Sequence()
	if err != nil {
		return nil, bad("field", err)
	}
	if c.m, err = f.Int(1024); err != nil {
		return nil, bad("field", err)
	}
	if !knownDegree(c.m) {
		return nil, fmt.Errorf("field of degree %d: %w", c.m, ErrUnsupported)
	}
	middle, err := f.Next()
	if err != nil {
		return nil, bad("field", err)
	}
	switch {
	case middle.Is(der.Universal, der.TagInteger):
		k, err := middle.Int(c.m)
		if err != nil {
			return nil, bad("field", err)
		}
		c.middle = []int{k}
	case middle.Is(der.Universal, der.TagSequence):
		for s := f.Inside(middle); !s.Empty(); {
			k, err := s.Int(c.m)
			if err != nil || len(c.middle) == 3 {
				return nil, bad("field", err)
			}
			c.middle = append(c.middle, k)
		}
		if len(c.middle) != 3 {
			return nil, bad("field", nil)
		}
		slices.Sort(c.middle)
	default:
		return nil, bad("field", nil)
	}
	a, err := r.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return nil, bad("curve", err)
	}
	c.a = a.Raw
	if c.b, err = r.OctetString(); err != nil {
		return nil, bad("curve", err)
	}
	n, err := r.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return nil, bad("curve", err)
	}
	c.n = n.Raw
	if c.base, err = r.OctetString(); err != nil {
		return nil, bad("curve", err)
	}
	if size := (c.m + 7) / 8; len(c.b) != size || len(c.base) != size {
		return nil, bad("curve", nil)
	}
	return c, nil
}

// encode writes the curve as ECBinary, b and the base point turned round if reverse
// says so.
func (c *curve) encode(reverse bool) []byte {
	b, base := slices.Clone(c.b), slices.Clone(c.base)
	if reverse {
		slices.Reverse(b)
		slices.Reverse(base)
	}
	middle := der.Int(int64(c.middle[0]))
	if len(c.middle) == 3 {
		middle = der.Sequence(middle, der.Int(int64(c.middle[1])), der.Int(int64(c.middle[2])))
	}
	return der.Sequence(c.version, der.Sequence(der.Int(int64(c.m)), middle), c.a, der.OctetString(b), c.n, der.OctetString(base))
}

// iit reads the attributes of IIT: the identifier of the key, and a second key, for
// key agreement, with parameters of its own. Others are passed over.
func iit(r *der.Reader, first *Entry) (*Entry, error) {
	var params, secret, id []byte
	for !r.Empty() {
		a, err := r.Sequence()
		if err != nil {
			return nil, bad("private key attribute", err)
		}
		oid, err := a.OID()
		if err != nil {
			return nil, bad("private key attribute", err)
		}
		values, err := a.Set()
		if err != nil {
			return nil, bad("private key attribute", err)
		}
		if values.Empty() {
			continue
		}
		v, err := values.Next()
		if err != nil {
			return nil, bad("private key attribute", err)
		}
		switch oid {
		case oidKeyID, oidSecondKeyID:
			b, err := values.Octets(v)
			if err != nil {
				return nil, bad("key identifier", err)
			}
			if oid == oidKeyID {
				first.KeyID = slices.Clone(b)
			} else {
				id = slices.Clone(b)
			}
		case oidSecondKey:
			// Zero bits at the top of the number are counted as unused.
			if secret, _, err = v.BitString(); err != nil {
				return nil, bad("second key", err)
			}
		case oidSecondParams:
			if !v.Is(der.Universal, der.TagSequence) {
				return nil, bad("second key parameters", nil)
			}
			params = v.Raw
		}
	}
	if secret == nil || params == nil {
		return nil, nil
	}
	// The octets of the number are written with their bits in reverse.
	number := make([]byte, len(secret))
	defer clear(number)
	for i, b := range secret {
		number[i] = bits.Reverse8(b)
	}
	algorithm, err := secondAlgorithm(params)
	if err != nil {
		return nil, err
	}
	key, err := dstuKey(algorithm, number)
	if err != nil {
		return nil, err
	}
	return &Entry{DSTU: key, KeyID: id, Usage: UsageAgreement}, nil
}

// secondAlgorithm makes an AlgorithmIdentifier of the parameters of a second key,
// where the curve has its octets big-endian and two substitution blocks follow, for
// the cipher and for the signature.
func secondAlgorithm(params []byte) ([]byte, error) {
	r, err := der.NewReader(params, der.BER).Sequence()
	if err != nil {
		return nil, bad("second key parameters", err)
	}
	var parts [][]byte
	e, err := r.Next()
	if err != nil {
		return nil, bad("second key parameters", err)
	}
	if e.Is(der.Universal, der.TagSequence) {
		c, err := readCurve(r.Inside(e))
		if err != nil {
			return nil, err
		}
		parts = append(parts, c.encode(true))
	} else {
		parts = append(parts, e.Raw)
	}
	if !r.Empty() {
		box, err := r.OctetString()
		if err != nil {
			return nil, bad("second key parameters", err)
		}
		parts = append(parts, der.OctetString(box))
	}
	return der.Sequence(oidDSTU.Encode(), der.Sequence(parts...)), nil
}
