package sftpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
)

// maxPath is the longest path that is looked up, bytes.
const maxPath = 1024

// tree answers the requests of one channel from the client's desk. The library
// calls it from several goroutines.
type tree struct{ c *connection }

// handle begins a handler; what it returns, deferred, ends it: keeps a panic in,
// logs a refusal and turns the error into its status.
func (t *tree) handle(op, name string, err *error) func() {
	c := t.c
	c.active.Add(1)
	return func() {
		if p := recover(); p != nil {
			c.log.Error("panic", zap.String("in", op), zap.Any("value", p), zap.ByteString("stack", debug.Stack()))
			if err != nil {
				*err = errPanic
			}
			c.close()
		}
		if err != nil && *err != nil {
			if !errors.Is(*err, io.EOF) {
				c.refused(op, name, *err)
			}
			*err = statusOf(*err)
		}
		c.touch()
		c.active.Add(-1)
	}
}

// checked refuses paths that no desk has.
func checked(p string) error {
	if len(p) > maxPath || strings.ContainsRune(p, 0) {
		return fmt.Errorf("%w: path too long or with NUL", gateway.ErrName)
	}
	return nil
}

// Fileread opens for reading.
func (t *tree) Fileread(r *sftp.Request) (ra io.ReaderAt, err error) {
	defer t.handle("open", r.Filepath, &err)()
	if err := checked(r.Filepath); err != nil {
		return nil, err
	}
	if !t.c.take() {
		return nil, errHandles
	}
	f, err := t.c.desk.Open(t.c.work(), r.Filepath)
	if err != nil {
		t.c.release()
		return nil, err
	}
	return &download{t: t, path: r.Filepath, r: f}, nil
}

