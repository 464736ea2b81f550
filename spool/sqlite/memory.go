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
	part    int64 // part.n
}

// partBlock is how many numbers of parts a start puts aside: more than one run can give.
const partBlock = 1 << 40

// A turnKey is a row of turn.
type turnKey struct {
	queue    spool.Queue
	state    spool.State
	owner    string
	priority int
}

// maxLined bounds the memory of rows of turn that are not idle.
const maxLined = 100_000

// A place is where items are: a state of a queue.
type place struct {
	queue spool.Queue
	state spool.State
}

// A tally is how many items of a queue have come into a state, less those that
// have left it.
type tally map[place]int64

func (t tally) add(more tally) {
	for k, n := range more {
		t[k] += n
	}
}

// remember reads what is known at the start.
func (s *Store) remember() error {
	s.pending, s.lined, s.updates = tally{}, map[turnKey]bool{}, map[uint32]string{}
	var served int64
	if err := s.write.row(`SELECT COALESCE(MAX(served), 0) FROM turn`, nil, &served); err != nil {
		return err
	}
	s.served.Store(max(served, 0))
	s.claimed = map[place]bool{}
	err := s.write.rows(`SELECT queue, state FROM claimed`, nil, func(scan func(...any) error) error {
		var p place
		err := scan(&p.queue, &p.state)
		s.claimed[p] = true
		return err
	})
	if err != nil {
		return err
	}
	err = s.write.row(`SELECT (SELECT COALESCE(MAX(seq), 0) FROM event), (SELECT COALESCE(MAX(id), 0) FROM content),
		(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'part_n')`, nil, &s.marks.event, &s.marks.content, &s.marks.part)
	if err != nil {
		return err
	}
	_, err = s.write.exec(`UPDATE meta SET value = CAST(value AS INTEGER) + ? WHERE key = 'part_n'`, partBlock)
	return err
}

// forget goes back to the last commit.
func (s *Store) forget(committed marks) {
	s.marks = committed
	clear(s.pending)
	clear(s.lined)
	s.unclaim(0)
}

// unclaim takes back all but the first n of the group's new places of claims.
func (s *Store) unclaim(n int) {
	for _, p := range s.claims[n:] {
		delete(s.claimed, p)
	}
	s.claims = s.claims[:n]
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
