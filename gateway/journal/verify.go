package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/brama-gateway/brama/spool"
)

// Store is what Verify reads.
type Store interface {
	Viewer
	Open(ctx context.Context, sha256 string) (spool.Blob, error)
}

// Sort names what a finding of Verify is about.
type Sort string

// What Verify finds.
const (
	RowMissing        Sort = "ROW-MISSING"        // a number is left out, or comes twice
	RowChanged        Sort = "ROW-CHANGED"        // a row is not the one whose hash was kept
	RowsCut           Sort = "ROWS-CUT"           // rows at the end are gone that were hashed or signed
	HashesDamaged     Sort = "HASHES-DAMAGED"     // hashes.bin does not agree with itself or is too short; it can be made anew
	CheckpointInvalid Sort = "CHECKPOINT-INVALID" // not readable, or not signed with the journal's key
	CheckpointOrder   Sort = "CHECKPOINT-ORDER"   // smaller or earlier than the one before it
	CheckpointRoot    Sort = "CHECKPOINT-ROOT"    // signed was another history: a fork, or rows that were changed with their hashes
	CheckpointUnknown Sort = "CHECKPOINT-UNKNOWN" // a copy knows a checkpoint that the journal's own file lacks: it was taken back
	ItemState         Sort = "ITEM-STATE"         // an item is in another state than its last row says
	ItemChanged       Sort = "ITEM-CHANGED"       // an item or its parts are not as its last row left them
	KeyMissing        Sort = "KEY-MISSING"        // the store would not recognise a document when it comes again
	ItemUnknown       Sort = "ITEM-UNKNOWN"       // an item of which no row tells
	ItemMissing       Sort = "ITEM-MISSING"       // rows tell of an item that is gone
	ReceiptChanged    Sort = "RECEIPT-CHANGED"    // a receipt is missing or is not the one whose hash its row holds
	ProofInvalid      Sort = "PROOF-INVALID"      // a published proof does not prove its row
	DocumentChanged   Sort = "DOCUMENT-CHANGED"   // a document or signature has bytes of which no row tells, or others than its hash
	StatementChanged  Sort = "STATEMENT-CHANGED"  // a statement is missing or is not the one that was released
	PostChanged       Sort = "POST-CHANGED"       // a file in a client's box has no bytes, or marks of which no row tells
	ValueChanged      Sort = "VALUE-CHANGED"      // an entry of the register, a code list, a ledger or the report of a day is not as its last row left it
	ArchiveAbsent     Sort = "ARCHIVE-ABSENT"     // an archive is not where it is looked for: what is in it is not proved
	ArchiveChanged    Sort = "ARCHIVE-CHANGED"    // an archive is not the file that was written, or has not the items that left the store
	ArchiveUnknown    Sort = "ARCHIVE-UNKNOWN"    // items are said to be in an archive of which no row tells
	FolderUnknown     Sort = "FOLDER-UNKNOWN"     // a file in a client's folder that was never released
	FolderChanged     Sort = "FOLDER-CHANGED"     // a file in a client's folder has other bytes than were released
)

// Finding is one thing that is wrong.
type Finding struct {
	Sort   Sort   `json:"sort"`
	Row    int64  `json:"row,omitempty"` // Seq; 0 where no row is meant
	Item   string `json:"item,omitempty"`
	Detail string `json:"detail"`
}

// Report is what Verify found.
type Report struct {
	Rows        int64      `json:"rows"`
	Hashed      int64      `json:"hashed"` // rows in hashes.bin
	Signed      int64      `json:"signed"` // rows under the newest good checkpoint
	SignedAt    *time.Time `json:"signedAt,omitempty"`
	Root        string     `json:"root"` // of the rows as they are, base64
	Checkpoints int        `json:"checkpoints"`
	Copies      int        `json:"copies"` // checkpoints given from elsewhere
	Items       int64      `json:"items"`
	Receipts    int64      `json:"receipts"`
	Statements  int64      `json:"statements"`
	Posts       int64      `json:"posts"` // files in boxes
	Files       int64      `json:"files"` // files in clients' folders
	Archives    []Archive  `json:"archives,omitempty"`
	Findings    []Finding  `json:"findings"`
	More        int        `json:"moreFindings,omitempty"` // counted and not listed
}

// OK says that nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

const maxFindings = 1000

func (r *Report) add(s Sort, row int64, item spool.ID, format string, args ...any) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	f := Finding{Sort: s, Row: row, Detail: fmt.Sprintf(format, args...)}
	if item != 0 {
		f.Item = item.String()
	}
	r.Findings = append(r.Findings, f)
}

