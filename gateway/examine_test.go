package gateway_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// faulty is a reader with a fault of its own at the n-th call.
type faulty struct {
	io.ReaderAt
	calls *int
}

func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	if *f.calls--; *f.calls < 0 {
		panic("index out of range")
	}
	return f.ReaderAt.ReadAt(p, off)
}

// Wherever a parser panics, the answer is no.
func TestFaultIsNoYes(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	sig := r.Detached(doc, r.Head, r.Accountant)
	e := gatewaytest.Entry()
	examine := func(n int) (v gateway.Verdict, left int) {
		piece := func(name string, role spool.Role, b []byte) gateway.Piece {
			return gateway.Piece{Name: name, Role: role, Content: io.NewSectionReader(faulty{bytes.NewReader(b), &n}, 0, int64(len(b)))}
		}
		v, err := gateway.Examine(gateway.Case{
			Document: "P.DBF", Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(), Trust: r.Trust.Snapshot(), Profiles: profile.Builtin(),
			Pieces: []gateway.Piece{piece("P.DBF", gateway.RoleDocument, doc), piece("P.DBF.p7s", gateway.RoleSignature, sig)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return v, n
	}
	const enough = 10000
	v, left := examine(enough)
	if v.Outcome != gateway.Accepted {
		t.Fatalf("%+v", v.Findings)
	}
	for n := range enough - left {
		v, _ := examine(n)
		if v.Outcome != gateway.Rejected || len(v.Findings) == 0 {
			t.Errorf("fault at read %d: %s %+v", n, v.Outcome, v.Findings)
		}
	}
	// No trust store, no profiles, no entry, no pieces: never accepted, never a panic.
	for name, c := range map[string]gateway.Case{
		"nothing":  {},
		"no trust": {Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(), Profiles: profile.Builtin(), Pieces: []gateway.Piece{{Name: "x", Role: gateway.RoleContainer, Content: sectionOf(r.Signed(doc))}}},
		"no entry": {Received: r.Clock.Now(), At: r.Clock.Now(), Trust: r.Trust.Snapshot(), Profiles: profile.Builtin(), Pieces: []gateway.Piece{{Name: "x", Role: gateway.RoleContainer, Content: sectionOf(r.Signed(doc))}}},
		"no profiles": {
			Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(), Trust: r.Trust.Snapshot(), Profiles: &profile.Set{},
			Pieces: []gateway.Piece{{Name: "x", Role: gateway.RoleContainer, Content: sectionOf(r.Signed(doc))}},
		},
		"nil profiles": {
			Entry: &e, Received: r.Clock.Now(), At: r.Clock.Now(), Trust: r.Trust.Snapshot(),
			Pieces: []gateway.Piece{{Name: "x", Role: gateway.RoleContainer, Content: sectionOf(r.Signed(doc))}},
		},
	} {
		if v, err := gateway.Examine(c); v.Outcome == gateway.Accepted || err != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// A profile set that panics, in a core that runs: the file is answered, the
// daemon lives, and what comes after is taken.
func TestFaultInTheCore(t *testing.T) {
	t.Parallel()
	broken := true
	r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) {
		o.Profiles = func() *profile.Set {
			if broken {
				return nil
			}
			return profile.Builtin()
		}
	}})
	r.Send("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	if got := r.Receipt("P.DBF.p7s", 1); got.Outcome != gateway.Rejected {
		t.Errorf("%+v", got)
	}
	t.Logf("\n%s", r.Read("/receipts/P.DBF.p7s.receipt1.txt"))
	broken = false
	r.Send("Q.DBF.p7s", r.Signed(r.DBF(1, 1)))
	expect(t, r.Receipt("Q.DBF.p7s", 1), gateway.Accepted)
}

// What a crash, or a stop, left in each state goes on.
func TestRestart(t *testing.T) {
	r := stage(t)
	r.Trust.Store(r.People.Store())
	r.Send("later.DBF.p7s", r.Signed(r.DBF(5, 1))) // held: no list of revoked ones
	r.Trust.Store(r.People.Store(r.Fresh))
	accept(r, "leased.DBF.p7s", 1)
	l := r.LeaseOne()
	accept(r, "accepted.DBF.p7s", 2)
	doc := r.DBF(3, 1)
	r.Send("held.DBF", doc)
	r.Upload("received.DBF.p7s", r.Signed(r.DBF(4, 1)))
	r.Restart()
	r.Settle()
	for name, want := range map[string]spool.State{
		"later.DBF.p7s": gateway.StateAccepted, "leased.DBF.p7s": gateway.StateLeased, "accepted.DBF.p7s": gateway.StateAccepted,
		"held.DBF": gateway.StateHeld, "received.DBF.p7s": gateway.StateAccepted,
	} {
		if r.State(name) != want {
			t.Errorf("%s is %s, want %s", name, r.State(name), want)
		}
	}
	r.Answer(l, gateway.Answer{Outcome: gateway.Processed})
	r.Send("held.DBF.p7s", r.Detached(doc, r.Head, r.Accountant))
	expect(t, r.Receipt("held.DBF", 1), gateway.Accepted)
	if n := len(r.Lease(9)); n != 4 {
		t.Errorf("%d to process", n)
	}
	r.Advance(2 * time.Minute)
	r.Restart()
	r.Settle()
	if r.State("accepted.DBF.p7s") != gateway.StateAccepted {
		t.Error("a lease outlives the restart: ", r.State("accepted.DBF.p7s"))
	}
}
