package pki

import "time"

// Status is what evidence says of a certificate. The zero value knows nothing.
type Status uint8

// The statuses.
const (
	Unknown Status = iota
	Good
	Revoked
	OnHold
)

// EvidenceRef names a piece of evidence, so that the verdict can be recomputed.
type EvidenceRef struct {
	Kind                   string // "crl", later "ocsp"
	SHA256                 [32]byte
	ThisUpdate, NextUpdate time.Time
}

// Question is about one certificate of a path.
type Question struct {
	Certificate, Issuer *Certificate
	At                  time.Time
	// Alternates gives other certificates of the issuer's name, with other keys,
	// that are valid under the same anchor: after a change of keys they sign
	// the evidence for certificates signed by the old key. Nil: there are none.
	Alternates func() []*Certificate
}

// Answer to a Question.
type Answer struct {
	Status Status
	// RevokedAt is when the revocation or hold took effect.
	RevokedAt time.Time
	// Reason is the CRLReason, RFC 5280, 5.3.1.
	Reason int
	// Used are the pieces the answer rests on.
	Used []EvidenceRef
	// Detail says why the status is Unknown.
	Detail string
}

// Evidence answers about revocation. CRLs are one; OCSP answers will be
// another. It must be safe for use by several goroutines.
type Evidence interface {
	Revocation(q Question) Answer
}

// CRLs is evidence from a set of lists, of any issuers.
type CRLs []*CRL

// Revocation finds the status in full CRLs that the certificate's issuer signed
// with the key that signed the certificate, or with another key of the same name
// under the same anchor (RFC 5280, 6.3.3 (f)). A listed certificate is revoked
// even if the list has expired; that a certificate is good, or held, only a
// fresh list proves. Delta CRLs only add revocations and holds: a hold that one
// lifts stays until the next full list.
func (s CRLs) Revocation(q Question) Answer {
	best := Answer{Detail: "no CRL of the issuer"}
	var newest time.Time
	var alternates []*Certificate
	asked := false
	for _, l := range s {
		if !l.Issuer.Same(q.Certificate.Issuer) {
			continue
		}
		note := func(why string) {
			if best.Status == Unknown {
				best.Detail = why
			}
		}
		if l.unusable != "" {
			note(l.unusable)
			continue
		}
		if !l.covers(q.Certificate) {
			note("CRL of another scope")
			continue
		}
		if l.ThisUpdate.After(q.At) {
			note("CRL from the future")
			continue
		}
		if !mayCRL(q.Issuer) || l.signedBy(q.Issuer) != nil {
			if !asked && q.Alternates != nil {
				alternates, asked = q.Alternates(), true
			}
			found := false
			for _, c := range alternates {
				if mayCRL(c) && l.signedBy(c) == nil {
					found = true
					break
				}
			}
			if !found {
				note("CRL is not signed by the issuer")
				continue
			}
		}
		ref := EvidenceRef{Kind: "crl", SHA256: l.sum, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate}
		entry, listed := l.entries[string(q.Certificate.RawSerial)]
		held := listed && (entry.reason == reasonCertificateHold || entry.reason == reasonRemoveFromCRL)
		if listed && !held {
			return Answer{Status: Revoked, RevokedAt: entry.at, Reason: entry.reason, Used: []EvidenceRef{ref}}
		}
		if l.NextUpdate.IsZero() || l.NextUpdate.Before(q.At) {
			note("CRL has expired")
			continue
		}
		if l.delta && !held {
			note("delta CRL without its base")
			continue
		}
		if best.Status != Unknown && !l.ThisUpdate.After(newest) {
			continue
		}
		newest = l.ThisUpdate
		best = Answer{Status: Good, Used: []EvidenceRef{ref}}
		if held {
			best.Status, best.RevokedAt, best.Reason = OnHold, entry.at, entry.reason
		}
	}
	return best
}

// mayCRL: RFC 5280, 6.3.3 (f): if keyUsage is there, cRLSign must be set.
func mayCRL(c *Certificate) bool { return !c.HasKeyUsage || c.KeyUsage&CRLSign != 0 }

// ask puts a question to several sources: a revocation known to one stands, then
// a hold, then a good.
func ask(sources []Evidence, q Question) Answer {
	best := Answer{Detail: "no revocation evidence"}
	rank := func(s Status) int {
		return map[Status]int{Unknown: 0, Good: 1, OnHold: 2, Revoked: 3}[s]
	}
	for i, s := range sources {
		a := s.Revocation(q)
		if i == 0 || rank(a.Status) > rank(best.Status) {
			best = a
		}
	}
	return best
}
