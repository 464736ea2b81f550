package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/folder"
	"github.com/brama-gateway/brama/spool"
)

// core is a fake of everything behind the door, for any number of clients.
type core struct {
	mu      sync.Mutex
	taken   []took
	create  func(path string) error
	onWrite func()
	close   func(name string) error // before it is taken
	late    func(name string)       // after it is taken
	left    map[string]bool         // unfinished files
}

type took struct {
	client client.ID
	name   string
	bytes  []byte
	at     time.Time
}

func (c *core) Known(_ context.Context, id client.ID, name, sum string, size int64, since time.Time) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.taken {
		h := sha256.Sum256(t.bytes)
		if t.client == id && t.name == name && hex.EncodeToString(h[:]) == sum && int64(len(t.bytes)) == size && !t.at.Before(since) {
			return true, nil
		}
	}
	return false, nil
}

func (c *core) names() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.taken {
		out = append(out, t.name)
	}
	return out
}

type desk struct {
	gateway.Desk
	c  *core
	id client.ID
}

func (d desk) Create(_ context.Context, path string, mode gateway.Mode) (gateway.Upload, error) {
	name, ok := strings.CutPrefix(path, "/inbox/")
	if !ok || !mode.Truncate {
		return nil, fmt.Errorf("%s: %w", path, gateway.ErrName)
	}
	if d.c.create != nil {
		if err := d.c.create(name); err != nil {
			return nil, err
		}
	}
	d.c.mu.Lock()
	d.c.left[name] = true
	d.c.mu.Unlock()
	return &upload{c: d.c, id: d.id, name: name}, nil
}

func (d desk) Remove(_ context.Context, path string) error {
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	delete(d.c.left, strings.TrimPrefix(path, "/inbox/"))
	return nil
}

type upload struct {
	gateway.Upload
	c    *core
	id   client.ID
	name string
	b    []byte
	cut  error
}

func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	if off != int64(len(u.b)) {
		return 0, errors.New("not in order")
	}
	u.b = append(u.b, p...)
	if u.c.onWrite != nil {
		u.c.onWrite()
	}
	return len(p), nil
}
func (u *upload) SetModTime(time.Time)  {}
func (u *upload) Interrupt(cause error) { u.cut = cause }
func (u *upload) Close(context.Context) error {
	if u.cut != nil {
		return nil
	}
	if u.c.close != nil {
		if err := u.c.close(u.name); err != nil {
			return err
		}
	}
	u.c.mu.Lock()
	u.c.taken = append(u.c.taken, took{u.id, u.name, bytes.Clone(u.b), time.Now()})
	delete(u.c.left, u.name)
	u.c.mu.Unlock()
	if u.c.late != nil {
		u.c.late(u.name)
	}
	return nil
}

type rig struct {
	t    *testing.T
	core *core
	w    *Watch
	l    *lane
	dir  string // of the client
	mu   sync.Mutex
	now  time.Time
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) step(d time.Duration) time.Time {
	r.mu.Lock()
	r.now = r.now.Add(d)
	r.mu.Unlock()
	return r.l.pass(r.t.Context())
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, "inbox", name) }

func (r *rig) put(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) here(name string) bool {
	_, err := os.Lstat(r.path(name))
	return err == nil
}

func (r *rig) want(names ...string) {
	r.t.Helper()
	if got := r.core.names(); !slices.Equal(got, names) {
		r.t.Fatalf("taken %q, want %q", got, names)
	}
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, core: &core{left: map[string]bool{}}, now: time.Now()}
	r.dir = filepath.Join(t.TempDir(), "c1")
	o := Options{
		Clients:   func() []folder.Client { return []folder.Client{{ID: "c1", Dir: r.dir}} },
		Desk:      func(id client.ID) gateway.Desk { return desk{c: r.core, id: id} },
		Known:     r.core,
		Whole:     func(head []byte, size int64) bool { return bytes.HasPrefix(head, []byte("WHOLE")) },
		Temporary: func(n string) bool { return strings.HasPrefix(n, ".") || strings.HasSuffix(n, ".part") },
		Now:       r.clock,
		PerClient: 1,
	}
	if change != nil {
		change(&o)
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.w = w
	c := o.Clients()[0]
	r.l = w.lane(c)
	r.step(0) // makes the folders
	return r
}

func TestFoldersAreMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, n := range []string{"inbox", "outbox", "receipts", "status", "archive"} {
		if st, err := os.Stat(filepath.Join(r.dir, n)); err != nil || !st.IsDir() {
			t.Errorf("%s: %v", n, err)
		}
	}
}

