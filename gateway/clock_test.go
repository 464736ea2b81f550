package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// The clock of the machine is set back or forward while documents wait, are leased and
// answered, and is set right again: every document has one final answer, ids are of
// their own, statements are numbered without gaps, the journal goes on in its order.
// The seam is gateway.Options.Now: what timers of the process count is not the clock.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-time.Second, -time.Hour, -25 * time.Hour, -365 * 24 * time.Hour, time.Hour, 25 * time.Hour, 365 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			r := gatewaytest.New(t, gatewaytest.Setup{})
			statement := func(n int) {
				t.Helper()
				id, err := r.Gateway.PutStatement(r.Ctx(), "demo", gateway.Outgoing{
					Key: fmt.Sprint(n), Name: fmt.Sprintf("s%d.txt", n), Content: strings.NewReader("виписка"),
				})
				if err != nil {
					t.Fatal(err)
				}
				err = r.Store.View(r.Ctx(), func(rd spool.Reader) error {
					it, err := rd.Item(id)
					if want := fmt.Sprintf("%06d", n); it.Label != want {
						t.Errorf("statement %d has number %s", n, it.Label)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			due := func() {
				t.Helper()
				if err := r.Gateway.Due(r.Ctx()); err != nil {
					t.Fatal(err)
				}
				r.Settle()
			}
			for n, name := range []string{"A.DBF.p7s", "B.DBF.p7s", "C.DBF.p7s"} {
				r.Send(name, r.Signed(r.DBF(10*n+1, 2)))
			}
			statement(1)
			a := r.LeaseOne()

			r.Advance(jump)
			statement(2)
			err := r.Gateway.Answer(r.Ctx(), a.Token, gateway.Answer{Outcome: gateway.Processed})
			if err != nil { // nobody has taken it back: the token still fences
				t.Errorf("the answer under a lease that was out: %v", err)
			}
			if err := r.Gateway.Answer(r.Ctx(), a.Token, gateway.Answer{Outcome: gateway.Returned, Reason: "x"}); !errors.Is(err, gateway.ErrAnswer) {
				t.Errorf("another answer: %v", err)
			}
			b := r.LeaseOne() // by the wrong clock; whoever has it goes away
			due()

			r.Advance(-jump)
			statement(3)
			due()
			r.Advance(24*time.Hour + time.Minute) // the longest lease that anybody may ask for
			due()
			r.Advance(2 * time.Hour) // and the longest delay
			for tries := 0; tries < 3; tries++ {
				for _, l := range r.Lease(10) {
					r.Answer(l, gateway.Answer{Outcome: gateway.Processed})
				}
			}
			if err := r.Gateway.Answer(r.Ctx(), b.Token, gateway.Answer{Outcome: gateway.Returned, Reason: "x"}); err == nil {
				t.Error("a late answer contradicts the one given, and is taken")
			}

			answered := map[spool.ID]int{}
			ids := map[spool.ID]bool{}
			err = r.Store.View(r.Ctx(), func(rd spool.Reader) error {
				events, err := rd.Events(0, 1000)
				for i, e := range events {
					if e.Seq != int64(i+1) || ids[e.ID] {
						t.Errorf("record %d has number %d, id %s", i+1, e.Seq, e.ID)
					}
					if e.Kind == "answered" {
						answered[e.Item]++
					}
					ids[e.ID] = true
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"A.DBF.p7s", "B.DBF.p7s", "C.DBF.p7s"} {
				items := r.Items(name)
				if len(items) != 1 || items[0].State != gateway.StateProcessed || answered[items[0].ID] != 1 {
					t.Errorf("%s: %d submissions, the first is %s", name, len(items), r.State(name))
				}
			}
		})
	}
}
