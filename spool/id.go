package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ID names an item or a record for ever. It grows with time: 44 bits of
// milliseconds since 2020, then 20 bits that tell apart what one millisecond
// brought. It is written as 13 letters and digits of Crockford's base 32 (no i,
// l, o, u), which people can read to each other over a telephone.
type ID uint64

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func (id ID) String() string {
	var b [13]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = alphabet[id&31]
		id >>= 5
	}
	return string(b[:])
}

// Time is when the id was made, to the millisecond.
func (id ID) Time() time.Time {
	return epoch.Add(time.Duration(id>>20) * time.Millisecond)
}

// MarshalText writes the id as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	v, err := ParseID(string(text))
	*id = v
	return err
}

var errID = errors.New("not an id: want 13 letters and digits")

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	if len(s) != 13 || s[0] > 'f' {
		return 0, fmt.Errorf("%q: %w", s, errID)
	}
	var id ID
	for i := range len(s) {
		v := -1
		for j := range len(alphabet) {
			if alphabet[j] == s[i] {
				v = j
			}
		}
		if v < 0 {
			return 0, fmt.Errorf("%q: %w", s, errID)
		}
		id = id<<5 | ID(v)
	}
	return id, nil
}

// IDs makes ids. The zero value is ready; it is safe for concurrent use. Ids of
// one maker grow strictly, also when the clock stands still or steps back; ids
// of several makers meet with a chance of one in a million a millisecond, and
// Insert then refuses the second.
type IDs struct {
	mu   sync.Mutex
	last ID
}

// New makes the id of something that begins now.
func (m *IDs) New(now time.Time) ID {
	var r [4]byte
	rand.Read(r[:]) // never fails (crypto/rand)
	id := ID(now.Sub(epoch).Milliseconds())<<20 | ID(binary.BigEndian.Uint32(r[:])&0x7ffff)
	m.mu.Lock()
	defer m.mu.Unlock()
	if id <= m.last {
		id = m.last + 1
	}
	m.last = id
	return id
}
