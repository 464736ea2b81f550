// Package journal makes the gateway's history one that cannot be changed without
// being found out: a Merkle tree over the rows that each change writes into the
// spool (spool.Event), with signed heads.
//
// # The tree
//
// Row n (counted from 1, without gaps, in the order of commit) is leaf n-1 of an
// RFC 6962 tree (golang.org/x/mod/sumdb/tlog). Hashed is the canonical text of
// the row, seven lines, each ended by a line feed:
//
//	brama/journal-row@v1
//	seq 17
//	id 06h2k8f3w9c1a                       13 letters and digits (spool.ID)
//	item 06h2k8f3v0000                     0000000000000 for none
//	at 2026-11-22T01:35:51.123456Z         UTC, microseconds
//	kind decided
//	record e3b0...                         SHA-256 of the record's bytes, lower-case hex
//
// so that the leaf is SHA-256(0x00 || text), which sha256sum can repeat. The
// record itself stands behind its hash: should one have to be removed some day,
// the tree still stands.
//
// # What rows hold
//
// A row about an item has in its record, as "left", the digest of what the item is and
// of the hashes of its parts after the change (ItemDigest), so that the rows and not only
// the state say what the store must have; the row of an acceptance has the keys by which
// the document is recognised when it comes again. Verify holds the store to the newest
// of both. Rows of earlier releases have neither.
//
// # The files
//
//	key, key.pub    Ed25519, in the form of golang.org/x/mod/sumdb/note; made at the first start
//	hashes.bin      the stored hashes of the tree in tlog's order, 32 bytes each; can be made anew from the rows
//	checkpoints     signed heads, one after another, each followed by an empty line
//	witnessed       the newest one that the witness has signed too, if there is a witness (Witness)
//
// A checkpoint is a C2SP tlog-checkpoint: origin, size, root, and one extension
// line, "time" and an RFC 3339 time. Whoever keeps one can prove later that
// everything up to it is as it was: whoever holds the machine can rewrite rows,
// hashes and checkpoints alike, but not the copies that lie elsewhere
// (Options.Copy, the proofs that clients have). What was written since the last
// checkpoint, at most a minute, is protected by nothing yet.
//
// A proof is a C2SP tlog-proof (see Proof).
//
// # Order
//
// Rows are read after they were committed, hashes are flushed before a checkpoint
// over them is signed, and after a start the hashes beyond the last checkpoint are
// made anew. So a crash at any point leaves a hashes.bin that is at most too short.
//
// That is done by the first Follow, not by Open: it takes as long as there are rows
// without a checkpoint (all of them, where hashes.bin was lost), and nobody has to wait
// for it. The rows themselves are durable without their hashes, and nothing is signed
// or proved before the tree was held to the last checkpoint.
//
// References: RFC 6962, section 2.1; C2SP tlog-checkpoint, tlog-proof, signed-note.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"

	"github.com/brama-gateway/brama/spool"
)

var (
	// ErrTampered says that the rows are not those that were signed: changed, cut,
	// or taken back to an older state. Nothing is signed any more; `bramactl
	// journal verify` says what is wrong.
	ErrTampered = errors.New("the journal is not the one that was signed")
	// ErrClock says that the clock is behind the last checkpoint.
	ErrClock = errors.New("the clock is behind the last checkpoint")
)

// Backward is how far the clock may be behind the last checkpoint.
const Backward = 5 * time.Minute

// Viewer reads a store: spool.Store, or a read-only opening of one.
type Viewer interface {
	View(context.Context, func(spool.Reader) error) error
}

// Publisher gives clients the proofs of their receipts.
type Publisher interface {
	// PublishProofs publishes them and keeps, in the same transaction, that every
	// row up to upTo is done: under CursorKey in CursorBucket, as a decimal. What
	// is there already stays as it is.
	PublishProofs(ctx context.Context, proofs []*Proof, upTo int64) error
}

// Where the store remembers up to which row proofs were published.
const (
	CursorBucket = "journal"
	CursorKey    = "proved"
)

// Options are what a journal is made of.
type Options struct {
	Dir       string // Folder(state)
	Copy      string // folder for a second copy of the checkpoints; empty: none
	Store     Viewer
	Publisher Publisher // nil: proofs are not published
	Witness   *Remote   // nil: none
	Syslog    io.Writer // gets a line for each checkpoint; nil: none
	Now       func() time.Time
	Rand      io.Reader // for the key; crypto/rand.Reader
	Log       *zap.Logger
}

