package gateway_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// TestManipulatedRows: whoever can write into the database changes what the gateway
// has recorded, and leaves the history alone (THREATS E). journal.Verify finds it.
func TestManipulatedRows(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	a.day(1)
	a.Send("P.DBF", a.DBF(60, 1)) // waits for its signature
	a.Send("open.DBF.p7s", a.Signed(a.DBF(40, 1)))
	_, err := a.Gateway.PutStatement(a.Ctx(), "demo", gateway.Outgoing{Name: "kept.txt", Content: strings.NewReader("unread")})
	a.ok(err)
	a.ok(a.Gateway.KeepEvidence(a.Ctx()))
	_, err = a.Gateway.CloseDay(a.Ctx(), a.Clock.Now())
	a.ok(err)
	a.sign()
	a.whole()
	template := t.TempDir()
	a.ok(a.Store.Close())
	a.ok(os.CopyFS(template, os.DirFS(a.state)))

	const accepted = `(SELECT id FROM item WHERE queue = 'submission' AND state = 'accepted' LIMIT 1)`
	const done = `(SELECT id FROM item WHERE queue = 'submission' AND state = 'processed' LIMIT 1)`
	for _, c := range []struct {
		name string
		sql  []string
		want journal.Sort
	}{
		{"untouched", nil, ""},
		{"owner", []string{`UPDATE item SET owner = 'other' WHERE id = ` + done}, journal.ItemChanged},
		{"name", []string{`UPDATE item SET name = 'x' WHERE id = ` + done}, journal.ItemChanged},
		{"label", []string{`UPDATE item SET label = 'x' WHERE id = ` + done}, journal.ItemChanged},
		{"kind", []string{`UPDATE item SET kind = 'x' WHERE id = ` + done}, journal.ItemChanged},
		{"number", []string{`UPDATE item SET number = '777' WHERE id = ` + done}, journal.ItemChanged},
		{"date", []string{`UPDATE item SET date = '2020-01-01' WHERE id = ` + done}, journal.ItemChanged},
		{"hash", []string{`UPDATE item SET sha256 = '` + strings.Repeat("0", 64) + `' WHERE id = ` + done}, journal.ItemChanged},
		{"size", []string{`UPDATE item SET size = size + 1 WHERE id = ` + done}, journal.ItemChanged},
		{"priority", []string{`UPDATE item SET priority = 9 WHERE id = ` + accepted}, journal.ItemChanged},
		{"received", []string{`UPDATE item SET received = received + 1 WHERE id = ` + done}, journal.ItemChanged},
		{"decided", []string{`UPDATE item SET decided = decided - 1 WHERE id = ` + done}, journal.ItemChanged},
		{"of a statement", []string{`UPDATE item SET number = '9' WHERE queue = 'statement'`}, journal.ItemChanged},
		{"of what is held", []string{`UPDATE item SET owner = 'other' WHERE state = 'held'`}, journal.ItemChanged},
		{"verdict away", []string{`DELETE FROM part WHERE role = 'verdict' AND item = ` + done}, journal.ItemChanged},
		{"evidence away", []string{`DELETE FROM part WHERE role = 'evidence' AND item = ` + done}, journal.ItemChanged},
		{"another's verdict", []string{`UPDATE part SET content = (SELECT content FROM part WHERE role = 'verdict' AND item <> ` + done + ` LIMIT 1) WHERE role = 'verdict' AND item = ` + done}, journal.ItemChanged},
		{"bytes of a container", []string{`UPDATE content SET bytes = CAST('x' || substr(bytes, 2) AS BLOB) WHERE id = (SELECT content FROM part WHERE role = 'container' AND item = ` + done + `)`}, journal.DocumentChanged},
		{"bytes of a verdict", []string{`UPDATE content SET bytes = CAST('{}' AS BLOB) WHERE id = (SELECT content FROM part WHERE role = 'verdict' AND item = ` + done + `)`}, journal.ItemChanged},
		{"a receipt hidden", []string{`UPDATE post SET withdrawn = at WHERE box = 'receipts' AND item = ` + done}, journal.PostChanged},
		{"a statement hidden", []string{`UPDATE post SET withdrawn = at WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"a statement's post away", []string{`DELETE FROM post WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"a receipt's post away", []string{`DELETE FROM post WHERE box = 'receipts' AND name LIKE '%.receipt1.json' AND item = ` + accepted}, journal.PostChanged},
		{"to another client", []string{`UPDATE post SET owner = 'other' WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"report of a day", []string{`UPDATE value SET value = CAST('{}' AS BLOB) WHERE bucket = 'days'`}, journal.ValueChanged},
		{"report of a day away", []string{`DELETE FROM value WHERE bucket = 'days'`}, journal.ValueChanged},
		{"a client's entry", []string{`UPDATE value SET value = CAST(value || ' ' AS BLOB) WHERE bucket = 'client'`}, journal.ValueChanged},
		{"a client more", []string{`INSERT INTO value (bucket, key, value) SELECT bucket, 'other', value FROM value WHERE bucket = 'client' LIMIT 1`}, journal.ValueChanged},
		{"a client less", []string{`DELETE FROM value WHERE bucket = 'client'`}, journal.ValueChanged},
		{"what documents are known by", []string{`UPDATE value SET value = CAST('0000000000001' AS BLOB) WHERE bucket = 'document/demo'`}, journal.ValueChanged},
		{"a receipt's text hidden", []string{`DELETE FROM post WHERE box = 'receipts' AND name LIKE '%.txt' AND item = ` + done}, journal.PostChanged},
		{"a post renamed", []string{`UPDATE post SET name = 'other.txt' WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"a post in another box", []string{`UPDATE post SET box = 'receipts' WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"a post that gives another's bytes", []string{`UPDATE post SET part = replace(part, 'receipt2', 'receipt1') WHERE box = 'receipts' AND name LIKE '%.receipt2%' AND item = ` + done}, journal.PostChanged},
		{"a post that gives another item's bytes", []string{`UPDATE post SET part = 'S1.txt', item = (SELECT id FROM item WHERE name = 'S1.txt') WHERE name = 'kept.txt'`}, journal.PostChanged},
		{"a post more", []string{`INSERT INTO post SELECT owner, box, 'more.json', item, part, size, at, told, delivered, acknowledged, withdrawn FROM post WHERE box = 'receipts' AND name LIKE '%.receipt1.json' AND item = ` + done}, journal.PostChanged},
		{"a verdict for the client", []string{`INSERT INTO post SELECT p.owner, p.box, '.verdict', p.item, '.verdict', c.size, q.added, p.told, p.delivered, p.acknowledged, p.withdrawn FROM post p JOIN part q ON q.item = p.item AND q.name = '.verdict' JOIN content c ON c.id = q.content WHERE p.box = 'receipts' AND p.name LIKE '%.receipt1.json' AND p.item = ` + done}, journal.PostChanged},
		{"size of a post", []string{`UPDATE post SET size = 1 WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"time of a post", []string{`UPDATE post SET at = at - 1 WHERE box = 'outbox' AND name = 'kept.txt'`}, journal.PostChanged},
		{"not recognised", []string{`DELETE FROM seen WHERE item = ` + accepted}, journal.KeyMissing},
		{"recognised as another", []string{`UPDATE seen SET item = ` + done + ` WHERE item = ` + accepted}, journal.KeyMissing},
		{"hash of a content too long", []string{`UPDATE content SET sha256 = CAST(sha256 || x'00' AS BLOB) WHERE id = (SELECT content FROM part WHERE role = 'container' AND item = ` + done + `)`}, journal.DocumentChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(template)))
			db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.Database))
			must(t, err)
			for _, text := range c.sql {
				res, err := db.Exec(text)
				must(t, err)
				if n, _ := res.RowsAffected(); n == 0 {
					t.Fatalf("%s: changed nothing", text)
				}
			}
			must(t, db.Close())
			store, err := sqlite.OpenReading(dir)
			must(t, err)
			defer store.Close()
			public, err := journal.PublicKey(journal.Folder(dir))
			must(t, err)
			key, err := journal.ParseKey(public)
			must(t, err)
			set := archive.NewSet(filepath.Join(dir, "archive"))
			defer set.Close()
			rep, err := journal.Verify(t.Context(), journal.Folder(dir), archive.Over(store, set), key)
			must(t, err)
			found := slices.ContainsFunc(rep.Findings, func(f journal.Finding) bool { return f.Sort == c.want })
			if found != (c.want != "") || c.want == "" && !rep.OK() {
				t.Errorf("want %q: %+v", c.want, rep.Findings)
			}
			if len(rep.Findings) > 20 {
				t.Errorf("%d findings for one act", len(rep.Findings))
			}
		})
	}
}

