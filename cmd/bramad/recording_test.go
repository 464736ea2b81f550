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
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/disktest"
)

// A recording is a daemon at work on a disk of which every write and flush is
// known, and what its peers were told meanwhile, each with its place among those.
type recording struct {
	site   *site // on the disk, which is mounted beside it
	kind   disktest.FileSystem
	seed   uint64
	rig    *disktest.Rig
	daemon string // path of the program
	load   *load
	tally  disktest.Tally
	copied []byte // the copy of the checkpoints, which lies on another disk
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
	s := &site{t: t, dir: filepath.Join(mount, "d")}
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
	r := &recording{site: s, kind: kind, seed: seed, rig: rig, daemon: daemon}
	p := s.start(r.use)
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
	p = s.start(r.use)
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
	r.load = l
	var err error
	r.copied, err = os.ReadFile(filepath.Join(s.outside(), "checkpoints"))
	must(err)
	r.tally, err = rig.End()
	must(err)
	return r
}

// use starts the program of the recording. It does not outlive the test, whose disk
// could not be put away.
func (r *recording) use(cmd *exec.Cmd) {
	cmd.Path = r.daemon
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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

// cut cuts the power at a position, mounts what the disk has kept, and gives the load
// as its peers know it then.
func (r *recording) cut(t testing.TB, at disktest.Position, mode disktest.Mode, seed uint64) *load {
	if err := r.rig.Cut(at, mode, seed); err != nil {
		t.Fatalf("the file system does not come up: %v", err)
	}
	t.Cleanup(func() {
		if err := r.rig.Unmount(); err != nil {
			t.Error(err)
		}
	})
	l := r.load.at(&site{t: t, dir: r.site.dir}, at)
	if err := os.WriteFile(filepath.Join(r.site.outside(), "checkpoints"), r.copied[:l.copied], 0o644); err != nil {
		t.Fatal(err)
	}
	return l
}

// look opens the store after a cut and holds what is in it against what the peers
// were told until then.
func (r *recording) look(t testing.TB, l *load) {
	cfg, err := config.Load(l.s.path("brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := engine.OpenStore(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := &auditor{TB: t, load: l, e: &engine.Engine{Store: store}, parts: map[spool.ID]map[string]spool.Part{}}
	problems, err := store.Integrity(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("integrity: %s", p)
	}
	if err := store.View(t.Context(), a.read); err != nil {
		t.Fatal(err)
	}
	a.verified(journal.Copy{Name: "the copy", Text: r.copied[:l.copied]})
	a.held()
	a.fetched()
	for _, complaint := range a.complaints() {
		t.Error(complaint)
	}
}

// held: everything that was answered OK is there, and nothing more often than it
// should be. Not everything is settled yet.
func (a *auditor) held() {
	type file struct{ name, sum string }
	files := map[file]bool{}
	items := map[spool.ID]spool.Item{}
	live := map[string]int{} // accepted, by document
	for _, it := range slices.Concat(a.items, a.statements) {
		items[it.ID] = it
		for _, p := range a.parts[it.ID] {
			files[file{p.Name, p.Content.SHA256}] = true
		}
		switch it.State {
		case gateway.StateAccepted, gateway.StateLeased, gateway.StateProcessed:
			live[it.SHA256]++
		}
	}
	for i, ev := range a.events {
		if ev.Seq != int64(i+1) {
			a.Fatalf("journal: record %d has number %d", i+1, ev.Seq)
		}
	}
	for _, p := range a.load.all {
		if live[p.sum] > 1 {
			a.doubledf("%s: accepted %d times", p.name, live[p.sum])
		}
		_, done := a.load.papers[p.sum]
		for i, f := range p.files {
			if (done || i < p.answered) && !files[file{f.name, f.sum}] {
				a.lostf("%s: answered OK and lost", f.name)
			}
		}
	}
	for id, outcome := range a.load.answers {
		if items[id].State != spool.State(outcome) {
			a.lostf("submission %s: the processor's answer %s was confirmed and it is %q", id, outcome, items[id].State)
		}
	}
	for name, id := range a.load.statements {
		if items[id].Name != name {
			a.lostf("statement %s was confirmed as %s, which is %q", name, id, items[id].Name)
		}
	}
}

// goOn starts the daemon after a cut and lets the peers go on until everything is
// settled, and audits that.
func (r *recording) goOn(t testing.TB, l *load) {
	s := l.s
	s.ctl("integrity", "--deep")
	p := s.start(r.use)
	over := make(chan struct{})
	var giving sync.WaitGroup
	giving.Go(func() {
		select {
		case <-over:
		case <-p.ended:
			t.Errorf("bramad has ended: %v\n%s", p.err, p.said())
		case <-time.After(5 * time.Minute):
			t.Errorf("not settled within 5 minutes\n%s", p.said())
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
	for _, complaint := range audit(t, l).complaints() {
		t.Error(complaint)
	}
}
