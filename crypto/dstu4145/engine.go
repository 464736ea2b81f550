package dstu4145

import (
	"fmt"
	"sync"

	"github.com/brama-gateway/brama/crypto/gf2m"
)

// engine is the arithmetic of one curve. Points and scalars pass it as words; what
// is inside depends on the size of the field.
type engine interface {
	// decode reads a compressed point, little-endian, of the right length, and
	// checks it: ErrPublicKey.
	decode(enc []byte) (point, error)
	// point checks coordinates as decode does.
	point(x, y *words) (point, error)
	// encode compresses.
	encode(p *point) []byte
	// verify computes low(h·x(sP + rQ)) = r in variable time. t is Q's table or nil.
	verify(q *point, t table, h, r, s *words) bool
	// table makes the table of Q.
	table(q *point) table
	// challenge gives h·x(kP) in constant time; blind is any element.
	challenge(k, h, blind *words) words
	// public gives -dP in constant time.
	public(d, blind *words) point
	// agree gives x(cofactor·dQ) in constant time.
	agree(d *words, q *point, blind *words) words
	// implementation names the field's code.
	implementation() string
}

// point is (x, λ), λ = x + y/x, of a point that is not infinity and has x ≠ 0.
type point struct{ x, lambda words }

// table is what an engine keeps of a point to multiply it quickly.
type table interface{ size() int }

// Widths of windows in bits, by measurement: for the digits of the base point,
// whose table is made once (of the curves in use, and of the others); for the table
// of a key; for a key without one.
const (
	baseWidth     = 8
	baseWidthRare = 5
	keyWidth      = 5
	nafWidth      = 5
)

type curve[E gf2m.Elem] struct {
	*Curve
	f    *gf2m.Field[E]
	a, b E
	c    E // √b

	base  point
	baseY E
	once  sync.Once
	fixed *comb[E] // of the base point

	pool sync.Pool // *work[E]
}

// work is the memory of one computation; the routines of gf2m are called through
// function values, so that what they point to would else be allocated each time.
type work[E gf2m.Elem] struct {
	s        gf2m.Scratch[E]
	acc, two gf2m.Point[E]
	infinite bool
	q        gf2m.Affine[E]
	odd      [1 << (nafWidth - 2)]gf2m.Point[E]
	oddA     [1 << (nafWidth - 2)]gf2m.Affine[E]
	z, zs    [1 << (nafWidth - 2)]E
	t        [8]E
	digits   [7*64 + 8]int16
	digits2  [7*64 + 8]int16
}

// comb is the table of a point B: rows[i] holds j·2^(wi)·B, j from 1 to 2^(w-1).
type comb[E gf2m.Elem] struct {
	w    int
	rows [][]gf2m.Affine[E]
}

func (t *comb[E]) size() int {
	var e E
	return len(t.rows) * (1 << (t.w - 1)) * 2 * 8 * len(e)
}

func newEngine[E gf2m.Elem](c *Curve, f *gf2m.Field[E]) engine {
	e := &curve[E]{Curve: c, f: f}
	e.a[0] = uint64(c.def.a)
	e.b = load[E](new(fromHex(c.def.b)))
	f.SqrN(&e.c, &e.b, c.def.m-1)
	e.pool.New = func() any { return new(work[E]) }
	return e
}

func load[E gf2m.Elem](w *words) (e E) {
	for i := range len(e) {
		e[i] = w[i]
	}
	return e
}

func store[E gf2m.Elem](e *E) (w words) {
	for i := range len(*e) {
		w[i] = (*e)[i]
	}
	return w
}

func (c *curve[E]) implementation() string { return c.f.Implementation() }

// prepare makes the table of the base point at the first use of the curve.
func (c *curve[E]) prepare() {
	c.once.Do(func() {
		p, err := c.decode(littleHex(c.def.bp, c.FieldBytes()))
		if err != nil {
			panic(c.Name() + ": " + err.Error()) // not reachable: the table is constant and tested
		}
		c.setBase(&p)
	})
}

func (c *curve[E]) setBase(p *point) {
	c.base = *p
	x, l := load[E](&p.x), load[E](&p.lambda)
	gf2m.Add(&l, &l, &x)
	c.f.Mul(&c.baseY, &l, &x)
	width := baseWidthRare
	if c.def.m == 257 || c.def.m == 431 && c.def.note == "" {
		width = baseWidth
	}
	c.fixed = c.comb(p, width)
}

