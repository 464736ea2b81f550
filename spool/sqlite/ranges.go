package sqlite

import (
	"encoding/binary"
	"errors"
	"sort"
)

// maxRanges bounds what a peer that writes every second byte can make us remember.
const maxRanges = 4096

var errRanges = errors.New("ranges are damaged")

// span is the bytes from..to, to excluded.
type span struct{ from, to int64 }

// ranges are the written parts of a file: sorted, not empty, not touching.
type ranges []span

// with adds a span.
func (r ranges) with(s span) ranges {
	if s.from >= s.to {
		return r
	}
	i := sort.Search(len(r), func(i int) bool { return r[i].to >= s.from })
	j := i
	for j < len(r) && r[j].from <= s.to {
		s.from, s.to = min(s.from, r[j].from), max(s.to, r[j].to)
		j++
	}
	if i == j {
		r = append(r, span{})
		copy(r[i+1:], r[i:])
		r[i] = s
		return r
	}
	r[i] = s
	return append(r[:i+1], r[j:]...)
}

// touches says whether a span would join one that is there.
func (r ranges) touches(s span) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].to >= s.from })
	return i < len(r) && r[i].from <= s.to
}

// cut forgets what lies at or beyond size.
func (r ranges) cut(size int64) ranges {
	for len(r) > 0 && r[len(r)-1].from >= size {
		r = r[:len(r)-1]
	}
	if len(r) > 0 && r[len(r)-1].to > size {
		r[len(r)-1].to = size
	}
	return r
}

// first is the end of what is written without a hole from the first byte on.
func (r ranges) first() int64 {
	if len(r) == 0 || r[0].from != 0 {
		return 0
	}
	return r[0].to
}

// blank zeroes what of p, the bytes from off on, was never written.
func (r ranges) blank(p []byte, off int64) {
	at, end := off, off+int64(len(p))
	for i := sort.Search(len(r), func(i int) bool { return r[i].to > off }); i < len(r) && at < end; i++ {
		if r[i].from > at {
			clear(p[at-off : min(r[i].from, end)-off])
		}
		at = max(at, r[i].to)
	}
	if at < end {
		clear(p[at-off:])
	}
}

func (r ranges) marshal() []byte {
	b := make([]byte, 0, 16*len(r))
	for _, s := range r {
		b = binary.BigEndian.AppendUint64(b, uint64(s.from))
		b = binary.BigEndian.AppendUint64(b, uint64(s.to))
	}
	return b
}

func unmarshalRanges(b []byte) (ranges, error) {
	if len(b)%16 != 0 || len(b) > 16*(maxRanges+1) {
		return nil, errRanges
	}
	var r ranges
	last := int64(-1)
	for ; len(b) > 0; b = b[16:] {
		s := span{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
		if s.from <= last || s.to <= s.from {
			return nil, errRanges
		}
		last = s.to
		r = append(r, s)
	}
	return r, nil
}
