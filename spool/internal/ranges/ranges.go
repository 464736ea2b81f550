// Package ranges keeps which bytes of a draft were written.
package ranges

import (
	"encoding/binary"
	"errors"
	"sort"
)

// Max bounds what a peer that writes every second byte can make us remember.
const Max = 4096

var errRanges = errors.New("ranges are damaged")

// A Span is the bytes From..To, To excluded.
type Span struct{ From, To int64 }

// Ranges are the written parts of a file: sorted, not empty, not touching.
type Ranges []Span

// With adds a span.
func (r Ranges) With(s Span) Ranges {
	if s.From >= s.To {
		return r
	}
	i := sort.Search(len(r), func(i int) bool { return r[i].To >= s.From })
	j := i
	for j < len(r) && r[j].From <= s.To {
		s.From, s.To = min(s.From, r[j].From), max(s.To, r[j].To)
		j++
	}
	if i == j {
		r = append(r, Span{})
		copy(r[i+1:], r[i:])
		r[i] = s
		return r
	}
	r[i] = s
	return append(r[:i+1], r[j:]...)
}

// Touches says whether a span would join one that is there.
func (r Ranges) Touches(s Span) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].To >= s.From })
	return i < len(r) && r[i].From <= s.To
}

// Cut forgets what lies at or beyond size.
func (r Ranges) Cut(size int64) Ranges {
	for len(r) > 0 && r[len(r)-1].From >= size {
		r = r[:len(r)-1]
	}
	if len(r) > 0 && r[len(r)-1].To > size {
		r[len(r)-1].To = size
	}
	return r
}

// First is the end of what is written without a hole from the first byte on.
func (r Ranges) First() int64 {
	if len(r) == 0 || r[0].From != 0 {
		return 0
	}
	return r[0].To
}

// Blank zeroes what of p, the bytes from off on, was never written.
func (r Ranges) Blank(p []byte, off int64) {
	at, end := off, off+int64(len(p))
	for i := sort.Search(len(r), func(i int) bool { return r[i].To > off }); i < len(r) && at < end; i++ {
		if r[i].From > at {
			clear(p[at-off : min(r[i].From, end)-off])
		}
		at = max(at, r[i].To)
	}
	if at < end {
		clear(p[at-off:])
	}
}

// Marshal gives pairs of 64-bit big-endian offsets.
func (r Ranges) Marshal() []byte {
	b := make([]byte, 0, 16*len(r))
	for _, s := range r {
		b = binary.BigEndian.AppendUint64(b, uint64(s.From))
		b = binary.BigEndian.AppendUint64(b, uint64(s.To))
	}
	return b
}

// Unmarshal reads what Marshal gave.
func Unmarshal(b []byte) (Ranges, error) {
	if len(b)%16 != 0 || len(b) > 16*(Max+1) {
		return nil, errRanges
	}
	var r Ranges
	last := int64(-1)
	for ; len(b) > 0; b = b[16:] {
		s := Span{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
		if s.From <= last || s.To <= s.From {
			return nil, errRanges
		}
		last = s.To
		r = append(r, s)
	}
	return r, nil
}
