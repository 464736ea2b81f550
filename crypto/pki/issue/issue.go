// Package issue makes certificates and CRLs: for a demonstration, a closed
// network, and tests. It is no certification authority: it keeps no register,
// and what it makes means only what its caller means by it.
//
// Everything is an argument: time, serial numbers, randomness. The same
// arguments with a deterministic key give the same bytes.
package issue

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Subject is a name in terms of what Ukrainian certificates hold.
type Subject struct {
	Country, Organization, CommonName string
	// EDRPOU goes into organizationIdentifier as "NTRUA-...".
	EDRPOU string
	// Person, a taxpayer code, goes into serialNumber as "TINUA-...".
	Person string
	// Extra attributes follow the others.
	Extra []Attribute
}

// Attribute is one more type and value in a name.
type Attribute struct {
	Type der.OID
	Text string
}

// Encode gives the distinguished name, one attribute in each RDN.
func (s Subject) Encode() []byte {
	var rdns [][]byte
	add := func(oid der.OID, value []byte) {
		rdns = append(rdns, der.SetOf(der.Sequence(oid.Encode(), value)))
	}
	if s.Country != "" {
		add("2.5.4.6", der.PrintableString(s.Country))
	}
	if s.Organization != "" {
		add("2.5.4.10", der.UTF8String(s.Organization))
	}
	if s.EDRPOU != "" {
		add("2.5.4.97", der.UTF8String("NTRUA-"+s.EDRPOU))
	}
	if s.Person != "" {
		add("2.5.4.5", der.PrintableString("TINUA-"+s.Person))
	}
	if s.CommonName != "" {
		add("2.5.4.3", der.UTF8String(s.CommonName))
	}
	for _, a := range s.Extra {
		add(a.Type, der.UTF8String(a.Text))
	}
	return der.Sequence(rdns...)
}

// Issuer is an authority: its key and its certificate.
type Issuer struct {
	Key         crypto.Signer
	Certificate *pki.Certificate
}

// Template is what a certificate shall say.
type Template struct {
	Subject             Subject
	Serial              *big.Int // must be set; RFC 5280 wants it positive and unique
	NotBefore, NotAfter time.Time
	// KeyUsage is written critical; zero leaves the extension out.
	KeyUsage pki.KeyUsage
	// IsCA with MaxPathLen (negative: no limit) go into basicConstraints.
	IsCA       bool
	MaxPathLen int
	// ExtendedKeyUsage is left out when empty.
	ExtendedKeyUsage []der.OID
	// Digest is what the issuer signs with; empty: see algorithm.ForSigning.
	Digest der.OID
	// Extra extensions follow the others.
	Extra []pki.Extension
}

// Authority is a template for a CA: keyCertSign and cRLSign.
func Authority(s Subject, serial *big.Int, notBefore, notAfter time.Time, maxPathLen int) Template {
	return Template{
		Subject: s, Serial: serial, NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: pki.KeyCertSign | pki.CRLSign, IsCA: true, MaxPathLen: maxPathLen,
	}
}

// Signatory is a template for who signs documents: digitalSignature and
// nonRepudiation.
func Signatory(s Subject, serial *big.Int, notBefore, notAfter time.Time) Template {
	return Template{
		Subject: s, Serial: serial, NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: pki.DigitalSignature | pki.NonRepudiation,
	}
}

// SelfSigned makes a root: issuer and subject are the same, the key signs itself.
func SelfSigned(rand io.Reader, key crypto.Signer, t Template) (*pki.Certificate, error) {
	if key == nil {
		return nil, errors.New("issuer's key is missing")
	}
	return certificate(rand, key, nil, key.Public(), t)
}

// SelfSignedAs is SelfSigned with the public key in the form it shall be written
// in, as an *algorithm.DSTUKey.
func SelfSignedAs(rand io.Reader, key crypto.Signer, public crypto.PublicKey, t Template) (*pki.Certificate, error) {
	return certificate(rand, key, nil, public, t)
}

// Certificate makes a certificate for a public key, issued by an authority.
func Certificate(rand io.Reader, by Issuer, key crypto.PublicKey, t Template) (*pki.Certificate, error) {
	if by.Certificate == nil {
		return nil, errors.New("issuer's certificate is missing")
	}
	return certificate(rand, by.Key, by.Certificate, key, t)
}

