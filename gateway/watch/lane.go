package watch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/folder"
)

const (
	writerPatience = 20                    // times Stable, for a file that somebody keeps open
	writerLook     = 50 * time.Millisecond // between looks at it
	passGap        = 25 * time.Millisecond // between passes, while events rain
)

// lane is one client's folder: its passes come one after the other, and nothing
// that is wrong with it touches another lane.
type lane struct {
	w     *Watch
	c     folder.Client
	wake  chan struct{}
	end   func()
	ended chan struct{}

	seen   map[string]*sight
	broken string // last error of the folder itself, logged once

	mu    sync.Mutex
	quiet time.Time // the core takes nothing before
	tries int       // how often it took nothing, in a row
}

// sight is what is remembered of a name between passes.
type sight struct {
	mark  folder.Mark
	since time.Time // the mark was first seen
	whole bool
	sum   string // SHA-256 of what has this mark; empty until read

	tries     int
	notBefore time.Time

	answered uint64 // inode that was refused, logged or noted once
}

func (w *Watch) lane(c folder.Client) *lane {
	return &lane{w: w, c: c, wake: make(chan struct{}, 1), ended: make(chan struct{}), seen: map[string]*sight{}}
}

func (l *lane) hint() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) log() *zap.Logger { return l.w.log.With(zap.String("client", string(l.c.ID))) }

