// Package gf2m is arithmetic in the ten binary fields GF(2^m), polynomial basis,
// of DSTU 4145-2002 (annex Г, table Г.1): m = 163, 167, 173, 179, 191, 233, 257,
// 307, 367 and 431, and the straight-line programs over them that elliptic curves
// y² + xy = x³ + ax² + b need (points in lambda coordinates, the x-only ladder).
//
// An element is an array of 64-bit words, least significant first: bit i of the
// array is the coefficient of z^i. Elements are always fully reduced; functions
// here give back reduced ones and expect them. Fields up to m = 257 use [5]uint64,
// the others [7]uint64. Results may lie over arguments.
//
// # Time
//
// Two kinds of multiplication exist. Mul may take time (and touch memory) that
// depends on its operands and serves verification, where everything is public.
// MulCT, Sqr, SqrN, InvertCT, Swap, Step and what they call run the same
// instructions on the same addresses for all operands of a field; signing uses
// those only. For m = 257 and m = 431 both are one constant-time routine, with and
// without assembly.
//
// # Assembly
//
// For m = 257 and m = 431 there is assembly: amd64 with PCLMULQDQ and AVX, arm64
// with PMULL. A carry-less multiplication instruction is what these fields are
// made of and the compiler has no word for it; without it a signature costs ten
// times more. It is used if the processor says that it has the instructions; the
// build tag purego leaves it out. Every routine has a generic twin, and the tests
// hold them equal.
//
// # References
//
// D. Hankerson, A. Menezes, S. Vanstone, Guide to Elliptic Curve Cryptography,
// 2.3 (fields), 3.3 (ladder). T. Oliveira, J. López, D. F. Aranha,
// F. Rodríguez-Henríquez, Two is the fastest prime: lambda coordinates for binary
// elliptic curves, J. Cryptographic Engineering 4 (2014). T. Itoh, S. Tsujii,
// Information and Computation 78 (1988) (inversion).
package gf2m
