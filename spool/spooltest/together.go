package spooltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

func transactions(t *testing.T, b *bench) {
	wrong := errors.New("wrong")
	it := b.item("o")
	b.refuse(wrong, func(tx spool.Tx) error {
		if err := tx.Insert(it); err != nil {
			t.Error(err)
		}
		if _, err := tx.Item(it.ID); err != nil {
			t.Errorf("a change does not see itself: %v", err)
		}
		return wrong
	})
	if err := b.Update(b.Context(), func(tx spool.Tx) error {
		if err := tx.Insert(it); err != nil {
			t.Error(err)
		}
		panic("on purpose")
	}); err == nil {
		t.Error("a change that panics has succeeded")
	}
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Item(it.ID); return err })
	b.see(func(r spool.Reader) error {
		counts, err := r.Counts("in")
		if len(counts) != 0 {
			t.Errorf("counts after changes that were undone: %v", counts)
		}
		return err
	})
	// Each in a group fails alone.
	var all sync.WaitGroup
	var ids [40]spool.ID
	for i := range ids {
		it := b.item("o")
		ids[i] = it.ID
		all.Go(func() {
			err := b.Update(b.Context(), func(tx spool.Tx) error {
				if err := tx.Insert(it); err != nil {
					return err
				}
				switch i % 4 {
				case 0:
					return wrong
				case 1:
					panic("on purpose")
				}
				return nil
			})
			if (err == nil) != (i%4 > 1) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	all.Wait()
	b.see(func(r spool.Reader) error {
		for i, id := range ids {
			if _, err := r.Item(id); (err == nil) != (i%4 > 1) {
				t.Errorf("item %d: %v", i, err)
			}
		}
		return nil
	})

	// A transaction that is over, and a view that is.
	var old spool.Tx
	var past spool.Reader
	b.do(func(tx spool.Tx) error { old = tx; return nil })
	b.see(func(r spool.Reader) error { past = r; return nil })
	if err := old.Insert(b.item("o")); err == nil {
		t.Error("a transaction works after its end")
	}
	if _, err := past.Item(ids[2]); err == nil {
		t.Error("a reader works after its end")
	}

	// A context that ends while the change waits drops it; one that has begun is awaited.
	ctx, cancel := context.WithCancel(b.Context())
	begun, release := make(chan bool), make(chan bool)
	late := b.item("o")
	all.Go(func() {
		err := b.Update(ctx, func(tx spool.Tx) error {
			close(begun)
			<-release
			return tx.Insert(late)
		})
		if err != nil {
			t.Errorf("a change that had begun: %v", err)
		}
	})
	<-begun
	waited := make(chan error)
	go func() {
		waited <- b.Update(ctx, func(spool.Tx) error { t.Error("a change that was dropped ran"); return nil })
	}()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("a change that waited: %v", err)
	}
	close(release)
	all.Wait()
	b.get(late.ID)
}

func snapshot(t *testing.T, b *bench) {
	b.do(func(tx spool.Tx) error { return tx.SetValue("b", "k", []byte("1")) })
	b.see(func(r spool.Reader) error {
		before, err := r.Value("b", "k")
		if err != nil {
			return err
		}
		b.do(func(tx spool.Tx) error { return tx.SetValue("b", "k", []byte("2")) })
		after, err := r.Value("b", "k")
		if string(before) != "1" || string(after) != "1" {
			t.Errorf("one view has read %q and %q", before, after)
		}
		// A view may open content and look again.
		b.see(func(r spool.Reader) error {
			now, err := r.Value("b", "k")
			if string(now) != "2" {
				t.Errorf("a later view has read %q", now)
			}
			return err
		})
		return err
	})
}

func claimByMany(t *testing.T, b *bench) {
	var all []spool.Item
	for i := range 200 {
		all = append(all, b.item(fmt.Sprint(i%7)))
	}
	b.insert(all...)
	var mu sync.Mutex
	seen := map[spool.ID]bool{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				var got []spool.Item
				b.do(func(tx spool.Tx) (err error) {
					got, err = tx.Claim(spool.Claim{Queue: "in", From: "received", To: "leased", Now: day, TTL: time.Minute, Max: 3, Token: func() string { return "t" }})
					return err
				})
				if len(got) == 0 {
					return
				}
				for _, it := range got {
					mu.Lock()
					if seen[it.ID] {
						t.Errorf("%s was claimed twice", it.ID)
					}
					seen[it.ID] = true
					mu.Unlock()
					it.State = "done"
					b.do(func(tx spool.Tx) error { return tx.Put(it) })
				}
			}
		})
	}
	workers.Wait()
	if len(seen) != len(all) {
		t.Errorf("%d of %d were claimed", len(seen), len(all))
	}
}

// manyProducers writes whole submissions from 64 sides and checks that nothing
// is lost, doubled or out of order.
func manyProducers(t *testing.T, b *bench) {
	const producers, each = 64, 6
	var all sync.WaitGroup
	var mu sync.Mutex
	numbers, ids := map[int64]bool{}, map[spool.ID]bool{}
	for p := range producers {
		all.Go(func() {
			for i := range each {
				text := small(fmt.Sprint(p, i))
				if i == 0 {
					text = large(fmt.Sprint(p))
				}
				d := b.draft(text)
				c := b.finish(d)
				it, key := b.item(fmt.Sprint(p)), spool.Key{byte(p), byte(i)}
				event := spool.Event{ID: b.id(), Item: it.ID, At: day, Kind: "received"}
				var n int64
				b.do(func(tx spool.Tx) (err error) {
					_, err1 := tx.See(key, it.ID)
					_, err2 := tx.Append(event)
					n, err = tx.Next("submission")
					return errors.Join(err, err1, err2, tx.Insert(it), tx.AddPart(it.ID, "d", "document", c, day))
				})
				d.Discard()
				mu.Lock()
				if numbers[n] || ids[it.ID] || n < 1 || n > producers*each {
					t.Errorf("number %d or id %s given twice", n, it.ID)
				}
				numbers[n], ids[it.ID] = true, true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	b.Store = b.reopen()
	b.see(func(r spool.Reader) error {
		events, err := r.Events(0, 10_000)
		for i, e := range events {
			if e.Seq != int64(i+1) || !ids[e.Item] {
				t.Errorf("event %d: seq %d, item %s", i, e.Seq, e.Item)
			}
			delete(ids, e.Item)
		}
		counts, err2 := r.Counts("in")
		if len(ids) != 0 || counts["received"] != producers*each {
			t.Errorf("%d items without an event, counts %v", len(ids), counts)
		}
		return errors.Join(err, err2)
	})
	for p := range producers {
		b.stored(large(fmt.Sprint(p)))
		b.stored(small(fmt.Sprint(p, each-1)))
	}
}
