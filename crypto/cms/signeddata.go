// Package cms reads and writes SignedData (RFC 5652, section 5): its structure
// only. What is proved by it, package cades judges.
//
// The outer layers may be BER, as streaming writers make them; every SignerInfo
// and certificate must be DER. Nothing may follow the container. Parsed parts
// alias the input.
package cms

import (
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// Object identifiers of content types and attributes.
const (
	Data           der.OID = "1.2.840.113549.1.7.1"
	TypeSignedData der.OID = "1.2.840.113549.1.7.2"
	TypeEnveloped  der.OID = "1.2.840.113549.1.7.3"
	// TypeAuthEnveloped is authEnvelopedData, RFC 5083.
	TypeAuthEnveloped der.OID = "1.2.840.113549.1.9.16.1.23"

	AttrContentType  der.OID = "1.2.840.113549.1.9.3"
	AttrDigest       der.OID = "1.2.840.113549.1.9.4"
	AttrSigningTime  der.OID = "1.2.840.113549.1.9.5"
	AttrSigningCert  der.OID = "1.2.840.113549.1.9.16.2.12"
	AttrSigningCert2 der.OID = "1.2.840.113549.1.9.16.2.47"

	// TypeTSTInfo is the content of a time-stamp token, RFC 3161, 2.4.2.
	TypeTSTInfo          der.OID = "1.2.840.113549.1.9.16.1.4"
	AttrContentTimeStamp der.OID = "1.2.840.113549.1.9.16.2.20" // signed
	AttrTimeStamp        der.OID = "1.2.840.113549.1.9.16.2.14" // unsigned: signature-time-stamp

	// Unsigned attributes of long-term signatures, EN 319 122-1, 5.4, 5.5 and annex A.
	AttrCertificateRefs   der.OID = "1.2.840.113549.1.9.16.2.21" // complete-certificate-references
	AttrRevocationRefs    der.OID = "1.2.840.113549.1.9.16.2.22" // complete-revocation-references
	AttrCertificateValues der.OID = "1.2.840.113549.1.9.16.2.23"
	AttrRevocationValues  der.OID = "1.2.840.113549.1.9.16.2.24"
	AttrCAdESCTimeStamp   der.OID = "1.2.840.113549.1.9.16.2.25" // over signature, its time-stamp and references
	AttrRefsTimeStamp     der.OID = "1.2.840.113549.1.9.16.2.26" // over the references: time-stamped-certs-crls-references
	AttrArchive2          der.OID = "1.2.840.113549.1.9.16.2.48" // archive-time-stamp of version 2
	AttrArchive3          der.OID = "0.4.0.1733.2.4"             // archive-time-stamp-v3
	AttrHashIndex         der.OID = "0.4.0.1733.2.5"             // ats-hash-index, TS 101 733 2.2.1
	AttrHashIndex3        der.OID = "0.4.0.19122.1.5"            // ats-hash-index-v3

	// TypeOCSPResponse is the form of other revocation information that is an
	// OCSPResponse, RFC 5940, 2.1; TypeOCSPBasic that of a BasicOCSPResponse, which EU
	// software writes.
	TypeOCSPResponse der.OID = "1.3.6.1.5.5.7.16.2"
	TypeOCSPBasic    der.OID = "1.3.6.1.5.5.7.48.1.1"
)

// Limits of a container.
const (
	MaxCertificates  = 64
	MaxCRLs          = 64
	MaxSigners       = 16
	MaxAttributes    = 64
	MaxUnsignedBytes = 1 << 20
	maxDigests       = 16
)

// Errors that callers tell apart.
var (
	// ErrNotCMS: the bytes are no ContentInfo at all.
	ErrNotCMS = errors.New("not a CMS container")
	// ErrNotSigned: a ContentInfo of another type than SignedData.
	ErrNotSigned = errors.New("not SignedData")
	// ErrLimit: within the syntax, beyond a limit of this package.
	ErrLimit = errors.New("over a limit")
	// ErrSignerEncoding: a SignerInfo is not DER.
	ErrSignerEncoding = errors.New("signer info is not DER")
)

// SignedData is a parsed container.
type SignedData struct {
	Version          int
	DigestAlgorithms []algorithm.Identifier
	// ContentType is eContentType; Content the octets of eContent, joined if
	// they came in pieces; Attached tells whether eContent is there at all.
	ContentType der.OID
	Content     []byte
	Attached    bool
	// Certificates and CRLs are whole DER values, in their order. Attribute
	// certificates and other forms are left out.
	Certificates, CRLs [][]byte
	// OCSP are the OCSPResponses and BasicOCSPResponses among the other revocation
	// information, RFC 5940, whole values.
	OCSP [][]byte
	// CertificateChoices and RevocationChoices are all elements of certificates and of
	// crls, whatever their form, whole and in their order.
	CertificateChoices, RevocationChoices [][]byte
	// Signers may be empty: a degenerate container is well formed.
	Signers []SignerInfo

	digests, encap []byte // whole elements
}

// SignerInfo is one signature.
type SignerInfo struct {
	// Raw is DER; of a re-encoded one the new encoding.
	Raw     []byte
	Version int
	// Issuer (an encoded name) and Serial (contents octets) or KeyID name the certificate.
	Issuer, Serial, KeyID []byte
	DigestAlgorithm       algorithm.Identifier
	// HasSignedAttrs tells that signedAttrs is there, perhaps empty.
	HasSignedAttrs bool
	SignedAttrs    []Attribute
	// Sorted tells that the signed attributes stand in DER order.
	Sorted             bool
	SignatureAlgorithm algorithm.Identifier
	Signature          []byte
	UnsignedAttrs      []Attribute
	// Reencoded tells that the SignerInfo came in BER and Options allowed that.
	Reencoded bool
	// Fields are the contents octets of the SignerInfo from version to signature:
	// without its header and the unsigned attributes.
	Fields []byte

	signedContents []byte
}

// Attribute is one type with its values, each a whole encoded element.
type Attribute struct {
	Type   der.OID
	Values [][]byte
	Raw    []byte
}

// SignedBytes gives what is hashed for the signature: the attributes as a SET OF
// in the order in which they stand (RFC 5652, 5.4).
func (s *SignerInfo) SignedBytes() []byte { return der.Value(0x31, s.signedContents) }

// ResortedBytes gives the same in DER order.
func (s *SignerInfo) ResortedBytes() []byte {
	parts := make([][]byte, len(s.SignedAttrs))
	for i, a := range s.SignedAttrs {
		parts[i] = a.Raw
	}
	return der.SetOf(parts...)
}

// Options of Parse.
type Options struct {
	// BERSignerInfo re-encodes SignerInfos that are BER instead of refusing them.
	BERSignerInfo bool
}

// Parse reads a ContentInfo with SignedData. Errors wrap ErrNotCMS, ErrNotSigned
// or ErrLimit where these apply; the rest are errors of syntax.
func Parse(data []byte, o Options) (*SignedData, error) {
	if head, err := contentInfoType(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCMS, err)
	} else if head != TypeSignedData {
		return nil, fmt.Errorf("content type %s: %w", head, ErrNotSigned)
	}
	if err := der.CheckDepth(data); err != nil {
		return nil, err
	}
	r := der.NewReader(data, der.BER)
	info, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("after the container: %w", err)
	}
	if _, err := info.OID(); err != nil {
		return nil, err
	}
	x, err := info.Explicit(0)
	if err != nil {
		return nil, err
	}
	if err := info.End(); err != nil {
		return nil, err
	}
	body, err := x.Sequence()
	if err != nil {
		return nil, err
	}
	if err := x.End(); err != nil {
		return nil, err
	}
	return parseBody(body, o)
}

