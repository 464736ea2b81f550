package sqlite

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// never is the zero time.Time as the tables hold it.
const never = "-62135596800000000"

const defaultLimit = 1000

func stamp(t time.Time) int64 { return t.UnixMicro() }

func clock(us int64) time.Time { return time.UnixMicro(us).UTC() }

// reader implements spool.Reader on one session inside one transaction.
type reader struct {
	s     *session
	ended bool // set once the function it was given to has returned
}

var errEnded = errors.New("used after its transaction")

func (r *reader) live() error {
	if r.ended {
		return errEnded
	}
	return nil
}

const itemColumns = `id, queue, owner, state, name, label, kind, number, date, sha256, size, priority,
	received, decided, deadline, not_before, attempts, lease, lease_until, note, version`

func scanItem(scan func(...any) error) (spool.Item, error) {
	var it spool.Item
	var id, received, decided, deadline, notBefore, until int64
	err := scan(&id, &it.Queue, &it.Owner, &it.State, &it.Name, &it.Label, &it.Kind, &it.Number, &it.Date, &it.SHA256, &it.Size, &it.Priority,
		&received, &decided, &deadline, &notBefore, &it.Attempts, &it.Lease, &until, &it.Note, &it.Version)
	it.ID = spool.ID(id)
	it.Received, it.Decided, it.Deadline = clock(received), clock(decided), clock(deadline)
	it.NotBefore, it.LeaseUntil = clock(notBefore), clock(until)
	return it, err
}

func (r *reader) Item(id spool.ID) (spool.Item, error) {
	if err := r.live(); err != nil {
		return spool.Item{}, err
	}
	var it spool.Item
	err := r.s.one(`SELECT `+itemColumns+` FROM item WHERE id = ?`, []any{int64(id)}, func(scan func(...any) error) (err error) {
		it, err = scanItem(scan)
		return err
	})
	if err != nil {
		return spool.Item{}, fmt.Errorf("item %s: %w", id, told(err))
	}
	return it, nil
}

