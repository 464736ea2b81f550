package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/brama-gateway/brama/spool"
)

// chunkSize is how many bytes of a blob lie in one row. A blob is the bytes of a
// large content or draft.
const chunkSize = 256 << 10

// blobs knows which blobs somebody in this process counts on: a draft, or whoever
// reads content.
type blobs struct {
	mu   sync.Mutex
	refs map[int64]int
	live map[string]*draft          // drafts that are neither finished nor discarded, by id
	held map[string]map[*draft]bool // finished drafts of large content that are not discarded yet, by hash
}

func (b *blobs) take(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refs[id]++
}

// leave ends a take.
func (b *blobs) leave(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refs[id]--; b.refs[id] == 0 {
		delete(b.refs, id)
	}
}

func (b *blobs) used(id int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refs[id] > 0
}

func (b *blobs) hold(d *draft) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[d.content.SHA256] == nil {
		b.held[d.content.SHA256] = map[*draft]bool{}
	}
	b.held[d.content.SHA256][d] = true
}

func (b *blobs) release(d *draft, sum string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held[sum], d)
	if len(b.held[sum]) == 0 {
		delete(b.held, sum)
	}
}

// holder is the blob of a content that a finished draft holds, 0 if none does.
func (b *blobs) holder(sum string) (id, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for d := range b.held[sum] {
		return d.blob, d.content.Size
	}
	return 0, 0
}

// sqlDrop removes a blob that nothing names.
const sqlDrop = `DELETE FROM blob WHERE id = $1
	AND NOT EXISTS (SELECT FROM content WHERE blob = $1) AND NOT EXISTS (SELECT FROM kept WHERE blob = $1)`

// drop removes a blob unless something names it or somebody counts on it.
func (t *tx) drop(id int64) error {
	if t.store.blobs.used(id) {
		return nil // Sweep finds it later
	}
	_, err := t.write(whatever, sqlDrop, id)
	return err
}

// A blob is content in memory or in the database.
type blob struct {
	mem  *bytes.Reader
	size int64

	store *Store
	id    int64
	mu    sync.Mutex
	n     int64 // number of the chunk that was read last
	last  []byte
	done  bool
}

func (b *blob) Size() int64 { return b.size }

func (b *blob) ReadAt(p []byte, off int64) (n int, err error) {
	if b.mem != nil {
		return b.mem.ReadAt(p, off)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return 0, fs.ErrClosed
	case off < 0:
		return 0, fmt.Errorf("content: offset is negative: %w", fs.ErrInvalid)
	}
	for n < len(p) && off < b.size {
		if k := off / chunkSize; b.last == nil || k != b.n {
			c, err := b.store.chunk(b.id, k)
			if err != nil {
				return n, fmt.Errorf("content: %w", err)
			}
			b.n, b.last = k, c
		}
		end := min(int64(len(b.last)), b.size-b.n*chunkSize)
		if off%chunkSize >= end {
			return n, fmt.Errorf("content: bytes are missing: %w", io.ErrUnexpectedEOF)
		}
		m := copy(p[n:], b.last[off%chunkSize:end])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b *blob) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store != nil && !b.done {
		b.store.blobs.leave(b.id)
	}
	b.done, b.last = true, nil
	return nil
}

// chunk reads one chunk of a blob.
func (s *Store) chunk(id, n int64) (p []byte, err error) {
	err = s.patient(context.Background(), func(c *session) error {
		return c.row(`SELECT bytes FROM chunk WHERE blob = $1 AND n = $2`, []arg{id, n}, &p)
	})
	return p, told(err)
}

// patient uses a connection for what may be done twice, and does it again when the
// connection was lost.
func (s *Store) patient(ctx context.Context, use func(*session) error) error {
	end := time.Now().Add(s.opt.Patience)
	for {
		lost := false
		err := s.side(ctx, func(c *session) error {
			err := use(c)
			c.fault = nil
			lost = err != nil && c.lost(err)
			return err
		})
		if !lost || time.Now().After(end) {
			return err
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
	}
}

// Open reads content that a part refers to, or that a finished draft holds.
func (s *Store) Open(ctx context.Context, sum string) (spool.Blob, error) {
	raw, err := digest(sum)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	var size int64
	var mem []byte
	var id *int64
	if err := s.enter(); err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	defer s.views.Done()
	err = s.patient(ctx, func(c *session) error {
		return c.row(`SELECT size, bytes, blob FROM content WHERE sha256 = $1`, []arg{raw}, &size, &mem, &id)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		if held, n := s.blobs.holder(sum); held != 0 {
			id, size, err = &held, n, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("content: %w", told(err))
	}
	if id == nil {
		return &blob{mem: bytes.NewReader(mem), size: size}, nil
	}
	s.blobs.take(*id)
	return &blob{store: s, id: *id, size: size}, nil
}

// Sweep removes content that no part refers to, and blobs that nothing names. What
// a draft holds that is finished and not discarded stays.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	for {
		n, more := 0, false
		err := s.change(ctx, func(t *tx) error {
			var err error
			n, more, err = t.sweepContents()
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
		removed += n
		if !more {
			break
		}
	}
	n := 0
	err = s.change(ctx, func(t *tx) error {
		var err error
		n, err = t.sweepBlobs()
		return err
	})
	if err != nil {
		return removed, fmt.Errorf("sweep: %w", err)
	}
	return removed + n, nil
}

// sweepContents looks at some of the contents that have lost a part.
func (t *tx) sweepContents() (removed int, more bool, err error) {
	loose, err := t.numbers(`SELECT content FROM loose LIMIT 100`)
	if err != nil {
		return 0, false, err
	}
	for _, id := range loose {
		var blob *int64
		err := t.s.row(`DELETE FROM content WHERE id = $1 AND NOT EXISTS (SELECT FROM part WHERE content = $1) RETURNING blob`, []arg{id}, &blob)
		switch {
		case err == nil:
			removed++
		case !errors.Is(err, pgx.ErrNoRows):
			return 0, false, told(err)
		}
		if blob != nil {
			if err := t.drop(*blob); err != nil {
				return 0, false, err
			}
		}
		if _, err := t.write(1, `DELETE FROM loose WHERE content = $1`, id); err != nil {
			return 0, false, err
		}
	}
	return removed, len(loose) > 0, nil
}

// sweepBlobs removes what nothing names. A draft counts on its blob before the blob
// is there, so whether somebody does is asked after the blobs were listed.
func (t *tx) sweepBlobs() (removed int, err error) {
	orphans, err := t.numbers(`SELECT id FROM blob b WHERE NOT EXISTS (SELECT FROM content WHERE blob = b.id) AND NOT EXISTS (SELECT FROM kept WHERE blob = b.id)`)
	for _, id := range orphans {
		if t.store.blobs.used(id) {
			continue
		}
		if _, err := t.write(1, sqlDrop, id); err != nil {
			return 0, err
		}
		removed++
	}
	return removed, err
}

func (t *tx) numbers(text string) (all []int64, err error) {
	err = t.s.rows(text, nil, func(scan func(...arg) error) error {
		var n int64
		err := scan(&n)
		all = append(all, n)
		return err
	})
	return all, told(err)
}
