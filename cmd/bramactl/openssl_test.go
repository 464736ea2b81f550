package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bramactl runs the program within the test.
func bramactl(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	got := run(context.Background(), args, func(string) string { return "" }, strings.NewReader(""), &out, &out)
	if got != want {
		t.Fatalf("bramactl %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, want, &out)
	}
	return out.String()
}

func openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
}

// What OpenSSL signs we validate, what we sign OpenSSL validates, with the very
// command lines of DESIGN 8.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	needOpenSSL(t)
	dir := filepath.Join(t.TempDir(), "g")
	bramactl(t, 0, "init", "--dir", dir, "--demo")
	demo := func(name string) string { return filepath.Join(dir, "demo", name) }
	doc := filepath.Join(demo("samples"), "P0001.DBF")

	openssl(t, "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-nodetach", "-outform", "DER", "-in", doc,
		"-signer", demo("head.pem"), "-inkey", demo("head.key"), "-signer", demo("accountant.pem"), "-inkey", demo("accountant.key"), "-out", doc+".p7s")
	bramactl(t, 0, "verify", doc+".p7s", "--anchor", demo("ca.pem"), "--material", demo("crl.pem"))

	// The seal, as a client of the treasury would check it.
	bramactl(t, 0, "sign", "--detached", "--key", filepath.Join(dir, "keys", "seal.key"), "--cert", filepath.Join(dir, "keys", "seal.pem"), "-o", doc+".seal", doc)
	openssl(t, "cms", "-verify", "-binary", "-inform", "DER", "-content", doc, "-in", doc+".seal",
		"-CAfile", filepath.Join(dir, "keys", "seal-ca.pem"), "-purpose", "any", "-out", os.DevNull)

	// With the revocation list, and with CAdES attributes looked at.
	bramactl(t, 0, "sign", "--key", demo("head.key"), "--cert", demo("head.pem"), "-o", doc+".ours", doc)
	var trust []byte
	for _, name := range []string{"ca.pem", "crl.pem"} {
		b, err := os.ReadFile(demo(name))
		if err != nil {
			t.Fatal(err)
		}
		trust = append(trust, b...)
	}
	if err := os.WriteFile(demo("trust.pem"), trust, 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", doc+".ours", "-CAfile", demo("trust.pem"),
		"-crl_check", "-purpose", "any", "-out", os.DevNull)
}

// Keys as OpenSSL encrypts them, with the password from a file only.
func TestEncryptedKeys(t *testing.T) {
	t.Parallel()
	needOpenSSL(t)
	dir := filepath.Join(t.TempDir(), "g")
	bramactl(t, 0, "init", "--dir", dir, "--demo")
	demo := func(name string) string { return filepath.Join(dir, "demo", name) }
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	right, wrong, none := write("right", "пароль 1\r\nsecond line"), write("wrong", "other\n"), write("none", "\n")
	doc := write("doc", "document")
	key := filepath.Join(dir, "k.key")
	signWith := func(want int, password string) string {
		return bramactl(t, want, "sign", "--key", key, "--cert", demo("head.pem"), "--password-file", password, doc)
	}
	for _, how := range [][]string{
		{"-v2", "aes-256-cbc"},
		{"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-iter", "1000"},
		{"-v2prf", "hmacWithSHA1"},
		{"-v2", "des3"},
		{"-v1", "PBE-SHA1-3DES"},
	} {
		openssl(t, append([]string{"pkcs8", "-topk8", "-in", demo("head.key"), "-out", key, "-passout", "pass:пароль 1"}, how...)...)
		signWith(0, right)
		if out := signWith(3, wrong); !strings.Contains(out, "wrong password") {
			t.Errorf("wrong password: %s", out)
		}
		signWith(3, none)
		if out := bramactl(t, 3, "sign", "--key", key, "--cert", demo("head.pem"), doc); !strings.Contains(out, "--password-file") {
			t.Errorf("no password: %s", out)
		}
	}
	for _, how := range [][]string{{"-scrypt"}} {
		openssl(t, append([]string{"pkcs8", "-topk8", "-in", demo("head.key"), "-out", key, "-passout", "pass:пароль 1"}, how...)...)
		if out := signWith(3, right); !strings.Contains(out, "convert it") {
			t.Errorf("%v: %s", how, out)
		}
	}
	// The older forms.
	openssl(t, "ec", "-in", demo("head.key"), "-out", key)
	signWith(0, right)
	openssl(t, "ec", "-in", demo("head.key"), "-out", key, "-aes128", "-passout", "pass:x")
	if out := signWith(3, right); !strings.Contains(out, "convert it") {
		t.Errorf("old encryption: %s", out)
	}
}

// Whatever bytes a key file has, nothing panics.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMBwwDgYJKoZIhvcNAQUNMAAECgAAAAAAAAAAAAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if key, err := parseKey(b, []byte("x")); err == nil && key == nil {
			t.Error("neither a key nor an error")
		}
	})
}
