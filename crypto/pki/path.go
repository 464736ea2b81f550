package pki

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// Bounds on the work of one path validation.
const (
	maxSignatureChecks   = 100
	maxQuestions         = 100
	maxSteps             = 10_000 // over signatures that were checked already
	maxNesting           = 3
	defaultIntermediates = 8
)

// Work bounds what several validations may cost together, and remembers the
// signatures that were checked. It is for one container's signatures, of use to
// one goroutine at a time.
type Work struct {
	checks, questions, steps int
	edges                    map[edge]error
}

// NewWork gives a budget of some hundred signature checks.
func NewWork() *Work { return &Work{edges: make(map[edge]error)} }

// Outcome of path validation. The zero value refuses.
type Outcome uint8

// The outcomes, in the order in which the better of two failed paths is told.
const (
	NoChain              Outcome = iota // no chain of good signatures to an anchor
	WorkLimit                           // given up after too much work
	WeakAlgorithm                       // an algorithm or key in the chain is weak or unknown
	ConstraintsFailure                  // a constraint or extension in the chain forbids it
	OutOfBounds                         // a certificate of the chain is not valid at the time
	AuthorityRevoked                    // an authority of the chain is revoked
	NoRevocationEvidence                // nothing fresh says that it is not revoked: try later
	CertificateHeld                     // it, or an authority, is on hold
	CertificateRevoked                  // the certificate itself is revoked
	ValidPath                           // all holds
)

// PathOptions are the conditions of a validation.
type PathOptions struct {
	// At is the time for which everything has to be valid.
	At time.Time
	// Known is the time up to which evidence may have been issued, At if it is earlier:
	// later than At where a time in the past is asked about.
	Known time.Time
	// Freshness bounds the age of evidence.
	Freshness Freshness
	// Material is looked through beside the store's, and never trusted.
	Material []*Certificate
	// Evidence is asked beside the store's CRLs.
	Evidence []Evidence
	// Work is shared with other validations; nil stands for a new one.
	Work *Work
	// WithoutRevocation leaves revocation unchecked. For closed test networks.
	WithoutRevocation bool
	// LegacySBox accepts keys of DSTU 4145 that name another substitution block
	// than DKE No 1.
	LegacySBox bool
	// MaxIntermediates bounds the certificates between the two ends, not
	// counting self-issued ones; 0 stands for 8, a negative number for none.
	MaxIntermediates int
	// Policies is the user-initial-policy-set of RFC 5280, 6.1.1; empty is any.
	Policies []der.OID
	// ExplicitPolicy and InhibitAnyPolicy are the initial indicators there.
	ExplicitPolicy, InhibitAnyPolicy bool
}

// Path is the result of a validation.
type Path struct {
	Outcome Outcome
	// Detail says in English what failed, without personal data.
	Detail string
	// Chain runs from the certificate to the anchor; of the best failed path
	// where none is valid, nil if there was no chain.
	Chain []*Certificate
	// Evidence is what the revocation answers rest on.
	Evidence []EvidenceRef
	// RevokedAt is set for the outcomes that tell of revocation.
	RevokedAt time.Time
	// Missing are the certificates of Chain, and those of who answered for it, of which
	// no fresh evidence said anything: what to fetch evidence of.
	Missing []Missing
}

// Validate looks for a path from leaf to an anchor that holds under RFC 5280,
// section 6.1, without policy mappings and name constraints: certificates with
// those are refused, as are unknown critical extensions. Revocation of every
// certificate but the anchor has to be answered. Anchors themselves are held to
// their validity, key size and constraints too.
func (s *Store) Validate(leaf *Certificate, o PathOptions) Path {
	b := newBuilder(s, o)
	if leaf == nil {
		return b.best
	}
	b.extend([]*Certificate{leaf})
	if b.exhausted && b.best.Outcome < WorkLimit {
		b.best = Path{Outcome: WorkLimit, Detail: "path building took too much work"}
	}
	return b.best
}

// intermediates counts the authorities of a chain under construction.
func intermediates(chain []*Certificate) int {
	n := 0
	for _, c := range chain[1:] {
		if !c.SelfIssued() {
			n++
		}
	}
	return n
}

type edge struct{ child, issuer [32]byte }

type builder struct {
	store     *Store
	o         PathOptions
	material  map[string][]*Certificate
	evidence  []Evidence
	work      *Work
	exhausted bool
	best      Path
	// nesting counts validations of alternate issuers within another.
	nesting int
	// missing are certificates of delegates of which nothing is known.
	missing []Missing
}