// where collects conditions. The texts are constants: a shape of query is
// prepared once, and nothing from outside gets into SQL.
type where struct {
	terms []string
	args  []any
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

func clampID(id spool.ID) int64 { return int64(min(uint64(id), math.MaxInt64)) }

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

func (r *reader) Items(q spool.Query) ([]spool.Item, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	texts := itemsTexts(q)
	var all []spool.Item
	for _, t := range texts {
		got, err := r.items(t.text, t.args)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	if len(texts) == 1 {
		return all, nil
	}
	slices.SortFunc(all, func(a, b spool.Item) int {
		if q.Newest {
			a, b = b, a
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return all[:min(len(all), limitOf(q.Limit))], nil
}

func (r *reader) items(text string, args []any) ([]spool.Item, error) {
	var out []spool.Item
	err := r.s.rows(text, args, func(scan func(...any) error) error {
		it, err := scanItem(scan)
		out = append(out, it)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("items: %w", told(err))
	}
	return out, nil
}

// A search is a statement with its values.
type search struct {
	text string
	args []any
}

// itemsTexts are the searches of a query, whose results have no item in common:
// one a state, each along its index in the order of ids (with all of them in one
// statement the engine would read and sort them all), and for a label one along
// the names, since that is what the label nearly always is.
func itemsTexts(q spool.Query) []search {
	states := slices.Clone(q.States)
	slices.Sort(states)
	states = slices.Compact(states)
	if len(states) == 0 {
		states = []spool.State{""}
	}
	var all []search
	for _, state := range states {
		text, args := itemsText(q, state, false)
		all = append(all, search{text, args})
		if q.Label != "" {
			text, args := itemsText(q, state, true)
			all = append(all, search{text, args})
		}
	}
	return all
}

// itemsText looks in one state, or with "" in all of them; asName for items whose
// label is their name, otherwise for those where it is not.
func itemsText(q spool.Query, state spool.State, asName bool) (string, []any) {
	var w where
	if q.Queue != "" {
		w.add("queue = ?", string(q.Queue))
	}
	if q.Owner != "" {
		w.add("owner = ?", q.Owner)
	}
	if len(q.States) > 0 {
		w.add("state = ?", string(state))
	}
	if q.Name != "" {
		w.add("name = ?", q.Name)
	}
	switch {
	case q.Label != "" && asName:
		w.add("name = ? AND label = name", q.Label)
	case q.Label != "":
		w.add("label = ? AND label <> '' AND label <> name", q.Label)
	}
	if q.Lease != "" {
		w.add("lease = ? AND lease <> ''", q.Lease)
	}
	if q.Kind != "" {
		w.add("kind = ?", q.Kind)
	}
	if q.After != 0 {
		w.add("id > ?", clampID(q.After))
	}
	if q.Before != 0 {
		w.add("id < ?", clampID(q.Before))
	}
	if !q.From.IsZero() {
		w.add("received >= ?", stamp(q.From))
	}
	if !q.To.IsZero() {
		w.add("received < ?", stamp(q.To))
	}
	if !q.DueBefore.IsZero() {
		w.add("deadline < ? AND deadline > "+never, stamp(q.DueBefore))
	}
	text := `SELECT ` + itemColumns + ` FROM item` + w.String() + ` ORDER BY id LIMIT ?`
	if q.Newest {
		text = `SELECT ` + itemColumns + ` FROM item` + w.String() + ` ORDER BY id DESC LIMIT ?`
	}
	return text, append(w.args, limitOf(q.Limit))
}

func (r *reader) Counts(queue spool.Queue) (map[spool.State]int64, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	out := map[spool.State]int64{}
	err := r.s.rows(`SELECT state, n FROM tally WHERE queue = ? AND n <> 0`, []any{string(queue)}, func(scan func(...any) error) error {
		var state spool.State
		var n int64
		err := scan(&state, &n)
		out[state] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counts: %w", told(err))
	}
	return out, nil
}

const partColumns = `p.item, p.name, p.role, p.added, c.sha256, c.size FROM part p JOIN content c ON c.id = p.content`

func scanPart(scan func(...any) error) (spool.Part, error) {
	var p spool.Part
	var id, added int64
	var sum []byte
	err := scan(&id, &p.Name, &p.Role, &added, &sum, &p.Content.Size)
	p.Item, p.Added, p.Content.SHA256 = spool.ID(id), clock(added), hex.EncodeToString(sum)
	return p, err
}

func (r *reader) Parts(id spool.ID) ([]spool.Part, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var out []spool.Part
	err := r.s.rows(`SELECT `+partColumns+` WHERE p.item = ? ORDER BY p.n`, []any{int64(id)}, func(scan func(...any) error) error {
		p, err := scanPart(scan)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("parts of %s: %w", id, told(err))
	}
	return out, nil
}

func (r *reader) Part(id spool.ID, name string) (spool.Part, error) {
	if err := r.live(); err != nil {
		return spool.Part{}, err
	}
	var p spool.Part
	err := r.s.one(`SELECT `+partColumns+` WHERE p.item = ? AND p.name = ?`, []any{int64(id), name}, func(scan func(...any) error) (err error) {
		p, err = scanPart(scan)
		return err
	})
	if err != nil {
		return spool.Part{}, fmt.Errorf("part of %s: %w", id, told(err))
	}
	return p, nil
}

func (r *reader) events(text string, args ...any) ([]spool.Event, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var out []spool.Event
	err := r.s.rows(text, args, func(scan func(...any) error) error {
		var e spool.Event
		var id, item, at int64
		err := scan(&e.Seq, &id, &item, &at, &e.Kind, &e.Record)
		e.ID, e.Item, e.At = spool.ID(id), spool.ID(item), clock(at)
		out = append(out, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("events: %w", told(err))
	}
	return out, nil
}

func (r *reader) History(id spool.ID) ([]spool.Event, error) {
	if id == 0 {
		return nil, nil
	}
	return r.events(`SELECT seq, id, item, at, kind, record FROM event WHERE item = ? AND item <> 0 ORDER BY seq`, int64(id))
}

func (r *reader) Events(after int64, limit int) ([]spool.Event, error) {
	return r.events(`SELECT seq, id, item, at, kind, record FROM event WHERE seq > ? ORDER BY seq LIMIT ?`, after, limitOf(limit))
}

func (r *reader) Seen(key spool.Key) (spool.ID, bool, error) {
	if err := r.live(); err != nil {
		return 0, false, err
	}
	var id int64
	err := r.s.row(`SELECT item FROM seen WHERE key = ?`, []any{key[:]}, &id)
	if errors.Is(err, capi.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("seen: %w", told(err))
	}
	return spool.ID(id), true, nil
}

const postColumns = `owner, box, name, item, part, size, at, told, delivered, acknowledged, withdrawn`

func scanPost(scan func(...any) error) (spool.Post, error) {
	var p spool.Post
	var item, at, toldAt, delivered, acknowledged, withdrawn int64
	err := scan(&p.Owner, &p.Box, &p.Name, &item, &p.Part, &p.Size, &at, &toldAt, &delivered, &acknowledged, &withdrawn)
	p.Item, p.At, p.Told = spool.ID(item), clock(at), clock(toldAt)
	p.Delivered, p.Acknowledged, p.Withdrawn = clock(delivered), clock(acknowledged), clock(withdrawn)
	return p, err
}

func (r *reader) Post(owner, box, name string) (spool.Post, error) {
	if err := r.live(); err != nil {
		return spool.Post{}, err
	}
	var p spool.Post
	err := r.s.one(`SELECT `+postColumns+` FROM post WHERE owner = ? AND box = ? AND name = ?`, []any{owner, box, name}, func(scan func(...any) error) (err error) {
		p, err = scanPost(scan)
		return err
	})
	if err != nil {
		return spool.Post{}, fmt.Errorf("post: %w", told(err))
	}
	return p, nil
}

func (r *reader) Posts(q spool.PostQuery) ([]spool.Post, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	text, args := postsText(q)
	var out []spool.Post
	err := r.s.rows(text, args, func(scan func(...any) error) error {
		p, err := scanPost(scan)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("posts: %w", told(err))
	}
	return out, nil
}

func postsText(q spool.PostQuery) (string, []any) {
	var w where
	if q.Owner != "" {
		w.add("owner = ?", q.Owner)
	}
	if q.Box != "" {
		w.add("box = ?", q.Box)
	}
	if q.Name != "" {
		w.add("name = ?", q.Name)
	}
	if q.Item != 0 {
		w.add("item = ?", int64(q.Item))
	}
	switch {
	case q.Untold && q.Gone:
		w.add("told = " + never)
	case q.Untold:
		w.add("told = " + never + " AND acknowledged = " + never)
	case !q.Gone:
		w.add("acknowledged = " + never + " AND withdrawn = " + never)
	}
	if !q.From.IsZero() {
		w.add("at >= ?", stamp(q.From))
	}
	if !q.To.IsZero() {
		w.add("at < ?", stamp(q.To))
	}
	if q.After != "" {
		w.add("name > ?", q.After)
	}
	// The planner would take the primary key and walk through all old mail.
	table := "post"
	switch {
	case q.Item != 0:
	case q.Untold:
		table = "post INDEXED BY post_untold"
	case q.Owner != "" && !q.Gone:
		table = "post INDEXED BY post_open"
	}
	return `SELECT ` + postColumns + ` FROM ` + table + w.String() + ` ORDER BY owner, box, name LIMIT ?`, append(w.args, limitOf(q.Limit))
}

func (r *reader) Value(bucket, key string) ([]byte, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var v []byte
	if err := r.s.row(`SELECT value FROM value WHERE bucket = ? AND key = ?`, []any{bucket, key}, &v); err != nil {
		return nil, fmt.Errorf("value %q in %q: %w", key, bucket, told(err))
	}
	return notNil(v), nil
}

func (r *reader) Values(bucket string) (map[string][]byte, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	err := r.s.rows(`SELECT key, value FROM value WHERE bucket = ?`, []any{bucket}, func(scan func(...any) error) error {
		var key string
		var v []byte
		err := scan(&key, &v)
		out[key] = notNil(v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("values of %q: %w", bucket, told(err))
	}
	return out, nil
}

// notNil keeps an empty value apart from none: the driver gives nil for both.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (r *reader) Kept(owner string) ([]spool.Kept, error) {
	if err := r.live(); err != nil {
		return nil, err
	}
	var w where
	if owner != "" {
		w.add("owner = ?", owner)
	}
	var out []spool.Kept
	err := r.s.rows(`SELECT owner, name, size, modified FROM kept`+w.String()+` ORDER BY owner, name`, w.args, func(scan func(...any) error) error {
		var k spool.Kept
		var at int64
		err := scan(&k.Owner, &k.Name, &k.Size, &at)
		k.Modified = clock(at)
		out = append(out, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("kept drafts: %w", told(err))
	}
	return out, nil
}
