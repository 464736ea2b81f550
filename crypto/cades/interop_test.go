package cades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// keyKinds are the keys that signatures are tried with.
var keyKinds = map[string]func() (crypto.Signer, error){
	"p256": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	"p384": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
	"p521": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
	"rsa":  func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
}

func signerOf(t testing.TB, p *pkitest.PKI, kind string, serial int64) Signer {
	t.Helper()
	key, err := keyKinds[kind]()
	if err != nil {
		t.Fatal(err)
	}
	c, err := issue.Certificate(rand.Reader, p.CA, key.Public(), issue.Signatory(
		issue.Subject{Country: "UA", CommonName: "Signer " + kind, EDRPOU: "00013480", Person: "2222222222"},
		big.NewInt(serial), p.At.Add(-time.Hour), p.At.Add(24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return Signer{Key: key, Certificate: c, Chain: []*pki.Certificate{p.CA.Certificate}}
}

func writeFile(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writePEM(t testing.TB, dir, name, kind string, b []byte) string {
	t.Helper()
	return writeFile(t, dir, name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
}

func openssl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		shareddata.Missing(t, "openssl not here")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	return string(out), err
}

// TestOpenSSL: what we sign OpenSSL verifies, what it signs we validate.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	at := time.Now() // openssl signs with its own clock
	p := pkitest.NewAt(t, at)
	dir := t.TempDir()
	content := []byte("Платіжне доручення №1\r\n\x00binary\n")
	doc := writeFile(t, dir, "doc.bin", content)
	root := writePEM(t, dir, "root.pem", "CERTIFICATE", p.Root.Certificate.Raw)
	ca := writePEM(t, dir, "ca.pem", "CERTIFICATE", p.CA.Certificate.Raw)
	serial := int64(1000)
	for _, kind := range []string{"p256", "p384", "p521", "rsa"} {
		serial++
		s := signerOf(t, p, kind, serial)
		for _, isDetached := range []bool{false, true} {
			ours, err := Sign(rand.Reader, content, []Signer{s}, SignOptions{Detached: isDetached, At: at})
			if err != nil {
				t.Fatal(err)
			}
			file := writeFile(t, dir, "ours.p7s", ours)
			args := []string{
				"cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", file, "-CAfile", root, "-purpose", "any",
				"-out", filepath.Join(dir, "out.bin"),
			}
			if isDetached {
				args = append(args, "-content", doc)
			}
			if out, err := openssl(t, args...); err != nil {
				t.Errorf("%s, detached %v: openssl refuses ours: %v %s", kind, isDetached, err, out)
			}
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(s.Key)
		if err != nil {
			t.Fatal(err)
		}
		key := writePEM(t, dir, "key.pem", "PRIVATE KEY", pkcs8)
		cert := writePEM(t, dir, "cert.pem", "CERTIFICATE", s.Certificate.Raw)
		type variant struct {
			name string
			args []string
			want string
		}
		variants := []variant{
			{"attached", []string{"-cades", "-nodetach"}, "TOTAL-PASSED"},
			{"detached", []string{"-cades"}, "TOTAL-PASSED"},
			{"key identifier", []string{"-cades", "-nodetach", "-keyid"}, "TOTAL-PASSED"},
			{"streamed", []string{"-cades", "-nodetach", "-stream"}, "TOTAL-PASSED"},
			{"sha512", []string{"-cades", "-nodetach", "-md", "sha512"}, "TOTAL-PASSED"},
			{"not CAdES", []string{"-nodetach"}, "INDETERMINATE SIG_CONSTRAINTS_FAILURE"},
			{"no attributes", []string{"-nodetach", "-noattr"}, "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE"},
			{"sha1", []string{"-cades", "-nodetach", "-md", "sha1"}, "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"},
		}
		if kind == "rsa" {
			variants = append(variants, variant{"pss", []string{"-cades", "-nodetach", "-keyopt", "rsa_padding_mode:pss", "-md", "sha256"}, "TOTAL-PASSED"})
		}
		for _, v := range variants {
			out := filepath.Join(dir, "theirs.p7s")
			args := append([]string{"cms", "-sign", "-binary", "-in", doc, "-signer", cert, "-inkey", key, "-certfile", ca, "-outform", "DER", "-out", out}, v.args...)
			if text, err := openssl(t, args...); err != nil {
				t.Fatalf("%s %s: %v %s", kind, v.name, err, text)
			}
			in := Input{Container: shareddata.Read(t, out)}
			if v.name == "detached" {
				in.Detached = detached(content)
			}
			r := Validate(in, Options{At: at, Trust: p.Store()})
			if got := verdict(r); got != v.want {
				t.Errorf("%s %s: got %s (%s), want %s", kind, v.name, got, r.Detail, v.want)
			}
			if v.name != "detached" && string(r.Content) != string(content) {
				t.Errorf("%s %s: content differs", kind, v.name)
			}
		}
	}
}
