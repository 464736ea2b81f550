package ocsp_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

var at = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

// scene is an authority that is an anchor, a person under it, and who may answer.
type scene struct {
	root      *ocsptest.Authority
	person    ocsptest.Party
	responder ocsptest.Party
}

func newScene(t testing.TB, f ocsptest.Family) scene {
	t.Helper()
	root := ocsptest.NewAuthority(t, f, "Root", at)
	return scene{root: root, person: root.Issue("Person"), responder: root.Issue("Responder", ocsptest.ForAnswers)}
}

func (s scene) answer() ocsptest.Answer {
	return ocsptest.Answer{
		ID: ocsptest.ID(s.person.Certificate, s.root.Certificate), This: at.Add(-time.Minute), By: s.responder,
	}
}

func (s scene) store(more ...*pki.Certificate) *pki.Store {
	return pki.NewStore([]*pki.Certificate{s.root.Certificate}, more, nil)
}

func response(t testing.TB, a ocsptest.Answer) *ocsp.Response {
	t.Helper()
	raw, err := a.Whole()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ocsp.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnswer: what makes an answer good, and each thing that makes it worth nothing.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, f := range ocsptest.Families {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, f)
			other := ocsptest.NewAuthority(t, f, "Root", at) // of the same name, by another key
			signed := func(change ...func(*issue.Template)) ocsptest.Party { return s.root.Issue("Responder", change...) }
			withoutNoCheck := signed(func(t *issue.Template) { t.ExtendedKeyUsage = []der.OID{ocsp.Signing} })
			for _, c := range []struct {
				name   string
				change func(*ocsptest.Answer)
				want   pki.Outcome
				detail string
				option func(*pki.PathOptions)
				known  []*pki.Certificate // at hand
				lists  []*pki.CRL
			}{
				{name: "good", want: pki.ValidPath},
				{name: "by the key", change: func(a *ocsptest.Answer) { a.ByKey = true }, want: pki.ValidPath},
				{name: "by the authority itself", change: func(a *ocsptest.Answer) { a.By = ocsptest.Party{Key: s.root.Key, Certificate: s.root.Certificate} }, want: pki.ValidPath},
				{name: "certificate not in it, at hand", change: func(a *ocsptest.Answer) { a.Bare = true }, known: []*pki.Certificate{s.responder.Certificate}, want: pki.ValidPath},
				{name: "certificate not in it", change: func(a *ocsptest.Answer) { a.Bare = true }, want: pki.NoRevocationEvidence, detail: "not at hand"},
				{name: "revoked", change: func(a *ocsptest.Answer) { a.Status = ocsptest.Revoked(at.Add(-time.Hour), 1) }, want: pki.CertificateRevoked},
				{name: "revoked, long ago told", change: func(a *ocsptest.Answer) {
					a.Status, a.This = ocsptest.Revoked(at.Add(-100*time.Hour), 0), at.Add(-50*time.Hour)
				}, want: pki.CertificateRevoked},
				{name: "on hold", change: func(a *ocsptest.Answer) { a.Status = ocsptest.Revoked(at.Add(-time.Hour), 6) }, want: pki.CertificateHeld},
				{name: "unknown", change: func(a *ocsptest.Answer) { a.Status = ocsptest.Unknown }, want: pki.NoRevocationEvidence, detail: "does not know"},

				{name: "eight minutes old", change: func(a *ocsptest.Answer) { a.This = at.Add(-8 * time.Minute) }, want: pki.ValidPath},
				{name: "ten minutes old", change: func(a *ocsptest.Answer) { a.This = at.Add(-10 * time.Minute) }, want: pki.NoRevocationEvidence, detail: "too old"},
				{
					name: "ten minutes old, where that is allowed", change: func(a *ocsptest.Answer) { a.This = at.Add(-10 * time.Minute) },
					option: func(o *pki.PathOptions) { o.Freshness.Answer = time.Hour }, want: pki.ValidPath,
				},
				{name: "five minutes ahead", change: func(a *ocsptest.Answer) { a.This = at.Add(5 * time.Minute) }, want: pki.ValidPath},
				{name: "ten minutes ahead", change: func(a *ocsptest.Answer) { a.This = at.Add(10 * time.Minute) }, want: pki.NoRevocationEvidence, detail: "future"},
				{name: "produced in the future", change: func(a *ocsptest.Answer) { a.Produced = at.Add(10 * time.Minute) }, want: pki.NoRevocationEvidence, detail: "future"},
				{name: "older than it was made", change: func(a *ocsptest.Answer) { a.Produced = at.Add(-time.Hour) }, want: pki.NoRevocationEvidence, detail: "thisUpdate is after"},
				{name: "old, in force", change: func(a *ocsptest.Answer) { a.This, a.Next = at.Add(-time.Hour), at.Add(time.Hour) }, want: pki.ValidPath},
				{name: "over", change: func(a *ocsptest.Answer) { a.This, a.Next = at.Add(-time.Hour), at.Add(-time.Second) }, want: pki.NoRevocationEvidence, detail: "expired"},
				{
					name: "in force, older than allowed", change: func(a *ocsptest.Answer) { a.This, a.Next = at.Add(-time.Hour), at.Add(time.Hour) },
					option: func(o *pki.PathOptions) { o.Freshness.Age = time.Minute }, want: pki.NoRevocationEvidence, detail: "too old",
				},

				{name: "about another", change: func(a *ocsptest.Answer) { a.ID = ocsptest.ID(s.responder.Certificate, s.root.Certificate) }, want: pki.NoRevocationEvidence, detail: "no OCSP answer"},
				{name: "about one of another authority", change: func(a *ocsptest.Answer) { a.ID = ocsptest.ID(s.person.Certificate, other.Certificate) }, want: pki.NoRevocationEvidence, detail: "no OCSP answer"},
				{name: "by an authority of the same name", change: func(a *ocsptest.Answer) {
					a.By = ocsptest.Party{Key: other.Key, Certificate: other.Certificate}
				}, want: pki.NoRevocationEvidence, detail: "OCSP"},
				{name: "responder of another authority", change: func(a *ocsptest.Answer) {
					a.By = other.Issue("Responder", ocsptest.ForAnswers)
				}, want: pki.NoRevocationEvidence, detail: "not signed by the issuer"},
				{name: "by a person", change: func(a *ocsptest.Answer) { a.By = s.person }, want: pki.NoRevocationEvidence, detail: "extKeyUsage"},
				{name: "by another key under the responder's certificate", change: func(a *ocsptest.Answer) { a.By.Key = s.person.Key }, want: pki.NoRevocationEvidence, detail: "does not verify"},
				{name: "by a responder that may not sign", change: func(a *ocsptest.Answer) {
					a.By = signed(ocsptest.ForAnswers, func(t *issue.Template) { t.KeyUsage = pki.KeyAgreement })
				}, want: pki.NoRevocationEvidence, detail: "keyUsage"},
				{name: "by a responder that has expired", change: func(a *ocsptest.Answer) {
					a.By = signed(ocsptest.ForAnswers, func(t *issue.Template) { t.NotAfter = at.Add(-time.Hour) })
				}, want: pki.NoRevocationEvidence, detail: "expired"},
				{name: "by a responder of whom nothing is known", change: func(a *ocsptest.Answer) { a.By = withoutNoCheck }, want: pki.NoRevocationEvidence, detail: "may be revoked"},
				{
					name: "by a responder that a CRL does not list", change: func(a *ocsptest.Answer) { a.By = withoutNoCheck },
					lists: []*pki.CRL{s.root.CRL(at.Add(-time.Hour))}, want: pki.ValidPath,
				},
				{
					name: "by a responder that a CRL lists", change: func(a *ocsptest.Answer) { a.By = withoutNoCheck },
					lists: []*pki.CRL{s.root.CRL(at.Add(-48*time.Hour), issue.Revocation{Serial: withoutNoCheck.Certificate.Serial, At: at.Add(-50 * time.Hour)})},
					want:  pki.NoRevocationEvidence,
				},
				{name: "unknown critical extension", change: func(a *ocsptest.Answer) { a.Critical = true }, want: pki.NoRevocationEvidence, detail: "critical"},
			} {
				a := s.answer()
				if c.change != nil {
					c.change(&a)
				}
				o := pki.PathOptions{At: at, Evidence: []pki.Evidence{ocsp.NewResponses(response(t, a))}}
				if c.option != nil {
					c.option(&o)
				}
				p := s.store(c.known...).With(nil, c.lists).Validate(s.person.Certificate, o)
				if p.Outcome != c.want || !strings.Contains(p.Detail, c.detail) {
					t.Errorf("%s: %d %q, want %d %q", c.name, p.Outcome, p.Detail, c.want, c.detail)
				}
				if c.want == pki.NoRevocationEvidence && len(p.Missing) == 0 {
					t.Errorf("%s: nothing is said to be missing", c.name)
				}
				if c.want == pki.ValidPath && (len(p.Evidence) == 0 || p.Missing != nil) {
					t.Errorf("%s: evidence %v, missing %v", c.name, p.Evidence, p.Missing)
				}
			}
		})
	}
}

