package enveloped

import (
	"crypto/rsa"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Options of Encrypt; the zero value is right for most.
type Options struct {
	// Sender makes the agreement with DSTU 4145 recipients out of its own key
	// (static, with 64 octets of user keying material) instead of an ephemeral one.
	// It must be on the curve of every recipient. The recipient must have its
	// certificate. Other families do not use it.
	Sender *Key
	// Kupyna derives keys for DSTU 4145 recipients with Kupyna-256 instead of GOST
	// 34.311. Older software does not know it.
	Kupyna bool
}

// CheckRecipient gives an error that wraps ErrRecipient unless something can be
// encrypted to the certificate: keyAgreement for keys of key agreement,
// keyEncipherment for RSA (RFC 5280, 4.2.1.3). The extension must be there. Path
// and validity are not judged.
func CheckRecipient(c *pki.Certificate) error {
	if c == nil {
		return fmt.Errorf("no certificate: %w", ErrRecipient)
	}
	want, name := pki.KeyAgreement, "keyAgreement"
	switch {
	case familyOf(c) == noFamily:
		return fmt.Errorf("public key: %w", ErrRecipient)
	case familyOf(c) == rsaFamily:
		want, name = pki.KeyEncipherment, "keyEncipherment"
	}
	if c.KeyUsage&want == 0 {
		return fmt.Errorf("key usage without %s: %w", name, ErrRecipient)
	}
	return nil
}

type family uint8

const (
	noFamily family = iota
	rsaFamily
	nistFamily
	dstuFamily
)

func familyOf(c *pki.Certificate) family {
	if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return rsaFamily
	}
	if _, _, err := nistPublic(c.PublicKey); err == nil {
		return nistFamily
	}
	if isDSTU(c) {
		return dstuFamily
	}
	return noFamily
}

// Encrypt makes a container that each of the recipients can open. The content
// should be a signed container: see Integrity in the package comment. Errors wrap
// ErrRecipient, ErrMixed or ErrLimit.
func Encrypt(rand io.Reader, content []byte, recipients []*pki.Certificate, o Options) ([]byte, error) {
	if len(recipients) == 0 {
		return nil, fmt.Errorf("no recipients: %w", ErrRecipient)
	}
	if len(recipients) > MaxRecipients {
		return nil, fmt.Errorf("%d recipients: %w", len(recipients), ErrLimit)
	}
	if len(content) > MaxSize/2 {
		return nil, fmt.Errorf("content of %d octets: %w", len(content), ErrLimit)
	}
	dstu := 0
	for i, c := range recipients {
		if err := CheckRecipient(c); err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i+1, err)
		}
		if familyOf(c) == dstuFamily {
			dstu++
		}
	}
	if dstu != 0 && dstu != len(recipients) {
		return nil, ErrMixed
	}
	key := make([]byte, 32)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	defer clear(key)
	infos := make([][]byte, len(recipients))
	for i, c := range recipients {
		var err error
		if infos[i], err = to(rand, c, key, o); err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i+1, err)
		}
	}
	if dstu == 0 {
		return buildAuthenticated(rand, key, content, infos)
	}
	cipher, encrypted, err := sealGOST(rand, key, content)
	if err != nil {
		return nil, err
	}
	return der.Sequence(cms.TypeEnveloped.Encode(), der.Explicit(0, der.Sequence(
		der.Int(2), // RFC 5652, 6.1: a recipient of version 3
		der.SetOf(infos...),
		der.Sequence(cms.Data.Encode(), cipher, der.Implicit(0, encrypted)),
	))), nil
}

func to(rand io.Reader, c *pki.Certificate, key []byte, o Options) ([]byte, error) {
	if public, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return toRSA(rand, c, public, key)
	}
	if public, curve, err := nistPublic(c.PublicKey); err == nil {
		return toEC(rand, c, public, curve, key)
	}
	return toDSTU(rand, c, key, o)
}

func buildAuthenticated(rand io.Reader, key, content []byte, infos [][]byte) ([]byte, error) {
	cipher, encrypted, tag, err := sealGCM(rand, key, content)
	if err != nil {
		return nil, err
	}
	return der.Sequence(cms.TypeAuthEnveloped.Encode(), der.Explicit(0, der.Sequence(
		der.Int(0), // RFC 5083, 2.1
		der.SetOf(infos...),
		der.Sequence(cms.Data.Encode(), cipher, der.Implicit(0, encrypted)),
		der.OctetString(tag),
	))), nil
}
