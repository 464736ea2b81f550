package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/migrate"
	"github.com/brama-gateway/brama/spool/postgres"
	"github.com/brama-gateway/brama/spool/postgres/pgtest"
	"github.com/brama-gateway/brama/spool/sqlite"
)

var server *pgtest.Server

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &server)) }

var day = time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)

func embedded(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func database(t *testing.T, schema string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL(), Schema: schema, Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fill puts something into every table, more than a batch of items.
func fill(t *testing.T, s spool.Store) {
	t.Helper()
	var ids spool.IDs
	add := func(n int, p []byte) {
		d, err := s.NewDraft(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Discard()
		if _, err := d.WriteAt(p, 0); err != nil {
			t.Fatal(err)
		}
		c, err := d.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id := ids.New(day)
		it := spool.Item{ID: id, Queue: "in", Owner: fmt.Sprint("o", n%7), State: "accepted", Name: fmt.Sprint("Платіж", n), Received: day, Priority: n % 3}
		if n%4 == 0 {
			it.Note, it.NotBefore = []byte(`{"n":1}`), day.Add(time.Hour)
		}
		if err := s.Update(t.Context(), func(tx spool.Tx) error {
			_, err1 := tx.Append(spool.Event{ID: id, Item: id, At: day, Kind: "received", Record: []byte(fmt.Sprint(n))})
			_, err2 := tx.See(spool.Key{byte(n), byte(n >> 8), 1}, id)
			_, err3 := tx.Next("submission")
			return errors.Join(err1, err2, err3, tx.Insert(it), tx.AddPart(id, "z", "document", c, day), tx.AddPart(id, "a", "copy", c, day),
				tx.PutPost(spool.Post{Owner: it.Owner, Box: "receipts", Name: it.Name, Item: id, Part: "z", Size: c.Size, At: day}),
				tx.SetValue("b", it.Name, []byte{}))
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 600 {
		add(n, []byte(fmt.Sprint("small ", n)))
	}
	add(600, []byte(strings.Repeat("large content ", 50_000)))
	for name, p := range map[string]string{"small": "kept", "large": strings.Repeat("kept ", 30_000)} {
		d, err := s.NewDraft(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt([]byte(p), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt([]byte(p), int64(len(p)+1000)); err != nil { // a hole
			t.Fatal(err)
		}
		if err := d.Keep(t.Context(), "o1", name, day); err != nil {
			t.Fatal(err)
		}
		d.Discard()
	}
	if err := s.Update(t.Context(), func(tx spool.Tx) error {
		_, err := tx.Claim(spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: day, TTL: time.Minute, Max: 5, Token: func() string { return "t" }})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// claims takes everything there is to take and says in which order.
func claims(t *testing.T, s spool.Store) (order []spool.ID) {
	t.Helper()
	for {
		n := len(order)
		if err := s.Update(context.Background(), func(tx spool.Tx) error {
			order = order[:n]
			got, err := tx.Claim(spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: day, TTL: time.Minute, Max: 50, Token: func() string { return "t" }})
			for _, it := range got {
				order = append(order, it.ID)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(order) == n {
			return order
		}
	}
}

// unended is a target that fails at the last step of a migration.
type unended struct{ migrate.Side }

var errEnd = errors.New("ended")

func (u unended) Mark(ctx context.Context, name, word string) error {
	if word == "" {
		return errEnd
	}
	return u.Side.Mark(ctx, name, word)
}

// TestThereAndBack moves a store to PostgreSQL, interrupted twice, and back again.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	pgtest.Need(t, server)
	dir := t.TempDir()
	source := embedded(t, filepath.Join(dir, "one"))
	fill(t, source)
	schema := server.Schema()
	target := database(t, schema)
	stopped := errors.New("stopped")
	for _, at := range []string{"content", "event"} {
		if _, err := migrate.Run(t.Context(), source, target, func(table string) error {
			if table == at {
				return stopped
			}
			return nil
		}); !errors.Is(err, stopped) {
			t.Fatalf("interrupted: %v", err)
		}
		if err := migrate.Usable(t.Context(), target); !errors.Is(err, migrate.ErrUnfinished) {
			t.Errorf("half of a store may be used: %v", err)
		}
		if err := migrate.Usable(t.Context(), source); err != nil {
			t.Errorf("the source of an unfinished run: %v", err)
		}
		target.Close()
		target = database(t, schema) // a new run of the program
	}
	if _, err := migrate.Run(t.Context(), source, unended{target}, nil); !errors.Is(err, errEnd) {
		t.Fatalf("ended before its last step: %v", err)
	}
	for name, s := range map[string]migrate.Marks{"source": source, "target": target} {
		if migrate.Usable(t.Context(), s) == nil {
			t.Errorf("%s: in use before the last step", name)
		}
	}
	rep, err := migrate.Run(t.Context(), source, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate.Usable(t.Context(), target); err != nil {
		t.Errorf("the target: %v", err)
	}
	if err := migrate.Usable(t.Context(), source); !errors.Is(err, migrate.ErrMoved) {
		t.Errorf("the source: %v", err)
	}
	if !rep.Resumed || rep.Contents != 601 || rep.Tables[0].Rows != 601 {
		t.Errorf("report: %+v", rep)
	}
	if problems, err := target.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %v, %v", problems, err)
	}
	if _, err := migrate.Run(t.Context(), source, target, nil); !errors.Is(err, migrate.ErrMoved) {
		t.Errorf("once more: %v", err)
	}
	if err := errors.Join(migrate.Reopen(t.Context(), source), migrate.Usable(t.Context(), source)); err != nil {
		t.Errorf("the way back: %v", err)
	}
	if _, err := migrate.Run(t.Context(), source, target, nil); !errors.Is(err, migrate.ErrNotEmpty) {
		t.Errorf("into what is full: %v", err)
	}
	target.Close()
	target = database(t, schema)

	back := embedded(t, filepath.Join(dir, "two"))
	again, err := migrate.Run(t.Context(), target, back, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, table := range rep.Tables {
		if table != again.Tables[i] {
			t.Errorf("there %+v, back %+v", table, again.Tables[i])
		}
	}
	back.Close()
	back = embedded(t, filepath.Join(dir, "two"))
	if problems, err := back.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %v, %v", problems, err)
	}
	// All three go on alike: the line of claims, the history, the counters.
	want := fmt.Sprint(claims(t, source))
	for name, s := range map[string]spool.Store{"PostgreSQL": target, "back": back} {
		if got := fmt.Sprint(claims(t, s)); got != want {
			t.Errorf("%s claims in another order", name)
		}
		if err := s.Update(t.Context(), func(tx spool.Tx) error {
			seq, err1 := tx.Append(spool.Event{ID: 1, At: day, Kind: "k"})
			n, err2 := tx.Next("submission")
			if seq != 602 || n != 602 {
				t.Errorf("%s goes on with event %d, number %d", name, seq, n)
			}
			return errors.Join(err1, err2)
		}); err != nil {
			t.Error(err)
		}
	}
}

// TestRefuses a target with something in it, one that an unfinished run has left
// from another state of the source, and a target as the source.
func TestRefuses(t *testing.T) {
	t.Parallel()
	pgtest.Need(t, server)
	source := embedded(t, t.TempDir())
	put := func(s spool.Store, key string) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx spool.Tx) error { return tx.SetValue("b", key, []byte("v")) }); err != nil {
			t.Fatal(err)
		}
	}
	put(source, "one")
	full := database(t, server.Schema())
	put(full, "other")
	if _, err := migrate.Run(t.Context(), source, full, nil); !errors.Is(err, migrate.ErrNotEmpty) {
		t.Errorf("a full target: %v", err)
	}
	half := database(t, server.Schema())
	stopped := errors.New("stopped")
	if _, err := migrate.Run(t.Context(), source, half, func(string) error { return stopped }); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if _, err := migrate.Run(t.Context(), half, embedded(t, t.TempDir()), nil); err == nil {
		t.Error("an unfinished target was taken for a source")
	}
	put(source, "two")
	if _, err := migrate.Run(t.Context(), source, half, nil); !errors.Is(err, migrate.ErrNotEmpty) {
		t.Errorf("another state of the source: %v", err)
	}
}
