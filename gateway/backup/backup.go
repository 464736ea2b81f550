// Package backup keeps copies of a gateway's state in a repository: a folder,
// best on another machine's disk, that holds every copy taken, each whole, and
// every piece of their bytes once. Copies are taken while the daemon works.
//
// # The repository
//
//	format                  "brama-backup@v1", and a line that tells people what this is
//	lock                    held while somebody changes the repository
//	unfinished              there while a copy is being taken
//	copies/TIME.json        what one copy holds: its head line has the SHA-256 of the rest
//	pieces/ab/SHA256        up to 256 KiB of a file, compressed with DEFLATE; named by the SHA-256 of the bytes themselves
//
// TIME is the moment of the copy, UTC, as 20261128T164500.000Z.
//
// # What a copy holds
//
// The state folder: the database as of one commit, the contents that it refers to,
// unfinished uploads that were kept, the journal, and whatever else lies there.
// The journal's hashes and checkpoints are read before the database, so that the
// database has at least the rows that they speak of. Not in it: the configuration,
// the keys of the seal and of SSH, the trust folder. The repository holds clients'
// documents and the private key of the journal: it is made for its owner alone (0700).
//
// # Crashes
//
// Pieces are flushed (syncfs) before the list that names them is, and the list gets
// its name last. A copy is therefore whole or not there. Pieces that a run left
// which did not end are not believed: the next run removes what no list names.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotRepository is returned for a folder that is no repository, or one of a
	// newer release.
	ErrNotRepository = errors.New("not a repository of backups")
	// ErrDamaged says that a repository lacks bytes of a copy, or has others.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNotFound says that a repository has no such copy, or no such content.
	ErrNotFound = errors.New("no such backup")
	// ErrBusy says that somebody else works on the repository.
	ErrBusy = errors.New("the repository is in use")
)

const (
	formatLine = "brama-backup@v1"
	formatText = formatLine + "\nCopies of the state of a Brama gateway. Read them with: bramactl backup list, bramactl restore\n"
	stampForm  = "20060102T150405.000Z"
	pieceSize  = 256 << 10 // a multiple of every page size of the database
)

// Copy is one state that a repository holds.
type Copy struct {
	At    time.Time `json:"at"`
	Rows  int64     `json:"rows"` // rows of the journal that were hashed by then, at least
	Bytes int64     `json:"bytes"`
	Files []File    `json:"files"`
}

// File is one file of a copy.
type File struct {
	Path   string   `json:"path"` // relative to the state folder, with slashes
	Mode   uint32   `json:"mode"` // permission bits
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"` // of the whole
	Pieces []string `json:"pieces"` // SHA-256 of each, in order
}

// Repository is an open one.
type Repository struct{ dir string }

// Open opens a repository.
func Open(dir string) (*Repository, error) {
	b, err := os.ReadFile(filepath.Join(dir, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRepository)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if line, _, _ := strings.Cut(string(b), "\n"); line != formatLine {
		return nil, fmt.Errorf("%s: its format is %q: %w", dir, line, ErrNotRepository)
	}
	return &Repository{dir}, nil
}

// Make opens a repository, or makes one in a folder that is empty or not there.
func Make(dir string) (*Repository, error) {
	r, err := Open(dir)
	if !errors.Is(err, ErrNotRepository) {
		return r, err
	}
	names, readErr := os.ReadDir(dir)
	switch {
	case errors.Is(readErr, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	case readErr != nil:
		return nil, fmt.Errorf("backup: %w", readErr)
	case slices.ContainsFunc(names, func(e fs.DirEntry) bool { return !made[e.Name()] }):
		return nil, err
	}
	for _, sub := range []string{"copies", "pieces"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	}
	if err := replace(filepath.Join(dir, "format"), []byte(formatText)); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return Open(dir)
}

// made are the names that Make itself leaves when it is cut off, and what a new
// file system has.
var made = map[string]bool{"copies": true, "pieces": true, "format.new": true, "lost+found": true}

// hold keeps others from changing the repository. What shared holders do is
// disturbed by nobody but an exclusive one.
func (r *Repository) hold(exclusive bool) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", r.dir, ErrBusy)
		}
		return nil, fmt.Errorf("backup: %w", err)
	}
	return func() { f.Close() }, nil
}

