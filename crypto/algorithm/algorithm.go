// Package algorithm is the one table of what signature verification knows:
// public keys, digests and signature algorithms, each a row found by object
// identifier. Families are RSA, ECDSA, and DSTU 4145 with GOST 34.311 or Kupyna;
// another one is added as rows and the functions they name: nothing else asks
// which family a key is of.
//
// What is not in the table is refused with ErrUnknown, what is in it only to be
// refused (SHA-1, RSA below 2048 bits) with ErrWeak.
//
// References: RFC 3279, RFC 4055, RFC 5480, RFC 5754, RFC 8017; ETSI TS 119 312
// for the sizes. The texts that prescribe the identifiers and encodings of DSTU 4145,
// GOST 34.311 and Kupyna were not at hand: these are taken from real certificates and
// from what public implementations do.
package algorithm

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/kupyna"
)

// Errors that callers tell apart.
var (
	// ErrUnknown: the algorithm or its parameters are not in the table.
	ErrUnknown = errors.New("algorithm is not supported")
	// ErrWeak: known and too weak to rely on.
	ErrWeak = errors.New("algorithm or key is too weak")
	// ErrMismatch: key, digest and signature algorithm do not belong together.
	ErrMismatch = errors.New("algorithms do not fit together")
	// ErrSignature: the signature value is not this key's over these bytes.
	ErrSignature = errors.New("signature does not verify")
)

// Identifier is an AlgorithmIdentifier, RFC 5280, 4.1.1.2.
type Identifier struct {
	OID der.OID
	// Params is the encoded parameters element; nil when absent.
	Params []byte
	// Raw is the whole SEQUENCE.
	Raw []byte
}

// ReadIdentifier reads an AlgorithmIdentifier.
func ReadIdentifier(r *der.Reader) (Identifier, error) {
	e, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return Identifier{}, err
	}
	return identifier(r.Inside(e), e.Raw)
}

func identifier(r *der.Reader, raw []byte) (Identifier, error) {
	oid, err := r.OID()
	if err != nil {
		return Identifier{}, err
	}
	id := Identifier{OID: oid, Raw: raw}
	if !r.Empty() {
		p, err := r.Next()
		if err != nil {
			return Identifier{}, err
		}
		id.Params = p.Raw
	}
	return id, r.End()
}

// plain tells that parameters are absent or NULL.
func (id Identifier) plain() bool {
	return id.Params == nil || len(id.Params) == 2 && id.Params[0] == der.TagNull && id.Params[1] == 0
}

// Digest is one hash function.
type Digest struct {
	OID  der.OID
	Name string // as "sha256"
	Size int    // octets
	// New starts the hash for a signature by key. Families whose hash has
	// parameters in the key (GOST 34.311) look into it; it may be nil.
	New func(key crypto.PublicKey) hash.Hash
	// Keyed tells that New does look into the key, so that two signers' digests
	// of the same bytes may differ.
	Keyed bool
	// Weak digests are named, and refused wherever they would have to be relied on.
	Weak bool
	// Hash is the standard library's number, 0 for a hash it does not have.
	Hash crypto.Hash
}

// Object identifiers of digests.
const (
	SHA256 der.OID = "2.16.840.1.101.3.4.2.1"
	SHA384 der.OID = "2.16.840.1.101.3.4.2.2"
	SHA512 der.OID = "2.16.840.1.101.3.4.2.3"
	SHA1   der.OID = "1.3.14.3.2.26"
)

func unkeyed(new func() hash.Hash) func(crypto.PublicKey) hash.Hash {
	return func(crypto.PublicKey) hash.Hash { return new() }
}

var digests = map[der.OID]*Digest{
	SHA256: {OID: SHA256, Name: "sha256", Size: 32, New: unkeyed(sha256.New), Hash: crypto.SHA256},
	SHA384: {OID: SHA384, Name: "sha384", Size: 48, New: unkeyed(sha512.New384), Hash: crypto.SHA384},
	SHA512: {OID: SHA512, Name: "sha512", Size: 64, New: unkeyed(sha512.New), Hash: crypto.SHA512},

	GOST34311: {OID: GOST34311, Name: "gost34311", Size: gost34311.Size, New: newGOST, Keyed: true},
	Kupyna256: {OID: Kupyna256, Name: "kupyna256", Size: kupyna.Size256, New: unkeyed(kupyna.New256)},
	Kupyna384: {OID: Kupyna384, Name: "kupyna384", Size: kupyna.Size384, New: unkeyed(kupyna.New384)},
	Kupyna512: {OID: Kupyna512, Name: "kupyna512", Size: kupyna.Size512, New: unkeyed(kupyna.New512)},

	SHA1:                     {OID: SHA1, Name: "sha1", Size: 20, Weak: true},
	"1.2.840.113549.2.5":     {OID: "1.2.840.113549.2.5", Name: "md5", Size: 16, Weak: true},
	"1.2.840.113549.2.4":     {OID: "1.2.840.113549.2.4", Name: "md4", Size: 16, Weak: true},
	"1.2.840.113549.2.2":     {OID: "1.2.840.113549.2.2", Name: "md2", Size: 16, Weak: true},
	"2.16.840.1.101.3.4.2.4": {OID: "2.16.840.1.101.3.4.2.4", Name: "sha224", Size: 28, Weak: true},
}

