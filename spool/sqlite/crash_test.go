package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// An op is one step of the play that is cut short at every fault point.
type op struct {
	verb string
	i    int
}

// ops is the play: documents come in, one in three by a draft that was kept and
// resumed; older ones are deleted, and the store is swept.
func ops() (out []op) {
	for i := 1; i <= 12; i++ {
		if i%3 == 0 {
			out = append(out, op{"keep", i}, op{"resume", i})
		} else {
			out = append(out, op{"take", i})
		}
		if i > 4 {
			out = append(out, op{"delete", i - 4})
		}
		if i%4 == 0 {
			out = append(out, op{"sweep", 0})
		}
	}
	return out
}

func body(i int) []byte { return bytes.Repeat([]byte{byte(i), 'x'}, 35_000) }

func name(i int) string { return fmt.Sprint("doc ", i) }

// insert is one transaction of everything that must be there together.
func insert(tx spool.Tx, i int, c spool.Content) error {
	id := spool.ID(i)
	text := []byte(name(i))
	n, err := tx.Next("number")
	_, err2 := tx.Append(spool.Event{ID: id, Item: id, At: noon, Kind: "in", Record: []byte(strconv.FormatInt(n, 10))})
	return errors.Join(err, err2,
		tx.Insert(spool.Item{ID: id, Queue: "in", Owner: "o", State: "received"}),
		tx.AddPart(id, "large", "document", c, noon),
		tx.AddPart(id, "small", "signature", spool.Content{SHA256: hexSum(text), Size: int64(len(text)), Inline: text}, noon))
}

func (o op) do(ctx context.Context, s *Store) error {
	switch o.verb {
	case "take", "keep":
		d, err := s.NewDraft(ctx, 1<<20)
		if err != nil {
			return err
		}
		defer d.Discard()
		p := body(o.i)
		if o.verb == "keep" {
			if _, err := d.WriteAt(p[60_000:], 60_000); err != nil {
				return err
			}
			return d.Keep(ctx, "o", name(o.i), noon)
		}
		if _, err := d.WriteAt(p, 0); err != nil {
			return err
		}
		c, err := d.Finish(ctx)
		if err != nil {
			return err
		}
		return s.Update(ctx, func(tx spool.Tx) error { return insert(tx, o.i, c) })
	case "resume":
		d, err := s.Resume(ctx, "o", name(o.i), 1<<20)
		if err != nil {
			return err
		}
		defer d.Discard()
		if _, err := d.WriteAt(body(o.i)[:60_000], 0); err != nil {
			return err
		}
		c, err := d.Finish(ctx)
		if err != nil {
			return err
		}
		return s.Update(ctx, func(tx spool.Tx) error {
			return errors.Join(insert(tx, o.i, c), tx.Unkeep("o", name(o.i)))
		})
	case "delete":
		return s.Update(ctx, func(tx spool.Tx) error { return tx.Delete(spool.ID(o.i)) })
	default:
		_, err := s.Sweep(ctx)
		return err
	}
}

// rest waits until no checkpoint is under way beside, so that each play has as many.
func rest(s *Store) {
	for s.carrying.Load() && s.stopped() == nil {
		s.change(context.Background(), func(*tx) error { return nil }) // the writer looks after a group
		time.Sleep(time.Millisecond)
	}
}

// after is what the store holds after n steps, in words.
func after(n int) string {
	items, kept := map[int]bool{}, map[int]bool{}
	taken := 0
	for _, o := range ops()[:n] {
		switch o.verb {
		case "take":
			items[o.i] = true
			taken++
		case "keep":
			kept[o.i] = true
		case "resume":
			items[o.i] = true
			taken++
			delete(kept, o.i)
		case "delete":
			delete(items, o.i)
		}
	}
	return fmt.Sprint(items, kept, taken)
}

