package pki_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	sda := func(oid der.OID, text string) []byte {
		return der.Sequence(oid.Encode(), der.SetOf(der.PrintableString(text)))
	}
	const drfo, edrpou, unzr = "1.2.804.2.1.1.1.11.1.4.1.1", "1.2.804.2.1.1.1.11.1.4.2.1", "1.2.804.2.1.1.1.11.1.4.11.1"
	for _, c := range []struct {
		name    string
		subject issue.Subject
		sda     [][]byte
		want    pki.Codes
	}{
		{"names only", issue.Subject{CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}, nil, pki.Codes{EDRPOU: "00013480", Person: "2222222222"}},
		{
			"attributes only",
			issue.Subject{CommonName: "Head"},
			[][]byte{sda(edrpou, "00013480"), sda(drfo, "2222222222"), sda(unzr, "19800101-12345")},
			pki.Codes{EDRPOU: "00013480", Person: "2222222222", UNZR: "1980010112345"},
		},
		{"both, the same", issue.Subject{CommonName: "Head", EDRPOU: "00013480"}, [][]byte{sda(edrpou, "00013480")}, pki.Codes{EDRPOU: "00013480"}},
		{"both, different", issue.Subject{CommonName: "Head", EDRPOU: "00013480"}, [][]byte{sda(edrpou, "99999998")}, pki.Codes{Ambiguous: true}},
		{"two persons", issue.Subject{CommonName: "Head", Person: "2222222222"}, [][]byte{sda(drfo, "3333333333")}, pki.Codes{Ambiguous: true}},
		{"serialNumber of another kind", issue.Subject{CommonName: "Head", Extra: []issue.Attribute{{Type: "2.5.4.5", Text: "UA-12345678-1"}}}, nil, pki.Codes{}},
		{"code in the name", issue.Subject{CommonName: "NTRUA-00013480"}, nil, pki.Codes{}},
	} {
		s := p.Issue(c.subject, func(x *issue.Template) {
			if c.sda != nil {
				x.Extra = []pki.Extension{{OID: "2.5.29.9", Value: der.Sequence(c.sda...)}}
			}
		})
		if got := s.Certificate.Codes(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Issue(issue.Subject{CommonName: "A\u202eB\x00C\u200b\nD\u00adE", Organization: "Держказначейство, УДКСУ"})
	n := s.Certificate.Subject
	if n.CommonName != `A\u{202E}B\u{0}C\u{200B}\u{A}D\u{AD}E` || n.Organization != "Держказначейство, УДКСУ" {
		t.Errorf("%q %q", n.CommonName, n.Organization)
	}
	if got := n.String(); strings.ContainsAny(got, "\u202e\x00\u200b\n\u00ad") || !strings.HasPrefix(got, `O=Держказначейство\, УДКСУ, CN=A\u{202E}B`) {
		t.Errorf("%q", got)
	}
	long := p.Issue(issue.Subject{CommonName: strings.Repeat("я", 100_000)}).Certificate.Subject
	if len(long.String()) > 1000 || len(long.CommonName) > 1000 {
		t.Error("a long name is shown whole")
	}
	a := issue.Subject{Country: "UA", CommonName: "  Test  CA"}.Encode()
	b := issue.Subject{Country: "UA", CommonName: "TEST ca"}.Encode()
	c := issue.Subject{Country: "UA", CommonName: "TESTca"}.Encode()
	x, _ := pki.ParseName(a)
	y, _ := pki.ParseName(b)
	z, _ := pki.ParseName(c)
	if !x.Same(y) || x.Same(z) {
		t.Error("names are compared otherwise than RFC 5280, 7.1")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	two := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Certificate.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.CA.Certificate.Raw})...)
	if all, err := pki.ParseCertificates(two); err != nil || len(all) != 2 || !all[1].Equal(p.CA.Certificate) {
		t.Errorf("PEM of two: %v %v", all, err)
	}
	if _, err := pki.ParseCertificatePEM(two); err == nil {
		t.Error("two where one is wanted")
	}
	if all, err := pki.ParseCertificates(p.Root.Certificate.Raw); err != nil || len(all) != 1 || all[0].SHA256() != p.Root.Certificate.SHA256() {
		t.Errorf("DER: %v", err)
	}
	for _, b := range [][]byte{nil, []byte("text"), append(bytes.Clone(p.Root.Certificate.Raw), 0)} {
		if _, err := pki.ParseCertificates(b); err == nil {
			t.Errorf("%.10q is read", b)
		}
	}
	l := p.CRLs()[0]
	if all, err := pki.ParseCRLs(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.Raw})); err != nil || len(all) != 1 || all[0].SHA256() != l.SHA256() {
		t.Errorf("CRL PEM: %v", err)
	}
	if _, err := pki.ParseCRLs(two); err == nil {
		t.Error("certificates read as CRLs")
	}
}

