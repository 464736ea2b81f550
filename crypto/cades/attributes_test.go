package cades

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// seeing is a key that signs attributes of its own certificate and nothing else.
type seeing struct {
	crypto.Signer
	certificate *pki.Certificate
	saw         SignedAttributes
}

func (s *seeing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("raw bytes are not signed")
}

func (s *seeing) SignAttributes(rand io.Reader, attrs []byte, d *algorithm.Digest) (_ []byte, err error) {
	if s.saw, err = ParseSignedAttributes(attrs, d, s.certificate); err != nil {
		return nil, err
	}
	return s.Signer.Sign(rand, hashed(d, s.Public(), attrs), d.Hash)
}

// Sign lets a key see the attributes, and makes the same container with it.
func TestAttributeSigner(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	person := p.Person("Head", "00013480", "2222222222")
	key := &seeing{Signer: person.Key, certificate: person.Certificate}
	s := signer(p, person)
	s.Key = key
	r := Validate(Input{Container: mustSign(t, document, SignOptions{}, s)}, Options{At: pkitest.At, Trust: p.Store()})
	if r.Indication != TotalPassed {
		t.Errorf("%s %s", verdict(r), r.Detail)
	}
	sum := sha256.Sum256(document)
	if !slices.Equal(key.saw.MessageDigest, sum[:]) || !key.saw.SigningTime.Equal(pkitest.At) {
		t.Errorf("saw %+v", key.saw)
	}
}

func TestParseSignedAttributes(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	own, other := p.Seal("Treasury", "37567646").Certificate, p.Seal("Another", "37567646").Certificate
	d := algorithm.DigestByOID(algorithm.SHA256)
	sum := sha256.Sum256(document)
	a := SignedAttributes{MessageDigest: sum[:], SigningTime: pkitest.At}
	good := a.Encode(d, own)
	if got, err := ParseSignedAttributes(good, d, own); err != nil || !slices.Equal(got.MessageDigest, sum[:]) || !got.SigningTime.Equal(pkitest.At) {
		t.Fatal(got, err)
	}
	list := a.list(d, own)
	without := func(i int) []byte { return der.SetOf(slices.Delete(slices.Clone(list), i, i+1)...) }
	with := func(more ...[]byte) []byte { return der.SetOf(append(slices.Clone(list), more...)...) }
	replaced := func(i int, by []byte) []byte {
		l := slices.Clone(list)
		l[i] = by
		return der.SetOf(l...)
	}
	unsorted := append([]byte{0x31, good[1], good[2]}, slices.Concat(list[3], list[2], list[1], list[0])...)
	if good[1] != 0x81 {
		t.Fatalf("the header of the set is %x: mend the test", good[:3])
	}
	short := a
	short.MessageDigest = sum[:31]
	sha512sum := sha512.Sum512(document)
	long := SignedAttributes{MessageDigest: sha512sum[:], SigningTime: pkitest.At}
	for name, raw := range map[string][]byte{
		"nothing":                  nil,
		"a document":               document,
		"a digest":                 sum[:],
		"a certificate":            own.Raw,
		"an empty set":             der.SetOf(),
		"a byte more":              append(slices.Clone(good), 0),
		"a sequence":               der.Sequence(list...),
		"a set of other things":    der.SetOf(der.Int(1), der.OctetString(sum[:])),
		"no content-type":          without(0),
		"no message-digest":        without(1),
		"no signing-time":          without(2),
		"no signing-certificate":   without(3),
		"doubled":                  with(list[1]),
		"one more":                 with(cms.NewAttribute("1.2.840.113549.1.9.16.2.14", der.Null())),
		"content of another type":  replaced(0, cms.NewAttribute(cms.AttrContentType, cms.TypeSignedData.Encode())),
		"a short digest":           short.Encode(d, own),
		"a digest of another kind": long.Encode(d, own),
		"another certificate":      a.Encode(d, other),
		"another digest":           a.Encode(algorithm.DigestByOID(algorithm.SHA384), own),
		"two values":               replaced(1, der.Sequence(cms.AttrDigest.Encode(), der.SetOf(der.OctetString(sum[:]), der.OctetString(sha512sum[:32])))),
		"a time spelled otherwise": replaced(2, cms.NewAttribute(cms.AttrSigningTime, der.Value(der.TagGeneralizedTime, []byte("20260601100000Z")))),
		"not in DER order":         unsorted,
	} {
		if _, err := ParseSignedAttributes(raw, d, own); err == nil {
			t.Errorf("%s: let through", name)
		}
	}
	if _, err := ParseSignedAttributes(good, nil, own); err == nil {
		t.Error("no digest: let through")
	}
	if _, err := ParseSignedAttributes(good, d, nil); err == nil {
		t.Error("no certificate: let through")
	}
}

// A digest of the document does in place of it, if it is the right one.
func TestSums(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	opt := Options{At: pkitest.At, Trust: p.Store()}
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	apart := mustSign(t, document, SignOptions{Detached: true}, s)
	attached := mustSign(t, document, SignOptions{}, s)
	right, wrong, wide := sha256.Sum256(document), sha256.Sum256([]byte("another")), sha512.Sum384(document)
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"right":          {Input{Container: apart, Sums: map[der.OID][]byte{algorithm.SHA256: right[:], algorithm.SHA384: wide[:]}}, "TOTAL-PASSED"},
		"wrong":          {Input{Container: apart, Sums: map[der.OID][]byte{algorithm.SHA256: wrong[:]}}, "TOTAL-FAILED HASH_FAILURE"},
		"short":          {Input{Container: apart, Sums: map[der.OID][]byte{algorithm.SHA256: right[:31]}}, "INDETERMINATE SIGNED_DATA_NOT_FOUND"},
		"another digest": {Input{Container: apart, Sums: map[der.OID][]byte{algorithm.SHA384: wide[:]}}, "INDETERMINATE SIGNED_DATA_NOT_FOUND"},
		"none":           {Input{Container: apart, Sums: map[der.OID][]byte{}}, "INDETERMINATE SIGNED_DATA_NOT_FOUND"},
		"attached":       {Input{Container: attached, Sums: map[der.OID][]byte{algorithm.SHA256: right[:]}}, "TOTAL-FAILED FORMAT_FAILURE"},
		"twice":          {Input{Container: apart, Detached: detached(document), Sums: map[der.OID][]byte{algorithm.SHA256: right[:]}}, "TOTAL-FAILED FORMAT_FAILURE"},
	} {
		if r := Validate(c.in, opt); verdict(r) != c.want {
			t.Errorf("%s: %s (%s), want %s", name, verdict(r), r.Detail, c.want)
		}
	}
}

// FuzzParseSignedAttributes: what is let through is what Encode makes.
func FuzzParseSignedAttributes(f *testing.F) {
	own := pkitest.New(f).Seal("Treasury", "37567646").Certificate
	d := algorithm.DigestByOID(algorithm.SHA256)
	f.Add(SignedAttributes{MessageDigest: make([]byte, 32), SigningTime: pkitest.At}.Encode(d, own))
	f.Add([]byte{0x31, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseSignedAttributes(b, d, own); err == nil && !slices.Equal(a.Encode(d, own), b) {
			t.Fatalf("%x let through", b)
		}
	})
}