// Copies gives the moments of all copies, oldest first.
func (r *Repository) Copies() ([]time.Time, error) {
	names, err := os.ReadDir(filepath.Join(r.dir, "copies"))
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	var out []time.Time
	for _, n := range names {
		if at, err := time.Parse(stampForm+".json", n.Name()); err == nil {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out, nil
}

// Copy reads the newest copy that was taken at a moment or before: ErrNotFound.
// The zero moment asks for the newest of all.
func (r *Repository) Copy(at time.Time) (*Copy, error) {
	all, err := r.Copies()
	if err != nil {
		return nil, err
	}
	for _, t := range slices.Backward(all) {
		if at.IsZero() || !t.After(at) {
			return r.read(t)
		}
	}
	return nil, fmt.Errorf("%s: %w", r.dir, ErrNotFound)
}

func (r *Repository) list(at time.Time) string {
	return filepath.Join(r.dir, "copies", at.UTC().Format(stampForm)+".json")
}

func (r *Repository) read(at time.Time) (*Copy, error) {
	name := r.list(at)
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	head, body, _ := bytes.Cut(b, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(head) != formatLine+" "+hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%s: %w", name, ErrDamaged)
	}
	c := &Copy{}
	if err := json.Unmarshal(body, c); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	for _, f := range c.Files {
		// Lists are foreign input by the time they are read again.
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Size < 0 || int64(len(f.Pieces)) != (f.Size+pieceSize-1)/pieceSize {
			return nil, fmt.Errorf("%s: file %q: %w", name, f.Path, ErrDamaged)
		}
		for _, p := range f.Pieces {
			if raw, err := hex.DecodeString(p); err != nil || len(raw) != sha256.Size {
				return nil, fmt.Errorf("%s: file %q: %w", name, f.Path, ErrDamaged)
			}
		}
	}
	return c, nil
}

func (r *Repository) write(c *Copy) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	head := formatLine + " " + hex.EncodeToString(sum[:]) + "\n"
	return replace(r.list(c.At), append([]byte(head), body...))
}

// Prune removes copies older than before, but never the newest, and all pieces
// that no copy names any more. It says how many copies went.
func (r *Repository) Prune(ctx context.Context, before time.Time) (removed int, err error) {
	release, err := r.hold(true)
	if err != nil {
		return 0, err
	}
	defer release()
	all, err := r.Copies()
	if err != nil {
		return 0, err
	}
	for i, at := range all {
		if i < len(all)-1 && at.Before(before) {
			if err := os.Remove(r.list(at)); err != nil {
				return removed, fmt.Errorf("backup: %w", err)
			}
			removed++
		}
	}
	if removed > 0 {
		// The lists go before the pieces, whatever the power does.
		if err := syncFolder(filepath.Join(r.dir, "copies")); err != nil {
			return removed, fmt.Errorf("backup: %w", err)
		}
		err = r.sweep(ctx)
	}
	return removed, err
}

// sweep removes pieces that no list names. A list that cannot be read stops it:
// what it names is not known.
func (r *Repository) sweep(ctx context.Context) error {
	all, err := r.Copies()
	if err != nil {
		return err
	}
	named := map[[sha256.Size]byte]bool{}
	for _, at := range all {
		c, err := r.read(at)
		if err != nil {
			return err
		}
		for _, f := range c.Files {
			for _, p := range f.Pieces {
				var sum [sha256.Size]byte
				hex.Decode(sum[:], []byte(p))
				named[sum] = true
			}
		}
	}
	return filepath.WalkDir(filepath.Join(r.dir, "pieces"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(e.Name())); err == nil && n == sha256.Size && named[sum] {
			return nil
		}
		return os.Remove(path)
	})
}

// replace writes a file whole or not at all, durably.
func replace(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
