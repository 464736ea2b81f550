package enveloped

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"

	"github.com/brama-gateway/brama/crypto/pki"
)

// Agreement is a private key of elliptic curve Diffie-Hellman, in memory or
// elsewhere.
type Agreement interface {
	// Public gives the public key: *ecdsa.PublicKey or *ecdh.PublicKey of a NIST
	// curve, or *dstu4145.PublicKey.
	Public() crypto.PublicKey
	// SharedX gives the x-coordinate of the shared point, big-endian, as long as a
	// field element: of d·Q for NIST curves, of h·d·Q for DSTU 4145. The peer's key
	// is a *ecdh.PublicKey or a *dstu4145.PublicKey that was checked to lie on the
	// curve and in the subgroup.
	SharedX(peer crypto.PublicKey) ([]byte, error)
}

// Key opens what is encrypted to its certificate. Make it with NewKey; the zero
// Key opens nothing.
type Key struct {
	certificate *pki.Certificate
	private     opener
}

// opener comes to the content key of size octets. An error other than
// ErrUnsupported, ErrLimit and ErrOriginator must be ErrDamaged. from gives the
// sender's certificate.
type opener interface {
	contentKey(r *Recipient, size int, from func(Name) *pki.Certificate) ([]byte, error)
}

// NewKey joins a certificate with its private key: *rsa.PrivateKey or another
// crypto.Decrypter with an RSA key; *ecdsa.PrivateKey or *ecdh.PrivateKey of
// P-256, P-384 or P-521; *dstu4145.PrivateKey; or an Agreement. It gives ErrKey
// where they do not fit.
func NewKey(certificate *pki.Certificate, private crypto.PrivateKey) (Key, error) {
	if certificate == nil || private == nil {
		return Key{}, fmt.Errorf("key without a certificate or the reverse: %w", ErrKey)
	}
	k := Key{certificate: certificate}
	var err error
	switch p := private.(type) {
	case *rsa.PrivateKey:
		k.private, err = newRSA(certificate, p)
	case *ecdsa.PrivateKey:
		var e *ecdh.PrivateKey
		if e, err = p.ECDH(); err == nil {
			k.private, err = newEC(certificate, nistKey{e})
		}
	case *ecdh.PrivateKey:
		k.private, err = newEC(certificate, nistKey{p})
	case Agreement:
		k.private, err = newAgreement(certificate, p)
	case crypto.Decrypter:
		k.private, err = newRSA(certificate, p)
	default:
		k.private, err = newDSTU(certificate, private)
	}
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

// Certificate gives the certificate of the key.
func (k Key) Certificate() *pki.Certificate { return k.certificate }

// newAgreement tells by the public key which family an Agreement is of.
func newAgreement(c *pki.Certificate, a Agreement) (opener, error) {
	switch a.Public().(type) {
	case *ecdsa.PublicKey, *ecdh.PublicKey:
		return newEC(c, a)
	}
	return newDSTU(c, a)
}
