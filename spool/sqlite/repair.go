package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/brama-gateway/brama/spool"
)

// Finder gives the bytes of a content by its hash, from a backup: ErrNotFound if
// it has not got them.
type Finder func(ctx context.Context, sum string) (io.ReadCloser, error)

// Repair puts right what can be: tallies are counted anew, and content that is
// missing or damaged is taken from find; nil: there is no backup. It says what it
// did. What it cannot put right is found by the next Integrity.
func (s *Store) Repair(ctx context.Context, find Finder) (done []spool.Problem, err error) {
	problems, err := s.Integrity(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		switch {
		case p.Sort == spool.TallyWrong:
			err = s.recount(ctx)
		case aboutContent(p) && find != nil:
			err = s.bringBack(ctx, p.Object, find)
		default:
			continue
		}
		if errors.Is(err, spool.ErrNotFound) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("repair of %s: %w", p, err)
		}
		done = append(done, p)
	}
	return done, nil
}

func (s *Store) recount(ctx context.Context) error {
	return s.change(ctx, func(t *tx) error {
		// What other changes of the group have counted is not in the table yet.
		off := tally{}
		read := func(text string) error {
			return t.s.rows(text, nil, func(scan func(...any) error) error {
				var p place
				var n int64
				err := scan(&p.queue, &p.state, &n)
				off[p] += n
				return err
			})
		}
		if err := read(`SELECT queue, state, COUNT(*) FROM item GROUP BY queue, state`); err != nil {
			return t.fault(err)
		}
		if err := read(`SELECT queue, state, -n FROM tally`); err != nil {
			return t.fault(err)
		}
		for p, n := range t.store.pending {
			off[p] -= n
		}
		for p, n := range off {
			t.count(p.queue, p.state, n)
		}
		return nil
	})
}

// bringBack takes a content from a backup. A damaged file is replaced by a whole
// one, never written into: somebody may be reading it.
func (s *Store) bringBack(ctx context.Context, sum string, find Finder) error {
	raw, err := digest(sum)
	if err != nil {
		return err
	}
	from, err := find(ctx, sum)
	if err != nil {
		return err
	}
	defer from.Close()
	var inline bool
	if err := s.View(ctx, func(r spool.Reader) error {
		return r.(*reader).s.row(`SELECT bytes IS NOT NULL FROM content WHERE sha256 = ?`, []any{raw}, &inline)
	}); err != nil {
		return told(err)
	}
	if inline {
		mem, err := io.ReadAll(io.LimitReader(from, maxInline+1))
		if err != nil {
			return err
		}
		if got := sha256.Sum256(mem); hex.EncodeToString(got[:]) != sum {
			return fmt.Errorf("content %s: the backup has other bytes", sum)
		}
		return s.change(ctx, func(t *tx) error {
			_, err := t.exec(`UPDATE content SET bytes = ?, size = ? WHERE sha256 = ?`, mem, len(mem), raw)
			return err
		})
	}
	file, err := os.CreateTemp(s.files.drafts, "repair-")
	if err != nil {
		return lack(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, h), from); err != nil {
		return lack(err)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return fmt.Errorf("content %s: the backup has other bytes", sum)
	}
	if err := s.files.flush(file); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.files.path(sum)), 0o700); err != nil {
		return lack(err)
	}
	return s.files.place(file.Name(), sum, false)
}
