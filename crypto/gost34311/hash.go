// Package gost34311 is the hash of GOST 34.311-95 (GOST R 34.11-94) with any
// substitution block, and HMAC over it.
//
// The start vector is zero, as everywhere in Ukrainian signatures. The hash of
// the empty message differs between implementations: this one gives what most do
// (da37bdf4...), some process one block of zeros first (5df74e64...). Who relies
// on a digest refuses empty content.
//
// References: GOST 34.311-95; RFC 5831 for the text in English; RFC 2104 for HMAC.
package gost34311

import (
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"math/bits"

	"github.com/brama-gateway/brama/crypto/gost28147"
)

// Sizes in octets. HMAC works on blocks of BlockSize as well.
const (
	Size      = 32
	BlockSize = 32
)

// digest keeps the state as four words of 64 bits, the first octets lowest.
type digest struct {
	box *gost28147.SBox
	iv  [4]uint64
	h   [4]uint64
	sum [4]uint64 // control sum of the blocks modulo 2^256
	n   uint64    // octets written
	buf [BlockSize]byte
}

// New starts a hash with a substitution block; nil is DKE No 1.
func New(box *gost28147.SBox) hash.Hash { return newDigest(box, [4]uint64{}) }

// NewIV starts at a start vector other than zero. Signatures do not use it.
func NewIV(box *gost28147.SBox, iv [Size]byte) hash.Hash { return newDigest(box, load(iv[:])) }

func newDigest(box *gost28147.SBox, iv [4]uint64) *digest {
	if box == nil {
		box = gost28147.DKE1
	}
	return &digest{box: box, iv: iv, h: iv}
}

// NewHMAC starts an HMAC (1.2.804.2.1.1.1.1.1.2 with DKE No 1).
func NewHMAC(box *gost28147.SBox, key []byte) hash.Hash {
	return hmac.New(func() hash.Hash { return New(box) }, key)
}

// Sum gives the hash of b with a substitution block; nil is DKE No 1.
func Sum(box *gost28147.SBox, b []byte) [Size]byte {
	d := newDigest(box, [4]uint64{})
	d.write(b)
	return d.checkSum()
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }

func (d *digest) Reset() { *d = digest{box: d.box, iv: d.iv, h: d.iv} }

func (d *digest) Write(b []byte) (int, error) {
	d.write(b)
	return len(b), nil
}

func (d *digest) write(b []byte) {
	if have := int(d.n % BlockSize); have > 0 {
		n := copy(d.buf[have:], b)
		d.n += uint64(n)
		if b = b[n:]; have+n < BlockSize {
			return
		}
		d.take(d.buf[:])
	}
	d.n += uint64(len(b))
	for len(b) >= BlockSize {
		d.take(b[:BlockSize])
		b = b[BlockSize:]
	}
	copy(d.buf[:], b)
}

// Sum appends the hash of what was written; more may be written afterwards.
func (d *digest) Sum(b []byte) []byte {
	c := *d
	s := c.checkSum()
	return append(b, s[:]...)
}

func (d *digest) checkSum() [Size]byte {
	if rest := int(d.n % BlockSize); rest > 0 {
		clear(d.buf[rest:])
		d.take(d.buf[:])
	}
	d.step([4]uint64{d.n << 3, d.n >> 61})
	d.step(d.sum)
	var out [Size]byte
	for i, w := range d.h {
		binary.LittleEndian.PutUint64(out[8*i:], w)
	}
	return out
}

func load(b []byte) [4]uint64 {
	_ = b[31]
	return [4]uint64{
		binary.LittleEndian.Uint64(b),
		binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]),
		binary.LittleEndian.Uint64(b[24:]),
	}
}

