package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A fault is what happens to the daemon at the n-th call of one kind.
type fault struct {
	call string // set of system calls, as strace spells it
	what string // signal=KILL: it is gone before the call is made; error=EIO, ENOSPC: the call fails
	n    int
}

func (f fault) String() string { return fmt.Sprintf("%s at %s number %d", f.what, f.call, f.n) }

// durable are the calls by which a document gets onto the disk: content, the
// database, the journal, hand-off and clients' folders.
var durable = []string{
	"pwrite64", "write", "fdatasync", "fsync", "ftruncate", "openat", "mkdirat", "renameat,renameat2", "linkat", "unlinkat", "fallocate",
}

// faults gives those of the short form, or all up to the n-th call of each kind.
// Where one kind is never called so often, the rest of it is left out while running.
func faults(most int) (out []fault) {
	if most == 0 {
		return []fault{
			{"fdatasync", "signal=KILL", 3},
			{"pwrite64", "signal=KILL", 9},
			{"renameat,renameat2", "signal=KILL", 2},
			{"fdatasync", "error=EIO", 4},
			{"fsync", "error=EIO", 2},
			{"pwrite64", "error=ENOSPC", 7},
		}
	}
	for _, call := range durable {
		for _, what := range []string{"signal=KILL", "error=EIO", "error=ENOSPC"} {
			if strings.HasPrefix(what, "error") && call == "openat" {
				continue // not a step of durability by itself, and every library opens files
			}
			for n := 1; n <= most; n++ {
				out = append(out, fault{call, what, n})
			}
		}
	}
	return out
}

// TestFaults lets the n-th durable step of the real daemon kill it, or fail, for
// n = 1, 2, ..., with both entrances, the processor and statements at work, starts it
// again, and holds what is left in the end against what was answered (THREATS E01,
// E02). BRAMA_FAULTS is how far n goes (make test-faults: 60); without it a few
// faults stand for all. Calls are counted by strace, thread by thread: a number is
// the same step again only by chance, and all of them are many steps.
func TestFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here (Debian: strace)")
	}
	if out, err := exec.Command(strace, "-f", "-qq", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v %s", err, out)
	}
	s := newSite(t)
	s.configure(`
intake: {stable: 50ms}
limits: {client_connections: 50, free_disk: 1MiB}
schedule: {checkpoints: "@every 1s"}
journal: {copy: elsewhere}
log: {level: warn}
`)
	first := s.start(nil)
	s.register()
	if code := first.stop(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, first.said())
	}
	l := newLoad(s, 1)
	l.ttl, l.failing = "1m", true
	l.begin()
	rounds, struck := 0, 0
	never := map[string]int{} // faults in a row that did not come, by kind
	window := 4 * time.Second
	for _, f := range faults(number("BRAMA_FAULTS", 0)) {
		kind := f.call + f.what
		if never[kind] >= 5 {
			continue
		}
		rounds++
		hit := s.strike(l, strace, f, window)
		if hit {
			struck++
			never[kind] = 0
		} else {
			never[kind]++
		}
		if rounds%50 == 0 {
			t.Logf("%d rounds, %d faults struck; %s", rounds, struck, l.figures())
		}
	}
	p := s.start(nil)
	l.addr.Store(&p.addr)
	l.finish()
	l.drain()
	l.mirrored()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.said())
	}
	for _, complaint := range l.complaints {
		t.Error(complaint)
	}
	t.Logf("%d rounds, %d faults struck; %s", rounds, struck, l.figures())
	if struck < rounds/3 {
		t.Errorf("of %d faults only %d came", rounds, struck)
	}
	audit(t, l)
}

// strike runs the daemon under one fault, and says whether that came.
func (s *site) strike(l *load, strace string, f fault, window time.Duration) bool {
	s.t.Helper()
	log := filepath.Join(s.dir, "..", "strace")
	os.Remove(log)
	p, ready, err := s.spawn(func(cmd *exec.Cmd) {
		// -D: the daemon is the child, and the tracer goes when it goes.
		cmd.Args = slices.Concat([]string{
			strace, "-D", "-f", "-qq", "-o", log, "-e", "signal=none", "-e", "trace=" + f.call,
			"-e", "inject=" + f.call + ":" + f.what + ":when=" + strconv.Itoa(f.n),
		}, cmd.Args)
		cmd.Path = strace
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		l.addr.Store(new(string))
		p.kill()
	}()
	select {
	case addr := <-ready:
		l.addr.Store(&addr) // empty where it did not come so far
	case <-time.After(60 * time.Second):
		s.t.Fatalf("%s: neither ready nor ended after a minute\n%s", f, p.said())
	}
	came := func() bool {
		b, err := os.ReadFile(log)
		return err == nil && (strings.Contains(string(b), "(INJECTED)") || strings.Contains(string(b), "killed by SIGKILL"))
	}
	for end := time.Now().Add(window); time.Now().Before(end); {
		select {
		case <-p.ended:
			return came()
		case <-time.After(50 * time.Millisecond):
		}
		if strings.HasPrefix(f.what, "error") && came() {
			time.Sleep(200 * time.Millisecond) // it goes on, or stops by itself
			break
		}
	}
	return came()
}