func TestRipeness(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("a.dbf", "half")
	next := r.step(0)
	if d := next.Sub(r.clock()); d != 500*time.Millisecond {
		t.Fatalf("next pass after %v", d)
	}
	r.step(499 * time.Millisecond)
	r.want()
	r.put("a.dbf", "half and the rest") // a slow writer
	r.step(time.Millisecond)
	r.step(499 * time.Millisecond)
	r.want()
	r.step(time.Millisecond)
	r.want("a.dbf")
	if r.here("a.dbf") || string(r.core.taken[0].bytes) != "half and the rest" {
		t.Fatal("not taken whole, or not removed")
	}

	// A container by its own word is whole lies only for the grain of file times.
	r.put("b.p7s", "WHOLE container")
	if d := r.step(0).Sub(r.clock()); d != 20*time.Millisecond {
		t.Fatalf("next pass after %v", d)
	}
	r.step(20 * time.Millisecond)
	r.want("a.dbf", "b.p7s")
}

func TestTemporaryNamesWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("x.part", "1")
	r.put(".hidden", "1")
	r.step(0)
	r.step(time.Hour)
	r.want()
	if err := os.Rename(r.path("x.part"), r.path("x.txt")); err != nil {
		t.Fatal(err)
	}
	r.step(0)
	r.step(time.Second)
	r.want("x.txt")
}

func TestOpenWriterIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	f, err := os.Create(r.path("open.dbf"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "begun")
	probe, err := os.Open(r.path("open.dbf"))
	if err != nil {
		t.Fatal(err)
	}
	_, known := folder.Writer(probe)
	probe.Close()
	if !known {
		f.Close()
		t.Skip("this file system cannot tell who writes")
	}
	r.step(0)
	r.step(time.Second)
	r.want()
	r.step(10 * time.Second) // patience ends: some programs never close
	r.want("open.dbf")
	f.Close()
}

func TestNotPlainFilesStay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("not the client's"), 0o600); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink(secret, r.path("link")))
	must(os.Symlink("nowhere", r.path("dangling")))
	must(os.Link(secret, r.path("hard")))
	must(unix.Mkfifo(r.path("pipe"), 0o666))
	must(os.Mkdir(r.path("dir"), 0o777))
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(s)
	must(unix.Bind(s, &unix.SockaddrUnix{Name: r.path("sock")}))
	r.put("suid", "x")
	must(os.Chmod(r.path("suid"), 0o755|fs.ModeSetuid))
	names := []string{"link", "dangling", "hard", "pipe", "dir", "sock", "suid"}
	if os.Getuid() == 0 && unix.Mknod(r.path("dev"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
		names = append(names, "dev")
	}
	r.put("good", "x")
	for range 5 {
		r.step(time.Second)
	}
	r.want("good")
	for _, n := range names {
		if !r.here(n) {
			t.Errorf("%s is gone", n)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	at := time.Now().Add(-time.Hour)
	for i, n := range []string{"b.dbf.p7s", "z.txt", "b.dbf", "a.txt", "b.dbf.sig", "lone.p7s"} {
		r.put(n, n)
		m := at
		if n == "z.txt" {
			m = at.Add(-time.Minute)
		}
		_ = i
		if err := os.Chtimes(r.path(n), m, m); err != nil {
			t.Fatal(err)
		}
	}
	r.step(0)
	r.step(time.Second)
	r.want("z.txt", "a.txt", "b.dbf", "b.dbf.p7s", "b.dbf.sig", "lone.p7s")
}

func TestChangedDuringCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("a", strings.Repeat("A", 1000))
	once := true
	r.core.onWrite = func() {
		if once {
			once = false
			time.Sleep(30 * time.Millisecond) // past the grain of file times
			r.put("a", strings.Repeat("B", 1000))
		}
	}
	r.step(0)
	r.step(time.Second)
	r.want()
	if len(r.core.left) != 0 {
		t.Error("an unfinished copy stays behind")
	}
	r.step(time.Second)
	r.step(time.Second)
	r.want("a")
	if string(r.core.taken[0].bytes) != strings.Repeat("B", 1000) {
		t.Error("mixed")
	}
}

// In every round the file changes under the copy, one way or another: what is
// taken is always of one letter.
func TestFlipsDuringCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.chunk = 4000 })
	const size, rounds = 9000, 300
	rnd := rand.New(rand.NewPCG(1, 2))
	fill := func(letter byte) []byte { return bytes.Repeat([]byte{letter}, size) }
	caught := 0
	for i := range rounds {
		letter := byte('a' + i%20)
		r.put("f", string(fill(letter)))
		at, way := rnd.IntN(3), rnd.IntN(5)
		r.core.onWrite = func() {
			if at--; at != -1 {
				return
			}
			switch way {
			case 0: // written over
				r.put("f", string(fill(letter+1)))
			case 1: // through a memory map, which leaves the times alone
				f, _ := os.OpenFile(r.path("f"), os.O_RDWR, 0)
				defer f.Close()
				m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
				if err != nil {
					t.Error(err)
					return
				}
				copy(m, fill(letter+1))
				unix.Munmap(m)
			case 2: // cut
				os.Truncate(r.path("f"), size/3)
			case 3: // replaced
				r.put("new.part", string(fill(letter+1)))
				os.Rename(r.path("new.part"), r.path("f"))
			}
		}
		r.step(0)
		before := len(r.core.taken)
		r.step(time.Second)
		if len(r.core.taken) == before {
			caught++
		}
		r.core.onWrite = nil
		r.step(time.Second)
		r.step(time.Second)
		if r.here("f") {
			t.Fatalf("round %d, way %d: stays for ever", i, way)
		}
	}
	for i, k := range r.core.taken {
		if bytes.Count(k.bytes, k.bytes[:1]) != len(k.bytes) {
			t.Fatalf("take %d is mixed", i)
		}
	}
	t.Logf("%d of %d rounds were interrupted, %d takes", caught, rounds, len(r.core.taken))
	if caught < rounds/4 {
		t.Error("too few were noticed")
	}
}

