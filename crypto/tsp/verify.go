package tsp

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/ess"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TimeStamping is the extended key usage id-kp-timeStamping, RFC 3161, 2.3.
const TimeStamping der.OID = "1.3.6.1.5.5.7.3.8"

// aheadOfValidation is how far a time-stamp may lie after the time of validation:
// clocks differ.
const aheadOfValidation = 10 * time.Minute

// Outcome of the verification of a token. The zero value proves nothing.
type Outcome uint8

// The outcomes.
const (
	Malformed        Outcome = iota // signed attributes are not those of a token
	NoMessage                       // the stamped bytes are not at hand
	WrongImprint                    // the token is over other bytes
	WeakAlgorithm                   // digest, key or signature algorithm is weak or unknown
	NoCertificate                   // the authority's certificate is not found
	WrongCertificate                // signing-certificate names another one
	BadSignature                    // the authority did not sign this
	NotAuthority                    // the certificate is not for time-stamps
	WrongTime                       // the time lies in the future, or out of the certificate's validity
	NoPath                          // no valid path to an anchor: see Result.Path
	Valid                           // all holds
)

// Options are the conditions of a verification.
type Options struct {
	// Trust holds the anchors, and certificates to find the authority's among.
	Trust *pki.Store
	// Path holds the conditions of the authority's certificate path; its At is the
	// time for which the token has to hold, its Material is looked through for the
	// authority's certificate too. What the token carries is added.
	Path pki.PathOptions
	// Sum gives the digest of the stamped bytes; an error means that they cannot be
	// had. key is nil for the usual substitution block of GOST 34.311.
	Sum func(d *algorithm.Digest, key crypto.PublicKey) ([]byte, error)
	// Holder is the key of the signature that the stamp is of; may be nil. An imprint
	// with the substitution block of that key is as good as one with the usual block.
	Holder crypto.PublicKey
	// AttrsAsStored accepts signed attributes out of DER order, signed as they stand.
	AttrsAsStored bool
}

// Sum is the Options.Sum of a message at hand.
func Sum(message []byte) func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) {
	return func(d *algorithm.Digest, key crypto.PublicKey) ([]byte, error) { return hashed(d, key, message), nil }
}

func hashed(d *algorithm.Digest, key crypto.PublicKey, b []byte) []byte {
	h := d.New(key)
	h.Write(b)
	return h.Sum(nil)
}

// Result is what verification found.
type Result struct {
	Outcome Outcome
	// Detail says in English what failed, without personal data.
	Detail string
	// Authority is the certificate of the time-stamping authority; nil if not found.
	Authority *pki.Certificate
	// Path is that of Authority; validated last, so zero if anything failed before.
	Path pki.Path
	// AsStored tells that Options.AttrsAsStored was needed.
	AsStored bool
}

// Verify judges a token: imprint, certificate, signature, purpose, time and path,
// in this order, and stops at the first that fails.
func (t *Token) Verify(o Options) Result {
	var r Result
	r.Outcome, r.Detail = t.verify(o, &r)
	return r
}

func (t *Token) verify(o Options, r *Result) (Outcome, string) {
	if outcome, detail := t.imprint(o); outcome != Valid {
		return outcome, detail
	}
	attrs, err := t.attributes()
	if err != nil {
		return Malformed, err.Error()
	}
	if !t.si.Sorted && !o.AttrsAsStored {
		return Malformed, "signed attributes are not in DER order"
	}
	var material []*pki.Certificate
	for _, raw := range t.sd.Certificates {
		// One that cannot be read is no authority; that is all.
		if c, err := o.Trust.ParseCertificate(raw); err == nil {
			material = append(material, c)
		}
	}
	material = slices.Concat(material, o.Path.Material)
	candidates := t.candidates(o.Trust, material)
	if len(candidates) == 0 {
		return NoCertificate, "the authority's certificate is neither in the token nor at hand"
	}
	c := candidates[0]
	if attrs.named() {
		ref, err := ess.Read(attrs.ess, attrs.ess2)
		switch {
		case errors.Is(err, algorithm.ErrWeak), errors.Is(err, algorithm.ErrUnknown):
			return WeakAlgorithm, "signing-certificate: " + err.Error()
		case err != nil:
			return Malformed, "signing-certificate: " + err.Error()
		}
		i := slices.IndexFunc(candidates, ref.Names)
		if i < 0 {
			return WrongCertificate, "signing-certificate names another certificate than the signer identifier"
		}
		c = candidates[i]
	}
	r.Authority = c
	if outcome, detail := t.signature(c, attrs.digest); outcome != Valid {
		return outcome, detail
	}
	r.AsStored = !t.si.Sorted
	switch {
	case !slices.Contains(c.ExtendedKeyUsage, TimeStamping):
		return NotAuthority, "the authority's certificate is not for time-stamps (extKeyUsage)"
	case c.IsCA:
		return NotAuthority, "the authority's certificate is a CA certificate"
	case c.HasKeyUsage && c.KeyUsage&(pki.DigitalSignature|pki.NonRepudiation) == 0:
		return NotAuthority, "the authority's certificate is not for signing (keyUsage)"
	case t.Info.Time.After(o.Path.At.Add(aheadOfValidation)):
		return WrongTime, "the time lies in the future"
	case t.Info.Time.Before(c.NotBefore), t.Info.Time.After(c.NotAfter):
		return WrongTime, "the time lies out of the validity of the authority's certificate"
	}
	return t.path(c, material, o, r)
}

