package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/spool"
)

// checks are the questions to the database. Each row of an answer is one problem:
// its object and the detail. That rows refer to rows the server sees to.
var checks = []struct {
	sort spool.Sort
	text string
}{
	{spool.TallyWrong, `SELECT q || ' ' || s, 'the count is off by ' || SUM(n) FROM (
		SELECT queue AS q, state AS s, n FROM tally UNION ALL SELECT queue, state, -1 FROM item) x
		GROUP BY q, s HAVING SUM(n) <> 0`},
	{spool.LineWrong, `SELECT id::text, 'ripe is ' || ripe FROM item WHERE not_before = ` + never + ` AND ripe <> CASE
		WHEN EXISTS (SELECT 1 FROM claimed c WHERE c.queue = item.queue AND c.state = item.state) THEN 1 ELSE 2 END`},
	{spool.HistoryGap, `SELECT '', COUNT(*) || ' rows, the last has number ' || MAX(seq) FROM event HAVING COUNT(*) <> COALESCE(MAX(seq), 0)`},
}

const sqlSizes = `SELECT sha256, size, CASE WHEN bytes IS NOT NULL THEN length(bytes) = size
	ELSE NOT EXISTS (SELECT FROM generate_series(0, (size - 1) / 262144) AS n LEFT JOIN chunk c ON c.blob = content.blob AND c.n = n.n
		WHERE COALESCE(length(c.bytes), 0) < LEAST(262144, size - n.n * 262144)) END FROM content ORDER BY id`

// Integrity looks for damage: in the tallies, in the line of claims, in the
// history, and in every content, whose size it compares and, if deep, whose hash
// too. An error means that it could not look. The server's own pages are looked at
// by pg_amcheck and its data checksums.
func (s *Store) Integrity(ctx context.Context, deep bool) (problems []spool.Problem, err error) {
	say := func(sort spool.Sort, object, detail string) {
		problems = append(problems, spool.Problem{Sort: sort, Object: object, Detail: detail})
	}
	err = s.View(ctx, func(r spool.Reader) error {
		c := r.(*reader).s
		for _, check := range checks {
			err := c.rows(check.text, nil, func(scan func(...arg) error) error {
				var object, detail string
				err := scan(&object, &detail)
				say(check.sort, object, detail)
				return err
			})
			if err != nil {
				return err
			}
		}
		var sums []string
		err := c.rows(sqlSizes, nil, func(scan func(...arg) error) error {
			var sum []byte
			var size int64
			var whole bool
			err := scan(&sum, &size, &whole)
			switch name := hex.EncodeToString(sum); {
			case !whole:
				say(spool.ContentDamaged, name, fmt.Sprintf("its bytes are not the %d of its size", size))
			case deep:
				sums = append(sums, name)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, sum := range sums {
			if err := ctx.Err(); err != nil {
				return err
			}
			if fault := s.rehash(ctx, sum); fault != nil {
				say(spool.ContentDamaged, sum, fault.Error())
			}
		}
		return nil
	})
	if err != nil {
		return problems, fmt.Errorf("integrity: %w", err)
	}
	return problems, nil
}

// rehash reads a content and compares its hash.
func (s *Store) rehash(ctx context.Context, sum string) error {
	b, err := s.Open(ctx, sum)
	if err != nil {
		return err
	}
	defer b.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(b, 0, b.Size())); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("its bytes have the hash %s", got)
	}
	return nil
}

// Integrity is Store.Integrity.
func (r *Reading) Integrity(ctx context.Context, deep bool) ([]spool.Problem, error) {
	return r.s.Integrity(ctx, deep)
}
