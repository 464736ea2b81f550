package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/brama-gateway/brama/spool"
)

func prove(tree *hashes, c Checkpoint, e spool.Event) (*Proof, error) {
	if e.Seq < 1 || e.Seq > c.Size {
		return nil, fmt.Errorf("row %d: no checkpoint covers it yet: %w", e.Seq, spool.ErrNotFound)
	}
	known, err := tree.leaf(e.Seq - 1)
	if err != nil {
		return nil, err
	}
	if known != leaf(e) {
		return nil, fmt.Errorf("%w: row %d was changed", ErrTampered, e.Seq)
	}
	path, err := tlog.ProveRecord(c.Size, e.Seq-1, tree)
	if err != nil {
		return nil, fmt.Errorf("proof of row %d: %w", e.Seq, err)
	}
	return &Proof{Row: e, Hashes: path, Checkpoint: c.Note}, nil
}

// LastCheckpoint reads the newest checkpoint in a journal's folder, without
// changing anything there: spool.ErrNotFound if none was signed yet.
func LastCheckpoint(dir string, key Key) (Checkpoint, error) {
	b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("journal: %w", err)
	}
	notes, _ := splitNotes(b)
	if len(notes) == 0 {
		return Checkpoint{}, fmt.Errorf("journal: a checkpoint: %w", spool.ErrNotFound)
	}
	return key.Open(notes[len(notes)-1])
}

// ProveIn makes the proof of a row from the files of a journal, whether a daemon
// runs or not. record is the id of the row, or of a submission: then the row of
// its newest receipt is meant.
func ProveIn(ctx context.Context, dir string, store Viewer, key Key, record spool.ID) (*Proof, error) {
	c, err := LastCheckpoint(dir, key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, hashesFile))
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	tree := &hashes{f: f, rows: c.Size, held: tlog.StoredHashCount(c.Size)}
	var row spool.Event
	err = store.View(ctx, func(r spool.Reader) error {
		rows, err := r.History(record)
		if err != nil {
			return err
		}
		for _, e := range rows {
			if receiptOf(e.Kind) > 0 {
				row = e
			}
		}
		for after := int64(0); row.Seq == 0; {
			rows, err := r.Events(after, page)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return fmt.Errorf("journal: record %s: %w", record, spool.ErrNotFound)
			}
			for _, e := range rows {
				if after = e.Seq; e.ID == record {
					row = e
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := prove(tree, c, row)
	if err != nil {
		return nil, err
	}
	_, err = p.Check(key)
	return p, err
}