// Copy is checkpoints that were kept elsewhere.
type Copy struct {
	Name string // for findings
	Text []byte // a file of checkpoints, or one
}

// Verify proves a journal from its files and the rows of its store, and changes
// nothing. It may run beside the daemon: rows that come while it runs are not
// looked at. key should come from elsewhere than the folder: who can change
// everything there can change key.pub too, and only copies can tell then.
//
// The error is about what could not be read; what is wrong is in the report.
func Verify(ctx context.Context, dir string, store Store, key Key, copies ...Copy) (*Report, error) {
	v := &verifying{ctx: ctx, report: &Report{Findings: []Finding{}}, store: store, key: key, parted: map[bool]bool{}}
	var err error
	if v.retired, err = RetiredKeys(dir); err != nil {
		return nil, err
	}
	// Hashes and checkpoints first: rows are committed before them, so the view
	// that is opened after must have at least theirs.
	if err := v.checkpoints(filepath.Join(dir, checkpointsFile), copies); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, hashesFile))
	if errors.Is(err, fs.ErrNotExist) {
		v.report.add(HashesDamaged, 0, 0, "hashes.bin is not there")
	} else if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	} else {
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		v.report.Hashed = rowsIn(info.Size() / tlog.HashSize)
		v.stored = bufio.NewReaderSize(io.LimitReader(f, tlog.StoredHashCount(v.report.Hashed)*tlog.HashSize), 1<<20)
	}
	if err := store.View(ctx, v.read); err != nil {
		return nil, err
	}
	if err := v.knowsGiven(dir); err != nil {
		return nil, err
	}
	return v.report, nil
}

