package sqlite

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// TestReleased opens the data of every released schema (testdata/vN/store.tar.gz)
// with today's code and reads the same out of it as the release did (want.txt).
// BRAMA_RELEASE=1 writes both for today's version, if they are not there.
func TestReleased(t *testing.T) {
	t.Parallel()
	if os.Getenv("BRAMA_RELEASE") != "" {
		release(t)
	}
	for version := 1; version <= len(migrations); version++ {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join("testdata", fmt.Sprint("v", version))
			want, err := os.ReadFile(filepath.Join(folder, "want.txt"))
			if err != nil {
				t.Fatalf("every released version has its data here (BRAMA_RELEASE=1 makes it): %v", err)
			}
			dir := t.TempDir()
			unpack(t, filepath.Join(folder, "store.tar.gz"), dir)
			s := open(t, Options{Dir: dir})
			if got := dump(t, s); got != string(want) {
				t.Errorf("reads\n%s\nand the release read\n%s", got, want)
			}
			var out []spool.Item
			err = s.Update(t.Context(), func(tx spool.Tx) error {
				var err error
				out, err = tx.Claim(spool.Claim{Queue: "in", From: "accepted", To: "leased", Now: noon.Add(48 * time.Hour), TTL: time.Minute, Max: 100, Token: func() string { return "t" }})
				_, err2 := tx.See(spool.Key{99}, 7)
				return errors.Join(err, err2, tx.Put(spool.Item{ID: 6, Queue: "in", Owner: "b", State: "processed", Version: 1}), tx.Delete(8))
			})
			var order []spool.ID
			for _, it := range out {
				order = append(order, it.ID)
			}
			// By priority, then in turns, each client's in their order.
			if err != nil || fmt.Sprint(order) != fmt.Sprint([]spool.ID{11, 2, 1, 4, 3}) {
				t.Errorf("claimed %v, %v", order, err)
			}
			if problems, err := s.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
				t.Errorf("integrity: %q, %v", problems, err)
			}
		})
	}
}

// release writes a store that has something of everything.
func release(t *testing.T) {
	folder := filepath.Join("testdata", fmt.Sprint("v", len(migrations)))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "want.txt")); err == nil {
		t.Logf("%s is there already", folder)
		return
	}
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	ctx := t.Context()
	draft := func(p []byte) spool.Draft {
		d, err := s.NewDraft(ctx, 1<<20)
		if err == nil {
			_, err = d.WriteAt(p, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	finish := func(d spool.Draft) spool.Content {
		c, err := d.Finish(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	large := draft(bytes.Repeat([]byte("large "), 20_000))
	defer large.Discard()
	document := finish(large)
	signature := finish(draft([]byte("small")))
	for name, size := range map[string]int{"small.part": 1000, "large.part": 90_000} {
		if err := draft(bytes.Repeat([]byte("k"), size)).Keep(ctx, "a", name, noon); err != nil {
			t.Fatal(err)
		}
	}
	states := []spool.State{"accepted", "accepted", "accepted", "accepted", "processed", "accepted", "leased", "rejected", "received", "held", "accepted"}
	err := s.Update(ctx, func(tx spool.Tx) error {
		var errs []error
		for i, state := range states {
			id := spool.ID(i + 1)
			it := spool.Item{
				ID: id, Queue: "in", Owner: []string{"a", "b"}[i%2], State: state, Name: fmt.Sprintf("P%d.DBF", i), Label: fmt.Sprintf("P%d.DBF.2", i),
				Kind: "order", Number: fmt.Sprint(i), Date: "2026-02-03", SHA256: document.SHA256, Size: document.Size,
				Received: noon.Add(time.Duration(i) * time.Hour), Note: []byte(`{"n":1}`),
			}
			switch id {
			case 4:
				it.NotBefore = noon.Add(time.Hour)
			case 6:
				it.NotBefore = noon.Add(1000 * time.Hour)
			case 7:
				it.Lease, it.LeaseUntil, it.Attempts = "token", noon.Add(time.Minute), 2
			case 10:
				it.Deadline = noon.Add(24 * time.Hour)
			case 11:
				it.Priority = 5
			}
			errs = append(errs, tx.Insert(it))
			_, err := tx.See(spool.Key{byte(id)}, id)
			_, err2 := tx.See(spool.Key{byte(id), 1}, id)
			_, err3 := tx.Append(spool.Event{ID: id, Item: id, At: noon, Kind: "received", Record: []byte("{}")})
			errs = append(errs, err, err2, err3,
				tx.AddPart(id, "z document", "document", document, noon), tx.AddPart(id, "a signature", "signature", signature, noon),
				tx.PutPost(spool.Post{Owner: it.Owner, Box: "receipts", Name: it.Name, Item: id, Part: "a signature", Size: 5, At: noon}))
		}
		_, err := tx.Append(spool.Event{ID: 100, At: noon, Kind: "day closed"})
		_, err2 := tx.Next("number")
		n, err3 := tx.Next("number")
		return errors.Join(append(errs, err, err2, err3, tx.SetValue("client", "a", fmt.Append(nil, n)), tx.SetValue("client", "empty", []byte{}))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pack(t, dir, filepath.Join(folder, "store.tar.gz"))
	if err := os.WriteFile(filepath.Join(folder, "want.txt"), []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dump is all that a store holds, in words.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	say := func(v any, err error) {
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&b, "%+v\n", v)
	}
	err := s.View(t.Context(), func(r spool.Reader) error {
		say(r.Counts("in"))
		items, err := r.Items(spool.Query{})
		for _, it := range items {
			say(it, nil)
			parts, err := r.Parts(it.ID)
			for _, p := range parts {
				blob, err := s.Open(context.Background(), p.Content.SHA256)
				if err != nil {
					return err
				}
				bytes, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
				blob.Close()
				say(fmt.Sprintf("%+v has the hash: %v", p, hexSum(bytes) == p.Content.SHA256), err)
			}
			say(r.History(it.ID))
			for _, key := range []spool.Key{{byte(it.ID)}, {byte(it.ID), 1}} {
				id, _, err2 := r.Seen(key)
				say(id, errors.Join(err, err2))
			}
			for _, q := range []spool.Query{{Owner: it.Owner, Name: it.Name}, {Owner: it.Owner, Label: it.Label}, {Lease: it.Lease, States: []spool.State{"leased"}}, {DueBefore: noon.AddDate(1, 0, 0)}, {Owner: it.Owner, From: it.Received, Limit: 2}} {
				found, err := r.Items(q)
				var ids []spool.ID
				for _, f := range found {
					ids = append(ids, f.ID)
				}
				say(ids, err)
			}
		}
		say(r.Events(0, 0))
		say(r.Posts(spool.PostQuery{}))
		values, err2 := r.Values("client")
		for _, key := range slices.Sorted(func(yield func(string) bool) {
			for k := range values {
				if !yield(k) {
					return
				}
			}
		}) {
			say(fmt.Sprintf("%s: %q", key, values[key]), nil)
		}
		say(r.Kept(""))
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
	return b.String()
}

func pack(t *testing.T, dir, file string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		p, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: rel, Mode: 0o600, Size: int64(len(p))}); err != nil {
			return err
		}
		_, err = w.Write(p)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close(), os.WriteFile(file, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, h.Name)
		p, err := io.ReadAll(r)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, p, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}
