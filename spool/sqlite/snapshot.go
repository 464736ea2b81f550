package sqlite

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"

	"github.com/brama-gateway/brama/spool"
)

// Snapshot is one consistent state of a store, for a backup. It is good until the
// function that was given it returns.
type Snapshot struct {
	dir  string
	s    *session
	size int64
}

// File is a file beside the database that a Snapshot refers to. Its path is
// relative to the folder of the store.
type File struct {
	Path   string
	SHA256 string // lower-case hex; empty for a draft, which may still be written to
	Size   int64  // as the database knows it
}

// Snapshot gives take the state of the last commit. Commits go on meanwhile, but
// the WAL grows until take returns: readers of an old state keep it from being
// used again.
func (r *Reading) Snapshot(ctx context.Context, take func(*Snapshot) error) error {
	return r.s.View(ctx, func(v spool.Reader) error {
		s := v.(*reader).s
		snap := &Snapshot{dir: r.s.opt.Dir, s: s}
		var pages, page int64
		// Reading a table is what begins the transaction; the pragma alone does not.
		var version string
		if err := s.row(`SELECT value FROM meta WHERE key = 'schema_version'`, nil, &version); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		if err := s.row(`PRAGMA page_count`, nil, &pages); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		if err := s.row(`PRAGMA page_size`, nil, &page); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		snap.size = pages * page
		return take(snap)
	})
}

// Database is the name of the database within the folder of a store.
const Database = "spool.db"

// Size is that of the database in bytes.
func (p *Snapshot) Size() int64 { return p.size }

// WriteTo writes the database as a file that Open reads, without a WAL.
func (p *Snapshot) WriteTo(w io.Writer) (int64, error) {
	var n int64
	err := p.s.rows(`SELECT data FROM sqlite_dbpage('main')`, nil, func(scan func(...any) error) error {
		var data []byte
		if err := scan(&data); err != nil {
			return err
		}
		m, err := w.Write(data)
		n += int64(m)
		return err
	})
	if err == nil && n != p.size {
		err = fmt.Errorf("%d bytes of %d", n, p.size)
	}
	if err != nil {
		return n, fmt.Errorf("snapshot of the database: %w", err)
	}
	return n, nil
}

// Files calls each for every file that the database refers to: large content, and
// unfinished uploads that were kept. A content that lost its last part after the
// snapshot may be gone already.
func (p *Snapshot) Files(each func(File) error) error {
	err := p.s.rows(`SELECT sha256, size FROM content WHERE bytes IS NULL`, nil, func(scan func(...any) error) error {
		var raw []byte
		var f File
		if err := scan(&raw, &f.Size); err != nil {
			return err
		}
		f.SHA256 = hex.EncodeToString(raw)
		f.Path = ContentPath(f.SHA256)
		return each(f)
	})
	if err != nil {
		return err
	}
	return p.s.rows(`SELECT draft, size FROM kept WHERE bytes IS NULL`, nil, func(scan func(...any) error) error {
		var id string
		var f File
		if err := scan(&id, &f.Size); err != nil {
			return err
		}
		f.Path = filepath.Join("drafts", id)
		return each(f)
	})
}

// ContentPath is where the content of a hash lies in the folder of a store, if it
// lies in a file.
func ContentPath(sum string) string { return filepath.Join("content", sum[:2], sum[2:4], sum) }

// Owned says whether a path within the folder of a store is the engine's own:
// Snapshot tells all there is to keep of those.
func Owned(path string) bool {
	switch path {
	case "lock", Database, Database + "-wal", Database + "-shm", "content", "drafts":
		return true
	}
	return false
}
