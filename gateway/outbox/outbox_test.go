package outbox

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/folder"
)

// post is a fake of the core's side.
type post struct {
	mu      sync.Mutex
	letters map[string]*entry // by client/box/name
	lists   int               // calls of ListTold
	change  chan struct{}
}

type entry struct {
	Letter
	told, acked bool
}

func (p *post) put(id client.ID, box, name, text string, withdrawn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := sha256.Sum256([]byte(text))
	p.letters[string(id)+"/"+box+"/"+name] = &entry{Letter: Letter{
		Client: id, Box: box, Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), At: time.Unix(1e9, 0), Withdrawn: withdrawn,
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}}
	close(p.change)
	p.change = make(chan struct{})
}

func (p *post) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.change
}

func (p *post) find(ok func(*entry) bool, limit int) (out []Letter, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.letters {
		if ok(e) {
			out = append(out, e.Letter)
		}
	}
	slices.SortFunc(out, func(a, b Letter) int { return cmp.Compare(a.Name, b.Name) })
	return out[:min(len(out), limit)], nil
}

func (p *post) Untold(_ context.Context, id client.ID, limit int) ([]Letter, error) {
	return p.find(func(e *entry) bool { return !e.told && (id == "" || e.Client == id) }, limit)
}

func (p *post) ListTold(_ context.Context, id client.ID, box, after string, limit int) ([]Letter, error) {
	p.mu.Lock()
	p.lists++
	p.mu.Unlock()
	return p.find(func(e *entry) bool {
		return e.told && !e.acked && !e.Withdrawn && e.Client == id && e.Box == box && e.Name > after
	}, limit)
}

func (p *post) set(l Letter, f func(*entry)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.letters[string(l.Client)+"/"+l.Box+"/"+l.Name])
	return nil
}

func (p *post) Told(_ context.Context, l Letter) error {
	return p.set(l, func(e *entry) { e.told = true })
}

func (p *post) Acknowledge(_ context.Context, l Letter) error {
	return p.set(l, func(e *entry) { e.acked = true })
}

func (p *post) acked(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.letters[key].acked
}

// shelf is a fake desk with files to read.
type shelf struct {
	gateway.Desk
	mu    sync.Mutex
	files map[string]string
	at    map[string]time.Time
	opens int
}

func (s *shelf) List(_ context.Context, dir string) (out []gateway.File, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for p, text := range s.files {
		rest, ok := strings.CutPrefix(p, dir+"/")
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if !seen[name] {
			seen[name] = true
			out = append(out, gateway.File{Name: name, Dir: deeper, Size: int64(len(text)), ModTime: s.at[dir+"/"+name]})
		}
	}
	return out, nil
}

type reading struct {
	*bytes.Reader
}

func (reading) Close() error       { return nil }
func (reading) ModTime() time.Time { return time.Time{} }

func (s *shelf) Open(_ context.Context, p string) (gateway.Reading, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens++
	return reading{bytes.NewReader([]byte(s.files[p]))}, nil
}