// Filewrite opens for writing.
func (t *tree) Filewrite(r *sftp.Request) (wa io.WriterAt, err error) {
	defer t.handle(opWrite, r.Filepath, &err)()
	u, err := t.openWith(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// OpenFile opens for both, as sshfs does.
func (t *tree) OpenFile(r *sftp.Request) (rw sftp.WriterAtReaderAt, err error) {
	defer t.handle(opWrite, r.Filepath, &err)()
	u, err := t.openWith(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (t *tree) openWith(r *sftp.Request) (*upload, error) {
	if err := checked(r.Filepath); err != nil {
		return nil, err
	}
	f := r.Pflags()
	return t.open(r.Filepath, f.Creat, f.Append, gateway.Mode{Exclusive: f.Creat && f.Excl, Truncate: f.Trunc})
}

// Filecmd answers what changes the tree.
func (t *tree) Filecmd(r *sftp.Request) (err error) {
	defer t.handle(strings.ToLower(r.Method), r.Filepath, &err)()
	if err := checked(r.Filepath); err != nil {
		return err
	}
	c := t.c
	switch r.Method {
	case "Setstat":
		return t.setstat(r)
	case "Rename":
		if err := checked(r.Target); err != nil {
			return err
		}
		return c.desk.Rename(c.work(), r.Filepath, r.Target, false)
	case "Remove":
		return c.desk.Remove(c.work(), r.Filepath)
	case "Mkdir":
		if _, err := c.desk.Stat(c.work(), r.Filepath); err == nil {
			return fs.ErrExist
		}
		return fs.ErrPermission
	case "Rmdir":
		if _, err := c.desk.Stat(c.work(), r.Filepath); err != nil {
			return err
		}
		return fs.ErrPermission
	default: // Link, Symlink
		return errUnsupported
	}
}

// PosixRename is a rename that replaces, as OpenSSH's extension of the name; the
// desk lets only unfinished files be replaced.
func (t *tree) PosixRename(r *sftp.Request) (err error) {
	defer t.handle("posix-rename", r.Filepath, &err)()
	for _, p := range []string{r.Filepath, r.Target} {
		if err := checked(p); err != nil {
			return err
		}
	}
	return t.c.desk.Rename(t.c.work(), r.Filepath, r.Target, true)
}

// setstat carries out size and times. Mode and owner mean nothing here, but
// clients take a refusal for a failed upload.
func (t *tree) setstat(r *sftp.Request) error {
	c := t.c
	flags, attrs := r.AttrFlags(), r.Attributes()
	if attrs == nil {
		return errOffset
	}
	u := c.writing(r.Filepath)
	if u == nil {
		if _, err := c.desk.Stat(c.work(), r.Filepath); err != nil {
			return err
		}
	}
	if flags.Size {
		if err := t.resize(r.Filepath, attrs.Size); err != nil {
			return err
		}
	}
	if flags.Acmodtime {
		at := time.Unix(int64(attrs.Mtime), 0)
		if u != nil {
			u.setModTime(at)
			return nil
		}
		if err := c.desk.SetModTime(c.work(), r.Filepath, at); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// StatVFS answers df. A desk without Space is shown half full.
func (t *tree) StatVFS(r *sftp.Request) (s *sftp.StatVFS, err error) {
	defer t.handle("statvfs", r.Filepath, &err)()
	if err := checked(r.Filepath); err != nil {
		return nil, err
	}
	if _, err := t.c.desk.Stat(t.c.work(), r.Filepath); err != nil {
		return nil, err
	}
	const block = 4096
	total, free := 2*t.c.server.fileSize(), t.c.server.fileSize()
	if d, ok := t.c.desk.(interface {
		Space(context.Context) (total, free int64)
	}); ok {
		total, free = d.Space(t.c.work())
	}
	blocks, unused := uint64(max(total, 0))/block, uint64(max(free, 0))/block
	return &sftp.StatVFS{
		Bsize: block, Frsize: block, Blocks: blocks, Bfree: unused, Bavail: unused,
		Files: 1 << 20, Ffree: 1 << 20, Favail: 1 << 20, Namemax: 255,
	}, nil
}

// Filelist answers OPENDIR, STAT and, there being no links, LSTAT.
func (t *tree) Filelist(r *sftp.Request) (l sftp.ListerAt, err error) {
	defer t.handle(strings.ToLower(r.Method), r.Filepath, &err)()
	if err := checked(r.Filepath); err != nil {
		return nil, err
	}
	if r.Method == "List" {
		return t.list(r.Filepath)
	}
	f, err := t.c.desk.Stat(t.c.work(), r.Filepath)
	if errors.Is(err, fs.ErrNotExist) {
		// FSTAT comes by name too, and the file may be renamed while it is open
		if u := t.c.writing(r.Filepath); u != nil {
			f, err = gateway.File{Size: u.up.Size(), ModTime: time.Now(), Writable: true}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	f.Name = path.Base(r.Filepath)
	return &listing{files: []os.FileInfo{entry{f}}}, nil
}

func (t *tree) list(dir string) (sftp.ListerAt, error) {
	c := t.c
	if !c.take() {
		return nil, errHandles
	}
	self, err := c.desk.Stat(c.work(), dir)
	if err == nil && !self.Dir {
		err = errors.New("not a folder")
	}
	var files []gateway.File
	if err == nil {
		files, err = c.desk.List(c.work(), dir)
	}
	if err != nil {
		c.release()
		return nil, err
	}
	self.Name = "."
	up := self
	up.Name = ".."
	l := &listing{c: c, files: make([]os.FileInfo, 0, len(files)+2)}
	l.files = append(l.files, entry{self}, entry{up})
	for _, f := range files {
		l.files = append(l.files, entry{f})
	}
	return l, nil
}

// RealPath is absolute and exists for everything: clients ask for names that
// they are about to make.
func (t *tree) RealPath(p string) (string, error) { return path.Clean("/" + p), nil }

// Readlink is refused: there are no links.
func (t *tree) Readlink(p string) (target string, err error) {
	defer t.handle("readlink", p, &err)()
	return "", errUnsupported
}

// LookupUserName and LookupGroupName name the owner in long listings.
func (t *tree) LookupUserName(string) string { return string(t.c.client) }

// LookupGroupName is as LookupUserName.
func (t *tree) LookupGroupName(string) string { return "brama" }

// listing hands out a snapshot. It holds a handle if c is set.
type listing struct {
	c     *connection
	files []os.FileInfo
}

// ListAt is called one at a time.
func (l *listing) ListAt(to []os.FileInfo, off int64) (int, error) {
	if off < 0 || off >= int64(len(l.files)) {
		return 0, io.EOF
	}
	n := copy(to, l.files[off:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// Close gives the handle back.
func (l *listing) Close() error {
	if l.c != nil {
		l.c.release()
		l.c = nil
	}
	return nil
}

// entry is a row as clients expect it. Files always show as writable by their
// owner: clients copy the mode, and could not overwrite their copy otherwise.
type entry struct{ f gateway.File }

func (e entry) Name() string       { return e.f.Name }
func (e entry) Size() int64        { return e.f.Size }
func (e entry) ModTime() time.Time { return e.f.ModTime }
func (e entry) IsDir() bool        { return e.f.Dir }
func (e entry) Sys() any           { return nil }

func (e entry) Mode() fs.FileMode {
	switch {
	case !e.f.Dir:
		return 0o644
	case e.f.Writable:
		return fs.ModeDir | 0o755
	}
	return fs.ModeDir | 0o555
}
