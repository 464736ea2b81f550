// Package migrate moves a store from one engine to another: every row of every
// table, every content, every unfinished upload. A run that was interrupted is gone
// on with by the next one; at the end everything is read back from both and compared.
package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/internal/ranges"
	"github.com/brama-gateway/brama/spool/internal/tables"
)

// Side is an engine's store, open for nobody else.
type Side interface {
	spool.Store
	ReadRows(ctx context.Context, t *tables.Table, after tables.Row, limit int) ([]tables.Row, error)
	LastKey(ctx context.Context, t *tables.Table) (tables.Row, error)
	WriteRows(ctx context.Context, t *tables.Table, rows []tables.Row) error
	WriteContent(ctx context.Context, row tables.Row, c spool.Content) error
	Marks
}

var (
	// ErrNotEmpty is returned for a target that has something in it, and not from an
	// unfinished run from the same source.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrDiffers is returned when the target is not what the source is.
	ErrDiffers = errors.New("the target differs from the source")
	// ErrMoved is returned for a store that was moved: what came in since is in the other.
	ErrMoved = errors.New("this store was moved to the other engine and is out of use")
	// ErrUnfinished is returned for the target of a migration that has not ended.
	ErrUnfinished = errors.New("this store is the target of an unfinished migration")
)

// Table is what was found equal of one table.
type Table struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // over all rows in order
}

// Report is what a finished run has proved.
type Report struct {
	Tables   []Table `json:"tables"`
	Contents int64   `json:"contents"` // read back, each by its SHA-256
	Bytes    int64   `json:"bytes"`    // of them
	Resumed  bool    `json:"resumed"`  // an earlier run was gone on with
}

const (
	mark  = "migration"
	gone  = "moved"
	batch = 500
)

// Marks is what a store remembers of migrations.
type Marks interface {
	Mark(ctx context.Context, name, word string) error
	Marked(ctx context.Context, name string) (string, error)
}

// Usable says whether a store may be worked with: ErrMoved, ErrUnfinished.
func Usable(ctx context.Context, s Marks) error {
	for _, x := range []struct {
		name string
		err  error
	}{{gone, ErrMoved}, {mark, ErrUnfinished}} {
		if word, err := s.Marked(ctx, x.name); err != nil {
			return err
		} else if word != "" {
			return x.err
		}
	}
	return nil
}

// Reopen takes a store that was moved into use again: it is as it was then.
func Reopen(ctx context.Context, s Marks) error { return s.Mark(ctx, gone, "") }

