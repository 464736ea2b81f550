package pki

import (
	"strings"
	"time"
)

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
	Kind                   string   // "crl" or "ocsp"
	SHA256                 [32]byte // of the CRL, or of the BasicOCSPResponse
	ThisUpdate, NextUpdate time.Time
}

// Freshness bounds how old and how early evidence may be. The zero value has the
// bounds that its fields name.
type Freshness struct {
	// Answer is how old an OCSP answer without nextUpdate may be; 0: 8 minutes.
	Answer time.Duration
	// Ahead is how far the times of an OCSP answer may lie in the future, since clocks
	// differ; 0: 5 minutes, a negative number: not at all.
	Ahead time.Duration
	// Age bounds the age of all evidence, whatever nextUpdate says; 0: no bound.
	Age time.Duration
}

// The bounds of a Freshness that names none. Both are below ten minutes: a clock that
// is off by so much is a fault to be seen, not to be lived with.
const (
	defaultAnswer = 8 * time.Minute
	defaultAhead  = 5 * time.Minute
)

// AnswerAge is how old an OCSP answer without nextUpdate may be.
func (f Freshness) AnswerAge() time.Duration {
	if f.Answer == 0 {
		return defaultAnswer
	}
	return f.Answer
}

// AheadOf is how far in the future an answer may lie.
func (f Freshness) AheadOf() time.Duration {
	switch {
	case f.Ahead == 0:
		return defaultAhead
	case f.Ahead < 0:
		return 0
	}
	return f.Ahead
}

// Question is about one certificate of a path.
type Question struct {
	Certificate, Issuer *Certificate
	// At is the time for which the certificate must not be revoked.
	At time.Time
	// Known is the time up to which evidence may have been issued; before At it is At.
	// It is later where a time in the past is asked about.
	Known     time.Time
	Freshness Freshness
	// Alternates gives other certificates of the issuer's name, with other keys,
	// that are valid under the same anchor: after a change of keys they sign
	// the evidence for certificates signed by the old key. Nil: there are none.
	Alternates func() []*Certificate
	// Authorities gives the certificates of a name that are valid under the same anchor:
	// they sign indirect CRLs. Nil: there are none.
	Authorities func(Name) []*Certificate
	// Issued gives the certificates at hand that name Issuer as theirs. Nil: there are
	// none.
	Issued func() []*Certificate
	// Delegate says why c, a certificate under Issuer's name, may not speak in its
	// stead at a time; nil if it may: Issuer's key signed it, it holds then, and it is
	// not revoked, or says of itself that this need not be asked (RFC 6960, 4.2.2.2.1).
	// Its extended key usage is the caller's to check. Where the function is nil nobody may.
	Delegate func(c *Certificate, at time.Time) error
}

// Until is the time up to which evidence may have been issued.
func (q Question) Until() time.Time {
	if q.Known.Before(q.At) {
		return q.At
	}
	return q.Known
}

// Answer to a Question.
type Answer struct {
	Status Status
	// RevokedAt is when the revocation or hold took effect.
	RevokedAt time.Time
	// Reason is the CRLReason, RFC 5280, 5.3.1.
	Reason int
	// Used are the pieces the answer rests on; of a full and a delta CRL the newer first.
	Used []EvidenceRef
	// Detail says why the status is Unknown.
	Detail string
}

// Evidence answers about revocation: CRLs do, and OCSP answers (package ocsp). It
// must be safe for use by several goroutines.
type Evidence interface {
	Revocation(q Question) Answer
}

// Holder is Evidence that gives its pieces away: their bytes, for keeping.
type Holder interface {
	// Piece gives the encoded CRL or BasicOCSPResponse that a reference names, or nil.
	Piece(ref EvidenceRef) []byte
}

// Missing is a certificate of which no fresh evidence said anything.
type Missing struct{ Certificate, Issuer *Certificate }

// Best is the answer to take of two: a revocation known to one stands, and of hold
// and good the newer.
func Best(a, b Answer) Answer {
	rank := func(a Answer) int {
		switch a.Status {
		case Revoked:
			return 2
		case Good, OnHold:
			return 1
		}
		return 0
	}
	switch x, y := rank(a), rank(b); {
	case x != y:
		if x > y {
			return a
		}
		return b
	case x == 1 && a.Status != b.Status:
		switch x, y := a.newest(), b.newest(); {
		case x.Equal(y) && b.Status == OnHold, y.After(x):
			return b
		}
	case x == 1 && b.newest().After(a.newest()):
		return b
	}
	return a
}

func (a Answer) newest() time.Time {
	if len(a.Used) == 0 {
		return time.Time{}
	}
	return a.Used[0].ThisUpdate
}

// ask puts a question to several sources.
func ask(sources []Evidence, q Question) Answer {
	best := Answer{Detail: "no revocation evidence"}
	for i, s := range sources {
		a := s.Revocation(q)
		if i == 0 {
			best = a
			continue
		}
		if best.Status == Unknown && a.Status == Unknown && strings.HasPrefix(best.Detail, "no ") {
			best = a // what was found and is no use says more than that nothing was found
			continue
		}
		best = Best(best, a)
	}
	return best
}
