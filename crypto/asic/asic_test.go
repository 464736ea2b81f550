package asic

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

var document = File{Name: "Платіжка №1.txt", Content: []byte("pay 100.00 to UA\r\n"), MimeType: "text/plain"}

// signing is the Sign of a signer of the test hierarchy.
func signing(t testing.TB, s ...cades.Signer) Sign {
	t.Helper()
	return func(content []byte) ([]byte, error) {
		return signAt(content, pkitest.At, s...)
	}
}

func signerOf(p *pkitest.PKI, s pkitest.Signatory) cades.Signer {
	return cades.Signer{Key: s.Key, Certificate: s.Certificate}
}

func signAt(content []byte, at time.Time, s ...cades.Signer) ([]byte, error) {
	return cades.Sign(rand.Reader, content, s, cades.SignOptions{Detached: true, At: at})
}

var written = WriteOptions{At: pkitest.At}

func must(t testing.TB, b []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWriteValidate: what is written passes, and says who signed what.
func TestWriteValidate(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head, accountant := signerOf(p, p.Person("Head", "00013480", "1111111111")), signerOf(p, p.Person("Accountant", "00013480", "2222222222"))
	o := ValidateOptions{Options: cades.Options{At: pkitest.At, Trust: p.Store()}}
	second := File{Name: "reports/note (2).txt", Content: bytes.Repeat([]byte("note "), 1000)}

	s, err := WriteS(document, signing(t, head, accountant), written)
	s = must(t, s, err)
	r := Validate(s, o)
	if r.Indication != cades.TotalPassed || len(r.Signatures) != 2 || r.Container.Form != S || !bytes.Equal(r.Content, document.Content) {
		t.Fatalf("ASiC-S: %s (%s), %d signatures", verdict(r), r.Detail, len(r.Signatures))
	}

	e, err := WriteE([]File{document, second}, []Signature{{Sign: signing(t, head)}, {Sign: signing(t, accountant)}}, written)
	e = must(t, e, err)
	r = Validate(e, o)
	if r.Indication != cades.TotalPassed || len(r.Signatures) != 2 || r.Container.Form != E || r.Content != nil || len(r.Container.Data) != 2 {
		t.Fatalf("ASiC-E: %s (%s), %d signatures", verdict(r), r.Detail, len(r.Signatures))
	}
	for i, c := range r.Cover {
		if strings.Join(c.Data, "|") != document.Name+"|"+second.Name || c.Manifest == "" || len(c.Uncovered)+len(c.Missing)+len(c.Altered) > 0 {
			t.Errorf("signature %d covers %+v", i, c)
		}
	}
	if f := r.Container.File(document.Name); f == nil || f.MimeType != "text/plain" || !bytes.Equal(f.Content, document.Content) {
		t.Errorf("data file: %+v", f)
	}
	for _, c := range [][]byte{s, e} {
		if !Sniff(bytes.NewReader(c), int64(len(c))) {
			t.Error("not told as a container")
		}
	}

	// Signatures over some of the files: only by leave, and all have to be covered.
	part, err := WriteE([]File{document, second}, []Signature{
		{Files: []string{document.Name}, Sign: signing(t, head)}, {Sign: signing(t, accountant)},
	}, written)
	part = must(t, part, err)
	if r := Validate(part, o); verdict(r) != "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE" || r.Signatures[1].Indication != cades.TotalPassed || r.Cover[0].Uncovered[0] != second.Name {
		t.Errorf("partial: %s (%s)", verdict(r), r.Detail)
	}
	o.Partial = true
	if r := Validate(part, o); r.Indication != cades.TotalPassed {
		t.Errorf("partial by leave: %s (%s)", verdict(r), r.Detail)
	}
	bare, err := WriteE([]File{document, second}, []Signature{{Files: []string{document.Name}, Sign: signing(t, head)}}, written)
	bare = must(t, bare, err)
	if r := Validate(bare, o); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" || !strings.Contains(r.Detail, "no signature covers") {
		t.Errorf("uncovered by leave: %s (%s)", verdict(r), r.Detail)
	}
}

// TestDeterministic: the same files, signatures and time give the same bytes.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	fixed := func([]byte) ([]byte, error) { return []byte("signature"), nil }
	var last []byte
	for range 2 {
		b, err := WriteE([]File{document}, []Signature{{Sign: fixed}}, written)
		b = must(t, b, err)
		if last != nil && !bytes.Equal(b, last) {
			t.Error("bytes differ")
		}
		last = b
	}
}

// TestWriteRefuses: what is not read is not written.
func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	ok := func([]byte) ([]byte, error) { return []byte("signature"), nil }
	for name, f := range map[string]File{
		"no name": {Content: []byte("x")}, "traversal": {Name: "../x", Content: []byte("x")}, "META-INF": {Name: "META-INF/x", Content: []byte("x")},
		"archive": {Name: "a.zip", Content: []byte("PK\x03\x04 and so on")}, "mimetype": {Name: "mimetype", Content: []byte("x")},
	} {
		if _, err := WriteS(f, ok, written); err == nil {
			t.Errorf("%s: written", name)
		}
		if _, err := WriteE([]File{document, f}, []Signature{{Sign: ok}}, written); err == nil {
			t.Errorf("%s in ASiC-E: written", name)
		}
	}
	allowed := written
	allowed.Open.Archives = true
	if _, err := WriteE([]File{{Name: "a.asice", Content: []byte("PK\x03\x04 and so on")}}, []Signature{{Sign: ok}}, allowed); err != nil {
		t.Errorf("an archive by leave: %v", err)
	}
	broken := errors.New("no key")
	if _, err := WriteS(document, func([]byte) ([]byte, error) { return nil, broken }, written); !errors.Is(err, broken) {
		t.Errorf("a signer that fails: %v", err)
	}
	if _, err := WriteE([]File{document}, nil, written); err == nil {
		t.Error("no signature: written")
	}
	if _, err := WriteE([]File{document}, []Signature{{Files: []string{"other"}, Sign: ok}}, written); err == nil {
		t.Error("a file that is not there: written")
	}
}

