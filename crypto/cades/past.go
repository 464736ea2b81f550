package cades

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Existence is a proof of existence that the caller brings: bytes with this digest
// were there at that time. The caller vouches for it, as a gateway does by its
// journal.
type Existence struct {
	// SHA256 is that of a whole container, whose parts are then proved too, or of a
	// signature value, certificate, CRL, OCSP answer or time-stamp token.
	SHA256 [32]byte
	At     time.Time
}

// Past are conditions of a validation in the past (EN 319 102-1, 5.6). The zero value
// is the strict one.
type Past struct {
	// Exists are proofs of existence from outside the container. Those of a time after
	// Options.At, or without a time, count for nothing.
	Exists []Existence
	// StatusThen takes revocation information about signers and time-stamping
	// authorities that was current at the proved time: issued before it, its nextUpdate
	// after it, as at a reception. Otherwise it must have been issued after the proved
	// time (EN 319 102-1, 5.6.2.2.4), so that nobody can choose an old list. For who
	// keeps the evidence of his own receptions.
	StatusThen bool
	// StaleAuthorities lets a time-stamp prove its time though nothing fresh tells that
	// its authority's certificate, still in force, was not revoked since: what was known
	// for the time that it tells is enough. Nothing may know of a revocation, of any time.
	// EU DSS has it so by its default policy; a gateway, which can ask, has not.
	StaleAuthorities bool
	// ExpiredAuthorities lets a time-stamp prove its time though its authority's
	// certificate has expired since and no later time-stamp protects it, if everything
	// held at the time it tells (RFC 3161, 4). An authority is then relied on to have
	// destroyed its key at the end (EN 319 421, 7.6), which EN 319 102-1 does not. It
	// implies StaleAuthorities.
	ExpiredAuthorities bool
}

// Examiner are the conditions of one who has a file and no gateway: those under which
// EU DSS, by its default policy, validates CAdES-B-LT and -LTA after expiry (EN 319
// 102-1, 5.5 and 5.6). What was known of the signer when the time-stamp was made is
// enough, for such files seldom have a list of after it; the newest time-stamp must be
// of an authority that has not expired.
var Examiner = Past{StatusThen: true, StaleAuthorities: true}

// reliesOn tells whether a time-stamp whose authority does not hold now may still prove
// the time that it tells.
func (p Past) reliesOn(o pki.Outcome) bool {
	switch o {
	case pki.OutOfBounds:
		return p.ExpiredAuthorities
	case pki.NoRevocationEvidence:
		return p.StaleAuthorities || p.ExpiredAuthorities
	}
	return false
}

// proofs are the proofs of existence gathered so far (EN 319 102-1, 5.6.2.3): the
// earliest time at which bytes are known to have been there, by their SHA-256.
type proofs map[[32]byte]time.Time

func (p proofs) add(at time.Time, objects ...[]byte) {
	for _, b := range objects {
		p.addSum(at, sha256.Sum256(b))
	}
}

func (p proofs) addSum(at time.Time, sum [32]byte) {
	if old, ok := p[sum]; !ok || at.Before(old) {
		p[sum] = at
	}
}

// of gives the proved time, at the latest now.
func (p proofs) of(sum [32]byte, now time.Time) time.Time {
	if at, ok := p[sum]; ok && at.Before(now) {
		return at
	}
	return now
}

// piece is one answer about revocation that can be weighed by its own time.
type piece struct {
	evidence pki.Evidence
	// issued is the time at which the piece itself is asked; zero: at times that the
	// question brings.
	issued time.Time
}

// pastPath is what a validation in the past found.
type pastPath struct {
	holds    bool
	detail   string
	chain    []*pki.Certificate
	evidence []EvidenceRef
	// revokedAt is the earliest revocation in the chain, zero if there is none.
	revokedAt time.Time
}

// curable tells whether a proof that the signature existed earlier may make good
// what is found now (EN 319 102-1, 5.6.3.4): expiry, revocation since, and evidence
// that is not fresh any more.
func curable(o pki.Outcome) bool {
	switch o {
	case pki.OutOfBounds, pki.CertificateRevoked, pki.AuthorityRevoked, pki.CertificateHeld, pki.NoRevocationEvidence:
		return true
	}
	return false
}

// past validates a certificate for the time at which what it signed is proved to
// have existed (EN 319 102-1, 5.6.2.1 and 5.6.2.2): the path holds at that time, and
// sliding down from the anchor no certificate was revoked, nor its status unknown,
// before it. assumed: the information about revocation is taken to have existed when
// it says it was issued.
func (j *judgement) past(leaf *pki.Certificate, exists time.Time, o pki.PathOptions, assumed bool) pastPath {
	now := j.c.o.At
	o.At, o.WithoutRevocation = exists, true
	p := j.c.o.Trust.Validate(leaf, o)
	out := pastPath{detail: p.Detail, chain: p.Chain}
	if p.Outcome != pki.ValidPath {
		return out
	}
	control := now
	for i := len(p.Chain) - 2; i >= 0; i-- {
		c, issuer := p.Chain[i], p.Chain[i+1]
		s := j.statusOf(c, issuer, exists, control, assumed)
		if !s.revokedAt.IsZero() {
			if out.revokedAt.IsZero() || s.revokedAt.Before(out.revokedAt) {
				out.revokedAt = s.revokedAt
			}
			out.evidence = append(out.evidence, s.used...)
			// At the moment of revocation it is revoked: strictly before.
			if t := s.revokedAt.Add(-time.Nanosecond); t.Before(control) {
				control = t
			}
		} else {
			if !s.good && j.tolerate(NoRevocation) {
				continue
			}
			if !s.good {
				out.detail = "nothing says for the proved time that a certificate of the chain was not revoked: " + s.detail
				return out
			}
			out.evidence = append(out.evidence, s.used...)
			switch limit := s.next; {
			case !s.next.Before(now): // fresh: 5.2.5
			case j.c.o.Past.StatusThen:
				// EN 319 102-1, 5.5.4 in place of 5.6.2.2.4: in force at the proved time is
				// enough, and nothing slides on, but back to a revocation.
				if exists.After(limit) {
					out.detail = "what is known of a certificate of the chain was not current any more at the proved time"
					return out
				}
			default:
				if i == 0 {
					limit = s.issued
				}
				if limit.Before(control) {
					control = limit
				}
			}
		}
		if exists.After(control) {
			out.detail = "the signature is not proved to have existed before a certificate of the chain was revoked, or its status known"
			return out
		}
	}
	out.holds, out.detail = true, ""
	return out
}

