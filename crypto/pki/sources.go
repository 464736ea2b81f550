package pki

import (
	"time"

	"github.com/brama-gateway/brama/crypto/der"
)

// maxSources bounds the addresses of each kind that a certificate may name.
const maxSources = 8

// Sources are the addresses that a certificate names for evidence of it, as they stand:
// foreign text, to be judged before it is used.
type Sources struct {
	OCSP   []string // authorityInfoAccess, id-ad-ocsp
	CRL    []string // cRLDistributionPoints
	Delta  []string // freshestCRL
	Issuer []string // authorityInfoAccess, id-ad-caIssuers
}

// Sources reads them (RFC 5280, 4.2.1.13, 4.2.1.15 and 4.2.2.1). What cannot be read is
// left out.
func (c *Certificate) Sources() (s Sources) {
	if e := c.Extension(extAuthorityInfoAccess); e != nil {
		s.OCSP, s.Issuer = accessLocations(e.Value)
	}
	if e := c.Extension(extCRLDistributionPoints); e != nil {
		s.CRL = pointAddresses(e.Value)
	}
	if e := c.Extension(extFreshestCRL); e != nil {
		s.Delta = pointAddresses(e.Value)
	}
	return s
}

func accessLocations(value []byte) (answers, issuers []string) {
	list, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return nil, nil
	}
	for !list.Empty() {
		d, err := list.Sequence()
		if err != nil {
			break
		}
		oid, err := d.OID()
		if err != nil {
			break
		}
		e, err := d.Next()
		if err != nil {
			break
		}
		switch {
		case !e.Is(der.Context, 6) || e.Constructed:
		case oid == "1.3.6.1.5.5.7.48.1" && len(answers) < maxSources:
			answers = append(answers, string(e.Content))
		case oid == "1.3.6.1.5.5.7.48.2" && len(issuers) < maxSources:
			issuers = append(issuers, string(e.Content))
		}
	}
	return answers, issuers
}

// pointAddresses gives the URIs of distribution points.
func pointAddresses(value []byte) (out []string) {
	points, err := readDistributionPoints(value)
	if err != nil {
		return nil
	}
	for _, p := range points {
		for _, n := range p.names {
			e, err := der.One(n, der.DER)
			if err == nil && e.Is(der.Context, 6) && !e.Constructed && len(out) < maxSources {
				out = append(out, string(e.Content))
			}
		}
	}
	return out
}

// Ask puts the question about one certificate to the store's evidence and to that of
// the options. The issuer is taken for trusted: a path has shown it.
func (s *Store) Ask(m Missing, o PathOptions) Answer {
	b := newBuilder(s, o)
	chain := []*Certificate{m.Certificate, m.Issuer}
	q := b.question(chain, 0)
	q.Issued = func() []*Certificate { return b.issued(m.Issuer) }
	q.Delegate = func(c *Certificate, at time.Time) error { return b.delegate(chain, 1, c, at) }
	return b.ask(q)
}
