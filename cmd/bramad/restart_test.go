package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"slices"
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

// fillSpool puts documents of 500 bytes there behind the gateway's back, each with what
// an accepted one leaves: an item, its container, a receipt that was published, two keys
// by which it is known, and three records. The hashes of each group are a range of their
// own: every index then grows at its end, which makes the same store in a tenth of the time.
func fillSpool(t *testing.T, dir string, n int) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// From the first claim on, which every store has seen long before it is full, what is
	// accepted stands in line for the next.
	err = store.Update(t.Context(), func(tx spool.Tx) error {
		_, err := tx.Claim(spool.Claim{Queue: gateway.Submissions, From: gateway.StateAccepted, To: gateway.StateLeased, Now: time.Now(), TTL: time.Minute, Max: 1, Token: rand.Text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const many = 10_000
	var ids spool.IDs
	groups := (n + many - 1) / many
	for from := 0; from < n; from += many {
		now := time.Now()
		var docs []stored
		for i := from; i < min(from+many, n); i++ {
			docs = append(docs, makeStored(&ids, now, i, from/many, groups))
		}
		slices.SortFunc(docs, func(a, b stored) int { return strings.Compare(a.content.SHA256, b.content.SHA256) })
		err := store.Update(t.Context(), func(tx spool.Tx) error { return putStored(tx, docs, now) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stored is a document as fillSpool puts it there.
type stored struct {
	item    spool.Item
	content spool.Content
	keys    [2]spool.Key
	events  []spool.Event
}

// makeStored makes the i-th document, whose hash lies in the range of its group.
func makeStored(ids *spool.IDs, now time.Time, i, group, groups int) stored {
	p := fmt.Appendf(make([]byte, 480), "document %10d ", i)
	head := sha256.New()
	head.Write(p[:448])
	var sum [sha256.Size]byte
	for try := 0; ; try++ {
		tail := strconv.AppendInt(p[448:len(p):len(p)], int64(try), 10)
		h, _ := head.(hash.Cloner).Clone() // of SHA-256, which has no error
		h.Write(tail)
		h.Sum(sum[:0])
		if int(binary.BigEndian.Uint16(sum[:]))*groups>>16 == group {
			p = append(p, tail[len(p)-448:]...)
			break
		}
	}
	d := stored{content: spool.Content{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(p)), Inline: p}}
	d.keys[0] = spool.Key(sum[:16])
	d.keys[1] = spool.Key(slices.Concat(sum[:2], sum[16:30]))
	d.item = spool.Item{
		ID: ids.New(now), Queue: gateway.Submissions, Owner: "demo", State: gateway.StateProcessed, Name: fmt.Sprintf("P%07d.DBF.p7s", i),
		SHA256: d.content.SHA256, Size: d.content.Size, Received: now.AddDate(0, 0, -40), Decided: now, Note: []byte("{}"),
	}
	kinds := []string{"received", "decided", "processed"}
	switch i % 100 {
	case 0, 1, 2, 3, 4, 5:
		d.item.State, kinds = gateway.StateAccepted, kinds[:2]
	case 6, 7, 8, 9:
		d.item.State, d.item.Decided, d.item.Deadline, kinds = gateway.StateHeld, time.Time{}, now.Add(24*time.Hour), kinds[:1]
	}
	for _, k := range kinds {
		d.events = append(d.events, spool.Event{ID: ids.New(now), Item: d.item.ID, At: now, Kind: k, Record: []byte(`{"to":"` + k + `"}`)})
	}
	return d
}

func putStored(tx spool.Tx, docs []stored, now time.Time) error {
	for _, d := range docs {
		err := errors.Join(tx.Insert(d.item), tx.AddPart(d.item.ID, d.item.Name, gateway.RoleContainer, d.content, now))
		for _, e := range d.events {
			_, err2 := tx.Append(e)
			err = errors.Join(err, err2)
		}
		for _, k := range d.keys {
			_, err2 := tx.See(k, d.item.ID)
			err = errors.Join(err, err2)
		}
		if !d.item.Decided.IsZero() {
			err = errors.Join(err, tx.PutPost(spool.Post{
				Owner: d.item.Owner, Box: "receipts", Name: d.item.Name + ".receipt1.txt", Item: d.item.ID, Part: d.item.Name, Size: d.item.Size, At: now, Told: now,
				Delivered: now, Acknowledged: now,
			}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
