// Package pki reads X.509 certificates and CRLs and validates certification
// paths to configured anchors. It is pure: the time, the certificates and the
// revocation evidence are arguments, nothing is fetched.
//
// The reader is strict DER and keeps the raw bytes of every part. It accepts
// what real Ukrainian certificates have beyond the profile: negative serial
// numbers and authority key identifiers of other shapes.
//
// References: RFC 5280 (sections are cited at the code), RFC 3739 and
// EN 319 412 for qcStatements and organizationIdentifier.
package pki

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// KeyUsage is the set of bits of RFC 5280, 4.2.1.3; bit 0 is digitalSignature.
type KeyUsage uint16

// The bits of KeyUsage.
const (
	DigitalSignature KeyUsage = 1 << iota
	NonRepudiation            // contentCommitment
	KeyEncipherment
	DataEncipherment
	KeyAgreement
	KeyCertSign
	CRLSign
	EncipherOnly
	DecipherOnly
)

// Limits of the reader.
const (
	maxExtensions = 64
	maxPolicies   = 64
	maxSerial     = 64 // octets; RFC 5280 says 20, old CAs are not asked
)

// Extension is one extension of a certificate, a CRL or a CRL entry.
type Extension struct {
	OID      der.OID
	Critical bool
	Value    []byte
}

// Certificate is a parsed X.509 certificate. It is immutable after parsing and
// aliases the bytes it was parsed from.
type Certificate struct {
	// Raw is the whole certificate; the others are its encoded parts.
	Raw, RawTBS, RawIssuer, RawSubject, RawSPKI []byte
	// Version is 1, 2 or 3.
	Version int
	// Serial may be negative. RawSerial is its contents octets: serials are
	// compared by these.
	Serial          *big.Int
	RawSerial       []byte
	Issuer, Subject Name
	// NotBefore and NotAfter are both within the validity.
	NotBefore, NotAfter time.Time
	// PublicKey is nil if its algorithm is unknown; KeyError then says why.
	PublicKey crypto.PublicKey
	KeyError  error
	// KeyUsage is zero when the extension is absent; HasKeyUsage tells the two apart.
	KeyUsage    KeyUsage
	HasKeyUsage bool
	// ExtendedKeyUsage is empty when the extension is absent.
	ExtendedKeyUsage []der.OID
	// IsCA is basicConstraints cA. MaxPathLen is -1 when there is no limit.
	IsCA       bool
	MaxPathLen int
	// SubjectKeyID and AuthorityKeyID are nil when absent.
	SubjectKeyID, AuthorityKeyID []byte
	// Policies are the certificatePolicies.
	Policies           []der.OID
	SignatureAlgorithm algorithm.Identifier
	Signature          []byte
	Extensions         []Extension

	hasAuthorityKeyID bool
	// refusal is what makes every path through this certificate fail: an
	// unknown critical extension, nameConstraints and the like.
	refusal string

	requireExplicitPolicy int // -1 when absent
	inhibitAnyPolicy      int // -1 when absent
	points                []distributionPoint
	codes                 Codes
	sum                   [32]byte
}

// ErrCertificate is wrapped by every error about a certificate's encoding.
var ErrCertificate = errors.New("not a certificate")

// SHA256 gives the digest of the whole certificate.
func (c *Certificate) SHA256() [32]byte { return c.sum }

// Equal tells whether two certificates are the same bytes.
func (c *Certificate) Equal(o *Certificate) bool {
	return c == o || c != nil && o != nil && bytes.Equal(c.Raw, o.Raw)
}

// SelfIssued tells that issuer and subject are the same name.
func (c *Certificate) SelfIssued() bool { return c.Issuer.Same(c.Subject) }

// Extension gives the extension oid, or nil.
func (c *Certificate) Extension(oid der.OID) *Extension {
	for i := range c.Extensions {
		if c.Extensions[i].OID == oid {
			return &c.Extensions[i]
		}
	}
	return nil
}

// SignedBy verifies the certificate's signature with the key of issuer, and nothing
// else about the two.
func (c *Certificate) SignedBy(issuer *Certificate) error { return c.checkSignatureBy(issuer) }

// checkSignatureBy verifies the certificate's signature with the issuer's key.
func (c *Certificate) checkSignatureBy(issuer *Certificate) error {
	if issuer.PublicKey == nil {
		return fmt.Errorf("issuer's key: %w", algorithm.ErrUnknown)
	}
	return algorithm.Verify(c.SignatureAlgorithm, issuer.PublicKey, c.RawTBS, c.Signature)
}

