package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// What the operator may do to one submission. Every act has a reason and the
// name of who does it, and stands in the journal.

// Retry puts a dead submission back into the processor's queue.
func (g *Gateway) Retry(ctx context.Context, id spool.ID, by, reason string) error {
	return g.operate(ctx, id, "retry", by, reason, func(it *spool.Item) error {
		if it.State != StateDead {
			return notThis(it, "only a dead submission can be put back")
		}
		it.NotBefore = time.Time{}
		return move(it, StateAccepted)
	})
}

// Bury takes an accepted submission out of the processor's reach, until a Retry.
func (g *Gateway) Bury(ctx context.Context, id spool.ID, by, reason string) error {
	return g.operate(ctx, id, "buried", by, reason, func(it *spool.Item) error {
		if it.State != StateAccepted && it.State != StateLeased {
			return notThis(it, "only an accepted submission can be buried")
		}
		it.Lease, it.LeaseUntil, it.Deadline = "", time.Time{}, time.Time{}
		return move(it, StateDead)
	})
}

// Release ends a lease whose processor will not come back, or has a held
// submission examined again at once.
func (g *Gateway) Release(ctx context.Context, id spool.ID, by, reason string) error {
	err := g.operate(ctx, id, "released by operator", by, reason, func(it *spool.Item) error {
		switch it.State {
		case StateLeased:
			it.Lease, it.LeaseUntil, it.Deadline, it.NotBefore = "", time.Time{}, time.Time{}, time.Time{}
			return move(it, StateAccepted)
		case StateHeld:
			return move(it, StateReceived)
		}
		return notThis(it, "only a leased or held submission can be released")
	})
	if err == nil {
		g.enqueue(id)
	}
	return err
}

func notThis(it *spool.Item, why string) error {
	return fmt.Errorf("submission %s is %s: %s: %w", it.ID, it.State, why, ErrMove)
}

func (g *Gateway) operate(ctx context.Context, id spool.ID, kind, by, reason string, change func(*spool.Item) error) error {
	if reason == "" {
		return fmt.Errorf("submission %s: a reason is needed: %w", id, ErrMove)
	}
	now := g.Now()
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		it, err := tx.Item(id)
		if err != nil {
			return err
		}
		if it.Queue != Submissions {
			return notThis(&it, "it is not a submission")
		}
		from := it.State
		if err := change(&it); err != nil {
			return err
		}
		n := readNote(it.Note)
		n.Reason = reason
		it.Note = n.bytes()
		if err := tx.Put(it); err != nil {
			return err
		}
		return g.journal(tx, id, now, kind, journalRecord{From: from, To: it.State, Reason: reason, By: by})
	})
	if err != nil {
		return fmt.Errorf("submission %s: %w", id, err)
	}
	g.Log.Info("operator", zap.String("act", kind), zap.Stringer("submission", id), zap.String("by", by))
	g.changed()
	return nil
}

// Items selects from the spool.
func (g *Gateway) Items(ctx context.Context, q spool.Query) ([]spool.Item, error) {
	var items []spool.Item
	err := g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		items, err = r.Items(q)
		return err
	})
	return items, err
}

// Dossier is everything about one item but the bytes of its parts.
type Dossier struct {
	Item    spool.Item
	Reason  string // why it is dead or was moved
	Parts   []spool.Part
	History []spool.Event
	Receipt []byte // the last receipt's JSON; nil while there is none
	Away    error  // why parts and receipt are not told: their archive is not here
}

// Show gathers what is known of one item.
func (g *Gateway) Show(ctx context.Context, id spool.ID) (Dossier, error) {
	var d Dossier
	err := g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		if d.Item, err = r.Item(id); err != nil {
			return err
		}
		d.Parts, err = r.Parts(id)
		if errors.Is(err, archive.ErrOffline) {
			d.Away, err = err, nil // what the store has itself is told all the same
		}
		if err != nil {
			return err
		}
		if d.History, err = r.History(id); err != nil {
			return err
		}
		n := readNote(d.Item.Note)
		d.Reason = n.Reason
		if n.Answer != nil && n.Answer.Reason != "" {
			d.Reason = n.Answer.Reason
		}
		if d.Away != nil {
			return nil
		}
		for _, suffix := range []string{".receipt2.json", ".receipt1.json", ".held.json"} {
			p, err := r.Part(id, d.Item.Label+suffix)
			if errors.Is(err, spool.ErrNotFound) {
				continue
			}
			if err == nil {
				d.Receipt, err = g.read(ctx, p.Content)
			}
			return err
		}
		return nil
	})
	return d, err
}

// Counts are the items by queue and state.
func (g *Gateway) Counts(ctx context.Context) (map[spool.Queue]map[spool.State]int64, error) {
	out := map[spool.Queue]map[spool.State]int64{}
	err := g.Store.View(ctx, func(r spool.Reader) error {
		for _, q := range []spool.Queue{Submissions, Statements} {
			counts, err := r.Counts(q)
			if err != nil {
				return err
			}
			out[q] = counts
		}
		return nil
	})
	return out, err
}

// JournalRenewed writes down, before the journal's old key is put away, which
// history ends with it.
func (g *Gateway) JournalRenewed(ctx context.Context, r journal.Renewal) error {
	record, err := json.Marshal(r)
	if err != nil {
		return err
	}
	now := g.Now()
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		_, err := tx.Append(spool.Event{ID: g.ids.New(now), At: now, Kind: journal.Renewed, Record: record})
		return err
	})
}
