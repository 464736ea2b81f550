package cades

import (
	"crypto/sha256"
	"slices"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// takeValues reads certificate-values and revocation-values (EN 319 122-1, 5.4.2 and
// 5.4.3) of the signature, and takes the proofs that the caller brought. What cannot
// be read proves nothing; that is all.
func (j *judgement) takeValues() {
	j.proofs = make(proofs)
	j.material = j.c.embedded
	j.takeRevocation(nil, j.c.sd.OCSP)
	for _, a := range j.si.UnsignedAttrs {
		for _, v := range a.Values {
			switch a.Type {
			case cms.AttrCertificateValues:
				j.takeCertificates(sequence(v))
			case cms.AttrRevocationValues:
				j.takeRevocation(revocationValues(v))
			}
		}
	}
	for _, e := range j.c.o.Past.Exists {
		if e.At.IsZero() || e.At.After(j.c.o.At) {
			continue
		}
		j.proofs.addSum(e.At, e.SHA256)
		switch e.SHA256 {
		case sha256.Sum256(j.si.Signature):
			j.proofs.add(e.At, j.signatureParts()...)
		case j.c.sum256():
			j.proofs.add(e.At, j.everything()...)
		}
	}
}

// everything are the parts of the container that may be proved to have existed.
func (j *judgement) everything() [][]byte {
	out := slices.Concat(j.signatureParts(), j.c.sd.CertificateChoices, j.c.sd.RevocationChoices)
	for _, raw := range j.c.sd.OCSP {
		out = append(out, ocspParts(raw)...)
	}
	for _, a := range j.si.UnsignedAttrs {
		out = append(out, j.parts(a.Type, a.Values...)...)
	}
	return out
}

// signatureParts are what must have existed when the signature did: itself, the signed
// time-stamps, and the certificate that a signed digest names.
func (j *judgement) signatureParts() [][]byte {
	out := [][]byte{j.si.Signature}
	for _, a := range j.si.SignedAttrs {
		if a.Type == cms.AttrContentTimeStamp {
			out = append(out, j.parts(a.Type, a.Values...)...)
		}
	}
	if j.out.Signer != nil && j.attrs.ess2 != nil {
		out = append(out, j.out.Signer.Raw)
	}
	return out
}

// parts are the objects within the values of an attribute.
func (j *judgement) parts(oid der.OID, attrValues ...[]byte) [][]byte {
	var out [][]byte
	for _, v := range attrValues {
		switch oid {
		case cms.AttrContentTimeStamp, cms.AttrTimeStamp, cms.AttrCAdESCTimeStamp, cms.AttrRefsTimeStamp, cms.AttrArchive3:
			t, err := tsp.Parse(v)
			if err != nil {
				continue
			}
			sd := t.SignedData()
			out = append(out, t.Raw)
			out = append(out, slices.Concat(sd.Certificates, sd.CRLs)...)
			for _, raw := range sd.OCSP {
				out = append(out, ocspParts(raw)...)
			}
		case cms.AttrCertificateValues:
			out = append(out, sequence(v)...)
		case cms.AttrRevocationValues:
			lists, answers := revocationValues(v)
			out = append(out, lists...)
			for _, raw := range answers {
				out = append(out, ocspParts(raw)...)
			}
		case cms.AttrCertificateRefs, cms.AttrRevocationRefs:
			out = append(out, j.referenced()...)
		}
	}
	return out
}

// ocspParts are an OCSP answer in both of its forms: as it is, and the basic answer.
func ocspParts(raw []byte) [][]byte {
	if raw == nil {
		return nil
	}
	basic, err := basicOCSP(raw)
	if err != nil {
		return nil
	}
	return [][]byte{raw, basic, wholeOCSP(basic)}
}

func (j *judgement) takeCertificates(list [][]byte) {
	for _, raw := range list {
		if len(j.material) >= len(j.c.embedded)+cms.MaxCertificates {
			return
		}
		c, err := j.c.o.Trust.ParseCertificate(raw)
		if err != nil || slices.ContainsFunc(j.material, c.Equal) {
			continue
		}
		j.material = append(slices.Clip(j.material), c)
	}
}

func (j *judgement) takeRevocation(lists, answers [][]byte) {
	for _, raw := range lists {
		if len(j.lists) >= cms.MaxCRLs {
			return
		}
		if l, err := pki.ParseCRL(raw); err == nil {
			j.lists = append(j.lists, l)
		}
	}
	for _, raw := range answers {
		if len(j.answers) >= cms.MaxCRLs {
			return
		}
		basic, err := basicOCSP(raw)
		if err != nil {
			continue
		}
		if r, err := ocsp.Parse(basic); err == nil {
			j.answers = append(j.answers, r)
			j.takeCertificates(rawCertificates(r.Certificates))
		}
	}
}

// evidence is what answers about revocation for the time of validation.
func (j *judgement) evidence() []pki.Evidence {
	out := slices.Clip(j.c.evidence)
	if len(j.lists) > 0 {
		out = append(out, pki.CRLs(j.lists))
	}
	if len(j.answers) > 0 {
		out = append(out, ocsp.NewResponses(j.answers...))
	}
	return out
}

// allPieces are the answers about revocation at hand, each by itself.
func (j *judgement) allPieces() []piece {
	if j.pieces != nil {
		return j.pieces
	}
	had := make(map[[32]byte]bool)
	for _, l := range slices.Concat(j.lists, j.c.lists, j.c.o.Trust.CRLs()) {
		if had[l.SHA256()] {
			continue
		}
		had[l.SHA256()] = true
		j.pieces = append(j.pieces, piece{evidence: pki.CRLs{l}, issued: l.ThisUpdate})
	}
	for _, r := range j.answers {
		if had[r.SHA256()] {
			continue
		}
		had[r.SHA256()] = true
		j.pieces = append(j.pieces, piece{evidence: r, issued: r.Produced})
	}
	for _, e := range append([]pki.Evidence{j.c.o.Trust}, j.c.o.Evidence...) {
		j.pieces = append(j.pieces, piece{evidence: e})
	}
	return j.pieces
}

func rawCertificates(list []*pki.Certificate) [][]byte {
	var out [][]byte
	for _, c := range list {
		out = append(out, c.Raw)
	}
	return out
}

// sequence gives the elements of an encoded SEQUENCE OF SEQUENCE, nil if it is none.
func sequence(raw []byte) [][]byte {
	r, err := der.NewReader(raw, der.BER).Sequence()
	if err != nil {
		return nil
	}
	return elements(r)
}

func elements(r *der.Reader) [][]byte {
	var out [][]byte
	for !r.Empty() {
		e, err := r.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return nil
		}
		out = append(out, e.Raw)
	}
	return out
}

// revocationValues reads RevocationValues: CRLs, and basic OCSP answers.
func revocationValues(raw []byte) (lists, answers [][]byte) {
	r, err := der.NewReader(raw, der.BER).Sequence()
	if err != nil {
		return nil, nil
	}
	for tag, to := range []*[][]byte{&lists, &answers} {
		if !r.Peek(der.Context, uint32(tag)) { //nolint:gosec // 0 or 1
			continue
		}
		x, err := r.Explicit(uint32(tag)) //nolint:gosec // 0 or 1
		if err != nil {
			return lists, answers
		}
		in, err := x.Sequence()
		if err != nil {
			return lists, answers
		}
		*to = elements(in)
	}
	return lists, answers
}