func newBuilder(s *Store, o PathOptions) *builder {
	b := &builder{
		store: s, o: o, work: o.Work, material: make(map[string][]*Certificate),
		evidence: append([]Evidence{s}, o.Evidence...),
		best:     Path{Detail: "no chain to a trust anchor"},
	}
	if b.work == nil {
		b.work = NewWork()
	}
	for _, c := range o.Material {
		if c != nil {
			b.material[c.Subject.key] = append(b.material[c.Subject.key], c)
		}
	}
	return b
}

func (b *builder) note(p Path) {
	if p.Outcome > b.best.Outcome {
		b.best = p
	}
}

func (b *builder) maxIntermediates() int {
	switch {
	case b.o.MaxIntermediates == 0:
		return defaultIntermediates
	case b.o.MaxIntermediates < 0:
		return 0
	}
	return b.o.MaxIntermediates
}

// extend tries to lengthen chain to an anchor; true means a valid path is in
// b.best. Its depth is bounded by the number of signature checks.
func (b *builder) extend(chain []*Certificate) bool {
	if b.work.steps++; b.work.steps > maxSteps {
		b.exhausted = true
		return false
	}
	last := chain[len(chain)-1]
	if b.store.IsAnchorAt(last, b.o.At) {
		p := b.judge(chain)
		b.note(p)
		return p.Outcome == ValidPath
	}
	for _, issuer := range b.candidates(last) {
		if slices.ContainsFunc(chain, func(c *Certificate) bool {
			return c.Subject.Same(issuer.Subject) && bytes.Equal(c.RawSPKI, issuer.RawSPKI)
		}) {
			continue
		}
		if !b.store.IsAnchorAt(issuer, b.o.At) && !issuer.SelfIssued() && intermediates(chain) >= b.maxIntermediates() {
			b.note(Path{Outcome: ConstraintsFailure, Detail: "chain is too long"})
			continue
		}
		if err := b.signed(last, issuer); err != nil {
			if errors.Is(err, algorithm.ErrWeak) || errors.Is(err, algorithm.ErrUnknown) {
				b.note(Path{Outcome: WeakAlgorithm, Detail: "certificate signature: " + err.Error()})
			}
			if b.exhausted {
				return false
			}
			continue
		}
		if b.extend(append(slices.Clip(chain), issuer)) {
			return true
		}
		if b.exhausted {
			return false
		}
	}
	return false
}

// signed checks the signature of child by issuer, once for each pair, within
// the budget.
func (b *builder) signed(child, issuer *Certificate) error {
	k := edge{child.sum, issuer.sum}
	if err, ok := b.work.edges[k]; ok {
		return err
	}
	if b.store != nil {
		if _, ok := b.store.memory.signed.get(k); ok {
			b.work.edges[k] = nil
			return nil
		}
	}
	if b.work.checks >= maxSignatureChecks {
		b.exhausted = true
		return errors.New("too much work")
	}
	b.work.checks++
	err := child.checkSignatureBy(issuer)
	b.work.edges[k] = err
	if err == nil && b.store != nil {
		b.store.memory.signed.put(k, struct{}{})
	}
	return err
}

// candidates are the certificates whose subject is c's issuer: those with the
// matching key identifier first, anchors before others.
func (b *builder) candidates(c *Certificate) []*Certificate {
	var out []*Certificate
	if b.store != nil {
		out = append(out, b.store.bySubject[c.Issuer.key]...)
	}
	out = append(out, b.material[c.Issuer.key]...)
	order := func(x *Certificate) int {
		n := 1
		switch {
		case c.AuthorityKeyID == nil || x.SubjectKeyID == nil:
		case bytes.Equal(c.AuthorityKeyID, x.SubjectKeyID):
			n = 0
		default:
			n = 2
		}
		n *= 2
		if !b.store.IsAnchorAt(x, b.o.At) {
			n++
		}
		return n
	}
	slices.SortStableFunc(out, func(x, y *Certificate) int { return order(x) - order(y) })
	return slices.CompactFunc(out, func(x, y *Certificate) bool { return x.Equal(y) })
}

