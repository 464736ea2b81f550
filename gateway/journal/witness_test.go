package journal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/journal"
)

// onlooker is a witness of a site's journal, and the site's way to it.
type onlooker struct {
	*journal.Witness
	url string
}

func (s *site) witness(dir string) *onlooker {
	s.Helper()
	w, err := journal.OpenWitness(dir, "witness.example/brama", s.key(), rand.Reader, s.Clock.Now)
	s.ok(err)
	s.Cleanup(func() { w.Close() })
	srv := httptest.NewServer(w)
	s.Cleanup(srv.Close)
	return &onlooker{w, srv.URL}
}

// withWitness opens the journal anew with a witness.
func (s *site) withWitness(w *onlooker) {
	s.Helper()
	s.ok(s.j.Close())
	key, err := journal.ParseWitnessKey(w.Key())
	s.ok(err)
	o := s.options()
	o.Witness = &journal.Remote{URL: w.url, Key: key, Client: http.DefaultClient}
	s.j, err = journal.Open(o)
	s.ok(err)
}

// THREATS E04: a witness signs what continues the history, and nothing else; also
// after either of the two was started anew.
func TestWitness(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.copy = ""
	dir := t.TempDir()
	w := s.witness(dir)
	s.withWitness(w)
	grow := func(n int) {
		t.Helper()
		for range n {
			s.Send(t.Name()+time.Duration(s.j.Last().Size).String()+".DBF.p7s", s.Signed(s.DBF(int(s.j.Last().Size)*10+1, 1)))
			s.Advance(time.Second)
		}
		_, err := s.j.Checkpoint(s.Ctx())
		s.ok(err)
	}
	s.ok(s.j.Witnessed(s.Ctx())) // nothing yet
	grow(1)
	s.ok(s.j.Witnessed(s.Ctx()))
	grow(1)
	s.ok(s.j.Witnessed(s.Ctx()))
	if w.Last().Size != s.j.Last().Size {
		t.Errorf("it has signed %d of %d rows", w.Last().Size, s.j.Last().Size)
	}
	both, err := os.ReadFile(filepath.Join(journal.Folder(s.state), "witnessed"))
	s.ok(err)
	key, err := journal.ParseWitnessKey(w.Key())
	s.ok(err)
	if at, err := key.Time(both); err != nil || !at.Equal(s.Clock.Now().Truncate(time.Second)) {
		t.Errorf("signed at %v, %v", at, err)
	}
	if _, err := s.key().Open(both); err != nil {
		t.Errorf("with two signatures it is still a checkpoint: %v", err)
	}
	if _, err := key.Time(s.j.Last().Note); err == nil {
		t.Error("a checkpoint without the witness's signature")
	}
	early := copyState(t, s.state)

	s.withWitness(w) // started anew, it does not know what the witness has
	grow(2)
	s.ok(s.j.Witnessed(s.Ctx()))
	s.ok(w.Close())
	w = s.witness(dir) // and the other way about
	s.withWitness(w)
	grow(1)
	s.ok(s.j.Witnessed(s.Ctx()))
	signed := w.Last().Size

	// The state is taken back and goes another way.
	s.ok(s.j.Close())
	s.ok(s.Store.Close())
	s.ok(os.RemoveAll(s.state))
	s.ok(os.CopyFS(s.state, os.DirFS(early)))
	s.ok(os.Chmod(filepath.Join(journal.Folder(s.state), "key"), 0o600))
	s.Restart()
	s.openJournal()
	s.withWitness(w)
	grow(0)
	if err := s.j.Witnessed(s.Ctx()); !errors.Is(err, journal.ErrRefused) {
		t.Errorf("shorter: %v", err)
	}
	for s.j.Last().Size <= signed {
		grow(1)
	}
	if err := s.j.Witnessed(s.Ctx()); !errors.Is(err, journal.ErrRefused) {
		t.Errorf("a fork: %v", err)
	}
	if w.Last().Size != signed {
		t.Errorf("it has signed %d rows, %d before", w.Last().Size, signed)
	}
	r, err := (&past{key: s.key()}).verify(s.state, journal.Copy{Name: "witness", Text: func() []byte {
		b, err := os.ReadFile(filepath.Join(dir, "checkpoints"))
		s.ok(err)
		return b
	}()})
	if err != nil || r.OK() {
		t.Errorf("with what the witness has the fork shows: %+v %v", r, err)
	}
}

// Whoever asks wrongly gets no signature.
func TestWitnessRefuses(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	w := s.witness(t.TempDir())
	own, err := s.j.Checkpoint(s.Ctx())
	s.ok(err)
	foreign, err := other.j.Checkpoint(other.Ctx())
	s.ok(err)
	hash := "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, c := range []struct {
		name, body string
		code       int
	}{
		{"empty", "", 400},
		{"no old size", string(own.Note), 400},
		{"old size with a zero", "old 00\n\n" + string(own.Note), 400},
		{"negative", "old -1\n\n" + string(own.Note), 400},
		{"a proof that is none", "old 0\nxyz\n\n" + string(own.Note), 400},
		{"a proof where none is due", "old 0\n" + hash + "\n\n" + string(own.Note), 400},
		{"64 hashes", "old 0\n" + strings.Repeat(hash+"\n", 64) + "\n" + string(own.Note), 400},
		{"another journal", "old 0\n\n" + string(foreign.Note), 403},
		{"changed", "old 0\n\n" + strings.Replace(string(own.Note), "time 2", "time 3", 1), 403},
		{"another old size", "old 7\n\n" + string(own.Note), 409},
		{"too large", "old 0\n\n" + strings.Repeat("x", 1<<20), 413},
		{"good", "old 0\n\n" + string(own.Note), 200},
		{"again from nothing", "old 0\n\n" + string(own.Note), 409},
	} {
		resp, err := http.Post(w.url+"/add-checkpoint", "text/plain", strings.NewReader(c.body))
		s.ok(err)
		body, err := io.ReadAll(resp.Body)
		s.ok(errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, resp.StatusCode, body, c.code)
		}
	}
	resp, err := http.Get(w.url + "/checkpoint")
	s.ok(err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(body, w.Last().Note) {
		t.Errorf("%s %v", body, err)
	}
	if _, err := journal.OpenWitness(t.TempDir(), "a name", s.key(), rand.Reader, time.Now); err == nil {
		t.Error("a name with a space")
	}
}