func TestForbiddenFileIsNotedAndRetried(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	may := false
	r.core.create = func(string) error {
		if may {
			return nil
		}
		return fs.ErrPermission
	}
	r.put("a", "x")
	r.step(0)
	r.step(time.Second)
	if b, err := os.ReadFile(filepath.Join(r.dir, "receipts", "a.refused.txt")); err != nil || !bytes.Contains(b, []byte("доступ призупинено")) {
		t.Error(err)
	}
	may = true
	r.step(time.Minute)
	r.want("a")
	if _, err := os.Stat(filepath.Join(r.dir, "receipts", "a.refused.txt")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the note stays beside the answer: %v", err)
	}
}

// A program writes the same file over and over, one letter at a time, while it
// is picked up: what is taken must be of one letter.
func TestFlippingWriter(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) {
		o.Stable, o.Grain, o.Now = 12*time.Millisecond, 12*time.Millisecond, time.Now
	})
	const size = 400 << 10
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			// Opened anew each time and at times left alone, else it would never be taken.
			f, err := os.OpenFile(r.path("f"), os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			b := bytes.Repeat([]byte{'a' + byte(i%26)}, size)
			for off := 0; off < size; off += size / 8 {
				f.WriteAt(b[off:off+size/8], int64(off))
			}
			f.Close()
			time.Sleep(time.Duration(i%4) * 6 * time.Millisecond)
		}
	})
	until := time.Now().Add(3 * time.Second)
	rounds := 0
	for time.Now().Before(until) && rounds < 400 {
		r.l.pass(t.Context())
		rounds++
		time.Sleep(2 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	time.Sleep(15 * time.Millisecond)
	r.l.pass(t.Context())
	time.Sleep(15 * time.Millisecond)
	r.l.pass(t.Context())
	for i, k := range r.core.taken {
		// A file removed in the middle of a rewriting shows again as a new, short or
		// holed one of zeros and one letter: that is what the writer then made.
		letters := map[byte]bool{}
		for _, c := range k.bytes {
			letters[c] = true
		}
		delete(letters, 0)
		if len(letters) > 1 {
			t.Fatalf("take %d is mixed of %d letters", i, len(letters))
		}
	}
	t.Logf("%d passes, %d takes", rounds, len(r.core.taken))
	if len(r.core.taken) == 0 {
		t.Error("nothing was ever taken")
	}
}

func TestReplacedBetweenCloseAndRemoval(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("a", "first")
	r.core.late = func(name string) {
		r.core.late = nil
		os.Remove(r.path(name))
		r.put(name, "second")
	}
	r.step(0)
	r.step(time.Second)
	r.want("a")
	if !r.here("a") {
		t.Fatal("the newer file was removed")
	}
	r.step(time.Second)
	r.step(time.Second)
	r.want("a", "a")
	if string(r.core.taken[1].bytes) != "second" || r.here("a") {
		t.Error("the newer file was not taken")
	}
}

func TestAppendedBetweenCloseAndRemoval(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("a", "first")
	r.core.late = func(name string) {
		r.core.late = nil
		f, _ := os.OpenFile(r.path(name), os.O_APPEND|os.O_WRONLY, 0)
		f.WriteString(" and more")
		f.Close()
	}
	for range 4 {
		r.step(time.Second)
	}
	r.want("a", "a")
	if string(r.core.taken[1].bytes) != "first and more" {
		t.Error("what was appended is lost")
	}
}

// The process dies after the take, before or in the middle of the removal.
func TestCrashBeforeRemoval(t *testing.T) {
	t.Parallel()
	for _, mid := range []bool{false, true} {
		r := newRig(t, nil)
		r.put("a.txt", "once")
		mark := stat(t, r, "a.txt")
		r.core.taken = []took{{"c1", "a.txt", []byte("once"), time.Now()}}
		if mid {
			err := os.Rename(r.path("a.txt"), r.path(fmt.Sprintf("%s%x-%x-a.txt", folder.TakenPrefix, mark.Ctime, mark.Ino)))
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			r.step(time.Second)
		}
		r.want("a.txt")
		if left, _ := os.ReadDir(filepath.Join(r.dir, "inbox")); len(left) != 0 {
			t.Errorf("mid %v: %v stays", mid, left)
		}

		// The same bytes once more, later, are a second submission.
		time.Sleep(20 * time.Millisecond)
		r.put("a.txt", "once")
		for range 3 {
			r.step(time.Second)
		}
		r.want("a.txt", "a.txt")
	}
}

func TestUnknownTakenNameGoesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.put("b.txt", "x")
	mark := stat(t, r, "b.txt")
	if err := os.Rename(r.path("b.txt"), r.path(fmt.Sprintf("%s%x-%x-b.txt", folder.TakenPrefix, mark.Ctime, mark.Ino))); err != nil {
		t.Fatal(err)
	}
	for _, odd := range []string{"x", "1-2", "1-2-", "1-2-..", "-1-2-c", "zz-1-d"} {
		r.put(folder.TakenPrefix+odd, "x")
	}
	for range 4 {
		r.step(time.Second)
	}
	r.want("b.txt")
}

