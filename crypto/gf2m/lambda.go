package gf2m

// Point is a point of y² + xy = x³ + ax² + b in lambda coordinates (X, L, Z):
// x = X/Z, λ = x + y/x = L/Z. Z = 0 is the point at infinity. The point of order
// two (x = 0) has no λ and never occurs: callers stay in the subgroup of odd
// order.
type Point[E Elem] [3]E

// Affine is (x, λ).
type Affine[E Elem] [2]E

// Scratch is room for intermediate results, given by the caller so that the
// calls below allocate nothing.
type Scratch[E Elem] [8]E

// Double sets p to 2p on a curve with that a, 0 or 1: 4 multiplications and 4
// squarings. Variable time.
func (f *Field[E]) Double(p *Point[E], a int, s *Scratch[E]) {
	if f.double != nil && a == f.doubleA {
		f.double(p)
		return
	}
	f.doubleGeneric(p, a, s)
}

func (f *Field[E]) doubleGeneric(p *Point[E], a int, s *Scratch[E]) {
	lz, zz, t, xz := &s[0], &s[1], &s[2], &s[3]
	f.mul(lz, &p[1], &p[2])
	f.sqr(zz, &p[2])
	f.sqr(t, &p[1])
	Add(t, t, lz)
	if a == 1 {
		Add(t, t, zz) // T = L² + LZ + aZ²
	}
	f.mul(xz, &p[0], &p[2])
	f.sqr(xz, xz)
	f.sqr(&p[0], t)          // X' = T²
	f.mul(&p[2], t, zz)      // Z' = TZ²
	f.mul(lz, lz, t)         // L' = (XZ)² + X' + T·LZ + Z'
	Add(&p[1], xz, lz)       //
	Add(&p[1], &p[1], &p[0]) //
	Add(&p[1], &p[1], &p[2])
}

// AddMixed sets p to p + q: 8 multiplications and 2 squarings. It answers false,
// and leaves p alone, if p is infinity or p = ±q: the formulas do not hold there.
// Variable time.
func (f *Field[E]) AddMixed(p *Point[E], q *Affine[E], s *Scratch[E]) bool {
	if f.addMixed != nil {
		return f.addMixed(p, q)
	}
	return f.addMixedGeneric(p, q, s)
}

func (f *Field[E]) addMixedGeneric(p *Point[E], q *Affine[E], s *Scratch[E]) bool {
	a, u, b, ab := &s[0], &s[1], &s[2], &s[3]
	f.mul(u, &q[0], &p[2]) // U = x₂Z
	Add(b, u, &p[0])
	if Zero(b) || Zero(&p[2]) {
		return false
	}
	f.sqr(b, b)            // B = (X + U)²
	f.mul(a, &q[1], &p[2]) //
	Add(a, a, &p[1])       // A = L + λ₂Z
	Add(&p[1], &p[1], &p[2])
	f.mul(&p[0], &p[0], a)
	f.mul(u, u, a)
	f.mul(&p[0], &p[0], u) // X' = AX·AU
	f.mul(ab, a, b)
	f.mul(&p[2], &p[2], ab) // Z' = ABZ
	Add(u, u, b)
	f.sqr(u, u)
	f.mul(&p[1], &p[1], ab)
	Add(&p[1], &p[1], u) // L' = (AU + B)² + AB(L + Z)
	return true
}

// AddFull sets p to p + q, both projective: 11 multiplications and 2 squarings;
// false as AddMixed. Variable time.
func (f *Field[E]) AddFull(p, q *Point[E], s *Scratch[E]) bool {
	a, u, b, ab, xz, lz := &s[0], &s[1], &s[2], &s[3], &s[4], &s[5]
	f.mul(u, &q[0], &p[2])
	f.mul(xz, &p[0], &q[2])
	Add(b, u, xz)
	if Zero(b) || Zero(&p[2]) || Zero(&q[2]) {
		return false
	}
	f.sqr(b, b)
	f.mul(lz, &p[1], &q[2])
	f.mul(a, &q[1], &p[2])
	Add(a, a, lz)
	f.mul(xz, xz, a)
	f.mul(u, u, a)
	Add(&p[1], &p[1], &p[2])
	f.mul(&p[0], xz, u)
	f.mul(ab, a, b)
	f.mul(ab, ab, &q[2])
	f.mul(&p[2], &p[2], ab)
	Add(u, u, b)
	f.sqr(u, u)
	f.mul(&p[1], &p[1], ab)
	Add(&p[1], &p[1], u)
	return true
}

// Step is one step of the x-only ladder of López and Dahab: with x(P) = x,
// (X₁:Z₁) = x(kP) and (X₂:Z₂) = x((k+1)P) it sets the first to x(2kP) and the
// second to x((2k+1)P). c is √b: 6 multiplications, 4 squarings, constant time.
func (f *Field[E]) Step(x1, z1, x2, z2, x, c *E, s *Scratch[E]) {
	if f.step != nil {
		f.step(x1, z1, x2, z2, x, c)
		return
	}
	t, u := &s[0], &s[1]
	f.mulCT(t, x1, z2)
	f.mulCT(u, x2, z1)
	Add(z2, t, u)
	f.sqr(z2, z2) // Z₂' = (X₁Z₂ + X₂Z₁)²
	f.mulCT(t, t, u)
	f.mulCT(x2, x, z2)
	Add(x2, x2, t) // X₂' = xZ₂' + X₁Z₂·X₂Z₁
	f.DoubleX(x1, z1, c, s)
}

// DoubleX sets (x:z) to the x-coordinate of twice the point: X' = (X² + √b·Z²)²,
// Z' = X²Z². Constant time.
func (f *Field[E]) DoubleX(x, z, c *E, s *Scratch[E]) {
	t := &s[0]
	f.sqr(x, x)
	f.sqr(z, z)
	f.mulCT(t, c, z)
	f.mulCT(z, z, x)
	Add(x, x, t)
	f.sqr(x, x)
}
