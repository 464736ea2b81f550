package gf2m

// The two fields in use, m = 257 and m = 431, unrolled.

// reduce257 reduces a product modulo z^257 + z^12 + 1: what lies at z^257 and
// above, d, is added at 1 and at z^12, and of that again what passes z^257.
func reduce257(z *E5, c0, c1, c2, c3, c4, c5, c6, c7, c8 uint64) {
	d0 := c4>>1 | c5<<63
	d1 := c5>>1 | c6<<63
	d2 := c6>>1 | c7<<63
	d3 := c7>>1 | c8<<63
	e := d3 >> 53
	z[0] = c0 ^ d0 ^ d0<<12 ^ e ^ e<<12
	z[1] = c1 ^ d1 ^ d1<<12 ^ d0>>52
	z[2] = c2 ^ d2 ^ d2<<12 ^ d1>>52
	z[3] = c3 ^ d3 ^ d3<<12 ^ d2>>52
	z[4] = (c4 ^ d3>>52) & 1
}

func sqr257(z, x *E5) {
	reduce257(
		z,
		spread(uint32(x[0])), spread(uint32(x[0]>>32)),
		spread(uint32(x[1])), spread(uint32(x[1]>>32)),
		spread(uint32(x[2])), spread(uint32(x[2]>>32)),
		spread(uint32(x[3])), spread(uint32(x[3]>>32)),
		x[4],
	)
}

// mul431 multiplies in constant time: Karatsuba over four words and three.
func mul431(z, x, y *E7) {
	l := clmul4(x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
	m := clmul4(x[0]^x[4], x[1]^x[5], x[2]^x[6], x[3], y[0]^y[4], y[1]^y[5], y[2]^y[6], y[3])
	h := clmul3(x[4], x[5], x[6], y[4], y[5], y[6])
	reduce431(z, &[14]uint64{
		l[0], l[1], l[2], l[3],
		l[4] ^ m[0] ^ l[0] ^ h[0],
		l[5] ^ m[1] ^ l[1] ^ h[1],
		l[6] ^ m[2] ^ l[2] ^ h[2],
		l[7] ^ m[3] ^ l[3] ^ h[3],
		h[0] ^ m[4] ^ l[4] ^ h[4],
		h[1] ^ m[5] ^ l[5] ^ h[5],
		h[2] ^ m[6] ^ l[6],
		h[3] ^ m[7] ^ l[7],
		h[4], h[5],
	})
}

func clmul4(x0, x1, x2, x3, y0, y1, y2, y3 uint64) [8]uint64 {
	l3, l2, l1, l0 := clmul2(x1, x0, y1, y0)
	h3, h2, h1, h0 := clmul2(x3, x2, y3, y2)
	m3, m2, m1, m0 := clmul2(x1^x3, x0^x2, y1^y3, y0^y2)
	return [8]uint64{
		l0, l1,
		l2 ^ m0 ^ l0 ^ h0,
		l3 ^ m1 ^ l1 ^ h1,
		h0 ^ m2 ^ l2 ^ h2,
		h1 ^ m3 ^ l3 ^ h3,
		h2, h3,
	}
}

func clmul3(x0, x1, x2, y0, y1, y2 uint64) [6]uint64 {
	a1, a0 := clmul(x0, y0)
	b1, b0 := clmul(x1, y1)
	c1, c0 := clmul(x2, y2)
	d1, d0 := clmul(x0^x1, y0^y1)
	e1, e0 := clmul(x0^x2, y0^y2)
	f1, f0 := clmul(x1^x2, y1^y2)
	d0, d1 = d0^a0^b0, d1^a1^b1
	e0, e1 = e0^a0^c0^b0, e1^a1^c1^b1
	f0, f1 = f0^b0^c0, f1^b1^c1
	return [6]uint64{a0, a1 ^ d0, d1 ^ e0, e1 ^ f0, f1 ^ c0, c1}
}

// reduce431 reduces a product modulo z^431 + z^5 + z^3 + z + 1.
func reduce431(z *E7, c *[14]uint64) {
	var h [7]uint64
	for i := range 6 {
		h[i] = c[6+i]>>47 | c[7+i]<<17
	}
	h[6] = c[12]>>47 | c[13]<<17
	var u [7]uint64
	u[0] = h[0] ^ h[0]<<1 ^ h[0]<<3 ^ h[0]<<5
	for i := 1; i < 7; i++ {
		u[i] = h[i] ^ (h[i]<<1 | h[i-1]>>63) ^ (h[i]<<3 | h[i-1]>>61) ^ (h[i]<<5 | h[i-1]>>59)
	}
	last := c[6]&(1<<47-1) ^ u[6]
	t := last >> 47
	z[0] = c[0] ^ u[0] ^ t ^ t<<1 ^ t<<3 ^ t<<5
	z[1] = c[1] ^ u[1]
	z[2] = c[2] ^ u[2]
	z[3] = c[3] ^ u[3]
	z[4] = c[4] ^ u[4]
	z[5] = c[5] ^ u[5]
	z[6] = last & (1<<47 - 1)
}

func sqr431(z, x *E7) {
	var c [14]uint64
	for i := range 7 {
		c[2*i] = spread(uint32(x[i]))
		c[2*i+1] = spread(uint32(x[i] >> 32))
	}
	reduce431(z, &c)
}

// mul257 multiplies in constant time: Karatsuba over two and two words.
func mul257(z, x, y *E5) {
	x0, x1, x2, x3, y0, y1, y2, y3 := x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]
	l3, l2, l1, l0 := clmul2(x1, x0, y1, y0)
	h3, h2, h1, h0 := clmul2(x3, x2, y3, y2)
	m3, m2, m1, m0 := clmul2(x1^x3, x0^x2, y1^y3, y0^y2)
	mx, my := -x[4], -y[4]
	reduce257(
		z, l0, l1,
		l2^m0^l0^h0,
		l3^m1^l1^h1,
		h0^m2^l2^h2^mx&y0^my&x0,
		h1^m3^l3^h3^mx&y1^my&x1,
		h2^mx&y2^my&x2,
		h3^mx&y3^my&x3,
		x[4]&y[4],
	)
}

// clmul2 is the carry-less product of two words by two.
func clmul2(x1, x0, y1, y0 uint64) (c3, c2, c1, c0 uint64) {
	l1, l0 := clmul(x0, y0)
	h1, h0 := clmul(x1, y1)
	m1, m0 := clmul(x0^x1, y0^y1)
	return h1, h0 ^ m1 ^ l1 ^ h1, l1 ^ m0 ^ l0 ^ h0, l0
}
