package spooltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

func items(t *testing.T, b *bench) {
	it := spool.Item{
		ID: b.id(), Queue: "in", Owner: "o", State: "received", Name: "Платіж №1.DBF", Label: "l", Kind: "k", Number: "7", Date: "2026-02-03",
		SHA256: sum(nil), Size: 9, Priority: -3, Received: day, Decided: day.Add(time.Hour), Deadline: day.Add(2 * time.Hour), NotBefore: day.Add(3 * time.Hour),
		Attempts: 2, Lease: "tok", LeaseUntil: day.Add(4 * time.Hour), Note: []byte(`{"a":"'"}`), Version: 99,
	}
	b.insert(it)
	it.Version = 1
	if got := b.get(it.ID); !reflect.DeepEqual(got, it) {
		t.Errorf("got  %+v\nwant %+v", got, it)
	}
	empty := spool.Item{ID: b.id()}
	b.insert(empty)
	empty.Version = 1
	if got := b.get(empty.ID); !reflect.DeepEqual(got, empty) {
		t.Errorf("got  %+v\nwant %+v", got, empty)
	}

	// Times in another zone and finer than a microsecond.
	it.Received = time.Date(2026, 2, 3, 6, 5, 6, 7999, time.FixedZone("", 7200))
	it.State, it.Note, it.Deadline = "accepted", nil, time.Time{}
	b.do(func(tx spool.Tx) error { return tx.Put(it) })
	it.Version, it.Received = 2, day
	if got := b.get(it.ID); !reflect.DeepEqual(got, it) {
		t.Errorf("after put: got  %+v\nwant %+v", got, it)
	}
	b.see(func(r spool.Reader) error {
		counts, err := r.Counts("in")
		if want := (map[spool.State]int64{"accepted": 1}); !reflect.DeepEqual(counts, want) {
			t.Errorf("counts: got %v, want %v", counts, want)
		}
		return err
	})
}

// itemsChanged reads and changes items several times within a change.
func itemsChanged(t *testing.T, b *bench) {
	it := b.item("o")
	it.Note = []byte("old")
	b.insert(it)
	b.do(func(tx spool.Tx) error {
		for i, read := range []func() (spool.Item, error){
			func() (spool.Item, error) { return tx.Item(it.ID) },
			func() (spool.Item, error) {
				got, err := tx.Items(spool.Query{Owner: "o"})
				return got[0], err
			},
			func() (spool.Item, error) {
				got, err := tx.Claim(spool.Claim{Queue: "in", From: "received", To: "leased", Now: day, TTL: time.Minute, Max: 1, Token: func() string { return "t" }})
				return got[0], err
			},
		} {
			got, err := read()
			if err != nil || string(got.Note) != []string{"old", "1ld", "2ld"}[i] {
				t.Errorf("read %d: note %q, %v", i, got.Note, err)
			}
			got.Note[0] = byte('1' + i) // in place: what was read is the caller's
			if err := tx.Put(got); err != nil {
				t.Errorf("put %d: %v", i, err)
			}
			if err := tx.Put(got); !errors.Is(err, spool.ErrConflict) {
				t.Errorf("put %d once more: %v", i, err)
			}
		}
		return nil
	})
	if got := b.get(it.ID); string(got.Note) != "3ld" || got.State != "leased" || got.Version != 5 {
		t.Errorf("in the end: note %q, state %s, version %d", got.Note, got.State, got.Version)
	}
}

