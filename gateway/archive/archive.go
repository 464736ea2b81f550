// Package archive keeps the documents of old periods in files of their own:
// compressed, searchable without being unpacked, and provable without Brama. It is
// also what lets the gateway go on reading them as if they lay in the store ([Over]).
//
// # The file
//
// archive-2026-01-1.brama is a sequence of Zstandard frames (RFC 8878). What
// `zstd -dc` makes of it is a tar, so that everything in it can be taken out and
// checked with public tools:
//
//	parts/ID/NAME          bytes of the part NAME of item ID
//	items/000001.jsonl     items, one a line ([Record]), in the order of their ids
//	items/000001.sha256    the SHA-256 of their parts, as sha256sum -c reads it
//	archive.json           what the file is ([Head])
//	MANIFEST               the SHA-256 of archive.json and of everything in items/, as sha256sum -c reads it
//	MANIFEST.p7s           the gateway's seal over MANIFEST: CAdES, detached
//
// So the seal holds MANIFEST, MANIFEST holds the lists, and the lists hold the bytes of every
// document, signature, receipt, proof and piece of evidence. A part whose bytes another part of
// the file has already may be a link to that one. In names of parts all but letters,
// digits and . _ - + and space is written as %XX.
//
// Tools skip the frames that let Brama find things (skippable frames, RFC 8878, 3.1.2):
//
//	head        the first: formatLine
//	data        frames of at most 1 MiB of the tar, each compressed by itself
//	sums        for each part the first 8 bytes of its SHA-256 and the number of its item in the file
//	            (32 bits, big endian), sorted: what finds a document by its hash
//	directory   JSON: where lists and frames lie, with the SHA-256 of each frame
//	end         where the directory lies, and its SHA-256: always 76 bytes
//
// One item is found by its id in the directory, then in one list; one range of one part
// costs the frames that it lies in. Every frame is held against its hash before it is decoded.
//
// # Who vouches for it
//
// The journal has a row with the SHA-256 of the whole file ("archive written"), and,
// when its items have left the store, one with their number and the SHA-256 of their ids
// ("archive closed"). The store keeps a row for each file ([Row]), and of each item all
// but parts and posts: state, hashes, history, and what repetitions are recognised by.
//
// Everything in a file is foreign input to whoever reads it: sizes are bounded before
// memory is taken, and what does not agree is ErrDamaged.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brama-gateway/brama/spool"
)

var (
	// ErrDamaged says that a file is no archive, or not the one that was written.
	ErrDamaged = errors.New("the archive is damaged")
	// ErrOffline says that an archive is not where it is looked for.
	ErrOffline = errors.New("the archive is not here")
	// ErrRemoved is an ErrOffline for ever: somebody has ordered its removal.
	ErrRemoved = fmt.Errorf("%w: it was removed for good", ErrOffline)
)

const (
	formatLine = "brama-archive@v1"
	formatText = formatLine + "\nzstd -dc FILE | tar -x; see docs/archive.md\n"
	endLine    = "brama-archive-end@v1"

	// Ending is that of an archive's file name.
	Ending = ".brama"

	headMagic = 0x184D2A50 // skippable frames have 16 magic numbers
	sumsMagic = 0x184D2A51
	dirMagic  = 0x184D2A52
	endMagic  = 0x184D2A53

	blockSize = 1 << 20
	endSize   = 8 + len(endLine) + 8 + 8 + 32
	sumSize   = 12

	pageItems = 500       // items in a list, at most
	pageBytes = 512 << 10 // a list ends when it has become longer

	// Limits of what is read.
	maxFrame     = blockSize + blockSize/64 + 1024 // compressed
	maxDirectory = 256 << 20
	maxPage      = 64 << 20 // a list with one item that has a very long history
	maxManifest  = 64 << 20
	maxSums      = 4 << 30
)

// Head is archive.json: what a file is.
type Head struct {
	Format  string    `json:"format"` // brama-archive@v1
	Name    string    `json:"name"`   // archive-2026-01-1
	Period  string    `json:"period"` // month of receipt, Kyiv time, as 2026-01
	Created time.Time `json:"created"`
	// JournalKey is the public key of the journal that the proofs in the file are signed with.
	JournalKey string `json:"journalKey,omitempty"`

	Items int64     `json:"items"`
	Parts int64     `json:"parts"`
	Bytes int64     `json:"bytes"` // of all parts
	From  time.Time `json:"from"`  // received, the earliest and the latest
	To    time.Time `json:"to"`
}

// Row is what the store keeps of a file, in Bucket under its name.
type Row struct {
	Name      string    `json:"name"`
	Period    string    `json:"period"`
	State     State     `json:"state"`
	Written   time.Time `json:"written"`
	Items     int64     `json:"items"` // in the file
	Parts     int64     `json:"parts"`
	Bytes     int64     `json:"bytes"`             // of all parts
	Size      int64     `json:"size"`              // of the file
	SHA256    string    `json:"sha256"`            // of the file
	Directory string    `json:"directory"`         // SHA-256
	Moved     int64     `json:"moved"`             // items that are here and not in the store
	Removed   string    `json:"removed,omitempty"` // why it was removed for good
}

// State is how far a file has come.
type State string

// A file is written, then its items leave the store, then it is closed for ever. It
// may be removed at the end.
const (
	Writing State = "writing"
	Moving  State = "moving"
	Closed  State = "closed"
	Gone    State = "removed"
)

// Bucket is where the store keeps its rows of archives.
const Bucket = "archives"