// status is what all evidence says of one certificate.
type status struct {
	revokedAt    time.Time
	good         bool
	issued, next time.Time
	used         []EvidenceRef
	detail       string
}

// statusOf weighs the evidence about one certificate: a revocation known to any of it
// stands; of what says good the newest counts, if it was issued and proved to exist
// before control, while its issuer's certificate was valid, and before the
// certificate itself expired, after which lists drop it.
func (j *judgement) statusOf(c, issuer *pki.Certificate, exists, control time.Time, assumed bool) status {
	now := j.c.o.At
	s := status{detail: "no evidence"}
	take := func(a pki.Answer) {
		switch {
		case a.Status == pki.Revoked || a.Status == pki.OnHold:
			if s.revokedAt.IsZero() || a.RevokedAt.Before(s.revokedAt) {
				s.revokedAt, s.used = a.RevokedAt, a.Used
			}
			return
		case a.Status != pki.Good:
			if a.Detail != "" && !strings.HasPrefix(a.Detail, "no CRL of") {
				s.detail = a.Detail
			}
			return
		case !s.revokedAt.IsZero() || len(a.Used) == 0:
			return
		}
		for _, u := range a.Used {
			known := j.proofs.of(u.SHA256, now)
			if assumed {
				known = u.ThisUpdate
			}
			if u.ThisUpdate.After(control) || u.ThisUpdate.After(c.NotAfter) || known.After(issuer.NotAfter) || known.After(control) {
				s.detail = "the evidence is not proved to have existed in time"
				return
			}
		}
		if u := a.Used[0]; !s.good || u.ThisUpdate.After(s.issued) {
			s.good, s.issued, s.next, s.used = true, u.ThisUpdate, u.NextUpdate, a.Used
			if s.next.Before(s.issued) { // absent: fresh at its own time only
				s.next = s.issued
			}
		}
	}
	q := pki.Question{Certificate: c, Issuer: issuer, Freshness: j.c.o.Freshness}
	q.Issued = func() []*pki.Certificate { return j.material }
	q.Delegate = func(d *pki.Certificate, at time.Time) error { return j.delegate(d, issuer, at, control) }
	for _, p := range j.allPieces() {
		if !p.issued.IsZero() {
			q.At, q.Known = p.issued, p.issued
			take(p.evidence.Revocation(q))
			continue
		}
		// What cannot be asked piece by piece: of now, of then, and of then by what was
		// issued while the certificate could be on a list.
		known := now
		if c.NotAfter.Before(now) {
			known = c.NotAfter
		}
		for _, t := range [][2]time.Time{{now, now}, {exists, exists}, {exists, known}} {
			q.At, q.Known = t[0], t[1]
			take(p.evidence.Revocation(q))
		}
	}
	return s
}

// ocspNoCheck is id-pkix-ocsp-nocheck, RFC 6960, 4.2.2.2.1.
const ocspNoCheck der.OID = "1.3.6.1.5.5.7.48.1.5"

// delegate says why an OCSP responder's certificate may not speak for issuer in the
// past: it must be under its key, hold when it answered, and not be revoked by a list,
// or say that this need not be asked.
func (j *judgement) delegate(d, issuer *pki.Certificate, at, control time.Time) error {
	p := j.c.o.Trust.Validate(d, pki.PathOptions{
		At: at, Material: j.material, Work: j.c.stampWork, WithoutRevocation: true, LegacySBox: j.c.o.Tolerate[LegacySBox],
	})
	if p.Outcome != pki.ValidPath {
		return errors.New("the responder's certificate: " + p.Detail)
	}
	if len(p.Chain) < 2 || !bytes.Equal(p.Chain[1].RawSPKI, issuer.RawSPKI) {
		return errors.New("the responder's certificate is not of the issuer")
	}
	if d.Extension(ocspNoCheck) != nil {
		return nil
	}
	var lists pki.CRLs
	for _, x := range slices.Concat(j.lists, j.c.lists, j.c.o.Trust.CRLs()) {
		if !x.ThisUpdate.After(control) {
			lists = append(lists, x)
		}
	}
	a := lists.Revocation(pki.Question{Certificate: d, Issuer: issuer, At: at, Known: control})
	if a.Status != pki.Good {
		return errors.New("the responder's certificate: nothing says that it was not revoked")
	}
	return nil
}

// legacyIn tells whether a chain has keys that LegacySBox must allow.
func legacyIn(chain []*pki.Certificate) bool {
	for _, c := range chain {
		if algorithm.LegacySBox(c.PublicKey) {
			return true
		}
	}
	return false
}
