package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/brama-gateway/brama/spool"
)

const (
	maxGroup      = 256     // changes in a commit
	minGroup      = 32      // ... while others wait
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

// A batch is a group that is being committed. Once it is durable its callers are answered.
type batch struct {
	ran     []*request
	durable chan struct{} // closed once it is on the disk, or is known not to be
	err     error         // why not; set before durable is closed
	empty   bool          // nothing was committed
}

func newBatch() *batch { return &batch{durable: make(chan struct{})} }

func (b *batch) end(err error) {
	b.err = err
	close(b.durable)
}

// answer tells the callers.
func (b *batch) answer(err error) {
	for _, r := range b.ran {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
}

// run is the one writer. It ends with Close, or when the engine has stopped.
func (s *Store) run() {
	defer close(s.ended)
	defer s.beside.Wait()
	defer close(s.flushes)
	defer close(s.check)
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

// flush makes groups durable, one flush at a time and in their order, and answers
// them, while the writer is at work on the next.
func (s *Store) flush() {
	var lost error
	for b := range s.flushes {
		since := time.Now()
		if lost == nil && !b.empty {
			if err := s.wal.Flush(); err != nil {
				lost = s.fail("commit", err)
			}
		}
		if lost == nil {
			if err := s.opt.Faults.at(AfterCommit); err != nil {
				lost = s.fail("commit", err)
			}
		}
		// What it costs most of the time: a slow flush now and then must not make groups large.
		s.flushTime.Store((s.flushTime.Load()*7 + int64(time.Since(since))) / 8)
		b.end(lost)
		s.flushed <- struct{}{}
		if lost == nil {
			for _, r := range b.ran {
				if r.err == nil {
					s.files.settle(r.tx)
				}
			}
		}
		b.answer(lost)
	}
}

// settled waits until everything that can be read by now is on the disk, and what
// was read of it may be acted upon.
func (s *Store) settled(ctx context.Context) error {
	b := s.latest.Load()
	if b == nil {
		return nil
	}
	select {
	case <-b.durable:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather says which change comes next in a group of n that was begun at some time;
// nil: it is to be committed. As long as the last group is on its way to the disk
// there is nothing to lose by waiting for more. Afterwards the group ends when nobody
// waits, or when it has taken as long as its own flush will: that of the one and the
// work on the next then go on side by side.
func (s *Store) gather(n int, since time.Time) *request {
	if n >= maxGroup || s.stopped() != nil {
		return nil
	}
	for {
		if s.free && n >= minGroup && int64(time.Since(since)) >= s.flushTime.Load() {
			return nil
		}
		select {
		case r := <-s.queue:
			return r
		default:
		}
		if s.free {
			return nil
		}
		select {
		case r := <-s.queue:
			return r
		case <-s.flushed:
			s.free = true
		}
	}
}

// group runs what waits in one transaction, commits it, and hands it over to be
// flushed and answered. It says whether the engine goes on.
func (s *Store) group(first *request) bool {
	b := newBatch()
	committed := s.marks
	handed := false
	defer func() {
		if !handed { // a change has ended this goroutine (runtime.Goexit)
			err := s.fail("writer", errors.New("a change did not return"))
			b.answer(err)
		}
	}()
	refuse := func(err error) {
		handed = true
		b.answer(err)
	}

	if _, err := s.write.exec("BEGIN IMMEDIATE"); err != nil {
		if first.state.CompareAndSwap(waiting, begun) {
			b.ran = append(b.ran, first)
		}
		refuse(s.fail("begin", err))
		return false
	}
	var broken error
	var bytes int64
	// A savepoint costs a copy of every page that is changed in it, and hardly ever
	// a change fails that has written something: then the group begins anew, with savepoints.
	careful := false
	since, writes := time.Now(), s.write.writes
	for r := first; r != nil && broken == nil; {
		if r.state.CompareAndSwap(waiting, begun) {
			b.ran = append(b.ran, r)
			var undo bool
			if undo, broken = s.one(r, careful); undo {
				careful = true
				broken = s.again(b.ran, committed)
			}
			bytes += r.tx.bytes
		}
		r = nil
		if broken == nil && bytes < maxGroupBytes {
			r = s.gather(len(b.ran), since)
		}
	}
	b.empty = s.write.writes == writes
	if broken == nil {
		broken = s.writeTally()
	}
	if broken == nil {
		broken = s.opt.Faults.at(BeforeCommit)
	}
	if broken == nil {
		before := s.latest.Swap(b) // before anybody can read it
		if _, broken = s.write.exec("COMMIT"); broken != nil {
			s.latest.Store(before)
			if before != nil {
				<-before.durable
			}
			b.end(nil) // nobody has read it
		}
	}
	if broken != nil {
		s.forget(committed)
		return s.abandon(broken, refuse)
	}
	s.claims = s.claims[:0]
	if !s.free {
		<-s.flushed
	}
	s.free, handed = false, true
	s.flushes <- b
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