func (l *lane) run(ctx context.Context) {
	for {
		next := l.pass(ctx)
		timer := time.NewTimer(passGap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		var due <-chan time.Time
		if !next.IsZero() {
			timer.Reset(max(next.Sub(l.w.o.Now()), 0))
			due = timer.C
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.wake:
		case <-due:
		}
		timer.Stop()
	}
}

// pass takes what is ripe and returns when something else will be; zero: unknown.
func (l *lane) pass(ctx context.Context) (next time.Time) {
	in, err := l.open()
	if err != nil {
		if l.broken != err.Error() {
			l.broken = err.Error()
			l.log().Error("watched folder cannot be read; it is tried again at every rescan", zap.Error(err))
		}
		return time.Time{}
	}
	defer in.Close()
	l.broken = ""

	names, err := in.Names()
	if err != nil {
		l.log().Error("watched folder cannot be listed", zap.Error(err))
		return time.Time{}
	}
	if len(names) == folder.MaxNames {
		l.log().Warn("watched folder holds more files than one pass looks at", zap.Int("files", len(names)))
	}
	now := l.w.o.Now()
	l.mu.Lock()
	quiet := l.quiet
	l.mu.Unlock()
	if quiet.After(now) {
		return quiet
	}
	soonest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}

	here := make(map[string]*sight, len(names))
	var ripe []string
	for _, name := range names {
		if strings.HasPrefix(name, folder.TakenPrefix) {
			err := l.restore(ctx, in, name)
			if old := l.seen[name]; err != nil && old != nil {
				here[name] = old
			} else if err != nil {
				here[name] = &sight{since: now}
				l.log().Warn("file whose removal was broken off", zap.String("name", folder.Escape(name)), zap.Error(err))
			}
			continue
		}
		if strings.HasPrefix(name, folder.HiddenPrefix) || l.w.o.Temporary(name) {
			continue
		}
		m, err := in.Stat(name)
		if err != nil {
			continue // gone meanwhile
		}
		s := l.look(in, name, m, now)
		here[name] = s
		if s.answered == m.Ino {
			continue
		}
		if !in.Plain(m) {
			s.answered = m.Ino
			l.log().Warn("not a plain file, left where it is",
				zap.String("name", folder.Escape(name)), zap.String("is", m.Kind()))
			continue
		}
		if due := l.ripens(s); due.After(now) {
			soonest(due)
			continue
		}
		ripe = append(ripe, name)
	}
	l.seen = here

	l.takeAll(ctx, in, l.order(ripe))
	for _, name := range ripe {
		if s := here[name]; s.notBefore.After(now) {
			soonest(s.notBefore)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quiet.After(now) {
		return l.quiet
	}
	return next
}

// open makes what is absent of the client's folder and opens its inbox.
func (l *lane) open() (*folder.Dir, error) {
	dir, err := folder.Tree(l.c.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	in, err := dir.Sub(folder.Inbox)
	if err != nil {
		return nil, err
	}
	l.w.mu.Lock()
	h := l.w.hints
	l.w.mu.Unlock()
	if h != nil {
		// Every time: whoever may write beside the inbox can replace it, and then
		// the events of the old one mean nothing.
		if err := h.Add(filepath.Join(l.c.Dir, folder.Inbox)); err != nil {
			l.log().Debug("no events from this folder, it is only rescanned", zap.Error(err))
		}
	}
	return in, nil
}

// look keeps the sight of name as long as its mark stays.
func (l *lane) look(in *folder.Dir, name string, m folder.Mark, now time.Time) *sight {
	s := l.seen[name]
	if s != nil && s.mark == m {
		return s
	}
	n := &sight{mark: m, since: now}
	if s != nil && s.mark.Ino == m.Ino {
		n.answered = s.answered
	}
	if in.Plain(m) && (l.c.Max == 0 || m.Size <= l.c.Max) && m.Size > 0 {
		n.whole = l.whole(in, name, m)
	}
	return n
}

func (l *lane) whole(in *folder.Dir, name string, m folder.Mark) bool {
	f, opened, err := in.File(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, min(m.Size, 512))
	if _, err := io.ReadFull(f, head); err != nil || opened != m {
		return false
	}
	return l.w.o.Whole(head, m.Size)
}

// ripens is the time from which a file may be taken, if it stays as it is.
func (l *lane) ripens(s *sight) time.Time {
	wait := l.w.o.Stable
	if s.whole {
		wait = min(wait, l.w.o.Grain)
	}
	if t := s.since.Add(wait); t.After(s.notBefore) {
		return t
	}
	return s.notBefore
}

// order puts the ripe names into groups: the oldest first, a document and its
// signatures in one group, the document first.
func (l *lane) order(ripe []string) [][]string {
	there := make(map[string]bool, len(ripe))
	for _, n := range ripe {
		there[n] = true
	}
	root := func(name string) string {
		for range 8 { // a signature of a signature ... somewhere it ends
			doc, ok := l.w.o.Signature(name)
			if !ok || !there[doc] {
				break
			}
			name = doc
		}
		return name
	}
	groups := map[string][]string{}
	for _, n := range ripe {
		groups[root(n)] = append(groups[root(n)], n)
	}
	var out [][]string
	for r, g := range groups {
		slices.SortFunc(g, func(a, b string) int {
			if (a == r) != (b == r) {
				return map[bool]int{true: -1, false: 1}[a == r]
			}
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		})
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b []string) int {
		x, y := l.seen[a[0]].mark, l.seen[b[0]].mark
		return cmp.Or(cmp.Compare(x.Mtime, y.Mtime), cmp.Compare(a[0], b[0]))
	})
	return out
}

// takeAll takes the groups, several at once, in the order in which they begin.
func (l *lane) takeAll(ctx context.Context, in *folder.Dir, groups [][]string) {
	var wg sync.WaitGroup
	defer wg.Wait()
	mine := make(chan struct{}, l.w.o.PerClient)
	for _, g := range groups {
		mine <- struct{}{}
		select {
		case l.w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if l.resting() || ctx.Err() != nil {
			<-l.w.slots
			return
		}
		wg.Go(func() {
			defer func() { <-l.w.slots; <-mine }()
			for _, name := range g {
				if !l.settle(ctx, in, name, l.seen[name]) {
					return
				}
			}
		})
	}
}

func (l *lane) resting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quiet.After(l.w.o.Now())
}

// settle takes one file and decides by the error what comes next; false: the
// rest of its group waits too.
func (l *lane) settle(ctx context.Context, in *folder.Dir, name string, s *sight) bool {
	err := l.take(ctx, in, name, s)
	now := l.w.o.Now()
	log := l.log().With(zap.String("name", folder.Escape(name)))
	switch {
	case err == nil:
		l.mu.Lock()
		l.tries, l.quiet = 0, time.Time{}
		l.mu.Unlock()
		if err := l.unnote(name); err != nil {
			log.Warn("note about the file that has been taken now stays", zap.Error(err))
		}
		return true
	case errors.Is(err, fs.ErrNotExist):
		return true // the client took it back
	case errors.Is(err, errOpen):
		s.notBefore = now.Add(writerLook)
		return false
	case errors.Is(err, errChanged), errors.Is(err, folder.ErrChanged), errors.Is(err, folder.ErrIrregular):
		// The next pass sees what it has become.
		s.notBefore = now.Add(l.w.o.Grain)
		log.Debug("changed while it was being copied, tried again", zap.Error(err))
		return false
	case ctx.Err() != nil:
		return false
	case refusal(err) != nil:
		if nerr := l.note(name, s.mark, refusal(err)); nerr != nil {
			log.Error("note about a refused file", zap.Error(nerr))
			s.notBefore = now.Add(backOff(s.tries))
			s.tries++
			return true
		}
		s.answered = s.mark.Ino
		log.Warn("file refused, left where it is", zap.Error(err))
		return true
	case stopping(err):
		l.mu.Lock()
		l.quiet = now.Add(backOff(l.tries))
		l.tries++
		tries := l.tries
		l.mu.Unlock()
		if tries&(tries-1) == 0 { // 1st, 2nd, 4th, 8th ... time
			log.Warn("nothing is taken now, tried again later", zap.Error(err), zap.Int("tries", tries))
		}
		return false
	}
	s.notBefore = now.Add(backOff(s.tries))
	s.tries++
	if errors.Is(err, fs.ErrPermission) && s.tries == 1 {
		// The client can mend that, and then the mark changes.
		if nerr := l.note(name, s.mark, &forbidden); nerr != nil {
			log.Error("note about a file that may not be read", zap.Error(nerr))
		}
	}
	if s.tries&(s.tries-1) == 0 {
		log.Warn("file not taken, tried again later", zap.Error(err), zap.Int("tries", s.tries))
	}
	return false
}

// backOff grows from one second to a minute.
func backOff(tries int) time.Duration {
	return min(time.Second<<min(tries, 6), time.Minute)
}
