package ocsp_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestKEP: the answers of the КЕП set, which another program has made, each with what
// it says of the certificate it names.
func TestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	at := time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)
	var material []*pki.Certificate
	var anchors []*pki.Certificate
	names, err := filepath.Glob(filepath.Join(dir, "pki", "certs", "*.cer"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c, err := pki.ParseCertificate(shareddata.Read(t, name))
		if err != nil {
			continue // broken ones are there too
		}
		if filepath.Base(name) == "ca257.cer" { // the set has no CRL of the root
			anchors = append(anchors, c)
		} else {
			material = append(material, c)
		}
	}
	for _, c := range []struct {
		file   string
		want   pki.Outcome
		detail string
	}{
		{"good.ors", pki.ValidPath, ""},
		{"bykey.ors", pki.ValidPath, ""},
		{"nextupdate.ors", pki.ValidPath, ""},
		{"multi.ors", pki.ValidPath, ""},
		{"nocert.ors", pki.ValidPath, ""},
		{"revoked.ors", pki.CertificateRevoked, ""},
		{"hold.ors", pki.CertificateHeld, ""},
		{"bad_signature.ors", pki.NoRevocationEvidence, "does not verify"},
		{"wrong_responder.ors", pki.NoRevocationEvidence, "extKeyUsage"},
	} {
		r, err := ocsp.Parse(shareddata.Read(t, dir, "ocsp", c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		found := 0 // certificates of the CA with that serial number
		for _, m := range material {
			if string(m.RawSerial) != string(r.Serials()[0]) || !m.Issuer.Same(anchors[0].Subject) {
				continue
			}
			found++
			p := pki.NewStore(anchors, material, nil).Validate(m, pki.PathOptions{At: at, Evidence: []pki.Evidence{r}})
			if p.Outcome != c.want || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%s: %d %s, want %d %s", c.file, p.Outcome, p.Detail, c.want, c.detail)
			}
		}
		if found == 0 {
			t.Errorf("%s: no certificate of that serial number", c.file)
		}
	}
	// About a serial number that nobody has: nothing else is at hand to ask with.
	if r, err := ocsp.Parse(shareddata.Read(t, dir, "ocsp", "unknown.ors")); err != nil || r.Len() != 1 {
		t.Errorf("unknown.ors: %v", err)
	}
	for file, want := range map[string]ocsp.StatusError{"malformed_request.ors": ocsp.MalformedRequest, "try_later.ors": ocsp.TryLater} {
		_, err := ocsp.Parse(shareddata.Read(t, dir, "ocsp", file))
		var got ocsp.StatusError
		if !errors.As(err, &got) || got != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestReal: answers of real responders can be read.
func TestReal(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "real", "ocsp")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".orq") {
			continue
		}
		r, err := ocsp.Parse(shareddata.Read(t, dir, e.Name()))
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
			continue
		}
		read++
		this, next := r.Update()
		t.Logf("%s: %s, %v to %v, %d certificates", e.Name(), r.Responder(), this, next, len(r.Certificates))
	}
	if read < 4 {
		t.Errorf("%d read", read)
	}
}
