package kupyna

import (
	"errors"
	"hash"
)

// ErrKey: a KMAC key of another length than the code's.
var ErrKey = errors.New("KMAC key length is not that of the digest")

// mac is KMAC of DSTU 7564: the hash of the padded key, the padded
// message and the inverted key.
type mac struct {
	digest
	start    digest
	inverted []byte
	written  uint64 // octets of the message
}

// NewKMAC starts an authentication code of size 32, 48 or 64 octets
// (1.2.804.2.1.1.1.1.2.2.4 to .6). The key must have the same length; otherwise
// it gives ErrKey.
func NewKMAC(size int, key []byte) (hash.Hash, error) {
	switch size {
	case Size256, Size384, Size512:
	default:
		return nil, ErrKey
	}
	if len(key) != size {
		return nil, ErrKey
	}
	m := &mac{digest: *newDigest(size), inverted: make([]byte, len(key))}
	for i, b := range key {
		m.inverted[i] = ^b
	}
	m.write(key)
	m.pad(m.n)
	m.start = m.digest
	return m, nil
}

func (m *mac) Reset() {
	m.digest = m.start
	m.written = 0
}

func (m *mac) Write(b []byte) (int, error) {
	m.written += uint64(len(b))
	return m.digest.Write(b)
}

// Sum appends the code of what was written; more may be written afterwards.
func (m *mac) Sum(b []byte) []byte {
	c := m.digest
	// The message is padded as if it stood alone; the whole is counted.
	c.pad(m.written)
	c.write(m.inverted)
	var out [Size512]byte
	c.finish(out[:c.size])
	return append(b, out[:c.size]...)
}
