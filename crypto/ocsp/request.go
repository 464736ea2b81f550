package ocsp

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Request is a question to a responder about one certificate. It is not signed.
type Request struct {
	Certificate, Issuer *pki.Certificate
	// Hash is what the issuer is identified with; empty: GOST 34.311 where the issuer's
	// key is of DSTU 4145, else SHA-1, which all responders know (RFC 5019, 2.1.1).
	Hash der.OID
	// Nonce, 1 to 32 octets (RFC 8954), ties the answer to the request; empty: none.
	Nonce []byte
}

// Encode gives the OCSPRequest.
func (q Request) Encode() ([]byte, error) {
	oid := q.Hash
	if oid == "" {
		oid = algorithm.SHA1
		if _, ok := q.Issuer.PublicKey.(*algorithm.DSTUKey); ok {
			oid = algorithm.GOST34311
		}
	}
	id, err := newCertID(oid, q.Certificate, q.Issuer)
	if err != nil {
		return nil, err
	}
	tbs := [][]byte{der.Sequence(der.Sequence(id.Encode()))}
	if len(q.Nonce) > 0 {
		tbs = append(tbs, der.Explicit(2, der.Sequence(nonce(q.Nonce))))
	}
	return der.Sequence(der.Sequence(tbs...)), nil
}

func nonce(value []byte) []byte {
	return der.Sequence(oidNonce.Encode(), der.OctetString(der.OctetString(value)))
}

// newCertID names a certificate.
func newCertID(oid der.OID, c, issuer *pki.Certificate) (CertID, error) {
	sum := identifierHash(oid)
	if sum == nil {
		return CertID{}, fmt.Errorf("OCSP request: digest %s: %w", oid, algorithm.ErrUnknown)
	}
	var params []byte
	if oid == algorithm.SHA1 {
		params = der.Null()
	}
	id := CertID{
		Hash:     algorithm.Identifier{OID: oid, Raw: der.Sequence(oid.Encode(), params)},
		NameHash: sum(c.RawIssuer), Serial: c.RawSerial,
	}
	if ukrainian(oid) && issuer.SubjectKeyID != nil {
		id.KeyHash = issuer.SubjectKeyID
		return id, nil
	}
	bits, err := keyBits(issuer)
	id.KeyHash = sum(bits)
	return id, err
}

// Encode gives the CertID.
func (id CertID) Encode() []byte {
	return der.Sequence(id.Hash.Raw, der.OctetString(id.NameHash), der.OctetString(id.KeyHash), der.Value(der.TagInteger, id.Serial))
}

func ukrainian(oid der.OID) bool {
	return oid == algorithm.GOST34311 || oid == algorithm.Kupyna256
}

// identifierHash gives the hash that identifies issuers, or nil. It need not resist
// collisions: the signature decides.
func identifierHash(oid der.OID) func([]byte) []byte {
	sum := func(new func() hash.Hash) func([]byte) []byte {
		return func(b []byte) []byte {
			h := new()
			h.Write(b)
			return h.Sum(nil)
		}
	}
	switch oid {
	case algorithm.SHA1:
		return sum(sha1.New)
	case algorithm.SHA256:
		return sum(sha256.New)
	case algorithm.SHA384:
		return sum(sha512.New384)
	case algorithm.SHA512:
		return sum(sha512.New)
	}
	if d := algorithm.DigestByOID(oid); d != nil {
		return sum(func() hash.Hash { return d.New(nil) })
	}
	return nil
}

// keyBits are the contents of the BIT STRING of a certificate's key.
func keyBits(c *pki.Certificate) ([]byte, error) {
	r, err := der.NewReader(c.RawSPKI, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); err != nil {
		return nil, err
	}
	bits, _, err := r.BitString()
	return bits, err
}

// names tells whether the CertID is of c, issued by issuer.
func (id CertID) names(c, issuer *pki.Certificate) bool {
	if !bytes.Equal(id.Serial, c.RawSerial) {
		return false
	}
	sum := identifierHash(id.Hash.OID)
	if sum == nil {
		return false
	}
	// The same name may be encoded otherwise in the two certificates.
	if !bytes.Equal(id.NameHash, sum(c.RawIssuer)) && !bytes.Equal(id.NameHash, sum(issuer.RawSubject)) {
		return false
	}
	return namesKey(id.KeyHash, issuer, sum)
}

// namesKey tells whether a hash is of a certificate's key: of its bits, or, as
// Ukrainian software has it, its key identifier as it stands.
func namesKey(hash []byte, c *pki.Certificate, sum func([]byte) []byte) bool {
	if len(hash) > 0 && bytes.Equal(hash, c.SubjectKeyID) {
		return true
	}
	bits, err := keyBits(c)
	return err == nil && bytes.Equal(hash, sum(bits))
}
