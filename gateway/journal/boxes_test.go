package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/journal"
)

// What somebody lays into a client's folder, or changes there, is found; what the
// client itself does is not.
func TestFolders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.Gateway.PutStatement(s.Ctx(), "demo", gateway.Outgoing{Name: "S.txt", Content: bytes.NewReader([]byte("x"))})
	s.ok(err)
	root := t.TempDir()
	box := filepath.Join(root, "demo", "outbox")
	s.ok(os.MkdirAll(filepath.Join(root, "demo", "receipts"), 0o755))
	s.ok(os.MkdirAll(box, 0o755))
	lay := func(name, text string) { s.ok(os.WriteFile(filepath.Join(box, name), []byte(text), 0o600)) }
	look := func(want ...journal.Sort) {
		t.Helper()
		r := &journal.Report{}
		s.ok(journal.Folders(s.Ctx(), root, s.Store, r))
		var got []journal.Sort
		for _, f := range r.Findings {
			got = append(got, f.Sort)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v: %+v", got, want, r.Findings)
		}
	}
	look()
	lay("S.txt", "x")
	lay(".brama-box", "")
	lay("mine.old", "")
	s.ok(os.Symlink("/etc/hostname", filepath.Join(box, "link.txt")))
	look()
	lay("S.txt", "y")
	look(journal.FolderChanged)
	lay("T.txt", "x")
	look(journal.FolderChanged, journal.FolderUnknown)
	s.ok(os.Remove(filepath.Join(box, "S.txt")))
	look(journal.FolderUnknown)
	s.ok(os.Remove(filepath.Join(box, "T.txt")))
	s.ok(os.WriteFile(filepath.Join(root, "demo", "receipts", "x.refused.txt"), nil, 0o600))
	look()
	s.ok(os.WriteFile(filepath.Join(root, "demo", "receipts", "x.receipt1.txt"), nil, 0o600))
	look(journal.FolderUnknown)
}
