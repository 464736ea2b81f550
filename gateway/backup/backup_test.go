package backup_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/backup"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// site is a gateway with a journal, and a repository.
type site struct {
	*gatewaytest.Rig
	state, repo string
	j           *journal.Journal
}

func newSite(t *testing.T) *site {
	t.Parallel()
	s := &site{repo: filepath.Join(t.TempDir(), "repo")}
	s.Rig = gatewaytest.New(t, gatewaytest.Setup{Store: func(o *sqlite.Options) { s.state = o.Dir }})
	var err error
	s.j, err = journal.Open(journal.Options{
		Dir: journal.Folder(s.state), Store: s.Store, Publisher: s.Gateway, Now: s.Clock.Now, Rand: rand.Reader, Log: zap.NewNop(),
	})
	s.ok(err)
	t.Cleanup(func() { s.j.Close() })
	return s
}

func (s *site) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) take(at time.Time) (*backup.Repository, *backup.Copy, int64) {
	s.Helper()
	r, err := backup.Make(s.repo)
	s.ok(err)
	c, written, err := r.Take(s.Ctx(), s.state, at)
	s.ok(err)
	return r, c, written
}

// whole proves a restored state folder: the store and the journal are clean.
func (s *site) whole(state string) *journal.Report {
	s.Helper()
	store, err := sqlite.OpenReading(state)
	s.ok(err)
	defer store.Close()
	problems, err := store.Integrity(s.Ctx(), true)
	s.ok(err)
	for _, p := range problems {
		s.Errorf("restored: %s", p)
	}
	public, err := journal.PublicKey(journal.Folder(state))
	s.ok(err)
	key, err := journal.ParseKey(public)
	s.ok(err)
	rep, err := journal.Verify(s.Ctx(), journal.Folder(state), store, key)
	s.ok(err)
	for _, f := range rep.Findings {
		s.Errorf("restored: %+v", f)
	}
	return rep
}

var start = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// A copy has what was there, also large content and unfinished uploads; a second
// one costs only what is new; each is restored as of its time.
func TestCopies(t *testing.T) {
	s := newSite(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // larger than what lies inline
	put := func(id spool.ID, content []byte) {
		t.Helper()
		d, err := s.Store.NewDraft(s.Ctx(), 1<<20)
		s.ok(err)
		defer d.Discard()
		_, err = d.WriteAt(content, 0)
		s.ok(err)
		c, err := d.Finish(s.Ctx())
		s.ok(err)
		s.ok(s.Store.Update(s.Ctx(), func(tx spool.Tx) error {
			if err := tx.Insert(spool.Item{ID: id, Queue: "statement", State: "available", Owner: "c"}); err != nil {
				return err
			}
			if _, err := tx.Append(spool.Event{ID: id, Item: id, At: start, Kind: "released", Record: []byte(`{"to":"available"}`)}); err != nil {
				return err
			}
			return tx.AddPart(id, "p", "r", c, start)
		}))
	}
	put(1, large)
	put(2, []byte("small"))
	kept, err := s.Store.NewDraft(s.Ctx(), 1<<20)
	s.ok(err)
	defer kept.Discard()
	_, err = kept.WriteAt(large[:70_000], 0)
	s.ok(err)
	s.ok(kept.Keep(s.Ctx(), "c", "unfinished.bin", start))
	_, err = s.j.Checkpoint(s.Ctx())
	s.ok(err)

	_, first, cost := s.take(start)
	if first.Rows != 3 || cost == 0 {
		t.Errorf("%d rows, %d bytes written", first.Rows, cost)
	}
	put(3, append([]byte("another"), large...))
	r, _, more := s.take(start.Add(time.Hour))
	if more == 0 || more > cost {
		t.Errorf("the first copy cost %d bytes, the second %d", cost, more)
	}

	old, now := filepath.Join(t.TempDir(), "a", "state"), filepath.Join(t.TempDir(), "state")
	if _, err := r.Restore(s.Ctx(), start.Add(-time.Second), old); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	_, err = r.Restore(s.Ctx(), start.Add(59*time.Minute), old)
	s.ok(err)
	_, err = r.Restore(s.Ctx(), time.Time{}, now)
	s.ok(err)
	if a, b := s.whole(old), s.whole(now); a.Items != 2 || b.Items != 3 || a.Signed != 3 {
		t.Errorf("restored %d items, %d signed, and %d", a.Items, a.Signed, b.Items)
	}
	restored, err := sqlite.Open(s.Ctx(), sqlite.Options{Dir: old})
	s.ok(err)
	defer restored.Close()
	d, err := restored.Resume(s.Ctx(), "c", "unfinished.bin", 1<<20)
	s.ok(err)
	defer d.Discard()
	got := make([]byte, 70_000)
	_, err = d.ReadAt(got, 0)
	if err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, large[:70_000]) {
		t.Errorf("the unfinished upload: %v", err)
	}
	if info, err := os.Stat(filepath.Join(now, "journal", "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal's key: %v, %v", info, err)
	}
	if _, err := r.Restore(s.Ctx(), time.Time{}, now); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over a state that is there: %v", err)
	}

	n, err := r.Prune(s.Ctx(), start.Add(2*time.Hour))
	if err != nil || n != 1 {
		t.Errorf("pruned %d, %v; the newest stays", n, err)
	}
	c, err := r.Copy(time.Time{})
	s.ok(err)
	s.ok(r.Check(s.Ctx(), c))
}

