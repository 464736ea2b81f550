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
	c := &cutter{T: t, rig: disktest.Start(t, mount), mount: mount, seed: seed}
	daemon := program(t, "bramad")

	if cuts == 0 {
		r := c.record(kinds[seed%2], daemon, 1500*time.Millisecond)
		c.hold(r, c.row("", r), 2, []disktest.Mode{disktest.Blocks, disktest.Torn})
		c.lose(r, c.row("a disk that lies", r), false, 1, []disktest.Mode{disktest.Lying})
		return
	}
	const each = 25              // cuts of a recording
	ofControl := max(5, cuts/10) // cuts of a control
	if only := disktest.FileSystem(os.Getenv("BRAMA_POWERCUTS_FS")); only != "" {
		kinds = []disktest.FileSystem{only}
	} else {
		kinds = append(kinds, "ext4 data=writeback")
	}
	for _, kind := range kinds {
		row := &cutRow{kind: kind}
		for left := cuts; left > 0; left -= each {
			r := c.record(kind, daemon, 4*time.Second)
			row.add(r)
			c.hold(r, row, min(left, each), disktest.Modes)
			if left <= each {
				c.lose(r, c.row("a disk that lies", r), false, 5, []disktest.Mode{disktest.Lying})
			}
		}
		c.rows = append(c.rows, row)
	}
	for _, control := range controls {
		daemon := control.build(t)
		for _, kind := range kinds {
			r := c.record(kind, daemon, 4*time.Second)
			c.lose(r, c.row(control.name, r), control.large, ofControl, disktest.Modes)
		}
	}
	c.publish(os.Getenv("BRAMA_POWERCUTS_REPORT"))
}

// A control is the daemon less one thing on which durability rests. It is built
// from edited copies of its sources; the product has no such switch.
type control struct {
	name  string
	large bool // shows in large documents
	edits []edit
}

type edit struct{ file, is, becomes string }

var controls = []control{
	{"folders are not flushed", true, []edit{
		{"spool/sqlite/content.go", "err = syncFolder(dir)", "err = nil"},
	}},
	{"synchronous=NORMAL", false, []edit{
		{"spool/sqlite/session.go", "synchronous(full)", "synchronous(normal)"},
		{"spool/sqlite/store.go", `{"synchronous", "2"}`, `{"synchronous", "1"}`},
		// Readers must see what is not flushed: frames go to the system at once.
		{"spool/sqlite/walfile/walfile.go", "w.end.Store(off + int64(len(p)))\n\treturn nil", "w.end.Store(off + int64(len(p)))\n\treturn w.flush()"},
	}},
}

func (c control) build(t *testing.T) string {
	t.Helper()
	root, dir := moduleRoot(t), t.TempDir()
	replace := map[string]string{}
	for i, e := range c.edits {
		file := filepath.Join(root, filepath.FromSlash(e.file))
		b, err := os.ReadFile(file)
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
	seed  uint64 // of the next recording
	rows  []*cutRow
}

// A cutRow is a line of the figures.
type cutRow struct {
	kind    disktest.FileSystem
	control string
	tally   disktest.Tally
	answers int
	cuts    [5]int // by mode
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
		said := try(c.T, func(t testing.TB) { r.check(t, at, mode, r.seed+uint64(i)) })
		row.cuts[mode]++
		cut := fmt.Sprintf("%s, recording %d, cut %d at %d of %d (%s, %v)", r.kind, r.seed, i, at, r.tally.End, mode, time.Since(begun).Round(10*time.Millisecond))
		if len(said) > 0 {
			row.failed++
			failed(cut, said)
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
	r.patience = 20 * time.Second
	places := []place{answered}
	if large {
		places = []place{answeredLarge}
	}
	c.each(r, row, n, places, modes, func(cut string, said []string) {
		c.Logf("as it must: %s: %.300s", cut, said[0])
	})
	c.Logf("control, %s: %s: %d cuts, %d failed", r.kind, row.control, sum(row.cuts), row.failed)
	if row.failed == 0 {
		c.Errorf("control %q on %s: none of %d cuts failed, so the cuts prove nothing", row.control, r.kind, sum(row.cuts))
	}
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
	b.WriteString("| file system | control | recorded | answers | cuts: nothing kept | all | blocks | torn | lying | failed |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range c.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d |", r.kind, r.control, r.tally, r.answers)
		for _, n := range r.cuts {
			fmt.Fprintf(&b, " %d |", n)
		}
		fmt.Fprintf(&b, " %d |\n", r.failed)
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
