package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/ranges"
)

// roomStep is how many bytes a draft writes between two looks at the free space.
const roomStep = 1 << 20

var errShort = errors.New("kept draft: its file is shorter than its ranges")

// A draft is in memory up to Options.InlineMax, then in a file. Truncate moves
// the logical end only: what the file holds at a written range was really
// written there once, so ranges that were kept stay true after a crash.
type draft struct {
	store  *Store
	id     string
	max    int64
	urgent bool        // the floor does not count (spool.Urgent)
	kept   atomic.Bool // a row of kept names it

	mu      sync.Mutex
	size    int64
	written ranges.Ranges
	mem     []byte
	file    *os.File
	paid    int64 // bytes that may be written before the next look at the free space

	hash   hash.Hash // of the first hashed bytes of a file; nil once they were written again
	hashed int64
	asKept bool // nothing was written since it was kept

	done    error // why it takes no more: finished or discarded
	content spool.Content
	sum     string
	placed  bool // guarded by files.mu
}

func (s *Store) newDraft(id string, max int64) *draft {
	return &draft{store: s, id: id, max: max, hash: sha256.New()}
}

func (s *Store) NewDraft(ctx context.Context, max int64) (spool.Draft, error) {
	if max < 0 {
		return nil, errors.New("draft: limit is negative")
	}
	if err := errors.Join(ctx.Err(), s.stopped()); err != nil {
		return nil, err
	}
	urgent := spool.IsUrgent(ctx)
	if err := s.room(0); err != nil && !urgent {
		return nil, fmt.Errorf("draft: %w", err)
	}
	d := s.newDraft(rand.Text(), max)
	d.urgent = urgent
	s.files.mu.Lock()
	s.files.live[d.id] = d
	s.files.mu.Unlock()
	return d, nil
}

func (d *draft) path() string { return filepath.Join(d.store.files.drafts, d.id) }

func (d *draft) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.size
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
	if off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), d.size-off))
	if err := d.read(p[:n], off); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read fills p, which lies inside the size, with zeros where nothing was written.
func (d *draft) read(p []byte, off int64) error {
	if d.file == nil {
		clear(p)
		if off < int64(len(d.mem)) {
			copy(p, d.mem[off:])
		}
	} else if n, err := d.file.ReadAt(p, off); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("draft: %w", err)
	} else {
		clear(p[n:])
	}
	d.written.Blank(p, off)
	return nil
}

func (d *draft) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return 0, d.done
	}
	if off < 0 {
		return 0, fmt.Errorf("draft: offset is negative: %w", fs.ErrInvalid)
	}
	end := off + int64(len(p))
	if end < off || end > d.max {
		return 0, fmt.Errorf("draft: %w", spool.ErrTooLarge)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.written) >= ranges.Max && !d.written.Touches(ranges.Span{From: off, To: end}) {
		return 0, fmt.Errorf("draft: too scattered: %w", spool.ErrHole)
	}
	if d.file == nil && end > d.store.opt.InlineMax {
		if err := d.spill(); err != nil {
			return 0, err
		}
	}
	if d.file == nil {
		if end > int64(len(d.mem)) {
			d.mem = append(d.mem, make([]byte, end-int64(len(d.mem)))...)
		}
		copy(d.mem[off:], p)
	} else if err := d.put(p, off); err != nil {
		return 0, err
	}
	d.asKept = false
	d.written = d.written.With(ranges.Span{From: off, To: end})
	d.size = max(d.size, end)
	if d.file != nil {
		return len(p), d.follow(p, off)
	}
	return len(p), nil
}

// put writes into the file.
func (d *draft) put(p []byte, off int64) error {
	if d.paid -= int64(len(p)); d.paid < 0 {
		if err := d.store.room(int64(len(p))); err != nil && !d.urgent {
			d.paid = 0
			return fmt.Errorf("draft: %w", err)
		}
		d.paid = roomStep
	}
	if err := d.store.opt.Faults.at(DraftWrite); err != nil {
		return fmt.Errorf("draft: %w", lack(err))
	}
	if _, err := d.file.WriteAt(p, off); err != nil {
		return fmt.Errorf("draft: %w", lack(err))
	}
	return nil
}

