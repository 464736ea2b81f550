package journal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	_ "modernc.org/sqlite"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool/sqlite"
)

var nop = zap.NewNop()

func now() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }

func tampered(err error) bool { return errors.Is(err, journal.ErrTampered) }

// past is a state folder with a history, at rest, which tests copy and spoil.
type past struct {
	dir, early string // early is an older snapshot of it
	key        journal.Key
	copy       []byte // the checkpoints kept elsewhere
	other      string // the same beginning, another end: signed with the same key
}

// makePast lets a gateway work for some minutes.
func makePast(t *testing.T) *past {
	t.Helper()
	s := newSite(t)
	p := &past{key: s.key()}
	work := func(first, n int) {
		for i := first; i < first+n; i++ {
			s.Send(fmt.Sprintf("P%02d.DBF.p7s", i), s.Signed(s.DBF(1+10*i, 1)))
			if i%2 == 0 {
				s.Answer(s.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
			}
			s.sign()
		}
	}
	rest := func() string {
		s.ok(s.j.Close())
		s.ok(s.Store.Close())
		dir := copyState(t, s.state)
		s.Restart()
		s.openJournal()
		return dir
	}
	work(0, 4)
	_, err := s.Gateway.PutStatement(s.Ctx(), "demo", gateway.Outgoing{Name: "S.txt", Content: bytes.NewReader([]byte("x"))})
	s.ok(err)
	s.Read("/outbox/S.txt")
	another := gatewaytest.Entry()
	another.ID = "another"
	s.Apply(another)
	s.Client = another.ID
	s.Send("P77.DBF.p7s", s.Signed(s.DBF(771, 1)))
	s.Client = "demo"
	s.sign()
	p.early = rest()
	work(4, 4)
	p.dir = rest()
	p.copy, err = os.ReadFile(filepath.Join(s.copy, "checkpoints"))
	s.ok(err)
	r, err := p.verify(p.dir, journal.Copy{Name: "copy", Text: p.copy})
	if err != nil || !r.OK() || r.Checkpoints != 9 || r.Copies != 9 || r.Items != 10 || r.Receipts != 13 {
		t.Fatalf("%+v %v", r, err)
	}

	// The early snapshot goes another way, without knowing of the copy.
	s.ok(s.j.Close())
	s.ok(s.Store.Close())
	s.ok(os.RemoveAll(s.state))
	s.ok(os.CopyFS(s.state, os.DirFS(p.early)))
	s.ok(os.Chmod(filepath.Join(journal.Folder(s.state), "key"), 0o600))
	s.copy = ""
	s.Restart()
	s.openJournal()
	for i := range 4 {
		s.Send(fmt.Sprintf("Q%d.DBF.p7s", i), s.Signed(s.DBF(401+10*i, 1)))
		if i%2 == 0 {
			s.Answer(s.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
		}
		s.sign()
	}
	p.other = rest()
	return p
}

// copyState copies a folder of a store that is closed.
func copyState(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(journal.Folder(to), "key"), 0o600); err != nil { // CopyFS gives others the right to read
		t.Fatal(err)
	}
	return to
}

func (p *past) verify(dir string, copies ...journal.Copy) (*journal.Report, error) {
	store, err := sqlite.OpenReading(dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return journal.Verify(context.Background(), journal.Folder(dir), store, p.key, copies...)
}

// sqlDo edits the database as somebody with the file and a tool would.
func sqlDo(t *testing.T, dir string, texts ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range texts {
		res, err := db.Exec(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if n, _ := res.RowsAffected(); n == 0 && strings.Fields(text)[1] != "TABLE" {
			t.Fatalf("%s: changed nothing", text)
		}
	}
}

// rehash is what somebody clever does after changing rows: the hashes anew.
func rehash(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(journal.Folder(dir), "hashes.bin")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(journal.Folder(dir), "checkpoints"), filepath.Join(dir, "aside")); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	o := journal.Options{Dir: journal.Folder(dir), Store: store, Now: now, Rand: rand.Reader, Log: nop}
	j, err := journal.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "aside"), filepath.Join(journal.Folder(dir), "checkpoints")); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// THREATS E03, E04: every planted manipulation is found, for what it is.
func TestManipulations(t *testing.T) {
	t.Parallel()
	p := makePast(t)
	kept := journal.Copy{Name: "copy", Text: p.copy}
	in := func(dir, name string) string { return filepath.Join(journal.Folder(dir), name) }
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string) (another string)
		want  []journal.Sort // each must be found
		copy  bool           // found only with the copy
	}{
		{name: "a record", want: []journal.Sort{journal.RowChanged, journal.CheckpointRoot}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET record = CAST(replace(CAST(record AS TEXT), 'accepted', 'rejected') AS BLOB) WHERE seq = (SELECT min(seq) FROM event WHERE kind = 'decided')`)
			return dir
		}},
		{name: "a kind", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET kind = 'Received' WHERE seq = 2`)
			return dir
		}},
		{name: "a time", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET at = at + 1 WHERE seq = 1`)
			return dir
		}},
		{name: "an item", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET item = item + 1 WHERE seq = 3`)
			return dir
		}},
		{name: "an id", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET id = id + 1 WHERE seq = 3`)
			return dir
		}},
		{name: "a record, with hashes made anew", want: []journal.Sort{journal.CheckpointRoot}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET record = CAST(replace(CAST(record AS TEXT), 'P01', 'P09') AS BLOB) WHERE kind = 'received' AND CAST(record AS TEXT) LIKE '%P01%'`)
			rehash(t, dir)
			return dir
		}},
		{name: "a row taken out", want: []journal.Sort{journal.RowMissing}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM event WHERE seq = 5`)
			return dir
		}},
		{name: "a row taken out and the others moved up, with hashes made anew", want: []journal.Sort{journal.RowsCut, journal.CheckpointRoot}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM event WHERE seq = 5`, `UPDATE event SET seq = -seq WHERE seq > 5`, `UPDATE event SET seq = -seq - 1 WHERE seq < 0`)
			rehash(t, dir)
			return dir
		}},
		{name: "two rows exchanged", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET seq = -1 WHERE seq = 4`, `UPDATE event SET seq = 4 WHERE seq = 5`, `UPDATE event SET seq = 5 WHERE seq = -1`)
			return dir
		}},
		{name: "two rows exchanged, with hashes made anew", want: []journal.Sort{journal.CheckpointRoot}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE event SET seq = -1 WHERE seq = 4`, `UPDATE event SET seq = 4 WHERE seq = 5`, `UPDATE event SET seq = 5 WHERE seq = -1`)
			rehash(t, dir)
			return dir
		}},
		{name: "the tail cut", want: []journal.Sort{journal.RowsCut, journal.ItemState}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM event WHERE seq > (SELECT max(seq) FROM event) - 3`)
			return dir
		}},
		{name: "the tail cut everywhere", want: []journal.Sort{journal.CheckpointUnknown, journal.RowsCut}, copy: false, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM event WHERE seq > (SELECT max(seq) FROM event) - 3`)
			edit(t, in(dir, "checkpoints"), func(b []byte) []byte {
				notes := journal.SplitCheckpoints(b)
				return append(bytes.Join(notes[:len(notes)-2], []byte("\n")), '\n')
			})
			edit(t, in(dir, "hashes.bin"), func(b []byte) []byte { return b[:len(b)/2] })
			return dir
		}},
		{name: "an older snapshot", copy: true, want: []journal.Sort{journal.CheckpointUnknown, journal.RowsCut}, spoil: func(t *testing.T, dir string) string {
			return copyState(t, p.early)
		}},
		{name: "checkpoints of an older snapshot", want: []journal.Sort{journal.CheckpointUnknown}, spoil: func(t *testing.T, dir string) string {
			older, err := os.ReadFile(in(p.early, "checkpoints"))
			if err != nil {
				t.Fatal(err)
			}
			edit(t, in(dir, "checkpoints"), func([]byte) []byte { return older })
			return dir
		}},
		{name: "a fork", copy: true, want: []journal.Sort{journal.CheckpointRoot}, spoil: func(t *testing.T, dir string) string {
			return copyState(t, p.other)
		}},
		{name: "a byte of a checkpoint", want: []journal.Sort{journal.CheckpointInvalid}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "checkpoints"), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
			return dir
		}},
		{name: "checkpoints exchanged", want: []journal.Sort{journal.CheckpointOrder}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "checkpoints"), func(b []byte) []byte {
				notes := journal.SplitCheckpoints(b)
				notes[2], notes[3] = notes[3], notes[2]
				return append(bytes.Join(notes, []byte("\n")), '\n')
			})
			return dir
		}},
		{name: "a torn checkpoint", want: []journal.Sort{journal.CheckpointInvalid}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "checkpoints"), func(b []byte) []byte { return b[:len(b)-20] })
			return dir
		}},
		{name: "a leaf in hashes.bin", want: []journal.Sort{journal.RowChanged}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "hashes.bin"), func(b []byte) []byte { b[0] ^= 1; return b })
			return dir
		}},
		{name: "a node in hashes.bin", want: []journal.Sort{journal.HashesDamaged}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "hashes.bin"), func(b []byte) []byte { b[2*32] ^= 1; return b })
			return dir
		}},
		{name: "hashes.bin cut", want: []journal.Sort{journal.HashesDamaged}, spoil: func(t *testing.T, dir string) string {
			edit(t, in(dir, "hashes.bin"), func(b []byte) []byte { return b[:100] })
			return dir
		}},
		{name: "hashes.bin gone", want: []journal.Sort{journal.HashesDamaged}, spoil: func(t *testing.T, dir string) string {
			if err := os.Remove(in(dir, "hashes.bin")); err != nil {
				t.Fatal(err)
			}
			return dir
		}},
		{name: "a state", want: []journal.Sort{journal.ItemState}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE item SET state = 'processed' WHERE state = 'accepted' AND id = (SELECT min(id) FROM item WHERE state = 'accepted')`)
			return dir
		}},
		{name: "an item put in", want: []journal.Sort{journal.ItemUnknown}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `INSERT INTO item SELECT id + 1, queue, owner, state, name, label, kind, number, date, sha256, size, priority, received, decided, deadline,
				not_before, attempts, lease, lease_until, note, version, ripe FROM item ORDER BY id LIMIT 1`)
			return dir
		}},
		{name: "an item taken out", want: []journal.Sort{journal.ItemMissing}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM item WHERE id = (SELECT min(id) FROM item)`)
			return dir
		}},
		{name: "the bytes of a receipt", want: []journal.Sort{journal.ReceiptChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE content SET bytes = CAST(replace(CAST(bytes AS TEXT), '"outcome": "accepted"', '"outcome": "rejected"') AS BLOB)
				WHERE id IN (SELECT content FROM part WHERE name = 'P01.DBF.p7s.receipt1.json')`)
			return dir
		}},
		{name: "another receipt", want: []journal.Sort{journal.ReceiptChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE part SET content = (SELECT content FROM part WHERE name = 'P03.DBF.p7s.receipt1.json') WHERE name = 'P01.DBF.p7s.receipt1.json'`)
			return dir
		}},
		{name: "receipts of two clients exchanged, with seals, texts and proofs", want: []journal.Sort{journal.ReceiptChanged, journal.ProofInvalid}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir,
				`CREATE TABLE aside AS SELECT substr(name, 12) AS paper, content, name LIKE 'P01%' AS ours FROM part WHERE name LIKE 'P01.DBF.p7s.receipt1%' OR name LIKE 'P77.DBF.p7s.receipt1%'`,
				`UPDATE part SET content = (SELECT content FROM aside WHERE paper = substr(name, 12) AND ours = (name NOT LIKE 'P01%'))
					WHERE name LIKE 'P01.DBF.p7s.receipt1%' OR name LIKE 'P77.DBF.p7s.receipt1%'`,
				`DROP TABLE aside`)
			return dir
		}},
		{name: "a receipt gone", want: []journal.Sort{journal.ReceiptChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `DELETE FROM part WHERE name = 'P01.DBF.p7s.receipt1.json'`)
			return dir
		}},
		{name: "another proof", want: []journal.Sort{journal.ProofInvalid}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE part SET content = (SELECT content FROM part WHERE name = 'P03.DBF.p7s.receipt1.proof') WHERE name = 'P01.DBF.p7s.receipt1.proof'`)
			return dir
		}},
		{name: "another document", want: []journal.Sort{journal.DocumentChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE part SET content = (SELECT content FROM part WHERE name = 'P03.DBF.p7s') WHERE name = 'P01.DBF.p7s'`)
			return dir
		}},
		{name: "another statement", want: []journal.Sort{journal.StatementChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE part SET content = (SELECT content FROM part WHERE name = 'P03.DBF.p7s') WHERE name = 'S.txt'`)
			return dir
		}},
		{name: "a statement's bytes", want: []journal.Sort{journal.StatementChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE content SET bytes = CAST('y' AS BLOB) WHERE id = (SELECT content FROM part WHERE name = 'S.txt')`)
			return dir
		}},
		{name: "a statement acknowledged by nobody", want: []journal.Sort{journal.PostChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE post SET acknowledged = at WHERE name = 'S.txt.p7s'`)
			return dir
		}},
		{name: "a post to nothing", want: []journal.Sort{journal.PostChanged}, spoil: func(t *testing.T, dir string) string {
			sqlDo(t, dir, `UPDATE post SET part = 'other' WHERE name = 'S.txt.p7s'`)
			return dir
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := c.spoil(t, copyState(t, p.dir))
			if c.copy {
				if r, err := p.verify(dir); err != nil || !r.OK() {
					t.Errorf("found without the copy: %+v %v", r, err)
				}
			}
			r, err := p.verify(dir, kept)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(r.Findings, func(f journal.Finding) bool { return f.Sort == want }) {
					t.Errorf("%s was not found: %+v", want, r.Findings)
				}
			}
			if len(r.Findings) > 20 {
				t.Errorf("%d findings for one act", len(r.Findings))
			}
			for _, f := range r.Findings {
				t.Logf("%+v", f)
			}
		})
	}
	// A key of the manipulator's own.
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		r, err := (&past{key: newSite(t).key()}).verify(p.dir)
		if err != nil || r.OK() || r.Findings[0].Sort != journal.CheckpointInvalid {
			t.Errorf("%+v %v", r, err)
		}
	})
}

// The daemon itself signs nothing over a history that is not the signed one.
func TestRefusesToSign(t *testing.T) {
	t.Parallel()
	p := makePast(t)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T) (dir, copy string)
	}{
		{"a row", func(t *testing.T) (string, string) {
			dir := copyState(t, p.dir)
			sqlDo(t, dir, `UPDATE event SET at = at + 1 WHERE seq = 2`)
			rehash(t, dir)
			return dir, ""
		}},
		{"the tail", func(t *testing.T) (string, string) {
			dir := copyState(t, p.dir)
			sqlDo(t, dir, `DELETE FROM event WHERE seq > (SELECT max(seq) FROM event) - 4`)
			return dir, ""
		}},
		{"a row that is hashed and not yet signed", func(t *testing.T) (string, string) {
			dir := copyState(t, p.dir)
			sqlDo(t, dir, `DELETE FROM event WHERE seq = 3`)
			rehash := filepath.Join(journal.Folder(dir), "hashes.bin")
			edit(t, rehash, func(b []byte) []byte { return nil })
			return dir, ""
		}},
		{"a snapshot, and the copy knows more", func(t *testing.T) (string, string) {
			elsewhere := t.TempDir()
			if err := os.WriteFile(filepath.Join(elsewhere, "checkpoints"), p.copy, 0o600); err != nil {
				t.Fatal(err)
			}
			return copyState(t, p.early), elsewhere
		}},
		{"a fork", func(t *testing.T) (string, string) {
			elsewhere := t.TempDir()
			if err := os.WriteFile(filepath.Join(elsewhere, "checkpoints"), p.copy, 0o600); err != nil {
				t.Fatal(err)
			}
			return copyState(t, p.other), elsewhere
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, elsewhere := c.spoil(t)
			store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			j, err := journal.Open(journal.Options{Dir: journal.Folder(dir), Copy: elsewhere, Store: store, Now: now, Rand: rand.Reader, Log: nop})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			before, err := os.ReadFile(filepath.Join(journal.Folder(dir), "checkpoints"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Checkpoint(t.Context()); !tampered(err) || !tampered(j.Fault()) {
				t.Errorf("signed: %v %v", err, j.Fault())
			}
			if after, err := os.ReadFile(filepath.Join(journal.Folder(dir), "checkpoints")); err != nil || !bytes.Equal(before, after) {
				t.Error("something was signed")
			}
		})
	}
}

// TestPowerCutTail: what a power cut leaves at the end of the checkpoints is no finding;
// what it cannot leave is one.
func TestPowerCutTail(t *testing.T) {
	t.Parallel()
	p := makePast(t)
	whole, err := os.ReadFile(filepath.Join(journal.Folder(p.dir), "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		end  []byte
		ok   bool
	}{
		{"zeros", make([]byte, 236), true},
		{"half a note and zeros", append(bytes.Clone(whole[:100]), make([]byte, 136)...), true},
		{"half a note", whole[:100], false},
		{"a zero byte in half a note", append(append(bytes.Clone(whole[:100]), 0), whole[100:150]...), false},
		{"many zeros", make([]byte, 5000), false},
	} {
		dir := copyState(t, p.dir)
		edit(t, filepath.Join(journal.Folder(dir), "checkpoints"), func(b []byte) []byte { return append(b, c.end...) })
		r, err := p.verify(dir)
		if err != nil || r.OK() != c.ok {
			t.Errorf("%s: %+v, %v", c.name, r.Findings, err)
		}
	}
}

// Any byte of the files: hashes.bin within what is whole, and every checkpoint.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	p := makePast(t)
	dir := copyState(t, p.dir)
	step := 61 // every byte takes minutes: BRAMA_JOURNAL_BYTES=all
	if os.Getenv("BRAMA_JOURNAL_BYTES") == "all" {
		step = 1
	}
	for _, name := range []string{"hashes.bin", "checkpoints"} {
		file := filepath.Join(journal.Folder(dir), name)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(whole); i += step {
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << (i % 8)
			if err := os.WriteFile(file, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := p.verify(dir); err != nil || r.OK() {
				t.Fatalf("%s, byte %d of %d: not found, %v", name, i, len(whole), err)
			}
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
