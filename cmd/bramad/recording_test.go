package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool/disktest"
)

// A recording is a daemon at work on a disk of which every write and flush is
// known, and what its peers were told meanwhile, each with its place among those.
type recording struct {
	site     *site // on the disk, which is mounted beside it
	kind     disktest.FileSystem
	seed     uint64
	rig      *disktest.Rig
	daemon   string // path of the program
	load     *load
	tally    disktest.Tally
	patience time.Duration // how long a cut may take to settle
	copied   []byte        // the copy of the checkpoints, which lies on another disk
}

// outside is the folder of the copy of the checkpoints.
func (s *site) outside() string { return filepath.Join(s.dir, "..", "..", "elsewhere") }

// record lets a daemon, its clients and its processor work for a while. State, run
// and clients' folders are on the disk that is recorded; nothing else is.
func record(t testing.TB, rig *disktest.Rig, mount string, kind disktest.FileSystem, daemon string, seed uint64, length time.Duration) *recording {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &site{t, filepath.Join(mount, "d")}
	must(os.RemoveAll(s.outside()))
	must(rig.Format(kind))
	s.make()
	s.configure(fmt.Sprintf(`
intake: {stable: 50ms}
limits: {client_connections: 50, free_disk: 1MiB}
schedule: {checkpoints: "@every 1s"}
journal: {copy: %q}
log: {level: warn}
`, s.outside()))
	use := func(cmd *exec.Cmd) { cmd.Path = daemon }
	p := s.start(use)
	s.register()
	if code := p.stop(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, p.said())
	}
	must(rig.Begin())

	l := newLoad(s, seed)
	l.ttl = "1m" // the load of a cut takes leases away that nobody knows any more
	l.position = func() disktest.Position {
		at, err := rig.Position()
		if err != nil {
			l.complain("%v", err)
		}
		return at
	}
	p = s.start(use)
	l.addr.Store(&p.addr)
	l.begin()
	var watchers sync.WaitGroup
	watchers.Go(l.fetch)
	watchers.Go(func() { l.watchCopy(filepath.Join(s.outside(), "checkpoints")) })
	time.Sleep(length)
	l.finish()
	l.working()
	l.processor.Wait()
	watchers.Wait()
	if code := p.stop(t); code != exitOK || len(l.complaints) > 0 {
		t.Fatalf("exit code %d, %v\n%s", code, l.complaints, p.said())
	}
	r := &recording{site: s, kind: kind, seed: seed, rig: rig, patience: 2 * time.Minute, daemon: daemon, load: l}
	var err error
	r.copied, err = os.ReadFile(filepath.Join(s.outside(), "checkpoints"))
	must(err)
	r.tally, err = rig.End()
	must(err)
	return r
}

// fetch is a client that reads what comes into its boxes, over SFTP.
func (l *load) fetch() {
	c := l.connect()
	defer c.Close()
	known := map[string]bool{}
	for ; !l.over(); time.Sleep(50 * time.Millisecond) {
		for _, box := range []string{"receipts", "outbox"} {
			files, err := c.ReadDir("/" + box)
			if err != nil {
				l.complain("%s: %v", box, err)
				return
			}
			for _, f := range files {
				name := box + "/" + f.Name()
				if known[name] || l.over() || strings.Contains(name, ".held.") { // a notice goes when its reason goes
					continue
				}
				known[name] = true
				b, err := fetch(c, "/"+name)
				if err != nil {
					l.complain("%s: %v", name, err)
					return
				}
				sum := hexSum(b)
				l.note(func(l *load) { l.seen[name] = sum })
			}
		}
	}
}

// watchCopy notes how far the copy of the checkpoints has come.
func (l *load) watchCopy(name string) {
	for last := int64(-1); !l.over(); time.Sleep(5 * time.Millisecond) {
		if st, err := os.Stat(name); err == nil && st.Size() != last {
			last = st.Size()
			size := last
			l.note(func(l *load) { l.copied = size })
		}
	}
}

// at is the load as its peers know it when the power goes.
func (l *load) at(s *site, at disktest.Position) *load {
	then := newLoad(s, l.seed)
	then.ttl = l.ttl
	for _, n := range l.notes {
		if n.at <= at {
			n.apply(then)
		}
	}
	return then
}

// resume is what peers do when the gateway is there again: they send what was not
// answered.
func (l *load) resume() {
	l.work()
	rnd := rand.New(rand.NewPCG(l.seed, 99))
	var open []*paper
	for sum, p := range l.all {
		if l.papers[sum] == nil {
			open = append(open, p)
		}
	}
	slices.SortFunc(open, func(x, y *paper) int { return strings.Compare(x.name, y.name) })
	stage := l.stage(rnd)
	conn := l.connect()
	for _, p := range open {
		ok := false
		if p.folder {
			p.resent += len(p.files)
			ok = l.move(stage, p)
		} else {
			ok = l.send(&conn, p, true)
		}
		if !ok {
			return
		}
		l.done(p)
	}
	if conn != nil {
		conn.Close()
	}
	c := l.s.processorClient()
	defer c.CloseIdleConnections()
	l.statement(c, len(l.statements)+1)
}

// check cuts the power at a position, starts the daemon on what the disk has kept,
// and holds it against what the peers were told until then.
func (r *recording) check(t testing.TB, at disktest.Position, mode disktest.Mode, seed uint64) {
	if err := r.rig.Cut(at, mode, seed); err != nil {
		t.Fatalf("the file system does not come up: %v", err)
	}
	t.Cleanup(func() {
		if err := r.rig.Unmount(); err != nil {
			t.Error(err)
		}
	})
	s := &site{t, r.site.dir}
	l := r.load.at(s, at)
	if err := os.WriteFile(filepath.Join(s.outside(), "checkpoints"), r.copied[:l.copied], 0o644); err != nil {
		t.Fatal(err)
	}
	s.ctl("integrity", "--deep")
	p := s.start(func(cmd *exec.Cmd) { cmd.Path = r.daemon })
	over := make(chan struct{})
	var giving sync.WaitGroup
	giving.Go(func() {
		select {
		case <-over:
		case <-p.ended:
			t.Errorf("bramad has ended: %v\n%s", p.err, p.said())
		case <-time.After(r.patience):
			t.Errorf("not settled within %v\n%s", r.patience, p.said())
		}
		close(l.given)
	})
	t.Cleanup(func() {
		if l.working != nil {
			l.working()
			l.processor.Wait()
		}
	})
	settled := sync.OnceFunc(func() {
		close(over)
		giving.Wait()
	})
	t.Cleanup(settled)
	s.ctl("journal", "verify") // against the copy as it was
	l.addr.Store(&p.addr)
	l.resume()
	l.drain()
	l.mirrored()
	settled()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.said())
	}
	for line := range strings.Lines(p.said()) {
		if strings.Contains(line, `"error"`) || strings.Contains(line, "panic") || strings.Contains(line, "fatal") {
			t.Error(line)
		}
	}
	for _, complaint := range l.complaints {
		t.Error(complaint)
	}
	audit(t, l)
}
