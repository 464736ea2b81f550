package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/brama-gateway/brama/spool"
)

const (
	rowHead  = "brama/journal-row@v1"
	stampFmt = "2006-01-02T15:04:05.000000Z"
)

// AppendRow appends the canonical text of a row, whose hash is the leaf of the
// tree (see the package comment). It tells any two different rows apart.
func AppendRow(b []byte, e spool.Event) []byte {
	sum := sha256.Sum256(e.Record)
	b = append(b, rowHead...)
	b = append(b, "\nseq "...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, "\nid "...)
	b = append(b, e.ID.String()...)
	b = append(b, "\nitem "...)
	b = append(b, e.Item.String()...)
	b = append(b, "\nat "...)
	b = e.At.UTC().AppendFormat(b, stampFmt)
	b = append(b, "\nkind "...)
	b = append(b, e.Kind...)
	b = append(b, "\nrecord "...)
	b = hex.AppendEncode(b, sum[:])
	return append(b, '\n')
}

// leaf is the hash of a row.
func leaf(e spool.Event) tlog.Hash {
	var room [256]byte
	return tlog.RecordHash(AppendRow(room[:0], e))
}

var errRow = errors.New("journal row: not in the form of brama/journal-row@v1")

// parseRow reads what AppendRow wrote, followed by the record itself.
func parseRow(b []byte) (spool.Event, error) {
	text, record, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		return spool.Event{}, errRow
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 7 || lines[0] != rowHead {
		return spool.Event{}, errRow
	}
	var value [6]string
	for i, name := range []string{"seq ", "id ", "item ", "at ", "kind ", "record "} {
		if value[i], ok = strings.CutPrefix(lines[i+1], name); !ok {
			return spool.Event{}, errRow
		}
	}
	e := spool.Event{Kind: value[4], Record: record}
	var err [4]error
	e.Seq, err[0] = strconv.ParseInt(value[0], 10, 64)
	e.ID, err[1] = spool.ParseID(value[1])
	e.Item, err[2] = spool.ParseID(value[2])
	e.At, err[3] = time.Parse(stampFmt, value[3])
	if errors.Join(err[:]...) != nil || !bytes.Equal(AppendRow(nil, e), b[:len(text)+1]) {
		return spool.Event{}, errRow // also where the record is not that of the row
	}
	return e, nil
}

// record is what the journal itself reads in a row's record; the rest is the
// gateway's.
type record struct {
	To      string    `json:"to"`
	Receipt string    `json:"receipt"` // SHA-256 of the JSON of the receipt that names this row
	Other   spool.ID  `json:"other"`
	Name    string    `json:"name"`   // of a part or a post
	SHA256  string    `json:"sha256"` // of the part that came in or went out, or of an archive's file
	Items   int64     `json:"items"`  // of an archive
	Ids     string    `json:"ids"`    // SHA-256 of their ids
	Reason  string    `json:"reason"`
	Outcome string    `json:"outcome"`
	Left    string    `json:"left"`   // ItemDigest of the item as the change left it
	Keys    []byte    `json:"keys"`   // by which the store must recognise the item, one after the other
	By      string    `json:"by"`     // of Retired: whose posts
	Before  time.Time `json:"before"` // ... that were published before
}

func readRecord(e spool.Event) (record, error) {
	var r record
	if len(e.Record) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(e.Record, &r); err != nil {
		return record{}, fmt.Errorf("record of row %d: %w", e.Seq, err)
	}
	return r, nil
}

// receiptOf is the number of the receipt that a row of a kind stands behind: 0 for none.
func receiptOf(kind string) int {
	switch kind {
	case "decided":
		return 1
	case "answered":
		return 2
	}
	return 0
}

// Proof shows that a row is in the tree that a checkpoint signs. Its text is a
// C2SP tlog-proof whose extra data are the row's canonical text, an empty line,
// and the record.
type Proof struct {
	Row        spool.Event
	Hashes     tlog.RecordProof
	Checkpoint []byte // the signed note
}

// Receipt is the number of the receipt that names the row: 1, 2, or 0 for none.
func (p *Proof) Receipt() int { return receiptOf(p.Row.Kind) }

