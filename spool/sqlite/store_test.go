package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/spooltest"
)

func open(t testing.TB, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, func(t *testing.T) (spool.Store, func() spool.Store) {
		dir := filepath.Join(t.TempDir(), "a folder?of 100%")
		var last *Store
		again := func() spool.Store {
			if last != nil {
				if err := last.Close(); err != nil {
					t.Error(err)
				}
			}
			var err error
			if last, err = Open(context.Background(), Options{Dir: dir}); err != nil {
				t.Fatal(err)
			}
			return last
		}
		t.Cleanup(func() {
			if problems, err := last.Integrity(context.Background(), true); len(problems) > 0 || err != nil && !errors.Is(err, spool.ErrStopped) {
				t.Errorf("integrity: %q, %v", problems, err)
			}
			last.Close()
		})
		return again(), again
	})
}

func hexSum(p []byte) string {
	s := sha256.Sum256(p)
	return hex.EncodeToString(s[:])
}

func TestOneOpener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spooltest.OneOpener(t, func() (spool.Store, error) {
		s, err := Open(context.Background(), Options{Dir: dir})
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, opt := range []Options{{}, {Dir: t.TempDir(), InlineMax: -1}, {Dir: t.TempDir(), InlineMax: 2 << 20}, {Dir: t.TempDir(), FloorBytes: -1}} {
		if s, err := Open(t.Context(), opt); err == nil {
			s.Close()
			t.Errorf("%+v was taken", opt)
		}
	}
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if err := s.change(t.Context(), func(tx *tx) error {
		_, err := tx.exec(`UPDATE meta SET value = ? WHERE key = 'schema_version'`, len(migrations)+1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrVersion) {
		t.Errorf("store of a newer release: got %v, want %v", err, ErrVersion)
	}
	// A refused store is not locked.
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrVersion) {
		t.Errorf("second try: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spool.db"), bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil {
		t.Error("a file that is no database was opened")
	}
}

// TestFloor lets the disk fill up: new work is refused, what is there goes on.
func TestFloor(t *testing.T) {
	t.Parallel()
	var left atomic.Int64
	left.Store(100 << 20)
	s := open(t, Options{Dir: t.TempDir(), FloorBytes: 10 << 20, Free: func(string) (int64, error) { return left.Load(), nil }})
	ctx := t.Context()
	it := spool.Item{ID: 1, Queue: "in", State: "received"}
	if err := s.Update(ctx, func(tx spool.Tx) error { return tx.Insert(it) }); err != nil {
		t.Fatal(err)
	}
	d, err := s.NewDraft(ctx, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if _, err := d.WriteAt(make([]byte, 2<<20), 0); err != nil {
		t.Fatal(err)
	}
	left.Store(10<<20 - 1)
	_, err1 := s.NewDraft(ctx, 10)
	_, err2 := d.WriteAt(make([]byte, 4<<20), 2<<20)
	err3 := s.Update(ctx, func(tx spool.Tx) error { return tx.Insert(spool.Item{ID: 2}) })
	for what, err := range map[string]error{"draft": err1, "large write": err2, "insert": err3, "probe": s.Probe(ctx)} {
		if !errors.Is(err, spool.ErrFull) {
			t.Errorf("%s below the floor: got %v, want %v", what, err, spool.ErrFull)
		}
	}
	urgent, err := s.NewDraft(spool.Urgent(ctx), 4<<20)
	if err != nil {
		t.Fatalf("urgent draft below the floor: %v", err)
	}
	defer urgent.Discard()
	if _, err := urgent.WriteAt(make([]byte, 3<<20), 0); err != nil {
		t.Errorf("urgent write below the floor: %v", err)
	}
	if err := s.Update(spool.Urgent(ctx), func(tx spool.Tx) error { return tx.Insert(spool.Item{ID: 4, Queue: "out", State: "available"}) }); err != nil {
		t.Errorf("urgent insert below the floor: %v", err)
	}
	it.State, it.Version = "accepted", 1
	if err := s.Update(ctx, func(tx spool.Tx) error {
		_, err := tx.Append(spool.Event{ID: 3, Item: 1, Kind: "k"})
		return errors.Join(err, tx.Put(it), tx.SetValue("b", "k", []byte("v")))
	}); err != nil {
		t.Errorf("change to what is there: %v", err)
	}
	left.Store(100 << 20)
	if _, err := d.WriteAt(make([]byte, 4<<20), 2<<20); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if _, err := d.Finish(ctx); err != nil {
		t.Error(err)
	}
}

// TestDiskFull fills a real, small file system, if there is one in SPOOL_SMALL_DISK.
func TestDiskFull(t *testing.T) {
	dir := os.Getenv("SPOOL_SMALL_DISK")
	if dir == "" {
		t.Skip("SPOOL_SMALL_DISK names no small file system")
	}
	dir = filepath.Join(dir, "spool")
	defer os.RemoveAll(dir)
	s := open(t, Options{Dir: dir})
	refused := 0
	taken := map[int][]byte{}
	for i := 1; refused < 20 && i < 100_000; i++ {
		p := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 300*(i%400))
		d, err := s.NewDraft(t.Context(), 1<<20)
		if err == nil {
			_, err = d.WriteAt(p, 0)
		}
		var c spool.Content
		if err == nil {
			c, err = d.Finish(t.Context())
		}
		if err == nil {
			err = s.Update(t.Context(), func(tx spool.Tx) error {
				return errors.Join(tx.Insert(spool.Item{ID: spool.ID(i)}), tx.AddPart(spool.ID(i), "p", "document", c, noon))
			})
		}
		d.Discard()
		switch {
		case err == nil:
			taken[i] = p
		case errors.Is(err, spool.ErrFull):
			refused++
		default:
			t.Fatalf("item %d of %d bytes: %v", i, len(p), err)
		}
	}
	t.Logf("%d taken, %d refused", len(taken), refused)
	s.Close()
	s = open(t, Options{Dir: dir})
	for i, p := range taken {
		b, err := s.Open(t.Context(), hexSum(p))
		if err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		b.Close()
	}
	if problems, err := s.Integrity(t.Context(), true); err != nil || len(problems) > 0 {
		t.Errorf("integrity: %q, %v", problems, err)
	}
}

// TestUnkeptFilesGo looks at the folder itself.
func TestUnkeptFilesGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	count := func() int {
		e, err := os.ReadDir(filepath.Join(dir, "drafts"))
		if err != nil {
			t.Fatal(err)
		}
		return len(e)
	}
	s := open(t, Options{Dir: dir})
	ctx := t.Context()
	write := func() spool.Draft {
		d, err := s.NewDraft(ctx, 1<<20)
		if err == nil {
			_, err = d.WriteAt(body(1), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	write().Discard()
	if n := count(); n != 0 {
		t.Errorf("%d files after discard", n)
	}
	write() // left
	kept := write()
	if err := kept.Keep(ctx, "o", "n", noon); err != nil {
		t.Fatal(err)
	}
	kept.Discard()
	if n := count(); n != 2 {
		t.Errorf("%d files, want one kept and one in work", n)
	}
	s.Close()
	s = open(t, Options{Dir: dir})
	if n := count(); n != 1 {
		t.Errorf("%d files after the restart, want the kept one", n)
	}
	if err := s.Update(ctx, func(tx spool.Tx) error { return tx.Unkeep("o", "n") }); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d files after unkeep", n)
	}
}

// TestIntegrity damages a store and expects to be told.
func TestIntegrity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	for _, o := range ops()[:2] {
		if err := o.do(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	look := func(deep bool, want int) {
		t.Helper()
		if problems, err := s.Integrity(t.Context(), deep); err != nil || len(problems) != want {
			t.Errorf("deep %v: %q, %v, want %d problems", deep, problems, err, want)
		}
	}
	look(true, 0)
	bad := body(1)
	bad[5] ^= 1
	if err := os.WriteFile(s.files.path(hexSum(body(1))), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	look(false, 0)
	look(true, 1)
	if err := os.Truncate(s.files.path(hexSum(body(1))), 7); err != nil {
		t.Fatal(err)
	}
	look(false, 1)
	os.Remove(s.files.path(hexSum(body(2))))
	look(false, 2)
	if err := s.change(t.Context(), func(tx *tx) error {
		_, err := tx.exec(`UPDATE tally SET n = n + 1`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	look(false, 3)
}

// TestIntegrityOfIndexes: rows that an index has lost are damage, though every page
// holds: whoever looks up by it does not see them.
func TestIntegrityOfIndexes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if err := ops()[0].do(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := dial(filepath.Join(dir, Database), carrier)
	if err != nil {
		t.Fatal(err)
	}
	// The index of no row at all says of itself that it has every one.
	err = c.conn.Script(`DROP INDEX item_received; CREATE INDEX item_received ON item (received) WHERE received IS NULL;
		PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'CREATE INDEX item_received ON item (received)' WHERE name = 'item_received'`)
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	problems, err := open(t, Options{Dir: dir}).Integrity(t.Context(), false)
	if err != nil || len(problems) == 0 || problems[0].Sort != spool.DatabaseDamaged {
		t.Errorf("%q, %v, want %s", problems, err, spool.DatabaseDamaged)
	}
}

// TestGone ends the writer's goroutine from inside a change.
func TestGone(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Dir: t.TempDir()})
	if err := s.Update(t.Context(), func(spool.Tx) error { runtime.Goexit(); return nil }); !errors.Is(err, spool.ErrStopped) {
		t.Errorf("got %v", err)
	}
	if err := s.Update(t.Context(), func(spool.Tx) error { return nil }); !errors.Is(err, spool.ErrStopped) {
		t.Errorf("afterwards: %v", err)
	}
}

// A View that never began holds nobody up.
func TestCloseAfterEndedContext(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.View(ctx, func(spool.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for a View that never began")
	}
}
