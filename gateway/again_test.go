package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

func TestSameFileWhileItWaits(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	r.Send("P.DBF", doc)
	r.Send("P.DBF", doc)
	r.Upload("P.DBF.p7s", r.Detached(doc, r.Head, r.Accountant))
	r.Upload("P.DBF", doc)
	r.Settle()
	if n := len(r.Items("P.DBF")); n != 1 {
		t.Errorf("%d submissions", n)
	}
	expect(t, r.Receipt("P.DBF", 1), gateway.Accepted)
}

func TestAnotherFileOfTheNameWhileItWaits(t *testing.T) {
	t.Parallel()
	for _, each := range []bool{true, false} {
		r := gatewaytest.New(t, gatewaytest.Setup{})
		step := func(name string, b []byte) {
			r.Upload(name, b)
			if each {
				r.Settle()
			}
		}
		first, second := r.DBF(1, 1), r.DBF(2, 1)
		step("P.DBF", first)
		step("P.DBF", second)
		step("P.DBF", first) // and back: the last one counts
		step("P.DBF.p7s", r.Detached(first, r.Head, r.Accountant))
		r.Settle()
		items := r.Items("P.DBF")
		if len(items) != 3 {
			t.Fatalf("%d submissions", len(items))
		}
		for i, want := range []gateway.Outcome{gateway.Rejected, gateway.Rejected, gateway.Accepted} {
			if items[i].State != map[gateway.Outcome]any{gateway.Rejected: gateway.StateRejected, gateway.Accepted: gateway.StateAccepted}[want] {
				t.Errorf("submission %d is %s, want %s", i, items[i].State, want)
			}
			got := r.Receipt(items[i].Label, 1)
			if want == gateway.Rejected {
				expect(t, got, want, "SUB-001")
			} else {
				expect(t, got, want)
			}
		}
	}
}

// The new document's signature comes before it, while the old one waits.
func TestSignatureOfTheNextVersion(t *testing.T) {
	r := stage(t)
	first, second := r.DBF(1, 1), r.DBF(2, 1)
	r.Send("P.DBF", first)
	r.Send("P.DBF.p7s", r.Detached(second, r.Head, r.Accountant))
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "SIG-FAILED")
	r.Send("P.DBF", second)
	expect(t, r.Receipt("P.DBF.2", 1), gateway.Accepted)
}

func TestLateSignatures(t *testing.T) {
	r := stage(t)
	bad := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 1)
	bad[0].Amount = 0
	doc := sample.OshchadDBF(r.Clock.Now(), bad)
	r.Send("P.DBF", doc) // refused for its format before its signatures come
	if got := r.Receipt("P.DBF", 1); got.Outcome != gateway.Rejected || slices.Contains(rules(got), "SIG-NONE") {
		t.Errorf("%+v", got.Findings)
	}
	r.Send("P.DBF.head.p7s", r.Detached(doc, r.Head))
	r.Send("P.DBF.p7s", r.Detached(doc, r.Accountant))
	if n, _ := r.Gateway.Items(r.Ctx(), submissions()); len(n) != 1 {
		t.Fatalf("%d submissions", len(n))
	}
	if k := r.Kinds(r.Items("P.DBF")[0].ID); !slices.Equal(k[len(k)-2:], []string{"late", "late"}) {
		t.Errorf("journal %v", k)
	}
}

// Refused for whom it was signed by; the register is mended and all is sent
// again, the signature first.
func TestSentAgainAfterRefusal(t *testing.T) {
	r := stage(t)
	e := gatewaytest.Entry()
	none := e
	none.Signatories = e.Signatories[:1]
	r.Apply(none)
	doc := r.DBF(1, 1)
	sig := r.Detached(doc, r.Head, r.Accountant)
	r.Upload("P.DBF.p7s", sig)
	r.Send("P.DBF", doc)
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "SIG-STRANGER")
	r.Apply(e)
	r.Send("P.DBF.p7s", sig)
	r.Send("P.DBF", doc)
	expect(t, r.Receipt("P.DBF.2", 1), gateway.Accepted)
}

// Only the signature is made anew: it needs an answer of its own.
func TestSignedAgainAfterRefusal(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	r.Upload("P.DBF", doc)
	r.Send("P.DBF.p7s", r.Detached(doc, r.Stranger))
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "SIG-STRANGER")
	r.Send("P.DBF.p7s", r.Detached(doc, r.Head, r.Accountant))
	expect(t, r.Notice("P.DBF.2"), gateway.Held, "DOC-MISSING")
	r.Send("P.DBF", doc)
	expect(t, r.Receipt("P.DBF.2", 1), gateway.Accepted)
	if r.Has("/receipts/P.DBF.2.held.json") {
		t.Error("the notice is still there")
	}
}