// Run moves everything; then the source is out of use (Usable, Reopen). Step, if not nil, is told before each batch; its error ends
// the run, which the next one goes on with.
func Run(ctx context.Context, from, to Side, step func(table string) error) (*Report, error) {
	if step == nil {
		step = func(string) error { return nil }
	}
	if word, err := from.Marked(ctx, mark); err != nil || word != "" {
		return nil, errors.Join(err, wordFault(word))
	}
	source, err := sum(ctx, from, nil)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if word, err := from.Marked(ctx, gone); err != nil {
		return nil, err
	} else if word != "" { // unless it ended between the last two steps
		if word, err := to.Marked(ctx, mark); err != nil || word != source.word() {
			return nil, errors.Join(err, ErrMoved)
		}
	}
	rep := &Report{}
	if rep.Resumed, err = admit(ctx, to, source.word()); err != nil {
		return nil, err
	}
	for _, t := range tables.All {
		if err := move(ctx, from, to, t, step); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	target, err := sum(ctx, to, rep)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	for i, t := range source {
		if t != target[i] {
			return nil, fmt.Errorf("%w: %s: %d rows of hash %s, and %d of %s", ErrDiffers, t.Name, t.Rows, t.SHA256, target[i].Rows, target[i].SHA256)
		}
	}
	rep.Tables = target
	// In this order one of the two at most may be used, wherever it ends.
	if err := from.Mark(ctx, gone, "1"); err != nil {
		return nil, err
	}
	return rep, to.Mark(ctx, mark, "")
}

func wordFault(word string) error {
	if word == "" {
		return nil
	}
	return errors.New("the source is itself the target of an unfinished migration")
}

type sums []Table

// word stands for the whole source: a run that is gone on with must find the same.
func (s sums) word() string {
	h := sha256.New()
	for _, t := range s {
		fmt.Fprintln(h, t.Name, t.Rows, t.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// admit lets an empty target in, and one that an unfinished run from the same
// source has left.
func admit(ctx context.Context, to Side, source string) (resumed bool, err error) {
	word, err := to.Marked(ctx, mark)
	if err != nil {
		return false, err
	}
	if word == source {
		return true, nil
	}
	if word != "" {
		return false, fmt.Errorf("%w: an unfinished run has moved another state of the source, or another source, there; empty the target first", ErrNotEmpty)
	}
	for _, t := range tables.All {
		key, err := to.LastKey(ctx, t)
		if err != nil {
			return false, err
		}
		if key != nil {
			return false, fmt.Errorf("%w: table %s has rows", ErrNotEmpty, t.Name)
		}
	}
	return false, to.Mark(ctx, mark, source)
}

// move copies what is missing of a table. Rows are written in order, so what is
// there already is all up to the last.
func move(ctx context.Context, from, to Side, t *tables.Table, step func(string) error) error {
	after, err := to.LastKey(ctx, t)
	if err != nil {
		return err
	}
	for {
		rows, err := from.ReadRows(ctx, t, after, batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := step(t.Name); err != nil {
			return err
		}
		switch t.Name {
		case tables.Content:
			for _, row := range rows {
				if err := content(ctx, from, to, row); err != nil {
					return err
				}
			}
		case tables.Kept:
			for _, row := range rows {
				if err := kept(ctx, from, to, row); err != nil {
					return err
				}
			}
		default:
			if err := to.WriteRows(ctx, t, rows); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1]
	}
}

// content moves the bytes of a content and then its row.
func content(ctx context.Context, from, to Side, row tables.Row) error {
	name, size := hex.EncodeToString(row[1].([]byte)), row[2].(int64)
	b, err := from.Open(ctx, name)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := to.NewDraft(spool.Urgent(ctx), size)
	if err != nil {
		return err
	}
	defer d.Discard()
	if _, err := io.CopyBuffer(io.NewOffsetWriter(d, 0), struct{ io.Reader }{io.NewSectionReader(b, 0, size)}, make([]byte, 256<<10)); err != nil {
		return err
	}
	c, err := d.Finish(ctx)
	if err != nil {
		return err
	}
	if c.SHA256 != name || c.Size != size {
		return fmt.Errorf("content %s: its bytes have the hash %s", name, c.SHA256)
	}
	return to.WriteContent(ctx, row, c)
}

// kept moves an unfinished upload: what of it was written.
func kept(ctx context.Context, from, to Side, row tables.Row) error {
	owner, name, size, at := row[0].(string), row[1].(string), row[2].(int64), time.UnixMicro(row[3].(int64)).UTC()
	written, err := ranges.Unmarshal(row[4].([]byte))
	if err != nil {
		return err
	}
	old, err := from.Resume(spool.Urgent(ctx), owner, name, size)
	if err != nil {
		return err
	}
	defer old.Discard()
	d, err := to.NewDraft(spool.Urgent(ctx), size)
	if err != nil {
		return err
	}
	defer d.Discard()
	for _, r := range written {
		if _, err := io.CopyBuffer(io.NewOffsetWriter(d, r.From), struct{ io.Reader }{io.NewSectionReader(old, r.From, r.To-r.From)}, make([]byte, 256<<10)); err != nil {
			return err
		}
	}
	return errors.Join(d.Truncate(size), d.Keep(ctx, owner, name, at))
}

// sum reads a side whole. With rep every content is read too, and held to its hash.
func sum(ctx context.Context, s Side, rep *Report) (all sums, err error) {
	for _, t := range tables.All {
		h := tables.NewSum()
		var after tables.Row
		for {
			rows, err := s.ReadRows(ctx, t, after, batch)
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				h.Add(row)
				if t.Name == tables.Kept {
					if err := unfinished(ctx, s, row, h); err != nil {
						return nil, err
					}
				}
				if t.Name == tables.Content && rep != nil {
					if err := reread(ctx, s, row, rep); err != nil {
						return nil, err
					}
				}
			}
			after = rows[len(rows)-1]
		}
		hash := h.Sum()
		all = append(all, Table{t.Name, h.Rows, hex.EncodeToString(hash[:])})
	}
	return all, nil
}

func reread(ctx context.Context, s Side, row tables.Row, rep *Report) error {
	sum := row[1].([]byte)
	b, err := s.Open(ctx, hex.EncodeToString(sum))
	if err != nil {
		return err
	}
	defer b.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		return err
	}
	if n != row[2].(int64) || !bytes.Equal(h.Sum(nil), sum) {
		return fmt.Errorf("%w: content %x: its %d bytes have the hash %x", ErrDiffers, sum, n, h.Sum(nil))
	}
	rep.Contents++
	rep.Bytes += n
	return nil
}

// unfinished adds the bytes of a kept draft to the hash of its table.
func unfinished(ctx context.Context, s Side, row tables.Row, into *tables.Sum) error {
	d, err := s.Resume(spool.Urgent(ctx), row[0].(string), row[1].(string), row[2].(int64))
	if err != nil {
		return err
	}
	defer d.Discard()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(d, 0, d.Size())); err != nil {
		return err
	}
	into.Add(tables.Row{h.Sum(nil)})
	into.Rows--
	return nil
}
