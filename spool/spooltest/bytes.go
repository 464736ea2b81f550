package spooltest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

func content(t *testing.T, b *bench) {
	it := b.item("o")
	b.insert(it)
	for i, p := range [][]byte{nil, small("a"), large("a"), small("a"), large("a")} {
		d := b.draft(p)
		c := b.finish(d)
		if c.SHA256 != sum(p) || c.Size != int64(len(p)) {
			t.Errorf("finish: %s, %d", c.SHA256, c.Size)
		}
		if again := b.finish(d); again.SHA256 != c.SHA256 {
			t.Error("finish again gives something else")
		}
		if _, err := d.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after finish: %v", err)
		}
		undone := errors.New("undone")
		b.refuse(undone, func(tx spool.Tx) error {
			return errors.Join(tx.AddPart(it.ID, fmt.Sprint(i), "document", c, day), undone)
		})
		b.do(func(tx spool.Tx) error { return tx.AddPart(it.ID, fmt.Sprint(i), "document", c, day) })
		if err := d.Discard(); err != nil {
			t.Error(err)
		}
		b.stored(p)
	}
	b.absent(small("none"))
	if _, err := b.Open(b.Context(), "../../etc/passwd"); err == nil {
		t.Error("content with a path for a hash was opened")
	}
	b.Store = b.reopen()
	b.stored(large("a"))
	b.stored(small("a"))
	b.stored(nil)
}

func drafts(t *testing.T, b *bench) {
	ctx := b.Context()
	for _, size := range []int64{1000, 1_000_000} {
		d, err := b.NewDraft(ctx, size)
		if err != nil {
			t.Fatal(err)
		}
		p := bytes.Repeat([]byte{7}, int(size))
		if _, err := d.WriteAt(p[:1], size); !errors.Is(err, spool.ErrTooLarge) {
			t.Errorf("write beyond the limit: %v", err)
		}
		if _, err := d.WriteAt(p[:1], 1<<63-1); !errors.Is(err, spool.ErrTooLarge) {
			t.Errorf("write at the end of numbers: %v", err)
		}
		if _, err := d.WriteAt(p[:1], -1); err == nil {
			t.Error("write before the beginning")
		}
		if err := d.Truncate(size + 1); !errors.Is(err, spool.ErrTooLarge) {
			t.Errorf("truncate beyond the limit: %v", err)
		}
		if err := d.Truncate(-1); err == nil {
			t.Error("truncate to less than nothing")
		}
		if _, err := d.WriteAt(p[size/2:], size/2); err != nil {
			t.Error(err)
		}
		if _, err := d.Finish(ctx); !errors.Is(err, spool.ErrHole) {
			t.Errorf("finish with a hole at the beginning: %v", err)
		}
		if _, err := d.WriteAt(p[:size/2-1], 0); err != nil {
			t.Error(err)
		}
		if _, err := d.Finish(ctx); !errors.Is(err, spool.ErrHole) {
			t.Errorf("finish with a hole in the middle: %v", err)
		}
		got := make([]byte, 3)
		if _, err := d.ReadAt(got, size/2-2); err != nil || !bytes.Equal(got, []byte{7, 0, 7}) {
			t.Errorf("read over a hole: %v, %v", got, err)
		}
		if n, err := d.ReadAt(got, size-1); n != 1 || err != io.EOF {
			t.Errorf("read at the end: %d, %v", n, err)
		}
		if _, err := d.WriteAt(p[:3], size/2-2); err != nil {
			t.Error(err)
		}
		if c := b.finish(d); c.SHA256 != sum(p) || d.Size() != size {
			t.Error("the hash is wrong")
		}
		if err := errors.Join(d.Discard(), d.Discard()); err != nil {
			t.Error(err)
		}

		// Grown by Truncate and never written.
		d = b.draft(p[:10])
		if err := d.Truncate(size); err != nil {
			t.Error(err)
		}
		if _, err := d.Finish(ctx); !errors.Is(err, spool.ErrHole) {
			t.Errorf("finish with a hole at the end: %v", err)
		}
		d.Discard()
		if _, err := d.Finish(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("finish after discard: %v", err)
		}

		// Scattered writes end in an error, not in memory without bound.
		d = b.draft(nil)
		for off := int64(0); err == nil && off < 64<<20; off += 4000 {
			_, err = d.WriteAt([]byte{1}, off)
		}
		if !errors.Is(err, spool.ErrHole) {
			t.Errorf("scattered writes: %v", err)
		}
		d.Discard()
	}
	if _, err := b.NewDraft(ctx, -1); err == nil {
		t.Error("a draft of less than nothing")
	}
}

