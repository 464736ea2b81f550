package journal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed head of the tree.
type Checkpoint struct {
	Origin string
	Size   int64 // rows
	Root   tlog.Hash
	At     time.Time // by the gateway's clock; to the second
	Note   []byte    // as it was signed
}

// text is the body of the note: C2SP tlog-checkpoint, with the time as an
// extension line, which readers that do not know it pass over.
func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", c.Origin, c.Size, c.Root, c.At.UTC().Format(time.RFC3339))
}

var errCheckpoint = errors.New("not a checkpoint of this journal")

func parseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return c, errCheckpoint
	}
	at, ok := strings.CutPrefix(lines[3], "time ")
	if !ok {
		return c, errCheckpoint
	}
	var err [3]error
	c.Origin = lines[0]
	c.Size, err[0] = strconv.ParseInt(lines[1], 10, 64)
	c.Root, err[1] = tlog.ParseHash(lines[2])
	c.At, err[2] = time.Parse(time.RFC3339, at)
	if errors.Join(err[:]...) != nil || c.text() != text || c.Size < 0 { // one spelling
		return c, errCheckpoint
	}
	return c, nil
}

// Key verifies the checkpoints of one journal. It remembers the last that it has
// verified: all receipts of a minute are proved by one, and the signature is most of
// the work. The zero value verifies nothing.
type Key struct {
	v    note.Verifier
	last *atomic.Pointer[Checkpoint]
}

// ParseKey reads a public key as `bramactl journal key` prints it: the form of
// golang.org/x/mod/sumdb/note.
func ParseKey(s string) (Key, error) {
	v, err := note.NewVerifier(strings.TrimSpace(s))
	if err != nil {
		return Key{}, fmt.Errorf("journal key: %w", err)
	}
	return Key{v, new(atomic.Pointer[Checkpoint])}, nil
}

