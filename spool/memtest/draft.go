package memtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/ranges"
)

// draft is a slice and the ranges of it that were written.
type draft struct {
	store *Store
	max   int64

	mu      sync.Mutex
	bytes   []byte
	written ranges.Ranges
	done    error
	content spool.Content
	row     *kept
}

// NewDraft implements spool.Store.
func (s *Store) NewDraft(ctx context.Context, max int64) (spool.Draft, error) {
	if max < 0 {
		return nil, errors.New("draft: limit is negative")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.ended()); err != nil {
		return nil, err
	}
	return &draft{store: s, max: max}, nil
}

// Resume implements spool.Store. The draft works on a copy.
func (s *Store) Resume(ctx context.Context, owner, name string, max int64) (spool.Draft, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.ended()); err != nil {
		return nil, err
	}
	k, there := s.state.kept[keptKey{owner, name}]
	switch {
	case !there:
		return nil, fmt.Errorf("kept draft: %w", spool.ErrNotFound)
	case k.size > max:
		return nil, fmt.Errorf("kept draft: %w", spool.ErrTooLarge)
	}
	d := &draft{store: s, max: max, bytes: slices.Clone(k.bytes), written: slices.Clone(k.written)}
	if s.kept[k] == nil { // the one that goes on with it; others are drafts of their own
		d.row = k
		s.kept[k] = d
	}
	return d, nil
}

func (d *draft) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.bytes))
}

func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return 0, d.done
	}
	if off < 0 {
		return 0, fmt.Errorf("draft: offset is negative: %w", fs.ErrInvalid)
	}
	return blob(d.bytes).ReadAt(p, off)
}

func (d *draft) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	end := off + int64(len(p))
	switch {
	case d.done != nil:
		return 0, d.done
	case off < 0:
		return 0, fmt.Errorf("draft: offset is negative: %w", fs.ErrInvalid)
	case end < off || end > d.max:
		return 0, fmt.Errorf("draft: %w", spool.ErrTooLarge)
	case len(p) == 0:
		return 0, nil
	case len(d.written) >= ranges.Max && !d.written.Touches(ranges.Span{From: off, To: end}):
		return 0, fmt.Errorf("draft: too scattered: %w", spool.ErrHole)
	}
	d.grow(end)
	copy(d.bytes[off:], p)
	d.written = d.written.With(ranges.Span{From: off, To: end})
	return len(p), nil
}

func (d *draft) grow(size int64) {
	if more := size - int64(len(d.bytes)); more > 0 {
		d.bytes = append(d.bytes, make([]byte, more)...)
	}
}

func (d *draft) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.done != nil:
		return d.done
	case size < 0:
		return fmt.Errorf("draft: size is negative: %w", fs.ErrInvalid)
	case size > d.max:
		return fmt.Errorf("draft: %w", spool.ErrTooLarge)
	}
	d.written = d.written.Cut(size)
	d.bytes = d.bytes[:min(int64(len(d.bytes)), size)]
	clear(d.bytes[len(d.bytes):cap(d.bytes)])
	d.grow(size)
	return nil
}

func (d *draft) Keep(ctx context.Context, owner, name string, at time.Time) error {
	if name == "" {
		return errors.New("draft: name is empty")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return d.done
	}
	k := &kept{bytes: slices.Clone(d.bytes), written: slices.Clone(d.written), size: int64(len(d.bytes)), modified: stamp(at)}
	err := d.store.Update(ctx, func(t spool.Tx) error {
		own := t.(*tx)
		if d.row != nil {
			for n, row := range own.state.kept {
				if row == d.row { // its former name
					own.unkept = append(own.unkept, row)
					drop(own, own.state.kept, n)
				}
			}
		}
		put(own, own.state.kept, keptKey{owner, name}, k)
		return nil
	})
	if err != nil {
		return fmt.Errorf("draft: %w", err)
	}
	d.row = k
	d.store.mu.Lock()
	d.store.kept[k] = d
	d.store.mu.Unlock()
	return nil
}

func (d *draft) Finish(ctx context.Context) (spool.Content, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.content.SHA256 != "" {
		return d.content, nil
	}
	if d.done != nil {
		return spool.Content{}, d.done
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if err := errors.Join(ctx.Err(), d.store.ended()); err != nil {
		return spool.Content{}, err
	}
	if d.written.First() != int64(len(d.bytes)) {
		return spool.Content{}, fmt.Errorf("draft: %w", spool.ErrHole)
	}
	sum := sha256.Sum256(d.bytes)
	d.content = spool.Content{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(d.bytes))}
	d.store.held[d.content.SHA256]++
	d.store.bytes[d.content.SHA256] = d.bytes
	d.done = fmt.Errorf("draft finished: %w", fs.ErrClosed)
	d.left()
	return d.content, nil
}

// left lets another draft go on with what was kept.
func (d *draft) left() {
	if d.row != nil && d.store.kept[d.row] == d {
		delete(d.store.kept, d.row)
	}
}

func (d *draft) Discard() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if d.done == nil {
		d.done = fmt.Errorf("draft discarded: %w", fs.ErrClosed)
		d.left()
	}
	if sum := d.content.SHA256; sum != "" {
		if d.store.held[sum]--; d.store.held[sum] <= 0 {
			delete(d.store.held, sum)
			delete(d.store.bytes, sum)
		}
		d.content.SHA256 = ""
	}
	return nil
}