// While documents come in, every copy is a state that was.
func TestUnderLoad(t *testing.T) {
	s := newSite(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for id := spool.ID(1); ; id++ {
			select {
			case <-stop:
				return
			default:
			}
			err := s.Store.Update(s.Ctx(), func(tx spool.Tx) error {
				if err := tx.Insert(spool.Item{ID: id, Queue: "statement", State: "available", Owner: "c", SHA256: strings.Repeat("x", 2000)}); err != nil {
					return err
				}
				_, err := tx.Append(spool.Event{ID: id, Item: id, At: start, Kind: "released", Record: []byte(`{"to":"available"}`)})
				return err
			})
			if err == nil && id%10 == 0 {
				_, err = s.j.Checkpoint(s.Ctx())
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 4 {
		r, c, _ := s.take(start.Add(time.Duration(i) * time.Minute))
		state := filepath.Join(t.TempDir(), "state")
		_, err := r.Restore(s.Ctx(), c.At, state)
		s.ok(err)
		if rep := s.whole(state); rep.Rows != rep.Items+1 || rep.Rows < c.Rows {
			t.Errorf("%d rows, %d items, at least %d", rep.Rows, rep.Items, c.Rows)
		}
	}
	close(stop)
	wg.Wait()
}

// Every damage of the repository is told, and nothing is restored from it.
func TestDamage(t *testing.T) {
	s := newSite(t)
	r, c, _ := s.take(start)
	list := filepath.Join(s.repo, "copies", "20260304T120000.000Z.json")
	text, err := os.ReadFile(list)
	s.ok(err)
	i := slices.IndexFunc(c.Files, func(f backup.File) bool { return f.Path == "spool.db" })
	sum := c.Files[i].Pieces[0]
	piece := filepath.Join(s.repo, "pieces", sum[:2], sum)
	body, err := os.ReadFile(piece)
	s.ok(err)
	damage := func(name, path string, content []byte) {
		t.Run(name, func(t *testing.T) {
			was, err := os.ReadFile(path)
			s.ok(err)
			defer os.WriteFile(path, was, 0o600)
			if content == nil {
				s.ok(os.Remove(path))
			} else {
				s.ok(os.WriteFile(path, content, 0o600))
			}
			state := filepath.Join(t.TempDir(), "state")
			if _, err := r.Restore(s.Ctx(), time.Time{}, state); !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("restored: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(state), "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(state), ".restore*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
	flipped := bytes.Clone(body)
	flipped[len(flipped)/2] ^= 1
	damage("piece changed", piece, flipped)
	damage("piece cut", piece, body[:len(body)-1])
	damage("piece empty", piece, []byte{})
	damage("piece missing", piece, nil)
	damage("list changed", list, bytes.Replace(text, []byte(`"rows":`), []byte(`"rows":1`), 1))
	damage("list cut", list, text[:len(text)-10])
	damage("list with its sum", list, resum(bytes.Replace(text, []byte(`"path":"`), []byte(`"path":"../`), 1)))
	s.ok(r.Check(s.Ctx(), c))
}

// What a run left that did not end is not believed.
func TestUnfinished(t *testing.T) {
	s := newSite(t)
	r, c, _ := s.take(start)
	stray := filepath.Join(s.repo, "pieces", "ab")
	s.ok(os.MkdirAll(stray, 0o700))
	stray = filepath.Join(stray, "ab"+strings.Repeat("0", 62))
	s.ok(os.WriteFile(stray, nil, 0o600))
	s.take(start.Add(time.Minute))
	if _, err := os.Stat(stray); err != nil {
		t.Errorf("after a run that ended nothing is looked for: %v", err)
	}
	s.ok(os.WriteFile(filepath.Join(s.repo, "unfinished"), nil, 0o600))
	s.take(start.Add(2 * time.Minute))
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stray piece: %v", err)
	}
	s.ok(r.Check(s.Ctx(), c))
	if _, _, err := r.Take(s.Ctx(), s.state, start); err == nil {
		t.Error("a copy that is older than the last")
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(dir); !errors.Is(err, backup.ErrNotRepository) {
		t.Errorf("a folder of other things: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("brama-backup@v2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(dir); !errors.Is(err, backup.ErrNotRepository) {
		t.Errorf("of a newer release: %v", err)
	}
}

// An archive is read whole once; what a copy has of it stays good when the file is
// damaged later, and another file under its name is taken anew.
func TestArchives(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(s.state, "archive", "archive-2026-01-1.brama")
	s.ok(os.Mkdir(filepath.Dir(path), 0o700))
	good := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	write := func(b []byte) { s.ok(os.WriteFile(path, b, 0o600)) }
	restored := func(r *backup.Repository) []byte {
		dir := filepath.Join(t.TempDir(), "state")
		_, err := r.Restore(s.Ctx(), time.Time{}, dir)
		s.ok(err)
		b, err := os.ReadFile(filepath.Join(dir, "archive", filepath.Base(path)))
		s.ok(err)
		return b
	}
	write(good)
	s.take(start)
	bad := bytes.Clone(good)
	bad[1000] ^= 1
	write(bad)
	r, _, _ := s.take(start.Add(time.Hour))
	if !bytes.Equal(restored(r), good) {
		t.Error("the copy has the damage")
	}
	for i, other := range [][]byte{append(bytes.Clone(good[:len(good)-1]), '!'), good[:len(good)-1], nil} {
		write(other)
		r, _, _ = s.take(start.Add(time.Duration(2+i) * time.Hour))
		if !bytes.Equal(restored(r), other) {
			t.Errorf("%d: another file is not in the copy", i)
		}
	}
}