func itemErrors(t *testing.T, b *bench) {
	it := b.item("o")
	b.insert(it)
	b.refuse(spool.ErrExists, func(tx spool.Tx) error { return tx.Insert(it) })
	b.refuse(spool.ErrConflict, func(tx spool.Tx) error { return tx.Put(it) }) // version 0
	it.Version = 1
	b.refuse(spool.ErrConflict, func(tx spool.Tx) error {
		if err := tx.Put(it); err != nil {
			return fmt.Errorf("first: %w", err)
		}
		return tx.Put(it)
	})
	if v := b.get(it.ID).Version; v != 1 {
		t.Errorf("version after a change that was undone: %d", v)
	}
	missing := b.item("o")
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.Put(missing) })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.Delete(missing.ID) })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Item(missing.ID); return err })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Item(1 << 63); return err })
	for _, id := range []spool.ID{0, 1 << 63, 1<<64 - 1} {
		if err := b.Update(b.Context(), func(tx spool.Tx) error { return tx.Insert(spool.Item{ID: id}) }); err == nil {
			t.Errorf("item with id %d was taken", id)
		}
	}

	// Delete takes parts, posts and keys along, and leaves the history.
	key := spool.Key{1}
	c := b.finish(b.draft(small("x")))
	b.do(func(tx spool.Tx) error {
		_, err := tx.See(key, it.ID)
		_, err2 := tx.Append(spool.Event{ID: b.id(), Item: it.ID, At: day, Kind: "k"})
		return errors.Join(err, err2,
			tx.AddPart(it.ID, "p", "document", c, day),
			tx.PutPost(spool.Post{Owner: "o", Box: "b", Name: "n", Item: it.ID, Part: "p"}))
	})
	b.do(func(tx spool.Tx) error { return tx.Delete(it.ID) })
	b.see(func(r spool.Reader) error {
		ps, err := r.Parts(it.ID)
		_, perr := r.Post("o", "b", "n")
		_, seen, err2 := r.Seen(key)
		h, err3 := r.History(it.ID)
		n, err4 := r.Counts("in")
		if len(ps) != 0 || !errors.Is(perr, spool.ErrNotFound) || seen || len(h) != 1 || len(n) != 0 {
			t.Errorf("after delete: parts %v, post %v, seen %v, history %v, counts %v", ps, perr, seen, h, n)
		}
		return errors.Join(err, err2, err3, err4)
	})
}

func queries(t *testing.T, b *bench) {
	var all []spool.Item
	for i := range 24 {
		it := b.item([]string{"a", "b"}[i%2])
		it.Queue = []spool.Queue{"in", "out"}[i/12]
		it.State = []spool.State{"received", "held", "done"}[i%3]
		it.Name = fmt.Sprintf("P%d", i%4)
		it.Received = day.Add(time.Duration(i) * time.Minute)
		if i%4 == 0 {
			it.Label, it.Kind = fmt.Sprintf("L%d", i), "po"
		}
		if i%6 == 0 {
			it.Deadline = day.Add(time.Duration(i) * time.Hour)
		}
		if i == 5 {
			it.Lease = "token"
		}
		all = append(all, it)
	}
	b.insert(all...)
	is := func(states ...spool.State) func(spool.Item) bool {
		return func(it spool.Item) bool { return slices.Contains(states, it.State) }
	}
	for _, c := range []struct {
		name string
		q    spool.Query
		want func(spool.Item) bool
	}{
		{"all", spool.Query{}, func(spool.Item) bool { return true }},
		{"queue", spool.Query{Queue: "out"}, func(it spool.Item) bool { return it.Queue == "out" }},
		{"owner", spool.Query{Owner: "a"}, func(it spool.Item) bool { return it.Owner == "a" }},
		{"one state", spool.Query{States: []spool.State{"held"}}, is("held")},
		{"states", spool.Query{States: []spool.State{"done", "held", "done", "none"}}, is("held", "done")},
		{"name", spool.Query{Owner: "b", Name: "P1"}, func(it spool.Item) bool { return it.Owner == "b" && it.Name == "P1" }},
		{"label", spool.Query{Label: "L8"}, func(it spool.Item) bool { return it.Label == "L8" }},
		{"lease", spool.Query{Lease: "token"}, func(it spool.Item) bool { return it.Lease == "token" }},
		{"kind", spool.Query{Kind: "po"}, func(it spool.Item) bool { return it.Kind == "po" }},
		{"after, before", spool.Query{After: all[3].ID, Before: all[7].ID}, func(it spool.Item) bool { return it.ID > all[3].ID && it.ID < all[7].ID }},
		{"before the greatest", spool.Query{Before: 1<<64 - 1}, func(spool.Item) bool { return true }},
		{"after the greatest", spool.Query{After: 1<<64 - 1}, func(spool.Item) bool { return false }},
		{"from, to", spool.Query{From: all[2].Received, To: all[4].Received}, func(it spool.Item) bool { return it.ID == all[2].ID || it.ID == all[3].ID }},
		{"due", spool.Query{DueBefore: all[12].Deadline}, func(it spool.Item) bool { return !it.Deadline.IsZero() && it.Deadline.Before(all[12].Deadline) }},
	} {
		var want []spool.ID
		for _, it := range all {
			if c.want(it) {
				want = append(want, it.ID)
			}
		}
		for _, newest := range []bool{false, true} {
			for _, limit := range []int{0, 3} {
				q := c.q
				q.Newest, q.Limit = newest, limit
				w := slices.Clone(want)
				if newest {
					slices.Reverse(w)
				}
				if limit > 0 {
					w = w[:min(limit, len(w))]
				}
				var got []spool.ID
				b.see(func(r spool.Reader) error {
					items, err := r.Items(q)
					for _, it := range items {
						got = append(got, it.ID)
					}
					return err
				})
				if !slices.Equal(got, w) {
					t.Errorf("%s, newest %v, limit %d: got %v, want %v", c.name, newest, limit, got, w)
				}
			}
		}
	}
}

