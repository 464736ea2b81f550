package cades

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// FuzzValidate: no fault within, and nothing passes that no trusted key signed.
func FuzzValidate(f *testing.F) {
	store := pkitest.New(f).Store()
	all := make(Tolerances)
	for _, t := range tolerances {
		all[t] = true
	}
	strange := pkitest.New(f) // whom store does not trust
	r := Raising{Stamper: authority{p: strange, by: strange.Authority(), at: pkitest.At}}
	for _, form := range []Form{Baseline, Extended} {
		b := mustSign(f, document, SignOptions{}, signer(strange, strange.Person("Head", "00013480", "2222222222")))
		b = must(r.AddTimeStamp(context.Background(), b))(f)
		b = must(r.AddValues(b, Values{Certificates: []*pki.Certificate{strange.Root.Certificate}, CRLs: rawLists(strange.CRLs())}, form))(f)
		f.Add(must(r.AddArchiveTimeStamp(context.Background(), b, nil))(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []Options{
			{At: pkitest.At, Trust: store},
			{At: pkitest.At, Trust: pki.NewStore(nil, nil, nil), Tolerate: all},
			{At: pkitest.At.AddDate(10, 0, 0), Trust: store, Past: Past{
				Exists: []Existence{{sha256.Sum256(b), pkitest.At}}, StatusThen: true, ExpiredAuthorities: true,
			}},
		} {
			for _, in := range []Input{{Container: b}, {Container: b, Detached: detached(document)}} {
				r := Validate(in, o)
				if r.Indication == TotalPassed || r.SubIndication == "" || strings.Contains(r.Detail, "reader fault") {
					t.Fatalf("%s (%s)", verdict(r), r.Detail)
				}
			}
		}
		MessageDigests(b)
	})
}

// FuzzSniff: what Validate can read, Sniff knows.
func FuzzSniff(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		kind := Sniff(b)
		r := Validate(Input{Container: b}, Options{At: pkitest.At})
		if len(r.Signatures) > 0 && r.Attached && kind != Attached && len(b) <= sniffed {
			t.Fatalf("attached container sniffed as %d", kind)
		}
		if len(r.Signatures) > 0 && !r.Attached && kind != Detached && len(b) <= sniffed {
			t.Fatalf("detached container sniffed as %d", kind)
		}
	})
}
