// Package memtest is an engine in memory, for tests that need very many stores or
// very many changes: what package spool promises, said as plainly as it can be. It
// passes the suite of package spooltest as every engine does. What was committed
// lives on a [Disk], which outlives the store that is opened on it.
package memtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/brama-gateway/brama/spool"
)

// A Disk is what is left when a store is closed. The zero value is an empty one.
type Disk struct {
	mu     sync.Mutex
	locked bool
	state  *state
}

// Store is an opened disk.
type Store struct {
	disk *Disk
	turn chan struct{} // held by the change that is being made

	mu      sync.Mutex // guards what follows and, while a change is made, the state
	state   *state
	held    map[string]int // content by hash that drafts hold
	bytes   map[string][]byte
	kept    map[*kept]*draft // live drafts of kept ones
	stopped bool
}

// Open opens a disk; spool.ErrLocked while somebody has it open.
func Open(d *Disk) (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, spool.ErrLocked
	}
	d.locked = true
	if d.state == nil {
		d.state = newState()
	}
	return &Store{disk: d, turn: make(chan struct{}, 1), state: d.state, held: map[string]int{}, bytes: map[string][]byte{}, kept: map[*kept]*draft{}}, nil
}

func (s *Store) ended() error {
	if s.stopped {
		return spool.ErrStopped
	}
	return nil
}

// Update implements spool.Store.
func (s *Store) Update(ctx context.Context, change func(spool.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	default:
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-s.turn }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return err
	}
	if s.state.readers > 0 { // a View keeps what it has begun to read
		s.state = s.state.clone()
	}
	t := &tx{reader: reader{state: s.state}, store: s}
	err := run(t, change)
	t.over = true
	if err != nil {
		for i := len(t.undo) - 1; i >= 0; i-- {
			t.undo[i]()
		}
		return err
	}
	for _, k := range t.unkept {
		delete(s.kept, k)
	}
	return nil
}

func run(t *tx, change func(spool.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change: %v", p)
		}
	}()
	return change(t)
}

// View implements spool.Store.
func (s *Store) View(ctx context.Context, read func(spool.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if err := s.ended(); err != nil {
		s.mu.Unlock()
		return err
	}
	r := &reader{state: s.state}
	r.state.readers++
	s.mu.Unlock()
	defer func() {
		r.over = true
		s.mu.Lock()
		r.state.readers--
		s.mu.Unlock()
	}()
	return read(r)
}

// Open implements spool.Store.
func (s *Store) Open(ctx context.Context, sum string) (spool.Blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.ended()); err != nil {
		return nil, err
	}
	if !isHash(sum) {
		return nil, errHash
	}
	c, ok := s.state.contents[sum]
	if !ok {
		return nil, fmt.Errorf("content %s: %w", sum, spool.ErrNotFound)
	}
	return blob(c.bytes), nil
}

// Probe implements spool.Store.
func (s *Store) Probe(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended()
}

// Sweep implements spool.Store.
func (s *Store) Sweep(context.Context) (int, error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ended(); err != nil {
		return 0, err
	}
	if s.state.readers > 0 {
		s.state = s.state.clone()
	}
	n := 0
	for sum, c := range s.state.contents {
		if c.parts == 0 && s.held[sum] == 0 {
			delete(s.state.contents, sum)
			n++
		}
	}
	return n, nil
}

// Loose counts what nothing refers to: content without a part, as a sweep would
// remove it, and drafts that nobody has ended.
func (s *Store) Loose() (contents, drafts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sum, c := range s.state.contents {
		if c.parts == 0 && s.held[sum] == 0 {
			contents++
		}
	}
	for _, n := range s.held {
		drafts += n
	}
	return contents, drafts
}

// Close implements spool.Store. The disk can then be opened again.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.disk.state, s.disk.locked = s.state.clone(), false
	return nil
}

var errHash = errors.New("hash is not 64 lower-case hexadecimal digits")

func isHash(sum string) bool {
	b, err := hex.DecodeString(sum)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == sum
}

// blob reads content.
type blob []byte

func (b blob) Size() int64  { return int64(len(b)) }
func (b blob) Close() error { return nil }

func (b blob) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Copy is another disk with the same content. The disk must be closed.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil {
		return &Disk{}
	}
	return &Disk{state: d.state.clone()}
}
