package kalyna

import (
	"crypto/cipher"
	"crypto/subtle"
	"slices"

	"github.com/brama-gateway/brama/crypto/internal/cfb"
)

// NewCFBEncrypter starts cipher feedback over whole blocks at a start vector of one
// block. It gives no integrity.
func (c *Cipher) NewCFBEncrypter(iv []byte) (cipher.Stream, error) { return c.cfb(iv, false) }

// NewCFBDecrypter undoes NewCFBEncrypter.
func (c *Cipher) NewCFBDecrypter(iv []byte) (cipher.Stream, error) { return c.cfb(iv, true) }

func (c *Cipher) cfb(iv []byte, decrypt bool) (cipher.Stream, error) {
	if len(iv) != c.BlockSize() {
		return nil, ErrSize
	}
	return cfb.New(c, iv, decrypt), nil
}

type counter struct {
	c          *Cipher
	count, out []byte
	used       int
}

// NewCTR starts the counter mode at a start vector of one block: the encrypted
// vector counts, its first octet the lowest. It gives no integrity; a start vector
// must not be used twice under a key.
func (c *Cipher) NewCTR(iv []byte) (cipher.Stream, error) {
	n := c.BlockSize()
	if len(iv) != n {
		return nil, ErrSize
	}
	s := &counter{c: c, count: make([]byte, n), out: make([]byte, n), used: n}
	c.Encrypt(s.count, iv)
	return s, nil
}

func (s *counter) XORKeyStream(dst, src []byte) {
	if len(dst) < len(src) {
		panic("kalyna: output is shorter than input")
	}
	for i, in := range src {
		if s.used == len(s.out) {
			for j := range s.count {
				s.count[j]++
				if s.count[j] != 0 {
					break
				}
			}
			s.c.Encrypt(s.out, s.count)
			s.used = 0
		}
		dst[i] = in ^ s.out[s.used]
		s.used++
	}
}

// CMAC gives the authentication code of data, as long as a block. Only whole blocks,
// at least one, are taken: what containers authenticate is a key.
func (c *Cipher) CMAC(data []byte) ([]byte, error) {
	n := c.BlockSize()
	if len(data) == 0 || len(data)%n != 0 {
		return nil, ErrSize
	}
	delta := make([]byte, n)
	c.Encrypt(delta, delta)
	mac := make([]byte, n)
	for b := range slices.Chunk(data, n) {
		subtle.XORBytes(mac, mac, b)
		if data = data[n:]; len(data) == 0 {
			subtle.XORBytes(mac, mac, delta)
		}
		c.Encrypt(mac, mac)
	}
	return mac, nil
}

// Sizes of the key wrap in octets: it takes keys of 256 bits under keys of 256 bits.
const (
	wrapKey     = 32
	WrappedSize = 3 * wrapKey
)

// The start vector of the wrap's second pass.
var wrapIV = []byte("is'\x1dna\x1d\x06ag\x15\x04lePL  \x00Omh\x01\x1fea\x0c\x0cssG\x14")

func (c *Cipher) wraps() bool { return c.words == 4 && c.rounds == 14 }

// Wrap encrypts the key cek of 32 octets under c, of block and key 256 bits,
// starting at iv, 32 random octets (1.2.804.2.1.1.1.1.1.3.11).
func (c *Cipher) Wrap(cek, iv []byte) ([]byte, error) {
	if !c.wraps() || len(cek) != wrapKey || len(iv) != wrapKey {
		return nil, ErrSize
	}
	mac, err := c.CMAC(cek)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(iv, cek, mac)
	cfb.New(c, iv, false).XORKeyStream(out[wrapKey:], out[wrapKey:])
	slices.Reverse(out)
	cfb.New(c, wrapIV, false).XORKeyStream(out, out)
	return out, nil
}

// Unwrap undoes Wrap. It gives ErrMAC for a wrong key or an altered wrap.
func (c *Cipher) Unwrap(wrapped []byte) ([]byte, error) {
	if !c.wraps() || len(wrapped) != WrappedSize {
		return nil, ErrSize
	}
	out := make([]byte, WrappedSize)
	cfb.New(c, wrapIV, true).XORKeyStream(out, wrapped)
	slices.Reverse(out)
	body := out[wrapKey:]
	cfb.New(c, out[:wrapKey], true).XORKeyStream(body, body)
	cek := body[:wrapKey:wrapKey]
	mac, err := c.CMAC(cek)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(mac, body[wrapKey:]) != 1 {
		clear(out)
		return nil, ErrMAC
	}
	return cek, nil
}
