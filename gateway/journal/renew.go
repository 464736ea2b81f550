package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/spool"
)

// Renewed is the kind of the row that says that the journal goes on under a new
// key. Its record is a Renewal.
const Renewed = "journal renewed"

// Renewal is the record of a row of kind Renewed.
type Renewal struct {
	Origin string `json:"origin"`         // that ends
	Signed int64  `json:"signed"`         // rows of its newest checkpoint that is known here
	Root   string `json:"root,omitempty"` // of that checkpoint, base64
	At     string `json:"at,omitempty"`   // when it was signed, RFC 3339
	Reason string `json:"reason"`
	By     string `json:"by,omitempty"`
}

// Ending reads what ends with the journal in dir: the newest checkpoint there or in
// the folder copies (empty: none), by the journal's key. It is an error where
// checkpoints were signed with another key.
func Ending(dir, copies string) (Renewal, error) {
	public, err := PublicKey(dir)
	if err != nil {
		return Renewal{}, err
	}
	key, err := ParseKey(public)
	if err != nil {
		return Renewal{}, err
	}
	r := Renewal{Origin: key.v.Name()}
	for _, folder := range []string{dir, copies} {
		if folder == "" {
			continue
		}
		c, err := LastCheckpoint(folder, key)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrNotFound) {
			continue
		}
		if err != nil {
			return Renewal{}, fmt.Errorf("%s: %w", CheckpointsIn(folder), err)
		}
		if c.Size > r.Signed {
			r.Signed, r.Root, r.At = c.Size, c.Root.String(), c.At.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	return r, nil
}

// Retire puts away the key and the checkpoints of a journal whose history was taken
// back, as by a restore from a backup: what was signed after that can no longer be
// continued under the same key, for two histories would bear one name. The next
// Open makes a new key, under which the rows that are there are signed as they are.
//
// The public key and the checkpoints stay, as ORIGIN.pub and checkpoints.ORIGIN:
// proofs that clients have are still proofs, also of rows that are gone. The private
// key is removed. Nothing else may have the journal open. Each step may be repeated.
func Retire(dir, copies, origin string) error {
	public, err := PublicKey(dir)
	if err != nil {
		return err
	}
	key, err := ParseKey(public)
	if err != nil {
		return err
	}
	if key.v.Name() != origin || strings.ContainsAny(origin, "/\x00") {
		return fmt.Errorf("journal: its origin is %q, not %q", key.v.Name(), origin)
	}
	if err := replace(filepath.Join(dir, origin+".pub"), []byte(public+"\n"), 0o644); err != nil {
		return err
	}
	for _, folder := range []string{copies, dir} {
		if folder == "" {
			continue
		}
		err := os.Rename(CheckpointsIn(folder), CheckpointsIn(folder)+"."+origin)
		if err == nil {
			err = syncFolder(folder)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(dir, witnessedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	// key.pub goes last: until then Retire can be repeated.
	for _, name := range []string{keyFile, publicFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return syncFolder(dir)
}

// RetiredKeys are the public keys under which the journal in dir was signed before.
func RetiredKeys(dir string) ([]Key, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.pub"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Key
	for _, n := range names {
		if filepath.Base(n) == publicFile {
			continue
		}
		b, err := os.ReadFile(n)
		if err != nil {
			return nil, fmt.Errorf("journal key: %w", err)
		}
		k, err := ParseKey(string(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		out = append(out, k)
	}
	return out, nil
}
