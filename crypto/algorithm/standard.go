package algorithm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost34311"
)

// Object identifiers of keys, curves and signature algorithms.
const (
	RSAEncryption   der.OID = "1.2.840.113549.1.1.1"
	RSAPSS          der.OID = "1.2.840.113549.1.1.10"
	SHA256WithRSA   der.OID = "1.2.840.113549.1.1.11"
	SHA384WithRSA   der.OID = "1.2.840.113549.1.1.12"
	SHA512WithRSA   der.OID = "1.2.840.113549.1.1.13"
	ECPublicKey     der.OID = "1.2.840.10045.2.1"
	ECDSAWithSHA256 der.OID = "1.2.840.10045.4.3.2"
	ECDSAWithSHA384 der.OID = "1.2.840.10045.4.3.3"
	ECDSAWithSHA512 der.OID = "1.2.840.10045.4.3.4"
	mgf1            der.OID = "1.2.840.113549.1.1.8"
)

// Sizes of RSA keys in bits. Below the least one is weak (ETSI TS 119 312); the
// largest bounds the work of a verification.
const (
	minRSA = 2048
	maxRSA = 8192
)

func absent(id Identifier) bool { return id.Params == nil }

var signatures = map[der.OID]*Signature{
	RSAEncryption:   {OID: RSAEncryption, Name: "rsaEncryption", params: Identifier.plain, verify: verifyPKCS1},
	SHA256WithRSA:   {OID: SHA256WithRSA, Name: "sha256WithRSAEncryption", Digest: SHA256, params: Identifier.plain, verify: verifyPKCS1},
	SHA384WithRSA:   {OID: SHA384WithRSA, Name: "sha384WithRSAEncryption", Digest: SHA384, params: Identifier.plain, verify: verifyPKCS1},
	SHA512WithRSA:   {OID: SHA512WithRSA, Name: "sha512WithRSAEncryption", Digest: SHA512, params: Identifier.plain, verify: verifyPKCS1},
	RSAPSS:          {OID: RSAPSS, Name: "rsassaPss", digestOf: pssDigest, params: func(id Identifier) bool { return id.Params != nil }, verify: verifyPSS},
	ECDSAWithSHA256: {OID: ECDSAWithSHA256, Name: "ecdsa-with-SHA256", Digest: SHA256, params: absent, verify: verifyECDSA},
	ECDSAWithSHA384: {OID: ECDSAWithSHA384, Name: "ecdsa-with-SHA384", Digest: SHA384, params: absent, verify: verifyECDSA},
	ECDSAWithSHA512: {OID: ECDSAWithSHA512, Name: "ecdsa-with-SHA512", Digest: SHA512, params: absent, verify: verifyECDSA},

	DSTU4145:              dstuSignature(DSTU4145, GOST34311, "dstu4145-with-gost34311"),
	DSTU4145WithKupyna256: dstuSignature(DSTU4145WithKupyna256, Kupyna256, "dstu4145-with-kupyna256"),
	DSTU4145WithKupyna384: dstuSignature(DSTU4145WithKupyna384, Kupyna384, "dstu4145-with-kupyna384"),
	DSTU4145WithKupyna512: dstuSignature(DSTU4145WithKupyna512, Kupyna512, "dstu4145-with-kupyna512"),
	shortKupyna256:        dstuSignature(DSTU4145WithKupyna256, Kupyna256, "dstu4145-with-kupyna256"),
	shortKupyna384:        dstuSignature(DSTU4145WithKupyna384, Kupyna384, "dstu4145-with-kupyna384"),
	shortKupyna512:        dstuSignature(DSTU4145WithKupyna512, Kupyna512, "dstu4145-with-kupyna512"),
	// Weak only in that no standard says how its value is written: see LittleEndian.
	DSTU4145BigEndian:        {Name: "dstu4145-with-gost34311-big-endian", weak: true},
	dstuNormalBasis:          {Name: "dstu4145-normal-basis", weak: true},
	dstuNormalBasisBigEndian: {Name: "dstu4145-normal-basis", weak: true},

	"1.2.840.113549.1.1.2":  {Name: "md2WithRSAEncryption", weak: true},
	"1.2.840.113549.1.1.3":  {Name: "md4WithRSAEncryption", weak: true},
	"1.2.840.113549.1.1.4":  {Name: "md5WithRSAEncryption", weak: true},
	"1.2.840.113549.1.1.5":  {Name: "sha1WithRSAEncryption", weak: true},
	"1.3.14.3.2.29":         {Name: "sha1WithRSAEncryption", weak: true},
	"1.2.840.113549.1.1.14": {Name: "sha224WithRSAEncryption", weak: true},
	"1.2.840.10045.4.1":     {Name: "ecdsa-with-SHA1", weak: true},
	"1.2.840.10045.4.3.1":   {Name: "ecdsa-with-SHA224", weak: true},
	"1.2.840.10040.4.3":     {Name: "dsa-with-SHA1", weak: true},
}

