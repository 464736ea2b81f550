package tsa

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
	"github.com/brama-gateway/brama/gateway/trust/tsa/tsatest"
)

// TestOpenSSL: OpenSSL's authority understands our requests, refuses what it does not
// do, and what it stamps proves a revoked signer's signature as older than the
// revocation; OpenSSL verifies the container.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := pkitest.NewAt(t, now)
	// OpenSSL wants the extension critical, as RFC 3161, 2.3 does.
	who := p.Authority(tsatest.Critical)
	server := tsatest.OpenSSL(t, who.Key, who.Certificate, p.CA.Certificate)
	client, err := New(Options{URL: server.URL, Trust: p.Store()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, oid := range []der.OID{algorithm.SHA256, algorithm.SHA384, algorithm.SHA512} {
		d := algorithm.DigestByOID(oid)
		h := d.New(nil)
		token, err := client.TimeStamp(ctx, d, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		if token.Info.Policy != "1.2.3.4.1" || token.Info.Accuracy != 1500*time.Millisecond || !token.Info.Ordering {
			t.Errorf("%+v", token.Info)
		}
	}
	picky, err := New(Options{URL: server.URL, Policy: "1.2.3.4.3"})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	var refused *tsp.StatusError
	if _, err := picky.TimeStamp(ctx, algorithm.DigestByOID(algorithm.SHA256), sum[:]); !errors.As(err, &refused) || len(refused.Failures) != 1 || refused.Failures[0] != "unacceptedPolicy" {
		t.Errorf("policy that it has not: %v", err)
	}

	head := p.Person("Head", "00013480", "2222222222")
	document := []byte("Платіжне доручення №1")
	plain, err := cades.Sign(rand.Reader, document, []cades.Signer{{Key: head.Key, Certificate: head.Certificate, Chain: []*pki.Certificate{p.CA.Certificate}}}, cades.SignOptions{At: now})
	if err != nil {
		t.Fatal(err)
	}
	r := cades.Raising{Stamper: client}
	stamped, err := r.AddTimeStamp(ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	var lists [][]byte
	for _, l := range p.CRLs() {
		lists = append(lists, l.Raw)
	}
	long, err := r.AddValues(stamped, cades.Values{Certificates: []*pki.Certificate{p.Root.Certificate}, CRLs: lists}, cades.Baseline)
	if err != nil {
		t.Fatal(err)
	}
	archived, err := r.AddArchiveTimeStamp(ctx, long, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Revoked half a minute after the stamp; judged two minutes after.
	p.Revoke(head.Certificate, now.Add(30*time.Second), 1)
	store := pki.NewStore([]*pki.Certificate{p.Root.Certificate}, []*pki.Certificate{p.CA.Certificate}, p.CRLsBetween(now.Add(time.Minute), now.Add(time.Hour)))
	later := cades.Options{At: now.Add(2 * time.Minute), Trust: store}
	if v := cades.Validate(cades.Input{Container: plain}, later); v.SubIndication != cades.RevokedNoPOE {
		t.Errorf("not stamped: %s %s", v.Indication, v.SubIndication)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"T": stamped, "LT": long, "LTA": archived} {
		v := cades.Validate(cades.Input{Container: b}, later)
		if v.Indication != cades.TotalPassed || !v.Signatures[0].Past || !bytes.Equal(v.Content, document) {
			t.Errorf("%s: %s %s (%s), stamps %+v", name, v.Indication, v.SubIndication, v.Detail, v.Signatures[0].TimeStamps)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", file, "-CAfile", root, "-purpose", "any", "-out", os.DevNull).CombinedOutput(); err != nil {
			t.Errorf("%s: openssl: %v %s", name, err, out)
		}
	}
}