// A detached signature that has its document's very name must not take its place.
func TestSignatureNamedAsItsDocument(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		r := gatewaytest.New(t, gatewaytest.Setup{})
		doc := r.DBF(1, 1)
		sig := r.Detached(doc, r.Head, r.Accountant)
		if first {
			r.Upload("P.DBF", doc)
			r.Upload("P.DBF", sig)
		} else {
			r.Upload("P.DBF", sig)
			r.Upload("P.DBF", doc)
		}
		r.Settle()
		r.Send("P.DBF.p7s", sig)
		var accepted int
		for _, it := range r.Items("P.DBF") {
			if it.State == gateway.StateAccepted {
				accepted++
			}
		}
		if accepted != 1 {
			t.Errorf("document first %v: %d accepted of %d", first, accepted, len(r.Items("P.DBF")))
		}
	}
}

func TestContainerBesideItsDocument(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	r.Upload("P.DBF.p7s", r.Signed(doc))
	r.Upload("P.DBF", doc)
	r.Settle()
	// The container was whole by itself; the document alone waits, and is never accepted.
	expect(t, r.Receipt("P.DBF.p7s", 1), gateway.Accepted)
	expect(t, r.Notice("P.DBF"), gateway.Held, "SIG-NONE")
	r.Advance(25 * time.Hour)
	r.Settle()
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "SIG-NONE")
}

func TestDuplicates(t *testing.T) {
	r := stage(t)
	orders := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 3)
	dbf := func(some ...int) []byte {
		list := orders[:0:0]
		for i, n := range some {
			o := orders[n]
			o.Record = i + 1
			list = append(list, o)
		}
		return sample.OshchadDBF(r.Clock.Now(), list)
	}
	r.Send("A.DBF.p7s", r.Signed(dbf(0, 1)))
	first := r.Receipt("A.DBF.p7s", 1)
	expect(t, first, gateway.Accepted)

	duplicate := func(name, rule string) {
		t.Helper()
		got := r.Receipt(name, 1)
		expect(t, got, gateway.Duplicate, rule)
		if got.First == nil || *got.First != first.Submission {
			t.Errorf("%s: first %v, want %s", name, got.First, first.Submission)
		}
		if text := string(r.Read("/receipts/" + name + ".receipt1.txt")); !strings.Contains(text, first.Submission.String()) || strings.Contains(text, "Що виправити") {
			t.Error(text)
		}
	}
	r.Send("A.DBF.p7s", r.Signed(dbf(0, 1))) // signed anew: other bytes, same content
	duplicate("A.DBF.p7s.2", "DUP-001")
	r.Send("C.DBF.p7s", r.Signed(dbf(0, 1)))
	duplicate("C.DBF.p7s", "DUP-001")
	orders[0].Purpose += " (уточнено)"
	r.Send("D.DBF.p7s", r.Signed(dbf(0, 1))) // other content, same numbers
	duplicate("D.DBF.p7s", "DUP-003")
	r.Send("E.DBF.p7s", r.Signed(dbf(1, 0))) // another order
	duplicate("E.DBF.p7s", "DUP-003")

	r.Send("F.DBF.p7s", r.Signed(dbf(2, 0))) // partly: refused whole
	got := r.Receipt("F.DBF.p7s", 1)
	expect(t, got, gateway.Rejected, "DUP-002")
	if got.Findings[0].Record != 2 || !strings.Contains(got.Findings[0].Message.UK, first.Submission.String()) || got.First != nil {
		t.Errorf("%+v", got)
	}
	t.Logf("\n%s", r.Read("/receipts/F.DBF.p7s.receipt1.txt"))
	r.Send("G.DBF.p7s", r.Signed(dbf(0))) // part of a file is not the file
	expect(t, r.Receipt("G.DBF.p7s", 1), gateway.Rejected, "DUP-002")
	r.Send("H.DBF.p7s", r.Signed(dbf(2))) // its number is free still: F was rejected
	expect(t, r.Receipt("H.DBF.p7s", 1), gateway.Accepted)

	// Returned by the processor: all its numbers are free.
	for _, l := range r.Lease(9) {
		a := gateway.Answer{Outcome: gateway.Processed}
		if l.Submission.ID == first.Submission {
			a = gateway.Answer{Outcome: gateway.Returned, Reason: "Рахунок закрито"}
		}
		r.Answer(l, a)
	}
	r.Send("I.DBF.p7s", r.Signed(dbf(0, 1)))
	expect(t, r.Receipt("I.DBF.p7s", 1), gateway.Accepted)
	r.Send("J.DBF.p7s", r.Signed(dbf(2)))
	if got := r.Receipt("J.DBF.p7s", 1); got.Outcome != gateway.Duplicate {
		t.Errorf("processed, and taken again: %+v", got)
	}
}

