package postgres

import (
	"context"
	"fmt"

	"github.com/brama-gateway/brama/spool"
)

// Reading is a store that is open for nothing but reading, beside the process
// that has it open for work, or when there is none: what an auditor looks
// through. It takes no lock and changes no row.
type Reading struct{ s *Store }

// OpenReading opens a store that is there. It must be of this release's schema: an
// older one is brought up by Open, that is by the daemon's start.
func OpenReading(ctx context.Context, opt Options) (*Reading, error) {
	if err := opt.settle(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := newStore(opt)
	err := s.side(ctx, func(c *session) error {
		version, err := schemaVersion(ctx, c.conn)
		if err == nil && version != len(migrations) {
			err = fmt.Errorf("schema version %d, this release knows %d: %w", version, len(migrations), ErrVersion)
		}
		return err
	})
	if err != nil {
		s.hangUp()
		return nil, fmt.Errorf("spool in PostgreSQL: %w", err)
	}
	return &Reading{s}, nil
}

// View is Store.View.
func (r *Reading) View(ctx context.Context, read func(spool.Reader) error) error {
	return r.s.View(ctx, read)
}

// Open is Store.Open.
func (r *Reading) Open(ctx context.Context, sha256 string) (spool.Blob, error) {
	return r.s.Open(ctx, sha256)
}

// Close ends the reading. It must not be called inside View.
func (r *Reading) Close() error {
	err := fmt.Errorf("%w: closed", spool.ErrStopped)
	r.s.cause.CompareAndSwap(nil, &err)
	r.s.mu.Lock()
	r.s.shut = true
	r.s.mu.Unlock()
	r.s.views.Wait()
	r.s.hangUp()
	return nil
}
