package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/gateway/client"
)

// certificateFor makes a certificate with a key usage, as a YAML block.
func certificateFor(t testing.TB, usage x509.KeyUsage) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return "encrypt: |\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

func TestEncrypt(t *testing.T) {
	t.Parallel()
	agrees := certificateFor(t, x509.KeyUsageKeyAgreement)
	e := parse(t, swap(t, "folder: true", agrees))[0]
	if !strings.HasPrefix(e.Encrypt, "-----BEGIN") {
		t.Errorf("%q", e.Encrypt)
	}
	data, err := client.MarshalStored(e)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := client.ParseStored(data); err != nil || back.Encrypt != e.Encrypt {
		t.Errorf("%v, %q", err, back.Encrypt)
	}
	other := e
	other.Encrypt = ""
	if d := client.Diff(e, other); len(d) != 1 || d[0].Key != "encrypt" || !strings.Contains(d[0].Old, "sha256 ") || d[0].New != "" {
		t.Errorf("%v", d)
	}
	for want, text := range map[string]string{
		"nothing can be encrypted to": certificateFor(t, x509.KeyUsageDigitalSignature),
		"is not one certificate":      "encrypt: abc",
		"holds a private key":         strings.ReplaceAll(agrees, "CERTIFICATE", "PRIVATE KEY"),
	} {
		_, err := client.Parse("r.yaml", []byte(swap(t, "folder: true", text)))
		if err == nil || !strings.Contains(err.Error(), "encrypt: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
