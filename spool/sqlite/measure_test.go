package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool/spooltest"
)

// TestBesideTheDisk measures durable accepts as ratios to what the disk does in
// the same run (make bench-spool). Disk and engine take turns, since other work
// on the machine makes both slower; what is told are medians of rounds.
//
//	BRAMA_BENCH_DIR     the disk; default the temporary folder
//	BRAMA_BENCH_ROUNDS  default 7
//	BRAMA_BENCH_SECONDS of one measurement, default 1
//	BRAMA_BENCH_WARM    seconds of work after opening, told but not counted, default 5
//	BRAMA_BENCH_STORED  documents in the store that is set beside the empty one; default 0: none
//	BRAMA_BENCH_SIZE    bytes of each of those; default 4096
func TestBesideTheDisk(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("a measurement of minutes: make bench-spool")
	}
	dir := os.Getenv("BRAMA_BENCH_DIR")
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "bench-spool-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	rounds, seconds, stored := number("BRAMA_BENCH_ROUNDS", 7), number("BRAMA_BENCH_SECONDS", 1), number("BRAMA_BENCH_STORED", 0)
	during := time.Duration(seconds) * time.Second
	const size = 4096
	disk := spooltest.Disk{Dir: dir}
	load := func(name string) *spooltest.Load {
		return &spooltest.Load{Store: open(t, Options{Dir: filepath.Join(dir, name)}), Clients: 500, Size: size}
	}
	empty := load("empty")
	var full *spooltest.Load
	if stored > 0 {
		begun := time.Now()
		name := filepath.Join(dir, "full")
		full = &spooltest.Load{Clients: 500, Size: number("BRAMA_BENCH_SIZE", size)}
		fillNew(t, full, name, stored, "processed")
		st, err := os.Stat(filepath.Join(name, Database))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("stored %d documents of %d bytes in %.0f s: %d bytes of the database each", stored, full.Size, time.Since(begun).Seconds(), st.Size()/int64(stored))
		for _, e := range space(t, name) {
			t.Logf("%-40s %6.1f bytes a document, pages %2.0f%% full", e.name, float64(e.bytes)/float64(stored), 100*e.full)
		}
		begun = time.Now()
		full.Store = open(t, Options{Dir: name})
		t.Logf("opened in %.2f s", time.Since(begun).Seconds())
	}
	type line struct {
		name string
		run  func() (float64, error)
		rate []float64
		cpu  []float64 // microseconds of processor time each
	}
	answer := func(l *spooltest.Load) func() (float64, error) {
		return func() (float64, error) {
			return spooltest.Rate(8, during, func() (int, error) { return l.Process(t.Context(), 64) })
		}
	}
	accept := func(l *spooltest.Load, producers int) func() (float64, error) {
		return func() (float64, error) {
			return spooltest.Rate(producers, during, func() (int, error) { return 1, l.Accept(t.Context()) })
		}
	}
	lines := []*line{
		{name: "disk: group append, 64 producers", run: func() (float64, error) { return disk.GroupAppend(64, size, during) }},
		{name: "accept, 64 producers", run: accept(empty, 64)},
		{name: "claim + answer by 64, 8 workers", run: answer(empty)},
		{name: "disk: one file, 1 producer", run: func() (float64, error) { return disk.OneFile(size, during) }},
		{name: "accept, 1 producer", run: accept(empty, 1)},
	}
	if full != nil {
		documents := full.Size
		lines = append(lines,
			&line{name: "accept, 64 producers, full", run: func() (float64, error) { full.Size = size; return accept(full, 64)() }},
			&line{name: "accept, 1 producer, full", run: accept(full, 1)},
			&line{name: "claim + answer, full", run: answer(full)},
			&line{name: "duplicate check, full", run: func() (float64, error) {
				full.Size = documents // the keys of those that were stored first
				return spooltest.Rate(1, during, func() (int, error) {
					some := make([]uint64, 100)
					for i := range some {
						some[i] = 1 + rand.Uint64N(uint64(stored))
					}
					return len(some), full.Seen(t.Context(), some)
				})
			}})
	}
	// A store that was just opened has nothing in its cache, whose memory is new as well.
	warm := func(name string, l *spooltest.Load) {
		var rates []string
		for range number("BRAMA_BENCH_WARM", 5) {
			accepted, err := spooltest.Rate(64, time.Second, func() (int, error) { return 1, l.Accept(t.Context()) })
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			answered, err := spooltest.Rate(8, time.Second, func() (int, error) { return l.Process(t.Context(), 64) })
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rates = append(rates, fmt.Sprintf("%.0f/%.0f", accepted, answered))
		}
		t.Logf("%s, just opened: accepts by 64 producers / claims + answers, second by second: %s", name, strings.Join(rates, " "))
	}
	warm("empty", empty)
	if full != nil {
		size := full.Size
		full.Size = empty.Size
		warm("full", full)
		full.Size = size
	}
	for range rounds {
		for _, l := range lines {
			before := processorTime()
			begun := time.Now()
			rate, err := l.run()
			if err != nil {
				t.Fatalf("%s: %v", l.name, err)
			}
			l.rate = append(l.rate, rate)
			l.cpu = append(l.cpu, float64((processorTime()-before).Microseconds())/(rate*time.Since(begun).Seconds()))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-36s %10s %10s %10s %8s\n", "a second", "median", "least", "most", "cpu us")
	for _, l := range lines {
		fmt.Fprintf(&b, "%-36s %10.0f %10.0f %10.0f %8.1f\n", l.name, median(l.rate), slices.Min(l.rate), slices.Max(l.rate), median(l.cpu))
	}
	ratio := func(name string, a, b *line, want string) string {
		var r []float64
		for i := range a.rate {
			r = append(r, a.rate[i]/b.rate[i])
		}
		return fmt.Sprintf("%-50s %6.3f (%.3f ... %.3f)  want %s\n", name, median(r), slices.Min(r), slices.Max(r), want)
	}
	fmt.Fprintf(&b, "\nratios of the same round: median (least ... most)\n")
	b.WriteString(ratio("64 producers to group append", lines[1], lines[0], "0.083 (1/12)"))
	b.WriteString(ratio("claim + answer to accepts", lines[2], lines[1], "1"))
	b.WriteString(ratio("one producer to one file", lines[4], lines[3], "0.5"))
	if full != nil {
		b.WriteString(ratio(fmt.Sprintf("64 producers, %d stored, to empty", stored), lines[5], lines[1], "0.7"))
		b.WriteString(ratio(fmt.Sprintf("one producer, %d stored, to empty", stored), lines[6], lines[4], "0.7"))
		b.WriteString(ratio(fmt.Sprintf("claim + answer, %d stored, to empty", stored), lines[7], lines[2], "0.7"))
	}
	t.Logf("\n%s", b.String())
}

// An extent is what a table or an index takes of the database.
type extent struct {
	name  string
	bytes int64
	full  float64 // how full its pages are
}

// space asks SQLite for all extents, the largest first.
func space(t *testing.T, dir string) (all []extent) {
	t.Helper()
	s, err := dial(filepath.Join(dir, Database), onlyReads)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	err = s.rows(`SELECT name, SUM(pgsize) AS size, SUM(pgsize) - SUM(unused) FROM dbstat GROUP BY name HAVING size > 1000000 ORDER BY size DESC`, nil, func(scan func(...any) error) error {
		var e extent
		var used int64
		err := scan(&e.name, &e.bytes, &used)
		e.full = float64(used) / float64(e.bytes)
		all = append(all, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