// spill moves the draft from memory into a file.
func (d *draft) spill() error {
	file, err := os.OpenFile(d.path(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("draft: %w", lack(err))
	}
	d.file = file
	if len(d.mem) > 0 {
		err = d.put(d.mem, 0)
	}
	if err != nil {
		d.file = nil
		file.Close()
		os.Remove(d.path())
		return err
	}
	d.mem = nil
	return d.follow(nil, d.written.First())
}

// follow hashes on the way: the bytes just written when they come next, then
// what earlier writes had put behind them.
func (d *draft) follow(p []byte, off int64) error {
	if off < d.hashed {
		d.hash, d.hashed = nil, 0
	}
	if d.hash == nil {
		return nil
	}
	if off == d.hashed {
		d.hash.Write(p)
		d.hashed += int64(len(p))
	}
	return d.catchUp()
}

// catchUp hashes what is written without a hole.
func (d *draft) catchUp() error {
	first := min(d.written.First(), d.size)
	if d.hashed >= first {
		return nil
	}
	buf := make([]byte, min(first-d.hashed, 256<<10))
	for d.hashed < first {
		part := buf[:min(int64(len(buf)), first-d.hashed)]
		if _, err := d.file.ReadAt(part, d.hashed); err != nil {
			d.hash, d.hashed = nil, 0
			return fmt.Errorf("draft: %w", err)
		}
		d.hash.Write(part)
		d.hashed += int64(len(part))
	}
	return nil
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
	d.asKept = false
	d.written = d.written.Cut(size)
	d.mem = d.mem[:min(int64(len(d.mem)), size)]
	if size < d.hashed {
		d.hash, d.hashed = nil, 0
	}
	d.size = size
	return nil
}

// Keep flushes the file, if there is one, and then commits the row that names it.
func (d *draft) Keep(ctx context.Context, owner, name string, at time.Time) error {
	if name == "" {
		return errors.New("draft: name is empty")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return d.done
	}
	var mem any
	if d.file == nil {
		mem = notNil(d.mem)
	} else {
		if err := d.store.files.flush(d.file); err != nil {
			return err
		}
		if err := d.store.files.flushFolder(d.store.files.drafts); err != nil {
			return err
		}
	}
	written := d.written.Marshal()
	err := d.store.change(ctx, func(t *tx) error {
		// The name may be another draft's, and the draft may have another name.
		err := t.s.rows(`DELETE FROM kept WHERE (owner = ? AND name = ?) OR draft = ? RETURNING draft`, []any{owner, name, d.id}, func(scan func(...any) error) error {
			var old string
			err := scan(&old)
			if old != d.id {
				t.dropped = append(t.dropped, old)
			}
			return err
		})
		if err != nil {
			return t.fault(err)
		}
		t.bytes += int64(len(d.mem))
		t.keeps = d
		_, err = t.exec(`INSERT INTO kept (owner, name, draft, size, modified, ranges, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			owner, name, d.id, d.size, stamp(at), written, mem)
		return err
	})
	if err != nil {
		return fmt.Errorf("draft: %w", err)
	}
	d.asKept = true
	return nil
}

// Resume opens a kept draft. While the draft that was kept is itself open, or
// its file has become content, the new one works on a copy.
func (s *Store) Resume(ctx context.Context, owner, name string, max int64) (spool.Draft, error) {
	if err := s.room(0); err != nil {
		return nil, fmt.Errorf("kept draft: %w", err)
	}
	var id string
	var size int64
	var raw, mem []byte
	var inline bool
	err := s.View(ctx, func(r spool.Reader) error {
		return r.(*reader).s.row(`SELECT draft, size, ranges, bytes IS NOT NULL, bytes FROM kept WHERE owner = ? AND name = ?`, []any{owner, name},
			&id, &size, &raw, &inline, &mem)
	})
	if err != nil {
		return nil, fmt.Errorf("kept draft: %w", told(err))
	}
	written, err := ranges.Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("kept draft: %w", err)
	}
	if size > max {
		return nil, fmt.Errorf("kept draft: %w", spool.ErrTooLarge)
	}
	d := s.newDraft(id, max)
	d.size, d.written, d.mem = size, written, mem
	d.kept.Store(true)
	if err := d.reopen(inline); err != nil {
		return nil, fmt.Errorf("kept draft: %w", err)
	}
	return d, nil
}

// reopen finds the file of a kept draft, or copies it, and enters the draft
// among the live ones.
func (d *draft) reopen(inline bool) error {
	f := d.store.files
	f.mu.Lock()
	defer f.mu.Unlock()
	id := d.id
	if inline {
		if f.live[d.id] != nil {
			d.fork()
		}
		f.live[d.id] = d
		return nil
	}
	file, err := os.OpenFile(d.path(), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return spool.ErrNotFound // unkept a moment ago
	}
	if err != nil {
		return err
	}
	st, err := file.Stat()
	if err == nil && len(d.written) > 0 && st.Size() < d.written[len(d.written)-1].To {
		err = errShort
	}
	if err != nil {
		file.Close()
		return err
	}
	if f.live[d.id] != nil || st.Sys().(*syscall.Stat_t).Nlink > 1 {
		d.fork()
		f.mu.Unlock()
		old := file
		file, err = d.copyFrom(old)
		old.Close()
		f.mu.Lock()
		if err != nil {
			return err
		}
	}
	d.file = file
	f.live[d.id] = d
	if p, ok := f.hashes[id]; ok {
		delete(f.hashes, id)
		d.hash, d.hashed = p.hash, p.hashed
	}
	return nil
}

// fork gives the draft an id of its own: nothing names it until it is kept.
func (d *draft) fork() {
	d.id = rand.Text()
	d.kept.Store(false)
}

func (d *draft) copyFrom(old *os.File) (*os.File, error) {
	file, err := os.OpenFile(d.path(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, lack(err)
	}
	if _, err := io.Copy(file, old); err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, lack(err)
	}
	return file, nil
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
	if err := errors.Join(ctx.Err(), d.store.stopped()); err != nil {
		return spool.Content{}, err
	}
	if d.written.First() != d.size {
		return spool.Content{}, fmt.Errorf("draft: %w", spool.ErrHole)
	}
	var err error
	if d.size <= d.store.opt.InlineMax {
		err = d.finishSmall()
	} else {
		err = d.finishLarge()
	}
	if err != nil {
		return spool.Content{}, err
	}
	d.done = fmt.Errorf("draft finished: %w", fs.ErrClosed)
	d.close()
	return d.content, nil
}

func (d *draft) finishSmall() error {
	b := make([]byte, d.size)
	if err := d.read(b, 0); err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	d.content = spool.Content{SHA256: hex.EncodeToString(sum[:]), Size: d.size, Inline: b}
	return nil
}

// finishLarge flushes the file and puts it in its place among the content. It
// may be called again after an error that did not stop the engine.
func (d *draft) finishLarge() error {
	if d.file == nil { // kept when InlineMax was greater
		if err := d.spill(); err != nil {
			return err
		}
	}
	if d.hash == nil {
		d.hash = sha256.New()
	}
	if err := d.catchUp(); err != nil {
		return err
	}
	// A kept row may need what lies beyond the end, which its ranges tell of; but a
	// finished file is the content and nothing else.
	if st, err := d.file.Stat(); err != nil {
		return fmt.Errorf("draft: %w", err)
	} else if st.Size() != d.size {
		if err := d.trim(); err != nil {
			return err
		}
	}
	if err := d.store.files.flush(d.file); err != nil {
		return err
	}
	d.sum = hex.EncodeToString(d.hash.Sum(nil))
	d.store.files.hold(d)
	if err := d.store.files.place(d.path(), d.sum, d.kept.Load()); err != nil {
		d.store.files.release(d)
		return fmt.Errorf("draft: %w", err)
	}
	d.store.files.mu.Lock()
	d.placed = true
	d.store.files.mu.Unlock()
	d.content = spool.Content{SHA256: d.sum, Size: d.size}
	return nil
}

// trim cuts off what lies beyond the end; a kept draft is copied first.
func (d *draft) trim() error {
	if d.kept.Load() {
		old := d.file
		f := d.store.files
		f.mu.Lock()
		delete(f.live, d.id)
		d.fork()
		f.live[d.id] = d
		f.mu.Unlock()
		file, err := d.copyFrom(old)
		if err != nil {
			return fmt.Errorf("draft: %w", err)
		}
		old.Close()
		d.file = file
	}
	if err := d.file.Truncate(d.size); err != nil {
		return fmt.Errorf("draft: %w", lack(err))
	}
	return nil
}

// close takes the draft out of the live ones and removes its file unless a row
// names it or it has become content. Once the engine has stopped a row may name it
// although its commit was refused: the next Open looks.
func (d *draft) close() {
	f := d.store.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live[d.id] == d {
		delete(f.live, d.id)
	}
	d.mem = nil
	if d.file == nil {
		return
	}
	d.file.Close()
	d.file = nil
	if d.kept.Load() && d.asKept && d.hash != nil && len(f.hashes) < maxHashes {
		f.hashes[d.id] = partly{d.hash, d.hashed}
	}
	if !d.kept.Load() && d.store.stopped() == nil {
		os.Remove(d.path()) // not there any more when it was renamed
	}
}

// Discard forgets the draft; what was kept of it under a name stays.
func (d *draft) Discard() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = fmt.Errorf("draft discarded: %w", fs.ErrClosed)
		d.close()
	}
	if d.sum != "" {
		d.store.files.release(d)
	}
	d.content.SHA256 = ""
	return nil
}