// Open reads a checkpoint that is signed with the key.
func (k Key) Open(signed []byte) (Checkpoint, error) {
	if k.v == nil {
		return Checkpoint{}, errors.New("journal key: none given")
	}
	if c := k.last.Load(); c != nil && bytes.Equal(c.Note, signed) {
		again := *c
		again.Note = signed
		return again, nil
	}
	n, err := note.Open(signed, note.VerifierList(k.v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	for _, sig := range n.Sigs { // one spelling
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, errCheckpoint
		}
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != k.v.Name() {
		return Checkpoint{}, errCheckpoint
	}
	c.Note = bytes.Clone(signed) // the caller may go on to change his bytes
	k.last.Store(&c)
	again := c
	again.Note = signed
	return again, nil
}

func sign(s note.Signer, c Checkpoint) (Checkpoint, error) {
	c.Origin = s.Name()
	c.At = c.At.UTC().Truncate(time.Second)
	var err error
	c.Note, err = note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

// The files of a journal, in its folder.
const (
	keyFile         = "key"
	publicFile      = "key.pub"
	hashesFile      = "hashes.bin"
	checkpointsFile = "checkpoints"
	witnessedFile   = "witnessed"
)

// Folder is where the journal of a state folder lies.
func Folder(state string) string { return filepath.Join(state, "journal") }

// CheckpointsIn is the file of checkpoints in a journal's folder, and in Options.Copy.
func CheckpointsIn(dir string) string { return filepath.Join(dir, checkpointsFile) }

// HashesIn is the file of hashes in a journal's folder.
func HashesIn(dir string) string { return filepath.Join(dir, hashesFile) }

// RowsOf is how many rows a file of hashes of a size in bytes speaks of.
func RowsOf(size int64) int64 { return rowsIn(size / tlog.HashSize) }

// PublicKey reads the public key that lies beside the private one. It proves
// nothing against somebody who can write there: keep a copy elsewhere.
func PublicKey(dir string) (string, error) {
	path := filepath.Join(dir, publicFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if retired, _ := RetiredKeys(dir); len(retired) > 0 {
			return "", fmt.Errorf("journal key: the last one was ended by journal renew; the next start of bramad makes a new one: %w", err)
		}
	}
	if err != nil {
		return "", fmt.Errorf("journal key: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if _, err := ParseKey(text); err != nil {
		return "", fmt.Errorf("journal key %s: %w", path, err)
	}
	return text, nil
}

// openKey reads the key, or makes it at the first start.
func openKey(dir string, rand io.Reader) (note.Signer, Key, error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(dir, rand)
	}
	if err != nil {
		return nil, Key{}, fmt.Errorf("journal key: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, Key{}, fmt.Errorf("journal key %s: others may read or write it; run: chmod 600 %[1]s", path)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, Key{}, fmt.Errorf("journal key %s: not in the form of a note key", path)
	}
	public, err := PublicKey(dir)
	if err != nil {
		return nil, Key{}, err
	}
	k, err := ParseKey(public)
	if err != nil {
		return nil, Key{}, err
	}
	// The two are a pair, or proofs would be made that nobody can check.
	c, err := sign(s, Checkpoint{At: time.Unix(0, 0)})
	if err != nil {
		return nil, Key{}, err
	}
	if _, err := k.Open(c.Note); err != nil {
		return nil, Key{}, fmt.Errorf("journal key: key and key.pub in %s do not belong together", dir)
	}
	return s, k, nil
}

func makeKey(dir string, rand io.Reader) (note.Signer, Key, error) {
	if _, err := os.Lstat(filepath.Join(dir, checkpointsFile)); err == nil {
		return nil, Key{}, fmt.Errorf("journal key: %s is gone, and there are checkpoints; put it back", filepath.Join(dir, keyFile))
	}
	public, _, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, Key{}, fmt.Errorf("journal key: %w", err)
	}
	// The origin only has to be this journal's own: random, since nothing that
	// could be known here (a host's name) stays the same.
	secret, verifier, err := note.GenerateKey(rand, fmt.Sprintf("brama-journal-%x", public[:8]))
	if err != nil {
		return nil, Key{}, fmt.Errorf("journal key: %w", err)
	}
	if err := replace(filepath.Join(dir, publicFile), []byte(verifier+"\n"), 0o644); err != nil {
		return nil, Key{}, err
	}
	if err := replace(filepath.Join(dir, keyFile), []byte(secret+"\n"), 0o600); err != nil {
		return nil, Key{}, err
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		return nil, Key{}, fmt.Errorf("journal key: %w", err)
	}
	k, err := ParseKey(verifier)
	return s, k, err
}

// replace writes a file whole or not at all.
func replace(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, mode)
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

// A file of checkpoints is signed notes one after another, each followed by an
// empty line.

// splitNotes gives the notes of a file, and how many bytes they take; what
// follows is the torn end of a write.
func splitNotes(b []byte) (notes [][]byte, whole int) {
	if z := bytes.IndexByte(b, 0); z >= 0 && lostPower(b[z:]) {
		b = b[:z]
	}
	for {
		rest := b[whole:]
		body := bytes.Index(rest, []byte("\n\n"))
		if body < 0 {
			return notes, whole
		}
		end := bytes.Index(rest[body+2:], []byte("\n\n"))
		if end < 0 {
			return notes, whole
		}
		end += body + 2 + 1
		notes = append(notes, rest[:end:end])
		whole += end + 1
	}
}

// lostPower says whether the end of a file of notes, from its first zero byte on, is what
// a power cut leaves: the size of the last write is on the disk, and of its bytes not
// all. No note has a zero byte; one alone is no cut, but a byte that was changed.
func lostPower(end []byte) bool {
	const largest, few = 2048, 16 // bytes of a note, with the signatures of witnesses
	return len(end) <= largest && bytes.Count(end, []byte{0}) >= min(few, len(end))
}

// SplitCheckpoints gives the signed notes of a file of checkpoints. A file of one
// note without the closing empty line counts too.
func SplitCheckpoints(b []byte) [][]byte {
	notes, whole := splitNotes(b)
	rest := b[whole:]
	if z := bytes.IndexByte(rest, 0); z >= 0 && lostPower(rest[z:]) {
		rest = nil
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		notes = append(notes, rest)
	}
	return notes
}

// noteFile appends to a file of checkpoints.
type noteFile struct {
	path string
	f    *os.File
	size int64
}

// openNotes opens such a file, cuts a torn end, and gives the last notes in it:
// not all, for there is one a minute for years.
func openNotes(path string) (*noteFile, [][]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, nil, err
	}
	n := &noteFile{path: path, f: f}
	notes, err := n.tail()
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return n, notes, nil
}

func (n *noteFile) tail() ([][]byte, error) {
	info, err := n.f.Stat()
	if err != nil {
		return nil, err
	}
	const window = 64 << 10
	from := max(0, info.Size()-window)
	b := make([]byte, info.Size()-from)
	if _, err := n.f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	skip := 0
	if from > 0 { // begin with a whole one: after an empty line that ends signatures
		for {
			i := bytes.Index(b[skip:], []byte("\n\n"))
			if i < 0 {
				return nil, fmt.Errorf("%s: not a file of checkpoints", n.path)
			}
			line := b[skip : skip+i]
			line = line[bytes.LastIndexByte(line, '\n')+1:]
			skip += i + 2
			if bytes.HasPrefix(line, []byte("— ")) {
				break
			}
		}
	}
	notes, whole := splitNotes(b[skip:])
	n.size = from + int64(skip+whole)
	if n.size < info.Size() {
		if err := n.f.Truncate(n.size); err != nil {
			return nil, err
		}
		if err := n.f.Sync(); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// add writes notes durably.
func (n *noteFile) add(notes ...[]byte) error {
	var b []byte
	for _, x := range notes {
		b = append(append(b, x...), '\n')
	}
	if _, err := n.f.WriteAt(b, n.size); err != nil {
		return err
	}
	if err := n.f.Sync(); err != nil {
		return err
	}
	n.size += int64(len(b))
	return nil
}
