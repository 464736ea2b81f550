package gf2m

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

// fields calls f for every field and every code of it.
func fields(t *testing.T, f5 func(t *testing.T, f *Field[E5]), f7 func(t *testing.T, f *Field[E7])) {
	for _, m := range []int{163, 167, 173, 179, 191, 233, 257} {
		f, err := Small(m)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("%d/%s", m, f.Implementation()), func(t *testing.T) { f5(t, f) })
		t.Run(fmt.Sprintf("%d/generic", m), func(t *testing.T) { f5(t, Generic(f)) })
	}
	for _, m := range []int{307, 367, 431} {
		f, err := Large(m)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("%d/%s", m, f.Implementation()), func(t *testing.T) { f7(t, f) })
		t.Run(fmt.Sprintf("%d/generic", m), func(t *testing.T) { f7(t, Generic(f)) })
	}
	more5, more7 := otherCodes()
	for _, f := range more5 {
		t.Run(fmt.Sprintf("%d/%s", f.m, f.name), func(t *testing.T) { f5(t, f) })
	}
	for _, f := range more7 {
		t.Run(fmt.Sprintf("%d/%s", f.m, f.name), func(t *testing.T) { f7(t, f) })
	}
}

// plainMul multiplies bit by bit, by the definition.
func plainMul[E Elem](f *Field[E], x, y *E) E {
	var z E
	for i := f.m - 1; i >= 0; i-- {
		top := z[(f.m-1)/64] >> ((f.m - 1) % 64) & 1
		var carry uint64
		for j := range len(z) {
			z[j], carry = z[j]<<1|carry, z[j]>>63
		}
		if top == 1 {
			z[f.m/64] ^= 1 << (f.m % 64)
			z[0] ^= 1
			for _, k := range f.k[:f.terms] {
				z[k/64] ^= 1 << (k % 64)
			}
		}
		if (*x)[i/64]>>(i%64)&1 == 1 {
			Add(&z, &z, y)
		}
	}
	return z
}

func element[E Elem](f *Field[E], next func() uint64) E {
	var x E
	for i := range f.words {
		x[i] = next()
	}
	x[f.words-1] &= 1<<(f.m%64) - 1
	return x
}

// samples are edges and random elements.
func samples[E Elem](f *Field[E], n int) []E {
	r := rand.New(rand.NewPCG(1, uint64(f.m)))
	var all []E
	var zero, one, top, ones E
	one[0] = 1
	top[(f.m-1)/64] = 1 << ((f.m - 1) % 64)
	for i := range f.m {
		ones[i/64] |= 1 << (i % 64)
	}
	all = append(all, zero, one, top, ones)
	for range n {
		all = append(all, element(f, r.Uint64))
		all = append(all, element(f, func() uint64 { return r.Uint64() & r.Uint64() & r.Uint64() & r.Uint64() }))
	}
	return all
}

func TestField(t *testing.T) {
	t.Parallel()
	fields(t, testField[E5], testField[E7])
}

func testField[E Elem](t *testing.T, f *Field[E]) {
	all := samples(f, 6)
	for i := range all {
		for j := range all {
			x, y := all[i], all[j]
			want := plainMul(f, &x, &y)
			var got E
			if f.Mul(&got, &x, &y); got != want {
				t.Fatalf("%x * %x = %x, want %x", x, y, got, want)
			}
			if f.MulCT(&got, &x, &y); got != want {
				t.Fatalf("ct %x * %x = %x, want %x", x, y, got, want)
			}
			if got = x; true {
				f.Mul(&got, &got, &y)
			}
			if got != want {
				t.Fatal("product over an argument")
			}
		}
		x := all[i]
		want := plainMul(f, &x, &x)
		var got, inv E
		if f.Sqr(&got, &x); got != want {
			t.Fatalf("%x² = %x, want %x", x, got, want)
		}
		for range 4 {
			want = plainMul(f, &want, &want)
		}
		if f.SqrN(&got, &x, 5); got != want {
			t.Fatalf("%x^32 = %x, want %x", x, got, want)
		}
		f.Invert(&inv, &x)
		f.InvertCT(&got, &x)
		if inv != got {
			t.Fatal("inversions differ")
		}
		f.Mul(&got, &inv, &x)
		if Zero(&x) {
			if !Zero(&inv) {
				t.Fatal("1/0")
			}
		} else if got != all[1] {
			t.Fatalf("x/x = %x", got)
		}
		// The trace by definition, and the half-trace by what it solves.
		var tr E
		s := x
		for range f.m {
			Add(&tr, &tr, &s)
			f.Sqr(&s, &s)
		}
		if int(tr[0]) != f.Trace(&x) {
			t.Fatalf("trace of %x", x)
		}
		var h, h2 E
		f.HalfTrace(&h, &x)
		f.Sqr(&h2, &h)
		Add(&h2, &h2, &h)
		h2[0] ^= tr[0]
		if h2 != x {
			t.Fatalf("half-trace of %x", x)
		}
		if !f.Reduced(&x) {
			t.Fatal("reduced")
		}
	}
	elems := append([]E(nil), all[1:]...)
	f.InvertAll(elems, make([]E, len(elems)))
	for i := range elems {
		var p E
		if f.Mul(&p, &elems[i], &all[1+i]); p != all[1] {
			t.Fatal("InvertAll")
		}
	}
	x, y := all[4], all[5]
	Swap(0, &x, &y)
	if x != all[4] || y != all[5] {
		t.Fatal("swap 0")
	}
	Swap(1, &x, &y)
	if x != all[5] || y != all[4] {
		t.Fatal("swap 1")
	}
}

// TestPrograms holds the fused routines to the generic ones.
func TestPrograms(t *testing.T) {
	t.Parallel()
	fields(t, testPrograms[E5], testPrograms[E7])
}

