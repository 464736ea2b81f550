package cades

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestKEPStandard validates the containers of the КЕП set that use ECDSA and RSA.
func TestKEPStandard(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	at := time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)
	var material []*pki.Certificate
	certs, _ := filepath.Glob(filepath.Join(dir, "pki", "certs", "*.cer"))
	for _, f := range certs {
		material = append(material, readCertificate(t, f))
	}
	var lists []*pki.CRL
	crls, _ := filepath.Glob(filepath.Join(dir, "pki", "crl", "*.crl"))
	for _, f := range crls {
		if l, err := pki.ParseCRL(shareddata.Read(t, f)); err == nil {
			lists = append(lists, l)
		} else {
			t.Logf("%s: %v", filepath.Base(f), err)
		}
	}
	store := pki.NewStore([]*pki.Certificate{
		readCertificate(t, dir, "pki", "certs", "ec_root.cer"), readCertificate(t, dir, "pki", "certs", "rsa_root.cer"),
	}, material, lists)
	for _, name := range []string{"ecdsa_p256.p7s", "ecdsa_seal_detached.p7s", "ecdsa_t.p7s", "rsa2048.p7s"} {
		in := Input{Container: shareddata.Read(t, dir, "cms", name)}
		if strings.Contains(name, "detached") {
			in.Detached = detached(shareddata.Read(t, dir, "cms", "content.xml"))
		}
		r := Validate(in, Options{At: at, Trust: store})
		t.Logf("%s: %s (%s)", name, verdict(r), r.Detail)
		if r.Indication != TotalPassed && r.SubIndication != TryLater {
			t.Errorf("%s: %s (%s)", name, verdict(r), r.Detail)
		}
		if r := Validate(in, Options{At: at, Trust: store, Tolerate: Tolerances{NoRevocation: true}}); r.Indication != TotalPassed {
			t.Errorf("%s without revocation: %s (%s)", name, verdict(r), r.Detail)
		}
	}
}

// TestKEP reads every container of the КЕП set, synthetic and real. Their
// algorithms are not in the table yet and their authorities not at hand: nothing
// may pass, and nothing may break.
func TestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	at := time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)
	for _, sub := range []string{"cms", "cms/broken", "real/cms", "enveloped", "transport", "tsp", "ocsp"} {
		files, _ := os.ReadDir(filepath.Join(dir, sub))
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			b := shareddata.Read(t, dir, sub, f.Name())
			r := Validate(Input{Container: b}, Options{At: at})
			t.Logf("%-60s %d %s (%s)", sub+"/"+f.Name(), Sniff(b), verdict(r), r.Detail)
			if r.Indication == TotalPassed || strings.Contains(r.Detail, "reader fault") {
				t.Errorf("%s: %s (%s)", f.Name(), verdict(r), r.Detail)
			}
		}
	}
}
