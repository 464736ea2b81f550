package folder

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// TakenPrefix begins the name that a file has between its take and its removal:
// .taken-CHANGED-INODE-NAME, both numbers in hex, CHANGED being the time of its
// last change in nanoseconds.
const TakenPrefix = ".taken-"

// ErrChanged is returned by Take when the file is no longer the one of the mark.
var ErrChanged = errors.New("file changed after it was taken")

// Take removes the file that was taken, and no other.
//
// Unix can remove only a name, whatever lies under it by then. So the name is
// first moved to one that nobody else uses; what arrived there is looked at in
// peace: the taken file is removed, anything else (its owner has just put a new
// file of that name) goes back. The move refuses to replace, both ways. It alters
// the time of change, by which a crash between the two steps is recognised, and
// therefore that time is kept in the name.
func (d *Dir) Take(name string, mark Mark) error {
	taken := TakenPrefix + strconv.FormatUint(uint64(mark.Ctime), 16) + "-" + strconv.FormatUint(mark.Ino, 16) + "-" + name
	if err := d.Rename(name, d, taken); err != nil {
		return ignoreAbsent(err) // its owner was faster
	}
	now, err := d.Stat(taken)
	if err != nil {
		return err
	}
	if now.Same(mark) && d.Plain(now) {
		return d.Remove(taken)
	}
	// The newer file gets its name back. If a third has it by now the next look at
	// the folder tries again.
	if err := d.Rename(taken, d, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return ErrChanged
}

// Taken is what the name of a file says whose removal was broken off.
type Taken struct {
	Name    string
	Changed time.Time // of the file, before it was moved
	Ino     uint64
}

// ParseTaken reads a name that Take gave. Others may make such names too.
func ParseTaken(taken string) (Taken, bool) {
	rest, ok := strings.CutPrefix(taken, TakenPrefix)
	parts := strings.SplitN(rest, "-", 3)
	if !ok || len(parts) != 3 || component(parts[2]) != nil {
		return Taken{}, false
	}
	changed, err1 := strconv.ParseUint(parts[0], 16, 63)
	ino, err2 := strconv.ParseUint(parts[1], 16, 64)
	if err1 != nil || err2 != nil {
		return Taken{}, false
	}
	return Taken{parts[2], time.Unix(0, int64(changed)), ino}, true
}
