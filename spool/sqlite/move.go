package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/tables"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
)

// What package spool/migrate needs to move a store to another engine and back.

// own is the statement of package tables with SQLite's numbered parameters.
func own(text string) string { return strings.ReplaceAll(text, "$", "?") }

// ReadRows reads rows of a table in order, those after a row or, with nil, from the first.
func (s *Store) ReadRows(ctx context.Context, t *tables.Table, after tables.Row, limit int) (rows []tables.Row, err error) {
	args := []any{limit}
	if after != nil {
		args = append(args, after[:t.Key]...)
	}
	err = s.View(ctx, func(r spool.Reader) error {
		return r.(*reader).s.rows(own(t.Select(after != nil)), args, func(scan func(...any) error) error {
			row, err := scanRow(t.Columns, scan)
			rows = append(rows, row)
			return err
		})
	})
	return rows, err
}

func scanRow(columns []tables.Column, scan func(...any) error) (tables.Row, error) {
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	if err := scan(into...); err != nil {
		return nil, err
	}
	return tables.Normal(columns, row)
}

// LastKey is the greatest key of a table, nil for none.
func (s *Store) LastKey(ctx context.Context, t *tables.Table) (key tables.Row, err error) {
	err = s.View(ctx, func(r spool.Reader) error {
		return r.(*reader).s.rows(own(t.Last()), nil, func(scan func(...any) error) error {
			var err error
			key, err = scanRow(t.Columns[:t.Key], scan)
			return err
		})
	})
	return key, err
}

// WriteRows writes rows of a table other than content.
func (s *Store) WriteRows(ctx context.Context, t *tables.Table, rows []tables.Row) error {
	return s.change(ctx, func(x *tx) error {
		for _, row := range rows {
			if _, err := x.exec(own(t.Insert()), row...); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		return nil
	})
}

// WriteContent writes a row of content whose bytes are those of c, which came from
// Finish of a draft that is not discarded yet.
func (s *Store) WriteContent(ctx context.Context, row tables.Row, c spool.Content) error {
	var mem any
	if c.Inline != nil {
		mem = c.Inline
	} else if s.files.heldSize(c.SHA256) != c.Size {
		return errors.New("content: its bytes are not here")
	}
	return s.change(ctx, func(x *tx) error {
		_, err := x.exec(`INSERT INTO content (id, sha256, size, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, row[0], row[1], row[2], mem)
		return err
	})
}

// Mark remembers a word about the store; "" forgets it.
func (s *Store) Mark(ctx context.Context, name, word string) error {
	return s.change(ctx, func(x *tx) error {
		var err error
		if word == "" {
			_, err = x.exec(`DELETE FROM meta WHERE key = ?`, name)
		} else {
			_, err = x.exec(`INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, name, word)
		}
		return err
	})
}

// Marked is the word of Mark, "" for none.
func (s *Store) Marked(ctx context.Context, name string) (word string, err error) {
	err = s.View(ctx, func(r spool.Reader) error {
		err := r.(*reader).s.row(`SELECT value FROM meta WHERE key = ?`, []any{name}, &word)
		if errors.Is(err, capi.ErrNoRows) {
			err = nil
		}
		return err
	})
	return word, err
}
