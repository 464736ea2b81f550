package gf2m

import (
	"fmt"
	"math/bits"
	"sync"
)

// Elem is an element: words, least significant first.
type Elem interface{ [5]uint64 | [7]uint64 }

// E5 is an element of a field with m <= 257, E7 of a larger one.
type (
	E5 = [5]uint64
	E7 = [7]uint64
)

// shape is the reduction polynomial z^m + z^k[2] + z^k[1] + z^k[0] + 1; for a
// trinomial k[0] and k[1] are 0 and terms is 1.
type shape struct {
	m     int
	k     [3]int // descending
	terms int
	words int // words an element of this field fills
}

func newShape(m int, k ...int) shape {
	s := shape{m: m, terms: len(k), words: (m + 63) / 64}
	copy(s.k[:], k)
	return s
}

// Field is one of the ten fields. It is safe for concurrent use.
type Field[E Elem] struct {
	shape
	mul, mulCT func(z, x, y *E)
	sqr        func(z, x *E)
	sqrN       func(z, x *E, n int)
	// double and addMixed are Double for curves with a = doubleA and AddMixed as
	// one piece of assembly; nil where there is none.
	double   func(p *Point[E])
	addMixed func(p *Point[E], q *Affine[E]) bool
	step     func(x1, z1, x2, z2, x, c *E)
	doubleA  int
	name     string

	once   sync.Once
	trace  E          // bit i is Tr(z^i)
	half   linear[E]  // half-trace
	powers []power[E] // x^(2^n) for the long steps of Invert
}

type power[E Elem] struct {
	n int
	t linear[E]
}

// M is the degree.
func (f *Field[E]) M() int { return f.m }

// Bytes is the length of an element in octets.
func (f *Field[E]) Bytes() int { return (f.m + 7) / 8 }

// Implementation names the code that multiplies: "generic", "pclmulqdq", "pmull".
func (f *Field[E]) Implementation() string { return f.name }

var (
	f257 = newShape(257, 12)
	f431 = newShape(431, 5, 3, 1)

	small = map[int]*Field[E5]{
		163: anyField[E5](newShape(163, 7, 6, 3)),
		167: anyField[E5](newShape(167, 6)),
		173: anyField[E5](newShape(173, 10, 2, 1)),
		179: anyField[E5](newShape(179, 4, 2, 1)),
		191: anyField[E5](newShape(191, 9)),
		233: anyField[E5](newShape(233, 9, 4, 1)),
		257: fast257(generic257()),
	}
	large = map[int]*Field[E7]{
		307: anyField[E7](newShape(307, 8, 4, 2)),
		367: anyField[E7](newShape(367, 21)),
		431: fast431(generic431()),
	}
)

// Small gives the field of degree m <= 257, or an error if it is not one of ours.
func Small(m int) (*Field[E5], error) {
	if f := small[m]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("field of degree %d: not one of DSTU 4145", m)
}

// Large gives the field of degree m > 257.
func Large(m int) (*Field[E7], error) {
	if f := large[m]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("field of degree %d: not one of DSTU 4145", m)
}

// Generic gives a field like f whose code uses no assembly, for tests and for
// measurements.
func Generic[E Elem](f *Field[E]) *Field[E] {
	switch f := any(f).(type) {
	case *Field[E5]:
		if f.m == 257 {
			return any(generic257()).(*Field[E])
		}
	case *Field[E7]:
		if f.m == 431 {
			return any(generic431()).(*Field[E])
		}
	}
	return anyField[E](f.shape)
}

func anyField[E Elem](s shape) *Field[E] {
	f := &Field[E]{shape: s, name: "generic"}
	f.mul = func(z, x, y *E) { mulAny(&f.shape, z, x, y) }
	f.mulCT = func(z, x, y *E) { mulAnyCT(&f.shape, z, x, y) }
	f.sqr = func(z, x *E) { sqrAny(&f.shape, z, x) }
	f.sqrN = func(z, x *E, n int) {
		*z = *x
		for range n {
			sqrAny(&f.shape, z, z)
		}
	}
	return f
}

func generic257() *Field[E5] {
	f := anyField[E5](f257)
	f.mul, f.mulCT, f.sqr = mul257, mul257, sqr257
	f.sqrN = func(z, x *E5, n int) {
		*z = *x
		for range n {
			sqr257(z, z)
		}
	}
	return f
}

