// Package kupyna is the hash of DSTU 7564:2014 (Kupyna) in its sizes 256, 384 and
// 512, and the authentication code over it (KMAC).
//
// References: DSTU 7564:2014; Oliynykov et al., "A New Standard of Ukraine: The
// Kupyna Hash Function" (IACR ePrint 2015/885).
package kupyna

import (
	"encoding/binary"
	"hash"

	"github.com/brama-gateway/brama/crypto/internal/dstubox"
)

// Sizes of digests in octets.
const (
	Size256 = 32
	Size384 = 48
	Size512 = 64
)

const (
	narrow = 64  // octets of a block for digests up to 256 bits
	wide   = 128 // octets of a block for longer ones
)

type digest struct {
	size  int // octets of the result
	block int // octets of a block, narrow or wide
	h     [16]uint64
	n     uint64 // octets written
	buf   [wide]byte
}

// New256 starts Kupyna-256 (1.2.804.2.1.1.1.1.2.2.1).
func New256() hash.Hash { return newDigest(Size256) }

// New384 starts Kupyna-384 (1.2.804.2.1.1.1.1.2.2.2).
func New384() hash.Hash { return newDigest(Size384) }

// New512 starts Kupyna-512 (1.2.804.2.1.1.1.1.2.2.3).
func New512() hash.Hash { return newDigest(Size512) }

// Sum256 gives Kupyna-256 of b.
func Sum256(b []byte) (sum [Size256]byte) {
	d := newDigest(Size256)
	d.write(b)
	d.finish(sum[:])
	return sum
}

func newDigest(size int) *digest {
	d := &digest{size: size, block: narrow}
	if size > Size256 {
		d.block = wide
	}
	d.Reset()
	return d
}

func (d *digest) Size() int      { return d.size }
func (d *digest) BlockSize() int { return d.block }

func (d *digest) Reset() {
	*d = digest{size: d.size, block: d.block}
	d.h[0] = uint64(d.block)
}

func (d *digest) Write(b []byte) (int, error) {
	d.write(b)
	return len(b), nil
}

func (d *digest) write(b []byte) {
	have := int(d.n % uint64(d.block))
	d.n += uint64(len(b))
	if have > 0 {
		n := copy(d.buf[have:d.block], b)
		if b = b[n:]; have+n < d.block {
			return
		}
		d.take(d.buf[:d.block])
	}
	for len(b) >= d.block {
		d.take(b[:d.block])
		b = b[d.block:]
	}
	copy(d.buf[:], b)
}

// Sum appends the hash of what was written; more may be written afterwards.
func (d *digest) Sum(b []byte) []byte {
	c := *d
	var out [Size512]byte
	c.finish(out[:d.size])
	return append(b, out[:d.size]...)
}

// finish pads, hashes the rest and takes the highest octets of the last
// transformation.
func (d *digest) finish(out []byte) {
	d.pad(d.n)
	var last [wide]byte
	if d.block == narrow {
		s := [8]uint64(d.h[:8])
		for r := range uint64(rounds8) {
			xorRound8(&s, r)
		}
		for i, w := range s {
			binary.LittleEndian.PutUint64(last[8*i:], w^d.h[i])
		}
	} else {
		s := d.h
		for r := range uint64(rounds16) {
			xorRound16(&s, r)
		}
		for i, w := range s {
			binary.LittleEndian.PutUint64(last[8*i:], w^d.h[i])
		}
	}
	copy(out, last[d.block-d.size:d.block])
}

// pad writes the padding of a message of n octets that ends here: one bit, zeros,
// and the length in bits as a number of 96 bits, lowest octet first. Afterwards a
// block begins.
func (d *digest) pad(n uint64) {
	var p [2 * wide]byte
	p[0] = 0x80
	end := d.block - int((n+12)%uint64(d.block)) // octets up to the length, at least one
	binary.LittleEndian.PutUint64(p[end:], n<<3)
	p[end+8] = byte(n >> 61)
	d.write(p[:end+12])
}

// take hashes one block: h = xorT(h ^ m) ^ addT(m) ^ h. The two transformations
// run side by side, because one alone waits for its look-ups.
func (d *digest) take(b []byte) {
	if d.block == narrow {
		var p, q [8]uint64
		for i := range q {
			q[i] = binary.LittleEndian.Uint64(b[8*i:])
			p[i] = q[i] ^ d.h[i]
		}
		for r := range uint64(rounds8) {
			xorRound8(&p, r)
			addRound8(&q, r<<56)
		}
		for i := range p {
			d.h[i] ^= p[i] ^ q[i]
		}
		return
	}
	var p, q [16]uint64
	for i := range q {
		q[i] = binary.LittleEndian.Uint64(b[8*i:])
		p[i] = q[i] ^ d.h[i]
	}
	for r := range uint64(rounds16) {
		xorRound16(&p, r)
		addRound16(&q, r<<56)
	}
	for i := range p {
		d.h[i] ^= p[i] ^ q[i]
	}
}

// Rounds of the transformations of 512 and 1024 bits.
const (
	rounds8  = 10
	rounds16 = 14
)

