package folder

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Mark is what a file is recognised by, and what changes when it is written to.
// Marks are compared with ==.
type Mark struct {
	Dev, Ino     uint64
	Size         int64 // bytes
	Mtime, Ctime int64 // nanoseconds since 1970
	Mode         uint32
	Links        uint64
	UID          uint32
}

func markOf(st *unix.Stat_t) Mark {
	return Mark{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size,
		Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		Mode: st.Mode, Links: uint64(st.Nlink), UID: st.Uid,
	}
}

// MarkFile returns the mark of an open file.
func MarkFile(f *os.File) (Mark, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Mark{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return markOf(&st), nil
}

// Same says whether both are the same file with the same content, as far as a
// mark can tell, though it may have got another name: a rename changes Ctime.
func (m Mark) Same(o Mark) bool {
	return m.Dev == o.Dev && m.Ino == o.Ino && m.Size == o.Size && m.Mtime == o.Mtime
}

// Regular says whether it is a regular file.
func (m Mark) Regular() bool { return m.Mode&unix.S_IFMT == unix.S_IFREG }

// Folder says whether it is a folder.
func (m Mark) Folder() bool { return m.Mode&unix.S_IFMT == unix.S_IFDIR }

// Changed is the time of the last change of the file or its names, which only
// the kernel sets.
func (m Mark) Changed() time.Time { return time.Unix(0, m.Ctime) }

// Modified is the time that the file says it was written at.
func (m Mark) Modified() time.Time { return time.Unix(0, m.Mtime) }

// Kind names what it is, for the log.
func (m Mark) Kind() string {
	switch m.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		switch {
		case m.Links > 1:
			return "file with several names"
		case m.Mode&(unix.S_ISUID|unix.S_ISGID|unix.S_ISVTX) != 0:
			return "file with set-id bits"
		}
		return "file"
	case unix.S_IFDIR:
		return "folder"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

// Writer says whether some process has f, a file open for reading only, open for
// writing now. known is false where the system cannot tell: a lease is granted
// only to the owner of the file or with CAP_LEASE, and not on every file system.
func Writer(f *os.File) (open, known bool) {
	// fcntl(2): a read lease is refused with EAGAIN while the file is open for
	// writing. It is given back at once; nobody waits for it.
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch err {
	case nil:
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return false, err == nil
	case unix.EAGAIN:
		return true, true
	}
	return false, false
}