// draftModel compares drafts with a byte slice under random writes, reads,
// truncations, keeping and resuming.
func draftModel(t *testing.T, b *bench) {
	const most = 150_000
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		noise := rand.NewChaCha8([32]byte{byte(seed)})
		d, err := b.NewDraft(b.Context(), most)
		if err != nil {
			t.Fatal(err)
		}
		var model, written []byte // written: 1 for what was
		size := 1 + r.IntN(most)
		for range 30 {
			switch r.IntN(12) {
			case 0:
				n := r.IntN(size)
				if err := d.Truncate(int64(n)); err != nil {
					t.Fatal(err)
				}
				model, written = grow(model[:min(n, len(model))], n), grow(written[:min(n, len(written))], n)
			case 1:
				name := fmt.Sprint("f", r.IntN(3))
				if err := d.Keep(b.Context(), "o", name, day); err != nil {
					t.Fatal(err)
				}
				if r.IntN(2) == 0 {
					d.Discard()
				}
				if d, err = b.Resume(b.Context(), "o", name, most); err != nil {
					t.Fatal(err)
				}
			default:
				off := r.IntN(size)
				p := make([]byte, r.IntN(size-off)+1)
				noise.Read(p)
				if _, err := d.WriteAt(p, int64(off)); err != nil {
					t.Fatal(err)
				}
				model, written = grow(model, off+len(p)), grow(written, off+len(p))
				copy(model[off:], p)
				copy(written[off:], bytes.Repeat([]byte{1}, len(p)))
			}
			got := make([]byte, len(model))
			if n, err := d.ReadAt(got, 0); n != len(model) || err != nil && len(model) > 0 || !bytes.Equal(got, model) || d.Size() != int64(len(model)) {
				t.Fatalf("seed %d: read %d of %d, %v", seed, n, len(model), err)
			}
		}
		c, err := d.Finish(b.Context())
		if bytes.IndexByte(written, 0) >= 0 {
			if !errors.Is(err, spool.ErrHole) {
				t.Fatalf("seed %d: finish with a hole: %v", seed, err)
			}
		} else if err != nil || c.SHA256 != sum(model) {
			t.Fatalf("seed %d: finish: %v, %v", seed, c.SHA256, err)
		} else {
			it := b.item("o")
			b.do(func(tx spool.Tx) error {
				return errors.Join(tx.Insert(it), tx.AddPart(it.ID, "p", "document", c, day))
			})
			b.stored(model)
		}
		d.Discard()
	}
}

// grow lengthens p with zeros.
func grow(p []byte, n int) []byte {
	if n <= len(p) {
		return p
	}
	return append(bytes.Clone(p), make([]byte, n-len(p))...)
}

