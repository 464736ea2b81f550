package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// ErrMove is returned for a change of state that the table of moves does not have.
var ErrMove = errors.New("not an allowed move")

// Trust gives the trust store of the moment: anchors, and the certificates and
// CRLs that may serve as material.
type Trust interface {
	Snapshot() *pki.Store
}

// Seeker is a Trust that can fetch evidence of certificates that an examination missed.
type Seeker interface {
	// Seek says whether it is being fetched now: then again is called once that has ended,
	// whatever came of it. Otherwise again is called once evidence has come, if ever. key
	// names who waits.
	Seek(key string, missing []pki.Missing, again func()) bool
}

// Limits bound what one client may leave here. Zero fields take the defaults.
type Limits struct {
	File  int64 // bytes of one file; 64 MiB
	Files int   // unfinished and unsettled files of one client at once; 10000
	Bytes int64 // bytes of one client's unfinished files; 4 GiB
}

// Options are what a gateway is made of.
type Options struct {
	Store    spool.Store
	Trust    Trust               // that is a Seeker too fetches what is missing
	Profiles func() *profile.Set // of the moment
	Seal     cades.Signer        // the gateway's own seal, on receipts and statements; a tool may have NoSeal
	Validate Validator           // judges the clients' signatures; nil: cades.Validate
	Keys     []enveloped.Key     // for what arrives encrypted to the gateway; may be empty
	Now      func() time.Time
	Rand     io.Reader // for seals and lease tokens; crypto/rand.Reader
	Log      *zap.Logger

	Freshness pki.Freshness // how old evidence of revocation may be
	// JournalKey gives the journal's public key, for packages of evidence; nil: there are none.
	JournalKey func() (string, error)
	// Archives is the folder of archives, where old documents are; nil: there are none.
	Archives *archive.Set
	// Stamper is asked for the time-stamps of evidence; nil: the journal proves the time.
	Stamper cades.Stamper
	// StampDigest is that of their imprints; empty: of each signature.
	StampDigest der.OID

	Residue time.Duration // how long a taken file stays visible to its sender; 10m
	Workers int           // examinations at once; one a processor
	Queue   int           // examinations that wait in memory, the others in the spool; 1024

	// The settings that New begins with; only [Gateway.Settings] tells those in force.
	Hold      time.Duration
	Temporary []string
	Limits    Limits
	Language  string
}

// Gateway is the core. Make it with New, start it with Run, and give its Desk
// to the entrances and its Lease, Extend and Answer to the processor's door.
type Gateway struct {
	Options
	ids spool.IDs

	register    atomic.Pointer[client.Register]
	classifiers atomic.Pointer[classifier.Set]
	settings    atomic.Pointer[inForce]

	mu       sync.Mutex
	open     map[fileKey]*upload // being written now
	missed   bool                // something did not fit into work
	looked   time.Time           // when Due looked last, by the clock
	again    map[spool.ID]bool   // could not be settled, and have to be examined again
	recheck  bool                // everything held has to be examined again
	checked  spool.ID            // ... and was, up to this one
	residue  map[fileKey]residue // taken a short while ago
	backlog  map[client.ID]int   // unsettled files, about
	draining bool

	stampTrouble atomic.Pointer[StampTrouble]
	restamping   sync.Mutex // held by Restamp
	restampAgain atomic.Pointer[restampAgain]

	applying   sync.Mutex      // one change of the register at a time
	archiving  sync.Mutex      // held by Archive
	archiveCut map[string]bool // months whose last run has failed; under archiving
	// archiveStep is called between the steps of Archive; tests make it fail.
	archiveStep func(string) error

	changes atomic.Pointer[chan struct{}] // closed at the next change
	work    chan spool.ID                 // submissions to examine
	queued  map[spool.ID]bool             // in work, under mu
	sought  map[spool.ID]time.Time        // evidence is being fetched for, until then at most; under mu
	large   *large
}

type fileKey struct {
	client client.ID
	name   string
}

