package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/spooltest"
)

func open(t testing.TB, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, func(t *testing.T) (spool.Store, func() spool.Store) {
		dir := filepath.Join(t.TempDir(), "a folder?of 100%")
		var last *Store
		again := func() spool.Store {
			if last != nil {
				if err := last.Close(); err != nil {
					t.Error(err)
				}
			}
			var err error
			if last, err = Open(context.Background(), Options{Dir: dir}); err != nil {
				t.Fatal(err)
			}
			return last
		}
		t.Cleanup(func() {
			if problems, err := last.Integrity(context.Background(), true); len(problems) > 0 || err != nil && !errors.Is(err, spool.ErrStopped) {
				t.Errorf("integrity: %q, %v", problems, err)
			}
			last.Close()
		})
		return again(), again
	})
}