func testPrograms[E Elem](t *testing.T, f *Field[E]) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 50 {
		comparePrograms(t, f, r.Uint64)
	}
}

func comparePrograms[E Elem](t *testing.T, f *Field[E], next func() uint64) {
	t.Helper()
	g := Generic(f)
	var s Scratch[E]
	p := Point[E]{element(f, next), element(f, next), element(f, next)}
	q := Affine[E]{element(f, next), element(f, next)}
	for a := range 2 {
		d, e := p, p
		f.Double(&d, a, &s)
		g.Double(&e, a, &s)
		if d != e {
			t.Fatalf("2·%x, a = %d: %x, want %x", p, a, d, e)
		}
	}
	d, e := p, p
	ok := f.AddMixed(&d, &q, &s)
	if ok != g.AddMixed(&e, &q, &s) || d != e {
		t.Fatalf("%x + %x: %x, want %x", p, q, d, e)
	}
	// The exceptions: the same x, and infinity.
	f.Mul(&p[0], &q[0], &p[2])
	if d = p; f.AddMixed(&d, &q, &s) || d != p {
		t.Fatal("the same x added")
	}
	var zero E
	if p[2] = zero; f.AddMixed(&p, &q, &s) {
		t.Fatal("infinity added")
	}
	x1, z1, x2, z2, x, c := element(f, next), element(f, next), element(f, next), element(f, next), element(f, next), element(f, next)
	w := [4]E{x1, z1, x2, z2}
	f.Step(&x1, &z1, &x2, &z2, &x, &c, &s)
	g.Step(&w[0], &w[1], &w[2], &w[3], &x, &c, &s)
	if w != [4]E{x1, z1, x2, z2} {
		t.Fatal("ladder steps differ")
	}
}

// FuzzTwins holds assembly equal to the generic code, and that to the definition.
func FuzzTwins(f *testing.F) {
	f.Add(make([]byte, 112))
	ones := make([]byte, 112)
	for i := range ones {
		ones[i] = 255
	}
	f.Add(ones)
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		next := func() uint64 {
			var b [8]byte
			for i := range b {
				if len(data) > 0 {
					b[i] = data[at%len(data)] + byte(at/len(data))
				}
				at++
			}
			return binary.LittleEndian.Uint64(b[:])
		}
		twins(t, small[257], next)
		twins(t, large[431], next)
		more5, more7 := otherCodes()
		for _, f := range more5 {
			twins(t, f, next)
		}
		for _, f := range more7 {
			twins(t, f, next)
		}
	})
}

func twins[E Elem](t *testing.T, f *Field[E], next func() uint64) {
	x, y := element(f, next), element(f, next)
	want := plainMul(f, &x, &y)
	square := plainMul(f, &x, &x)
	for _, f := range []*Field[E]{f, Generic(f)} {
		var z E
		if f.Mul(&z, &x, &y); z != want {
			t.Fatalf("%s: %x * %x = %x, want %x", f.name, x, y, z, want)
		}
		if f.MulCT(&z, &x, &y); z != want {
			t.Fatalf("%s ct: %x * %x = %x, want %x", f.name, x, y, z, want)
		}
		if f.Sqr(&z, &x); z != square {
			t.Fatalf("%s: %x² = %x, want %x", f.name, x, z, square)
		}
		if f.SqrN(&z, &x, 1); z != square {
			t.Fatalf("%s: SqrN", f.name)
		}
	}
	comparePrograms(t, f, next)
}

func TestClmul(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 300 {
		x, y := r.Uint64(), r.Uint64()
		if i == 0 {
			x, y = 1<<64-1, 1<<64-1
		}
		var hi, lo uint64
		for j := range 64 {
			if x>>j&1 == 1 {
				lo ^= y << j
				hi ^= y >> (64 - j)
			}
		}
		if h, l := clmul(x, y); h != hi || l != lo {
			t.Fatalf("%x * %x = %x %x, want %x %x", x, y, h, l, hi, lo)
		}
	}
}

func BenchmarkField(b *testing.B) {
	f5, f7 := small[257], large[431]
	benchField(b, f5)
	benchField(b, Generic(f5))
	more5, more7 := otherCodes()
	for _, f := range more5 {
		benchField(b, f)
	}
	for _, f := range more7 {
		benchField(b, f)
	}
	benchField(b, f7)
	benchField(b, Generic(f7))
}

func benchField[E Elem](b *testing.B, f *Field[E]) {
	all := samples(f, 4)
	x, y := all[4], all[6]
	p, q := Point[E]{all[4], all[6], all[8]}, Affine[E]{all[8], all[10]}
	var s Scratch[E]
	run := func(name string, op func()) {
		b.Run(fmt.Sprintf("%d/%s/%s", f.m, f.name, name), func(b *testing.B) {
			var before, after syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			for b.Loop() {
				op()
			}
			syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			ns := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(ns)/float64(b.N), "cpu-ns/op") // the machine may be busy
		})
	}
	run("mul", func() { f.Mul(&x, &x, &y) })
	run("mulct", func() { f.MulCT(&x, &x, &y) })
	run("sqr", func() { f.Sqr(&x, &x) })
	run("sqrn64", func() { f.SqrN(&x, &x, 64) })
	run("invert", func() { f.Invert(&x, &x) })
	run("invertct", func() { f.InvertCT(&x, &x) })
	run("halftrace", func() { f.HalfTrace(&x, &x) })
	run("double", func() { f.Double(&p, f.doubleA, &s) })
	run("addmixed", func() { f.AddMixed(&p, &q, &s) })
	run("step", func() { f.Step(&p[0], &p[1], &p[2], &x, &y, &q[0], &s) })
}