const proofHead = "c2sp.org/tlog-proof@v1"

// Text is the file's form.
func (p *Proof) Text() []byte {
	var b bytes.Buffer
	extra := append(AppendRow(nil, p.Row), '\n')
	extra = append(extra, p.Row.Record...)
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHead, base64.StdEncoding.EncodeToString(extra), p.Row.Seq-1)
	for _, h := range p.Hashes {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// maxProof bounds the file of a proof in bytes; a record names up to thousands of hashes.
const maxProof = 4 << 20

var errProof = errors.New("not a journal proof (c2sp.org/tlog-proof@v1)")

// ParseProof reads what Text wrote. It checks nothing but the form; Check does.
func ParseProof(b []byte) (*Proof, error) {
	if len(b) > maxProof {
		return nil, errProof
	}
	head, checkpoint, ok := bytes.Cut(b, []byte("\n\n"))
	lines := bytes.Split(head, []byte("\n"))
	if !ok || len(lines) < 3 || len(lines) > 3+64 || string(lines[0]) != proofHead {
		return nil, errProof
	}
	extra, ok1 := bytes.CutPrefix(lines[1], []byte("extra "))
	index, ok2 := bytes.CutPrefix(lines[2], []byte("index "))
	if !ok1 || !ok2 || bytes.IndexByte(extra, '\r') >= 0 { // one spelling: a decoder passes over it
		return nil, errProof
	}
	raw, err := strictBase64.AppendDecode(nil, extra)
	if err != nil {
		return nil, errProof
	}
	p := &Proof{Checkpoint: checkpoint}
	if p.Row, err = parseRow(raw); err != nil {
		return nil, err
	}
	if string(index) != strconv.FormatInt(p.Row.Seq-1, 10) || p.Row.Seq < 1 {
		return nil, errProof
	}
	if len(lines) > 3 {
		p.Hashes = make(tlog.RecordProof, len(lines)-3)
	}
	for i, line := range lines[3:] {
		if p.Hashes[i], ok = parseHash(line); !ok {
			return nil, errProof
		}
	}
	return p, nil
}

var strictBase64 = base64.StdEncoding.Strict()

// parseHash reads a hash of a tree in its one spelling.
func parseHash(line []byte) (h tlog.Hash, ok bool) {
	var room [tlog.HashSize + 1]byte // what 44 digits may hold at most
	if len(line) != base64.StdEncoding.EncodedLen(tlog.HashSize) {
		return h, false
	}
	n, err := strictBase64.Decode(room[:], line)
	return tlog.Hash(room[:tlog.HashSize]), err == nil && n == tlog.HashSize
}

// Check proves the row: the checkpoint is signed with the journal's key, and the
// row is in its tree.
func (p *Proof) Check(key Key) (Checkpoint, error) {
	c, err := key.Open(p.Checkpoint)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, p.In(c)
}

// In proves the row against a checkpoint that Key.Open has given: for whoever
// checks many.
func (p *Proof) In(c Checkpoint) error {
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Row.Seq-1, leaf(p.Row)); err != nil {
		return fmt.Errorf("row %d is not in the tree of checkpoint %d: %w", p.Row.Seq, c.Size, err)
	}
	return nil
}

// CheckReceipt is Check, and that the row was written for this very receipt: the
// bytes of the JSON, which names the row.
func (p *Proof) CheckReceipt(key Key, receipt []byte) (Checkpoint, error) {
	c, err := p.Check(key)
	if err != nil {
		return c, err
	}
	rec, err := readRecord(p.Row)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256(receipt)
	if rec.Receipt != hex.EncodeToString(sum[:]) {
		return c, fmt.Errorf("row %d speaks of another receipt", p.Row.Seq)
	}
	var named struct {
		Journal struct{ Record spool.ID }
	}
	if err := json.Unmarshal(receipt, &named); err != nil || named.Journal.Record != p.Row.ID {
		return c, fmt.Errorf("the receipt names another row than %s", p.Row.ID)
	}
	return c, nil
}
