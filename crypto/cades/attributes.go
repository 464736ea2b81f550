package cades

import (
	"bytes"
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

// AttributeSigner is what a key has that must see what it signs: one in another
// process, which would else have to sign any digest that it is given. Sign hands
// it the signed attributes instead of their digest; its Sign of crypto.Signer is
// not called and may refuse.
type AttributeSigner interface {
	crypto.Signer
	// SignAttributes signs the DER SET OF attributes with d, and gives a signature
	// value as crypto.Signer would.
	SignAttributes(rand io.Reader, attrs []byte, d *algorithm.Digest) ([]byte, error)
}

// SignedAttributes are those that a signature of ours is made over: content-type
// id-data, message-digest, signing-time, and signing-certificate-v2 of the signer's
// certificate (EN 319 122-1, 6.3). There are no others.
type SignedAttributes struct {
	MessageDigest []byte
	SigningTime   time.Time // whole seconds
}

// Encode gives the bytes to be signed: the attributes as a DER SET OF.
func (a SignedAttributes) Encode(d *algorithm.Digest, c *pki.Certificate) []byte {
	return der.SetOf(a.list(d, c)...)
}

func (a SignedAttributes) list(d *algorithm.Digest, c *pki.Certificate) [][]byte {
	return [][]byte{
		cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(a.MessageDigest)),
		cms.NewAttribute(cms.AttrSigningTime, der.Time(a.SigningTime)),
		cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(d, c)),
	}
}

// ParseSignedAttributes reads what Encode gives for the same digest and
// certificate, and refuses everything else: other bytes, other attributes, another
// certificate, another spelling. Who signs only what it lets through cannot be made
// to sign a document, a certificate or a CRL as such (draft-ietf-lamps-cms-euf-cma-signeddata).
func ParseSignedAttributes(raw []byte, d *algorithm.Digest, c *pki.Certificate) (SignedAttributes, error) {
	var out SignedAttributes
	if d == nil || c == nil {
		return out, errors.New("signed attributes: digest or certificate is missing")
	}
	attrs, err := cms.ParseAttributes(raw)
	if err != nil {
		return out, fmt.Errorf("signed attributes: %w", err)
	}
	seen := map[der.OID]bool{}
	for _, a := range attrs {
		if seen[a.Type] || len(a.Values) != 1 {
			return out, fmt.Errorf("signed attribute %s: doubled or not of one value", a.Type)
		}
		seen[a.Type] = true
		value := der.NewReader(a.Values[0], der.DER)
		switch a.Type {
		case cms.AttrContentType:
			if oid, err := value.OID(); err != nil || oid != cms.Data {
				return out, errors.New("content-type: not id-data")
			}
		case cms.AttrDigest:
			if out.MessageDigest, err = value.OctetString(); err != nil || len(out.MessageDigest) != d.Size {
				return out, fmt.Errorf("message-digest: not one of %s", d.Name)
			}
		case cms.AttrSigningTime:
			if out.SigningTime, err = value.Time(); err != nil {
				return out, fmt.Errorf("signing-time: %w", err)
			}
		case cms.AttrSigningCert2:
			if !bytes.Equal(a.Values[0], signingCertificate(d, c)) {
				return out, errors.New("signing-certificate-v2: of another certificate, or spelled otherwise")
			}
		default:
			return out, fmt.Errorf("signed attribute %s: not one that is signed here", a.Type)
		}
	}
	for _, oid := range []der.OID{cms.AttrContentType, cms.AttrDigest, cms.AttrSigningTime, cms.AttrSigningCert2} {
		if !seen[oid] {
			return out, fmt.Errorf("signed attribute %s: missing", oid)
		}
	}
	if !bytes.Equal(raw, out.Encode(d, c)) {
		return out, errors.New("signed attributes: spelled otherwise than they are made here")
	}
	return out, nil
}
