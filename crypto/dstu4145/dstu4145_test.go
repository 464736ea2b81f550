package dstu4145

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/brama-gateway/brama/crypto/gf2m"
)

var (
	_ crypto.Signer                             = (*PrivateKey)(nil)
	_ interface{ Equal(crypto.PublicKey) bool } = (*PublicKey)(nil)
	_ interface {
		Equal(x crypto.PrivateKey) bool
	} = (*PrivateKey)(nil)
)

// random is a reproducible source of octets.
func random(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func digestOf(s string) []byte {
	b := make([]byte, 32)
	random(byte(len(s))).Read(b)
	copy(b, s)
	return b
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range append(Curves(), central2005) {
		for name, c := range bothCodes(c) {
			t.Run(c.Name()+"/"+name, func(t *testing.T) {
				t.Parallel()
				key, err := GenerateKey(c, random(1))
				if err != nil {
					t.Fatal(err)
				}
				same, err := NewPrivateKey(c, key.Bytes(BigEndian), BigEndian)
				if err != nil || !same.Equal(key) {
					t.Fatal(err)
				}
				public := key.Public().(*PublicKey)
				for _, o := range []Order{LittleEndian, BigEndian} {
					again, err := NewPublicKey(c, public.Bytes(o), o)
					if err != nil || !again.Equal(public) || again.point != public.point {
						t.Fatal(o, err)
					}
				}
				for i, d := range [][]byte{digestOf("a"), make([]byte, 32), {1}, bytes.Repeat([]byte{255}, 64), bytes.Repeat([]byte{9}, 100)} {
					sig, err := key.Sign(random(2), d, nil)
					if err != nil || len(sig) != 2*c.OrderBytes() {
						t.Fatal(len(sig), err)
					}
					if !public.Verify(d, sig) {
						t.Fatalf("digest %d: own signature not accepted", i)
					}
					sig[0] ^= 1
					if public.Verify(d, sig) {
						t.Fatalf("digest %d: altered signature accepted", i)
					}
				}
				other, err := GenerateKey(c, random(3))
				if err != nil {
					t.Fatal(err)
				}
				sig, _ := key.Sign(nil, digestOf("x"), nil)
				if other.public.Verify(digestOf("x"), sig) || other.Equal(key) || other.public.Equal(public) {
					t.Fatal("other key")
				}
				z1, err1 := key.ECDH(&other.public)
				z2, err2 := other.ECDH(public)
				if err1 != nil || err2 != nil || !bytes.Equal(z1, z2) || len(z1) != c.FieldBytes() {
					t.Fatal("agreement", err1, err2)
				}
			})
		}
	}
}

// TestLargeDigests: what is above m bits of a digest does not count, and 0 is 1.
func TestLargeDigests(t *testing.T) {
	t.Parallel()
	key, _ := GenerateKey(DSTU257(), random(1))
	d := bytes.Repeat([]byte{0x5a}, 64)
	sig, _ := key.Sign(nil, d, nil)
	e := bytes.Clone(d)
	e[33], e[63] = 0, 1
	e[32] ^= 0xfe
	if !key.public.Verify(e, sig) || !key.public.Verify(e[:33], sig) {
		t.Error("bits above 257 count")
	}
	e[32] ^= 1
	if key.public.Verify(e, sig) {
		t.Error("bit 256 does not count")
	}
	sig, _ = key.Sign(nil, make([]byte, 32), nil)
	if one := append([]byte{1}, make([]byte, 31)...); !key.public.Verify(one, sig) {
		t.Error("0 is not 1")
	}
	if _, err := key.Sign(nil, nil, nil); err == nil || key.public.Verify(nil, sig) {
		t.Error("empty digest")
	}
}

// bigN is the order of the base point.
func bigN(c *Curve) *big.Int {
	n, _ := new(big.Int).SetString(c.def.n, 16)
	return n
}

// edge is a row of testdata/vectors.json: what must be refused, in words.
type edge struct {
	Name string
	R, S string // what is done to r and s: see badSignature
	Cut  int    // octets to take off (or to add, below 0)
	Key  string // a public key instead of a signature: see testBadKey
}

// TestEdges holds every curve to testdata/vectors.json.
func TestEdges(t *testing.T) {
	t.Parallel()
	var edges []edge
	readJSON(t, "testdata/vectors.json", &edges)
	for _, c := range append(Curves(), central2005) {
		for name, c := range bothCodes(c) {
			t.Run(c.Name()+"/"+name, func(t *testing.T) {
				t.Parallel()
				key, _ := GenerateKey(c, random(4))
				d := digestOf("edge")
				sig, _ := key.Sign(random(5), d, nil)
				for _, e := range edges {
					if e.Key != "" {
						testBadKey(t, c, e)
						continue
					}
					bad, ok := badSignature(c, sig, e)
					if !ok {
						continue
					}
					for range tableAfter + 1 {
						if key.public.Verify(d, bad) {
							t.Errorf("%s: accepted", e.Name)
						}
					}
				}
				if !key.public.Verify(d, sig) {
					t.Error("the good one is not accepted")
				}
			})
		}
	}
}

// badSignature makes the signature of a row; false if its numbers do not fit.
func badSignature(c *Curve, sig []byte, e edge) ([]byte, bool) {
	n := c.OrderBytes()
	number := func(s string, own []byte) ([]byte, bool) {
		v := new(big.Int).SetBytes(reversed(own))
		switch s {
		case "", "same":
		case "0":
			v.SetInt64(0)
		case "n":
			v = bigN(c)
		case "n+1":
			v.Add(bigN(c), big.NewInt(1))
		case "+n":
			v.Add(v, bigN(c))
		case "n-":
			v.Sub(bigN(c), v)
		case "1":
			v.SetInt64(1)
		case "ones":
			v.Lsh(big.NewInt(1), uint(8*n)).Sub(v, big.NewInt(1))
		default:
			panic(s)
		}
		if v.BitLen() > 8*n {
			return nil, false
		}
		return reversed(v.FillBytes(make([]byte, n))), true
	}
	r, ok := number(e.R, sig[:n])
	s, ok2 := number(e.S, sig[n:])
	if !ok || !ok2 {
		return nil, false
	}
	bad := append(r, s...)
	if e.Cut > 0 {
		return bad[:max(0, len(bad)-e.Cut)], true
	}
	return append(bad, make([]byte, -e.Cut)...), true
}

func testBadKey(t *testing.T, c *Curve, e edge) {
	t.Helper()
	size := c.FieldBytes()
	var enc []byte
	switch e.Key {
	case "infinity", "x=0": // neither has another encoding than zeros
		enc = make([]byte, size)
	case "x=0, bit":
		enc = append([]byte{1}, make([]byte, size-1)...)
		if c.def.a == 1 {
			return // there it is another point
		}
	case "short":
		enc = littleHex(c.def.bp, size)[:size-1]
	case "long":
		enc = append(littleHex(c.def.bp, size), 0)
	case "empty":
	case "above":
		if c.def.m%8 == 0 {
			return
		}
		enc = littleHex(c.def.bp, size)
		enc[size-1] |= 1 << (c.def.m % 8)
	case "off curve":
		r := random(7)
		for {
			enc = make([]byte, size)
			r.Read(enc)
			enc[size-1] &= 1<<(c.def.m%8) - 1
			if _, err := rawPoint(c, enc); err != nil {
				break
			}
		}
	case "small subgroup":
		testSubgroup(t, c)
		return
	default:
		t.Fatal(e.Key)
	}
	for _, o := range []Order{LittleEndian, BigEndian} {
		in := enc
		if o == BigEndian {
			in = reversed(enc)
		}
		if _, err := NewPublicKey(c, in, o); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	if _, err := NewPublicKey(c, enc, 0); err == nil {
		t.Errorf("%s: no order of octets", e.Name)
	}
}

// affinePoint and its arithmetic: affine, by the textbook, for tests.
type affinePoint[E gf2m.Elem] struct {
	x, y     E
	infinite bool
}

func (c *curve[E]) plainAdd(p, q affinePoint[E]) affinePoint[E] {
	if p.infinite {
		return q
	}
	if q.infinite {
		return p
	}
	var l, t E
	f := c.f
	r := affinePoint[E]{}
	if p.x == q.x {
		gf2m.Add(&t, &p.y, &q.y)
		if t == p.x || gf2m.Zero(&p.x) {
			return affinePoint[E]{infinite: true}
		}
		f.Invert(&t, &p.x)
		f.Mul(&l, &p.y, &t)
		gf2m.Add(&l, &l, &p.x)
		f.Sqr(&r.x, &l)
		gf2m.Add(&r.x, &r.x, &l)
		gf2m.Add(&r.x, &r.x, &c.a)
	} else {
		var dx E
		gf2m.Add(&dx, &p.x, &q.x)
		gf2m.Add(&l, &p.y, &q.y)
		f.Invert(&t, &dx)
		f.Mul(&l, &l, &t)
		f.Sqr(&r.x, &l)
		gf2m.Add(&r.x, &r.x, &l)
		gf2m.Add(&r.x, &r.x, &c.a)
		gf2m.Add(&r.x, &r.x, &dx)
	}
	gf2m.Add(&t, &p.x, &r.x)
	f.Mul(&t, &t, &l)
	gf2m.Add(&t, &t, &r.x)
	gf2m.Add(&r.y, &t, &p.y)
	return r
}

func (c *curve[E]) plainMul(k *big.Int, p affinePoint[E]) affinePoint[E] {
	r := affinePoint[E]{infinite: true}
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = c.plainAdd(r, r)
		if k.Bit(i) == 1 {
			r = c.plainAdd(r, p)
		}
	}
	return r
}

// onCurve finds a point with that x, any point of the curve.
func (c *curve[E]) onCurve(x E) (affinePoint[E], bool) {
	var z E
	if gf2m.Zero(&x) || !c.solve(&z, &x) {
		return affinePoint[E]{}, false
	}
	c.f.Mul(&z, &z, &x)
	return affinePoint[E]{x: x, y: z}, true
}

func rawPoint(c *Curve, x []byte) (bool, error) {
	ok := false
	switch e := c.engine.(type) {
	case *curve[gf2m.E5]:
		w := fromBytes(x)
		w[0] &^= 1
		v := load[gf2m.E5](&w)
		if e.f.Trace(&v) != c.def.a {
			v[0] |= 1
		}
		_, ok = e.onCurve(v)
	case *curve[gf2m.E7]:
		w := fromBytes(x)
		w[0] &^= 1
		v := load[gf2m.E7](&w)
		if e.f.Trace(&v) != c.def.a {
			v[0] |= 1
		}
		_, ok = e.onCurve(v)
	}
	if !ok {
		return false, errors.New("not on the curve")
	}
	return true, nil
}

// testSubgroup compares the checks of traces with n·Q on random points of the
// curve, on points of the subgroup, and on those of small order added to them.
func testSubgroup(t *testing.T, c *Curve) {
	switch e := c.engine.(type) {
	case *curve[gf2m.E5]:
		subgroup(t, e)
	case *curve[gf2m.E7]:
		subgroup(t, e)
	}
}

func subgroup[E gf2m.Elem](t *testing.T, c *curve[E]) {
	t.Helper()
	n := bigN(c.Curve)
	r := rand.New(rand.NewPCG(8, uint64(c.M())))
	check := func(p affinePoint[E]) bool {
		want := c.plainMul(n, p).infinite
		x, y := store(&p.x), store(&p.y)
		q, err := c.point(&x, &y)
		if want != (err == nil) || err != nil && !errors.Is(err, ErrPublicKey) {
			t.Fatalf("point %x %x: in the subgroup %v, judged %v", p.x, p.y, want, err)
		}
		if err == nil { // and by its encoding
			d, err := c.decode(c.encode(&q))
			if err != nil || d != q {
				t.Fatal("encoding", err)
			}
		} else if !gf2m.Zero(&p.x) && c.f.Trace(&p.x) == c.def.a {
			// Only with cofactor 4 a point outside has an encoding.
			l := p.x
			var z E
			c.f.Invert(&z, &p.x)
			c.f.Mul(&z, &z, &p.y)
			gf2m.Add(&l, &l, &z)
			if _, err := c.decode(c.encode(&point{x, store(&l)})); err == nil {
				t.Fatal("encoding of a point outside")
			}
		}
		return want
	}
	// The points of order two and, where a = 0, four.
	two := affinePoint[E]{y: c.c}
	if !c.plainAdd(two, two).infinite {
		t.Fatal("order two")
	}
	small := []affinePoint[E]{two}
	if c.def.a == 0 {
		// x(2H) = x² + b/x² = 0 for x = b^(1/4); y is then x·HT(…).
		var x E
		c.f.SqrN(&x, &c.b, c.M()-2)
		four, ok := c.onCurve(x)
		if !ok || c.plainAdd(four, four) != two {
			t.Fatal("order four")
		}
		small = append(small, four, c.plainAdd(four, two))
	}
	seen := map[bool]int{}
	for points := 0; points < 4 || seen[false] == 0; {
		var x E
		for i := range (c.M() + 63) / 64 {
			x[i] = r.Uint64()
		}
		w := store(&x)
		p, ok := c.onCurve(c.element(&w))
		if !ok {
			continue
		}
		points++
		seen[check(p)]++
		q := c.plainMul(big.NewInt(int64(c.Cofactor())), p)
		if !check(q) {
			t.Fatal("cofactor·P is outside of the subgroup")
		}
		for _, s := range small {
			if check(c.plainAdd(q, s)) {
				t.Fatal("a point of small order changes nothing")
			}
		}
	}
	for _, s := range small {
		if check(s) {
			t.Fatal("a point of small order")
		}
	}
}

// TestExceptions drives verification through sums that the formulas do not hold
// for: keys that are small multiples of the base point.
func TestExceptions(t *testing.T) {
	t.Parallel()
	for _, c := range []*Curve{curves[0], curves[2], DSTU257(), DSTU431()} {
		n := bigN(c)
		for _, small := range []int64{1, 2, 3, 5, 15, 16, 17, -1, -2, -3} {
			d := new(big.Int).Mod(big.NewInt(small), n)
			key, err := NewPrivateKey(c, d.Bytes(), BigEndian)
			if err != nil {
				t.Fatal(err)
			}
			for _, nonce := range []int64{1, 2, 3, 7, -1, -2} {
				e := wordsOf(t, new(big.Int).Mod(big.NewInt(nonce), n).Text(16))
				h := c.element(digestOf("exception"))
				sig := key.sign(&e, &h, &words{7})
				for range tableAfter + 1 {
					if !key.public.Verify(digestOf("exception"), sig) {
						t.Fatalf("%s: d = %d, e = %d", c.Name(), small, nonce)
					}
				}
			}
			// s·P + r·Q = ∞ for s = d·r.
			r := big.NewInt(0x1234567)
			s := new(big.Int).Mul(r, d)
			s.Mod(s, n)
			sig := append(reversed(r.FillBytes(make([]byte, c.OrderBytes()))), reversed(s.FillBytes(make([]byte, c.OrderBytes())))...)
			for range tableAfter + 1 {
				if key.public.Verify(digestOf("exception"), sig) {
					t.Fatalf("%s: infinity accepted", c.Name())
				}
			}
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	t.Parallel()
	for _, c := range curves {
		n := bigN(c)
		for _, bad := range []*big.Int{new(big.Int), n, new(big.Int).Add(n, big.NewInt(1)), new(big.Int).Lsh(n, 300)} {
			for _, o := range []Order{LittleEndian, BigEndian} {
				b := bad.Bytes()
				if o == LittleEndian {
					b = reversed(b)
				}
				if _, err := NewPrivateKey(c, b, o); !errors.Is(err, ErrPrivateKey) {
					t.Fatalf("%x: %v", bad, err)
				}
			}
		}
		if _, err := NewPrivateKey(c, []byte{1}, 0); err == nil {
			t.Fatal("no order of octets")
		}
		last, err := NewPrivateKey(c, new(big.Int).Sub(n, big.NewInt(1)).Bytes(), BigEndian)
		if err != nil || !bytes.Equal(last.public.Bytes(LittleEndian), littleHex(c.def.bp, c.FieldBytes())) {
			t.Fatal("d = n-1", err) // Q = -dP = P
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
			for _, text := range []string{fmt.Sprintf(verb, last), fmt.Sprintf(verb, *last)} {
				if text != c.Name()+" private key" {
					t.Fatal("printed key", text)
				}
			}
		}
		if _, err := NewPrivateKey(c, append([]byte{5}, make([]byte, 99)...), LittleEndian); err != nil {
			t.Fatal("zeros above", err)
		}
	}
	if _, err := NewPrivateKey(nil, []byte{1}, LittleEndian); err == nil {
		t.Fatal("no curve")
	}
}

func TestZeroValues(t *testing.T) {
	t.Parallel()
	var p PublicKey
	var k PrivateKey
	if p.Verify(digestOf("a"), make([]byte, 64)) || (*PublicKey)(nil).Verify(digestOf("a"), nil) {
		t.Error("verified")
	}
	if p.Equal(&p) || k.Equal(&k) {
		t.Error("equal")
	}
	if _, err := k.Sign(nil, digestOf("a"), nil); err == nil {
		t.Error("signed")
	}
	if _, err := k.ECDH(&p); err == nil {
		t.Error("agreed")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("dry") }

// TestNonces: without randomness a signature is a function of key and digest, with
// it it is not; another digest has another nonce (another r) in every case; a
// source that fails is an error and not a weaker nonce.
func TestNonces(t *testing.T) {
	t.Parallel()
	key, _ := GenerateKey(DSTU257(), random(1))
	a1, _ := key.Sign(nil, digestOf("a"), nil)
	a2, _ := key.Sign(nil, digestOf("a"), nil)
	if !bytes.Equal(a1, a2) {
		t.Error("not deterministic")
	}
	stuck := strings.Repeat("\x00", 1000)
	seen := map[string]bool{string(a1[:32]): true}
	for i, r := range []io.Reader{random(1), random(2), strings.NewReader(strings.Repeat("\x01", 32))} {
		sig, err := key.Sign(r, digestOf("a"), nil)
		if err != nil || seen[string(sig[:32])] {
			t.Error(i, err, "same r")
		}
		seen[string(sig[:32])] = true
	}
	for i := range 10 {
		sig, _ := key.Sign(strings.NewReader(stuck), digestOf(fmt.Sprint("m", i)), nil)
		if seen[string(sig[:32])] {
			t.Error("the same nonce with a stuck source")
		}
		seen[string(sig[:32])] = true
	}
	if _, err := key.Sign(failing{}, digestOf("a"), nil); err == nil {
		t.Error("signed without the randomness that was asked for")
	}
	if _, err := GenerateKey(DSTU257(), failing{}); err == nil {
		t.Error("key without randomness")
	}
}

func TestCurveLookup(t *testing.T) {
	t.Parallel()
	for _, oid := range []string{OIDNormalBasis, OIDNormalBasis + ".2.3", OIDNormalBasis + ".1.1"} {
		if _, err := CurveByOID(oid); !errors.Is(err, ErrNormalBasis) {
			t.Error(oid, err)
		}
	}
	for _, oid := range []string{"", oidCurves, oidCurves + "10", "1.2.840.10045.3.1.7"} {
		if _, err := CurveByOID(oid); !errors.Is(err, ErrCurve) {
			t.Error(oid, err)
		}
	}
	for _, c := range curves {
		if got, err := CurveByOID(c.OID()); err != nil || got != c {
			t.Error(c.Name(), err)
		}
		change := map[string]func(p *Parameters){
			"m":        func(p *Parameters) { p.M++ },
			"k":        func(p *Parameters) { p.K[0]++ },
			"k less":   func(p *Parameters) { p.K = p.K[1:] },
			"a":        func(p *Parameters) { p.A ^= 1 },
			"b":        func(p *Parameters) { p.B[0] ^= 1 },
			"b long":   func(p *Parameters) { p.B = append(p.B, 0) },
			"bp":       func(p *Parameters) { p.BP[3] ^= 1 },
			"n":        func(p *Parameters) { p.N[0] ^= 1 },
			"no n":     func(p *Parameters) { p.N = nil },
			"order":    func(p *Parameters) { p.Order = BigEndian },
			"no order": func(p *Parameters) { p.Order = 0 },
		}
		if c == DSTU431() {
			p := c.Parameters(BigEndian)
			p.BP = central2005.Parameters(BigEndian).BP
			if got, err := p.Curve(); err != nil || got != central2005 || got.OID() != "" {
				t.Error("base point of 2005", err)
			}
		}
		for name, f := range change {
			p := c.Parameters(LittleEndian)
			f(&p)
			if _, err := p.Curve(); !errors.Is(err, ErrCurve) {
				t.Errorf("%s, another %s: %v", c.Name(), name, err)
			}
		}
	}
}

func TestSignatureWrapping(t *testing.T) {
	t.Parallel()
	for _, n := range []int{64, 108} {
		w, err := WrapSignature(make([]byte, n))
		if err != nil || len(w) != n+2 || w[0] != 4 || int(w[1]) != n {
			t.Fatal(err)
		}
		if u, err := UnwrapSignature(w); err != nil || len(u) != n {
			t.Fatal(err)
		}
		for _, bad := range [][]byte{nil, w[:2], w[:n+1], append(bytes.Clone(w), 0), append([]byte{5}, w[1:]...), w[2:]} {
			if _, err := UnwrapSignature(bad); !errors.Is(err, ErrSignatureForm) {
				t.Errorf("%x", bad)
			}
		}
	}
	if _, err := WrapSignature(nil); err == nil {
		t.Error("nothing wrapped")
	}
}

// TestTableCache: bounded in keys and memory, and right under concurrency.
func TestTableCache(t *testing.T) {
	t.Parallel()
	var keys []*PrivateKey
	for i := range 6 {
		k, _ := GenerateKey(curves[0], random(byte(10+i)))
		keys = append(keys, k)
	}
	one := keys[0].public.curve.engine.table(&keys[0].public.point).size()
	cache := &tableCache{memory: 2*one + 1, keys: 3, after: 2}
	for range 3 {
		for _, k := range keys[:2] {
			cache.find(&k.public)
		}
	}
	if cache.tabled.Len() != 2 || cache.used != 2*one || cache.find(&keys[1].public) == nil {
		t.Fatal("two keys have no tables")
	}
	for _, k := range keys {
		cache.find(&k.public)
	}
	if cache.counted.Len() > 3 || cache.tabled.Len() != 2 {
		t.Fatal("too many keys")
	}
	for range 2 {
		cache.find(&keys[5].public)
	}
	if cache.tabled.Len() != 2 || cache.used != 2*one || len(cache.byKey) != cache.counted.Len()+2 {
		t.Fatal("bound on memory")
	}
	if cache.find(&keys[5].public) == nil || cache.byKey[tableKey{curves[0], keys[1].public.enc}] == nil {
		t.Fatal("the key used last is gone")
	}
	tiny := &tableCache{memory: 1, keys: 3, after: 1}
	if tiny.find(&keys[0].public) == nil || tiny.used != 0 {
		t.Fatal("table larger than the bound")
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 20 {
				k := keys[(i+j)%len(keys)]
				sig, _ := k.Sign(nil, digestOf("c"), nil)
				cache.find(&k.public)
				if !k.public.Verify(digestOf("c"), sig) {
					t.Error("not verified")
				}
			}
		})
	}
	wg.Wait()
}

func TestModulus(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range curves {
		n := bigN(c)
		m := &c.order
		big2 := func(w words) *big.Int { return new(big.Int).SetBytes(reversed(w.bytes(56))) }
		pick := func() words {
			switch r.IntN(6) {
			case 0:
				return words{}
			case 1:
				return wordsOf(t, new(big.Int).Sub(n, big.NewInt(1)).Text(16))
			}
			var w words
			for i := range m.w {
				w[i] = r.Uint64()
			}
			x := big2(w)
			return wordsOf(t, x.Mod(x, n).Text(16))
		}
		for range 50 {
			a, b := pick(), pick()
			x, y := big2(a), big2(b)
			z := new(big.Int).Mul(x, y)
			if got := m.mul(&a, &b); big2(got).Cmp(z.Mod(z, n)) != 0 {
				t.Fatalf("%x * %x mod n = %x", x, y, got)
			}
			z.Add(x, y)
			if got := m.add(&a, &b); big2(got).Cmp(z.Mod(z, n)) != 0 {
				t.Fatalf("%x + %x mod n = %x", x, y, got)
			}
			if x.Sign() > 0 {
				l := big2(m.ladder(&a))
				if l.BitLen() != m.bits+1 || new(big.Int).Mod(l, n).Cmp(x) != 0 {
					t.Fatalf("ladder of %x is %x", x, l)
				}
			}
			sum := new(big.Int)
			for i, d := range m.recode(make([]int16, 0, 500), &a, 5) {
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(5*i)))
			}
			if sum.Cmp(x) != 0 {
				t.Fatalf("digits of %x", x)
			}
			sum.SetInt64(0)
			for i, d := range m.naf(make([]int16, 500), &a, 5) {
				if d != 0 && (d&1 == 0 || d > 15 || d < -15) {
					t.Fatal("digit", d)
				}
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(i)))
			}
			if sum.Cmp(x) != 0 {
				t.Fatalf("non-adjacent form of %x", x)
			}
		}
	}
}

// FuzzVerify: no panic, and nothing foreign is accepted.
func FuzzVerify(f *testing.F) {
	key, _ := GenerateKey(DSTU257(), random(1))
	good, _ := key.Sign(nil, digestOf("a"), nil)
	f.Add(good, key.public.Bytes(LittleEndian))
	f.Add(make([]byte, 64), make([]byte, 33))
	f.Add(make([]byte, 108), make([]byte, 54))
	f.Fuzz(func(t *testing.T, sig, public []byte) {
		if key.public.Verify(digestOf("a"), sig) && !bytes.Equal(sig, good) {
			t.Error("accepted")
		}
		for _, c := range curves {
			if k, err := NewPublicKey(c, public, BigEndian); err == nil {
				k.Verify(digestOf("a"), sig)
				again, err := NewPublicKey(c, k.Bytes(LittleEndian), LittleEndian)
				if err != nil || !bytes.Equal(k.Bytes(BigEndian), public) || again.point != k.point {
					t.Error("encoding")
				}
			}
		}
		UnwrapSignature(sig)
	})
}
