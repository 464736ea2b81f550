package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/brama-gateway/brama/gateway/folder"
)

// restore ends a removal that a crash broke off: a file that was taken goes, any
// other gets its name back.
func (l *lane) restore(ctx context.Context, in *folder.Dir, taken string) error {
	was, ok := folder.ParseTaken(taken)
	if !ok {
		return nil // not ours; a name with a leading dot waits for its rename
	}
	f, mark, err := in.File(taken)
	if err == nil {
		defer f.Close()
		if mark.Ino == was.Ino && (l.c.Max == 0 || mark.Size <= l.c.Max) {
			sum, err := l.hash(ctx, f, mark.Size)
			if err != nil {
				return err
			}
			known, err := l.w.o.Known.Known(ctx, l.c.ID, was.Name, sum, mark.Size, was.Changed)
			if err != nil {
				return fmt.Errorf("taken already or not: %w", err)
			}
			if now, err := in.Stat(taken); known && err == nil && now == mark {
				return in.Remove(taken)
			}
		}
	} else if !errors.Is(err, folder.ErrIrregular) {
		return err
	}
	err = in.Rename(taken, in, was.Name)
	if errors.Is(err, fs.ErrExist) {
		return nil // after that one
	}
	l.hint()
	return err
}
