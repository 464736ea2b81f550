package cades

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// day gives the time so many days after that of the hierarchy.
func day(n int) time.Time { return pkitest.At.AddDate(0, 0, n) }

// until makes a certificate expire at the end of a day.
func until(n int) func(*issue.Template) {
	return func(c *issue.Template) { c.NotAfter = day(n) }
}

// listsOf are the CRLs of some days, each for a week; a certificate revoked meanwhile
// is on those that were issued after.
func listsOf(p *pkitest.PKI, days ...int) []*pki.CRL {
	var out []*pki.CRL
	for _, d := range days {
		out = append(out, p.CRLsBetween(day(d), day(d+7))...)
	}
	return out
}

func pastStore(p *pkitest.PKI, lists ...*pki.CRL) *pki.Store {
	return pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, lists)
}

func stampKinds(r *Report) string {
	var out []string
	for _, s := range r.Signatures[0].TimeStamps {
		text := strings.TrimSuffix(strings.TrimSuffix(string(s.Kind), "-v3"), "-time-stamp")
		switch {
		case s.Valid && s.Past:
			text += " past"
		case s.Valid:
			text += " ok"
		default:
			text += " " + string(s.SubIndication)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// TestPast: a signer who expired or was revoked after a proved time passes, before it
// he does not; what proves nothing changes nothing (EN 319 102-1, 5.5 and 5.6).
func TestPast(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	type set struct {
		p                    *pkitest.PKI
		head, tsa, nobody    pkitest.Signatory
		plain, stamped       []byte
		clean, dirty, caLost []*pki.CRL
	}
	make1 := func(t *testing.T) set {
		s := set{p: pkitest.New(t)}
		s.head = s.p.Issue(issue.Subject{Country: "UA", CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}, until(30))
		s.tsa, s.nobody = s.p.Authority(), s.p.Person("Nobody", "00013480", "3333333333")
		s.plain = mustSign(t, document, SignOptions{}, signer(s.p, s.head))
		s.stamped = must(Raising{Stamper: authority{p: s.p, by: s.tsa, at: day(0)}}.AddTimeStamp(ctx, s.plain))(t)
		s.clean = listsOf(s.p, -1, 1, 8, 15, 40, 59)
		lost, err := issue.CRL(rand.Reader, s.p.Root, issue.List{
			Number: s.p.CA.Certificate.Serial, ThisUpdate: day(16), NextUpdate: day(80),
			Revoked: []issue.Revocation{{Serial: s.p.CA.Certificate.Serial, At: day(10), Reason: 4}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.caLost = append(slices.Clone(s.clean), lost)
		s.p.Revoke(s.head.Certificate, day(10), 1)
		s.dirty = append(slices.Clone(s.clean[:4]), listsOf(s.p, 15, 40, 59)...)
		return s
	}
	s := make1(t)
	by := func(who pkitest.Signatory, at time.Time, change func(*pkitest.Stamp)) []byte {
		return must(Raising{Stamper: authority{p: s.p, by: who, at: at}}.AddTimeStamp(ctx, s.plain))(t)
	}
	altered := func(oid string, change func(*pkitest.Stamp)) []byte {
		sd, err := cms.Parse(s.plain, cms.Options{})
		if err != nil {
			t.Fatal(err)
		}
		token := s.p.Stamp(s.tsa, sd.Signers[0].Signature, func(x *pkitest.Stamp) {
			x.Info[pkitest.StampTime] = pkitest.GeneralizedTime(day(0))
			x.Certificates = [][]byte{s.tsa.Certificate.Raw}
		}, change)
		return must(sd.Amend(cms.Amendment{Unsigned: map[int][][]byte{0: {cms.NewAttribute(cms.AttrTimeStamp, token)}}}))(t)
	}
	withContent := func(at time.Time) []byte {
		h := hand{attrs: goodAttributes(signer(s.p, s.head), document)}
		h.attrs = append(h.attrs, cms.NewAttribute(cms.AttrContentTimeStamp, s.p.Stamp(s.tsa, document, func(x *pkitest.Stamp) {
			x.Info[pkitest.StampTime] = pkitest.GeneralizedTime(at)
			x.Certificates = [][]byte{s.tsa.Certificate.Raw}
		})))
		return h.build(t, signer(s.p, s.head))
	}
	stampedLater := func(b []byte, at time.Time) []byte {
		return must(Raising{Stamper: authority{p: s.p, by: s.tsa, at: at}}.AddTimeStamp(ctx, b))(t)
	}
	exists := func(b []byte, at time.Time) Past { return Past{Exists: []Existence{{sha256.Sum256(b), at}}} }
	value := func(b []byte) []byte {
		sd, err := cms.Parse(b, cms.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return sd.Signers[0].Signature
	}
	for _, c := range []struct {
		name  string
		b     []byte
		lists []*pki.CRL
		at    time.Time
		past  Past
		want  string
		proof string
	}{
		{name: "not stamped, valid", b: s.plain, lists: s.clean, at: day(9), want: "TOTAL-PASSED"},
		{name: "not stamped, expired", b: s.plain, lists: s.clean, at: day(60), want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE"},
		{name: "not stamped, revoked", b: s.plain, lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "stamped, expired since", b: s.stamped, lists: s.clean, at: day(60), want: "TOTAL-PASSED", proof: "signature ok"},
		{name: "stamped, revoked since", b: s.stamped, lists: s.dirty, at: day(16), want: "TOTAL-PASSED", proof: "signature ok"},
		{name: "stamped, revoked since, then expired", b: s.stamped, lists: s.dirty, at: day(60), want: "TOTAL-PASSED", proof: "signature ok"},
		{name: "stamped after it expired", b: by(s.tsa, day(31), nil), lists: s.clean, at: day(60), want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature ok"},
		{name: "stamped after it was revoked", b: by(s.tsa, day(11), nil), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature ok"},
		{name: "stamped at the moment of revocation", b: by(s.tsa, day(10), nil), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature ok"},
		{name: "authority revoked since", b: s.stamped, lists: s.caLost, at: day(60), want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature REVOKED_CA_NO_POE"},
		{name: "lists of after the expiry alone", b: s.stamped, lists: s.clean[8:], at: day(60), want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature ok"},
		{name: "lists of before the stamp and after the expiry", b: s.stamped, lists: append(slices.Clone(s.clean[:2]), s.clean[10:]...), at: day(60), want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature ok"},
		{
			name: "the same, where what was current then is enough", b: s.stamped, lists: append(slices.Clone(s.clean[:2]), s.clean[10:]...), at: day(60),
			past: Past{StatusThen: true}, want: "TOTAL-PASSED", proof: "signature ok",
		},
		{name: "lists that are not fresh any more", b: s.stamped, lists: s.clean[:4], at: day(20), want: "INDETERMINATE TRY_LATER", proof: "signature TRY_LATER"},
		{
			name: "the same, for an examiner", b: s.stamped, lists: s.clean[:4], at: day(60),
			past: Examiner, want: "TOTAL-PASSED", proof: "signature past",
		},
		{
			name: "the same, and a later list knows that the CA was revoked", b: s.stamped, lists: append(slices.Clone(s.clean[:4]), s.caLost[len(s.caLost)-1]), at: day(60),
			past: Examiner, want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature REVOKED_CA_NO_POE",
		},
		{
			name: "revoked before the stamp, for an examiner", b: by(s.tsa, day(11), nil), lists: s.dirty, at: day(60),
			past: Examiner, want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature ok",
		},
		{
			name: "not stamped, for an examiner", b: s.plain, lists: s.clean, at: day(60),
			past: Examiner, want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE",
		},
		{
			name: "no list of then, for an examiner", b: s.stamped, lists: s.clean[8:], at: day(60),
			past: Examiner, want: "INDETERMINATE OUT_OF_BOUNDS_NO_POE", proof: "signature ok",
		},
		{name: "not for time-stamps", b: by(s.nobody, day(0), nil), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature CHAIN_CONSTRAINTS_FAILURE"},
		{name: "wrong imprint", b: altered("", func(x *pkitest.Stamp) { x.Info[pkitest.StampImprint] = pkitest.Imprint(document) }), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature HASH_FAILURE"},
		{name: "by another key", b: altered("", func(x *pkitest.Stamp) { x.By.Key = s.nobody.Key }), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature SIG_CRYPTO_FAILURE"},
		{name: "from the future", b: by(s.tsa, day(16).Add(11*time.Minute), nil), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "signature SIG_CONSTRAINTS_FAILURE"},
		{name: "older than its signer", b: by(s.tsa, day(-370), nil), lists: s.clean, at: day(9), want: "TOTAL-PASSED", proof: "signature SIG_CONSTRAINTS_FAILURE"},
		{name: "content stamped after the revocation", b: withContent(day(12)), lists: s.dirty, at: day(16), want: "TOTAL-FAILED REVOKED", proof: "content ok"},
		{name: "content stamped before the revocation", b: withContent(day(2)), lists: s.dirty, at: day(16), want: "INDETERMINATE REVOKED_NO_POE", proof: "content ok"},
		{name: "content stamped after the expiry", b: withContent(day(31)), lists: s.clean, at: day(60), want: "TOTAL-FAILED EXPIRED", proof: "content ok"},
		{name: "content stamped later than the signature", b: stampedLater(withContent(day(2)), day(1)), lists: s.clean, at: day(9), want: "INDETERMINATE TIMESTAMP_ORDER_FAILURE", proof: "content ok, signature ok"},
		{name: "both in order", b: stampedLater(withContent(day(1)), day(2)), lists: s.dirty, at: day(16), want: "TOTAL-PASSED", proof: "content ok, signature ok"},
		{name: "known to have existed", b: s.plain, lists: s.dirty, at: day(16), past: exists(s.plain, day(1)), want: "TOTAL-PASSED"},
		{name: "its value known to have existed", b: s.plain, lists: s.clean, at: day(60), past: exists(value(s.plain), day(1)), want: "TOTAL-PASSED"},
		{name: "known to have existed after", b: s.plain, lists: s.dirty, at: day(16), past: exists(s.plain, day(11)), want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "something else known to have existed", b: s.plain, lists: s.dirty, at: day(16), past: exists(document, day(1)), want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "known without a time", b: s.plain, lists: s.dirty, at: day(16), past: exists(s.plain, time.Time{}), want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "known in the future", b: s.plain, lists: s.dirty, at: day(16), past: exists(s.plain, day(17)), want: "INDETERMINATE REVOKED_NO_POE"},
		{name: "known before the certificate was", b: s.plain, lists: s.clean, at: day(9), past: exists(s.plain, day(-370)), want: "TOTAL-FAILED NOT_YET_VALID"},
	} {
		r := Validate(Input{Container: c.b}, Options{At: c.at, Trust: pastStore(s.p, c.lists...), Past: c.past})
		if verdict(r) != c.want || stampKinds(r) != c.proof {
			t.Errorf("%s: %s (%s), stamps %q; want %s, %q", c.name, verdict(r), r.Detail, stampKinds(r), c.want, c.proof)
		}
		sig := r.Signatures[0]
		if sig.Past != (r.Indication == TotalPassed && c.name != "not stamped, valid" && c.name != "older than its signer") {
			t.Errorf("%s: past %v", c.name, sig.Past)
		}
		if sig.Past && (sig.ProvedTime.IsZero() || len(sig.Chain) != 3 || len(sig.Evidence) == 0) {
			t.Errorf("%s: proved %v, chain of %d, evidence of %d", c.name, sig.ProvedTime, len(sig.Chain), len(sig.Evidence))
		}
	}
}

// TestPastEvidence: evidence that is asked as a whole counts as lists at hand do.
func TestPastEvidence(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := p.Issue(issue.Subject{Country: "UA", CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}, until(30))
	plain := mustSign(t, document, SignOptions{}, signer(p, head))
	stamped := must(Raising{Stamper: authority{p: p, by: p.Authority(), at: day(0)}}.AddTimeStamp(context.Background(), plain))(t)
	clean := listsOf(p, -1, 1, 8, 15, 59)
	p.Revoke(head.Certificate, day(10), 1)
	dirty := append(slices.Clone(clean[:4]), listsOf(p, 15, 59)...)
	for name, c := range map[string]struct {
		b     []byte
		lists []*pki.CRL
		at    int
		want  string
	}{
		"expired since":  {stamped, clean, 60, "TOTAL-PASSED"},
		"revoked since":  {stamped, dirty, 16, "TOTAL-PASSED"},
		"both since":     {stamped, dirty, 60, "TOTAL-PASSED"},
		"after expiry":   {stamped, clean[8:], 60, "INDETERMINATE OUT_OF_BOUNDS_NO_POE"},
		"nothing proved": {plain, dirty, 16, "INDETERMINATE REVOKED_NO_POE"},
	} {
		o := Options{At: day(c.at), Trust: pastStore(p).WithEvidence(pki.CRLs(c.lists))}
		if r := Validate(Input{Container: c.b}, o); verdict(r) != c.want {
			t.Errorf("%s, of the store: %s (%s)", name, verdict(r), r.Detail)
		}
		o = Options{At: day(c.at), Trust: pastStore(p), Evidence: []pki.Evidence{pki.CRLs(c.lists)}}
		if r := Validate(Input{Container: c.b}, o); verdict(r) != c.want {
			t.Errorf("%s, of the caller: %s (%s)", name, verdict(r), r.Detail)
		}
	}
}

// TestArchive: archive-time-stamps protect earlier ones whose authorities have expired
// since; years later the verdict is the same.
func TestArchive(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := pkitest.New(t)
	head := p.Issue(issue.Subject{Country: "UA", CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}, until(20))
	first, second, third := p.Authority(until(30)), p.Authority(until(60)), p.Authority()
	step := func(who pkitest.Signatory, at int) Raising {
		return Raising{Stamper: authority{p: p, by: who, at: day(at)}}
	}
	values := func(days ...int) Values {
		return Values{Certificates: []*pki.Certificate{p.CA.Certificate}, CRLs: rawLists(listsOf(p, days...))}
	}
	for _, form := range []Form{Baseline, Extended} {
		b := mustSign(t, document, SignOptions{}, signer(p, head))
		b = must(step(first, 0).AddTimeStamp(ctx, b))(t)
		long := must(step(first, 0).AddValues(b, values(1), form))(t)
		once := must(step(second, 25).AddArchiveTimeStamp(ctx, long, nil))(t)
		renewed := must(step(second, 25).AddValues(once, values(26), Baseline))(t)
		twice := must(step(third, 50).AddArchiveTimeStamp(ctx, renewed, nil))(t)
		late := listsOf(p, 51, 89)
		for _, c := range []struct {
			name  string
			b     []byte
			at    int
			lists []*pki.CRL
			past  Past
			want  string
			proof string
		}{
			{"long, within a week", long, 3, nil, Past{}, "TOTAL-PASSED", "signature ok"},
			{"archived once, signer expired", once, 28, listsOf(p, 27), Past{}, "TOTAL-PASSED", "signature ok, archive ok"},
			{"archived once, first authority expired too", once, 55, listsOf(p, 26, 51), Past{}, "TOTAL-PASSED", "signature past, archive ok"},
			{"archived once, second expired too", once, 90, late, Past{}, "INDETERMINATE OUT_OF_BOUNDS_NO_POE", "signature OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE"},
			{"archived twice", twice, 90, late, Past{}, "TOTAL-PASSED", "signature past, archive past, archive ok"},
			{"archived twice, without lists of the last years", twice, 90, late[2:], Past{}, "INDETERMINATE OUT_OF_BOUNDS_NO_POE", "signature OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE, archive ok"},
			{"years later", twice, 4000, late, Past{}, "INDETERMINATE OUT_OF_BOUNDS_NO_POE", "signature OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE"},
			{"years later, authorities relied on", twice, 4000, late, Past{ExpiredAuthorities: true}, "TOTAL-PASSED", "signature past, archive past, archive past"},
			{"years later, container known to have existed", twice, 4000, append(listsOf(p, 59), late...), Past{Exists: []Existence{{sha256.Sum256(twice), day(58)}}}, "INDETERMINATE OUT_OF_BOUNDS_NO_POE", "signature OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE, archive OUT_OF_BOUNDS_NO_POE"},
			{"years later, long, known to have existed", long, 4000, nil, Past{Exists: []Existence{{sha256.Sum256(long), day(2)}}, StatusThen: true}, "TOTAL-PASSED", "signature past"},
			{"years later, long, known to have existed, strictly", long, 4000, nil, Past{Exists: []Existence{{sha256.Sum256(long), day(2)}}}, "INDETERMINATE OUT_OF_BOUNDS_NO_POE", "signature OUT_OF_BOUNDS_NO_POE"},
		} {
			r := Validate(Input{Container: c.b}, Options{At: day(c.at), Trust: pastStore(p, c.lists...), Past: c.past})
			if verdict(r) != c.want || stampKinds(r) != c.proof {
				t.Errorf("form %d, %s: %s (%s), stamps %q; want %s, %q", form, c.name, verdict(r), r.Detail, stampKinds(r), c.want, c.proof)
				for _, s := range r.Signatures[0].TimeStamps {
					t.Log(s.Kind, s.Detail)
				}
			}
			if form == Extended && (r.Signatures[0].References == nil || r.Signatures[0].References.Missing != 0 || r.Signatures[0].References.Named != 3) {
				t.Errorf("%s: references %+v", c.name, r.Signatures[0].References)
			}
		}

		// A list taken out afterwards breaks the archive-time-stamp over it.
		sd, err := cms.Parse(twice, cms.Options{})
		if err != nil {
			t.Fatal(err)
		}
		gone := sd.RevocationChoices[len(sd.RevocationChoices)-1]
		other := listsOf(p, 26)[1].Raw
		if len(other) == len(gone) {
			r := Validate(Input{Container: bytes.Replace(twice, gone, other, 1)}, Options{At: day(90), Trust: pastStore(p, late...)})
			if r.Indication == TotalPassed || !strings.Contains(stampKinds(r), "archive SIG_CONSTRAINTS_FAILURE") {
				t.Errorf("another list in the archive: %s, %s", verdict(r), stampKinds(r))
			}
		}
	}

	// A revoked authority's word, for an examiner: what any list knows stands.
	b0 := mustSign(t, document, SignOptions{}, signer(p, head))
	b0 = must(step(third, 0).AddTimeStamp(ctx, b0))(t)
	b0 = must(step(third, 0).AddValues(b0, values(1), Baseline))(t)
	examine := func(lists ...*pki.CRL) string {
		r := Validate(Input{Container: b0}, Options{At: day(90), Trust: pastStore(p, lists...), Past: Examiner})
		return verdict(r) + ", " + stampKinds(r)
	}
	if got := examine(); got != "TOTAL-PASSED, signature past" {
		t.Errorf("authority in force, nothing fresh, for an examiner: %s", got)
	}
	defer func() {
		if got := examine(listsOf(p, 70)...); !strings.HasPrefix(got, "INDETERMINATE OUT_OF_BOUNDS_NO_POE") {
			t.Errorf("authority in force, revoked by a stale list, for an examiner: %s", got)
		}
	}()

	// A revoked authority's word about the past counts for nothing once it has expired.
	p.Revoke(third.Certificate, day(100), 1)
	b := mustSign(t, document, SignOptions{}, signer(p, head))
	b = must(step(third, 0).AddTimeStamp(ctx, b))(t)
	b = must(step(third, 0).AddValues(b, values(1), Baseline))(t)
	r := Validate(Input{Container: b}, Options{At: day(4000), Trust: pastStore(p, listsOf(p, 101)...), Past: Past{ExpiredAuthorities: true}})
	if verdict(r) != "INDETERMINATE OUT_OF_BOUNDS_NO_POE" {
		t.Errorf("revoked and expired authority: %s, %s", verdict(r), stampKinds(r))
	}
}
