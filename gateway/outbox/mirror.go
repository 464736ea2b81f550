package outbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/folder"
)

const (
	maxStatus    = 64 << 20 // bytes of one status file
	archiveDepth = 4        // year, month, day, one more
)

var errStatusSize = errors.New("larger than a status file may be")

// shown is what was written of a status file.
type shown struct {
	size int64
	at   time.Time
	sum  [sha256.Size]byte
	mark folder.Mark
}

// status keeps the files of /status in the folder as the desk shows them, each
// replaced whole. Size and time of a file tell whether it changed; those of
// today are always read.
func (l *lane) status(ctx context.Context, dir *folder.Dir) error {
	out, err := dir.Sub(folder.Status)
	if err != nil {
		return err
	}
	defer out.Close()
	desk := l.o.o.Desk(l.c.ID)
	files, err := desk.List(ctx, "/status")
	if err != nil {
		return fmt.Errorf("/status: %w", err)
	}
	listed := map[string]bool{}
	wrote := false
	var errs []error
	for _, f := range files {
		if f.Dir || hidden(f.Name) {
			continue
		}
		listed[f.Name] = true
		old, known := l.shown[f.Name]
		if m, err := out.Stat(f.Name); err != nil || m != old.mark {
			known = false
		}
		if known && f.Size == old.size && f.ModTime.Equal(old.at) && !strings.HasPrefix(f.Name, "today") {
			continue
		}
		b, err := read(ctx, desk, "/status/"+f.Name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		now := shown{size: f.Size, at: f.ModTime, sum: sha256.Sum256(b), mark: old.mark}
		if !known || now.sum != old.sum {
			err := out.Write(f.Name, 0o640, time.Time{}, func(w io.Writer) error {
				_, err := w.Write(b)
				return err
			})
			if err == nil {
				now.mark, err = out.Stat(f.Name)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			wrote = true
		}
		l.shown[f.Name] = now
	}
	if err := l.outdated(out, listed); err != nil {
		errs = append(errs, err)
	}
	if wrote {
		errs = append(errs, out.Sync())
	}
	return errors.Join(errs...)
}

// outdated removes status files of ours that the desk no longer shows.
func (l *lane) outdated(out *folder.Dir, listed map[string]bool) error {
	names, err := out.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if ext := path.Ext(n); listed[n] || hidden(n) || ext != ".csv" && ext != ".json" {
			continue
		}
		delete(l.shown, n)
		if m, err := out.Stat(n); err != nil || !out.Plain(m) || !m.Ours() {
			continue
		}
		if err := out.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func read(ctx context.Context, desk gateway.Desk, p string) ([]byte, error) {
	r, err := desk.Open(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	defer r.Close()
	if r.Size() > maxStatus {
		return nil, fmt.Errorf("%s: %w", p, errStatusSize)
	}
	b := make([]byte, r.Size())
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return b, nil
}

func (l *lane) archive(ctx context.Context, dir *folder.Dir) error {
	out, err := dir.Sub(folder.Archive)
	if err != nil {
		return err
	}
	defer out.Close()
	return l.mirror(ctx, l.o.o.Desk(l.c.ID), "/archive", out, archiveDepth)
}

// mirror copies what is new below p: files that are absent or of another size,
// in folders whose time has moved since they were last seen whole.
func (l *lane) mirror(ctx context.Context, desk gateway.Desk, p string, out *folder.Dir, depth int) error {
	files, err := desk.List(ctx, p)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	wrote := false
	var errs []error
	for _, f := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at := p + "/" + f.Name
		switch {
		case hidden(f.Name):
		case f.Dir && depth > 0:
			seen, ok := l.visited[at]
			if ok && !f.ModTime.IsZero() && seen.Equal(f.ModTime) {
				continue
			}
			err := func() error {
				sub, err := out.Make(f.Name, 0o750)
				if err != nil {
					return err
				}
				defer sub.Close()
				return l.mirror(ctx, desk, at, sub, depth-1)
			}()
			if err == nil {
				l.visited[at] = f.ModTime
			}
			errs = append(errs, err)
		case !f.Dir:
			if m, err := out.Stat(f.Name); err == nil && out.Plain(m) && m.Size == f.Size {
				continue
			}
			err := copyOut(ctx, desk, at, out, f)
			wrote = wrote || err == nil
			errs = append(errs, err)
		}
	}
	if wrote {
		errs = append(errs, out.Sync())
	}
	return errors.Join(errs...)
}

func copyOut(ctx context.Context, desk gateway.Desk, p string, out *folder.Dir, f gateway.File) error {
	r, err := desk.Open(ctx, p)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	defer r.Close()
	return out.Write(f.Name, 0o640, f.ModTime, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(r, 0, r.Size()))
		return err
	})
}

func hidden(name string) bool {
	return name == "" || name[0] == '.' || strings.ContainsAny(name, "/\x00")
}
