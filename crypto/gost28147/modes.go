package gost28147

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"github.com/brama-gateway/brama/crypto/internal/cfb"
)

// EncryptECB encrypts whole blocks of src into dst, each by itself (GOST 28147-89,
// section 2). It gives ErrSize unless src is whole blocks and dst as long.
func (c *Cipher) EncryptECB(dst, src []byte) error { return ecb(dst, src, c.Encrypt) }

// DecryptECB undoes EncryptECB.
func (c *Cipher) DecryptECB(dst, src []byte) error { return ecb(dst, src, c.Decrypt) }

func ecb(dst, src []byte, f func(dst, src []byte)) error {
	if len(src)%BlockSize != 0 || len(dst) != len(src) {
		return ErrSize
	}
	for i := 0; i < len(src); i += BlockSize {
		f(dst[i:], src[i:])
	}
	return nil
}

// NewCFBEncrypter starts gamma with feedback (GOST 28147-89, section 4) at a start
// vector of 8 octets. It gives no integrity.
func (c *Cipher) NewCFBEncrypter(iv []byte) (cipher.Stream, error) { return c.cfb(iv, false) }

// NewCFBDecrypter undoes NewCFBEncrypter.
func (c *Cipher) NewCFBDecrypter(iv []byte) (cipher.Stream, error) { return c.cfb(iv, true) }

func (c *Cipher) cfb(iv []byte, decrypt bool) (cipher.Stream, error) {
	if len(iv) != BlockSize {
		return nil, ErrSize
	}
	return cfb.New(c, iv, decrypt), nil
}

// gamma is the counter mode of GOST 28147-89, section 3.
type gamma struct {
	c      *Cipher
	n3, n4 uint32
	out    [BlockSize]byte
	used   int
}

// NewCTR starts the gamma mode (GOST 28147-89, section 3) at a start vector of
// 8 octets. It gives no integrity; a start vector must not be used twice under a key.
func (c *Cipher) NewCTR(iv []byte) (cipher.Stream, error) {
	if len(iv) != BlockSize {
		return nil, ErrSize
	}
	s := c.encrypt(binary.LittleEndian.Uint64(iv))
	return &gamma{c: c, n3: uint32(s), n4: uint32(s >> 32), used: BlockSize}, nil
}

func (g *gamma) XORKeyStream(dst, src []byte) {
	if len(dst) < len(src) {
		panic("gost28147: output is shorter than input")
	}
	const c1, c2 = 0x01010104, 0x01010101
	for i, in := range src {
		if g.used == BlockSize {
			g.n3 += c2
			// The upper half counts modulo 2^32 - 1.
			n4 := uint64(g.n4) + c1
			g.n4 = uint32(n4) + uint32(n4>>32)
			binary.LittleEndian.PutUint64(g.out[:], g.c.encrypt(uint64(g.n3)|uint64(g.n4)<<32))
			g.used = 0
		}
		dst[i] = in ^ g.out[g.used]
		g.used++
	}
}

// MAC gives the authentication code (GOST 28147-89, section 5), 32 bits. A last
// block that is not full is filled with zeros, so that the code does not tell
// data from the same data with zeros added: it suits data of known length.
func (c *Cipher) MAC(data []byte) [MACSize]byte {
	var a, b uint32
	for len(data) > 0 {
		var block [BlockSize]byte
		data = data[copy(block[:], data):]
		a ^= binary.LittleEndian.Uint32(block[:])
		b ^= binary.LittleEndian.Uint32(block[4:])
		a, b = c.box.eight(a, b, &c.key)
		a, b = c.box.eight(a, b, &c.key)
	}
	var mac [MACSize]byte
	binary.LittleEndian.PutUint32(mac[:], a)
	return mac
}

// WrappedSize is the length of a wrapped key, in octets.
const WrappedSize = BlockSize + KeySize + MACSize

// The start vector of the wrap's second pass; the same as in RFC 3217, 3.1.
var wrapIV = []byte{0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05}

// Wrap encrypts the key cek of 32 octets under c, starting at iv, 8 random octets
// (1.2.804.2.1.1.1.1.1.1.5). The result has WrappedSize octets.
func (c *Cipher) Wrap(cek, iv []byte) ([]byte, error) {
	if len(cek) != KeySize || len(iv) != BlockSize {
		return nil, ErrSize
	}
	mac := c.MAC(cek)
	out := slices.Concat(iv, cek, mac[:])
	cfb.New(c, iv, false).XORKeyStream(out[BlockSize:], out[BlockSize:])
	slices.Reverse(out)
	cfb.New(c, wrapIV, false).XORKeyStream(out, out)
	return out, nil
}

// Unwrap undoes Wrap. It gives ErrMAC for a wrong key or an altered wrap; the code
// has only 32 bits.
func (c *Cipher) Unwrap(wrapped []byte) ([]byte, error) {
	if len(wrapped) != WrappedSize {
		return nil, ErrSize
	}
	out := make([]byte, WrappedSize)
	cfb.New(c, wrapIV, true).XORKeyStream(out, wrapped)
	slices.Reverse(out)
	body := out[BlockSize:]
	cfb.New(c, out[:BlockSize], true).XORKeyStream(body, body)
	cek, code := body[:KeySize:KeySize], body[KeySize:]
	mac := c.MAC(cek)
	if subtle.ConstantTimeCompare(mac[:], code) != 1 {
		clear(out)
		return nil, ErrMAC
	}
	return cek, nil
}
