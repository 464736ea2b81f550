package cades

import (
	"crypto"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// maxTimeStamps is how many time-stamps of each kind one signature may have; those
// beyond are not looked at.
const maxTimeStamps = 4

// timeStamps judges content-time-stamps, which the signer vouches for and which
// must hold, and signature-time-stamps, which anybody may have added: one that
// fails is told and not believed, and changes nothing.
func (j *judgement) timeStamps() {
	tokens, more := values(j.si.SignedAttrs, cms.AttrContentTimeStamp)
	for _, raw := range tokens {
		s := j.timeStamp(ContentTimeStamp, raw, j.c.contentSum)
		j.out.TimeStamps = append(j.out.TimeStamps, s)
		if s.Valid {
			continue
		}
		sub := SigConstraintsFailure
		switch s.SubIndication {
		case NoSigningCertificateFound:
			// Said of the signature it would mean its signer's.
			sub = NoCertificateChainFound
		case TryLater, SignedDataNotFound:
			sub = s.SubIndication
		}
		j.doubt(sub, string(ContentTimeStamp)+": "+s.Detail)
	}
	if more {
		j.doubt(SigConstraintsFailure, string(ContentTimeStamp)+": too many")
	}
	sum := tsp.Sum(j.si.Signature)
	tokens, _ = values(j.si.UnsignedAttrs, cms.AttrTimeStamp)
	for _, raw := range tokens {
		j.out.TimeStamps = append(j.out.TimeStamps, j.timeStamp(SignatureTimeStamp, raw, sum))
	}
}

// values are those of all attributes of a type; more tells that some are left out.
func values(attrs []cms.Attribute, oid der.OID) (list [][]byte, more bool) {
	for _, a := range attrs {
		if a.Type != oid {
			continue
		}
		list = append(list, a.Values...)
		if len(list) > maxTimeStamps {
			return list[:maxTimeStamps], true
		}
	}
	return list, false
}

// timeStamp judges one token. Tolerances are noted only where the verdict over the
// signature rests on the time-stamp.
func (j *judgement) timeStamp(kind Kind, raw []byte, sum func(*algorithm.Digest, crypto.PublicKey) ([]byte, error)) TimeStamp {
	out := TimeStamp{Kind: kind}
	token, err := tsp.Parse(raw)
	if err != nil {
		out.SubIndication, out.Detail = FormatFailure, err.Error()
		return out
	}
	out.Time = token.Info.Time
	allowed := j.c.o.Tolerate
	o := tsp.Options{
		Trust: j.c.o.Trust, Sum: sum, AttrsAsStored: allowed[AttrsAsStored],
		Path: pki.PathOptions{
			At: j.c.o.At, Material: j.c.embedded, Evidence: j.c.evidence, Work: j.c.stampWork,
			LegacySBox: allowed[LegacySBox], Freshness: j.c.o.Freshness,
		},
	}
	if j.out.Signer != nil {
		o.Holder = j.out.Signer.PublicKey
	}
	r := token.Verify(o)
	if r.Path.Outcome == pki.NoRevocationEvidence && allowed[NoRevocation] {
		o.Path.WithoutRevocation = true
		r = token.Verify(o)
	}
	if c := r.Authority; c != nil {
		out.Authority = c.Subject.String()
		if cn := c.Subject.CommonName; cn != "" {
			out.Authority = pki.Escape(cn)
		}
	}
	if kind == ContentTimeStamp {
		j.out.Missing = append(j.out.Missing, r.Path.Missing...)
	}
	if r.Outcome != tsp.Valid {
		out.SubIndication, out.Detail = ofToken(r), r.Detail
		return out
	}
	out.Valid = true
	if kind != ContentTimeStamp {
		return out
	}
	if r.AsStored {
		j.tolerate(AttrsAsStored)
	}
	if o.Path.WithoutRevocation {
		j.tolerate(NoRevocation)
	}
	for _, c := range r.Path.Chain {
		if algorithm.LegacySBox(c.PublicKey) {
			j.tolerate(LegacySBox)
		}
	}
	return out
}

// ofToken is the sub-indication of a token that does not hold.
func ofToken(r tsp.Result) SubIndication {
	switch r.Outcome {
	case tsp.Malformed:
		return FormatFailure
	case tsp.NoMessage:
		return SignedDataNotFound
	case tsp.WrongImprint:
		return HashFailure
	case tsp.WeakAlgorithm:
		return CryptoConstraintsFailure
	case tsp.NoCertificate:
		return NoSigningCertificateFound
	case tsp.BadSignature:
		return SigCryptoFailure
	case tsp.NotAuthority:
		return ChainConstraintsFailure
	case tsp.NoPath:
		return ofPath(r.Path.Outcome)
	}
	return SigConstraintsFailure
}
