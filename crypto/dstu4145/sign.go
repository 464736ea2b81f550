package dstu4145

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha512"
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
	g := newGenerator(c.order.bits, k.d.bytes(c.OrderBytes()), digest, fresh)
	h := c.element(digest)
	for {
		e := g.number()
		if !c.order.inRange(&e) {
			continue
		}
		blind := g.words()
		if sig := k.sign(&e, &h, &blind); sig != nil {
			return sig, nil
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

// generator is HMAC_DRBG with SHA-512 as RFC 6979, 3.2 uses it. Where that has
// int2octets(x) || bits2octets(h1) || additional data, each part goes in with its
// length, so that no two inputs look alike.
type generator struct {
	k, v []byte
	bits int
}

func newGenerator(bits int, parts ...[]byte) *generator {
	g := &generator{k: make([]byte, sha512.Size), v: make([]byte, sha512.Size), bits: bits}
	for i := range g.v {
		g.v[i] = 1
	}
	for _, step := range []byte{0, 1} {
		g.k = g.mac(func(h hash.Hash) {
			h.Write(g.v)
			h.Write([]byte{step})
			for _, p := range parts {
				n := len(p)
				h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
				h.Write(p)
			}
		})
		g.next()
	}
	return g
}

func (g *generator) mac(write func(h hash.Hash)) []byte {
	h := hmac.New(sha512.New, g.k)
	write(h)
	return h.Sum(nil)
}

func (g *generator) next() { g.v = g.mac(func(h hash.Hash) { h.Write(g.v) }) }

// words gives 448 bits. 3.2 steps forward between candidates with K = HMAC(V || 0);
// here every output does.
func (g *generator) words() words {
	w := fromBytes(g.v[:56])
	g.k = g.mac(func(h hash.Hash) {
		h.Write(g.v)
		h.Write([]byte{0})
	})
	g.next()
	return w
}

// number gives a number with as many bits as n.
func (g *generator) number() words {
	w := g.words()
	m := modulus{bits: g.bits + 1}
	m.truncate(&w)
	return w
}
