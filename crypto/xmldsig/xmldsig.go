// Package xmldsig reads XML that carries an enveloped signature over all of itself,
// and verifies it: XML-DSig, and XAdES-B where the signature has its properties.
// It is strict, for it has one use: lists of trusted services.
//
// One form is accepted, which is the one that ETSI TS 119 612, 5.7, prescribes. In
// the whole document there is one Signature, a child of the root. It has a
// reference to the document (URI "", transforms enveloped-signature and exclusive
// canonicalization, in this order), and may have one to the SignedProperties of its
// own XAdES properties, and no other. So there is nothing outside of what is signed,
// and no identifier that could be made to name something else (signature wrapping).
//
// Trust is the caller's: a document says with which certificates it claims to be
// signed, and the caller, who knows the right one beforehand, gives the one to
// verify with. Nothing in the document is believed before that.
//
// Kept out: other transforms and canonicalizations, XPath, KeyInfo without a
// certificate, manifests, detached and enveloping signatures, counter-signatures.
//
// References: XML-Signature 1.1, Exclusive XML Canonicalization 1.0, RFC 9231
// (algorithms), EN 319 132-1 (XAdES), ETSI TS 119 612, annex B.
package xmldsig

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// The namespaces of signatures.
const (
	Space      = "http://www.w3.org/2000/09/xmldsig#"
	XAdESSpace = "http://uri.etsi.org/01903/v1.3.2#"

	signedPropertiesType = "http://uri.etsi.org/01903#SignedProperties"
)

// Errors that callers tell apart.
var (
	// ErrForm: the signature is not of the one form that is accepted.
	ErrForm = errors.New("XML signature is not of the accepted form")
	// ErrSignature: what was signed is not this document, or the key is another.
	ErrSignature = errors.New("XML signature does not verify")
)

const maxCertificates = 32

// Signature is the one signature of a document, read and not verified.
type Signature struct {
	// Certificates are those of KeyInfo, DER: a claim.
	Certificates [][]byte

	root, element, info *Element
	method              method
	value               []byte
	document            reference
	properties          *reference
	xades               *Element // SignedSignatureProperties; nil where there are none
}

// reference is one Reference, of the form that is accepted.
type reference struct {
	target *Element
	digest *algorithm.Digest
	value  []byte
}

func form(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrForm, fmt.Errorf(format, args...))
}

// Find reads the signature of a document.
func Find(root *Element) (*Signature, error) {
	s := &Signature{root: root}
	count := 0
	ids := map[string]*Element{}
	var twice error
	root.Walk(func(e *Element) {
		if e.Is(Space, "Signature") {
			s.element = e
			count++
		}
		for _, a := range e.Attributes {
			if !strings.EqualFold(a.Local, "id") || a.Space != "" && a.Space != xmlSpace {
				continue
			}
			if ids[a.Value] != nil {
				twice = form("identifier %q is given twice", a.Value)
			}
			ids[a.Value] = e
		}
	})
	switch {
	case count != 1:
		return nil, form("%d signatures; there has to be one", count)
	case s.element.parent != root:
		return nil, form("the signature is not a child of the root")
	case twice != nil:
		return nil, twice
	}
	if err := s.read(ids); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Signature) read(ids map[string]*Element) (err error) {
	value, keyInfo := s.element.Only(Space, "SignatureValue"), s.element.Only(Space, "KeyInfo")
	if s.info = s.element.Only(Space, "SignedInfo"); s.info == nil || value == nil || keyInfo == nil {
		return form("SignedInfo, SignatureValue and KeyInfo have to be there once")
	}
	if s.value, err = decode(value); err != nil {
		return err
	}
	method := s.info.Only(Space, "SignatureMethod")
	if c := s.info.Only(Space, "CanonicalizationMethod"); !plain(c, excC14N) || method == nil || len(method.Elements()) > 0 {
		return form("SignedInfo is not in exclusive canonical form, or its method has parameters")
	}
	if s.method, err = findMethod(method.Attribute("", "Algorithm")); err != nil {
		return form("%w", err)
	}
	references := s.info.Children(Space, "Reference")
	if len(s.info.Elements()) != 2+len(references) {
		return form("SignedInfo has more than it may have")
	}
	own := s.ownProperties()
	whole := false
	for _, r := range references {
		uri := r.Attribute("", "URI")
		switch {
		case uri == "" && hasAttribute(r, "URI") && !whole:
			whole = true
			s.document, err = readReference(r, s.root, enveloped, excC14N)
		case own != nil && s.properties == nil && r.Attribute("", "Type") == signedPropertiesType &&
			strings.HasPrefix(uri, "#") && len(uri) > 1 && ids[uri[1:]] == own:
			s.properties = new(reference)
			*s.properties, err = readReference(r, own, excC14N)
		default:
			err = form("a reference to %q", uri)
		}
		if err != nil {
			return err
		}
	}
	if !whole {
		return form("no reference to the whole document")
	}
	if own != nil {
		if s.properties == nil {
			return form("signed properties that are not signed")
		}
		if s.xades = own.Only(XAdESSpace, "SignedSignatureProperties"); s.xades == nil {
			return form("signed properties without those of the signature")
		}
	}
	return s.readKeyInfo(keyInfo)
}

func hasAttribute(e *Element, local string) bool {
	for _, a := range e.Attributes {
		if a.Space == "" && a.Local == local {
			return true
		}
	}
	return false
}

// ownProperties are the SignedProperties where XAdES puts them (EN 319 132-1, 4.3).
func (s *Signature) ownProperties() *Element {
	var found *Element
	for _, object := range s.element.Children(Space, "Object") {
		for _, q := range object.Children(XAdESSpace, "QualifyingProperties") {
			for _, p := range q.Children(XAdESSpace, "SignedProperties") {
				if found != nil {
					return nil // then neither is referred to, and the form is refused
				}
				found = p
			}
		}
	}
	return found
}