// plus is the constant that addT adds to every column; its highest octet is of the
// column and the round.
const plus = 0x00f0f0f0f0f0f0f3

var forward = dstubox.Forward

// xorRound8 is a round of the transformation whose constants are added bit by bit:
// constant r, substitution, row i moved right by i columns, matrix. Every column is
// taken apart once, its octets going to eight sums, which stay in registers.
func xorRound8(s *[8]uint64, r uint64) {
	t := forward
	w := s[0] ^ r
	a := t[0][byte(w)]
	b := t[1][byte(w>>8)]
	c := t[2][byte(w>>16)]
	d := t[3][byte(w>>24)]
	e := t[4][byte(w>>32)]
	f := t[5][byte(w>>40)]
	g := t[6][byte(w>>48)]
	h := t[7][w>>56]
	w = s[1] ^ (0x10 ^ r)
	b ^= t[0][byte(w)]
	c ^= t[1][byte(w>>8)]
	d ^= t[2][byte(w>>16)]
	e ^= t[3][byte(w>>24)]
	f ^= t[4][byte(w>>32)]
	g ^= t[5][byte(w>>40)]
	h ^= t[6][byte(w>>48)]
	a ^= t[7][w>>56]
	w = s[2] ^ (0x20 ^ r)
	c ^= t[0][byte(w)]
	d ^= t[1][byte(w>>8)]
	e ^= t[2][byte(w>>16)]
	f ^= t[3][byte(w>>24)]
	g ^= t[4][byte(w>>32)]
	h ^= t[5][byte(w>>40)]
	a ^= t[6][byte(w>>48)]
	b ^= t[7][w>>56]
	w = s[3] ^ (0x30 ^ r)
	d ^= t[0][byte(w)]
	e ^= t[1][byte(w>>8)]
	f ^= t[2][byte(w>>16)]
	g ^= t[3][byte(w>>24)]
	h ^= t[4][byte(w>>32)]
	a ^= t[5][byte(w>>40)]
	b ^= t[6][byte(w>>48)]
	c ^= t[7][w>>56]
	w = s[4] ^ (0x40 ^ r)
	e ^= t[0][byte(w)]
	f ^= t[1][byte(w>>8)]
	g ^= t[2][byte(w>>16)]
	h ^= t[3][byte(w>>24)]
	a ^= t[4][byte(w>>32)]
	b ^= t[5][byte(w>>40)]
	c ^= t[6][byte(w>>48)]
	d ^= t[7][w>>56]
	w = s[5] ^ (0x50 ^ r)
	f ^= t[0][byte(w)]
	g ^= t[1][byte(w>>8)]
	h ^= t[2][byte(w>>16)]
	a ^= t[3][byte(w>>24)]
	b ^= t[4][byte(w>>32)]
	c ^= t[5][byte(w>>40)]
	d ^= t[6][byte(w>>48)]
	e ^= t[7][w>>56]
	w = s[6] ^ (0x60 ^ r)
	g ^= t[0][byte(w)]
	h ^= t[1][byte(w>>8)]
	a ^= t[2][byte(w>>16)]
	b ^= t[3][byte(w>>24)]
	c ^= t[4][byte(w>>32)]
	d ^= t[5][byte(w>>40)]
	e ^= t[6][byte(w>>48)]
	f ^= t[7][w>>56]
	w = s[7] ^ (0x70 ^ r)
	h ^= t[0][byte(w)]
	a ^= t[1][byte(w>>8)]
	b ^= t[2][byte(w>>16)]
	c ^= t[3][byte(w>>24)]
	d ^= t[4][byte(w>>32)]
	e ^= t[5][byte(w>>40)]
	f ^= t[6][byte(w>>48)]
	g ^= t[7][w>>56]
	*s = [8]uint64{a, b, c, d, e, f, g, h}
}