// decode reads a compressed point (DSTU 4145, 6.10) and proves that it lies in the
// subgroup of order n.
//
// The curve has h·n points, h = 2 (a = 1) or 4 (a = 0), n an odd prime. It has one
// point of order two, T = (0, √b), so its points of even order form a cyclic group
// of order h, and Q has order n (or is infinity) exactly if Q = h·S for some S.
//
// A point Q with x ≠ 0 is twice another one exactly if Tr(x) = Tr(a): the halves
// have λ with λ² + λ = x + a. The decoding rule makes Tr(x) = a, and m is odd so
// that Tr(a) = a. For h = 2 nothing is left to prove. For h = 4 Q = 2H, and Q = 4S
// exactly if H is twice a point as well. The halves are H and H + T. T is twice a
// point of order four, so both answers are the same, and one half will do. With
// u = x(H): u² = y + (λ+1)·x = x·(z + λ + 1), z = y/x, and Tr(u) = Tr(u²), so that
// the condition is Tr(x·(z + λ + 1)) = 0.
//
// That is two linear maps and a multiplication instead of n·Q; a test compares it
// with n·Q on every curve, inside and outside of the subgroup.
func (c *curve[E]) decode(enc []byte) (point, error) {
	if len(enc) != c.FieldBytes() {
		return point{}, fmt.Errorf("public key of %d octets, not %d: %w", len(enc), c.FieldBytes(), ErrPublicKey)
	}
	x := load[E](new(fromBytes(enc)))
	if !c.f.Reduced(&x) {
		return point{}, fmt.Errorf("public key above the field: %w", ErrPublicKey)
	}
	k := x[0] & 1
	x[0] &^= 1
	if gf2m.Zero(&x) { // the point of order two; k = 1 is no encoding of anything
		return point{}, fmt.Errorf("public key with x = 0: %w", ErrPublicKey)
	}
	if c.f.Trace(&x) != c.def.a {
		x[0] |= 1
	}
	var z E
	if !c.solve(&z, &x) {
		return point{}, fmt.Errorf("public key not on the curve: %w", ErrPublicKey)
	}
	if uint64(c.f.Trace(&z)) != k {
		z[0] ^= 1
	}
	return c.checked(&x, &z)
}

// solve finds z with z² + z = x + a + b/x², so that y = xz.
func (c *curve[E]) solve(z, x *E) bool {
	var t, u E
	c.f.Invert(&t, x)
	c.f.Mul(&t, &t, &c.c)
	c.f.Sqr(&t, &t)
	gf2m.Add(&t, &t, x)
	t[0] ^= c.a[0]
	c.f.HalfTrace(z, &t)
	c.f.Sqr(&u, z)
	gf2m.Add(&u, &u, z)
	return u == t
}

// checked is the second part of decode: x ≠ 0 and z = y/x of a point on the curve.
func (c *curve[E]) checked(x, z *E) (point, error) {
	ok := c.f.Trace(x) == c.def.a
	if ok && c.twos() == 2 {
		var l, t E
		t = *x
		t[0] ^= c.a[0]
		c.f.HalfTrace(&l, &t)
		gf2m.Add(&l, &l, z)
		l[0] ^= 1
		c.f.Mul(&t, &l, x)
		ok = c.f.Trace(&t) == 0
	}
	if !ok {
		return point{}, fmt.Errorf("public key outside of the subgroup: %w", ErrPublicKey)
	}
	var l E
	gf2m.Add(&l, x, z)
	return point{store(x), store(&l)}, nil
}

func (c *curve[E]) point(xw, yw *words) (point, error) {
	x, y := load[E](xw), load[E](yw)
	if store(&x) != *xw || store(&y) != *yw || !c.f.Reduced(&x) || !c.f.Reduced(&y) {
		return point{}, fmt.Errorf("public key above the field: %w", ErrPublicKey)
	}
	if gf2m.Zero(&x) {
		return point{}, fmt.Errorf("public key with x = 0: %w", ErrPublicKey)
	}
	// y² + xy = x³ + ax² + b
	var l, r, t E
	c.f.Sqr(&l, &y)
	c.f.Mul(&t, &x, &y)
	gf2m.Add(&l, &l, &t)
	c.f.Sqr(&t, &x)
	r = x
	gf2m.Add(&r, &r, &c.a)
	c.f.Mul(&r, &r, &t)
	gf2m.Add(&r, &r, &c.b)
	if l != r {
		return point{}, fmt.Errorf("public key not on the curve: %w", ErrPublicKey)
	}
	c.f.Invert(&t, &x)
	c.f.Mul(&t, &t, &y)
	return c.checked(&x, &t)
}