func events(t *testing.T, b *bench) {
	it := b.item("o")
	b.insert(it)
	var want []spool.Event
	for i := range 10 {
		e := spool.Event{ID: b.id(), At: day, Kind: "k", Record: []byte{byte(i)}}
		if i%2 == 0 {
			e.Item = it.ID
		}
		undone := errors.New("undone")
		b.refuse(undone, func(tx spool.Tx) error {
			if _, err := tx.Append(e); err != nil {
				t.Error(err)
			}
			return undone
		})
		b.do(func(tx spool.Tx) (err error) {
			e.Seq, err = tx.Append(e)
			return err
		})
		if e.Seq != int64(i+1) {
			t.Errorf("event %d has seq %d", i, e.Seq)
		}
		want = append(want, e)
	}
	b.refuse(spool.ErrExists, func(tx spool.Tx) error { _, err := tx.Append(want[0]); return err })
	if err := b.Update(b.Context(), func(tx spool.Tx) error { _, err := tx.Append(spool.Event{Kind: "k"}); return err }); err == nil {
		t.Error("event without an id was taken")
	}
	b.see(func(r spool.Reader) error {
		all, err := r.Events(0, 0)
		some, err2 := r.Events(3, 2)
		of, err3 := r.History(it.ID)
		none, err4 := r.History(0)
		if !reflect.DeepEqual(all, want) || !reflect.DeepEqual(some, want[3:5]) || len(of) != 5 || len(none) != 0 || !reflect.DeepEqual(of[4], want[8]) {
			t.Errorf("events: all %v, some %v, of one %v, of none %v", all, some, of, none)
		}
		return errors.Join(err, err2, err3, err4)
	})
}

func keys(t *testing.T, b *bench) {
	a, c := b.item("o"), b.item("o")
	b.insert(a, c)
	key, other := spool.Key{1, 2, 3}, spool.Key{}
	for range 2 { // again for the same item is no news
		b.do(func(tx spool.Tx) error {
			first, err := tx.See(key, a.ID)
			if first != a.ID {
				t.Errorf("first is %s", first)
			}
			_, err2 := tx.See(other, a.ID)
			return errors.Join(err, err2)
		})
	}
	b.refuse(spool.ErrExists, func(tx spool.Tx) error {
		first, err := tx.See(key, c.ID)
		if first != a.ID {
			t.Errorf("key is held by %s", first)
		}
		return err
	})
	// The caller may go on after ErrExists.
	b.do(func(tx spool.Tx) error {
		if _, err := tx.See(key, c.ID); !errors.Is(err, spool.ErrExists) {
			t.Error(err)
		}
		return tx.SetValue("b", "k", []byte("v"))
	})
	b.do(func(tx spool.Tx) error { return tx.Forget(a.ID) })
	b.see(func(r spool.Reader) error {
		id, found, err := r.Seen(key)
		if found || id != 0 {
			t.Errorf("forgotten key: %s, %v", id, found)
		}
		return err
	})
	b.do(func(tx spool.Tx) error { _, err := tx.See(key, c.ID); return err })
	b.see(func(r spool.Reader) error {
		id, found, err := r.Seen(key)
		if !found || id != c.ID {
			t.Errorf("key: %s, %v", id, found)
		}
		return err
	})
}

