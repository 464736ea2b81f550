//go:build !purego

package gf2m

import "golang.org/x/sys/cpu"

//go:noescape
func mul257asm(z, x, y *E5)

//go:noescape
func sqrN257asm(z, x *E5, n int)

//go:noescape
func mul431asm(z, x, y *E7)

//go:noescape
func sqrN431asm(z, x *E7, n int)

func fast257(f *Field[E5]) *Field[E5] {
	if cpu.ARM64.HasPMULL {
		f.name = "pmull"
		f.mul, f.mulCT, f.sqrN = mul257asm, mul257asm, sqrN257asm
		f.sqr = func(z, x *E5) { sqrN257asm(z, x, 1) }
	}
	return f
}

func fast431(f *Field[E7]) *Field[E7] {
	if cpu.ARM64.HasPMULL {
		f.name = "pmull"
		f.mul, f.mulCT, f.sqrN = mul431asm, mul431asm, sqrN431asm
		f.sqr = func(z, x *E7) { sqrN431asm(z, x, 1) }
	}
	return f
}