func certificate(rand io.Reader, signer crypto.Signer, issuer *pki.Certificate, key crypto.PublicKey, t Template) (*pki.Certificate, error) {
	if signer == nil || t.Serial == nil {
		return nil, errors.New("issuer's key or serial number is missing")
	}
	spki, err := algorithm.MarshalKey(key)
	if err != nil {
		return nil, err
	}
	subjectID, err := algorithm.KeyID(spki)
	if err != nil {
		return nil, err
	}
	authorityID := subjectID
	subject := t.Subject.Encode()
	issuerName := subject
	if issuer != nil {
		issuerName, authorityID = issuer.RawSubject, issuer.SubjectKeyID
	}
	// The certificate's key says more than the signer's does: the substitution block.
	signing := key
	if issuer != nil {
		signing = issuer.PublicKey
	}
	if !algorithm.SameKey(signing, signer.Public()) {
		return nil, errors.New("issuer's certificate is of another key")
	}
	d, algorithmID, err := algorithm.ForSigningWith(signing, t.Digest)
	if err != nil {
		return nil, err
	}
	var extensions [][]byte
	add := func(oid der.OID, critical bool, value []byte) {
		parts := [][]byte{oid.Encode()}
		if critical {
			parts = append(parts, der.Bool(true))
		}
		extensions = append(extensions, der.Sequence(append(parts, der.OctetString(value))...))
	}
	add("2.5.29.14", false, der.OctetString(subjectID))
	if authorityID != nil {
		add("2.5.29.35", false, der.Sequence(der.Implicit(0, authorityID)))
	}
	var basic [][]byte
	if t.IsCA {
		basic = append(basic, der.Bool(true))
		if t.MaxPathLen >= 0 {
			basic = append(basic, der.Int(int64(t.MaxPathLen)))
		}
	}
	add("2.5.29.19", true, der.Sequence(basic...))
	if t.KeyUsage != 0 {
		add("2.5.29.15", true, der.NamedBits(uint16(t.KeyUsage)))
	}
	if len(t.ExtendedKeyUsage) > 0 {
		var oids [][]byte
		for _, oid := range t.ExtendedKeyUsage {
			oids = append(oids, oid.Encode())
		}
		add("2.5.29.37", false, der.Sequence(oids...))
	}
	for _, e := range t.Extra {
		add(e.OID, e.Critical, e.Value)
	}
	tbs := der.Sequence(
		der.Explicit(0, der.Int(2)),
		der.Integer(t.Serial),
		algorithmID,
		issuerName,
		der.Sequence(der.Time(t.NotBefore), der.Time(t.NotAfter)),
		subject,
		spki,
		der.Explicit(3, der.Sequence(extensions...)),
	)
	whole, err := sign(rand, signer, signing, d, algorithmID, tbs)
	if err != nil {
		return nil, err
	}
	return pki.ParseCertificate(whole)
}

// Revocation is one entry of a CRL.
type Revocation struct {
	Serial *big.Int
	At     time.Time
	Reason int // CRLReason, RFC 5280, 5.3.1; 0 is not written
}

// List is what a CRL shall say.
type List struct {
	Number                 *big.Int // must be set
	ThisUpdate, NextUpdate time.Time
	Revoked                []Revocation
	// Digest is what the issuer signs with; empty: see algorithm.ForSigning.
	Digest der.OID
	// Extra extensions follow the others.
	Extra []pki.Extension
}

// CRL makes a full CRL, version 2.
func CRL(rand io.Reader, by Issuer, l List) (*pki.CRL, error) {
	if by.Key == nil || by.Certificate == nil || l.Number == nil {
		return nil, errors.New("issuer's key, certificate or CRL number is missing")
	}
	d, algorithmID, err := algorithm.ForSigningWith(by.Certificate.PublicKey, l.Digest)
	if err != nil {
		return nil, err
	}
	parts := [][]byte{der.Int(1), algorithmID, by.Certificate.RawSubject, der.Time(l.ThisUpdate), der.Time(l.NextUpdate)}
	var entries [][]byte
	for _, r := range l.Revoked {
		entry := [][]byte{der.Integer(r.Serial), der.Time(r.At)}
		if r.Reason != 0 {
			reason := der.Value(der.TagEnumerated, []byte{byte(r.Reason)})
			entry = append(entry, der.Sequence(der.Sequence(der.OID("2.5.29.21").Encode(), der.OctetString(reason))))
		}
		entries = append(entries, der.Sequence(entry...))
	}
	if entries != nil {
		parts = append(parts, der.Sequence(entries...))
	}
	extensions := [][]byte{
		der.Sequence(der.OID("2.5.29.35").Encode(), der.OctetString(der.Sequence(der.Implicit(0, by.Certificate.SubjectKeyID)))),
		der.Sequence(der.OID("2.5.29.20").Encode(), der.OctetString(der.Integer(l.Number))),
	}
	for _, e := range l.Extra {
		p := [][]byte{e.OID.Encode()}
		if e.Critical {
			p = append(p, der.Bool(true))
		}
		extensions = append(extensions, der.Sequence(append(p, der.OctetString(e.Value))...))
	}
	parts = append(parts, der.Explicit(0, der.Sequence(extensions...)))
	whole, err := sign(rand, by.Key, by.Certificate.PublicKey, d, algorithmID, der.Sequence(parts...))
	if err != nil {
		return nil, err
	}
	return pki.ParseCRL(whole)
}

// sign wraps tbs with its signature, as certificates and CRLs do.
func sign(rand io.Reader, key crypto.Signer, public crypto.PublicKey, d *algorithm.Digest, algorithmID, tbs []byte) ([]byte, error) {
	h := d.New(public)
	h.Write(tbs)
	value, err := key.Sign(rand, h.Sum(nil), d.Hash)
	if err != nil {
		return nil, fmt.Errorf("issuer's key: %w", err)
	}
	bits, err := algorithm.SignatureBits(public, value)
	if err != nil {
		return nil, fmt.Errorf("issuer's key: %w", err)
	}
	return der.Sequence(tbs, algorithmID, der.BitString(bits)), nil
}
