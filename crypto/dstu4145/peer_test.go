package dstu4145

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

const bouncyCastle = "/usr/share/java/bcprov.jar"

// peer starts testdata/Peer.java and gives what asks it.
func peer(t *testing.T) (ask func(format string, args ...any) string) {
	t.Helper()
	for _, tool := range []string{"java", "javac"} {
		if _, err := exec.LookPath(tool); err != nil {
			shareddata.Missing(t, tool+" not here")
		}
	}
	if _, err := os.Stat(bouncyCastle); err != nil {
		shareddata.Missing(t, "Bouncy Castle not here (Debian: libbcprov-java)")
	}
	cmd := exec.Command("java", "-XX:+UseSerialGC", "-cp", bouncyCastle, "testdata/Peer.java")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	return func(format string, args ...any) string {
		t.Helper()
		fmt.Fprintf(in, format+"\n", args...)
		if !lines.Scan() {
			t.Fatal("no answer", lines.Err())
		}
		return lines.Text()
	}
}

// TestBouncyCastle: what we sign it accepts, what it signs we accept, what is
// altered both refuse, on every curve.
func TestBouncyCastle(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	t.Parallel()
	ask := peer(t)
	for _, c := range curves {
		n := c.OrderBytes()
		for i := range 5 {
			key, _ := GenerateKey(c, random(byte(i)))
			pub := key.public.Bytes(LittleEndian)
			digest := digestOf(fmt.Sprint("peer", i))
			if i == 4 {
				digest = append(digest, digest...) // longer than the smaller fields
			}
			sig, _ := key.Sign(random(9), digest, nil)
			r, s := reversed(sig[:n]), reversed(sig[n:])
			if got := ask("verify %s %x %x %x %x", c.OID(), pub, digest, r, s); got != "true" {
				t.Errorf("%s: our signature: %s", c.Name(), got)
			}
			s[n-1] ^= 1
			if got := ask("verify %s %x %x %x %x", c.OID(), pub, digest, r, s); got != "false" {
				t.Errorf("%s: altered signature: %s", c.Name(), got)
			}
			answer := strings.Fields(ask("sign %s %x %x", c.OID(), key.Bytes(BigEndian), digest))
			sig = nil
			for _, x := range answer {
				v, _ := new(big.Int).SetString(x, 16)
				sig = append(sig, reversed(v.FillBytes(make([]byte, n)))...)
			}
			if !key.public.Verify(digest, sig) {
				t.Errorf("%s: its signature is not accepted", c.Name())
			}
			sig[i] ^= 1
			if key.public.Verify(digest, sig) {
				t.Errorf("%s: its signature, altered, is accepted", c.Name())
			}
		}
	}
}

// TestBesideBouncyCastle measures both in the same run, in processor time, medians
// of five, and holds the ratios. It runs with BRAMA_BENCH=1: see make bench-dstu.
func TestBesideBouncyCastle(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("BRAMA_BENCH is not set")
	}
	runtime.GOMAXPROCS(1)
	ask := peer(t)
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "model name") || strings.HasPrefix(line, "cpu MHz") {
			t.Log(strings.TrimSpace(line))
		}
		if strings.HasPrefix(line, "flags") {
			break
		}
	}
	names := []string{"verify, new key", "verify, cached key", "sign"}
	for _, c := range []*Curve{DSTU257(), DSTU431()} {
		key, _ := GenerateKey(c, random(1))
		digest := digestOf("bench")
		var peers [3]float64
		if _, err := fmt.Sscan(ask("bench %s %x %s 3000", c.OID(), key.Bytes(BigEndian), hex.EncodeToString(digest)), &peers[0], &peers[1], &peers[2]); err != nil {
			t.Fatal(err)
		}
		for name, code := range bothCodes(c) {
			least := []float64{3, 0, 0}
			if name != "generic" {
				least = map[int][]float64{257: {28, 30, 0}, 431: {25, 40, 0}}[c.M()]
			}
			for i, rate := range ownRates(t, code, key, digest) {
				t.Logf("m = %d, %-18s %-10s %8.0f/s, Bouncy Castle %5.0f/s: %5.1fx (at least %vx)", c.M(), names[i], name, rate, peers[i], rate/peers[i], least[i])
				if rate < least[i]*peers[i] {
					t.Errorf("m = %d, %s, %s: too slow", c.M(), names[i], name)
				}
			}
		}
	}
}

func ownRates(t *testing.T, c *Curve, key *PrivateKey, digest []byte) []float64 {
	t.Helper()
	key, err := NewPrivateKey(c, key.Bytes(BigEndian), BigEndian)
	if err != nil {
		t.Fatal(err)
	}
	random := random(3)
	sig, _ := key.Sign(random, digest, nil)
	enc := key.public.Bytes(LittleEndian)
	h := c.element(digest)
	r, s, _ := c.split(sig)
	var rates []float64
	for _, op := range []func() bool{
		func() bool {
			k, err := NewPublicKey(c, enc, LittleEndian)
			return err == nil && c.engine.verify(&k.point, nil, &h, &r, &s)
		},
		func() bool { return key.public.Verify(digest, sig) },
		func() bool { s, err := key.Sign(random, digest, nil); return err == nil && s != nil },
	} {
		used := func() time.Duration {
			var u syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			return time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		for range 2 * tableAfter {
			if !op() {
				t.Fatal("not verified")
			}
		}
		var runs []float64
		for range 5 {
			start, n := used(), 0
			for used()-start < 300*time.Millisecond {
				for range 20 {
					op()
				}
				n += 20
			}
			runs = append(runs, float64(n)/(used()-start).Seconds())
		}
		slices.Sort(runs)
		rates = append(rates, runs[len(runs)/2])
	}
	return rates
}
