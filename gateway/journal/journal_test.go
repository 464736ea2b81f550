package journal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// site is a gateway with a journal.
type site struct {
	*gatewaytest.Rig
	state, copy string
	j           *journal.Journal
}

func newSite(t testing.TB) *site {
	s := &site{copy: t.TempDir()}
	s.Rig = gatewaytest.New(t, gatewaytest.Setup{Store: func(o *sqlite.Options) { s.state = o.Dir }})
	s.openJournal()
	t.Cleanup(func() { s.j.Close() })
	return s
}

func (s *site) options() journal.Options {
	return journal.Options{
		Dir: journal.Folder(s.state), Copy: s.copy, Store: s.Store, Publisher: s.Gateway,
		Now: s.Clock.Now, Rand: rand.Reader, Log: zap.NewNop(),
	}
}

func (s *site) openJournal() {
	s.Helper()
	var err error
	s.j, err = journal.Open(s.options())
	s.ok(err)
}

func (s *site) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// sign lets a minute pass and signs.
func (s *site) sign() journal.Checkpoint {
	s.Helper()
	s.Advance(time.Minute)
	c, err := s.j.Checkpoint(s.Ctx())
	s.ok(err)
	s.ok(s.j.Publish(s.Ctx()))
	return c
}

func (s *site) key() journal.Key {
	s.Helper()
	text, err := journal.PublicKey(journal.Folder(s.state))
	s.ok(err)
	k, err := journal.ParseKey(text)
	s.ok(err)
	return k
}

func (s *site) verify(copies ...journal.Copy) *journal.Report {
	s.Helper()
	r, err := journal.Verify(s.Ctx(), journal.Folder(s.state), s.Store, s.key(), copies...)
	s.ok(err)
	return r
}

// Every receipt gets its proof after the next checkpoint, once, also across a restart.
func TestProofs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Send("P1.DBF.p7s", s.Signed(s.DBF(1, 2)))
	if s.Has("/receipts/P1.DBF.p7s.receipt1.proof") {
		t.Fatal("a proof without a checkpoint")
	}
	s.sign()
	check := func(name string) {
		t.Helper()
		p, err := journal.ParseProof(s.Read("/receipts/" + name + ".proof"))
		s.ok(err)
		body := s.Read("/receipts/" + name + ".json")
		if _, err := p.CheckReceipt(s.key(), body); err != nil {
			t.Error(err)
		}
		if _, err := p.CheckReceipt(s.key(), append(body, ' ')); err == nil {
			t.Error("it proves another receipt too")
		}
	}
	check("P1.DBF.p7s.receipt1")

	s.Send("P2.DBF", []byte("nothing")) // rejected at once or held
	s.Answer(s.LeaseOne(), gateway.Answer{Outcome: gateway.Processed, Reference: "7"})
	s.Advance(time.Minute)
	if _, err := s.j.Checkpoint(s.Ctx()); err != nil { // signed, and not yet published
		t.Fatal(err)
	}
	s.ok(s.j.Close())
	s.Restart()
	s.openJournal()
	s.ok(s.j.Publish(s.Ctx()))
	check("P1.DBF.p7s.receipt2")
	before := s.Names("/receipts")
	s.ok(s.j.Publish(s.Ctx()))
	s.openJournal()
	s.ok(s.j.Publish(s.Ctx()))
	if got := s.Names("/receipts"); !slices.Equal(got, before) {
		t.Errorf("published again: %v", got)
	}
	r := s.verify()
	if !r.OK() || r.Receipts < 2 || r.Checkpoints != 2 || r.Signed == 0 || r.Signed > r.Hashed {
		t.Errorf("%+v", r)
	}

	// From outside, of a record and of a submission.
	for _, id := range []spool.ID{s.Receipt("P1.DBF.p7s", 1).Journal.Record, s.Receipt("P1.DBF.p7s", 1).Submission} {
		view, err := sqlite.OpenReading(s.state)
		s.ok(err)
		p, err := journal.ProveIn(s.Ctx(), journal.Folder(s.state), view, s.key(), id)
		s.ok(err)
		s.ok(view.Close())
		if p.Row.Item != s.Receipt("P1.DBF.p7s", 1).Submission {
			t.Errorf("%s: row %d", id, p.Row.Seq)
		}
	}
}