func (s *Signature) readKeyInfo(keyInfo *Element) error {
	for _, data := range keyInfo.Children(Space, "X509Data") {
		for _, c := range data.Children(Space, "X509Certificate") {
			if len(s.Certificates) == maxCertificates {
				return form("more than %d certificates", maxCertificates)
			}
			raw, err := decode(c)
			if err != nil {
				return err
			}
			s.Certificates = append(s.Certificates, raw)
		}
	}
	if len(s.Certificates) == 0 {
		return form("no certificate in KeyInfo")
	}
	return nil
}

// plain tells that an element names an algorithm, without parameters.
func plain(e *Element, algorithm string) bool {
	return e != nil && e.Attribute("", "Algorithm") == algorithm && len(e.Elements()) == 0
}

func readReference(r, target *Element, transforms ...string) (reference, error) {
	out := reference{target: target}
	t := r.Only(Space, "Transforms")
	if t == nil || len(t.Elements()) != len(transforms) {
		return out, form("other transforms than are accepted")
	}
	for i, e := range t.Elements() {
		if !e.Is(Space, "Transform") || !plain(e, transforms[i]) {
			return out, form("other transforms than are accepted")
		}
	}
	m, v := r.Only(Space, "DigestMethod"), r.Only(Space, "DigestValue")
	if m == nil || v == nil || len(m.Elements()) > 0 || len(r.Elements()) != 3 {
		return out, form("a reference has one digest, and no more")
	}
	var err error
	if out.digest, err = findDigest(m.Attribute("", "Algorithm")); err != nil {
		return out, form("%w", err)
	}
	out.value, err = decode(v)
	return out, err
}

// decode reads base64, which may be broken into lines.
func decode(e *Element) ([]byte, error) {
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, e.Text())
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, form("%s is not base64", e.Local)
	}
	return b, nil
}

// Verify proves that the document is the one that the certificate's key signed.
// It asks neither whether the certificate is valid nor whose it is: that the
// caller knows already. Where the signature names its certificate (XAdES), it has
// to be this one.
func (s *Signature) Verify(by *pki.Certificate) error {
	if by == nil || by.PublicKey == nil {
		return fmt.Errorf("%w: no key to verify with", ErrSignature)
	}
	for _, r := range []*reference{&s.document, s.properties} {
		if r == nil {
			continue
		}
		h := r.digest.New(by.PublicKey)
		without := s.element
		if r == s.properties {
			without = nil
		}
		if err := canonical(h, r.target, without); err != nil {
			return err
		}
		if !bytes.Equal(h.Sum(nil), r.value) {
			return fmt.Errorf("%w: the digest of %s is another", ErrSignature, r.target.Local)
		}
	}
	h := s.method.digest.New(by.PublicKey)
	if err := canonical(h, s.info, nil); err != nil {
		return err
	}
	value := s.value
	if s.method.plain {
		var err error
		if value, err = ecdsaValue(value); err != nil {
			return err
		}
	}
	if err := algorithm.VerifySum(s.method.id, by.PublicKey, s.method.digest, h.Sum(nil), value); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return s.named(by)
}

// ecdsaValue makes r and s side by side the SEQUENCE of both.
func ecdsaValue(b []byte) ([]byte, error) {
	if len(b)%2 != 0 || len(b) > 2*66 {
		return nil, fmt.Errorf("%w: a value of %d octets", ErrSignature, len(b))
	}
	half := len(b) / 2
	return der.Sequence(der.Integer(new(big.Int).SetBytes(b[:half])), der.Integer(new(big.Int).SetBytes(b[half:]))), nil
}

// named: the certificate that the signer says is his (EN 319 132-1, 5.2.2) is the
// one that the signature verifies with.
func (s *Signature) named(by *pki.Certificate) error {
	if s.xades == nil {
		return nil
	}
	var certs []*Element
	for _, local := range []string{"SigningCertificate", "SigningCertificateV2"} {
		for _, e := range s.xades.Children(XAdESSpace, local) {
			certs = append(certs, e.Children(XAdESSpace, "Cert")...)
		}
	}
	if len(certs) == 0 {
		return form("no signing certificate among the signed properties")
	}
	// The first is the signer's; others may be those of its issuers.
	d := certs[0].Only(XAdESSpace, "CertDigest")
	method, value := d.Only(Space, "DigestMethod"), d.Only(Space, "DigestValue")
	if method == nil || value == nil {
		return form("a signing certificate without its digest")
	}
	digest, err := findDigest(method.Attribute("", "Algorithm"))
	if err != nil {
		return form("%w", err)
	}
	want, err := decode(value)
	if err != nil {
		return err
	}
	h := digest.New(by.PublicKey)
	if _, err := io.Copy(h, bytes.NewReader(by.Raw)); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), want) {
		return fmt.Errorf("%w: the signer names another certificate", ErrSignature)
	}
	return nil
}

// VerifyPinned verifies with that certificate of KeyInfo whose SHA-256 is pinned,
// and gives it.
func (s *Signature) VerifyPinned(pin [32]byte) (*pki.Certificate, error) {
	for _, raw := range s.Certificates {
		if sha256.Sum256(raw) != pin {
			continue
		}
		c, err := pki.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		return c, s.Verify(c)
	}
	return nil, fmt.Errorf("%w: the certificate whose SHA-256 is %x is not among those it names", ErrSignature, pin)
}

// SigningTime is the time that the signer claims; zero if there is none.
func (s *Signature) SigningTime() time.Time {
	t, err := time.Parse(time.RFC3339, s.xades.Only(XAdESSpace, "SigningTime").Text())
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