// Journal follows the rows of a store. It is safe for concurrent use.
type Journal struct {
	o      Options
	signer note.Signer
	key    Key

	following sync.Mutex // held by Follow as a whole
	settled   bool       // the tree was held to the last checkpoint; under following

	mu    sync.Mutex // for a page of rows at most
	tree  *hashes
	notes *noteFile
	last  Checkpoint // the newest; Size 0 if there is none
	lag   [][]byte   // checkpoints that the copy lacks
	copy  *noteFile  // nil until it could be opened
	fault error      // why nothing is signed any more

	witnessFault atomic.Pointer[error]
	witnessing   sync.Mutex
	witnessed    int64 // rows of the newest checkpoint that the witness has signed; 0 until it was asked

	publishing sync.Mutex
	proved     int64 // rows whose proofs are published; -1: not yet read
}

// Open opens the journal in o.Dir, or begins one, however long it is. It is an error
// only when files cannot be used: what was tampered with is found by the first Follow,
// logged, and refused by Checkpoint.
func Open(o Options) (*Journal, error) {
	if o.Dir == "" || o.Store == nil || o.Now == nil || o.Rand == nil || o.Log == nil {
		return nil, errors.New("journal: folder, store, clock, random source and log are needed")
	}
	j := &Journal{o: o, proved: -1}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var err error
	if j.signer, j.key, err = openKey(o.Dir, o.Rand); err != nil {
		return nil, err
	}
	if j.tree, err = openHashes(filepath.Join(o.Dir, hashesFile)); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.start(); err != nil {
		j.Close()
		return nil, fmt.Errorf("journal: %w", err)
	}
	return j, nil
}

func (j *Journal) start() error {
	notes, tail, err := openNotes(filepath.Join(j.o.Dir, checkpointsFile))
	if err != nil {
		return err
	}
	j.notes = notes
	if len(tail) > 0 {
		if j.last, err = j.key.Open(tail[len(tail)-1]); err != nil {
			return j.broken(fmt.Errorf("%w: the last checkpoint: %w", ErrTampered, err))
		}
	}
	own := j.last
	if err := j.openCopy(tail); err != nil {
		j.o.Log.Error("copy of the checkpoints", zap.String("folder", j.o.Copy), zap.Error(err))
	}
	// What was written after the last checkpoint may not have reached the disk.
	if j.fault == nil && j.tree.rows > own.Size {
		return j.tree.cut(own.Size)
	}
	return nil
}

// settle holds the tree to the last checkpoint, for the first time since Open.
func (j *Journal) settle(ctx context.Context) error {
	err := j.follow(ctx)
	if err == nil {
		err = j.consistent()
	}
	if errors.Is(err, ErrTampered) {
		err = j.rebuild(ctx, err)
	}
	j.settled = err == nil
	return err
}

// rebuild makes the hashes anew from the rows: perhaps hashes.bin alone was
// damaged. If the rows do not give what was signed either, it stays as it is, for
// whoever looks into it, and the first error stands.
func (j *Journal) rebuild(ctx context.Context, first error) error {
	path := filepath.Join(j.o.Dir, hashesFile)
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old := j.tree
	var err error
	if j.tree, err = openHashes(path + ".new"); err != nil {
		j.tree = old
		return err
	}
	if err = j.follow(ctx); err == nil {
		err = j.consistent()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		j.o.Log.Warn("journal: hashes.bin was damaged and was made anew from the rows")
		return old.close()
	}
	j.tree.close()
	os.Remove(path + ".new")
	j.tree = old
	if errors.Is(err, ErrTampered) {
		return first
	}
	return err
}

// broken keeps that the journal was tampered with; other errors pass.
func (j *Journal) broken(err error) error {
	if errors.Is(err, ErrTampered) {
		j.fault = err
		j.o.Log.Error("journal: nothing is signed until this is cleared (bramactl journal verify)", zap.Error(err))
		return nil
	}
	return err
}

// openCopy opens the second file of checkpoints. One in it that is newer than our
// own says that the state was taken back.
func (j *Journal) openCopy(own [][]byte) error {
	if j.o.Copy == "" || j.copy != nil {
		return nil
	}
	if err := os.MkdirAll(j.o.Copy, 0o755); err != nil {
		return err
	}
	f, theirs, err := openNotes(filepath.Join(j.o.Copy, checkpointsFile))
	if err != nil {
		return err
	}
	var newest Checkpoint
	if len(theirs) > 0 {
		if newest, err = j.key.Open(theirs[len(theirs)-1]); err != nil {
			f.f.Close()
			return fmt.Errorf("its last checkpoint is not of this journal: %w", err)
		}
	}
	if newest.Size > j.last.Size || newest.Size == j.last.Size && newest.Root != j.last.Root {
		j.last = newest
	}
	for _, n := range own { // the last of them; verify finds older holes
		if c, err := j.key.Open(n); err == nil && c.Size > newest.Size {
			j.lag = append(j.lag, n)
		}
	}
	j.copy = f
	return nil
}

