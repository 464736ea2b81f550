package gost28147_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

var _ cipher.Block = (*gost28147.Cipher)(nil)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type vectors struct {
	SBoxes map[string]string
	Tests  []struct{ Mode, SBox, Key, IV, PT, CT, MAC, Src string }
}

func (v *vectors) run(t *testing.T) {
	t.Helper()
	if len(v.Tests) == 0 {
		t.Fatal("no vectors")
	}
	for _, x := range v.Tests {
		box, err := gost28147.NewSBox(unhex(t, v.SBoxes[x.SBox]))
		if err != nil {
			t.Fatal(err)
		}
		c, err := gost28147.NewCipher(unhex(t, x.Key), box)
		if err != nil {
			t.Fatal(err)
		}
		iv, pt, ct := unhex(t, x.IV), unhex(t, x.PT), unhex(t, x.CT)
		got := make([]byte, len(pt))
		switch x.Mode {
		case "ecb-encrypt":
			if err := c.EncryptECB(got, pt); err != nil || !bytes.Equal(got, ct) {
				t.Errorf("%s: %x, %v, want %s", x.Src, got, err, x.CT)
			}
			if err := c.DecryptECB(got, got); err != nil || !bytes.Equal(got, pt) {
				t.Errorf("%s: decrypted %x, %v", x.Src, got, err)
			}
		case "mac32":
			if m := c.MAC(pt); hex.EncodeToString(m[:]) != x.MAC {
				t.Errorf("%s: %x, want %s", x.Src, m, x.MAC)
			}
		case "cfb64-encrypt":
			stream(t, x.Src, iv, pt, ct, c.NewCFBEncrypter)
			stream(t, x.Src+" back", iv, ct, pt, c.NewCFBDecrypter)
		case "ctr":
			stream(t, x.Src, iv, pt, ct, c.NewCTR)
			stream(t, x.Src+" back", iv, ct, pt, c.NewCTR)
		default:
			t.Errorf("mode %s is not tested", x.Mode)
		}
	}
}

func stream(t *testing.T, name string, iv, in, want []byte, start func([]byte) (cipher.Stream, error)) {
	t.Helper()
	for _, chunk := range []int{1, 3, 8, 9, len(in) + 1} {
		s, err := start(iv)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(in)
		for b := range slices.Chunk(got, chunk) {
			s.XORKeyStream(b, b)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s in pieces of %d: %x, want %x", name, chunk, got, want)
		}
	}
	if _, err := start(iv[1:]); !errors.Is(err, gost28147.ErrSize) {
		t.Error("short start vector:", err)
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	v.run(t)
}

func TestShared(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "vectors")
	v := new(vectors)
	if err := json.Unmarshal(shareddata.Read(t, dir, "gost28147.json"), v); err != nil {
		t.Fatal(err)
	}
	v.run(t)
}

