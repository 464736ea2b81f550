package gateway_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// accept sends a payment file and has it accepted.
func accept(r *gatewaytest.Rig, name string, first int) spool.ID {
	r.Helper()
	r.Send(name, r.Signed(r.DBF(first, 1)))
	items := r.Items(name)
	it := items[len(items)-1]
	if it.State != gateway.StateAccepted {
		r.Fatalf("%s is %s: %s", name, it.State, r.Read("/receipts/"+it.Label+".receipt1.txt"))
	}
	return it.ID
}

func TestLeaseIsFirstInFirstOut(t *testing.T) {
	r := stage(t)
	var want []spool.ID
	for i, n := range []string{"A.DBF.p7s", "B.DBF.p7s", "C.DBF.p7s"} {
		want = append(want, accept(r, n, i+1))
	}
	var got []spool.ID
	for _, l := range append(r.Lease(2), r.Lease(5)...) {
		got = append(got, l.Submission.ID)
		if l.Submission.State != gateway.StateLeased || l.Submission.Attempts != 1 || len(l.Submission.Entries) != 1 || len(l.Submission.Signers) != 2 ||
			l.Submission.EDRPOU != sample.DemoPayer().EDRPOU || l.Submission.Profile.Name == "" || !l.Until.Equal(r.Clock.Now().Add(time.Minute)) {
			t.Errorf("%+v", l)
		}
	}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLeaseIsFair(t *testing.T) {
	r := stage(t)
	e := gatewaytest.Entry()
	e.ID = "other"
	r.Apply(e)
	for i := range 3 {
		accept(r, string(rune('A'+i))+".DBF.p7s", i+1)
	}
	r.Client = "other"
	accept(r, "Z.DBF.p7s", 9)
	if l := r.Lease(2); l[0].Submission.Client != "demo" || l[1].Submission.Client != "other" {
		t.Errorf("a client with much keeps another waiting: %v, %v", l[0].Submission.Client, l[1].Submission.Client)
	}
}

func TestLeaseRunsOut(t *testing.T) {
	r := stage(t)
	id := accept(r, "A.DBF.p7s", 1)
	for attempt := 1; attempt <= 3; attempt++ {
		l := r.LeaseOne()
		if l.Submission.Attempts != attempt {
			t.Errorf("attempt %d, want %d", l.Submission.Attempts, attempt)
		}
		r.Advance(time.Minute - time.Second)
		r.Settle()
		if r.State("A.DBF.p7s") != gateway.StateLeased {
			t.Fatal("taken away too early")
		}
		r.Advance(time.Second)
		r.Settle()
		if r.State("A.DBF.p7s") != gateway.StateAccepted {
			t.Fatal(r.State("A.DBF.p7s"))
		}
		if err := r.Gateway.Answer(r.Ctx(), l.Token, gateway.Answer{Outcome: gateway.Processed}); !errors.Is(err, gateway.ErrLease) {
			t.Errorf("answer after the end of the lease: %v", err)
		}
		if _, err := r.Gateway.Extend(r.Ctx(), l.Token, time.Minute); !errors.Is(err, gateway.ErrLease) {
			t.Errorf("extend after the end of the lease: %v", err)
		}
		delay := 10 * time.Second << (attempt - 1)
		r.Advance(delay - time.Second)
		if len(r.Lease(1)) != 0 {
			t.Errorf("given out before %v", delay)
		}
		r.Advance(time.Second)
	}
	l := r.LeaseOne()
	if l.Submission.ID != id {
		t.Error(l)
	}
	r.Answer(l, gateway.Answer{Outcome: gateway.Processed})
	if r.State("A.DBF.p7s") != gateway.StateProcessed {
		t.Error(r.State("A.DBF.p7s"))
	}
}

// unread is a store in which the parts of one item cannot be read.
type unread struct {
	spool.Store
	id spool.ID
}

func (u unread) View(ctx context.Context, read func(spool.Reader) error) error {
	return u.Store.View(ctx, func(r spool.Reader) error { return read(unreadParts{r, u.id}) })
}

type unreadParts struct {
	spool.Reader
	id spool.ID
}

func (u unreadParts) Parts(id spool.ID) ([]spool.Part, error) {
	if id == u.id {
		return nil, syscall.EIO
	}
	return u.Reader.Parts(id)
}

// TestLeaseUnread: a submission that cannot be read holds up neither the others nor,
// for the length of a lease that nobody has, itself.
func TestLeaseUnread(t *testing.T) {
	r := stage(t)
	id := accept(r, "A.DBF.p7s", 1)
	other := accept(r, "B.DBF.p7s", 2)
	store := r.Gateway.Store
	r.Gateway.Store = unread{store, id}
	if l := r.Lease(2); len(l) != 1 || l[0].Submission.ID != other {
		t.Fatalf("leased %v", l)
	}
	r.Gateway.Store = store
	if s := r.State("A.DBF.p7s"); s != gateway.StateAccepted {
		t.Errorf("unread, it is %s", s)
	}
	if l := r.Lease(1); len(l) != 0 {
		t.Errorf("leased again at once: %v", l)
	}
	r.Advance(10 * time.Second)
	if l := r.LeaseOne(); l.Submission.ID != id || l.Submission.Attempts != 2 {
		t.Errorf("leased %s in attempt %d", l.Submission.ID, l.Submission.Attempts)
	}
}

func TestExtend(t *testing.T) {
	r := stage(t)
	accept(r, "A.DBF.p7s", 1)
	l := r.LeaseOne()
	r.Advance(50 * time.Second)
	until, err := r.Gateway.Extend(r.Ctx(), l.Token, time.Minute)
	if err != nil || !until.Equal(r.Clock.Now().Add(time.Minute)) {
		t.Fatal(until, err)
	}
	r.Advance(59 * time.Second)
	r.Settle()
	if r.State("A.DBF.p7s") != gateway.StateLeased {
		t.Error(r.State("A.DBF.p7s"))
	}
	for _, token := range []string{"", "x", strings.Repeat("a", 32)} {
		if _, err := r.Gateway.Extend(r.Ctx(), token, time.Minute); !errors.Is(err, gateway.ErrLease) {
			t.Errorf("%q: %v", token, err)
		}
		if err := r.Gateway.Answer(r.Ctx(), token, gateway.Answer{Outcome: gateway.Processed}); !errors.Is(err, gateway.ErrLease) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	r := stage(t)
	accept(r, "A.DBF.p7s", 1)
	l := r.LeaseOne()
	for _, a := range []gateway.Answer{
		{},
		{Outcome: gateway.Accepted},
		{Outcome: gateway.Returned},
		{Outcome: gateway.Returned, Reason: " "},
		{Outcome: gateway.Dead},
		{Outcome: gateway.Processed, Reason: strings.Repeat("x", 2001)},
		{Outcome: gateway.Processed, Reference: strings.Repeat("x", 201)},
	} {
		if err := r.Gateway.Answer(r.Ctx(), l.Token, a); !errors.Is(err, gateway.ErrAnswerForm) {
			t.Errorf("%+v: %v", a.Outcome, err)
		}
	}
	a := gateway.Answer{Outcome: gateway.Processed, Reference: "К-1"}
	var wg sync.WaitGroup
	for range 4 { // the same word, said several times at once
		wg.Go(func() {
			if err := r.Gateway.Answer(r.Ctx(), l.Token, a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := r.Read("/receipts/A.DBF.p7s.receipt2.json")
	r.Advance(time.Hour)
	r.Answer(l, a)
	if string(first) != string(r.Read("/receipts/A.DBF.p7s.receipt2.json")) {
		t.Error("receipt 2 was written anew")
	}
	a.Reference = "К-2"
	if err := r.Gateway.Answer(r.Ctx(), l.Token, a); !errors.Is(err, gateway.ErrAnswer) {
		t.Errorf("another answer: %v", err)
	}
	r.Restart()
	if err := r.Gateway.Answer(r.Ctx(), l.Token, a); !errors.Is(err, gateway.ErrAnswer) {
		t.Errorf("another answer after a restart: %v", err)
	}
	a.Reference = "К-1"
	r.Answer(l, a)
	r.Advance(20 * 24 * time.Hour)
	if err := r.Gateway.Retain(r.Ctx(), time.Hour, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := r.Gateway.Answer(r.Ctx(), l.Token, a); !errors.Is(err, gateway.ErrLease) {
		t.Errorf("long after: %v", err)
	}
	err := r.Store.View(r.Ctx(), func(rd spool.Reader) error {
		v, err := rd.Values("answer/" + gatewaytest.Begin.Format(time.DateOnly))
		if len(v) != 0 {
			t.Error("answers are remembered for ever")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRetryAndDead(t *testing.T) {
	r := stage(t)
	id := accept(r, "A.DBF.p7s", 1)
	l := r.LeaseOne()
	a := gateway.Answer{Outcome: gateway.Retry, Reason: "АСУ недоступна"}
	r.Answer(l, a)
	r.Answer(l, a)
	if r.State("A.DBF.p7s") != gateway.StateAccepted || len(r.Lease(1)) != 0 {
		t.Error("not given back with a delay")
	}
	r.Advance(10 * time.Second)
	l = r.LeaseOne()
	r.Answer(l, gateway.Answer{Outcome: gateway.Dead, Reason: "не читається"})
	if r.State("A.DBF.p7s") != gateway.StateDead || len(r.Lease(1)) != 0 || r.Has("/receipts/A.DBF.p7s.receipt2.json") {
		t.Error("dead is no answer to the client")
	}
	r.Send("B.DBF.p7s", r.Signed(r.DBF(1, 1))) // dead is not final: its number is not free
	if got := r.Receipt("B.DBF.p7s", 1); got.Outcome != gateway.Duplicate {
		t.Errorf("%+v", got)
	}
	d, err := r.Gateway.Show(r.Ctx(), id)
	if err != nil || d.Reason != "не читається" || len(d.Receipt) == 0 {
		t.Errorf("%+v %v", d.Reason, err)
	}
	if err := r.Gateway.Retry(r.Ctx(), id, "op", ""); err == nil {
		t.Error("no reason, and done")
	}
	if err := r.Gateway.Retry(r.Ctx(), id, "op", "виправлено"); err != nil {
		t.Fatal(err)
	}
	r.Answer(r.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	if r.Receipt("A.DBF.p7s", 2).Outcome != gateway.Processed {
		t.Error("not processed")
	}
}

func TestOperator(t *testing.T) {
	r := stage(t)
	id := accept(r, "A.DBF.p7s", 1)
	g, ctx := r.Gateway, r.Ctx()
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, gateway.ErrMove) {
			t.Errorf("allowed: %v", err)
		}
	}
	refused(g.Retry(ctx, id, "op", "why"))
	refused(g.Release(ctx, id, "op", "why"))
	l := r.LeaseOne()
	if err := g.Release(ctx, id, "op", "пішов"); err != nil {
		t.Fatal(err)
	}
	if err := g.Answer(ctx, l.Token, gateway.Answer{Outcome: gateway.Processed}); !errors.Is(err, gateway.ErrLease) {
		t.Errorf("a released lease still answers: %v", err)
	}
	l = r.LeaseOne()
	if err := g.Bury(ctx, id, "op", "підозра"); err != nil {
		t.Fatal(err)
	}
	if err := g.Answer(ctx, l.Token, gateway.Answer{Outcome: gateway.Processed}); !errors.Is(err, gateway.ErrLease) {
		t.Errorf("a buried one is answered: %v", err)
	}
	refused(g.Bury(ctx, id, "op", "why"))
	r.Advance(time.Hour)
	r.Settle()
	if r.State("A.DBF.p7s") != gateway.StateDead {
		t.Error(r.State("A.DBF.p7s"))
	}
	if err := g.Retry(ctx, id, "op", "перевірено"); err != nil {
		t.Fatal(err)
	}
	r.Answer(r.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	refused(g.Bury(ctx, id, "op", "why"))
	refused(g.Release(ctx, id, "op", "why"))
	if err := g.Retry(ctx, 1, "op", "why"); !errors.Is(err, spool.ErrNotFound) {
		t.Error(err)
	}

	r.Trust.Store(r.People.Store())
	r.Send("H.DBF.p7s", r.Signed(r.DBF(5, 1)))
	held := r.Items("H.DBF.p7s")[0].ID
	r.Trust.Store(r.People.Store(r.Fresh))
	if err := g.Release(ctx, held, "op", "список надійшов"); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	expect(t, r.Receipt("H.DBF.p7s", 1), gateway.Accepted)
}

func TestLeaseWaits(t *testing.T) {
	r := stage(t)
	r.Run()
	got := make(chan []gateway.Lease, 1)
	go func() {
		l, err := r.Gateway.Lease(r.Ctx(), 1, 20*time.Second, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	r.Upload("A.DBF.p7s", r.Signed(r.DBF(1, 1)))
	if l := <-got; len(l) != 1 {
		t.Error("nothing")
	}
}

func TestParts(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	r.Send("A.DBF.p7s", r.Signed(doc))
	doc2 := r.DBF(2, 1)
	r.Upload("B.DBF", doc2)
	r.Send("B.DBF.p7s", r.Detached(doc2, r.Head, r.Accountant))
	for name, want := range map[string][]byte{"A.DBF.p7s": doc, "B.DBF": doc2} {
		id := r.Items(name)[0].ID
		f, err := r.Gateway.OpenPart(r.Ctx(), id, "document")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if f.Close(); err != nil || string(b) != string(want) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		s, err := r.Gateway.Submission(r.Ctx(), id)
		if err != nil || s.SHA256 != hash(want) {
			t.Errorf("%+v %v", s, err)
		}
		for _, p := range s.Parts {
			if strings.HasPrefix(p.Name, ".") {
				t.Errorf("part %q is shown", p.Name)
			}
		}
		for _, bad := range []string{".verdict", "x", "../B.DBF", ""} {
			if _, err := r.Gateway.OpenPart(r.Ctx(), id, bad); err == nil {
				t.Errorf("%q opens", bad)
			}
		}
	}
}

func TestDisabledClientIsShutOut(t *testing.T) {
	r := stage(t)
	up, err := r.Desk().Create(r.Ctx(), "/inbox/A.DBF.p7s", gateway.Mode{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt(r.Signed(r.DBF(1, 1)), 0); err != nil {
		t.Fatal(err)
	}
	off := gatewaytest.Entry()
	off.Disabled = true
	r.Apply(off)
	if err := r.TryUpload("B.DBF.p7s", r.Signed(r.DBF(2, 1))); err == nil {
		t.Error("taken")
	}
	if err := up.Close(r.Ctx()); err != nil { // begun before
		t.Fatal(err)
	}
	r.Settle()
	got := r.Receipt("A.DBF.p7s", 1)
	expect(t, got, gateway.Rejected, "CLIENT-DISABLED")
}

func TestRegister(t *testing.T) {
	r := stage(t)
	g, ctx := r.Gateway, r.Ctx()
	good, bad := gatewaytest.Entry(), gatewaytest.Entry()
	good.Name = "Інша назва"
	bad.ID, bad.EDRPOU = "bad", "1"
	if _, err := g.Apply(ctx, []client.Entry{good, bad}, "t", false); err == nil || g.Register().ByID("demo").Name == good.Name {
		t.Errorf("half of it: %v", err)
	}
	changes, err := g.Apply(ctx, []client.Entry{good}, "t", true)
	if err != nil || len(changes) != 1 || changes[0].New || len(changes[0].Fields) != 1 || g.Register().ByID("demo").Name == good.Name {
		t.Errorf("dry: %+v %v", changes, err)
	}
	if changes, err = g.Apply(ctx, []client.Entry{gatewaytest.Entry()}, "t", false); err != nil || len(changes) != 0 {
		t.Errorf("nothing new: %+v %v", changes, err)
	}
	var wg sync.WaitGroup
	for i := range 5 { // at once, each with another client: none is lost
		wg.Go(func() {
			e := gatewaytest.Entry()
			e.ID = client.ID("c" + string(rune('0'+i)))
			if _, err := g.Apply(ctx, []client.Entry{e}, "t", false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := len(g.Register().All())
	r.Restart()
	if n != 6 || len(r.Gateway.Register().All()) != 6 {
		t.Errorf("%d clients, after the restart %d", n, len(r.Gateway.Register().All()))
	}
}