// contentInfoType reads the head of a ContentInfo without looking further.
func contentInfoType(data []byte) (der.OID, error) {
	return (&headReader{b: data}).contentInfo()
}

func parseBody(r *der.Reader, o Options) (*SignedData, error) {
	s := &SignedData{}
	var err error
	if s.Version, err = r.Int(5); err != nil {
		return nil, fmt.Errorf("version: %w", err)
	}
	set, err := r.Expect(der.Universal, der.TagSet)
	if err != nil {
		return nil, fmt.Errorf("digest algorithms: %w", err)
	}
	s.digests = set.Raw
	digests := r.Inside(set)
	for !digests.Empty() {
		if len(s.DigestAlgorithms) == maxDigests {
			return nil, fmt.Errorf("digest algorithms: %w", ErrLimit)
		}
		id, err := algorithm.ReadIdentifier(digests)
		if err != nil {
			return nil, fmt.Errorf("digest algorithms: %w", err)
		}
		s.DigestAlgorithms = append(s.DigestAlgorithms, id)
	}
	info, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, fmt.Errorf("encapsulated content: %w", err)
	}
	s.encap = info.Raw
	encap := r.Inside(info)
	if s.ContentType, err = encap.OID(); err != nil {
		return nil, fmt.Errorf("encapsulated content: %w", err)
	}
	if !encap.Empty() {
		x, err := encap.Explicit(0)
		if err != nil {
			return nil, fmt.Errorf("encapsulated content: %w", err)
		}
		if s.Content, err = x.OctetString(); err != nil {
			return nil, fmt.Errorf("encapsulated content: %w", err)
		}
		if err := x.End(); err != nil {
			return nil, fmt.Errorf("encapsulated content: %w", err)
		}
		s.Attached = true
	}
	if err := encap.End(); err != nil {
		return nil, fmt.Errorf("encapsulated content: %w", err)
	}
	if s.CertificateChoices, err = readChoices(r, 0, MaxCertificates); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	s.Certificates = plain(s.CertificateChoices)
	for i, c := range s.Certificates {
		if err := der.CheckDER(c); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	if s.RevocationChoices, err = readChoices(r, 1, MaxCRLs); err != nil {
		return nil, fmt.Errorf("CRLs: %w", err)
	}
	s.CRLs = plain(s.RevocationChoices)
	for _, raw := range s.RevocationChoices {
		if value := OCSPValue(raw); value != nil {
			s.OCSP = append(s.OCSP, value)
		}
	}
	signers, err := r.Set()
	if err != nil {
		return nil, fmt.Errorf("signers: %w", err)
	}
	for !signers.Empty() {
		if len(s.Signers) == MaxSigners {
			return nil, fmt.Errorf("signers: %w", ErrLimit)
		}
		e, err := signers.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return nil, fmt.Errorf("signers: %w", err)
		}
		si, err := parseSigner(e, o)
		if err != nil {
			return nil, fmt.Errorf("signer %d: %w", len(s.Signers)+1, err)
		}
		s.Signers = append(s.Signers, si)
	}
	return s, r.End()
}

