package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

const (
	maxGroup      = 256     // changes in a commit
	maxGroupBytes = 8 << 20 // handed over by the changes of a commit
	// checkpointPages is how long the WAL grows before its pages go home. It is
	// then written again from its beginning, which needs no new space.
	checkpointPages = 8000
)

const (
	waiting = iota
	begun
	given // up, by a caller whose context has ended
)

// A request is one change on its way through the writer.
type request struct {
	state  atomic.Int32
	change func(*tx) error
	tx     *tx
	err    error
	done   chan struct{}
}

// Update runs change in the next group. A context that ends while it waits for
// its turn drops it; once begun it is awaited. A change that panics is undone
// alone and the panic is returned as an error.
func (s *Store) Update(ctx context.Context, change func(spool.Tx) error) error {
	urgent := spool.IsUrgent(ctx)
	return s.change(ctx, func(t *tx) error {
		t.fresh = urgent // the floor is not asked
		return change(t)
	})
}

func (s *Store) change(ctx context.Context, change func(*tx) error) error {
	if err := s.stopped(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{change: change, done: make(chan struct{})}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return s.stopped()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, given) {
			return ctx.Err()
		}
	case <-s.ended:
		if r.state.CompareAndSwap(waiting, given) {
			return s.stopped()
		}
	}
	<-r.done
	return r.err
}

// run is the one writer. It ends with Close, or when the engine has stopped.
func (s *Store) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.quit:
			return
		case r := <-s.queue:
			if s.stopped() != nil || !s.group(r) {
				return
			}
		}
	}
}

// group runs what waits in one transaction, commits and answers. It says
// whether the engine goes on.
func (s *Store) group(first *request) bool {
	var ran []*request
	committed := s.marks
	answered := false
	answer := func(err error) {
		answered = true
		for _, r := range ran {
			if r.err == nil {
				r.err = err
			}
			close(r.done)
		}
	}
	defer func() {
		if !answered { // a change has ended this goroutine (runtime.Goexit)
			answer(s.fail("writer", errors.New("a change did not return")))
		}
	}()

	if _, err := s.write.exec("BEGIN IMMEDIATE"); err != nil {
		if first.state.CompareAndSwap(waiting, begun) {
			ran = append(ran, first)
		}
		answer(s.fail("begin", err))
		return false
	}
	var broken error
	var bytes int64
	// A savepoint costs a copy of every page that is changed in it, and hardly ever
	// a change fails that has written something: then the group begins anew, with savepoints.
	careful := false
	for r := first; r != nil && broken == nil; {
		if r.state.CompareAndSwap(waiting, begun) {
			ran = append(ran, r)
			var undo bool
			if undo, broken = s.one(r, careful); undo {
				careful = true
				broken = s.again(ran, committed)
			}
			bytes += r.tx.bytes
		}
		r = nil
		if len(ran) < maxGroup && bytes < maxGroupBytes && s.stopped() == nil {
			select {
			case r = <-s.queue:
			default:
			}
		}
	}
	if broken == nil {
		broken = s.writeTally()
	}
	if broken != nil {
		s.forget(committed)
		return s.abandon(broken, answer)
	}
	if err := s.opt.Faults.at(BeforeCommit); err != nil {
		s.forget(committed)
		return s.abandon(err, answer)
	}
	if _, err := s.write.exec("COMMIT"); err != nil {
		s.forget(committed)
		return s.abandon(err, answer)
	}
	if err := s.opt.Faults.at(AfterCommit); err != nil {
		answer(s.fail("commit", err))
		return false
	}
	s.claims = s.claims[:0]
	for _, r := range ran {
		if r.err == nil {
			s.files.settle(r.tx)
		}
	}
	answer(nil)
	return s.checkpoint()
}

// one runs a change. undo says that it failed and has written something that
// only a new beginning of the group takes back; careful changes have a savepoint
// for that. The error it returns means that the transaction of the group is lost.
func (s *Store) one(r *request, careful bool) (undo bool, err error) {
	r.tx = &tx{reader: reader{s: s.write}, store: s}
	before, claims := s.marks, len(s.claims)
	if careful {
		if _, err := s.write.exec("SAVEPOINT change"); err != nil {
			return false, err
		}
	}
	writes := s.write.writes
	r.err = r.call()
	if r.tx.broken != nil {
		return false, r.tx.broken
	}
	if r.err != nil && s.write.writes > writes {
		if !careful {
			return true, nil
		}
		if _, err := s.write.exec("ROLLBACK TO change"); err != nil {
			return false, err
		}
		s.marks = before
		clear(s.lined)
		s.unclaim(claims)
	} else if r.err == nil {
		s.pending.add(r.tx.tally)
	}
	if careful {
		_, err = s.write.exec("RELEASE change")
	}
	return false, err
}

// again begins the group anew, with a savepoint for each change.
func (s *Store) again(ran []*request, committed marks) error {
	s.forget(committed)
	if _, err := s.write.exec("ROLLBACK"); err != nil {
		return err
	}
	if _, err := s.write.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range ran {
		if _, err := s.one(r, true); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) call() (err error) {
	defer func() {
		r.tx.ended = true
		if p := recover(); p != nil {
			err = fmt.Errorf("change panicked: %v", p)
		}
	}()
	return r.change(r.tx)
}

// abandon rolls the group back. A disk that is full refuses the group and
// nothing more: nothing was flushed in vain. Anything else stops the engine.
func (s *Store) abandon(cause error, answer func(error)) bool {
	_, err := s.write.exec("ROLLBACK")
	// SQLite has already rolled back by itself when there is none to roll back.
	if noSpace(cause) && (err == nil || code(err) == 1) {
		answer(fmt.Errorf("commit: %w: %w", spool.ErrFull, cause))
		return true
	}
	answer(s.fail("commit", cause))
	return false
}

// checkpoint moves the pages of a long WAL into the database.
func (s *Store) checkpoint() bool {
	end := s.wal.End()
	if end < s.walBase {
		s.walBase = 0 // it was begun anew
	}
	if end-s.walBase < int64(s.opt.walPages)*walfile.Frame {
		return true
	}
	err := s.opt.Faults.at(Checkpoint)
	if err == nil {
		var busy, pages, done int
		err = s.write.row(`PRAGMA wal_checkpoint(PASSIVE)`, nil, &busy, &pages, &done)
	}
	if err != nil && !noSpace(err) {
		s.fail("checkpoint", err)
		return false
	}
	s.walBase = end // where a reader holds it up, it goes on growing from here
	return true
}
