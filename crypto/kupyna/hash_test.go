package kupyna_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"os"
	"strconv"
	"testing"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/kupyna"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sizes = map[int]func() hash.Hash{256: kupyna.New256, 384: kupyna.New384, 512: kupyna.New512}

type vectors struct {
	Hash []struct {
		Bits             int
		Msg, Digest, Src string
	}
	KMAC []struct {
		Bits               int
		Key, Msg, MAC, Src string
	}
}

func (v *vectors) run(t *testing.T) {
	t.Helper()
	if len(v.Hash) == 0 || len(v.KMAC) == 0 {
		t.Fatal("no vectors")
	}
	for _, x := range v.Hash {
		h := sizes[x.Bits]()
		if h.Size() != x.Bits/8 {
			t.Error("size", h.Size())
		}
		pieces(t, h, unhex(t, x.Msg), unhex(t, x.Digest))
		if s := kupyna.Sum256(unhex(t, x.Msg)); x.Bits == 256 && hex.EncodeToString(s[:]) != x.Digest {
			t.Errorf("Sum256: %x", s)
		}
	}
	for _, x := range v.KMAC {
		h, err := kupyna.NewKMAC(x.Bits/8, unhex(t, x.Key))
		if err != nil {
			t.Fatal(err)
		}
		pieces(t, h, unhex(t, x.Msg), unhex(t, x.MAC))
	}
}

func pieces(t *testing.T, h hash.Hash, msg, want []byte) {
	t.Helper()
	for _, chunk := range []int{len(msg) + 1, 1, 13, 63, 64, 65, 127, 128} {
		h.Reset()
		rest := msg
		for len(rest) > chunk {
			h.Write(rest[:chunk])
			h.Sum(nil) // must not disturb
			rest = rest[chunk:]
		}
		h.Write(rest)
		for range 2 {
			if got := h.Sum(nil); !bytes.Equal(got, want) {
				t.Errorf("%.20x in pieces of %d: %x, want %x", msg, chunk, got, want)
			}
		}
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
	if err := json.Unmarshal(shareddata.Read(t, dir, "kupyna_dstu7564.json"), v); err != nil {
		t.Fatal(err)
	}
	v.run(t)
}

func TestKMACKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, key int }{{32, 31}, {48, 32}, {64, 0}, {20, 20}, {0, 0}} {
		if _, err := kupyna.NewKMAC(c.size, make([]byte, c.key)); !errors.Is(err, kupyna.ErrKey) {
			t.Errorf("size %d, key %d: %v", c.size, c.key, err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for bits, f := range sizes {
		for _, size := range []int{2048, 1 << 20} {
			b.Run(strconv.Itoa(bits)+"/"+strconv.Itoa(size), func(b *testing.B) {
				msg := make([]byte, size)
				h := f()
				b.SetBytes(int64(size))
				for b.Loop() {
					h.Reset()
					h.Write(msg)
					h.Sum(nil)
				}
			})
		}
	}
}