func posts(t *testing.T, b *bench) {
	it := b.item("a")
	b.insert(it)
	post := func(owner, box, name string) spool.Post {
		return spool.Post{Owner: owner, Box: box, Name: name, Item: it.ID, Part: "p", Size: 5, At: day}
	}
	all := []spool.Post{post("a", "outbox", "1"), post("a", "outbox", "2"), post("a", "outbox", "3"), post("a", "receipts", "1"), post("b", "outbox", "1")}
	all[1].Acknowledged = day
	all[2].Withdrawn, all[2].Told = day, day
	all[3].Delivered, all[3].Told = day, day
	all[4].At, all[4].Withdrawn, all[4].Item = day.Add(time.Hour), day, 0
	b.do(func(tx spool.Tx) (err error) {
		for _, i := range []int{3, 1, 4, 0, 2} {
			err = errors.Join(err, tx.PutPost(all[i]))
		}
		return err
	})
	for _, c := range []struct {
		name string
		q    spool.PostQuery
		want []int
	}{
		{"default", spool.PostQuery{}, []int{0, 3}},
		{"gone too", spool.PostQuery{Gone: true}, []int{0, 1, 2, 3, 4}},
		{"owner", spool.PostQuery{Owner: "b", Gone: true}, []int{4}},
		{"box", spool.PostQuery{Box: "receipts"}, []int{3}},
		{"name", spool.PostQuery{Name: "1"}, []int{0, 3}},
		{"item", spool.PostQuery{Item: it.ID}, []int{0, 3}},
		{"untold", spool.PostQuery{Untold: true}, []int{0, 4}},
		{"untold, gone", spool.PostQuery{Untold: true, Gone: true}, []int{0, 1, 4}},
		{"from", spool.PostQuery{From: day.Add(1), Gone: true}, []int{4}},
		{"to", spool.PostQuery{To: day.Add(time.Second)}, []int{0, 3}},
		{"page", spool.PostQuery{Owner: "a", Box: "outbox", After: "1", Limit: 1, Gone: true}, []int{1}},
	} {
		var want []spool.Post
		for _, i := range c.want {
			want = append(want, all[i])
		}
		// Put keeps microseconds only.
		b.see(func(r spool.Reader) error {
			got, err := r.Posts(c.q)
			if c.name != "from" && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v\nwant %+v", c.name, got, want)
			}
			return err
		})
	}
	all[0].Size = 6
	b.do(func(tx spool.Tx) error { return tx.PutPost(all[0]) })
	b.see(func(r spool.Reader) error {
		got, err := r.Post("a", "outbox", "1")
		if got != all[0] {
			t.Errorf("got %+v", got)
		}
		return err
	})
	b.do(func(tx spool.Tx) error { return tx.DeletePost("a", "outbox", "1") })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.DeletePost("a", "outbox", "1") })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Post("a", "outbox", "1"); return err })
}

func values(t *testing.T, b *bench) {
	b.do(func(tx spool.Tx) error {
		return errors.Join(tx.SetValue("b", "k", []byte("v")), tx.SetValue("b", "", []byte{}), tx.SetValue("c", "k", []byte{0}), tx.SetValue("b", "k", []byte("w")))
	})
	b.see(func(r spool.Reader) error {
		v, err := r.Value("b", "")
		if v == nil || len(v) != 0 {
			t.Errorf("empty value: %v", v)
		}
		all, err2 := r.Values("b")
		if want := (map[string][]byte{"k": []byte("w"), "": {}}); !reflect.DeepEqual(all, want) {
			t.Errorf("values: %v", all)
		}
		return errors.Join(err, err2)
	})
	b.do(func(tx spool.Tx) error { return errors.Join(tx.SetValue("b", "k", nil), tx.SetValue("b", "none", nil)) })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Value("b", "k"); return err })
}

func counters(t *testing.T, b *bench) {
	undone := errors.New("undone")
	for want := int64(1); want <= 5; want++ {
		b.refuse(undone, func(tx spool.Tx) error {
			if n, err := tx.Next("a"); n != want || err != nil {
				t.Errorf("got %d, %v, want %d", n, err, want)
			}
			return undone
		})
		b.do(func(tx spool.Tx) error {
			n, err := tx.Next("a")
			if n != want {
				t.Errorf("got %d, want %d", n, want)
			}
			return err
		})
	}
	b.do(func(tx spool.Tx) error {
		n, err := tx.Next("b")
		if n != 1 {
			t.Errorf("another counter begins at %d", n)
		}
		return err
	})
}

