package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// authority issues the certificates that init makes: of the seal, and of the
// persons of the demo. The standard library is enough for issuing; validating is
// crypto/pki's alone.
type authority struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

// person is the subject of a certificate. The codes are written as EN 319 412-1,
// 5.1.3 and 5.1.4, says.
type person struct {
	name         string // common name
	surname      string
	given        string
	code         string // RNOKPP
	organization string
	edrpou       string
}

var (
	oidSurname                = asn1.ObjectIdentifier{2, 5, 4, 4}
	oidGivenName              = asn1.ObjectIdentifier{2, 5, 4, 42}
	oidSerialNumber           = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidOrganizationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}
)

func (p person) subject() pkix.Name {
	n := pkix.Name{CommonName: p.name, Country: []string{"UA"}}
	add := func(oid asn1.ObjectIdentifier, value, prefix string) {
		if value != "" {
			n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: oid, Value: prefix + value})
		}
	}
	if p.organization != "" {
		n.Organization = []string{p.organization}
	}
	add(oidOrganizationIdentifier, p.edrpou, "NTRUA-")
	add(oidSurname, p.surname, "")
	add(oidGivenName, p.given, "")
	add(oidSerialNumber, p.code, "TINUA-")
	return n
}

// newAuthority makes a self-signed one that may issue end certificates only.
func newAuthority(name string, now time.Time, years int) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               person{name: name}.subject(),
		NotBefore:             now.Add(-time.Hour), // clocks of clients differ
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return &authority{key, cert}, nil
}

// issue makes a key and its certificate for signing documents: nonRepudiation is
// what a validator asks for (VERDICTS.md).
func (a *authority) issue(p person, now time.Time, years int) (crypto.Signer, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		SubjectKeyId:          id,
		Subject:               p.subject(),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageContentCommitment | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	cert, err := sign(template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", p.name, err)
	}
	return key, cert, nil
}

// keyID is a subject key identifier by RFC 7093, 2, method 4
// (a hash of the whole SubjectPublicKeyInfo), shortened: some containers name
// signers by it.
func keyID(key crypto.PublicKey) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	return sum[:20], nil
}

// crl lists nothing, for a year.
func (a *authority) crl(now time.Time) ([]byte, error) {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:     big.NewInt(1),
		ThisUpdate: now.Add(-time.Hour),
		NextUpdate: now.AddDate(1, 0, 0),
	}, a.certificate, a.key)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	return der, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// serial is 127 random bits, positive and never zero (RFC 5280, 4.1.2.2).
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}
