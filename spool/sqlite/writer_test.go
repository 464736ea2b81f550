package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

// TestGroupBeginsAnew commits many changes together, some of which fail after
// they have written: only those are undone, and what the writer remembers is right.
func TestGroupBeginsAnew(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Dir: t.TempDir()})
	const n = 40
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := s.Update(t.Context(), func(spool.Tx) error {
			select {
			case <-held:
			default:
				close(held)
			}
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	fails := func(i int) bool { return i%7 == 3 }
	runs := make([]int, n)
	for i := range n {
		all.Go(func() {
			err := s.Update(t.Context(), func(tx spool.Tx) error {
				runs[i]++
				id := spool.ID(i + 1)
				text := fmt.Appendf(nil, "text %d", i)
				_, err := tx.Append(spool.Event{ID: id, Item: id, At: noon, Kind: "k"})
				_, err2 := tx.See(spool.Key{byte(i)}, id)
				err = errors.Join(err, err2, tx.Insert(spool.Item{ID: id, Queue: "in", Owner: "o", State: "accepted"}),
					tx.AddPart(id, "p", "document", spool.Content{SHA256: hexSum(text), Size: int64(len(text)), Inline: text}, noon))
				if i == 10 {
					if got, err := tx.Claim(spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: noon, TTL: time.Minute, Max: 1, Token: func() string { return "t" }}); err != nil || len(got) != 1 {
						return fmt.Errorf("claimed %d: %w", len(got), err)
					}
					return errors.New("and fails")
				}
				if fails(i) {
					panic("after writing")
				}
				return err
			})
			if fails(i) != (err != nil) && i != 10 {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	for len(s.queue) < n {
		time.Sleep(time.Millisecond)
	}
	close(release)
	all.Wait()
	if slices.Max(runs) < 2 {
		t.Error("the group did not begin anew: nothing was tested")
	}
	want := 0
	for i := range n {
		if !fails(i) && i != 10 {
			want++
		}
	}
	err := s.View(t.Context(), func(r spool.Reader) error {
		items, err := r.Items(spool.Query{})
		events, err2 := r.Events(0, 0)
		counts, err3 := r.Counts("in")
		if len(items) != want || len(events) != want || counts["accepted"] != int64(want) || events[want-1].Seq != int64(want) {
			t.Errorf("%d items, %d events, counts %v; want %d", len(items), len(events), counts, want)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
	// The claim was undone, and with it that its state is claimed from.
	err = s.Update(t.Context(), func(tx spool.Tx) error {
		got, err := tx.Claim(spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: noon, TTL: time.Minute, Max: n, Token: func() string { return "t" }})
		if len(got) != want {
			t.Errorf("claimed %d", len(got))
		}
		counts, err2 := tx.Counts("in")
		if counts["leased"] != int64(want) || counts["accepted"] != 0 {
			t.Errorf("within the change: %v", counts)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
	if problems, err := s.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %q, %v", problems, err)
	}
}

// TestFilesAsTheyAre opens a copy of the files that was made while the store was
// at work: all that was acknowledged is in it, whatever the WAL has behind its end.
func TestFilesAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, walPages: 300})
	big := bytes.Repeat([]byte("large"), 5_000)
	taken := 0
	for round := range 3 {
		err := s.Update(t.Context(), func(tx spool.Tx) error {
			for i := range 30 + round%2*200 { // the largest is more than is gathered at once
				id := spool.ID(taken + i + 1)
				p := fmt.Appendf(big[:len(big):len(big)], "%d", id)
				if err := errors.Join(tx.Insert(spool.Item{ID: id}),
					tx.AddPart(id, "p", "document", spool.Content{SHA256: hexSum(p), Size: int64(len(p)), Inline: p}, noon)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		taken += 30 + round%2*200
		copied := t.TempDir()
		for _, name := range []string{"spool.db", "spool.db-wal"} {
			p, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, name), p, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "spool.db-wal" && int64(len(p))%walfile.Step != 0 {
				t.Errorf("the WAL has %d bytes: not filled ahead", len(p))
			}
		}
		again := open(t, Options{Dir: copied})
		err = again.View(t.Context(), func(r spool.Reader) error {
			items, err := r.Items(spool.Query{Limit: taken + 1})
			if len(items) != taken {
				t.Errorf("round %d: %d of %d are there", round, len(items), taken)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if problems, err := again.Integrity(context.Background(), true); err != nil || len(problems) > 0 {
			t.Errorf("integrity: %q, %v", problems, err)
		}
		again.Close()
	}
}

// TestReadsWhatIsFlushed holds a group on its way to the disk: the next one is at work
// meanwhile, but nobody is shown what a power cut could still undo.
func TestReadsWhatIsFlushed(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, syscall.EIO} {
		var armed atomic.Bool
		reached, release := make(chan bool), make(chan error)
		s := open(t, Options{Dir: t.TempDir(), Faults: func(p Point) error {
			if p == AfterCommit && armed.CompareAndSwap(true, false) {
				reached <- true
				return <-release
			}
			return nil
		}})
		insert := func(id spool.ID, ran func()) chan error {
			done := make(chan error, 1)
			go func() {
				done <- s.Update(t.Context(), func(tx spool.Tx) error { ran(); return tx.Insert(spool.Item{ID: id}) })
			}()
			return done
		}
		armed.Store(true)
		first := insert(1, func() {})
		<-reached
		beside := make(chan bool, 1)
		second := insert(2, func() { beside <- true })
		<-beside
		late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := s.View(late, func(spool.Reader) error { t.Error("read before the flush"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a View before the flush: %v", err)
		}
		cancel()
		view := make(chan error, 1)
		go func() {
			view <- s.View(t.Context(), func(r spool.Reader) error { _, err := r.Item(1); return err })
		}()
		select {
		case err := <-first:
			t.Errorf("answered before the flush: %v", err)
		case err := <-view:
			t.Errorf("shown before the flush: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		release <- fails
		for what, done := range map[string]chan error{"first": first, "second": second, "view": view} {
			if err := <-done; (err == nil) != (fails == nil) || fails != nil && !errors.Is(err, spool.ErrStopped) {
				t.Errorf("%s, when the flush said %v: %v", what, fails, err)
			}
		}
	}
}

// TestSweepAmongUnkept sweeps files while groups are being flushed that drop drafts:
// both sides need the lock on the files, and neither waits for the other for ever.
func TestSweepAmongUnkept(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Dir: t.TempDir()})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var all sync.WaitGroup
	for side := range 4 {
		all.Go(func() {
			for i := range 15 {
				id, name := spool.ID(side*100+i+1), fmt.Sprint(side, i)
				d, err := s.NewDraft(ctx, 1<<20)
				if err == nil {
					_, err = d.WriteAt(bytes.Repeat([]byte(name), 40_000), 0)
				}
				if err == nil {
					err = d.Keep(ctx, "o", name, noon)
				}
				if err != nil {
					t.Error(err)
					return
				}
				c, err := d.Finish(ctx)
				if err == nil {
					err = s.Update(ctx, func(tx spool.Tx) error {
						return errors.Join(tx.Insert(spool.Item{ID: id}), tx.AddPart(id, "p", "document", c, noon), tx.Unkeep("o", name))
					})
				}
				if err == nil {
					d.Discard()
					err = s.Update(ctx, func(tx spool.Tx) error { return tx.Delete(id) })
				}
				if err == nil {
					_, err = s.Sweep(ctx)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
