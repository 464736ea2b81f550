package cades

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

var document = []byte("Платіжне доручення №1")

func signer(p *pkitest.PKI, s pkitest.Signatory) Signer {
	return Signer{Key: s.Key, Certificate: s.Certificate, Chain: []*pki.Certificate{p.CA.Certificate}}
}

func mustSign(t testing.TB, content []byte, o SignOptions, signers ...Signer) []byte {
	t.Helper()
	if o.At.IsZero() {
		o.At = pkitest.At
	}
	b, err := Sign(rand.Reader, content, signers, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSignValidate(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signer(p, p.Person("Head", "00013480", "2222222222"))
	chief := signer(p, p.Person("Chief accountant", "00013480", "3333333333"))
	opt := Options{At: pkitest.At, Trust: p.Store()}

	attached := mustSign(t, document, SignOptions{}, head, chief)
	r := Validate(Input{Container: attached}, opt)
	if verdict(r) != "TOTAL-PASSED" || len(r.Signatures) != 2 || !r.Attached || !bytes.Equal(r.Content, document) {
		t.Fatalf("attached: %s (%s), %d signatures", verdict(r), r.Detail, len(r.Signatures))
	}
	for _, s := range r.Signatures {
		if s.Signer.Codes().EDRPOU != "00013480" || !s.ClaimedTime.Equal(pkitest.At) || s.DigestAlgorithm != "sha256" ||
			s.SignatureAlgorithm != "ecdsa-with-SHA256" || len(s.Chain) != 3 || len(s.Evidence) != 2 || s.Evidence[0].Kind != "crl" {
			t.Errorf("signature: %+v", s)
		}
	}
	if r := Validate(Input{Container: attached, Detached: detached(document)}, opt); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
		t.Errorf("attached with a document beside: %s", verdict(r))
	}

	apart := mustSign(t, document, SignOptions{Detached: true}, head)
	r = Validate(Input{Container: apart, Detached: detached(document)}, opt)
	if verdict(r) != "TOTAL-PASSED" || r.Attached || r.Content != nil {
		t.Errorf("detached: %s (%s)", verdict(r), r.Detail)
	}
	if r := Validate(Input{Container: apart}, opt); verdict(r) != "INDETERMINATE SIGNED_DATA_NOT_FOUND" {
		t.Errorf("detached alone: %s", verdict(r))
	}
	if r := Validate(Input{Container: apart, Detached: detached([]byte("other"))}, opt); verdict(r) != "TOTAL-FAILED HASH_FAILURE" {
		t.Errorf("another document: %s", verdict(r))
	}
	if r := Validate(Input{Container: apart, Detached: detached(nil)}, opt); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
		t.Errorf("empty document: %s", verdict(r))
	}
	d := MessageDigests(apart)
	if len(d) != 1 || d[0].Algorithm != "sha256" || !bytes.Equal(d[0].Value, hashed(algorithm.DigestByOID(algorithm.SHA256), nil, document)) {
		t.Errorf("message digests: %v", d)
	}
	if r := Validate(Input{Container: apart, Detached: detached(document)}, Options{At: pkitest.At}); verdict(r) != "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND" {
		t.Errorf("no trust: %s", verdict(r))
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	other := s
	other.Key = pkitest.Key(t)
	attrs := der.SetOf(cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()))
	for name, f := range map[string]func() ([]byte, error){
		"empty content": func() ([]byte, error) { return Sign(rand.Reader, nil, []Signer{s}, SignOptions{At: pkitest.At}) },
		"no signer":     func() ([]byte, error) { return Sign(rand.Reader, document, nil, SignOptions{At: pkitest.At}) },
		"no time":       func() ([]byte, error) { return Sign(rand.Reader, document, []Signer{s}, SignOptions{}) },
		"another key": func() ([]byte, error) {
			return Sign(rand.Reader, document, []Signer{other}, SignOptions{At: pkitest.At})
		},
		"zero signer":       func() ([]byte, error) { return Sign(rand.Reader, document, []Signer{{}}, SignOptions{At: pkitest.At}) },
		"signed attributes": func() ([]byte, error) { return Sign(rand.Reader, attrs, []Signer{s}, SignOptions{At: pkitest.At}) },
	} {
		if b, err := f(); err == nil || b != nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestSigner changes one thing at a time about the signer or the evidence.
func TestSigner(t *testing.T) {
	t.Parallel()
	subject := issue.Subject{Country: "UA", CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}
	for _, c := range []struct {
		name     string
		change   func(*issue.Template)
		after    func(*pkitest.PKI, *pki.Certificate)
		opt      func(*pkitest.PKI, *Options)
		want     string
		tolerate Tolerance
	}{
		{name: "good", want: "TOTAL-PASSED"},
		{name: "digitalSignature only", change: func(x *issue.Template) { x.KeyUsage = pki.DigitalSignature }, want: "INDETERMINATE SIG_CONSTRAINTS_FAILURE", tolerate: DigitalSignatureOnly},
		{name: "no keyUsage", change: func(x *issue.Template) { x.KeyUsage = 0 }, want: "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
		{name: "keyAgreement", change: func(x *issue.Template) { x.KeyUsage = pki.KeyAgreement }, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "CA as signer", change: func(x *issue.Template) { x.IsCA, x.MaxPathLen = true, -1 }, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "two organisation codes", change: func(x *issue.Template) {
			x.Subject.Extra = []issue.Attribute{{Type: "2.5.4.97", Text: "NTRUA-99999998"}}
		}, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "two person codes", change: func(x *issue.Template) {
			x.Subject.Extra = []issue.Attribute{{Type: "2.5.4.5", Text: "TINUA-3333333333"}}
		}, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "unknown critical extension", change: func(x *issue.Template) {
			x.Extra = []pki.Extension{{OID: "1.2.804.99.1", Critical: true, Value: der.Null()}}
		}, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "name constraints, not critical", change: func(x *issue.Template) {
			x.Extra = []pki.Extension{{OID: "2.5.29.30", Value: der.Sequence()}}
		}, want: "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"},
		{name: "expired", change: func(x *issue.Template) { x.NotAfter = pkitest.At.Add(-time.Second) }, want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE"},
		{name: "valid to this second", change: func(x *issue.Template) { x.NotAfter = pkitest.At }, want: "TOTAL-PASSED"},
		{name: "revoked", after: func(p *pkitest.PKI, c *pki.Certificate) { p.Revoke(c, pkitest.At.Add(-time.Hour), 1) }, want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "held", after: func(p *pkitest.PKI, c *pki.Certificate) { p.Revoke(c, pkitest.At.Add(-time.Hour), 6) }, want: "INDETERMINATE TRY_LATER"},
		{name: "CA revoked", opt: func(p *pkitest.PKI, o *Options) {
			l, err := issue.CRL(rand.Reader, p.Root, issue.List{
				Number: p.CA.Certificate.Serial, ThisUpdate: pkitest.At.Add(-time.Hour), NextUpdate: pkitest.At.Add(time.Hour),
				Revoked: []issue.Revocation{{Serial: p.CA.Certificate.Serial, At: pkitest.At.Add(-time.Hour)}},
			})
			if err != nil {
				panic(err)
			}
			o.Trust = pki.NewStore([]*pki.Certificate{p.Root.Certificate}, nil, append(p.CRLs(), l))
		}, want: "INDETERMINATE REVOKED_CA_NO_POE"},
		{name: "no CRL", opt: func(p *pkitest.PKI, o *Options) {
			o.Trust = pki.NewStore([]*pki.Certificate{p.Root.Certificate}, nil, nil)
		}, want: "INDETERMINATE TRY_LATER", tolerate: NoRevocation},
		{name: "stale CRL", opt: func(p *pkitest.PKI, o *Options) {
			o.Trust = pki.NewStore([]*pki.Certificate{p.Root.Certificate}, nil, p.CRLsBetween(pkitest.At.Add(-2*time.Hour), pkitest.At.Add(-time.Hour)))
		}, want: "INDETERMINATE TRY_LATER", tolerate: NoRevocation},
		{name: "signed 11 minutes ahead", opt: func(_ *pkitest.PKI, o *Options) { o.At = o.At.Add(-11 * time.Minute) }, want: "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
		{name: "signed 10 minutes ahead", opt: func(_ *pkitest.PKI, o *Options) { o.At = o.At.Add(-10 * time.Minute) }, want: "TOTAL-PASSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := pkitest.New(t)
			var change []func(*issue.Template)
			if c.change != nil {
				change = append(change, c.change)
			}
			s := p.Issue(subject, change...)
			if c.after != nil {
				c.after(p, s.Certificate)
			}
			o := Options{At: pkitest.At, Trust: p.Store()}
			if c.opt != nil {
				c.opt(p, &o)
			}
			in := Input{Container: mustSign(t, document, SignOptions{}, signer(p, s))}
			if r := Validate(in, o); verdict(r) != c.want {
				t.Errorf("got %s (%s), want %s", verdict(r), r.Detail, c.want)
			}
			for _, flag := range tolerances {
				o.Tolerate = Tolerances{flag: true}
				r := Validate(in, o)
				switch {
				case flag == c.tolerate:
					if verdict(r) != "TOTAL-PASSED" || !slices.Equal(r.Signatures[0].Tolerances, []Tolerance{flag}) {
						t.Errorf("with %s: %s (%s) %v", flag, verdict(r), r.Detail, r.Signatures[0].Tolerances)
					}
				case verdict(r) != c.want:
					t.Errorf("with %s: %s, want %s", flag, verdict(r), c.want)
				}
			}
		})
	}
}

// hand builds a SignerInfo by hand, so that each part may be wrong.
type hand struct {
	attrs    [][]byte
	unsorted bool // stored in the order of attrs
	asStored bool // and signed so
	wrap     bool
	digests  [][]byte
	content  []byte
	signers  func(si []byte) []byte
	// unsigned gives unsigned attributes for a signature value.
	unsigned func(value []byte) [][]byte
}

func (h hand) build(t testing.TB, s Signer) []byte {
	t.Helper()
	d, id, err := algorithm.ForSigning(s.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signedSet := der.SetOf(h.attrs...)
	stored := signedSet
	if h.unsorted {
		stored = der.Value(0x31, h.attrs...)
		if h.asStored {
			signedSet = stored
		}
	}
	value, err := s.Key.Sign(rand.Reader, hashed(d, s.Certificate.PublicKey, signedSet), d.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if h.wrap {
		value = der.OctetString(value)
	}
	stored = bytes.Clone(stored)
	stored[0] = 0xa0
	var unsigned []byte
	if h.unsigned != nil {
		unsigned = der.SetOf(h.unsigned(value)...)
		unsigned[0] = 0xa1
	}
	si := der.Sequence(der.Int(1), der.Sequence(s.Certificate.RawIssuer, der.Value(der.TagInteger, s.Certificate.RawSerial)),
		der.Sequence(d.OID.Encode()), stored, id, der.OctetString(value), unsigned)
	if h.signers != nil {
		si = h.signers(si)
	}
	if h.content == nil {
		h.content = document
	}
	if h.digests == nil {
		h.digests = [][]byte{der.Sequence(d.OID.Encode())}
	}
	return cms.Build(h.content, h.digests, [][]byte{s.Certificate.Raw, s.Chain[0].Raw}, [][]byte{si})
}

func goodAttributes(s Signer, content []byte) [][]byte {
	d := algorithm.DigestByOID(algorithm.SHA256)
	return [][]byte{
		cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(d, s.Certificate)),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(d, nil, content))),
		cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()),
	}
}

// longLength spells the length of a SignerInfo in one octet more than needed.
func longLength(si []byte) []byte {
	e, err := der.One(si, der.DER)
	if err != nil {
		panic(err)
	}
	n := len(e.Content)
	return append([]byte{0x30, 0x83, 0, byte(n >> 8), byte(n)}, e.Content...)
}

func TestTolerances(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	inner := mustSign(t, document, SignOptions{}, s)
	for _, c := range []struct {
		name     string
		h        hand
		want     string
		tolerate Tolerance
	}{
		{"good", hand{}, "TOTAL-PASSED", ""},
		{"stored unsorted, signed as stored", hand{unsorted: true, asStored: true}, "TOTAL-FAILED FORMAT_FAILURE", AttrsAsStored},
		{"stored unsorted, signed sorted", hand{unsorted: true}, "TOTAL-FAILED FORMAT_FAILURE", AttrsResorted},
		{"signature wrapped", hand{wrap: true}, "TOTAL-FAILED SIG_CRYPTO_FAILURE", WrappedSignature},
		{"digest algorithms empty", hand{digests: [][]byte{}}, "TOTAL-FAILED FORMAT_FAILURE", DigestAlgorithms},
		{"BER signer info", hand{signers: longLength}, "TOTAL-FAILED FORMAT_FAILURE", BERSignerInfo},
		{"nested", hand{content: inner}, "TOTAL-FAILED FORMAT_FAILURE", NestedSignedData},
		{"no signing-certificate", hand{attrs: goodAttributes(s, document)[1:]}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE", NoSigningCertificate},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			content := c.h.content
			if content == nil {
				content = document
			}
			if c.h.attrs == nil {
				c.h.attrs = goodAttributes(s, content)
			}
			in := Input{Container: c.h.build(t, s)}
			o := Options{At: pkitest.At, Trust: p.Store()}
			if r := Validate(in, o); verdict(r) != c.want {
				t.Fatalf("got %s (%s), want %s", verdict(r), r.Detail, c.want)
			}
			if c.tolerate == "" {
				return
			}
			for _, flag := range tolerances {
				o.Tolerate = Tolerances{flag: true}
				r := Validate(in, o)
				switch {
				case flag != c.tolerate && r.Indication == TotalPassed:
					t.Errorf("with %s: accepted", flag)
				case flag == c.tolerate && (r.Indication != TotalPassed || !slices.Equal(r.Signatures[0].Tolerances, []Tolerance{flag}) || !bytes.Equal(r.Content, document)):
					t.Errorf("with %s: %s (%s)", flag, verdict(r), r.Detail)
				}
			}
		})
	}
}

// TestNested: outer and inner are both judged, and one level is all.
func TestNested(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	a := signer(p, p.Person("Head", "00013480", "2222222222"))
	b := signer(p, p.Person("Chief accountant", "00013480", "3333333333"))
	o := Options{At: pkitest.At, Trust: p.Store(), Tolerate: Tolerances{NestedSignedData: true}}
	inner := mustSign(t, document, SignOptions{}, a)
	outer := mustSign(t, inner, SignOptions{}, b)
	if r := Validate(Input{Container: outer}, o); verdict(r) != "TOTAL-PASSED" || len(r.Signatures) != 2 || !bytes.Equal(r.Content, document) {
		t.Errorf("two levels: %s (%s), %d signatures", verdict(r), r.Detail, len(r.Signatures))
	}
	if r := Validate(Input{Container: mustSign(t, outer, SignOptions{}, b)}, o); r.Indication != TotalFailed {
		t.Errorf("three levels: %s (%s)", verdict(r), r.Detail)
	}
	broken := bytes.Replace(inner, document[:4], []byte("XXXX"), 1)
	if r := Validate(Input{Container: mustSign(t, broken, SignOptions{}, b)}, o); verdict(r) != "TOTAL-FAILED HASH_FAILURE" {
		t.Errorf("inner broken: %s (%s)", verdict(r), r.Detail)
	}
}

func TestParseTolerances(t *testing.T) {
	t.Parallel()
	var names []string
	for _, f := range tolerances {
		names = append(names, string(f))
	}
	if set, err := ParseTolerances(names); err != nil || len(set) != 13 {
		t.Errorf("all: %v %v", set, err)
	}
	if _, err := ParseTolerances([]string{"everything"}); err == nil {
		t.Error("an unknown name is taken")
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	attached := mustSign(t, bytes.Repeat(document, 1000), SignOptions{}, s)
	apart := mustSign(t, document, SignOptions{Detached: true}, s)
	b64 := base64.StdEncoding.EncodeToString
	lines := func(b []byte) []byte { // 76 columns
		text, out := b64(b), ""
		for len(text) > 76 {
			out, text = out+text[:76]+"\r\n", text[76:]
		}
		return []byte(out + text)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want Sniffed
	}{
		{"attached", attached, Attached},
		{"attached, head", attached[:300], Attached},
		{"detached", apart, Detached},
		{"PEM", pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: apart}), Detached},
		{"PEM attached", pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: attached}), Attached},
		{"base64", []byte(b64(attached)), Attached},
		{"base64 lines", lines(apart), Detached},
		{"streamed", append([]byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2, 0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0x80, 0, 0, 0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1}, 0xa0, 0x80, 0x24, 0x80), Attached},
		{"streamed detached", []byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2, 0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0, 0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1, 0, 0}, Detached},
		{"enveloped", []byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 3, 0xa0, 0x80}, Enveloped},
		{"data", []byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1, 0xa0, 0x80}, OtherCMS},
		{"cut", attached[:20], OtherCMS},
		{"certificate", s.Certificate.Raw, NotCMS},
		{"certificate PEM", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate.Raw}), NotCMS},
		{"empty", nil, NotCMS},
		{"text", []byte("P0001.p7s is not a signature"), NotCMS},
		{"MI text", []byte("MIIBtextthatlookslikebase64butisnot"), NotCMS},
		{"digits", []byte("0123456789012345678901234567890123456789"), NotCMS},
	} {
		if got := Sniff(c.b); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	o := Options{At: pkitest.At, Trust: p.Store()}
	if r := Validate(Input{Container: lines(apart), Detached: detached(document)}, o); verdict(r) != "TOTAL-PASSED" {
		t.Errorf("base64 lines: %s (%s)", verdict(r), r.Detail)
	}
	for _, b := range [][]byte{nil, []byte("text"), {0x30, 0}, s.Certificate.Raw} {
		if r := Validate(Input{Container: b}, o); !r.NotContainer || verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
			t.Errorf("%.20q: %s, not a container: %v", b, verdict(r), r.NotContainer)
		}
	}
}

