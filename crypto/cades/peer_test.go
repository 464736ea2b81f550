package cades

import (
	"bytes"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/kupyna"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// TestBesideBouncyCastle measures a whole container and the hashes, ours and Bouncy
// Castle's in the same run, in processor time, medians of five, and holds the
// ratios. It runs with BRAMA_BENCH=1: see make bench-dstu.
func TestBesideBouncyCastle(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("BRAMA_BENCH is not set")
	}
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	for _, f := range jars {
		if _, err := os.Stat(f); err != nil {
			shareddata.Missing(t, "Bouncy Castle not here (Debian: libbcpkix-java)")
		}
	}
	if _, err := exec.LookPath("javac"); err != nil {
		shareddata.Missing(t, "java not here")
	}
	runtime.GOMAXPROCS(1)
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "model name") {
			t.Log(strings.TrimSpace(line))
			break
		}
	}

	p := newDSTUPKI(t, pkitest.At)
	container := mustSign(t, bytes.Repeat([]byte("2048 octets here"), 2048/16), SignOptions{}, p.signer)
	dir := t.TempDir()
	out, err := exec.Command("java", "-XX:+UseSerialGC", "-cp", strings.Join(jars, ":"), "testdata/Peer.java",
		writeFile(t, dir, "c.p7s", container), writeFile(t, dir, "root.cer", p.root.Certificate.Raw), "2000").Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs [4]float64
	if _, err := fmt.Sscan(string(out), &theirs[0], &theirs[1], &theirs[2], &theirs[3]); err != nil {
		t.Fatal(err, string(out))
	}

	o := Options{At: pkitest.At, Trust: p.store()}
	validate := func() {
		if r := Validate(Input{Container: container}, o); r.Indication != TotalPassed {
			t.Fatal(verdict(r), r.Detail)
		}
	}
	fresh := func() {
		o.Trust = p.store()
		validate()
	}
	much := make([]byte, 64<<10)
	megabytes := func(h hash.Hash) float64 {
		return processorRate(func() {
			h.Reset()
			h.Write(much)
			h.Sum(nil)
		}) * float64(len(much)) / 1e6
	}
	o.Trust = p.store()
	cached := processorRate(validate)
	for _, row := range []struct {
		what, unit   string
		ours, theirs float64
		least        float64
	}{
		{"container of 2 KB, chain cached; theirs with chain", "/s", cached, theirs[0], 50},
		{"container of 2 KB, chain cached; theirs without chain", "/s", cached, theirs[1], 0},
		{"container of 2 KB, chain new; theirs with chain", "/s", processorRate(fresh), theirs[0], 0},
		{"GOST 34.311", " MB/s", megabytes(gost34311.New(nil)), theirs[2], 9},
		{"Kupyna-256", " MB/s", megabytes(kupyna.New256()), theirs[3], 3},
	} {
		ratio := row.ours / row.theirs
		t.Logf("%-58s %9.1f%s, Bouncy Castle %7.1f%s: %5.1fx (at least %vx)", row.what, row.ours, row.unit, row.theirs, row.unit, ratio, row.least)
		if ratio < row.least {
			t.Errorf("%s: too slow", row.what)
		}
	}
}

// processorRate is how often in a second of processor time op is done: the median
// of five runs.
func processorRate(op func()) float64 {
	used := processorTime
	for range 20 {
		op()
	}
	var runs []float64
	for range 5 {
		start, n := used(), 0
		for used()-start < 300*time.Millisecond {
			for range 5 {
				op()
			}
			n += 5
		}
		runs = append(runs, float64(n)/(used()-start).Seconds())
	}
	slices.Sort(runs)
	return runs[len(runs)/2]
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
