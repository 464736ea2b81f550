package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	codes "modernc.org/sqlite/lib"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/capi"
	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

// A session is one connection with its prepared statements. It is used by one
// goroutine at a time.
type session struct {
	file  string // of the database, absolute
	conn  *capi.Conn
	ready map[string]*capi.Stmt

	writes int // statements run that may have written
}

// What a session is for.
type purpose int

const (
	onlyReads purpose = iota
	writer
	carrier // of pages from the WAL into the database
)

// settings are the pragmas of a session besides those that all have.
var settings = map[purpose]string{
	onlyReads: `PRAGMA query_only = 1`,
	// Checkpoints are run by the store, which sees their errors.
	carrier: `PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 0`,
	writer: `PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 0;
		PRAGMA cache_size = -65536; PRAGMA temp_store = memory`,
}

func dial(file string, what purpose) (*session, error) {
	mode, vfs := "ro", ""
	switch what {
	case carrier:
		mode = "rw"
	case writer:
		mode, vfs = "rwc", walfile.Name
		capi.Configure()
		if err := walfile.Register(); err != nil {
			return nil, err
		}
	}
	// An absolute path written as a URI: '?', '#' and '%' in folder names are escaped.
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=" + mode}
	conn, err := capi.Open(u.String(), vfs)
	if err != nil {
		return nil, err
	}
	s := &session{file: abs, conn: conn, ready: map[string]*capi.Stmt{}}
	if err := conn.Script(`PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = 1; PRAGMA trusted_schema = 0; ` + settings[what]); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() error {
	for _, st := range s.ready {
		st.Close()
	}
	return s.conn.Close()
}

// with calls f with the prepared statement.
func (s *session) with(text string, f func(*capi.Stmt) error) error {
	st := s.ready[text]
	if st != nil && !st.Busy() {
		return f(st)
	}
	fresh, err := s.conn.Prepare(text)
	if err != nil {
		return err
	}
	if st != nil { // the same is in the middle of its rows
		defer fresh.Close()
	} else {
		s.ready[text] = fresh
	}
	return f(fresh)
}

// exec runs a statement and says how many rows it changed.
func (s *session) exec(text string, args ...any) (n int64, err error) {
	s.writes++
	err = s.with(text, func(st *capi.Stmt) error {
		n, err = st.Exec(args)
		return err
	})
	return n, err
}

// count counts a statement that returns rows of what it changes.
func (s *session) count(text string) {
	if !strings.HasPrefix(text, "SELECT") {
		s.writes++
	}
}

// row reads one row; capi.ErrNoRows if there is none.
func (s *session) row(text string, args []any, into ...any) error {
	return s.one(text, args, func(scan func(...any) error) error { return scan(into...) })
}

// one calls each for the first row; capi.ErrNoRows if there is none.
func (s *session) one(text string, args []any, each func(scan func(...any) error) error) error {
	s.count(text)
	return s.with(text, func(st *capi.Stmt) error {
		return st.Row(args, func(st *capi.Stmt) error { return each(st.Scan) })
	})
}

// rows calls each for every row.
func (s *session) rows(text string, args []any, each func(scan func(...any) error) error) error {
	s.count(text)
	return s.with(text, func(st *capi.Stmt) error {
		return st.Each(args, func(st *capi.Stmt) error { return each(st.Scan) })
	})
}

// code is the extended result code of an error of SQLite, 0 for another error.
func code(err error) int {
	var e *capi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// rejected says that a statement was refused by a constraint: only it was
// undone, the transaction goes on.
func rejected(err error) bool { return code(err)&0xff == codes.SQLITE_CONSTRAINT }

func foreign(err error) bool { return code(err) == codes.SQLITE_CONSTRAINT_FOREIGNKEY }

func full(err error) bool { return code(err)&0xff == codes.SQLITE_FULL }

// told turns an error of SQLite into one of the contract's where there is one.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, capi.ErrNoRows):
		return spool.ErrNotFound
	case full(err):
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	}
	return err
}

// demand reads a pragma back: a setting that did not take would silently cost durability.
func (s *session) demand(pragma, want string) error {
	var got string
	if err := s.row("PRAGMA "+pragma, nil, &got); err != nil {
		return fmt.Errorf("pragma %s: %w", pragma, err)
	}
	if got != want {
		return fmt.Errorf("pragma %s is %q, want %q", pragma, got, want)
	}
	return nil
}