// knowsGiven: a checkpoint that a published proof has is in the journal's own file. It may
// have been written since that was read.
func (v *verifying) knowsGiven(dir string) error {
	if v.given.Size <= v.signed() {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	own, _ := splitNotes(b)
	for _, n := range own {
		if c, err := v.key.Open(n); err == nil && c.Size >= v.given.Size {
			return nil
		}
	}
	v.report.add(CheckpointUnknown, v.given.Size, 0, "a published proof: the journal does not have this checkpoint of %d rows, signed at %s", v.given.Size, v.given.At.Format(time.RFC3339))
	return nil
}

type verifying struct {
	ctx    context.Context
	report *Report
	store  Store
	key    Key
	stored *bufio.Reader // hashes.bin; nil if it is not there

	heads   []head      // checkpoints by size
	subtree []tlog.Hash // whole subtrees of the rows so far, the largest first
	rows    int64
	wrong   bool          // hashes.bin and rows have parted
	retired []Key         // the journal was signed with before
	parted  map[bool]bool // so have the rows and the journal's own checkpoints (true), or copies
	states  map[spool.ID]told
	papers  []paper

	archives map[string]*archive
	in       map[spool.ID]string // the archive of an item that is in one
	away     map[spool.ID]bool   // items whose archive is not there to be looked into

	given    Checkpoint // the newest in a published proof
	released []paper
	bytes    map[bytesOf]bool
	putAway  map[boxOf]time.Time           // posts of a box that were published earlier
	values   map[string]map[string]valueOf // by bucket and key
	legacy   bool                          // rows of an earlier release tell of items
	since    time.Time                     // of the first row that tells of its item, and of posts that were put away
	from     map[spool.ID][]spool.ID       // items whose parts went over to an item
	acts     map[act]bool
}

type head struct {
	Checkpoint
	from string
	own  bool
}

// told is what the rows say of an item.
type told struct {
	state string
	row   int64  // that said so
	gone  bool   // joined to another
	as    string // its digest by the last row that has one
	asRow int64
	keys  []byte
}

// paper is a receipt or statement that a row tells of.
type paper struct {
	item    spool.ID
	name    string // of a statement
	row     int64
	id      spool.ID
	receipt int
	sum     string
}

// checkpoints reads and orders all that were signed.
func (v *verifying) checkpoints(path string, copies []Copy) error {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	own, whole := splitNotes(b)
	// The next start takes away what a power cut has left at the end.
	if z := bytes.IndexByte(b[whole:], 0); whole < len(b) && (z < 0 || !lostPower(b[whole+z:])) {
		v.report.add(CheckpointInvalid, 0, 0, "%s: %d bytes at the end are no checkpoint", checkpointsFile, len(b)-whole)
	}
	known := map[int64]tlog.Hash{}
	var before Checkpoint
	for i, n := range own {
		from := fmt.Sprintf("%s, number %d", checkpointsFile, i+1)
		c, err := v.key.Open(n)
		if err != nil {
			v.report.add(CheckpointInvalid, 0, 0, "%s: %v", from, err)
			continue
		}
		if c.Size <= before.Size || c.At.Before(before.At.Add(-Backward)) {
			v.report.add(CheckpointOrder, c.Size, 0, "%s: %d rows at %s come after %d rows at %s", from, c.Size, c.At.Format(time.RFC3339), before.Size, before.At.Format(time.RFC3339))
		}
		before = c
		known[c.Size] = c.Root
		v.heads = append(v.heads, head{c, from, true})
		v.report.Checkpoints++
	}
	for _, file := range copies {
		for i, n := range SplitCheckpoints(file.Text) {
			from := fmt.Sprintf("%s, number %d", file.Name, i+1)
			c, err := v.key.Open(n)
			if err != nil {
				v.report.add(CheckpointInvalid, 0, 0, "%s: %v", from, err)
				continue
			}
			v.report.Copies++
			if _, ok := known[c.Size]; !ok {
				v.report.add(CheckpointUnknown, c.Size, 0, "%s: the journal does not have this checkpoint of %d rows, signed at %s", from, c.Size, c.At.Format(time.RFC3339))
			}
			v.heads = append(v.heads, head{c, from, false})
		}
	}
	sort.SliceStable(v.heads, func(a, b int) bool { return v.heads[a].Size < v.heads[b].Size })
	return nil
}

func (v *verifying) read(r spool.Reader) error {
	v.states = map[spool.ID]told{}
	v.putAway, v.values = map[boxOf]time.Time{}, map[string]map[string]valueOf{}
	v.bytes, v.from, v.acts = map[bytesOf]bool{}, map[spool.ID][]spool.ID{}, map[act]bool{}
	v.archives, v.in, v.away = map[string]*archive{}, map[spool.ID]string{}, map[spool.ID]bool{}
	next := 0
	for after := int64(0); ; {
		rows, err := r.Events(after, page)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		for _, e := range rows {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			after = e.Seq
			if e.Seq != v.rows+1 {
				v.report.add(RowMissing, v.rows+1, 0, "row %d is followed by row %d", v.rows, e.Seq)
				return v.rest(r, e, next)
			}
			if err := v.take(e); err != nil {
				return err
			}
			if next, err = v.compare(next); err != nil {
				return err
			}
		}
	}
	v.report.Root = v.root().String()
	v.ends(next)
	return v.spool(r)
}

// rest goes on after a hole: the tree cannot, the items can.
func (v *verifying) rest(r spool.Reader, e spool.Event, next int) error {
	v.report.add(RowsCut, v.rows+1, 0, "the tree can be proved up to row %d only", v.rows)
	for after := e.Seq - 1; ; {
		rows, err := r.Events(after, page)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return v.spool(r)
		}
		for _, e := range rows {
			after = e.Seq
			v.tell(e)
		}
	}
}

// take adds a row to the tree and holds it against hashes.bin. The order in which
// tlog stores hashes is that in which they become known.
func (v *verifying) take(e spool.Event) error {
	h := leaf(e)
	if err := v.match(e.Seq, h, true); err != nil {
		return err
	}
	for n := v.rows; n&1 == 1; n >>= 1 { // a subtree as large is to the left
		last := len(v.subtree) - 1
		h = tlog.NodeHash(v.subtree[last], h)
		v.subtree = v.subtree[:last]
		if err := v.match(e.Seq, h, false); err != nil {
			return err
		}
	}
	v.subtree = append(v.subtree, h)
	v.rows++
	v.report.Rows = v.rows
	v.tell(e)
	return nil
}

func (v *verifying) match(row int64, h tlog.Hash, ofRow bool) error {
	if v.stored == nil || row > v.report.Hashed {
		return nil
	}
	var kept tlog.Hash
	if _, err := io.ReadFull(v.stored, kept[:]); err != nil {
		return fmt.Errorf("journal: %s: %w", hashesFile, err)
	}
	switch {
	case kept == h:
	case kept == tlog.Hash{} && row > v.signed():
		// The file is flushed with each checkpoint. After a power cut its end may be
		// a size without the bytes; the journal makes them anew when it starts.
		v.report.Hashed = row - 1
	case ofRow:
		v.wrong = true
		v.report.add(RowChanged, row, 0, "the row is not the one whose hash is in %s", hashesFile)
	case !v.wrong: // else it follows from the row
		v.report.add(HashesDamaged, row, 0, "a hash above row %d is not that of the rows below it", row)
	}
	return nil
}

