package pkitest

import (
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// Stamp is what a time-stamp token shall say; see PKI.Stamp for its first values.
type Stamp struct {
	By Signatory
	// Info are the encoded members of TSTInfo.
	Info [][]byte
	// Certificates go into the token.
	Certificates [][]byte
	// Copies is how often the SignerInfo is written.
	Copies int
	// Signed alters the attributes before they are signed.
	Signed func(attrs [][]byte) [][]byte
	// Value alters the signature value.
	Value func([]byte) []byte
}

// Indexes of Stamp.Info.
const (
	StampVersion = iota
	StampPolicy
	StampImprint
	StampSerial
	StampTime
)

// Authority makes a time-stamping authority under the CA.
func (p *PKI) Authority(change ...func(*issue.Template)) Signatory {
	p.t.Helper()
	purpose := func(t *issue.Template) { t.ExtendedKeyUsage = []der.OID{"1.3.6.1.5.5.7.3.8"} }
	return p.Issue(issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Test TSA"}, append([]func(*issue.Template){purpose}, change...)...)
}

// GeneralizedTime encodes a time of whole seconds.
func GeneralizedTime(at time.Time) []byte {
	return der.Value(der.TagGeneralizedTime, []byte(at.UTC().Format("20060102150405Z")))
}

// Imprint encodes the MessageImprint of a message, by SHA-256.
func Imprint(message []byte) []byte {
	sum := sha256.Sum256(message)
	return der.Sequence(der.Sequence(algorithm.SHA256.Encode()), der.OctetString(sum[:]))
}

// Stamp makes a time-stamp token (RFC 3161) over a message, a minute before the
// hierarchy's time and without certificates; change alters it first.
func (p *PKI) Stamp(by Signatory, message []byte, change ...func(*Stamp)) []byte {
	p.t.Helper()
	s := Stamp{
		By: by, Copies: 1,
		Info: [][]byte{
			der.Int(1), der.OID("1.2.804.2.1.1.1.2.3.1").Encode(), Imprint(message),
			der.Integer(big.NewInt(4711)), GeneralizedTime(p.At.Add(-time.Minute)),
		},
	}
	for _, f := range change {
		f(&s)
	}
	info := der.Sequence(s.Info...)
	sum, certificate := sha256.Sum256(info), sha256.Sum256(by.Certificate.Raw)
	attrs := [][]byte{
		cms.NewAttribute(cms.AttrContentType, cms.TypeTSTInfo.Encode()),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(sum[:])),
		cms.NewAttribute(cms.AttrSigningCert2, der.Sequence(der.Sequence(der.Sequence(der.OctetString(certificate[:]))))),
	}
	if s.Signed != nil {
		attrs = s.Signed(attrs)
	}
	d, id, err := algorithm.ForSigning(s.By.Key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	h := d.New(nil)
	h.Write(der.SetOf(attrs...))
	value, err := s.By.Key.Sign(rand.Reader, h.Sum(nil), d.Hash)
	if err != nil {
		p.t.Fatal(err)
	}
	if s.Value != nil {
		value = s.Value(value)
	}
	digest := der.Sequence(d.OID.Encode())
	signer := cms.SignerParts{
		Issuer: by.Certificate.RawIssuer, Serial: by.Certificate.RawSerial, DigestAlgorithm: digest,
		SignedAttrs: attrs, SignatureAlgorithm: id, Signature: value,
	}.Encode()
	var signers [][]byte
	for range s.Copies {
		signers = append(signers, signer)
	}
	return cms.BuildToken(info, [][]byte{digest}, s.Certificates, signers)
}