func verifyPKCS1(key crypto.PublicKey, d *Digest, _, sum, sig []byte) error {
	k, ok := key.(*rsa.PublicKey)
	if !ok || d.Hash == 0 {
		return fmt.Errorf("RSA signature: %w", ErrMismatch)
	}
	if rsa.VerifyPKCS1v15(k, d.Hash, sum, sig) != nil {
		return ErrSignature
	}
	return nil
}

func verifyECDSA(key crypto.PublicKey, _ *Digest, _, sum, sig []byte) error {
	k, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("ECDSA signature: %w", ErrMismatch)
	}
	if !ecdsa.VerifyASN1(k, sum, sig) {
		return ErrSignature
	}
	return nil
}

func verifyPSS(key crypto.PublicKey, d *Digest, params, sum, sig []byte) error {
	k, ok := key.(*rsa.PublicKey)
	if !ok || d.Hash == 0 {
		return fmt.Errorf("RSA signature: %w", ErrMismatch)
	}
	_, salt, err := readPSS(params)
	if err != nil {
		return err
	}
	if rsa.VerifyPSS(k, d.Hash, sum, sig, &rsa.PSSOptions{SaltLength: salt, Hash: d.Hash}) != nil {
		return ErrSignature
	}
	return nil
}

func pssDigest(params []byte) (der.OID, error) {
	oid, _, err := readPSS(params)
	return oid, err
}

// readPSS reads RSASSA-PSS-params, RFC 4055, 3.1. The defaults there are SHA-1
// and so refused: the digest must be written, MGF1 must use the same one, the
// trailer must be the usual one. A salt shorter than the digest is not refused.
func readPSS(params []byte) (der.OID, int, error) {
	bad := fmt.Errorf("RSASSA-PSS parameters: %w", ErrUnknown)
	r, err := der.NewReader(params, der.DER).Sequence()
	if err != nil {
		return "", 0, bad
	}
	x, err := r.Explicit(0)
	if err != nil {
		return "", 0, bad
	}
	hash, err := ReadIdentifier(x)
	if err != nil || !x.Empty() {
		return "", 0, bad
	}
	d, err := FindDigest(hash)
	if err != nil {
		return "", 0, err
	}
	if x, err = r.Explicit(1); err != nil {
		return "", 0, bad
	}
	gen, err := ReadIdentifier(x)
	if err != nil || !x.Empty() || gen.OID != mgf1 {
		return "", 0, bad
	}
	genHash, err := ReadIdentifier(der.NewReader(gen.Params, der.DER))
	if err != nil || genHash.OID != hash.OID || !genHash.plain() {
		return "", 0, bad
	}
	salt := 20
	if r.Peek(der.Context, 2) {
		if x, err = r.Explicit(2); err != nil {
			return "", 0, bad
		}
		if salt, err = x.Int(maxRSA / 8); err != nil || !x.Empty() {
			return "", 0, bad
		}
	}
	if r.Peek(der.Context, 3) {
		if x, err = r.Explicit(3); err != nil {
			return "", 0, bad
		}
		if trailer, err := x.Int(1); err != nil || trailer != 1 || !x.Empty() {
			return "", 0, bad
		}
	}
	if !r.Empty() {
		return "", 0, bad
	}
	return d.OID, salt, nil
}

// keys is the table of SubjectPublicKeyInfo readers.
var keys = map[der.OID]func(id Identifier, bits []byte) (crypto.PublicKey, error){
	RSAEncryption: parseRSA,
	ECPublicKey:   parseEC,

	DSTU4145:                 parseLittleEndian,
	DSTU4145BigEndian:        parseBigEndian,
	dstuNormalBasis:          refuseNormalBasis,
	dstuNormalBasisBigEndian: refuseNormalBasis,
}

var curves = map[der.OID]elliptic.Curve{
	"1.2.840.10045.3.1.7": elliptic.P256(),
	"1.3.132.0.34":        elliptic.P384(),
	"1.3.132.0.35":        elliptic.P521(),
}

