package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// TestRestartFull measures how long bramad takes until READY with a full spool:
// BRAMA_BENCH_STORED documents (default 1,000,000), a tenth of them unfinished. The
// first start is not counted: in it the journal hashes what was put there behind its back.
func TestRestartFull(t *testing.T) {
	if os.Getenv("BRAMA_BENCH") == "" {
		t.Skip("a measurement of minutes: make bench-restart")
	}
	n := 1_000_000
	if m, err := strconv.Atoi(os.Getenv("BRAMA_BENCH_STORED")); err == nil {
		n = m
	}
	s := newSite(t)
	p := s.start(nil)
	s.register()
	if code := p.stop(t); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.said())
	}
	begun := time.Now()
	fillSpool(t, s.path("state"), n)
	t.Logf("%d documents put there in %.0f s", n, time.Since(begun).Seconds())
	ready := func(name string) *process {
		begun := time.Now()
		p := s.start(nil)
		t.Logf("%-30s READY after %.2f s, processor time %.2f s", name, time.Since(begun).Seconds(), processorTime(t, p.cmd.Process.Pid))
		return p
	}
	p = ready("first start")
	p.stop(t)
	p = ready("second start")
	time.Sleep(10 * time.Second)
	p.stop(t)
	for range 3 {
		p = ready("start after a stop")
		time.Sleep(2 * time.Second)
		p.kill()
		p = ready("start after a kill")
		p.stop(t)
	}
}

// processorTime is what a process has used so far, in seconds: other work on the
// machine makes a start longer, but not this.
func processorTime(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // proc_pid_stat(5): from field 3 on
	user, err := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return float64(user+system) / 100
}

func fillSpool(t *testing.T, dir string, n int) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var ids spool.IDs
	for from := 0; from < n; from += 1000 {
		err := store.Update(t.Context(), func(tx spool.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				now := time.Now()
				p := fmt.Appendf(make([]byte, 500), "document %d", i)
				sum := sha256.Sum256(p)
				content := spool.Content{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(p)), Inline: p}
				it := spool.Item{
					ID: ids.New(now), Queue: gateway.Submissions, Owner: "demo", State: gateway.StateProcessed, Name: fmt.Sprintf("P%07d.DBF.p7s", i),
					SHA256: content.SHA256, Size: content.Size, Received: now.AddDate(0, 0, -40), Decided: now, Note: []byte("{}"),
				}
				switch i % 100 {
				case 0, 1, 2, 3, 4, 5:
					it.State = gateway.StateAccepted
				case 6, 7, 8, 9:
					it.State, it.Decided, it.Deadline = gateway.StateHeld, time.Time{}, now.Add(24*time.Hour)
				}
				_, err := tx.See(spool.Key(sum[:16]), it.ID)
				_, err2 := tx.Append(spool.Event{ID: ids.New(now), Item: it.ID, At: now, Kind: "received", Record: []byte(`{"to":"received"}`)})
				if err := errors.Join(err, err2, tx.Insert(it), tx.AddPart(it.ID, it.Name, gateway.RoleContainer, content, now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