// readChoices reads the SET OF certificates or of CRLs under an implicit tag: whole
// elements, of any of their forms.
func readChoices(r *der.Reader, tag uint32, limit int) ([][]byte, error) {
	if !r.Peek(der.Context, tag) {
		return nil, nil
	}
	in, err := r.Explicit(tag)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for n := 0; !in.Empty(); n++ {
		if n == limit {
			return nil, ErrLimit
		}
		e, err := in.Next()
		if err != nil {
			return nil, err
		}
		if e.Class != der.Context && !e.Is(der.Universal, der.TagSequence) {
			return nil, fmt.Errorf("byte %d: a value of another type was expected", e.Offset)
		}
		out = append(out, e.Raw)
	}
	return out, nil
}

// plain are the choices that are a plain SEQUENCE: certificates, CRLs.
func plain(choices [][]byte) [][]byte {
	var out [][]byte
	for _, raw := range choices {
		if raw[0] == 0x30 {
			out = append(out, raw)
		}
	}
	return out
}

// OCSPValue gives the OCSP answer of one of RevocationChoices, in OtherRevocationInfoFormat (RFC 5652,
// 10.2.1; RFC 5940), or nil: what cannot be read proves nothing, and that is all.
func OCSPValue(choice []byte) []byte {
	r := der.NewReader(choice, der.BER)
	if !r.Peek(der.Context, 1) {
		return nil
	}
	in, err := r.Explicit(1) // implicit over a SEQUENCE: the same octets
	if err != nil {
		return nil
	}
	if oid, err := in.OID(); err != nil || oid != TypeOCSPResponse && oid != TypeOCSPBasic {
		return nil
	}
	e, err := in.Expect(der.Universal, der.TagSequence)
	if err != nil || in.End() != nil {
		return nil
	}
	return e.Raw
}

