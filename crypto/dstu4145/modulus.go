package dstu4145

import "math/bits"

// modulus is arithmetic modulo the order of a base point in constant time: the
// number of words is public, nothing else steers it.
type modulus struct {
	n    words
	bits int
	w    int    // words of n
	inv  uint64 // -1/n mod 2^64
	rr   words  // 2^(128w) mod n
}

func newModulus(n words) modulus {
	m := modulus{n: n, bits: n.len()}
	m.w = (m.bits + 63) / 64
	m.inv = 1
	for range 6 { // Newton: each step doubles the number of right bits
		m.inv *= 2 - n[0]*m.inv
	}
	m.inv = -m.inv
	m.rr[0] = 1
	for range 128 * m.w {
		m.rr = m.add(&m.rr, &m.rr)
	}
	return m
}

// less is 1 if a < b, else 0.
func (m *modulus) less(a, b *words) uint64 {
	var borrow uint64
	for i := range m.w {
		_, borrow = bits.Sub64(a[i], b[i], borrow)
	}
	return borrow
}

// inRange tells 0 < a < n. It is for numbers with no words above n's; others are
// out of range too. Only the answer leaks.
func (m *modulus) inRange(a *words) bool {
	var or, above uint64
	for i, v := range a {
		or |= v
		if i >= m.w {
			above |= v
		}
	}
	return or != 0 && above == 0 && m.less(a, &m.n) == 1
}

// reduce gives a, or a - n if that is not negative; over is the word above a.
func (m *modulus) reduce(a *words, over uint64) words {
	var d words
	var borrow uint64
	for i := range m.w {
		d[i], borrow = bits.Sub64(a[i], m.n[i], borrow)
	}
	_, borrow = bits.Sub64(over, 0, borrow)
	keep := -borrow // a < n
	for i := range m.w {
		d[i] = d[i]&^keep | a[i]&keep
	}
	return d
}

// add gives a + b mod n for a, b < n.
func (m *modulus) add(a, b *words) words {
	var s words
	var carry uint64
	for i := range m.w {
		s[i], carry = bits.Add64(a[i], b[i], carry)
	}
	return m.reduce(&s, carry)
}

// mul gives a·b mod n for a, b < n.
func (m *modulus) mul(a, b *words) words {
	t := m.montgomery(a, &m.rr)
	return m.montgomery(&t, b)
}

// montgomery gives a·b/2^(64w) mod n; b < n, a any number of w words.
func (m *modulus) montgomery(a, b *words) words {
	var t [len(a) + 2]uint64
	for i := range m.w {
		var carry, c uint64
		for j := range m.w {
			hi, lo := bits.Mul64(a[i], b[j])
			lo, c = bits.Add64(lo, t[j], 0)
			hi += c
			t[j], c = bits.Add64(lo, carry, 0)
			carry = hi + c
		}
		t[m.w], c = bits.Add64(t[m.w], carry, 0)
		t[m.w+1] = c

		q := t[0] * m.inv
		hi, lo := bits.Mul64(q, m.n[0])
		_, c = bits.Add64(lo, t[0], 0)
		carry = hi + c
		for j := 1; j < m.w; j++ {
			hi, lo = bits.Mul64(q, m.n[j])
			lo, c = bits.Add64(lo, t[j], 0)
			hi += c
			t[j-1], c = bits.Add64(lo, carry, 0)
			carry = hi + c
		}
		t[m.w-1], c = bits.Add64(t[m.w], carry, 0)
		t[m.w] = t[m.w+1] + c
	}
	var r words
	copy(r[:m.w], t[:m.w])
	return m.reduce(&r, t[m.w])
}

// ladder gives k + n or k + 2n, whichever has exactly one bit more than n, so that
// a ladder over it takes the same number of steps for every k, 0 < k < n.
func (m *modulus) ladder(k *words) words {
	var a, b words
	var carry uint64
	for i := range a {
		a[i], carry = bits.Add64(k[i], m.n[i], carry)
	}
	carry = 0
	for i := range b {
		b[i], carry = bits.Add64(a[i], m.n[i], carry)
	}
	keep := -a.bit(m.bits)
	for i := range a {
		a[i] = a[i]&keep | b[i]&^keep
	}
	return a
}

// recode writes k in digits of w bits between -2^(w-1) and 2^(w-1), lowest first.
func (m *modulus) recode(digits []int16, k *words, w int) []int16 {
	carry := 0
	digits = digits[:0]
	for i := 0; i <= m.bits; i += w {
		d := int(k.window(i, w)) + carry
		carry = 0
		if d > 1<<(w-1) {
			d -= 1 << w
			carry = 1
		}
		digits = append(digits, int16(d))
	}
	return digits
}

// naf writes k in non-adjacent form of width w: digits are zero or odd and below
// 2^(w-1) in size, of w neighbours at most one is not zero.
func (m *modulus) naf(digits []int16, k *words, w int) []int16 {
	digits = digits[:m.bits+1]
	clear(digits)
	carry := uint64(0)
	for i := 0; i <= m.bits; {
		if k.bit(i) == carry {
			i++
			continue
		}
		d := int(k.window(i, w) + carry)
		carry = uint64(d >> (w - 1) & 1)
		d -= int(carry) << w
		digits[i] = int16(d)
		i += w
	}
	return digits
}

// window gives w bits at i.
func (k *words) window(i, w int) uint64 {
	at, s := i/64, uint(i)%64
	if at >= len(k) {
		return 0
	}
	v := k[at] >> s
	if at+1 < len(k) {
		v |= k[at+1] << (64 - s)
	}
	return v & (1<<w - 1)
}
