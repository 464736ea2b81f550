// Package spool is the gateway's durable memory: items with their parts, the
// queue with its leases, the history of every item, the keys of what was seen,
// and the boxes that clients read. It knows nothing of SSH, documents or
// signatures: states, kinds, roles and records are opaque words to it.
//
// # The life of content
//
// Bytes come in as a [Draft]: written at any offset, hashed on the way. Finish
// makes them a [Content]; the transaction that attaches the content to an item
// makes it durable. Until then a draft is nobody's, unless it was kept under a
// name (Keep), which lets a client resume or rename it, also after a restart.
//
// # Transactions
//
// Every change is one function given to [Store.Update]. When Update returns nil
// the change outlives a power cut; when it returns an error nothing of it is
// left, except that after [ErrStopped] only the next start tells whether a change
// that had begun was still made. An engine may commit several functions together
// (group commit): a function must therefore be short, must not wait for anything
// outside (nor call the store or a draft), and may be run again: only what its last
// run was answered counts. After a failed
// flush the engine returns ErrStopped for everything: the files are no longer
// known to be whole, and only what the next start recovers may be trusted.
//
// Within a change an error of the contract (ErrNotFound, ErrConflict, ErrExists,
// ErrFull of Insert) undoes nothing but the call that returned it: the function may go on.
//
// # One opener
//
// A store has one opener at a time: whoever comes second gets [ErrLocked]. An
// engine that several nodes can reach fences besides: once another has opened the
// store, because the first was taken for dead, nothing the first does is committed
// any more. It gets ErrStopped with [ErrFenced], even for a change that had begun.
// The history of Events thus has one order over all openers, without gaps.
//
// Times are kept to the microsecond and come back in UTC. Ids from 1 to 2^63-1
// can be stored, which is enough until the year 2298.
package spool

import (
	"context"
	"errors"
	"io"
	"time"
)

var (
	// ErrNotFound is returned for an item, part, post or value that is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned when an item was changed since it was read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrExists is returned when a name or an id is already taken.
	ErrExists = errors.New("exists already")
	// ErrHole is returned by Draft.Finish when the written ranges do not join
	// from the first byte to the last.
	ErrHole = errors.New("bytes are missing inside the file")
	// ErrTooLarge is returned by a write beyond the limit of a draft.
	ErrTooLarge = errors.New("larger than allowed")
	// ErrFull is returned for new work (drafts, large writes, Insert, Probe) that is not Urgent while
	// free space is below the floor, and for whatever a full disk refuses.
	ErrFull = errors.New("no space left for new work")
	// ErrStopped is returned after the engine has given up: a flush failed, or
	// the store was closed.
	ErrStopped = errors.New("the spool has stopped taking work")
	// ErrAway is returned by a reading whose store was out of reach in the middle of
	// it. The engine goes on: the same reading may be tried again.
	ErrAway = errors.New("the spool is out of reach for the moment")
	// ErrLocked is returned by an engine's Open while somebody else, of this process or
	// another, has the store open.
	ErrLocked = errors.New("the spool is in use by another process")
	// ErrFenced comes with ErrStopped when another has opened the store meanwhile.
	ErrFenced = errors.New("another node has taken the spool over")
)

// Queue, State and Role are the caller's words.
type (
	Queue string
	State string
	Role  string
)

// Item is one piece of work: a submission, or a statement.
type Item struct {
	ID    ID
	Queue Queue
	Owner string // the client it belongs to
	State State

	Name   string // name of the document as the owner knows it
	Label  string // name under which answers are given: Name, Name.2, ...; empty until the first answer
	Kind   string // empty until known, as the next three
	Number string
	Date   string // ISO 8601 date
	SHA256 string // of the document, lower-case hex
	Size   int64  // of the document

	Priority  int       // higher is claimed first
	Received  time.Time // when the first part was committed
	Decided   time.Time // when the first final verdict was written; zero until then
	Deadline  time.Time // when somebody must look at it again at the latest; zero: never
	NotBefore time.Time // not to be claimed before
	Attempts  int       // how often it was claimed

	Lease      string // token of the present lease, empty when there is none
	LeaseUntil time.Time

	Note    []byte // the caller's own record of it (JSON); opaque
	Version int64  // 1 after Insert, raised by every Put
}

