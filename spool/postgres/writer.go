package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/brama-gateway/brama/spool"
)

const (
	maxGroup      = 256     // changes in a commit
	maxGroupBytes = 8 << 20 // handed over by the changes of a commit
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
// its turn drops it; once begun it is awaited, also while the server is away. A
// change that panics is undone alone and the panic is returned as an error.
func (s *Store) Update(ctx context.Context, change func(spool.Tx) error) error {
	return s.change(ctx, func(t *tx) error { return change(t) })
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

// group runs what waits in one transaction, commits and answers. It says whether
// the engine goes on. Changes may be run again by contract, and are: with a
// savepoint each when one failed that had written, and from the beginning when the
// connection was lost before the commit.
func (s *Store) group(first *request) bool {
	var ran []*request
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
	careful := false
	committed := s.marks
	for {
		err := s.pass(&ran, first, careful)
		first = nil
		committing := false
		if err == nil {
			committing = true
			err = s.commit()
		}
		if err == nil {
			break
		}
		s.forget(committed)
		switch {
		case s.write.lost(err):
			groups, e := s.reconnect(err)
			if e != nil {
				answer(s.fail("connection", e))
				return false
			}
			committed = s.marks
			if groups == s.groups {
				continue
			}
			if !committing || groups != s.groups+1 {
				answer(s.fail("connection", fmt.Errorf("%d groups are counted, %d were made", groups, s.groups)))
				return false
			}
			s.groups = groups
			s.claims = s.claims[:0]
			answer(nil)
			return true
		case errors.Is(err, errAgain) && !careful:
			careful = true
			if _, e := s.write.exec("ROLLBACK"); e != nil && !s.write.lost(e) {
				answer(s.fail("rollback", e))
				return false
			}
			continue
		}
		_, e := s.write.exec("ROLLBACK")
		if full(err) && e == nil {
			answer(fmt.Errorf("commit: %w: %w", spool.ErrFull, err))
			return true
		}
		answer(s.fail("group", err))
		return false
	}
	s.groups++
	s.claims = s.claims[:0]
	answer(nil)
	return true
}

// pass begins a transaction, runs what ran before and what waits, and sends it all.
func (s *Store) pass(ran *[]*request, first *request, careful bool) error {
	if err := s.begin(); err != nil {
		if first != nil && first.state.CompareAndSwap(waiting, begun) {
			*ran = append(*ran, first)
		}
		return err
	}
	var bytes int64
	for _, r := range *ran {
		if err := s.one(r, careful); err != nil {
			return err
		}
		bytes += r.tx.bytes
	}
	for r := first; ; r = nil {
		if r == nil {
			if len(*ran) >= maxGroup || bytes >= maxGroupBytes || s.stopped() != nil {
				break
			}
			select {
			case r = <-s.queue:
			default:
			}
		}
		if r == nil {
			break
		}
		if !r.state.CompareAndSwap(waiting, begun) {
			continue
		}
		*ran = append(*ran, r)
		if err := s.one(r, careful); err != nil {
			return err
		}
		bytes += r.tx.bytes
	}
	if err := s.writeTally(); err != nil {
		return err
	}
	return s.write.flush()
}

func (s *Store) begin() error {
	s.write.drop(0)
	s.write.fault = nil
	if _, err := s.write.exec("BEGIN"); err != nil {
		return err
	}
	var n int64
	err := s.write.row(sqlBegin, []arg{s.epoch}, &n)
	if err == nil && n != s.groups+1 {
		err = fmt.Errorf("group %d is counted as %d", s.groups+1, n)
	}
	if errors.Is(told(err), spool.ErrNotFound) {
		err = spool.ErrFenced
	}
	s.write.writes = 0
	return err
}

// commit makes the group durable.
func (s *Store) commit() error {
	tag, err := s.write.conn.Exec(context.Background(), "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = fmt.Errorf("the server answered %s to COMMIT", tag)
	}
	return err
}

// one runs a change. The error it returns means that the transaction of the group
// is lost: errAgain, or what the server or the network says.
func (s *Store) one(r *request, careful bool) error {
	r.tx, r.err = &tx{reader: reader{s: s.write}, store: s, careful: careful}, nil
	before, claims := s.marks, len(s.claims)
	if careful {
		if _, err := s.write.exec("SAVEPOINT change"); err != nil {
			return err
		}
	}
	writes, queued := s.write.writes, len(s.write.wants)
	r.err = r.call()
	if err := s.write.fault; err != nil {
		if s.write.lost(err) {
			return err
		}
		if !careful {
			return fmt.Errorf("%w: %w", errAgain, err)
		}
		if r.err == nil {
			r.err = told(err) // the caller went on after an error that was not of the contract
		}
		s.write.fault = nil
	}
	switch {
	case r.err == nil:
		s.pending.add(r.tx.tally)
	case !careful && s.write.writes > writes:
		return errAgain
	default:
		if careful {
			if _, err := s.write.exec("ROLLBACK TO change"); err != nil {
				return err
			}
		} else {
			s.write.drop(queued)
		}
		s.marks = before
		clear(s.lined)
		s.unclaim(claims)
	}
	if careful {
		_, err := s.write.exec("RELEASE change")
		return err
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
