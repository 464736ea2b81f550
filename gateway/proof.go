package gateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// RoleProof is the part that proves that a receipt's record is in the journal.
const RoleProof spool.Role = "proof"

// PublishProofs implements journal.Publisher: NAME.receiptN.proof beside the
// receipt it belongs to. What is there already stays; a receipt that retention
// has put away gets its proof into the archive only.
func (g *Gateway) PublishProofs(ctx context.Context, proofs []*journal.Proof, upTo int64) error {
	ctx = spool.Urgent(ctx) // an answer goes out on a full disk too
	b := &batch{g: g}
	defer b.discard()
	contents := make([]spool.Content, len(proofs))
	for i, p := range proofs {
		var err error
		if contents[i], err = b.content(ctx, p.Text()); err != nil {
			return fmt.Errorf("proof of record %s: %w", p.Row.ID, err)
		}
	}
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		for i, p := range proofs {
			if err := g.publishProof(tx, p, contents[i]); err != nil {
				return fmt.Errorf("proof of record %s: %w", p.Row.ID, err)
			}
		}
		return tx.SetValue(journal.CursorBucket, journal.CursorKey, strconv.AppendInt(nil, upTo, 10))
	})
	if err != nil {
		return err
	}
	if len(proofs) > 0 {
		g.changed()
	}
	g.Log.Debug("proofs published", zap.Int("proofs", len(proofs)), zap.Int64("up to", upTo))
	return nil
}

func (g *Gateway) publishProof(tx spool.Tx, p *journal.Proof, content spool.Content) error {
	it, err := tx.Item(p.Row.Item)
	if errors.Is(err, spool.ErrNotFound) {
		return nil // put away with all its papers
	}
	if err != nil {
		return err
	}
	base := fmt.Sprintf("%s.receipt%d", it.Label, p.Receipt())
	name := base + ".proof"
	if _, err := tx.Part(it.ID, name); err == nil {
		return nil
	} else if !errors.Is(err, spool.ErrNotFound) {
		return err
	}
	now := g.Now()
	post, err := tx.Post(it.Owner, "receipts", base+".json")
	switch {
	case errors.Is(err, spool.ErrNotFound), err == nil && !post.Withdrawn.IsZero():
		return tx.AddPart(it.ID, name, RoleProof, content, now)
	case err != nil:
		return err
	}
	entry := g.Register().ByID(client.ID(it.Owner))
	if entry == nil {
		entry = &client.Entry{ID: client.ID(it.Owner)}
	}
	return g.publish(tx, &it, entry, "receipts", name, RoleProof, content, now)
}
