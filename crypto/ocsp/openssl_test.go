package ocsp_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/ocsp"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestOpenSSL: OpenSSL's responder understands what is asked, and its answers are read.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		shareddata.Missing(t, "openssl is not here")
	}
	for _, f := range []ocsptest.Family{ocsptest.RSA, ocsptest.ECDSA} {
		now := time.Now()
		root := ocsptest.NewAuthority(t, f, "Root", now)
		by := root.Issue("Responder", ocsptest.ForAnswers)
		dir := t.TempDir()
		write := func(name string, b []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		cert := func(c *pki.Certificate) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		}
		key, err := x509.MarshalPKCS8PrivateKey(by.Key)
		if err != nil {
			t.Fatal(err)
		}
		good, gone, stranger := root.Issue("Good"), root.Issue("Gone"), root.Issue("Stranger")
		index := fmt.Sprintf("V\t491231235959Z\t\t%s\tunknown\t/CN=Good\nR\t491231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=Gone\n",
			hexSerial(good), hexSerial(gone))
		args := []string{
			"ocsp", "-index", write("index.txt", []byte(index)), "-CA", write("root.pem", cert(root.Certificate)),
			"-rsigner", write("by.pem", cert(by.Certificate)), "-rkey", write("by.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		}
		for _, c := range []struct {
			party ocsptest.Party
			want  pki.Outcome
		}{{good, pki.ValidPath}, {gone, pki.CertificateRevoked}, {stranger, pki.NoRevocationEvidence}} {
			nonce := []byte("a nonce of sixteen")
			q, err := ocsp.Request{Certificate: c.party.Certificate, Issuer: root.Certificate, Nonce: nonce}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			answer := filepath.Join(dir, "answer.der")
			out, err := exec.Command(openssl, append(args, "-reqin", write("q.der", q), "-respout", answer)...).CombinedOutput()
			if err != nil {
				t.Fatalf("openssl ocsp: %v\n%s", err, out)
			}
			r, err := ocsp.Parse(shareddata.Read(t, answer))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(r.Nonce, nonce) {
				t.Errorf("%s: nonce %x", f, r.Nonce)
			}
			o := pki.PathOptions{At: time.Now(), Evidence: []pki.Evidence{r}}
			p := pki.NewStore([]*pki.Certificate{root.Certificate}, nil, nil).Validate(c.party.Certificate, o)
			if p.Outcome != c.want {
				t.Errorf("%s %s: %d %s, want %d", f, c.party.Certificate.Subject.CommonName, p.Outcome, p.Detail, c.want)
			}
		}
	}
}

func hexSerial(p ocsptest.Party) string {
	return fmt.Sprintf("%X", p.Certificate.RawSerial)
}
