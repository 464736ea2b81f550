// Package watch is the folder entrance: what a client puts into the inbox of its
// watched folder is taken as if it had come over SFTP.
//
// # What a pass does
//
// A pass lists one inbox and takes what is ripe. Passes are the truth: there is
// one at the start, one every Rescan, one after lost events. Events of the file
// system are only hints that a pass may be worth while now; on network shares
// there are none (fsnotify issues 9, 90, 306, 408).
//
// A file is ripe when its [folder.Mark] (size, times, inode) has not changed for
// Stable; a container that is whole by its own word (Whole) need not lie that
// long, only for Grain, the coarseness of file times, so that a write during the
// copy shows in them. While another process has the file open for writing it is
// left alone, up to 20 times Stable: some programs never close.
//
// # What a take does
//
// Open without following links, look at what was opened, read it once for its
// hash, copy it into an upload, and compare the second hash and the mark with
// the first: what changed meanwhile is interrupted and tried again later. Only
// when Upload.Close has returned nil is the file removed, and only that very
// file (folder.Dir.Take). A crash between the two leaves a file that was taken: the
// core is asked (Known) before each take, by the hash and the time of the
// file's last change, which nobody but the kernel sets.
//
// What is not a plain file is logged once and left. What can never be taken (its
// name, its size) is answered once by a note in receipts and left.
package watch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/folder"
)

// Memory is what the core remembers of earlier takes.
type Memory interface {
	// Known says whether the file name of these bytes, lower-case hex of their
	// SHA-256 and size in bytes, was durably taken from the client at or after
	// since. An older take of the same bytes does not count: that is a second
	// submission, which is answered as a duplicate.
	Known(ctx context.Context, id client.ID, name, sha256 string, size int64, since time.Time) (bool, error)
}

// Options of a Watch. Desk, Known and Clients are required.
type Options struct {
	// Clients is asked at every rescan whose folders are watched.
	Clients func() []folder.Client
	// Desk is the client's side of the counter, with the folder as its origin.
	Desk  func(client.ID) gateway.Desk
	Known Memory

	// Whole says whether a file is complete by its own word: the length in its
	// outermost DER header agrees with its size. head is its beginning, up to
	// 512 bytes. nil: never.
	Whole func(head []byte, size int64) bool
	// Temporary says whether a file of the name waits for its rename. nil: names
	// that begin with a dot.
	Temporary func(name string) bool
	// Signature gives the name of the document that a file of the name signs, by
	// its name alone, which only orders the takes. nil: without .p7s or .sig.
	Signature func(name string) (document string, ok bool)

	Stable    time.Duration // how long a file must lie unchanged; 0: 500 ms
	Grain     time.Duration // coarseness of file times; 0: 20 ms
	Rescan    time.Duration // 0: 5 s
	Parallel  int           // takes at once; 0: 8
	PerClient int           // takes at once from one client; 0: half of Parallel

	Now func() time.Time // nil: time.Now
	Log *zap.Logger      // nil: silent

	// Tests change these.
	hints func() (hints, error)
	chunk int64 // bytes read at once
}

// Watch watches the folders of clients. Make it with New.
type Watch struct {
	o     Options
	log   *zap.Logger
	slots chan struct{}

	mu    sync.Mutex
	hints hints
}

// New checks the options; Run does the work.
func New(o Options) (*Watch, error) {
	if o.Clients == nil || o.Desk == nil || o.Known == nil {
		return nil, errors.New("watch: clients, desk and memory of the core are required")
	}
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&o.Stable, 500*time.Millisecond)
	set(&o.Grain, 20*time.Millisecond)
	set(&o.Rescan, 5*time.Second)
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.PerClient <= 0 {
		o.PerClient = max(o.Parallel/2, 1)
	}
	if o.Whole == nil {
		o.Whole = func([]byte, int64) bool { return false }
	}
	if o.Temporary == nil {
		o.Temporary = func(name string) bool { return strings.HasPrefix(name, ".") }
	}
	if o.Signature == nil {
		o.Signature = signs
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.chunk == 0 {
		o.chunk = 256 << 10
	}
	if o.hints == nil {
		o.hints = newInotify
	}
	return &Watch{o: o, log: o.Log, slots: make(chan struct{}, o.Parallel)}, nil
}

