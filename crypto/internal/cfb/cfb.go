// Package cfb is cipher feedback over the whole block, for the block ciphers of
// this module. The standard library's own is deprecated, because it gives no
// integrity; the Ukrainian formats prescribe it all the same.
package cfb

import "crypto/cipher"

// Stream is cipher feedback in one direction. It is a cipher.Stream.
type Stream struct {
	block   cipher.Block
	decrypt bool
	reg     []byte // feedback register
	gamma   []byte
	used    int // octets of gamma used
}

// New starts at a start vector of one block; the caller has seen to its length.
func New(block cipher.Block, iv []byte, decrypt bool) *Stream {
	n := block.BlockSize()
	s := &Stream{block: block, decrypt: decrypt, reg: make([]byte, n), gamma: make([]byte, n), used: n}
	copy(s.reg, iv)
	return s
}

// XORKeyStream encrypts or decrypts src into dst, which may be the same slice or
// must not overlap it. It panics if dst is shorter than src.
func (s *Stream) XORKeyStream(dst, src []byte) {
	if len(dst) < len(src) {
		panic("cfb: output is shorter than input")
	}
	for i, in := range src {
		if s.used == len(s.gamma) {
			s.block.Encrypt(s.gamma, s.reg)
			s.used = 0
		}
		out := in ^ s.gamma[s.used]
		if s.decrypt {
			s.reg[s.used] = in
		} else {
			s.reg[s.used] = out
		}
		dst[i] = out
		s.used++
	}
}
