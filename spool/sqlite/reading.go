package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/brama-gateway/brama/spool"
)

// Reading is a store that is open for nothing but reading, beside the process
// that has it open for work, or when there is none: what an auditor looks
// through. It takes no lock and changes no row.
type Reading struct{ s *Store }

// OpenReading opens the store in a folder. It must be of this release's schema:
// an older one is brought up by Open, that is by the daemon's start.
func OpenReading(dir string) (*Reading, error) {
	s := &Store{opt: Options{Dir: dir}, readers: make(chan *session, max(4, runtime.GOMAXPROCS(0)))}
	s.files = newFiles(s)
	if _, err := os.Stat(filepath.Join(dir, "spool.db")); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	c, err := s.reader()
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", dir, err)
	}
	var word string
	if err := c.row(`SELECT value FROM meta WHERE key = 'schema_version'`, nil, &word); err != nil {
		c.close()
		return nil, fmt.Errorf("spool %s: schema version: %w", dir, err)
	}
	if word != strconv.Itoa(len(migrations)) {
		c.close()
		return nil, fmt.Errorf("spool %s: schema version %s, this release knows %d: %w", dir, word, len(migrations), ErrVersion)
	}
	s.leave(c)
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
	for len(r.s.readers) > 0 {
		(<-r.s.readers).close()
	}
	return nil
}
