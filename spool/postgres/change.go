package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/brama-gateway/brama/spool"
)

// maxInline bounds the bytes a caller may hand over in memory, whatever InlineMax is.
const maxInline = 1 << 20

// tx implements spool.Tx for one change of a group.
//
// Writes whose outcome is nearly always the same are sent late, many at once, and
// taken for made. When one of them turns out otherwise, the whole group runs once
// more with careful set: then each is sent at once and tells what it has done.
type tx struct {
	reader
	store   *Store
	careful bool

	bytes int64 // handed to the group
	tally tally // what the change has made of the counts
}

// write runs a statement that is expected to change want rows and says how many it did.
func (t *tx) write(want int64, text string, args ...any) (int64, error) {
	if !t.careful {
		return want, t.s.later(want, text, args...)
	}
	n, err := t.s.exec(text, args...)
	return n, told(err)
}

func note(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func (t *tx) Insert(it spool.Item) error {
	if err := t.live(); err != nil {
		return err
	}
	if it.ID == 0 || it.ID > math.MaxInt64 {
		return fmt.Errorf("item %s: not an id that can be stored", it.ID)
	}
	it.Version = 1
	ripe := t.ripeness(it)
	n, err := t.write(1, `INSERT INTO item (`+itemColumns+`, ripe)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22) ON CONFLICT DO NOTHING`, itemValues(it, ripe)...)
	if err == nil && n == 0 {
		err = spool.ErrExists
	}
	if err != nil {
		return fmt.Errorf("item %s: %w", it.ID, err)
	}
	t.count(it.Queue, it.State, 1)
	return t.line(it, ripe)
}

func (t *tx) count(queue spool.Queue, state spool.State, by int64) {
	if t.tally == nil {
		t.tally = tally{}
	}
	t.tally[place{queue, state}] += by
}

// Counts are those of the database and what the group has made of them since.
func (t *tx) Counts(queue spool.Queue) (map[spool.State]int64, error) {
	out, err := t.reader.Counts(queue)
	if err != nil {
		return nil, err
	}
	for _, more := range []tally{t.store.pending, t.tally} {
		for k, n := range more {
			if k.queue != queue {
				continue
			}
			if out[k.state] += n; out[k.state] == 0 {
				delete(out, k.state)
			}
		}
	}
	return out, nil
}

func (t *tx) Put(it spool.Item) error {
	if err := t.live(); err != nil {
		return err
	}
	old, err := t.Item(it.ID)
	if err != nil {
		return err
	}
	if old.Version != it.Version {
		return fmt.Errorf("item %s: version %d, stored is %d: %w", it.ID, it.Version, old.Version, spool.ErrConflict)
	}
	return t.put(old, it)
}

const sqlPut = `UPDATE item SET queue = $2, owner = $3, state = $4, name = $5, label = $6, kind = $7, number = $8, date = $9, sha256 = $10, size = $11,
	priority = $12, received = $13, decided = $14, deadline = $15, not_before = $16, attempts = $17, lease = $18, lease_until = $19, note = $20,
	version = $21, ripe = $22 WHERE id = $1`

func (t *tx) put(old, it spool.Item) error {
	it.Version = old.Version + 1
	ripe := t.ripeness(it)
	if _, err := t.write(1, sqlPut, itemValues(it, ripe)...); err != nil {
		return fmt.Errorf("item %s: %w", it.ID, err)
	}
	if old.Queue != it.Queue || old.State != it.State {
		t.count(old.Queue, old.State, -1)
		t.count(it.Queue, it.State, 1)
	}
	return t.line(it, ripe)
}

// itemValues are the values of itemColumns and ripe.
func itemValues(it spool.Item, ripe int) []any {
	return []any{
		int64(it.ID), string(it.Queue), it.Owner, string(it.State), it.Name, it.Label, it.Kind, it.Number, it.Date, it.SHA256, it.Size, it.Priority,
		stamp(it.Received), stamp(it.Decided), stamp(it.Deadline), stamp(it.NotBefore), it.Attempts, it.Lease, stamp(it.LeaseUntil), note(it.Note), it.Version, ripe,
	}
}

func (t *tx) Delete(id spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	var queue spool.Queue
	var state spool.State
	if err := t.s.row(`SELECT queue, state FROM item WHERE id = $1`, []any{int64(id)}, &queue, &state); err != nil {
		return fmt.Errorf("item %s: %w", id, told(err))
	}
	for _, text := range []string{
		`INSERT INTO loose (content) SELECT DISTINCT content FROM part WHERE item = $1 ON CONFLICT DO NOTHING`,
		`DELETE FROM part WHERE item = $1`,
		`DELETE FROM post WHERE item = $1`,
		`DELETE FROM seen WHERE item = $1`,
		`DELETE FROM item WHERE id = $1`,
	} {
		if _, err := t.write(whatever, text, int64(id)); err != nil {
			return fmt.Errorf("item %s: %w", id, err)
		}
	}
	t.count(queue, state, -1)
	return nil
}

func digest(s string) ([]byte, error) {
	sum, err := hex.DecodeString(s)
	if err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != s {
		return nil, errors.New("hash is not 64 lower-case hexadecimal digits")
	}
	return sum, nil
}

// hold finds or makes the row of a content.
func (t *tx) hold(c spool.Content) (int64, error) {
	sum, err := digest(c.SHA256)
	if err != nil {
		return 0, err
	}
	if c.Size < 0 {
		return 0, errors.New("size is negative")
	}
	var mem, blob any
	switch {
	case c.Inline != nil || c.Size == 0:
		if int64(len(c.Inline)) != c.Size || c.Size > maxInline {
			return 0, fmt.Errorf("%d bytes in memory for a size of %d: %w", len(c.Inline), c.Size, spool.ErrTooLarge)
		}
		if sha256.Sum256(c.Inline) != [sha256.Size]byte(sum) {
			return 0, errors.New("bytes do not have the hash")
		}
		mem = notNil(c.Inline)
		t.bytes += c.Size
	default:
		// A finished draft has written the blob and holds it there.
		id, size := t.store.blobs.holder(c.SHA256)
		if id == 0 || size != c.Size {
			return t.held(sum, c.Size)
		}
		blob = id
	}
	id := t.store.marks.content + 1
	n, err := t.write(1, `INSERT INTO content (id, sha256, size, bytes, blob) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, id, sum, c.Size, mem, blob)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return t.held(sum, c.Size)
	}
	t.store.marks.content = id
	return id, nil
}

// held finds the row of a content that is there.
func (t *tx) held(sum []byte, want int64) (int64, error) {
	var id, size int64
	err := t.s.row(`SELECT id, size FROM content WHERE sha256 = $1`, []any{sum}, &id, &size)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("its bytes are not here: %w", spool.ErrNotFound)
	}
	if err != nil {
		return 0, told(err)
	}
	if size != want {
		return 0, fmt.Errorf("size is %d, stored is %d: %w", want, size, spool.ErrConflict)
	}
	return id, nil
}

func (t *tx) AddPart(id spool.ID, name string, role spool.Role, c spool.Content, at time.Time) error {
	if err := t.live(); err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("part of %s: name is empty", id)
	}
	content, err := t.hold(c)
	if err != nil {
		return fmt.Errorf("part of %s: %w", id, err)
	}
	n := t.store.marks.part + 1
	k, err := t.write(1, `INSERT INTO part (item, name, n, role, added, content)
		SELECT $1::bigint, $2::text, $3::bigint, $4::text, $5::bigint, $6::bigint WHERE EXISTS (SELECT FROM item WHERE id = $1) ON CONFLICT DO NOTHING`,
		int64(id), name, n, string(role), stamp(at), content)
	switch {
	case err != nil:
	case k == 1:
		t.store.marks.part = n
		return nil
	default:
		if err = t.there(id); err == nil {
			err = spool.ErrExists
		}
	}
	// The content's row may be left without a part when the caller goes on.
	if _, e := t.write(whatever, `INSERT INTO loose (content) VALUES ($1) ON CONFLICT DO NOTHING`, content); e != nil {
		err = e
	}
	return fmt.Errorf("part of %s: %w", id, err)
}

func (t *tx) RemovePart(id spool.ID, name string) error {
	if err := t.live(); err != nil {
		return err
	}
	var content int64
	err := t.s.row(`DELETE FROM part WHERE item = $1 AND name = $2 RETURNING content`, []any{int64(id), name}, &content)
	if err != nil {
		return fmt.Errorf("part of %s: %w", id, told(err))
	}
	if _, err := t.write(whatever, `INSERT INTO loose (content) VALUES ($1) ON CONFLICT DO NOTHING`, content); err != nil {
		return fmt.Errorf("part of %s: %w", id, err)
	}
	return nil
}

// there is spool.ErrNotFound for an item that is not.
func (t *tx) there(id spool.ID) error {
	var one int
	return told(t.s.row(`SELECT 1 FROM item WHERE id = $1`, []any{int64(id)}, &one))
}

const sqlMove = `UPDATE part p SET item = $2 WHERE item = $1 AND NOT EXISTS
	(SELECT FROM part a JOIN part b ON a.name = b.name WHERE a.item = $1 AND b.item = $2)`

func (t *tx) MoveParts(from, to spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	parts, err := t.Parts(from)
	if err == nil && len(parts) > 0 && from != to {
		if err = t.there(to); err == nil {
			var n int64
			if n, err = t.write(int64(len(parts)), sqlMove, int64(from), int64(to)); err == nil && n == 0 {
				err = spool.ErrExists
			}
		}
	}
	if err != nil {
		return fmt.Errorf("parts of %s to %s: %w", from, to, err)
	}
	return nil
}

func (t *tx) Append(e spool.Event) (int64, error) {
	if err := t.live(); err != nil {
		return 0, err
	}
	if e.ID == 0 || e.ID > math.MaxInt64 || e.Item > math.MaxInt64 {
		return 0, fmt.Errorf("event %s: not an id that can be stored", e.ID)
	}
	// Rows are never deleted and one writer works at a time, so there are no gaps.
	seq := t.store.marks.event + 1
	n, err := t.write(1, `INSERT INTO event (seq, id, item, at, kind, record) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		seq, int64(e.ID), int64(e.Item), stamp(e.At), e.Kind, note(e.Record))
	if err == nil && n == 0 {
		err = spool.ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("event %s: %w", e.ID, err)
	}
	t.store.marks.event = seq
	t.bytes += int64(len(e.Record))
	return seq, nil
}

func (t *tx) See(key spool.Key, id spool.ID) (spool.ID, error) {
	if id == 0 || id > math.MaxInt64 {
		return 0, fmt.Errorf("key of %s: not an id that can be stored", id)
	}
	if err := t.live(); err != nil {
		return 0, err
	}
	// At once: what callers do next hangs on the answer.
	n, err := t.s.exec(`INSERT INTO seen (key, item) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, key[:], int64(id))
	if err != nil {
		return 0, fmt.Errorf("key of %s: %w", id, told(err))
	}
	if n == 1 {
		return id, nil
	}
	first, _, err := t.Seen(key)
	if err != nil {
		return 0, told(err)
	}
	if first != id {
		return first, fmt.Errorf("key of %s: held by %s: %w", id, first, spool.ErrExists)
	}
	return id, nil
}

func (t *tx) Forget(id spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	if _, err := t.write(whatever, `DELETE FROM seen WHERE item = $1`, int64(id)); err != nil {
		return fmt.Errorf("keys of %s: %w", id, err)
	}
	return nil
}

func (t *tx) PutPost(p spool.Post) error {
	if err := t.live(); err != nil {
		return err
	}
	if p.Owner == "" || p.Box == "" || p.Name == "" || p.Item > math.MaxInt64 {
		return errors.New("post: owner, box or name is empty")
	}
	_, err := t.write(1, `INSERT INTO post (`+postColumns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)
		ON CONFLICT (owner, box, name) DO UPDATE SET item = excluded.item, part = excluded.part, size = excluded.size, at = excluded.at,
		told = excluded.told, delivered = excluded.delivered, acknowledged = excluded.acknowledged, withdrawn = excluded.withdrawn`,
		p.Owner, p.Box, p.Name, int64(p.Item), p.Part, p.Size, stamp(p.At),
		stamp(p.Told), stamp(p.Delivered), stamp(p.Acknowledged), stamp(p.Withdrawn))
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}

func (t *tx) DeletePost(owner, box, name string) error {
	if err := t.live(); err != nil {
		return err
	}
	n, err := t.write(1, `DELETE FROM post WHERE owner = $1 AND box = $2 AND name = $3`, owner, box, name)
	if err == nil && n == 0 {
		err = spool.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}

func (t *tx) Next(counter string) (int64, error) {
	if err := t.live(); err != nil {
		return 0, err
	}
	var n int64
	err := t.s.row(`INSERT INTO counter (name, n) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1 RETURNING n`, []any{counter}, &n)
	if err != nil {
		return 0, fmt.Errorf("counter %q: %w", counter, told(err))
	}
	return n, nil
}

func (t *tx) SetValue(bucket, key string, value []byte) error {
	if err := t.live(); err != nil {
		return err
	}
	var err error
	if value == nil {
		_, err = t.write(whatever, `DELETE FROM value WHERE bucket = $1 AND key = $2`, bucket, key)
	} else {
		_, err = t.write(1, `INSERT INTO value (bucket, key, value) VALUES ($1, $2, $3) ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`, bucket, key, value)
	}
	if err != nil {
		return fmt.Errorf("value %q in %q: %w", key, bucket, err)
	}
	t.bytes += int64(len(value))
	return nil
}

func (t *tx) Unkeep(owner, name string) error {
	if err := t.live(); err != nil {
		return err
	}
	var blob *int64
	if err := t.s.row(`DELETE FROM kept WHERE owner = $1 AND name = $2 RETURNING blob`, []any{owner, name}, &blob); err != nil {
		return fmt.Errorf("kept draft: %w", told(err))
	}
	if blob != nil {
		return t.drop(*blob)
	}
	return nil
}

func (t *tx) RenameKept(owner, from, to string) error {
	if err := t.live(); err != nil {
		return err
	}
	if to == "" {
		return errors.New("kept draft: name is empty")
	}
	n, err := t.write(1, `UPDATE kept SET name = $3 WHERE owner = $1 AND name = $2 AND NOT EXISTS (SELECT FROM kept WHERE owner = $1 AND name = $3)`, owner, from, to)
	if err == nil && n == 0 {
		var one int
		if err = told(t.s.row(`SELECT 1 FROM kept WHERE owner = $1 AND name = $2`, []any{owner, from}, &one)); err == nil {
			err = spool.ErrExists
		}
	}
	if err != nil {
		return fmt.Errorf("kept draft: %w", err)
	}
	return nil
}