// judge validates a whole chain, leaf first and anchor last, whose signatures
// are known to be good.
func (b *builder) judge(chain []*Certificate) Path {
	if p := b.constraints(chain); p.Outcome != ValidPath {
		p.Chain = chain
		return p
	}
	if b.o.WithoutRevocation {
		return Path{Outcome: ValidPath, Chain: chain}
	}
	p := b.revocation(chain)
	p.Chain = chain
	return p
}

// policies is a set of policies; any stands for all of them.
type policies struct {
	any bool
	set []der.OID
}

func (p policies) empty() bool { return !p.any && len(p.set) == 0 }

func (p policies) and(list []der.OID) policies {
	if p.any {
		return policies{set: list}
	}
	var out []der.OID
	for _, oid := range p.set {
		if slices.Contains(list, oid) {
			out = append(out, oid)
		}
	}
	return policies{set: out}
}

// constraints is RFC 5280, 6.1.2 to 6.1.5, from the anchor down to the leaf.
func (b *builder) constraints(chain []*Certificate) Path {
	fail := func(o Outcome, why string) Path { return Path{Outcome: o, Detail: why} }
	n := len(chain) - 1
	maxPath := n
	explicit, inhibitAny := n+1, n+1
	if b.o.ExplicitPolicy {
		explicit = 0
	}
	if b.o.InhibitAnyPolicy {
		inhibitAny = 0
	}
	valid := policies{any: true}

	for i := n; i >= 0; i-- {
		c, anchor, leaf := chain[i], i == n, i == 0
		who := "a CA certificate"
		switch {
		case leaf:
			who = "the certificate"
		case anchor:
			who = "the anchor"
		}
		if c.refusal != "" {
			return fail(ConstraintsFailure, who+": "+c.refusal)
		}
		if c.PublicKey == nil {
			return fail(WeakAlgorithm, who+": public key is of an unknown algorithm or malformed")
		}
		if err := algorithm.CheckKey(c.PublicKey); err != nil {
			return fail(WeakAlgorithm, who+": "+err.Error())
		}
		if algorithm.LegacySBox(c.PublicKey) && !b.o.LegacySBox {
			return fail(WeakAlgorithm, who+": key with a substitution block other than DKE No 1")
		}
		if b.o.At.Before(c.NotBefore) {
			return fail(OutOfBounds, who+" is not valid yet")
		}
		if b.o.At.After(c.NotAfter) {
			return fail(OutOfBounds, who+" has expired")
		}
		selfIssued := c.SelfIssued()
		if !anchor {
			// RFC 5280, 4.2.1.1: all but self-signed certificates have one.
			if !c.hasAuthorityKeyID && !selfIssued {
				return fail(ConstraintsFailure, who+" has no authorityKeyIdentifier")
			}
			// 6.1.3 (d) to (f), without mappings.
			switch {
			case c.Policies == nil:
				valid = policies{}
			case slices.Contains(c.Policies, anyPolicy) && (inhibitAny > 0 || !leaf && selfIssued):
			default:
				own := slices.DeleteFunc(slices.Clone(c.Policies), func(p der.OID) bool { return p == anyPolicy })
				valid = valid.and(own)
			}
			if explicit == 0 && valid.empty() {
				return fail(ConstraintsFailure, "certificate policies leave nothing in common")
			}
		}
		if leaf {
			break
		}
		// 6.1.4 (k) to (n).
		if !c.IsCA && !(anchor && c.Version < 3) {
			return fail(ConstraintsFailure, who+" is not a CA (basicConstraints)")
		}
		if c.KeyUsage&KeyCertSign == 0 && (c.HasKeyUsage || !anchor) {
			return fail(ConstraintsFailure, who+" must not sign certificates (keyUsage)")
		}
		if c.Subject.Empty() {
			return fail(ConstraintsFailure, who+" has an empty subject")
		}
		if !anchor && !selfIssued {
			if maxPath <= 0 {
				return fail(ConstraintsFailure, "path length constraint is exceeded")
			}
			maxPath--
		}
		if c.MaxPathLen >= 0 && c.MaxPathLen < maxPath {
			maxPath = c.MaxPathLen
		}
		if anchor {
			continue
		}
		// 6.1.4 (h) to (j).
		if !selfIssued {
			explicit, inhibitAny = max(explicit-1, 0), max(inhibitAny-1, 0)
		}
		if c.requireExplicitPolicy >= 0 {
			explicit = min(explicit, c.requireExplicitPolicy)
		}
		if c.inhibitAnyPolicy >= 0 {
			inhibitAny = min(inhibitAny, c.inhibitAnyPolicy)
		}
	}
	// 6.1.5 (a), (b), (g).
	explicit = max(explicit-1, 0)
	if n > 0 && chain[0].requireExplicitPolicy == 0 {
		explicit = 0
	}
	if len(b.o.Policies) > 0 && !slices.Contains(b.o.Policies, anyPolicy) {
		valid = valid.and(b.o.Policies)
	}
	if explicit == 0 && valid.empty() {
		return fail(ConstraintsFailure, "no acceptable certificate policy")
	}
	return Path{Outcome: ValidPath}
}

