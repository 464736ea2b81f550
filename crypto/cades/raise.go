package cades

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// Stamper gets time-stamp tokens of an authority.
type Stamper interface {
	// TimeStamp gets a token over a digest value, which the token must be the answer to
	// (tsp.Request.Answer). That its authority is trusted need not be checked.
	TimeStamp(ctx context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error)
}

// ErrSealed: the container has an archive-time-stamp over itself as it stands
// (version 2, or version 3 by the rule of UAPKI): what would be added breaks it.
var ErrSealed = errors.New("an archive-time-stamp over the container as it stands forbids additions")

// Raising is how existing signatures are raised to a level at which they can be
// validated later. What was signed is never touched, and everything that was in the
// container stays in it, byte for byte.
type Raising struct {
	// Stamper is asked for time-stamps; AddValues needs none.
	Stamper Stamper
	// Digest is that of the imprints; empty stands for the one each signature is made
	// with. Of GOST 34.311 it is the one with the usual substitution block.
	Digest der.OID
	// Tolerate may name BERSignerInfo, where the signature is only so accepted.
	Tolerate Tolerances
}

// Values are what a signature is validated with later.
type Values struct {
	// Certificates of all chains: the signers', the time-stamping authorities', those of
	// OCSP responders.
	Certificates []*pki.Certificate
	// CRLs and OCSP answers about them, encoded; an OCSP answer as OCSPResponse or as
	// BasicOCSPResponse.
	CRLs, OCSP [][]byte
}

// Form is where AddValues puts them.
type Form uint8

const (
	// Baseline: into certificates and crls of SignedData, as CAdES-B-LT wants it (EN 319
	// 122-1, 6.3).
	Baseline Form = iota
	// Extended: into certificate-values and revocation-values, with references to each
	// (CAdES-E-X Long, EN 319 122-1, annexes A.1 and 5.4): what Ukrainian software writes
	// and reads.
	Extended
)

func (r Raising) parse(container []byte) (*cms.SignedData, error) {
	raw, err := cms.Unarmour(container)
	if err != nil {
		return nil, err
	}
	sd, err := cms.Parse(raw, cms.Options{BERSignerInfo: r.Tolerate[BERSignerInfo]})
	if err != nil {
		return nil, err
	}
	if len(sd.Signers) == 0 {
		return nil, errors.New("no signature in the container")
	}
	return sd, nil
}

// digest is that of the imprints for a signature.
func (r Raising) digest(si *cms.SignerInfo) (*algorithm.Digest, error) {
	id := si.DigestAlgorithm
	if r.Digest != "" {
		id = algorithm.Identifier{OID: r.Digest}
	}
	return algorithm.FindDigest(id)
}

// stamp gets a token and holds the authority to the imprint that was asked for.
func (r Raising) stamp(ctx context.Context, d *algorithm.Digest, message []byte) (*tsp.Token, error) {
	if r.Stamper == nil {
		return nil, errors.New("no time-stamping authority")
	}
	sum := hashed(d, nil, message)
	t, err := r.Stamper.TimeStamp(ctx, d, sum)
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	if t == nil || t.Info.ImprintAlgorithm.OID != d.OID || string(t.Info.Imprint) != string(sum) {
		return nil, fmt.Errorf("time-stamp: imprint: %w", tsp.ErrMismatch)
	}
	return t, nil
}

// AddTimeStamp gives every signature of a container a signature-time-stamp: CAdES-T
// (EN 319 122-1, 5.3). It gives the container in DER or, where it was so, in BER.
func (r Raising) AddTimeStamp(ctx context.Context, container []byte) ([]byte, error) {
	sd, err := r.parse(container)
	if err != nil {
		return nil, err
	}
	add := make(map[int][][]byte)
	for i := range sd.Signers {
		si := &sd.Signers[i]
		if sealedByContainer(si) {
			return nil, ErrSealed
		}
		d, err := r.digest(si)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		t, err := r.stamp(ctx, d, si.Signature)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		add[i] = [][]byte{cms.NewAttribute(cms.AttrTimeStamp, t.Raw)}
	}
	return sd.Amend(cms.Amendment{Unsigned: add})
}

// AddValues puts certificates and revocation answers into a container: CAdES-LT. What
// is there already is not added again. It does not look whether they suffice:
// Validate does.
func (r Raising) AddValues(container []byte, v Values, form Form) ([]byte, error) {
	sd, err := r.parse(container)
	if err != nil {
		return nil, err
	}
	for i := range sd.Signers {
		if sealedByContainer(&sd.Signers[i]) {
			return nil, ErrSealed
		}
	}
	if form == Extended {
		return r.extended(sd, v)
	}
	var a cms.Amendment
	for _, c := range v.Certificates {
		a.Certificates = append(a.Certificates, c.Raw)
	}
	a.CRLs = v.CRLs
	have := make([][]byte, 0, len(sd.OCSP))
	for _, raw := range sd.OCSP {
		if basic, err := basicOCSP(raw); err == nil {
			have = append(have, basic)
		}
	}
	for _, raw := range v.OCSP {
		basic, err := basicOCSP(raw)
		if err != nil {
			return nil, err
		}
		if !sameBytes(have, basic) {
			have = append(have, basic)
			a.OCSP = append(a.OCSP, wholeOCSP(basic))
		}
	}
	return sd.Amend(a)
}

