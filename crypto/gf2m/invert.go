package gf2m

import "math/bits"

// longStep is from how many squarings in a row a table is quicker.
const longStep = 24

// chain gives the lengths of the runs of squarings in Itoh and Tsujii's
// inversion: with β(k) = x^(2^k-1), β(2k) = β(k)^(2^k)·β(k).
func (f *shape) chain() []int {
	var steps []int
	k := 1
	for i := bits.Len(uint(f.m-1)) - 2; i >= 0; i-- {
		steps = append(steps, k)
		k = 2*k + (f.m-1)>>i&1
	}
	return steps
}

// Invert sets z to 1/x, or to 0 if x is 0. Variable time.
func (f *Field[E]) Invert(z, x *E) {
	f.once.Do(f.prepare)
	f.invert(z, x, f.mul, func(z, x *E, n int) {
		for i := range f.powers {
			if f.powers[i].n == n {
				f.powers[i].t.apply(z, x)
				return
			}
		}
		f.sqrN(z, x, n)
	})
}

// InvertCT sets z to 1/x, or to 0 if x is 0, in constant time.
func (f *Field[E]) InvertCT(z, x *E) { f.invert(z, x, f.mulCT, f.sqrN) }

func (f *Field[E]) invert(z, x *E, mul func(z, x, y *E), sqrN func(z, x *E, n int)) {
	in, beta := *x, *x // β(1)
	var t E
	k := 1
	for i := bits.Len(uint(f.m-1)) - 2; i >= 0; i-- {
		sqrN(&t, &beta, k)
		mul(&beta, &beta, &t)
		k *= 2
		if (f.m-1)>>i&1 == 1 {
			f.sqr(&beta, &beta)
			mul(&beta, &beta, &in)
			k++
		}
	}
	f.sqr(z, &beta) // x^(2^m-2)
}

// InvertAll inverts each of the elements (none may be 0), by Montgomery's trick.
// scratch is as long as elems. Variable time.
func (f *Field[E]) InvertAll(elems, scratch []E) {
	if len(elems) == 0 {
		return
	}
	scratch[0] = elems[0]
	for i := 1; i < len(elems); i++ {
		f.mul(&scratch[i], &scratch[i-1], &elems[i])
	}
	inv := &scratch[len(elems)-1]
	f.Invert(inv, inv)
	for i := len(elems) - 1; i > 0; i-- {
		// scratch[i] = 1/(e0…ei), scratch[i-1] = e0…e(i-1).
		prefix := scratch[i-1]
		f.mul(&scratch[i-1], &scratch[i], &elems[i])
		f.mul(&elems[i], &scratch[i], &prefix)
	}
	elems[0] = scratch[0]
}