func signs(name string) (string, bool) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".p7s", ".sig":
		return name[:len(name)-len(ext)], len(name) > len(ext)
	}
	return "", false
}

// Run watches until ctx ends, and then returns nil when every take that had
// begun has ended. A folder that cannot be read is logged and tried again.
func (w *Watch) Run(ctx context.Context) error {
	h, err := w.o.hints()
	if err != nil {
		w.log.Warn("no events from folders, they are only rescanned", zap.Error(err), zap.Duration("rescan", w.o.Rescan))
		h = noHints{}
	}
	w.mu.Lock()
	w.hints = h
	w.mu.Unlock()

	lanes := map[string]*lane{} // by folder
	var all sync.WaitGroup
	defer all.Wait()
	defer h.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	tick := time.NewTicker(w.o.Rescan)
	defer tick.Stop()
	for {
		w.admit(ctx, lanes, &all)
		for _, l := range lanes {
			l.hint()
		}
	hinted:
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				break hinted
			case dir := <-h.Hints():
				if l := lanes[filepath.Dir(dir)]; l != nil {
					l.hint()
				}
			case err := <-h.Lost():
				w.log.Warn("events from folders were lost, rescanning all", zap.Error(err))
				break hinted
			}
		}
	}
}

// admit starts lanes for new clients and ends those of clients that went.
func (w *Watch) admit(ctx context.Context, lanes map[string]*lane, all *sync.WaitGroup) {
	now := map[string]folder.Client{}
	for _, c := range w.o.Clients() {
		c.Dir = filepath.Clean(c.Dir)
		now[c.Dir] = c
	}
	for dir, l := range lanes {
		if now[dir] != l.c {
			l.end()
			<-l.ended // two lanes must not take from one folder
			h := w.hints
			h.Remove(filepath.Join(dir, folder.Inbox))
			delete(lanes, dir)
		}
	}
	for dir, c := range now {
		if lanes[dir] != nil {
			continue
		}
		l := w.lane(c)
		lctx, end := context.WithCancel(ctx)
		l.end = end
		lanes[dir] = l
		all.Go(func() {
			defer close(l.ended)
			defer end()
			l.run(lctx)
		})
	}
}

// hints tell that something happened in a folder. They may be late, doubled or
// missing.
type hints interface {
	Add(dir string) error
	Remove(dir string)
	Hints() <-chan string // the folder
	Lost() <-chan error   // after which any folder may have changed
	Close()
}

type noHints struct{}

func (noHints) Add(string) error     { return nil }
func (noHints) Remove(string)        {}
func (noHints) Hints() <-chan string { return nil }
func (noHints) Lost() <-chan error   { return nil }
func (noHints) Close()               {}

type inotify struct {
	w    *fsnotify.Watcher
	dirs chan string
	lost chan error
	done chan struct{}
}

func newInotify() (hints, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("file events: %w", err)
	}
	n := &inotify{w, make(chan string), make(chan error), make(chan struct{})}
	go n.run()
	return n, nil
}

func (n *inotify) run() {
	for {
		select {
		case <-n.done:
			return
		case e, ok := <-n.w.Events:
			if !ok {
				return
			}
			// A file that went needs no pass; our own removals are of that kind.
			if e.Op == fsnotify.Remove || e.Op == fsnotify.Rename || strings.HasPrefix(filepath.Base(e.Name), folder.TakenPrefix) {
				continue
			}
			select {
			case n.dirs <- filepath.Dir(e.Name):
			case <-n.done:
				return
			}
		case err, ok := <-n.w.Errors:
			if !ok {
				return
			}
			select {
			case n.lost <- err:
			case <-n.done:
				return
			}
		}
	}
}

func (n *inotify) Add(dir string) error { return n.w.Add(dir) }
func (n *inotify) Remove(dir string)    { _ = n.w.Remove(dir) } // gone already is as good
func (n *inotify) Hints() <-chan string { return n.dirs }
func (n *inotify) Lost() <-chan error   { return n.lost }
func (n *inotify) Close()               { close(n.done); n.w.Close() }
