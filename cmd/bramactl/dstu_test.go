package main

import (
	"crypto/rand"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki/issue"
)

// A key of DSTU 4145 in PEM and in DER signs, and the signature is verified.
func TestDSTU(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := func(b []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b})
	}
	now := time.Now()
	from, until := now.AddDate(0, 0, -1), now.AddDate(1, 0, 0)
	rootKey, err := dstu4145.GenerateKey(dstu4145.DSTU431(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root, err := issue.SelfSigned(rand.Reader, rootKey, issue.Authority(issue.Subject{CommonName: "DSTU CA"}, big.NewInt(1), from, until, 0))
	if err != nil {
		t.Fatal(err)
	}
	anchor := put("root.pem", certificate(root.Raw))
	doc := put("doc", []byte("платіж"))
	for i, c := range []*dstu4145.Curve{dstu4145.DSTU257(), dstu4145.DSTU431()} {
		key, err := dstu4145.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := issue.Certificate(rand.Reader, issue.Issuer{Key: rootKey, Certificate: root}, key.Public(), issue.Signatory(
			issue.Subject{CommonName: "Signer", EDRPOU: "00013480", Person: "1234567899"}, big.NewInt(int64(i+2)), from, until))
		if err != nil {
			t.Fatal(err)
		}
		private, err := keyfile.MarshalDSTU(key)
		if err != nil {
			t.Fatal(err)
		}
		cert := put("cert.pem", certificate(leaf.Raw))
		for _, keyFile := range []string{
			put("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), put("key.p8", private),
		} {
			bramactl(t, 0, "sign", "--key", keyFile, "--cert", cert, doc)
			out := bramactl(t, 0, "verify", doc+".p7s", "--anchor", anchor, "--tolerate", "no-revocation")
			if !strings.HasPrefix(out, "TOTAL-PASSED") || !strings.Contains(out, "1234567899") {
				t.Errorf("%s: %s", c.Name(), out)
			}
			bramactl(t, 0, "sign", "--detached", "--key", keyFile, "--cert", cert, "-o", doc+".sig", doc)
			bramactl(t, 0, "verify", doc+".sig", "--detached", doc, "--anchor", anchor, "--tolerate", "no-revocation")
			bramactl(t, 2, "verify", doc+".sig", "--detached", doc, "--anchor", anchor)
		}
	}
}
