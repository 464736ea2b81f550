package cades

import (
	"crypto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
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
		{"one of two fails", [][]byte{good, damaged}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", "content SIG_CRYPTO_FAILURE, content ok"},
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
		if len(r.Signatures) != 1 || verdict(r) != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, verdict(r), r.Detail, c.want)
			continue
		}
		// The attributes are a set: which comes first is not known.
		got := strings.Split(stamps(r.Signatures[0]), ", ")
		slices.Sort(got)
		if s := strings.Join(got, ", "); s != c.stamps {
			t.Errorf("%s: time-stamps %q, want %q", c.name, s, c.stamps)
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

// TestTimeStampDSTU: imprints by the Ukrainian digests beside signatures by DSTU
// 4145, GOST 34.311 with the usual substitution block and with that of the signer's key.
func TestTimeStampDSTU(t *testing.T) {
	t.Parallel()
	p := newDSTUPKI(t, pkitest.At)
	other := pkitest.New(t)
	tsa := other.Authority()
	store := pki.NewStore([]*pki.Certificate{p.root.Certificate, other.Root.Certificate},
		[]*pki.Certificate{p.ca.Certificate, other.CA.Certificate, tsa.Certificate}, slices.Concat(p.lists, other.CRLs()))
	gost, kupyna := algorithm.DigestByOID(algorithm.GOST34311), algorithm.DigestByOID(algorithm.Kupyna256)
	legacy := p.issue(t, pkitest.At, gost28147.TestParamSet, false, 0, 20)
	for _, c := range []struct {
		name     string
		signer   Signer
		digest   *algorithm.Digest
		key      crypto.PublicKey
		stamps   string
		tolerate Tolerance
	}{
		{"GOST 34.311", p.signer, gost, nil, "content ok", ""},
		{"Kupyna", p.signer, kupyna, nil, "content ok", ""},
		{"the usual block", legacy, gost, nil, "content ok", LegacySBox},
		{"the block of the signer's key", legacy, gost, legacy.Certificate.PublicKey, "content ok", LegacySBox},
		{"a block of nobody here", p.signer, gost, legacy.Certificate.PublicKey, "content HASH_FAILURE", ""},
	} {
		token := other.Stamp(tsa, document, func(s *pkitest.Stamp) {
			s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(c.digest.OID.Encode()), der.OctetString(hashed(c.digest, c.key, document)))
		})
		h := hand{attrs: [][]byte{
			cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(gost, c.signer.Certificate)),
			cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(gost, c.signer.Certificate.PublicKey, document))),
			cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()),
			cms.NewAttribute(cms.AttrContentTimeStamp, token),
		}}
		r := Validate(Input{Container: h.build(t, c.signer)}, Options{At: pkitest.At, Trust: store, Tolerate: Tolerances{c.tolerate: true}})
		if (r.Indication == TotalPassed) != (c.stamps == "content ok") || stamps(r.Signatures[0]) != c.stamps {
			t.Errorf("%s: %s (%s), %s", c.name, verdict(r), r.Detail, stamps(r.Signatures[0]))
		}
	}
}
