// Package handoff lets a processor that knows only files take part: it is a
// client of the processor protocol that turns leases into folders and moved
// folders into answers.
//
//	ready/ID/document            the document
//	ready/ID/signatures/NAME     its signatures and containers
//	ready/ID/canonical.json      what was read from it, if the core made that
//	ready/ID/envelope.json       the submission, and which part each file is
//	done/ID                      moved here by the processor: processed
//	                             (reference.txt, written before the move: its number)
//	returned/ID                  moved here: returned, reason.txt in it says why
//	statements/CLIENT/NAME       dropped by the processor: a statement, NAME.json
//	                             a canonical one, anything else a ready file
//	statements/CLIENT/refused/   what was not taken, with NAME.reason.txt
//	.leases/ID                   ours: the lease under which ID lies there
//
// A folder appears in ready whole, by a rename, and while it lies there its
// lease is extended. An answer is given when the folder lies in done or returned
// and no longer in ready; only when the answer is durable is it removed.
//
// Every step may be repeated after a crash. The lease is written down before the
// folder appears. When a lease was lost meanwhile, a folder still in ready is
// taken back, because another processor may have the document; one in done or
// returned waits, and is answered when the document is leased again.
package handoff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/folder"
	"github.com/brama-gateway/brama/gateway/processor"
	"github.com/brama-gateway/brama/spool"
)

// Options of a Handoff. Core and Dir are required.
type Options struct {
	Core processor.Core
	Dir  string // holds ready, done, returned and statements, which are made when absent

	Max    int           // documents that lie in ready at once; 0: 16
	TTL    time.Duration // of a lease; 0: 5 min
	Poll   time.Duration // how often the folders are looked at; 0: 1 s
	Stable time.Duration // how long a statement, or a reason, must lie unchanged; 0: 1 s
	Grace  time.Duration // how long a folder may be nowhere, or lie in returned without a reason; 0: 10 s

	Temporary func(name string) bool // statements that wait for their rename; nil: a leading dot
	Statement int64                  // bytes of a statement at most; 0: 64 MiB

	Now func() time.Time // nil: time.Now
	Log *zap.Logger      // nil: silent
}

// Handoff works the folders. Make it with New.
type Handoff struct {
	o   Options
	log *zap.Logger

	asked   atomic.Int64                       // when work was asked for on the socket, Unix nanoseconds
	waiting atomic.Pointer[context.CancelFunc] // ends a wait for work

	mu    sync.Mutex // one pass or withdrawal at a time; guards what follows
	held  map[spool.ID]*held
	seen  map[string]*sight // statements, by CLIENT/NAME
	said  map[string]bool   // logged once
	quiet time.Time         // the core takes nothing before
}

// held is a document that lies in the folders under a lease.
type held struct {
	Lease string    `json:"lease"`
	Until time.Time `json:"until"`

	returned time.Time   // first seen in returned, as it is now
	reason   folder.Mark // of its reason.txt then
	missing  time.Time   // first seen nowhere
	answered bool        // durable; only its folder is left
}

const (
	ready      = "ready"
	done       = "done"
	returned   = "returned"
	statements = "statements"
	leases     = ".leases"
	conflict   = "conflict"

	rootPerm = 0o770 // the processor, a member of the group, moves folders
	filePerm = 0o640
	depth    = 8 // folders below one of a document
)

// New checks the options.
func New(o Options) (*Handoff, error) {
	if o.Core == nil || o.Dir == "" {
		return nil, errors.New("handoff: core and folder are required")
	}
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&o.TTL, 5*time.Minute)
	set(&o.Poll, time.Second)
	set(&o.Stable, time.Second)
	set(&o.Grace, 10*time.Second)
	if o.Max <= 0 {
		o.Max = 16
	}
	if o.Statement <= 0 {
		o.Statement = 64 << 20
	}
	if o.Temporary == nil {
		o.Temporary = func(name string) bool { return strings.HasPrefix(name, ".") }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Handoff{o: o, log: o.Log, seen: map[string]*sight{}, said: map[string]bool{}}, nil
}

// Run works until ctx ends, and then returns nil. What lies in the folders stays
// and is taken up again by the next Run.
func (h *Handoff) Run(ctx context.Context) error {
	broken := ""
	for {
		// While nothing lies here the wait for work is the pause between looks.
		begun := h.o.Now()
		err := h.pass(ctx, h.o.Poll)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && err.Error() != broken {
			h.log.Error("processor hand-off, tried again", zap.Error(err))
		}
		broken = ""
		if err != nil {
			broken = err.Error()
		}
		if rest := h.o.Poll - h.o.Now().Sub(begun); rest > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(min(rest, h.o.Poll)):
			}
		}
	}
}

// root holds the open folders of one pass.
type root struct {
	top, ready, done, returned, statements, leases *folder.Dir
}

