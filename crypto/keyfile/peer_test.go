package keyfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
)

// program finds an external program, or skips.
func program(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		shareddata.Missing(t, name+" not installed")
	}
	return p
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}

// person makes a key of P-256 and a certificate signed by itself, as files.
func person(t *testing.T, dir string) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(2_000_000_000, 0),
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"key.pem": {Type: "PRIVATE KEY", Bytes: p8}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, cert
}

func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := program(t, "openssl")
	dir := t.TempDir()
	key, cert := person(t, dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	pkcs12 := []string{"pkcs12", "-export", "-inkey", at("key.pem"), "-in", at("cert.pem"), "-passout", "pass:пароль", "-name", "me", "-out", at("out")}
	pkcs8 := []string{"pkcs8", "-topk8", "-in", at("key.pem"), "-passout", "pass:пароль", "-out", at("out")}
	for _, c := range []struct {
		name string
		args []string
		cert bool
	}{
		{"PKCS12", pkcs12, true},
		{"PKCS12 SHA-512", append(pkcs12[:len(pkcs12):len(pkcs12)], "-macalg", "sha512", "-keypbe", "aes-128-cbc", "-certpbe", "aes-192-cbc"), true},
		{"PKCS12 3DES", append(pkcs12[:len(pkcs12):len(pkcs12)], "-macalg", "sha1", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"), true},
		{"PKCS12 RC2-40", append(pkcs12[:len(pkcs12):len(pkcs12)], "-legacy"), true},
		{"PKCS12 RC2-128", append(pkcs12[:len(pkcs12):len(pkcs12)], "-legacy", "-keypbe", "PBE-SHA1-RC2-128", "-certpbe", "PBE-SHA1-RC2-128"), true},
		{"PKCS12 plain certificate", append(pkcs12[:len(pkcs12):len(pkcs12)], "-certpbe", "NONE"), true},
		{"PKCS12 no MAC", append(pkcs12[:len(pkcs12):len(pkcs12)], "-nomac"), true},
		{"PKCS8 SHA-256", append(pkcs8[:len(pkcs8):len(pkcs8)], "-v2", "aes-256-cbc"), false},
		{"PKCS8 SHA-1", append(pkcs8[:len(pkcs8):len(pkcs8)], "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"), false},
		{"PKCS8 3DES DER", append(pkcs8[:len(pkcs8):len(pkcs8)], "-v2", "des3", "-outform", "DER"), false},
		{"PKCS8 plain", []string{"pkcs8", "-topk8", "-nocrypt", "-in", at("key.pem"), "-out", at("out")}, false},
		{"EC", []string{"ec", "-in", at("key.pem"), "-out", at("out")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if slices.Contains(c.args, "-legacy") && exec.Command(openssl, "list", "-providers", "-provider", "legacy").Run() != nil {
				shareddata.Missing(t, "legacy algorithms of openssl not installed")
			}
			run(t, openssl, c.args...)
			data := read(t, at("out"))
			entries, err := keyfile.Open(data, []byte("пароль"))
			if err != nil || len(entries) != 1 {
				t.Errorf("%d entries, %v", len(entries), err)
				return
			}
			e := entries[0]
			if got, ok := e.Signer.(*ecdsa.PrivateKey); !ok || !got.Equal(key) {
				t.Error("another key")
			}
			if c.cert && (len(e.Certificates) != 1 || !bytes.Equal(e.Certificates[0], cert) || e.Usage != keyfile.UsageSignature || e.Name != "me") {
				t.Errorf("%d certificates, usage %d, name %q", len(e.Certificates), e.Usage, e.Name)
			}
			if c.name == "EC" || c.name == "PKCS8 plain" {
				return
			}
			if _, err := keyfile.Open(data, []byte("інший")); !errors.Is(err, keyfile.ErrPassword) {
				t.Error("wrong password:", err)
			}
		})
	}
	run(t, openssl, "genrsa", "-traditional", "-out", at("out"), "2048")
	entries, err := keyfile.Open(read(t, at("out")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := entries[0].Signer.(*rsa.PrivateKey); !ok {
		t.Errorf("RSA: %T", entries[0].Signer)
	}
}

func TestKeytool(t *testing.T) {
	t.Parallel()
	keytool := program(t, "keytool")
	dir := t.TempDir()
	store := filepath.Join(dir, "store.jks")
	run(t, keytool, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-alias", "first", "-dname", "CN=x", "-storetype", "JKS",
		"-storepass", "store1", "-keypass", "other-1", "-keystore", store)
	entries, err := keyfile.OpenKeys(read(t, store), []byte("store1"), []byte("other-1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Signer == nil || len(entries[0].Certificates) != 1 {
		t.Errorf("%+v", entries)
	}
}

// TestSealPKCS12 writes with keys of both sorts and reads back; OpenSSL reads the
// certificates, which lie in the clear.
func TestSealPKCS12(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, cert := person(t, dir)
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dstu, err := keyfile.Open(read(t, "testdata/synthetic/ee_person_kep431.p8"), nil)
	if err != nil {
		t.Fatal(err)
	}
	pfx, err := keyfile.SealPKCS12([]keyfile.Plain{
		{Name: "підпис", Key: p8, Certificates: [][]byte{cert}},
		{Key: dstu[0].DSTU.PKCS8()},
	}, []byte(synthetic), 5, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keyfile.Open(pfx, []byte(synthetic))
	if err != nil {
		t.Fatal(err)
	}
	if d := describe(got); d != "p256*/1 m431/0" || got[0].Name != "підпис" || !bytes.Equal(got[1].DSTU.D, dstu[0].DSTU.D) {
		t.Error(d, got[0].Name)
	}
	for i := range pfx {
		if i%7 == 0 {
			b := bytes.Clone(pfx)
			b[i] ^= 4
			if e, err := keyfile.Open(b, []byte(synthetic)); err == nil && (e[0].Name != "підпис" || !bytes.Equal(e[1].DSTU.D, dstu[0].DSTU.D)) {
				t.Errorf("octet %d altered: opened", i)
			}
		}
	}
	openssl := program(t, "openssl")
	name := filepath.Join(dir, "out.p12")
	if err := os.WriteFile(name, pfx, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, openssl, "pkcs12", "-in", name, "-passin", "pass:"+synthetic, "-nomacver", "-nokeys", "-out", filepath.Join(dir, "certs.pem"))
}
