package pki

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
)

// extOCSPNoCheck is id-pkix-ocsp-nocheck, RFC 6960, 4.2.2.2.1.
const extOCSPNoCheck der.OID = "1.3.6.1.5.5.7.48.1.5"

// issued gives the certificates at hand that name issuer as theirs.
func (b *builder) issued(issuer *Certificate) []*Certificate {
	var out []*Certificate
	if b.store != nil {
		out = append(out, b.store.byIssuer[issuer.Subject.key]...)
	}
	for _, c := range b.o.Material {
		if c != nil && c.Issuer.Same(issuer.Subject) {
			out = append(out, c)
		}
	}
	return out
}

// delegate says why c may not speak in the stead of chain[at] at a time: see
// Question.Delegate. That c is not revoked must be said by somebody else: a CRL, or an
// answer that chain[at] itself has signed.
func (b *builder) delegate(chain []*Certificate, at int, c *Certificate, when time.Time) error {
	issuer := chain[at]
	if !c.Issuer.Same(issuer.Subject) {
		return errors.New("its certificate is of another issuer")
	}
	if err := b.signed(c, issuer); err != nil {
		return fmt.Errorf("its certificate is not signed by the issuer: %w", err)
	}
	sub := newBuilder(b.store, b.o)
	sub.work, sub.nesting, sub.evidence, sub.o.At = b.work, b.nesting+1, b.evidence, when
	sub.o.Policies, sub.o.ExplicitPolicy, sub.o.InhibitAnyPolicy = nil, false, false
	line := append([]*Certificate{c}, chain[at:]...)
	if p := sub.constraints(line); p.Outcome != ValidPath {
		return errors.New("its certificate does not hold: " + p.Detail)
	}
	if c.Extension(extOCSPNoCheck) != nil {
		return nil
	}
	switch a := sub.ask(sub.question(line, 0)); a.Status {
	case Good:
		return nil
	case Revoked:
		return errors.New("its certificate is revoked")
	case OnHold:
		return errors.New("its certificate is on hold")
	}
	m := Missing{c, issuer}
	if !slices.Contains(b.missing, m) {
		b.missing = append(b.missing, m)
	}
	return errors.New("its certificate may be revoked: nothing fresh says that it is not")
}
