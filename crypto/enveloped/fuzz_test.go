package enveloped

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/pki"
)

// fuzzKeys are always the same, so that the seeds in testdata open.
func fuzzKeys(t testing.TB) []Key {
	t.Helper()
	d, err := dstu4145.NewPrivateKey(dstu4145.DSTU257(), bytes.Repeat([]byte{0x11}, 30), dstu4145.LittleEndian)
	must(t, err)
	gost := dstuCertificate(t, d.Public().(*dstu4145.PublicKey))
	gost.RawSerial = []byte{1}
	e, err := ecdh.P256().NewPrivateKey(bytes.Repeat([]byte{0x22}, 32))
	must(t, err)
	nist := &pki.Certificate{RawIssuer: gost.RawIssuer, RawSerial: []byte{2}, PublicKey: e.Public(), KeyUsage: pki.KeyAgreement, HasKeyUsage: true}
	return []Key{newKey(t, gost, d), newKey(t, nist, e)}
}

func FuzzDecrypt(f *testing.F) {
	keys := fuzzKeys(f)
	for i := range keys {
		box, err := Encrypt(rand.Reader, plain, certificates(keys[i]), Options{})
		must(f, err)
		f.Add(box)
	}
	static, err := Encrypt(rand.Reader, plain, certificates(keys[0]), Options{Sender: &keys[0]})
	must(f, err)
	f.Add(static)
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := Decrypt(in, keys)
		if err == nil {
			if len(o.Content) > len(in)+64 {
				t.Error("content is longer than the container")
			}
			return
		}
		for _, known := range []error{ErrNotEnveloped, ErrFormat, ErrLimit, ErrNotForUs, ErrOriginator, ErrUnsupported, ErrDamaged} {
			if errors.Is(err, known) {
				return
			}
		}
		t.Error("unknown error:", err)
	})
}
