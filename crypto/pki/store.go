package pki

import (
	"bytes"
	"slices"
)

// Store holds what a verifier was configured with. It does not change after
// NewStore and may be used by several goroutines; within bounds it remembers
// certificates it has read and signatures on them that were good. A nil Store trusts nothing.
type Store struct {
	anchors, material []*Certificate
	crls              []*CRL

	anchored  map[[32]byte]bool
	terms     map[[32]byte][]Anchor     // of the anchors that are not for ever
	bySubject map[string][]*Certificate // anchors first
	byIssuer  map[string][]*Certificate
	byKeyID   map[string][]*Certificate
	lists     map[string]CRLs
	bySum     map[[32]byte]*Certificate
	other     []Evidence // beside the CRLs

	memory *remembered
}

// NewStore builds a store. Only anchors are trusted; material and CRLs are
// looked through and never trusted by themselves.
func NewStore(anchors, material []*Certificate, crls []*CRL) *Store {
	s := &Store{
		anchored:  make(map[[32]byte]bool),
		bySubject: make(map[string][]*Certificate),
		byIssuer:  make(map[string][]*Certificate),
		byKeyID:   make(map[string][]*Certificate),
		lists:     make(map[string]CRLs),
		bySum:     make(map[[32]byte]*Certificate),
		memory:    newRemembered(),
	}
	add := func(c *Certificate) bool {
		if c == nil || s.bySum[c.sum] != nil {
			return false
		}
		s.bySum[c.sum] = c
		s.bySubject[c.Subject.key] = append(s.bySubject[c.Subject.key], c)
		s.byIssuer[c.Issuer.key] = append(s.byIssuer[c.Issuer.key], c)
		if c.SubjectKeyID != nil {
			s.byKeyID[string(c.SubjectKeyID)] = append(s.byKeyID[string(c.SubjectKeyID)], c)
		}
		return true
	}
	for _, c := range anchors {
		if add(c) {
			s.anchors = append(s.anchors, c)
			s.anchored[c.sum] = true
		}
	}
	for _, c := range material {
		if add(c) {
			s.material = append(s.material, c)
		}
	}
	had := make(map[[32]byte]bool)
	for _, l := range crls {
		if l == nil || had[l.sum] {
			continue
		}
		had[l.sum] = true
		s.crls = append(s.crls, l)
		s.lists[l.Issuer.key] = append(s.lists[l.Issuer.key], l)
	}
	return s
}

// With gives a store of the same anchors that knows more certificates and CRLs.
// The store itself stays as it is.
func (s *Store) With(material []*Certificate, crls []*CRL) *Store {
	if s == nil {
		return NewStore(nil, material, crls)
	}
	more := NewStore(s.anchors, slices.Concat(s.material, material), slices.Concat(s.crls, crls))
	more.memory, more.other, more.terms = s.memory, s.other, s.terms
	return more
}

// WithEvidence gives a store that asks further evidence beside its CRLs. The store
// itself stays as it is.
func (s *Store) WithEvidence(more ...Evidence) *Store {
	if s == nil {
		s = NewStore(nil, nil, nil)
	}
	next := *s
	next.other = slices.Concat(s.other, more)
	return &next
}

// Anchors gives the trust anchors of all times. The slice must not be changed.
func (s *Store) Anchors() []*Certificate {
	if s == nil {
		return nil
	}
	return s.anchors
}

// Certificates gives the material: certificates that are not anchors.
func (s *Store) Certificates() []*Certificate {
	if s == nil {
		return nil
	}
	return s.material
}

// CRLs gives the lists.
func (s *Store) CRLs() []*CRL {
	if s == nil {
		return nil
	}
	return s.crls
}

// IsAnchor tells whether c is a trust anchor at any time, byte for byte.
func (s *Store) IsAnchor(c *Certificate) bool { return s != nil && s.anchored[c.sum] }

// FindSerial gives the certificates of an issuer and serial number (its contents
// octets).
func (s *Store) FindSerial(issuer Name, serial []byte) []*Certificate {
	if s == nil {
		return nil
	}
	var out []*Certificate
	for _, c := range s.byIssuer[issuer.key] {
		if bytes.Equal(c.RawSerial, serial) {
			out = append(out, c)
		}
	}
	return out
}

// FindKeyID gives the certificates with a subjectKeyIdentifier.
func (s *Store) FindKeyID(id []byte) []*Certificate {
	if s == nil {
		return nil
	}
	return s.byKeyID[string(id)]
}

// Revocation answers from the store's CRLs and its other evidence.
func (s *Store) Revocation(q Question) Answer {
	if s == nil {
		return Answer{Detail: "no CRL of the issuer"}
	}
	lists := s.lists[q.Certificate.Issuer.key]
	for _, p := range q.Certificate.points {
		for _, n := range p.issuers {
			if !n.Same(q.Certificate.Issuer) {
				lists = append(lists[:len(lists):len(lists)], s.lists[n.key]...)
			}
		}
	}
	return ask(append([]Evidence{lists}, s.other...), q)
}

// Piece gives the encoded CRL or BasicOCSPResponse that a reference names, or nil.
func (s *Store) Piece(ref EvidenceRef) []byte {
	if s == nil {
		return nil
	}
	if ref.Kind == "crl" {
		for _, l := range s.crls {
			if l.sum == ref.SHA256 {
				return l.Raw
			}
		}
	}
	for _, e := range s.other {
		if h, ok := e.(Holder); ok {
			if raw := h.Piece(ref); raw != nil {
				return raw
			}
		}
	}
	return nil
}
