package profile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/configs"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/sample"
)

// The measurements of whole large files: speed, and the memory of a process that
// does nothing else. They say figures and ratios and assert none of them; make
// bench-formats runs them.

const (
	measuredDBF  = 100 << 20
	measuredPain = 66 << 20
)

// roomy are the built-in profiles without the bounds that a site would set.
func roomy(t testing.TB) *Set {
	t.Helper()
	sub, err := fs.Sub(configs.Profiles, "profiles")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(sub, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	limits := regexp.MustCompile(`(?m)^limits:.*$`)
	set := &Set{}
	for _, file := range files {
		text, err := fs.ReadFile(sub, file)
		if err != nil {
			t.Fatal(err)
		}
		p, layout, err := Read(file, limits.ReplaceAll(text, []byte("limits: {max_bytes: 1000000000, max_records: 10000000}")))
		if err != nil {
			t.Fatal(err)
		}
		if layout != nil {
			continue
		}
		set.profiles = append(set.profiles, p)
	}
	return set
}

// measuredDBFFile writes a table of the Oshchadbank layout of 2023 of about size bytes.
func measuredDBFFile(t *testing.T, path string, size int) {
	t.Helper()
	const batch = 1000
	one := sample.OshchadDBF(january.At, sample.Orders(sample.DemoPayer(), january.At, 1, batch))
	head := 32 + 32*len(sample.OshchadFields()) + 1
	record := (len(one) - head - 1) / batch
	batches := size/(record*batch) + 1
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	count := uint32(batches * batch)
	for i := range 4 {
		one[4+i] = byte(count >> (8 * i))
	}
	_, _ = w.Write(one[:head])
	for i := range batches {
		b := sample.OshchadDBF(january.At, sample.Orders(sample.DemoPayer(), january.At, 1+i*batch, batch))
		_, _ = w.Write(b[head : len(b)-1])
	}
	_ = w.WriteByte(0x1A)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func measuredPainFile(t *testing.T, path string, size int) {
	t.Helper()
	payer := sample.DemoPayer()
	few := len(sample.Pain001("M", january.At, sample.Orders(payer, january.At, 1, 1000)))
	if err := os.WriteFile(path, sample.Pain001("MEASURE", january.At, sample.Orders(payer, january.At, 1, size/few*1000)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMeasureChild does one piece of work, for TestMeasure.
func TestMeasureChild(t *testing.T) {
	work, path := os.Getenv("BRAMA_MEASURE"), os.Getenv("BRAMA_MEASURE_FILE")
	if work == "" {
		t.Skip("is the child of TestMeasure, which starts it")
	}
	if work == "make" { // what a parent keeps in memory would count as the children's
		measuredDBFFile(t, filepath.Join(path, "PL260115.DBF"), measuredDBF)
		measuredPainFile(t, filepath.Join(path, "pain.xml"), measuredPain)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	doc := io.NewSectionReader(f, 0, info.Size())
	set := roomy(t)
	start := time.Now()
	switch work {
	case "dbf reader":
		r, err := dbf.NewReader(doc, dbf.Options{LongChar: true, MaxRecords: 10000000})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			if err := r.Next(); err != nil {
				if errors.Is(err, io.EOF) {
					break
				}
				t.Fatal(err)
			}
			for i := range r.Fields {
				s, err := charset.Windows1251.Decode(r.Raw(i))
				if err != nil {
					t.Fatal(err)
				}
				n += len(s)
			}
		}
		if n == 0 {
			t.Fatal("nothing read")
		}
	case "xsd alone":
		if f := iso20022.Validate(iso20022.Pain001, doc); len(f) > 0 {
			t.Fatal(f)
		}
	default:
		r := set.Check(january, Options{}, doc)
		if !r.OK() || len(r.Entries) == 0 {
			t.Fatalf("%v %+v", r.Profile, r.Findings)
		}
	}
	fmt.Printf("measured %d %d\n", time.Since(start).Microseconds(), peakRSS(t))
}

// peakRSS is the most memory, in KiB, that this process ever had.
func peakRSS(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatal("no VmHWM in /proc/self/status")
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// measured is what one piece of work took.
type measured struct {
	seconds float64
	rss     float64 // MiB, at most
	cpu     float64 // seconds of all cores, of the whole process
}

func measureChild(t *testing.T, work, path string) measured {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMeasureChild$", "-test.v")
	cmd.Env = append(os.Environ(), "BRAMA_MEASURE="+work, "BRAMA_MEASURE_FILE="+path)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", work, err, out)
	}
	_, after, ok := strings.Cut(out.String(), "measured ")
	if !ok {
		return measured{}
	}
	var us, rss int
	if _, err := fmt.Sscan(after, &us, &rss); err != nil {
		t.Fatalf("%s: %s", work, out)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return measured{float64(us) / 1e6, float64(rss) / 1024, cpu.Seconds()}
}

func rssOf(cmd *exec.Cmd) float64 {
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

func TestMeasure(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("a measurement of minutes: make bench-formats")
	}
	dir := t.TempDir()
	say := func(what string, path string, m measured, beside float64) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ratio := ""
		if beside > 0 {
			ratio = fmt.Sprintf("  %.2f x xsd alone", m.seconds/beside)
		}
		t.Logf("%-28s %6.1f MB %6.2f s %7.1f MB/s  cpu %6.2f s  peak RSS %6.1f MiB%s", what, float64(info.Size())/1e6, m.seconds, float64(info.Size())/1e6/m.seconds, m.cpu, m.rss, ratio)
	}
	measureChild(t, "make", dir)
	table := filepath.Join(dir, "PL260115.DBF")
	say("dbf reader", table, measureChild(t, "dbf reader", table), 0)
	say("dbf check", table, measureChild(t, "dbf check", table), 0)

	pain := filepath.Join(dir, "pain.xml")
	alone := measureChild(t, "xsd alone", pain)
	say("pain.001 xsd alone", pain, alone, 0)
	say("pain.001 check", pain, measureChild(t, "pain.001 check", pain), alone.seconds)

	xsd := filepath.Join(dir, "pain.xsd")
	if err := os.WriteFile(xsd, iso20022.Schema(iso20022.Pain001), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"--stream", ""} {
		args := []string{"--noout", "--schema", xsd, pain}
		if stream != "" {
			args = append([]string{stream}, args...)
		}
		cmd := exec.Command("xmllint", args...)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
			t.Log("xmllint is not here (Debian: libxml2-utils)")
			break
		} else if err != nil {
			t.Logf("xmllint %s: %v %.200s", stream, err, out)
			continue
		}
		say("xmllint "+stream, pain, measured{time.Since(start).Seconds(), rssOf(cmd), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}, alone.seconds)
	}
}
