// Package postgres is the second engine behind [spool.Store]: everything, large
// content too, lies in a PostgreSQL database. How a change is made, how a node
// that was taken over is kept out, and what is left when the connection, the
// server or the process ends, is told in spool/DESIGN.md.
package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/brama-gateway/brama/spool"
)

const (
	// DefaultSchema holds the tables.
	DefaultSchema = "brama"
	// DefaultPatience is how long a server may be away.
	DefaultPatience = 30 * time.Second

	inlineMax  = 64 << 10 // bytes up to which content lies in its row, and drafts in memory
	maxReaders = 16       // connections for Views and drafts before one waits for another
	oldest     = 130000   // server_version_num
)

// Options say where a store is and how it behaves. Zero fields take defaults,
// except URL.
type Options struct {
	// URL is a connection string of libpq's: postgres://user@host/database?... or
	// key=value pairs. What it leaves out comes from the environment (PGHOST, ...).
	URL string
	// Password is for the user of URL, which then needs to name none.
	Password string
	// Schema is where the tables are; one store a schema.
	Schema string
	// Patience is how long changes wait for a server that is away before the
	// store stops.
	Patience time.Duration
	// TakeOver fences whoever has the store open instead of returning spool.ErrLocked.
	TakeOver bool
	// Unsafe takes a server that does not flush (fsync=off): for tests only.
	Unsafe bool

	conn *pgx.ConnConfig
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	opt   Options
	lock  int64 // key of the advisory lock
	epoch int64

	write   *session
	groups  int64 // committed, by the writer's count
	queue   chan *request
	quit    chan struct{} // closed by Close
	ended   chan struct{} // closed when the writer has gone
	closing sync.Once

	// Of the writer's goroutine alone.
	marks   marks
	served  int64 // the last number of a service
	pending tally
	claimed map[place]bool
	claims  []place // those that the group has added
	lined   map[turnKey]bool

	idle  chan *session // connections for reading and for drafts
	slots chan struct{} // one for each of maxReaders in use

	blobs blobs

	mu    sync.Mutex
	shut  bool           // no more Views
	views sync.WaitGroup // added to under mu

	cause atomic.Pointer[error] // why the engine has stopped
}

var _ spool.Store = (*Store)(nil)

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// settle checks the options and fills in what they leave out.
func (o *Options) settle() error {
	if o.URL == "" || o.Patience < 0 {
		return errors.New("options are out of range")
	}
	if o.Schema == "" {
		o.Schema = DefaultSchema
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if !schemaName.MatchString(o.Schema) {
		return fmt.Errorf("schema %q: want small letters, digits and _", o.Schema)
	}
	var err error
	if o.conn, err = pgx.ParseConfig(o.URL); err != nil {
		return err // without the password
	}
	if o.Password != "" {
		o.conn.Password = o.Password
	}
	return nil
}

func newStore(opt Options) *Store {
	name := sha256.Sum256([]byte("brama spool " + opt.Schema))
	return &Store{
		opt: opt, lock: int64(binary.BigEndian.Uint64(name[:])),
		queue: make(chan *request, maxGroup), quit: make(chan struct{}), ended: make(chan struct{}),
		idle: make(chan *session, maxReaders), slots: make(chan struct{}, maxReaders),
		blobs: blobs{refs: map[int64]int{}, live: map[string]*draft{}, held: map[string]map[*draft]bool{}},
	}
}

// Open opens the store, or begins one. What a crash left is put right: drafts
// nobody kept are removed. The error is spool.ErrLocked while somebody else has it
// open (unless TakeOver), ErrVersion for a store of a newer release.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if err := opt.settle(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := newStore(opt)
	if err := s.start(ctx); err != nil {
		s.hangUp()
		return nil, fmt.Errorf("spool in PostgreSQL: %w", err)
	}
	go s.run()
	return s, nil
}

func (s *Store) start(ctx context.Context) error {
	var err error
	if s.write, err = s.opt.dial(ctx); err != nil {
		return err
	}
	if err := s.demand(ctx); err != nil {
		return err
	}
	if err := s.seize(ctx); err != nil {
		return err
	}
	if _, err := s.write.conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+pgx.Identifier{s.opt.Schema}.Sanitize()); err != nil {
		return err
	}
	if err := migrate(ctx, s.write.conn); err != nil {
		return err
	}
	// From here on whoever had it before commits nothing more.
	if err := s.write.row(`UPDATE fence SET epoch = epoch + 1 RETURNING epoch, groups`, nil, &s.epoch, &s.groups); err != nil {
		return err
	}
	if err := s.remember(); err != nil {
		return err
	}
	_, err = s.write.exec(`DELETE FROM blob b WHERE NOT EXISTS (SELECT FROM content WHERE blob = b.id) AND NOT EXISTS (SELECT FROM kept WHERE blob = b.id)`)
	return err
}

