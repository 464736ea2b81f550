package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// maxInline bounds the bytes a caller may hand over in memory, whatever InlineMax is.
const maxInline = 1 << 20

// tx implements spool.Tx for one change of a group.
type tx struct {
	reader
	store *Store

	bytes   int64    // handed to the group
	broken  error    // the transaction of the group is lost
	dropped []string // drafts that nothing names any more, after the commit
	keeps   *draft   // now has a name
	fresh   bool     // free space was looked at and found enough
	tally   tally    // what the change has made of the counts

	known map[spool.ID]spool.Item // as they are stored; read or written by this change
}

// maxKnown bounds the memory of a change for items.
const maxKnown = 1000

// know remembers an item: nearly always what was read is then changed.
func (t *tx) know(it spool.Item) {
	if t.known == nil {
		t.known = map[spool.ID]spool.Item{}
	}
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	it.Note = bytes.Clone(it.Note) // the caller's is the caller's
	t.known[it.ID] = it
}

func (t *tx) Item(id spool.ID) (spool.Item, error) {
	it, err := t.reader.Item(id)
	if err == nil {
		t.know(it)
	}
	return it, err
}

func (t *tx) Items(q spool.Query) ([]spool.Item, error) {
	items, err := t.reader.Items(q)
	for _, it := range items {
		t.know(it)
	}
	return items, err
}

// fault marks the change as broken when err is more than a refused statement:
// SQLite may have rolled back the whole group by itself.
func (t *tx) fault(err error) error {
	if c := code(err); c != 0 && !rejected(err) {
		t.broken = err
	}
	return told(err)
}

