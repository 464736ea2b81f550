package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/brama-gateway/brama/spool"
)

// The fence has two parts. A session's advisory lock keeps two honest openers
// apart: it goes with the connection. The epoch, which every group checks in its
// own transaction, keeps out whoever comes back after another has opened the
// store: a node that was stopped for a while, or cut off.

// lockWait is how long an opener waits for a lock: the server may need a moment
// to notice that a process has ended.
const lockWait = 2 * time.Second

func (s *Store) tryLock(ctx context.Context) (got bool, err error) {
	err = s.write.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, s.lock).Scan(&got)
	return got, err
}

// seize takes the lock.
func (s *Store) seize(ctx context.Context) error {
	end := time.Now().Add(lockWait)
	for {
		got, err := s.tryLock(ctx)
		if got || err != nil {
			return err
		}
		if s.opt.TakeOver {
			if _, err := s.write.conn.Exec(ctx, sqlEnd, s.lock); err != nil {
				return err
			}
		} else if time.Now().After(end) {
			return spool.ErrLocked
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
	}
}

// sqlEnd ends the session that has the lock, and with it what it had not committed.
const sqlEnd = `SELECT pg_terminate_backend(pid) FROM pg_locks
	WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND objsubid = 1 AND granted AND pid <> pg_backend_pid()
	AND (classid::bigint << 32) | objid::bigint = $1`

// sqlBegin counts the group in the transaction that makes it. It waits for the
// group before it, finds no row once the store was taken over, and tells after a
// lost connection whether the group was made.
const sqlBegin = `UPDATE fence SET groups = groups + 1 WHERE epoch = $1 RETURNING groups`

// reconnect comes back after the writer's connection was lost. It says how many
// groups were committed. It has the lock again before it asks: the server has then
// ended the old session, whose commit can no longer be under way.
func (s *Store) reconnect(cause error) (groups int64, err error) {
	s.write.close()
	end := time.Now().Add(s.opt.Patience)
	for {
		groups, err = s.regain()
		if err == nil || !away(err) && !errors.Is(err, spool.ErrLocked) {
			return groups, err
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("the server was away for more than %v: %w: %w", s.opt.Patience, cause, err)
		}
		if err := s.rest(); err != nil {
			return 0, err
		}
	}
}

// rest is pause of the writer, whose group is finished even while the store is being closed.
func (s *Store) rest() error {
	time.Sleep(retryEvery)
	select {
	case <-s.quit:
		return errors.New("closed while the server was away")
	default:
		return nil
	}
}

func (s *Store) regain() (groups int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	old := s.write
	if s.write, err = s.opt.dial(ctx); err != nil {
		s.write = old
		return 0, err
	}
	back := func(err error) (int64, error) {
		if s.write.lost(err) {
			err = fmt.Errorf("%w: %w", errGone, err)
		}
		s.write.close()
		return 0, err
	}
	var epoch int64
	if err := s.write.conn.QueryRow(ctx, `SELECT epoch FROM fence`).Scan(&epoch); err != nil {
		return back(err)
	}
	if epoch != s.epoch {
		return back(spool.ErrFenced)
	}
	got, err := s.tryLock(ctx)
	if err != nil {
		return back(err)
	}
	if !got {
		return back(spool.ErrLocked) // the old session's end is not noticed yet, or somebody is opening the store
	}
	if err := s.demand(ctx); err != nil {
		return back(err)
	}
	if err := s.write.conn.QueryRow(ctx, `SELECT epoch, groups FROM fence`).Scan(&epoch, &groups); err != nil {
		return back(err)
	}
	if epoch != s.epoch {
		return back(spool.ErrFenced)
	}
	if err := s.remember(); err != nil {
		return back(err)
	}
	return groups, nil
}

// away says that an error of connecting may pass: the server is not there, is
// starting, stopping or recovering, or has no connection left.
func away(err error) bool {
	if c := code(err); c != "" {
		return c[:2] == "57" || c[:2] == "08" || c[:2] == "53"
	}
	var e *pgconn.ConnectError
	return errors.As(err, &e) || pgconn.Timeout(err) || errors.Is(err, errGone)
}

// errGone marks a connection that was lost between two statements.
var errGone = errors.New("connection lost")
