// Package outbox is the exit to watched folders: what the core released for a
// client is laid into the folders outbox and receipts, what was taken back is
// removed, and status and archive are kept as the client's desk shows them.
//
// # The life of a letter
//
// A [Letter] is untold until it lies in the folder, whole, flushed and under its
// name; then Told says so. Every step may be repeated: a file that lies there
// with the same bytes is the letter. A client acknowledges a letter by deleting
// it: told, not withdrawn and no longer there. Because an empty folder may also
// be one that was not mounted or was made anew, each box holds a hidden file of
// ours (.brama-box); without it nothing counts as acknowledged, and what was told
// is told again.
//
// Nothing is written through a link that a client placed: files are made under
// hidden names, and a rename replaces a link without following it. What a client
// itself put where a letter must go is moved aside to NAME.old.
package outbox

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/folder"
)

// Letter is a file for a client.
type Letter struct {
	Client    client.ID
	Box       string // "outbox" or "receipts"
	Name      string // unique in the box of the client
	Size      int64  // bytes
	SHA256    string // lower-case hex
	At        time.Time
	Withdrawn bool // to be removed; Open is not called

	Open func(context.Context) (io.ReadCloser, error)
}

// Mail is the core's side.
type Mail interface {
	// Untold returns letters that are not yet in the client's folder, withdrawn
	// ones included that may still lie there, oldest first. An empty id asks for
	// those of every client that has a folder.
	Untold(ctx context.Context, id client.ID, limit int) ([]Letter, error)
	// Told is called when the letter lies in the folder durably, or is durably
	// gone if it was withdrawn. A letter that was replaced meanwhile, which its
	// SHA256 or Withdrawn tells, stays untold.
	Told(context.Context, Letter) error
	// ListTold returns letters of a box that were told and are neither withdrawn
	// nor acknowledged, by name, the names greater than after.
	ListTold(ctx context.Context, id client.ID, box, after string, limit int) ([]Letter, error)
	// Acknowledge records that the client removed the letter.
	Acknowledge(context.Context, Letter) error
}

// Options of an Outbox. Clients, Mail and Desk are required.
type Options struct {
	Clients func() []folder.Client // asked at every rescan
	Mail    Mail
	Desk    func(client.ID) gateway.Desk // whose /status and /archive are shown
	// Changes returns a channel that is closed at the next change of anything.
	// nil: only rescans.
	Changes func() <-chan struct{}

	Rescan  time.Duration // how often acknowledgements are looked for; 0: 5 s
	Status  time.Duration // status is refreshed at most so often; 0: 2 s
	Archive time.Duration // how often the archive is compared; 0: 1 h

	Log *zap.Logger // nil: silent

	now func() time.Time // tests
}

// Outbox fills the folders of clients. Make it with New.
type Outbox struct {
	o   Options
	log *zap.Logger
}

// New checks the options; Run does the work.
func New(o Options) (*Outbox, error) {
	if o.Clients == nil || o.Mail == nil || o.Desk == nil {
		return nil, errors.New("outbox: clients, mail and desk are required")
	}
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&o.Rescan, 5*time.Second)
	set(&o.Status, 2*time.Second)
	set(&o.Archive, time.Hour)
	if o.Changes == nil {
		o.Changes = func() <-chan struct{} { return nil }
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Outbox{o: o, log: o.Log}, nil
}

