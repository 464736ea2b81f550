package sqlite

import (
	"fmt"

	"github.com/brama-gateway/brama/spool"
)

// What the one writer knows without asking the database. All of it is as the
// transaction under way has made it; forget goes back to what is committed.

// marks are the last numbers given.
type marks struct {
	event   int64 // event.seq
	content int64 // content.id
}

// A turnKey is a row of turn.
type turnKey struct {
	queue    spool.Queue
	state    spool.State
	owner    string
	priority int
}

// maxLined bounds the memory of rows of turn that are not idle.
const maxLined = 100_000

type tallyKey struct {
	queue spool.Queue
	state spool.State
}

// A tally is how many items of a queue have come into a state, less those that
// have left it.
type tally map[tallyKey]int64

func (t tally) add(more tally) {
	for k, n := range more {
		t[k] += n
	}
}

// remember reads what is known at the start.
func (s *Store) remember() error {
	s.pending, s.lined = tally{}, map[turnKey]bool{}
	var served int64
	if err := s.write.row(`SELECT COALESCE(MAX(served), 0) FROM turn`, nil, &served); err != nil {
		return err
	}
	s.served.Store(max(served, 0))
	return s.write.row(`SELECT (SELECT COALESCE(MAX(seq), 0) FROM event), (SELECT COALESCE(MAX(id), 0) FROM content)`, nil,
		&s.marks.event, &s.marks.content)
}

// forget goes back to the last commit.
func (s *Store) forget(committed marks) {
	s.marks = committed
	clear(s.pending)
	clear(s.lined)
}

// writeTally writes what the changes of a group have made of the counts, a row once.
func (s *Store) writeTally() error {
	for k, n := range s.pending {
		if n == 0 {
			continue
		}
		_, err := s.write.exec(`INSERT INTO tally (queue, state, n) VALUES (?, ?, ?)
			ON CONFLICT (queue, state) DO UPDATE SET n = n + excluded.n`, string(k.queue), string(k.state), n)
		if err != nil {
			return fmt.Errorf("tally: %w", err)
		}
	}
	clear(s.pending)
	return nil
}
