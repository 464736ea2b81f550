package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// files keeps the files beside the database, and knows which of them a draft or
// a change on its way still counts on.
type files struct {
	store   *Store
	content string
	drafts  string

	mu     sync.Mutex
	live   map[string]*draft          // drafts that are neither finished nor discarded, by id
	held   map[string]map[*draft]bool // finished drafts of large content that are not discarded yet, by hash
	synced map[string]bool            // folders whose name is known to be on the disk
	hashes map[string]partly          // of kept drafts that nobody has open, by id
}

// partly is the hash of a kept file as far as it was computed: who goes on with the
// file, or gives it its final name, need not read it again. After a restart he must.
type partly struct {
	hash   hash.Hash
	hashed int64
}

// maxHashes bounds the memory of them.
const maxHashes = 10_000

func newFiles(s *Store) *files {
	return &files{
		store: s, content: filepath.Join(s.opt.Dir, "content"), drafts: filepath.Join(s.opt.Dir, "drafts"),
		live: map[string]*draft{}, held: map[string]map[*draft]bool{}, synced: map[string]bool{}, hashes: map[string]partly{},
	}
}

// path is content/ab/cd/SHA256.
func (f *files) path(sum string) string {
	return filepath.Join(f.content, sum[:2], sum[2:4], sum)
}

func noSpace(err error) bool {
	return full(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// lack gives the contract's word for a disk that is full.
func lack(err error) error {
	if noSpace(err) {
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	}
	return err
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// flush makes a file's bytes durable. A flush that failed stops the engine: the
// kernel may have forgotten what it could not write, and would say yes the next time.
func (f *files) flush(file *os.File) error {
	if err := f.store.stopped(); err != nil {
		return err
	}
	err := f.store.opt.Faults.at(BeforeSync)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = f.store.opt.Faults.at(AfterSync)
	}
	if err != nil {
		return f.store.fail("content sync", err)
	}
	return nil
}

// flushFolder makes the names in a folder durable.
func (f *files) flushFolder(dir string) error {
	err := f.store.opt.Faults.at(BeforeFolder)
	if err == nil {
		err = syncFolder(dir)
	}
	if err == nil {
		err = f.store.opt.Faults.at(AfterFolder)
	}
	if err != nil {
		return f.store.fail("folder sync", err)
	}
	return nil
}

// folder makes a folder whose name is durable when it returns, also when
// somebody else has only just made it.
func (f *files) folder(dir string) error {
	f.mu.Lock()
	known := f.synced[dir]
	f.mu.Unlock()
	if known {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return lack(err)
	}
	if err := f.flushFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	f.mu.Lock()
	f.synced[dir] = true
	f.mu.Unlock()
	return nil
}

// place puts a flushed file under its hash. Until the row that refers to it is
// committed it is an orphan, which held keeps from Sweep. A file that a kept
// draft still names is linked, so that the draft is whole whatever happens next;
// Resume never writes into a file with two names.
func (f *files) place(from, sum string, keep bool) error {
	to := f.path(sum)
	for _, dir := range []string{filepath.Dir(filepath.Dir(to)), filepath.Dir(to)} {
		if err := f.folder(dir); err != nil {
			return err
		}
	}
	if err := f.store.opt.Faults.at(BeforePlace); err != nil {
		return lack(err)
	}
	if keep {
		// What is there already has the same bytes: files get this name only when
		// they are whole, and are not written again.
		if err := os.Link(from, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return lack(err)
		}
	} else if err := os.Rename(from, to); err != nil {
		return lack(err)
	}
	if err := f.store.opt.Faults.at(AfterPlace); err != nil {
		return lack(err)
	}
	return f.flushFolder(filepath.Dir(to))
}

func (f *files) hold(d *draft) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[d.sum] == nil {
		f.held[d.sum] = map[*draft]bool{}
	}
	f.held[d.sum][d] = true
}

// release lets a draft's hold go.
func (f *files) release(d *draft) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.held[d.sum], d)
	if len(f.held[d.sum]) == 0 {
		delete(f.held, d.sum)
	}
}

// heldSize is the size of a content that a finished draft holds in place, -1 if none does.
func (f *files) heldSize(sum string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d := range f.held[sum] {
		if d.placed {
			return d.size
		}
	}
	return -1
}

// settle does what follows from a committed change: a draft has a name now, or
// the files of drafts that lost theirs go.
func (f *files) settle(t *tx) {
	if len(t.dropped) == 0 && t.keeps == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.keeps != nil {
		t.keeps.kept.Store(true)
	}
	for _, id := range t.dropped {
		if d := f.live[id]; d != nil {
			d.kept.Store(false)
			continue
		}
		delete(f.hashes, id)
		f.unlink(filepath.Join(f.drafts, id))
	}
}

// unlink removes a file that nothing refers to. What stays after an error is
// found again by Sweep or the next Open.
func (f *files) unlink(name string) bool {
	if f.store.opt.Faults.at(BeforeUnlink) != nil {
		return false
	}
	return os.Remove(name) == nil
}

