// Package gost28147 is the block cipher of DSTU GOST 28147:2009 (GOST 28147-89)
// with any substitution block: single blocks, gamma (CTR), gamma with feedback
// (CFB), the 32-bit message authentication code and the key wrap of Ukrainian
// key containers and enveloped messages.
//
// Key meshing of RFC 4357 is not done: Ukrainian practice does not know it. The
// tables are read at places that depend on secret data, so who shares a core
// with this code may learn of the key by timing its cache; the modes are meant
// for opening one's own containers and messages, not for an oracle.
//
// References: GOST 28147-89 (through RFC 5830). The text of the orders that prescribe
// the wrap was not at hand: its form is taken from what public implementations do,
// and their vectors hold.
package gost28147

import (
	"encoding/binary"
	"errors"
)

// Sizes in octets.
const (
	BlockSize = 8
	KeySize   = 32
	MACSize   = 4
)

// Errors that callers tell apart.
var (
	// ErrSize: a key, start vector or wrapped key of another length.
	ErrSize = errors.New("GOST 28147 input has a wrong length")
	// ErrMAC: the authentication code is not that of the data under this key.
	ErrMAC = errors.New("GOST 28147 authentication code does not match")
)

// Cipher is one key with one substitution block. It is a cipher.Block.
type Cipher struct {
	key [8]uint32
	box *SBox
}

// NewCipher takes a key of 32 octets; a nil box is DKE1.
func NewCipher(key []byte, box *SBox) (*Cipher, error) {
	if len(key) != KeySize {
		return nil, ErrSize
	}
	if box == nil {
		box = DKE1
	}
	c := &Cipher{box: box}
	for i := range c.key {
		c.key[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	return c, nil
}

// Wipe forgets the key. The cipher is of no use afterwards.
func (c *Cipher) Wipe() { clear(c.key[:]) }

// BlockSize gives 8.
func (c *Cipher) BlockSize() int { return BlockSize }

// Encrypt encrypts one block. Like every cipher.Block it panics if dst or src is
// shorter than one.
func (c *Cipher) Encrypt(dst, src []byte) {
	binary.LittleEndian.PutUint64(dst, c.encrypt(binary.LittleEndian.Uint64(src)))
}

// Decrypt decrypts one block. Like every cipher.Block it panics if dst or src is
// shorter than one.
func (c *Cipher) Decrypt(dst, src []byte) {
	binary.LittleEndian.PutUint64(dst, c.decrypt(binary.LittleEndian.Uint64(src)))
}

// eight does eight rounds under the key words in their order.
func (s *SBox) eight(a, b uint32, k *[8]uint32) (uint32, uint32) {
	for i := 0; i < 8; i += 2 {
		b ^= s.round(a + k[i])
		a ^= s.round(b + k[i+1])
	}
	return a, b
}

func (s *SBox) round(x uint32) uint32 {
	return s.t[0][byte(x)] ^ s.t[1][byte(x>>8)] ^ s.t[2][byte(x>>16)] ^ s.t[3][x>>24]
}

func reversed(k *[8]uint32) *[8]uint32 {
	return &[8]uint32{k[7], k[6], k[5], k[4], k[3], k[2], k[1], k[0]}
}

func (c *Cipher) encrypt(x uint64) uint64 {
	a, b := uint32(x), uint32(x>>32)
	for range 3 {
		a, b = c.box.eight(a, b, &c.key)
	}
	a, b = c.box.eight(a, b, reversed(&c.key))
	return uint64(b) | uint64(a)<<32
}

func (c *Cipher) decrypt(x uint64) uint64 {
	a, b := uint32(x), uint32(x>>32)
	a, b = c.box.eight(a, b, &c.key)
	r := reversed(&c.key)
	for range 3 {
		a, b = c.box.eight(a, b, r)
	}
	return uint64(b) | uint64(a)<<32
}

// Encrypt4 encrypts four blocks, little-endian as in memory, each under its own
// key: the step of GOST 34.311. The four run side by side, because one alone
// waits for its look-ups.
func (s *SBox) Encrypt4(blocks *[4]uint64, keys *[4][8]uint32) {
	a, b := uint32(blocks[0]), uint32(blocks[0]>>32)
	c, d := uint32(blocks[1]), uint32(blocks[1]>>32)
	e, f := uint32(blocks[2]), uint32(blocks[2]>>32)
	g, h := uint32(blocks[3]), uint32(blocks[3]>>32)
	for range 3 {
		for i := 0; i < 8; i += 2 {
			b ^= s.round(a + keys[0][i])
			d ^= s.round(c + keys[1][i])
			f ^= s.round(e + keys[2][i])
			h ^= s.round(g + keys[3][i])
			a ^= s.round(b + keys[0][i+1])
			c ^= s.round(d + keys[1][i+1])
			e ^= s.round(f + keys[2][i+1])
			g ^= s.round(h + keys[3][i+1])
		}
	}
	for i := 7; i > 0; i -= 2 {
		b ^= s.round(a + keys[0][i])
		d ^= s.round(c + keys[1][i])
		f ^= s.round(e + keys[2][i])
		h ^= s.round(g + keys[3][i])
		a ^= s.round(b + keys[0][i-1])
		c ^= s.round(d + keys[1][i-1])
		e ^= s.round(f + keys[2][i-1])
		g ^= s.round(h + keys[3][i-1])
	}
	blocks[0] = uint64(b) | uint64(a)<<32
	blocks[1] = uint64(d) | uint64(c)<<32
	blocks[2] = uint64(f) | uint64(e)<<32
	blocks[3] = uint64(h) | uint64(g)<<32
}
