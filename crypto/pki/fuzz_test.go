package pki_test

import (
	"bytes"
	"testing"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

func FuzzParseCertificate(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := pki.ParseCertificate(b)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Raw, b) {
			t.Fatal("bytes are left over")
		}
		_ = c.Subject.String()
		_ = c.Codes()
		if _, err := pki.ParseName(c.RawSubject); err != nil {
			t.Fatal(err)
		}
		pki.NewStore(nil, []*pki.Certificate{c}, nil).Validate(c, pki.PathOptions{At: pkitest.At})
		pki.NewStore([]*pki.Certificate{c}, nil, nil).Validate(c, pki.PathOptions{At: pkitest.At})
	})
}

func FuzzParseCRL(f *testing.F) {
	p := pkitest.New(f)
	s := p.Person("Head", "00013480", "2222222222")
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := pki.ParseCRL(b)
		if err != nil {
			return
		}
		path := pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, []*pki.CRL{l}).
			Validate(s.Certificate, pki.PathOptions{At: pkitest.At})
		if path.Outcome == pki.ValidPath {
			t.Fatal("a foreign CRL proves something")
		}
	})
}