func parts(t *testing.T, b *bench) {
	a, c := b.item("o"), b.item("o")
	b.insert(a, c)
	first, second := b.finish(b.draft(small("1"))), b.finish(b.draft(large("2")))
	b.do(func(tx spool.Tx) error {
		return errors.Join(tx.AddPart(a.ID, "z", "document", first, day), tx.AddPart(a.ID, "a", "signature", second, day), tx.AddPart(c.ID, "z", "document", second, day))
	})
	want := []spool.Part{
		{Item: a.ID, Name: "z", Role: "document", Added: day, Content: spool.Content{SHA256: first.SHA256, Size: first.Size}},
		{Item: a.ID, Name: "a", Role: "signature", Added: day, Content: spool.Content{SHA256: second.SHA256, Size: second.Size}},
	}
	b.see(func(r spool.Reader) error {
		got, err := r.Parts(a.ID)
		one, err2 := r.Part(a.ID, "a")
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(one, want[1]) {
			t.Errorf("parts: got %+v\nwant %+v", got, want)
		}
		return errors.Join(err, err2)
	})
	missing := b.id()
	b.refuse(spool.ErrExists, func(tx spool.Tx) error { return tx.AddPart(a.ID, "z", "document", first, day) })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.AddPart(missing, "z", "document", first, day) })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.RemovePart(a.ID, "none") })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { _, err := tx.Part(a.ID, "none"); return err })
	b.refuse(spool.ErrNotFound, func(tx spool.Tx) error { return tx.MoveParts(a.ID, missing) })
	b.refuse(spool.ErrExists, func(tx spool.Tx) error { return tx.MoveParts(a.ID, c.ID) })
	b.do(func(tx spool.Tx) error { return tx.RemovePart(c.ID, "z") })
	b.do(func(tx spool.Tx) error { return tx.MoveParts(a.ID, c.ID) })
	b.see(func(r spool.Reader) error {
		left, err := r.Parts(a.ID)
		got, err2 := r.Parts(c.ID)
		if len(left) != 0 || len(got) != 2 || got[0].Name != "z" {
			t.Errorf("after move: %v, %v", left, got)
		}
		return errors.Join(err, err2)
	})

	// Content made by hand, and content that is not what it says.
	made := spool.Content{SHA256: sum([]byte("made")), Size: 4, Inline: []byte("made")}
	b.do(func(tx spool.Tx) error { return tx.AddPart(a.ID, "made", "receipt", made, day) })
	b.stored([]byte("made"))
	for name, c := range map[string]spool.Content{
		"other bytes":    {SHA256: sum([]byte("other")), Size: 4, Inline: []byte("made")},
		"other size":     {SHA256: sum([]byte("made")), Size: 3, Inline: []byte("made")},
		"no bytes":       {SHA256: sum([]byte("gone")), Size: 4},
		"no hash":        {Size: 4, Inline: []byte("made")},
		"upper-case hex": {SHA256: string(bytes.ToUpper([]byte(sum([]byte("made"))))), Size: 4, Inline: []byte("made")},
		"negative size":  {SHA256: sum([]byte("made")), Size: -1},
	} {
		if err := b.Update(b.Context(), func(tx spool.Tx) error { return tx.AddPart(a.ID, "bad", "r", c, day) }); err == nil {
			t.Errorf("content with %s was taken", name)
		}
	}
}

func claimOrder(t *testing.T, b *bench) {
	ids := map[spool.ID]string{}
	var all []spool.Item
	for i, owner := range []string{"a", "a", "a", "b", "a", "c", "b"} {
		it := b.item(owner)
		if i == 5 {
			it.Priority = 9
		}
		ids[it.ID] = fmt.Sprint(i)
		all = append(all, it)
	}
	b.insert(all...)
	n := 0
	claim := spool.Claim{Queue: "in", From: "received", To: "leased", Now: day, TTL: time.Minute, Max: 2, Token: func() string { n++; return fmt.Sprint("t", n) }}
	order := ""
	for {
		var got []spool.Item
		b.do(func(tx spool.Tx) (err error) {
			got, err = tx.Claim(claim)
			return err
		})
		for _, it := range got {
			order += ids[it.ID]
			if it.State != "leased" || it.Attempts != 1 || it.Lease != fmt.Sprint("t", len(order)) || !it.LeaseUntil.Equal(day.Add(time.Minute)) || it.Version != 2 {
				t.Errorf("claimed: %+v", it)
			}
			if stored := b.get(it.ID); !reflect.DeepEqual(stored, it) {
				t.Errorf("stored %+v\nclaimed %+v", stored, it)
			}
		}
		if len(got) == 0 {
			break
		}
	}
	// c with its priority first; then a, whose first item came before b's; from then on
	// whoever was served longer ago, as long as there is something for him.
	if want := "5031624"; order != want {
		t.Errorf("claimed in the order %s, want %s", order, want)
	}
	b.see(func(r spool.Reader) error {
		counts, err := r.Counts("in")
		if counts["leased"] != 7 || counts["received"] != 0 {
			t.Errorf("counts: %v", counts)
		}
		return err
	})
}