// page is how many rows are read at once.
const page = 1000

// follow takes in the hashes of all rows that were committed. Each time it also
// looks whether the row before them is still the one that it knows. It holds mu, and
// lends it between two pages to whoever asks for the last checkpoint.
func (j *Journal) follow(ctx context.Context) error {
	for {
		var rows []spool.Event
		before := max(0, j.tree.rows-1)
		err := j.o.Store.View(ctx, func(r spool.Reader) error {
			var err error
			rows, err = r.Events(before, page)
			return err
		})
		if err != nil {
			return err
		}
		full := len(rows) == page
		if j.tree.rows > 0 {
			if len(rows) == 0 {
				return fmt.Errorf("%w: row %d is gone", ErrTampered, j.tree.rows)
			}
			known, err := j.tree.leaf(j.tree.rows - 1)
			if err != nil {
				return err
			}
			if rows[0].Seq != j.tree.rows || leaf(rows[0]) != known {
				return fmt.Errorf("%w: row %d was changed", ErrTampered, j.tree.rows)
			}
			rows = rows[1:]
		}
		for _, e := range rows {
			if e.Seq != j.tree.rows+1 {
				return fmt.Errorf("%w: row %d follows on row %d", ErrTampered, e.Seq, j.tree.rows)
			}
			if err := j.tree.append(leaf(e)); err != nil {
				return err
			}
		}
		if err := j.tree.flush(); err != nil {
			return err
		}
		if !full {
			return nil
		}
		j.mu.Unlock()
		j.mu.Lock()
	}
}

// consistent holds the tree against the last checkpoint.
func (j *Journal) consistent() error {
	if j.tree.rows < j.last.Size {
		return fmt.Errorf("%w: there are %d rows, %d were signed on %s", ErrTampered, j.tree.rows, j.last.Size, j.last.At.Format(time.RFC3339))
	}
	root, err := j.tree.root(j.last.Size)
	if err != nil {
		return err
	}
	if j.last.Size > 0 && root != j.last.Root {
		return fmt.Errorf("%w: the first %d rows are others than those that were signed on %s", ErrTampered, j.last.Size, j.last.At.Format(time.RFC3339))
	}
	return nil
}

// Follow takes in what was committed since.
func (j *Journal) Follow(ctx context.Context) error {
	j.following.Lock()
	defer j.following.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return j.fault
	}
	take := j.follow
	if !j.settled {
		take = j.settle
	}
	err := take(ctx)
	if errors.Is(err, ErrTampered) {
		j.broken(err)
	}
	return err
}

// Last is the newest checkpoint; its Size is 0 before the first.
func (j *Journal) Last() Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Fault is why nothing is signed any more: nil, or an ErrTampered.
func (j *Journal) Fault() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fault
}

