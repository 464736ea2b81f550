package gateway_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

// Documents and their signatures come on several sessions at once, in any order,
// while they are examined: every one is accepted, once, with one receipt.
func TestJoinWhileExamined(t *testing.T) {
	r := stage(t)
	stop := r.Run()
	const many = 12
	var wg sync.WaitGroup
	for i := range many {
		doc := r.DBF(1+i, 1)
		name := fmt.Sprintf("P%02d.DBF", i)
		files := map[string][]byte{name: doc, name + ".head.p7s": r.Detached(doc, r.Head), name + ".acc.p7s": r.Detached(doc, r.Accountant)}
		for n, b := range files {
			wg.Go(func() {
				err := r.TryUpload(n, b)
				for errors.Is(err, gateway.ErrBusy) { // its copy is on its way
					err = r.TryUpload(n, b)
				}
				if err != nil {
					t.Errorf("%s: %v", n, err)
				}
			})
		}
		wg.Go(func() { // and sent once more
			if err := r.TryUpload(name, doc); err != nil && !errors.Is(err, gateway.ErrBusy) {
				t.Errorf("%s again: %v", name, err)
			}
		})
	}
	wg.Wait()
	// A copy may come after its document was accepted: it waits for signatures in vain, or is a duplicate.
	r.Await("all accepted", func() bool {
		c, err := r.Gateway.Counts(r.Ctx())
		if err != nil {
			t.Fatal(err)
		}
		return c[gateway.Submissions][gateway.StateAccepted] == many && c[gateway.Submissions][gateway.StateReceived] == 0
	})
	leased := map[string]bool{}
	for _, l := range r.Lease(100) {
		if leased[l.Submission.Document] {
			t.Errorf("%s twice", l.Submission.Document)
		}
		leased[l.Submission.Document] = true
	}
	if len(leased) != many {
		t.Errorf("%d of %d", len(leased), many)
	}
	stop()
}

// A settlement that meets a part which came in meanwhile looks again: the store
// hands the part in between the reading and the writing.
func TestPartBetweenReadingAndWriting(t *testing.T) {
	t.Parallel()
	var between func()
	var store *meddler
	r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) {
		store = &meddler{Store: o.Store}
		o.Store = store
	}})
	doc := r.DBF(1, 1)
	r.Upload("P.DBF", doc)
	r.Upload("P.DBF.head.p7s", r.Detached(doc, r.Head))
	sig := r.Detached(doc, r.Accountant)
	between = func() { r.Upload("P.DBF.acc.p7s", sig) }
	store.arm(between) // when the examiner opens the document
	r.Settle()
	r.Settle()
	expect(t, r.Receipt("P.DBF", 1), gateway.Accepted)

	// The deadline strikes while the signature comes in.
	late := r.DBF(2, 1)
	r.Send("L.DBF", late)
	sig = r.Detached(late, r.Head, r.Accountant)
	r.Advance(24 * time.Hour)
	store.arm(func() { r.Upload("L.DBF.p7s", sig) })
	r.Settle()
	r.Settle()
	expect(t, r.Receipt("L.DBF", 1), gateway.Accepted)
	if r.Has("/receipts/L.DBF.2.receipt1.json") {
		t.Error("answered twice")
	}

	// The client sends another document in its place.
	one, two := r.DBF(3, 1), r.DBF(4, 1)
	r.Upload("S.DBF.p7s", r.Detached(one, r.Head, r.Accountant))
	r.Upload("S.DBF", one)
	store.arm(func() { r.Upload("S.DBF", two) })
	r.Settle()
	r.Settle()
	items := r.Items("S.DBF")
	if len(items) != 2 || items[0].State == gateway.StateReceived || items[1].State != gateway.StateHeld {
		t.Errorf("%+v", items)
	}
}

// More is held than the queue of examinations has room for: all of it is looked
// at again.
func TestRecheckOfMany(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{
		Entry:   func(e *client.Entry) { e.Policies = map[string]client.Policy{"*": {Min: 1}} },
		Options: func(o *gateway.Options) { o.Queue = 3 },
	})
	r.Trust.Store(r.People.Store())
	pdf := sample.PDF("x")
	sig := r.Detached(pdf, r.Head)
	const many = 20
	err := r.Store.Update(r.Ctx(), func(tx spool.Tx) error { // by hand: through the desk it takes its time
		var ids spool.IDs
		for i := range many {
			id := ids.New(r.Clock.Now())
			it := spool.Item{
				ID: id, Queue: gateway.Submissions, Owner: "demo", State: gateway.StateHeld, Name: fmt.Sprintf("D%04d.pdf", i), Label: fmt.Sprintf("D%04d.pdf", i),
				SHA256: hash(pdf), Size: int64(len(pdf)), Received: r.Clock.Now(), Deadline: r.Clock.Now().Add(24 * time.Hour), Note: []byte("{}"),
			}
			if err := tx.Insert(it); err != nil {
				return err
			}
			for name, c := range map[string][]byte{it.Name: pdf, it.Name + ".p7s": sig} {
				role := gateway.RoleDocument
				if name != it.Name {
					role = gateway.RoleSignature
				}
				if err := tx.AddPart(id, name, role, spool.Content{SHA256: hash(c), Size: int64(len(c)), Inline: c}, r.Clock.Now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Trust.Store(r.People.Store(r.Fresh))
	if err := r.Gateway.Recheck(r.Ctx()); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	c, err := r.Gateway.Counts(r.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	if c := c[gateway.Submissions]; c[gateway.StateAccepted] != 1 || c[gateway.StateDuplicate] != many-1 {
		t.Errorf("%v", c)
	}
}

// More comes in than the queue has room for: all of it is answered, without
// waiting for the next tick each time.
func TestQueueRunsOver(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Options: func(o *gateway.Options) { o.Queue = 1 }})
	const many = 15
	for i := range many {
		r.Upload(fmt.Sprintf("P%02d.DBF.p7s", i), r.Signed(r.DBF(1+i, 1)))
	}
	r.Settle()
	c, err := r.Gateway.Counts(r.Ctx())
	if err != nil || c[gateway.Submissions][gateway.StateAccepted] != many {
		t.Errorf("%v %v", c, err)
	}
}

func TestRunEndsWhenTheSpoolStops(t *testing.T) {
	r := stage(t)
	done := make(chan error, 1)
	go func() { done <- r.Gateway.Run(r.Ctx()) }()
	r.Upload("P.DBF.p7s", r.Signed(r.DBF(1, 1)))
	r.Await("accepted", func() bool { return r.State("P.DBF.p7s") == gateway.StateAccepted })
	if err := r.Store.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, spool.ErrStopped) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("runs on")
	}
}
