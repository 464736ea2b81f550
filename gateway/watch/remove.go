package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway/folder"
)

// takenPrefix begins the name that a file has between its take and its removal:
// .taken-CHANGED-INODE-NAME, both numbers in hex, CHANGED being the time of its
// last change in nanoseconds.
const takenPrefix = ".taken-"

// remove takes away the file that was taken, and no other.
//
// Unix can remove only a name, whatever lies under it by then. So the name is
// first moved to one that nobody else uses; what arrived there is looked at in
// peace: the taken file is removed, anything else (the client has just put a new
// file of that name) goes back. The move refuses to replace, both ways. It alters
// the time of change, which Known needs after a crash between the two steps, and
// therefore that time is kept in the name.
func remove(in *folder.Dir, name string, mark folder.Mark) error {
	taken := takenPrefix + strconv.FormatUint(uint64(mark.Ctime), 16) + "-" + strconv.FormatUint(mark.Ino, 16) + "-" + name
	if err := in.Rename(name, in, taken); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the client was faster
		}
		return err
	}
	now, err := in.Stat(taken)
	if err != nil {
		return err
	}
	if now.Same(mark) && in.Plain(now) {
		return in.Remove(taken)
	}
	// The newer file gets its name back. If a third has it by now the next pass
	// tries again (restore).
	if err := in.Rename(taken, in, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errChanged
}

// restore ends a removal that a crash broke off: a file that was taken goes, any
// other gets its name back.
func (l *lane) restore(ctx context.Context, in *folder.Dir, taken string) error {
	parts := strings.SplitN(strings.TrimPrefix(taken, takenPrefix), "-", 3)
	if len(parts) != 3 || parts[2] == "" {
		return nil // not ours; a name with a leading dot waits for its rename
	}
	changed, err1 := strconv.ParseUint(parts[0], 16, 63)
	ino, err2 := strconv.ParseUint(parts[1], 16, 64)
	if err1 != nil || err2 != nil {
		return nil
	}
	name := parts[2]
	f, mark, err := in.File(taken)
	if err == nil {
		defer f.Close()
		if mark.Ino == ino && (l.c.Max == 0 || mark.Size <= l.c.Max) {
			sum, err := hash(ctx, f, mark.Size)
			if err != nil {
				return err
			}
			known, err := l.w.o.Known.Known(ctx, l.c.ID, name, sum, mark.Size, time.Unix(0, int64(changed)))
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
	err = in.Rename(taken, in, name)
	if errors.Is(err, fs.ErrExist) {
		return nil // after that one
	}
	l.hint()
	return err
}