// encode compresses a point (DSTU 4145, 6.9): bit 0 of x gives way to Tr(y/x).
func (c *curve[E]) encode(p *point) []byte {
	x, z := load[E](&p.x), load[E](&p.lambda)
	gf2m.Add(&z, &z, &x)
	w := p.x
	w[0] = w[0]&^1 | uint64(c.f.Trace(&z))
	return w.bytes(c.FieldBytes())
}

// add adds ±q to the accumulator, whatever the two are.
func (c *curve[E]) add(w *work[E], q *gf2m.Affine[E], minus bool) {
	if minus { // -(x, λ) = (x, λ+1)
		w.q = *q
		w.q[1][0] ^= 1
		q = &w.q
	}
	if w.infinite {
		w.acc[0], w.acc[1] = q[0], q[1]
		w.acc[2] = one[E]()
		w.infinite = false
		return
	}
	if c.f.AddMixed(&w.acc, q, &w.s) {
		return
	}
	// The same x: the same point, or its opposite.
	c.f.Mul(&w.t[0], &q[1], &w.acc[2])
	if w.t[0] == w.acc[1] {
		c.f.Double(&w.acc, c.def.a, &w.s)
		return
	}
	w.infinite = true
}

func one[E gf2m.Elem]() (e E) {
	e[0] = 1
	return e
}

// comb makes a table. All points are multiples of p below its order, so that no
// sum is exceptional but the second of a row.
func (c *curve[E]) comb(p *point, width int) *comb[E] {
	w := c.pool.Get().(*work[E])
	defer c.pool.Put(w)
	n := (c.order.bits + width) / width
	half := 1 << (width - 1)
	t := &comb[E]{w: width, rows: make([][]gf2m.Affine[E], n)}
	all := make([]gf2m.Affine[E], n*half)
	points := make([]gf2m.Point[E], max(n, half))
	zs, scratch := make([]E, len(points)), make([]E, len(points))
	affine := func(out func(i int) *gf2m.Affine[E], n int) {
		for i := range n {
			zs[i] = points[i][2]
		}
		c.f.InvertAll(zs[:n], scratch[:n])
		for i := range n {
			a := out(i)
			c.f.Mul(&a[0], &points[i][0], &zs[i])
			c.f.Mul(&a[1], &points[i][1], &zs[i])
		}
	}
	w.acc = gf2m.Point[E]{load[E](&p.x), load[E](&p.lambda), one[E]()}
	for i := range n {
		points[i] = w.acc
		if i+1 < n {
			for range width {
				c.f.Double(&w.acc, c.def.a, &w.s)
			}
		}
	}
	for i := range n {
		t.rows[i] = all[i*half : (i+1)*half : (i+1)*half]
	}
	affine(func(i int) *gf2m.Affine[E] { return &t.rows[i][0] }, n)
	for i := range n {
		row := t.rows[i]
		w.acc = gf2m.Point[E]{row[0][0], row[0][1], one[E]()}
		points[0] = w.acc
		for j := 1; j < half; j++ {
			if j == 1 {
				c.f.Double(&w.acc, c.def.a, &w.s)
			} else {
				c.f.AddMixed(&w.acc, &row[0], &w.s)
			}
			points[j] = w.acc
		}
		affine(func(j int) *gf2m.Affine[E] { return &row[j] }, half)
	}
	return t
}

func (c *curve[E]) table(q *point) table { return c.comb(q, keyWidth) }

// addComb adds k·B.
func (c *curve[E]) addComb(w *work[E], t *comb[E], k *words) {
	for i, d := range c.order.recode(w.digits[:0], k, t.w) {
		switch {
		case d > 0:
			c.add(w, &t.rows[i][d-1], false)
		case d < 0:
			c.add(w, &t.rows[i][-d-1], true)
		}
	}
}