// ParseKey reads a SubjectPublicKeyInfo, RFC 5280, 4.1.2.7. A key of an
// algorithm that is not in the table gives ErrUnknown. The key may still be
// weak: see CheckKey.
func ParseKey(spki []byte) (crypto.PublicKey, error) {
	r, err := der.NewReader(spki, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	id, err := ReadIdentifier(r)
	if err != nil {
		return nil, err
	}
	bits, unused, err := r.BitString()
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	parse := keys[id.OID]
	if parse == nil {
		return nil, fmt.Errorf("public key %s: %w", id.OID, ErrUnknown)
	}
	if unused != 0 {
		return nil, fmt.Errorf("public key: bits are not whole octets")
	}
	return parse(id, bits)
}

func parseRSA(id Identifier, bits []byte) (crypto.PublicKey, error) {
	if !id.plain() {
		return nil, fmt.Errorf("RSA key with parameters: %w", ErrUnknown)
	}
	outer := der.NewReader(bits, der.DER)
	r, err := outer.Sequence()
	if err != nil {
		return nil, fmt.Errorf("RSA key: %w", err)
	}
	n, err := r.Integer()
	if err != nil {
		return nil, fmt.Errorf("RSA modulus: %w", err)
	}
	e, err := r.Int(1<<31 - 1)
	if err != nil {
		return nil, fmt.Errorf("RSA exponent: %w", err)
	}
	if !r.Empty() || !outer.Empty() {
		return nil, fmt.Errorf("RSA key: unexpected bytes after the last value")
	}
	if n.Sign() <= 0 || n.Bit(0) == 0 || n.BitLen() > maxRSA || e < 3 || e&1 == 0 {
		return nil, fmt.Errorf("RSA key of these numbers: %w", ErrUnknown)
	}
	return &rsa.PublicKey{N: n, E: e}, nil
}

func parseEC(id Identifier, bits []byte) (crypto.PublicKey, error) {
	// Parameters written out may equal a known curve in all but the base point
	// (CVE-2020-0601): only names are accepted.
	r := der.NewReader(id.Params, der.DER)
	name, err := r.OID()
	if err != nil || !r.Empty() {
		return nil, fmt.Errorf("EC key without a named curve: %w", ErrUnknown)
	}
	c := curves[name]
	if c == nil {
		return nil, fmt.Errorf("EC key on curve %s: %w", name, ErrUnknown)
	}
	k, err := ecdsa.ParseUncompressedPublicKey(c, bits)
	if err != nil {
		return nil, fmt.Errorf("EC key: not an uncompressed point of the curve")
	}
	return k, nil
}

// CheckKey gives ErrWeak for a key that must not be relied on and ErrUnknown for
// one of a type that is not in the table.
func CheckKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		// A generator that does not set the two highest bits gives one bit fewer than
		// it was asked for, as it did for the central authority's RSA root of 2020.
		if n := k.N.BitLen(); n < minRSA || n%8 != 0 && n%8 != 7 {
			return fmt.Errorf("RSA key of %d bits: %w", n, ErrWeak)
		}
		return nil
	case *ecdsa.PublicKey:
		return nil
	}
	if dstuPoint(key) != nil {
		return nil
	}
	return fmt.Errorf("public key: %w", ErrUnknown)
}

// MarshalKey encodes a public key as SubjectPublicKeyInfo. A *dstu4145.PublicKey is
// written little-endian with its curve named and no substitution block; see
// DSTUKey for other forms.
func MarshalKey(key crypto.PublicKey) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return der.Sequence(
			der.Sequence(RSAEncryption.Encode(), der.Null()),
			der.BitString(der.Sequence(der.Integer(k.N), der.Integer(big.NewInt(int64(k.E)))))), nil
	case *ecdsa.PublicKey:
		for name, c := range curves {
			if c == k.Curve {
				point, err := k.Bytes()
				if err != nil {
					return nil, fmt.Errorf("EC key: %w", err)
				}
				return der.Sequence(der.Sequence(ECPublicKey.Encode(), name.Encode()), der.BitString(point)), nil
			}
		}
	case *dstu4145.PublicKey:
		return marshalDSTU(&DSTUKey{Point: k})
	case *DSTUKey:
		return marshalDSTU(k)
	}
	return nil, fmt.Errorf("public key: %w", ErrUnknown)
}

