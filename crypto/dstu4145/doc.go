// Package dstu4145 signs and verifies by DSTU 4145-2002 on the ten polynomial
// basis curves of its annex Г, and agrees on keys over them with the cofactor.
//
// A private key is a number d, 0 < d < n; the public key is the point Q = -d·P.
// A signature of a digest value is a pair (r, s), encoded here as r||s, both
// little-endian, each as long as n: 64 octets for m = 257, 108 for m = 431.
// Nothing else is taken as a signature: no other length, no r or s outside
// 0 < r, s < n.
//
//	h = the digest as a little-endian integer, its m low bits, 1 instead of 0
//	sign:   e random, F = x(e·P), r = low bits of h·F, s = e + d·r mod n
//	verify: R = s·P + r·Q, r = low bits of h·x(R)
//
// where the low bits are one bit fewer than n has.
//
// # What is accepted as a public key
//
// A point of the subgroup of order n other than infinity, given compressed (6.9,
// 6.10), in the order of octets the caller names. Every PublicKey was checked
// when it was made: see (*engine).decode for the mathematics. Optimal normal bases
// are refused with ErrNormalBasis: no such key is in use.
//
// # Time and secrets
//
// Signing, making a key and agreeing on a key run in constant time with regard to
// the private key and the nonce: an x-only ladder of fixed length from randomized
// projective coordinates, arithmetic modulo n without branches, no table looked
// into at a secret place. Not in constant time: whether a nonce has to be made again
// (when r or s is 0, which does not happen), and everything in verification. Copies of the private key are not wiped: Go gives no
// promise there that could be kept.
//
// Nonces are deterministic and hedged: HMAC_DRBG as in RFC 6979, 3.2, over the
// private key, the digest and, as its 3.6 provides, fresh randomness. A bad source
// of randomness, or the same one twice, gives nothing away.
//
// # References
//
// DSTU 4145-2002, Information technology. Cryptographic protection of information.
// Digital signature based on elliptic curves. RFC 6979. Order of the Ministry of
// Justice and the State Service of Special Communication of 20.08.2012 N 1236/5/453
// (z1399-12) for object identifiers and encodings.
package dstu4145