// multiply adds k·q to an accumulator that is infinity: non-adjacent form, odd
// multiples up to 15.
func (c *curve[E]) multiply(w *work[E], q *point, k *words) {
	w.odd[0] = gf2m.Point[E]{load[E](&q.x), load[E](&q.lambda), one[E]()}
	w.oddA[0] = gf2m.Affine[E]{w.odd[0][0], w.odd[0][1]}
	w.two = w.odd[0]
	c.f.Double(&w.two, c.def.a, &w.s)
	w.odd[1] = w.two
	c.f.AddMixed(&w.odd[1], &w.oddA[0], &w.s)
	for i := 2; i < len(w.odd); i++ {
		w.odd[i] = w.odd[i-1]
		c.f.AddFull(&w.odd[i], &w.two, &w.s)
	}
	for i := 1; i < len(w.odd); i++ {
		w.z[i] = w.odd[i][2]
	}
	c.f.InvertAll(w.z[1:], w.zs[1:])
	for i := 1; i < len(w.odd); i++ {
		c.f.Mul(&w.oddA[i][0], &w.odd[i][0], &w.z[i])
		c.f.Mul(&w.oddA[i][1], &w.odd[i][1], &w.z[i])
	}
	digits := c.order.naf(w.digits2[:], k, nafWidth)
	for i := len(digits) - 1; i >= 0; i-- {
		if !w.infinite {
			c.f.Double(&w.acc, c.def.a, &w.s)
		}
		switch d := digits[i]; {
		case d > 0:
			c.add(w, &w.oddA[d>>1], false)
		case d < 0:
			c.add(w, &w.oddA[-d>>1], true)
		}
	}
}

func (c *curve[E]) verify(q *point, t table, h, r, s *words) bool {
	c.prepare()
	w := c.pool.Get().(*work[E])
	defer c.pool.Put(w)
	w.infinite = true
	if t, ok := t.(*comb[E]); ok {
		c.addComb(w, t, r)
	} else {
		c.multiply(w, q, r)
	}
	c.addComb(w, c.fixed, s)
	if w.infinite {
		return false
	}
	// With x = X/Z: h·X/Z has r for its low bits if h·X + r·Z = t·z^low·Z where t
	// has the one to three bits that were cut off. No inversion.
	low := c.order.bits - 1
	d, zt := &w.t[1], &w.t[2]
	w.t[3], w.t[4] = load[E](h), load[E](r)
	c.f.Mul(d, &w.t[3], &w.acc[0])
	c.f.Mul(zt, &w.t[4], &w.acc[2])
	gf2m.Add(d, d, zt)
	w.t[3], w.t[4] = one[E](), one[E]()
	w.t[3][0], w.t[3][low/64] = 0, 1<<(low%64)
	w.t[4][0] = 2
	c.f.Mul(zt, &w.t[3], &w.acc[2])
	return c.spanned(w, d, zt, c.def.m-low)
}

// spanned tells whether d is zt times a polynomial of n coefficients; w.t[4] is z.
func (c *curve[E]) spanned(w *work[E], d, zt *E, n int) bool {
	if n == 0 {
		return gf2m.Zero(d)
	}
	var next, sum E
	gf2m.Add(&sum, d, zt)
	c.f.Mul(&w.t[5], zt, &w.t[4])
	next = w.t[5]
	return c.spanned(w, d, &next, n-1) || c.spanned(w, &sum, &next, n-1)
}

// ladder sets (t0:t1) to x(kP) and (t2:t3) to x((k+1)P), where x(P) = x, starting
// from coordinates multiplied by blind. Constant time.
func (c *curve[E]) ladder(w *work[E], k *words, x, blind *E) {
	x1, z1, x2, z2 := &w.t[0], &w.t[1], &w.t[2], &w.t[3]
	if gf2m.Zero(blind) {
		(*blind)[0] = 1
	}
	*z1 = *blind
	c.f.MulCT(x1, x, blind)
	*x2, *z2 = *x1, *z1
	c.f.DoubleX(x2, z2, &c.c, &w.s)
	e := c.order.ladder(k)
	var last uint64
	for i := c.order.bits - 1; i >= 0; i-- {
		bit := e.bit(i)
		gf2m.Swap(bit^last, x1, x2)
		gf2m.Swap(bit^last, z1, z2)
		last = bit
		c.f.Step(x1, z1, x2, z2, x, &c.c, &w.s)
	}
	gf2m.Swap(last, x1, x2)
	gf2m.Swap(last, z1, z2)
}

