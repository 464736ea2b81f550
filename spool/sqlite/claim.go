package sqlite

import (
	"errors"
	"fmt"
	"math"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// line puts the owner of a ripe item in line. served of a new row is that of
// the owner's other priorities; an owner who was never served gets a negative
// number that grows with the id, and so comes before everybody who was, in the
// order of first arrival.
func (t *tx) line(it spool.Item, ripe int) error {
	key := turnKey{it.Queue, it.State, it.Owner, it.Priority}
	if ripe != ripeNow || t.store.lined[key] {
		return nil
	}
	_, err := t.exec(`INSERT INTO turn (queue, state, owner, priority, served, idle)
		VALUES (?1, ?2, ?3, ?4, COALESCE((SELECT MAX(served) FROM turn WHERE queue = ?1 AND state = ?2 AND owner = ?3), ?5), 0)
		ON CONFLICT (queue, state, owner, priority) DO UPDATE SET idle = 0 WHERE idle <> 0`,
		string(it.Queue), string(it.State), it.Owner, it.Priority, int64(it.ID)+math.MinInt64)
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	if len(t.store.lined) >= maxLined {
		clear(t.store.lined)
	}
	t.store.lined[key] = true
	return nil
}

// What item.ripe says.
const (
	ripeLater = 0 // once a claim has seen NotBefore pass
	ripeNow   = 1
	ripeIdle  = 2 // nobody claims from this state
)

func (t *tx) ripeness(it spool.Item) int {
	switch {
	case !it.NotBefore.IsZero():
		return ripeLater
	case t.store.claimed[place{it.Queue, it.State}]:
		return ripeNow
	}
	return ripeIdle
}

// enter makes a place one of those that are claimed from: what is there already
// gets in line, the owners in the order in which their work came.
func (t *tx) enter(p place) error {
	if t.store.claimed[p] {
		return nil
	}
	for _, text := range []string{
		`INSERT INTO claimed (queue, state) VALUES (?1, ?2)`,
		`INSERT INTO turn (queue, state, owner, priority, served, idle)
			WITH first AS (SELECT owner, MIN(id) AS id FROM item WHERE queue = ?1 AND state = ?2 AND ripe = 2 GROUP BY owner)
			SELECT DISTINCT ?1, ?2, i.owner, i.priority, first.id - 9223372036854775807 - 1, 0 FROM item i JOIN first ON first.owner = i.owner
			WHERE i.queue = ?1 AND i.state = ?2 AND i.ripe = 2`,
		`UPDATE item SET ripe = 1 WHERE queue = ?1 AND state = ?2 AND ripe = 2`,
	} {
		if _, err := t.exec(text, string(p.queue), string(p.state)); err != nil {
			return err
		}
	}
	t.store.claimed[p] = true
	t.store.claims = append(t.store.claims, p)
	return nil
}

const (
	sqlRipen = `SELECT ` + itemColumns + ` FROM item WHERE queue = ? AND state = ? AND ripe = 0 AND not_before <= ? ORDER BY not_before LIMIT 1000`
	sqlTurn  = `SELECT owner, priority FROM turn WHERE queue = ? AND state = ? AND idle = 0 ORDER BY priority DESC, served, owner LIMIT ? OFFSET ?`
	sqlPick  = `SELECT ` + itemColumns + ` FROM item
		WHERE queue = ? AND state = ? AND owner = ? AND priority = ? AND ripe = 1 AND not_before <= ? ORDER BY id LIMIT 1`
	sqlAny = `SELECT 1 FROM item WHERE queue = ? AND state = ? AND owner = ? AND priority = ? AND ripe = 1 LIMIT 1`
)

func (t *tx) Claim(c spool.Claim) ([]spool.Item, error) {
	if err := t.live(); err != nil {
		return nil, err
	}
	if c.Token == nil || c.TTL <= 0 || c.From == c.To {
		return nil, errors.New("claim: needs a token, a time to live and two different states")
	}
	if err := t.enter(place{c.Queue, c.From}); err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	if err := t.ripen(c); err != nil {
		return nil, fmt.Errorf("claim: %w", t.fault(err))
	}
	var out []spool.Item
	skip := 0 // turns whose work is ripe by an earlier claim's clock, not by this one's
	for len(out) < c.Max {
		turns, err := t.turns(c, c.Max-len(out), skip)
		if err != nil {
			return nil, fmt.Errorf("claim: %w", t.fault(err))
		}
		if len(turns) == 0 {
			break
		}
		for _, u := range turns {
			it, found, err := t.pick(c, u)
			if errors.Is(err, errLater) {
				skip++
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("claim: %w", t.fault(err))
			}
			if !found {
				continue
			}
			if it, err = t.lease(c, it); err != nil {
				return nil, fmt.Errorf("claim: %w", err)
			}
			out = append(out, it)
		}
	}
	return out, nil
}

// lease gives an item to whoever claims.
func (t *tx) lease(c spool.Claim, it spool.Item) (spool.Item, error) {
	old := it
	it.State, it.Lease, it.LeaseUntil = c.To, c.Token(), clock(stamp(c.Now.Add(c.TTL)))
	it.Attempts++
	if it.Lease == "" {
		return it, errors.New("the lease token is empty")
	}
	if err := t.put(old, it); err != nil {
		return it, err
	}
	it.Version++
	_, err := t.exec(`UPDATE turn SET served = ? WHERE queue = ? AND state = ? AND owner = ?`, t.store.serve(), string(c.Queue), string(c.From), it.Owner)
	return it, err
}

// ripen puts in line whose NotBefore has passed.
func (t *tx) ripen(c spool.Claim) error {
	var ripe []spool.Item
	err := t.s.rows(sqlRipen, []any{string(c.Queue), string(c.From), stamp(c.Now)}, func(scan func(...any) error) error {
		it, err := scanItem(scan)
		ripe = append(ripe, it)
		return err
	})
	if err != nil {
		return err
	}
	for _, it := range ripe {
		if _, err := t.exec(`UPDATE item SET ripe = 1 WHERE id = ?`, int64(it.ID)); err != nil {
			return err
		}
		if err := t.line(it, ripeNow); err != nil {
			return err
		}
	}
	return nil
}

// A turn is an owner in line with work of a priority.
type turn struct {
	owner    string
	priority int
}

// turns are the next in line, all of one priority. Whoever is served goes to the end
// of the line of that priority, so the others' order stays as it is.
func (t *tx) turns(c spool.Claim, most, skip int) (next []turn, err error) {
	err = t.s.rows(sqlTurn, []any{string(c.Queue), string(c.From), min(most, maxGroup), skip}, func(scan func(...any) error) error {
		var u turn
		err := scan(&u.owner, &u.priority)
		if len(next) == 0 || next[0].priority == u.priority {
			next = append(next, u)
		}
		return err
	})
	return next, err
}

// errLater says that there is work, which is not ripe by the clock of this claim: it has stepped back.
var errLater = errors.New("not ripe yet")

// pick finds the work of whose turn it is. Where there is none the turn becomes idle.
func (t *tx) pick(c spool.Claim, u turn) (it spool.Item, found bool, err error) {
	err = t.s.one(sqlPick, []any{string(c.Queue), string(c.From), u.owner, u.priority, stamp(c.Now)}, func(scan func(...any) error) (err error) {
		it, err = scanItem(scan)
		return err
	})
	if err == nil {
		return it, true, nil
	}
	if !errors.Is(err, capi.ErrNoRows) {
		return it, false, err
	}
	var one int
	err = t.s.row(sqlAny, []any{string(c.Queue), string(c.From), u.owner, u.priority}, &one)
	if err == nil {
		return it, false, errLater // it stays in line
	}
	if !errors.Is(err, capi.ErrNoRows) {
		return it, false, err
	}
	delete(t.store.lined, turnKey{c.Queue, c.From, u.owner, u.priority})
	_, err = t.exec(`UPDATE turn SET idle = 1 WHERE queue = ? AND state = ? AND owner = ? AND priority = ?`,
		string(c.Queue), string(c.From), u.owner, u.priority)
	return it, false, err
}
