package keys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/keyfile"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/keys"
)

func TestPrivate(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return block("PRIVATE KEY", der)
	}
	for _, c := range []struct {
		name string
		text []byte
		ok   bool
	}{
		{"PKCS8 EC", pkcs8(ec), true},
		{"PKCS8 RSA", pkcs8(rs), true},
		{"SEC1", block("EC PRIVATE KEY", sec1), true},
		{"SEC1 after its parameters", append(block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}), block("EC PRIVATE KEY", sec1)...), true},
		{"PKCS1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs)), true},
		{"Ed25519", pkcs8(ed), false},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", sec1), false},
		{"certificate", block("CERTIFICATE", sec1), false},
		{"damaged", block("PRIVATE KEY", sec1[:20]), false},
		{"empty", nil, false},
		{"no PEM", []byte("secret"), false},
	} {
		file := filepath.Join(t.TempDir(), "k.pem")
		if err := os.WriteFile(file, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := keys.Private(file)
		if (err == nil) != c.ok || (key == nil) == c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), file) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "encrypted" && !errors.Is(err, keys.ErrEncrypted) {
			t.Error(err)
		}
	}
	if _, err := keys.Private(t.TempDir()); err == nil {
		t.Error("a folder is a key")
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	dir := t.TempDir()
	write := func(name, kind string, der ...[]byte) string {
		var text []byte
		for _, d := range der {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: d})...)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(p.Seal.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := write("seal.key", "PRIVATE KEY", der)
	cert := write("seal.pem", "CERTIFICATE", p.Seal.Certificate.Raw)
	chain := write("ca.pem", "CERTIFICATE", p.SealCA.Certificate.Raw)
	s, err := keys.Seal(key, "", cert, []string{chain})
	if err != nil || len(s.Chain) != 1 || string(s.Certificate.Raw) != string(p.Seal.Certificate.Raw) {
		t.Errorf("%+v %v", s.Chain, err)
	}
	// Under a password, which stands in a file of its own.
	locked, err := keyfile.EncryptPKCS8(der, []byte("Пароль-тест1"), 1000, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	protected, word, wrong := filepath.Join(dir, "locked.p8"), filepath.Join(dir, "word"), filepath.Join(dir, "wrong")
	for name, b := range map[string][]byte{protected: locked, word: []byte("Пароль-тест1\r\n"), wrong: []byte("інший\n")} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keys.Seal(protected, word, cert, nil); err != nil {
		t.Errorf("under a password: %v", err)
	}
	for what, c := range map[string][3]string{
		"wrong password": {protected, wrong, cert}, "no password": {protected, "", cert}, "no such file": {protected, dir + "/none", cert},
		"empty": {protected, os.DevNull, cert}, "another's certificate": {protected, word, chain},
	} {
		if _, err := keys.Seal(c[0], c[1], c[2], nil); err == nil {
			t.Errorf("%s: opened", what)
		} else if strings.Contains(err.Error(), "Пароль") {
			t.Errorf("%s: the error tells the password", what)
		}
	}
	if got, err := keys.Decrypt([]string{protected}, word, []string{cert}); err != nil || len(got) != 1 {
		t.Errorf("decrypt under a password: %v", err)
	}
	if _, err := keys.Seal(key, "", chain, nil); err == nil {
		t.Error("a key with another's certificate")
	}
	for _, missing := range [][3]string{{"none", cert, chain}, {key, "none", chain}, {key, cert, "none"}, {key, key, chain}} {
		if _, err := keys.Seal(missing[0], "", missing[1], []string{missing[2]}); err == nil {
			t.Errorf("%v", missing)
		}
	}
}

func TestDecrypt(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.Seal.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, cert, other := write("k", "PRIVATE KEY", pkcs8), write("c", "CERTIFICATE", p.Seal.Certificate.Raw), write("o", "CERTIFICATE", p.Head.Certificate.Raw)
	if none, err := keys.Decrypt(nil, "", nil); err != nil || none != nil {
		t.Error(none, err)
	}
	if got, err := keys.Decrypt([]string{key}, "", []string{cert}); err != nil || len(got) != 1 || !got[0].Certificate().Equal(p.Seal.Certificate) {
		t.Error(got, err)
	}
	// A key of DSTU 4145, PKCS #8.
	private, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := algorithm.MarshalKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	in, err := der.NewReader(spki, der.DER).Sequence()
	if err != nil {
		t.Fatal(err)
	}
	id, err := algorithm.ReadIdentifier(in)
	if err != nil {
		t.Fatal(err)
	}
	c, err := issue.Certificate(rand.Reader, p.CA, private.Public(), issue.Template{
		Subject: issue.Subject{CommonName: "DSTU"}, Serial: big.NewInt(1), NotBefore: gatewaytest.Begin, NotAfter: gatewaytest.Begin.AddDate(1, 0, 0),
		KeyUsage: pki.KeyAgreement,
	})
	if err != nil {
		t.Fatal(err)
	}
	gost := write("g", "PRIVATE KEY", der.Sequence(der.Int(0), id.Raw, der.OctetString(private.Bytes(dstu4145.LittleEndian))))
	gostCert := write("gc", "CERTIFICATE", c.Raw)
	if got, err := keys.Decrypt([]string{key, gost}, "", []string{cert, gostCert}); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	for _, c := range [][2][]string{{{gost}, {cert}}, {{key}, nil}, {nil, {cert}}, {{key}, {other}}, {{"none"}, {cert}}, {{key}, {"none"}}, {{cert}, {cert}}} {
		if _, err := keys.Decrypt(c[0], "", c[1]); err == nil {
			t.Errorf("%v", c)
		}
	}
}
