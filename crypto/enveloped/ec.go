package enveloped

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Object identifiers of key agreement and key wrap.
const (
	stdDHSHA256 der.OID = "1.3.132.1.11.1"
	aes128Wrap  der.OID = "2.16.840.1.101.3.4.1.5"
	aes192Wrap  der.OID = "2.16.840.1.101.3.4.1.25"
	aes256Wrap  der.OID = "2.16.840.1.101.3.4.1.45"
)

// derivations are dhSinglePass-stdDH and -cofactorDH (RFC 5753, 7.1.4); on the
// NIST curves the cofactor is 1. SHA-1 here is not asked for collisions.
var derivations = map[der.OID]func() hash.Hash{
	"1.3.133.16.840.63.0.2": sha1.New,
	"1.3.133.16.840.63.0.3": sha1.New,
	stdDHSHA256:             sha256.New,
	"1.3.132.1.11.2":        sha512.New384,
	"1.3.132.1.11.3":        sha512.New,
	"1.3.132.1.14.1":        sha256.New,
	"1.3.132.1.14.2":        sha512.New384,
	"1.3.132.1.14.3":        sha512.New,
}

var aesWraps = map[der.OID]int{aes128Wrap: 16, aes192Wrap: 24, aes256Wrap: 32}

// nistKey is a key of the standard library as an Agreement.
type nistKey struct{ *ecdh.PrivateKey }

func (k nistKey) Public() crypto.PublicKey { return k.PublicKey() }

func (k nistKey) SharedX(peer crypto.PublicKey) ([]byte, error) {
	p, ok := peer.(*ecdh.PublicKey)
	if !ok {
		return nil, ErrUnsupported
	}
	return k.ECDH(p)
}

// ecKey opens key agreement on a NIST curve.
type ecKey struct {
	private Agreement
	public  *ecdh.PublicKey
	curve   der.OID // the named curve
}

// nistPublic gives the key of a certificate, and its curve's identifier.
func nistPublic(key crypto.PublicKey) (*ecdh.PublicKey, der.OID, error) {
	if e, ok := key.(*ecdsa.PublicKey); ok {
		k, err := e.ECDH()
		if err != nil {
			return nil, "", err
		}
		key = k
	}
	k, ok := key.(*ecdh.PublicKey)
	if !ok {
		return nil, "", ErrUnsupported
	}
	switch k.Curve() {
	case ecdh.P256():
		return k, "1.2.840.10045.3.1.7", nil
	case ecdh.P384():
		return k, "1.3.132.0.34", nil
	case ecdh.P521():
		return k, "1.3.132.0.35", nil
	}
	return nil, "", ErrUnsupported
}

func newEC(c *pki.Certificate, private Agreement) (opener, error) {
	public, curve, err := nistPublic(c.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("EC key: %w", ErrKey)
	}
	own, _, err := nistPublic(private.Public())
	if err != nil || !public.Equal(own) {
		return nil, fmt.Errorf("EC key: %w", ErrKey)
	}
	return ecKey{private: private, public: public, curve: curve}, nil
}

func (k ecKey) contentKey(r *Recipient, size int, _ func(Name) *pki.Certificate) ([]byte, error) {
	if r.Sort != KeyAgreement {
		return nil, fmt.Errorf("EC key in key transport: %w", ErrUnsupported)
	}
	if r.OriginatorPK == nil {
		// RFC 5753, 3.1.1: the sender's key is ephemeral.
		return nil, fmt.Errorf("static sender on a NIST curve: %w", ErrUnsupported)
	}
	derive := derivations[r.Algorithm.OID]
	wrap, err := algorithm.ReadIdentifier(der.NewReader(r.Algorithm.Params, der.DER))
	if derive == nil || err != nil || aesWraps[wrap.OID] == 0 {
		return nil, fmt.Errorf("key agreement %s: %w", r.Algorithm.OID, ErrUnsupported)
	}
	// RFC 5753, 3.1.1 and 7.1.3: parameters are absent, NULL or the curve.
	p := r.OriginatorID.Params
	if r.OriginatorID.OID != algorithm.ECPublicKey ||
		p != nil && !bytes.Equal(p, der.Null()) && !bytes.Equal(p, k.curve.Encode()) {
		return nil, fmt.Errorf("sender's key %s: %w", r.OriginatorID.OID, ErrUnsupported)
	}
	peer, err := k.public.Curve().NewPublicKey(r.OriginatorPK)
	if err != nil {
		return nil, ErrDamaged
	}
	z, err := k.private.SharedX(peer)
	if err != nil {
		return nil, ErrDamaged
	}
	kekSize := aesWraps[wrap.OID]
	kek := x963(derive, z, sharedInfo(wrap.Raw, r.UKM, kekSize), kekSize)
	clear(z)
	defer clear(kek)
	key, ok := unwrapAES(kek, r.EncryptedKey)
	if !ok || len(key) != size {
		return nil, ErrDamaged
	}
	return key, nil
}

// toEC makes KeyAgreeRecipientInfo with an ephemeral key.
func toEC(rand io.Reader, to *pki.Certificate, public *ecdh.PublicKey, curve der.OID, key []byte) ([]byte, error) {
	ephemeral, err := public.Curve().GenerateKey(rand)
	if err != nil {
		return nil, fmt.Errorf("ephemeral key: %w", err)
	}
	z, err := ephemeral.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	wrap := der.Sequence(aes256Wrap.Encode()) // RFC 3565, 2.3.2: no parameters
	kek := x963(sha256.New, z, sharedInfo(wrap, nil, 32), 32)
	clear(z)
	defer clear(kek)
	wrapped, err := wrapAES(kek, key)
	if err != nil {
		return nil, err
	}
	from := der.Sequence(der.Sequence(algorithm.ECPublicKey.Encode(), curve.Encode()), der.BitString(ephemeral.PublicKey().Bytes()))
	from[0] = 0xa1
	return agreementWith(to, from, nil, der.Sequence(stdDHSHA256.Encode(), wrap), wrapped), nil
}

// agreementWith encodes KeyAgreeRecipientInfo, version 3, for one recipient.
func agreementWith(to *pki.Certificate, from, ukm, algorithm, wrapped []byte) []byte {
	parts := [][]byte{der.Int(3), der.Explicit(0, from)}
	if ukm != nil {
		parts = append(parts, der.Explicit(1, der.OctetString(ukm)))
	}
	parts = append(parts, algorithm, der.Sequence(der.Sequence(nameOf(to), der.OctetString(wrapped))))
	return der.Explicit(1, parts...)
}
