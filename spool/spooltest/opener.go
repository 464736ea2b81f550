package spooltest

import (
	"errors"
	"testing"

	"github.com/brama-gateway/brama/spool"
)

// OneOpener holds an engine to what package spool says of openers. open opens one
// and the same store, which is empty at first.
func OneOpener(t *testing.T, open func() (spool.Store, error)) {
	must := func() *bench {
		t.Helper()
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return &bench{T: t, Store: s}
	}
	note := func(b *bench, want int64) {
		t.Helper()
		b.do(func(tx spool.Tx) error {
			seq, err := tx.Append(spool.Event{ID: spool.ID(want), At: day, Kind: "k"})
			if seq != want {
				t.Errorf("seq %d, want %d", seq, want)
			}
			return err
		})
	}
	first := must()
	note(first, 1)
	if s, err := open(); !errors.Is(err, spool.ErrLocked) {
		if err == nil {
			s.Close()
		}
		t.Fatalf("second opener: got %v, want %v", err, spool.ErrLocked)
	}
	note(first, 2) // the one who has it is not disturbed
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second := must()
	note(second, 3)
	first.refuse(spool.ErrStopped, func(tx spool.Tx) error { return tx.SetValue("b", "k", []byte("v")) })
	note(second, 4)
}
