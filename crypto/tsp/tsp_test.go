package tsp

import (
	"crypto"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

var message = []byte("Платіжне доручення №1")

func TestVerify(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	tsa := p.Authority()
	person := p.Person("Head", "00013480", "2222222222")
	late := p.Authority(func(c *issue.Template) { c.NotBefore = p.At.Add(-30 * time.Second) })
	authority := p.Authority(func(c *issue.Template) { c.KeyUsage = pki.KeyAgreement })
	revoked := p.Authority()
	p.Revoke(revoked.Certificate, p.At.Add(-time.Hour), 1)
	with := func(c ...*pki.Certificate) func(*Options) {
		return func(o *Options) { o.Path.Material = c }
	}
	at := func(when time.Time) func(*pkitest.Stamp) {
		return func(s *pkitest.Stamp) { s.Info[pkitest.StampTime] = pkitest.GeneralizedTime(when) }
	}
	signed := func(f func([][]byte) [][]byte) func(*pkitest.Stamp) {
		return func(s *pkitest.Stamp) { s.Signed = f }
	}
	sha1 := der.Sequence(der.Sequence(der.OID("1.3.14.3.2.26").Encode()), der.OctetString(make([]byte, 20)))
	for _, c := range []struct {
		name   string
		by     pkitest.Signatory
		change func(*pkitest.Stamp)
		opt    func(*Options)
		want   Outcome
		path   pki.Outcome
	}{
		{name: "sound", by: tsa, want: Valid},
		{name: "carries its certificate", by: tsa, change: func(s *pkitest.Stamp) { s.Certificates = [][]byte{tsa.Certificate.Raw} }, opt: with(), want: Valid},
		{name: "without signing-certificate", by: tsa, change: signed(func(a [][]byte) [][]byte { return a[:2] }), want: Valid},
		{name: "other bytes", by: tsa, opt: func(o *Options) { o.Sum = Sum([]byte("other")) }, want: WrongImprint},
		{name: "no bytes", by: tsa, opt: func(o *Options) { o.Sum = nil }, want: NoMessage},
		{name: "bytes cannot be read", by: tsa, opt: func(o *Options) {
			o.Sum = func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) { return nil, errors.New("disk") }
		}, want: NoMessage},
		{name: "weak imprint", by: tsa, change: func(s *pkitest.Stamp) { s.Info[pkitest.StampImprint] = sha1 }, want: WeakAlgorithm},
		{name: "certificate not at hand", by: tsa, opt: with(person.Certificate), want: NoCertificate},
		{name: "another certificate is named", by: tsa, change: signed(func(a [][]byte) [][]byte {
			a[2] = cms.NewAttribute(cms.AttrSigningCert2, der.Sequence(der.Sequence(der.Sequence(der.OctetString(make([]byte, 32))))))
			return a
		}), want: WrongCertificate},
		{name: "no message-digest", by: tsa, change: signed(func(a [][]byte) [][]byte { return a[:1] }), want: Malformed},
		{name: "two message-digests", by: tsa, change: signed(func(a [][]byte) [][]byte { return append(a, a[1]) }), want: Malformed},
		{name: "content-type of a document", by: tsa, change: signed(func(a [][]byte) [][]byte {
			a[0] = cms.NewAttribute(cms.AttrContentType, cms.Data.Encode())
			return a
		}), want: Malformed},
		{name: "another message-digest", by: tsa, change: signed(func(a [][]byte) [][]byte {
			a[1] = cms.NewAttribute(cms.AttrDigest, der.OctetString(make([]byte, 32)))
			return a
		}), want: BadSignature},
		{name: "signature by another key", by: tsa, change: func(s *pkitest.Stamp) { s.By.Key = person.Key }, want: BadSignature},
		{name: "signature of another form", by: tsa, change: func(s *pkitest.Stamp) { s.Value = func(v []byte) []byte { return v[:len(v)-1] } }, want: BadSignature},
		{name: "not for time-stamps", by: person, opt: with(person.Certificate), want: NotAuthority},
		{name: "not for signing", by: authority, opt: with(authority.Certificate), want: NotAuthority},
		{name: "in the future", by: tsa, change: at(p.At.Add(11 * time.Minute)), want: WrongTime},
		{name: "a little ahead", by: tsa, change: at(p.At.Add(9 * time.Minute)), want: Valid},
		{name: "before its certificate", by: late, opt: with(late.Certificate), want: WrongTime},
		{name: "no trust", by: tsa, opt: func(o *Options) { o.Trust = nil }, want: NoPath, path: pki.NoChain},
		{name: "revoked", by: revoked, opt: with(revoked.Certificate), want: NoPath, path: pki.CertificateRevoked},
		{name: "expired now", by: tsa, opt: func(o *Options) { o.Path.At = p.At.AddDate(2, 0, 0) }, want: NoPath, path: pki.OutOfBounds},
		{name: "no fresh CRL", by: tsa, opt: func(o *Options) { o.Path.At = p.At.AddDate(0, 1, 0) }, want: NoPath, path: pki.NoRevocationEvidence},
		{name: "revocation left unchecked", by: tsa, opt: func(o *Options) {
			o.Path.At, o.Path.WithoutRevocation = p.At.AddDate(0, 1, 0), true
		}, want: Valid},
	} {
		var change []func(*pkitest.Stamp)
		if c.change != nil {
			change = append(change, c.change)
		}
		token, err := Parse(p.Stamp(c.by, message, change...))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		o := Options{Trust: p.Store(), Sum: Sum(message), Path: pki.PathOptions{At: p.At, Material: []*pki.Certificate{tsa.Certificate}}}
		if c.opt != nil {
			c.opt(&o)
		}
		r := token.Verify(o)
		if r.Outcome != c.want || r.Outcome == NoPath && r.Path.Outcome != c.path || (r.Outcome == Valid) != (r.Detail == "") {
			t.Errorf("%s: %d %s (path %d), want %d", c.name, r.Outcome, r.Detail, r.Path.Outcome, c.want)
		}
		if r.Outcome == Valid && (r.Authority == nil || len(r.Path.Chain) != 3) {
			t.Errorf("%s: no authority or chain", c.name)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	tsa := p.Authority()
	text := func(s string) []byte { return der.Value(der.TagGeneralizedTime, []byte(s)) }
	put := func(i int, b []byte) func(*pkitest.Stamp) {
		return func(s *pkitest.Stamp) { s.Info[i] = b }
	}
	more := func(b ...[]byte) func(*pkitest.Stamp) {
		return func(s *pkitest.Stamp) { s.Info = append(s.Info, b...) }
	}
	extension := func(critical []byte) []byte {
		return der.Explicit(1, der.Sequence(der.OID("1.2.3.4").Encode(), critical, der.OctetString([]byte{5, 0})))
	}
	whole, err := Parse(p.Stamp(tsa, message, put(pkitest.StampTime, text("20260601095900.25Z")), more(
		der.Sequence(der.Int(1), der.Implicit(0, []byte{2}), der.Implicit(1, []byte{3})), der.Bool(true), der.Int(99),
		der.Explicit(0, der.Explicit(4, tsa.Certificate.RawSubject)), extension(nil))))
	if err != nil {
		t.Fatal(err)
	}
	i := whole.Info
	if !i.Time.Equal(time.Date(2026, 6, 1, 9, 59, 0, 250_000_000, time.UTC)) || i.Accuracy != time.Second+2*time.Millisecond+3*time.Microsecond ||
		!i.Ordering || i.Nonce.Cmp(big.NewInt(99)) != 0 || i.Serial.Int64() != 4711 || i.Policy != "1.2.804.2.1.1.1.2.3.1" || i.Name == nil || len(i.Imprint) != 32 {
		t.Errorf("parsed: %+v", i)
	}
	for name, change := range map[string]func(*pkitest.Stamp){
		"version 2":          put(pkitest.StampVersion, der.Int(2)),
		"empty imprint":      put(pkitest.StampImprint, der.Sequence(der.Sequence(algorithm.SHA256.Encode()), der.OctetString(nil))),
		"UTCTime":            put(pkitest.StampTime, der.Time(p.At)),
		"trailing zero":      put(pkitest.StampTime, text("20260601095900.250Z")),
		"empty fraction":     put(pkitest.StampTime, text("20260601095900.Z")),
		"local time":         put(pkitest.StampTime, text("20260601095900+0300")),
		"month 13":           put(pkitest.StampTime, text("20261301095900Z")),
		"no seconds":         put(pkitest.StampTime, text("202606010959Z")),
		"sign for a digit":   put(pkitest.StampTime, text("2026060109590-Z")),
		"huge serial":        put(pkitest.StampSerial, der.Value(der.TagInteger, slices.Repeat([]byte{1}, 65))),
		"milliseconds 1000":  more(der.Sequence(der.Implicit(0, []byte{3, 232}))),
		"critical extension": more(extension(der.Bool(true))),
		"something after":    more(der.Null()),
		"two signatures":     func(s *pkitest.Stamp) { s.Copies = 2 },
		"no signature":       func(s *pkitest.Stamp) { s.Copies = 0 },
	} {
		if _, err := Parse(p.Stamp(tsa, message, change)); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "a document": cms.Build(message, nil, nil, nil), "too long": make([]byte, MaxToken+1),
	} {
		if _, err := Parse(raw); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}

	token := p.Stamp(tsa, message)
	if _, err := ParseResponse(der.Sequence(der.Sequence(der.Int(0)), token)); err != nil {
		t.Error(err)
	}
	for name, raw := range map[string][]byte{
		"rejected":           der.Sequence(der.Sequence(der.Int(2))),
		"rejected and given": der.Sequence(der.Sequence(der.Int(2)), token),
		"nothing granted":    der.Sequence(der.Sequence(der.Int(0))),
	} {
		if _, err := ParseResponse(raw); !errors.Is(err, ErrNotGranted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "more": der.Sequence(der.Sequence(der.Int(0)), token, der.Null())} {
		if tok, err := ParseResponse(raw); err == nil || tok != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryByte: no changed octet of a token lets it stamp other bytes or another
// time.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	tsa := p.Authority()
	raw := p.Stamp(tsa, message)
	sound, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Trust: p.Store(), Sum: Sum(message), Path: pki.PathOptions{At: p.At, Material: []*pki.Certificate{tsa.Certificate}}}
	for i := range raw {
		b := slices.Clone(raw)
		b[i] ^= 1
		token, err := Parse(b)
		if err != nil {
			continue
		}
		if r := token.Verify(o); r.Outcome == Valid && !slices.Equal(token.sd.Content, sound.sd.Content) {
			t.Errorf("octet %d changed: valid", i)
		}
	}
}

// TestKEP judges the tokens of the КЕП set, synthetic and real.
func TestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	read := func(pattern ...string) (out []*pki.Certificate) {
		files, _ := filepath.Glob(filepath.Join(append([]string{dir}, pattern...)...))
		for _, f := range files {
			if c, err := pki.ParseCertificate(shareddata.Read(t, f)); err == nil {
				out = append(out, c)
			}
		}
		return out
	}
	certs := read("pki", "certs", "*.cer")
	var anchors []*pki.Certificate
	for _, c := range certs {
		if c.IsCA && c.SelfIssued() {
			anchors = append(anchors, c)
		}
	}
	store := pki.NewStore(anchors, certs, nil)
	document := shareddata.Read(t, dir, "tsp", "document.txt")
	// The set has no CRL of its roots.
	o := Options{Trust: store, Sum: Sum(document), Path: pki.PathOptions{At: time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC), WithoutRevocation: true}}
	for name, want := range map[string]Outcome{
		"granted.tsr": Valid, "wrong_imprint.tsr": WrongImprint, "reversed_imprint.tsr": WrongImprint, "tsa_without_eku.tsr": NotAuthority,
	} {
		token, err := ParseResponse(shareddata.Read(t, dir, "tsp", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := token.Verify(o); r.Outcome != want {
			t.Errorf("%s: %d (%s), want %d", name, r.Outcome, r.Detail, want)
		}
	}
	if _, err := ParseResponse(shareddata.Read(t, dir, "tsp", "rejected.tsr")); !errors.Is(err, ErrNotGranted) {
		t.Errorf("rejected.tsr: %v", err)
	}

	token, err := ParseResponse(shareddata.Read(t, dir, "real", "tsp", "rsa_response.tsr"))
	if err != nil {
		t.Errorf("rsa_response.tsr: %v", err)
	} else if r := token.Verify(o); r.Outcome != WeakAlgorithm { // SHA-1
		t.Errorf("rsa_response.tsr: %d (%s)", r.Outcome, r.Detail)
	}
	for _, name := range []string{"token_diia_content.p7s", "token_diia_signature.p7s"} {
		token, err := Parse(shareddata.Read(t, dir, "real", "tsp", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// What was stamped is not beside it: its own word for that leaves the rest to
		// be judged. The authority's certificate is trusted itself.
		o := Options{
			Sum:  func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) { return token.Info.Imprint, nil },
			Path: pki.PathOptions{At: token.Info.Time.Add(time.Minute)},
		}
		real := read("real", "certs", "*.cer")
		if bundle, err := cms.Certificates(shareddata.Read(t, dir, "real", "tsp", name)); err == nil {
			for _, raw := range bundle {
				if c, err := pki.ParseCertificate(raw); err == nil {
					real = append(real, c)
				}
			}
		}
		o.Trust = pki.NewStore(real, nil, nil)
		if r := token.Verify(o); r.Outcome != Valid {
			t.Errorf("%s: %d (%s)", name, r.Outcome, r.Detail)
		}
	}
}

// FuzzParse: no fault within, and nothing is valid that no trusted key signed.
func FuzzParse(f *testing.F) {
	p := pkitest.New(f)
	tsa := p.Authority()
	f.Add(p.Stamp(tsa, message))
	f.Add(der.Sequence(der.Sequence(der.Int(0)), p.Stamp(tsa, message)))
	other := pkitest.New(f).Store()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (*Token, error){Parse, ParseResponse} {
			token, err := parse(b)
			if err != nil {
				continue
			}
			o := Options{Trust: other, Sum: Sum(message), AttrsAsStored: true, Path: pki.PathOptions{At: p.At, WithoutRevocation: true}}
			if r := token.Verify(o); r.Outcome == Valid {
				t.Fatal("valid")
			}
		}
	})
}
