// Package walfile is a VFS of SQLite that makes a commit wait for one flush.
//
// SQLite's own way of writing the WAL waits for the disk twice as long as it must:
// the driver's build knows no fdatasync and a WAL that grows changes its size with
// every commit, so each commit also flushes the inode through the file system's
// journal; and it makes two system calls a page. This VFS is SQLite's own ("unix")
// except for the -wal files that a connection may write, of which it
//
//   - gathers the frames of a commit and writes them with one call, before the
//     flush at the latest, and before anything else that looks at the file;
//   - fills the file with zeros ahead, in steps: zeros are no valid frame;
//   - flushes with fdatasync, which is all that a file of unchanged size needs;
//   - leaves the flush of a commit to the caller, if asked to (Defer): the next
//     transaction can then be at work while the last one is on its way to the disk.
//
// What is gathered and not yet written can be seen by its own connection only.
// That is enough while every commit asks for a flush (synchronous=FULL): SQLite
// tells other connections of frames after it. Other settings must not be used. A
// flush that was deferred has not happened when others are told: whoever defers it
// must see to it that nobody acts on a commit before Flush has returned.
//
// References: https://sqlite.org/c3ref/vfs.html, https://sqlite.org/c3ref/io_methods.html,
// https://sqlite.org/walformat.html.
package walfile

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	codes "modernc.org/sqlite/lib"
)

// Name is that of the VFS, for the driver's parameter vfs.
const Name = "brama"

const (
	// Frame is how many bytes a page of 4096 has in the WAL.
	Frame = 24 + 4096
	// Step is by how many bytes the file grows.
	Step = 4 << 20
	// maxGathered bounds the memory of a commit; a larger one is written in pieces.
	maxGathered = 4 << 20
)

// A File is a -wal file that one connection has open.
type File struct {
	name    string
	file    *os.File // a descriptor of our own: SQLite's is not told
	size    int64    // of the file, as far as we wrote
	pending []byte   // to be written at from
	from    int64
	header  bool // the WAL was begun anew, and that is not flushed yet
	defers  bool

	end   atomic.Int64 // of what was written since the WAL was begun anew
	dirty atomic.Bool  // written and not flushed
}

// Defer lets COMMIT return before its flush, for which Flush is then called; or
// with false no longer. It belongs to the goroutine of the connection.
func (w *File) Defer(defers bool) { w.defers = defers }

// Flush makes durable what was committed before it is called. It may be called
// while the connection is at work. After an error nothing is known of what was
// committed, and another call must not be believed.
func (w *File) Flush() error {
	if !w.dirty.Swap(false) {
		return nil
	}
	return w.sync()
}

// End is where in the file the frames end that were written since the WAL was
// begun anew. It is safe for concurrent use.
func (w *File) End() int64 { return w.end.Load() }

func (w *File) write(p []byte, off int64) error {
	if len(w.pending) > 0 && (off != w.from+int64(len(w.pending)) || len(w.pending)+len(p) > maxGathered) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if len(w.pending) == 0 {
		w.from = off
	}
	w.pending = append(w.pending, p...)
	w.header = w.header || off == 0
	w.end.Store(off + int64(len(p)))
	return nil
}

// flush hands what was gathered to the system.
func (w *File) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	p, off := w.pending, w.from
	w.pending = w.pending[:0]
	defer w.dirty.Store(true)
	if _, err := w.file.WriteAt(p, off); err != nil {
		return err
	}
	end := off + int64(len(p))
	if end <= w.size {
		return nil
	}
	w.size = end
	ahead := make([]byte, Step-end%Step)
	n, _ := w.file.WriteAt(ahead, end) // a disk that is full shows in the next frame that needs it
	w.size += int64(n)
	return nil
}

func (w *File) sync() error {
	for {
		err := syscall.Fdatasync(int(w.file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// touches says whether n bytes at off are among those gathered.
func (w *File) touches(off int64, n int) bool {
	return off < w.from+int64(len(w.pending)) && off+int64(n) > w.from
}

// wals are the open ones, and what is SQLite's own.
var wals struct {
	unix  uintptr                    // SQLite's own VFS
	base  codes.Tsqlite3_vfs         // ... and its methods
	files codes.Tsqlite3_io_methods  // its methods of a -wal file, set under mu
	ours  *codes.Tsqlite3_io_methods // the same with ours among them; in C memory, set under mu

	mu   sync.RWMutex
	open map[uintptr]*File // by SQLite's handle
}

func walOf(handle uintptr) *File {
	wals.mu.RLock()
	defer wals.mu.RUnlock()
	return wals.open[handle]
}

// Of is the file that lies beside a database, which is named as the connection
// names it; nil if no connection of this VFS has it open.
func Of(database string) *File {
	wals.mu.RLock()
	defer wals.mu.RUnlock()
	for _, w := range wals.open {
		if w.name == database+"-wal" {
			return w
		}
	}
	return nil
}

// at makes a pointer of an address in SQLite's memory, which is not Go's and does not move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// A pointer to a C function is, in the driver's translation, the word that a Go
// function value consists of.
func word[F any](f F) uintptr     { return *(*uintptr)(unsafe.Pointer(&f)) }
func function[F any](w uintptr) F { return *(*F)(unsafe.Pointer(&w)) }

type (
	xOpen     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	xClose    = func(tls *libc.TLS, file uintptr) int32
	xRead     = func(tls *libc.TLS, file, into uintptr, n int32, off int64) int32
	xWrite    = func(tls *libc.TLS, file, from uintptr, n int32, off int64) int32
	xTruncate = func(tls *libc.TLS, file uintptr, size int64) int32
	xSync     = func(tls *libc.TLS, file uintptr, flags int32) int32
	xFileSize = func(tls *libc.TLS, file, size uintptr) int32
)

// Register makes the VFS known to SQLite, once a process.
var Register = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := codes.Xsqlite3_initialize(tls); rc != codes.SQLITE_OK {
		return fmt.Errorf("sqlite: initialize: code %d", rc)
	}
	unix, err := libc.CString("unix")
	if err != nil {
		return err
	}
	defer libc.Xfree(tls, unix)
	name, err := libc.CString(Name) // never freed: SQLite goes on reading it, and what follows
	if err != nil {
		return err
	}
	vfs := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(codes.Tsqlite3_vfs{})))
	methods := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(codes.Tsqlite3_io_methods{})))
	if vfs == 0 || methods == 0 {
		return errors.New("sqlite: no memory")
	}
	wals.unix = codes.Xsqlite3_vfs_find(tls, unix)
	if wals.unix == 0 {
		return errors.New(`sqlite: no VFS "unix"`)
	}
	wals.base = *at[codes.Tsqlite3_vfs](wals.unix)
	wals.ours = at[codes.Tsqlite3_io_methods](methods)
	wals.open = map[uintptr]*File{}
	v := at[codes.Tsqlite3_vfs](vfs)
	*v = wals.base
	v.FpNext, v.FzName, v.FxOpen = 0, name, word[xOpen](openFile)
	if rc := codes.Xsqlite3_vfs_register(tls, vfs, 0); rc != codes.SQLITE_OK {
		return fmt.Errorf("sqlite: register a VFS: code %d", rc)
	}
	return nil
})

