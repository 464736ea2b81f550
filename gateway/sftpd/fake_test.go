package sftpd

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brama-gateway/brama/gateway"
)

// counter is a whole client's side in memory: what the core does with a spool.
type counter struct {
	// permissive keeps no rules: everything closed is a file that may be read,
	// renamed, replaced and removed, under any name.
	permissive bool
	closing    chan struct{} // if set, Upload.Close waits for it
	closeErr   error         // if set, Upload.Close returns it

	mu      sync.Mutex
	dirs    map[string]bool // writable or not
	files   map[string]*kept
	taken   []string // "name:bytes", in the order of taking
	log     []string // what happened: "interrupt /inbox/x 5", "delivered /outbox/y"
	origins []gateway.Origin
}

// kept is a file of the counter.
type kept struct {
	data       []byte
	at         time.Time
	unfinished bool
	busy       bool
}

func newCounter() *counter {
	return &counter{
		dirs: map[string]bool{"/": false, "/inbox": true, "/outbox": false, "/receipts": false, "/status": false, "/archive": false},
		files: map[string]*kept{
			"/outbox/statement.csv": {data: []byte("1;2;3\n"), at: time.Unix(1700000000, 0)},
			"/outbox/big.bin":       {data: bytes.Repeat([]byte("0123456789abcdef"), 1<<16), at: time.Unix(1700000000, 0)},
		},
	}
}

func (c *counter) desk(o gateway.Origin) gateway.Desk {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.origins = append(c.origins, o)
	return &fakeDesk{c}
}

func (c *counter) note(words ...string) { c.log = append(c.log, strings.Join(words, " ")) }

// happened copies the log.
func (c *counter) happened() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

func (c *counter) takenFiles() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.taken)
}

type fakeDesk struct{ *counter }

func (d *fakeDesk) stat(p string) (gateway.File, error) {
	if w, ok := d.dirs[p]; ok {
		return gateway.File{Name: path.Base(p), Dir: true, Writable: w, ModTime: time.Unix(1700000000, 0)}, nil
	}
	f, ok := d.files[p]
	if !ok {
		return gateway.File{}, fs.ErrNotExist
	}
	return gateway.File{Name: path.Base(p), Size: int64(len(f.data)), ModTime: f.at, Writable: f.unfinished || d.permissive}, nil
}

func (d *fakeDesk) Stat(_ context.Context, p string) (gateway.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.Contains(p, "panic") {
		panic("desk fell over")
	}
	return d.stat(p)
}

func (d *fakeDesk) List(_ context.Context, dir string) ([]gateway.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.dirs[dir]; !ok {
		return nil, fs.ErrNotExist
	}
	var list []gateway.File
	for p := range d.dirs {
		if p != "/" && path.Dir(p) == dir {
			f, _ := d.stat(p)
			list = append(list, f)
		}
	}
	for p := range d.files {
		if path.Dir(p) == dir {
			f, _ := d.stat(p)
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b gateway.File) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (d *fakeDesk) Open(_ context.Context, p string) (gateway.Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[p]
	if !ok {
		if _, dir := d.dirs[p]; dir {
			return nil, fs.ErrPermission
		}
		return nil, fs.ErrNotExist
	}
	if path.Dir(p) == "/inbox" && !f.unfinished && !d.permissive {
		return nil, fs.ErrPermission
	}
	return &fakeReading{d: d, path: p, Reader: bytes.NewReader(slices.Clone(f.data)), at: f.at}, nil
}

type fakeReading struct {
	*bytes.Reader
	d    *fakeDesk
	path string
	at   time.Time

	mu   sync.Mutex
	end  bool
	lost bool
}

func (r *fakeReading) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = r.end || off+int64(n) == r.Size()
	return n, err
}

func (r *fakeReading) ModTime() time.Time { return r.at }
func (r *fakeReading) Interrupt(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
}

func (r *fakeReading) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if r.end && !r.lost {
		r.d.note("delivered", r.path)
	}
	return nil
}

// place checks where and under what name a client may write.
func (d *fakeDesk) place(p string) (temporary bool, err error) {
	if d.permissive {
		if _, ok := d.dirs[path.Dir(p)]; !ok {
			return false, fs.ErrNotExist
		}
		return false, nil
	}
	if path.Dir(p) != "/inbox" {
		if _, ok := d.dirs[path.Dir(p)]; !ok {
			return false, fs.ErrNotExist
		}
		return false, fs.ErrPermission
	}
	if _, ok := gateway.Temporary(path.Base(p), nil); ok {
		return true, nil
	}
	_, err = gateway.CleanName(path.Base(p))
	return false, err
}

