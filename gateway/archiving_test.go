package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// attic is a gateway with a journal and a folder for archives.
type attic struct {
	*gatewaytest.Rig
	state string
	j     *journal.Journal
}

func newAttic(t *testing.T) *attic { return atticOn(t, "", time.Time{}) }

// atticOn is one whose state is a copy of a folder's, if one is named.
func atticOn(t *testing.T, from string, now time.Time) *attic {
	t.Helper()
	a := &attic{}
	a.Rig = gatewaytest.New(t, gatewaytest.Setup{
		Store: func(o *sqlite.Options) {
			if a.state == "" && from != "" {
				must(t, os.CopyFS(o.Dir, os.DirFS(from)))
				must(t, os.Chmod(filepath.Join(journal.Folder(o.Dir), "key"), 0o600))
			}
			a.state = o.Dir
		},
		Options: func(o *gateway.Options) {
			o.Archives = archive.NewSet(filepath.Join(a.state, "archive"))
			o.JournalKey = func() (string, error) { return journal.PublicKey(journal.Folder(a.state)) }
		},
	})
	if !now.IsZero() {
		a.Advance(now.Sub(a.Clock.Now()))
	}
	a.openJournal()
	t.Cleanup(func() { a.j.Close() })
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (a *attic) openJournal() {
	a.Helper()
	var err error
	a.j, err = journal.Open(journal.Options{
		Dir: journal.Folder(a.state), Store: a.Store, Publisher: a.Gateway, Now: a.Clock.Now, Rand: rand.Reader, Log: zap.NewNop(),
	})
	a.ok(err)
}

// restart ends the core and its journal, and opens both anew.
func (a *attic) restart() {
	a.Helper()
	a.ok(a.j.Close())
	a.Restart()
	a.openJournal()
}

func (a *attic) ok(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *attic) sign() {
	a.Helper()
	a.Advance(time.Minute)
	_, err := a.j.Checkpoint(a.Ctx())
	a.ok(err)
	a.ok(a.j.Publish(a.Ctx()))
}

// day is one with everything in it: processed, returned, rejected, a repetition, a
// large document, a statement. It gives the processed one.
func (a *attic) day(first int) spool.ID {
	a.Helper()
	name := func(s string) string { return fmt.Sprintf("%s%d.DBF.p7s", s, first) }
	done := a.Signed(a.DBF(first, 2))
	a.Send(name("done"), done)
	a.Answer(a.LeaseOne(), gateway.Answer{Outcome: gateway.Processed, Reference: "R1"})
	a.Send(name("back"), a.Signed(a.DBF(first+10, 1)))
	a.Answer(a.LeaseOne(), gateway.Answer{Outcome: gateway.Returned, Reason: "no such account"})
	a.Send(name("bad"), a.Attached(a.DBF(first+20, 1), a.Head)) // one signature is missing
	a.Send(name("again"), done)
	large := make([]byte, 300_000)
	_, _ = rand.Read(large)
	copy(large, "%PDF-1.7\n")
	a.Send(fmt.Sprintf("large%d.pdf.p7s", first), a.Attached(large, a.Head))
	for range a.Lease(1) {
		a.Fatal("a supporting document is not for the processor")
	}
	_, err := a.Gateway.PutStatement(a.Ctx(), "demo", gateway.Outgoing{Name: fmt.Sprintf("S%d.txt", first), Content: strings.NewReader(fmt.Sprint("statement ", first))})
	a.ok(err)
	a.Read(fmt.Sprintf("/outbox/S%d.txt", first))
	a.ok(a.Gateway.KeepEvidence(a.Ctx()))
	a.sign()
	return a.Items(name("done"))[0].ID
}

// putAway lets months pass, and moves what is old.
func (a *attic) putAway() ([]archive.Row, error) {
	a.Helper()
	return a.Gateway.Archive(a.Ctx(), gateway.Archiving{After: 31 * 24 * time.Hour})
}

func (a *attic) months(n int) {
	a.Helper()
	a.Advance(time.Duration(n) * 31 * 24 * time.Hour)
	a.ok(a.Gateway.Retain(a.Ctx(), time.Hour, time.Hour))
	a.sign()
}

// seen is what the client can read in its archive, by path.
func (a *attic) seen() map[string]string {
	a.Helper()
	out := map[string]string{}
	for _, day := range []string{"2026/03/04", "2026/03/05", "2026/04/05"} {
		files, err := a.Desk().List(a.Ctx(), "/archive/"+day)
		if err != nil {
			continue
		}
		for _, f := range files {
			b := a.Read("/archive/" + day + "/" + f.Name)
			if int64(len(b)) != f.Size {
				a.Errorf("%s: listed with %d bytes, has %d", f.Name, f.Size, len(b))
			}
			out[day+"/"+f.Name] = string(b)
		}
	}
	return out
}

// listed is what the client sees there, with sizes.
func (a *attic) listed() map[string]int64 {
	a.Helper()
	out := map[string]int64{}
	files, err := a.Desk().List(a.Ctx(), "/archive/2026/03/04")
	a.ok(err)
	for _, f := range files {
		out["2026/03/04/"+f.Name] = f.Size
	}
	return out
}

func (a *attic) same(what string, before, now map[string]string) {
	a.Helper()
	if len(before) == 0 {
		a.Fatal("there is nothing to compare")
	}
	for name, b := range before {
		if n, ok := now[name]; !ok {
			a.Errorf("%s: %s is gone", what, name)
		} else if n != b {
			a.Errorf("%s: %s has other bytes", what, name)
		}
	}
	for name := range now {
		if _, ok := before[name]; !ok {
			a.Errorf("%s: %s has come from nowhere", what, name)
		}
	}
}

// verify proves store, journal and archives beside the gateway, as bramactl does.
func (a *attic) verify() *journal.Report {
	a.Helper()
	store, err := sqlite.OpenReading(a.state)
	a.ok(err)
	defer store.Close()
	public, err := journal.PublicKey(journal.Folder(a.state))
	a.ok(err)
	key, err := journal.ParseKey(public)
	a.ok(err)
	set := archive.NewSet(filepath.Join(a.state, "archive"))
	defer set.Close()
	rep, err := journal.Verify(a.Ctx(), journal.Folder(a.state), archive.Over(store, set), key)
	a.ok(err)
	return rep
}

func (a *attic) whole() *journal.Report {
	a.Helper()
	rep := a.verify()
	for _, f := range rep.Findings {
		a.Errorf("journal verify: %+v", f)
	}
	store, err := sqlite.OpenReading(a.state)
	a.ok(err)
	defer store.Close()
	problems, err := store.Integrity(a.Ctx(), true)
	a.ok(err)
	more, err := archive.Over(store, archive.NewSet(filepath.Join(a.state, "archive"))).Check(a.Ctx(), true)
	a.ok(err)
	for _, p := range append(problems, more...) {
		a.Errorf("integrity: %s", p)
	}
	return rep
}

// stored counts the parts that are in the store itself.
func (a *attic) stored() (parts int) {
	a.Helper()
	a.ok(a.Store.View(a.Ctx(), func(r spool.Reader) error {
		items, err := r.Items(spool.Query{})
		for _, it := range items {
			p, err := r.Parts(it.ID)
			if err != nil {
				return err
			}
			parts += len(p)
		}
		return err
	}))
	return parts
}

// A month that has ended long enough ago goes into a file; everybody reads on what
// was there, byte for byte.
func TestPutAway(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	id := a.day(1)
	a.Send("open.DBF.p7s", a.Signed(a.DBF(41, 1))) // nobody has answered it yet
	a.ok(a.Gateway.KeepEvidence(a.Ctx()))
	a.sign()
	if rows, err := a.putAway(); err != nil || len(rows) != 0 {
		t.Fatalf("in its own month: %v %v", rows, err)
	}
	a.months(2)
	before, show := a.seen(), a.dossier(id)
	parts := a.stored()

	rows, err := a.putAway()
	a.ok(err)
	if len(rows) != 1 || rows[0].Name != "archive-2026-03-1" || rows[0].State != archive.Closed || rows[0].Items != 6 || rows[0].Moved != 6 {
		t.Fatalf("%+v", rows)
	}
	if left := a.stored(); left >= parts/3 {
		t.Errorf("%d parts are left in the store, of %d", left, parts)
	}
	a.same("after", before, a.seen())
	if now := a.dossier(id); now != show {
		t.Errorf("show: %s, before it was %s", now, show)
	}
	a.sign()
	rep := a.whole()
	if len(rep.Archives) != 1 || rep.Archives[0].Is != "whole" || rep.Archives[0].Items != 6 || rep.Receipts != 8 {
		t.Errorf("%+v, %d receipts", rep.Archives, rep.Receipts)
	}
	if _, err := a.Gateway.Evidence(a.Ctx(), id); err != nil {
		t.Errorf("evidence: %v", err)
	}
	// SFTP reads in ranges, of large documents too.
	f, err := a.Desk().Open(a.Ctx(), "/archive/2026/03/04/large1.pdf.p7s")
	a.ok(err)
	defer f.Close()
	whole := before["2026/03/04/large1.pdf.p7s"]
	for _, at := range []int64{250_000, 7, f.Size() - 1, 131_072} {
		b := make([]byte, 5)
		n, err := f.ReadAt(b, at)
		if n == 0 || string(b[:n]) != whole[at:at+int64(n)] || err != nil && at != f.Size()-1 {
			t.Errorf("at %d: %q, %v", at, b[:n], err)
		}
	}

	if rows, err := a.putAway(); err != nil || len(rows) != 0 {
		t.Errorf("again: %v %v", rows, err)
	}
	// What ends late goes into a file of its own; a small one only after some time.
	a.Answer(a.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	a.sign()
	if rows, err := a.putAway(); err != nil || len(rows) != 0 {
		t.Errorf("a file for one item: %v %v", rows, err)
	}
	a.months(1)
	before = a.seen()
	rows, err = a.putAway()
	a.ok(err)
	if len(rows) != 1 || rows[0].Name != "archive-2026-03-2" || rows[0].Moved != 1 {
		t.Fatalf("%+v", rows)
	}
	a.restart()
	a.same("late", before, a.seen())
	a.sign()
	a.whole()
}

func (a *attic) dossier(id spool.ID) string {
	a.Helper()
	d, err := a.Gateway.Show(a.Ctx(), id)
	a.ok(err)
	var parts []string
	for _, p := range d.Parts {
		parts = append(parts, string(p.Role)+" "+p.Name+" "+p.Content.SHA256)
	}
	return fmt.Sprint(d.Item.State, d.Item.SHA256, parts, len(d.History), string(d.Receipt))
}

// What was accepted is never accepted again, wherever its papers lie.
func TestPutAwayRepetition(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	doc := a.DBF(1, 2)
	signed := a.Signed(doc)
	a.Send("P.DBF.p7s", signed)
	a.Answer(a.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	a.ok(a.Gateway.KeepEvidence(a.Ctx()))
	a.sign()
	a.months(2)
	if rows, err := a.putAway(); err != nil || len(rows) != 1 {
		t.Fatalf("%+v %v", rows, err)
	}
	for _, online := range []bool{true, false} {
		if !online {
			a.ok(os.Rename(filepath.Join(a.state, "archive"), filepath.Join(a.state, "elsewhere")))
		}
		a.Trust.Store(a.People.Store(a.People.List(a.Clock.Now())))
		for i, content := range [][]byte{signed, a.Signed(doc)} {
			name := fmt.Sprintf("Q%d%v.DBF.p7s", i, online)
			a.Send(name, content)
			if s := a.State(name); s != gateway.StateDuplicate && s != gateway.StateRejected {
				t.Errorf("archive online %v: sent again it is %s", online, s)
			}
		}
	}
	if n := len(a.Lease(5)); n != 0 {
		t.Errorf("%d documents are with the processor a second time", n)
	}
}

// Whichever step fails or is the last before the process ends, nothing is lost,
// nothing is there twice, and the next run does the rest.
func TestPutAwayInterrupted(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	a.fill()
	a.ok(a.j.Close())
	a.ok(a.Store.Close())
	full := t.TempDir()
	a.ok(os.CopyFS(full, os.DirFS(a.state)))
	a.Restart()
	a.openJournal()
	before, now := a.seen(), a.Clock.Now()
	count := map[string]int{}
	a.Gateway.SetArchiveStep(func(step string) error { count[step]++; return nil })
	_, err := a.putAway()
	a.ok(err)
	want := map[string]int{"planned": 1, "flushed": 1, "renamed": 1, "read back": 1, "before move": 1, "group": 2, "moved": 1, "closed": 1}
	if !maps.Equal(count, want) {
		t.Fatalf("the steps are %v", count)
	}
	for step, n := range want {
		for _, killed := range []bool{false, true} {
			if !killed && step != "renamed" && step != "read back" && step != "group" { // the others have nothing to tidy up, or the same
				continue
			}
			t.Run(fmt.Sprint(step, ", killed ", killed), func(t *testing.T) {
				t.Parallel()
				cutArchive(atticOn(t, full, now), before, step, n, killed)
			})
		}
	}
}

// fill makes a month of more items than leave the store at once.
func (a *attic) fill() {
	a.Helper()
	for i := range 11 {
		a.Upload(fmt.Sprintf("bad%d.DBF.p7s", i), a.Attached(a.DBF(200+10*i, 1), a.Head))
	}
	a.Settle()
	a.day(1)
	a.months(2)
}

func cutArchive(a *attic, before map[string]string, step string, times int, killed bool) {
	errCut := errors.New("cut off")
	for n := 1; n <= times; n++ {
		at := 0
		a.Gateway.SetArchiveStep(func(s string) error {
			if s != step {
				return nil
			}
			if at++; at == n && killed {
				panic(errCut) // nothing is tidied up
			} else if at == n {
				return errCut
			}
			return nil
		})
		func() {
			defer func() {
				if r := recover(); r != nil && r != errCut {
					panic(r)
				}
			}()
			_, err := a.putAway()
			if n == 1 && !errors.Is(err, errCut) {
				a.Errorf("cut off: %v", err)
			}
		}()
		a.restart()
		for name, size := range a.listed() {
			if int64(len(before[name])) != size {
				a.Errorf("cut at %s: %s has %d bytes, had %d", step, name, size, len(before[name]))
			}
		}
		if n := len(a.listed()); n != len(before) {
			a.Errorf("cut at %s: %d files, there were %d", step, n, len(before))
		}
	}
	_, err := a.putAway()
	a.ok(err)
	a.same("at last", before, a.seen())
	a.sign()
	rep := a.whole()
	if len(rep.Archives) != 1 || rep.Archives[0].Items != 17 {
		a.Errorf("%+v", rep.Archives)
	}
	left, err := filepath.Glob(filepath.Join(a.state, "archive", "*"))
	a.ok(err)
	if len(left) != 1 {
		a.Errorf("left: %q", left)
	}
}

// Every change of an archive is noticed, and so is one that is not there.
func TestPutAwayTampered(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	first := a.DBF(1, 2)
	a.day(1)
	a.Advance(32 * 24 * time.Hour)
	a.day(101)
	a.months(3)
	rows, err := a.putAway()
	a.ok(err)
	if len(rows) != 2 {
		t.Fatalf("%+v", rows)
	}
	a.sign()
	a.whole()
	before := a.seen()
	path := func(row archive.Row) string { return filepath.Join(a.state, "archive", row.Name+archive.Ending) }
	one, two := path(rows[0]), path(rows[1])
	good, err := os.ReadFile(one)
	a.ok(err)
	other, err := os.ReadFile(two)
	a.ok(err)
	noticed := func(what string, sort journal.Sort) {
		t.Helper()
		rep := a.verify()
		if !slices.ContainsFunc(rep.Findings, func(f journal.Finding) bool { return f.Sort == sort }) {
			t.Errorf("%s: %+v", what, rep.Findings)
		}
		for _, f := range rep.Findings {
			if f.Sort != sort {
				t.Errorf("%s: also %+v", what, f)
			}
		}
		a.ok(os.WriteFile(one, good, 0o600))
		a.ok(os.WriteFile(two, other, 0o600))
	}
	write := func(b []byte) { a.ok(os.WriteFile(one, b, 0o600)) }
	for at := 0; at < len(good); at += len(good)/23 + 1 {
		b := bytes.Clone(good)
		b[at] ^= 0x20
		write(b)
		noticed(fmt.Sprint("byte ", at), journal.ArchiveChanged)
	}
	write(good[:len(good)-1])
	noticed("cut", journal.ArchiveChanged)
	write(append(bytes.Clone(good), 0))
	noticed("longer", journal.ArchiveChanged)
	write(nil)
	noticed("empty", journal.ArchiveChanged)
	write(other)
	a.ok(os.WriteFile(two, good, 0o600))
	noticed("swapped", journal.ArchiveChanged)
	a.ok(os.Remove(one))
	// Who reads on is told, and the rest is there.
	now := a.seen()
	said, ok := now["2026/03/04/OFFLINE-archive-2026-03-1.txt"]
	if !ok || !strings.Contains(said, "archive-2026-03-1") {
		t.Errorf("the client is told %q", said)
	}
	for name, b := range before {
		if strings.HasPrefix(name, "2026/04") && now[name] != b {
			t.Errorf("%s is not read any more", name)
		}
	}
	noticed("gone", journal.ArchiveAbsent)

	// The payments of that month come again: they are recognised all the same.
	a.ok(os.Remove(one))
	a.Trust.Store(a.People.Store(a.People.List(a.Clock.Now())))
	first[3]++ // written on another day, with the same payments
	a.Send("anew.DBF.p7s", a.Signed(first))
	if got := a.Receipt("anew.DBF.p7s", 1); got.Outcome != gateway.Duplicate || !slices.ContainsFunc(got.Findings, func(f formats.Finding) bool { return f.Rule == "DUP-003" }) {
		t.Errorf("sent again while its archive is away: %s %+v", got.Outcome, got.Findings)
	}
	a.ok(os.WriteFile(one, good, 0o600))

	// Somebody says of an item that it is in an archive, and takes its papers away.
	a.Send("victim.DBF.p7s", a.Signed(a.DBF(901, 1)))
	a.sign()
	id := a.Items("victim.DBF.p7s")[0].ID
	a.ok(a.Store.Update(a.Ctx(), func(tx spool.Tx) error {
		it, err := tx.Item(id)
		if err != nil {
			return err
		}
		it.Note = []byte(`{"archive":"archive-2026-04-1"}`)
		parts, err := tx.Parts(id)
		for _, p := range parts {
			err = errors.Join(err, tx.RemovePart(id, p.Name))
		}
		return errors.Join(err, tx.Put(it))
	}))
	noticed("an item more", journal.ArchiveChanged)
}

// TestRemoveArchive destroys one by order: the journal tells so and stays whole, the
// client is told, and what was in it is recognised when it comes again.
func TestRemoveArchive(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	first := a.DBF(1, 2)
	id := a.day(1)
	a.months(3)
	rows, err := a.putAway()
	a.ok(err)
	if len(rows) != 1 {
		t.Fatalf("%+v", rows)
	}
	name, file := rows[0].Name, filepath.Join(a.state, "archive", rows[0].Name+archive.Ending)
	for _, c := range []struct {
		name, reason string
		want         error
	}{{"archive-1999-01-1", "law", spool.ErrNotFound}, {name, "", gateway.ErrMove}} {
		if err := a.Gateway.RemoveArchive(a.Ctx(), c.name, "root", c.reason); !errors.Is(err, c.want) {
			t.Errorf("%s, %q: %v, want %v", c.name, c.reason, err, c.want)
		}
	}
	copied, err := os.ReadFile(file)
	a.ok(err)
	a.ok(a.Gateway.RemoveArchive(a.Ctx(), name, "root", "kept for the time the law says"))
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file is there still: %v", err)
	}
	if err := a.Gateway.RemoveArchive(a.Ctx(), name, "root", "again"); !errors.Is(err, gateway.ErrMove) {
		t.Errorf("removed twice: %v", err)
	}
	a.sign()
	rep := a.whole()
	if len(rep.Archives) != 1 || rep.Archives[0].Is != "removed" || rep.Archives[0].Reason != "kept for the time the law says" {
		t.Errorf("archives %+v", rep.Archives)
	}
	if now := a.seen(); !strings.Contains(now["2026/03/04/REMOVED-"+name+".txt"], name) {
		t.Errorf("the client is told %q", slices.Collect(maps.Keys(now)))
	}
	if d, err := a.Gateway.Show(a.Ctx(), id); err != nil || !errors.Is(d.Away, archive.ErrRemoved) || len(d.Parts) != 0 || len(d.History) < 3 {
		t.Errorf("shown: %v, away %v, %d parts, %d rows", err, d.Away, len(d.Parts), len(d.History))
	}
	a.Trust.Store(a.People.Store(a.People.List(a.Clock.Now())))
	a.Send("again.DBF.p7s", a.Signed(first))
	if got := a.Receipt("again.DBF.p7s", 1); got.Outcome != gateway.Duplicate || got.First == nil || *got.First != id {
		t.Errorf("sent again: %s, first %v", got.Outcome, got.First)
	}
	// A removal that was cut off after its record is finished by the next run; so is a
	// file that somebody has put back.
	a.ok(os.WriteFile(file, copied, 0o600))
	_, err = a.putAway()
	a.ok(err)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file is back: %v", err)
	}
}

// TestPutAwayGoesOn: a run that was cut off in a month's second file leaves nothing of
// the month behind for the rule that later files wait until they are worth it.
func TestPutAwayGoesOn(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		a := newAttic(t)
		a.fill()
		put := gateway.Archiving{After: 31 * 24 * time.Hour, Size: 20_000}
		errCut := errors.New("cut off")
		flushed := 0
		a.Gateway.SetArchiveStep(func(step string) error {
			if step == "flushed" {
				flushed++
			}
			if step == "flushed" && flushed == 2 {
				if killed {
					panic(errCut) // nothing is tidied up
				}
				return errCut
			}
			return nil
		})
		func() {
			defer func() { _ = recover() }()
			if rows, err := a.Gateway.Archive(a.Ctx(), put); !errors.Is(err, errCut) || len(rows) != 1 {
				t.Errorf("%d files, %v", len(rows), err)
			}
		}()
		if flushed != 2 {
			t.Fatalf("%d files were written", flushed)
		}
		if killed {
			a.restart()
		}
		rows, err := a.Gateway.Archive(a.Ctx(), put)
		a.ok(err)
		left := 0
		a.ok(a.Store.View(a.Ctx(), func(r spool.Reader) error {
			items, err := r.Items(spool.Query{})
			for _, it := range items {
				if archive.Of(it) == "" {
					left++
				}
			}
			return err
		}))
		if left != 0 || len(rows) == 0 {
			t.Errorf("killed %v: %d items are left, %d files more", killed, left, len(rows))
		}
		a.whole()
	}
}