// openFile opens as SQLite does; a -wal file gets methods of ours.
func openFile(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	rc := function[xOpen](wals.base.FxOpen)(tls, wals.unix, name, file, flags, out)
	if rc != codes.SQLITE_OK || flags&codes.SQLITE_OPEN_WAL == 0 || flags&codes.SQLITE_OPEN_READWRITE == 0 {
		return rc
	}
	f := at[codes.Tsqlite3_file](file)
	w, err := openWAL(libc.GoString(name))
	if err != nil {
		function[xClose](at[codes.Tsqlite3_io_methods](f.FpMethods).FxClose)(tls, file)
		f.FpMethods = 0
		return codes.SQLITE_CANTOPEN
	}
	wals.mu.Lock()
	defer wals.mu.Unlock()
	if len(wals.open) == 0 {
		// SQLite has one set of methods for all files of this sort.
		wals.files = *at[codes.Tsqlite3_io_methods](f.FpMethods)
		*wals.ours = wals.files
		wals.ours.FxClose = word[xClose](closeWAL)
		wals.ours.FxRead = word[xRead](readWAL)
		wals.ours.FxWrite = word[xWrite](writeWAL)
		wals.ours.FxTruncate = word[xTruncate](truncateWAL)
		wals.ours.FxSync = word[xSync](syncWAL)
		wals.ours.FxFileSize = word[xFileSize](sizeOfWAL)
	}
	wals.open[file] = w
	f.FpMethods = uintptr(unsafe.Pointer(wals.ours))
	return codes.SQLITE_OK
}

func openWAL(name string) (*File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{name: name, file: f, size: st.Size()}, nil
}

func closeWAL(tls *libc.TLS, file uintptr) int32 {
	wals.mu.Lock()
	w := wals.open[file]
	delete(wals.open, file)
	wals.mu.Unlock()
	err := w.flush()
	err = errors.Join(err, w.file.Close())
	rc := function[xClose](wals.files.FxClose)(tls, file)
	if rc == codes.SQLITE_OK && err != nil {
		rc = codes.SQLITE_IOERR_CLOSE
	}
	return rc
}

// failed is the code of an error of ours.
func failed(err error, otherwise int32) int32 {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return codes.SQLITE_FULL
	}
	return otherwise
}

func readWAL(tls *libc.TLS, file, into uintptr, n int32, off int64) int32 {
	if w := walOf(file); w.touches(off, int(n)) {
		if err := w.flush(); err != nil {
			return failed(err, codes.SQLITE_IOERR_READ)
		}
	}
	return function[xRead](wals.files.FxRead)(tls, file, into, n, off)
}

func writeWAL(_ *libc.TLS, file, from uintptr, n int32, off int64) int32 {
	if err := walOf(file).write(unsafe.Slice(at[byte](from), n), off); err != nil {
		return failed(err, codes.SQLITE_IOERR_WRITE)
	}
	return codes.SQLITE_OK
}

func truncateWAL(tls *libc.TLS, file uintptr, size int64) int32 {
	w := walOf(file)
	if err := w.flush(); err != nil {
		return failed(err, codes.SQLITE_IOERR_TRUNCATE)
	}
	rc := function[xTruncate](wals.files.FxTruncate)(tls, file, size)
	if rc == codes.SQLITE_OK {
		w.size = size
	}
	return rc
}

func syncWAL(_ *libc.TLS, file uintptr, _ int32) int32 {
	w := walOf(file)
	if err := w.flush(); err != nil {
		return failed(err, codes.SQLITE_IOERR_WRITE)
	}
	// A new header is on the disk before any frame of it overwrites one that the old
	// header makes valid: else a power cut could bring back the first frames of the old WAL.
	if w.defers && !w.header {
		return codes.SQLITE_OK
	}
	w.header = false
	// Whatever the reason, the kernel may have forgotten what it could not write.
	if err := w.sync(); err != nil {
		return codes.SQLITE_IOERR_FSYNC
	}
	return codes.SQLITE_OK
}

func sizeOfWAL(tls *libc.TLS, file, size uintptr) int32 {
	if err := walOf(file).flush(); err != nil {
		return failed(err, codes.SQLITE_IOERR_FSTAT)
	}
	return function[xFileSize](wals.files.FxFileSize)(tls, file, size)
}
