//go:build !purego

package gf2m

// otherCodes gives the assembly that the processor here could use but does not
// need, because it has something better.
func otherCodes() (f5 []*Field[E5], f7 []*Field[E7]) {
	if hasWide {
		g5, g7 := generic257(), generic431()
		narrow257(g5)
		narrow431(g7)
		f5, f7 = append(f5, g5), append(f7, g7)
	}
	return f5, f7
}