// Checkpoint signs the tree as it is now, if something was added since the last
// time, and gives the newest checkpoint. ErrTampered, ErrClock.
func (j *Journal) Checkpoint(ctx context.Context) (Checkpoint, error) {
	if err := j.Follow(ctx); err != nil {
		return Checkpoint{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.consistent(); err != nil {
		j.broken(err)
		return Checkpoint{}, err
	}
	defer j.copyNotes()
	if j.tree.rows == j.last.Size {
		return j.last, nil
	}
	now := j.o.Now()
	if now.Before(j.last.At.Add(-Backward)) {
		return Checkpoint{}, fmt.Errorf("%w: it is %s, and that was signed at %s", ErrClock, now.UTC().Format(time.RFC3339), j.last.At.Format(time.RFC3339))
	}
	root, err := j.tree.root(j.tree.rows)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := sign(j.signer, Checkpoint{Size: j.tree.rows, Root: root, At: now})
	if err != nil {
		return Checkpoint{}, err
	}
	if err := j.tree.f.Sync(); err != nil {
		return Checkpoint{}, fmt.Errorf("journal: %w", err)
	}
	if err := j.notes.add(c.Note); err != nil {
		return Checkpoint{}, fmt.Errorf("journal: %w", err)
	}
	j.last = c
	if j.o.Copy != "" && len(j.lag) < 10_000 { // a week without the other disk; verify names the hole
		j.lag = append(j.lag, c.Note)
	}
	j.o.Log.Info("checkpoint", zap.Int64("size", c.Size), zap.Stringer("root", c.Root))
	if j.o.Syslog != nil {
		// All of it: a collector on another machine is a copy as good as any.
		if _, err := fmt.Fprintf(j.o.Syslog, "checkpoint %s", strings.ReplaceAll(strings.TrimSpace(string(c.Note)), "\n", "|")); err != nil {
			j.o.Log.Error("checkpoint not written to syslog", zap.Error(err))
		}
	}
	return c, nil
}

// copyNotes brings the second file up to date. A fault there is told, and mended next time.
func (j *Journal) copyNotes() {
	if len(j.lag) == 0 || j.o.Copy == "" {
		return
	}
	err := j.openCopyAgain()
	if err == nil {
		err = j.copy.add(j.lag...)
	}
	if err != nil {
		j.o.Log.Error("checkpoints not copied", zap.String("folder", j.o.Copy), zap.Int("waiting", len(j.lag)), zap.Error(err))
		return
	}
	j.lag = nil
}

func (j *Journal) openCopyAgain() error {
	if j.copy != nil {
		return nil
	}
	last, lag := j.last, j.lag
	err := j.openCopy(nil)
	if err != nil {
		return err
	}
	if j.last.Size != last.Size || j.last.Root != last.Root { // it knows more than we: the next checkpoint refuses
		return fmt.Errorf("%w: the copy has a checkpoint of %d rows", ErrTampered, j.last.Size)
	}
	j.lag = lag
	return nil
}

// Prove makes the proof of a row against the newest checkpoint:
// spool.ErrNotFound for a row that is not covered by one yet.
func (j *Journal) Prove(e spool.Event) (*Proof, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return prove(j.tree, j.last, e)
}

// Publish gives clients the proofs of all receipts that the newest checkpoint
// covers and that have none yet.
func (j *Journal) Publish(ctx context.Context) error {
	if j.o.Publisher == nil {
		return nil
	}
	j.publishing.Lock()
	defer j.publishing.Unlock()
	for covered := j.Last().Size; j.proved < covered; {
		if err := j.Fault(); err != nil {
			return err
		}
		var rows []spool.Event
		at := j.proved
		err := j.o.Store.View(ctx, func(r spool.Reader) (err error) {
			if at < 0 {
				if at, err = cursor(r); err != nil {
					return err
				}
			}
			rows, err = r.Events(at, 256)
			return err
		})
		if err != nil {
			return err
		}
		var proofs []*Proof
		for _, e := range rows {
			if e.Seq > covered {
				break
			}
			at = e.Seq
			if receiptOf(e.Kind) == 0 {
				continue
			}
			if rec, err := readRecord(e); err != nil {
				return err
			} else if rec.Receipt == "" {
				continue
			}
			p, err := j.Prove(e)
			if err != nil {
				return err
			}
			proofs = append(proofs, p)
		}
		if at == j.proved {
			return nil
		}
		if len(proofs) > 0 {
			if err := j.o.Publisher.PublishProofs(ctx, proofs, at); err != nil {
				return err
			}
		}
		if j.proved = at; len(rows) == 0 {
			return nil
		}
	}
	return nil
}

func cursor(r spool.Reader) (int64, error) {
	b, err := r.Value(CursorBucket, CursorKey)
	if errors.Is(err, spool.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("journal: the mark of published proofs is %q", b)
	}
	return n, nil
}

// Run follows the store and publishes proofs until ctx ends. Checkpoints are
// asked for by the schedule.
func (j *Journal) Run(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		err := j.Follow(ctx)
		if err == nil {
			err = j.Publish(ctx)
		}
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, ErrTampered): // the last was told once
		case errors.Is(err, spool.ErrStopped):
			return nil // the core says so, louder
		default:
			j.o.Log.Error("journal", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// Stop signs and publishes what was added last, once nothing writes any more, and closes.
func (j *Journal) Stop(ctx context.Context) error {
	_, err := j.Checkpoint(ctx)
	if err == nil {
		err = j.Publish(ctx)
	}
	return errors.Join(err, j.Close())
}

// Close closes the files.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.tree.close()
	for _, n := range []*noteFile{j.notes, j.copy} {
		if n != nil {
			err = errors.Join(err, n.f.Close())
		}
	}
	return err
}
