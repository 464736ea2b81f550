package postgres

import "github.com/brama-gateway/brama/spool"

// What the one writer knows without asking the server: nobody else commits while
// its epoch stands. All of it is as the transaction under way has made it; forget
// goes back to what is committed.

// marks are the last numbers given.
type marks struct {
	event   int64 // event.seq
	content int64 // content.id
	part    int64 // part.n
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

const (
	partBlock = 1 << 40 // numbers of parts of one opener
	partJump  = 1 << 20 // more than one group can give
)

// remember reads what is committed.
func (s *Store) remember() error {
	s.pending, s.lined, s.claims, s.claimed = tally{}, map[turnKey]bool{}, nil, map[place]bool{}
	err := s.write.rows(`SELECT queue, state FROM claimed`, nil, func(scan func(...arg) error) error {
		var p place
		err := scan(&p.queue, &p.state)
		s.claimed[p] = true
		return err
	})
	if err != nil {
		return err
	}
	// Parts are numbered anew above all that this opener and those before may have given.
	s.marks.part = max(s.marks.part+partJump, s.epoch*partBlock)
	return s.write.row(`SELECT (SELECT COALESCE(MAX(seq), 0) FROM event), (SELECT COALESCE(MAX(id), 0) FROM content),
		GREATEST((SELECT MAX(served) FROM turn), 0)`, nil, &s.marks.event, &s.marks.content, &s.served)
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
		err := s.write.later(1, `INSERT INTO tally (queue, state, n) VALUES ($1, $2, $3)
			ON CONFLICT (queue, state) DO UPDATE SET n = tally.n + excluded.n`, string(k.queue), string(k.state), n)
		if err != nil {
			return err
		}
	}
	clear(s.pending)
	return nil
}
