package trust_test

import (
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/gateway/trust"
)

func certPEM(certs ...*pki.Certificate) (out []byte) {
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func open(t *testing.T, dir string, anchors ...string) *trust.Dir {
	t.Helper()
	d, err := trust.Open(dir, anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func add(t *testing.T, d *trust.Dir, data []byte, anchor bool, want int) []trust.Item {
	t.Helper()
	items, err := d.Add(data, anchor)
	if err != nil || len(items) != want {
		t.Fatalf("added %d, want %d: %v", len(items), want, err)
	}
	return items
}

func TestAdd(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Person("A", "00013480", "1234567890")
	dir := filepath.Join(t.TempDir(), "trust")
	if _, err := trust.Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir)
	if len(d.List()) != 0 || len(d.Snapshot().Anchors()) != 0 {
		t.Fatal("an empty folder holds something")
	}
	add(t, d, certPEM(p.Root.Certificate), true, 1)
	add(t, d, certPEM(p.Root.Certificate), true, 0)
	add(t, d, certPEM(p.CA.Certificate, s.Certificate, p.CA.Certificate), false, 2)
	old := p.CRLsBetween(p.At.Add(-48*time.Hour), p.At.Add(-24*time.Hour))
	for _, l := range append(old, p.CRLs()...) {
		add(t, d, l.Raw, false, 1)
	}
	for _, again := range []*trust.Dir{d, open(t, dir)} {
		st := again.Snapshot()
		if len(st.Anchors()) != 1 || len(st.Certificates()) != 2 || len(st.CRLs()) != 4 {
			t.Errorf("%d anchors, %d certificates, %d CRLs", len(st.Anchors()), len(st.Certificates()), len(st.CRLs()))
		}
		if st.IsAnchor(p.CA.Certificate) {
			t.Error("material is trusted")
		}
		if a := st.Revocation(pki.Question{Certificate: s.Certificate, Issuer: p.CA.Certificate, At: p.At}); a.Status != pki.Good {
			t.Errorf("the newer CRL does not win: %+v", a)
		}
		items := again.List()
		if len(items) != 7 || items[0].Kind != trust.Anchor || items[0].Subject != p.Root.Certificate.Subject.String() || !items[0].Until.Equal(p.Root.Certificate.NotAfter) {
			t.Errorf("list %+v", items)
		}
		if len(again.Problems()) != 0 {
			t.Errorf("problems %v", again.Problems())
		}
	}
	// Nothing but what was added lies there.
	left, err := filepath.Glob(filepath.Join(dir, "*", ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	s := p.Person("A", "00013480", "1234567890")
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	cms := pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: []byte{0x30, 0}})
	crl := p.CRLs()[0].Raw
	for _, c := range []struct {
		name   string
		data   []byte
		anchor bool
		want   string
	}{
		{"signatory as an anchor", certPEM(s.Certificate), true, "cannot be an anchor"},
		{"one of two is no authority", certPEM(p.Root.Certificate, s.Certificate), true, "cannot be an anchor"},
		{"CRL as an anchor", crl, true, "holds a CRL"},
		{"private key beside", append(certPEM(p.Root.Certificate), key...), true, "private key"},
		{"container", cms, false, "PKCS7"},
		{"empty", nil, false, "neither"},
		{"text", []byte("hello"), false, "neither"},
		{"DER of something", []byte{0x30, 3, 2, 1, 1}, false, "not a certificate"},
		{"bytes after", append(append([]byte{}, p.Root.Certificate.Raw...), 0), true, ""},
		{"cut", p.Root.Certificate.Raw[:100], true, ""},
	} {
		d := open(t, t.TempDir())
		items, err := d.Add(c.data, c.anchor)
		if err == nil || len(items) != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v, want %q", c.name, items, err, c.want)
		}
		if len(d.List()) != 0 {
			t.Errorf("%s: something was kept", c.name)
		}
	}
}

// TestAddOCSP: an OCSP response that an administrator brings is evidence, and an error
// status is none.
func TestAddOCSP(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	root := ocsptest.NewAuthority(t, ocsptest.DSTU, "Root", at)
	person := root.Issue("Person")
	by := root.Issue("Responder", ocsptest.ForAnswers)
	raw, err := ocsptest.Answer{ID: ocsptest.ID(person.Certificate, root.Certificate), This: at.Add(-time.Hour), Next: at.Add(time.Hour), By: by}.Whole()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := open(t, dir)
	add(t, d, certPEM(root.Certificate), true, 1)
	if _, err := d.Add(raw, true); err == nil {
		t.Error("an OCSP response is an anchor")
	}
	if _, err := d.Add(ocsptest.Error(3), false); err == nil || !strings.Contains(err.Error(), "tryLater") {
		t.Errorf("an error status: %v", err)
	}
	add(t, d, raw, false, 1)
	for _, again := range []*trust.Dir{d, open(t, dir)} {
		if p := again.Snapshot().Validate(person.Certificate, pki.PathOptions{At: at}); p.Outcome != pki.ValidPath {
			t.Errorf("outcome %d %s", p.Outcome, p.Detail)
		}
		if items := again.List(); len(items) != 2 || items[1].Kind != trust.OCSP || !items[1].Until.Equal(at.Add(time.Hour)) {
			t.Errorf("list %+v", items)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "trust"), 0o755); err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "national.pem")
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(named, certPEM(p.Root.Certificate))
	d := open(t, filepath.Join(dir, "trust"), named)
	before := d.Snapshot()
	if !before.IsAnchor(p.Root.Certificate) {
		t.Fatal("the file of the configuration is not an anchor")
	}
	if changed, err := d.Reload(); changed || err != nil || d.Snapshot() != before {
		t.Errorf("nothing changed: %v %v", changed, err)
	}
	material := filepath.Join(dir, "trust", "material")
	write(filepath.Join(material, "ca.pem"), certPEM(p.CA.Certificate))
	write(filepath.Join(material, "root.crl"), p.CRLs()[0].Raw)
	write(filepath.Join(material, "note.txt"), []byte("not read"))
	write(filepath.Join(material, ".hidden.pem"), []byte("not read"))
	if changed, err := d.Reload(); !changed || err != nil || len(d.Problems()) != 0 {
		t.Errorf("changed: %v %v %v", changed, err, d.Problems())
	}
	if len(d.Snapshot().Certificates()) != 1 || len(d.Snapshot().CRLs()) != 1 || len(before.Certificates()) != 0 {
		t.Error("material was not read, or the older snapshot changed")
	}
	// A broken file is told and left out; the rest stays.
	write(filepath.Join(dir, "trust", "anchors", "leaf.pem"), certPEM(p.Person("A", "00013480", "1").Certificate))
	write(filepath.Join(material, "broken.crl"), []byte("broken"))
	if changed, err := d.Reload(); !changed || err != nil {
		t.Errorf("broken: %v %v", changed, err)
	}
	if n := len(d.Problems()); n != 2 || len(d.Snapshot().Anchors()) != 1 || len(d.Snapshot().CRLs()) != 1 {
		t.Errorf("problems %v", d.Problems())
	}
	if err := os.Remove(named); err != nil {
		t.Fatal(err)
	}
	if changed, err := d.Reload(); !changed || err != nil || len(d.Snapshot().Anchors()) != 0 || len(d.Problems()) != 3 {
		t.Errorf("anchor gone: %v %v %v", changed, err, d.Problems())
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), true)
	f.Add([]byte{0x30, 0x80, 0, 0}, false)
	f.Fuzz(func(t *testing.T, data []byte, anchor bool) {
		d := open(t, t.TempDir())
		if items, err := d.Add(data, anchor); err == nil && len(d.List()) != len(items) {
			t.Errorf("added %d, listed %d", len(items), len(d.List()))
		}
	})
}