func keptDrafts(t *testing.T, b *bench) {
	ctx := b.Context()
	keep := func(d spool.Draft, owner, name string) {
		t.Helper()
		if err := d.Keep(ctx, owner, name, day); err != nil {
			t.Fatal(err)
		}
	}
	resume := func(name string) spool.Draft {
		t.Helper()
		d, err := b.Resume(ctx, "o", name, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	names := func(owner string) (out string) {
		b.see(func(r spool.Reader) error {
			kept, err := r.Kept(owner)
			for _, k := range kept {
				out += fmt.Sprintf("%s/%s:%d ", k.Owner, k.Name, k.Size)
				if !k.Modified.Equal(day) {
					t.Errorf("modified %v", k.Modified)
				}
			}
			return err
		})
		return out
	}
	for _, p := range [][]byte{small("kept"), large("kept")} {
		n := len(p)
		// A hole survives the restart, and so does what was written.
		d := b.draft(p[:n/2])
		if _, err := d.WriteAt(p[n-3:], int64(n-3)); err != nil {
			t.Fatal(err)
		}
		keep(d, "o", "x")
		lost := b.draft(p)
		_ = lost
		b.Store = b.reopen()
		if got, want := names("o"), fmt.Sprintf("o/x:%d ", n); got != want {
			t.Errorf("kept: %s, want %s", got, want)
		}
		d = resume("x")
		if _, err := d.Finish(ctx); !errors.Is(err, spool.ErrHole) {
			t.Errorf("finish of a kept draft with a hole: %v", err)
		}
		if _, err := d.WriteAt(p[n/2:n-3], int64(n/2)); err != nil {
			t.Fatal(err)
		}
		c := b.finish(d)
		if c.SHA256 != sum(p) {
			t.Error("the resumed draft has other bytes")
		}
		it := b.item("o")
		undone := errors.New("undone")
		attach := func(tx spool.Tx) error {
			return errors.Join(tx.Insert(it), tx.AddPart(it.ID, "p", "document", c, day), tx.Unkeep("o", "x"))
		}
		b.refuse(undone, func(tx spool.Tx) error { return errors.Join(attach(tx), undone) })
		// Writing into what was kept does not reach what was finished.
		other := resume("x")
		if _, err := other.WriteAt([]byte("damage"), 0); err != nil {
			t.Error(err)
		}
		b.do(attach)
		other.Discard()
		d.Discard()
		b.stored(p)
		if _, err := b.Resume(ctx, "o", "x", 64<<20); !errors.Is(err, spool.ErrNotFound) {
			t.Errorf("resume after unkeep: %v", err)
		}
	}
	a := b.draft([]byte("first"))
	keep(a, "o", "a")
	keep(b.draft([]byte("second one")), "o", "b")
	keep(b.draft([]byte("other")), "other", "a")
	b.refuse(spool.ErrExists, func(tx spool.Tx) error { return tx.RenameKept("o", "a", "b") })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.RenameKept("o", "none", "c") })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.Unkeep("o", "none") })
	b.do(func(tx spool.Tx) error { return tx.RenameKept("o", "a", "c") })
	if got := names(""); got != "o/b:10 o/c:5 other/a:5 " {
		t.Errorf("kept: %s", got)
	}
	// A second Keep of the same draft moves its name; of another draft, takes it.
	keep(a, "o", "d")
	keep(b.draft([]byte("3")), "o", "b")
	if got := names("o"); got != "o/b:1 o/d:5 " {
		t.Errorf("kept: %s", got)
	}
	if _, err := b.Resume(ctx, "o", "d", 4); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("resume with a smaller limit: %v", err)
	}
	// Two at once do not disturb each other.
	for _, p := range [][]byte{small("two"), large("two")} {
		keep(b.draft(p), "o", "two")
		one, two := resume("two"), resume("two")
		if _, err := one.WriteAt([]byte("X"), 0); err != nil {
			t.Error(err)
		}
		if c := b.finish(two); c.SHA256 != sum(p) {
			t.Error("two resumed drafts share their bytes")
		}
		one.Discard()
		two.Discard()
	}
	b.Store = b.reopen()
	b.do(func(tx spool.Tx) error { return errors.Join(tx.Unkeep("o", "b"), tx.Unkeep("o", "two")) })
	if got := names("o"); got != "o/d:5 " {
		t.Errorf("kept: %s", got)
	}
}

func sweep(t *testing.T, b *bench) {
	it := b.item("o")
	b.insert(it)
	for _, p := range [][]byte{small("s"), large("s")} {
		d := b.draft(p)
		c := b.finish(d)
		sweepNow(t, b, 0) // what a draft holds stays
		b.do(func(tx spool.Tx) error {
			return errors.Join(tx.AddPart(it.ID, "1", "document", c, day), tx.AddPart(it.ID, "2", "document", c, day))
		})
		d.Discard()
		b.do(func(tx spool.Tx) error { return tx.RemovePart(it.ID, "1") })
		sweepNow(t, b, 0)
		b.stored(p)
		b.do(func(tx spool.Tx) error { return tx.RemovePart(it.ID, "2") })
		sweepNow(t, b, 1)
		sweepNow(t, b, 0)
		b.absent(p)
	}
	// A finished draft that nobody attached goes once it is discarded.
	d := b.draft(large("gone"))
	b.finish(d)
	d.Discard()
	if _, err := b.Sweep(b.Context()); err != nil {
		t.Error(err)
	}
	b.absent(large("gone"))
	// With the item.
	d = b.draft(large("item"))
	c := b.finish(d)
	b.do(func(tx spool.Tx) error { return tx.AddPart(it.ID, "p", "document", c, day) })
	d.Discard()
	b.do(func(tx spool.Tx) error { return tx.Delete(it.ID) })
	sweepNow(t, b, 1)
	b.absent(large("item"))
}

func sweepNow(t *testing.T, b *bench, want int) {
	t.Helper()
	n, err := b.Sweep(b.Context())
	if n != want || err != nil {
		t.Errorf("sweep removed %d, %v, want %d", n, err, want)
	}
}