// TestArchive: a time-stamp over the whole, and another over that.
func TestArchive(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signerOf(p, p.Person("Head", "00013480", "1111111111"))
	authority := p.Authority()
	tsa := func(content []byte) []byte {
		return p.Stamp(authority, content, func(s *pkitest.Stamp) { s.Certificates = [][]byte{authority.Certificate.Raw} })
	}
	stamp := func(content []byte) ([]byte, error) { return tsa(content), nil }
	o := ValidateOptions{Options: cades.Options{At: pkitest.At, Trust: p.Store()}}
	b, err := WriteE([]File{document}, []Signature{{Sign: signing(t, head)}}, written)
	b = must(t, b, err)
	for n := 1; n <= 3; n++ {
		c, err := Open(b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err = c.Archive(stamp, written)
		b = must(t, b, err)
		r := Validate(b, o)
		if r.Indication != cades.TotalPassed || len(r.Stamps) != n {
			t.Fatalf("%d: %s (%s), %d time-stamps", n, verdict(r), r.Detail, len(r.Stamps))
		}
		for i, s := range r.Stamps {
			if !s.Valid || len(s.Files) != 1+3+2*i {
				t.Errorf("%d: time-stamp %d: valid %v %s (%s), over %q", n, i, s.Valid, s.SubIndication, s.Detail, s.Files)
			}
		}
	}
	// A time-stamp over other bytes proves nothing and changes nothing.
	c, err := Open(b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err = c.Archive(func([]byte) ([]byte, error) { return tsa([]byte("other")), nil }, written)
	b = must(t, b, err)
	if r := Validate(b, o); r.Indication != cades.TotalPassed || r.Stamps[3].Valid || r.Stamps[3].SubIndication != cades.HashFailure || r.Stamps[3].Files != nil {
		t.Errorf("a wrong time-stamp: %s, %+v", verdict(r), r.Stamps[3])
	}
}

// TestExistence: a time-stamp of the container proves when a signature in it existed,
// and so does what the caller knows of the whole container.
func TestExistence(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	person := p.Person("Head", "00013480", "1111111111")
	authority := p.Authority()
	at := func(d time.Duration) time.Time { return pkitest.At.Add(d) }
	archived := func(stamped time.Time, over ...byte) []byte {
		b, err := WriteE([]File{document}, []Signature{{Sign: signing(t, signerOf(p, person))}}, written)
		c, err := Open(must(t, b, err), Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err = c.Archive(func(content []byte) ([]byte, error) {
			return p.Stamp(authority, append(content, over...), func(s *pkitest.Stamp) {
				s.Info[pkitest.StampTime] = pkitest.GeneralizedTime(stamped)
				s.Certificates = [][]byte{authority.Certificate.Raw}
			}), nil
		}, written)
		return must(t, b, err)
	}
	plain, err := WriteE([]File{document}, []Signature{{Sign: signing(t, signerOf(p, person))}}, written)
	plain = must(t, plain, err)
	p.Revoke(person.Certificate, at(time.Hour), 1)
	o := ValidateOptions{Options: cades.Options{
		At: at(3 * time.Hour), Trust: pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, p.CRLsBetween(at(2*time.Hour), at(4*time.Hour))),
	}}
	known := func(b []byte, d time.Duration) []cades.Existence {
		return []cades.Existence{{SHA256: sha256.Sum256(b), At: at(d)}}
	}
	for _, c := range []struct {
		name   string
		b      []byte
		exists []cades.Existence
		want   string
	}{
		{"not stamped", plain, nil, "INDETERMINATE REVOKED_NO_POE"},
		{"stamped before", archived(at(0)), nil, "TOTAL-PASSED"},
		{"stamped after", archived(at(2 * time.Hour)), nil, "INDETERMINATE REVOKED_NO_POE"},
		{"stamp over something else", archived(at(0), 'x'), nil, "INDETERMINATE REVOKED_NO_POE"},
		{"known before", plain, known(plain, time.Minute), "TOTAL-PASSED"},
		{"known after", plain, known(plain, 2*time.Hour), "INDETERMINATE REVOKED_NO_POE"},
		{"another one known", plain, known(document.Content, time.Minute), "INDETERMINATE REVOKED_NO_POE"},
	} {
		o.Past.Exists = c.exists
		if r := Validate(c.b, o); verdict(r) != c.want || r.Signatures[0].Past != (c.want == "TOTAL-PASSED") {
			t.Errorf("%s: %s (%s), %+v", c.name, verdict(r), r.Detail, r.Stamps)
		}
	}
}