// demand looks at settings that would cost durability silently.
func (s *Store) demand(ctx context.Context) error {
	for _, d := range []struct {
		setting string
		ok      func(string) bool
		want    string
	}{
		{"server_version_num", newEnough, "13 or newer"},
		{"server_encoding", func(v string) bool { return v == "UTF8" }, "UTF8"},
		{"fsync", func(v string) bool { return v == "on" || s.opt.Unsafe }, "on"},
		{"full_page_writes", func(v string) bool { return v == "on" || s.opt.Unsafe }, "on"},
		{"transaction_read_only", func(v string) bool { return v == "off" }, "off: this server is a standby, or the role may only read"},
	} {
		got, err := s.setting(ctx, d.setting)
		if err != nil {
			return err
		}
		if !d.ok(got) {
			return fmt.Errorf("the server's %s is %q, want %s", d.setting, got, d.want)
		}
	}
	return s.durable(ctx)
}

// newEnough reads a server_version_num: 90624 is older than 130000.
func newEnough(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= oldest
}

// durable makes the writer's commits wait for the disk; remote_apply waits for more.
func (s *Store) durable(ctx context.Context) error {
	got, err := s.setting(ctx, "synchronous_commit")
	if err != nil || got == "on" || got == "remote_apply" {
		return err
	}
	if _, err := s.write.conn.Exec(ctx, `SET synchronous_commit = on`); err != nil {
		return err
	}
	if got, err = s.setting(ctx, "synchronous_commit"); err == nil && got != "on" {
		err = fmt.Errorf("synchronous_commit is %q, want on", got)
	}
	return err
}

func (s *Store) setting(ctx context.Context, name string) (v string, err error) {
	err = s.write.conn.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&v)
	return v, err
}

// stopped is nil while the engine takes work.
func (s *Store) stopped() error {
	if c := s.cause.Load(); c != nil {
		return *c
	}
	return nil
}

// fail stops the engine. It returns what callers are told.
func (s *Store) fail(what string, err error) error {
	told := fmt.Errorf("%w: %s: %w", spool.ErrStopped, what, err)
	s.cause.CompareAndSwap(nil, &told)
	return s.stopped()
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
	end := time.Now().Add(s.opt.Patience)
	for {
		begun := false
		err := s.side(ctx, func(c *session) error {
			if _, err := c.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
				begun = !c.lost(err)
				return fmt.Errorf("view: %w", err)
			}
			begun = true
			r := &reader{s: c}
			defer func() {
				r.ended = true
				c.exec("ROLLBACK")
				c.fault = nil
			}()
			return read(r)
		})
		// An idle connection may have been lost unseen; a reading that has begun is not begun again.
		if err == nil || begun || time.Now().After(end) {
			return err
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
	}
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

// slotWait is how long a View waits for another to end before it takes a
// connection more: it may be called inside that other one.
const slotWait = 200 * time.Millisecond

// side lends a connection beside the writer's, one that answers. If it is lost while
// it is used, the error is a spool.ErrAway.
func (s *Store) side(ctx context.Context, use func(*session) error) error {
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	c, err := s.spare(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if c.conn.IsClosed() || c.conn.PgConn().TxStatus() != 'I' {
			c.close()
			return
		}
		select {
		case s.idle <- c:
		default:
			c.close()
		}
	}()
	if err = use(c); err != nil && c.lost(err) {
		err = fmt.Errorf("%w: %w", spool.ErrAway, err)
	}
	return err
}

// spare takes an idle connection or makes one, and waits for a server that is away.
func (s *Store) spare(ctx context.Context) (*session, error) {
	select {
	case c := <-s.idle:
		return c, nil
	default:
	}
	end := time.Now().Add(s.opt.Patience)
	for {
		c, err := s.opt.dial(ctx)
		if err == nil || !away(err) {
			return c, err
		}
		if !time.Now().Before(end) {
			return nil, fmt.Errorf("%w: %w", spool.ErrAway, err)
		}
		if err := s.pause(ctx); err != nil {
			return nil, err
		}
	}
}

const retryEvery = 100 * time.Millisecond

func (s *Store) pause(ctx context.Context) error {
	select {
	case <-time.After(retryEvery):
		return s.stopped()
	case <-s.quit:
		return fmt.Errorf("%w: closed", spool.ErrStopped)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Probe commits a row and takes a connection for reading.
func (s *Store) Probe(ctx context.Context) error {
	err := s.change(ctx, func(t *tx) error {
		_, err := t.write(1, `INSERT INTO meta (key, value) VALUES ('probe', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
			time.Now().UTC().Format(time.RFC3339Nano))
		return err
	})
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return s.View(ctx, func(spool.Reader) error { return nil })
}

// Close ends the changes that have begun, refuses the others with
// spool.ErrStopped, waits for the Views and lets the store go. It must not be
// called inside View or Update.
func (s *Store) Close() error {
	s.closing.Do(func() {
		err := fmt.Errorf("%w: closed", spool.ErrStopped)
		s.cause.CompareAndSwap(nil, &err)
		close(s.quit)
		<-s.ended
		s.mu.Lock()
		s.shut = true
		s.mu.Unlock()
		s.views.Wait()
		s.hangUp()
	})
	return nil
}

func (s *Store) hangUp() {
	for len(s.idle) > 0 {
		(<-s.idle).close()
	}
	if s.write != nil {
		s.write.close()
	}
}