// New opens the gateway on its store: it reads the register and finds what the
// last run left undone. It does not start anything; Run does.
func New(ctx context.Context, o Options) (*Gateway, error) {
	_, none := o.Seal.Key.(noSeal)
	switch {
	case o.Store == nil, o.Trust == nil, o.Profiles == nil, o.Seal.Key == nil, o.Seal.Certificate == nil && !none:
		return nil, errors.New("gateway: store, trust, profiles and seal are needed")
	case o.Now == nil, o.Rand == nil, o.Log == nil:
		return nil, errors.New("gateway: clock, random source and log are needed")
	}
	if o.Residue <= 0 {
		o.Residue = 10 * time.Minute
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if o.Archives != nil {
		o.Store = archive.StoreOver(o.Store, o.Archives)
	}
	g := &Gateway{
		Options: o,
		open:    map[fileKey]*upload{},
		residue: map[fileKey]residue{},
		backlog: map[client.ID]int{},
		work:    make(chan spool.ID, o.Queue),
		queued:  map[spool.ID]bool{},
		again:   map[spool.ID]bool{},
		sought:  map[spool.ID]time.Time{},
		large:   newLarge(),
		recheck: true, // trust may have changed while nobody ran
	}
	g.Reconfigure(Settings{Hold: o.Hold, Temporary: o.Temporary, Limits: o.Limits, Language: o.Language})
	c := make(chan struct{})
	g.changes.Store(&c)
	if err := g.loadRegister(ctx); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if err := g.loadClassifiers(ctx); err != nil {
		return nil, fmt.Errorf("classifiers: %w", err)
	}
	return g, nil
}

// Run examines what comes in, wakes leases and deadlines, and returns when ctx
// ends and the workers have finished what they had begun, or with an error when
// the spool has stopped: then nothing may be trusted but what the next start reads.
func (g *Gateway) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range g.Workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case id := <-g.work:
					err := g.process(ctx, id)
					if err == nil { // where something is wrong, tick's pace is fast enough
						if err = g.refill(ctx); err != nil && ctx.Err() == nil {
							g.Log.Error("looking for more work", zap.Error(err))
						}
					}
					if errors.Is(err, spool.ErrStopped) {
						cancel(err)
					}
				}
			}
		})
	}
	wg.Go(func() {
		if err := g.tick(ctx); err != nil {
			cancel(err)
		}
	})
	wg.Go(func() { g.keeper(ctx) })
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); errors.Is(err, spool.ErrStopped) {
		return err
	}
	return nil
}

// refill finds what did not fit into the queue, once it is empty.
func (g *Gateway) refill(ctx context.Context) error {
	if len(g.work) > 0 {
		return nil
	}
	g.mu.Lock()
	missed, recheck := g.missed, g.recheck
	g.missed = false
	g.mu.Unlock()
	switch {
	case missed:
		return g.Due(ctx)
	case recheck:
		return g.feed(ctx)
	}
	return nil
}

// Work does at once, in the caller's goroutine, what Run would do next: what is
// due, and every examination that is queued. It is for those who do not Run:
// tools and tests.
func (g *Gateway) Work(ctx context.Context) error {
	if err := g.Due(ctx); err != nil {
		return err
	}
	for {
		select {
		case id := <-g.work:
			if err := g.process(ctx, id); err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
			continue
		default:
		}
		if err := g.refill(ctx); err != nil {
			return err
		}
		if len(g.work) == 0 {
			return nil
		}
	}
}

// tick finds what is due: submissions that nobody examines, holds and leases
// that ran out. The queue of work in memory is only a hint; this is the truth.
func (g *Gateway) tick(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for n := 0; ; n++ {
		// The first time too: it takes as long as there are unsettled files, and nobody has
		// to wait for it. Until then a client's quota counts from nothing, as it does for
		// what comes in between two counts; no promise is about it.
		if n%60 == 0 {
			if err := g.Recount(ctx); err != nil && ctx.Err() == nil {
				g.Log.Error("counting unsettled files", zap.Error(err))
			}
		}
		if err := g.Due(ctx); errors.Is(err, spool.ErrStopped) {
			return err
		} else if err != nil && ctx.Err() == nil {
			g.Log.Error("looking for due work", zap.Error(err))
		}
		g.forgetResidue()
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// Drain refuses new uploads from now on. What was begun may be finished.
func (g *Gateway) Drain() {
	g.mu.Lock()
	g.draining = true
	g.mu.Unlock()
}

// Taking says whether new uploads are taken now.
func (g *Gateway) Taking() bool { return !g.isDraining() }

// Changes returns a channel that is closed at the next change of anything that
// clients or the processor can see.
func (g *Gateway) Changes() <-chan struct{} {
	return *g.changes.Load()
}

func (g *Gateway) changed() {
	c := make(chan struct{})
	close(*g.changes.Swap(&c))
}

// Register is the snapshot in force.
func (g *Gateway) Register() *client.Register { return g.register.Load() }

// enqueue hands a submission to the examiners. When the queue is full it says no;
// tick finds later what was received or is due.
func (g *Gateway) enqueue(id spool.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queued[id] {
		return true
	}
	if until, ok := g.sought[id]; ok {
		if g.Now().Before(until) {
			return true
		}
		delete(g.sought, id)
	}
	select {
	case g.work <- id:
		g.queued[id] = true
		return true
	default:
		g.missed = true
		return false
	}
}
