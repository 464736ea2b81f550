// Package sqlite is the embedded engine behind [spool.Store]: one SQLite
// database in WAL mode, small content inside it, large content in files beside
// it. The order of steps and what a crash leaves between any two of them is
// told in spool/DESIGN.md.
//
//	DIR/lock                    held while the store is open
//	DIR/spool.db, -wal, -shm    everything but large content
//	DIR/content/ab/cd/SHA256    large content, never written again
//	DIR/drafts/ID               large drafts
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

// DefaultInlineMax is the size up to which content lies in the database.
const DefaultInlineMax = 64 << 10

// Options say where a store is and how it behaves. Zero fields take defaults,
// except Dir.
type Options struct {
	// Dir is the folder of the store, made if it is not there.
	Dir string
	// InlineMax is the size in bytes up to which content is kept in the database
	// and drafts in memory; 0 is DefaultInlineMax, the most is 1 MiB.
	InlineMax int64
	// FloorBytes is how much space must stay free on the disk: below it new items,
	// drafts and large writes are refused with spool.ErrFull, while changes to what is there go on.
	FloorBytes int64
	// Free tells the free bytes of a folder's disk; nil asks the system.
	Free func(dir string) (int64, error)
	// Faults is nil outside tests.
	Faults Faults

	walPages int // pages before a checkpoint; 0 is checkpointPages
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	opt   Options
	lock  *os.File
	files *files

	write    *session
	home     *session // brings pages of the WAL home
	homeFile *os.File // the database, to be flushed
	queue    chan *request
	quit     chan struct{} // closed by Close
	ended    chan struct{} // closed when the writer has gone
	closing  sync.Once
	closed   error
	served   atomic.Int64

	wal       *walfile.File
	flushes   chan *batch           // to the goroutine that flushes; one at a time
	flushed   chan struct{}         // from it
	flushTime atomic.Int64          // of the last flushes, nanoseconds
	latest    atomic.Pointer[batch] // the last that somebody may have read
	check     chan struct{}         // to the goroutine that brings pages home
	checked   chan struct{}         // from it
	carrying  atomic.Bool           // between the two
	beside    sync.WaitGroup        // these goroutines

	// Of the writer's goroutine alone.
	free    bool  // no group is on its way to the disk
	walBase int64 // where the WAL ended at the last checkpoint
	marks   marks
	pending tally             // of the changes of the group
	claimed map[place]bool    // where claims have been made
	claims  []place           // those that the group has added
	lined   map[turnKey]bool  // rows of turn that are there and not idle
	updates map[uint32]string // statements, by the columns they write

	readers chan *session // idle ones

	mu    sync.Mutex
	shut  bool           // no more Views
	views sync.WaitGroup // added to under mu

	cause atomic.Pointer[error] // why the engine has stopped
}

var _ spool.Store = (*Store)(nil)

// Open opens the store in opt.Dir, or begins one. What a crash left is put
// right: drafts nobody kept are removed. The error is spool.ErrLocked while somebody
// else has it open, ErrVersion for a store of a newer release.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if opt.Dir == "" || opt.InlineMax < 0 || opt.InlineMax > maxInline || opt.FloorBytes < 0 {
		return nil, errors.New("spool: options are out of range")
	}
	if opt.InlineMax == 0 {
		opt.InlineMax = DefaultInlineMax
	}
	if opt.walPages == 0 {
		opt.walPages = checkpointPages
	}
	if opt.Free == nil {
		opt.Free = free
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := seize(filepath.Join(opt.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", opt.Dir, err)
	}
	s := &Store{
		opt: opt, lock: lock,
		queue: make(chan *request, maxGroup), quit: make(chan struct{}), ended: make(chan struct{}),
		flushes: make(chan *batch, 1), flushed: make(chan struct{}, 1), free: true,
		check: make(chan struct{}, 1), checked: make(chan struct{}, 1),
	}
	s.files = newFiles(s)
	if err := s.start(ctx); err != nil {
		s.hangUp()
		return nil, fmt.Errorf("spool %s: %w", opt.Dir, err)
	}
	s.wal.Defer(true)
	s.beside.Go(s.flush)
	s.beside.Go(func() { s.carry(s.home, s.homeFile) })
	go s.run()
	return s, nil
}

// seize takes the lock. It belongs to the open file, so the end of the process gives it back.
func seize(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, spool.ErrLocked
		}
		return nil, err
	}
	return f, nil
}

func (s *Store) start(ctx context.Context) error {
	var err error
	if s.write, err = dial(s.database(), writer); err != nil {
		return err
	}
	for _, p := range [][2]string{{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}} {
		if err := s.write.demand(p[0], p[1]); err != nil {
			return err
		}
	}
	if err := migrate(s.write); err != nil {
		return err
	}
	if err := s.remember(); err != nil {
		return err
	}
	// The first write makes the WAL; its name must be on the disk before a commit in it counts.
	if err := s.write.mark(time.Now()); err != nil {
		return err
	}
	if s.wal = walfile.Of(s.write.file); s.wal == nil {
		return errors.New("the WAL is not open by the VFS of ours")
	}
	if s.home, err = dial(s.database(), carrier); err != nil {
		return err
	}
	if err := s.home.demand("synchronous", "2"); err != nil {
		return err
	}
	if s.homeFile, err = os.OpenFile(s.database(), os.O_RDWR, 0); err != nil {
		return err
	}
	s.readers = make(chan *session, max(4, runtime.GOMAXPROCS(0)))
	if err := s.files.recover(); err != nil {
		return err
	}
	if err := syncFolder(s.opt.Dir); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(s.opt.Dir))
}

