package gf2m

import "math/bits"

// mulAny multiplies by the comb of López and Dahab with windows of four bits.
func mulAny[E Elem](f *shape, z, x, y *E) {
	w := f.words
	var t [16][8]uint64
	for i := range w {
		t[1][i] = (*y)[i]
	}
	for i := 2; i < 16; i += 2 {
		var carry uint64
		for j := 0; j <= w; j++ {
			v := t[i/2][j]
			t[i][j] = v<<1 | carry
			carry = v >> 63
			t[i+1][j] = t[i][j] ^ t[1][j]
		}
	}
	var c [16]uint64
	for s := 60; s >= 0; s -= 4 {
		for i := range w {
			row := &t[(*x)[i]>>s&15]
			for j := 0; j <= w; j++ {
				c[(i+j)&15] ^= row[j&7]
			}
		}
		if s > 0 {
			for j := 2*w - 1; j > 0; j-- {
				c[j&15] = c[j&15]<<4 | c[(j-1)&15]>>60
			}
			c[0] <<= 4
		}
	}
	reduceAny(f, z, &c)
}

// reduceAny reduces a product of 2·words words. m - k[0] is above 64 in every
// field, so that a word folds into words below it.
func reduceAny[E Elem](f *shape, z *E, c *[16]uint64) {
	for i := 2*f.words - 1; i >= f.words; i-- {
		t := c[i]
		c[i] = 0
		fold(f, c, 64*i-f.m, t)
	}
	last := f.words - 1
	over := uint(f.m) % 64
	t := c[last] >> over
	c[last] &= 1<<over - 1
	fold(f, c, 0, t)
	var r E
	for i := range f.words {
		r[i] = c[i]
	}
	*z = r
}

func fold(f *shape, c *[16]uint64, at int, t uint64) {
	place := func(at int) {
		i, s := at/64, uint(at)%64
		c[i] ^= t << s
		c[i+1] ^= t >> (64 - s) // nothing for s = 0
	}
	place(at)
	for i := range f.terms {
		place(at + f.k[i])
	}
}

// spread puts a 0 above each of the bits.
func spread(x uint32) uint64 {
	v := uint64(x)
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & 0x0f0f0f0f0f0f0f0f
	v = (v | v<<2) & 0x3333333333333333
	return (v | v<<1) & 0x5555555555555555
}

func sqrAny[E Elem](f *shape, z, x *E) {
	var c [16]uint64
	for i := range f.words {
		c[2*i] = spread(uint32((*x)[i]))
		c[2*i+1] = spread(uint32((*x)[i] >> 32))
	}
	reduceAny(f, z, &c)
}

// mulAnyCT multiplies in constant time.
func mulAnyCT[E Elem](f *shape, z, x, y *E) {
	w := f.words
	var a, b [7]uint64
	for i := range w {
		a[i], b[i] = (*x)[i], (*y)[i]
	}
	var c [16]uint64
	karatsuba(c[:2*w], a[:w], b[:w])
	reduceAny(f, z, &c)
}

// karatsuba sets c to a·b; len(a) = len(b) <= 7 and len(c) is twice that.
func karatsuba(c, a, b []uint64) {
	n := len(a)
	if n == 1 {
		c[1], c[0] = clmul(a[0], b[0])
		return
	}
	lo := (n + 1) / 2
	hi := n - lo
	var sa, sb [4]uint64
	var mid [8]uint64
	copy(sa[:], a[:lo])
	copy(sb[:], b[:lo])
	for i := range hi {
		sa[i] ^= a[lo+i]
		sb[i] ^= b[lo+i]
	}
	karatsuba(c[:2*lo], a[:lo], b[:lo])
	karatsuba(c[2*lo:], a[lo:], b[lo:])
	karatsuba(mid[:2*lo], sa[:lo], sb[:lo])
	for i := range 2 * lo {
		mid[i] ^= c[i]
	}
	for i := range 2 * hi {
		mid[i] ^= c[2*lo+i]
	}
	for i := range 2 * lo {
		if lo+i < len(c) { // above is nothing but zeros
			c[lo+i] ^= mid[i]
		}
	}
}

// clmul is the carry-less product of two words in constant time, by ordinary
// multiplication of words with holes: every fourth bit is kept, so that a column
// sums at most 15 ones and does not carry into the next one. That asks for at
// most fifteen bits in one operand of each product: the four top bits of x are
// multiplied apart.
func clmul(x, y uint64) (hi, lo uint64) {
	const m0 = 0x1111111111111111
	const m1, m2, m3 = m0 << 1, m0 << 2, m0 << 3
	const low = 1<<60 - 1
	x0, x1, x2, x3 := x&(m0&low), x&(m1&low), x&(m2&low), x&(m3&low)
	y0, y1, y2, y3 := y&m0, y&m1, y&m2, y&m3

	h0, l0 := bits.Mul64(x0, y0)
	h1, l1 := bits.Mul64(x1, y3)
	h2, l2 := bits.Mul64(x2, y2)
	h3, l3 := bits.Mul64(x3, y1)
	hi = (h0 ^ h1 ^ h2 ^ h3) & m0
	lo = (l0 ^ l1 ^ l2 ^ l3) & m0

	h0, l0 = bits.Mul64(x0, y1)
	h1, l1 = bits.Mul64(x1, y0)
	h2, l2 = bits.Mul64(x2, y3)
	h3, l3 = bits.Mul64(x3, y2)
	hi |= (h0 ^ h1 ^ h2 ^ h3) & m1
	lo |= (l0 ^ l1 ^ l2 ^ l3) & m1

	h0, l0 = bits.Mul64(x0, y2)
	h1, l1 = bits.Mul64(x1, y1)
	h2, l2 = bits.Mul64(x2, y0)
	h3, l3 = bits.Mul64(x3, y3)
	hi |= (h0 ^ h1 ^ h2 ^ h3) & m2
	lo |= (l0 ^ l1 ^ l2 ^ l3) & m2

	h0, l0 = bits.Mul64(x0, y3)
	h1, l1 = bits.Mul64(x1, y2)
	h2, l2 = bits.Mul64(x2, y1)
	h3, l3 = bits.Mul64(x3, y0)
	hi |= (h0 ^ h1 ^ h2 ^ h3) & m3
	lo |= (l0 ^ l1 ^ l2 ^ l3) & m3

	t0, t1, t2, t3 := -(x >> 60 & 1), -(x >> 61 & 1), -(x >> 62 & 1), -(x >> 63)
	lo ^= y<<60&t0 ^ y<<61&t1 ^ y<<62&t2 ^ y<<63&t3
	hi ^= y>>4&t0 ^ y>>3&t1 ^ y>>2&t2 ^ y>>1&t3
	return hi, lo
}
