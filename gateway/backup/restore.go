package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/brama-gateway/brama/spool/sqlite"
)

// Restore makes the state folder anew as it was in the newest copy that was taken
// at a moment or before; the zero moment is the newest of all. The folder must not
// be there, or be empty. It gets its name only when everything in it is whole and
// on the disk.
func (r *Repository) Restore(ctx context.Context, at time.Time, state string) (*Copy, error) {
	release, err := r.hold(false)
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := r.Copy(at)
	if err != nil {
		return nil, err
	}
	if names, err := os.ReadDir(state); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("restore: %s is not empty; move it away first, it may be evidence", state)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("restore: %w", err)
	}
	// Beside it, on the same disk; what a run that did not end left is overwritten by none.
	above := filepath.Dir(filepath.Clean(state))
	if err := os.MkdirAll(above, 0o755); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	dir, err := os.MkdirTemp(above, ".restore-*")
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(dir) // nothing is there any more when it has its name
	if err := r.unpack(ctx, c, dir); err != nil {
		return nil, fmt.Errorf("restore of %s: %w", c.At.Format(time.RFC3339), err)
	}
	if err := os.Remove(state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if err := os.Rename(dir, state); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if err := syncFolder(above); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return c, nil
}

func (r *Repository) unpack(ctx context.Context, c *Copy, dir string) error {
	folders := map[string]bool{dir: true}
	for _, f := range c.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		for d := filepath.Dir(path); !folders[d]; d = filepath.Dir(d) {
			folders[d] = true
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		err = r.fetch(ctx, f, out)
		if err == nil {
			err = errors.Join(out.Chmod(fs.FileMode(f.Mode).Perm()), out.Sync())
		}
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	for d := range folders {
		if err := syncFolder(d); err != nil {
			return err
		}
	}
	return nil
}

// Check reads every piece of a copy, as Restore would, and writes nothing.
func (r *Repository) Check(ctx context.Context, c *Copy) error {
	for _, f := range c.Files {
		if err := r.fetch(ctx, f, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

// Content opens the content of a hash that some copy holds as a file of its own,
// newest copy first: ErrNotFound. Small content lies inside databases, and is not
// found here. The bytes are held against their hash only when they have all been read.
func (r *Repository) Content(ctx context.Context, sum string) (io.ReadCloser, error) {
	all, err := r.Copies()
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(sqlite.ContentPath(sum))
	for i := len(all) - 1; i >= 0; i-- {
		c, err := r.read(all[i])
		if err != nil {
			return nil, err
		}
		for _, f := range c.Files {
			if f.Path != path {
				continue
			}
			from, to := io.Pipe()
			go func() { to.CloseWithError(r.fetch(ctx, f, to)) }()
			return from, nil
		}
	}
	return nil, fmt.Errorf("content %s: %w", sum, ErrNotFound)
}
