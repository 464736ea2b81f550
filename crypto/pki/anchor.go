package pki

import (
	"slices"
	"time"
)

// Anchor is a certificate that is believed for a time, as a list of trusted
// services grants it.
type Anchor struct {
	Certificate *Certificate
	// From is when it began to be believed, Until when it ended; both zero where
	// there is no bound. Neither is of the certificate's own validity, which is
	// asked besides.
	From, Until time.Time
}

// holds tells whether the anchor is believed at a time: From is within, Until not.
func (a Anchor) holds(at time.Time) bool {
	return !at.Before(a.From) && (a.Until.IsZero() || at.Before(a.Until))
}

// WithAnchors gives a store that has more anchors, each for its time. One that the
// store believes without bounds stays so. A certificate may be there several times:
// what was granted anew is believed again, and not in between.
func (s *Store) WithAnchors(more []Anchor) *Store {
	var certs []*Certificate
	for _, a := range more {
		certs = append(certs, a.Certificate)
	}
	var out *Store
	if s == nil {
		out = NewStore(certs, nil, nil)
	} else {
		out = NewStore(slices.Concat(s.anchors, certs), s.material, s.crls)
		out.memory, out.other = s.memory, s.other
	}
	out.terms = make(map[[32]byte][]Anchor)
	if s != nil {
		for sum, t := range s.terms {
			out.terms[sum] = slices.Clone(t)
		}
	}
	for _, a := range more {
		if a.Certificate == nil || s != nil && s.anchored[a.Certificate.sum] && s.terms[a.Certificate.sum] == nil {
			continue
		}
		out.terms[a.Certificate.sum] = append(out.terms[a.Certificate.sum], a)
	}
	return out
}

// IsAnchorAt tells whether c is a trust anchor at a time.
func (s *Store) IsAnchorAt(c *Certificate, at time.Time) bool {
	if !s.IsAnchor(c) {
		return false
	}
	terms, limited := s.terms[c.sum]
	return !limited || slices.ContainsFunc(terms, func(a Anchor) bool { return a.holds(at) })
}

// AnchorsAt gives the trust anchors of a time.
func (s *Store) AnchorsAt(at time.Time) []*Certificate {
	var out []*Certificate
	for _, c := range s.Anchors() {
		if s.IsAnchorAt(c, at) {
			out = append(out, c)
		}
	}
	return out
}
