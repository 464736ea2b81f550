package cades

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// authority is a time-stamping authority in the test's process.
type authority struct {
	p  *pkitest.PKI
	by pkitest.Signatory
	at time.Time
	// change alters each token; may be nil.
	change func(*pkitest.Stamp)
}

func (a authority) TimeStamp(_ context.Context, d *algorithm.Digest, sum []byte) (*tsp.Token, error) {
	return tsp.Parse(a.p.Stamp(a.by, nil, func(s *pkitest.Stamp) {
		s.Info[pkitest.StampImprint] = der.Sequence(der.Sequence(d.OID.Encode()), der.OctetString(sum))
		s.Info[pkitest.StampTime] = pkitest.GeneralizedTime(a.at)
		s.Certificates = [][]byte{a.by.Certificate.Raw}
		if a.change != nil {
			a.change(s)
		}
	}))
}

func must(b []byte, err error) func(testing.TB) []byte {
	return func(t testing.TB) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func rawLists(l []*pki.CRL) [][]byte {
	var out [][]byte
	for _, c := range l {
		out = append(out, c.Raw)
	}
	return out
}

// TestRaise: every level keeps what was signed and what was there, passes, and
// OpenSSL verifies it.
func TestRaise(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head, seal := signer(p, p.Person("Head", "00013480", "2222222222")), signer(p, p.Seal("TEST", "00013480"))
	r := Raising{Stamper: authority{p: p, by: p.Authority(), at: p.At.Add(-time.Minute)}}
	ctx := context.Background()
	values := Values{Certificates: []*pki.Certificate{p.CA.Certificate, p.Root.Certificate}, CRLs: rawLists(p.CRLs())}
	dir := t.TempDir()
	root := writePEM(t, dir, "root.pem", "CERTIFICATE", p.Root.Certificate.Raw)
	doc := writeFile(t, dir, "doc", document)

	for _, isDetached := range []bool{false, true} {
		plain := mustSign(t, document, SignOptions{Detached: isDetached}, head, seal)
		content := detached(document)
		in := Input{}
		if isDetached {
			in.Detached = content
		} else {
			content = nil
		}
		stamped := must(r.AddTimeStamp(ctx, plain))(t)
		long := must(r.AddValues(stamped, values, Baseline))(t)
		extended := must(r.AddValues(stamped, values, Extended))(t)
		archived := must(r.AddArchiveTimeStamp(ctx, long, content))(t)
		twice := must(r.AddArchiveTimeStamp(ctx, archived, content))(t)
		mixed := must(r.AddArchiveTimeStamp(ctx, extended, content))(t)
		before, err := cms.Parse(plain, cms.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			b                   []byte
			attributes          int
			certificates, lists int
		}{
			"T": {stamped, 1, 3, 0}, "LT": {long, 1, 4, 2}, "X Long": {extended, 5, 3, 0},
			"LTA": {archived, 2, 4, 2}, "LTA twice": {twice, 3, 4, 2}, "A": {mixed, 6, 3, 0},
		} {
			after, err := cms.Parse(c.b, cms.Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if after.Attached == isDetached || !bytes.Equal(after.Content, before.Content) || len(after.Certificates) != c.certificates || len(after.CRLs) != c.lists {
				t.Errorf("%s: content, certificates or CRLs are not as they should be: %d %d", name, len(after.Certificates), len(after.CRLs))
			}
			for i := range after.Signers {
				if !bytes.Equal(after.Signers[i].Fields, before.Signers[i].Fields) || len(after.Signers[i].UnsignedAttrs) != c.attributes {
					t.Errorf("%s: signature %d: signed fields differ, or %d unsigned attributes", name, i, len(after.Signers[i].UnsignedAttrs))
				}
			}
			in.Container = c.b
			if v := Validate(in, Options{At: p.At, Trust: p.Store()}); v.Indication != TotalPassed {
				t.Errorf("%s: %s (%s)", name, verdict(v), v.Detail)
			}
			args := []string{
				"cms", "-verify", "-binary", "-inform", "DER", "-in", writeFile(t, dir, "c.p7s", c.b), "-CAfile", root,
				"-purpose", "any", "-attime", strconv.FormatInt(p.At.Unix(), 10), "-certfile", writePEM(t, dir, "ca.pem", "CERTIFICATE", p.CA.Certificate.Raw), "-out", dir + "/out",
			}
			if isDetached {
				args = append(args, "-content", doc)
			}
			if out, err := openssl(t, args...); err != nil {
				t.Errorf("%s, detached %v: openssl: %v %s", name, isDetached, err, out)
			}
		}
		// Nothing is there twice.
		if again := must(r.AddValues(long, values, Baseline))(t); !bytes.Equal(again, long) {
			t.Error("values were added again")
		}
		if _, err := r.AddValues(extended, values, Extended); err == nil {
			t.Error("references were added again")
		}
	}
}

// TestRaiseRefuses: an authority that answers about something else gives nothing.
func TestRaiseRefuses(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signer(p, p.Person("Head", "00013480", "2222222222"))
	plain := mustSign(t, document, SignOptions{}, head)
	a := authority{p: p, by: p.Authority(), at: p.At}
	a.change = func(s *pkitest.Stamp) { s.Info[pkitest.StampImprint] = pkitest.Imprint([]byte("other")) }
	ctx := context.Background()
	if _, err := (Raising{Stamper: a}).AddTimeStamp(ctx, plain); !errors.Is(err, tsp.ErrMismatch) {
		t.Errorf("stamp of other bytes: %v", err)
	}
	if _, err := (Raising{Stamper: a}).AddArchiveTimeStamp(ctx, plain, nil); !errors.Is(err, tsp.ErrMismatch) {
		t.Errorf("archive stamp of other bytes: %v", err)
	}
	if _, err := (Raising{}).AddTimeStamp(ctx, plain); err == nil {
		t.Error("no authority: no error")
	}
	a.change = nil
	r := Raising{Stamper: a}
	if _, err := r.AddArchiveTimeStamp(ctx, plain, detached(document)); err == nil {
		t.Error("content twice: no error")
	}
	if _, err := r.AddTimeStamp(ctx, []byte("no container")); err == nil {
		t.Error("no container: no error")
	}
	if _, err := r.AddValues(plain, Values{OCSP: [][]byte{der.Null()}}, Baseline); err == nil {
		t.Error("no OCSP answer: no error")
	}
	if _, err := (Raising{Stamper: a, Digest: "1.3.14.3.2.26"}).AddTimeStamp(ctx, plain); !errors.Is(err, algorithm.ErrWeak) {
		t.Error("SHA-1 imprint:", err)
	}

	// A container under an archive-time-stamp over itself as it stands is left alone.
	sd, err := cms.Parse(plain, cms.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("anything"))
	token, err := a.TimeStamp(ctx, algorithm.DigestByOID(algorithm.SHA256), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, oid := range []der.OID{cms.AttrArchive2, cms.AttrArchive3} {
		sealed := must(sd.Amend(cms.Amendment{Unsigned: map[int][][]byte{0: {cms.NewAttribute(oid, token.Raw)}}}))(t)
		if _, err := r.AddTimeStamp(ctx, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: time-stamp: %v", oid, err)
		}
		if _, err := r.AddValues(sealed, Values{}, Baseline); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: values: %v", oid, err)
		}
	}
	if len(sd.Certificates) != 2 || len(sd.Signers[0].UnsignedAttrs) != 0 {
		t.Error("the parsed container was changed")
	}
}