// sweepAmongWriters adds and removes the same few contents from many sides
// while the store is swept: what a part refers to must always be there.
func sweepAmongWriters(t *testing.T, b *bench) {
	var stop atomic.Bool
	var sweeper, writers sync.WaitGroup
	sweeper.Go(func() {
		for !stop.Load() {
			if _, err := b.Sweep(b.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for w := range 6 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 2))
			for range 15 {
				p := large(fmt.Sprint(r.IntN(3)))
				it := b.item("o")
				d := b.draft(p)
				c := b.finish(d)
				if r.IntN(5) == 0 {
					d.Discard()
					continue
				}
				b.do(func(tx spool.Tx) error {
					return errors.Join(tx.Insert(it), tx.AddPart(it.ID, "p", "document", c, day))
				})
				d.Discard()
				b.stored(p)
				b.do(func(tx spool.Tx) error { return tx.Delete(it.ID) })
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	sweeper.Wait()
	if _, err := b.Sweep(b.Context()); err != nil {
		t.Error(err)
	}
	for i := range 3 {
		b.absent(large(fmt.Sprint(i)))
	}
}

func restart(t *testing.T, b *bench) {
	it := b.item("o")
	c := b.finish(b.draft(large("r")))
	b.do(func(tx spool.Tx) error {
		_, err := tx.Append(spool.Event{ID: b.id(), Item: it.ID, At: day, Kind: "k"})
		_, err2 := tx.Next("n")
		_, err3 := tx.See(spool.Key{9}, it.ID)
		return errors.Join(err, err2, err3, tx.Insert(it), tx.AddPart(it.ID, "p", "document", c, day), tx.SetValue("b", "k", []byte("v")),
			tx.PutPost(spool.Post{Owner: "o", Box: "b", Name: "n", Item: it.ID, Part: "p"}))
	})
	for range 2 {
		b.Store = b.reopen()
		it.Version = 1
		if got := b.get(it.ID); got.Owner != "o" || got.Version != 1 {
			t.Errorf("after the restart: %+v", got)
		}
		b.stored(large("r"))
		b.see(func(r spool.Reader) error {
			_, err := r.Post("o", "b", "n")
			_, err2 := r.Value("b", "k")
			_, seen, err3 := r.Seen(spool.Key{9})
			h, err4 := r.History(it.ID)
			counts, err5 := r.Counts("in")
			if !seen || len(h) != 1 || counts["received"] != 1 {
				t.Errorf("after the restart: seen %v, history %v, counts %v", seen, h, counts)
			}
			return errors.Join(err, err2, err3, err4, err5)
		})
	}
	b.do(func(tx spool.Tx) error {
		n, err := tx.Next("n")
		seq, err2 := tx.Append(spool.Event{ID: b.id(), At: day, Kind: "k"})
		if n != 2 || seq != 2 {
			t.Errorf("counter %d, seq %d", n, seq)
		}
		return errors.Join(err, err2)
	})
	// Fairness survives as well: o is served, then a is new and o has more.
	o2, a := b.item("o"), b.item("a")
	claim := spool.Claim{Queue: "in", From: "received", To: "leased", Now: day, TTL: time.Minute, Max: 1, Token: func() string { return "t" }}
	b.do(func(tx spool.Tx) error { _, err := tx.Claim(claim); return err })
	b.insert(o2, a)
	b.Store = b.reopen()
	b.do(func(tx spool.Tx) error {
		got, err := tx.Claim(claim)
		if len(got) != 1 || got[0].ID != a.ID {
			t.Errorf("claimed %v, want %s", got, a.ID)
		}
		return err
	})
	if err := b.Probe(b.Context()); err != nil {
		t.Error(err)
	}
}

func closed(t *testing.T, b *bench) {
	d := b.draft(large("c"))
	if err := errors.Join(b.Store.Close(), b.Store.Close()); err != nil {
		t.Error(err)
	}
	ctx := b.Context()
	_, err1 := b.NewDraft(ctx, 1)
	_, err2 := b.Resume(ctx, "o", "n", 1)
	_, err3 := b.Open(ctx, sum(nil))
	_, err4 := b.Sweep(ctx)
	_, err5 := d.Finish(ctx)
	for name, err := range map[string]error{
		"update": b.Update(ctx, func(spool.Tx) error { return nil }), "view": b.View(ctx, func(spool.Reader) error { return nil }),
		"new draft": err1, "resume": err2, "open": err3, "sweep": err4, "finish": err5, "probe": b.Probe(ctx), "keep": d.Keep(ctx, "o", "n", day),
	} {
		if !errors.Is(err, spool.ErrStopped) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
	d.Discard()
	b.Store = b.reopen()
	if err := b.Probe(ctx); err != nil {
		t.Error(err)
	}
}