func TestSameNumberTwiceInOneFile(t *testing.T) {
	r := stage(t)
	orders := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 2)
	orders[1].Number = orders[0].Number
	for name, doc := range map[string][]byte{"A.DBF": sample.OshchadDBF(r.Clock.Now(), orders), "A.xml": sample.Pain001("M", r.Clock.Now(), orders)} {
		r.Send(name+".p7s", r.Signed(doc))
		got := r.Receipt(name+".p7s", 1)
		t.Logf("\n%s", r.Read("/receipts/"+name+".p7s.receipt1.txt"))
		if got.Outcome != gateway.Rejected || got.Findings[0].Record != 2 {
			t.Errorf("%+v", got)
		}
	}
}

func TestTwoAtOnceAreOneAcceptance(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	for _, name := range []string{"A", "B", "C", "D", "E", "F"} {
		r.Upload(name+".DBF.p7s", r.Signed(doc))
	}
	r.Run()
	r.Await("all answered", func() bool {
		c, _ := r.Gateway.Counts(r.Ctx())
		return c[gateway.Submissions][gateway.StateAccepted] == 1 && c[gateway.Submissions][gateway.StateDuplicate] == 5
	})
}

func TestOneDocumentTwoClients(t *testing.T) {
	r := stage(t)
	other := gatewaytest.Entry()
	other.ID, other.EDRPOU = "other", sample.EDRPOU(3)
	other.Kinds = []string{"supporting_document"}
	other.Policies = map[string]client.Policy{"*": {Min: 1}}
	other.Signatories = []client.Signatory{{Role: client.Head, Person: gatewaytest.HeadCode}}
	r.Apply(other)
	pdf := r.Attached(sample.PDF("x"), r.Head)
	r.Send("x.pdf.p7s", pdf)
	expect(t, r.Receipt("x.pdf.p7s", 1), gateway.Accepted)
	r.Client = "other"
	if r.Has("/receipts/x.pdf.p7s.receipt1.json") || r.Has("/inbox/x.pdf.p7s") {
		t.Error("another client's file is visible")
	}
	r.Send("x.pdf.p7s", pdf)
	expect(t, r.Receipt("x.pdf.p7s", 1), gateway.Accepted)
}

func TestNoFreshRevocationList(t *testing.T) {
	r := stage(t)
	r.Trust.Store(r.People.Store())
	for _, name := range []string{"A", "B"} {
		r.Send(name+".DBF.p7s", r.Signed(r.DBF(int(name[0]), 1)))
		got := r.Notice(name + ".DBF.p7s")
		expect(t, got, gateway.Held, "SIG-TRY-LATER")
		if got.Signatures[0].SubIndication != "TRY_LATER" {
			t.Errorf("%+v", got.Signatures)
		}
	}
	t.Logf("\n%s", r.Read("/receipts/A.DBF.p7s.held.txt"))
	if err := r.Gateway.Recheck(r.Ctx()); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	if r.State("A.DBF.p7s") != gateway.StateHeld {
		t.Fatal(r.State("A.DBF.p7s"))
	}
	r.Trust.Store(r.People.Store(r.Fresh))
	if err := r.Gateway.Recheck(r.Ctx()); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	expect(t, r.Receipt("A.DBF.p7s", 1), gateway.Accepted)
	expect(t, r.Receipt("B.DBF.p7s", 1), gateway.Accepted)
	if got := r.Names("/receipts"); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, "held") }) {
		t.Errorf("%v", got)
	}

	// Over night the list runs out, nothing comes, and the deadline passes.
	r.Trust.Store(pki.NewStore([]*pki.Certificate{r.CA.Certificate}, nil, nil))
	r.Send("C.DBF.p7s", r.Signed(r.DBF(7, 1)))
	r.Advance(24 * time.Hour)
	r.Settle()
	expect(t, r.Receipt("C.DBF.p7s", 1), gateway.Rejected, "SIG-TRY-LATER")
}

