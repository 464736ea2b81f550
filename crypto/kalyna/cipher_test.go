package kalyna_test

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/kalyna"
)

var _ cipher.Block = (*kalyna.Cipher)(nil)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type vectors struct {
	ECB []struct {
		Block                   int
		Key, Input, Output, Src string
	}
	Modes []struct {
		Mode                        string
		Block                       int
		Key, IV, Input, Output, Src string
	}
	Wrap []struct{ KEK, IV, CEK, Wrapped string }
}

func read(t *testing.T, b []byte) *vectors {
	t.Helper()
	v := new(vectors)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	if len(v.ECB) == 0 || len(v.Wrap) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func (v *vectors) run(t *testing.T) {
	t.Helper()
	for _, x := range v.ECB {
		c, err := kalyna.NewCipher(x.Block/8, unhex(t, x.Key))
		if err != nil {
			t.Fatal(err)
		}
		b := unhex(t, x.Input)
		c.Encrypt(b, b)
		if hex.EncodeToString(b) != x.Output {
			t.Errorf("block %d, key %d: %x, want %s", x.Block, 4*len(x.Key), b, x.Output)
		}
		b = unhex(t, x.Output)
		c.Decrypt(b, b)
		if hex.EncodeToString(b) != x.Input {
			t.Errorf("block %d, key %d, back: %x, want %s", x.Block, 4*len(x.Key), b, x.Input)
		}
	}
	for _, x := range v.Modes {
		c, err := kalyna.NewCipher(x.Block/8, unhex(t, x.Key))
		if err != nil {
			t.Fatal(err)
		}
		iv, in, out := unhex(t, x.IV), unhex(t, x.Input), unhex(t, x.Output)
		switch x.Mode {
		case "ctr":
			stream(t, x.Mode, iv, in, out, c.NewCTR)
			stream(t, x.Mode, iv, out, in, c.NewCTR)
		case "cfb":
			stream(t, x.Mode, iv, in, out, c.NewCFBEncrypter)
			stream(t, x.Mode, iv, out, in, c.NewCFBDecrypter)
		case "cbc":
			got := make([]byte, len(in))
			cipher.NewCBCEncrypter(c, iv).CryptBlocks(got, in)
			if !bytes.Equal(got, out) {
				t.Errorf("cbc: %x, want %x", got, out)
			}
			cipher.NewCBCDecrypter(c, iv).CryptBlocks(got, got)
			if !bytes.Equal(got, in) {
				t.Errorf("cbc back: %x, want %x", got, in)
			}
		case "cmac":
			if got, err := c.CMAC(in); err != nil || !bytes.Equal(got, out) {
				t.Errorf("cmac: %x, %v, want %x", got, err, out)
			}
		default:
			t.Errorf("mode %s is not tested", x.Mode)
		}
	}
	for _, x := range v.Wrap {
		c, err := kalyna.NewCipher(32, unhex(t, x.KEK))
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Wrap(unhex(t, x.CEK), unhex(t, x.IV))
		if err != nil || hex.EncodeToString(w) != x.Wrapped {
			t.Errorf("wrap: %x, %v", w, err)
		}
		if k, err := c.Unwrap(w); err != nil || hex.EncodeToString(k) != x.CEK {
			t.Errorf("unwrap: %x, %v", k, err)
		}
		for i := range w {
			w[i] ^= 1
			if _, err := c.Unwrap(w); !errors.Is(err, kalyna.ErrMAC) {
				t.Errorf("octet %d altered: %v", i, err)
			}
			w[i] ^= 1
		}
	}
}

func stream(t *testing.T, name string, iv, in, want []byte, start func([]byte) (cipher.Stream, error)) {
	t.Helper()
	for _, chunk := range []int{1, 7, 32, len(in) + 1} {
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
	if _, err := start(iv[1:]); !errors.Is(err, kalyna.ErrSize) {
		t.Error("short start vector:", err)
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	read(t, b).run(t)
}

func TestShared(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "vectors")
	read(t, shareddata.Read(t, dir, "kalyna_dstu7624.json")).run(t)
}

func TestSizes(t *testing.T) {
	t.Parallel()
	good := map[[2]int]bool{{16, 16}: true, {16, 32}: true, {32, 32}: true, {32, 64}: true, {64, 64}: true}
	for _, block := range []int{0, 8, 16, 24, 32, 64, 128} {
		for _, key := range []int{0, 8, 16, 24, 32, 64, 128} {
			_, err := kalyna.NewCipher(block, make([]byte, key))
			if good[[2]int{block, key}] != (err == nil) {
				t.Errorf("block %d, key %d: %v", block, key, err)
			}
		}
	}
	c, err := kalyna.NewCipher(16, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CMAC(make([]byte, 17)); !errors.Is(err, kalyna.ErrSize) {
		t.Error(err)
	}
	if _, err := c.Wrap(make([]byte, 32), make([]byte, 32)); !errors.Is(err, kalyna.ErrSize) {
		t.Error(err)
	}
}
