package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// Due finds what nobody works on: submissions that were taken and not examined
// (all of them after a restart), or could not be settled, holds whose deadline has
// passed, and leases that ran out. Each step may be repeated.
func (g *Gateway) Due(ctx context.Context) error {
	now := g.Now() // the spool keeps microseconds: what is due just now is due
	back := g.setBack(now)
	var examine, over []spool.ID
	err := g.Store.View(ctx, func(r spool.Reader) error {
		received, err := r.Items(spool.Query{Queue: Submissions, States: []spool.State{StateReceived}})
		if err != nil {
			return err
		}
		held, err := r.Items(spool.Query{Queue: Submissions, States: []spool.State{StateHeld}, DueBefore: now.Add(time.Microsecond)})
		if err != nil {
			return err
		}
		leased, err := r.Items(spool.Query{Queue: Submissions, States: []spool.State{StateLeased}, DueBefore: now.Add(time.Microsecond)})
		if err != nil {
			return err
		}
		for _, it := range received {
			examine = append(examine, it.ID)
		}
		for _, it := range held {
			examine = append(examine, it.ID)
		}
		for _, it := range leased {
			over = append(over, it.ID)
		}
		if !back {
			return nil
		}
		all, err := r.Items(spool.Query{Queue: Submissions, States: []spool.State{StateLeased}})
		for _, it := range all {
			if endless(it, now) {
				over = append(over, it.ID)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range examine {
		g.enqueue(id)
	}
	g.wakeLarge()
	g.mu.Lock()
	again := g.again
	g.again = map[spool.ID]bool{}
	g.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(again)) {
		if !g.enqueue(id) {
			g.later(id)
		}
	}
	if err := g.feed(ctx); err != nil {
		return err
	}
	for _, id := range over {
		if err := g.giveBack(ctx, id); err != nil {
			return fmt.Errorf("submission %s: %w", id, err)
		}
		g.changed()
	}
	return nil
}

// setBack says whether the clock has been set back since the last look, or this is
// the first one: leases may then be out that a wrong clock gave.
func (g *Gateway) setBack(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.looked
	g.looked = now
	return before.IsZero() || now.Before(before.Add(-time.Minute))
}

// endless says of a lease that it ends later than any that could be given now. It
// was given by a clock that was ahead, and its holder may be long gone.
func endless(it spool.Item, now time.Time) bool { return it.LeaseUntil.After(now.Add(MaxTTL)) }

// Recheck has everything held examined once more: trust, register or profiles
// have changed, and what was undecided may be decided now.
func (g *Gateway) Recheck(ctx context.Context) error {
	g.mu.Lock()
	g.recheck, g.checked = true, 0
	g.mu.Unlock()
	return g.feed(ctx)
}

// feed queues what Recheck wants examined, as far as the queue has room; tick
// comes back for the rest.
func (g *Gateway) feed(ctx context.Context) error {
	for {
		g.mu.Lock()
		wanted, after := g.recheck, g.checked
		g.mu.Unlock()
		if !wanted {
			return nil
		}
		held, err := g.Items(ctx, spool.Query{Queue: Submissions, States: []spool.State{StateHeld}, After: after, Limit: 500})
		if err != nil {
			return err
		}
		last, room := after, true
		for _, it := range held {
			if room = g.enqueue(it.ID); !room {
				break
			}
			last = it.ID
		}
		g.mu.Lock()
		if g.recheck && g.checked == after { // else it was asked for anew
			g.checked, g.recheck = last, len(held) > 0
		}
		g.mu.Unlock()
		if !room {
			return nil
		}
	}
}

// Retain ends what has been kept long enough: unfinished uploads that nobody
// went on with, answers of leases long over, and statements that were seen or
// acknowledged move to the archive, where they stay readable.
func (g *Gateway) Retain(ctx context.Context, drafts, outbox time.Duration) error {
	now := g.Now()
	var stale []spool.Kept
	err := g.Store.View(ctx, func(r spool.Reader) error {
		kept, err := r.Kept("")
		if err != nil {
			return err
		}
		for _, k := range kept {
			if now.Sub(k.Modified) > drafts {
				stale = append(stale, k)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range stale {
		err := g.Store.Update(ctx, func(tx spool.Tx) error {
			if err := tx.Unkeep(k.Owner, k.Name); err != nil {
				return err
			}
			return g.journal(tx, 0, now, "unfinished removed", journalRecord{Name: k.Name, By: k.Owner})
		})
		if err != nil && !errors.Is(err, spool.ErrNotFound) {
			return err
		}
	}
	if err := g.forgetAnswers(ctx, now); err != nil {
		return err
	}
	for _, entry := range g.Register().All() {
		for _, box := range []string{"outbox", "receipts"} {
			if err := g.retire(ctx, entry, box, now.Add(-outbox), now); err != nil {
				return err
			}
		}
	}
	if err := g.archiveAcknowledged(ctx, now.Add(-outbox), now); err != nil {
		return err
	}
	removed, err := g.Store.Sweep(ctx)
	if removed > 0 {
		g.Log.Info("content that nothing refers to was removed", zap.Int("files", removed))
	}
	return err
}

// archiveAcknowledged ends the way of statements that their clients have put away
// themselves, once they are as old as those that are put away for them.
func (g *Gateway) archiveAcknowledged(ctx context.Context, before, now time.Time) error {
	for {
		items, err := g.Items(ctx, spool.Query{Queue: Statements, States: []spool.State{StateAcknowledged}, To: before})
		if err != nil || len(items) == 0 {
			return err
		}
		for batch := range slices.Chunk(items, 100) {
			err := g.Store.Update(ctx, func(tx spool.Tx) error {
				for _, it := range batch {
					from := it.State
					if err := move(&it, StateArchived); err != nil {
						return err
					}
					if err := tx.Put(it); err != nil {
						return err
					}
					if err := g.journal(tx, it.ID, now, "archived", journalRecord{Name: it.Name, From: from, To: it.State}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("acknowledged statements: %w", err)
			}
		}
	}
}

// retire takes the posts of a box that were published before a time out of the
// client's sight; they stay in the archive.
func (g *Gateway) retire(ctx context.Context, entry *client.Entry, box string, before, now time.Time) error {
	after := ""
	for {
		var posts, old []spool.Post
		err := g.Store.View(ctx, func(r spool.Reader) error {
			var err error
			posts, err = r.Posts(spool.PostQuery{Owner: string(entry.ID), Box: box, To: before, After: after})
			for _, p := range posts {
				if box == "outbox" && p.Delivered.IsZero() {
					it, err := r.Item(p.Item)
					if err != nil {
						return err
					}
					if it.Queue == Statements && it.State == StateAvailable {
						continue // never read in any form: it waits for its client, however long
					}
				}
				old = append(old, p)
			}
			return err
		})
		if err != nil || len(posts) == 0 {
			return err
		}
		after = posts[len(posts)-1].Name
		if len(old) == 0 {
			continue
		}
		// Before the first of them goes: a run may be cut off.
		err = g.Store.Update(ctx, func(tx spool.Tx) error {
			return g.journal(tx, 0, now, journal.Retired, journalRecord{Name: box, By: string(entry.ID), Before: before})
		})
		if err != nil {
			return err
		}
		if err := g.withdraw(ctx, entry, old, now); err != nil {
			return err
		}
	}
}

func (g *Gateway) withdraw(ctx context.Context, entry *client.Entry, posts []spool.Post, now time.Time) error {
	for _, p := range posts {
		err := g.Store.Update(ctx, func(tx spool.Tx) error {
			p, err := tx.Post(p.Owner, p.Box, p.Name)
			if err != nil {
				return err
			}
			p.Withdrawn = now
			if entry.Folder {
				p.Told = time.Time{}
			}
			if err := tx.PutPost(p); err != nil {
				return err
			}
			from, to, err := g.follow(tx, p, StateArchived)
			if err != nil || to == "" {
				return err
			}
			return g.journal(tx, p.Item, now, "archived", journalRecord{Name: p.Name, From: from, To: to})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