// TestSelfVouching: a responder whose certificate may be revoked is not believed about itself.
func TestSelfVouching(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	by := s.root.Issue("Responder", func(t *issue.Template) { t.ExtendedKeyUsage = []der.OID{ocsp.Signing} })
	a := s.answer()
	a.By = by
	own := a
	own.ID = ocsptest.ID(by.Certificate, s.root.Certificate)
	set := ocsp.NewResponses(response(t, a), response(t, own))
	p := s.store().Validate(s.person.Certificate, pki.PathOptions{At: at, Evidence: []pki.Evidence{set}})
	if p.Outcome != pki.NoRevocationEvidence {
		t.Fatalf("outcome %d %s", p.Outcome, p.Detail)
	}
	var serials []string
	for _, m := range p.Missing {
		serials = append(serials, m.Certificate.Subject.CommonName)
	}
	if strings.Join(serials, ",") != "Person,Responder" {
		t.Errorf("missing %v", serials)
	}
}

// TestPast: asked about a time in the past, answers from after it count.
func TestPast(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	now := at.Add(300 * 24 * time.Hour)
	for _, c := range []struct {
		name   string
		change func(*ocsptest.Answer)
		known  time.Time
		want   pki.Outcome
	}{
		{"good an hour later", func(a *ocsptest.Answer) { a.This = at.Add(time.Hour) }, now, pki.ValidPath},
		{"not known yet", func(a *ocsptest.Answer) { a.This = at.Add(time.Hour) }, time.Time{}, pki.NoRevocationEvidence},
		{"revoked since", func(a *ocsptest.Answer) {
			a.This, a.Status = at.Add(48*time.Hour), ocsptest.Revoked(at.Add(24*time.Hour), 1)
		}, now, pki.ValidPath},
		{"revoked before", func(a *ocsptest.Answer) {
			a.This, a.Status = at.Add(48*time.Hour), ocsptest.Revoked(at.Add(-time.Hour), 1)
		}, now, pki.CertificateRevoked},
		{"after it expired", func(a *ocsptest.Answer) { a.This = s.person.Certificate.NotAfter.Add(time.Hour) }, now.AddDate(2, 0, 0), pki.NoRevocationEvidence},
	} {
		a := s.answer()
		c.change(&a)
		o := pki.PathOptions{At: at, Known: c.known, Evidence: []pki.Evidence{response(t, a)}}
		if p := s.store().Validate(s.person.Certificate, o); p.Outcome != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, p.Outcome, p.Detail, c.want)
		}
	}
}