// Content is bytes that the store holds, or will hold once a transaction attaches them.
type Content struct {
	SHA256 string // lower-case hex
	Size   int64

	// Inline holds the bytes of small content on the way into the store, as Finish
	// gives them; a caller may make such a Content by hand, up to 64 KiB. It is nil
	// in what a Reader returns: Store.Open reads.
	Inline []byte
}

// Part is one named content of an item.
type Part struct {
	Item    ID
	Name    string // unique within the item
	Role    Role
	Added   time.Time
	Content Content
}

// Event is one row of the history, written in the transaction of the change it
// tells of. Rows have a total order, the order of commit.
type Event struct {
	Seq    int64 // given by the store
	ID     ID    // given by the caller before the commit; names the record for ever
	Item   ID    // 0 for what concerns no item
	At     time.Time
	Kind   string
	Record []byte // opaque
}

// Post is a file in one of an owner's boxes.
type Post struct {
	Owner string
	Box   string
	Name  string // unique in the box of the owner
	Item  ID
	Part  string // part of Item that holds the bytes
	Size  int64
	At    time.Time // published

	Told         time.Time // copied to where the owner looks, if that is outside the store
	Delivered    time.Time // read to the end
	Acknowledged time.Time // removed by the owner
	Withdrawn    time.Time // taken back by us
}

// Key is what a document is recognised by when it comes again: a keyed or plain
// hash made by the caller.
type Key [16]byte

// Query selects items. Zero fields do not restrict.
type Query struct {
	Queue     Queue
	Owner     string
	States    []State
	Name      string
	Label     string
	Lease     string
	Kind      string
	After     ID        // only ids greater than
	Before    ID        // only ids smaller than
	From, To  time.Time // Received in [From, To)
	DueBefore time.Time // Deadline set and before
	Newest    bool      // greatest id first; default smallest first
	Limit     int       // 0: 1000
}

// PostQuery selects posts. Zero fields do not restrict, except that withdrawn
// and acknowledged posts are left out unless asked for. With Untold withdrawn
// ones are in, acknowledged ones only with Gone.
type PostQuery struct {
	Owner    string
	Box      string
	Name     string
	Item     ID
	Untold   bool      // Told is zero, withdrawn ones included: what an outbox still has to do
	Gone     bool      // include acknowledged and withdrawn ones
	From, To time.Time // At in [From, To)
	After    string    // names greater than, for paging; needs Owner and Box
	Limit    int       // 0: 1000
}

// Claim asks for work. It picks by priority, then fairly over owners (the owner
// served longest ago first; before all of them those never served, in the order
// in which their work came), then the smallest id of that owner. It sets Lease,
// LeaseUntil (Now + TTL), State and Version, raises Attempts, and leaves
// NotBefore as it is.
type Claim struct {
	Queue    Queue
	From, To State
	Now      time.Time
	TTL      time.Duration
	Max      int           // none if 0
	Token    func() string // a new lease token an item
}

// Reader reads one consistent state of the store. What is asked for by name and
// is not there is ErrNotFound; lists are then empty. Parts are in the order in
// which they were added.
type Reader interface {
	Item(ID) (Item, error)
	Items(Query) ([]Item, error)
	Counts(Queue) (map[State]int64, error)
	Parts(ID) ([]Part, error)
	Part(ID, string) (Part, error)
	History(ID) ([]Event, error)                    // of one item, oldest first
	Events(after int64, limit int) ([]Event, error) // of all, by Seq
	Seen(Key) (ID, bool, error)
	Post(owner, box, name string) (Post, error)
	Posts(PostQuery) ([]Post, error) // by name within owner and box
	Value(bucket, key string) ([]byte, error)
	Values(bucket string) (map[string][]byte, error)
	Kept(owner string) ([]Kept, error) // unfinished drafts that were kept; owner "" for all
}

