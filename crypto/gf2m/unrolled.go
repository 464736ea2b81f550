package gf2m

// The two fields in use, m = 257 and m = 431, unrolled.

// mul257 multiplies by a comb with windows of four bits; the bits z^256 of the
// operands are multiplied apart.
func mul257(z, x, y *E5) {
	var t [16][5]uint64
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]
	t[1] = [5]uint64{y0, y1, y2, y3}
	for i := 2; i < 16; i += 2 {
		r := &t[(i/2)&15]
		d0, d1, d2, d3, d4 := r[0]<<1, r[1]<<1|r[0]>>63, r[2]<<1|r[1]>>63, r[3]<<1|r[2]>>63, r[4]<<1|r[3]>>63
		t[i&15] = [5]uint64{d0, d1, d2, d3, d4}
		t[(i+1)&15] = [5]uint64{d0 ^ y0, d1 ^ y1, d2 ^ y2, d3 ^ y3, d4}
	}
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	var c0, c1, c2, c3, c4, c5, c6, c7 uint64
	for s := 60; ; s -= 4 {
		r := &t[x0>>(uint(s)&63)&15]
		c0 ^= r[0]
		c1 ^= r[1]
		c2 ^= r[2]
		c3 ^= r[3]
		c4 ^= r[4]
		r = &t[x1>>(uint(s)&63)&15]
		c1 ^= r[0]
		c2 ^= r[1]
		c3 ^= r[2]
		c4 ^= r[3]
		c5 ^= r[4]
		r = &t[x2>>(uint(s)&63)&15]
		c2 ^= r[0]
		c3 ^= r[1]
		c4 ^= r[2]
		c5 ^= r[3]
		c6 ^= r[4]
		r = &t[x3>>(uint(s)&63)&15]
		c3 ^= r[0]
		c4 ^= r[1]
		c5 ^= r[2]
		c6 ^= r[3]
		c7 ^= r[4]
		if s == 0 {
			break
		}
		c7 = c7<<4 | c6>>60
		c6 = c6<<4 | c5>>60
		c5 = c5<<4 | c4>>60
		c4 = c4<<4 | c3>>60
		c3 = c3<<4 | c2>>60
		c2 = c2<<4 | c1>>60
		c1 = c1<<4 | c0>>60
		c0 <<= 4
	}
	mx, my := -x[4], -y[4]
	c4 ^= mx&y0 ^ my&x0
	c5 ^= mx&y1 ^ my&x1
	c6 ^= mx&y2 ^ my&x2
	c7 ^= mx&y3 ^ my&x3
	reduce257(z, c0, c1, c2, c3, c4, c5, c6, c7, x[4]&y[4])
}

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

func mul431(z, x, y *E7) {
	var t [16][7]uint64 // 431 + 3 bits
	t[1] = *y
	for i := 2; i < 16; i += 2 {
		r, d, e := &t[(i/2)&15], &t[i&15], &t[(i+1)&15]
		d[0] = r[0] << 1
		e[0] = d[0] ^ y[0]
		d[1] = r[1]<<1 | r[0]>>63
		e[1] = d[1] ^ y[1]
		d[2] = r[2]<<1 | r[1]>>63
		e[2] = d[2] ^ y[2]
		d[3] = r[3]<<1 | r[2]>>63
		e[3] = d[3] ^ y[3]
		d[4] = r[4]<<1 | r[3]>>63
		e[4] = d[4] ^ y[4]
		d[5] = r[5]<<1 | r[4]>>63
		e[5] = d[5] ^ y[5]
		d[6] = r[6]<<1 | r[5]>>63
		e[6] = d[6] ^ y[6]
	}
	var c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13 uint64
	for s := 60; ; s -= 4 {
		r := &t[x[0]>>(uint(s)&63)&15]
		c0 ^= r[0]
		c1 ^= r[1]
		c2 ^= r[2]
		c3 ^= r[3]
		c4 ^= r[4]
		c5 ^= r[5]
		c6 ^= r[6]
		r = &t[x[1]>>(uint(s)&63)&15]
		c1 ^= r[0]
		c2 ^= r[1]
		c3 ^= r[2]
		c4 ^= r[3]
		c5 ^= r[4]
		c6 ^= r[5]
		c7 ^= r[6]
		r = &t[x[2]>>(uint(s)&63)&15]
		c2 ^= r[0]
		c3 ^= r[1]
		c4 ^= r[2]
		c5 ^= r[3]
		c6 ^= r[4]
		c7 ^= r[5]
		c8 ^= r[6]
		r = &t[x[3]>>(uint(s)&63)&15]
		c3 ^= r[0]
		c4 ^= r[1]
		c5 ^= r[2]
		c6 ^= r[3]
		c7 ^= r[4]
		c8 ^= r[5]
		c9 ^= r[6]
		r = &t[x[4]>>(uint(s)&63)&15]
		c4 ^= r[0]
		c5 ^= r[1]
		c6 ^= r[2]
		c7 ^= r[3]
		c8 ^= r[4]
		c9 ^= r[5]
		c10 ^= r[6]
		r = &t[x[5]>>(uint(s)&63)&15]
		c5 ^= r[0]
		c6 ^= r[1]
		c7 ^= r[2]
		c8 ^= r[3]
		c9 ^= r[4]
		c10 ^= r[5]
		c11 ^= r[6]
		r = &t[x[6]>>(uint(s)&63)&15]
		c6 ^= r[0]
		c7 ^= r[1]
		c8 ^= r[2]
		c9 ^= r[3]
		c10 ^= r[4]
		c11 ^= r[5]
		c12 ^= r[6]
		if s == 0 {
			break
		}
		c13 = c13<<4 | c12>>60
		c12 = c12<<4 | c11>>60
		c11 = c11<<4 | c10>>60
		c10 = c10<<4 | c9>>60
		c9 = c9<<4 | c8>>60
		c8 = c8<<4 | c7>>60
		c7 = c7<<4 | c6>>60
		c6 = c6<<4 | c5>>60
		c5 = c5<<4 | c4>>60
		c4 = c4<<4 | c3>>60
		c3 = c3<<4 | c2>>60
		c2 = c2<<4 | c1>>60
		c1 = c1<<4 | c0>>60
		c0 <<= 4
	}
	reduce431(z, &[14]uint64{c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13})
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