// TestPutAwayIsTold: a row tells of posts that are put away, also where more statements
// than are read at once lie before them and wait for their client.
func TestPutAwayIsTold(t *testing.T) {
	t.Parallel()
	a := newAttic(t)
	at := a.Clock.Now()
	a.ok(a.Store.Update(a.Ctx(), func(tx spool.Tx) error {
		err := tx.Insert(spool.Item{ID: 1, Queue: gateway.Statements, Owner: "demo", State: gateway.StateAvailable, Received: at})
		for i := range 1001 {
			p := spool.Post{Owner: "demo", Box: "outbox", Name: fmt.Sprintf("s%04d.txt", i), Item: 1, At: at}
			if i == 1000 {
				p.Delivered = at
			}
			err = errors.Join(err, tx.PutPost(p))
		}
		return err
	}))
	a.Advance(2 * time.Hour)
	a.ok(a.Gateway.Retain(a.Ctx(), time.Hour, time.Hour))
	told := 0
	a.ok(a.Store.View(a.Ctx(), func(r spool.Reader) error {
		p, err := r.Post("demo", "outbox", "s1000.txt")
		if p.Withdrawn.IsZero() {
			t.Error("what was read lies there still")
		}
		events, err2 := r.Events(0, 100)
		for _, e := range events {
			if e.Kind == journal.Retired {
				told++
			}
		}
		return errors.Join(err, err2)
	}))
	if told != 1 {
		t.Errorf("%d rows tell of it, want 1", told)
	}
}
