package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/memtest"
)

// Config says what to run.
type Config struct {
	Seed      uint64 // of the first history
	Histories int
	Workers   int // at once; each history has one
	// Bed gives an empty store for a history, and ends it; nil: in memory.
	Bed func() (bed Bed, end func())
	// Spoil stands between gateway and store, to test the simulator.
	Spoil  func(spool.Store) spool.Store
	long   bool   // what fails is not shortened
	forbid string // a move that the model does not allow, to test the simulator
	// Progress is called now and then.
	Progress func(done int)
}

// Failure is a history in which gateway and model differ, as short as it could be made.
type Failure struct {
	History History
	Err     error
	Acts    int // that it had at first
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%v\nafter the last of (%d of %d acts; BRAMA_SIM_SEED=%d BRAMA_SIM_HISTORIES=1 for all of them)\n%s",
		f.Err, len(f.History.Acts), f.Acts, f.History.Seed, f.History)
}

// Run plays histories until one fails.
func Run(c Config) (*Reach, *Failure) {
	sum := newReach()
	var mu sync.Mutex
	var failed *Failure
	var next atomic.Int64
	var all sync.WaitGroup
	for range max(c.Workers, 1) {
		all.Go(func() {
			reach := newReach()
			for {
				i := next.Add(1) - 1
				mu.Lock()
				over := failed != nil
				mu.Unlock()
				if over || i >= int64(c.Histories) {
					break
				}
				h := Of(c.Seed + uint64(i))
				if err := c.play(h, reach); err != nil {
					f := c.shorten(h, err)
					mu.Lock()
					if failed == nil {
						failed = f
					}
					mu.Unlock()
				}
				if c.Progress != nil && i%10_000 == 9_999 {
					c.Progress(int(i + 1))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			sum.add(reach)
		})
	}
	all.Wait()
	return sum, failed
}

// shorten leaves out acts as long as the history fails in the end.
func (c *Config) shorten(h History, err error) *Failure {
	f := &Failure{History: h, Err: err, Acts: len(h.Acts)}
	for again := !c.long; again; {
		again = false
		for n := max(1, len(f.History.Acts)/2); n >= 1; n /= 2 {
			for i := 0; i+n <= len(f.History.Acts); {
				shorter := f.History
				shorter.Acts = slices.Delete(slices.Clone(f.History.Acts), i, i+n)
				if err := c.play(shorter, newReach()); err != nil {
					f.History, f.Err, again = shorter, err, true
				} else {
					i++
				}
			}
		}
	}
	if calm := f.History; calm.Strict && !c.long {
		calm.Strict = false
		if err := c.play(calm, newReach()); err != nil {
			f.History, f.Err = calm, err
		}
	}
	return f
}

// play plays one history.
func (c *Config) play(h History, reach *Reach) (err error) {
	lay := c.Bed
	if lay == nil {
		lay = inMemory
	}
	bed, end := lay()
	defer end()
	p := &play{ctx: context.Background(), m: newModel(gatewaytest.Begin), reach: reach, forbid: c.forbid}
	p.stage = stage{cast: theCast(), bed: bed, spoil: c.Spoil, strict: h.Strict, now: gatewaytest.Begin}
	p.believe(trustGood)
	if err := p.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.store.Store.Close()) }()
	defer func() {
		if r := recover(); r != nil {
			err = differ("panic: %v", r)
		}
	}()
	if len(p.gateway.Register().All()) == 0 {
		if _, err := p.gateway.Apply(p.ctx, p.cast.entries, "simulator", false); err != nil {
			return err
		}
	}
	rows, err := p.rows()
	if err != nil {
		return err
	}
	p.seq = int64(len(rows))
	reach.Histories++
	for i, a := range h.Acts {
		reach.Steps++
		if err := p.step(a); err != nil {
			return fmt.Errorf("act %d %s: %w", i, a, err)
		}
	}
	if h.Seed%8 == 1 {
		if err := p.end(); err != nil {
			return fmt.Errorf("in the end: %w", err)
		}
	}
	if err := p.told(); err != nil {
		return err
	}
	if s, ok := p.store.Store.(*memtest.Store); ok {
		if _, drafts := s.Loose(); drafts > 0 {
			return differ("%d drafts were never ended", drafts)
		}
	}
	return nil
}

// end lets everything come to its end: whatever had happened, every submission has one
// final answer then.
func (p *play) end() error {
	p.reach.Ended++
	p.store.wait = 0 // it fails no more
	acts := []Act{{Kind: Trust, A: trustGood}, {Kind: Advance, A: 6, B: 0}}
	for c := range clients {
		if p.m.disabled[c] {
			acts = append(acts, Act{Kind: Disable, A: c})
		}
	}
	for _, a := range append(acts, Act{Kind: Retain}) {
		if err := p.step(a); err != nil {
			return err
		}
	}
	for range 200 {
		var next *Act
		open := 0
		for _, s := range p.m.all {
			switch s.state {
			case "dead":
				next = &Act{Kind: OperatorRetry, C: 1}
			case "leased":
				next = &Act{Kind: Answer}
			case "accepted":
				if next == nil {
					next = &Act{Kind: Claim, A: 2, B: 2}
				}
			case "received", "held":
				return differ("submission %s is %s still", s.id, s.state)
			default:
				continue
			}
			open++
		}
		if open == 0 {
			return nil
		}
		if next.Kind == Claim && len(p.m.turn()) == 0 {
			next = &Act{Kind: Advance, A: 4}
		}
		if err := p.step(*next); err != nil {
			return err
		}
	}
	return differ("it does not come to an end")
}

// furnished is a store in memory with the register in it.
var furnished = sync.OnceValue(func() *memtest.Disk {
	disk := &memtest.Disk{}
	s := &stage{cast: theCast(), bed: func() (spool.Store, error) { return memtest.Open(disk) }, now: gatewaytest.Begin.Add(-time.Hour)}
	s.believe(trustGood)
	must(s.open())
	_, err := s.gateway.Apply(context.Background(), append([]client.Entry(nil), s.cast.entries...), "simulator", false)
	must(err)
	must(s.store.Store.Close())
	return disk
})

func inMemory() (Bed, func()) {
	disk := furnished().Copy()
	return func() (spool.Store, error) { return memtest.Open(disk) }, func() {}
}
