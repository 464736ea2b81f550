package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

// A session is one connection with its prepared statements. It is used by one
// goroutine at a time. Its calls carry no context: a statement is short, and one
// that was interrupted in the middle of a group would take the others with it.
type session struct {
	file  string // of the database, absolute
	db    *sql.DB
	conn  *sql.Conn
	ready map[string]*sql.Stmt

	writes int // statements run that may have written
}

// What a session is for.
type purpose int

const (
	onlyReads purpose = iota
	writer
	carrier // of pages from the WAL into the database
)

func dial(ctx context.Context, file string, what purpose) (*session, error) {
	q := url.Values{}
	add := func(s string) { q.Add("_pragma", s) }
	add("busy_timeout(10000)")
	add("foreign_keys(1)")
	add("trusted_schema(0)")
	switch what {
	case onlyReads:
		q.Set("mode", "ro")
		add("query_only(1)")
	case carrier:
		q.Set("mode", "rw")
		add("synchronous(full)")
		add("wal_autocheckpoint(0)")
	case writer:
		if err := walfile.Register(); err != nil {
			return nil, err
		}
		q.Set("mode", "rwc")
		q.Set("vfs", walfile.Name)
		add("journal_mode(wal)")
		add("synchronous(full)")
		add("cache_size(-65536)")
		add("temp_store(memory)")
		// Checkpoints are run by the store, which sees their errors.
		add("wal_autocheckpoint(0)")
	}
	// An absolute path written as a URI: '?', '#' and '%' in folder names are escaped.
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &session{file: abs, db: db, conn: conn, ready: map[string]*sql.Stmt{}}, nil
}

func (s *session) close() error {
	for _, st := range s.ready {
		st.Close()
	}
	s.conn.Close()
	return s.db.Close()
}

func (s *session) stmt(text string) (*sql.Stmt, error) {
	if st := s.ready[text]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	s.ready[text] = st
	return st, nil
}

// exec runs a statement and says how many rows it changed.
func (s *session) exec(text string, args ...any) (int64, error) {
	s.writes++
	st, err := s.stmt(text)
	if err != nil {
		return 0, err
	}
	res, err := st.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// count counts a statement that returns rows of what it changes.
func (s *session) count(text string) {
	if !strings.HasPrefix(text, "SELECT") {
		s.writes++
	}
}

// row reads one row; sql.ErrNoRows if there is none.
func (s *session) row(text string, args []any, into ...any) error {
	s.count(text)
	st, err := s.stmt(text)
	if err != nil {
		return err
	}
	return st.QueryRow(args...).Scan(into...)
}

// rows calls each for every row.
func (s *session) rows(text string, args []any, each func(scan func(...any) error) error) error {
	s.count(text)
	st, err := s.stmt(text)
	if err != nil {
		return err
	}
	rows, err := st.Query(args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// code is the extended result code of an error of the driver, 0 for another error.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// rejected says that a statement was refused by a constraint: only it was
// undone, the transaction goes on.
func rejected(err error) bool { return code(err)&0xff == codes.SQLITE_CONSTRAINT }

func foreign(err error) bool { return code(err) == codes.SQLITE_CONSTRAINT_FOREIGNKEY }

func full(err error) bool { return code(err)&0xff == codes.SQLITE_FULL }

// told turns an error of the driver into one of the contract's where there is one.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return spool.ErrNotFound
	case full(err):
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	}
	return err
}

// demand reads a pragma back: a setting that did not take would silently cost durability.
func (s *session) demand(pragma, want string) error {
	var got string
	if err := s.conn.QueryRowContext(context.Background(), "PRAGMA "+pragma).Scan(&got); err != nil {
		return fmt.Errorf("pragma %s: %w", pragma, err)
	}
	if got != want {
		return fmt.Errorf("pragma %s is %q, want %q", pragma, got, want)
	}
	return nil
}