// mark writes something that was not there before.
func (s *session) mark(at time.Time) error {
	_, err := s.exec(`INSERT INTO meta (key, value) VALUES ('probe', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		strconv.FormatInt(at.UnixNano(), 10))
	return err
}

func (s *Store) serve() int64 { return s.served.Add(1) }

// stopped is nil while the engine takes work.
func (s *Store) stopped() error {
	if c := s.cause.Load(); c != nil {
		return *c
	}
	return nil
}

// fail stops the engine: after a flush that failed only what the next start
// reads may be trusted. It returns what callers are told.
func (s *Store) fail(what string, err error) error {
	told := fmt.Errorf("%w: %s: %w", spool.ErrStopped, what, err)
	s.cause.CompareAndSwap(nil, &told)
	return s.stopped()
}

// room refuses new work of n bytes that would leave less than the floor.
func (s *Store) room(n int64) error {
	if s.opt.FloorBytes == 0 {
		return nil
	}
	left, err := s.opt.Free(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("free space: %w", err)
	}
	if left-n < s.opt.FloorBytes {
		return spool.ErrFull
	}
	return nil
}

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// View calls read with one consistent state: that of the last commit before its
// first call.
func (s *Store) View(ctx context.Context, read func(spool.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.views.Done()
	c, err := s.reader()
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	defer s.leave(c)
	if _, err := c.exec("BEGIN"); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	r := &reader{s: c}
	defer func() {
		r.ended = true
		c.exec("ROLLBACK")
	}()
	if err := s.fix(ctx, c); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	return read(r)
}

// fix makes the transaction one of the present state, and waits until that is on the
// disk: what a View has read can be acted upon.
func (s *Store) fix(ctx context.Context, c *session) error {
	var one int
	if err := c.row(`SELECT 1 FROM meta LIMIT 1`, nil, &one); err != nil {
		return err
	}
	if s.write == nil {
		return s.syncWAL()
	}
	return s.settled(ctx)
}

// syncWAL makes durable what can be read by now, whichever process has committed it. It
// has a descriptor of its own: the kernel tells each of an error once.
func (s *Store) syncWAL() error {
	wal, err := os.Open(s.database() + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer wal.Close()
	return wal.Sync()
}

func (s *Store) enter() error {
	if err := s.stopped(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return s.stopped()
	}
	s.views.Add(1)
	return nil
}

// reader takes an idle connection or makes one. There is no upper bound to wait
// at: a View may open content, which is a View of its own.
func (s *Store) reader() (*session, error) {
	select {
	case c := <-s.readers:
		return c, nil
	default:
		return dial(s.database(), onlyReads)
	}
}

func (s *Store) leave(c *session) {
	select {
	case s.readers <- c:
	default:
		c.close()
	}
}

func (s *Store) database() string { return filepath.Join(s.opt.Dir, "spool.db") }

// Probe writes, flushes and removes a file, and commits a row.
func (s *Store) Probe(ctx context.Context) error {
	if err := s.stopped(); err != nil {
		return err
	}
	if err := s.room(0); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if err := s.files.probe(); err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error { return t.fault(t.s.mark(time.Now())) })
}

// Close ends the changes that have begun, refuses the others with
// spool.ErrStopped, waits for the Views and lets the folder go. It must not be
// called inside View or Update.
func (s *Store) Close() error {
	s.closing.Do(func() {
		err := fmt.Errorf("%w: closed", spool.ErrStopped)
		healthy := s.cause.CompareAndSwap(nil, &err)
		close(s.quit)
		<-s.ended
		s.mu.Lock()
		s.shut = true
		s.mu.Unlock()
		s.views.Wait()
		s.wal.Defer(false)
		if healthy {
			// Not needed for safety: the next start has less to read.
			var busy, pages, done int
			s.closed = s.write.row(`PRAGMA wal_checkpoint(TRUNCATE)`, nil, &busy, &pages, &done)
		}
		s.hangUp()
	})
	return s.closed
}

func (s *Store) hangUp() {
	for len(s.readers) > 0 {
		(<-s.readers).close()
	}
	if s.homeFile != nil {
		s.homeFile.Close()
	}
	if s.home != nil {
		s.home.close()
	}
	if s.wal != nil {
		s.wal.Defer(false)
	}
	if s.write != nil {
		s.write.close()
	}
	// Given back by name: a child that somebody is just starting holds a copy of
	// the descriptor until its exec, and closing ours would leave the lock with it.
	unix.Flock(int(s.lock.Fd()), unix.LOCK_UN)
	s.lock.Close()
}