// TestMaterial: what is not an anchor is not trusted, self-signed or not.
func TestMaterial(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Person("Head", "00013480", "2222222222").Certificate
	o := pki.PathOptions{At: p.At}
	var none *pki.Store
	if got := none.Validate(s, o); got.Outcome != pki.NoChain {
		t.Errorf("nil store: %d", got.Outcome)
	}
	if got := pki.NewStore(nil, []*pki.Certificate{p.Root.Certificate, p.CA.Certificate}, p.CRLs()).Validate(s, o); got.Outcome != pki.NoChain {
		t.Errorf("root as material: %d", got.Outcome)
	}
	if got := p.Store().Validate(s, o); got.Outcome != pki.ValidPath || len(got.Chain) != 3 || len(got.Evidence) != 2 {
		t.Errorf("good: %d %s", got.Outcome, got.Detail)
	}
	if got := pki.NewStore([]*pki.Certificate{p.CA.Certificate}, nil, p.CRLs()).Validate(s, o); got.Outcome != pki.ValidPath || len(got.Chain) != 2 {
		t.Errorf("CA as anchor: %d %s", got.Outcome, got.Detail)
	}
	if got := p.Store().Validate(nil, o); got.Outcome != pki.NoChain {
		t.Errorf("nil certificate: %d", got.Outcome)
	}
}

// TestNegativeSerial: old Ukrainian authorities issued such.
func TestNegativeSerial(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Issue(issue.Subject{CommonName: "Old"}, func(x *issue.Template) { x.Serial = big.NewInt(-129) }).Certificate
	if s.Serial.Int64() != -129 || p.Store().Validate(s, pki.PathOptions{At: p.At}).Outcome != pki.ValidPath {
		t.Errorf("serial %v", s.Serial)
	}
	p.Revoke(s, p.At.Add(-time.Hour), 0)
	if got := p.Store().Validate(s, pki.PathOptions{At: p.At}); got.Outcome != pki.CertificateRevoked {
		t.Errorf("revoked: %d", got.Outcome)
	}
}

// TestCRLs changes one thing at a time about the list.
func TestCRLs(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Person("Head", "00013480", "2222222222").Certificate
	rootCRL := p.CRLs()[0]
	other := pkitest.New(t)
	for _, c := range []struct {
		name   string
		by     issue.Issuer
		change func(*issue.List)
		want   pki.Outcome
	}{
		{"good", p.CA, func(*issue.List) {}, pki.ValidPath},
		{"issued this second, expires this second", p.CA, func(l *issue.List) { l.ThisUpdate, l.NextUpdate = p.At, p.At }, pki.ValidPath},
		{"from the future", p.CA, func(l *issue.List) { l.ThisUpdate = p.At.Add(time.Second) }, pki.NoRevocationEvidence},
		{"expired", p.CA, func(l *issue.List) { l.NextUpdate = p.At.Add(-time.Second) }, pki.NoRevocationEvidence},
		{"expired, but lists it", p.CA, func(l *issue.List) {
			l.NextUpdate = p.At.Add(-time.Second)
			l.Revoked = []issue.Revocation{{Serial: s.Serial, At: p.At.Add(-time.Hour)}}
		}, pki.CertificateRevoked},
		{"same name, other key", issue.Issuer{Key: other.CA.Key, Certificate: other.CA.Certificate}, func(*issue.List) {}, pki.NoRevocationEvidence},
		{"unknown critical extension", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "1.2.804.99.1", Critical: true, Value: der.Null()}}
		}, pki.NoRevocationEvidence},
		{"the issuer's own, for others too", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "2.5.29.28", Critical: true, Value: der.Sequence(der.Implicit(4, []byte{0xff}))}}
		}, pki.ValidPath},
		{"for some reasons", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "2.5.29.28", Critical: true, Value: der.Sequence(der.Implicit(3, []byte{5, 0x60}))}}
		}, pki.NoRevocationEvidence},
		{"authorities only", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "2.5.29.28", Critical: true, Value: der.Sequence(der.Implicit(2, []byte{0xff}))}}
		}, pki.NoRevocationEvidence},
		{"delta", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "2.5.29.27", Critical: true, Value: der.Int(1)}}
		}, pki.NoRevocationEvidence},
		{"delta that lists it", p.CA, func(l *issue.List) {
			l.Extra = []pki.Extension{{OID: "2.5.29.27", Critical: true, Value: der.Int(1)}}
			l.Revoked = []issue.Revocation{{Serial: s.Serial, At: p.At.Add(-time.Hour)}}
		}, pki.CertificateRevoked},
		{"hold", p.CA, func(l *issue.List) {
			l.Revoked = []issue.Revocation{{Serial: s.Serial, At: p.At.Add(-time.Hour), Reason: 6}}
		}, pki.CertificateHeld},
	} {
		l := issue.List{Number: big.NewInt(7), ThisUpdate: p.At.Add(-time.Hour), NextUpdate: p.At.Add(time.Hour)}
		c.change(&l)
		crl, err := issue.CRL(rand.Reader, c.by, l)
		if err != nil {
			t.Fatal(err)
		}
		store := pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, []*pki.CRL{rootCRL, crl})
		if got := store.Validate(s, pki.PathOptions{At: p.At}); got.Outcome != c.want {
			t.Errorf("%s: %d (%s), want %d", c.name, got.Outcome, got.Detail, c.want)
		}
	}
}