// A proof holds nothing that could be changed.
func TestProofBits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.Send(fmt.Sprintf("P%d.DBF.p7s", i), s.Signed(s.DBF(1+10*i, 1)))
	}
	s.sign()
	text := s.Read("/receipts/P1.DBF.p7s.receipt1.proof")
	body := s.Read("/receipts/P1.DBF.p7s.receipt1.json")
	key := s.key()
	for i := range text {
		for _, bit := range []byte{1, 0x20} {
			bad := bytes.Clone(text)
			bad[i] ^= bit
			p, err := journal.ParseProof(bad)
			if err != nil {
				continue
			}
			if _, err := p.CheckReceipt(key, body); err == nil {
				t.Fatalf("byte %d changed: still a proof", i)
			}
		}
	}
	// Nor does a key that has seen the right checkpoint believe one that is like it.
	p, err := journal.ParseProof(text)
	s.ok(err)
	if _, err := p.CheckReceipt(key, body); err != nil {
		t.Error(err)
	}
	for i := range p.Checkpoint {
		p.Checkpoint[i] ^= 1
		if _, err := p.CheckReceipt(key, body); err == nil {
			t.Fatalf("byte %d of the checkpoint changed: still a proof", i)
		}
		p.Checkpoint[i] ^= 1
	}
	other := newSite(t)
	p, err = journal.ParseProof(text)
	s.ok(err)
	if _, err := p.Check(other.key()); err == nil {
		t.Error("another journal's key")
	}
	if _, err := p.Check(journal.Key{}); err == nil {
		t.Error("no key")
	}
}

func TestCheckpointForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.sign()
	lines := strings.Split(string(c.Note), "\n")
	if len(lines) != 7 || lines[0] != c.Origin || lines[1] != fmt.Sprint(c.Size) || lines[2] != c.Root.String() || lines[4] != "" || !strings.HasPrefix(lines[5], "— "+c.Origin+" ") {
		t.Errorf("%q", lines)
	}
	again, err := s.j.Checkpoint(s.Ctx())
	if err != nil || again.At != c.At {
		t.Errorf("nothing was added, and: %v %v", again.At, err)
	}
	copied, err := os.ReadFile(filepath.Join(s.copy, "checkpoints"))
	if err != nil || string(copied) != string(c.Note)+"\n" {
		t.Errorf("copy: %q %v", copied, err)
	}
	if info, err := os.Stat(filepath.Join(journal.Folder(s.state), "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", info.Mode(), err)
	}
}

// THREATS E08.
func TestClockBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sign()
	s.Send("P.DBF.p7s", s.Signed(s.DBF(1, 1)))
	s.Advance(-journal.Backward - 2*time.Second)
	if _, err := s.j.Checkpoint(s.Ctx()); !errors.Is(err, journal.ErrClock) {
		t.Fatalf("got %v", err)
	}
	s.Advance(3 * time.Second)
	if _, err := s.j.Checkpoint(s.Ctx()); err != nil {
		t.Fatal(err)
	}
}

// After a power cut the end of hashes.bin, which is flushed with each checkpoint, may
// be a size without the bytes. That is no manipulation.
func TestUnflushed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hashes := filepath.Join(journal.Folder(s.state), "hashes.bin")
	s.Send("P1.DBF.p7s", s.Signed(s.DBF(1, 1)))
	s.sign()
	whole, err := os.ReadFile(hashes)
	s.ok(err)
	s.Send("P2.DBF.p7s", s.Signed(s.DBF(11, 1)))
	s.ok(s.j.Follow(s.Ctx()))
	s.ok(s.j.Close())
	b, err := os.ReadFile(hashes)
	s.ok(err)
	if len(b) <= len(whole) {
		t.Fatal("nothing was written after the checkpoint")
	}
	clear(b[len(whole):])
	s.ok(os.WriteFile(hashes, b, 0o600))
	if r := s.verify(); !r.OK() {
		t.Errorf("zeros after what was signed: %+v", r.Findings)
	}
	clear(b[:32])
	s.ok(os.WriteFile(hashes, b, 0o600))
	if s.verify().OK() {
		t.Error("zeros in place of what was signed were not found")
	}
}

// A crash leaves hashes.bin and the file of checkpoints torn anywhere.
func TestTorn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 4 {
		s.Send(fmt.Sprintf("P%d.DBF.p7s", i), s.Signed(s.DBF(1+10*i, 1)))
		s.sign()
	}
	last := s.j.Last()
	s.ok(s.j.Close())
	hashes := filepath.Join(journal.Folder(s.state), "hashes.bin")
	notes := filepath.Join(journal.Folder(s.state), "checkpoints")
	whole, err := os.ReadFile(hashes)
	s.ok(err)
	signed, err := os.ReadFile(notes)
	s.ok(err)
	for n := 0; n <= len(whole); n += 17 {
		s.ok(os.WriteFile(hashes, whole[:n], 0o600))
		s.openJournal()
		if c, err := s.j.Checkpoint(s.Ctx()); err != nil || c.Root != last.Root {
			t.Fatalf("%d bytes: %v", n, err)
		}
		s.ok(s.j.Close())
		if got, err := os.ReadFile(hashes); err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes: not made anew, %v", n, err)
		}
	}
	s.ok(os.WriteFile(hashes, append(whole, make([]byte, 333)...), 0o600)) // zeros after a power cut
	s.openJournal()
	s.ok(s.j.Follow(s.Ctx()))
	s.ok(s.j.Close())
	for n := len(signed) - 1; n > len(signed)-len(last.Note)-1; n -= 7 { // a torn write of the last one
		s.ok(os.WriteFile(notes, signed[:n], 0o600))
		s.openJournal()
		c, err := s.j.Checkpoint(s.Ctx())
		if err != nil || c.Size != last.Size {
			t.Fatalf("%d bytes of checkpoints: %v", n, err)
		}
		s.ok(s.j.Close())
	}
	// Any one hash: made anew from the rows, since those are what was signed.
	for i := 0; i < len(whole); i += 31 {
		bad := bytes.Clone(whole)
		bad[i] ^= 4
		s.ok(os.WriteFile(hashes, bad, 0o600))
		s.ok(os.WriteFile(notes, signed, 0o600))
		s.openJournal()
		s.ok(s.j.Follow(s.Ctx()))
		s.ok(s.j.Close())
	}
	s.openJournal()
}