// recover makes the folders and removes the drafts nobody kept.
func (f *files) recover() error {
	for _, dir := range []string{f.content, f.drafts} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		f.synced[dir] = true // start flushes their folder
	}
	kept := map[string]bool{}
	err := f.store.write.rows(`SELECT draft FROM kept WHERE bytes IS NULL`, nil, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		kept[id] = true
		return err
	})
	if err != nil {
		return err
	}
	names, err := os.ReadDir(f.drafts)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !kept[n.Name()] {
			if err := os.Remove(filepath.Join(f.drafts, n.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *files) probe() error {
	file, err := os.CreateTemp(f.drafts, "probe-")
	if err != nil {
		return lack(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(rand.Text()); err != nil {
		return lack(err)
	}
	if err := f.flush(file); err != nil {
		return err
	}
	return f.flushFolder(f.drafts)
}

// A blob is content in memory or in a file.
type blob struct {
	fs   *os.File
	mem  *bytes.Reader
	size int64
}

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	if b.fs != nil {
		return b.fs.ReadAt(p, off)
	}
	return b.mem.ReadAt(p, off)
}

func (b *blob) Size() int64 { return b.size }

func (b *blob) Close() error {
	if b.fs != nil {
		return b.fs.Close()
	}
	return nil
}

// Open reads content that a part refers to, or that a finished draft holds.
func (s *Store) Open(ctx context.Context, sum string) (spool.Blob, error) {
	raw, err := digest(sum)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	size := s.files.heldSize(sum)
	var mem []byte
	inline := false
	err = s.View(ctx, func(r spool.Reader) error {
		return r.(*reader).s.row(`SELECT size, bytes IS NOT NULL, bytes FROM content WHERE sha256 = ?`, []any{raw}, &size, &inline, &mem)
	})
	if err != nil && (size < 0 || !errors.Is(err, capi.ErrNoRows)) {
		return nil, fmt.Errorf("content: %w", told(err))
	}
	if inline {
		return &blob{mem: bytes.NewReader(mem), size: size}, nil
	}
	file, err := os.Open(s.files.path(sum))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", spool.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	return &blob{fs: file, size: size}, nil
}

// Sweep removes content that no part refers to: rows first, in small
// transactions, then files, also those that a crash left without a row. What a
// draft holds that is finished and not discarded stays. removed counts contents.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	n, err := s.sweepRows(ctx)
	if err != nil {
		return n, fmt.Errorf("sweep: %w", err)
	}
	files, err := s.sweepFiles(ctx)
	if err != nil {
		return n + files, fmt.Errorf("sweep: %w", err)
	}
	return n + files, nil
}

// sweepRows counts the contents of the database it removed; those in files are counted by sweepFiles.
func (s *Store) sweepRows(ctx context.Context) (removed int, err error) {
	for {
		var loose []int64
		inline := 0
		err := s.change(ctx, func(t *tx) error {
			loose, inline = nil, 0
			err := t.s.rows(`SELECT content FROM loose LIMIT 100`, nil, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				loose = append(loose, id)
				return err
			})
			if err != nil {
				return t.fault(err)
			}
			for _, id := range loose {
				var mem bool
				err := t.s.row(`DELETE FROM content WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM part WHERE content = ?1) RETURNING bytes IS NOT NULL`, []any{id}, &mem)
				if err != nil && !errors.Is(err, capi.ErrNoRows) {
					return t.fault(err)
				}
				if mem {
					inline++
				}
				if _, err := t.exec(`DELETE FROM loose WHERE content = ?`, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return removed, err
		}
		removed += inline
		if len(loose) == 0 {
			return removed, nil
		}
	}
}

func (s *Store) sweepFiles(ctx context.Context) (removed int, err error) {
	// A connection of its own: it asks while it holds the lock on the files, and
	// must not wait there for a View that waits for that lock.
	c, err := dial(s.database(), onlyReads)
	if err != nil {
		return 0, err
	}
	defer c.close()
	err = filepath.WalkDir(s.files.content, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.stopped(); err != nil {
			return err
		}
		raw, err := hex.DecodeString(e.Name())
		if err != nil || s.files.path(e.Name()) != name {
			return nil // not ours; Integrity tells of it
		}
		gone, err := s.files.sweep(c, name, e.Name(), raw)
		if gone {
			removed++
		}
		return err
	})
	return removed, err
}

// sweep removes a file unless somebody counts on it. A hold lasts until after
// the commit of the row that takes its place, so the row is looked for second.
func (f *files) sweep(c *session, name, sum string, raw []byte) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.held[sum]) > 0 {
		return false, nil
	}
	var one int
	err := c.row(`SELECT 1 FROM content WHERE sha256 = ?`, []any{raw}, &one)
	if !errors.Is(err, capi.ErrNoRows) {
		return false, err
	}
	// That the row is gone must be on the disk first. The goroutine that flushes is not
	// waited for: it may be waiting for this lock.
	if err := f.store.syncWAL(); err != nil {
		return false, f.store.fail("WAL sync", err)
	}
	return f.unlink(name), nil
}
