package memtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// maxInline bounds the bytes a caller may hand over in memory.
const maxInline = 1 << 20

// tx implements spool.Tx. What it does is undone step by step if the change fails.
type tx struct {
	reader
	store  *Store
	undo   []func()
	unkept []*kept
}

// put sets a value of a map, and notes how to take it back.
func put[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, there := m[k]
	t.undo = append(t.undo, func() {
		if there {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

// drop removes a key of a map.
func drop[K comparable, V any](t *tx, m map[K]V, k K) {
	if old, there := m[k]; there {
		t.undo = append(t.undo, func() { m[k] = old })
		delete(m, k)
	}
}

func storable(id spool.ID) bool { return id != 0 && id <= math.MaxInt64 }

func (t *tx) Insert(it spool.Item) error {
	if err := t.live(); err != nil {
		return err
	}
	if !storable(it.ID) {
		return fmt.Errorf("item %s: not an id that can be stored", it.ID)
	}
	if _, there := t.state.items[it.ID]; there {
		return fmt.Errorf("item %s: %w", it.ID, spool.ErrExists)
	}
	it.Version = 1
	t.setOrder(func(order []spool.ID) []spool.ID {
		i, _ := slices.BinarySearch(order, it.ID)
		return slices.Insert(slices.Clone(order), i, it.ID)
	})
	t.set(stamped(it))
	return nil
}

func (t *tx) setOrder(change func([]spool.ID) []spool.ID) {
	old := t.state.order
	t.undo = append(t.undo, func() { t.state.order = old })
	t.state.order = change(old)
}

// set stores an item and gets its owner in line.
func (t *tx) set(it spool.Item) {
	put(t, t.state.items, it.ID, it)
	if k := (line{it.Queue, it.State, it.Owner}); it.NotBefore.IsZero() {
		if _, there := t.state.served[k]; !there {
			put(t, t.state.served, k, int64(it.ID)+math.MinInt64)
		}
	}
}

func (t *tx) Put(it spool.Item) error {
	old, err := t.Item(it.ID)
	if err != nil {
		return err
	}
	if old.Version != it.Version {
		return fmt.Errorf("item %s: version %d, stored is %d: %w", it.ID, it.Version, old.Version, spool.ErrConflict)
	}
	it.Version++
	t.set(stamped(it))
	return nil
}

func (t *tx) Delete(id spool.ID) error {
	if _, err := t.Item(id); err != nil {
		return err
	}
	for _, p := range t.state.parts[id] {
		t.refer(p.Content.SHA256, -1)
	}
	drop(t, t.state.parts, id)
	for k, p := range t.state.posts {
		if p.Item == id {
			drop(t, t.state.posts, k)
		}
	}
	t.forget(id)
	drop(t, t.state.items, id)
	t.setOrder(func(order []spool.ID) []spool.ID {
		return slices.DeleteFunc(slices.Clone(order), func(o spool.ID) bool { return o == id })
	})
	return nil
}

func (t *tx) refer(sum string, by int) {
	c := t.state.contents[sum]
	c.parts += by
	put(t, t.state.contents, sum, c)
}

// hold finds content, or takes it in.
func (t *tx) hold(c spool.Content) error {
	if !isHash(c.SHA256) {
		return errHash
	}
	if c.Size < 0 {
		return errors.New("size is negative")
	}
	bytes := c.Inline
	switch there, known := t.state.contents[c.SHA256]; {
	case c.Inline != nil || c.Size == 0:
		if int64(len(c.Inline)) != c.Size || c.Size > maxInline {
			return fmt.Errorf("%d bytes in memory for a size of %d: %w", len(c.Inline), c.Size, spool.ErrTooLarge)
		}
		if sum := sha256.Sum256(c.Inline); hex.EncodeToString(sum[:]) != c.SHA256 {
			return errors.New("bytes do not have the hash")
		}
		if known {
			return nil
		}
		bytes = slices.Clone(bytes)
	case known:
		if int64(len(there.bytes)) != c.Size {
			return fmt.Errorf("size is %d, stored is %d: %w", c.Size, len(there.bytes), spool.ErrConflict)
		}
		return nil
	case t.store.held[c.SHA256] > 0 && int64(len(t.store.bytes[c.SHA256])) == c.Size:
		bytes = t.store.bytes[c.SHA256]
	default:
		return fmt.Errorf("its bytes are not here: %w", spool.ErrNotFound)
	}
	put(t, t.state.contents, c.SHA256, content{bytes: bytes})
	return nil
}

func (t *tx) AddPart(id spool.ID, name string, role spool.Role, c spool.Content, at time.Time) error {
	if name == "" {
		return fmt.Errorf("part of %s: name is empty", id)
	}
	if _, err := t.Item(id); err != nil {
		return fmt.Errorf("part of %s: %w", id, err)
	}
	if _, err := t.Part(id, name); err == nil {
		return fmt.Errorf("part of %s: %w", id, spool.ErrExists)
	}
	if err := t.hold(c); err != nil {
		return fmt.Errorf("part of %s: %w", id, err)
	}
	t.refer(c.SHA256, 1)
	p := spool.Part{Item: id, Name: name, Role: role, Added: stamp(at), Content: spool.Content{SHA256: c.SHA256, Size: c.Size}}
	put(t, t.state.parts, id, append(slices.Clone(t.state.parts[id]), p))
	return nil
}

func (t *tx) RemovePart(id spool.ID, name string) error {
	p, err := t.Part(id, name)
	if err != nil {
		return err
	}
	t.refer(p.Content.SHA256, -1)
	put(t, t.state.parts, id, slices.DeleteFunc(slices.Clone(t.state.parts[id]), func(p spool.Part) bool { return p.Name == name }))
	return nil
}

func (t *tx) MoveParts(from, to spool.ID) error {
	if _, err := t.Item(to); err != nil {
		return fmt.Errorf("parts of %s to %s: %w", from, to, err)
	}
	all := slices.Clone(t.state.parts[to])
	for _, p := range t.state.parts[from] {
		if _, err := t.Part(to, p.Name); err == nil {
			return fmt.Errorf("parts of %s to %s: %w", from, to, spool.ErrExists)
		}
		p.Item = to
		all = append(all, p)
	}
	drop(t, t.state.parts, from)
	put(t, t.state.parts, to, all)
	return nil
}

func (t *tx) Append(e spool.Event) (int64, error) {
	if err := t.live(); err != nil {
		return 0, err
	}
	if !storable(e.ID) || e.Item > math.MaxInt64 {
		return 0, fmt.Errorf("event %s: not an id that can be stored", e.ID)
	}
	if t.state.named[e.ID] {
		return 0, fmt.Errorf("event %s: %w", e.ID, spool.ErrExists)
	}
	put(t, t.state.named, e.ID, true)
	old := t.state.events
	t.undo = append(t.undo, func() { t.state.events = old })
	e.Seq, e.At, e.Record = int64(len(old)+1), stamp(e.At), slices.Clone(e.Record)
	t.state.events = append(old, e)
	return e.Seq, nil
}

func (t *tx) See(key spool.Key, id spool.ID) (spool.ID, error) {
	if !storable(id) {
		return 0, fmt.Errorf("key of %s: not an id that can be stored", id)
	}
	first, seen, err := t.Seen(key)
	switch {
	case err != nil:
		return 0, err
	case !seen:
		put(t, t.state.keys, key, id)
	case first != id:
		return first, fmt.Errorf("key of %s: held by %s: %w", id, first, spool.ErrExists)
	}
	return id, nil
}

func (t *tx) Forget(id spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	t.forget(id)
	return nil
}

func (t *tx) forget(id spool.ID) {
	for k, held := range t.state.keys {
		if held == id {
			drop(t, t.state.keys, k)
		}
	}
}

func (t *tx) PutPost(p spool.Post) error {
	if err := t.live(); err != nil {
		return err
	}
	if p.Owner == "" || p.Box == "" || p.Name == "" || p.Item > math.MaxInt64 {
		return errors.New("post: owner, box or name is empty")
	}
	for _, at := range []*time.Time{&p.At, &p.Told, &p.Delivered, &p.Acknowledged, &p.Withdrawn} {
		*at = stamp(*at)
	}
	put(t, t.state.posts, postKey{p.Owner, p.Box, p.Name}, p)
	return nil
}

func (t *tx) DeletePost(owner, box, name string) error {
	if _, err := t.Post(owner, box, name); err != nil {
		return err
	}
	drop(t, t.state.posts, postKey{owner, box, name})
	return nil
}

func (t *tx) Next(counter string) (int64, error) {
	if err := t.live(); err != nil {
		return 0, err
	}
	n := t.state.counters[counter] + 1
	put(t, t.state.counters, counter, n)
	return n, nil
}

func (t *tx) SetValue(bucket, key string, value []byte) error {
	if err := t.live(); err != nil {
		return err
	}
	if value == nil {
		drop(t, t.state.values, valueKey{bucket, key})
		return nil
	}
	put(t, t.state.values, valueKey{bucket, key}, append([]byte{}, value...))
	return nil
}

func (t *tx) Unkeep(owner, name string) error {
	if err := t.live(); err != nil {
		return err
	}
	k, there := t.state.kept[keptKey{owner, name}]
	if !there {
		return fmt.Errorf("kept draft: %w", spool.ErrNotFound)
	}
	t.unkept = append(t.unkept, k)
	drop(t, t.state.kept, keptKey{owner, name})
	return nil
}

func (t *tx) RenameKept(owner, from, to string) error {
	if err := t.live(); err != nil {
		return err
	}
	if to == "" {
		return errors.New("kept draft: name is empty")
	}
	k, there := t.state.kept[keptKey{owner, from}]
	if !there {
		return fmt.Errorf("kept draft: %w", spool.ErrNotFound)
	}
	if _, taken := t.state.kept[keptKey{owner, to}]; taken {
		return fmt.Errorf("kept draft: %w", spool.ErrExists)
	}
	drop(t, t.state.kept, keptKey{owner, from})
	put(t, t.state.kept, keptKey{owner, to}, k)
	return nil
}

// Claim looks at every item each time: by priority, then the owner served longest
// ago, then the smallest id.
func (t *tx) Claim(c spool.Claim) ([]spool.Item, error) {
	if err := t.live(); err != nil {
		return nil, err
	}
	if c.Token == nil || c.TTL <= 0 || c.From == c.To {
		return nil, errors.New("claim: token, time to live, or states are missing")
	}
	var out []spool.Item
	for range c.Max {
		best, found := spool.Item{}, false
		for _, id := range t.state.order {
			it := t.state.items[id]
			if it.Queue != c.Queue || it.State != c.From || it.NotBefore.After(stamp(c.Now)) {
				continue
			}
			if _, lined := t.state.served[line{it.Queue, it.State, it.Owner}]; !lined { // its delay has passed
				put(t, t.state.served, line{it.Queue, it.State, it.Owner}, int64(it.ID)+math.MinInt64)
			}
			if !found || cmp.Or(cmp.Compare(best.Priority, it.Priority),
				cmp.Compare(t.state.served[line{it.Queue, it.State, it.Owner}], t.state.served[line{best.Queue, best.State, best.Owner}])) < 0 {
				best, found = it, true
			}
		}
		if !found {
			break
		}
		best.State, best.Lease, best.LeaseUntil = c.To, c.Token(), stamp(c.Now.Add(c.TTL))
		best.Attempts++
		if best.Lease == "" {
			return nil, errors.New("claim: the lease token is empty")
		}
		old := t.state.serves
		t.undo = append(t.undo, func() { t.state.serves = old })
		t.state.serves++
		put(t, t.state.served, line{c.Queue, c.From, best.Owner}, t.state.serves)
		if err := t.Put(best); err != nil {
			return nil, err
		}
		best.Version++
		out = append(out, best)
	}
	return out, nil
}
