package pki_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestGnuTLS reads the malformed and odd certificates.
func TestGnuTLS(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "gnutls-certs")
	for _, name := range []string{
		"dup-exts.pem", "invalid-date-day.der", "invalid-date-hour.der",
		"invalid-date-month.der", "invalid-date-secs.der", "openssl-invalid-time-format.pem",
		"x509-with-zero-version.pem", "x509-v1-with-sid.pem",
	} {
		if _, err := pki.ParseCertificates(shareddata.Read(t, dir, name)); err == nil {
			t.Errorf("%s: parsed", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"template-dates-after2038.pem", "very-long-dn.pem", "pkcs1-pad-ok.pem", "crit-extensions.pem"} {
		all, err := pki.ParseCertificates(shareddata.Read(t, dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := len(all[0].Subject.String()); n > 2000 {
			t.Errorf("%s: name of %d bytes shown", name, n)
		}
	}
	// Whatever they hold, none is valid, trusting the last certificate of each file.
	for _, name := range []string{"crit-extensions.pem", "invalid-sig4.pem", "pkcs1-pad-broken.pem", "pkcs1-pad-broken2.pem", "pkcs1-pad-broken3.pem", "long-oids.pem", "long-serial.pem"} {
		all, err := pki.ParseCertificates(shareddata.Read(t, dir, name))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		p := pki.NewStore(all[len(all)-1:], all[1:], nil).Validate(all[0], pki.PathOptions{At: all[0].NotBefore.Add(time.Hour), WithoutRevocation: true})
		t.Logf("%s (%d): %d %s", name, len(all), p.Outcome, p.Detail)
		if p.Outcome == pki.ValidPath && len(all) > 1 {
			t.Errorf("%s: valid", name)
		}
	}
}

// TestRealCertificates reads every certificate of the КЕП set: the parser has to
// take what real authorities issued.
func TestRealCertificates(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	n, bad := 0, 0
	var files []string
	for _, pattern := range []string{"*/*.cer", "*/*/*.cer", "*/*/*/*.cer", "*/*.crt", "*/*/*.crt", "*/*/*/*.crt", "*/*/*.pem"} {
		m, _ := filepath.Glob(filepath.Join(dir, pattern))
		files = append(files, m...)
	}
	for _, f := range files {
		all, err := pki.ParseCertificates(shareddata.Read(t, f))
		n += len(all)
		if err != nil {
			bad++
			rel, _ := filepath.Rel(dir, f)
			t.Logf("%s: %v", rel, err)
			continue
		}
		for _, c := range all {
			if k := c.Codes(); k.Ambiguous {
				t.Logf("%s: ambiguous codes", filepath.Base(f))
			}
		}
	}
	t.Logf("%d certificates, %d files not read", n, bad)
}
