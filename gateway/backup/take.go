package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// Take copies the state folder as it is now, whether a daemon works on it or not.
// written is how many bytes that took in the repository: what a copy before it has
// already is not written again.
func (r *Repository) Take(ctx context.Context, state string, at time.Time) (c *Copy, written int64, err error) {
	release, err := r.hold(true)
	if err != nil {
		return nil, 0, err
	}
	defer release()
	if err := r.begin(ctx); err != nil {
		return nil, 0, err
	}
	// A content that has lost its last part may be swept away before its turn
	// comes. The next state does not refer to it.
	for range 3 {
		c, written, err = r.take(ctx, state, at)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("backup of %s: %w", state, err)
	}
	return c, written, nil
}

// begin removes what a run left that did not end.
func (r *Repository) begin(ctx context.Context) error {
	mark := filepath.Join(r.dir, "unfinished")
	if _, err := os.Lstat(mark); err == nil {
		if err := r.sweep(ctx); err != nil {
			return err
		}
	}
	if err := replace(mark, nil); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

func (r *Repository) take(ctx context.Context, state string, at time.Time) (*Copy, int64, error) {
	at = at.UTC().Truncate(time.Millisecond)
	all, err := r.Copies()
	if err != nil {
		return nil, 0, err
	}
	known := map[string]File{} // contents that the copy before has, by path
	if len(all) > 0 {
		last := all[len(all)-1]
		if !last.Before(at) {
			return nil, 0, fmt.Errorf("the clock is behind the last copy, of %s", last.Format(time.RFC3339))
		}
		c, err := r.read(last)
		if err != nil {
			return nil, 0, err
		}
		for _, f := range c.Files {
			known[f.Path] = f
		}
	}
	store, err := sqlite.OpenReading(state)
	if err != nil {
		return nil, 0, err
	}
	defer store.Close()
	p, err := newPieces(ctx, r.dir)
	if err != nil {
		return nil, 0, err
	}
	c := &Copy{At: at}
	// Everything beside the store first: the journal's files may speak of no row
	// that the database, read after them, has not got.
	if err := r.others(p, c, state, known); err != nil {
		return nil, 0, err
	}
	if err := store.Snapshot(ctx, func(s *sqlite.Snapshot) error { return r.store(p, c, state, s, known) }); err != nil {
		return nil, 0, err
	}
	for _, f := range c.Files {
		c.Bytes += f.Size
	}
	slices.SortFunc(c.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	dir, err := os.Open(r.dir)
	if err != nil {
		return nil, 0, err
	}
	err = unix.Syncfs(int(dir.Fd()))
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, 0, err
	}
	if err := r.write(c); err != nil {
		return nil, 0, err
	}
	return c, p.new, os.Remove(filepath.Join(r.dir, "unfinished"))
}

func (r *Repository) others(p *pieces, c *Copy, state string, known map[string]File) error {
	return filepath.WalkDir(state, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != state {
			return nil // it went while we looked: not what the state consists of
		}
		if err != nil {
			return err
		}
		path, err := filepath.Rel(state, name)
		if err != nil {
			return err
		}
		switch {
		case sqlite.Owned(path):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !e.Type().IsRegular(), strings.HasSuffix(path, ".new"):
			return nil
		}
		if f, ok := known[filepath.ToSlash(path)]; ok && strings.HasSuffix(path, archive.Ending) {
			// An archive never changes: its end has the hashes of all the rest. What the copy
			// before has of it stays good, whatever has been done to the file since.
			same, err := endsAlike(name, f)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if same {
				c.Files = append(c.Files, f)
				return nil
			}
		}
		f, err := p.file(name, path, -1)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if filepath.Join(state, path) == journal.HashesIn(journal.Folder(state)) {
			c.Rows = journal.RowsOf(f.Size)
		}
		c.Files = append(c.Files, f)
		return nil
	})
}

func (r *Repository) store(p *pieces, c *Copy, state string, s *sqlite.Snapshot, known map[string]File) error {
	p.begin()
	if _, err := s.WriteTo(p); err != nil {
		return err
	}
	f, err := p.end(sqlite.Database, 0o600)
	if err != nil {
		return err
	}
	c.Files = append(c.Files, f)
	return s.Files(func(want sqlite.File) error {
		if f, ok := known[filepath.ToSlash(want.Path)]; ok && want.SHA256 != "" && f.SHA256 == want.SHA256 {
			c.Files = append(c.Files, f)
			return nil
		}
		size := want.Size
		if want.SHA256 == "" {
			size = -1 // it may be longer by now
		}
		f, err := p.file(filepath.Join(state, want.Path), want.Path, size)
		if want.SHA256 == "" && errors.Is(err, fs.ErrNotExist) {
			return nil // the upload has become a submission, or was given up
		}
		if err != nil {
			return err
		}
		if want.SHA256 != "" && f.SHA256 != want.SHA256 {
			return fmt.Errorf("content %s is damaged; see: bramactl integrity --deep", want.SHA256)
		}
		c.Files = append(c.Files, f)
		return nil
	})
}

// endsAlike says whether a file has the size of a copy of it, and the same last piece.
func endsAlike(name string, as File) (bool, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != as.Size || len(as.Pieces) == 0 {
		return false, err
	}
	last := make([]byte, (as.Size-1)%pieceSize+1)
	if _, err := f.ReadAt(last, as.Size-int64(len(last))); err != nil {
		return false, err
	}
	sum := sha256.Sum256(last)
	return hex.EncodeToString(sum[:]) == as.Pieces[len(as.Pieces)-1], nil
}

// file copies a file up to where it ends now.
func (p *pieces) file(name, path string, size int64) (File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if size >= 0 && info.Size() != size {
		return File{}, fmt.Errorf("%s has %d bytes, want %d; see: bramactl integrity", path, info.Size(), size)
	}
	p.begin()
	if _, err := io.Copy(p, io.LimitReader(f, info.Size())); err != nil {
		return File{}, err
	}
	return p.end(path, info.Mode())
}