func (h *Handoff) open() (r *root, closeAll func(), err error) {
	r = &root{}
	var opened []*folder.Dir
	closeAll = func() {
		for _, d := range opened {
			d.Close()
		}
	}
	if r.top, err = folder.Open(h.o.Dir); err != nil {
		return nil, closeAll, err
	}
	opened = append(opened, r.top)
	for _, s := range []struct {
		name string
		perm fs.FileMode
		to   **folder.Dir
	}{
		{ready, rootPerm, &r.ready},
		{done, rootPerm, &r.done},
		{returned, rootPerm, &r.returned},
		{statements, rootPerm, &r.statements},
		{leases, 0o700, &r.leases},
	} {
		d, err := r.top.Make(s.name, s.perm)
		if err != nil {
			closeAll()
			return nil, func() {}, err
		}
		opened = append(opened, d)
		*s.to = d
	}
	return r, closeAll, nil
}

// pass looks at everything once, and waits for new work up to wait.
func (h *Handoff) pass(ctx context.Context, wait time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, closeAll, err := h.open()
	defer closeAll()
	if err != nil {
		return err
	}
	if h.held == nil {
		if err := h.adopt(r); err != nil {
			return err
		}
	}
	var errs []error
	for id, d := range h.held {
		if err := h.settle(ctx, r, id, d); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
	}
	// One document that cannot be settled does not stop the others.
	errs = append(errs, h.orphans(ctx, r), h.statements(ctx, r))
	if len(h.held) > 0 {
		wait = 0 // answers are looked for at every Poll
	}
	errs = append(errs, h.lease(ctx, r, wait))
	return errors.Join(errs...)
}

// adopt takes up what an earlier process left.
func (h *Handoff) adopt(r *root) error {
	names, err := r.leases.Names()
	if err != nil {
		return err
	}
	found := map[spool.ID]*held{}
	for _, n := range names {
		id, err := spool.ParseID(n)
		if err != nil {
			continue
		}
		b, err := readSmall(r.leases, n, 4096)
		if err != nil {
			return err
		}
		d := &held{}
		if err := json.Unmarshal(b, d); err != nil || d.Lease == "" {
			h.log.Error("record of a lease cannot be read, the lease is given up", zap.Stringer("submission", id), zap.Error(err))
			continue
		}
		found[id] = d
	}
	// Half-made folders of ours, and documents whose lease is not written down:
	// the processor could only waste its work on them.
	lying, err := r.ready.Names()
	if err != nil {
		return err
	}
	for _, n := range lying {
		id, err := spool.ParseID(n)
		if strings.HasPrefix(n, folder.HiddenPrefix) || err == nil && found[id] == nil {
			if err := h.takeBack(r, n); err != nil {
				return err
			}
		}
	}
	if err := r.leases.Sweep(); err != nil {
		return err
	}
	h.held = found
	return nil
}

// takeBack removes a folder from ready, if it lies there.
func (h *Handoff) takeBack(r *root, name string) error {
	_, err := h.takeAway(r, name)
	return err
}

// takeAway is takeBack that says whether the folder lay there: hidden first, in
// one step, so that the processor either has it or never sees half of it.
func (h *Handoff) takeAway(r *root, name string) (lay bool, err error) {
	if !strings.HasPrefix(name, folder.HiddenPrefix) {
		hidden := folder.HiddenPrefix + "back-" + name
		if err := r.ready.RemoveAll(hidden, depth); err != nil {
			return false, err
		}
		if err := r.ready.Rename(name, r.ready, hidden); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			return false, err
		}
		name = hidden
	}
	return true, r.ready.RemoveAll(name, depth)
}

// settle answers, extends or takes back one document.
func (h *Handoff) settle(ctx context.Context, r *root, id spool.ID, d *held) error {
	name := id.String()
	now := h.o.Now()
	isReady, isDone, isReturned := lies(r.ready, name), lies(r.done, name), lies(r.returned, name)
	switch {
	case d.answered:
		return h.clean(r, id)
	case isReady:
		// Copied, not yet moved, or not touched at all.
		d.missing = time.Time{}
		if isDone || isReturned {
			h.once("copied "+name, "document lies in ready and was copied out of it; move the folder, do not copy it", zap.Stringer("submission", id))
		}
		return h.extend(ctx, r, id, d)
	case isDone && isReturned:
		h.once("both "+name, "document lies in done and in returned; remove one of them", zap.Stringer("submission", id))
		return h.extend(ctx, r, id, d)
	case isDone:
		ref, err := readText(r.done, name, "reference.txt", 200)
		if err != nil {
			return err
		}
		return h.answer(ctx, r, id, d, gateway.Answer{Outcome: gateway.Processed, Reference: strings.Join(strings.Fields(ref), " ")})
	case isReturned:
		reason, ok, err := h.reason(r, name, d)
		if err != nil {
			return err
		}
		if !ok {
			return h.extend(ctx, r, id, d)
		}
		return h.answer(ctx, r, id, d, gateway.Answer{Outcome: gateway.Returned, Reason: reason})
	}
	// Nowhere: it is just being moved between file systems, or was removed.
	if d.missing.IsZero() {
		d.missing = now
	}
	if now.Sub(d.missing) < h.o.Grace {
		return h.extend(ctx, r, id, d)
	}
	h.log.Warn("document left the hand-off without an answer, given back", zap.Stringer("submission", id))
	return h.answer(ctx, r, id, d, gateway.Answer{Outcome: gateway.Retry})
}

