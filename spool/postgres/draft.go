package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/ranges"
)

// piecesMax is how many chunks of a draft are in memory at most: peers write
// ahead of the slowest of their packets.
const piecesMax = 3

// A draft is in memory up to inlineMax, then in a blob of the database. Truncate
// moves the logical end only: what the blob holds at a written range was really
// written there once, so ranges that were kept stay true after a crash.
type draft struct {
	store *Store
	id    string
	max   int64

	mu      sync.Mutex
	size    int64
	written ranges.Ranges
	mem     []byte

	blob   int64    // 0 while the draft is in memory
	begun  bool     // the blob has its row
	pieces []*piece // used last: at the end
	top    int64    // chunks from here on were never stored

	hash   hash.Hash // of the first hashed bytes of a blob; nil once they were written again
	hashed int64

	done    error // why it takes no more: finished or discarded
	gone    bool  // discarded
	content spool.Content
}

// A piece is a chunk in memory.
type piece struct {
	n     int64
	bytes []byte
	dirty bool
}

func (s *Store) newDraft(id string, max int64) *draft {
	d := &draft{store: s, id: id, max: max, hash: sha256.New()}
	s.blobs.mu.Lock()
	s.blobs.live[id] = d
	s.blobs.mu.Unlock()
	return d
}

func (s *Store) NewDraft(ctx context.Context, max int64) (spool.Draft, error) {
	if max < 0 {
		return nil, errors.New("draft: limit is negative")
	}
	if err := errors.Join(ctx.Err(), s.stopped()); err != nil {
		return nil, err
	}
	return s.newDraft(rand.Text(), max), nil
}

func newBlob() int64 {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return int64(binary.BigEndian.Uint64(b[:])>>1) | 1
}

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
	clear(p)
	if d.blob == 0 {
		if off < int64(len(d.mem)) {
			copy(p, d.mem[off:])
		}
	} else {
		for at, end := off, off+int64(len(p)); at < end; {
			next := min((at/chunkSize+1)*chunkSize, end)
			c, err := d.piece(at / chunkSize)
			if err != nil {
				return err
			}
			if from := at % chunkSize; from < int64(len(c.bytes)) {
				copy(p[at-off:next-off], c.bytes[from:])
			}
			at = next
		}
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
	if d.blob == 0 && end > inlineMax {
		if err := d.spill(); err != nil {
			return 0, err
		}
	}
	if d.blob == 0 {
		if end > int64(len(d.mem)) {
			d.mem = append(d.mem, make([]byte, end-int64(len(d.mem)))...)
		}
		copy(d.mem[off:], p)
	} else if err := d.put(p, off); err != nil {
		return 0, err
	}
	d.written = d.written.With(ranges.Span{From: off, To: end})
	d.size = max(d.size, end)
	if d.blob != 0 {
		return len(p), d.follow(p, off)
	}
	return len(p), nil
}

// put writes into the blob.
func (d *draft) put(p []byte, off int64) error {
	for len(p) > 0 {
		c, err := d.piece(off / chunkSize)
		if err != nil {
			return err
		}
		from := off % chunkSize
		n := min(int64(len(p)), chunkSize-from)
		if grow := from + n - int64(len(c.bytes)); grow > 0 {
			c.bytes = append(c.bytes, make([]byte, grow)...)
		}
		copy(c.bytes[from:], p[:n])
		c.dirty = true
		p, off = p[n:], off+n
	}
	return nil
}

// piece brings a chunk into memory, and stores one that must make room for it.
func (d *draft) piece(n int64) (*piece, error) {
	if i := slices.IndexFunc(d.pieces, func(c *piece) bool { return c.n == n }); i >= 0 {
		c := d.pieces[i]
		d.pieces = append(slices.Delete(d.pieces, i, i+1), c)
		return c, nil
	}
	if len(d.pieces) >= piecesMax {
		if err := d.save(d.pieces[0]); err != nil {
			return nil, err
		}
		d.pieces = slices.Delete(d.pieces, 0, 1)
	}
	c := &piece{n: n}
	if n < d.top {
		var err error
		if c.bytes, err = d.store.chunk(d.blob, n); err != nil && !errors.Is(err, spool.ErrNotFound) {
			return nil, fmt.Errorf("draft: %w", err)
		}
	}
	d.pieces = append(d.pieces, c)
	return c, nil
}