// TestNewerWins: between hold and good the newer answer counts, and revoked always.
func TestNewerWins(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	made := func(ago time.Duration, status []byte) *ocsp.Response {
		a := s.answer()
		a.This, a.Status = at.Add(-ago), status
		return response(t, a)
	}
	held, gone := ocsptest.Revoked(at.Add(-time.Hour), 6), ocsptest.Revoked(at.Add(-time.Hour), 1)
	for _, c := range []struct {
		name string
		set  []*ocsp.Response
		want pki.Outcome
	}{
		{"hold lifted", []*ocsp.Response{made(5*time.Minute, held), made(time.Minute, nil)}, pki.ValidPath},
		{"held since", []*ocsp.Response{made(time.Minute, held), made(5*time.Minute, nil)}, pki.CertificateHeld},
		{"both at once", []*ocsp.Response{made(time.Minute, nil), made(time.Minute, held)}, pki.CertificateHeld},
		{"revoked before", []*ocsp.Response{made(5*time.Minute, gone), made(time.Minute, nil)}, pki.CertificateRevoked},
	} {
		o := pki.PathOptions{At: at, Evidence: []pki.Evidence{ocsp.NewResponses(c.set...)}}
		if p := s.store().Validate(s.person.Certificate, o); p.Outcome != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, p.Outcome, p.Detail, c.want)
		}
		whole := s.store().WithEvidence(ocsp.NewResponses(c.set...))
		if p := whole.With(nil, nil).Validate(s.person.Certificate, pki.PathOptions{At: at}); p.Outcome != c.want {
			t.Errorf("%s: out of the store: %d %s, want %d", c.name, p.Outcome, p.Detail, c.want)
		}
	}
}

