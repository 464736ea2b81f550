package dstu4145

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// PublicKey is a point of the subgroup of order n. The zero value verifies
// nothing. It is safe for concurrent use.
type PublicKey struct {
	curve *Curve
	enc   string // compressed, little-endian
	point point
}

// NewPublicKey reads the compressed point of a SubjectPublicKeyInfo (what the
// OCTET STRING inside its BIT STRING holds): LittleEndian under OIDLittleEndian,
// BigEndian under OIDBigEndian. The octets must be FieldBytes many and a point
// of the subgroup of order n other than infinity.
func NewPublicKey(c *Curve, octets []byte, o Order) (*PublicKey, error) {
	if c == nil {
		return nil, fmt.Errorf("public key without a curve: %w", ErrCurve)
	}
	enc, ok := o.little(octets)
	if !ok {
		return nil, fmt.Errorf("public key without an order of octets: %w", ErrPublicKey)
	}
	p, err := c.engine.decode(enc)
	if err != nil {
		return nil, err
	}
	return &PublicKey{curve: c, enc: string(enc), point: p}, nil
}

// NewPublicPoint makes a key of affine coordinates, each FieldBytes octets, with
// the same checks as NewPublicKey.
func NewPublicPoint(c *Curve, x, y []byte, o Order) (*PublicKey, error) {
	if c == nil {
		return nil, fmt.Errorf("public key without a curve: %w", ErrCurve)
	}
	xl, ok := o.little(x)
	yl, ok2 := o.little(y)
	if !ok || !ok2 || len(x) != c.FieldBytes() || len(y) != c.FieldBytes() {
		return nil, fmt.Errorf("public key of %d and %d octets: %w", len(x), len(y), ErrPublicKey)
	}
	xw, yw := fromBytes(xl), fromBytes(yl)
	p, err := c.engine.point(&xw, &yw)
	if err != nil {
		return nil, err
	}
	return &PublicKey{curve: c, enc: string(c.engine.encode(&p)), point: p}, nil
}

// Curve is the curve of the key.
func (k *PublicKey) Curve() *Curve { return k.curve }

// Bytes gives the compressed point in that order.
func (k *PublicKey) Bytes(o Order) []byte {
	b, _ := o.little([]byte(k.enc))
	return b
}

// Equal tells whether x is the same key.
func (k *PublicKey) Equal(x crypto.PublicKey) bool {
	o, ok := x.(*PublicKey)
	return ok && o != nil && k.curve != nil && k.curve == o.curve && k.enc == o.enc
}

// PrivateKey is a number d, 0 < d < n, with its public key -d·P. It is a
// crypto.Signer and safe for concurrent use.
type PrivateKey struct {
	public PublicKey
	d      words
}

// NewPrivateKey makes a key of the number d in octets of that order; leading zeros
// may lack or be more than OrderBytes. The public key is computed.
func NewPrivateKey(c *Curve, d []byte, o Order) (*PrivateKey, error) {
	if c == nil {
		return nil, fmt.Errorf("private key without a curve: %w", ErrCurve)
	}
	l, ok := o.little(d)
	if !ok {
		return nil, fmt.Errorf("private key without an order of octets: %w", ErrPrivateKey)
	}
	if n := c.OrderBytes(); len(l) > n {
		var above byte
		for _, b := range l[n:] {
			above |= b
		}
		if above != 0 {
			return nil, ErrPrivateKey
		}
		l = l[:n]
	}
	k := &PrivateKey{d: fromBytes(l)}
	if !c.order.inRange(&k.d) {
		return nil, ErrPrivateKey
	}
	g := newGenerator([]byte("public"), k.d.bytes(c.OrderBytes()))
	blind := g.words()
	p := c.engine.public(&k.d, &blind)
	k.public = PublicKey{curve: c, enc: string(c.engine.encode(&p)), point: p}
	return k, nil
}

// GenerateKey makes a key of randomness.
func GenerateKey(c *Curve, random io.Reader) (*PrivateKey, error) {
	if c == nil {
		return nil, fmt.Errorf("private key without a curve: %w", ErrCurve)
	}
	seed := make([]byte, 64)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	g := newGenerator([]byte("key"), seed)
	for {
		d := g.number(&c.order)
		if c.order.inRange(&d) {
			return NewPrivateKey(c, d.bytes(c.OrderBytes()), LittleEndian)
		}
	}
}

// Public gives the *PublicKey.
func (k *PrivateKey) Public() crypto.PublicKey { return &k.public }

// Bytes gives d in OrderBytes octets: the secret itself.
func (k *PrivateKey) Bytes(o Order) []byte {
	b, _ := o.little(k.d.bytes(k.public.curve.OrderBytes()))
	return b
}

// Format keeps the number out of whatever prints a key.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	if k.public.curve == nil {
		io.WriteString(f, "no private key")
		return
	}
	io.WriteString(f, k.public.curve.Name()+" private key")
}

// Equal tells whether x is the same key.
func (k *PrivateKey) Equal(x crypto.PrivateKey) bool {
	o, ok := x.(*PrivateKey)
	if !ok || o == nil || k.public.curve == nil || k.public.curve != o.public.curve {
		return false
	}
	return subtle.ConstantTimeCompare(k.Bytes(LittleEndian), o.Bytes(LittleEndian)) == 1
}

// ECDH gives the x-coordinate of cofactor·d·Q, big-endian in FieldBytes octets
// (ISO/IEC 15946-3; z1398-12): what key derivation functions take. The derivation
// with GOST 34.311 strips leading zero octets, that with Kupyna does not.
func (k *PrivateKey) ECDH(peer *PublicKey) ([]byte, error) {
	c := k.public.curve
	if c == nil || peer == nil || peer.curve != c {
		return nil, errors.New("keys on different curves")
	}
	g := newGenerator([]byte("agree"), k.d.bytes(c.OrderBytes()), []byte(peer.enc))
	blind := g.words()
	x := c.engine.agree(&k.d, &peer.point, &blind)
	return reversed(x.bytes(c.FieldBytes())), nil
}

// element takes a digest as a field element: a little-endian integer, its m low
// bits, 1 instead of 0.
func (c *Curve) element(digest []byte) words {
	h := fromBytes(digest[:min(len(digest), c.FieldBytes())])
	if over := c.def.m % 8; over != 0 && len(digest) >= c.FieldBytes() {
		h[c.def.m/64] &= 1<<(c.def.m%64) - 1
	}
	if h == (words{}) {
		h[0] = 1
	}
	return h
}

// WrapSignature puts a signature value into the OCTET STRING that certificates,
// CRLs and OCSP responses have in their BIT STRING. CMS has the bare value.
func WrapSignature(sig []byte) ([]byte, error) {
	if len(sig) == 0 || len(sig) > 127 {
		return nil, fmt.Errorf("%d octets: %w", len(sig), ErrSignatureForm)
	}
	return append([]byte{4, byte(len(sig))}, sig...), nil
}

// UnwrapSignature undoes WrapSignature: one OCTET STRING in DER, nothing after it.
func UnwrapSignature(octets []byte) ([]byte, error) {
	if len(octets) < 3 || octets[0] != 4 || octets[1] > 127 || int(octets[1]) != len(octets)-2 {
		return nil, fmt.Errorf("not an OCTET STRING: %w", ErrSignatureForm)
	}
	return bytes.Clone(octets[2:]), nil
}
