package sftpd

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
)

// upload is an open handle for writing. It ends once: by CLOSE, which is the
// client's word that it has finished, or by an interrupt. On a dead connection
// the library calls TransferError and then Close, so the first of them wins.
type upload struct {
	t    *tree
	path string
	up   gateway.Upload

	mu    sync.RWMutex // read: data in flight; write: the end
	ended bool

	spoilt atomic.Bool // a write was refused

	appending *appending // nil unless opened with APPEND on what has bytes
}

// appending finds out how a client that opened with APPEND counts. The draft
// says that such writes go to the end whatever their offset; most clients send
// true offsets all the same, libssh2 counts from nought.
type appending struct {
	size int64 // when it was opened

	mu      sync.Mutex
	shift   int64
	known   bool
	decided chan struct{} // closed when known
}

// appendWait is how long a write waits for one at nought. Writes reach their
// workers in the order in which the client sent them, so it is under way already.
const appendWait = 250 * time.Millisecond

// place gives the true offset of a write.
func (a *appending) place(off int64) int64 {
	if off == 0 {
		a.decide(a.size)
	} else {
		late := time.NewTimer(appendWait)
		defer late.Stop()
		select {
		case <-a.decided:
		case <-late.C:
			a.decide(0)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return off + a.shift
}

func (a *appending) decide(shift int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known {
		a.known, a.shift = true, shift
		close(a.decided)
	}
}

// begin registers an upload that a client opened.
func (t *tree) begin(path string, up gateway.Upload) *upload {
	u := &upload{t: t, path: path, up: up}
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads[u] = true
	return u
}

// end lets one caller end the upload.
func (u *upload) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return false
	}
	u.ended = true
	return true
}

func (u *upload) gone() {
	c := u.t.c
	c.mu.Lock()
	delete(c.uploads, u)
	c.mu.Unlock()
	c.release()
}

func (u *upload) WriteAt(p []byte, off int64) (n int, err error) {
	defer u.t.handle("write", u.path, &err)()
	defer func() {
		if err != nil {
			u.spoilt.Store(true)
		}
	}()
	most := u.t.c.server.fileSize() - int64(len(p))
	if off < 0 || off > most {
		return 0, errOffset
	}
	if u.appending != nil {
		if off = u.appending.place(off); off > most {
			return 0, errOffset
		}
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.ended {
		return 0, errEnded
	}
	return u.up.WriteAt(p, off)
}

func (u *upload) ReadAt(p []byte, off int64) (n int, err error) {
	defer u.t.handle("read", u.path, &err)()
	if off < 0 {
		return 0, errOffset
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.ended {
		return 0, errEnded
	}
	return u.up.ReadAt(p, off)
}

// truncate is SETSTAT with a size.
func (u *upload) truncate(size int64) error {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.ended {
		return errEnded
	}
	return u.up.Truncate(size)
}

func (u *upload) setModTime(at time.Time) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if !u.ended {
		u.up.SetModTime(at)
	}
}

// Close answers CLOSE. Its nil means that the desk has the file durably.
func (u *upload) Close() (err error) {
	defer u.t.handle("close", u.path, &err)()
	if !u.end() {
		return nil
	}
	defer u.gone()
	if u.spoilt.Load() {
		// A piece of the file was refused: what is there is not what the client sent.
		u.up.Interrupt(errSpoilt)
		return errSpoilt
	}
	return u.up.Close(u.t.c.work())
}

// TransferError is called when the channel ended before CLOSE.
func (u *upload) TransferError(cause error) {
	defer u.t.handle("interrupt", u.path, nil)()
	if !u.end() {
		return
	}
	defer u.gone()
	u.t.c.log.Info("upload interrupted", zap.String("name", quoted(u.path)), zap.Int64("bytes", u.up.Size()))
	u.up.Interrupt(cause)
}

// interruptAll ends what the library did not: nothing, unless it panicked.
func (t *tree) interruptAll(cause error) {
	c := t.c
	c.mu.Lock()
	var open []*upload
	for u := range c.uploads {
		if u.t == t {
			open = append(open, u)
		}
	}
	c.mu.Unlock()
	for _, u := range open {
		u.TransferError(cause)
	}
}

// writing finds the upload that this connection has open under the path.
func (c *connection) writing(path string) *upload {
	c.mu.Lock()
	defer c.mu.Unlock()
	for u := range c.uploads {
		if u.path == path {
			return u
		}
	}
	return nil
}

// download is an open handle for reading.
type download struct {
	t    *tree
	path string
	r    gateway.Reading
	once sync.Once
}

func (d *download) ReadAt(p []byte, off int64) (n int, err error) {
	defer d.t.handle("read", d.path, &err)()
	if off < 0 {
		return 0, errOffset
	}
	return d.r.ReadAt(p, off)
}

func (d *download) Close() (err error) {
	defer d.t.handle("close", d.path, &err)()
	d.once.Do(func() {
		defer d.t.c.release()
		err = d.r.Close()
	})
	return err
}

// TransferError tells a reading that wants to know that its last bytes may not
// have arrived. Close follows.
func (d *download) TransferError(cause error) {
	defer d.t.handle("interrupt", d.path, nil)()
	if i, ok := d.r.(interface{ Interrupt(cause error) }); ok {
		i.Interrupt(cause)
	}
}

// open opens for writing: resumes what is unfinished under the name, unless the
// flags say otherwise.
func (t *tree) open(path string, create, atEnd bool, mode gateway.Mode) (*upload, error) {
	c := t.c
	if c.server.draining.Load() {
		return nil, gateway.ErrStopping
	}
	if !create {
		f, err := c.desk.Stat(c.work(), path)
		if err != nil {
			return nil, err
		}
		if f.Dir || !f.Writable {
			return nil, fs.ErrPermission
		}
	}
	if !c.take() {
		return nil, errHandles
	}
	up, err := c.desk.Create(c.work(), path, mode)
	if err != nil {
		c.release()
		return nil, err
	}
	u := t.begin(path, up)
	if size := up.Size(); atEnd && size > 0 {
		u.appending = &appending{size: size, decided: make(chan struct{})}
	}
	return u, nil
}

// resize is SETSTAT with a size, on a file that may be open here, or not.
func (t *tree) resize(path string, size uint64) error {
	c := t.c
	if size > uint64(c.server.fileSize()) { // not negative: withDefaults
		return errOffset
	}
	if u := c.writing(path); u != nil {
		return u.truncate(int64(size))
	}
	f, err := c.desk.Stat(c.work(), path)
	if err != nil {
		return err
	}
	if f.Size == int64(size) {
		return nil
	}
	if f.Dir || !f.Writable {
		return fs.ErrPermission
	}
	u, err := t.open(path, true, false, gateway.Mode{})
	if err != nil {
		return err
	}
	// not Close, which would be the client's word that the file is whole
	defer u.TransferError(errors.New("size set by name"))
	return u.truncate(int64(size))
}
