// Package kalyna is the block cipher of DSTU 7624:2014 (Kalyna) in its five
// combinations of block and key, with the modes that Ukrainian key containers and
// enveloped messages may use: CBC (by the standard library's crypto/cipher), CFB
// and CTR over whole blocks, CMAC and the key wrap.
//
// The tables are read at places that depend on secret data; see gost28147.
//
// References: DSTU 7624:2014; Oliynykov et al., "A New Encryption Standard of
// Ukraine: The Kalyna Block Cipher" (IACR ePrint 2015/650).
package kalyna

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/brama-gateway/brama/crypto/internal/dstubox"
)

// Errors that callers tell apart.
var (
	// ErrSize: a block, key, start vector or message of a wrong length.
	ErrSize = errors.New("input of Kalyna has a wrong length")
	// ErrMAC: the authentication code is not that of the data under this key.
	ErrMAC = errors.New("authentication code of Kalyna does not match")
)

const (
	maxWords  = 8
	maxRounds = 18
)

type state [maxWords]uint64

// Cipher is one key. It is a cipher.Block.
type Cipher struct {
	words  int // of 64 bits in a block
	rounds int
	keys   [maxRounds + 1]state
}

// NewCipher takes a block size of 16, 32 or 64 octets and a key of the block's
// length or, but for 64, of twice that.
func NewCipher(block int, key []byte) (*Cipher, error) {
	switch block {
	case 16, 32, 64:
	default:
		return nil, ErrSize
	}
	if len(key) != block && (len(key) != 2*block || block == 64) {
		return nil, ErrSize
	}
	c := &Cipher{words: block / 8, rounds: map[int]int{16: 10, 32: 14, 64: 18}[len(key)]}
	c.expand(key)
	return c, nil
}

// Wipe forgets the key. The cipher is of no use afterwards.
func (c *Cipher) Wipe() { clear(c.keys[:]) }

// BlockSize gives the length of a block in octets.
func (c *Cipher) BlockSize() int { return 8 * c.words }

func (c *Cipher) load(b []byte) (s state) {
	for i := range c.words {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return s
}

func (c *Cipher) store(b []byte, s *state) {
	for i := range c.words {
		binary.LittleEndian.PutUint64(b[8*i:], s[i])
	}
}

func (s *state) add(k *state) {
	for i := range s {
		s[i] += k[i]
	}
}

func (s *state) sub(k *state) {
	for i := range s {
		s[i] -= k[i]
	}
}

func (s *state) xor(k *state) {
	for i := range s {
		s[i] ^= k[i]
	}
}

// from is the column that octet row of column i comes from: row r moves right by
// r*words/8 columns.
func (c *Cipher) from(i, row int) int { return (i - row*c.words/8) & (c.words - 1) }

// round substitutes, moves the rows and multiplies by the matrix.
func (c *Cipher) round(s *state) {
	t := dstubox.Forward
	var o state
	for i := range c.words {
		for row := range 8 {
			o[i] ^= t[row][byte(s[c.from(i, row)]>>(8*row))]
		}
	}
	*s = o
}

// unround undoes round.
func (c *Cipher) unround(s *state) {
	t := dstubox.Unmix
	var o state
	for i := range c.words {
		var w uint64
		for row := range 8 {
			w ^= t[row][byte(s[i]>>(8*row))]
		}
		s[i] = w
	}
	for i := range c.words {
		for row := range 8 {
			b := byte(s[i] >> (8 * row))
			o[c.from(i, row)] |= uint64(dstubox.Back[row%4][b]) << (8 * row)
		}
	}
	*s = o
}

// Encrypt encrypts one block. Like every cipher.Block it panics if dst or src is
// shorter than one.
func (c *Cipher) Encrypt(dst, src []byte) {
	s := c.load(src)
	s.add(&c.keys[0])
	for r := 1; r < c.rounds; r++ {
		c.round(&s)
		s.xor(&c.keys[r])
	}
	c.round(&s)
	s.add(&c.keys[c.rounds])
	c.store(dst, &s)
}

// Decrypt decrypts one block. Like every cipher.Block it panics if dst or src is
// shorter than one.
func (c *Cipher) Decrypt(dst, src []byte) {
	s := c.load(src)
	s.sub(&c.keys[c.rounds])
	c.unround(&s)
	for r := c.rounds - 1; r > 0; r-- {
		s.xor(&c.keys[r])
		c.unround(&s)
	}
	s.sub(&c.keys[0])
	c.store(dst, &s)
}

// expand makes the round keys: those of even number from the key and an
// intermediate key of the same entropy, the odd ones from the even ones before.
func (c *Cipher) expand(key []byte) {
	nk := len(key) / 8
	words := make([]uint64, nk)
	defer clear(words)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(key[8*i:])
	}
	var k0, k1 state
	copy(k0[:c.words], words)
	copy(k1[:c.words], words[nk-c.words:])

	kt := state{uint64(c.words + nk + 1)}
	kt.add(&k0)
	c.round(&kt)
	kt.xor(&k1)
	c.round(&kt)
	kt.add(&k0)
	c.round(&kt)

	var step state
	for i := range c.words {
		step[i] = 0x0001000100010001
	}
	for r := 0; r <= c.rounds; r += 2 {
		var s state
		if half := r / 2; nk == c.words {
			rotated(&s, words, half, c.words)
		} else {
			rotated(&s, words, half/2+half%2*c.words, c.words)
		}
		k := kt
		k.add(&step)
		s.add(&k)
		c.round(&s)
		s.xor(&k)
		c.round(&s)
		s.add(&k)
		c.keys[r] = s
		for i := range step {
			step[i] <<= 1
		}
	}
	for r := 1; r < c.rounds; r += 2 {
		c.keys[r] = c.turned(&c.keys[r-1])
	}
}

// rotated takes n words of key from place by, around its end.
func rotated(s *state, key []uint64, by, n int) {
	for i := range n {
		s[i] = key[(i+by)%len(key)]
	}
}

// turned rotates the octets of a round key down by 2*words+3 places.
func (c *Cipher) turned(k *state) (s state) {
	by := 2*c.words + 3
	for i := range c.words {
		lo, hi := k[(i+by/8)%c.words], k[(i+by/8+1)%c.words]
		n := 8 * (by % 8)
		s[i] = lo>>n | bits.RotateLeft64(hi, -n)&(^uint64(0)<<(64-n))
	}
	return s
}
