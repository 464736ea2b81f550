package cades

import (
	"crypto"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// How many time-stamps of each kind one signature may have; those beyond are not
// looked at. An archive-time-stamp is added every few years.
const (
	maxTimeStamps = 4
	maxArchives   = 24
)

// stamp is one time-stamp under judgement.
type stamp struct {
	out   TimeStamp
	token *tsp.Token
	sum   func(*algorithm.Digest, crypto.PublicKey) ([]byte, error)
	// proves gives what is proved to have existed by it.
	proves func() [][]byte
	// needs are the tolerances without which it would not hold.
	needs []Tolerance
}

// unsigned kinds of time-stamps, in the order in which they are told.
var unsignedStamps = []struct {
	kind Kind
	oid  der.OID
	max  int
}{
	{SignatureTimeStamp, cms.AttrTimeStamp, maxTimeStamps},
	{CAdESCTimeStamp, cms.AttrCAdESCTimeStamp, maxTimeStamps},
	{ReferencesTimeStamp, cms.AttrRefsTimeStamp, maxTimeStamps},
	{ArchiveTimeStamp, cms.AttrArchive3, maxArchives},
}

// timeStamps judges the time-stamps of a signature, the newest first, because a later
// one may prove that an earlier one existed before its authority's certificate expired
// (EN 319 102-1, 5.6.3.4), and gathers what they prove. Unsigned ones anybody may
// have added: one that fails is told, proves nothing and changes nothing.
func (j *judgement) timeStamps() {
	var all []*stamp
	tokens, more := values(j.si.SignedAttrs, cms.AttrContentTimeStamp, maxTimeStamps)
	for _, raw := range tokens {
		s := j.read(ContentTimeStamp, raw)
		s.sum, s.proves = j.c.contentSum, func() [][]byte { return nil }
		all = append(all, s)
	}
	signed := len(all)
	j.tooManyContentStamps = more
	for _, k := range unsignedStamps {
		tokens, _ := values(j.si.UnsignedAttrs, k.oid, k.max)
		for _, raw := range tokens {
			s := j.read(k.kind, raw)
			if s.token != nil {
				j.over(s)
			}
			all = append(all, s)
		}
	}
	order := slices.Clone(all[signed:])
	slices.Reverse(order)
	slices.SortStableFunc(order, func(a, b *stamp) int { return b.out.Time.Compare(a.out.Time) })
	for _, s := range append(order, all[:signed]...) {
		if s.token == nil || s.out.SubIndication != "" {
			continue
		}
		j.judgeStamp(s)
		if s.out.Valid {
			// Accuracy to the safe side.
			j.proofs.add(s.token.Info.Time.Add(s.token.Info.Accuracy), s.proves()...)
		}
	}
	for _, s := range all {
		j.out.TimeStamps = append(j.out.TimeStamps, s.out)
	}
	j.stamps = all
}

// values are those of all attributes of a type; more tells that some are left out.
func values(attrs []cms.Attribute, oid der.OID, limit int) (list [][]byte, more bool) {
	for _, a := range attrs {
		if a.Type != oid {
			continue
		}
		list = append(list, a.Values...)
		if len(list) > limit {
			return list[:limit], true
		}
	}
	return list, false
}

// read parses a token and takes what it carries for validation.
func (j *judgement) read(kind Kind, raw []byte) *stamp {
	s := &stamp{out: TimeStamp{Kind: kind}}
	token, err := tsp.Parse(raw)
	if err != nil {
		s.out.SubIndication, s.out.Detail = FormatFailure, err.Error()
		return s
	}
	s.token, s.out.Time = token, token.Info.Time
	sd := token.SignedData()
	j.takeCertificates(sd.Certificates)
	j.takeRevocation(sd.CRLs, sd.OCSP)
	return s
}

// over tells what an unsigned time-stamp is over and what it proves.
func (j *judgement) over(s *stamp) {
	switch s.out.Kind {
	case SignatureTimeStamp:
		s.sum, s.proves = tsp.Sum(j.si.Signature), j.signatureParts
	case CAdESCTimeStamp:
		// EN 319 122-1, A.1.5.2: signature value, its time-stamp, references.
		message := slices.Clone(j.si.Signature)
		for _, oid := range []der.OID{cms.AttrTimeStamp, cms.AttrCertificateRefs, cms.AttrRevocationRefs} {
			message = append(message, j.attributeContents(oid)...)
		}
		s.sum = tsp.Sum(message)
		s.proves = func() [][]byte {
			out := append(j.signatureParts(), j.referenced()...)
			for _, a := range j.si.UnsignedAttrs {
				if a.Type == cms.AttrTimeStamp {
					out = append(out, j.parts(a.Type, a.Values...)...)
				}
			}
			return out
		}
	case ReferencesTimeStamp:
		// A.1.5.1: references alone.
		s.sum = tsp.Sum(append(j.attributeContents(cms.AttrCertificateRefs), j.attributeContents(cms.AttrRevocationRefs)...))
		s.proves = j.referenced
	case ArchiveTimeStamp:
		j.overArchive(s)
	}
}

func (j *judgement) overArchive(s *stamp) {
	sum, index, rule, err := archiveSum(j.c.sd, j.si, j.attrs.messageDigest, s.token, j.c.contentSum)
	s.out.Rule = rule
	if err != nil {
		s.out.SubIndication, s.out.Detail = FormatFailure, err.Error()
		return
	}
	s.sum = sum
	protected := func([]byte) bool { return true }
	if index != nil {
		set, err := index.protected(j.c.sd, j.si)
		if err != nil {
			s.out.SubIndication, s.out.Detail = SigConstraintsFailure, err.Error()
			return
		}
		protected = func(b []byte) bool { return set[string(b)] }
	}
	s.proves = func() [][]byte {
		out := j.signatureParts()
		for _, raw := range j.c.sd.CertificateChoices {
			if protected(raw) {
				out = append(out, raw)
			}
		}
		for _, raw := range j.c.sd.RevocationChoices {
			if protected(raw) {
				out = append(out, raw)
				out = append(out, ocspParts(cms.OCSPValue(raw))...)
			}
		}
		for _, a := range j.si.UnsignedAttrs {
			if index == nil {
				if !isArchive3(a) {
					out = append(out, j.parts(a.Type, a.Values...)...)
				}
				continue
			}
			for _, v := range a.Values {
				if protected(a.Raw) || protected(slices.Concat(a.Type.Encode(), v)) {
					out = append(out, j.parts(a.Type, v)...)
				}
			}
		}
		return out
	}
}

// judgeStamp judges one token for the time of validation and, where that cannot be,
// for the time at which it is proved to have existed.
func (j *judgement) judgeStamp(s *stamp) {
	allowed := j.c.o.Tolerate
	o := tsp.Options{
		Trust: j.c.o.Trust, Sum: s.sum, AttrsAsStored: allowed[AttrsAsStored],
		Path: pki.PathOptions{
			At: j.c.o.At, Material: j.material, Evidence: j.evidence(), Work: j.c.stampWork,
			LegacySBox: allowed[LegacySBox], Freshness: j.c.o.Freshness,
		},
	}
	if j.out.Signer != nil {
		o.Holder = j.out.Signer.PublicKey
	}
	r := s.token.Verify(o)
	if r.Path.Outcome == pki.NoRevocationEvidence && allowed[NoRevocation] {
		o.Path.WithoutRevocation = true
		if r = s.token.Verify(o); r.Outcome == tsp.Valid {
			s.needs = append(s.needs, NoRevocation)
		}
	}
	if c := r.Authority; c != nil {
		s.out.Authority = c.Subject.String()
		if cn := c.Subject.CommonName; cn != "" {
			s.out.Authority = pki.Escape(cn)
		}
	}
	s.out.Chain, s.out.Evidence = r.Path.Chain, r.Path.Evidence
	switch {
	case r.Outcome == tsp.Valid:
		s.out.Valid = true
	case r.Outcome == tsp.NoPath && curable(r.Path.Outcome):
		p := j.pastStamp(s, r, o.Path)
		if !p.holds {
			if s.out.Kind == ContentTimeStamp {
				j.out.Missing = append(j.out.Missing, r.Path.Missing...)
			}
			s.out.SubIndication, s.out.Detail = ofToken(r), r.Detail
			if p.detail != "" {
				s.out.Detail += "; " + p.detail
			}
			return
		}
		s.out.Valid, s.out.Past = true, true
		s.out.Chain, s.out.Evidence = p.chain, p.evidence
	default:
		s.out.SubIndication, s.out.Detail = ofToken(r), r.Detail
		return
	}
	if r.AsStored {
		s.needs = append(s.needs, AttrsAsStored)
	}
	if legacyIn(s.out.Chain) {
		s.needs = append(s.needs, LegacySBox)
	}
}

// pastStamp validates the authority of a token for a time in the past.
func (j *judgement) pastStamp(s *stamp, r tsp.Result, o pki.PathOptions) pastPath {
	now := j.c.o.At
	var p pastPath
	if exists := j.proofs.of(sha256.Sum256(s.token.Raw), now); exists.Before(now) {
		if p = j.past(r.Authority, exists, o, false); p.holds {
			return p
		}
	}
	told := s.token.Info.Time
	if !told.Before(now) || !j.c.o.Past.reliesOn(r.Path.Outcome) {
		if r.Path.Outcome == pki.OutOfBounds && p.detail == "" {
			p.detail = "no later time-stamp that holds protects it"
		}
		return p
	}
	// A stolen key may stamp any time: then its own word counts for nothing.
	if q := j.past(r.Authority, told, o, true); q.revokedAt.IsZero() {
		return q
	}
	return p
}

// contentStamps: a content-time-stamp the signer vouches for, so it must hold.
func (j *judgement) contentStamps() {
	signed := j.provedTime()
	for _, s := range j.stamps {
		if s.out.Kind != ContentTimeStamp {
			continue
		}
		if s.out.Valid {
			for _, t := range s.needs {
				j.tolerate(t)
			}
			// The signature is made after it: EN 319 102-1, 5.5.4 on the order.
			if signed.Before(j.c.o.At) && s.out.Time.Add(-s.token.Info.Accuracy).After(signed) {
				j.doubt(TimestampOrderFailure, "a content-time-stamp is of a later time than the signature's own")
			}
			continue
		}
		sub := SigConstraintsFailure
		switch s.out.SubIndication {
		case NoSigningCertificateFound:
			// Said of the signature it would mean its signer's.
			sub = NoCertificateChainFound
		case TryLater, SignedDataNotFound:
			sub = s.out.SubIndication
		}
		j.doubt(sub, string(ContentTimeStamp)+": "+s.out.Detail)
	}
	if j.tooManyContentStamps {
		j.doubt(SigConstraintsFailure, string(ContentTimeStamp)+": too many")
	}
}

// provedTime is the earliest time at which the signature is proved to have existed;
// the time of validation if nothing proves more (best-signature-time of EN 319 102-1,
// 5.5.4).
func (j *judgement) provedTime() time.Time {
	return j.proofs.of(sha256.Sum256(j.si.Signature), j.c.o.At)
}

// createdAfter is a time after which the signature was made for certain: of its latest
// content-time-stamp that holds; zero if there is none.
func (j *judgement) createdAfter() time.Time {
	var last time.Time
	for _, s := range j.stamps {
		if s.out.Kind != ContentTimeStamp || !s.out.Valid {
			continue
		}
		if t := s.token.Info.Time.Add(-s.token.Info.Accuracy); t.After(last) {
			last = t
		}
	}
	return last
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
