package memtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/brama-gateway/brama/spool"
)

// reader implements spool.Reader.
type reader struct {
	state *state
	over  bool
}

var errOver = errors.New("used after its transaction")

func (r *reader) live() error {
	if r.over {
		return errOver
	}
	return nil
}

func (r *reader) Item(id spool.ID) (spool.Item, error) {
	if err := r.live(); err != nil {
		return spool.Item{}, err
	}
	it, ok := r.state.items[id]
	if !ok {
		return spool.Item{}, fmt.Errorf("item %s: %w", id, spool.ErrNotFound)
	}
	return it, nil
}

func limitOf(n int) int {
	if n <= 0 {
		return 1000
	}
	return n
}

func (r *reader) Items(q spool.Query) ([]spool.Item, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var out []spool.Item
	n := len(r.state.order)
	for i := range n {
		if q.Newest {
			i = n - 1 - i
		}
		if it := r.state.items[r.state.order[i]]; matches(&it, &q) {
			if out = append(out, it); len(out) == limitOf(q.Limit) {
				break
			}
		}
	}
	return out, nil
}

func matches(it *spool.Item, q *spool.Query) bool {
	return (q.Queue == "" || it.Queue == q.Queue) &&
		(q.Owner == "" || it.Owner == q.Owner) &&
		(len(q.States) == 0 || slices.Contains(q.States, it.State)) &&
		(q.Name == "" || it.Name == q.Name) &&
		(q.Label == "" || it.Label == q.Label) &&
		(q.Lease == "" || it.Lease == q.Lease) &&
		(q.Kind == "" || it.Kind == q.Kind) &&
		(q.After == 0 || it.ID > q.After) &&
		(q.Before == 0 || it.ID < q.Before) &&
		(q.From.IsZero() || !it.Received.Before(stamp(q.From))) &&
		(q.To.IsZero() || it.Received.Before(stamp(q.To))) &&
		(q.DueBefore.IsZero() || !it.Deadline.IsZero() && it.Deadline.Before(stamp(q.DueBefore)))
}

// Counts looks at every item: what an engine counts along the way is compared with it.
func (r *reader) Counts(queue spool.Queue) (map[spool.State]int64, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	out := map[spool.State]int64{}
	for _, it := range r.state.items {
		if it.Queue == queue {
			out[it.State]++
		}
	}
	return out, nil
}

func (r *reader) Parts(id spool.ID) ([]spool.Part, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	return slices.Clone(r.state.parts[id]), nil
}

func (r *reader) Part(id spool.ID, name string) (spool.Part, error) {
	if err := r.live(); err != nil {
		return spool.Part{}, err
	}
	for _, p := range r.state.parts[id] {
		if p.Name == name {
			return p, nil
		}
	}
	return spool.Part{}, fmt.Errorf("part of %s: %w", id, spool.ErrNotFound)
}

func (r *reader) History(id spool.ID) ([]spool.Event, error) {
	if err := r.live(); err != nil || id == 0 {
		return nil, err
	}
	var out []spool.Event
	for _, e := range r.state.events {
		if e.Item == id {
			out = append(out, e)
		}
	}
	return out, nil
}

func (r *reader) Events(after int64, limit int) ([]spool.Event, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	all := r.state.events[min(max(after, 0), int64(len(r.state.events))):]
	return slices.Clone(all[:min(len(all), limitOf(limit))]), nil
}

func (r *reader) Seen(key spool.Key) (spool.ID, bool, error) {
	if err := r.live(); err != nil {
		return 0, false, err
	}
	id, ok := r.state.keys[key]
	return id, ok, nil
}

func (r *reader) Post(owner, box, name string) (spool.Post, error) {
	if err := r.live(); err != nil {
		return spool.Post{}, err
	}
	p, ok := r.state.posts[postKey{owner, box, name}]
	if !ok {
		return spool.Post{}, fmt.Errorf("post: %w", spool.ErrNotFound)
	}
	return p, nil
}

func (r *reader) Posts(q spool.PostQuery) ([]spool.Post, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var out []spool.Post
	for _, p := range r.state.posts {
		if posted(&p, &q) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b spool.Post) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Box, b.Box), cmp.Compare(a.Name, b.Name))
	})
	return out[:min(len(out), limitOf(q.Limit))], nil
}

func posted(p *spool.Post, q *spool.PostQuery) bool {
	switch {
	case q.Untold:
		if !p.Told.IsZero() || !q.Gone && !p.Acknowledged.IsZero() {
			return false
		}
	case !q.Gone:
		if !p.Acknowledged.IsZero() || !p.Withdrawn.IsZero() {
			return false
		}
	}
	return (q.Owner == "" || p.Owner == q.Owner) &&
		(q.Box == "" || p.Box == q.Box) &&
		(q.Name == "" || p.Name == q.Name) &&
		(q.Item == 0 || p.Item == q.Item) &&
		(q.From.IsZero() || !p.At.Before(stamp(q.From))) &&
		(q.To.IsZero() || p.At.Before(stamp(q.To))) &&
		(q.After == "" || p.Name > q.After)
}

func (r *reader) Value(bucket, key string) ([]byte, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	v, ok := r.state.values[valueKey{bucket, key}]
	if !ok {
		return nil, fmt.Errorf("value %q in %q: %w", key, bucket, spool.ErrNotFound)
	}
	return slices.Clone(v), nil
}

func (r *reader) Values(bucket string) (map[string][]byte, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for k, v := range r.state.values {
		if k.bucket == bucket {
			out[k.key] = slices.Clone(v)
		}
	}
	return out, nil
}

func (r *reader) Kept(owner string) ([]spool.Kept, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var out []spool.Kept
	for k, v := range r.state.kept {
		if owner == "" || k.owner == owner {
			out = append(out, spool.Kept{Owner: k.owner, Name: k.name, Size: v.size, Modified: v.modified})
		}
	}
	slices.SortFunc(out, func(a, b spool.Kept) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}
