// Package tsatest runs time-stamping authorities for tests.
package tsatest

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// Critical makes a certificate one for time-stamps: OpenSSL wants the extension
// critical, as RFC 3161, 2.3 does.
func Critical(t *issue.Template) {
	t.ExtendedKeyUsage = nil
	t.Extra = append(t.Extra, pki.Extension{OID: "2.5.29.37", Critical: true, Value: der.Sequence(tsp.TimeStamping.Encode())})
}

// OpenSSL runs "openssl ts -reply" behind HTTP; ca, if not nil, goes into the tokens
// too. Without OpenSSL the test is skipped,
// but not in CI.
func OpenSSL(t testing.TB, key crypto.PrivateKey, certificate, ca *pki.Certificate) *httptest.Server {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl not here")
		}
		t.Skip("openssl not here")
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) {
		if kind != "" {
			b = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write("tsa.key", "PRIVATE KEY", encoded)
	write("tsa.pem", "CERTIFICATE", certificate.Raw)
	more := ""
	if ca != nil {
		write("ca.pem", "CERTIFICATE", ca.Raw)
		more = "certs = " + filepath.Join(dir, "ca.pem")
	}
	write("serial", "", []byte("01\n"))
	write("tsa.cnf", "", []byte(fmt.Sprintf(`[tsa]
default_tsa = it
[it]
serial = %[1]s/serial
signer_cert = %[1]s/tsa.pem
%[2]s
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
`, dir, more)))
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
