package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/cmd/bramad/internal/faulttest"
	"github.com/brama-gateway/brama/spool/postgres/pgtest"
)

// A series is one fault at the 1st, 2nd, ... n-th call of a life.
type series struct {
	postgres bool
	way      way
	harm     faulttest.Harm
	spread   int // points of the short form; 0: every one

	next   int // call of the next round
	missed int // rounds whose life was over before the fault came
	ended  bool

	points      int // calls of a life to which nothing happens
	rounds      int
	struck      int
	alone       int             // rounds in which the daemon got over the fault by itself
	steps       map[string]bool // those that were struck
	lost        int
	doubled     int
	unexplained int
}

func (s *series) engine() string {
	if s.postgres {
		return "PostgreSQL"
	}
	return "embedded"
}

func (s *series) String() string { return fmt.Sprintf("%s, %s, %s", s.engine(), s.way.name, s.harm) }

// of are series of one life, of as many points (0: every one).
func of(postgres bool, w way, spread int, harms ...faulttest.Harm) (all []*series) {
	for _, h := range harms {
		all = append(all, &series{postgres: postgres, way: w, harm: h, spread: spread, steps: map[string]bool{}})
	}
	return all
}

// everySeries is the whole enumeration, in the order of the page.
func everySeries() (all []*series) {
	for _, w := range []way{bySFTP, byLarge, byFolder} {
		all = append(all, of(false, w, 0, faulttest.Kill, faulttest.Tear, faulttest.EIO, faulttest.ENOSPC, faulttest.Unread)...)
	}
	return append(all, of(true, bySFTP, 0, faulttest.Kill, faulttest.Peer, faulttest.Reset, faulttest.EIO, faulttest.ENOSPC)...)
}

// enumeration gives out the rounds of all series, and keeps their results.
type enumeration struct {
	stride int // from one point to the next

	mu  sync.Mutex
	all []*series
}

// round gives the next round: nil when there is none.
func (e *enumeration) round() (*series, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.all {
		if s.ended {
			continue
		}
		at := 1 + (s.next-1)*e.stride
		if s.spread > 0 {
			at = max(1, s.points*(2*s.next-1)/(2*s.spread))
		}
		if s.next == 0 {
			at = 0 // nothing happens: how long is it?
			if s.missed > 0 {
				continue // somebody is at it
			}
			for _, same := range e.all {
				if same.postgres == s.postgres && same.way == s.way {
					same.missed = 1
				}
			}
		}
		if s.next > 0 {
			s.next++
			s.ended = s.spread > 0 && s.next > s.spread
		}
		return s, at
	}
	return nil, 0
}

// open says whether there is more to come.
func (e *enumeration) open() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.all, func(s *series) bool { return !s.ended })
}

// enough is how many rounds in a row the fault must not have come for the end of a
// series: one life has some calls more than another one.
const enough = 6

func (e *enumeration) result(s *series, counter *faulttest.Counter, v *life, f *found) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if counter.At == 0 {
		for _, same := range e.all { // one life tells it of each harm
			if same.postgres == s.postgres && same.way == s.way {
				same.points, same.next, same.missed = counter.Points(same.harm), 1, 0
				same.ended = same.points == 0
			}
		}
	} else {
		s.rounds++
		if call := counter.Struck(); call == nil {
			if s.missed++; s.missed >= enough {
				s.ended = true
			}
		} else {
			s.struck++
			s.missed = 0
			s.steps[call.Step()] = true
			if v.anew == 0 {
				s.alone++
			}
		}
	}
	s.lost += len(f.lost)
	s.doubled += len(f.doubled)
	s.unexplained += len(f.unexplained)
}

// stages are a worker's, made when they are needed.
type stages struct {
	t      *testing.T
	made   map[string]*stage
	server *pgtest.Server
}