// ParseCertificate reads one DER certificate; nothing may follow it.
func ParseCertificate(data []byte) (*Certificate, error) {
	c, err := parseCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func parseCertificate(data []byte) (*Certificate, error) {
	if err := der.CheckDER(data); err != nil {
		return nil, err
	}
	whole, err := der.One(data, der.DER)
	if err != nil {
		return nil, err
	}
	c := &Certificate{Raw: whole.Raw, MaxPathLen: -1, requireExplicitPolicy: -1, inhibitAnyPolicy: -1, sum: sha256.Sum256(whole.Raw)}
	outer, err := der.NewReader(data, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	tbs, err := outer.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	c.RawTBS = tbs.Raw
	if c.SignatureAlgorithm, err = algorithm.ReadIdentifier(outer); err != nil {
		return nil, err
	}
	if c.Signature, err = wholeOctets(outer); err != nil {
		return nil, err
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	if err := c.parseTBS(outer.Inside(tbs)); err != nil {
		return nil, err
	}
	return c, nil
}

// wholeOctets reads a BIT STRING that holds octets, as signatures do.
func wholeOctets(r *der.Reader) ([]byte, error) {
	at := r.Offset()
	b, unused, err := r.BitString()
	if err == nil && unused != 0 {
		err = &der.SyntaxError{Offset: at, Reason: "signature bits are not whole octets"}
	}
	return b, err
}

func (c *Certificate) parseTBS(r *der.Reader) error {
	c.Version = 1
	if r.Peek(der.Context, 0) {
		x, err := r.Explicit(0)
		if err != nil {
			return err
		}
		v, err := x.Int(2)
		if err != nil {
			return err
		}
		if v == 0 {
			return &der.SyntaxError{Offset: r.Offset(), Reason: "default version is written"}
		}
		c.Version = v + 1
		if err := x.End(); err != nil {
			return err
		}
	}
	serial, err := r.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return err
	}
	if len(serial.Content) > maxSerial {
		return &der.SyntaxError{Offset: serial.Offset, Reason: "serial number is too long"}
	}
	c.RawSerial = serial.Content
	if c.Serial, err = serial.Integer(); err != nil {
		return err
	}
	inner, err := algorithm.ReadIdentifier(r)
	if err != nil {
		return err
	}
	// RFC 5280, 4.1.1.2: both must be the same.
	if !bytes.Equal(inner.Raw, c.SignatureAlgorithm.Raw) {
		return &der.SyntaxError{Offset: r.Offset(), Reason: "inner and outer signature algorithms differ"}
	}
	issuer, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return err
	}
	if c.Issuer, err = parseName(issuer); err != nil {
		return err
	}
	validity, err := r.Sequence()
	if err != nil {
		return err
	}
	if c.NotBefore, err = validity.Time(); err != nil {
		return err
	}
	if c.NotAfter, err = validity.Time(); err != nil {
		return err
	}
	if err := validity.End(); err != nil {
		return err
	}
	subject, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return err
	}
	if c.Subject, err = parseName(subject); err != nil {
		return err
	}
	spki, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return err
	}
	c.RawIssuer, c.RawSubject, c.RawSPKI = issuer.Raw, subject.Raw, spki.Raw
	c.PublicKey, c.KeyError = algorithm.ParseKey(spki.Raw)

	for tag := uint32(1); tag <= 2; tag++ { // unique identifiers, never used
		id, ok, err := r.Optional(der.Context, tag)
		if err != nil {
			return err
		}
		if ok && (c.Version == 1 || id.Constructed) {
			return &der.SyntaxError{Offset: id.Offset, Reason: "unique identifier out of place"}
		}
	}
	if r.Peek(der.Context, 3) {
		x, err := r.Explicit(3)
		if err != nil {
			return err
		}
		if c.Version != 3 {
			return &der.SyntaxError{Offset: x.Offset(), Reason: "extensions in a certificate that is not version 3"}
		}
		if c.Extensions, err = ReadExtensions(x); err != nil {
			return err
		}
		if err := x.End(); err != nil {
			return err
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	for _, e := range c.Extensions {
		if err := c.readExtension(e); err != nil {
			return fmt.Errorf("extension %s: %w", e.OID, err)
		}
	}
	c.codes = readCodes(c)
	return nil
}

// ReadExtensions reads Extensions, RFC 5280, 4.2: none twice. (There should be
// at least one; real certificates exist that have none.)
func ReadExtensions(r *der.Reader) ([]Extension, error) {
	list, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	seen := make(map[der.OID]bool)
	var out []Extension
	for !list.Empty() {
		at := list.Offset()
		x, err := list.Sequence()
		if err != nil {
			return nil, err
		}
		if len(out) == maxExtensions {
			return nil, &der.SyntaxError{Offset: at, Reason: "too many extensions"}
		}
		var e Extension
		if e.OID, err = x.OID(); err != nil {
			return nil, err
		}
		if x.Peek(der.Universal, der.TagBoolean) {
			if e.Critical, err = x.Bool(); err != nil {
				return nil, err
			}
		}
		if e.Value, err = x.OctetString(); err != nil {
			return nil, err
		}
		if err := x.End(); err != nil {
			return nil, err
		}
		if seen[e.OID] {
			return nil, &der.SyntaxError{Offset: at, Reason: "an extension is there twice"}
		}
		seen[e.OID] = true
		out = append(out, e)
	}
	return out, nil
}

// ParseCertificatePEM reads a file of PEM blocks that holds exactly one
// certificate.
func ParseCertificatePEM(data []byte) (*Certificate, error) {
	all, err := ParseCertificates(data)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("%w: %d certificates where one is wanted", ErrCertificate, len(all))
	}
	return all[0], nil
}

// ParseCertificates reads the certificates of a file: PEM blocks (others than
// CERTIFICATE are passed over) or one DER certificate after another. No
// certificate at all is an error.
func ParseCertificates(data []byte) ([]*Certificate, error) {
	var out []*Certificate
	err := eachBlock(data, "CERTIFICATE", func(b []byte) error {
		c, err := ParseCertificate(b)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: none in the file", ErrCertificate)
	}
	return out, nil
}

// eachBlock calls each with every PEM block of the kind, or with every DER value
// if data is not PEM.
func eachBlock(data []byte, kind string, each func([]byte) error) error {
	if len(data) > 0 && data[0] == 0x30 && !bytes.Contains(data, []byte("-----BEGIN "+kind)) {
		r := der.NewReader(data, der.DER)
		for !r.Empty() {
			e, err := r.Next()
			if err != nil {
				return err
			}
			if err := each(e.Raw); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return nil
		}
		if b.Type == kind || kind == "CERTIFICATE" && b.Type == "X509 CERTIFICATE" {
			if err := each(b.Bytes); err != nil {
				return err
			}
		}
	}
}
