// Package admin is the operator's door: what bramactl and the console may ask of
// a running daemon, as one Go interface, and that interface over HTTP with JSON
// on a Unix socket (admin.sock). The core implements [Operator], [Server] puts
// it behind the socket, [Client] is the other end, so that bramactl is written
// against Operator and does not care whether a daemon runs or it opened the
// store itself.
//
// Only root and the user that the daemon runs as are let in, by the credentials
// that the kernel gives of the peer (SO_PEERCRED, unix(7)); every change is
// journaled with the peer's user id ([PeerOf]).
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// ErrInvalid is wrapped by errors about what the operator gave: a wrong entry, a
// move that the state of an item does not allow. Their text says what to change.
// Besides it the errors of package spool keep their identity over the socket.
var ErrInvalid = errors.New("not valid")

// Operator is what the operator may ask. Reasons are required where they are
// arguments; they go into the journal.
type Operator interface {
	Status(context.Context) (Status, error)
	// Reload reads the configuration, the trust store and the profiles anew, as
	// SIGHUP does. After an error the old ones are still in use. Keys that it could
	// not apply stand in the Status afterwards, under WarnRestart.
	Reload(context.Context) error

	Clients(context.Context) ([]ClientRow, error)
	// Client is one entry as YAML.
	Client(context.Context, client.ID) (string, error)
	// ExportClients is the whole register as YAML that ApplyClients takes.
	ExportClients(context.Context) (string, error)
	// ApplyClients makes the entries of the files the register's: all or nothing.
	// Clients that no file names stay as they are. With dryRun it only says what
	// would change.
	ApplyClients(ctx context.Context, files []File, dryRun bool) ([]Change, error)
	DisableClient(ctx context.Context, id client.ID, reason string) error
	// Ask says what a client's ledger holds: of a document (its submission, or its
	// SHA-256), or of an account, as "commitment/17".
	Ask(ctx context.Context, id client.ID, document bool, name string) (gateway.Standing, error)

	// Classifiers are the code lists, by name.
	Classifiers(context.Context) ([]ClassifierRow, error)
	// Classifier is one list with all its codes.
	Classifier(ctx context.Context, name string) ([]classifier.Entry, error)
	// ImportClassifier makes the entries a list's from a day on (ISO 8601; empty:
	// they are all of it).
	ImportClassifier(ctx context.Context, name string, entries []classifier.Entry, from string) (ClassifierRow, error)

	SpoolList(context.Context, Filter) ([]Row, error)
	SpoolShow(context.Context, spool.ID) (Item, error)
	// SpoolRetry puts a dead item back to where the processor finds it.
	SpoolRetry(ctx context.Context, id spool.ID, reason string) error
	// SpoolBury takes an accepted item out of the processor's reach, until a retry.
	SpoolBury(ctx context.Context, id spool.ID, reason string) error
	// SpoolRelease takes a lease away from a processor that will not come back, or
	// examines a held item again at once.
	SpoolRelease(ctx context.Context, id spool.ID, reason string) error

	// RemoveArchive destroys the file of an archive of old months for good.
	RemoveArchive(ctx context.Context, name, reason string) error

	// Day reconciles a day, Kyiv time (ISO 8601; empty: today): as it is now, or as it
	// was closed, ErrNotFound where it was not.
	Day(ctx context.Context, day string, closed bool) (*gateway.DayReport, error)

	// Evidence is the package of evidence of an accepted submission: an ASiC-E that is
	// sealed now.
	Evidence(ctx context.Context, id spool.ID) ([]byte, error)

	// PutStatement gives a client a canonical document, where the name ends in .json
	// and the content is JSON, or else a ready file of a kind (empty: a statement).
	// The same name and content again is answered with the id of the first.
	PutStatement(ctx context.Context, id client.ID, name string, kind formats.Kind, content []byte) (spool.ID, error)
}

// File is a register file as it was read.
type File struct {
	Name string `json:"name"` // for messages
	Text string `json:"text"` // YAML
}