// A client that has not seen the OK sends the document once more, alone: it is
// answered at once, and does not wait for signatures that were sent before.
func TestDocumentAloneAfterItsAcceptance(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	doc := r.DBF(1, 1)
	r.Upload("P.DBF.p7s", r.Detached(doc, r.Head, r.Accountant))
	r.Send("P.DBF", doc)
	expect(t, r.Receipt("P.DBF", 1), gateway.Accepted)
	r.Send("P.DBF", doc)
	expect(t, r.Receipt("P.DBF.2", 1), gateway.Duplicate, "DUP-001")
	// Another document of the name is a new one and waits.
	r.Send("P.DBF", r.DBF(2, 1))
	if got := r.Notice("P.DBF.3"); got.Outcome != gateway.Held {
		t.Errorf("another document: %s", got.Outcome)
	}
}

// A signature over another document of a like name is not judged over this one.
func TestSignaturesOfLikeNames(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	one, two := r.DBF(1, 1), r.DBF(2, 1)
	r.Send("P.DBF.1.head.p7s", r.Detached(one, r.Head))
	r.Send("P.DBF.1.acc.p7s", r.Detached(one, r.Accountant))
	r.Send("P.DBF.head.p7s", r.Detached(two, r.Head))
	r.Send("P.DBF.acc.p7s", r.Detached(two, r.Accountant))
	r.Send("P.DBF", two)
	expect(t, r.Receipt("P.DBF", 1), gateway.Accepted)
	r.Send("P.DBF.1", one)
	expect(t, r.Receipt("P.DBF.1", 1), gateway.Accepted, "FMT-002")

	// The document first, and a numbered signature of another that is to come.
	three, four := r.DBF(3, 1), r.DBF(4, 1)
	r.Send("Q.DBF", three)
	r.Send("Q.DBF.1.p7s", r.Detached(four, r.Head, r.Accountant))
	if got := r.Notice("Q.DBF"); got.Outcome != gateway.Held {
		t.Errorf("Q.DBF: %s", got.Outcome)
	}
	r.Send("Q.DBF.1", four)
	expect(t, r.Receipt("Q.DBF.1", 1), gateway.Accepted, "FMT-002")
	// One that is named after the document is judged, whatever it says.
	r.Send("Q.DBF.head.p7s", r.Detached(four, r.Head))
	expect(t, r.Receipt("Q.DBF", 1), gateway.Rejected, "SIG-FAILED")
}

// A client that goes on after a refused write must not hear that the file was taken.
func TestRefusedWriteIsNeverTaken(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{Entry: func(e *client.Entry) { e.Quota.File = 7000 }})
	whole := r.Attached(r.DBF(1, 1), r.Head, r.Accountant)
	up, err := r.Desk().Create(r.Ctx(), "/inbox/P.DBF.p7s", gateway.Mode{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := up.WriteAt(make([]byte, 6000), int64(len(whole))); err == nil {
		t.Fatal("a write beyond the quota was taken")
	}
	if err := up.Close(r.Ctx()); err == nil {
		t.Error("CLOSE was answered OK")
	}
	r.Settle()
	if n := len(r.Items("P.DBF.p7s")); n != 0 {
		t.Errorf("%d submissions of a file whose sender was told that it failed", n)
	}
}

// A signature whose digest the gateway does not keep belongs to the document that
// was sent with it and refused a moment before; later it waits for a new one.
func TestLateSignatureOfAnotherDigest(t *testing.T) {
	t.Parallel()
	r := gatewaytest.New(t, gatewaytest.Setup{})
	bad := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 1)
	bad[0].Amount = 0
	doc := sample.OshchadDBF(r.Clock.Now(), bad)
	by := r.Head
	by.Digest = algorithm.SHA512
	r.Send("P.DBF", doc)
	r.Send("P.DBF.p7s", r.Detached(doc, by))
	if n, _ := r.Gateway.Items(r.Ctx(), submissions()); len(n) != 1 {
		t.Fatalf("%d submissions", len(n))
	}
	r.Advance(2 * time.Minute)
	r.Send("P.DBF.sig", r.Detached(doc, by))
	if n, _ := r.Gateway.Items(r.Ctx(), submissions()); len(n) != 2 {
		t.Fatalf("%d submissions after two minutes", len(n))
	}
}
