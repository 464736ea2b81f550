package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/brama-gateway/brama/spool"
)

// A session is one connection. It is used by one goroutine at a time. Its calls
// carry no context: a statement is short, and one that was interrupted in the
// middle of a group would take the others with it.
//
// Statements whose answer is known beforehand are sent later, many at once: what
// a change costs is above all the times it waits for the server.
type session struct {
	conn   *pgx.Conn
	queue  *pgx.Batch
	wants  []int64 // rows that each statement of queue must change, or whatever
	writes int     // statements run that may have written, the queued ones not
	fault  error   // the first that a statement ended with: the transaction is of no use
}

// arg is a value for a statement, or a place for one of its results.
type arg = any

// whatever is for statements that may change any number of rows.
const whatever = -1

var (
	// errAgain says that a statement sent later has not done what was expected.
	errAgain = errors.New("a write that was sent late has failed")
	errText  = errors.New("text that is not UTF-8, or has a zero byte, cannot be stored")
)

const dialTimeout = 10 * time.Second

// dial connects. What a silent network has cut off is noticed after half a minute.
func (o *Options) dial(ctx context.Context) (*session, error) {
	cfg := o.conn.Copy()
	cfg.ConnectTimeout = dialTimeout
	keep := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}
	cfg.DialFunc = (&net.Dialer{KeepAliveConfig: keep}).DialContext
	for k, v := range map[string]string{
		"application_name": "brama", "search_path": pgx.Identifier{o.Schema}.Sanitize(), "timezone": "UTC",
		"statement_timeout": "0", "lock_timeout": "0", "idle_session_timeout": "0",
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4",
	} {
		cfg.RuntimeParams[k] = v
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &session{conn: c, queue: &pgx.Batch{}}, nil
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Close(ctx)
}

// note keeps an error that ends the transaction.
func (s *session) note(err error) error {
	if err != nil && s.fault == nil && !errors.Is(err, pgx.ErrNoRows) {
		s.fault = err
	}
	return err
}

func texts(args []arg) error {
	for _, a := range args {
		if w, is := a.(string); is && (!utf8.ValidString(w) || strings.IndexByte(w, 0) >= 0) {
			return errText
		}
	}
	return nil
}

// later queues a statement that is expected to change want rows.
func (s *session) later(want int64, text string, args ...arg) error {
	if err := texts(args); err != nil {
		return err
	}
	s.queue.Queue(text, args...)
	s.wants = append(s.wants, want)
	return nil
}

// drop takes back what was queued after the first n.
func (s *session) drop(n int) {
	s.queue.QueuedQueries = s.queue.QueuedQueries[:n]
	s.wants = s.wants[:n]
}

// flush sends what is queued. After errAgain the transaction is of no use.
func (s *session) flush() error {
	if len(s.wants) == 0 {
		return nil
	}
	queue, wants := s.queue, s.wants
	s.queue, s.wants = &pgx.Batch{}, nil
	s.writes += len(wants)
	res := s.conn.SendBatch(context.Background(), queue)
	var err error
	for _, want := range wants {
		tag, e := res.Exec()
		if e == nil && want != whatever && tag.RowsAffected() != want {
			e = errAgain
		}
		if err == nil {
			err = e
		}
	}
	if e := res.Close(); err == nil {
		err = e
	}
	if err != nil && !s.lost(err) {
		err = fmt.Errorf("%w: %w", errAgain, err)
	}
	return s.note(err)
}

// exec runs a statement and says how many rows it changed.
func (s *session) exec(text string, args ...arg) (int64, error) {
	if err := texts(args); err != nil {
		return 0, err
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	s.writes++
	tag, err := s.conn.Exec(context.Background(), text, args...)
	return tag.RowsAffected(), s.note(err)
}

// count counts a statement that returns rows of what it changes.
func (s *session) count(text string) {
	if !strings.HasPrefix(text, "SELECT") {
		s.writes++
	}
}

// row reads one row; pgx.ErrNoRows if there is none.
func (s *session) row(text string, args []arg, into ...arg) error {
	if err := texts(args); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.count(text)
	return s.note(s.conn.QueryRow(context.Background(), text, args...).Scan(into...))
}

// rows calls each for every row.
func (s *session) rows(text string, args []arg, each func(scan func(...arg) error) error) error {
	if err := texts(args); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.count(text)
	rows, err := s.conn.Query(context.Background(), text, args...)
	if err != nil {
		return s.note(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return s.note(rows.Err())
}

// code is the SQLSTATE of an error of the server, "" for another error.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lost says that the connection has gone, or is about to: what was not committed
// is not, and of a commit under way nothing is known.
func (s *session) lost(err error) bool {
	switch c := code(err); {
	case strings.HasPrefix(c, "57P"), strings.HasPrefix(c, "08"), c == "25P03", c == "25P04":
		return true // the server shuts down, has crashed, or has ended the session
	}
	return s.conn.IsClosed()
}

// full says that the server's disk is full.
func full(err error) bool { return code(err) == "53100" }

// told turns an error of the driver into one of the contract's where there is one.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return spool.ErrNotFound
	case full(err):
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	}
	return err
}

// one gives the scanner of one row.
func (s *session) one(text string, args ...arg) func(...arg) error {
	return func(into ...arg) error { return s.row(text, args, into...) }
}