type rig struct {
	t     *testing.T
	dir   string
	post  *post
	shelf *shelf
	o     *Outbox
	l     *lane
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "c1")}
	r.post = &post{letters: map[string]*entry{}, change: make(chan struct{})}
	r.shelf = &shelf{files: map[string]string{}, at: map[string]time.Time{}}
	o, err := New(Options{
		Clients: func() []folder.Client {
			return []folder.Client{{ID: "c1", Dir: r.dir}, {ID: "bad", Dir: "/dev/null/x"}}
		},
		Mail: r.post, Desk: func(client.ID) gateway.Desk { return r.shelf }, Changes: r.post.changes,
		Rescan: 20 * time.Millisecond, Status: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.o = o
	r.restart()
	return r
}

func (r *rig) restart() { r.l = r.o.lane(folder.Client{ID: "c1", Dir: r.dir}) }

func (r *rig) do(w work) {
	r.t.Helper()
	if err := r.l.try(r.t.Context(), w); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(p string) string {
	b, err := os.ReadFile(filepath.Join(r.dir, p))
	if errors.Is(err, fs.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (r *rig) want(p, text string) {
	r.t.Helper()
	if got := r.read(p); got != text {
		r.t.Fatalf("%s: %q, want %q", p, got, text)
	}
}

var mailAcks = work{mail: true, acks: true}

func TestLetterIsLaidAndAcknowledged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post.put("c1", "receipts", "a.txt", "one", false)
	r.post.put("c1", "outbox", "s.xml", "two", false)
	r.do(mailAcks)
	r.want("receipts/a.txt", "one")
	r.want("outbox/s.xml", "two")
	st, _ := os.Stat(filepath.Join(r.dir, "outbox/s.xml"))
	if st.Mode().Perm() != 0o640 || !st.ModTime().Equal(time.Unix(1e9, 0)) {
		t.Error(st.Mode(), st.ModTime())
	}
	r.do(mailAcks)
	if r.post.acked("c1/receipts/a.txt") {
		t.Fatal("acknowledged while it lies there")
	}
	os.Remove(filepath.Join(r.dir, "receipts/a.txt"))
	r.do(mailAcks)
	if !r.post.acked("c1/receipts/a.txt") || r.post.acked("c1/outbox/s.xml") {
		t.Fatal("acknowledged wrongly")
	}
	r.do(mailAcks)
	r.want("receipts/a.txt", "absent")
	if d, _ := os.ReadDir(filepath.Join(r.dir, "outbox")); len(d) != 2 { // and the mark
		t.Error(d)
	}
}

func TestQuietBoxIsNotListed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	r.o.o.now = func() time.Time { return now }
	r.post.put("c1", "receipts", "a.txt", "one", false)
	r.do(mailAcks)
	for range 10 {
		now = now.Add(time.Second)
		r.do(mailAcks)
	}
	lists := r.post.lists
	for range 10 {
		now = now.Add(5 * time.Second)
		r.do(mailAcks)
	}
	if r.post.lists != lists {
		t.Errorf("%d questions about boxes that stayed as they were", r.post.lists-lists)
	}
	os.Remove(filepath.Join(r.dir, "receipts/a.txt"))
	r.do(mailAcks)
	if !r.post.acked("c1/receipts/a.txt") {
		t.Error("a removal was missed")
	}
}

func TestFolderThatWentAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post.put("c1", "receipts", "a.txt", "one", false)
	r.do(mailAcks)
	for _, gone := range []string{"receipts", ""} {
		os.RemoveAll(filepath.Join(r.dir, gone))
		r.do(mailAcks)
		if r.post.acked("c1/receipts/a.txt") {
			t.Fatal("acknowledged by a folder that is not there")
		}
		r.want("receipts/a.txt", "one") // told again
	}
	// A crash in the middle of telling again leaves no mark, and so no acknowledgement.
	os.Remove(filepath.Join(r.dir, "receipts/.brama-box"))
	os.Remove(filepath.Join(r.dir, "receipts/a.txt"))
	r.restart()
	r.do(mailAcks)
	r.want("receipts/a.txt", "one")
}

func TestCrashBeforeTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post.put("c1", "receipts", "a.txt", "one", false)
	r.do(mailAcks)
	before, _ := os.Stat(filepath.Join(r.dir, "receipts/a.txt"))
	r.post.letters["c1/receipts/a.txt"].told = false
	half := filepath.Join(r.dir, "receipts", folder.HiddenPrefix+strings.Repeat("A", 26))
	os.WriteFile(half, []byte("half"), 0o600)
	r.restart()
	r.do(mailAcks)
	after, _ := os.Stat(filepath.Join(r.dir, "receipts/a.txt"))
	if !os.SameFile(before, after) {
		t.Error("an identical file was written again")
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("half a file stays")
	}
}

func TestReplacedAndWithdrawn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post.put("c1", "receipts", "a.held.txt", "waits for one", false)
	r.do(mailAcks)
	r.post.put("c1", "receipts", "a.held.txt", "waits for two", false)
	r.do(mailAcks)
	r.want("receipts/a.held.txt", "waits for two")
	r.post.put("c1", "receipts", "a.held.txt", "waits for two", true)
	r.post.put("c1", "receipts", "a.receipt1.txt", "accepted", false)
	r.do(mailAcks)
	r.want("receipts/a.held.txt", "absent")
	r.want("receipts/a.receipt1.txt", "accepted")
	r.do(mailAcks)
	if e := r.post.letters["c1/receipts/a.held.txt"]; !e.told || e.acked {
		t.Error("a withdrawn letter counts as acknowledged")
	}
}

func TestWhatTheClientPutInTheWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.do(mailAcks)
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("untouched"), 0o644)
	box := filepath.Join(r.dir, "receipts")
	os.Symlink(victim, filepath.Join(box, "link.txt"))
	os.Mkdir(filepath.Join(box, "dir.txt"), 0o755)
	names := []string{"link.txt", "dir.txt"}
	if os.Getuid() == 0 {
		f := filepath.Join(box, "own.txt")
		os.WriteFile(f, []byte("the client's"), 0o644)
		os.Chown(f, 12345, 12345)
		names = append(names, "own.txt")
	}
	for _, n := range names {
		r.post.put("c1", "receipts", n, "ours", false)
	}
	r.do(mailAcks)
	for _, n := range names {
		r.want("receipts/"+n, "ours")
		if _, err := os.Lstat(filepath.Join(box, n+".old")); err != nil {
			t.Error(err)
		}
	}
	if b, _ := os.ReadFile(victim); string(b) != "untouched" {
		t.Error("written through a link")
	}
	// The box itself as a link.
	os.RemoveAll(box)
	os.Symlink(t.TempDir(), box)
	r.post.put("c1", "receipts", "late.txt", "ours", false)
	if err := r.l.try(t.Context(), mailAcks); err == nil {
		t.Error("a box that is a link was used")
	}
	if r.post.letters["c1/receipts/late.txt"].told {
		t.Error("told")
	}
}

func TestBadLettersDoNotStopOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post.put("c1", "receipts", "../../x", "x", false)
	r.post.put("c1", "receipts", ".hidden", "x", false)
	r.post.put("c1", "attic", "x", "x", false)
	r.post.put("c1", "receipts", "lies.txt", "x", false)
	r.post.letters["c1/receipts/lies.txt"].Size = 2
	r.post.put("c1", "receipts", "z.txt", "good", false)
	if err := r.l.try(t.Context(), mailAcks); err == nil {
		t.Error("no error")
	}
	r.want("receipts/z.txt", "good")
	r.want("receipts/lies.txt", "absent")
	if r.post.letters["c1/receipts/lies.txt"].told {
		t.Error("told")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, w := r.shelf, work{status: true}
	s.files["/status/today.csv"], s.files["/status/2026-01-02.csv"] = "received", "old"
	r.do(w)
	r.want("status/today.csv", "received")
	r.want("status/2026-01-02.csv", "old")
	s.files["/status/today.csv"] = "accepted" // same size, same time
	r.do(w)
	r.want("status/today.csv", "accepted")
	before, opens := stat(r, "status/today.csv"), s.opens
	r.do(w)
	if !os.SameFile(before, stat(r, "status/today.csv")) || s.opens != opens+1 {
		t.Error("written though nothing changed, or an old day was read")
	}
	os.Remove(filepath.Join(r.dir, "status/today.csv"))
	delete(s.files, "/status/2026-01-02.csv")
	r.do(w)
	r.want("status/today.csv", "accepted")
	r.want("status/2026-01-02.csv", "absent")
}

func stat(r *rig, p string) fs.FileInfo {
	st, _ := os.Lstat(filepath.Join(r.dir, p))
	return st
}

func TestArchive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, w := r.shelf, work{archive: true}
	s.files["/archive/2026/01/02/a.xml"] = "a"
	s.at["/archive/2026"] = time.Unix(1, 0)
	r.do(w)
	r.want("archive/2026/01/02/a.xml", "a")
	s.files["/archive/2026/01/03/b.xml"] = "b"
	opens := s.opens
	r.do(w)
	r.want("archive/2026/01/03/b.xml", "absent") // the year says that nothing is new
	s.at["/archive/2026"] = time.Unix(2, 0)
	r.do(w)
	r.want("archive/2026/01/03/b.xml", "b")
	if s.opens != opens+1 {
		t.Error("an old file was read again")
	}
	target := t.TempDir()
	os.Symlink(target, filepath.Join(r.dir, "archive/2027"))
	s.files["/archive/2027/01/01/c.xml"] = "c"
	if err := r.l.try(t.Context(), w); err == nil {
		t.Error("a folder that is a link was used")
	}
	if d, _ := os.ReadDir(target); len(d) != 0 {
		t.Error("written through a link")
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.o.Run(ctx) }()
	r.post.put("bad", "receipts", "x", "x", false)
	r.post.put("c1", "receipts", "a.txt", "one", false)
	eventually(t, func() bool { return r.read("receipts/a.txt") == "one" })
	eventually(t, func() bool {
		os.Remove(filepath.Join(r.dir, "receipts/a.txt"))
		return r.post.acked("c1/receipts/a.txt")
	})
	r.shelf.mu.Lock()
	r.shelf.files["/status/today.csv"] = "s"
	r.shelf.mu.Unlock()
	r.post.put("c1", "receipts", "b.txt", "two", false)
	eventually(t, func() bool { return r.read("status/today.csv") == "s" })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never")
		}
	}
}
