package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/postgres/pgtest"
	"github.com/brama-gateway/brama/spool/spooltest"
)

var server *pgtest.Server

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &server)) }

// options are those of a store that nobody has had.
func options(t testing.TB) Options {
	t.Helper()
	pgtest.Need(t, server)
	return Options{URL: server.URL(), Schema: server.Schema(), Unsafe: true}
}

func open(t testing.TB, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ownServer is one that a test may kill.
func ownServer(t *testing.T) *pgtest.Server {
	t.Helper()
	own, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrNone) {
		pgtest.Need(t, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Remove)
	return own
}

func TestConformance(t *testing.T) {
	t.Parallel()
	pgtest.Need(t, server)
	spooltest.Run(t, func(t *testing.T) (spool.Store, func() spool.Store) {
		opt := options(t)
		var last *Store
		again := func() spool.Store {
			if last != nil {
				if err := last.Close(); err != nil {
					t.Error(err)
				}
			}
			var err error
			if last, err = Open(context.Background(), opt); err != nil {
				t.Fatal(err)
			}
			return last
		}
		t.Cleanup(func() { last.Close() })
		return again(), again
	})
}

func TestOneOpener(t *testing.T) {
	t.Parallel()
	opt := options(t)
	spooltest.OneOpener(t, func() (spool.Store, error) {
		s, err := Open(context.Background(), opt)
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// TestFence has a second node take over while the first is in the middle of a
// change: nothing of the first is committed any more, and it is told.
func TestFence(t *testing.T) {
	t.Parallel()
	opt := options(t)
	one := open(t, opt)
	put := func(s *Store, v string) error {
		return s.Update(t.Context(), func(tx spool.Tx) error { return tx.SetValue("b", "k", []byte(v)) })
	}
	if err := put(one, "one"); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), opt); !errors.Is(err, spool.ErrLocked) {
		if err == nil {
			s.Close()
		}
		t.Fatalf("second opener: got %v, want %v", err, spool.ErrLocked)
	}
	begun, release, ended := make(chan bool), make(chan bool), make(chan error)
	go func() {
		first := true
		ended <- one.Update(t.Context(), func(tx spool.Tx) error {
			if err := tx.SetValue("b", "k", []byte("late")); err != nil {
				return err
			}
			if _, err := tx.Value("b", "k"); err != nil {
				return err
			}
			if first {
				first = false
				close(begun)
				<-release
			}
			return nil
		})
	}()
	<-begun
	opt.TakeOver = true
	two := open(t, opt)
	if err := put(two, "two"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-ended; !errors.Is(err, spool.ErrStopped) || !errors.Is(err, spool.ErrFenced) {
		t.Errorf("a change that had begun: %v, want %v", err, spool.ErrFenced)
	}
	if err := put(one, "again"); !errors.Is(err, spool.ErrFenced) {
		t.Errorf("a change of the one that was taken over: %v", err)
	}
	if err := two.View(t.Context(), func(r spool.Reader) error {
		v, err := r.Value("b", "k")
		if string(v) != "two" {
			t.Errorf("got %q", v)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := put(two, "more"); err != nil {
		t.Error(err)
	}
}

// A node that was only asleep, its connection alive, is fenced by the epoch alone.
func TestFenceByEpoch(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	other, err := s.opt.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if _, err := other.exec(`UPDATE fence SET epoch = epoch + 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, spool.ErrStopped) || !errors.Is(err, spool.ErrFenced) {
		t.Errorf("got %v, want %v", err, spool.ErrFenced)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	opt := options(t)
	for name, o := range map[string]Options{
		"no URL":           {},
		"a bad schema":     {URL: opt.URL, Schema: `x"; DROP TABLE item; --`, Unsafe: true},
		"no such server":   {URL: "postgres:///x?host=/nowhere", Unsafe: true},
		"no such database": {URL: opt.URL + "&dbname=none", Unsafe: true},
		"no flush":         {URL: opt.URL, Schema: opt.Schema},
	} {
		if s, err := Open(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("%s: was opened", name)
		}
	}
	s := open(t, opt)
	if err := s.change(t.Context(), func(tx *tx) error {
		_, err := tx.write(1, `UPDATE meta SET value = '99' WHERE key = 'schema_version'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(t.Context(), opt); !errors.Is(err, ErrVersion) {
		t.Errorf("store of a newer release: got %v, want %v", err, ErrVersion)
	}
	if _, err := OpenReading(t.Context(), opt); !errors.Is(err, ErrVersion) {
		t.Errorf("reading of it: got %v, want %v", err, ErrVersion)
	}
}

// TestText refuses what PostgreSQL cannot hold, and the change goes on.
func TestText(t *testing.T) {
	t.Parallel()
	s := open(t, options(t))
	if err := s.Update(t.Context(), func(tx spool.Tx) error {
		for _, bad := range []string{"a\x00b", "\xff"} {
			if err := tx.Insert(spool.Item{ID: 1, Name: bad}); !errors.Is(err, errText) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		return tx.Insert(spool.Item{ID: 1, Name: "Платіж"})
	}); err != nil {
		t.Error(err)
	}
}

// TestServerKilled kills the server with writers at work: what was acknowledged is
// there once, and the store goes on by itself.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	own := ownServer(t)
	s := open(t, Options{URL: own.URL(), Unsafe: true, Patience: 2 * time.Minute})
	stop := make(chan struct{})
	answers := make(chan map[int64]int64)
	const writers = 8
	for w := range writers {
		go func() {
			mine := map[int64]int64{} // number -> seq
			defer func() { answers <- mine }()
			var ids spool.IDs
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				p := make([]byte, 1000)
				if i%5 == 0 {
					p = make([]byte, 300_000)
				}
				p[0], p[1], p[2] = byte(w), byte(i), byte(i>>8)
				d, err := s.NewDraft(t.Context(), 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = d.WriteAt(p, 0)
				var c spool.Content
				if err == nil {
					c, err = d.Finish(t.Context())
				}
				id := ids.New(time.Now()) + spool.ID(w)<<40
				var n, seq int64
				if err == nil {
					err = s.Update(t.Context(), func(tx spool.Tx) (err error) {
						if n, err = tx.Next("n"); err != nil {
							return err
						}
						if seq, err = tx.Append(spool.Event{ID: id, Item: id, At: noon, Kind: "k"}); err != nil {
							return err
						}
						return errors.Join(tx.Insert(spool.Item{ID: id, Queue: "in", State: "received", Size: n}), tx.AddPart(id, "p", "document", c, noon))
					})
				}
				d.Discard()
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				mine[n] = seq
			}
		}()
	}
	for range 3 {
		time.Sleep(500 * time.Millisecond)
		own.Kill()
		if err := own.Again(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	all := map[int64]int64{}
	for range writers {
		for n, seq := range <-answers {
			if all[n] != 0 {
				t.Errorf("number %d was given twice", n)
			}
			all[n] = seq
		}
	}
	if err := s.View(t.Context(), func(r spool.Reader) error {
		items, err := r.Items(spool.Query{Limit: 1 << 20})
		if err != nil {
			return err
		}
		events, err := r.Events(0, 1<<20)
		if err != nil {
			return err
		}
		counts, err := r.Counts("in")
		if len(items) != len(all) || len(events) != len(all) || counts["received"] != int64(len(all)) {
			t.Errorf("%d answers, %d items, %d events, counts %v", len(all), len(items), len(events), counts)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has seq %d", i, e.Seq)
			}
		}
		for _, it := range items {
			if seq := all[it.Size]; seq == 0 || events[seq-1].Item != it.ID {
				t.Errorf("number %d, seq %d: not what was answered", it.Size, seq)
			}
			parts, err := r.Parts(it.ID)
			if err != nil || len(parts) != 1 {
				t.Fatalf("parts of %s: %v, %v", it.ID, parts, err)
			}
			b, err := s.Open(t.Context(), parts[0].Content.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.Copy(h, io.NewSectionReader(b, 0, b.Size())); err != nil || hex.EncodeToString(h.Sum(nil)) != parts[0].Content.SHA256 {
				t.Errorf("content of %s: %v", it.ID, err)
			}
			b.Close()
		}
		t.Logf("%d answered changes over 3 kills of the server", len(all))
		return err
	}); err != nil {
		t.Error(err)
	}
}

// put stores an item with one part and gives the hash of its content.
func put(t *testing.T, s *Store, id spool.ID) (content string) {
	t.Helper()
	d, err := s.NewDraft(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if _, err := d.WriteAt([]byte("content"), 0); err != nil {
		t.Fatal(err)
	}
	c, err := d.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx spool.Tx) error {
		return errors.Join(tx.Insert(spool.Item{ID: id, Queue: "in", State: "received"}), tx.AddPart(id, "p", "document", c, noon))
	}); err != nil {
		t.Fatal(err)
	}
	return c.SHA256
}

// TestReadingAway: a reading that loses the server says that it may be tried again,
// and content is found as soon as the server is back.
func TestReadingAway(t *testing.T) {
	t.Parallel()
	own := ownServer(t)
	s := open(t, Options{URL: own.URL(), Unsafe: true, Patience: 20 * time.Second})
	content := put(t, s, 1)
	err := s.View(t.Context(), func(r spool.Reader) error {
		if _, err := r.Item(1); err != nil {
			t.Fatal(err)
		}
		own.Kill()
		for range 100 { // the connection's backend may outlive the server by a moment
			if _, err := r.Item(1); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
		return nil
	})
	if !errors.Is(err, spool.ErrAway) || errors.Is(err, spool.ErrStopped) {
		t.Errorf("got %v, want %v", err, spool.ErrAway)
	}
	back := make(chan error, 1)
	go func() {
		time.Sleep(300 * time.Millisecond)
		back <- own.Again()
	}()
	b, err := s.Open(t.Context(), content)
	if err != nil {
		t.Error(err)
	} else {
		b.Close()
	}
	if err := <-back; err != nil {
		t.Fatal(err)
	}
}

// TestPatience ends: the store then stops, and the next start goes on.
func TestPatience(t *testing.T) {
	t.Parallel()
	own := ownServer(t)
	opt := Options{URL: own.URL(), Unsafe: true, Patience: 300 * time.Millisecond}
	s := open(t, opt)
	own.Kill()
	// The writer's backend may outlive the server by a moment and still commit.
	err := s.Probe(t.Context())
	for range 20 {
		if errors.Is(err, spool.ErrStopped) {
			break
		}
		err = s.Probe(t.Context())
	}
	if !errors.Is(err, spool.ErrStopped) {
		t.Errorf("got %v, want %v", err, spool.ErrStopped)
	}
	if err := own.Again(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := open(t, opt).Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewEnough(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]bool{"90624": false, "120022": false, "130000": true, "150018": true, "": false, "15.18": false} {
		if newEnough(v) != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
}