// Many checkpoints: the start reads the end of the file only.
func TestManyCheckpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 400 {
		s.ok(s.Store.Update(s.Ctx(), func(tx spool.Tx) error {
			_, err := tx.Append(spool.Event{ID: ids.New(s.Clock.Now()), At: s.Clock.Now(), Kind: "test"})
			return err
		}))
		s.sign()
	}
	last := s.j.Last()
	s.ok(s.j.Close())
	s.openJournal()
	if got := s.j.Last(); got.Size != last.Size || !bytes.Equal(got.Note, last.Note) {
		t.Errorf("%d, want %d", got.Size, last.Size)
	}
	if r := s.verify(); !r.OK() || r.Checkpoints != 400 {
		t.Errorf("%+v", r)
	}
}

var ids spool.IDs

// A disk for the copy that is away for a while.
func TestCopyAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ok(s.j.Close())
	s.copy = filepath.Join(s.copy, "mount", "journal")
	s.ok(os.WriteFile(filepath.Dir(s.copy), nil, 0o600)) // a file where the folder should be
	s.openJournal()
	s.Send("P1.DBF.p7s", s.Signed(s.DBF(1, 1)))
	s.sign()
	s.Send("P2.DBF.p7s", s.Signed(s.DBF(11, 1)))
	s.sign()
	s.ok(os.Remove(filepath.Dir(s.copy)))
	if _, err := s.j.Checkpoint(s.Ctx()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.copy, "checkpoints"))
	s.ok(err)
	if n := len(journal.SplitCheckpoints(text)); n != 2 {
		t.Errorf("%d checkpoints in the copy", n)
	}
	if r := s.verify(journal.Copy{Name: "copy", Text: text}); !r.OK() || r.Copies != 2 {
		t.Errorf("%+v", r)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(s.Ctx())
	done := make(chan error, 1)
	s.Send("P.DBF.p7s", s.Signed(s.DBF(1, 1)))
	if _, err := s.j.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { done <- s.j.Run(ctx) }()
	s.Await("the proof", func() bool { return s.Has("/receipts/P.DBF.p7s.receipt1.proof") })
	cancel()
	s.ok(<-done)
	s.Send("P2.DBF.p7s", s.Signed(s.DBF(11, 1)))
	s.ok(s.j.Stop(s.Ctx()))
	if !s.Has("/receipts/P2.DBF.p7s.receipt1.proof") {
		t.Error("not signed at the stop")
	}
	s.openJournal()
}

// unread is a store that must not be read yet.
type unread struct{ journal.Viewer }

func (u unread) View(context.Context, func(spool.Reader) error) error {
	return errors.New("the start has read rows")
}

// A start takes the same time however many rows have no checkpoint.
func TestOpenReadsNoRows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Send("P1.DBF.p7s", s.Signed(s.DBF(1, 1)))
	first, err := s.j.Checkpoint(s.Ctx())
	s.ok(err)
	s.Send("P2.DBF.p7s", s.Signed(s.DBF(11, 1)))
	s.ok(s.j.Close())
	o := s.options()
	o.Store = unread{s.Store}
	j, err := journal.Open(o)
	s.ok(err)
	if j.Last().Root != first.Root {
		t.Error("the newest checkpoint is another")
	}
	if _, err := j.Checkpoint(s.Ctx()); err == nil || j.Fault() != nil {
		t.Errorf("signed without having read: %v, %v", err, j.Fault())
	}
	s.ok(j.Close())
	s.openJournal()
	if c, err := s.j.Checkpoint(s.Ctx()); err != nil || c.Size <= first.Size {
		t.Errorf("%d rows after %d: %v", c.Size, first.Size, err)
	}
}

// TestPublicKeyIsNamed: what cannot be read is named, and a key that a renewal has
// ended is no riddle.
func TestPublicKeyIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "key.pub")
	if err := os.WriteFile(file, []byte("brama+12345678+AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.PublicKey(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged key: %v", err)
	}
	_, old, err := note.GenerateKey(rand.Reader, "brama")
	if err == nil {
		err = errors.Join(os.Remove(file), os.WriteFile(filepath.Join(dir, "brama-1.pub"), []byte(old+"\n"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.PublicKey(dir); err == nil || !strings.Contains(err.Error(), "next start") {
		t.Errorf("a key that was ended: %v", err)
	}
}
