package cades

import (
	"crypto/rand"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// dstuPKI is a hierarchy made here: root m = 431 with explicit parameters and DKE,
// CA m = 257 explicit, signatory m = 257 named.
type dstuPKI struct {
	root, ca issue.Issuer
	signer   Signer
	lists    []*pki.CRL
}

func (p dstuPKI) store() *pki.Store {
	return pki.NewStore([]*pki.Certificate{p.root.Certificate}, []*pki.Certificate{p.ca.Certificate}, p.lists)
}

func newDSTUKey(t testing.TB, c *dstu4145.Curve, box *gost28147.SBox, explicit bool, o dstu4145.Order) (*dstu4145.PrivateKey, *algorithm.DSTUKey) {
	t.Helper()
	k, err := dstu4145.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, &algorithm.DSTUKey{Point: k.Public().(*dstu4145.PublicKey), SBox: box, Explicit: explicit, Order: o}
}

func newDSTUPKI(t testing.TB, at time.Time) dstuPKI {
	t.Helper()
	year := 365 * 24 * time.Hour
	from, until := at.Add(-year), at.Add(year)
	var p dstuPKI
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, public := newDSTUKey(t, dstu4145.DSTU431(), gost28147.DKE1, true, 0)
	root, err := issue.SelfSignedAs(rand.Reader, key, public, issue.Authority(
		issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Test root"}, big.NewInt(1), from, until, -1))
	fatal(err)
	p.root = issue.Issuer{Key: key, Certificate: root}
	key, public = newDSTUKey(t, dstu4145.DSTU257(), gost28147.DKE1, true, 0)
	ca, err := issue.Certificate(rand.Reader, p.root, public, issue.Authority(
		issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Test CA"}, big.NewInt(2), from, until, 0))
	fatal(err)
	p.ca = issue.Issuer{Key: key, Certificate: ca}
	p.signer = p.issue(t, at, nil, false, 0, 3)
	for i, by := range []issue.Issuer{p.root, p.ca} {
		l, err := issue.CRL(rand.Reader, by, issue.List{
			Number: big.NewInt(int64(i + 1)), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(24 * time.Hour),
		})
		fatal(err)
		p.lists = append(p.lists, l)
	}
	return p
}

// issue makes a signatory under the CA, whose key is written as told.
func (p dstuPKI) issue(t testing.TB, at time.Time, box *gost28147.SBox, explicit bool, o dstu4145.Order, serial int64) Signer {
	t.Helper()
	key, public := newDSTUKey(t, dstu4145.DSTU257(), box, explicit, o)
	c, err := issue.Certificate(rand.Reader, p.ca, public, issue.Signatory(
		issue.Subject{Country: "UA", CommonName: "Signer", EDRPOU: "00013480", Person: "2222222222"},
		big.NewInt(serial), at.Add(-365*24*time.Hour), at.Add(365*24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return Signer{Key: key, Certificate: c, Chain: []*pki.Certificate{p.ca.Certificate}}
}

// TestDSTU: sound signatures by keys of every form pass, and only the block other
// than DKE No 1 needs leave.
func TestDSTU(t *testing.T) {
	t.Parallel()
	p := newDSTUPKI(t, pkitest.At)
	for i, c := range []struct {
		name     string
		box      *gost28147.SBox
		explicit bool
		order    dstu4145.Order
		digest   der.OID
		flag     Tolerance
	}{
		{name: "named"},
		{name: "named, DKE No 1", box: gost28147.DKE1},
		{name: "explicit", box: gost28147.DKE1, explicit: true},
		{name: "big-endian", order: dstu4145.BigEndian},
		{name: "big-endian, explicit", explicit: true, order: dstu4145.BigEndian},
		{name: "another block", box: gost28147.TestParamSet, flag: LegacySBox},
		{name: "another block, Kupyna", box: gost28147.TestParamSet, digest: algorithm.Kupyna256, flag: LegacySBox},
		{name: "Kupyna-256", digest: algorithm.Kupyna256},
		{name: "Kupyna-384", digest: algorithm.Kupyna384},
		{name: "Kupyna-512", digest: algorithm.Kupyna512},
	} {
		s := p.issue(t, pkitest.At, c.box, c.explicit, c.order, int64(10+i))
		s.Digest = c.digest
		b := mustSign(t, document, SignOptions{}, s, p.signer)
		o := Options{At: pkitest.At, Trust: p.store()}
		r := Validate(Input{Container: b}, o)
		want := "TOTAL-PASSED"
		if c.flag != "" {
			want = "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"
			o.Tolerate = Tolerances{c.flag: true}
			if lax := Validate(Input{Container: b}, o); lax.Indication != TotalPassed || !slices.Equal(lax.Signatures[0].Tolerances, []Tolerance{c.flag}) && !slices.Equal(lax.Signatures[1].Tolerances, []Tolerance{c.flag}) {
				t.Errorf("%s with %s: %s (%s)", c.name, c.flag, verdict(lax), lax.Detail)
			}
		}
		if verdict(r) != want {
			t.Errorf("%s: %s (%s), want %s", c.name, verdict(r), r.Detail, want)
		}
		if len(r.Signatures) != 2 || r.Signatures[0].Signer == nil || len(r.Signatures[0].Chain) != 3 && want == "TOTAL-PASSED" {
			t.Errorf("%s: signatures are not reported", c.name)
		}
	}
}

// TestDSTUForms changes one thing about a signature.
func TestDSTUForms(t *testing.T) {
	t.Parallel()
	p := newDSTUPKI(t, pkitest.At)
	d, id, err := algorithm.ForSigning(p.signer.Certificate.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	digest := der.Sequence(d.OID.Encode())
	attrs := [][]byte{ // not in DER order
		cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(d, p.signer.Certificate)),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(d, nil, document))),
		cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()),
	}
	type form struct {
		name           string
		stored, signed func(attrs [][]byte) []byte
		value          func([]byte) []byte
		id             []byte
		want           string
		flag           Tolerance
	}
	sorted := func(a [][]byte) []byte { return der.SetOf(a...) }
	standing := func(a [][]byte) []byte { return der.Value(0x31, a...) }
	reversed := func(b []byte) []byte {
		b = slices.Clone(b)
		slices.Reverse(b)
		return b
	}
	const failed = "TOTAL-FAILED SIG_CRYPTO_FAILURE"
	for _, f := range []form{
		{"good", sorted, sorted, nil, nil, "TOTAL-PASSED", ""},
		{"as stored", standing, standing, nil, nil, "TOTAL-FAILED FORMAT_FAILURE", AttrsAsStored},
		{"resorted", standing, sorted, nil, nil, "TOTAL-FAILED FORMAT_FAILURE", AttrsResorted},
		{"wrapped", sorted, sorted, func(b []byte) []byte { return der.OctetString(b) }, nil, failed, WrappedSignature},
		{"big-endian value", sorted, sorted, reversed, nil, failed, ""},
		{"big-endian", sorted, sorted, reversed, der.Sequence(algorithm.DSTU4145BigEndian.Encode()), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE", BigEndianSignature},
		{"little-endian under the other identifier", sorted, sorted, nil, der.Sequence(algorithm.DSTU4145BigEndian.Encode()), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE", ""},
		{"Kupyna's identifier", sorted, sorted, nil, der.Sequence(algorithm.DSTU4145WithKupyna256.Encode()), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE", ""},
		{"ECDSA's identifier", sorted, sorted, nil, der.Sequence(algorithm.ECDSAWithSHA256.Encode()), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE", ""},
		{"halves exchanged", sorted, sorted, func(b []byte) []byte { return append(slices.Clone(b[32:]), b[:32]...) }, nil, failed, ""},
		{"padded halves", sorted, sorted, func(b []byte) []byte {
			return slices.Concat(b[:32], []byte{0}, b[32:], []byte{0})
		}, nil, failed, ""},
		{"zeros", sorted, sorted, func([]byte) []byte { return make([]byte, 64) }, nil, failed, ""},
		{"nothing", sorted, sorted, func([]byte) []byte { return nil }, nil, failed, ""},
	} {
		value, err := p.signer.Key.Sign(rand.Reader, hashed(d, nil, f.signed(attrs)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.value != nil {
			value = f.value(value)
		}
		algorithmID := id
		if f.id != nil {
			algorithmID = f.id
		}
		stored := slices.Clone(f.stored(attrs))
		stored[0] = 0xa0
		c := p.signer.Certificate
		si := der.Sequence(der.Int(1), der.Sequence(c.RawIssuer, der.Value(der.TagInteger, c.RawSerial)),
			digest, stored, algorithmID, der.OctetString(value))
		b := cms.Build(document, [][]byte{digest}, [][]byte{c.Raw, p.ca.Certificate.Raw}, [][]byte{si})
		o := Options{At: pkitest.At, Trust: p.store()}
		if r := Validate(Input{Container: b}, o); verdict(r) != f.want {
			t.Errorf("%s: %s (%s), want %s", f.name, verdict(r), r.Detail, f.want)
		}
		// Its tolerance helps, all others together do not.
		o.Tolerate = Tolerances{f.flag: true}
		if f.flag != "" {
			if r := Validate(Input{Container: b}, o); r.Indication != TotalPassed || !slices.Equal(r.Signatures[0].Tolerances, []Tolerance{f.flag}) {
				t.Errorf("%s with %s: %s (%s) %v", f.name, f.flag, verdict(r), r.Detail, r.Signatures[0].Tolerances)
			}
		}
		for _, x := range tolerances {
			o.Tolerate[x] = x != f.flag
		}
		if r := Validate(Input{Container: b}, o); r.Indication == TotalPassed && f.want != "TOTAL-PASSED" {
			t.Errorf("%s passes with other tolerances", f.name)
		}
	}
}