// secret takes memory that is cleared afterwards.
func (c *curve[E]) secret() (w *work[E], done func()) {
	w = c.pool.Get().(*work[E])
	return w, func() {
		*w = work[E]{}
		c.pool.Put(w)
	}
}

func (c *curve[E]) challenge(k, h, blind *words) words {
	c.prepare()
	w, done := c.secret()
	defer done()
	w.t[4], w.t[5], w.t[6] = load[E](&c.base.x), c.element(blind), load[E](h)
	c.ladder(w, k, &w.t[4], &w.t[5])
	c.f.InvertCT(&w.t[1], &w.t[1])
	c.f.MulCT(&w.t[0], &w.t[0], &w.t[1])
	c.f.MulCT(&w.t[0], &w.t[0], &w.t[6])
	return store(&w.t[0])
}

// element cuts w to the field.
func (c *curve[E]) element(w *words) E {
	for i := range w {
		switch over := 64*(i+1) - c.def.m; {
		case over >= 64:
			w[i] = 0
		case over > 0:
			w[i] &= 1<<(64-over) - 1
		}
	}
	return load[E](w)
}

func (c *curve[E]) agree(d *words, q *point, blind *words) words {
	w, done := c.secret()
	defer done()
	w.t[4], w.t[5] = load[E](&q.x), c.element(blind)
	c.ladder(w, d, &w.t[4], &w.t[5])
	for range c.twos() {
		c.f.DoubleX(&w.t[0], &w.t[1], &c.c, &w.s)
	}
	c.f.InvertCT(&w.t[1], &w.t[1])
	c.f.MulCT(&w.t[0], &w.t[0], &w.t[1])
	return store(&w.t[0])
}

// public finds y of dP from x(dP) and x((d+1)P) as López and Dahab do:
//
//	y' = (x + x')·((X₁ + xZ₁)(X₂ + xZ₂) + (x² + y)Z₁Z₂) / (xZ₁Z₂) + y
func (c *curve[E]) public(d, blind *words) point {
	c.prepare()
	w, done := c.secret()
	defer done()
	x := &w.t[4]
	*x, w.t[5] = load[E](&c.base.x), c.element(blind)
	c.ladder(w, d, x, &w.t[5])
	x1, z1, x2, z2 := &w.t[0], &w.t[1], &w.t[2], &w.t[3]
	u, v, y := &w.t[5], &w.t[6], &w.t[7]
	if gf2m.Zero(z2) { // d = n-1: dP = -P, and Q = P. Such a key is no secret.
		return c.base
	}
	*y = c.baseY
	mul := c.f.MulCT
	mul(u, x, z1)
	gf2m.Add(u, u, x1) // X₁ + xZ₁
	mul(v, x, z2)
	gf2m.Add(v, v, x2)
	mul(v, v, u) // (X₁ + xZ₁)(X₂ + xZ₂)
	mul(z2, z2, z1)
	c.f.Sqr(x2, x)
	gf2m.Add(x2, x2, y)
	mul(x2, x2, z2)
	gf2m.Add(v, v, x2) // + (x² + y)Z₁Z₂
	mul(z2, z2, x)
	mul(x2, z2, z1)
	c.f.InvertCT(x2, x2) // 1/(xZ₁²Z₂)
	mul(z2, z2, x2)      // 1/Z₁
	mul(u, u, z2)        // x + x'
	mul(x1, x1, z2)      // x'
	// 1/(xZ₁Z₂) = Z₁/(xZ₁²Z₂)
	mul(x2, x2, z1)
	mul(v, v, x2)
	mul(v, v, u)
	gf2m.Add(v, v, y) // y'
	// Q = -(x', y') has λ = x' + y'/x' + 1.
	c.f.InvertCT(u, x1)
	mul(v, v, u)
	gf2m.Add(v, v, x1)
	(*v)[0] ^= 1
	return point{store(x1), store(v)}
}
