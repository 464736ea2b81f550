package gateway

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/brama-gateway/brama/gateway/client"
)

// Errors that entrances tell their clients apart by. What is not there is
// fs.ErrNotExist, what may not be done fs.ErrPermission, what is there already
// fs.ErrExist.
var (
	// ErrName is returned for a name that CleanName refuses.
	ErrName = errors.New("name not allowed")
	// ErrQuota is returned when the client has too much lying here already.
	ErrQuota = errors.New("quota exceeded")
	// ErrBusy is returned when somebody else is writing the same file.
	ErrBusy = errors.New("being written by another session")
	// ErrStopping is returned for new work while the gateway drains, is degraded or its disk is full.
	ErrStopping = errors.New("not taking new work now")
)

// Origin says where an upload came from. It goes into the journal.
type Origin struct {
	Client   client.ID
	Entrance string // "sftp" or "folder"
	Session  string // names the session in the log
	Peer     string // network address, or empty
	Key      string // fingerprint of the SSH key, or empty
}

// File is a row of a listing.
type File struct {
	Name    string
	Size    int64
	ModTime time.Time
	Dir     bool
	// Writable is set for the client's own unfinished files and the inbox itself.
	Writable bool
}

// Reading is an open file of a client's tree. Close after the last byte was read
// marks a statement or receipt as delivered.
type Reading interface {
	io.ReaderAt
	io.Closer
	Size() int64
	ModTime() time.Time
}

// Upload is a file being written by a client. Its methods are safe for
// concurrent use.
type Upload interface {
	io.WriterAt
	io.ReaderAt // sshfs and others open for reading and writing
	Size() int64
	Truncate(size int64) error
	SetModTime(t time.Time)

	// Close is the client's word that it has finished. A file under a final name is
	// taken: when Close returns nil it will outlive a power cut. One under a
	// temporary name is kept, durably too, until it is renamed.
	Close(ctx context.Context) error

	// Interrupt says that the connection was lost, or the client went away without
	// closing. What was written stays the client's own unfinished file; it is
	// never taken as it is. Close after Interrupt does nothing.
	Interrupt(cause error)
}

// Mode says how Desk.Create opens a file.
type Mode struct {
	Exclusive bool // fail if an unfinished file of the name exists
	Truncate  bool // begin anew; otherwise go on with an unfinished file of the name
}

// Desk is one client's side of the counter: the folders inbox, outbox,
// receipts, status and archive of DESIGN 6. Paths are absolute and clean, as
// "/inbox/P0001.DBF"; they are looked up in tables and never joined to a path
// of the host.
type Desk interface {
	List(ctx context.Context, dir string) ([]File, error)
	Stat(ctx context.Context, path string) (File, error)
	Open(ctx context.Context, path string) (Reading, error)
	Create(ctx context.Context, path string, mode Mode) (Upload, error)
	// Rename moves an unfinished file within the inbox; to a final name it is
	// taken, and nil means what it means for Upload.Close. With replace an
	// unfinished file of the new name gives way.
	Rename(ctx context.Context, from, to string, replace bool) error
	// Remove deletes an unfinished file, or acknowledges one in outbox or receipts.
	Remove(ctx context.Context, path string) error
	// SetModTime is remembered for listings; it has no other effect.
	SetModTime(ctx context.Context, path string, t time.Time) error
}
