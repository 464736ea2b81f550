package cades

import "github.com/brama-gateway/brama/crypto/tsp"

// Conclude sets the verdict of the whole from those of the signatures, as Validate
// does; for who gathers the signatures of several files. There must be one at least.
func (r *Report) Conclude() { r.sum() }

// OfToken gives the sub-indication of a time-stamp token that does not hold.
func OfToken(r tsp.Result) SubIndication { return ofToken(r) }