// ClientRow is a client in a list.
type ClientRow struct {
	ID          client.ID `json:"id"`
	Name        string    `json:"name"`
	EDRPOU      string    `json:"edrpou"`
	Disabled    bool      `json:"disabled"`
	Kinds       []string  `json:"kinds"`
	Keys        int       `json:"keys"` // SSH keys
	Signatories int       `json:"signatories"`
	Folder      bool      `json:"folder"`
}

// ClassifierRow is a code list in a list.
type ClassifierRow struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	InForce int    `json:"inForce"` // codes that are in force today
	SHA256  string `json:"sha256"`  // of the list as it is kept, as in the journal
}

// Change is what applying files does to one client.
type Change struct {
	Client client.ID     `json:"client"`
	Op     Op            `json:"op"`
	Fields []FieldChange `json:"fields,omitempty"` // of a changed one
}

// Op is the sort of a change.
type Op string

// The sorts of change.
const (
	Added     Op = "added"
	Changed   Op = "changed"
	Unchanged Op = "unchanged"
)

// FieldChange is one difference of an entry, for people: a client.Change with
// names for JSON.
type FieldChange struct {
	Key string `json:"key"`
	Old string `json:"old,omitempty"` // empty: added
	New string `json:"new,omitempty"` // empty: removed
}

// Filter selects items of the spool. Zero fields do not restrict.
type Filter struct {
	Queue    spool.Queue
	Client   client.ID
	States   []spool.State
	Kind     formats.Kind
	Document string
	From, To time.Time // received in [From, To)
	Before   spool.ID  // only older ones, for paging: newest come first
	Limit    int       // 0: 100
}

// Row is an item in a list.
type Row struct {
	ID       spool.ID     `json:"id"`
	Queue    spool.Queue  `json:"queue"`
	Client   client.ID    `json:"client"`
	Document string       `json:"document"`
	Kind     formats.Kind `json:"kind"`
	State    spool.State  `json:"state"`
	Received time.Time    `json:"received"`
	Decided  *time.Time   `json:"decided,omitempty"`
	Deadline *time.Time   `json:"deadline,omitempty"`
	Number   string       `json:"number,omitempty"`
	Date     string       `json:"date,omitempty"`
	Size     int64        `json:"size"`
	SHA256   string       `json:"sha256,omitempty"`
	Attempts int          `json:"attempts,omitempty"`
}

// Item is everything about one item but the bytes of its parts.
type Item struct {
	Row
	Label   string          `json:"label,omitempty"`
	Reason  string          `json:"reason,omitempty"`  // why it is held or dead
	Receipt json.RawMessage `json:"receipt,omitempty"` // the last one, as it was sent
	Parts   []gateway.Part  `json:"parts"`
	History []Event         `json:"history"` // oldest first
}

// Event is one line of an item's history.
type Event struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"`
	Kind   string          `json:"kind"`
	Record json.RawMessage `json:"record,omitempty"`
}

// Status is how the daemon is.
type Status struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	SFTP     string    `json:"sftp"`     // where it listens
	Sessions int       `json:"sessions"` // SSH sessions open
	Clients  int       `json:"clients"`  // in the register, not disabled
	Folders  int       `json:"folders"`  // watched
	Leases   int       `json:"leases"`   // with the processor now
	// Taking is false while it drains, is degraded or its disk is full; Reason says which.
	Taking bool   `json:"taking"`
	Reason string `json:"reason,omitempty"`
	// Counts of items by queue and state.
	Counts   map[spool.Queue]map[spool.State]int64 `json:"counts"`
	Oldest   *time.Time                            `json:"oldest,omitempty"` // received of the oldest unsettled item
	Free     int64                                 `json:"free"`             // bytes on the disk of the store
	Warnings []Warning                             `json:"warnings"`
}

// WarnRestart is the code of the warning that names keys of the configuration which
// the last reload found changed and only a restart applies.
const WarnRestart = "RESTART"

// Warning is something that somebody should see to: a certificate that ends soon,
// a relaxed setting, dead items.
type Warning struct {
	Code string       `json:"code"`
	Text formats.Text `json:"text"`
}
