package gost34311_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"hash"
	"os"
	"strconv"
	"testing"

	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type vector struct {
	SBox, IV, Msg, Digest, Src string
}

type vectors struct {
	SBoxes map[string]string
	Tests  []vector
}

func (v *vectors) run(t *testing.T) {
	if len(v.Tests) == 0 {
		t.Fatal("no vectors")
	}
	for _, x := range v.Tests {
		box, err := gost28147.NewSBox(unhex(t, v.SBoxes[x.SBox]))
		if err != nil {
			t.Fatal(err)
		}
		msg, want := unhex(t, x.Msg), unhex(t, x.Digest)
		h := gost34311.New(box)
		if x.IV != "" {
			h = gost34311.NewIV(box, [32]byte(unhex(t, x.IV)))
		} else if s := gost34311.Sum(box, msg); !bytes.Equal(s[:], want) {
			t.Errorf("Sum(%.40s) = %x, want %x (%s)", x.Msg, s, want, x.Src)
		}
		for _, chunk := range []int{len(msg) + 1, 1, 7, 31, 32, 33, 64} {
			h.Reset()
			writeIn(h, msg, chunk)
			if got := h.Sum(nil); !bytes.Equal(got, want) {
				t.Errorf("%.40s in pieces of %d: %x, want %x (%s)", x.Msg, chunk, got, want, x.Src)
			}
			if got := h.Sum([]byte{1}); !bytes.Equal(got[1:], want) || got[0] != 1 {
				t.Error("second Sum differs")
			}
		}
	}
}

func writeIn(h hash.Hash, b []byte, chunk int) {
	for len(b) > chunk {
		h.Write(b[:chunk])
		h.Sum(nil) // must not disturb
		b = b[chunk:]
	}
	h.Write(b)
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
	if err := json.Unmarshal(shareddata.Read(t, dir, "gost34311.json"), v); err != nil {
		t.Fatal(err)
	}
	v.run(t)
}

func TestHMAC(t *testing.T) {
	t.Parallel()
	// Order 2782/5/689, appendix 2.
	h := gost34311.NewHMAC(nil, unhex(t, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	h.Write(unhex(t, "8888888899999999aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff"))
	if got := hex.EncodeToString(h.Sum(nil)); got != "679142781455ac14c7ea384d6f81d967b7affbcf39eb9f9e2b2569d43c7ad8b7" {
		t.Error(got)
	}
	dir := shareddata.Dir(t, "kep", "vectors")
	var v struct {
		Tests []struct{ Alg, Key, Msg, MAC string }
	}
	if err := json.Unmarshal(shareddata.Read(t, dir, "gost34311_hmac_kdf.json"), &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range v.Tests {
		if x.Alg != "hmac-gost34311" {
			continue
		}
		n++
		h := gost34311.NewHMAC(nil, unhex(t, x.Key))
		h.Write(unhex(t, x.Msg))
		if got := hex.EncodeToString(h.Sum(nil)); got != x.MAC {
			t.Errorf("HMAC(%s) = %s, want %s", x.Msg, got, x.MAC)
		}
	}
	if n < 4 {
		t.Error("few vectors:", n)
	}
}

// TestControlSum reaches every carry of the control sum.
func TestControlSum(t *testing.T) {
	t.Parallel()
	msg := bytes.Repeat([]byte{0xff}, 3*32)
	if got := hex.EncodeToString(gost34311.New(nil).Sum(nil)); got != "da37bdf41145e39e34111775b40646e8059c2e969c1460bb98abccb26f0f76a5" {
		t.Error("empty message:", got)
	}
	whole := gost34311.Sum(nil, msg)
	h := gost34311.New(nil)
	writeIn(h, msg, 5)
	if !bytes.Equal(h.Sum(nil), whole[:]) {
		t.Error("pieces differ from whole")
	}
}

func BenchmarkHash(b *testing.B) {
	for _, size := range []int{32, 2048, 1 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			msg := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				gost34311.Sum(nil, msg)
			}
		})
	}
}