// imprint compares the imprint with the digest of the message, in full length.
func (t *Token) imprint(o Options) (Outcome, string) {
	d, err := algorithm.FindDigest(t.Info.ImprintAlgorithm)
	if err != nil {
		return WeakAlgorithm, "imprint: " + err.Error()
	}
	if o.Sum == nil {
		return NoMessage, "the stamped bytes are not at hand"
	}
	keys := []crypto.PublicKey{nil}
	if d.Keyed && o.Holder != nil && d.Variant(o.Holder) != d.Variant(nil) {
		keys = append(keys, o.Holder)
	}
	for _, key := range keys {
		sum, err := o.Sum(d, key)
		if err != nil {
			return NoMessage, "the stamped bytes are not at hand"
		}
		if subtle.ConstantTimeCompare(sum, t.Info.Imprint) == 1 {
			return Valid, ""
		}
	}
	return WrongImprint, "the imprint is of other bytes"
}

// attributes are the values of the signed attributes that are used.
type attributes struct {
	digest, ess, ess2 []byte
}

func (a attributes) named() bool { return a.ess != nil || a.ess2 != nil }

// attributes takes those that a token must have: content-type and message-digest
// once each (RFC 5652, 11), and signing-certificate once in each of its forms: tokens
// with both are found (RFC 5816 for those who know SHA-1 alone).
func (t *Token) attributes() (attributes, error) {
	var out attributes
	if !t.si.HasSignedAttrs {
		return out, errors.New("no signed attributes")
	}
	seen := make(map[der.OID]bool)
	for _, a := range t.si.SignedAttrs {
		switch a.Type {
		case cms.AttrContentType, cms.AttrDigest, cms.AttrSigningCert, cms.AttrSigningCert2:
		default:
			continue
		}
		if seen[a.Type] || len(a.Values) != 1 {
			return out, fmt.Errorf("signed attribute %s: doubled or not of one value", a.Type)
		}
		seen[a.Type] = true
		value := der.NewReader(a.Values[0], der.DER)
		switch a.Type {
		case cms.AttrContentType:
			if oid, err := value.OID(); err != nil || oid != cms.TypeTSTInfo {
				return out, errors.New("content-type attribute is not TSTInfo")
			}
		case cms.AttrDigest:
			md, err := value.OctetString()
			if err != nil {
				return out, errors.New("message-digest is not an OCTET STRING")
			}
			out.digest = md
		case cms.AttrSigningCert:
			out.ess = a.Values[0]
		case cms.AttrSigningCert2:
			out.ess2 = a.Values[0]
		}
	}
	if !seen[cms.AttrContentType] || !seen[cms.AttrDigest] {
		return out, errors.New("content-type or message-digest attribute is missing")
	}
	return out, nil
}

// candidates are the certificates that the signer identifier names.
func (t *Token) candidates(store *pki.Store, material []*pki.Certificate) []*pki.Certificate {
	var out []*pki.Certificate
	if t.si.KeyID != nil {
		for _, c := range material {
			if len(t.si.KeyID) > 0 && bytes.Equal(c.SubjectKeyID, t.si.KeyID) {
				out = append(out, c)
			}
		}
		return append(out, store.FindKeyID(t.si.KeyID)...)
	}
	issuer, err := pki.ParseName(t.si.Issuer)
	if err != nil {
		return nil
	}
	for _, c := range material {
		if bytes.Equal(c.RawSerial, t.si.Serial) && c.Issuer.Same(issuer) {
			out = append(out, c)
		}
	}
	return append(out, store.FindSerial(issuer, t.si.Serial)...)
}

// signature compares the digest of TSTInfo with message-digest and verifies the
// signature value over the signed attributes.
func (t *Token) signature(c *pki.Certificate, messageDigest []byte) (Outcome, string) {
	if c.PublicKey == nil {
		return WeakAlgorithm, "the authority's public key is malformed or of an unknown algorithm"
	}
	named, err := algorithm.FindDigest(t.si.DigestAlgorithm)
	if err != nil {
		return WeakAlgorithm, err.Error()
	}
	if subtle.ConstantTimeCompare(hashed(named, c.PublicKey, t.sd.Content), messageDigest) != 1 {
		return BadSignature, "TSTInfo is not what was signed: digests differ"
	}
	d, err := algorithm.DigestFor(t.si.SignatureAlgorithm, named)
	if err != nil {
		return WeakAlgorithm, err.Error()
	}
	sum := hashed(d, c.PublicKey, t.si.SignedBytes())
	switch err := algorithm.VerifySum(t.si.SignatureAlgorithm, c.PublicKey, d, sum, t.si.Signature); {
	case errors.Is(err, algorithm.ErrWeak), errors.Is(err, algorithm.ErrUnknown):
		return WeakAlgorithm, err.Error()
	case err != nil:
		return BadSignature, err.Error()
	}
	return Valid, ""
}

func (t *Token) path(c *pki.Certificate, material []*pki.Certificate, o Options, r *Result) (Outcome, string) {
	p := o.Path
	p.Material = material
	var lists pki.CRLs
	for _, raw := range t.sd.CRLs {
		if l, err := pki.ParseCRL(raw); err == nil {
			lists = append(lists, l)
		}
	}
	if lists != nil {
		p.Evidence = append(slices.Clip(p.Evidence), lists)
	}
	if r.Path = o.Trust.Validate(c, p); r.Path.Outcome != pki.ValidPath {
		return NoPath, r.Path.Detail
	}
	return Valid, ""
}
