package disktest

import (
	"fmt"
	"maps"
	"math/rand/v2"
)

// A Position is a place in the record: how many writes and flushes came before it.
type Position int

// A Mode says what a disk has kept of the writes after its last flush.
type Mode int

const (
	Nothing Mode = iota // of them
	All                 // of them
	Blocks              // any of their blocks of 4096 bytes
	Torn                // any of their sectors of 512 bytes
	// Lying is a disk that keeps nothing of what came after the last flush but Lies:
	// it has answered those, and not done them.
	Lying
)

// Lies is how many flushes a [Lying] disk has answered and not done.
const Lies = 20

// Modes are those of an honest disk.
var Modes = []Mode{Nothing, All, Blocks, Torn}

func (m Mode) String() string {
	return [...]string{"nothing", "all", "blocks", "torn", "lying"}[m]
}

// An entry of the record is a write, or a flush, which has no pieces.
type entry []piece

// A record is a disk as it was when it began, and what came since.
type record struct {
	base    image
	entries []entry
}

// Tally is how much a record holds.
type Tally struct {
	End     Position
	Writes  int
	Flushes int
	Bytes   int64
}

func (t Tally) String() string {
	return fmt.Sprintf("%d writes, %d MB, %d flushes", t.Writes, t.Bytes>>20, t.Flushes)
}

func (r *record) tally() Tally {
	t := Tally{End: Position(len(r.entries))}
	for _, e := range r.entries {
		if e == nil {
			t.Flushes++
			continue
		}
		t.Writes++
		for _, p := range e {
			t.Bytes += int64(len(p.data))
		}
	}
	return t
}

// durable is how many entries a disk of a mode must have kept at a position: up
// to the last flush.
func (r *record) durable(at Position, mode Mode) int {
	lies := 0
	if mode == Lying {
		lies = Lies
	}
	for i := int(at) - 1; i >= 0; i-- {
		if r.entries[i] != nil {
			continue
		}
		if lies == 0 {
			return i
		}
		lies--
	}
	return 0
}

// cut makes the disk that a power cut at a position may leave. The seed decides
// what is left to chance: which part of the writes is kept, and how much.
func (r *record) cut(at Position, mode Mode, seed uint64) image {
	m := maps.Clone(r.base)
	durable := r.durable(at, mode)
	for _, e := range r.entries[:durable] {
		for _, p := range e {
			m.apply(p)
		}
	}
	rnd := rand.New(rand.NewPCG(seed, uint64(at)))
	share := rnd.Float64()
	for _, e := range r.entries[durable:at] {
		for _, p := range e {
			unit := block
			if mode == Torn {
				unit = sector
			}
			for from := 0; from < len(p.data); from += unit {
				if mode == All || mode != Nothing && mode != Lying && rnd.Float64() < share {
					m.apply(piece{p.block, p.from + from, p.data[from:min(from+unit, len(p.data))]})
				}
			}
		}
	}
	return m
}