// addRound8 is a round of the transformation whose constants are added modulo
// 2^64; r is the round's number in the highest octet.
func addRound8(s *[8]uint64, r uint64) {
	t := forward
	w := s[0] + plus + (0x70<<56 ^ r)
	a := t[0][byte(w)]
	b := t[1][byte(w>>8)]
	c := t[2][byte(w>>16)]
	d := t[3][byte(w>>24)]
	e := t[4][byte(w>>32)]
	f := t[5][byte(w>>40)]
	g := t[6][byte(w>>48)]
	h := t[7][w>>56]
	w = s[1] + plus + (0x60<<56 ^ r)
	b ^= t[0][byte(w)]
	c ^= t[1][byte(w>>8)]
	d ^= t[2][byte(w>>16)]
	e ^= t[3][byte(w>>24)]
	f ^= t[4][byte(w>>32)]
	g ^= t[5][byte(w>>40)]
	h ^= t[6][byte(w>>48)]
	a ^= t[7][w>>56]
	w = s[2] + plus + (0x50<<56 ^ r)
	c ^= t[0][byte(w)]
	d ^= t[1][byte(w>>8)]
	e ^= t[2][byte(w>>16)]
	f ^= t[3][byte(w>>24)]
	g ^= t[4][byte(w>>32)]
	h ^= t[5][byte(w>>40)]
	a ^= t[6][byte(w>>48)]
	b ^= t[7][w>>56]
	w = s[3] + plus + (0x40<<56 ^ r)
	d ^= t[0][byte(w)]
	e ^= t[1][byte(w>>8)]
	f ^= t[2][byte(w>>16)]
	g ^= t[3][byte(w>>24)]
	h ^= t[4][byte(w>>32)]
	a ^= t[5][byte(w>>40)]
	b ^= t[6][byte(w>>48)]
	c ^= t[7][w>>56]
	w = s[4] + plus + (0x30<<56 ^ r)
	e ^= t[0][byte(w)]
	f ^= t[1][byte(w>>8)]
	g ^= t[2][byte(w>>16)]
	h ^= t[3][byte(w>>24)]
	a ^= t[4][byte(w>>32)]
	b ^= t[5][byte(w>>40)]
	c ^= t[6][byte(w>>48)]
	d ^= t[7][w>>56]
	w = s[5] + plus + (0x20<<56 ^ r)
	f ^= t[0][byte(w)]
	g ^= t[1][byte(w>>8)]
	h ^= t[2][byte(w>>16)]
	a ^= t[3][byte(w>>24)]
	b ^= t[4][byte(w>>32)]
	c ^= t[5][byte(w>>40)]
	d ^= t[6][byte(w>>48)]
	e ^= t[7][w>>56]
	w = s[6] + plus + (0x10<<56 ^ r)
	g ^= t[0][byte(w)]
	h ^= t[1][byte(w>>8)]
	a ^= t[2][byte(w>>16)]
	b ^= t[3][byte(w>>24)]
	c ^= t[4][byte(w>>32)]
	d ^= t[5][byte(w>>40)]
	e ^= t[6][byte(w>>48)]
	f ^= t[7][w>>56]
	w = s[7] + plus + r
	h ^= t[0][byte(w)]
	a ^= t[1][byte(w>>8)]
	b ^= t[2][byte(w>>16)]
	c ^= t[3][byte(w>>24)]
	d ^= t[4][byte(w>>32)]
	e ^= t[5][byte(w>>40)]
	f ^= t[6][byte(w>>48)]
	g ^= t[7][w>>56]
	*s = [8]uint64{a, b, c, d, e, f, g, h}
}

// column gives one column after substitution, the move of rows and the matrix: its
// octet i comes from the i-th argument.
func column(t *[8][256]uint64, a, b, c, d, e, f, g, h uint64) uint64 {
	return t[0][byte(a)] ^ t[1][byte(b>>8)] ^ t[2][byte(c>>16)] ^ t[3][byte(d>>24)] ^
		t[4][byte(e>>32)] ^ t[5][byte(f>>40)] ^ t[6][byte(g>>48)] ^ t[7][h>>56]
}

func xorRound16(s *[16]uint64, r uint64) {
	for i := range s {
		s[i] ^= uint64(i)<<4 ^ r
	}
	round16(s)
}

func addRound16(s *[16]uint64, r uint64) {
	for i := range s {
		s[i] += plus + (uint64(15-i)<<60 ^ r)
	}
	round16(s)
}

// round16 moves row i right by i columns, the last row by 11.
func round16(s *[16]uint64) {
	t := forward
	o := *s
	s[0] = column(t, o[0], o[15], o[14], o[13], o[12], o[11], o[10], o[5])
	s[1] = column(t, o[1], o[0], o[15], o[14], o[13], o[12], o[11], o[6])
	s[2] = column(t, o[2], o[1], o[0], o[15], o[14], o[13], o[12], o[7])
	s[3] = column(t, o[3], o[2], o[1], o[0], o[15], o[14], o[13], o[8])
	s[4] = column(t, o[4], o[3], o[2], o[1], o[0], o[15], o[14], o[9])
	s[5] = column(t, o[5], o[4], o[3], o[2], o[1], o[0], o[15], o[10])
	s[6] = column(t, o[6], o[5], o[4], o[3], o[2], o[1], o[0], o[11])
	s[7] = column(t, o[7], o[6], o[5], o[4], o[3], o[2], o[1], o[12])
	s[8] = column(t, o[8], o[7], o[6], o[5], o[4], o[3], o[2], o[13])
	s[9] = column(t, o[9], o[8], o[7], o[6], o[5], o[4], o[3], o[14])
	s[10] = column(t, o[10], o[9], o[8], o[7], o[6], o[5], o[4], o[15])
	s[11] = column(t, o[11], o[10], o[9], o[8], o[7], o[6], o[5], o[0])
	s[12] = column(t, o[12], o[11], o[10], o[9], o[8], o[7], o[6], o[1])
	s[13] = column(t, o[13], o[12], o[11], o[10], o[9], o[8], o[7], o[2])
	s[14] = column(t, o[14], o[13], o[12], o[11], o[10], o[9], o[8], o[3])
	s[15] = column(t, o[15], o[14], o[13], o[12], o[11], o[10], o[9], o[4])
}
