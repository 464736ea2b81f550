//go:build purego || !amd64

package gf2m

func otherCodes() (f5 []*Field[E5], f7 []*Field[E7]) { return nil, nil }