func (ss *stages) get(s *series) *stage {
	key := s.engine() + s.way.name
	if st := ss.made[key]; st != nil {
		return st
	}
	st := &stage{site: newSite(ss.t), way: s.way}
	store := ""
	if s.postgres {
		if ss.server == nil {
			server, err := pgtest.Start()
			if errors.Is(err, pgtest.ErrNone) && os.Getenv("CI") != "true" {
				ss.t.Skip(err)
			}
			if err != nil {
				ss.t.Fatal(err)
			}
			ss.t.Cleanup(server.Remove)
			ss.server = server
		}
		name := fmt.Sprintf("life%d", len(ss.made))
		if err := ss.server.Copy(ss.t.Context(), name, "template1"); err != nil {
			ss.t.Fatal(err)
		}
		store = fmt.Sprintf("store: {engine: postgres, url: %q, unflushed: true}\n", ss.server.DatabaseURL(name))
		st.server = ss.server
		st.reset = func() error { return ss.server.Copy(ss.t.Context(), name, name+"before") }
		defer func() {
			if err := ss.server.Copy(ss.t.Context(), name+"before", name); err != nil {
				ss.t.Fatal(err)
			}
		}()
	}
	if s.way.handoff {
		store += "processor: {handoff: handoff}\n"
	}
	st.configure(store + `intake: {stable: 50ms}
limits: {free_disk: 1MiB}
schedule: {checkpoints: "@yearly"}
journal: {copy: elsewhere}
`)
	p := st.start(nil)
	st.register()
	if code := p.stop(ss.t); code != exitOK {
		ss.t.Fatalf("exit code %d\n%s", code, p.said())
	}
	st.template = filepath.Join(filepath.Dir(st.dir), "template")
	if err := copyTree(st.dir, st.template); err != nil {
		ss.t.Fatal(err)
	}
	ss.made[key] = st
	return st
}

func copyTree(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

// work lives lives until there is no round left.
func (e *enumeration) work(t *testing.T) {
	ss := &stages{t: t, made: map[string]*stage{}}
	for e.open() {
		s, at := e.round()
		if s == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		st := ss.get(s)
		counter := &faulttest.Counter{Harm: s.harm, At: at}
		if at == 0 {
			counter.Harm = faulttest.None
		}
		if s.postgres {
			counter.Server = ".s.PGSQL."
			counter.Peer = func() {
				st.server.Kill()
				if err := st.server.Again(); err != nil {
					t.Error(err)
				}
			}
		}
		begun := time.Now()
		v, f := st.live(t, counter)
		if os.Getenv("BRAMA_FAULTS_LIST") != "" {
			t.Logf("%s at %d: %v, anew %d, struck %v", s, at, time.Since(begun).Round(time.Millisecond), v.anew, counter.Struck())
		}
		e.result(s, counter, v, f)
		for _, complaint := range f.complaints() {
			where := "nothing struck"
			if call := counter.Struck(); call != nil {
				where = call.String()
			}
			t.Errorf("%s at call %d (%s): %s", s, at, where, complaint)
		}
		if os.Getenv("BRAMA_FAULTS_LIST") != "" && at == 0 && !t.Failed() {
			for _, c := range counter.Calls() {
				t.Logf("%s: %s", s, c)
			}
		}
	}
}

// needTracing skips a test where the system does not let it count another program's
// calls; in CI every such skip is a failure.
func needTracing(t *testing.T) {
	t.Helper()
	if err := faulttest.Supported(); err != nil {
		t.Skip(err)
	}
}

// TestFaults counts the calls by which one document's life reaches outside the real
// daemon, from its upload to the proof of its last receipt, and lets the 1st, 2nd,
// ... n-th of them be its end, or fail; the document then has to come through as if
// nothing had been (DESIGN 2; THREATS E01, E02). Without BRAMA_FAULTS some points
// stand for all; make test-faults takes every one (or every BRAMA_FAULTS_STRIDE-th) of
// the series whose name BRAMA_FAULTS matches, and publishes what comes of it in
// docs/reliability.md.
func TestFaults(t *testing.T) {
	needTracing(t)
	e := &enumeration{stride: number("BRAMA_FAULTS_STRIDE", 1)}
	every := os.Getenv("BRAMA_FAULTS")
	workers := 1
	if every == "" {
		e.all = slices.Concat(
			of(false, bySFTP, 2, faulttest.Kill, faulttest.Tear),
			of(false, bySFTP, 1, faulttest.EIO, faulttest.ENOSPC),
			of(true, bySFTP, 1, faulttest.Kill, faulttest.Peer))
	} else {
		wanted, err := regexp.Compile(every)
		if err != nil {
			t.Fatalf("BRAMA_FAULTS: %v", err)
		}
		workers = number("BRAMA_FAULTS_WORKERS", 3)
		e.all = slices.DeleteFunc(everySeries(), func(s *series) bool { return !wanted.MatchString(s.String()) })
	}
	file, tested := os.Getenv("BRAMA_FAULTS_PUBLISH"), ""
	if file != "" {
		var err error
		if tested, err = tree(); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	t.Run("lives", func(t *testing.T) {
		for i := range workers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				if workers > 1 {
					t.Parallel()
				}
				e.work(t)
			})
		}
	})
	for _, s := range e.all {
		t.Logf("%s: %d points, %d rounds, %d struck at %d steps, %d got over by itself; lost %d, doubled %d, unexplained %d",
			s, s.points, s.rounds, s.struck, len(s.steps), s.alone, s.lost, s.doubled, s.unexplained)
		if s.struck*2 < s.rounds || s.struck == 0 {
			t.Errorf("%s: of %d faults only %d came", s, s.rounds, s.struck)
		}
	}
	t.Logf("in %v", time.Since(begun).Round(time.Second))
	if file != "" && !t.Skipped() {
		if err := publish(filepath.Join(moduleRoot(t), file), tested, e.stride, e.all); err != nil {
			t.Error(err)
		}
	}
}

