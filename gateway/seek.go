package gateway

import (
	"time"

	"github.com/brama-gateway/brama/spool"
)

// seekingTime bounds how long a new document waits quietly for evidence that is being
// fetched, before its client is told that it is held.
const seekingTime = 30 * time.Second

// seek has what an examination missed fetched. True means that the verdict has to wait
// a moment: the document stays as it is and is examined again when the fetching has
// ended. One that is held already stays held; it too is examined when evidence comes.
func (g *Gateway) seek(it spool.Item, v *Verdict) bool {
	s, ok := g.Trust.(Seeker)
	if !ok || v.Outcome != Held || len(v.missing) == 0 {
		return false
	}
	id := it.ID
	waits := it.State == StateReceived
	g.mu.Lock()
	if _, again := g.sought[id]; again {
		waits = false // once is enough
	}
	if waits {
		g.sought[id] = g.Now().Add(seekingTime)
	}
	g.mu.Unlock()
	sought := s.Seek(id.String(), v.missing, func() { g.found(id) })
	if waits && !sought {
		g.mu.Lock()
		delete(g.sought, id)
		g.mu.Unlock()
	}
	return waits && sought
}

// found has a submission examined again.
func (g *Gateway) found(id spool.ID) {
	g.mu.Lock()
	if _, ok := g.sought[id]; ok {
		g.sought[id] = time.Time{} // its time is over
	}
	g.mu.Unlock()
	g.enqueue(id)
}
