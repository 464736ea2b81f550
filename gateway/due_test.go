package gateway_test

import (
	"context"
	"errors"
	"testing"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// full is a store whose changes are refused while it is full.
type full struct {
	spool.Store
	now *bool
}

func (f full) Update(ctx context.Context, change func(spool.Tx) error) error {
	if *f.now {
		return spool.ErrFull
	}
	return f.Store.Update(ctx, change)
}

// What was held and could be decided, when the store had no room for the verdict, is
// decided as soon as it has: not at the deadline.
func TestHeldIsTriedAgain(t *testing.T) {
	t.Parallel()
	var now bool
	r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) { o.Store = full{o.Store, &now} }})
	known := r.Trust.Load()
	r.Trust.Store(r.People.Store())
	r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	if s := r.State("P.DBF.p7s"); s != gateway.StateHeld {
		t.Fatal(s)
	}
	r.Trust.Store(known)
	if err := r.Gateway.Recheck(r.Ctx()); err != nil {
		t.Fatal(err)
	}
	now = true
	for range 3 {
		if err := r.Gateway.Work(r.Ctx()); !errors.Is(err, spool.ErrFull) {
			t.Fatal(err)
		}
	}
	now = false
	r.Settle()
	expect(t, r.Receipt("P.DBF.p7s", 1), gateway.Accepted)
}
