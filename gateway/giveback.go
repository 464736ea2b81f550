package gateway

import (
	"context"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// GiveBack ends a lease whose holder has done nothing with it: the submission
// is at once there for the next who asks, and the attempt does not count.
func (g *Gateway) GiveBack(ctx context.Context, token string) error {
	now := g.Now()
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		it, err := leased(tx, token)
		if err != nil {
			return err
		}
		if err := move(&it, StateAccepted); err != nil {
			return err
		}
		it.Lease, it.LeaseUntil, it.Deadline, it.NotBefore = "", time.Time{}, time.Time{}, time.Time{}
		it.Attempts = max(0, it.Attempts-1)
		if err := tx.Put(it); err != nil {
			return err
		}
		return g.journal(tx, it.ID, now, "given back", journalRecord{From: StateLeased, To: StateAccepted, Lease: token[:min(8, len(token))]})
	})
	if err == nil {
		g.changed()
	}
	return err
}
