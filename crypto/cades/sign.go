package cades

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Signer is a key with its certificate.
type Signer struct {
	Key         crypto.Signer
	Certificate *pki.Certificate
	// Chain is put into the container beside the certificate: intermediates.
	Chain []*pki.Certificate
	// Digest is what to hash with; empty leaves the choice to the key's family:
	// see algorithm.ForSigning.
	Digest der.OID
}

// SignOptions are the conditions of a signing.
type SignOptions struct {
	// Detached leaves the content out of the container.
	Detached bool
	// At becomes signing-time, in whole seconds.
	At time.Time
}

// Sign makes a CAdES-B-B container (EN 319 122-1, 6.3) over a document, in DER,
// with one SignerInfo for each signer. It takes the document and not a digest,
// and always signs attributes: content-type, message-digest, signing-time and
// signing-certificate-v2. So it cannot be made to sign something that means
// something else.
func Sign(rand io.Reader, content []byte, signers []Signer, o SignOptions) ([]byte, error) {
	switch {
	case len(content) == 0:
		return nil, errors.New("content is empty")
	case cms.IsAttributes(content):
		return nil, errors.New("content is a set of signed attributes")
	case len(signers) == 0:
		return nil, errors.New("no signer")
	case len(signers) > cms.MaxSigners:
		return nil, fmt.Errorf("%d signers: %w", len(signers), cms.ErrLimit)
	case o.At.IsZero():
		return nil, errors.New("signing time is not set")
	}
	var digests, certificates, signed [][]byte
	for i, s := range signers {
		digest, si, err := s.sign(rand, content, o.At)
		if err != nil {
			return nil, fmt.Errorf("signer %d: %w", i+1, err)
		}
		digests = append(digests, digest)
		signed = append(signed, si)
		certificates = append(certificates, s.Certificate.Raw)
		for _, c := range s.Chain {
			certificates = append(certificates, c.Raw)
		}
	}
	if o.Detached {
		content = nil
	}
	return cms.Build(content, digests, certificates, signed), nil
}

func (s Signer) sign(rand io.Reader, content []byte, at time.Time) (digest, signerInfo []byte, err error) {
	if s.Key == nil || s.Certificate == nil {
		return nil, nil, errors.New("key or certificate is missing")
	}
	if !algorithm.SameKey(s.Key.Public(), s.Certificate.PublicKey) {
		return nil, nil, errors.New("certificate is of another key")
	}
	// Of the two forms of the public key the certificate's says more: the
	// substitution block.
	public := s.Certificate.PublicKey
	d, algorithmID, err := algorithm.ForSigningWith(public, s.Digest)
	if err != nil {
		return nil, nil, err
	}
	digest = der.Sequence(d.OID.Encode())
	attrs := SignedAttributes{MessageDigest: hashed(d, public, content), SigningTime: at}.list(d, s.Certificate)
	value, err := s.value(rand, der.SetOf(attrs...), d)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	return digest, cms.SignerParts{
		Issuer: s.Certificate.RawIssuer, Serial: s.Certificate.RawSerial,
		DigestAlgorithm: digest, SignedAttrs: attrs,
		SignatureAlgorithm: algorithmID, Signature: value,
	}.Encode(), nil
}

// value signs the attributes; a key that wants to see them does.
func (s Signer) value(rand io.Reader, attrs []byte, d *algorithm.Digest) ([]byte, error) {
	if k, ok := s.Key.(AttributeSigner); ok {
		return k.SignAttributes(rand, attrs, d)
	}
	return s.Key.Sign(rand, hashed(d, s.Certificate.PublicKey, attrs), d.Hash)
}

// signingCertificate encodes SigningCertificateV2, RFC 5035, with issuerSerial.
func signingCertificate(d *algorithm.Digest, c *pki.Certificate) []byte {
	var id [][]byte
	if d.OID != algorithm.SHA256 { // the default is not written in DER
		id = append(id, der.Sequence(d.OID.Encode()))
	}
	id = append(id,
		der.OctetString(hashed(d, c.PublicKey, c.Raw)),
		der.Sequence(der.Sequence(der.Explicit(4, c.RawIssuer)), der.Value(der.TagInteger, c.RawSerial)))
	return der.Sequence(der.Sequence(der.Sequence(id...)))
}
