//go:build !purego

package gf2m

import "golang.org/x/sys/cpu"

// hasWide is asked of AVX-512 because x/sys/cpu tells of VPCLMULQDQ only there.
var (
	hasCLMUL = cpu.X86.HasPCLMULQDQ && cpu.X86.HasAVX
	hasWide  = hasCLMUL && cpu.X86.HasAVX2 && cpu.X86.HasAVX512VPCLMULQDQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VBMI2
)

//go:noescape
func mul257asm(z, x, y *E5)

//go:noescape
func sqr257asm(z, x *E5)

//go:noescape
func sqrN257asm(z, x *E5, n int)

//go:noescape
func double257asm(p *Point[E5])

//go:noescape
func addMixed257asm(p *Point[E5], q *Affine[E5]) bool

//go:noescape
func step257asm(x1, z1, x2, z2, x, c *E5)

//go:noescape
func mul431asm(z, x, y *E7)

//go:noescape
func sqr431asm(z, x *E7)

//go:noescape
func sqrN431asm(z, x *E7, n int)

//go:noescape
func double431asm(p *Point[E7])

//go:noescape
func addMixed431asm(p *Point[E7], q *Affine[E7]) bool

//go:noescape
func step431asm(x1, z1, x2, z2, x, c *E7)

//go:noescape
func double257wide(p *Point[E5])

//go:noescape
func addMixed257wide(p *Point[E5], q *Affine[E5]) bool

//go:noescape
func step257wide(x1, z1, x2, z2, x, c *E5)

//go:noescape
func double431wide(p *Point[E7])

//go:noescape
func addMixed431wide(p *Point[E7], q *Affine[E7]) bool

//go:noescape
func step431wide(x1, z1, x2, z2, x, c *E7)

func fast257(f *Field[E5]) *Field[E5] {
	if hasCLMUL {
		narrow257(f)
	}
	if hasWide {
		f.name = "vpclmulqdq"
		f.double, f.addMixed, f.step = double257wide, addMixed257wide, step257wide
	}
	return f
}

func fast431(f *Field[E7]) *Field[E7] {
	if hasCLMUL {
		narrow431(f)
	}
	if hasWide {
		f.name = "vpclmulqdq"
		f.double, f.addMixed, f.step = double431wide, addMixed431wide, step431wide
	}
	return f
}

func narrow257(f *Field[E5]) {
	f.name = "pclmulqdq"
	f.mul, f.mulCT, f.sqr, f.sqrN = mul257asm, mul257asm, sqr257asm, sqrN257asm
	f.double, f.doubleA = double257asm, 0
	f.addMixed, f.step = addMixed257asm, step257asm
}

func narrow431(f *Field[E7]) {
	f.name = "pclmulqdq"
	f.mul, f.mulCT, f.sqr, f.sqrN = mul431asm, mul431asm, sqr431asm, sqrN431asm
	f.double, f.doubleA = double431asm, 1
	f.addMixed, f.step = addMixed431asm, step431asm
}