// panicking is evidence that breaks.
type panicking struct{}

func (panicking) Revocation(pki.Question) pki.Answer { panic("broken") }

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk") }

// TestFaults: a fault inside is a refusal, never a pass (THREATS.md A22).
func TestFaults(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	in := Input{Container: mustSign(t, document, SignOptions{}, s)}
	r := Validate(in, Options{At: pkitest.At, Trust: p.Store(), Evidence: []pki.Evidence{panicking{}}})
	if verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" || !strings.Contains(r.Detail, "reader fault") {
		t.Errorf("panic: %s (%s)", verdict(r), r.Detail)
	}
	in = Input{Container: mustSign(t, document, SignOptions{Detached: true}, s), Detached: io.NewSectionReader(failing{}, 0, 10)}
	if r := Validate(in, Options{At: pkitest.At, Trust: p.Store()}); verdict(r) != "INDETERMINATE SIGNED_DATA_NOT_FOUND" {
		t.Errorf("read error: %s (%s)", verdict(r), r.Detail)
	}
	if r := new(Report); r.Indication != Indeterminate || r.Indication.String() != "INDETERMINATE" {
		t.Error("the zero verdict is not INDETERMINATE")
	}
}

// TestEveryByte flips every byte of a container: none of them passes but where
// the byte is not part of what is proved.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := signer(p, p.Person("Head", "00013480", "2222222222"))
	good := mustSign(t, document, SignOptions{}, s)
	o := Options{At: pkitest.At, Trust: p.Store()}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		r := Validate(Input{Container: b}, o)
		if strings.Contains(r.Detail, "reader fault") {
			t.Fatalf("byte %d: %s", i, r.Detail)
		}
		if r.Indication == TotalPassed && (!bytes.Equal(r.Content, document) || !r.Signatures[0].Signer.Equal(s.Certificate)) {
			t.Errorf("byte %d: passed with other content or signer", i)
		}
		if r := Validate(Input{Container: good[:i]}, o); r.Indication == TotalPassed {
			t.Errorf("cut at %d: passed", i)
		}
	}
}

