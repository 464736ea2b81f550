package simtest

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// A Bed opens a store, and opens it again after it was closed.
type Bed func() (spool.Store, error)

// How the store fails.
const (
	refused = iota // ErrFull, nothing was done, the store goes on
	lost           // ErrStopped, nothing was done
	made           // ErrStopped, and it was done
	faults
)

// store is the store of a stage, whose changes can be made to fail.
type store struct {
	spool.Store
	strict bool
	wait   int // changes until the one that fails; 0: none does
	how    int
	hit    bool // one has failed
	dead   bool // it takes nothing more
}

var errUndone = errors.New("undone by the simulator")

func (s *store) Update(ctx context.Context, change func(spool.Tx) error) error {
	if s.dead {
		return spool.ErrStopped
	}
	if s.strict {
		err := s.Store.Update(ctx, func(tx spool.Tx) error {
			_ = change(tx)
			return errUndone
		})
		if !errors.Is(err, errUndone) {
			return err
		}
	}
	if s.wait > 0 {
		if s.wait--; s.wait == 0 {
			s.hit = true
			switch s.how {
			case refused:
				return spool.ErrFull
			case lost:
				s.dead = true
				return spool.ErrStopped
			case made:
				s.dead = true
				if err := s.Store.Update(ctx, change); err != nil {
					return err
				}
				return spool.ErrStopped
			}
		}
	}
	return s.Store.Update(ctx, change)
}

func (s *store) View(ctx context.Context, read func(spool.Reader) error) error {
	if s.dead {
		return spool.ErrStopped
	}
	return s.Store.View(ctx, read)
}

// stage is a core and what is around it.
type stage struct {
	cast    *cast
	bed     Bed
	spoil   func(spool.Store) spool.Store // of the tests of the simulator itself
	strict  bool
	store   *store
	gateway *gateway.Gateway
	trust   gatewaytest.Trust
	trusts  int
	now     time.Time
}

func (s *stage) open() error {
	inner, err := s.bed()
	if err != nil {
		return err
	}
	if s.spoil != nil {
		inner = s.spoil(inner)
	}
	s.store = &store{Store: inner, strict: s.strict}
	s.gateway, err = gateway.New(context.Background(), gateway.Options{
		Store: s.store, Trust: &s.trust, Profiles: profile.Builtin, Seal: s.cast.seal, Validate: s.cast.validate,
		Now: func() time.Time { return s.now }, Rand: rand.Reader, Log: zap.NewNop(), Workers: 1, Queue: 2,
	})
	if err != nil {
		return err
	}
	return s.gateway.Recount(context.Background()) // as it does when it begins to work
}

func (s *stage) restart() error {
	if err := s.store.Store.Close(); err != nil {
		return err
	}
	return s.open()
}

func (s *stage) believe(t int) {
	s.trusts = t
	s.trust.Store(s.cast.trust[t])
}

func (s *stage) desk(c int) gateway.Desk {
	return s.gateway.Desk(gateway.Origin{Client: clientID(c), Entrance: "sftp", Session: "s"})
}
