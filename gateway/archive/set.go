package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/brama-gateway/brama/spool"
)

// Set is the files in a folder. It is safe for concurrent use, and keeps some of
// them open. The zero Set has no folder, and no files.
type Set struct {
	dir string

	mu   sync.Mutex
	open []*used // the one used last is the last
}

// kept is how many files stay open: with each of them up to 4 MiB of what was read last.
const kept = 8

type used struct {
	*File
	name string
	refs int
	over bool // to be closed with the last reference
}

// NewSet gives the files of a folder, which need not be there.
func NewSet(dir string) *Set { return &Set{dir: dir} }

// Dir is the folder.
func (s *Set) Dir() string { return s.dir }

// Path is where the file of a name lies, or should.
func (s *Set) Path(name string) string { return filepath.Join(s.dir, name+Ending) }

// Names are the archives that lie in the folder.
func (s *Set) Names() ([]string, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("archives: %w", err)
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), Ending); ok && ValidName(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// File opens the file of a row, or finds it open: ErrOffline, ErrDamaged where it is
// not the one that was written. release ends the use.
func (s *Set) File(row Row) (f *File, release func(), err error) {
	if !ValidName(row.Name) || s.dir == "" {
		return nil, nil, fmt.Errorf("archive %s: %w", row.Name, ErrOffline)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.open, func(u *used) bool { return u.name == row.Name && u.directory == row.Directory })
	var u *used
	if i >= 0 {
		u = s.open[i]
		s.open = append(slices.Delete(s.open, i, i+1), u)
		// What was taken away is not here, though it is open still.
		if _, err := os.Lstat(s.Path(row.Name)); errors.Is(err, os.ErrNotExist) {
			s.drop(len(s.open) - 1)
			return nil, nil, fmt.Errorf("archive %s: %w", row.Name, ErrOffline)
		}
	} else {
		f, err := Open(s.Path(row.Name))
		if err != nil {
			return nil, nil, fmt.Errorf("archive %s: %w", row.Name, err)
		}
		if f.Directory() != row.Directory || f.Head().Name != row.Name {
			return nil, nil, errors.Join(fmt.Errorf("archive %s: %w", row.Name, damaged("it is another file than was written")), f.Close())
		}
		u = &used{File: f, name: row.Name}
		if s.open = append(s.open, u); len(s.open) > kept {
			s.drop(0)
		}
	}
	u.refs++
	var once sync.Once
	return u.File, func() { once.Do(func() { s.release(u) }) }, nil
}

// drop ends the keeping of a file; its last user closes it.
func (s *Set) drop(i int) {
	u := s.open[i]
	s.open = slices.Delete(s.open, i, i+1)
	u.over = true
	if u.refs == 0 {
		u.Close()
	}
}

func (s *Set) release(u *used) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.refs--; u.refs == 0 && u.over {
		u.Close()
	}
}

// Close closes what nobody uses.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 {
		s.drop(0)
	}
}

// Rows reads what a store keeps of its archives, by name.
func Rows(r spool.Reader) ([]Row, error) {
	values, err := r.Values(Bucket)
	if err != nil {
		return nil, err
	}
	out := make([]Row, 0, len(values))
	for _, b := range values {
		row, err := ReadRow(b)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