// extended writes references and values of each signature as unsigned attributes.
func (r Raising) extended(sd *cms.SignedData, v Values) ([]byte, error) {
	add := make(map[int][][]byte)
	for i := range sd.Signers {
		si := &sd.Signers[i]
		for _, oid := range []der.OID{cms.AttrCertificateRefs, cms.AttrRevocationRefs, cms.AttrCertificateValues, cms.AttrRevocationValues} {
			if hasValue(si.UnsignedAttrs, oid) {
				return nil, fmt.Errorf("signature %d: attribute %s is there already", i+1, oid)
			}
		}
		d, err := r.digest(si)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		if add[i], err = extendedAttributes(d, si, v); err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
	}
	return sd.Amend(cms.Amendment{Unsigned: add})
}

func extendedAttributes(d *algorithm.Digest, si *cms.SignerInfo, v Values) ([][]byte, error) {
	other := func(b []byte) []byte { // OtherHash by OtherHashAlgAndValue
		return der.Sequence(der.Sequence(d.OID.Encode()), der.OctetString(hashed(d, nil, b)))
	}
	var refs, certificates, lists, crlRefs, answers, answerRefs [][]byte
	for _, c := range v.Certificates {
		certificates = append(certificates, c.Raw)
		if string(c.RawSerial) == string(si.Serial) && string(c.RawIssuer) == string(si.Issuer) {
			continue // signing-certificate names the signer's
		}
		refs = append(refs, der.Sequence(other(c.Raw),
			der.Sequence(der.Sequence(der.Explicit(4, c.RawIssuer)), der.Value(der.TagInteger, c.RawSerial))))
	}
	for _, l := range v.CRLs {
		lists = append(lists, l)
		crlRefs = append(crlRefs, der.Sequence(other(l)))
	}
	for _, raw := range v.OCSP {
		basic, err := basicOCSP(raw)
		if err != nil {
			return nil, err
		}
		responder, produced, err := ocspIdentity(basic)
		if err != nil {
			return nil, err
		}
		answers = append(answers, basic)
		answerRefs = append(answerRefs, der.Sequence(der.Sequence(responder, produced), other(basic)))
	}
	var ref, values [][]byte
	if len(lists) > 0 {
		ref = append(ref, der.Explicit(0, der.Sequence(der.Sequence(crlRefs...))))
		values = append(values, der.Explicit(0, der.Sequence(lists...)))
	}
	if len(answers) > 0 {
		ref = append(ref, der.Explicit(1, der.Sequence(der.Sequence(answerRefs...))))
		values = append(values, der.Explicit(1, der.Sequence(answers...)))
	}
	return [][]byte{
		cms.NewAttribute(cms.AttrCertificateRefs, der.Sequence(refs...)),
		cms.NewAttribute(cms.AttrRevocationRefs, der.Sequence(der.Sequence(ref...))),
		cms.NewAttribute(cms.AttrCertificateValues, der.Sequence(certificates...)),
		cms.NewAttribute(cms.AttrRevocationValues, der.Sequence(values...)),
	}, nil
}

// AddArchiveTimeStamp gives every signature an archive-time-stamp-v3 by the ETSI
// rule over all that is in the container: CAdES-LTA (EN 319 122-1, 5.5). Added again
// before its authority's certificate expires or its algorithms age, with the values
// of the former one put in first, it protects the former. content is the document
// of a detached container, nil for an attached one.
func (r Raising) AddArchiveTimeStamp(ctx context.Context, container []byte, content *io.SectionReader) ([]byte, error) {
	sd, err := r.parse(container)
	if err != nil {
		return nil, err
	}
	if sd.Attached == (content != nil) {
		return nil, errors.New("the document must be inside the container or beside it")
	}
	c := &shared{sd: sd, in: Input{Detached: content}, sums: make(map[string]sum)}
	add := make(map[int][][]byte)
	for i := range sd.Signers {
		token, err := r.archive(ctx, c, &sd.Signers[i])
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		add[i] = [][]byte{cms.NewAttribute(cms.AttrArchive3, token)}
	}
	return sd.Amend(cms.Amendment{Unsigned: add})
}

func (r Raising) archive(ctx context.Context, c *shared, si *cms.SignerInfo) ([]byte, error) {
	if slices.ContainsFunc(si.UnsignedAttrs, func(a cms.Attribute) bool { return a.Type == cms.AttrArchive2 }) {
		return nil, ErrSealed
	}
	d, err := r.digest(si)
	if err != nil {
		return nil, err
	}
	content, err := c.contentSum(d, nil)
	if err != nil {
		return nil, err
	}
	index := newIndex(c.sd, si, d, der.Sequence(d.OID.Encode()), false, nil)
	t, err := r.stamp(ctx, d, archiveMessage(c.sd, si, content, index, ArchiveETSI))
	if err != nil {
		return nil, err
	}
	return t.SignedData().Amend(cms.Amendment{Unsigned: map[int][][]byte{0: {cms.NewAttribute(cms.AttrHashIndex3, index)}}})
}
