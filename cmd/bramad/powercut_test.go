package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool/disktest"
)

// TestPowerCuts cuts the power of the real daemon: state, run and clients' folders
// lie on a real file system on a disk that remembers the order of its writes and
// flushes (package disktest), with both entrances, the processor and statements at
// work. What the disk may have kept at a position is mounted, proved with bramactl,
// given to the daemon again, and held against what the peers were told until then.
//
// The controls must fail, or nothing is proved: a daemon that does not flush
// folders, one whose commits do not wait for a flush (synchronous=NORMAL), and a
// disk that lies.
//
// BRAMA_POWERCUTS is how many cuts of each file system (make test-powercuts: 100);
// without it a few stand for all. BRAMA_POWERCUTS_SEED chooses the documents and
// the positions; BRAMA_POWERCUTS_REPORT names a page that gets the figures.
func TestPowerCuts(t *testing.T) {
	kinds := []disktest.FileSystem{"ext4", "xfs"}
	if why := disktest.Missing(kinds...); why != "" {
		t.Skip(why)
	}
	cuts, seed := number("BRAMA_POWERCUTS", 0), uint64(number("BRAMA_POWERCUTS_SEED", 1))
	dir, err := os.MkdirTemp("", "brama") // not t.TempDir: its path is too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	mount := filepath.Join(dir, "m")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &cutter{T: t, rig: disktest.Start(t, mount), mount: mount, figures: &figures{seed: seed}}
	daemon := program(t, "bramad")

	if cuts == 0 {
		r := c.record(kinds[seed%2], daemon, 1500*time.Millisecond)
		c.hold(r, c.row("", r), 2, []disktest.Mode{disktest.Blocks, disktest.Torn})
		c.lose(r, c.row("a disk that lies", r), false, 1, []disktest.Mode{disktest.Lying})
		return
	}
	for _, kind := range append(kinds[:2:2], "ext4 data=writeback") {
		c.Run(string(kind), func(t *testing.T) {
			c := c.of(t)
			honest := &cutRow{kind: kind}
			c.rows = append(c.rows, honest)
			cuts, also := cuts, kind.Options() != ""
			if also {
				cuts = max(1, cuts/4)
			}
			for left := cuts; left > 0; left -= cutsEach {
				r := c.record(kind, daemon, 4*time.Second)
				honest.add(r)
				c.hold(r, honest, min(left, cutsEach), disktest.Modes)
				if left <= cutsEach && !also {
					c.lose(r, c.row("a disk that lies", r), false, 5, []disktest.Mode{disktest.Lying})
				}
			}
		})
	}
	for _, control := range controls {
		daemon, ran, failed := control.build(t), 0, 0
		for _, kind := range kinds {
			c.Run(control.name+" on "+string(kind), func(t *testing.T) {
				c := c.of(t)
				r := c.record(kind, daemon, 4*time.Second)
				row := c.row(control.name, r)
				c.fall(r, row, control.large, control.cuts, disktest.Modes)
				ran++
				failed += row.failed
			})
		}
		if ran > 0 && failed == 0 {
			t.Errorf("control %q: none of its cuts failed, so the cuts prove nothing", control.name)
		}
	}
	c.publish(os.Getenv("BRAMA_POWERCUTS_REPORT"))
}

// goesOn: after each so many cuts the daemon is started again and everybody goes on;
// after the others the store is opened and read.
const goesOn = 5

// cutsEach is how many cuts are made of a recording.
const cutsEach = 25

// A control is the daemon less one thing on which durability rests. It is built
// from edited copies of its sources; the product has no such switch.
type control struct {
	name  string
	large bool // shows in large documents
	cuts  int
	edits []edit
}

type edit struct{ file, is, becomes string }

var controls = []control{
	{"folders are not flushed", true, 40, []edit{
		{"spool/sqlite/content.go", "err = syncFolder(dir)", "err = nil"},
	}},
	{"synchronous=NORMAL", false, 8, []edit{
		{"spool/sqlite/session.go", "journal_mode = wal; PRAGMA synchronous = full", "journal_mode = wal; PRAGMA synchronous = normal"},
		{"spool/sqlite/store.go", `{"synchronous", "2"}`, `{"synchronous", "1"}`},
		// Frames go to the system at once, for readers, and nobody waits for the disk.
		{"spool/sqlite/walfile/walfile.go", "w.end.Store(off + int64(len(p)))\n\treturn nil", "w.end.Store(off + int64(len(p)))\n\treturn w.flush()"},
		{"spool/sqlite/walfile/walfile.go", "if !w.dirty.Swap(false) {", "if !w.dirty.Swap(false) || true {"},
	}},
}

func (c control) build(t *testing.T) string {
	t.Helper()
	root, dir := moduleRoot(t), t.TempDir()
	replace := map[string]string{}
	for i, e := range c.edits {
		file := filepath.Join(root, filepath.FromSlash(e.file))
		from := file
		if before := replace[file]; before != "" {
			from = before
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), e.is); n != 1 {
			t.Fatalf("control %q: %s has %d times %q: the control must follow the product", c.name, e.file, n, e.is)
		}
		edited := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(edited, []byte(strings.Replace(string(b), e.is, e.becomes, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = edited
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, "bramad"), "./cmd/bramad")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("control %q: %v\n%s", c.name, err, out)
	}
	return filepath.Join(dir, "bramad")
}

