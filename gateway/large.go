package gateway

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/brama-gateway/brama/spool"
)

// A document beside its signatures is only ever read through, piece by piece. A
// container that carries its document has to be in memory whole to be parsed, and so
// has what comes out of it: unpacked, decrypted, or put together from pieces. That is
// bounded by letting the large ones in one after another, however many examine.

// largeContainer is the size in bytes from which on a container waits for its turn.
const largeContainer = 4 << 20

// large is the turn of large containers.
type large struct {
	turn chan struct{} // holds one while somebody has it

	mu      sync.Mutex
	waiting map[spool.ID]bool // submissions to examine when it is free
}

func newLarge() *large {
	return &large{turn: make(chan struct{}, 1), waiting: map[spool.ID]bool{}}
}

func hasLarge(parts []spool.Part) bool {
	for _, p := range parts {
		if (p.Role == RoleContainer || p.Role == RoleOpened) && p.Content.Size > largeContainer {
			return true
		}
	}
	return false
}

// leave gives the turn back, and the memory: the next one must not find it taken by
// what nobody uses any more.
func (l *large) leave() {
	debug.FreeOSMemory()
	<-l.turn
}

// enter waits until the parts may be read, which is at once where none is large. An
// error is that of ctx.
func (l *large) enter(ctx context.Context, parts ...spool.Part) (leave func(), err error) {
	if !hasLarge(parts) {
		return func() {}, nil
	}
	select {
	case l.turn <- struct{}{}:
		return l.leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enterOrWait is enter for an examination: instead of waiting it is queued again when
// the turn is free, and what is small goes on meanwhile.
func (g *Gateway) enterOrWait(id spool.ID, parts []spool.Part) (leave func(), ok bool) {
	if !hasLarge(parts) {
		return func() {}, true
	}
	select {
	case g.large.turn <- struct{}{}:
		return func() {
			g.large.leave()
			g.wakeLarge()
		}, true
	default:
	}
	g.large.mu.Lock()
	g.large.waiting[id] = true
	g.large.mu.Unlock()
	return nil, false
}

// wakeLarge queues one of those that wait, if the turn is free. The tick calls it too:
// the turn may have become free just before somebody began to wait, or others had it.
func (g *Gateway) wakeLarge() {
	if len(g.large.turn) > 0 {
		return
	}
	g.large.mu.Lock()
	defer g.large.mu.Unlock()
	var next spool.ID
	for id := range g.large.waiting {
		if next == 0 || id < next {
			next = id
		}
	}
	if next != 0 && g.enqueue(next) {
		delete(g.large.waiting, next)
	}
}