func (t *tx) exec(text string, args ...any) (int64, error) {
	n, err := t.s.exec(text, args...)
	if err != nil {
		return n, t.fault(err)
	}
	return n, nil
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
	if !t.fresh {
		if err := t.store.room(0); err != nil {
			return fmt.Errorf("item %s: %w", it.ID, err)
		}
		t.fresh = true
	}
	it.Version = 1
	ripe := t.ripeness(it)
	_, err := t.s.exec(`INSERT INTO item (`+itemColumns+`, ripe) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, itemValues(it, ripe)...)
	if rejected(err) {
		return fmt.Errorf("item %s: %w", it.ID, spool.ErrExists)
	}
	if err != nil {
		return fmt.Errorf("item %s: %w", it.ID, t.fault(err))
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
	old, known := t.known[it.ID]
	if !known {
		var err error
		if old, err = t.Item(it.ID); err != nil {
			return t.fault(err)
		}
	}
	if old.Version != it.Version {
		return fmt.Errorf("item %s: version %d, stored is %d: %w", it.ID, it.Version, old.Version, spool.ErrConflict)
	}
	return t.put(old, it)
}

// put writes what has changed in an item, and nothing else: a column that is
// named in an UPDATE has its indexes written again, whatever its value.
func (t *tx) put(old, it spool.Item) error {
	it.Version = old.Version + 1
	ripe := t.ripeness(it)
	wasRipe := -1 // not known: a claim may have seen NotBefore pass
	if old.NotBefore.IsZero() {
		wasRipe = t.ripeness(old)
	}
	was, is := itemValues(old, wasRipe), itemValues(it, ripe)
	changed := uint32(0)
	var args []any
	for i := range is {
		if !same(was[i], is[i]) {
			changed |= 1 << i
			args = append(args, is[i])
		}
	}
	delete(t.known, it.ID)
	if _, err := t.exec(t.store.updateOf(changed), append(args, int64(it.ID))...); err != nil {
		return fmt.Errorf("item %s: %w", it.ID, err)
	}
	t.know(it)
	if old.Queue != it.Queue || old.State != it.State {
		t.count(old.Queue, old.State, -1)
		t.count(it.Queue, it.State, 1)
	}
	return t.line(it, ripe)
}

// updateOf is the statement that writes some columns of an item, a bit each.
func (s *Store) updateOf(columns uint32) string {
	text := s.updates[columns]
	if text == "" {
		var set []string
		for i, name := range itemNames {
			if columns&(1<<i) != 0 {
				set = append(set, name+" = ?")
			}
		}
		text = "UPDATE item SET " + strings.Join(set, ", ") + " WHERE id = ?"
		s.updates[columns] = text
	}
	return text
}

// itemNames are the columns of a row of item.
var itemNames = strings.Split(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(itemColumns)+",ripe", ",")

// itemValues are the values of itemNames.
func itemValues(it spool.Item, ripe int) []any {
	return []any{
		int64(it.ID), string(it.Queue), it.Owner, string(it.State), it.Name, it.Label, it.Kind, it.Number, it.Date, it.SHA256, it.Size, it.Priority,
		stamp(it.Received), stamp(it.Decided), stamp(it.Deadline), stamp(it.NotBefore), it.Attempts, it.Lease, stamp(it.LeaseUntil), note(it.Note), it.Version, ripe,
	}
}

func same(a, b any) bool {
	x, isBytes := a.([]byte)
	y, areBytes := b.([]byte)
	if isBytes || areBytes {
		return isBytes == areBytes && bytes.Equal(x, y)
	}
	return a == b
}

func (t *tx) Delete(id spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	var queue spool.Queue
	var state spool.State
	if err := t.s.row(`SELECT queue, state FROM item WHERE id = ?`, []any{int64(id)}, &queue, &state); err != nil {
		return fmt.Errorf("item %s: %w", id, t.fault(err))
	}
	for _, text := range []string{
		`INSERT OR IGNORE INTO loose (content) SELECT content FROM part WHERE item = ?`,
		`DELETE FROM part WHERE item = ?`,
		`DELETE FROM post WHERE item = ?`,
		`DELETE FROM seen WHERE item = ?`,
		`DELETE FROM item WHERE id = ?`,
	} {
		if _, err := t.exec(text, int64(id)); err != nil {
			return fmt.Errorf("item %s: %w", id, err)
		}
	}
	delete(t.known, id)
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
	var mem any
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
		// A finished draft has put the file in its place and holds it there.
		if t.store.files.heldSize(c.SHA256) != c.Size {
			return t.held(sum, c.Size)
		}
	}
	id := t.store.marks.content + 1
	n, err := t.exec(`INSERT INTO content (id, sha256, size, bytes) VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING`, id, sum, c.Size, mem)
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
	err := t.s.row(`SELECT id, size FROM content WHERE sha256 = ?`, []any{sum}, &id, &size)
	if errors.Is(err, capi.ErrNoRows) {
		return 0, fmt.Errorf("its bytes are not here: %w", spool.ErrNotFound)
	}
	if err != nil {
		return 0, t.fault(err)
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
	_, err = t.s.exec(`INSERT INTO part (item, name, n, role, added, content) VALUES (?, ?, ?, ?, ?, ?)`, int64(id), name, n, string(role), stamp(at), content)
	switch {
	case foreign(err):
		err = spool.ErrNotFound
	case rejected(err):
		err = spool.ErrExists
	case err != nil:
		err = t.fault(err)
	default:
		t.store.marks.part = n
		return nil
	}
	// The content's row may be left without a part when the caller goes on.
	if _, e := t.exec(`INSERT OR IGNORE INTO loose (content) VALUES (?)`, content); e != nil {
		err = e
	}
	return fmt.Errorf("part of %s: %w", id, err)
}

func (t *tx) RemovePart(id spool.ID, name string) error {
	if err := t.live(); err != nil {
		return err
	}
	var content int64
	err := t.s.row(`DELETE FROM part WHERE item = ? AND name = ? RETURNING content`, []any{int64(id), name}, &content)
	if err != nil {
		return fmt.Errorf("part of %s: %w", id, t.fault(err))
	}
	if _, err := t.exec(`INSERT OR IGNORE INTO loose (content) VALUES (?)`, content); err != nil {
		return fmt.Errorf("part of %s: %w", id, err)
	}
	return nil
}

func (t *tx) MoveParts(from, to spool.ID) error {
	if err := t.live(); err != nil {
		return err
	}
	_, err := t.s.exec(`UPDATE part SET item = ? WHERE item = ?`, int64(to), int64(from))
	switch {
	case foreign(err):
		err = spool.ErrNotFound
	case rejected(err):
		err = spool.ErrExists
	case err != nil:
		err = t.fault(err)
	default:
		return nil
	}
	return fmt.Errorf("parts of %s to %s: %w", from, to, err)
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
	_, err := t.s.exec(`INSERT INTO event (seq, id, item, at, kind, record) VALUES (?, ?, ?, ?, ?, ?)`,
		seq, int64(e.ID), int64(e.Item), stamp(e.At), e.Kind, note(e.Record))
	if rejected(err) {
		return 0, fmt.Errorf("event %s: %w", e.ID, spool.ErrExists)
	}
	if err != nil {
		return 0, fmt.Errorf("event %s: %w", e.ID, t.fault(err))
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
	n, err := t.exec(`INSERT INTO seen (key, item) VALUES (?, ?) ON CONFLICT (key) DO NOTHING`, key[:], int64(id))
	if err != nil {
		return 0, fmt.Errorf("key of %s: %w", id, err)
	}
	if n == 1 {
		return id, nil
	}
	first, _, err := t.Seen(key)
	if err != nil {
		return 0, t.fault(err)
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
	if _, err := t.exec(`DELETE FROM seen WHERE item = ?`, int64(id)); err != nil {
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
	_, err := t.exec(`INSERT OR REPLACE INTO post (`+postColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
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
	n, err := t.exec(`DELETE FROM post WHERE owner = ? AND box = ? AND name = ?`, owner, box, name)
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
	err := t.s.row(`INSERT INTO counter (name, n) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = n + 1 RETURNING n`, []any{counter}, &n)
	if err != nil {
		return 0, fmt.Errorf("counter %q: %w", counter, t.fault(err))
	}
	return n, nil
}

func (t *tx) SetValue(bucket, key string, value []byte) error {
	if err := t.live(); err != nil {
		return err
	}
	var err error
	if value == nil {
		_, err = t.exec(`DELETE FROM value WHERE bucket = ? AND key = ?`, bucket, key)
	} else {
		_, err = t.exec(`INSERT OR REPLACE INTO value (bucket, key, value) VALUES (?, ?, ?)`, bucket, key, value)
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
	var draft string
	if err := t.s.row(`DELETE FROM kept WHERE owner = ? AND name = ? RETURNING draft`, []any{owner, name}, &draft); err != nil {
		return fmt.Errorf("kept draft: %w", t.fault(err))
	}
	t.dropped = append(t.dropped, draft)
	return nil
}

func (t *tx) RenameKept(owner, from, to string) error {
	if err := t.live(); err != nil {
		return err
	}
	if to == "" {
		return errors.New("kept draft: name is empty")
	}
	n, err := t.s.exec(`UPDATE kept SET name = ? WHERE owner = ? AND name = ?`, to, owner, from)
	switch {
	case rejected(err):
		err = spool.ErrExists
	case err != nil:
		err = t.fault(err)
	case n == 0:
		err = spool.ErrNotFound
	default:
		return nil
	}
	return fmt.Errorf("kept draft: %w", err)
}
