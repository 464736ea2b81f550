package handoff

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
)

// A processor that speaks the protocol goes before one that knows only files:
// where both are configured, documents lie in ready only while nobody asks for
// them on the socket.

// yields is how long after a question on the socket the folder stays back: longer
// than the longest wait of a question, so that a processor that asks again and
// again is never overtaken.
const yields = 2 * time.Minute

// giver is a Core that can take a lease back as if it had not been given.
type giver interface {
	GiveBack(ctx context.Context, token string) error
}

// Yield is called when a processor asks for work on the socket. What lies in ready
// untouched is withdrawn and given back, for the one who asks.
func (h *Handoff) Yield(ctx context.Context) {
	h.asked.Store(h.o.Now().UnixNano())
	if cancel := h.waiting.Load(); cancel != nil {
		(*cancel)()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == 0 {
		return
	}
	if err := h.withdraw(ctx); err != nil && ctx.Err() == nil {
		h.log.Warn("documents not given back for the processor on the socket", zap.Error(err))
	}
}

// yielding says whether somebody asks on the socket.
func (h *Handoff) yielding() bool {
	at := h.asked.Load()
	return at != 0 && h.o.Now().Sub(time.Unix(0, at)) < yields
}

// withdraw gives back what nobody has moved yet.
func (h *Handoff) withdraw(ctx context.Context) error {
	core, ok := h.o.Core.(giver)
	if !ok {
		return nil
	}
	r, closeAll, err := h.open()
	defer closeAll()
	if err != nil {
		return err
	}
	var errs []error
	for id, d := range h.held {
		name := id.String()
		if d.answered || lies(r.done, name) || lies(r.returned, name) {
			continue
		}
		lay, err := h.takeAway(r, name)
		if err != nil || !lay { // moved already: it is being worked on
			errs = append(errs, err)
			continue
		}
		if err := core.GiveBack(ctx, d.Lease); err != nil && !errors.Is(err, gateway.ErrLease) {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, h.forget(r, id))
	}
	return errors.Join(errs...)
}