// claimAtOnce claims the same work one by one and many at once: in the same order.
func claimAtOnce(t *testing.T, b *bench) {
	random := rand.New(rand.NewPCG(1, 2))
	orders := map[int][]string{1: nil, 3: nil, 100: nil}
	queue := func(most int) spool.Queue { return spool.Queue(fmt.Sprint("by ", most)) }
	names := map[spool.ID]string{}
	for round := range 3 {
		for i := range 40 {
			owner, priority := fmt.Sprint(random.IntN(5)), random.IntN(3)
			for most := range orders {
				it := b.item(owner)
				it.Queue, it.Priority = queue(most), priority
				if i%9 == 0 {
					it.NotBefore = day.Add(time.Duration(round) * time.Hour)
				}
				names[it.ID] = fmt.Sprint(round, "/", i)
				b.insert(it)
			}
		}
		for most := range orders {
			for before := -1; before < len(orders[most]) && len(orders[most]) < 40*round+30; {
				before = len(orders[most])
				b.do(func(tx spool.Tx) error {
					orders[most] = orders[most][:before]
					max := min(most, 40*round+30-before) // some are left for the next round
					got, err := tx.Claim(spool.Claim{Queue: queue(most), From: "received", To: "leased", Now: day.Add(time.Hour), TTL: time.Minute, Max: max, Token: func() string { return "t" }})
					for _, it := range got {
						orders[most] = append(orders[most], names[it.ID])
					}
					return err
				})
			}
		}
	}
	if len(orders[1]) < 100 || !slices.Equal(orders[1], orders[3]) || !slices.Equal(orders[1], orders[100]) {
		t.Errorf("%d claimed one by one, in another order than at once:\n%v\n%v\n%v", len(orders[1]), orders[1], orders[3], orders[100])
	}
}

func claimNotBefore(t *testing.T, b *bench) {
	late, soon := b.item("a"), b.item("b")
	late.NotBefore, soon.NotBefore = day.Add(time.Hour), day.Add(time.Minute)
	b.insert(late, soon)
	claim := func(now time.Time) (ids []spool.ID) {
		b.do(func(tx spool.Tx) error {
			ids = nil
			got, err := tx.Claim(spool.Claim{Queue: "in", From: "received", To: "leased", Now: now, TTL: time.Minute, Max: 9, Token: func() string { return "t" }})
			for _, it := range got {
				ids = append(ids, it.ID)
			}
			return err
		})
		return ids
	}
	if got := claim(day); len(got) != 0 {
		t.Errorf("claimed too early: %v", got)
	}
	if got := claim(day.Add(time.Minute)); !slices.Equal(got, []spool.ID{soon.ID}) {
		t.Errorf("claimed %v, want %v", got, soon.ID)
	}
	// Given back with a delay.
	it := b.get(soon.ID)
	it.State, it.Lease, it.LeaseUntil, it.NotBefore = "received", "", time.Time{}, day.Add(2*time.Hour)
	b.do(func(tx spool.Tx) error { return tx.Put(it) })
	if got := claim(day.Add(time.Hour)); !slices.Equal(got, []spool.ID{late.ID}) {
		t.Errorf("claimed %v, want %v", got, late.ID)
	}
	if got := claim(day.Add(2 * time.Hour)); !slices.Equal(got, []spool.ID{soon.ID}) {
		t.Errorf("claimed %v, want %v", got, soon.ID)
	}
	if got := b.get(soon.ID); got.Attempts != 2 {
		t.Errorf("attempts: %d", got.Attempts)
	}
	if err := b.Update(b.Context(), func(tx spool.Tx) error {
		_, err := tx.Claim(spool.Claim{Queue: "in", From: "received", To: "leased", Now: day, TTL: time.Minute, Max: 1})
		return err
	}); err == nil {
		t.Error("a claim without tokens was taken")
	}
}
