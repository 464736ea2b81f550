package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// RemoveArchive destroys the file of a closed archive for good, by somebody's order. That
// is in the journal before the file goes; what was in it stays proved by its hashes, and
// is recognised when it comes again. The error is spool.ErrNotFound for a name that the
// store does not know, ErrMove for an archive that is not closed, or without a reason.
func (g *Gateway) RemoveArchive(ctx context.Context, name, by, reason string) error {
	if reason == "" {
		return fmt.Errorf("archive %s: a reason is needed: %w", name, ErrMove)
	}
	if g.Archives == nil || g.Archives.Dir() == "" {
		return fmt.Errorf("archive %s: there is no folder for archives: %w", name, spool.ErrNotFound)
	}
	if !g.archiving.TryLock() {
		return fmt.Errorf("archive %s: archiving is at work, try again later: %w", name, ErrMove)
	}
	defer g.archiving.Unlock()
	now := g.Now()
	err := g.Store.Update(spool.Urgent(ctx), func(tx spool.Tx) error { // it makes space
		b, err := tx.Value(archive.Bucket, name)
		if err != nil {
			return err
		}
		row, err := archive.ReadRow(b)
		if err != nil {
			return err
		}
		if row.State != archive.Closed {
			return fmt.Errorf("it is %s: %w", row.State, ErrMove)
		}
		row.State, row.Removed = archive.Gone, reason
		if err := setArchive(tx, row); err != nil {
			return err
		}
		return g.journal(tx, 0, now, journal.ArchiveRemoved, journalRecord{Name: name, SHA256: row.SHA256, Items: row.Moved, Reason: reason, By: by})
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	g.Log.Warn("archive removed for good", zap.String("name", name), zap.String("by", by))
	return g.destroyArchive(name)
}

// destroyArchive takes away the file of an archive whose removal is recorded. Where it
// lies elsewhere there is nothing to do here.
func (g *Gateway) destroyArchive(name string) error {
	err := os.Remove(g.Archives.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = flushFolder(g.Archives.Dir())
	}
	if err != nil {
		return fmt.Errorf("archive %s is removed in the journal, and its file is there still: %w", name, err)
	}
	return nil
}
