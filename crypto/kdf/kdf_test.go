package kdf_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"unicode/utf16"

	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/kdf"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func is(t *testing.T, name string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s: %x, want %s", name, got, want)
	}
}

// The vectors are self-tests of public implementations.
func TestPasswords(t *testing.T) {
	t.Parallel()
	k := kdf.IIT([]byte("123123"))
	is(t, "IIT", k[:], "3709d09a3574045a52ee9ac65d6277282e065abc597ab0330bd275446230b6a6")
	is(t, "PBKDF2 GOST", kdf.PBKDF2(gost34311.NewHMAC(nil, []byte("password")),
		unhex(t, "31a58dc1462981189cf6c701e276c7553a5ab5f6e36d8418e4aa40c930cf3876"), 10000, 32),
		"c4e7f788e60c731a2cfedd300af67bd2ee9458532a793e5280ae7f8c1e562e44")
	// RFC 6070: a result longer than the hash.
	is(t, "PBKDF2 SHA-1", kdf.PBKDF2(hmac.New(sha1.New, []byte("passwordPASSWORDpassword")),
		[]byte("saltSALTsaltSALTsaltSALTsaltSALTsalt"), 4096, 25),
		"3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038")
	for n := 1; n < 70; n++ {
		want, err := pbkdf2.Key(sha256.New, "p", []byte("s"), 3, n)
		if err != nil {
			t.Fatal(err)
		}
		if got := kdf.PBKDF2(hmac.New(sha256.New, []byte("p")), []byte("s"), 3, n); !bytes.Equal(got, want) {
			t.Errorf("%d octets: %x, want %x", n, got, want)
		}
	}
}

// The values are known answers of PKCS #12 implementations ("smeg", SHA-1).
func TestPKCS12(t *testing.T) {
	t.Parallel()
	var pw []byte
	for _, c := range utf16.Encode([]rune("smeg\x00")) {
		pw = append(pw, byte(c>>8), byte(c))
	}
	for _, x := range []struct {
		purpose byte
		salt    string
		n       int
		want    string
	}{
		{kdf.ForEncryption, "0a58cf64530d823f", 24, "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"},
		{kdf.ForIV, "0a58cf64530d823f", 8, "79993dfe048d3b76"},
		{kdf.ForMAC, "3d83c0e4546ac140", 20, "8d967d88f6caa9d714800ab3d48051d63f73a312"},
	} {
		is(t, "PKCS12", kdf.PKCS12(sha1.New(), 64, x.purpose, pw, unhex(t, x.salt), 1, x.n), x.want)
	}
}

func TestAgreed(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "vectors")
	var v struct {
		Tests []struct {
			Zx, UKM, KEK string
			Info         string `json:"shared_info_der"`
		}
	}
	if err := json.Unmarshal(shareddata.Read(t, dir, "dstu4145_ecdh_kdf.json"), &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range v.Tests {
		if x.KEK == "" {
			continue
		}
		n++
		info := kdf.SharedInfo(kdf.GOST28147Wrap, unhex(t, x.UKM))
		is(t, "SharedInfo", info, x.Info)
		k := kdf.Agreed(nil, unhex(t, x.Zx), info)
		is(t, "KEK", k[:], x.KEK)
	}
	if n < 2 {
		t.Error("few vectors")
	}
	is(t, "no UKM", kdf.SharedInfo(kdf.GOST28147Wrap, nil), "3019300f060b2a862402010101010101050500a206040400000100")
}

func BenchmarkPBKDF2(b *testing.B) {
	h := gost34311.NewHMAC(nil, []byte("password"))
	for b.Loop() {
		kdf.PBKDF2(h, make([]byte, 32), 10000, 32)
	}
}