func parseSigner(e der.Element, o Options) (SignerInfo, error) {
	si := SignerInfo{Raw: e.Raw, Sorted: true}
	strict, unsigned, err := split(e)
	if err != nil {
		return si, err
	}
	if err := checkStrict(e, strict); err != nil {
		if !o.BERSignerInfo {
			return si, fmt.Errorf("%w: %w", ErrSignerEncoding, err)
		}
		normal, err := der.Normalize(e.Raw)
		if err != nil {
			return si, fmt.Errorf("%w: %w", ErrSignerEncoding, err)
		}
		if e, err = der.One(normal, der.DER); err != nil {
			return si, err
		}
		si.Raw, si.Reencoded = normal, true
		if strict, unsigned, err = split(e); err != nil {
			return si, err
		}
		if err := checkStrict(e, strict); err != nil {
			return si, fmt.Errorf("%w: %w", ErrSignerEncoding, err)
		}
	}
	si.Fields = strict
	if err := si.parse(der.NewReader(strict, der.DER)); err != nil {
		return si, err
	}
	if unsigned != nil {
		if len(unsigned) > MaxUnsignedBytes {
			return si, fmt.Errorf("unsigned attributes: %w", ErrLimit)
		}
		// Values there (time-stamps) are signed by others and may be BER.
		u, err := der.One(unsigned, der.BER)
		if err != nil {
			return si, fmt.Errorf("unsigned attributes: %w", err)
		}
		if si.UnsignedAttrs, err = readAttributes(der.NewReader(u.Content, der.BER)); err != nil {
			return si, fmt.Errorf("unsigned attributes: %w", err)
		}
		if len(si.UnsignedAttrs) == 0 {
			return si, errors.New("unsigned attributes: empty")
		}
	}
	return si, nil
}

// split parts the contents of a SignerInfo before unsignedAttrs.
func split(e der.Element) (strict, unsigned []byte, err error) {
	r := der.NewReader(e.Content, der.BER)
	first := true
	for n := 0; !r.Empty(); n++ {
		v, err := r.Next()
		if err != nil {
			return nil, nil, err
		}
		if !first && n >= 5 && v.Is(der.Context, 1) {
			if !v.Constructed {
				return nil, nil, errors.New("unsigned attributes: primitive")
			}
			if !r.Empty() {
				return nil, nil, errors.New("unexpected values after the unsigned attributes")
			}
			return e.Content[:v.Offset], v.Raw, nil
		}
		first = false
	}
	return e.Content, nil, nil
}

// checkStrict holds the SignerInfo's own length and all before unsignedAttrs to DER.
func checkStrict(e der.Element, strict []byte) error {
	if e.Indefinite {
		return errors.New("indefinite length")
	}
	if _, err := der.One(e.Raw, der.DER); err != nil {
		return err
	}
	return der.CheckDER(strict)
}