// TestDelta: a delta CRL changes a full one of the same scope, and nothing else.
func TestDelta(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Person("A", "00013480", "2222222222").Certificate
	rootCRL := p.CRLs()[0]
	list := func(number int64, base int64, from, until time.Duration, reason int, extra ...pki.Extension) *pki.CRL {
		l := issue.List{Number: big.NewInt(number), ThisUpdate: p.At.Add(from), NextUpdate: p.At.Add(until), Extra: extra}
		if base > 0 {
			l.Extra = append(l.Extra, pki.Extension{OID: "2.5.29.27", Critical: true, Value: der.Int(base)})
		}
		if reason >= 0 {
			l.Revoked = []issue.Revocation{{Serial: s.Serial, At: p.At.Add(-time.Hour), Reason: reason}}
		}
		crl, err := issue.CRL(rand.Reader, p.CA, l)
		if err != nil {
			t.Fatal(err)
		}
		return crl
	}
	users := pki.Extension{OID: "2.5.29.28", Critical: true, Value: der.Sequence(der.Implicit(1, []byte{0xff}))}
	const h = time.Hour
	full, expired := list(5, 0, -3*h, h, -1), list(5, 0, -3*h, -h, -1)
	held := list(5, 0, -3*h, h, 6)
	for _, c := range []struct {
		name  string
		lists []*pki.CRL
		want  pki.Outcome
	}{
		{"nothing new", []*pki.CRL{full, list(6, 5, -h, h, -1)}, pki.ValidPath},
		{"revoked since", []*pki.CRL{full, list(6, 5, -h, h, 1)}, pki.CertificateRevoked},
		{"held since", []*pki.CRL{full, list(6, 5, -h, h, 6)}, pki.CertificateHeld},
		{"hold lifted", []*pki.CRL{held, list(6, 5, -h, h, 8)}, pki.ValidPath},
		{"hold lifted, and again", []*pki.CRL{held, list(6, 5, -2*h, h, 8), list(7, 5, -h, h, 6)}, pki.CertificateHeld},
		{"hold lifted by a delta that has expired", []*pki.CRL{held, list(6, 5, -2*h, -h, 8)}, pki.CertificateHeld},
		{"hold lifted by a delta of another scope", []*pki.CRL{held, list(6, 5, -h, h, 8, users)}, pki.CertificateHeld},
		{"hold lifted by a delta over a later list", []*pki.CRL{held, list(9, 8, -h, h, 8)}, pki.CertificateHeld},
		{"hold lifted by an older delta", []*pki.CRL{held, list(4, 3, -h, h, 8)}, pki.CertificateHeld},
		{"base that has expired", []*pki.CRL{expired, list(6, 5, -h, h, -1)}, pki.ValidPath},
		{"base alone that has expired", []*pki.CRL{expired}, pki.NoRevocationEvidence},
		{"alone", []*pki.CRL{list(6, 5, -h, h, -1)}, pki.NoRevocationEvidence},
	} {
		store := pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, append(c.lists, rootCRL))
		if got := store.Validate(s, pki.PathOptions{At: p.At}); got.Outcome != c.want {
			t.Errorf("%s: %d (%s), want %d", c.name, got.Outcome, got.Detail, c.want)
		}
	}
}