func stat(t *testing.T, r *rig, name string) folder.Mark {
	t.Helper()
	d, err := folder.Open(filepath.Join(r.dir, "inbox"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := d.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRefusedNameIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	asked := 0
	r.core.create = func(name string) error {
		if name != "good" {
			asked++
			return fmt.Errorf("create: %w", gateway.ErrName)
		}
		return nil
	}
	bad := "зло\u202e\x01;rm -rf.dbf"
	r.put(bad, "x")
	r.put("good", "x")
	for range 5 {
		r.step(time.Second)
	}
	r.want("good")
	if asked != 1 || !r.here(bad) {
		t.Fatalf("asked %d times", asked)
	}
	notes, _ := os.ReadDir(filepath.Join(r.dir, "receipts"))
	if len(notes) != 1 || notes[0].Name() != folder.Escape(bad)+".refused.txt" {
		t.Fatal(notes)
	}
	b, _ := os.ReadFile(filepath.Join(r.dir, "receipts", notes[0].Name()))
	if !bytes.Contains(b, []byte("Перейменуйте")) || !bytes.Contains(b, []byte("Rename it")) {
		t.Errorf("%s", b)
	}
	// The client reads the note, removes it, and touches the file: no second note.
	os.Remove(filepath.Join(r.dir, "receipts", notes[0].Name()))
	os.Chtimes(r.path(bad), time.Now(), time.Now())
	for range 3 {
		r.step(time.Second)
	}
	if notes, _ := os.ReadDir(filepath.Join(r.dir, "receipts")); len(notes) != 0 {
		t.Error("noted twice")
	}
}

func TestTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.l.c.Max = 3
	r.core.create = func(string) error { t.Error("created"); return nil }
	r.put("big", "four")
	for range 3 {
		r.step(time.Second)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "receipts", "big.refused.txt")); err != nil {
		t.Error(err)
	}
}

func TestStoppingAndQuotaBackOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err error
		all bool // the whole folder rests
	}{{gateway.ErrStopping, true}, {spool.ErrFull, true}, {gateway.ErrQuota, false}, {gateway.ErrBusy, false}, {errors.New("other"), false}} {
		r := newRig(t, nil)
		fail, tries := true, map[string]int{}
		r.core.create = func(name string) error {
			tries[name]++
			if fail && (c.all || name == "a") {
				return fmt.Errorf("create: %w", c.err)
			}
			return nil
		}
		r.put("a", "x")
		r.put("b", "x")
		r.step(0)
		for range 100 { // 25 s
			r.step(250 * time.Millisecond)
		}
		if tries["a"] < 4 || tries["a"] > 6 { // after 0, 1, 3, 7, 15 s
			t.Errorf("%v: %d tries", c.err, tries["a"])
		}
		if c.all != r.here("b") || !r.here("a") {
			t.Errorf("%v: b here: %v", c.err, r.here("b"))
		}
		fail = false
		r.step(time.Minute)
		r.step(time.Minute)
		if r.here("a") || r.here("b") {
			t.Errorf("%v: never taken", c.err)
		}
	}
}

func TestFailedCloseKeepsTheFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	fail := true
	r.core.close = func(string) error {
		if fail {
			return spool.ErrStopped
		}
		return nil
	}
	r.put("a", "x")
	r.step(0)
	r.step(time.Second)
	if r.want(); !r.here("a") {
		t.Fatal("removed though it was not taken")
	}
	fail = false
	r.step(time.Minute)
	r.want("a")
}

func TestInboxThatIsALink(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, "f"), []byte("x"), 0o644)
	os.Remove(filepath.Join(r.dir, "inbox"))
	if err := os.Symlink(other, filepath.Join(r.dir, "inbox")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.step(time.Second)
	}
	r.want()
}

// manual hints stand for inotify in tests of Run.
type manual struct {
	dirs chan string
	lost chan error
}

func (manual) Add(string) error       { return nil }
func (manual) Remove(string)          {}
func (m manual) Hints() <-chan string { return m.dirs }
func (m manual) Lost() <-chan error   { return m.lost }
func (manual) Close()                 {}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func TestRunOverflowRescans(t *testing.T) {
	t.Parallel()
	m := manual{make(chan string), make(chan error)}
	r := newRig(t, func(o *Options) {
		o.Rescan, o.Stable, o.Now = time.Hour, time.Millisecond, time.Now
		o.hints = func() (hints, error) { return m, nil }
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.w.Run(ctx) }()
	m.dirs <- filepath.Join(r.dir, "inbox") // Run is past its first pass, nearly
	time.Sleep(60 * time.Millisecond)
	for i := range 50 { // no event tells of these
		r.put(fmt.Sprintf("f%02d", i), "x")
	}
	m.lost <- fsnotify.ErrEventOverflow
	eventually(t, "all taken", func() bool { return len(r.core.names()) == 50 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunWithInotifyAndClients(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var clients []folder.Client
	r := newRig(t, func(o *Options) {
		first := o.Clients()[0]
		clients = []folder.Client{first, {ID: "bad", Dir: "/dev/null/bad"}}
		o.Clients = func() []folder.Client { mu.Lock(); defer mu.Unlock(); return slices.Clone(clients) }
		o.Rescan, o.Now = 300*time.Millisecond, time.Now
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.w.Run(ctx) }()
	begun := time.Now()
	r.put("w.p7s", "WHOLE")
	eventually(t, "taken", func() bool { return len(r.core.names()) == 1 })
	t.Logf("taken after %v", time.Since(begun))

	// A second client comes, the first goes.
	second := filepath.Join(filepath.Dir(r.dir), "c2")
	mu.Lock()
	clients = []folder.Client{{ID: "c2", Dir: second}}
	mu.Unlock()
	eventually(t, "folders of the second", func() bool {
		_, err := os.Stat(filepath.Join(second, "inbox"))
		return err == nil
	})
	os.WriteFile(filepath.Join(second, "inbox", "n.p7s"), []byte("WHOLE"), 0o644)
	r.put("late.p7s", "WHOLE")
	eventually(t, "taken from the second", func() bool { return len(r.core.names()) == 2 })
	r.want("w.p7s", "n.p7s")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestParallelTakes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Parallel, o.PerClient = 3, 3 })
	var mu sync.Mutex
	var now, most int
	r.core.close = func(string) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	for i := range 60 {
		r.put(fmt.Sprint(i), "x")
	}
	r.step(0)
	r.step(time.Second)
	if len(r.core.names()) != 60 || most > 3 || most < 2 {
		t.Errorf("%d taken, %d at once", len(r.core.names()), most)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("zero options accepted")
	}
}
