package memtest

import (
	"testing"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/spooltest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, func(t *testing.T) (spool.Store, func() spool.Store) {
		disk := &Disk{}
		var last *Store
		again := func() spool.Store {
			if last != nil {
				if err := last.Close(); err != nil {
					t.Error(err)
				}
			}
			var err error
			if last, err = Open(disk); err != nil {
				t.Fatal(err)
			}
			return last
		}
		t.Cleanup(func() { last.Close() })
		return again(), again
	})
}

func TestOneOpener(t *testing.T) {
	t.Parallel()
	disk := &Disk{}
	spooltest.OneOpener(t, func() (spool.Store, error) {
		s, err := Open(disk)
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}
