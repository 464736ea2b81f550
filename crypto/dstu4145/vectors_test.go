package dstu4145

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/brama-gateway/brama/crypto/gf2m"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// wordsOf reads a big-endian hexadecimal number.
func wordsOf(t testing.TB, s string) words {
	t.Helper()
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		t.Fatalf("number %q", s)
	}
	return fromBytes(reversed(n.FillBytes(make([]byte, 56))))
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bothCodes gives the curve with the best code for this machine and the generic one.
func bothCodes(c *Curve) map[string]*Curve {
	codes := map[string]*Curve{c.engine.implementation(): c}
	if codes["generic"] == nil {
		codes["generic"] = generic(c)
	}
	return codes
}

var generics sync.Map

func generic(c *Curve) *Curve {
	if g, ok := generics.Load(c); ok {
		return g.(*Curve)
	}
	f5, f7 := genericFields(c.def.m)
	g, _ := generics.LoadOrStore(c, newCurve(c.def, f5, f7))
	return g.(*Curve)
}

func genericFields(m int) (f5 *gf2m.Field[gf2m.E5], f7 *gf2m.Field[gf2m.E7]) {
	if f, err := gf2m.Small(m); err == nil {
		return gf2m.Generic(f), nil
	}
	f, _ := gf2m.Large(m)
	return nil, gf2m.Generic(f)
}

type signVector struct {
	Curve    string
	M        int
	Gx, Gy   string
	D        string
	Hash     string `json:"hash_as_bytes"`
	Qx, Qy   string
	Nonce    string `json:"k_nonce"`
	R, S, LE string
	Q        string `json:"q_compressed_be"`
	Sig      string `json:"sig_le"`
	SPKI     string `json:"spki_der"`
	Named    string `json:"spki_named_der"`
	Why, Src string
}

type signVectors struct{ Valid, Invalid []signVector }

// TestSignVectors: the standard's own example, those of other implementations and
// those generated with Bouncy Castle; testdata has the ones that were published.
func TestSignVectors(t *testing.T) {
	t.Parallel()
	t.Run("published", func(t *testing.T) { testSignVectors(t, "testdata/published.json") })
	t.Run("shared", func(t *testing.T) {
		testSignVectors(t, filepath.Join(shareddata.Dir(t, "kep", "vectors"), "dstu4145_sign.json"))
	})
}

func testSignVectors(t *testing.T, path string) {
	var vectors signVectors
	readJSON(t, path, &vectors)
	for _, v := range vectors.Valid {
		for _, c := range curves {
			if c.def.m != v.M {
				continue
			}
			for name, c := range bothCodes(c) {
				t.Run(fmt.Sprintf("%s/%s", strings.ReplaceAll(v.Curve, "/", " "), name), func(t *testing.T) {
					if v.Gx != "" {
						c = rebased(t, c, v.Gx, v.Gy)
					}
					testSignVector(t, c, v)
				})
			}
		}
	}
	for _, v := range vectors.Invalid {
		var m int
		fmt.Sscanf(v.Curve, "DSTU_PB_%d", &m)
		for _, c := range curves {
			if c.def.m != m {
				continue
			}
			spki := unhex(t, v.SPKI)
			k, err := NewPublicKey(c, spki[len(spki)-c.FieldBytes():], LittleEndian)
			if err != nil {
				t.Fatal(err)
			}
			if k.Verify(unhex(t, v.Hash), unhex(t, v.Sig)) {
				t.Errorf("%s: %s accepted", v.Curve, v.Why)
			}
		}
	}
}

// rebased gives the curve with another base point: examples of the standard and of
// Bouncy Castle have such.
func rebased(t *testing.T, c *Curve, gx, gy string) *Curve {
	f5, f7 := genericFields(c.def.m)
	if c.engine.implementation() != "generic" {
		f5, f7 = nil, nil
	}
	c = newCurve(c.def, f5, f7)
	x, y := wordsOf(t, gx), wordsOf(t, gy)
	p, err := c.engine.point(&x, &y)
	if err != nil {
		t.Fatal(err)
	}
	switch e := c.engine.(type) {
	case *curve[gf2m.E5]:
		e.once.Do(func() { e.setBase(&p) })
	case *curve[gf2m.E7]:
		e.once.Do(func() { e.setBase(&p) })
	}
	return c
}

