package keyfile

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// rc2 is the cipher of RFC 2268, for decryption only: PKCS #12 files of Windows and of
// older Java have their certificates under it. Nobody is to encrypt with it.
type rc2 struct {
	k [64]uint16
}

// rc2Pi is PITABLE of RFC 2268, section 2.
var rc2Pi = func() (t [256]byte) {
	if n, err := hex.Decode(t[:], []byte(rc2Hex)); err != nil || n != len(t) {
		panic("keyfile: table is damaged")
	}
	return t
}()

// newRC2 expands a key of 5 or 16 octets, all of whose bits count (RFC 2268, section 2).
func newRC2(key []byte) *rc2 {
	var l [128]byte
	defer clear(l[:])
	n := copy(l[:], key)
	for i := n; i < len(l); i++ {
		l[i] = rc2Pi[l[i-1]+l[i-n]]
	}
	l[128-n] = rc2Pi[l[128-n]]
	for i := 127 - n; i >= 0; i-- {
		l[i] = rc2Pi[l[i+1]^l[i+n]]
	}
	c := new(rc2)
	for i := range c.k {
		c.k[i] = binary.LittleEndian.Uint16(l[2*i:])
	}
	return c
}

func (c *rc2) BlockSize() int { return 8 }

// Encrypt is not there; the type is a cipher.Block for CBC decryption alone.
func (c *rc2) Encrypt(_, _ []byte) { panic("keyfile: RC2 only decrypts") }

// Decrypt decrypts one block, RFC 2268, section 4.
func (c *rc2) Decrypt(dst, src []byte) {
	var r [4]uint16
	for i := range r {
		r[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
	shifts := [4]int{1, 2, 3, 5}
	for j, i := 63, 3; j >= 0; j-- {
		r[i] = bits.RotateLeft16(r[i], -shifts[i])
		a, b, d := r[(i+3)%4], r[(i+2)%4], r[(i+1)%4]
		r[i] -= c.k[j] + a&b + ^a&d
		if i = (i + 3) % 4; i == 3 && (j == 44 || j == 20) {
			for m := 3; m >= 0; m-- {
				r[m] -= c.k[r[(m+3)%4]&63]
			}
		}
	}
	for i := range r {
		binary.LittleEndian.PutUint16(dst[2*i:], r[i])
	}
}

const rc2Hex = "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
	"179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
	"54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
	"6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
	"08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
	"c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
	"2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
	"0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