// A cutter makes recordings and cuts.
type cutter struct {
	*testing.T
	rig   *disktest.Rig
	mount string
	*figures
}

type figures struct {
	seed uint64 // of the last recording
	rows []*cutRow
}

// of is the same for a part of the test.
func (c *cutter) of(t *testing.T) *cutter { return &cutter{t, c.rig, c.mount, c.figures} }

// A cutRow is a line of the figures.
type cutRow struct {
	kind    disktest.FileSystem
	control string
	tally   disktest.Tally
	answers int
	cuts    [5]int // by mode
	started int    // cuts after which the daemon went on
	failed  int
}

func (r *cutRow) add(rec *recording) {
	r.tally.Writes += rec.tally.Writes
	r.tally.Flushes += rec.tally.Flushes
	r.tally.Bytes += rec.tally.Bytes
	r.answers += len(rec.load.notes)
}

func (c *cutter) row(control string, rec *recording) *cutRow {
	r := &cutRow{kind: rec.kind, control: control}
	r.add(rec)
	c.rows = append(c.rows, r)
	return r
}

func (c *cutter) record(kind disktest.FileSystem, daemon string, length time.Duration) *recording {
	c.Helper()
	c.seed++
	r := record(c.T, c.rig, c.mount, kind, daemon, c.seed, length)
	c.Logf("%s: recorded %s; %s", kind, r.tally, r.load.figures())
	return r
}

// A place is where to cut.
type place func(*recording, *rand.Rand) disktest.Position

func anywhere(r *recording, rnd *rand.Rand) disktest.Position {
	return disktest.Position(rnd.IntN(int(r.tally.End) + 1))
}

// answered is right after an answer, when least was done beyond what it rests on.
func answered(r *recording, rnd *rand.Rand) disktest.Position {
	return r.load.notes[rnd.IntN(len(r.load.notes))].at
}

// answeredLarge is right after an answer about a large document.
func answeredLarge(r *recording, rnd *rand.Rand) disktest.Position {
	for {
		if n := r.load.notes[rnd.IntN(len(r.load.notes))]; n.large {
			return n.at
		}
	}
}

// each makes n cuts and says what was wrong with each.
func (c *cutter) each(r *recording, row *cutRow, n int, places []place, modes []disktest.Mode, failed func(cut string, said []string)) {
	rnd := rand.New(rand.NewPCG(r.seed, 3))
	for i := range n {
		at, mode := places[i/len(modes)%len(places)](r, rnd), modes[i%len(modes)]
		begun := time.Now()
		said := try(c.T, func(t testing.TB) {
			l := r.cut(t, at, mode, r.seed+uint64(i))
			if i%goesOn > 0 || row.control != "" {
				r.look(t, l)
			} else {
				r.goOn(t, l)
				row.started++
			}
		})
		row.cuts[mode]++
		cut := fmt.Sprintf("%s, recording %d, cut %d at %d of %d (%s, %v)", r.kind, r.seed, i, at, r.tally.End, mode, time.Since(begun).Round(10*time.Millisecond))
		if len(said) > 0 {
			row.failed++
			failed(cut, said)
		} else if testing.Verbose() {
			c.Logf("%s: nothing to find", cut)
		}
	}
}

// hold makes cuts of which none may fail.
func (c *cutter) hold(r *recording, row *cutRow, n int, modes []disktest.Mode) {
	places := []place{answered, anywhere}
	c.each(r, row, n, places, modes, func(cut string, said []string) {
		c.Errorf("%s:\n%s", cut, strings.Join(said, "\n"))
	})
	c.Logf("%s: %d cuts, %d failed", r.kind, sum(row.cuts), row.failed)
}

// lose makes cuts of a control, some of which must fail.
func (c *cutter) lose(r *recording, row *cutRow, large bool, n int, modes []disktest.Mode) {
	c.fall(r, row, large, n, modes)
	if row.failed == 0 {
		c.Errorf("control %q on %s: none of %d cuts failed, so the cuts prove nothing", row.control, r.kind, sum(row.cuts))
	}
}

// fall makes cuts of a control.
func (c *cutter) fall(r *recording, row *cutRow, large bool, n int, modes []disktest.Mode) {
	places := []place{answered}
	if large {
		places = []place{answeredLarge}
	}
	c.each(r, row, n, places, modes, func(cut string, said []string) {
		c.Logf("as it must: %s: %.300s", cut, said[0])
	})
	c.Logf("control, %s: %s: %d cuts, %d failed", r.kind, row.control, sum(row.cuts), row.failed)
}

func sum(n [5]int) (total int) {
	for _, v := range n {
		total += v
	}
	return total
}

// publish puts the figures into a page, between its markers.
func (c *cutter) publish(page string) {
	var b strings.Builder
	b.WriteString("| file system | control | recorded | answers | cuts: nothing kept | all | blocks | torn | lying | gone on | failed |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range c.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d |", r.kind, r.control, r.tally, r.answers)
		for _, n := range r.cuts {
			fmt.Fprintf(&b, " %d |", n)
		}
		fmt.Fprintf(&b, " %d | %d |\n", r.started, r.failed)
	}
	c.Logf("\n%s", b.String())
	if page == "" || c.Failed() {
		return
	}
	const begin, end = "<!-- make test-powercuts -->\n", "<!-- end of make test-powercuts -->"
	text, err := os.ReadFile(page)
	if err != nil {
		c.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		c.Fatalf("%s has no place for the figures", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		c.Fatal(err)
	}
}