// now reads the same from a store, and looks at every byte.
func now(t *testing.T, s *Store) string {
	items, kept := map[int]bool{}, map[int]bool{}
	taken := 0
	err := s.View(t.Context(), func(r spool.Reader) error {
		all, err := r.Items(spool.Query{})
		for _, it := range all {
			i := int(it.ID)
			items[i] = true
			for part, want := range map[string][]byte{"large": body(i), "small": []byte(name(i))} {
				p, err := r.Part(it.ID, part)
				if err != nil {
					t.Errorf("item %d: %v", i, err)
					continue
				}
				b, err := s.Open(t.Context(), p.Content.SHA256)
				if err != nil {
					t.Errorf("item %d: %v", i, err)
					continue
				}
				got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
				b.Close()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("item %d: part %s: %d bytes, %v", i, part, len(got), err)
				}
			}
		}
		names, err2 := r.Kept("")
		for _, k := range names {
			i, _ := strconv.Atoi(strings.TrimPrefix(k.Name, "doc "))
			kept[i] = true
			d, err := s.Resume(t.Context(), "o", k.Name, 1<<20)
			if err != nil {
				t.Errorf("kept %d: %v", i, err)
				continue
			}
			got := make([]byte, 10_000)
			if _, err := d.ReadAt(got, 60_000); err != nil || !bytes.Equal(got, body(i)[60_000:]) {
				t.Errorf("kept %d: other bytes, %v", i, err)
			}
			if _, err := d.Finish(t.Context()); !errors.Is(err, spool.ErrHole) {
				t.Errorf("kept %d: hole is gone: %v", i, err)
			}
			d.Discard()
		}
		events, err3 := r.Events(0, 0)
		for _, e := range events {
			taken++
			if string(e.Record) != fmt.Sprint(taken) || e.Seq != int64(taken) {
				t.Errorf("event %d has number %s", e.Seq, e.Record)
			}
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(items, kept, taken)
}

// check opens what a crash left after n acknowledged steps.
func check(t *testing.T, dir string, n int) {
	t.Helper()
	s := open(t, Options{Dir: dir})
	got, want := now(t, s), after(n)
	if got != want && (n == len(ops()) || got != after(n+1)) {
		t.Errorf("after %d steps: got %s, want %s or what one step more makes", n, got, want)
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if again := now(t, s); again != got {
		t.Errorf("after the sweep: got %s, want %s", again, got)
	}
	if problems, err := s.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %q, %v", problems, err)
	}
	files, rows := 0, 0
	filepath.WalkDir(filepath.Join(dir, "content"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files++
		}
		return err
	})
	s.View(t.Context(), func(r spool.Reader) error {
		all, err := r.Items(spool.Query{})
		rows = len(all)
		return err
	})
	if files != rows {
		t.Errorf("%d content files for %d items after the sweep", files, rows)
	}
	// The play goes on from where it is.
	if got != want {
		n++
	}
	for _, o := range ops()[n:] {
		if err := o.do(t.Context(), s); err != nil {
			t.Fatalf("going on with %v: %v", o, err)
		}
	}
	if got, want := now(t, s), after(len(ops())); got != want {
		t.Errorf("in the end: got %s, want %s", got, want)
	}
}

// TestKilled kills a child process at every fault point.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, p := range Points {
		nths := []int{3}
		if os.Getenv("SPOOL_CRASHES") != "" { // more of them than every run can afford
			nths = []int{1, 2, 3, 4, 5, 6, 7}
		}
		for _, nth := range nths {
			t.Run(fmt.Sprint(p, " ", nth), func(t *testing.T) {
				dir := t.TempDir()
				cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
				cmd.Env = append(os.Environ(), "SPOOL_CHILD="+dir, "SPOOL_POINT="+string(p), fmt.Sprint("SPOOL_NTH=", nth))
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				n := 0
				for lines := bufio.NewScanner(out); lines.Scan(); {
					if lines.Text() != "done" {
						t.Errorf("child: %s", lines.Text())
						continue
					}
					n++
				}
				err = cmd.Wait()
				if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
					t.Fatalf("the child was not killed at its point: %v after %d steps", err, n)
				}
				check(t, dir, n)
			})
		}
	}
}

// TestKilledChild is the child of TestKilled.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv("SPOOL_CHILD")
	if dir == "" {
		t.Skip("run by TestKilled")
	}
	nth, _ := strconv.ParseInt(os.Getenv("SPOOL_NTH"), 10, 64)
	var hits atomic.Int64
	s, err := Open(t.Context(), Options{Dir: dir, walPages: 20, Faults: func(p Point) error {
		if string(p) == os.Getenv("SPOOL_POINT") && hits.Add(1) == nth {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops() {
		if err := o.do(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		fmt.Println("done")
		rest(s)
	}
}

// TestStepFails lets every fault point fail at its n-th passing: with an
// input/output error, and with a full disk.
func TestStepFails(t *testing.T) {
	t.Parallel()
	mayGoOn := map[Point]bool{DraftWrite: true, BeforePlace: true, AfterPlace: true, BeforeUnlink: true}
	for _, cause := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		for _, p := range Points {
			for _, nth := range []int64{1, 4} {
				t.Run(fmt.Sprint(p, " ", nth, " ", cause), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					var hits atomic.Int64
					s := open(t, Options{Dir: dir, walPages: 20, Faults: func(at Point) error {
						if at == p && hits.Add(1) == nth {
							return cause
						}
						return nil
					}})
					n := 0
					stops := false
					for _, o := range ops() {
						err := o.do(t.Context(), s)
						if err != nil && !errors.Is(err, spool.ErrStopped) {
							if cause == syscall.ENOSPC && !errors.Is(err, spool.ErrFull) {
								t.Errorf("full disk is told as %v", err)
							}
							err = o.do(t.Context(), s) // once more
						}
						if errors.Is(err, spool.ErrStopped) {
							stops = true
							break
						}
						if err != nil {
							t.Fatalf("%v: %v", o, err)
						}
						n++
						rest(s)
					}
					stops = stops || s.stopped() != nil
					want := !mayGoOn[p] && (cause == syscall.EIO || p != BeforeCommit && p != Checkpoint)
					if stops != want || hits.Load() < nth {
						t.Errorf("stopped: %v, want %v; passed %d times", stops, want, hits.Load())
					}
					if err := s.Probe(t.Context()); errors.Is(err, spool.ErrStopped) != stops {
						t.Errorf("probe: %v", err)
					}
					s.Close()
					check(t, dir, n)
				})
			}
		}
	}
}

// TestKeepUnanswered keeps a draft whose commit is made but not answered, as the
// engine stops: the file must be there for the row that may name it.
func TestKeepUnanswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var armed atomic.Bool
	s := open(t, Options{Dir: dir, Faults: func(at Point) error {
		if at == AfterCommit && armed.Load() {
			return syscall.EIO
		}
		return nil
	}})
	d, err := s.NewDraft(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(body(1), 0); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	if err := d.Keep(t.Context(), "o", name(1), noon); !errors.Is(err, spool.ErrStopped) {
		t.Fatalf("got %v, want %v", err, spool.ErrStopped)
	}
	d.Discard()
	s.Close()

	s = open(t, Options{Dir: dir})
	again, err := s.Resume(t.Context(), "o", name(1), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Discard()
	if c, err := again.Finish(t.Context()); err != nil || c.Size != int64(len(body(1))) {
		t.Errorf("%+v, %v", c, err)
	}
}