// revocation asks about every certificate but the anchor, authorities first.
func (b *builder) revocation(chain []*Certificate) Path {
	p := Path{Outcome: ValidPath}
	for i := len(chain) - 2; i >= 0; i-- {
		q := b.question(chain, i)
		q.Issued = func() []*Certificate { return b.issued(q.Issuer) }
		q.Delegate = func(c *Certificate, at time.Time) error { return b.delegate(chain, i+1, c, at) }
		a := b.ask(q)
		p.Evidence = append(p.Evidence, a.Used...)
		if a.Status == Unknown || a.Status == OnHold {
			p.Missing = append(p.Missing, Missing{q.Certificate, q.Issuer})
		}
		found := Path{Evidence: p.Evidence, Missing: p.Missing, RevokedAt: a.RevokedAt}
		who := "the certificate"
		if i > 0 {
			who = "an authority of the chain"
		}
		switch {
		case a.Status == Good:
			continue
		case a.Status == Revoked && i == 0:
			found.Outcome, found.Detail = CertificateRevoked, who+" is revoked"
		case a.Status == Revoked:
			found.Outcome, found.Detail = AuthorityRevoked, who+" is revoked"
		case a.Status == OnHold:
			found.Outcome, found.Detail = CertificateHeld, who+" is on hold"
		default:
			found.Outcome, found.Detail = NoRevocationEvidence, who+": "+a.Detail
		}
		if severity(found.Outcome) > severity(p.Outcome) {
			p = found
		}
	}
	if p.Outcome == ValidPath {
		p.Missing = nil
	} else {
		p.Missing = append(p.Missing, b.missing...)
	}
	return p
}

// question is about chain[i], to those who sign with its issuer's keys alone.
func (b *builder) question(chain []*Certificate, i int) Question {
	q := Question{Certificate: chain[i], Issuer: chain[i+1], At: b.o.At, Known: b.o.Known, Freshness: b.o.Freshness}
	if b.nesting < maxNesting {
		q.Alternates = func() []*Certificate { return b.alternates(chain, chain[i+1].Subject, chain[i+1].RawSPKI) }
		q.Authorities = func(name Name) []*Certificate { return b.alternates(chain, name, nil) }
	}
	return q
}

func (b *builder) ask(q Question) Answer {
	if b.work.questions++; b.work.questions > maxQuestions {
		return Answer{Detail: "too much work"}
	}
	return ask(b.evidence, q)
}

// severity orders what is found of the certificates of one path.
func severity(o Outcome) int {
	switch o {
	case CertificateRevoked:
		return 4
	case AuthorityRevoked:
		return 3
	case CertificateHeld:
		return 2
	case NoRevocationEvidence:
		return 1
	}
	return 0
}

// alternates finds the certificates of a name, with other keys than but, that are valid
// under the anchor of the chain and may sign CRLs.
func (b *builder) alternates(chain []*Certificate, name Name, but []byte) []*Certificate {
	anchor := chain[len(chain)-1]
	var out []*Certificate
	var pool []*Certificate
	if b.store != nil {
		pool = append(pool, b.store.bySubject[name.key]...)
	}
	pool = append(pool, b.material[name.key]...)
	for _, c := range pool {
		if len(out) == 4 || bytes.Equal(c.RawSPKI, but) || !mayCRL(c) {
			continue
		}
		sub := newBuilder(b.store, b.o)
		sub.nesting, sub.work = b.nesting+1, b.work
		sub.o.Policies, sub.o.ExplicitPolicy, sub.o.InhibitAnyPolicy = nil, false, false
		sub.extend([]*Certificate{c})
		if p := sub.best; p.Outcome == ValidPath && p.Chain[len(p.Chain)-1].Equal(anchor) {
			out = append(out, c)
		}
	}
	return out
}