// Tx changes the store.
type Tx interface {
	Reader
	Insert(Item) error                                  // ErrExists
	Put(Item) error                                     // ErrConflict unless Version is the one stored, which it raises by one
	Delete(ID) error                                    // with its parts, posts, seen keys; history stays
	AddPart(ID, string, Role, Content, time.Time) error // ErrExists; ErrNotFound for the item or the content's bytes
	RemovePart(ID, string) error
	MoveParts(from, to ID) error // ErrExists if a name is there already
	Append(Event) (seq int64, err error)
	See(Key, ID) (first ID, err error) // ErrExists and the id that holds the key, unless it is the same
	Forget(ID) error                   // all keys of an item
	PutPost(Post) error                // insert or replace by owner, box, name
	DeletePost(owner, box, name string) error
	Claim(Claim) ([]Item, error)                     // From -> To, lease set, Attempts raised
	Next(counter string) (int64, error)              // 1, 2, ... without gaps in what is committed
	SetValue(bucket, key string, value []byte) error // nil removes
	Unkeep(owner, name string) error                 // ends the keeping; the bytes go with the draft
	RenameKept(owner, from, to string) error         // ErrNotFound, ErrExists
}

// Kept is an unfinished draft that has a name.
type Kept struct {
	Owner, Name string
	Size        int64
	Modified    time.Time
}

// Draft is content being written. Its methods are safe for concurrent use. After
// Finish and Discard reading and writing are fs.ErrClosed; what was finished is
// read by Store.Open once it is attached.
type Draft interface {
	io.WriterAt // overlapping and unordered writes are allowed
	io.ReaderAt
	Size() int64
	// Truncate sets the size; growing it makes a hole unless it is written later.
	Truncate(size int64) error
	// Keep makes what was written durable under a name of the owner, as an
	// unfinished file that Store.Resume opens again. A second Keep replaces the
	// first, under whichever name; it also replaces another draft of the same name.
	// The draft stays open, and what is written later is kept by the next Keep.
	Keep(ctx context.Context, owner, name string, at time.Time) error
	// Finish ends writing. The content must be attached by the next transactions
	// or be discarded. ErrHole if bytes are missing: the draft then stays open.
	Finish(ctx context.Context) (Content, error)
	// Discard ends the draft and is called in any case, best by defer: until then
	// the store keeps finished content for whoever is about to attach it. Content
	// that was attached stays, and so does what was kept under a name. A second
	// call does nothing.
	Discard() error
}

// Blob reads stored content.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Store is an engine.
type Store interface {
	// Update makes one change. A context that ends drops a change that has not
	// begun; one that has is awaited.
	Update(ctx context.Context, change func(Tx) error) error
	// View reads. It may call Open and View. It should be short: while an old state
	// is being read, newer ones take space beside it.
	View(ctx context.Context, read func(Reader) error) error
	// NewDraft begins content of at most max bytes.
	NewDraft(ctx context.Context, max int64) (Draft, error)
	// Resume opens a kept draft for further writing: ErrNotFound, ErrTooLarge.
	Resume(ctx context.Context, owner, name string, max int64) (Draft, error)
	// Open reads content by its hash: ErrNotFound.
	Open(ctx context.Context, sha256 string) (Blob, error)
	// Probe proves that the store can still write durably.
	Probe(ctx context.Context) error
	// Sweep removes content that no part refers to and no draft holds.
	Sweep(ctx context.Context) (removed int, err error)
	// Close refuses further work with ErrStopped and waits for what has begun.
	Close() error
}
