package handoff

import (
	"context"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
)

func (c *core) GiveBack(_ context.Context, token string) error {
	if !c.alive(token) {
		return gateway.ErrLease
	}
	c.subs[c.lease[token]].State, c.until[token] = "accepted", time.Time{}
	return nil
}

// A processor on the socket goes first: what lies untouched is given back at its
// question, and nothing new is laid out until it has long been silent.
func TestYield(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.core.add(doc + 1)
	r.pass()
	r.move(doc+1, done) // the processor of files has this one

	r.h.Yield(t.Context())
	if r.here(ready, doc.String()) || r.core.subs[doc].State != "accepted" {
		t.Errorf("not given back: %s", r.core.subs[doc].State)
	}
	r.pass()
	if r.core.subs[doc+1].State != "processed" {
		t.Errorf("what was done is %s", r.core.subs[doc+1].State)
	}
	if r.here(ready, doc.String()) {
		t.Error("laid out again while somebody asks on the socket")
	}
	r.step(yields + time.Second)
	if !r.here(ready, doc.String()) {
		t.Error("not laid out after the socket has been silent")
	}
}

// What the processor holds somewhere of its own is not taken from it.
func TestYieldLeavesWhatIsMoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.core.add(doc)
	r.pass()
	r.file("", "work", "x")
	r.move(doc, "work")
	r.h.Yield(t.Context())
	if r.core.subs[doc].State != "leased" {
		t.Errorf("given to another while it is worked on: %s", r.core.subs[doc].State)
	}
}
