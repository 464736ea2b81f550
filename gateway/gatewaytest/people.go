package gatewaytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats/sample"
)

// Begin is when every play begins: a Wednesday morning in Kyiv.
var Begin = time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)

// The personal codes of those who sign. Their check digits are right.
const (
	HeadCode       = "1234567899"
	AccountantCode = "9876543215"
	StrangerCode   = "2345678904"
)

// People are all who sign in a play, made once a process: P-256, one authority.
type People struct {
	CA         issue.Issuer
	Fresh      *pki.CRL // in force for 90 days
	Head       cades.Signer
	Accountant cades.Signer
	OrgSeal    cades.Signer
	Stranger   cades.Signer // trusted, and in nobody's register entry
	Expired    cades.Signer // the head's, whose time is over
	Revoked    cades.Signer // the head's, on the list
	Untrusted  cades.Signer // the head's code, by an authority that nobody trusts

	SealCA issue.Issuer
	Seal   cades.Signer // of the gateway itself
}

// Cast makes the people.
var Cast = sync.OnceValue(func() *People {
	p := &People{CA: authority("Test CA"), SealCA: authority("Gateway seal CA")}
	payer := sample.DemoPayer()
	from, to := Begin.AddDate(0, -1, 0), Begin.AddDate(1, 0, 0)
	serial := int64(100)
	sign := func(ca issue.Issuer, name, person string, from, to time.Time) cades.Signer {
		serial++
		key := newKey()
		c, err := issue.Certificate(rand.Reader, ca, key.Public(), issue.Signatory(issue.Subject{
			Country: "UA", Organization: payer.Name, EDRPOU: payer.EDRPOU, Person: person, CommonName: name,
		}, big.NewInt(serial), from, to))
		must(err)
		return cades.Signer{Key: key, Certificate: c}
	}
	p.Head = sign(p.CA, "Керівник Тестовий", HeadCode, from, to)
	p.Accountant = sign(p.CA, "Бухгалтер Тестова", AccountantCode, from, to)
	p.OrgSeal = sign(p.CA, payer.Name, "", from, to)
	p.Stranger = sign(p.CA, "Чужий Хтось", StrangerCode, from, to)
	p.Expired = sign(p.CA, "Керівник Тестовий", HeadCode, from.AddDate(-2, 0, 0), Begin.AddDate(0, 0, -1))
	p.Revoked = sign(p.CA, "Керівник Тестовий", HeadCode, from, to)
	p.Untrusted = sign(authority("Other CA"), "Керівник Тестовий", HeadCode, from, to)
	p.Seal = sign(p.SealCA, "Brama", "", from, to)
	p.Fresh = p.List(Begin)
	return p
})

// List is the authority's CRL as of a moment.
func (p *People) List(at time.Time) *pki.CRL {
	crl, err := issue.CRL(rand.Reader, p.CA, issue.List{
		Number: big.NewInt(at.Unix()), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.AddDate(0, 0, 90),
		Revoked: []issue.Revocation{{Serial: p.Revoked.Certificate.Serial, At: at.Add(-2 * time.Hour), Reason: 1}},
	})
	must(err)
	return crl
}

// Store is what a gateway trusts: the authority and these lists.
func (p *People) Store(crls ...*pki.CRL) *pki.Store {
	return pki.NewStore([]*pki.Certificate{p.CA.Certificate}, nil, crls)
}

func authority(name string) issue.Issuer {
	key := newKey()
	c, err := issue.SelfSigned(rand.Reader, key, issue.Authority(issue.Subject{Country: "UA", CommonName: name}, big.NewInt(1),
		Begin.AddDate(-5, 0, 0), Begin.AddDate(5, 0, 0), 0))
	must(err)
	return issue.Issuer{Key: key, Certificate: c}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
