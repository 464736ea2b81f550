package sqlite_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// A reading sees what is committed beside it, and takes nothing from the writer.
func TestReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := sqlite.OpenReading(dir); err == nil {
		t.Fatal("a folder without a store")
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.OpenReading(dir)
	if err != nil {
		t.Fatal(err)
	}
	add := func(id spool.ID) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx spool.Tx) error {
			_, err := tx.Append(spool.Event{ID: id, At: time.Now(), Kind: "test"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(v interface {
		View(context.Context, func(spool.Reader) error) error
	},
	) (n int) {
		t.Helper()
		if err := v.View(t.Context(), func(r spool.Reader) error {
			rows, err := r.Events(0, 0)
			n = len(rows)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add(1)
	if n := count(r); n != 1 {
		t.Errorf("%d rows", n)
	}
	add(2)
	if n := count(r); n != 2 {
		t.Errorf("%d rows", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(r); n != 2 {
		t.Errorf("%d rows after the writer has gone", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.View(t.Context(), func(spool.Reader) error { return nil }); !errors.Is(err, spool.ErrStopped) {
		t.Errorf("after Close: %v", err)
	}
	if s, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if n := count(s); n != 2 {
		t.Errorf("%d rows", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