// ReadRow reads a row of Bucket.
func ReadRow(b []byte) (r Row, err error) {
	if err = json.Unmarshal(b, &r); err != nil {
		err = fmt.Errorf("row of an archive: %w", err)
	}
	return r, err
}

// JSON is what ReadRow reads.
func (r Row) JSON() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // words, numbers and times: cannot fail
	}
	return b
}

// Of tells in which archive the parts of an item are; empty: in the store.
func Of(it spool.Item) string {
	if len(it.Note) == 0 {
		return ""
	}
	var n struct {
		Archive string `json:"archive"`
	}
	if json.Unmarshal(it.Note, &n) != nil {
		return ""
	}
	return n.Archive
}

// ValidName says whether a word can be the name of an archive, and so of a file.
func ValidName(name string) bool {
	if len(name) == 0 || len(name) > 100 || !strings.HasPrefix(name, "archive-") {
		return false
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return false
		}
	}
	return true
}

// Record is one item as it left the store: a line of a list.
type Record struct {
	ID       spool.ID  `json:"id"`
	Queue    string    `json:"queue"`
	Client   string    `json:"client"`
	State    string    `json:"state"`
	Name     string    `json:"name"`
	Label    string    `json:"label,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	Number   string    `json:"number,omitempty"`
	Date     string    `json:"date,omitempty"`
	SHA256   string    `json:"sha256,omitempty"`
	Size     int64     `json:"size,omitempty"`
	Priority int       `json:"priority,omitempty"`
	Received time.Time `json:"received"`
	Decided  time.Time `json:"decided,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Note     Text      `json:"note,omitempty"`
	Parts    []Part    `json:"parts"`
	Posts    []Post    `json:"posts,omitempty"`
	History  []Event   `json:"history"` // rows of the journal that tell of it, oldest first
}

// Part is one content of an item.
type Part struct {
	Name   string    `json:"name"`
	Role   string    `json:"role"`
	Added  time.Time `json:"added"`
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	At     int64     `json:"at"` // where its bytes begin in the tar
}

// Post is a file that lay in one of the client's boxes.
type Post struct {
	Box          string    `json:"box"`
	Name         string    `json:"name"`
	Part         string    `json:"part"`
	At           time.Time `json:"at"`
	Delivered    time.Time `json:"delivered,omitzero"`
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	Withdrawn    time.Time `json:"withdrawn,omitzero"`
}

// Event is a row of the journal.
type Event struct {
	Seq    int64     `json:"seq"`
	ID     spool.ID  `json:"id"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Record Text      `json:"record,omitempty"`
}

// Text is bytes that nearly always are text: JSON has them as a string, or else as
// {"base64": "..."}.
type Text []byte

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.Valid(t) {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{t})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = Text(s)
		return err
	}
	var raw struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(b, &raw)
	*t = raw.Base64
	return err
}

// NewRecord makes the record of an item. The places of its parts are the writer's to fill in.
func NewRecord(it spool.Item, parts []spool.Part, posts []spool.Post, history []spool.Event) Record {
	r := Record{
		ID: it.ID, Queue: string(it.Queue), Client: it.Owner, State: string(it.State), Name: it.Name, Label: it.Label,
		Kind: it.Kind, Number: it.Number, Date: it.Date, SHA256: it.SHA256, Size: it.Size, Priority: it.Priority,
		Received: it.Received, Decided: it.Decided, Attempts: it.Attempts, Note: it.Note,
		Parts: make([]Part, 0, len(parts)), History: make([]Event, 0, len(history)),
	}
	for _, p := range parts {
		r.Parts = append(r.Parts, Part{Name: p.Name, Role: string(p.Role), Added: p.Added, SHA256: p.Content.SHA256, Size: p.Content.Size})
	}
	for _, p := range posts {
		r.Posts = append(r.Posts, Post{p.Box, p.Name, p.Part, p.At, p.Delivered, p.Acknowledged, p.Withdrawn})
	}
	for _, e := range history {
		r.History = append(r.History, Event{e.Seq, e.ID, e.At, e.Kind, e.Record})
	}
	return r
}

// Spool gives the parts as the store had them.
func (r *Record) Spool() []spool.Part {
	out := make([]spool.Part, len(r.Parts))
	for i, p := range r.Parts {
		out[i] = spool.Part{Item: r.ID, Name: p.Name, Role: spool.Role(p.Role), Added: p.Added, Content: spool.Content{SHA256: p.SHA256, Size: p.Size}}
	}
	return out
}

// directory is what the file's own frames are found by.
type directory struct {
	Format string  `json:"format"`
	Head   Head    `json:"head"`
	Size   int64   `json:"size"` // of the tar
	Blocks []block `json:"blocks"`
	Pages  []page  `json:"pages"`
	Sums   frame   `json:"sums"`
	Record span    `json:"record"` // archive.json, in the tar
	List   span    `json:"list"`   // MANIFEST
	Seal   span    `json:"seal"`   // MANIFEST.p7s
}

// frame is a place in the file.
type frame struct {
	At     int64  `json:"at"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // of these bytes of the file
}

// block is a compressed frame, which holds Raw bytes of the tar.
type block struct {
	frame
	Raw int64 `json:"raw"`
}

// span is a place in the tar.
type span struct {
	At     int64  `json:"at"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// page is a list of items.
type page struct {
	span
	Sums  span     `json:"sums"` // its .sha256
	First spool.ID `json:"first"`
	Last  spool.ID `json:"last"`
	Items int64    `json:"items"`
}

// SafeName is the name of a part in the tar, which can be that of a file anywhere.
func SafeName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '+', c == ' ', c >= 0x80 && utf8.ValidString(name),
			c == '.' && strings.Trim(name, ".") != "":
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