func (si *SignerInfo) parse(r *der.Reader) error {
	var err error
	if si.Version, err = r.Int(5); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if key, ok, err := r.Optional(der.Context, 0); err != nil {
		return fmt.Errorf("signer identifier: %w", err)
	} else if ok {
		if key.Constructed {
			return errors.New("signer identifier: key identifier of another form")
		}
		si.KeyID = key.Content // empty names nobody
	} else {
		s, err := r.Sequence()
		if err != nil {
			return fmt.Errorf("signer identifier: %w", err)
		}
		name, err := s.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return fmt.Errorf("signer identifier: %w", err)
		}
		serial, err := s.Expect(der.Universal, der.TagInteger)
		if err != nil {
			return fmt.Errorf("signer identifier: %w", err)
		}
		si.Issuer, si.Serial = name.Raw, serial.Content
		if err := s.End(); err != nil {
			return fmt.Errorf("signer identifier: %w", err)
		}
	}
	if si.DigestAlgorithm, err = algorithm.ReadIdentifier(r); err != nil {
		return fmt.Errorf("digest algorithm: %w", err)
	}
	if e, ok, err := r.Optional(der.Context, 0); err != nil {
		return fmt.Errorf("signed attributes: %w", err)
	} else if ok {
		if !e.Constructed {
			return errors.New("signed attributes: primitive")
		}
		si.HasSignedAttrs = true
		si.signedContents = e.Content
		if si.SignedAttrs, err = readAttributes(der.NewReader(e.Content, der.DER)); err != nil {
			return fmt.Errorf("signed attributes: %w", err)
		}
		raw := make([][]byte, len(si.SignedAttrs))
		for i, a := range si.SignedAttrs {
			raw[i] = a.Raw
			si.Sorted = si.Sorted && der.SortedSet(a.Values)
		}
		si.Sorted = si.Sorted && der.SortedSet(raw)
	}
	if si.SignatureAlgorithm, err = algorithm.ReadIdentifier(r); err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	if si.Signature, err = r.OctetString(); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	return r.End()
}

func readAttributes(r *der.Reader) ([]Attribute, error) {
	var out []Attribute
	for !r.Empty() {
		if len(out) == MaxAttributes {
			return nil, ErrLimit
		}
		e, err := r.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return nil, err
		}
		in := r.Inside(e)
		a := Attribute{Raw: e.Raw}
		if a.Type, err = in.OID(); err != nil {
			return nil, err
		}
		set, err := in.Set()
		if err != nil {
			return nil, err
		}
		for !set.Empty() {
			if len(a.Values) == MaxAttributes {
				return nil, ErrLimit
			}
			v, err := set.Next()
			if err != nil {
				return nil, err
			}
			a.Values = append(a.Values, v.Raw)
		}
		if err := in.End(); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// ParseAttributes reads a whole DER SET OF Attribute, as a signature is made over
// it (RFC 5652, 5.4): in DER order, nothing after it.
func ParseAttributes(b []byte) ([]Attribute, error) {
	e, err := der.One(b, der.DER)
	if err != nil {
		return nil, err
	}
	if !e.Is(der.Universal, der.TagSet) {
		return nil, errors.New("not a SET OF attributes")
	}
	if err := der.CheckDER(b); err != nil {
		return nil, err
	}
	attrs, err := readAttributes(der.NewReader(e.Content, der.DER))
	if err != nil {
		return nil, err
	}
	raw := make([][]byte, len(attrs))
	for i, a := range attrs {
		raw[i] = a.Raw
	}
	if !der.SortedSet(raw) {
		return nil, errors.New("attributes are not in DER order")
	}
	return attrs, nil
}

// IsAttributes tells whether b is a DER SET OF Attribute such as a signature is
// made over: shown as a document it would let one kind of signature pass for
// the other (draft-ietf-lamps-cms-euf-cma-signeddata).
func IsAttributes(b []byte) bool {
	if len(b) == 0 || b[0] != 0x31 {
		return false
	}
	e, err := der.One(b, der.DER)
	if err != nil {
		return false
	}
	attrs, err := readAttributes(der.NewReader(e.Content, der.DER))
	return err == nil && len(attrs) > 0
}
