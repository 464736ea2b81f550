package pki

import (
	"bytes"
	"crypto/sha256"
	"sync"
)

// Bounds of what a store remembers. A certificate takes some four times its octets.
const (
	rememberedEdges        = 8192
	rememberedCertificates = 1024
	rememberedOctets       = 4096 // of one certificate; longer ones are not kept
)

// recent is a bounded memory in two generations: what is used survives, what is
// not used while the limit comes in anew is forgotten. It is safe for concurrent use.
type recent[K comparable, V any] struct {
	limit int // of both generations together

	mu       sync.Mutex
	now, old map[K]V
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.now[k]
	if !ok {
		if v, ok = r.old[k]; ok {
			r.keep(k, v)
		}
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(k, v)
}

func (r *recent[K, V]) keep(k K, v V) {
	if len(r.now) >= r.limit/2 {
		r.old, r.now = r.now, nil
	}
	if r.now == nil {
		r.now = make(map[K]V)
	}
	r.now[k] = v
}

// remembered is what stores made from one another share: facts that hold whatever
// is trusted and whatever the time is.
type remembered struct {
	// signed holds the pairs whose signature was good. Bad ones are checked again.
	signed       recent[edge, struct{}]
	certificates recent[[32]byte, *Certificate]
}

func newRemembered() *remembered {
	return &remembered{
		signed:       recent[edge, struct{}]{limit: rememberedEdges},
		certificates: recent[[32]byte, *Certificate]{limit: rememberedCertificates},
	}
}

// ParseCertificate is the function of that name that remembers: a certificate that
// the store has, or has read not long ago, is not read again. A nil store remembers
// nothing.
func (s *Store) ParseCertificate(data []byte) (*Certificate, error) {
	if s == nil || len(data) > rememberedOctets {
		return ParseCertificate(data)
	}
	sum := sha256.Sum256(data)
	if c := s.bySum[sum]; c != nil {
		return c, nil
	}
	if c, ok := s.memory.certificates.get(sum); ok {
		return c, nil
	}
	// Not the container's bytes: those would live as long as the memory.
	c, err := ParseCertificate(bytes.Clone(data))
	if err == nil {
		s.memory.certificates.put(sum, c)
	}
	return c, err
}