// signed is how many rows the journal's own checkpoints cover.
func (v *verifying) signed() (rows int64) {
	for i := range v.heads {
		if v.heads[i].own {
			rows = max(rows, v.heads[i].Size)
		}
	}
	return rows
}

// tell notes what a row says of its item.
func (v *verifying) tell(e spool.Event) {
	rec, err := readRecord(e)
	if err != nil {
		v.report.add(RowChanged, e.Seq, e.Item, "the record cannot be read")
		return
	}
	v.noteValues(e.Seq, e.Kind, &rec)
	if e.Item == 0 {
		v.noteArchive(e, rec)
		if e.Kind == Retired && rec.Before.After(v.putAway[boxOf{rec.By, rec.Name}]) {
			v.putAway[boxOf{rec.By, rec.Name}] = rec.Before
		}
		return
	}
	v.note(e, rec)
	t := v.states[e.Item]
	if rec.To != "" {
		t.state, t.row = rec.To, e.Seq
	}
	v.legacy = v.legacy || rec.Left == ""
	if rec.Left != "" {
		t.as, t.asRow = rec.Left, e.Seq
		if v.since.IsZero() {
			v.since = e.At
		}
	}
	if len(rec.Keys) > 0 {
		t.keys = rec.Keys
	}
	if e.Kind == "answered" && rec.Outcome == "returned" {
		t.keys = nil // its number may be used again
	}
	v.states[e.Item] = t
	if e.Kind == "joined" && rec.Other != 0 {
		o := v.states[rec.Other]
		o.gone = true // may be: a late signature joins and its submission stays
		v.states[rec.Other] = o
	}
	if n := receiptOf(e.Kind); n > 0 && rec.Receipt != "" {
		v.papers = append(v.papers, paper{item: e.Item, row: e.Seq, id: e.ID, receipt: n, sum: rec.Receipt})
	}
}

// root is that of the rows so far.
func (v *verifying) root() tlog.Hash {
	if len(v.subtree) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := v.subtree[len(v.subtree)-1]
	for i := len(v.subtree) - 2; i >= 0; i-- {
		h = tlog.NodeHash(v.subtree[i], h)
	}
	return h
}

// compare holds the checkpoints of just so many rows against the tree.
func (v *verifying) compare(next int) (int, error) {
	for ; next < len(v.heads) && v.heads[next].Size <= v.rows; next++ {
		h := &v.heads[next]
		if h.Root != v.root() {
			if v.parted[h.own] { // follows from the first
				continue
			}
			v.parted[h.own] = true
			v.report.add(CheckpointRoot, h.Size, 0, "%s: on %s another history of %d rows was signed", h.from, h.At.Format(time.RFC3339), h.Size)
			continue
		}
		if h.own {
			at := h.At
			v.report.Signed, v.report.SignedAt = h.Size, &at
		}
	}
	return next, nil
}

// ends finds what was cut off.
func (v *verifying) ends(next int) {
	for ; next < len(v.heads); next++ {
		h := &v.heads[next]
		v.report.add(RowsCut, v.rows+1, 0, "%s: %d rows were signed on %s, %d are there", h.from, h.Size, h.At.Format(time.RFC3339), v.rows)
	}
	if v.report.Hashed > v.rows {
		v.report.add(RowsCut, v.rows+1, 0, "%s has the hashes of %d rows, %d are there", hashesFile, v.report.Hashed, v.rows)
	}
	if v.stored != nil && v.report.Hashed < v.report.Signed {
		v.report.add(HashesDamaged, v.report.Hashed+1, 0, "%s has the hashes of %d rows, %d were signed", hashesFile, v.report.Hashed, v.report.Signed)
	}
}

// spool holds items and receipts against the rows.
func (v *verifying) spool(r spool.Reader) error {
	if err := v.openArchives(); err != nil {
		return err
	}
	seen := map[spool.ID]string{} // labels
	for after := spool.ID(0); ; {
		items, err := r.Items(spool.Query{After: after, Limit: page})
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		for _, it := range items {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			after = it.ID
			v.report.Items++
			seen[it.ID] = it.Label
			t, ok := v.states[it.ID]
			if v.archived(it) {
				if err := v.papersOf(r, it, t); err != nil {
					return err
				}
			}
			if err := v.recognised(r, it, t); err != nil {
				return err
			}
			switch {
			case !ok || t.row == 0:
				v.report.add(ItemUnknown, 0, it.ID, "no row tells of it; it is %s", it.State)
			case t.state != string(it.State):
				v.report.add(ItemState, t.row, it.ID, "it is %s, its last row says %s", it.State, t.state)
			}
		}
	}
	for id, t := range v.states {
		if _, ok := seen[id]; !ok && !t.gone {
			v.report.add(ItemMissing, t.row, id, "it is gone, its last row says %s", t.state)
		}
	}
	v.closeArchives()
	for _, p := range v.papers {
		label, ok := seen[p.item]
		if !ok || v.away[p.item] {
			continue
		}
		if err := v.receipt(r, p, label); err != nil {
			return err
		}
	}
	if err := v.statements(r, seen); err != nil {
		return err
	}
	return v.heldValues(r)
}