// TestSet: what is added is found by its reference, and what is removed is not.
func TestSet(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	r := response(t, s.answer())
	set := ocsp.NewResponses(r, r, nil)
	if set.Len() != 1 {
		t.Fatalf("%d in the set", set.Len())
	}
	store := s.store().WithEvidence(set)
	p := store.Validate(s.person.Certificate, pki.PathOptions{At: at})
	if len(p.Evidence) != 1 || p.Evidence[0].Kind != "ocsp" || !bytes.Equal(store.Piece(p.Evidence[0]), r.Raw) {
		t.Fatalf("evidence %v", p.Evidence)
	}
	set.Remove(r)
	if p := store.Validate(s.person.Certificate, pki.PathOptions{At: at}); p.Outcome != pki.NoRevocationEvidence || set.Len() != 0 {
		t.Errorf("outcome %d, %d left", p.Outcome, set.Len())
	}
}

// TestZero: nothing is proved by what is not filled in.
func TestZero(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	q := pki.Question{Certificate: s.person.Certificate, Issuer: s.root.Certificate, At: at}
	for name, e := range map[string]pki.Evidence{"response": &ocsp.Response{}, "set": &ocsp.Responses{}} {
		if a := e.Revocation(q); a.Status != pki.Unknown {
			t.Errorf("%s: %v", name, a)
		}
	}
	// A question without Delegate lets nobody but the issuer answer.
	if a := response(t, s.answer()).Revocation(q); a.Status != pki.Unknown {
		t.Errorf("delegate without a check: %v", a)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	whole, err := s.answer().Whole()
	if err != nil {
		t.Fatal(err)
	}
	basic, err := s.answer().Basic()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ocsp.Parse(basic)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ocsp.Parse(r.Encode())
	if err != nil || again.SHA256() != r.SHA256() {
		t.Errorf("encoded anew: %v", err)
	}
	fraction := s.answer()
	fraction.This = fraction.This.Add(120 * time.Millisecond)
	if this, next := response(t, fraction).Update(); !this.Equal(fraction.This) || !next.IsZero() {
		t.Errorf("thisUpdate %v, nextUpdate %v", this, next)
	}
	for status := range 8 {
		_, err := ocsp.Parse(ocsptest.Error(status))
		var e ocsp.StatusError
		if errors.As(err, &e) != (status != 0) || int(e) != status {
			t.Errorf("status %d: %v", status, err)
		}
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut": whole[:len(whole)-1], "more": append(bytes.Clone(whole), 0),
		"status and more":     der.Sequence(der.Value(der.TagEnumerated, []byte{3}), der.Null()),
		"type":                der.Sequence(der.Value(der.TagEnumerated, []byte{0}), der.Explicit(0, der.Sequence(der.OID("1.2.3").Encode(), der.OctetString(basic)))),
		"indefinite":          append(append([]byte{0x30, 0x80}, whole[4:]...), 0, 0),
		"reversed validities": nil,
		"too large":           make([]byte, ocsp.MaxSize+1),
	} {
		if name == "reversed validities" {
			a := s.answer()
			a.Next = a.This.Add(-time.Second)
			b, _ = a.Whole()
		}
		if _, err := ocsp.Parse(b); !errors.Is(err, ocsp.ErrResponse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRequest: what is asked is read back, by every hash, and the answer to it counts.
func TestRequest(t *testing.T) {
	t.Parallel()
	for _, f := range ocsptest.Families {
		s := newScene(t, f)
		for _, oid := range []der.OID{"", algorithm.SHA1, algorithm.SHA256, algorithm.SHA512, algorithm.GOST34311, algorithm.Kupyna256} {
			nonce := make([]byte, 16)
			rand.Read(nonce)
			raw, err := ocsp.Request{Certificate: s.person.Certificate, Issuer: s.root.Certificate, Hash: oid, Nonce: nonce}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			q, err := ocsptest.ReadQuestion(raw)
			if err != nil || q.Serial.Cmp(s.person.Certificate.Serial) != 0 || !bytes.Equal(q.Nonce, nonce) {
				t.Fatalf("%s %s: %v %v", f, oid, q, err)
			}
			a := s.answer()
			a.ID, a.Nonce = q.ID, q.Nonce
			r := response(t, a)
			if p := s.store().Validate(s.person.Certificate, pki.PathOptions{At: at, Evidence: []pki.Evidence{r}}); p.Outcome != pki.ValidPath {
				t.Errorf("%s %s: %d %s", f, oid, p.Outcome, p.Detail)
			}
			if !bytes.Equal(r.Nonce, nonce) {
				t.Errorf("nonce %x", r.Nonce)
			}
		}
		if _, err := (ocsp.Request{Certificate: s.person.Certificate, Issuer: s.root.Certificate, Hash: "1.2.3"}).Encode(); !errors.Is(err, algorithm.ErrUnknown) {
			t.Errorf("unknown hash: %v", err)
		}
	}
}

// TestNegativeSerial: old authorities write them.
func TestNegativeSerial(t *testing.T) {
	t.Parallel()
	s := newScene(t, ocsptest.ECDSA)
	s.person = s.root.Issue("Person", func(t *issue.Template) { t.Serial = big.NewInt(-77) })
	if p := s.store().Validate(s.person.Certificate, pki.PathOptions{At: at, Evidence: []pki.Evidence{response(t, s.answer())}}); p.Outcome != pki.ValidPath {
		t.Errorf("%d %s", p.Outcome, p.Detail)
	}
}

func FuzzParse(f *testing.F) {
	s := newScene(f, ocsptest.ECDSA)
	for _, status := range [][]byte{ocsptest.Good, ocsptest.Unknown, ocsptest.Revoked(at, 1)} {
		a := s.answer()
		a.Status, a.Nonce, a.Next = status, []byte("nonce"), at
		raw, err := a.Whole()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(ocsptest.Error(3))
	stranger := newScene(f, ocsptest.ECDSA)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ocsp.Parse(b)
		if err != nil {
			return
		}
		if again, err := ocsp.Parse(r.Encode()); err != nil || again.SHA256() != r.SHA256() {
			t.Fatal("encoded anew it is another")
		}
		_, _ = r.Update()
		_ = r.Responder()
		p := stranger.store().Validate(stranger.person.Certificate, pki.PathOptions{At: at, Evidence: []pki.Evidence{r, ocsp.NewResponses(r)}})
		if p.Outcome == pki.ValidPath {
			t.Fatal("a foreign answer proves something")
		}
	})
}