// Run works until ctx ends, and then returns nil when all that had begun has
// ended. A folder that cannot be written is logged and tried again at every
// rescan; other clients do not wait for it.
func (o *Outbox) Run(ctx context.Context) error {
	lanes := map[folder.Client]*lane{}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	rescan := time.NewTicker(o.o.Rescan)
	defer rescan.Stop()
	status := time.NewTicker(o.o.Status)
	defer status.Stop()
	archive := time.NewTicker(o.o.Archive)
	defer archive.Stop()

	changed := true
	wakeAll := func(w work) {
		for _, l := range lanes {
			l.wake(w)
		}
	}
	o.admit(ctx, lanes, &all)
	wakeAll(everything)
	for {
		next := o.o.Changes() // before looking, or a change in between is missed
		o.dispatch(ctx, lanes)
		select {
		case <-ctx.Done():
			return nil
		case <-next:
			changed = true
			select { // what comes together is looked for together
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		case <-rescan.C:
			o.admit(ctx, lanes, &all)
			wakeAll(work{mail: true, acks: true})
		case <-status.C:
			if changed {
				changed = false
				wakeAll(work{status: true})
			}
		case <-archive.C:
			wakeAll(work{status: true, archive: true})
		}
	}
}

// dispatch wakes the lanes that have letters.
func (o *Outbox) dispatch(ctx context.Context, lanes map[folder.Client]*lane) {
	const some = 256
	letters, err := o.o.Mail.Untold(ctx, "", some)
	if err != nil {
		if ctx.Err() == nil {
			o.log.Error("letters for folders", zap.Error(err))
		}
		return
	}
	has := map[client.ID]bool{}
	for _, l := range letters {
		has[l.Client] = true
	}
	for c, l := range lanes {
		// A full answer may be all of one client whose folder is broken.
		if has[c.ID] || len(letters) == some {
			l.wake(work{mail: true})
		}
	}
}

func (o *Outbox) admit(ctx context.Context, lanes map[folder.Client]*lane, all *sync.WaitGroup) {
	now := map[folder.Client]bool{}
	for _, c := range o.o.Clients() {
		c.Dir = filepath.Clean(c.Dir)
		now[c] = true
	}
	for c, l := range lanes {
		if !now[c] {
			l.end()
			<-l.ended
			delete(lanes, c)
		}
	}
	for c := range now {
		if lanes[c] != nil {
			continue
		}
		l := o.lane(c)
		lctx, end := context.WithCancel(ctx)
		l.end = end
		lanes[c] = l
		all.Go(func() {
			defer close(l.ended)
			defer end()
			l.run(lctx)
		})
		l.wake(everything)
	}
}

// work is what a lane has to do.
type work struct{ mail, acks, status, archive bool }

var everything = work{true, true, true, true}

// lane is one client's folder.
type lane struct {
	o     *Outbox
	c     folder.Client
	end   func()
	ended chan struct{}
	bell  chan struct{}

	mu   sync.Mutex
	todo work

	swept   bool
	broken  string            // last error, logged once
	looked  map[string]looked // by box
	shown   map[string]shown
	visited map[string]time.Time // folders of the archive, whole as of
}

func (o *Outbox) lane(c folder.Client) *lane {
	return &lane{
		o: o, c: c, ended: make(chan struct{}), bell: make(chan struct{}, 1),
		looked: map[string]looked{}, shown: map[string]shown{}, visited: map[string]time.Time{},
	}
}

func (l *lane) wake(w work) {
	l.mu.Lock()
	l.todo.mail = l.todo.mail || w.mail
	l.todo.acks = l.todo.acks || w.acks
	l.todo.status = l.todo.status || w.status
	l.todo.archive = l.todo.archive || w.archive
	l.mu.Unlock()
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

func (l *lane) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.bell:
		}
		l.mu.Lock()
		w := l.todo
		l.todo = work{}
		l.mu.Unlock()
		l.do(ctx, w)
	}
}

// do does the work; what fails is tried again at the next rescan.
func (l *lane) do(ctx context.Context, w work) {
	err := l.try(ctx, w)
	if ctx.Err() != nil {
		return
	}
	switch {
	case err == nil:
		l.broken = ""
	case err.Error() != l.broken:
		l.broken = err.Error()
		l.o.log.Error("folder of a client, tried again at every rescan",
			zap.String("client", string(l.c.ID)), zap.Error(err))
	}
}

func (l *lane) try(ctx context.Context, w work) error {
	dir, err := folder.Tree(l.c.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var errs []error
	if w.mail || w.acks {
		errs = append(errs, l.mail(ctx, dir, w.acks))
	}
	if w.status {
		errs = append(errs, l.status(ctx, dir))
	}
	if w.archive {
		errs = append(errs, l.archive(ctx, dir))
	}
	return errors.Join(errs...)
}