const (
	sqlBlob  = `INSERT INTO blob (id) VALUES ($1) ON CONFLICT DO NOTHING`
	sqlChunk = `INSERT INTO chunk (blob, n, bytes) VALUES ($1, $2, $3) ON CONFLICT (blob, n) DO UPDATE SET bytes = excluded.bytes`
)

// save makes a piece durable. The blob's row comes once: when it is gone, the
// store was taken over and the draft is nobody's any more.
func (d *draft) save(c *piece) error {
	if !c.dirty {
		return nil
	}
	if err := d.store.stopped(); err != nil {
		return err
	}
	err := d.store.patient(context.Background(), func(s *session) error {
		if !d.begun {
			if _, err := s.exec(sqlBlob, d.blob); err != nil {
				return err
			}
		}
		_, err := s.exec(sqlChunk, d.blob, c.n, c.bytes)
		return err
	})
	if err != nil {
		return fmt.Errorf("draft: %w", told(err))
	}
	d.begun, c.dirty = true, false
	d.top = max(d.top, c.n+1)
	return nil
}

func (d *draft) saveAll() error {
	for _, c := range d.pieces {
		if err := d.save(c); err != nil {
			return err
		}
	}
	return nil
}

// spill moves the draft from memory into a blob.
func (d *draft) spill() error {
	d.blob = newBlob()
	d.store.blobs.take(d.blob)
	if err := d.put(d.mem, 0); err != nil {
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
	buf := make([]byte, min(first-d.hashed, chunkSize))
	for d.hashed < first {
		part := buf[:min(int64(len(buf)), first-d.hashed)]
		if err := d.read(part, d.hashed); err != nil {
			d.hash, d.hashed = nil, 0
			return err
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
	d.written = d.written.Cut(size)
	d.mem = d.mem[:min(int64(len(d.mem)), size)]
	if size < d.hashed {
		d.hash, d.hashed = nil, 0
	}
	d.size = size
	return nil
}

// Keep stores what is in memory and then commits the row that names the draft.
func (d *draft) Keep(ctx context.Context, owner, name string, at time.Time) error {
	if name == "" {
		return errors.New("draft: name is empty")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return d.done
	}
	var mem, blob any
	if d.blob == 0 {
		mem = notNil(d.mem)
	} else {
		if err := d.saveAll(); err != nil {
			return err
		}
		blob = d.blob
	}
	written := d.written.Marshal()
	err := d.store.change(ctx, func(t *tx) error {
		// The name may be another draft's, and the draft may have another name.
		var old []int64
		err := t.s.rows(`DELETE FROM kept WHERE (owner = $1 AND name = $2) OR draft = $3 RETURNING blob`, []arg{owner, name, d.id}, func(scan func(...arg) error) error {
			var id *int64
			err := scan(&id)
			if id != nil {
				old = append(old, *id)
			}
			return err
		})
		if err != nil {
			return told(err)
		}
		t.bytes += int64(len(d.mem))
		if _, err := t.write(1, `INSERT INTO kept (owner, name, draft, size, modified, ranges, bytes, blob, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			owner, name, d.id, d.size, stamp(at), written, mem, blob, t.store.epoch); err != nil {
			return err
		}
		for _, id := range old {
			if err := t.drop(id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("draft: %w", err)
	}
	return nil
}

// sqlCopy copies a blob.
const sqlCopy = `WITH b AS (INSERT INTO blob (id) VALUES ($1) ON CONFLICT DO NOTHING)
	INSERT INTO chunk (blob, n, bytes) SELECT $1, n, bytes FROM chunk WHERE blob = $2 ON CONFLICT DO NOTHING`

// Resume opens a kept draft. The new one works on a copy while the draft that was
// kept is itself open, when its blob has become content, and when another opener
// has kept it: a node that was fenced may still be writing into that one.
func (s *Store) Resume(ctx context.Context, owner, name string, max int64) (spool.Draft, error) {
	var d *draft
	var from int64
	err := s.change(ctx, func(t *tx) error { return t.resume(owner, name, max, &d, &from) })
	if err != nil {
		return nil, fmt.Errorf("kept draft: %w", err)
	}
	if from == 0 {
		return d, nil
	}
	err = s.patient(ctx, func(c *session) error {
		_, err := c.exec(sqlCopy, d.blob, from)
		return err
	})
	s.blobs.leave(from)
	if err != nil {
		d.Discard()
		return nil, fmt.Errorf("kept draft: %w", told(err))
	}
	return d, nil
}

// resume is Resume but for the copying. It runs as a change, so that no other change
// can make the kept draft vanish in between; d is a live draft only if the change
// succeeds, which after its last statement it does.
func (t *tx) resume(owner, name string, max int64, made **draft, from *int64) error {
	s := t.store
	if *made != nil { // run again
		(*made).forsake(*from)
		*made, *from = nil, 0
	}
	var id string
	var size, epoch int64
	var raw, mem []byte
	var blob *int64
	var content bool
	err := t.s.row(`SELECT draft, size, ranges, bytes, blob, epoch, EXISTS (SELECT FROM content c WHERE c.blob = k.blob) FROM kept k WHERE owner = $1 AND name = $2`,
		[]arg{owner, name}, &id, &size, &raw, &mem, &blob, &epoch, &content)
	if errors.Is(err, pgx.ErrNoRows) {
		return spool.ErrNotFound
	}
	if err != nil {
		return told(err)
	}
	written, err := ranges.Unmarshal(raw)
	if err != nil {
		return err
	}
	if size > max {
		return spool.ErrTooLarge
	}
	s.blobs.mu.Lock()
	busy := s.blobs.live[id] != nil
	s.blobs.mu.Unlock()
	copied := blob != nil && (busy || content || epoch != s.epoch || s.blobs.used(*blob))
	if busy || copied {
		id = rand.Text() // nothing names it until it is kept
	}
	d := s.newDraft(id, max)
	d.size, d.written, d.mem = size, written, mem
	if blob != nil {
		d.begun = true
		d.blob = *blob
		if copied {
			s.blobs.take(*blob)
			*from, d.blob = *blob, newBlob()
		}
		s.blobs.take(d.blob)
		if n := len(written); n > 0 {
			d.top = (written[n-1].To + chunkSize - 1) / chunkSize
		}
	}
	*made = d
	return nil
}

// forsake undoes what resume did in memory.
func (d *draft) forsake(from int64) {
	d.store.blobs.mu.Lock()
	delete(d.store.blobs.live, d.id)
	d.store.blobs.mu.Unlock()
	if d.blob != 0 {
		d.store.blobs.leave(d.blob)
	}
	if from != 0 {
		d.store.blobs.leave(from)
	}
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
	if d.size <= inlineMax {
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

// finishLarge stores what is still in memory. It may be called again after an error.
func (d *draft) finishLarge() error {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	if err := d.catchUp(); err != nil {
		return err
	}
	if err := d.saveAll(); err != nil {
		return err
	}
	d.content = spool.Content{SHA256: hex.EncodeToString(d.hash.Sum(nil)), Size: d.size}
	d.store.blobs.hold(d)
	return nil
}

// close takes the draft out of the live ones.
func (d *draft) close() {
	b := &d.store.blobs
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live[d.id] == d {
		delete(b.live, d.id)
	}
	d.mem, d.pieces = nil, nil
}

// Discard forgets the draft; what was kept of it under a name stays, and so does
// what has become content.
func (d *draft) Discard() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return nil
	}
	d.gone = true
	if d.done == nil {
		d.done = fmt.Errorf("draft discarded: %w", fs.ErrClosed)
		d.close()
	}
	if d.blob != 0 {
		if d.content.SHA256 != "" {
			d.store.blobs.release(d, d.content.SHA256)
		}
		d.store.blobs.leave(d.blob)
		if d.begun && d.store.stopped() == nil {
			// What is not dropped now is found by Sweep or the next Open.
			d.store.change(context.Background(), func(t *tx) error { return t.drop(d.blob) })
		}
	}
	d.content = spool.Content{}
	return nil
}
