package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// ageingTable names the edition of the dates below. Where it changes, the end of
// every stored time-stamp is worked out anew.
const ageingTable = "2026-11"

// The last days on which a time-stamp by an algorithm is relied on.
var (
	// Strength of 112 bits: NIST SP 800-57 Part 1 Rev. 5, 5.6.3, applies protection by
	// it until 2030.
	ends112 = endOf(2030)
	// Whatever a quantum computer breaks: NIST IR 8547 (draft of November 2024), which
	// disallows RSA and elliptic curves after 2035. That DSTU 4145 stands here with
	// them is our own practice: it rests on the same problem.
	endsClassical = endOf(2035)
	// GOST 34.311-95: our own practice. Its collision resistance is known to be less
	// than its length promises, and DSTU 7564 has taken its place.
	endsGOST34311 = endOf(2030)
)

func endOf(year int) time.Time { return time.Date(year, time.December, 31, 0, 0, 0, 0, time.UTC) }

// keyEnds is the last day of a public key's algorithm; zero: it is not known, and
// counts as over.
func keyEnds(key crypto.PublicKey) time.Time {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 3072 {
			return ends112
		}
		return endsClassical
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return ends112
		}
		return endsClassical
	case nil:
		return time.Time{}
	}
	return endsClassical // DSTU 4145, whose shortest accepted field is of 163 bits or more
}

// digestEnds is the last day of a digest; zero: none is set.
func digestEnds(oid der.OID) time.Time {
	if oid == algorithm.GOST34311 {
		return endsGOST34311
	}
	return time.Time{}
}
