package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/spooltest"
)

// A bulk is a store that is filled before it is opened: by the functions that changes
// call, so with every row, index, key, count and content, but in one transaction
// without a WAL, which nothing protects. What goes to places that have no order in time
// is sorted within a change, so that the pages of neighbours are at hand.
type bulk struct {
	spool.Store // what a bulk has not
	s           *Store
}

// fillNew fills a new store in a folder with documents in a state.
func fillNew(t testing.TB, load *spooltest.Load, dir string, n int, state spool.State) {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s = &Store{opt: Options{Dir: dir, InlineMax: DefaultInlineMax}}
	s.files = newFiles(s)
	if s.write, err = dial(s.database(), carrier); err != nil {
		t.Fatal(err)
	}
	// Not closed before the process ends: to give back the pages of its cache one by
	// one takes a fifth of the time.
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(s.write.conn.Script(`PRAGMA journal_mode = delete; PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA foreign_keys = off; PRAGMA cache_size = -3000000`))
	do(s.remember())
	do(s.write.conn.Script(`BEGIN IMMEDIATE`))
	load.Store = bulk{s: s}
	do(load.Fill(t.Context(), n, max(1000, min(n/10, 250_000)), state))
	do(s.writeTally())
	do(s.write.conn.Script(`COMMIT`))
	// Or else the first checkpoints of the measured store would flush all of it.
	file, err := os.Open(s.database())
	do(err)
	do(file.Sync())
	do(file.Close())
}

func (b bulk) Update(_ context.Context, change func(spool.Tx) error) error {
	x := &sorted{tx: &tx{reader: reader{s: b.s.write}, store: b.s, fresh: true}}
	if err := change(x); err != nil {
		return err
	}
	if err := x.write(); err != nil {
		return err
	}
	b.s.pending.add(x.tally)
	return nil
}

type sorted struct {
	*tx
	parts []spool.Part
	keys  []keyOf
}

type keyOf struct {
	key spool.Key
	id  spool.ID
}

func (x *sorted) AddPart(id spool.ID, name string, role spool.Role, c spool.Content, at time.Time) error {
	x.parts = append(x.parts, spool.Part{Item: id, Name: name, Role: role, Content: c, Added: at})
	return nil
}

func (x *sorted) See(key spool.Key, id spool.ID) (spool.ID, error) {
	x.keys = append(x.keys, keyOf{key, id})
	return id, nil
}

func (x *sorted) write() error {
	slices.SortFunc(x.parts, func(a, b spool.Part) int { return cmp.Compare(a.Content.SHA256, b.Content.SHA256) })
	for _, p := range x.parts {
		if err := x.tx.AddPart(p.Item, p.Name, p.Role, p.Content, p.Added); err != nil {
			return err
		}
	}
	slices.SortFunc(x.keys, func(a, b keyOf) int { return bytes.Compare(a.key[:], b.key[:]) })
	for _, k := range x.keys {
		if _, err := x.tx.See(k.key, k.id); err != nil {
			return err
		}
	}
	return nil
}

// TestFillNew holds that what measurements are made beside is a store like any other.
func TestFillNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 3000
	load := &spooltest.Load{Clients: 50, Size: 512}
	fillNew(t, load, dir, n, "processed")
	s := open(t, Options{Dir: dir})
	load.Store = s
	for range 20 {
		if err := load.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := load.Process(t.Context(), 64); got != 20 || err != nil {
		t.Errorf("processed %d, %v", got, err)
	}
	var some []uint64
	for i := uint64(1); i <= n+20; i += 7 {
		some = append(some, i)
	}
	if err := load.Seen(t.Context(), some); err != nil {
		t.Error(err)
	}
	err := s.View(t.Context(), func(r spool.Reader) error {
		counts, err := r.Counts("in")
		if counts["processed"] != n+20 {
			t.Errorf("counts %v", counts)
		}
		events, err2 := r.Events(n, 1)
		if len(events) != 1 || err2 != nil {
			t.Errorf("%d events, %v", len(events), err2)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if problems, err := s.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %q, %v", problems, err)
	}
}
