package enveloped

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
)

// readKeys opens a key container of the data set.
func readKeys(t testing.TB, b []byte, password string) (out []*dstu4145.PrivateKey) {
	t.Helper()
	entries, err := keyfile.Open(b, []byte(password))
	must(t, err)
	for _, e := range entries {
		if e.DSTU == nil {
			continue
		}
		k, err := e.Key()
		must(t, err)
		out = append(out, k.(*dstu4145.PrivateKey))
	}
	return out
}

func readCertificate(t testing.TB, b []byte) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificate(b)
	must(t, err)
	return c
}

// TestShared: every encrypted file of the data set gets its verdict.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	read := func(name ...string) []byte { return shareddata.Read(t, append([]string{dir}, name...)...) }
	certificate := func(name string) *pki.Certificate { return readCertificate(t, read("pki", "certs", name+".cer")) }
	key := func(name string) Key {
		return newKey(t, certificate(name), readKeys(t, read("pki", "keys", name+".p8"), "")[0])
	}
	director, person := key("ee_director_kep257"), key("ee_person_kep431")
	sender := certificate("ee_person_sign")
	text := read("enveloped", "plaintext.txt")
	for _, c := range []struct {
		file string
		key  Key
		want error
	}{
		{"static_257.p7e", director, nil},
		{"ephemeral_431.p7e", person, nil},
		{"ephemeral_257.p7e", director, nil},
		{"two_recipients.p7e", director, nil},
		{"two_recipients.p7e", person, nil},
		{"bad_wrap.p7e", director, ErrDamaged},
		{"static_257.p7e", person, ErrNotForUs},
		{"ephemeral_257.p7e", person, ErrNotForUs},
	} {
		got, err := Decrypt(read("enveloped", c.file), []Key{c.key}, sender)
		if c.want != nil {
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.file, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got.Content, text) || got.Authenticated {
			t.Errorf("%s: %v, %d octets", c.file, err, len(got.Content))
		}
	}
	if _, err := Decrypt(read("enveloped", "static_257.p7e"), []Key{director}); !errors.Is(err, ErrOriginator) {
		t.Error("static without the sender:", err)
	}

	inner, err := Decrypt(read("enveloped", "signed_then_enveloped.p7e"), []Key{director, person}, sender)
	must(t, err)
	sd, err := cms.Parse(inner.Content, cms.Options{})
	must(t, err)
	if !bytes.Equal(sd.Content, text) || len(sd.Signers) != 1 {
		t.Error("signed_then_enveloped: another content")
	}
	// No integrity: it opens, and what comes out is no signed container.
	garbage, err := Decrypt(read("enveloped", "wrong_content_key.p7e"), []Key{director, person}, sender)
	must(t, err)
	if _, err := cms.Parse(garbage.Content, cms.Options{}); err == nil || bytes.Equal(garbage.Content, text) {
		t.Error("wrong_content_key: a content")
	}
}

// TestReal: messages of other programs.
func TestReal(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "real")
	read := func(name ...string) []byte { return shareddata.Read(t, append([]string{dir}, name...)...) }
	open := func(name string, private *dstu4145.PrivateKey, known ...*pki.Certificate) {
		c, err := Parse(read("enveloped", name+".p7e"))
		must(t, err)
		// The recipient's certificate is not in the set; the container names it.
		recipient := dstuCertificate(t, private.Public().(*dstu4145.PublicKey))
		recipient.RawIssuer, recipient.RawSerial = c.Recipients[0].Name.Issuer, c.Recipients[0].Name.Serial
		want := map[string]string{"jkurwa_enc": "123", "uapki_static": "The quick brown fox jumps over the lazy dog"}[name]
		got, err := c.Open([]Key{newKey(t, recipient, private)}, known...)
		if err != nil || string(got.Content) != want {
			t.Errorf("%s: %q, %v", name, got.Content, err)
		}
	}
	open("jkurwa_enc", readKeys(t, read("enveloped", "Key40A0.p8"), "")[0], readCertificate(t, read("enveloped", "SELF_SIGNED_ENC_6929.cer")))

	c, err := Parse(read("enveloped", "uapki_static.p7e"))
	must(t, err)
	// This one its sender encrypted to himself. His keys are in a PKCS #12 file:
	// whichever fits.
	for _, private := range readKeys(t, read("containers", "test-diia.p12"), "testpassword") {
		recipient := dstuCertificate(t, private.Public().(*dstu4145.PublicKey))
		recipient.RawIssuer, recipient.RawSerial = c.Recipients[0].Name.Issuer, c.Recipients[0].Name.Serial
		got, err := c.Open([]Key{newKey(t, recipient, private)})
		if err == nil {
			if string(got.Content) != "The quick brown fox jumps over the lazy dog" {
				t.Errorf("uapki_static: %q", got.Content)
			}
			return
		}
	}
	t.Error("uapki_static: no key opens it")
}

// TestDerivation: shared point, shared information and derived key.
func TestDerivation(t *testing.T) {
	t.Parallel()
	var set struct {
		Tests []struct {
			Curve, D1, D2, Zx, UKM, KEK string
			SharedInfo                  string `json:"shared_info_der"`
		}
	}
	must(t, json.Unmarshal(shareddata.Read(t, shareddata.Dir(t, "kep", "vectors", "dstu4145_ecdh_kdf.json")), &set))
	for i, v := range set.Tests {
		curve := dstu4145.DSTU257()
		if strings.HasSuffix(v.Curve, "431") {
			curve = dstu4145.DSTU431()
		}
		read := func(s string) *dstu4145.PrivateKey {
			if len(s)%2 != 0 {
				s = "0" + s
			}
			k, err := dstu4145.NewPrivateKey(curve, unhex(t, s), dstu4145.BigEndian)
			must(t, err)
			return k
		}
		a, b := read(v.D1), read(v.D2)
		x, err := gostKey{a}.SharedX(b.Public())
		must(t, err)
		if !bytes.Equal(bytes.TrimLeft(x, "\x00"), bytes.TrimLeft(unhex(t, v.Zx), "\x00")) {
			t.Errorf("vector %d: shared x %x", i, x)
		}
		if v.KEK == "" {
			continue
		}
		wrap, ukm := der.Sequence(gostWrap.Encode(), der.Null()), unhex(t, v.UKM)
		if got := hex.EncodeToString(sharedInfo(wrap, ukm, 32)); got != v.SharedInfo {
			t.Errorf("vector %d: shared information %s", i, got)
		}
		got, err := kek(cofactorGOST, x, wrap, ukm)
		if err != nil || hex.EncodeToString(got) != v.KEK {
			t.Errorf("vector %d: key %x, %v", i, got, err)
		}
	}
}
