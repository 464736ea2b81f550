package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool"
)

// A large upload is read once more for its hash only where it must be: not when it
// is kept under a temporary name and finished under another, as most clients do.
func TestHashOnTheWay(t *testing.T) {
	t.Parallel()
	p := bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // 128 KiB: in a file
	other := bytes.Clone(p)
	other[0] = 'X'
	hash := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	for _, c := range []struct {
		name string
		then func(t *testing.T, s *Store, d spool.Draft, file string) *Store // after Keep
		want []byte
	}{
		{"not read again", func(t *testing.T, s *Store, d spool.Draft, file string) *Store {
			must(t, d.Discard())
			must(t, os.WriteFile(file, other, 0o600)) // which only a second reading can see
			return s
		}, p},
		{"written after it was kept", func(t *testing.T, s *Store, d spool.Draft, file string) *Store {
			_, err := d.WriteAt([]byte("X"), 0)
			must(t, err)
			must(t, d.Discard())
			return s
		}, other},
		{"after a restart", func(t *testing.T, s *Store, d spool.Draft, file string) *Store {
			must(t, d.Discard())
			must(t, s.Close())
			must(t, os.WriteFile(file, other, 0o600))
			s, err := Open(t.Context(), Options{Dir: s.opt.Dir})
			must(t, err)
			t.Cleanup(func() { s.Close() })
			return s
		}, other},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), Options{Dir: t.TempDir()})
			must(t, err)
			t.Cleanup(func() { s.Close() })
			d, err := s.NewDraft(t.Context(), 1<<20)
			must(t, err)
			_, err = io.Copy(io.NewOffsetWriter(d, 0), bytes.NewReader(p))
			must(t, err)
			must(t, d.Keep(t.Context(), "demo", "scan.part", time.Now()))
			s = c.then(t, s, d, filepath.Join(s.files.drafts, d.(*draft).id))
			d, err = s.Resume(t.Context(), "demo", "scan.part", 1<<20)
			must(t, err)
			defer d.Discard()
			got, err := d.Finish(t.Context())
			must(t, err)
			if got.SHA256 != hash(c.want) {
				t.Errorf("%s, want %s (with the byte changed: %s)", got.SHA256, hash(c.want), hash(other))
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
