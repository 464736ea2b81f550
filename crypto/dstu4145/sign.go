package dstu4145

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Sign signs a digest value: crypto.Signer. random hedges the nonce and may be
// nil, which makes the signature a function of key and digest; what cannot be read
// of it is an error. opts is not looked at: any digest may be signed, the caller's
// algorithm says which. The result is r||s, little-endian, 2·OrderBytes long.
func (k *PrivateKey) Sign(random io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	c := k.public.curve
	if c == nil {
		return nil, ErrPrivateKey
	}
	if len(digest) == 0 {
		return nil, errors.New("digest to sign is empty")
	}
	fresh := make([]byte, 32)
	if random != nil {
		if _, err := io.ReadFull(random, fresh); err != nil {
			return nil, fmt.Errorf("randomness: %w", err)
		}
	}
	g := newGenerator(k.d.bytes(c.OrderBytes()), digest, fresh)
	h := c.element(digest)
	for {
		e := g.number(&c.order)
		blind := g.words()
		if c.order.inRange(&e) { // else it is 0
			if sig := k.sign(&e, &h, &blind); sig != nil {
				return sig, nil
			}
		}
	}
}

// sign makes the signature with nonce e, nil if another one is needed.
func (k *PrivateKey) sign(e, h, blind *words) []byte {
	c := k.public.curve
	r := c.engine.challenge(e, h, blind)
	c.order.truncate(&r)
	if r == (words{}) {
		return nil
	}
	s := c.order.mul(&k.d, &r)
	s = c.order.add(&s, e)
	if s == (words{}) {
		return nil
	}
	n := c.OrderBytes()
	return append(r.bytes(n), s.bytes(n)...)
}

// truncate leaves one bit fewer than n has, which makes it less than n.
func (m *modulus) truncate(r *words) {
	for i := range r {
		switch over := 64*(i+1) - (m.bits - 1); {
		case over >= 64:
			r[i] = 0
		case over > 0:
			r[i] &= 1<<(64-over) - 1
		}
	}
}

// generator is HMAC_DRBG with SHA-256 as RFC 6979, 3.2 uses it (the strength of 256
// bits is above that of every curve), with two differences. Where that has
// int2octets(x) || bits2octets(h1) || additional data, each part goes in with its
// length, so that no two inputs look alike. And a number is not tried again until
// it is below n, but reduced from at least 64 bits more (FIPS 186-5, A.3.1): every
// signature takes the same way.
type generator struct {
	mac hash.Hash // under K
	v   [sha256.Size]byte
}

func newGenerator(parts ...[]byte) *generator {
	g := &generator{mac: hmac.New(sha256.New, make([]byte, sha256.Size))}
	for i := range g.v {
		g.v[i] = 1
	}
	for _, step := range []byte{0, 1} {
		g.mac.Write(g.v[:])
		g.mac.Write([]byte{step})
		for _, p := range parts {
			n := len(p)
			g.mac.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			g.mac.Write(p)
		}
		g.mac = hmac.New(sha256.New, g.mac.Sum(nil))
		g.next()
	}
	return g
}

// next makes the next 256 bits in v.
func (g *generator) next() {
	g.mac.Reset()
	g.mac.Write(g.v[:])
	g.mac.Sum(g.v[:0])
	g.mac.Reset()
}

// take gives 512 bits.
func (g *generator) take() (b [2 * sha256.Size]byte) {
	g.next()
	copy(b[:], g.v[:])
	g.next()
	copy(b[sha256.Size:], g.v[:])
	return b
}

// words gives 448 bits.
func (g *generator) words() words {
	b := g.take()
	return fromBytes(b[:56])
}

// number gives a number below n; 0 is not excluded.
func (g *generator) number(m *modulus) words {
	b := g.take()
	n := 8 * m.w
	lo, hi := fromBytes(b[:n]), fromBytes(b[n:min(2*n, len(b))])
	hi = m.montgomery(&hi, &m.rr) // hi·2^(64w)
	lo = m.montgomery(&lo, &m.rr)
	lo = m.montgomery(&lo, &words{1})
	return m.add(&lo, &hi)
}
