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
	"strings"
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

// TestBouncyCastle judges the set that kepgen makes with Bouncy Castle, by
// VERDICTS.md where it differs from the manifest.
func TestBouncyCastle(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(shareddata.Dir(t), "..", "tools", "kepgen", "KepGen.java")
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	for _, f := range append(jars, tool) {
		if _, err := os.Stat(f); err != nil {
			shareddata.Missing(t, "kepgen or Bouncy Castle not here")
		}
	}
	if _, err := exec.LookPath("java"); err != nil {
		shareddata.Missing(t, "java not here")
	}
	dir := t.TempDir()
	cmd := exec.Command("java", "-cp", strings.Join(jars, ":"), tool, "gen", "--out", dir, "--seed", "brama", "--profiles", "ecp256,rsa2048")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kepgen: %v %s", err, out)
	}
	at := time.Date(2026, 1, 16, 10, 0, 0, 0, time.UTC)
	settled := map[string]string{
		"attached-empty.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
		"cms-no-ess.p7s":            "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
		"cms-no-signed-attrs.p7s":   "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
		"no-certs.p7s":              "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"no-certs-ski.p7s":          "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"signer-cert-absent.p7s":    "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"counter-signature-bad.p7s": "TOTAL-PASSED", // never a signer
		"cades-t-bad-imprint.p7s":   "TOTAL-PASSED", // the time-stamp is not proof, and not needed
		"cades-t-not-a-tsa.p7s":     "TOTAL-PASSED",
		"attrs-unsorted.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
		"attrs-unsorted-raw.p7s":    "TOTAL-FAILED FORMAT_FAILURE",
		"trailing-zero.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
		"trailing-copy.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
		"length-non-minimal.p7s":    "TOTAL-PASSED", // BER in the outer layer
		"base64.p7s":                "TOTAL-PASSED",
		"sig-pkcs1-no-null.p7s":     "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"wrong-message-digest.p7s":  "TOTAL-FAILED HASH_FAILURE",
		"tampered-content.p7s":      "TOTAL-FAILED HASH_FAILURE",
		"sig-bit-flipped.p7s":       "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"cert-revoked.p7s":          "INDETERMINATE REVOKED_NO_POE",
		"cert-on-hold.p7s":          "INDETERMINATE TRY_LATER",
		"cert-expired.p7s":          "INDETERMINATE OUT_OF_BOUNDS_NO_POE",
		"cert-revoked-in-delta.p7s": "INDETERMINATE REVOKED_NO_POE", // the delta CRL is at hand
		"cert-key-agreement.p7s":    "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE",
		"ber-indefinite.p7s":        "TOTAL-PASSED", // its SignerInfo is DER
		"wrong-ess-cert.p7s":        "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	}
	tolerated := map[string]Tolerance{
		"cms-no-ess.p7s": NoSigningCertificate, "attrs-unsorted.p7s": AttrsResorted,
		"attrs-unsorted-raw.p7s": AttrsAsStored,
	}
	n := 0
	for _, row := range strings.Split(strings.TrimSpace(string(shareddata.Read(t, dir, "MANIFEST.tsv"))), "\n")[1:] {
		f := strings.Split(row, "\t")
		profile, rest, _ := strings.Cut(f[0], "/")
		if !strings.HasPrefix(rest, "cms/") {
			continue
		}
		n++
		name := strings.TrimPrefix(rest, "cms/")
		in := Input{Container: shareddata.Read(t, dir, f[0])}
		if f[1] != "-" {
			in.Detached = detached(shareddata.Read(t, dir, f[1]))
		}
		store := pki.NewStore(
			[]*pki.Certificate{readCertificate(t, dir, profile, "certs", "root.cer")},
			[]*pki.Certificate{readCertificate(t, dir, profile, "certs", "inter.cer")},
			[]*pki.CRL{
				readCRL(t, dir, profile, "crl", "root.crl"), readCRL(t, dir, profile, "crl", "inter.crl"),
				readCRL(t, dir, profile, "crl", "inter-delta.crl"), readCRL(t, dir, profile, "crl", "inter-wrongkey.crl"),
			})
		r := Validate(in, Options{At: at, Trust: store})
		got := verdict(r)
		want, known := settled[name]
		switch {
		case known:
		case f[4] == "PASS":
			want = "TOTAL-PASSED"
		case f[4] == "FAIL":
			if r.Indication != TotalPassed {
				want = got
			} else {
				want = "a refusal"
			}
		default:
			t.Errorf("%s: %s is not settled", f[0], f[4])
		}
		if got != want {
			t.Errorf("%s: got %s (%s), want %s: %s", f[0], got, r.Detail, want, f[5])
		}
		if len(r.Signatures) == 1 && r.Signatures[0].Signer != nil && (name == "attached-seal.p7s") != r.Signatures[0].Signer.IsSeal() {
			t.Errorf("%s: seal %v", f[0], r.Signatures[0].Signer.IsSeal())
		}
		if flag := tolerated[name]; flag != "" {
			r := Validate(in, Options{At: at, Trust: store, Tolerate: Tolerances{flag: true}})
			if r.Indication != TotalPassed || len(r.Signatures) == 0 || len(r.Signatures[0].Tolerances) != 1 || r.Signatures[0].Tolerances[0] != flag {
				t.Errorf("%s with %s: %s (%s)", f[0], flag, verdict(r), r.Detail)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d rows", n)
	}
}