// take hashes one block of the message.
func (d *digest) take(b []byte) {
	m := load(b)
	var c uint64
	d.sum[0], c = bits.Add64(d.sum[0], m[0], 0)
	d.sum[1], c = bits.Add64(d.sum[1], m[1], c)
	d.sum[2], c = bits.Add64(d.sum[2], m[2], c)
	d.sum[3], _ = bits.Add64(d.sum[3], m[3], c)
	d.step(m)
}

// The constant C3 of the key generation; C2 and C4 are zero.
const (
	c30 = 0xff00ff00ff00ff00
	c31 = 0x00ff00ff00ff00ff
	c32 = 0xff0000ff00ffff00
	c33 = 0xff00ffff000000ff
)

// step is the step function, RFC 5831, section 5.
func (d *digest) step(m [4]uint64) {
	var keys [4][8]uint32
	u0, u1, u2, u3 := d.h[0], d.h[1], d.h[2], d.h[3]
	v0, v1, v2, v3 := m[0], m[1], m[2], m[3]
	transpose(&keys[0], u0^v0, u1^v1, u2^v2, u3^v3)
	for j := 1; j < 4; j++ {
		// A: the lowest word leaves, its sum with the next comes in above.
		u0, u1, u2, u3 = u1, u2, u3, u0^u1
		if j == 2 {
			u0, u1, u2, u3 = u0^c30, u1^c31, u2^c32, u3^c33
		}
		// A twice.
		v0, v1, v2, v3 = v2, v3, v0^v1, v1^v2
		transpose(&keys[j], u0^v0, u1^v1, u2^v2, u3^v3)
	}
	s := d.h
	d.box.Encrypt4(&s, &keys)

	// psi^61(H ^ psi(M ^ psi^12(S)))
	a, b, c, e := s[0], s[1], s[2], s[3]
	for range 3 {
		a, b, c, e = b, c, e, four(a, b, e)
	}
	a, b, c, e = one(a^m[0], b^m[1], c^m[2], e^m[3])
	a, b, c, e = one(a^d.h[0], b^d.h[1], c^d.h[2], e^d.h[3])
	for range 3 {
		a = four(a, b, e)
		b = four(b, c, a)
		c = four(c, e, b)
		e = four(e, a, c)
	}
	a = four(a, b, e)
	b = four(b, c, a)
	c = four(c, e, b)
	d.h = [4]uint64{e, a, b, c}
}

// one is psi: the lowest of 16 words of 16 bits leaves, the sum of words 1, 2, 3,
// 4, 13 and 16 comes in above.
func one(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	w := a ^ a>>16 ^ a>>32 ^ a>>48 ^ d ^ d>>48
	return a>>16 | b<<48, b>>16 | c<<48, c>>16 | d<<48, d>>16 | w<<48
}

// four gives the four words that come in above in psi^4, a being the lowest four
// words of the state, b the next and d the highest four. Word i of them is the
// sum of words i to i+3 and i+12 of the state and of the word that came in before.
func four(a, b, d uint64) uint64 {
	// Words i to i+3: from a those from i upwards, from b those below i.
	x := a ^ a>>16
	x ^= x >> 32
	y := b<<16 ^ b<<32
	y ^= b << 48
	x ^= y ^ d ^ d>>48
	// Each takes in the one before it.
	x ^= x << 16
	return x ^ x<<32
}

// transpose is P: octet k of the four words makes word k of a cipher key.
func transpose(key *[8]uint32, a, b, c, d uint64) {
	const odd, low = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	t := (a>>8 ^ b) & odd
	a, b = a^t<<8, b^t
	t = (c>>8 ^ d) & odd
	c, d = c^t<<8, d^t
	t = (a>>16 ^ c) & low
	a, c = a^t<<16, c^t
	t = (b>>16 ^ d) & low
	b, d = b^t<<16, d^t
	key[0], key[4] = uint32(a), uint32(a>>32)
	key[1], key[5] = uint32(b), uint32(b>>32)
	key[2], key[6] = uint32(c), uint32(c>>32)
	key[3], key[7] = uint32(d), uint32(d>>32)
}
