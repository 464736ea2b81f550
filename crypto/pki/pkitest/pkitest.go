// Package pkitest makes small certificate hierarchies for tests: a root, a CA
// under it, and signatories under that, all ECDSA P-256.
package pkitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// At is the time around which a hierarchy made by New is valid: certificates
// from a year before to a year after, CRLs from a day before to a day after.
var At = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

const (
	year = 365 * 24 * time.Hour
	day  = 24 * time.Hour
)

// PKI is a root, a CA and what they issued.
type PKI struct {
	Root, CA issue.Issuer
	At       time.Time

	t       testing.TB
	serial  int64
	revoked []issue.Revocation
}

// Signatory is a certificate with its key.
type Signatory struct {
	Key         *ecdsa.PrivateKey
	Certificate *pki.Certificate
}

// New makes a root and a CA, valid around At.
func New(t testing.TB) *PKI {
	t.Helper()
	return NewAt(t, At)
}

// NewAt makes a root and a CA, valid around a time.
func NewAt(t testing.TB, at time.Time) *PKI {
	t.Helper()
	p := &PKI{t: t, At: at}
	rootKey := Key(t)
	root, err := issue.SelfSigned(rand.Reader, rootKey, issue.Authority(
		issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Test root"}, p.next(), at.Add(-year), at.Add(year), -1))
	if err != nil {
		t.Fatal(err)
	}
	p.Root = issue.Issuer{Key: rootKey, Certificate: root}
	caKey := Key(t)
	ca, err := issue.Certificate(rand.Reader, p.Root, caKey.Public(), issue.Authority(
		issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Test CA"}, p.next(), at.Add(-year), at.Add(year), 0))
	if err != nil {
		t.Fatal(err)
	}
	p.CA = issue.Issuer{Key: caKey, Certificate: ca}
	return p
}

// Key makes a P-256 key.
func Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (p *PKI) next() *big.Int {
	p.serial++
	return big.NewInt(p.serial)
}

// Person makes a signatory of an organisation: EDRPOU and the person's taxpayer
// code.
func (p *PKI) Person(name, edrpou, person string) Signatory {
	return p.Issue(issue.Subject{Country: "UA", Organization: "TEST", CommonName: name, EDRPOU: edrpou, Person: person})
}

// Seal makes an organisation's seal: EDRPOU without a person.
func (p *PKI) Seal(name, edrpou string) Signatory {
	return p.Issue(issue.Subject{Country: "UA", Organization: name, CommonName: name, EDRPOU: edrpou})
}

// Issue makes a signatory under the CA; change alters the template first.
func (p *PKI) Issue(s issue.Subject, change ...func(*issue.Template)) Signatory {
	p.t.Helper()
	t := issue.Signatory(s, p.next(), p.At.Add(-year), p.At.Add(year))
	for _, f := range change {
		f(&t)
	}
	key := Key(p.t)
	c, err := issue.Certificate(rand.Reader, p.CA, key.Public(), t)
	if err != nil {
		p.t.Fatal(err)
	}
	return Signatory{Key: key, Certificate: c}
}

// Revoke puts a certificate into the CA's next CRLs.
func (p *PKI) Revoke(c *pki.Certificate, at time.Time, reason int) {
	p.revoked = append(p.revoked, issue.Revocation{Serial: c.Serial, At: at, Reason: reason})
}

// CRLs makes fresh CRLs of the root and the CA.
func (p *PKI) CRLs() []*pki.CRL {
	return p.CRLsBetween(p.At.Add(-day), p.At.Add(day))
}

// CRLsBetween makes CRLs with the given dates.
func (p *PKI) CRLsBetween(thisUpdate, nextUpdate time.Time) []*pki.CRL {
	p.t.Helper()
	var out []*pki.CRL
	for _, by := range []issue.Issuer{p.Root, p.CA} {
		l := issue.List{Number: p.next(), ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
		if by.Certificate == p.CA.Certificate {
			l.Revoked = p.revoked
		}
		crl, err := issue.CRL(rand.Reader, by, l)
		if err != nil {
			p.t.Fatal(err)
		}
		out = append(out, crl)
	}
	return out
}

// Store trusts the root, knows the CA and has fresh CRLs.
func (p *PKI) Store() *pki.Store {
	return pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, p.CRLs())
}
