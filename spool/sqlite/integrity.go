package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/brama-gateway/brama/spool"
)

func aboutContent(p spool.Problem) bool {
	return p.Sort == spool.ContentMissing || p.Sort == spool.ContentDamaged
}

// checks are the questions to the database. Each row of an answer is one problem:
// its object and the detail.
var checks = []struct {
	sort spool.Sort
	text string
}{
	// Indexes too: a row that one has lost is not seen by whom it is looked up for.
	{spool.DatabaseDamaged, `SELECT '', integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'`},
	{spool.RowDangling, `SELECT "table", 'row ' || COALESCE(rowid, '?') || ' refers to one that is not in ' || parent FROM pragma_foreign_key_check`},
	{spool.TallyWrong, `SELECT q || ' ' || s, 'the count is off by ' || SUM(n) FROM (
		SELECT queue AS q, state AS s, n FROM tally UNION ALL SELECT queue, state, -1 FROM item)
		GROUP BY q, s HAVING SUM(n) <> 0`},
	{spool.LineWrong, `SELECT id, 'ripe is ' || ripe FROM item WHERE not_before = ` + never + ` AND ripe <> CASE
		WHEN EXISTS (SELECT 1 FROM claimed c WHERE c.queue = item.queue AND c.state = item.state) THEN 1 ELSE 2 END`},
	{spool.HistoryGap, `SELECT '', COUNT(*) || ' rows, the last has number ' || MAX(seq) FROM event HAVING COUNT(*) <> COALESCE(MAX(seq), 0)`},
}

// Integrity looks for damage: in the database, in the tallies, and in
// every content, whose size it compares and, if deep, whose hash too. An error
// means that it could not look.
func (s *Store) Integrity(ctx context.Context, deep bool) (problems []spool.Problem, err error) {
	say := func(sort spool.Sort, object, detail string) {
		problems = append(problems, spool.Problem{Sort: sort, Object: object, Detail: detail})
	}
	err = s.View(ctx, func(r spool.Reader) error {
		c := r.(*reader).s
		if err := checkTables(ctx, c, say); err != nil {
			return err
		}
		return s.checkContents(ctx, c, deep, say)
	})
	if err != nil {
		return problems, fmt.Errorf("integrity: %w", err)
	}
	return problems, nil
}

// Integrity is Store.Integrity, beside the process that works on the store.
func (r *Reading) Integrity(ctx context.Context, deep bool) ([]spool.Problem, error) {
	return r.s.Integrity(ctx, deep)
}

func checkTables(ctx context.Context, c *session, say func(spool.Sort, string, string)) error {
	for _, check := range checks {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.rows(check.text, nil, func(scan func(...any) error) error {
			var object, detail string
			err := scan(&object, &detail)
			say(check.sort, object, detail)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkContents(ctx context.Context, c *session, deep bool, say func(spool.Sort, string, string)) error {
	text := `SELECT sha256, size, bytes IS NULL, length(bytes), NULL FROM content`
	if deep {
		text = `SELECT sha256, size, bytes IS NULL, length(bytes), bytes FROM content`
	}
	return c.rows(text, nil, func(scan func(...any) error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var raw, mem []byte
		var size int64
		var length *int64
		var inFile bool
		if err := scan(&raw, &size, &inFile, &length, &mem); err != nil {
			return err
		}
		sum := hex.EncodeToString(raw)
		if len(raw) != sha256.Size {
			say(spool.ContentDamaged, sum, "its hash is none")
			return nil
		}
		if inFile {
			return s.checkFile(sum, size, deep, say)
		}
		if length == nil || *length != size {
			say(spool.ContentDamaged, sum, "wrong size in the database")
		} else if deep && sha256.Sum256(mem) != [32]byte(raw) {
			say(spool.ContentDamaged, sum, "the bytes in the database do not have the hash")
		}
		return nil
	})
}

func (s *Store) checkFile(sum string, size int64, deep bool, say func(spool.Sort, string, string)) error {
	f, err := os.Open(s.files.path(sum))
	if errors.Is(err, fs.ErrNotExist) {
		say(spool.ContentMissing, sum, "its file is not there")
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != size {
		say(spool.ContentDamaged, sum, fmt.Sprintf("its file has %d bytes, want %d", st.Size(), size))
		return nil
	}
	if !deep {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		say(spool.ContentDamaged, sum, err.Error())
	} else if hex.EncodeToString(h.Sum(nil)) != sum {
		say(spool.ContentDamaged, sum, "its file does not have the hash")
	}
	return nil
}