// The vector is of the self-test of a public implementation.
func TestWrap(t *testing.T) {
	t.Parallel()
	wrapCase(t, "01000000010000000100000001000000ffffffffffffffffffffffffffffffff", "f477da7aa6424a88",
		"01020304010203040102030401020304f1f2f3f4f5f6f7f8f1f2f3f4f5f6f7f8",
		"52a513f1b4172ca6b5f1b8a03ca9a4e0acb6e00e11e5e9bcdd446222eb97238dc3e4e24d2ec03e05a568ec51")
	dir := shareddata.Dir(t, "kep", "vectors")
	var v struct {
		Tests []struct{ KEK, IV, CEK, Wrapped, Result string }
	}
	if err := json.Unmarshal(shareddata.Read(t, dir, "gost28147_keywrap.json"), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Tests) < 5 {
		t.Fatal("few vectors")
	}
	for _, x := range v.Tests {
		if x.Result == "" {
			wrapCase(t, x.KEK, x.IV, x.CEK, x.Wrapped)
			continue
		}
		c, err := gost28147.NewCipher(unhex(t, x.KEK), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Unwrap(unhex(t, x.Wrapped)); !errors.Is(err, gost28147.ErrMAC) {
			t.Error("altered wrap:", err)
		}
	}
}

func wrapCase(t *testing.T, kek, iv, cek, wrapped string) {
	t.Helper()
	c, err := gost28147.NewCipher(unhex(t, kek), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Wrap(unhex(t, cek), unhex(t, iv))
	if err != nil || hex.EncodeToString(got) != wrapped {
		t.Errorf("wrap: %x, %v, want %s", got, err, wrapped)
	}
	w := unhex(t, wrapped)
	got, err = c.Unwrap(w)
	if err != nil || hex.EncodeToString(got) != cek {
		t.Errorf("unwrap: %x, %v, want %s", got, err, cek)
	}
	for i := range w {
		w[i] ^= 0x40
		if _, err := c.Unwrap(w); !errors.Is(err, gost28147.ErrMAC) {
			t.Errorf("octet %d altered: %v", i, err)
		}
		w[i] ^= 0x40
	}
	if _, err := c.Unwrap(w[1:]); !errors.Is(err, gost28147.ErrSize) {
		t.Error("short wrap:", err)
	}
}

func TestSBox(t *testing.T) {
	t.Parallel()
	for _, box := range []*gost28147.SBox{gost28147.DKE1, gost28147.TestParamSet, gost28147.CZO2005} {
		packed, rows := box.Packed(), box.Rows()
		a, err := gost28147.NewSBox(packed[:])
		if err != nil || !a.Equal(box) {
			t.Error("packed form differs:", err)
		}
		if a != box {
			t.Error("known block made anew")
		}
		b, err := gost28147.FromRows(&rows)
		if err != nil || !b.Equal(box) {
			t.Error("rows differ:", err)
		}
		packed[3] = packed[4]
		if _, err := gost28147.NewSBox(packed[:]); !errors.Is(err, gost28147.ErrSBox) {
			t.Error("no permutation:", err)
		}
		if _, err := gost28147.NewSBox(packed[1:]); !errors.Is(err, gost28147.ErrSBox) {
			t.Error("63 octets:", err)
		}
	}
}

// TestRealSBoxes takes every block found in real keys.
func TestRealSBoxes(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "real")
	var list []struct{ DER string }
	if err := json.Unmarshal(shareddata.Read(t, dir, "algids.json"), &list); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range list {
		// The block is the last element of the parameters.
		b := unhex(t, x.DER)
		if len(b) < 66 || b[len(b)-66] != 4 || b[len(b)-65] != 64 {
			continue
		}
		n++
		if _, err := gost28147.NewSBox(b[len(b)-64:]); err != nil {
			t.Errorf("%x: %v", b[len(b)-64:], err)
		}
	}
	if n < 10 {
		t.Error("few blocks:", n)
	}
}

// TestEncrypt4 holds the four side by side equal to one by one.
func TestEncrypt4(t *testing.T) {
	t.Parallel()
	blocks := [4]uint64{1, 1 << 63, 0x0123456789abcdef, 0}
	var keys [4][8]uint32
	var want [4][8]byte
	for i := range keys {
		raw := make([]byte, 32)
		for j := range keys[i] {
			keys[i][j] = uint32(i)*0x9e3779b9 + uint32(j)*0x85ebca6b ^ 0xdeadbeef
			for k := range 4 {
				raw[4*j+k] = byte(keys[i][j] >> (8 * k))
			}
		}
		c, err := gost28147.NewCipher(raw, gost28147.CZO2005)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 8 {
			want[i][k] = byte(blocks[i] >> (8 * k))
		}
		c.Encrypt(want[i][:], want[i][:])
	}
	gost28147.CZO2005.Encrypt4(&blocks, &keys)
	for i, b := range blocks {
		for k := range 8 {
			if byte(b>>(8*k)) != want[i][k] {
				t.Fatalf("block %d differs", i)
			}
		}
	}
}

func BenchmarkCFB(b *testing.B) {
	c, err := gost28147.NewCipher(make([]byte, 32), nil)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		s, err := c.NewCFBDecrypter(make([]byte, 8))
		if err != nil {
			b.Fatal(err)
		}
		s.XORKeyStream(buf, buf)
	}
}
