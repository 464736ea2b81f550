package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/brama-gateway/brama/spool"
)

// Source is what can be read: a spool.Store, or a reading of one.
type Source interface {
	View(context.Context, func(spool.Reader) error) error
	Open(ctx context.Context, sha256 string) (spool.Blob, error)
}

// Over reads a store together with its archives: an item that is in one has all its
// parts, and their content opens, wherever they lie. It changes nothing; within
// Update a store knows its own rows only. An item whose archive is not here has
// ErrOffline for its parts.
func Over(s Source, set *Set) *Reading { return &Reading{s, set, hints{}} }

// Reading is a store and its archives.
type Reading struct {
	Source
	set   *Set
	hints hints
}

// hints remember in which archive a hash was seen last.
type hints struct {
	mu       sync.Mutex
	now, old map[string]string
}

const manyHints = 20_000

func (h *hints) add(parts []spool.Part, archive string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.now) > manyHints || h.now == nil {
		h.now, h.old = map[string]string{}, h.now
	}
	for _, p := range parts {
		h.now[p.Content.SHA256] = archive
	}
}

func (h *hints) of(sum string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name, ok := h.now[sum]; ok {
		return name
	}
	return h.old[sum]
}

// Set is the archives' folder.
func (s *Reading) Set() *Set { return s.set }

// View implements spool.Store.
func (s *Reading) View(ctx context.Context, read func(spool.Reader) error) error {
	return s.Source.View(ctx, func(r spool.Reader) error { return read(&reader{Reader: r, s: s}) })
}

// reader adds to a reader what is in archives.
type reader struct {
	spool.Reader
	s    *Reading
	rows map[string]Row // nil: not asked yet
}

// row is that of an archive; none where there are no archives at all.
func (r *reader) row(name string) (Row, bool, error) {
	if r.rows == nil {
		all, err := Rows(r.Reader)
		if err != nil {
			return Row{}, false, err
		}
		r.rows = make(map[string]Row, len(all))
		for _, row := range all {
			r.rows[row.Name] = row
		}
	}
	row, ok := r.rows[name]
	return row, ok, nil
}

// archived gives the record of an item that is in an archive, nil for another.
func (r *reader) archived(id spool.ID) (*Record, string, error) {
	if _, _, err := r.row(""); err != nil || len(r.rows) == 0 {
		return nil, "", err
	}
	it, err := r.Reader.Item(id)
	if errors.Is(err, spool.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	name := Of(it)
	if name == "" {
		return nil, "", nil
	}
	row, ok, err := r.row(name)
	if err != nil {
		return nil, name, err
	}
	if !ok {
		return nil, name, fmt.Errorf("item %s: archive %s: %w: the store has no row of it", id, name, ErrOffline)
	}
	if row.State == Gone {
		return nil, name, fmt.Errorf("item %s: archive %s: %w", id, name, ErrRemoved)
	}
	f, release, err := r.s.set.File(row)
	if err != nil {
		return nil, name, fmt.Errorf("item %s: %w", id, err)
	}
	defer release()
	rec, err := f.Item(id)
	if errors.Is(err, spool.ErrNotFound) {
		err = damaged("item %s is not in archive %s", id, name)
	}
	return rec, name, err
}

// Parts are those of the archive, then what was added to the item since.
func (r *reader) Parts(id spool.ID) ([]spool.Part, error) {
	parts, err := r.Reader.Parts(id)
	if err != nil {
		return nil, err
	}
	rec, name, err := r.archived(id)
	if err != nil || rec == nil {
		return parts, err
	}
	out := rec.Spool()
	r.s.hints.add(out, name)
	return append(out, parts...), nil
}

// Part is one of Parts.
func (r *reader) Part(id spool.ID, name string) (spool.Part, error) {
	p, err := r.Reader.Part(id, name)
	if !errors.Is(err, spool.ErrNotFound) {
		return p, err
	}
	rec, in, wrong := r.archived(id)
	if wrong != nil {
		return spool.Part{}, wrong
	}
	if rec == nil {
		return p, err
	}
	for _, part := range rec.Spool() {
		if part.Name == name {
			r.s.hints.add([]spool.Part{part}, in)
			return part, nil
		}
	}
	return p, err
}

// Open implements spool.Store.
func (s *Reading) Open(ctx context.Context, sum string) (spool.Blob, error) {
	b, err := s.Source.Open(ctx, sum)
	if !errors.Is(err, spool.ErrNotFound) {
		return b, err
	}
	rows := []Row{}
	if wrong := s.Source.View(ctx, func(r spool.Reader) (err error) {
		if hint := s.hints.of(sum); hint != "" {
			if b, err := r.Value(Bucket, hint); err == nil {
				row, err := ReadRow(b)
				rows = append(rows, row)
				return err
			}
		}
		rows, err = Rows(r)
		return err
	}); wrong != nil {
		return nil, wrong
	}
	var missing error
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].State == Writing || rows[i].State == Gone {
			continue
		}
		b, wrong := s.from(rows[i], sum)
		switch {
		case wrong == nil:
			return b, nil
		case errors.Is(wrong, ErrOffline):
			missing = wrong
		case !errors.Is(wrong, spool.ErrNotFound):
			return nil, wrong
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("content %s: %w", sum, missing)
	}
	return nil, err
}

func (s *Reading) from(row Row, sum string) (spool.Blob, error) {
	f, release, err := s.set.File(row)
	if err != nil {
		return nil, err
	}
	_, part, err := f.Find(sum)
	if err != nil {
		release()
		return nil, err
	}
	return &content{f: f, at: part.At, size: part.Size, done: release}, nil
}

// Store is a store for work, over its archives.
type Store struct {
	spool.Store
	reading *Reading
}

// StoreOver is Over for a store that is changed too.
func StoreOver(s spool.Store, set *Set) *Store { return &Store{s, Over(s, set)} }

// View implements spool.Store.
func (s *Store) View(ctx context.Context, read func(spool.Reader) error) error {
	return s.reading.View(ctx, read)
}

// Open implements spool.Store.
func (s *Store) Open(ctx context.Context, sum string) (spool.Blob, error) {
	return s.reading.Open(ctx, sum)
}

// Archive gives the SHA-256 of an archive's file as it lies there, for whoever holds it
// against the journal, and whether it is there at all. A file that is no archive any
// more has no sum.
func (s *Reading) Archive(ctx context.Context, name string) (sum string, here bool, err error) {
	if !ValidName(name) || s.set.dir == "" {
		return "", false, nil
	}
	f, err := Open(s.set.Path(name))
	switch {
	case errors.Is(err, ErrOffline):
		return "", false, nil
	case errors.Is(err, ErrDamaged):
		return "", true, nil
	case err != nil:
		return "", false, err
	}
	defer f.Close()
	sum, err = f.Sum(ctx)
	return sum, true, err
}
