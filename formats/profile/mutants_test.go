package profile

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Mutants of documents of every layout go through the whole check: none may make
// it panic, take longer than a second, or allocate more than 64 MiB. BRAMA_MUTANTS
// says how many (make mutants: two millions), BRAMA_MUTANTS_SEED where to begin.

const (
	mutantTime  = time.Second
	mutantAlloc = 64 << 20
)

// signs have a meaning in one container or another.
const signs = "\x00\x1a\r\n<>&;\"'{}[]:,=|/!-?%"

// mutate changes a document in a way that depends on r alone: bytes, and what
// stands in it as numbers, lengths, names and separators.
func mutate(r *rand.Rand, doc, other []byte) []byte {
	b := slices.Clone(doc)
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		if r.IntN(3) == 0 {
			at = r.IntN(min(len(b), 1200)) // where headers are
		}
		switch r.IntN(16) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.IntN(256))
		case 2:
			b = b[:at]
		case 3: // a part twice
			n := min(len(b)-at, 1+r.IntN(200))
			b = slices.Insert(b, at, b[at:at+n]...)
		case 4: // a part gone
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(64)))
		case 5: // a length or a count of a header
			if len(b) > 32 {
				switch r.IntN(3) {
				case 0:
					binary.LittleEndian.PutUint32(b[4:], r.Uint32()>>r.IntN(32))
				case 1:
					binary.LittleEndian.PutUint16(b[8:], uint16(r.Uint32()>>r.IntN(16)))
				case 2:
					binary.LittleEndian.PutUint16(b[10:], uint16(r.Uint32()>>r.IntN(16)))
				}
			}
		case 6: // a field's description
			if n := 32 + 32*r.IntN(30) + []int{0, 11, 16, 17}[r.IntN(4)]; n < len(b) {
				b[n] = byte(r.IntN(256))
			}
		case 7:
			b[at] = signs[r.IntN(len(signs))]
		case 8: // a part of another document
			if len(other) > 0 {
				from := r.IntN(len(other))
				b = slices.Insert(b, at, other[from:min(len(other), from+1+r.IntN(500))]...)
			}
		case 9: // many times the same
			n := min(len(b)-at, 1+r.IntN(40))
			b = slices.Insert(b, at, []byte(strings.Repeat(string(b[at:at+n]), 1+r.IntN(200)))...)
		case 10: // a number
			words := []string{"0", "-1", "1e309", "9223372036854775808", "NaN", "00000000000000000001", "1,5", "\xd9\xa1"}
			b = slices.Insert(b, at, []byte(words[r.IntN(len(words))])...)
		case 11: // markup
			words := []string{"<!DOCTYPE a [<!ENTITY b 'c'>]>", "<![CDATA[", "]]>", "<!--", "-->", "<?x ?>", "&b;", "&#0;", "</Document>", "<a>", `"\ud800"`, "%PDF-1.4", "/JavaScript", "xref", "endstream"}
			b = slices.Insert(b, at, []byte(words[r.IntN(len(words))])...)
		case 12: // two bytes change places
			k := r.IntN(len(b))
			b[at], b[k] = b[k], b[at]
		case 13: // the language byte, the version
			if len(b) > 29 {
				b[[]int{0, 29}[r.IntN(2)]] = byte(r.IntN(256))
			}
		case 14: // a line or element twice or gone
			if i := slices.Index(b[at:], '\n'); i >= 0 {
				b = slices.Delete(b, at, at+i+1)
			}
		case 15:
			b = append(b, []byte{0x1a, 0, '\n', ' '}[r.IntN(4)])
		}
		if len(b) > 1<<20 {
			b = b[:1<<20]
		}
	}
	return b
}

// cpu is the time that this process has had of all cores.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestMutants(t *testing.T) {
	t.Parallel()
	count, seed := 4000, uint64(1)
	if s := os.Getenv("BRAMA_MUTANTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		count = n
	}
	if s := os.Getenv("BRAMA_MUTANTS_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	entries, err := os.ReadDir(samplesDir)
	if err != nil {
		t.Fatal(err)
	}
	var docs [][]byte
	var names []string
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".want.json") || strings.HasSuffix(e.Name(), ".md") {
			continue
		}
		docs = append(docs, read(t, filepath.Join(samplesDir, e.Name())))
		names = append(names, e.Name())
	}
	var before, after [1]metrics.Sample
	before[0].Name, after[0].Name = "/gc/heap/allocs:bytes", "/gc/heap/allocs:bytes"
	var slowest time.Duration
	var most uint64
	alone := count > 100_000 // other tests would count as ours
	ok := 0
	for i := range count {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		k := r.IntN(len(docs))
		b := mutate(r, docs[k], docs[r.IntN(len(docs))])
		what := fmt.Sprintf("mutant %d of seed %d (%s)", i, seed, names[k])
		if alone {
			metrics.Read(before[:])
		}
		start := time.Now()
		report := Builtin().Check(january, Options{Name: names[k], MaxFindings: 20}, section(b))
		took := time.Since(start)
		if alone {
			metrics.Read(after[:])
			n := after[0].Value.Uint64() - before[0].Value.Uint64()
			most = max(most, n)
			if n > mutantAlloc {
				t.Errorf("%s: %d bytes allocated", what, n)
			}
		}
		slowest = max(slowest, took)
		if took > mutantTime && alone {
			// The machine may have been busy elsewhere: what counts is the time it had.
			used := cpu()
			Builtin().Check(january, Options{Name: names[k], MaxFindings: 20}, section(b))
			if again := cpu() - used; again > mutantTime {
				t.Errorf("%s: %v, again %v", what, took, again)
			}
		}
		for _, f := range report.Findings {
			if f.Rule == RuleInternal {
				t.Errorf("%s: a panic", what)
			}
		}
		if report.OK() {
			ok++
		} else if len(report.Findings) == 0 {
			t.Errorf("%s: refused without a word", what)
		}
	}
	runtime.GC()
	t.Logf("%d mutants of %d documents, seed %d: %d accepted, slowest %v, most allocated %d bytes", count, len(docs), seed, ok, slowest, most)
}