// recognised: the store must know the item by its keys.
func (v *verifying) recognised(r spool.Reader, it spool.Item, t told) error {
	for k := range slices.Chunk(t.keys, len(spool.Key{})) {
		if len(k) < len(spool.Key{}) {
			v.report.add(RowChanged, t.row, it.ID, "the keys in its record are cut")
			return nil
		}
		id, ok, err := r.Seen(spool.Key(k))
		if err != nil {
			return err
		}
		if !ok || id != it.ID {
			v.report.add(KeyMissing, t.row, it.ID, "it would not be recognised when it comes again")
			return nil
		}
	}
	return nil
}

// papersOf holds an item with its parts and posts against the rows. An archive that
// cannot give what it should is a finding, not the end.
func (v *verifying) papersOf(r spool.Reader, it spool.Item, t told) error {
	id := it.ID
	parts, err := r.Parts(id)
	if a := v.archives[v.in[id]]; err != nil && a != nil && v.ctx.Err() == nil {
		v.report.add(ArchiveChanged, a.row, id, "%v", err)
		v.away[id] = true
		return nil
	}
	if err != nil {
		return err
	}
	if t.as != "" && t.as != ItemDigest(it, parts) {
		v.report.add(ItemChanged, t.asRow, id, "its owner, name, kind, number, date, hash, size, times or parts are not as the row left them")
	}
	v.documents(parts)
	if v.in[id] == "" { // the file of an archive has its hash as a whole
		if err := v.hashes(parts); err != nil {
			return err
		}
	}
	posts, err := r.Posts(spool.PostQuery{Item: id, Gone: true})
	if err != nil {
		return err
	}
	v.posts(it, posts, parts)
	return nil
}

func (v *verifying) receipt(r spool.Reader, p paper, label string) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	v.report.Receipts++
	base := fmt.Sprintf("%s.receipt%d", label, p.receipt)
	part, err := r.Part(p.item, base+".json")
	if errors.Is(err, spool.ErrNotFound) {
		v.report.add(ReceiptChanged, p.row, p.item, "receipt %d is not there", p.receipt)
		return nil
	}
	if err != nil {
		return err
	}
	body, err := v.content(part)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if hex.EncodeToString(sum[:]) != p.sum {
		v.report.add(ReceiptChanged, p.row, p.item, "receipt %d is not the one that was given", p.receipt)
	}
	part, err = r.Part(p.item, base+".proof")
	if errors.Is(err, spool.ErrNotFound) {
		return nil // comes after the next checkpoint
	}
	if err != nil {
		return err
	}
	if body, err = v.content(part); err != nil {
		return err
	}
	proof, err := ParseProof(body)
	if err == nil {
		err = v.proved(proof)
	}
	if err == nil && (proof.Row.ID != p.id || proof.Row.Seq != p.row) {
		err = errors.New("it is of another row")
	}
	if err != nil {
		v.report.add(ProofInvalid, p.row, p.item, "the proof of receipt %d: %v", p.receipt, err)
	}
	return nil
}

// proved checks a proof by the journal's key, or by one that it was signed with
// before: a renewal takes nothing from the proofs that were given.
func (v *verifying) proved(p *Proof) error {
	c, err := p.Check(v.key)
	if err == nil && c.Size > v.given.Size {
		v.given = c
	}
	for _, k := range v.retired {
		if err == nil {
			break
		}
		if _, old := p.Check(k); old == nil {
			err = nil
		}
	}
	return err
}

// content reads bytes; what is not there reads as nothing, which fits no hash.
func (v *verifying) content(p spool.Part) ([]byte, error) {
	if _, ok := digest(p.Content.SHA256); !ok {
		return nil, nil
	}
	blob, err := v.store.Open(v.ctx, p.Content.SHA256)
	if errors.Is(err, spool.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
}