func generic431() *Field[E7] {
	f := anyField[E7](f431)
	f.mul, f.mulCT, f.sqr = mul431, mul431, sqr431
	f.sqrN = func(z, x *E7, n int) {
		*z = *x
		for range n {
			sqr431(z, z)
		}
	}
	return f
}

// Mul sets z to x·y; its time may depend on the operands.
func (f *Field[E]) Mul(z, x, y *E) { f.mul(z, x, y) }

// MulCT sets z to x·y in constant time.
func (f *Field[E]) MulCT(z, x, y *E) { f.mulCT(z, x, y) }

// Sqr sets z to x² in constant time.
func (f *Field[E]) Sqr(z, x *E) { f.sqr(z, x) }

// SqrN sets z to x^(2^n) in constant time (n is public).
func (f *Field[E]) SqrN(z, x *E, n int) { f.sqrN(z, x, n) }

// Add sets z to x + y.
func Add[E Elem](z, x, y *E) {
	for i := range len(*z) {
		(*z)[i] = (*x)[i] ^ (*y)[i]
	}
}

// Zero tells whether x is 0, in constant time up to the answer.
func Zero[E Elem](x *E) bool {
	var or uint64
	for i := range len(*x) {
		or |= (*x)[i]
	}
	return or == 0
}

// Swap exchanges x and y if on is 1 and leaves them if it is 0, in constant time.
func Swap[E Elem](on uint64, x, y *E) {
	mask := -on
	for i := range len(*x) {
		t := mask & ((*x)[i] ^ (*y)[i])
		(*x)[i] ^= t
		(*y)[i] ^= t
	}
}

// Reduced tells whether x has no bit at m or above.
func (f *Field[E]) Reduced(x *E) bool {
	over := (*x)[f.words-1] >> (uint(f.m) % 64)
	for i := f.words; i < len(*x); i++ {
		over |= (*x)[i]
	}
	return over == 0
}

// Trace gives Tr(x), 0 or 1, in constant time.
func (f *Field[E]) Trace(x *E) int {
	f.once.Do(f.prepare)
	var t uint64
	for i := range len(*x) {
		t ^= (*x)[i] & f.trace[i]
	}
	return bits.OnesCount64(t) & 1
}

// HalfTrace sets z to the half-trace of x, Σ x^(4^i) for i from 0 to (m-1)/2: if
// Tr(x) is 0 then z² + z = x. Variable time.
func (f *Field[E]) HalfTrace(z, x *E) {
	f.once.Do(f.prepare)
	f.half.apply(z, x)
}

// prepare makes the tables of the field.
func (f *Field[E]) prepare() {
	var basis [7 * 64]E
	for i := range f.m {
		var x, h, s E
		x[i/64] = 1 << (i % 64)
		h, s = x, x
		for range (f.m - 1) / 2 {
			f.sqrN(&s, &s, 2)
			Add(&h, &h, &s)
		}
		basis[i] = h
		// HT(x)² + HT(x) = x + Tr(x).
		f.sqr(&s, &h)
		f.trace[i/64] |= (s[0] ^ h[0] ^ x[0]) & 1 << (i % 64)
	}
	f.half = newLinear(basis[:f.m])
	for _, n := range f.chain() {
		if n < longStep {
			continue
		}
		for i := range f.m {
			var x E
			x[i/64] = 1 << (i % 64)
			f.sqrN(&basis[i], &x, n)
		}
		f.powers = append(f.powers, power[E]{n, newLinear(basis[:f.m])})
	}
}

// linear is a linear map as tables by four bits of the argument.
type linear[E Elem] [][16]E

// newLinear makes the map that takes z^i to images[i].
func newLinear[E Elem](images []E) linear[E] {
	l := make(linear[E], (len(images)+3)/4)
	for i := range l {
		for j := 1; j < 16; j++ {
			bit := bits.TrailingZeros(uint(j))
			l[i][j] = l[i][j&(j-1)]
			if 4*i+bit < len(images) {
				Add(&l[i][j], &l[i][j], &images[4*i+bit])
			}
		}
	}
	return l
}