// Between these lines of a page the results stand.
const (
	resultsBegin = "<!-- faults: written by make test-faults -->"
	resultsEnd   = "<!-- faults: end -->"
)

// tree names what is tested: its commit, and whether there is more.
func tree() (string, error) {
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-parse: %w", err)
	}
	name := string(bytes.TrimSpace(commit))
	if changed, err := exec.Command("git", "diff", "HEAD", "--name-only", "--", ":/*.go").Output(); err != nil || len(changed) > 0 {
		name += " and changes"
	}
	return name, nil
}

// publish puts the results of series that have come to their end in place of those of
// an earlier run.
func publish(file, tree string, stride int, all []*series) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), resultsBegin)
	table, after, ok2 := strings.Cut(rest, resultsEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no %s", file, resultsBegin)
	}
	taken := "every point"
	if stride > 1 {
		taken = fmt.Sprintf("1 point of %d", stride)
	}
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return err
	}
	release, _, _ := strings.Cut(unix.ByteSliceToString(kernel.Release[:]), "-")
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		if f := strings.Split(line, "|"); len(f) > 4 {
			rows[f[1]+f[2]+f[3]] = line
		}
	}
	var b strings.Builder
	b.WriteString("\n\n| store | way | fault | points | rounds | struck | steps | went on by itself | lost | doubled | unexplained | run |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range everySeries() {
		key := fmt.Sprintf(" %s  %s  %s ", s.engine(), s.way.name, s.harm)
		line := rows[key]
		for _, run := range all {
			if run.String() != s.String() || !run.ended {
				continue
			}
			line = fmt.Sprintf("| %s | %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %s, %s, %s, %d cores, Linux %s |\n",
				s.engine(), s.way.name, s.harm, run.points, run.rounds, run.struck, len(run.steps), run.alone, run.lost, run.doubled, run.unexplained,
				taken, time.Now().UTC().Format(time.DateOnly), tree, runtime.NumCPU(), release)
		}
		b.WriteString(line)
	}
	b.WriteString("\n")
	return os.WriteFile(file, []byte(before+resultsBegin+b.String()+resultsEnd+after), 0o644)
}
