package keyfile

import (
	"crypto/hmac"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/kdf"
)

// Iterations is the number of iterations that Ukrainian containers are written with.
const Iterations = 10000

// PKCS8 encodes the key as a PrivateKeyInfo, RFC 5958, the number with its lowest
// octet first. The caller wipes the result.
func (k *DSTUKey) PKCS8() []byte { return k.pkcs8(nil) }

func (k *DSTUKey) pkcs8(attributes []byte) []byte {
	number := slices.Clone(k.D)
	defer clear(number)
	slices.Reverse(number)
	return der.Sequence(der.Int(0), k.Algorithm, der.OctetString(number), attributes)
}

// EncryptPKCS8 puts a PrivateKeyInfo of any algorithm under a password: PBES2 with
// PBKDF2 over HMAC GOST 34.311 and GOST 28147 in CFB.
// Salt and start vector are read from random. The result does not show an alteration.
func EncryptPKCS8(plain, password []byte, iterations int, random io.Reader) ([]byte, error) {
	var seed [gost34311.Size + gost28147.BlockSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	return encryptPKCS8(plain, password, iterations, seed[:gost34311.Size], seed[gost34311.Size:])
}

func encryptPKCS8(plain, password []byte, iterations int, salt, iv []byte) ([]byte, error) {
	if iterations < 1 || iterations > maxWork || len(password) > maxPassword {
		return nil, ErrLimit
	}
	alg, err := sealing(salt, iv, iterations)
	if err != nil {
		return nil, err
	}
	key := kdf.PBKDF2(hmac.New(newGOST, password), salt, iterations, gost28147.KeySize)
	defer clear(key)
	c, err := gost28147.NewCipher(key, nil)
	if err != nil {
		return nil, err
	}
	defer c.Wipe()
	s, err := c.NewCFBEncrypter(iv)
	if err != nil {
		return nil, err
	}
	body := make([]byte, len(plain))
	s.XORKeyStream(body, plain)
	return der.Sequence(alg, der.OctetString(body)), nil
}

// sealing encodes the algorithm of encryptPKCS8.
func sealing(salt, iv []byte, iterations int) ([]byte, error) {
	if len(iv) != gost28147.BlockSize {
		return nil, ErrFormat
	}
	box := gost28147.DKE1.Packed()
	return der.Sequence(oidPBES2.Encode(), der.Sequence(
		der.Sequence(oidPBKDF2.Encode(), der.Sequence(
			der.OctetString(salt), der.Int(int64(iterations)),
			der.Sequence(oidHMACGOST.Encode(), der.Null()))),
		der.Sequence(oidGOSTCFB.Encode(), der.Sequence(
			der.OctetString(iv), der.OctetString(box[:]))),
	)), nil
}

// SealKey6 writes a Key-6.dat with a signing key and, unless it is nil, a key for key
// agreement, whose curve must be written out or named as its Algorithm has it. The
// form has neither salt nor start vector: equal keys under one password give equal
// containers.
func SealKey6(key, agreement *DSTUKey, password []byte) ([]byte, error) {
	if len(password) > maxPassword {
		return nil, ErrLimit
	}
	var attributes []byte
	if agreement != nil {
		params, err := secondParams(agreement)
		if err != nil {
			return nil, err
		}
		number := make([]byte, len(agreement.D))
		defer clear(number)
		for i, b := range agreement.D {
			number[len(number)-1-i] = bits.Reverse8(b)
		}
		attributes = der.Value(0xa0,
			der.Sequence(oidSecondKey.Encode(), der.SetOf(der.BitString(number))),
			der.Sequence(oidSecondParams.Encode(), der.SetOf(params)))
		defer clear(attributes)
	}
	plain := key.pkcs8(attributes)
	defer clear(plain)

	k := kdf.IIT(password)
	defer clear(k[:])
	c, err := gost28147.NewCipher(k[:], nil)
	if err != nil {
		return nil, err
	}
	defer c.Wipe()
	mac := c.MAC(plain)
	all := make([]byte, (len(plain)+gost28147.BlockSize-1)/gost28147.BlockSize*gost28147.BlockSize)
	copy(all, plain)
	if err := c.EncryptECB(all, all); err != nil {
		return nil, err
	}
	return der.Sequence(
		der.Sequence(oidKey6.Encode(), der.Sequence(der.OctetString(mac[:]), der.OctetString(all[len(plain):]))),
		der.OctetString(all[:len(plain)])), nil
}

// secondParams undoes secondAlgorithm.
func secondParams(k *DSTUKey) ([]byte, error) {
	r, err := der.NewReader(k.Algorithm, der.DER).Sequence()
	if err != nil {
		return nil, bad("key parameters", err)
	}
	if _, err := r.OID(); err != nil {
		return nil, bad("key parameters", err)
	}
	p, err := r.Sequence()
	if err != nil {
		return nil, bad("key parameters", err)
	}
	e, err := p.Next()
	if err != nil {
		return nil, bad("key parameters", err)
	}
	encoded := e.Raw
	if e.Is(der.Universal, der.TagSequence) {
		c, err := readCurve(p.Inside(e))
		if err != nil {
			return nil, err
		}
		encoded = c.encode(true)
	}
	box := k.SBox
	if box == nil {
		b := gost28147.DKE1.Packed()
		box = b[:]
	}
	return der.Sequence(encoded, der.OctetString(box), der.OctetString(box)), nil
}
