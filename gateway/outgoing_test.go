package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/formats/statement"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

func canonical(number string) json.RawMessage {
	b, err := json.Marshal(statement.Statement{
		Account: sample.DemoPayer().IBAN, Owner: sample.DemoPayer().Name, Currency: "UAH", Number: number, From: "2026-03-03", To: "2026-03-03",
		Opening: 100000, Credits: 5000, Debits: 2000, Closing: 103000,
		Entries: []statement.Entry{
			{Date: "2026-03-03", Credit: true, Amount: 5000, Counterparty: statement.Counterparty{Name: "ТОВ «Світанок»"}, Purpose: "Оплата"},
			{Date: "2026-03-03", Amount: 2000, Counterparty: statement.Counterparty{Name: "ТОВ «Світанок»"}, Purpose: "Повернення"},
		},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func put(r *gatewaytest.Rig, out gateway.Outgoing) spool.Item {
	r.Helper()
	id, err := r.Gateway.PutStatement(r.Ctx(), r.Client, out)
	if err != nil {
		r.Fatal(err)
	}
	d, err := r.Gateway.Show(r.Ctx(), id)
	if err != nil {
		r.Fatal(err)
	}
	return d.Item
}

func TestStatement(t *testing.T) {
	r := stage(t)
	it := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"})
	if it.State != gateway.StateAvailable || it.Number != "7" || it.Label != "000001" {
		t.Errorf("%+v", it)
	}
	if again := put(r, gateway.Outgoing{Statement: canonical("7"), Key: "k1"}); again.ID != it.ID {
		t.Error("released twice")
	}
	if again := put(r, gateway.Outgoing{Statement: canonical("8"), Key: "k2"}); again.ID == it.ID || again.Label != "000002" || again.Name == it.Name {
		t.Errorf("%+v", again)
	}
	names := r.Names("/outbox")
	if len(names) != 12 || !slices.Contains(names, it.Name) || !slices.Contains(names, strings.TrimSuffix(it.Name, ".json")+".txt.p7s") {
		t.Errorf("%v", names)
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".p7s") {
			continue
		}
		rep := cades.Validate(cades.Input{Container: r.Read("/outbox/" + n + ".p7s"), Detached: sectionOf(r.Read("/outbox/" + n))}, cades.Options{
			At: r.Clock.Now(), Trust: pki.NewStore([]*pki.Certificate{r.SealCA.Certificate}, nil, nil), Tolerate: cades.Tolerances{cades.NoRevocation: true},
		})
		if rep.Indication != cades.TotalPassed {
			t.Errorf("%s: %+v", n, rep)
		}
	}
	bad := bytes.Replace(canonical("9"), []byte(`"closing":103000`), []byte(`"closing":103001`), 1)
	var refused *gateway.RefusedError
	if _, err := r.Gateway.PutStatement(r.Ctx(), "demo", gateway.Outgoing{Statement: bad}); !errors.As(err, &refused) || len(refused.Findings) == 0 || refused.Findings[0].Rule != "ST-010" {
		t.Errorf("%v", err)
	}
	if _, err := r.Gateway.PutStatement(r.Ctx(), "demo", gateway.Outgoing{Statement: []byte("{")}); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	if _, err := r.Gateway.PutStatement(r.Ctx(), "nobody", gateway.Outgoing{Statement: canonical("9")}); !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if next := put(r, gateway.Outgoing{Statement: canonical("9")}); next.Label != "000003" {
		t.Errorf("a refused one took a number: %s", next.Label)
	}
}

func TestReadyFile(t *testing.T) {
	r := stage(t)
	file := func(name, content string) gateway.Outgoing {
		return gateway.Outgoing{Name: name, Content: strings.NewReader(content)}
	}
	a := put(r, file("V.pdf", "one"))
	if again := put(r, file("V.pdf", "one")); again.ID != a.ID {
		t.Error("the same again is another")
	}
	if b := put(r, file("V.pdf", "two")); b.Name != "V.2.pdf" {
		t.Errorf("%s", b.Name)
	}
	if b := put(r, file("V.2.pdf", "three")); b.Name == "V.2.pdf" {
		t.Errorf("%s", b.Name)
	}
	large := strings.Repeat("0123456789abcdef", 3<<20/16)
	put(r, file("L.bin", large))
	if got := r.Read("/outbox/L.bin"); string(got) != large {
		t.Errorf("%d bytes", len(got))
	}
	for _, bad := range []gateway.Outgoing{file("", "x"), file("../x", "x"), file("x.exe", "x"), file("E.pdf", ""), {Name: "N.pdf"}} {
		if _, err := r.Gateway.PutStatement(r.Ctx(), "demo", bad); err == nil {
			t.Errorf("%q released", bad.Name)
		}
	}
}

func TestStatementsAtOnceAreNumberedWithoutGaps(t *testing.T) {
	r := stage(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			out := gateway.Outgoing{Name: "V.txt", Content: strings.NewReader(fmt.Sprint(i / 2))} // each twice
			if _, err := r.Gateway.PutStatement(r.Ctx(), "demo", out); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	items, err := r.Gateway.Items(r.Ctx(), spool.Query{Queue: gateway.Statements})
	if err != nil {
		t.Fatal(err)
	}
	var labels, names []string
	for _, it := range items {
		labels, names = append(labels, it.Label), append(names, it.Name)
	}
	if !slices.Equal(sorted(labels), []string{"000001", "000002", "000003", "000004"}) || len(slices.Compact(sorted(names))) != 4 {
		t.Errorf("%v %v", labels, names)
	}
}

func TestDelivery(t *testing.T) {
	r := stage(t)
	it := put(r, gateway.Outgoing{Name: "V.txt", Content: strings.NewReader("0123456789")})
	state := func() spool.State {
		d, err := r.Gateway.Show(r.Ctx(), it.ID)
		if err != nil {
			t.Fatal(err)
		}
		return d.Item.State
	}
	f, err := r.Desk().Open(r.Ctx(), "/outbox/V.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 4), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 4), 10); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	f.Close()
	if state() != gateway.StateAvailable {
		t.Error("delivered, and half read")
	}
	r.Read("/outbox/V.txt.p7s")
	if state() != gateway.StateAvailable {
		t.Error("delivered by its seal")
	}
	r.Read("/outbox/V.txt")
	r.Read("/outbox/V.txt")
	if state() != gateway.StateDelivered {
		t.Error(state())
	}
	if err := r.Desk().Remove(r.Ctx(), "/outbox/V.txt"); err != nil {
		t.Fatal(err)
	}
	if state() != gateway.StateAcknowledged || r.Has("/outbox/V.txt") || !r.Has("/archive/2026/03/04/V.txt") {
		t.Error(state())
	}
	if k := r.Kinds(it.ID); !slices.Equal(k, []string{"released", "delivered", "delivered", "acknowledged"}) {
		t.Errorf("%v", k)
	}
}

func TestRetain(t *testing.T) {
	r := stage(t)
	seen, unseen := put(r, gateway.Outgoing{Name: "S.txt", Content: strings.NewReader("s")}), put(r, gateway.Outgoing{Name: "U.txt", Content: strings.NewReader("u")})
	r.Read("/outbox/S.txt")
	gone := put(r, gateway.Outgoing{Name: "G.txt", Content: strings.NewReader("g")})
	for _, name := range []string{"G.txt", "G.txt.p7s"} {
		if err := r.Desk().Remove(r.Ctx(), "/outbox/"+name); err != nil {
			t.Fatal(err)
		}
	}
	accept(r, "P.DBF.p7s", 1)
	r.Upload("x.part", []byte("x"))
	r.Advance(48 * time.Hour)
	r.Upload("y.part", []byte("x"))
	for range 2 {
		if err := r.Gateway.Retain(r.Ctx(), 24*time.Hour, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Names("/outbox"); !slices.Equal(got, []string{"U.txt", "U.txt.p7s"}) {
		t.Errorf("%v", got)
	}
	if got := r.Names("/receipts"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := r.Names("/inbox"); slices.Contains(got, "x.part") || !slices.Contains(got, "y.part") {
		t.Errorf("%v", got)
	}
	for id, want := range map[spool.ID]spool.State{seen.ID: gateway.StateArchived, gone.ID: gateway.StateArchived, unseen.ID: gateway.StateAvailable} {
		if d, err := r.Gateway.Show(r.Ctx(), id); err != nil || d.Item.State != want {
			t.Errorf("%s: %s %v", d.Item.Name, d.Item.State, err)
		}
	}
	if k := r.Kinds(gone.ID); !slices.Equal(k, []string{"released", "acknowledged", "acknowledged", "archived"}) {
		t.Errorf("%v", k)
	}
	if !r.Has("/archive/2026/03/04/S.txt") || !r.Has("/archive/2026/03/04/P.DBF.p7s.receipt1.json") {
		t.Error("not in the archive")
	}
}

// What the outbox of a watched client is told to bring and to take away.
func TestLetters(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Folder = true }})
	untold := func() map[string]gateway.Letter {
		t.Helper()
		letters, err := r.Gateway.Untold(r.Ctx(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]gateway.Letter{}
		for _, l := range letters {
			out[l.Name] = l
		}
		return out
	}
	bring := func() {
		t.Helper()
		for _, l := range untold() {
			if err := r.Gateway.Told(r.Ctx(), l); err != nil {
				t.Fatal(err)
			}
		}
	}
	doc := r.DBF(1, 1)
	r.Send("P.DBF.head.p7s", r.Detached(doc, r.Head)) // its notice bears its own name, as there is no document
	bring()
	r.Send("P.DBF", doc)
	got := untold()
	if !got["P.DBF.head.held.txt"].Withdrawn || got["P.DBF.held.txt"].Withdrawn || got["P.DBF.held.txt"].SHA256 == "" {
		t.Errorf("%+v", got)
	}
	stale := got["P.DBF.held.txt"]
	r.Advance(time.Minute)
	r.Send("P.DBF.x.p7s", r.Detached(doc, r.Head)) // another notice takes the first one's place
	_ = stale
	bring()
	if len(untold()) != 0 {
		t.Errorf("%+v", untold())
	}
	r.Send("P.DBF.p7s", r.Detached(doc, r.Accountant))
	got = untold()
	if !got["P.DBF.held.txt"].Withdrawn || !got["P.DBF.held.json"].Withdrawn || got["P.DBF.receipt1.txt"].Withdrawn {
		t.Errorf("%+v", got)
	}
	f, err := r.Gateway.OpenLetter(r.Ctx(), got["P.DBF.receipt1.txt"])
	if err != nil || f.Size() != got["P.DBF.receipt1.txt"].Size {
		t.Error(err)
	} else {
		f.Close()
	}
	wrong := got["P.DBF.receipt1.txt"]
	wrong.SHA256 = hash(nil)
	if err := r.Gateway.Told(r.Ctx(), wrong); err != nil || len(untold()) != len(got) {
		t.Error("told of another content: ", err)
	}
	bring()
	if err := r.Gateway.Told(r.Ctx(), wrong); err != nil {
		t.Error(err)
	}
	told, err := r.Gateway.ListTold(r.Ctx(), "demo", "receipts", "", 100)
	if err != nil || len(told) != 3 {
		t.Errorf("%+v %v", told, err)
	}
	for _, l := range told {
		for range 2 {
			if err := r.Gateway.AcknowledgeLetter(r.Ctx(), l); err != nil {
				t.Error(err)
			}
		}
	}
	if len(untold()) != 0 || len(r.Names("/receipts")) != 0 {
		t.Errorf("%v %v", untold(), r.Names("/receipts"))
	}
}

// Who has a document in the day, or an open one of before, gets the list once; and a
// statement that somebody took out of the store is missed.
func TestReconciliation(t *testing.T) {
	r := stage(t)
	accept(r, "P.DBF.p7s", 1)
	put := func(name string) {
		t.Helper()
		if _, err := r.Gateway.PutStatement(r.Ctx(), "demo", gateway.Outgoing{Name: name, Content: strings.NewReader(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		put(fmt.Sprintf("S%d.txt", i))
	}
	today := r.Clock.Now()
	if _, err := r.Gateway.Reconcile(r.Ctx(), today, true); !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("a day that was not closed: %v", err)
	}
	for range 2 {
		rep, err := r.Gateway.CloseDay(r.Ctx(), today)
		if err != nil || rep.Missing() != 0 || len(rep.Clients) != 1 || rep.Clients[0].First != 1 || len(rep.Clients[0].Open) != 1 {
			t.Errorf("%+v %v", rep, err)
		}
	}
	list := string(r.Read("/outbox/DAY-2026-03-04.csv"))
	if !strings.Contains(list, "P.DBF.p7s") || r.Has("/outbox/DAY-2026-03-04.2.csv") {
		t.Errorf("%s %v", list, r.Names("/outbox"))
	}
	r.Advance(24 * time.Hour)
	put("T0.txt")
	put("T1.txt")
	items, err := r.Gateway.Items(r.Ctx(), spool.Query{Queue: gateway.Statements, Label: "000005", Owner: "demo"})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if err := r.Store.Update(r.Ctx(), func(tx spool.Tx) error { return tx.Delete(items[0].ID) }); err != nil {
		t.Fatal(err)
	}
	rep, err := r.Gateway.CloseDay(r.Ctx(), r.Clock.Now())
	if err != nil || rep.Received != 0 || rep.Open() != 1 || rep.Missing() != 1 || rep.Clients[0].Missing[0] != 5 {
		t.Errorf("%+v %v", rep, err)
	}
	if list := string(r.Read("/outbox/DAY-2026-03-05.csv")); !strings.Contains(list, "P.DBF.p7s") {
		t.Errorf("what is open is not carried over: %s", list)
	}
	kept, err := r.Gateway.Reconcile(r.Ctx(), today, true)
	if err != nil || kept.Day != "2026-03-04" || kept.Closed == nil || kept.Open() != 1 {
		t.Errorf("%+v %v", kept, err)
	}
}

func TestCloseDay(t *testing.T) {
	r := stage(t)
	accept(r, "P.DBF.p7s", 1)
	accept(r, "Q.DBF.p7s", 2)
	r.Send("W.DBF", r.DBF(3, 1))
	r.Answer(r.LeaseOne(), gateway.Answer{Outcome: gateway.Processed})
	rep, err := r.Gateway.CloseDay(r.Ctx(), r.Clock.Now())
	if err != nil || rep.Day != "2026-03-04" || rep.Received != 3 || rep.Open() != 2 || rep.States[gateway.StateProcessed] != 1 {
		t.Errorf("%+v %v", rep, err)
	}
	if rep, err = r.Gateway.CloseDay(r.Ctx(), time.Date(2026, 3, 4, 23, 0, 0, 0, time.UTC)); err != nil || rep.Day != "2026-03-05" || rep.Received != 0 {
		t.Errorf("%+v %v", rep, err)
	}
}
