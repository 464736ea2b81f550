// Package kdf derives keys: from a password (PBKDF2, PKCS #12, the container of
// IIT) and from an agreed secret (the KDF of DSTU 4145 key agreement).
//
// It asks nothing and bounds nothing: callers hold iteration counts from foreign
// files to a limit first.
//
// References: RFC 8018, 5.2 (PBKDF2); RFC 7292, appendix B (PKCS #12). The KDF of key
// agreement is that of ANSI X9.63 with one block; its form, and that of the container
// of IIT, is taken from what public implementations do, and their vectors hold.
package kdf

import (
	"encoding/binary"
	"hash"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
)

// PBKDF2 derives n octets. prf is a keyed function, as HMAC with the password for a
// key; it is left reset.
func PBKDF2(prf hash.Hash, salt []byte, iterations, n int) []byte {
	size := prf.Size()
	key := make([]byte, 0, (n+size-1)/size*size)
	u := make([]byte, 0, size)
	defer func() { clear(u[:size]) }()
	for block := uint32(1); len(key) < n; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write(binary.BigEndian.AppendUint32(nil, block))
		start := len(key)
		key = prf.Sum(key)
		t := key[start:]
		u = append(u[:0], t...)
		for range iterations - 1 {
			prf.Reset()
			prf.Write(u)
			u = prf.Sum(u[:0])
			for i, b := range u {
				t[i] ^= b
			}
		}
	}
	prf.Reset()
	clear(key[n:])
	return key[:n:n]
}

// Purposes of keys in PKCS12, RFC 7292, B.3.
const (
	ForEncryption byte = 1
	ForIV         byte = 2
	ForMAC        byte = 3
)

// PKCS12 derives n octets from a password in the form that RFC 7292, B.1 wants
// (BMPString with two zero octets). v is the block size the derivation counts with:
// the hash's own, 32 for GOST 34.311.
func PKCS12(h hash.Hash, v int, purpose byte, password, salt []byte, iterations, n int) []byte {
	diversifier := make([]byte, v)
	for i := range diversifier {
		diversifier[i] = purpose
	}
	in := append(filled(salt, v), filled(password, v)...)
	defer func() { clear(in) }()
	var key []byte
	for {
		h.Reset()
		h.Write(diversifier)
		h.Write(in)
		a := h.Sum(nil)
		for range iterations - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		key = append(key, a...)
		if len(key) >= n {
			h.Reset()
			clear(key[n:])
			return key[:n:n]
		}
		// Every block of the input grows by B + 1 modulo 2^8v.
		b := filled(a, v)[:v]
		for i := 0; i < len(in); i += v {
			carry := 1
			for j := v - 1; j >= 0; j-- {
				carry += int(in[i+j]) + int(b[j])
				in[i+j] = byte(carry)
				carry >>= 8
			}
		}
	}
}

// filled repeats b to whole blocks of v octets; nothing stays nothing.
func filled(b []byte, v int) []byte {
	out := make([]byte, (len(b)+v-1)/v*v)
	for i := range out {
		out[i] = b[i%len(b)]
	}
	return out
}

// IITIterations is how often IIT hashes a password.
const IITIterations = 10000

// IIT derives the key of an IIT container (Key-6.dat): GOST 34.311 with DKE No 1,
// applied to the password and then to its own result, IITIterations times in all.
func IIT(password []byte) [gost34311.Size]byte {
	k := gost34311.Sum(nil, password)
	for range IITIterations - 1 {
		k = gost34311.Sum(nil, k[:])
	}
	return k
}

// Object identifiers of key wraps that may stand in SharedInfo.
const (
	GOST28147Wrap der.OID = "1.2.804.2.1.1.1.1.1.1.5"
	KalynaWrap    der.OID = "1.2.804.2.1.1.1.1.1.3.11"
)

// SharedInfo encodes what an agreed key is for: a wrap with a key of 256 bits, and
// the user keying material of the message, nil where it has none.
func SharedInfo(wrap der.OID, ukm []byte) []byte {
	parts := [][]byte{der.Sequence(wrap.Encode(), der.Null())}
	if ukm != nil {
		parts = append(parts, der.Explicit(0, der.OctetString(ukm)))
	}
	return der.Sequence(append(parts, der.Explicit(2, der.OctetString([]byte{0, 0, 1, 0})))...)
}

// Agreed derives the key-encryption key of 32 octets from the agreed x-coordinate,
// big-endian, and an encoded SharedInfo, with GOST 34.311 (1.2.804.2.1.1.1.1.3.4 and
// .5). Zero octets before the number do not count, as implementations have it. A nil
// box is DKE No 1.
func Agreed(box *gost28147.SBox, x, sharedInfo []byte) [gost34311.Size]byte {
	for len(x) > 0 && x[0] == 0 {
		x = x[1:]
	}
	h := gost34311.New(box)
	h.Write(x)
	h.Write([]byte{0, 0, 0, 1})
	h.Write(sharedInfo)
	return [gost34311.Size]byte(h.Sum(nil))
}

// AgreedKupyna derives the key-encryption key as long as h's digest with Kupyna
// (1.2.804.2.1.1.1.1.3.7 and .8). x is as long as the field; it is not trimmed.
func AgreedKupyna(h hash.Hash, x, sharedInfo []byte) []byte {
	h.Reset()
	h.Write(x)
	h.Write([]byte{0, 0, 0, 1})
	h.Write(sharedInfo)
	return h.Sum(nil)
}
