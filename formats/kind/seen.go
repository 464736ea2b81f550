package kind

import (
	"crypto/sha256"
	"encoding/binary"
)

// Seen finds what comes twice in a file. It keeps sixteen bytes of a digest for
// each key, however long the key is. The zero value has seen nothing.
type Seen struct {
	first map[[16]byte]int32
	key   []byte
}

// Before says at which record, from 1, the parts together came first; they are
// noted for record if they did not.
func (s *Seen) Before(record int, parts ...string) (first int, twice bool) {
	s.key = s.key[:0]
	for _, p := range parts {
		s.key = binary.AppendUvarint(s.key, uint64(len(p)))
		s.key = append(s.key, p...)
	}
	sum := sha256.Sum256(s.key)
	k := [16]byte(sum[:16])
	if at, ok := s.first[k]; ok {
		return int(at), true
	}
	if s.first == nil {
		s.first = map[[16]byte]int32{}
	}
	s.first[k] = int32(record)
	return 0, false
}