// SameKey tells whether two public keys are equal. Of keys of DSTU 4145 curve and
// point are compared.
func SameKey(a, b crypto.PublicKey) bool {
	if p := dstuPoint(a); p != nil {
		q := dstuPoint(b)
		return q != nil && p.Equal(q)
	}
	x, err := MarshalKey(a)
	if err != nil {
		return false
	}
	y, err := MarshalKey(b)
	return err == nil && bytes.Equal(x, y)
}

// ForSigning gives the digest and the signature AlgorithmIdentifier that our own
// signatures by key use: the digest as strong as the curve, SHA-256 for RSA, GOST
// 34.311 for DSTU 4145.
func ForSigning(key crypto.PublicKey) (*Digest, []byte, error) {
	if dstuPoint(key) != nil {
		return ForSigningWith(key, GOST34311)
	}
	if err := CheckKey(key); err != nil {
		return nil, nil, err
	}
	digest, oid := SHA256, ECDSAWithSHA256
	switch k := key.(type) {
	case *rsa.PublicKey:
		return digests[SHA256], der.Sequence(SHA256WithRSA.Encode(), der.Null()), nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
		case elliptic.P384():
			digest, oid = SHA384, ECDSAWithSHA384
		case elliptic.P521():
			digest, oid = SHA512, ECDSAWithSHA512
		default:
			return nil, nil, fmt.Errorf("EC key of an unknown curve: %w", ErrUnknown)
		}
	}
	return digests[digest], der.Sequence(oid.Encode()), nil
}

// ForSigningWith is ForSigning for the digest that the caller chooses; empty
// leaves the choice to ForSigning. ErrMismatch tells that the key's family does
// not sign with it.
func ForSigningWith(key crypto.PublicKey, digest der.OID) (*Digest, []byte, error) {
	if digest == "" {
		return ForSigning(key)
	}
	if err := CheckKey(key); err != nil {
		return nil, nil, err
	}
	d := DigestByOID(digest)
	if d == nil {
		return nil, nil, fmt.Errorf("digest %s: %w", digest, ErrUnknown)
	}
	type pair struct{ family, digest der.OID }
	family := ECPublicKey
	params := der.Null()
	switch {
	case dstuPoint(key) != nil:
		family, params = DSTU4145, nil
	default:
		if _, ok := key.(*rsa.PublicKey); ok {
			family = RSAEncryption
		} else {
			params = nil
		}
	}
	oid, ok := map[pair]der.OID{
		{RSAEncryption, SHA256}: SHA256WithRSA, {RSAEncryption, SHA384}: SHA384WithRSA, {RSAEncryption, SHA512}: SHA512WithRSA,
		{ECPublicKey, SHA256}: ECDSAWithSHA256, {ECPublicKey, SHA384}: ECDSAWithSHA384, {ECPublicKey, SHA512}: ECDSAWithSHA512,
		{DSTU4145, GOST34311}: DSTU4145, {DSTU4145, Kupyna256}: DSTU4145WithKupyna256,
		{DSTU4145, Kupyna384}: DSTU4145WithKupyna384, {DSTU4145, Kupyna512}: DSTU4145WithKupyna512,
	}[pair{family, digest}]
	if !ok {
		return nil, nil, fmt.Errorf("digest %s with this key: %w", d.Name, ErrMismatch)
	}
	return d, der.Sequence(oid.Encode(), params), nil
}

// SignatureBits gives what the BIT STRING of a certificate, CRL or OCSP answer
// holds for a signature value by key.
func SignatureBits(key crypto.PublicKey, value []byte) ([]byte, error) {
	if dstuPoint(key) == nil {
		return value, nil
	}
	return dstu4145.WrapSignature(value)
}

// KeyID gives the key identifier of a SubjectPublicKeyInfo: GOST 34.311, with the
// key's substitution block, of the OCTET STRING with the point for DSTU 4145, and for others the first 160 bits of SHA-256 of the whole (RFC 7093,
// 2, method 4).
func KeyID(spki []byte) ([]byte, error) {
	r, err := der.NewReader(spki, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	id, err := ReadIdentifier(r)
	if err != nil {
		return nil, err
	}
	bits, _, err := r.BitString()
	if err != nil {
		return nil, err
	}
	if id.OID == DSTU4145 || id.OID == DSTU4145BigEndian {
		key, err := ParseKey(spki)
		if err != nil {
			return nil, err
		}
		sum := gost34311.Sum(sbox(key), bits)
		return sum[:], nil
	}
	sum := sha256.Sum256(spki)
	return sum[:20], nil
}
