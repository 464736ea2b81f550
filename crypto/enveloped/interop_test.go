package enveloped

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// TestOpenSSL: what OpenSSL encrypts we open, and the reverse.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		shareddata.Missing(t, "no openssl here")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	content := bytes.Repeat([]byte("виписка за рахунком\r\n"), 300)
	must(t, os.WriteFile(path("plain"), content, 0o600))
	run := func(t *testing.T, args ...string) {
		t.Helper()
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	p := pkitest.New(t)
	keys := make(map[string]Key)
	save := func(name string, private crypto.Signer, usage pki.KeyUsage) {
		c := certify(t, p, private.Public(), usage)
		keys[name] = newKey(t, c, private)
		b, err := x509.MarshalPKCS8PrivateKey(private)
		must(t, err)
		must(t, os.WriteFile(path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), 0o600))
		must(t, os.WriteFile(path(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600))
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	save("rsa", r, pki.KeyEncipherment)
	for name, curve := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		save(name, k, pki.KeyAgreement)
	}

	for _, name := range []string{"rsa", "p256", "p384"} {
		t.Run("theirs "+name, func(t *testing.T) {
			box, err := Encrypt(rand.Reader, content, []*pki.Certificate{keys["p384"].certificate, keys["rsa"].certificate, keys["p256"].certificate}, Options{})
			must(t, err)
			must(t, os.WriteFile(path(name+".ours"), box, 0o600))
			run(t, "cms", "-decrypt", "-inform", "DER", "-in", path(name+".ours"), "-recip", path(name+".pem"), "-inkey", path(name+".key"), "-binary", "-out", path(name+".out"))
			if got := shareddata.Read(t, path(name+".out")); !bytes.Equal(got, content) {
				t.Error("content differs")
			}
		})
	}

	oaep := []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"}
	oaep1 := []string{"-keyopt", "rsa_padding_mode:oaep"}
	sha256 := []string{"-keyopt", "ecdh_kdf_md:sha256"}
	sha384 := []string{"-keyopt", "ecdh_kdf_md:sha384"}
	for i, c := range []struct {
		key, cipher string
		options     []string
		more        []string
	}{
		{"rsa", "aes-256-gcm", oaep, nil},
		{"rsa", "aes-256-gcm", oaep1, nil},
		{"rsa", "aes-256-gcm", nil, nil},
		{"rsa", "aes-128-gcm", oaep, []string{"-stream"}},
		{"rsa", "aes-256-cbc", oaep, nil},
		{"rsa", "aes-128-cbc", nil, []string{"-stream"}},
		{"rsa", "aes-192-cbc", nil, []string{"-keyid"}},
		{"p256", "aes-256-gcm", sha256, nil},
		{"p256", "aes-256-gcm", nil, nil},
		{"p256", "aes-256-cbc", sha384, []string{"-stream"}},
		{"p256", "aes-128-cbc", nil, []string{"-keyid"}},
		{"p384", "aes-192-gcm", sha384, nil},
		{"p384", "aes-256-cbc", nil, nil},
	} {
		t.Run("ours "+c.key+" "+c.cipher, func(t *testing.T) {
			out := path(string(rune('a'+i)) + ".theirs")
			args := []string{"cms", "-encrypt", "-binary", "-" + c.cipher, "-in", path("plain"), "-outform", "DER", "-out", out}
			args = append(append(args, c.more...), "-recip", path(c.key+".pem"))
			run(t, append(args, c.options...)...)
			got, err := Decrypt(shareddata.Read(t, out), []Key{keys["p384"], keys["p256"], keys["rsa"]})
			must(t, err)
			if !bytes.Equal(got.Content, content) || got.Cipher != c.cipher {
				t.Errorf("%s, %d octets", got.Cipher, len(got.Content))
			}
		})
	}
	t.Run("triple DES", func(t *testing.T) {
		run(t, "cms", "-encrypt", "-binary", "-des3", "-in", path("plain"), "-outform", "DER", "-out", path("des3"), path("rsa.pem"))
		if _, err := Decrypt(shareddata.Read(t, path("des3")), []Key{keys["rsa"]}); !errors.Is(err, ErrUnsupported) {
			t.Error(err)
		}
	})
}
