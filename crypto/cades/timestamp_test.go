package cades

import (
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// TestTimeStamps: a content-time-stamp that does not hold makes INDETERMINATE, a
// signature-time-stamp is told and changes nothing.
func TestTimeStamps(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signer(p, p.Person("Head", "00013480", "2222222222"))
	tsa, person := p.Authority(), p.Person("Nobody", "00013480", "3333333333")
	revoked, held := p.Authority(), p.Authority()
	p.Revoke(revoked.Certificate, p.At.Add(-time.Hour), 1)
	p.Revoke(held.Certificate, p.At.Add(-time.Hour), 6)
	unknown := pkitest.New(t).Authority()
	lost := p.Authority()
	known := func(c ...*pki.Certificate) *pki.Store { return p.Store().With(c, nil) }
	store := known(tsa.Certificate, person.Certificate, revoked.Certificate, held.Certificate, unknown.Certificate)

	good := p.Stamp(tsa, document)
	damaged := p.Stamp(tsa, document, func(s *pkitest.Stamp) {
		s.Value = func(v []byte) []byte { v[len(v)-1] ^= 1; return v }
	})
	carries := p.Stamp(lost, document, func(s *pkitest.Stamp) { s.Certificates = [][]byte{lost.Certificate.Raw} })
	for _, c := range []struct {
		name    string
		content [][]byte // tokens, each an attribute of its own
		want    string
		stamps  string
	}{
		{"sound", [][]byte{good}, "TOTAL-PASSED", "content ok"},
		{"two sound ones", [][]byte{good, good}, "TOTAL-PASSED", "content ok, content ok"},
		{"with its certificate", [][]byte{carries}, "TOTAL-PASSED", "content ok"},
		{"one of two fails", [][]byte{good, damaged}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content ok, content SIG_CRYPTO_FAILURE"},
		{"five", [][]byte{good, good, good, good, good}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content ok, content ok, content ok, content ok"},
		{"other bytes", [][]byte{p.Stamp(tsa, []byte("other"))}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content HASH_FAILURE"},
		{"damaged signature", [][]byte{damaged}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content SIG_CRYPTO_FAILURE"},
		{"no token", [][]byte{der.Null()}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content FORMAT_FAILURE"},
		{"not for time-stamps", [][]byte{p.Stamp(person, document)}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content CHAIN_CONSTRAINTS_FAILURE"},
		{"not trusted", [][]byte{p.Stamp(unknown, document)}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content NO_CERTIFICATE_CHAIN_FOUND"},
		{"revoked", [][]byte{p.Stamp(revoked, document)}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content REVOKED_NO_POE"},
		{"on hold", [][]byte{p.Stamp(held, document)}, "INDETERMINATE TRY_LATER", "content TRY_LATER"},
		{"certificate not at hand", [][]byte{p.Stamp(lost, document)}, "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND", "content NO_SIGNING_CERTIFICATE_FOUND"},
	} {
		h := hand{attrs: goodAttributes(head, document)}
		for _, token := range c.content {
			h.attrs = append(h.attrs, cms.NewAttribute(cms.AttrContentTimeStamp, token))
		}
		r := Validate(Input{Container: h.build(t, head)}, Options{At: p.At, Trust: store})
		if len(r.Signatures) != 1 || verdict(r) != c.want || stamps(r.Signatures[0]) != c.stamps {
			t.Errorf("%s: %s (%s), time-stamps %v, want %s with %q", c.name, verdict(r), r.Detail, r.Signatures, c.want, c.stamps)
			continue
		}
		if c.name == "no token" {
			continue
		}
		// A signature that fails for ever is told first.
		h.attrs = slices.Replace(h.attrs, 1, 2, cms.NewAttribute(cms.AttrDigest, der.OctetString(make([]byte, 32))))
		if r := Validate(Input{Container: h.build(t, head)}, Options{At: p.At, Trust: store}); verdict(r) != "TOTAL-FAILED HASH_FAILURE" {
			t.Errorf("%s, and another content: %s", c.name, verdict(r))
		}
	}

	// Unsigned ones, over the signature value; and a content-time-stamp that nobody
	// signed is none.
	var value []byte
	stamp := func(by pkitest.Signatory, message func() []byte) func([]byte) [][]byte {
		return func(v []byte) [][]byte {
			value = v
			return [][]byte{cms.NewAttribute(cms.AttrTimeStamp, p.Stamp(by, message()))}
		}
	}
	own := func() []byte { return value }
	for _, c := range []struct {
		name, stamps string
		unsigned     func([]byte) [][]byte
	}{
		{"sound", "signature ok", stamp(tsa, own)},
		{"other bytes", "signature HASH_FAILURE", stamp(tsa, func() []byte { return document })},
		{"not for time-stamps", "signature CHAIN_CONSTRAINTS_FAILURE", stamp(person, own)},
		{"certificate not at hand", "signature NO_SIGNING_CERTIFICATE_FOUND", stamp(lost, own)},
		{"on hold", "signature TRY_LATER", stamp(held, own)},
		{"no token", "signature FORMAT_FAILURE", func([]byte) [][]byte {
			return [][]byte{cms.NewAttribute(cms.AttrTimeStamp, der.Null())}
		}},
		{"unsigned content-time-stamp", "", func([]byte) [][]byte {
			return [][]byte{cms.NewAttribute(cms.AttrContentTimeStamp, damaged)}
		}},
	} {
		h := hand{attrs: goodAttributes(head, document), unsigned: c.unsigned}
		r := Validate(Input{Container: h.build(t, head)}, Options{At: p.At, Trust: store})
		if verdict(r) != "TOTAL-PASSED" || stamps(r.Signatures[0]) != c.stamps {
			t.Errorf("signature-time-stamp, %s: %s (%s), %q", c.name, verdict(r), r.Detail, stamps(r.Signatures[0]))
		}
	}
}

// TestTimeStampRevocation: what is not known of the authority is held, or left to
// the tolerance, which is then named.
func TestTimeStampRevocation(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signer(p, p.Person("Head", "00013480", "2222222222"))
	// An authority under another root, whose CRLs are not at hand.
	other := pkitest.New(t)
	tsa := other.Authority()
	store := pki.NewStore([]*pki.Certificate{p.Root.Certificate, other.CA.Certificate},
		[]*pki.Certificate{p.CA.Certificate, tsa.Certificate}, p.CRLs())
	h := hand{attrs: append(goodAttributes(head, document), cms.NewAttribute(cms.AttrContentTimeStamp, other.Stamp(tsa, document)))}
	in := Input{Container: h.build(t, head)}
	o := Options{At: p.At, Trust: store}
	r := Validate(in, o)
	if verdict(r) != "INDETERMINATE TRY_LATER" || stamps(r.Signatures[0]) != "content TRY_LATER" || len(r.Signatures[0].Tolerances) != 0 {
		t.Errorf("strictly: %s (%s), %v", verdict(r), r.Detail, r.Signatures[0].Tolerances)
	}
	o.Tolerate = Tolerances{NoRevocation: true}
	r = Validate(in, o)
	if verdict(r) != "TOTAL-PASSED" || !slices.Equal(r.Signatures[0].Tolerances, []Tolerance{NoRevocation}) {
		t.Errorf("with no-revocation: %s (%s), %v", verdict(r), r.Detail, r.Signatures[0].Tolerances)
	}

	// Without the document, by its digest alone.
	sum := hashed(algorithm.DigestByOID(algorithm.SHA256), nil, document)
	whole, err := cms.Parse(in.Container, cms.Options{})
	if err != nil {
		t.Fatal(err)
	}
	apart := cms.Build(nil, [][]byte{whole.DigestAlgorithms[0].Raw}, whole.Certificates, [][]byte{whole.Signers[0].Raw})
	if r := Validate(Input{Container: apart, Sums: map[der.OID][]byte{algorithm.SHA256: sum}}, o); verdict(r) != "TOTAL-PASSED" {
		t.Errorf("by digest: %s (%s)", verdict(r), r.Detail)
	}
	if r := Validate(Input{Container: apart}, o); verdict(r) != "INDETERMINATE SIGNED_DATA_NOT_FOUND" || stamps(r.Signatures[0]) != "content SIGNED_DATA_NOT_FOUND" {
		t.Errorf("no document: %s (%s)", verdict(r), r.Detail)
	}
}

// TestTimeStampDSTU: tokens by keys of DSTU 4145, whose imprint is by GOST 34.311
// or Kupyna, and with the substitution block of the signer's key.
func TestTimeStampDSTU(t *testing.T) {
	t.Parallel()
	p := newDSTUPKI(t, pkitest.At)
	ecdsa := pkitest.New(t)
	tsa := ecdsa.Authority()
	store := p.store().With([]*pki.Certificate{ecdsa.CA.Certificate, tsa.Certificate}, ecdsa.CRLs())
	store = pki.NewStore(append(slices.Clone(store.Anchors()), ecdsa.Root.Certificate), store.Certificates(), store.CRLs())
	for _, d := range []der.OID{algorithm.GOST34311, algorithm.Kupyna256} {
		digest := algorithm.DigestByOID(d)
		token := ecdsa.Stamp(tsa, document, func(s *pkitest.Stamp) {
			s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(d.Encode()), der.OctetString(hashed(digest, nil, document)))
		})
		h := hand{attrs: append(goodAttributes(p.signer, document), cms.NewAttribute(cms.AttrContentTimeStamp, token))}
		h.attrs[0] = cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(algorithm.DigestByOID(algorithm.GOST34311), p.signer.Certificate))
		h.attrs[1] = cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(algorithm.DigestByOID(algorithm.GOST34311), p.signer.Certificate.PublicKey, document)))
		r := Validate(Input{Container: h.build(t, p.signer)}, Options{At: pkitest.At, Trust: store})
		if verdict(r) != "TOTAL-PASSED" || stamps(r.Signatures[0]) != "content ok" {
			t.Errorf("%s: %s (%s)", digest.Name, verdict(r), r.Detail)
		}
	}
}
