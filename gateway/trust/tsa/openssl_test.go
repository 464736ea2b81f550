package tsa

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// authority runs "openssl ts -reply" behind HTTP.
func authority(t *testing.T, p *pkitest.PKI, who pkitest.Signatory) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, b []byte) {
		if kind != "" {
			b = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := x509.MarshalPKCS8PrivateKey(who.Key)
	if err != nil {
		t.Fatal(err)
	}
	write("tsa.key", "PRIVATE KEY", key)
	write("tsa.pem", "CERTIFICATE", who.Certificate.Raw)
	write("ca.pem", "CERTIFICATE", p.CA.Certificate.Raw)
	write("serial", "", []byte("01\n"))
	write("tsa.cnf", "", []byte(fmt.Sprintf(`[tsa]
default_tsa = it
[it]
serial = %[1]s/serial
signer_cert = %[1]s/tsa.pem
certs = %[1]s/ca.pem
signer_key = %[1]s/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`, dir)))
	var one sync.Mutex // the serial number's file
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		write("q.tsq", "", raw)
		answer := filepath.Join(dir, "a.tsr")
		if out, err := exec.Command("openssl", "ts", "-reply", "-config", filepath.Join(dir, "tsa.cnf"), "-queryfile", filepath.Join(dir, "q.tsq"), "-out", answer).CombinedOutput(); err != nil {
			t.Errorf("openssl: %v %s", err, out)
		}
		b, err := os.ReadFile(answer)
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(b)
	}))
	t.Cleanup(server.Close)
	return server
}

// TestOpenSSL: OpenSSL's authority understands our requests, refuses what it does not
// do, and what it stamps proves a revoked signer's signature as older than the
// revocation; OpenSSL verifies the container.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl not here")
		}
		t.Skip("openssl not here")
	}
	now := time.Now()
	p := pkitest.NewAt(t, now)
	// OpenSSL wants the extension critical, as RFC 3161, 2.3 does.
	who := p.Authority(func(c *issue.Template) {
		c.ExtendedKeyUsage = nil
		c.Extra = append(c.Extra, pki.Extension{OID: "2.5.29.37", Critical: true, Value: der.Sequence(tsp.TimeStamping.Encode())})
	})
	server := authority(t, p, who)
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