func testSignVector(t *testing.T, c *Curve, v signVector) {
	d := wordsOf(t, v.D)
	key, err := NewPrivateKey(c, d.bytes(56), LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().(*PublicKey)
	if v.Qx != "" {
		x, y := wordsOf(t, v.Qx), wordsOf(t, v.Qy)
		given, err := NewPublicPoint(c, x.bytes(c.FieldBytes()), y.bytes(c.FieldBytes()), LittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if !given.Equal(public) || given.point != public.point {
			t.Fatalf("public key %x, want %x", public.Bytes(BigEndian), given.Bytes(BigEndian))
		}
	}
	if v.Q != "" && hex.EncodeToString(public.Bytes(BigEndian)) != v.Q {
		t.Fatalf("public key %x, want %s", public.Bytes(BigEndian), v.Q)
	}
	if v.Named != "" && !strings.HasSuffix(v.Named, hex.EncodeToString(public.Bytes(LittleEndian))) {
		t.Fatal("SubjectPublicKeyInfo")
	}
	digest := unhex(t, v.Hash)
	n := c.OrderBytes()
	r, s := wordsOf(t, v.R), wordsOf(t, v.S)
	want := append(r.bytes(n), s.bytes(n)...)
	if v.LE != "" && hex.EncodeToString(want) != v.LE {
		t.Fatalf("encoding %x, want %s", want, v.LE)
	}
	if v.Nonce != "" {
		e, h := wordsOf(t, v.Nonce), c.element(digest)
		if got := key.sign(&e, &h, &words{12345}); string(got) != string(want) {
			t.Fatalf("signature\n%x, want\n%x", got, want)
		}
	}
	bad := func(sig []byte, at int) []byte {
		sig = append([]byte(nil), sig...)
		sig[at] ^= 4
		return sig
	}
	for i := range 2 * tableAfter { // without a table, and with one
		if !public.Verify(digest, want) {
			t.Fatalf("not accepted, round %d", i)
		}
		if public.Verify(digest, bad(want, i%len(want))) || public.Verify(bad(digest, i%len(digest)), want) {
			t.Fatalf("altered one accepted, round %d", i)
		}
	}
}

func TestPointVectors(t *testing.T) {
	t.Parallel()
	var vectors struct {
		Decompress []struct {
			Curve string
			BE    string `json:"compressed_be"`
			X, Y  string
		}
		Invalid []struct {
			Curve string
			BE    string `json:"compressed_be"`
			Why   string
		}
	}
	readJSON(t, filepath.Join(shareddata.Dir(t, "kep", "vectors"), "dstu4145_points.json"), &vectors)
	find := func(name string) *Curve {
		for _, c := range curves {
			if name == fmt.Sprintf("DSTU_PB_%d", c.def.m) {
				return c
			}
		}
		t.Fatal(name)
		return nil
	}
	for _, v := range vectors.Decompress {
		for name, c := range bothCodes(find(v.Curve)) {
			be := unhex(t, v.BE)
			k, err := NewPublicKey(c, be, BigEndian)
			if err != nil {
				t.Fatalf("%s %s: %v", name, v.Curve, err)
			}
			l, err := NewPublicKey(c, reversed(be), LittleEndian)
			if err != nil || !l.Equal(k) {
				t.Fatalf("%s: little-endian", v.Curve)
			}
			x, y := wordsOf(t, v.X), wordsOf(t, v.Y)
			p, err := NewPublicPoint(c, x.bytes(c.FieldBytes()), y.bytes(c.FieldBytes()), LittleEndian)
			if err != nil || !p.Equal(k) || p.point != k.point {
				t.Fatalf("%s %s: %v, another point", name, v.Curve, err)
			}
		}
	}
	for _, v := range vectors.Invalid {
		if _, err := NewPublicKey(find(v.Curve), unhex(t, v.BE), BigEndian); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s %s: %v", v.Curve, v.Why, err)
		}
	}
}

func TestECDHVectors(t *testing.T) {
	t.Parallel()
	var vectors struct {
		Tests []struct {
			Curve, D1, D2, Zx string
		}
	}
	readJSON(t, filepath.Join(shareddata.Dir(t, "kep", "vectors"), "dstu4145_ecdh_kdf.json"), &vectors)
	for _, v := range vectors.Tests {
		for _, c := range curves {
			if v.Curve != fmt.Sprintf("DSTU_PB_%d", c.def.m) {
				continue
			}
			for name, c := range bothCodes(c) {
				d1, d2 := wordsOf(t, v.D1), wordsOf(t, v.D2)
				k1, err1 := NewPrivateKey(c, d1.bytes(56), LittleEndian)
				k2, err2 := NewPrivateKey(c, d2.bytes(56), LittleEndian)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				z1, err1 := k1.ECDH(&k2.public)
				z2, err2 := k2.ECDH(&k1.public)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if hex.EncodeToString(z1) != v.Zx || hex.EncodeToString(z2) != v.Zx {
					t.Errorf("%s %s: %x, %x, want %s", name, v.Curve, z1, z2, v.Zx)
				}
			}
		}
	}
}

func TestCurveVectors(t *testing.T) {
	t.Parallel()
	var vectors struct {
		PB []struct {
			OID          string
			M, A         int
			K            []int
			B, N, Gx, Gy string
			Cofactor     int
			G            string `json:"g_compressed_be"`
			FieldBytes   int    `json:"field_bytes"`
			SigBytes     int    `json:"sig_component_bytes"`
			DER          string `json:"ecbinary_der_le"`
		}
	}
	readJSON(t, filepath.Join(shareddata.Dir(t, "kep", "vectors"), "dstu4145_curves.json"), &vectors)
	if len(vectors.PB) != len(curves) {
		t.Fatal("number of curves")
	}
	for _, v := range vectors.PB {
		c, err := CurveByOID(v.OID)
		if err != nil || c.OID() != v.OID || c.M() != v.M {
			t.Fatal(v.OID, err)
		}
		if c.Cofactor() != v.Cofactor || c.FieldBytes() != v.FieldBytes || c.OrderBytes() != v.SigBytes {
			t.Fatal(c.Name(), "sizes")
		}
		n, _ := new(big.Int).SetString(v.N, 16)
		fill := func(s string) []byte {
			x, _ := new(big.Int).SetString(s, 16)
			return x.FillBytes(make([]byte, v.FieldBytes))
		}
		for _, o := range []Order{LittleEndian, BigEndian} {
			p := Parameters{M: v.M, K: v.K, A: v.A, B: fill(v.B), BP: fill(v.G), Order: o, N: append([]byte{0}, n.Bytes()...)}
			if o == LittleEndian {
				p.B, p.BP = reversed(p.B), reversed(p.BP)
			}
			if got, err := p.Curve(); err != nil || got != c {
				t.Fatal(c.Name(), err)
			}
			if got, err := c.Parameters(o).Curve(); err != nil || got != c {
				t.Fatal(c.Name(), err)
			}
			if s := hex.EncodeToString(c.Parameters(LittleEndian).BP); !strings.HasSuffix(v.DER, s) {
				t.Fatal(c.Name(), "base point")
			}
		}
		g, err := NewPublicPoint(c, fill(v.Gx), fill(v.Gy), BigEndian)
		if err != nil || hex.EncodeToString(g.Bytes(BigEndian)) != v.G {
			t.Fatal(c.Name(), "base point", err)
		}
	}
}
