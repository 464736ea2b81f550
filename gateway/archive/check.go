package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/spool"
)

// What Check finds.
const (
	ArchiveMissing spool.Sort = "ARCHIVE-MISSING" // its file is not there
	ArchiveDamaged spool.Sort = "ARCHIVE-DAMAGED" // its file is not the one that was written
	ArchiveUnknown spool.Sort = "ARCHIVE-UNKNOWN" // a file of which the store has no row
)

// Check looks at every archive that the store knows: that its file is there, has its
// size and its directory, and if deep that every byte of it is the one that was written. An
// error means that it could not look.
func (s *Reading) Check(ctx context.Context, deep bool) (problems []spool.Problem, err error) {
	var rows []Row
	if err := s.Source.View(ctx, func(r spool.Reader) (err error) {
		rows, err = Rows(r)
		return err
	}); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, row := range rows {
		known[row.Name] = true
		if row.State == Writing || row.State == Gone {
			continue
		}
		err := s.checkOne(ctx, row, deep)
		switch {
		case errors.Is(err, ErrOffline):
			problems = append(problems, spool.Problem{Sort: ArchiveMissing, Object: row.Name, Detail: fmt.Sprintf("its file is not in %s; take it from a backup: bramactl restore", s.set.dir)})
		case errors.Is(err, ErrDamaged):
			problems = append(problems, spool.Problem{Sort: ArchiveDamaged, Object: row.Name, Detail: err.Error()})
		case err != nil:
			return problems, err
		}
	}
	names, err := s.set.Names()
	if err != nil {
		return problems, err
	}
	for _, name := range names {
		if !known[name] {
			problems = append(problems, spool.Problem{Sort: ArchiveUnknown, Object: name, Detail: "the store has no row of this file; it may be of a later state than this store is"})
		}
	}
	return problems, nil
}

func (s *Reading) checkOne(ctx context.Context, row Row, deep bool) error {
	f, err := Open(s.set.Path(row.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	if f.size != row.Size || f.Directory() != row.Directory {
		return damaged("it is another file than was written")
	}
	if !deep {
		return nil
	}
	sum, err := f.Verify(ctx, nil)
	if err == nil && sum != row.SHA256 {
		err = damaged("it is another file than was written")
	}
	return err
}
