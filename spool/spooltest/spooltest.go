// Package spooltest is what every engine of package spool must pass.
package spooltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// An Opener makes an empty store, and a function that closes it and opens it
// again, as a restart does. The test closes neither.
type Opener func(t *testing.T) (store spool.Store, reopen func() spool.Store)

// Run runs the suite. Each test has a store of its own.
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"items", items},
		{"item errors", itemErrors},
		{"items changed within a change", itemsChanged},
		{"queries", queries},
		{"parts", parts},
		{"content", content},
		{"events", events},
		{"keys", keys},
		{"posts", posts},
		{"values", values},
		{"counters", counters},
		{"claim order", claimOrder},
		{"claims at once", claimAtOnce},
		{"claim not before", claimNotBefore},
		{"claim by many", claimByMany},
		{"transactions", transactions},
		{"snapshot", snapshot},
		{"drafts", drafts},
		{"draft against a slice", draftModel},
		{"kept drafts", keptDrafts},
		{"sweep", sweep},
		{"sweep among writers", sweepAmongWriters},
		{"many producers", manyProducers},
		{"restart", restart},
		{"closed", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, reopen := open(t)
			c.test(t, &bench{T: t, Store: store, reopen: reopen})
		})
	}
}

var day = time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)

// A bench is a store under test with short words for what tests do most.
type bench struct {
	*testing.T
	spool.Store
	reopen func() spool.Store
	ids    spool.IDs
}

func (b *bench) Context() context.Context { return b.T.Context() }

// id makes a new id.
func (b *bench) id() spool.ID { return b.ids.New(day) }

func (b *bench) item(owner string) spool.Item {
	return spool.Item{ID: b.id(), Queue: "in", Owner: owner, State: "received", Name: "P1.DBF", Received: day}
}

// do expects a change to succeed.
func (b *bench) do(change func(spool.Tx) error) {
	b.Helper()
	if err := b.Update(b.Context(), change); err != nil {
		b.Fatalf("update: %v", err)
	}
}

// refuse expects a change to fail with an error.
func (b *bench) refuse(want error, change func(spool.Tx) error) {
	b.Helper()
	if err := b.Update(b.Context(), change); !errors.Is(err, want) || err == nil {
		b.Errorf("update: got %v, want %v", err, want)
	}
}

// see reads.
func (b *bench) see(read func(spool.Reader) error) {
	b.Helper()
	if err := b.View(b.Context(), read); err != nil {
		b.Fatalf("view: %v", err)
	}
}

func (b *bench) insert(items ...spool.Item) {
	b.Helper()
	b.do(func(tx spool.Tx) error {
		for _, it := range items {
			if err := tx.Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) get(id spool.ID) (it spool.Item) {
	b.Helper()
	b.see(func(r spool.Reader) (err error) {
		it, err = r.Item(id)
		return err
	})
	return it
}

// draft writes bytes into a new draft.
func (b *bench) draft(p []byte) spool.Draft {
	b.Helper()
	d, err := b.NewDraft(b.Context(), 64<<20)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := d.WriteAt(p, 0); err != nil {
		b.Fatal(err)
	}
	return d
}

func (b *bench) finish(d spool.Draft) spool.Content {
	b.Helper()
	c, err := d.Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// stored expects content to be readable.
func (b *bench) stored(want []byte) {
	b.Helper()
	blob, err := b.Open(b.Context(), sum(want))
	if err != nil {
		b.Errorf("content of %d bytes: %v", len(want), err)
		return
	}
	defer blob.Close()
	got, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	if err != nil || !bytes.Equal(got, want) || blob.Size() != int64(len(want)) {
		b.Errorf("content of %d bytes: got %d bytes, size %d, %v", len(want), len(got), blob.Size(), err)
	}
}

func (b *bench) absent(p []byte) {
	b.Helper()
	blob, err := b.Open(b.Context(), sum(p))
	if err == nil {
		blob.Close()
	}
	if !errors.Is(err, spool.ErrNotFound) {
		b.Errorf("content of %d bytes: got %v, want %v", len(p), err, spool.ErrNotFound)
	}
}

func sum(p []byte) string {
	s := sha256.Sum256(p)
	return hex.EncodeToString(s[:])
}

// small and large are contents that an engine is likely to keep in different places.
func small(word string) []byte { return []byte("small " + word) }
func large(word string) []byte { return []byte(strings.Repeat("large "+word+" ", 12_000)) }