// TestWork: a container full of authorities of one name that certify each other
// is given up after bounded work.
func TestWork(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	name := issue.Subject{CommonName: "Mesh"}
	const n = 12
	keys := make([]issue.Issuer, n)
	serial := int64(0)
	certify := func(by issue.Issuer, of int) *pki.Certificate {
		serial++
		c, err := issue.Certificate(rand.Reader, by, keys[of].Key.Public(), issue.Authority(name, big.NewInt(serial), pkitest.At.Add(-time.Hour), pkitest.At.Add(time.Hour), -1))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for i := range keys {
		keys[i].Key = pkitest.Key(t)
		root, err := issue.SelfSigned(rand.Reader, keys[i].Key, issue.Authority(name, big.NewInt(1), pkitest.At.Add(-time.Hour), pkitest.At.Add(time.Hour), -1))
		if err != nil {
			t.Fatal(err)
		}
		keys[i].Certificate = root
	}
	var mesh []*pki.Certificate
	for i := range n {
		for j := range 5 {
			mesh = append(mesh, certify(keys[(i+j+1)%n], i))
		}
	}
	key := pkitest.Key(t)
	leaf, err := issue.Certificate(rand.Reader, keys[0], key.Public(), issue.Signatory(issue.Subject{CommonName: "Leaf"}, big.NewInt(1), pkitest.At.Add(-time.Hour), pkitest.At.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	s := Signer{Key: key, Certificate: leaf, Chain: mesh}
	b := mustSign(t, document, SignOptions{}, slices.Repeat([]Signer{s}, cms.MaxSigners)...)
	start := time.Now()
	r := Validate(Input{Container: b}, Options{At: pkitest.At, Trust: p.Store()})
	if verdict(r) != "INDETERMINATE CERTIFICATE_CHAIN_GENERAL_FAILURE" || time.Since(start) > 10*time.Second {
		t.Errorf("%s (%s) in %v", verdict(r), r.Detail, time.Since(start))
	}
	t.Logf("%v", time.Since(start))
}