func (d *fakeDesk) Create(_ context.Context, p string, mode gateway.Mode) (gateway.Upload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.dirs[p]; ok {
		return nil, fs.ErrPermission
	}
	temporary, err := d.place(p)
	if err != nil {
		return nil, err
	}
	f := d.files[p]
	switch {
	case f != nil && f.busy && !d.permissive:
		return nil, gateway.ErrBusy
	case f != nil && (f.unfinished || d.permissive) && mode.Exclusive:
		return nil, fs.ErrExist
	case f == nil || mode.Truncate || !f.unfinished && !d.permissive:
		f = &kept{at: time.Now()}
	}
	f.unfinished, f.busy = true, true
	d.files[p] = f
	return &fakeUpload{d: d, path: p, f: f, temporary: temporary}, nil
}

type fakeUpload struct {
	d         *fakeDesk
	path      string
	f         *kept
	temporary bool
	ended     bool
}

func (u *fakeUpload) WriteAt(p []byte, off int64) (int, error) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if off+int64(len(p)) > 64<<20 {
		return 0, gateway.ErrQuota
	}
	if n := int(off) + len(p); n > len(u.f.data) {
		u.f.data = append(u.f.data, make([]byte, n-len(u.f.data))...)
	}
	return copy(u.f.data[off:], p), nil
}

func (u *fakeUpload) ReadAt(p []byte, off int64) (int, error) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if off >= int64(len(u.f.data)) {
		return 0, io.EOF
	}
	n := copy(p, u.f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (u *fakeUpload) Size() int64 {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	return int64(len(u.f.data))
}

func (u *fakeUpload) Truncate(size int64) error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if size > 64<<20 {
		return gateway.ErrQuota
	}
	if size <= int64(len(u.f.data)) {
		u.f.data = u.f.data[:size]
	} else {
		u.f.data = append(u.f.data, make([]byte, size-int64(len(u.f.data)))...)
	}
	return nil
}

func (u *fakeUpload) SetModTime(t time.Time) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.f.at = t
}

func (u *fakeUpload) Close(context.Context) error {
	if u.d.closing != nil {
		<-u.d.closing
	}
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if u.ended {
		return nil
	}
	u.ended, u.f.busy = true, false
	if u.d.closeErr != nil {
		return u.d.closeErr
	}
	if u.temporary {
		u.d.note("kept", u.path)
		return nil
	}
	u.d.take(u.path, u.f)
	return nil
}

func (d *fakeDesk) take(p string, f *kept) {
	f.unfinished = false
	d.taken = append(d.taken, path.Base(p)+":"+string(f.data[:min(len(f.data), 20)]))
}

func (u *fakeUpload) Interrupt(error) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if u.ended {
		return
	}
	u.ended, u.f.busy = true, false
	u.d.note("interrupt", u.path)
}

func (d *fakeDesk) Rename(_ context.Context, from, to string, replace bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[from]
	if f == nil {
		return fs.ErrNotExist
	}
	if !f.unfinished && !d.permissive {
		return fs.ErrPermission
	}
	temporary, err := d.place(to)
	if err != nil {
		return err
	}
	if old := d.files[to]; old != nil && (!replace || !old.unfinished && !d.permissive) {
		return fs.ErrExist
	}
	delete(d.files, from)
	d.files[to] = f
	if !temporary {
		d.take(to, f)
	}
	return nil
}

func (d *fakeDesk) Remove(_ context.Context, p string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[p]
	if f == nil {
		if _, ok := d.dirs[p]; ok {
			return fs.ErrPermission
		}
		return fs.ErrNotExist
	}
	if path.Dir(p) == "/inbox" && !f.unfinished && !d.permissive {
		return fs.ErrPermission
	}
	delete(d.files, p)
	d.note("removed", p)
	return nil
}

func (d *fakeDesk) SetModTime(_ context.Context, p string, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[p]
	if f == nil {
		return nil
	}
	if !f.unfinished && path.Dir(p) != "/inbox" && !d.permissive {
		return fs.ErrPermission
	}
	f.at = t
	return nil
}

var _ gateway.Desk = (*fakeDesk)(nil)
