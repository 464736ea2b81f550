package memtest

import (
	"maps"
	"slices"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/ranges"
)

// state is everything that a store holds. Values in the maps are never changed in
// place, so that a shallow copy of the maps is a snapshot.
type state struct {
	readers int // Views that read it just now

	items    map[spool.ID]spool.Item
	order    []spool.ID // of items, ascending
	parts    map[spool.ID][]spool.Part
	contents map[string]content
	events   []spool.Event
	named    map[spool.ID]bool // ids of events
	keys     map[spool.Key]spool.ID
	posts    map[postKey]spool.Post
	values   map[valueKey][]byte
	counters map[string]int64
	kept     map[keptKey]*kept
	served   map[line]int64 // when an owner was served last; 0 and less: never, in the order of arrival
	serves   int64
}

type (
	postKey  struct{ owner, box, name string }
	valueKey struct{ bucket, key string }
	keptKey  struct{ owner, name string }
	line     struct {
		queue spool.Queue
		state spool.State
		owner string
	}
	content struct {
		bytes []byte
		parts int // that refer to it
	}
	kept struct {
		bytes    []byte
		written  ranges.Ranges
		size     int64
		modified time.Time
	}
)

func newState() *state {
	return &state{
		items: map[spool.ID]spool.Item{}, parts: map[spool.ID][]spool.Part{}, contents: map[string]content{}, named: map[spool.ID]bool{},
		keys: map[spool.Key]spool.ID{}, posts: map[postKey]spool.Post{}, values: map[valueKey][]byte{}, counters: map[string]int64{},
		kept: map[keptKey]*kept{}, served: map[line]int64{},
	}
}

func (s *state) clone() *state {
	return &state{
		items: maps.Clone(s.items), order: slices.Clone(s.order), parts: maps.Clone(s.parts), contents: maps.Clone(s.contents),
		events: slices.Clip(s.events), named: maps.Clone(s.named), keys: maps.Clone(s.keys), posts: maps.Clone(s.posts),
		values: maps.Clone(s.values), counters: maps.Clone(s.counters), kept: maps.Clone(s.kept), served: maps.Clone(s.served), serves: s.serves,
	}
}

// stamp is a time as engines keep it.
func stamp(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

func stamped(it spool.Item) spool.Item {
	for _, t := range []*time.Time{&it.Received, &it.Decided, &it.Deadline, &it.NotBefore, &it.LeaseUntil} {
		*t = stamp(*t)
	}
	it.Note = slices.Clone(it.Note)
	return it
}
