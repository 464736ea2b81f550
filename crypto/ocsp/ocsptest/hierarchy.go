// Package ocsptest is OCSP responders for tests, honest and lying, and small
// hierarchies of every family of keys for them to answer about.
package ocsptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// Family is a sort of keys.
type Family string

// The families.
const (
	RSA   Family = "RSA-2048"
	ECDSA Family = "ECDSA P-256"
	DSTU  Family = "DSTU 4145 m=257"
)

// Families are all of them.
var Families = []Family{RSA, ECDSA, DSTU}

// Authority issues certificates and CRLs.
type Authority struct {
	issue.Issuer
	Family Family
	// From and Until are the validity of what it issues.
	From, Until time.Time

	t      testing.TB
	serial atomic.Int64
}

// Party is a key and its certificate.
type Party struct {
	Key         crypto.Signer
	Certificate *pki.Certificate
}

// Key makes a key, and the form its certificate is written in.
func Key(t testing.TB, f Family) (crypto.Signer, crypto.PublicKey) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch f {
	case RSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case DSTU:
		var k *dstu4145.PrivateKey
		if k, err = dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader); err == nil {
			return k, &algorithm.DSTUKey{Point: k.Public().(*dstu4145.PublicKey), SBox: gost28147.DKE1, Explicit: true}
		}
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key, key.Public()
}

// NewAuthority makes a self-signed authority, valid from a year before to a year after.
func NewAuthority(t testing.TB, f Family, name string, at time.Time) *Authority {
	t.Helper()
	a := &Authority{Family: f, From: at.AddDate(-1, 0, 0), Until: at.AddDate(1, 0, 0), t: t}
	a.serial.Store(1)
	key, public := Key(t, f)
	c, err := issue.SelfSignedAs(rand.Reader, key, public,
		issue.Authority(issue.Subject{Country: "UA", CommonName: name}, big.NewInt(1), a.From, a.Until, -1))
	if err != nil {
		t.Fatal(err)
	}
	a.Issuer = issue.Issuer{Key: key, Certificate: c}
	return a
}

// Issue makes a party under it; change alters the template first.
func (a *Authority) Issue(name string, change ...func(*issue.Template)) Party {
	a.t.Helper()
	tmpl := issue.Signatory(issue.Subject{Country: "UA", CommonName: name, EDRPOU: "00013480", Person: "2222222222"},
		big.NewInt(a.serial.Add(1)), a.From, a.Until)
	for _, f := range change {
		f(&tmpl)
	}
	key, public := Key(a.t, a.Family)
	c, err := issue.Certificate(rand.Reader, a.Issuer, public, tmpl)
	if err != nil {
		a.t.Fatal(err)
	}
	return Party{key, c}
}

// Under makes an authority under it.
func (a *Authority) Under(name string) *Authority {
	a.t.Helper()
	p := a.Issue(name, func(t *issue.Template) {
		*t = issue.Authority(issue.Subject{Country: "UA", CommonName: name}, t.Serial, a.From, a.Until, -1)
	})
	return &Authority{Issuer: issue.Issuer{Key: p.Key, Certificate: p.Certificate}, Family: a.Family, From: a.From, Until: a.Until, t: a.t}
}

// ForAnswers makes a certificate one of a delegated responder, whose own revocation
// need not be asked about.
func ForAnswers(t *issue.Template) {
	t.ExtendedKeyUsage = []der.OID{ocsp.Signing}
	t.Extra = append(t.Extra, pki.Extension{OID: "1.3.6.1.5.5.7.48.1.5", Value: der.Null()})
}

// At names where its revocation is told: OCSP, a CRL, a delta CRL; empty ones are left out.
func At(answers, list, delta string) func(*issue.Template) {
	uri := func(s string) []byte { return der.Implicit(6, []byte(s)) }
	point := func(s string) []byte {
		return der.Sequence(der.Sequence(der.Explicit(0, der.Explicit(0, uri(s)))))
	}
	return func(t *issue.Template) {
		if answers != "" {
			t.Extra = append(t.Extra, pki.Extension{OID: "1.3.6.1.5.5.7.1.1", Value: der.Sequence(
				der.Sequence(der.OID("1.3.6.1.5.5.7.48.1").Encode(), uri(answers)),
			)})
		}
		if list != "" {
			t.Extra = append(t.Extra, pki.Extension{OID: "2.5.29.31", Value: point(list)})
		}
		if delta != "" {
			t.Extra = append(t.Extra, pki.Extension{OID: "2.5.29.46", Value: point(delta)})
		}
	}
}

// CRL makes a list of a time, in force for a day, with these revoked.
func (a *Authority) CRL(at time.Time, revoked ...issue.Revocation) *pki.CRL {
	a.t.Helper()
	l, err := issue.CRL(rand.Reader, a.Issuer, issue.List{
		Number: big.NewInt(at.UnixMilli()), ThisUpdate: at, NextUpdate: at.Add(24 * time.Hour), Revoked: revoked,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return l
}
