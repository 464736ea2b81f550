// Package folder works in folders that other people write to: the watched
// folders of clients and the hand-off of a processor. Whoever owns such a folder
// may put anything there, links, pipes and devices too, and may change any name
// at any moment. Therefore nothing here resolves a path twice: a [Dir] is an
// open descriptor, names in it are single components, links are never followed,
// and files are compared by their [Mark].
//
// Nothing in a folder is ever executed, and nothing of it is configuration
// (CVE-2024-55956 was a folder whose files were run).
package folder

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/gateway/client"
)

// Client is a client that has a folder of its own.
type Client struct {
	ID  client.ID
	Dir string // clean absolute path of the folder that holds inbox, outbox, ...

	// Max is the size in bytes above which a file is not even read; 0: the desk decides.
	Max int64
}

// Names of the folders of a client (DESIGN 6).
const (
	Inbox    = "inbox"
	Outbox   = "outbox"
	Receipts = "receipts"
	Status   = "status"
	Archive  = "archive"
)

// HiddenPrefix begins the names of files that Brama is still writing. A reader
// of a folder passes them by.
const HiddenPrefix = ".brama-"

// MaxNames bounds how many names one listing returns.
const MaxNames = 200_000

var (
	// ErrIrregular is returned for what is not a plain file: a link, folder, pipe,
	// socket or device, a file with a second name, one with set-id bits, or one
	// that lies on another device than its folder.
	ErrIrregular = errors.New("not a plain file of its own")
	errComponent = errors.New("not a single name")
)

// Dir is an open folder. Close it. Its methods may be called from several
// goroutines.
type Dir struct {
	f   *os.File
	dev uint64
}

// Open opens the folder at path, whose last name must not be a link.
func Open(path string) (*Dir, error) {
	fd, err := again(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newDir(fd, path)
}

func newDir(fd int, path string) (*Dir, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &Dir{f: os.NewFile(uintptr(fd), path), dev: st.Dev}, nil
}

// Close closes the folder.
func (d *Dir) Close() error { return d.f.Close() }

// Path is where the folder was when it was opened; for messages and hints only.
func (d *Dir) Path() string { return d.f.Name() }

// Fd is needed by nothing outside but the calls of this package.
func (d *Dir) fd() int { return int(d.f.Fd()) }

func component(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return errComponent
	}
	return nil
}

func (d *Dir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.f.Name() + "/" + Escape(name), Err: err}
}