func lies(d *folder.Dir, name string) bool {
	m, err := d.Stat(name)
	return err == nil && m.Folder()
}

// extend keeps the lease alive; one that was lost takes the document back.
func (h *Handoff) extend(ctx context.Context, r *root, id spool.ID, d *held) error {
	if d.Until.Sub(h.o.Now()) > h.o.TTL/2 {
		return nil
	}
	until, err := h.o.Core.Extend(ctx, d.Lease, h.o.TTL)
	if errors.Is(err, gateway.ErrLease) {
		h.log.Warn("lease is over, document taken back from the hand-off", zap.Stringer("submission", id))
		return h.drop(r, id)
	}
	if err != nil {
		return err
	}
	d.Until = until
	return nil
}

// drop forgets a document without an answer.
func (h *Handoff) drop(r *root, id spool.ID) error {
	if err := h.takeBack(r, id.String()); err != nil {
		return err
	}
	return h.forget(r, id)
}

func (h *Handoff) forget(r *root, id spool.ID) error {
	if err := r.leases.Remove(id.String()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(h.held, id)
	return nil
}

func (h *Handoff) answer(ctx context.Context, r *root, id spool.ID, d *held, a gateway.Answer) error {
	err := h.o.Core.Answer(ctx, d.Lease, a)
	switch {
	case err == nil:
		d.answered = true
		return h.clean(r, id)
	case errors.Is(err, gateway.ErrLease):
		// orphans sees what has become of it.
		h.log.Warn("lease was over before the answer", zap.Stringer("submission", id), zap.String("outcome", string(a.Outcome)))
		return h.forget(r, id)
	case errors.Is(err, gateway.ErrAnswer):
		return h.disagree(r, id)
	}
	return err
}

// clean removes the folder of an answered document, then the record of its lease.
func (h *Handoff) clean(r *root, id spool.ID) error {
	name := id.String()
	for _, d := range []*folder.Dir{r.done, r.returned} {
		if err := d.RemoveAll(name, depth); err != nil {
			h.once("clean "+name, "folder of an answered document cannot be removed", zap.Stringer("submission", id), zap.Error(err))
			return nil
		}
	}
	return h.forget(r, id)
}

// disagree puts a folder that contradicts the answer given where people look.
func (h *Handoff) disagree(r *root, id spool.ID) error {
	h.log.Error("processor's folder contradicts the answer given before; moved to conflict", zap.Stringer("submission", id))
	to, err := r.top.Make(conflict, rootPerm)
	if err != nil {
		return err
	}
	defer to.Close()
	name := id.String()
	for _, d := range []*folder.Dir{r.done, r.returned} {
		if !lies(d, name) {
			continue
		}
		err := d.Rename(name, to, name)
		for i := 2; errors.Is(err, fs.ErrExist) && i < 100; i++ {
			err = d.Rename(name, to, fmt.Sprintf("%s.%d", name, i))
		}
		if err != nil {
			return err
		}
	}
	return h.forget(r, id)
}

// orphans looks at folders in done and returned whose lease was lost: one whose
// document has that very answer goes, one whose document has another goes to
// conflict, the others wait until their document is leased again.
func (h *Handoff) orphans(ctx context.Context, r *root) error {
	for _, d := range []struct {
		dir     *folder.Dir
		outcome gateway.Outcome
	}{{r.done, gateway.Processed}, {r.returned, gateway.Returned}} {
		names, err := d.dir.Names()
		if err != nil {
			return err
		}
		for _, n := range names {
			id, err := spool.ParseID(n)
			if err != nil || h.held[id] != nil {
				continue
			}
			sub, err := h.o.Core.Submission(ctx, id)
			if errors.Is(err, spool.ErrNotFound) {
				h.once("unknown "+n, "folder of a submission that is not known", zap.String("folder", n))
				continue
			}
			if err != nil {
				return err
			}
			switch gateway.Outcome(sub.State) {
			case d.outcome:
				if err := d.dir.RemoveAll(n, depth); err != nil {
					h.once("clean "+n, "folder of an answered document cannot be removed", zap.String("folder", n), zap.Error(err))
				}
			case gateway.Processed, gateway.Returned:
				if err := h.disagree(r, id); err != nil {
					return err
				}
			default:
				h.once("wait "+n, "folder waits until its document is leased again", zap.String("folder", n))
			}
		}
	}
	return nil
}

func (h *Handoff) once(key, msg string, fields ...zap.Field) {
	if len(h.said) > 10_000 {
		clear(h.said)
	}
	if !h.said[key] {
		h.said[key] = true
		h.log.Warn(msg, fields...)
	}
}

var errSmall = errors.New("larger than it may be")

func readSmall(d *folder.Dir, name string, most int64) ([]byte, error) {
	f, m, err := d.File(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if m.Size > most {
		return nil, fmt.Errorf("%s: %w", folder.Escape(name), errSmall)
	}
	return io.ReadAll(io.LimitReader(f, most))
}
