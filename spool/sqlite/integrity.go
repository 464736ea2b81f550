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
	"path/filepath"

	"github.com/brama-gateway/brama/spool"
)

// Integrity looks for damage: in the database, in the tallies, and in every
// content, whose size it compares and, if deep, whose hash too. The problems are
// told one a line, in no fixed words; an error means that it could not look.
func (s *Store) Integrity(ctx context.Context, deep bool) (problems []string, err error) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	err = s.View(ctx, func(r spool.Reader) error {
		c := r.(*reader).s
		if err := checkTables(c, say); err != nil {
			return err
		}
		return s.checkContents(ctx, c, deep, say)
	})
	if err != nil {
		return problems, fmt.Errorf("integrity: %w", err)
	}
	return problems, nil
}

func checkTables(c *session, say func(string, ...any)) error {
	for _, check := range []struct{ name, text string }{
		{"database: %s", `PRAGMA quick_check`},
		{"a row refers to one that is not there: in table %s", `SELECT "table" FROM pragma_foreign_key_check`},
		{"tally is wrong: %s", `SELECT q || ' ' || s FROM (
			SELECT queue AS q, state AS s, n FROM tally UNION ALL SELECT queue, state, -1 FROM item)
			GROUP BY q, s HAVING SUM(n) <> 0`},
		{"item does not stand in line as it should: %s", `SELECT id FROM item WHERE not_before = ` + never + ` AND ripe <> CASE
			WHEN EXISTS (SELECT 1 FROM claimed c WHERE c.queue = item.queue AND c.state = item.state) THEN 1 ELSE 2 END`},
		{"journal has gaps: %s", `SELECT COUNT(*) || ' of ' || MAX(seq) FROM event HAVING COUNT(*) <> COALESCE(MAX(seq), 0)`},
	} {
		err := c.rows(check.text, nil, func(scan func(...any) error) error {
			var word string
			err := scan(&word)
			if word != "ok" {
				say(check.name, word)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkContents(ctx context.Context, c *session, deep bool, say func(string, ...any)) error {
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
		if inFile {
			return s.checkFile(sum, size, deep, say)
		}
		if length == nil || *length != size {
			say("content %s: wrong size in the database", sum)
		} else if deep && sha256.Sum256(mem) != [32]byte(raw) {
			say("content %s: bytes do not have the hash", sum)
		}
		return nil
	})
}

func (s *Store) checkFile(sum string, size int64, deep bool, say func(string, ...any)) error {
	f, err := os.Open(s.files.path(sum))
	if errors.Is(err, fs.ErrNotExist) {
		say("content %s: file is missing", sum)
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
		say("content %s: file has %d bytes, want %d", sum, st.Size(), size)
		return nil
	}
	if !deep {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		say("content %s: %v", sum, err)
	} else if hex.EncodeToString(h.Sum(nil)) != sum {
		say("content %s: file %s does not have the hash", sum, filepath.Base(f.Name()))
	}
	return nil
}