// FindDigest gives the digest that id names: ErrUnknown if there is none,
// ErrWeak if it must not be relied on. With ErrWeak the digest is given too, for
// its name.
func FindDigest(id Identifier) (*Digest, error) {
	d := digests[id.OID]
	if d == nil {
		return nil, fmt.Errorf("digest %s: %w", id.OID, ErrUnknown)
	}
	if !id.plain() {
		return nil, fmt.Errorf("digest %s with parameters: %w", d.Name, ErrUnknown)
	}
	if d.Weak {
		return d, fmt.Errorf("digest %s: %w", d.Name, ErrWeak)
	}
	return d, nil
}

// DigestByOID gives a digest that may be relied on, or nil.
func DigestByOID(oid der.OID) *Digest {
	if d := digests[oid]; d != nil && !d.Weak {
		return d
	}
	return nil
}

// Signature is one signature algorithm.
type Signature struct {
	OID  der.OID
	Name string
	// Digest is what the algorithm hashes with; empty where the caller's digest
	// decides (rsaEncryption, RFC 5754, 3.2).
	Digest der.OID
	// digestOf finds the digest in parameters (RSASSA-PSS); nil if not there.
	digestOf func(params []byte) (der.OID, error)
	// params judges the parameters.
	params func(id Identifier) bool
	// verify checks sig over the digest sum.
	verify func(key crypto.PublicKey, d *Digest, params, sum, sig []byte) error
	// wrapped tells that certificates, CRLs and OCSP answers hold the value within
	// an OCTET STRING; CMS holds it bare.
	wrapped bool
	weak    bool
}

// FindSignature gives the signature algorithm that id names.
func FindSignature(id Identifier) (*Signature, error) {
	s := signatures[id.OID]
	if s == nil {
		return nil, fmt.Errorf("signature algorithm %s: %w", id.OID, ErrUnknown)
	}
	if s.weak {
		return s, fmt.Errorf("signature algorithm %s: %w", s.Name, ErrWeak)
	}
	if !s.params(id) {
		return nil, fmt.Errorf("signature algorithm %s with these parameters: %w", s.Name, ErrUnknown)
	}
	return s, nil
}

// DigestFor gives the digest that a signature under id hashes with. given is the
// digest named beside it, nil where the format names none; if both are there
// they must be the same.
func DigestFor(id Identifier, given *Digest) (*Digest, error) {
	s, err := FindSignature(id)
	if err != nil {
		return nil, err
	}
	want := s.Digest
	if s.digestOf != nil {
		if want, err = s.digestOf(id.Params); err != nil {
			return nil, err
		}
	}
	if want == "" {
		if given == nil {
			return nil, fmt.Errorf("signature algorithm %s names no digest: %w", s.Name, ErrUnknown)
		}
		return given, nil
	}
	if given != nil && given.OID != want {
		return nil, fmt.Errorf("digest %s under %s: %w", given.Name, s.Name, ErrMismatch)
	}
	d := DigestByOID(want)
	if d == nil {
		return nil, fmt.Errorf("digest of %s: %w", s.Name, ErrUnknown)
	}
	return d, nil
}

// VerifySum checks sig over a digest value made with d.
func VerifySum(id Identifier, key crypto.PublicKey, d *Digest, sum, sig []byte) error {
	s, err := FindSignature(id)
	if err != nil {
		return err
	}
	if key == nil {
		return fmt.Errorf("public key: %w", ErrUnknown)
	}
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(sum) != d.Size {
		return fmt.Errorf("digest value of %d octets: %w", len(sum), ErrMismatch)
	}
	return s.verify(key, d, id.Params, sum, sig)
}

// Verify checks sig over message under an algorithm that names its digest, sig
// being what the BIT STRING of a certificate, CRL or OCSP answer holds.
func Verify(id Identifier, key crypto.PublicKey, message, sig []byte) error {
	d, err := DigestFor(id, nil)
	if err != nil {
		return err
	}
	if signatures[id.OID].wrapped {
		if sig, err = dstu4145.UnwrapSignature(sig); err != nil {
			return fmt.Errorf("%w: %w", ErrSignature, err)
		}
	}
	h := d.New(key)
	h.Write(message)
	return VerifySum(id, key, d, h.Sum(nil), sig)
}
