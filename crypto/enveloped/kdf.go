package enveloped

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"github.com/brama-gateway/brama/crypto/der"
)

// x963 derives n octets from the shared secret z (SEC 1, 3.6.1; RFC 5753,
// 7.2). With n of one digest it is the derivation of z1398-12 too.
func x963(start func() hash.Hash, z, sharedInfo []byte, n int) []byte {
	var out []byte
	h := start()
	for counter := uint32(1); len(out) < n; counter++ {
		h.Reset()
		h.Write(z)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		h.Write(sharedInfo)
		out = h.Sum(out)
	}
	clear(out[n:])
	return out[:n]
}

// sharedInfo encodes ECC-CMS-SharedInfo (RFC 5753, 7.2): the key wrap algorithm
// as it stands in the container, the user keying material if there is any, the
// length of the key in bits.
func sharedInfo(wrap, ukm []byte, keySize int) []byte {
	parts := [][]byte{wrap}
	if ukm != nil {
		parts = append(parts, der.Explicit(0, der.OctetString(ukm)))
	}
	bits := binary.BigEndian.AppendUint32(nil, uint32(keySize)*8)
	return der.Sequence(append(parts, der.Explicit(2, der.OctetString(bits)))...)
}

// wrapCheck is the initial value of RFC 3394, 2.2.3.1.
var wrapCheck = bytes.Repeat([]byte{0xa6}, 8)

// wrapAES wraps a key of whole 8-octet blocks, two at least (RFC 3394, 2.2.1).
func wrapAES(kek, key []byte) ([]byte, error) {
	b, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := append(bytes.Clone(wrapCheck), key...)
	n := len(key) / 8
	var x [aes.BlockSize]byte
	copy(x[:8], out)
	for t := 1; t <= 6*n; t++ {
		r := out[8+(t-1)%n*8:][:8]
		copy(x[8:], r)
		b.Encrypt(x[:], x[:])
		xorCounter(&x, t)
		copy(r, x[8:])
	}
	copy(out, x[:8])
	return out, nil
}

// unwrapAES undoes wrapAES (RFC 3394, 2.2.2). ok is false for a wrong key or an
// altered wrap.
func unwrapAES(kek, wrapped []byte) (key []byte, ok bool) {
	if len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return nil, false
	}
	b, err := aes.NewCipher(kek)
	if err != nil {
		return nil, false
	}
	out := bytes.Clone(wrapped)
	n := len(wrapped)/8 - 1
	var x [aes.BlockSize]byte
	copy(x[:8], out)
	for t := 6 * n; t >= 1; t-- {
		r := out[8+(t-1)%n*8:][:8]
		xorCounter(&x, t)
		copy(x[8:], r)
		b.Decrypt(x[:], x[:])
		copy(r, x[8:])
	}
	if subtle.ConstantTimeCompare(x[:8], wrapCheck) != 1 {
		clear(out)
		return nil, false
	}
	return out[8:], true
}

func xorCounter(x *[aes.BlockSize]byte, t int) {
	binary.BigEndian.PutUint64(x[:8], binary.BigEndian.Uint64(x[:8])^uint64(t))
}