// Sub opens the folder name inside d; a link is refused.
func (d *Dir) Sub(name string) (*Dir, error) {
	if err := component(name); err != nil {
		return nil, d.fail("open", name, err)
	}
	fd, err := again(func() (int, error) {
		return unix.Openat(d.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return newDir(fd, d.f.Name()+"/"+name)
}

// Make opens the folder name inside d and makes it with perm when it is absent;
// perm is set whatever the umask says.
func (d *Dir) Make(name string, perm fs.FileMode) (*Dir, error) {
	if err := component(name); err != nil {
		return nil, d.fail("mkdir", name, err)
	}
	sub, err := d.Sub(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return sub, err
	}
	if err := unix.Mkdirat(d.fd(), name, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return d.Sub(name)
		}
		return nil, d.fail("mkdir", name, err)
	}
	sub, err = d.Sub(name)
	if err != nil {
		return nil, err
	}
	if err := sub.chmod(perm); err != nil {
		sub.Close()
		return nil, err
	}
	if err := d.Sync(); err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// chmod sets permissions and keeps the set-group-id bit that a new folder
// inherits: by it the administrator hands a client's group down the tree.
func (d *Dir) chmod(perm fs.FileMode) error {
	var st unix.Stat_t
	err := unix.Fstat(d.fd(), &st)
	if err == nil {
		err = unix.Fchmod(d.fd(), uint32(perm.Perm())|st.Mode&unix.S_ISGID)
	}
	return d.fail("chmod", ".", err)
}

// Tree opens the folder of a client and makes what is absent of it: the folder
// itself (its parent must be there), inbox, outbox, receipts, status and archive.
func Tree(path string) (*Dir, error) {
	dir, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		merr := os.Mkdir(path, 0o750)
		if merr != nil && !errors.Is(merr, fs.ErrExist) {
			return nil, merr
		}
		dir, err = Open(path)
		if err == nil && merr == nil {
			err = dir.chmod(0o750)
		}
	}
	if err != nil {
		if dir != nil {
			dir.Close()
		}
		return nil, err
	}
	// The client writes into inbox and deletes from outbox and receipts, as a
	// member of the folder's group; status and archive it only reads.
	for _, sub := range []struct {
		name string
		perm fs.FileMode
	}{{Inbox, 0o770}, {Outbox, 0o770}, {Receipts, 0o770}, {Status, 0o750}, {Archive, 0o750}} {
		s, err := dir.Make(sub.name, sub.perm)
		if err != nil {
			dir.Close()
			return nil, err
		}
		s.Close()
	}
	return dir, nil
}

// Mark returns the mark of the folder itself, whose times change with its names.
func (d *Dir) Mark() (Mark, error) { return MarkFile(d.f) }

// Names lists the folder, unsorted, at most MaxNames of it.
func (d *Dir) Names() ([]string, error) {
	// A descriptor of its own: the position in a folder belongs to the open file.
	fd, err := again(func() (int, error) {
		return unix.Openat(d.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, d.fail("list", ".", err)
	}
	f := os.NewFile(uintptr(fd), d.f.Name())
	defer f.Close()
	var names []string
	for len(names) < MaxNames {
		some, err := f.Readdirnames(4096)
		names = append(names, some...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return names[:min(len(names), MaxNames)], nil
}

// Sync makes the names in the folder durable.
func (d *Dir) Sync() error { return d.f.Sync() }

// Stat returns the mark of name; a link is not followed.
func (d *Dir) Stat(name string) (Mark, error) {
	if err := component(name); err != nil {
		return Mark{}, d.fail("stat", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Mark{}, d.fail("stat", name, err)
	}
	return markOf(&st), nil
}

// File opens the plain file name for reading and returns its mark. Everything
// else gives ErrIrregular, and is not even opened for long: O_NONBLOCK keeps a
// pipe from holding the caller.
func (d *Dir) File(name string) (*os.File, Mark, error) {
	// Looked at before it is opened too: opening a device can do something.
	m, err := d.Stat(name)
	if err != nil {
		return nil, Mark{}, err
	}
	if !d.plain(m) {
		return nil, m, d.fail("open", name, ErrIrregular)
	}
	fd, err := again(func() (int, error) {
		return unix.Openat(d.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		err = ErrIrregular
	}
	if err != nil {
		return nil, Mark{}, d.fail("open", name, err)
	}
	f := os.NewFile(uintptr(fd), d.f.Name()+"/"+name)
	m, err = MarkFile(f)
	if err == nil && !d.plain(m) {
		err = d.fail("open", name, ErrIrregular)
	}
	if err != nil {
		f.Close()
		return nil, m, err
	}
	return f, m, nil
}

// plain: a regular file with one name on the folder's device, without set-id bits.
func (d *Dir) plain(m Mark) bool {
	return m.Mode&unix.S_IFMT == unix.S_IFREG && m.Links == 1 && m.Dev == d.dev &&
		m.Mode&(unix.S_ISUID|unix.S_ISGID|unix.S_ISVTX) == 0
}

// Plain says whether m, a mark of something in d, is what File opens.
func (d *Dir) Plain(m Mark) bool { return d.plain(m) }

// Ours says whether m was made by this process's user.
func (m Mark) Ours() bool { return m.UID == uint32(os.Geteuid()) }

// Write puts a file under name, whole or not at all: into a hidden file first,
// flushed, then renamed over whatever has the name (a link is replaced, not
// followed). at becomes its time of modification; zero: now. Durable under its
// name only after Sync.
func (d *Dir) Write(name string, perm fs.FileMode, at time.Time, fill func(io.Writer) error) error {
	if err := component(name); err != nil {
		return d.fail("write", name, err)
	}
	hidden := HiddenPrefix + rand.Text()
	fd, err := again(func() (int, error) {
		return unix.Openat(d.fd(), hidden, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return d.fail("create", hidden, err)
	}
	f := os.NewFile(uintptr(fd), d.f.Name()+"/"+hidden)
	err = fill(f)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil && !at.IsZero() {
		tv := unix.NsecToTimeval(at.UnixNano())
		err = d.fail("utimes", name, unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv}))
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.fail("rename", name, unix.Renameat(d.fd(), hidden, d.fd(), name))
	}
	if err != nil {
		return errors.Join(err, ignoreAbsent(d.Remove(hidden)))
	}
	return nil
}

// Sweep removes hidden files that an earlier process left half written.
func (d *Dir) Sweep() error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if len(n) == len(HiddenPrefix)+26 && strings.HasPrefix(n, HiddenPrefix) {
			if m, err := d.Stat(n); err == nil && m.Regular() && m.Ours() {
				if err := ignoreAbsent(d.Remove(n)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Remove takes a name that is not a folder away.
func (d *Dir) Remove(name string) error {
	if err := component(name); err != nil {
		return d.fail("remove", name, err)
	}
	return d.fail("remove", name, unix.Unlinkat(d.fd(), name, 0))
}

// Rename moves a name of d into to, which may be d, and refuses with fs.ErrExist
// to replace anything there.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	if err := errors.Join(component(name), component(newName)); err != nil {
		return d.fail("rename", name, err)
	}
	err := unix.Renameat2(d.fd(), name, to.fd(), newName, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// Some network file systems know no flags. Looking first leaves a gap, in
		// which only the folder's own user can lose a file, one of its own.
		if _, serr := to.Stat(newName); serr == nil {
			err = fs.ErrExist
		} else {
			err = unix.Renameat(d.fd(), name, to.fd(), newName)
		}
	}
	return d.fail("rename", name, err)
}

// RemoveAll takes away a name and, when it is a folder, what is in it, to a depth
// of depth folders. Links are removed, not followed.
func (d *Dir) RemoveAll(name string, depth int) error {
	m, err := d.Stat(name)
	if err != nil {
		return ignoreAbsent(err)
	}
	if m.Mode&unix.S_IFMT != unix.S_IFDIR {
		return ignoreAbsent(d.Remove(name))
	}
	if depth <= 0 {
		return d.fail("remove", name, fmt.Errorf("too deep"))
	}
	sub, err := d.Sub(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	names, err := sub.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := sub.RemoveAll(n, depth-1); err != nil {
			return err
		}
	}
	return ignoreAbsent(d.fail("remove", name, unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR)))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func again(open func() (int, error)) (int, error) {
	for {
		fd, err := open()
		if err != unix.EINTR {
			return fd, err
		}
	}
}
