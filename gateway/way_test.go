package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

func stage(t *testing.T) *gatewaytest.Rig {
	t.Helper()
	t.Parallel()
	return gatewaytest.New(t, gatewaytest.Setup{})
}

// rules are those of the findings that refuse or hold.
func rules(r gateway.Receipt) []string {
	var out []string
	for _, f := range r.Findings {
		if f.Severity != formats.Info {
			out = append(out, f.Rule)
		}
	}
	return out
}

func expect(t *testing.T, r gateway.Receipt, outcome gateway.Outcome, want ...string) {
	t.Helper()
	if got := rules(r); r.Outcome != outcome || !slices.Equal(got, want) {
		t.Errorf("outcome %s %v, want %s %v: %+v", r.Outcome, got, outcome, want, r.Findings)
	}
}

// One receipt for one container: what was sent and what the answer is.
func TestContainer(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	changed := func(r *gatewaytest.Rig) []byte {
		b := r.Signed(r.DBF(1, 2))
		b[strings.Index(string(b), "2273")+3]++ // in the purpose of the first payment
		return b
	}
	badIBAN := func(r *gatewaytest.Rig) []byte {
		orders := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 3)
		iban := []byte(orders[1].Payee.IBAN)
		iban[28] = '0' + (iban[28]-'0'+1)%10
		orders[1].Payee.IBAN = string(iban)
		return r.Signed(sample.OshchadDBF(r.Clock.Now(), orders))
	}
	for _, c := range []struct {
		name    string
		content func(*gatewaytest.Rig) []byte
		outcome gateway.Outcome
		rules   []string
	}{
		{"both", func(r *gatewaytest.Rig) []byte { return r.Signed(r.DBF(1, 2)) }, gateway.Accepted, nil},
		{"wrong ending", func(r *gatewaytest.Rig) []byte { return r.Signed(r.Pain001("M1", 1, 2)) }, gateway.Rejected, []string{"FMT-002"}},
		{"one of two", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Head) }, gateway.Rejected, []string{"SIG-ROLE-MISSING"}},
		{"one person twice", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Head, p.Head) }, gateway.Rejected, []string{"SIG-ROLE-MISSING"}},
		{"stranger", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Head, p.Accountant, p.Stranger) }, gateway.Rejected, []string{"SIG-STRANGER"}},
		{"expired", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Expired, p.Accountant) }, gateway.Rejected, []string{"SIG-INDETERMINATE"}},
		{"revoked", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Revoked, p.Accountant) }, gateway.Rejected, []string{"SIG-INDETERMINATE"}},
		{"untrusted", func(r *gatewaytest.Rig) []byte { return r.Attached(r.DBF(1, 2), p.Untrusted, p.Accountant) }, gateway.Rejected, []string{"SIG-INDETERMINATE"}},
		{"changed", changed, gateway.Rejected, []string{"SIG-FAILED"}},
		{"cut", func(r *gatewaytest.Rig) []byte { b := r.Signed(r.DBF(1, 2)); return b[:len(b)/2] }, gateway.Rejected, []string{"SIG-FORMAT_FAILURE"}},
		{"cut to its head", func(r *gatewaytest.Rig) []byte { return r.Signed(r.DBF(1, 2))[:20] }, gateway.Rejected, []string{"SIG-FORMAT_FAILURE"}},
		{"text", func(*gatewaytest.Rig) []byte { return []byte("Прошу прийняти") }, gateway.Rejected, []string{"SIG-NOT-A-CONTAINER"}},
		{"empty", func(*gatewaytest.Rig) []byte { return nil }, gateway.Rejected, []string{"SIG-NOT-A-CONTAINER"}},
		{"IBAN", badIBAN, gateway.Rejected, []string{"PO-021"}},
		{"unknown layout", func(r *gatewaytest.Rig) []byte { return r.Signed([]byte("A;B;C\r\n1;2;3\r\n")) }, gateway.Rejected, []string{"DBF-001"}},
		{"text inside", func(r *gatewaytest.Rig) []byte { return r.Signed([]byte("<a/>")) }, gateway.Rejected, []string{"FMT-001"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := stage(t)
			r.Send("P0001.DBF.p7s", c.content(r))
			got := r.Receipt("P0001.DBF.p7s", 1)
			expect(t, got, c.outcome, c.rules...)
			t.Logf("\n%s", r.Read("/receipts/P0001.DBF.p7s.receipt1.txt"))
			if n := len(r.Lease(9)); (n == 1) != (c.outcome == gateway.Accepted) {
				t.Errorf("%d leases after %s", n, got.Outcome)
			}
			if r.Has("/receipts/P0001.DBF.p7s.held.txt") {
				t.Error("a container is never held for want of signatures")
			}
		})
	}
}

func TestWrongRecordIsNamed(t *testing.T) {
	r := stage(t)
	orders := sample.Orders(sample.DemoPayer(), r.Clock.Now(), 1, 3)
	orders[1].Amount = 0
	r.Send("P.DBF.p7s", r.Signed(sample.OshchadDBF(r.Clock.Now(), orders)))
	got := r.Receipt("P.DBF.p7s", 1)
	if got.Outcome != gateway.Rejected || len(got.Findings) != 1 {
		t.Fatalf("%+v", got)
	}
	if f := got.Findings[0]; f.Record != 2 || f.Field != "summa" || f.Path == "" || f.Message.UK == "" || f.Message.EN == "" {
		t.Errorf("%+v", f)
	}
	if text := string(r.Read("/receipts/P.DBF.p7s.receipt1.txt")); !strings.Contains(text, "запис 2, поле summa:") {
		t.Error(text)
	}
}

// A document with its signatures beside it, in every order.
func TestDetached(t *testing.T) {
	t.Parallel()
	type file struct {
		name string
		made func(*gatewaytest.Rig, []byte) []byte
	}
	doc := file{"P.xml", func(_ *gatewaytest.Rig, b []byte) []byte { return b }}
	by := func(name string, signers ...cades.Signer) file {
		return file{name, func(r *gatewaytest.Rig, b []byte) []byte { return r.Detached(b, signers...) }}
	}
	p := gatewaytest.Cast()
	head, acc, both := by("P.xml.head.p7s", p.Head), by("P.xml.acc.p7s", p.Accountant), by("P.xml.p7s", p.Head, p.Accountant)
	for _, c := range []struct {
		name  string
		files []file
	}{
		{"document first", []file{doc, both}},
		{"signature first", []file{both, doc}},
		{"document, head, accountant", []file{doc, head, acc}},
		{"document, accountant, head", []file{doc, acc, head}},
		{"head, document, accountant", []file{head, doc, acc}},
		{"head, accountant, document", []file{head, acc, doc}},
		{"accountant, head, document", []file{acc, head, doc}},
		{"other endings", []file{by("P.xml.sig", p.Head), doc, by("P.xml.P7S", p.Accountant)}},
		{"head signs again", []file{doc, head, head, acc}},
	} {
		for _, each := range []bool{true, false} { // examined after each file, or only at the end
			if !each && len(c.files) == 2 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				r := stage(t)
				content := r.Pain001("M1", 1, 2)
				for i, f := range c.files {
					r.Upload(f.name, f.made(r, content))
					if !each {
						continue
					}
					r.Settle()
					if last := i == len(c.files)-1; !last && len(r.Items("P.xml")) > 0 && r.State("P.xml") != gateway.StateHeld {
						t.Fatalf("after %s: %s", f.name, r.State("P.xml"))
					}
				}
				r.Settle()
				expect(t, r.Receipt("P.xml", 1), gateway.Accepted)
				roles := []string{}
				for _, s := range r.Receipt("P.xml", 1).Signatures {
					roles = append(roles, s.Role)
				}
				slices.Sort(roles)
				if roles = slices.Compact(roles); !slices.Equal(roles, []string{"accountant", "head"}) {
					t.Errorf("roles %v", roles)
				}
				want := []string{"P.xml.receipt1.json", "P.xml.receipt1.json.p7s", "P.xml.receipt1.pain002.xml", "P.xml.receipt1.txt"}
				if got := r.Names("/receipts"); !slices.Equal(got, want) {
					t.Errorf("receipts: %v", got)
				}
				all, err := r.Gateway.Items(r.Ctx(), submissions())
				if err != nil || len(all) != 1 {
					t.Errorf("%d submissions: %v", len(all), err)
				}
			})
		}
	}
}

func TestHeldUntilItsDeadline(t *testing.T) {
	r := stage(t)
	doc := r.DBF(1, 1)
	r.Upload("P.DBF", doc)
	r.Send("P.DBF.p7s", r.Detached(doc, r.Head))
	got := r.Notice("P.DBF")
	expect(t, got, gateway.Held, "SIG-WAITING")
	if got.Deadline == nil || !got.Deadline.Equal(gatewaytest.Begin.Add(24*time.Hour)) {
		t.Errorf("deadline %v", got.Deadline)
	}
	r.Settle() // nothing new: nothing more is written
	if k := r.Kinds(r.Items("P.DBF")[0].ID); !slices.Equal(k, []string{"received", "added", "held", "delivered"}) {
		t.Errorf("journal: %v", k)
	}
	text := string(r.Read("/receipts/P.DBF.held.txt"))
	t.Logf("\n%s", text)
	if !strings.Contains(text, "05.03.2026 10:00:00") || !strings.Contains(text, "головного бухгалтера") {
		t.Error(text)
	}
	if want := []string{"P.DBF.held.json", "P.DBF.held.txt"}; !slices.Equal(r.Names("/receipts"), want) {
		t.Errorf("a notice has no seal: %v", r.Names("/receipts"))
	}
	r.Advance(24*time.Hour - time.Second)
	r.Settle()
	if r.State("P.DBF") != gateway.StateHeld {
		t.Fatal("before its deadline: ", r.State("P.DBF"))
	}
	r.Advance(time.Second)
	r.Settle()
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "SIG-ROLE-MISSING")
	t.Logf("\n%s", r.Read("/receipts/P.DBF.receipt1.txt"))
	if r.Has("/receipts/P.DBF.held.txt") || r.Has("/receipts/P.DBF.held.json") {
		t.Error("the notice is still there")
	}
	r.Settle()
	if r.Has("/receipts/P.DBF.2.receipt1.json") {
		t.Error("answered twice")
	}
}

func TestSignatureWithoutDocument(t *testing.T) {
	r := stage(t)
	r.Send("P.DBF.p7s", r.Detached(r.DBF(1, 1), r.Head, r.Accountant))
	expect(t, r.Notice("P.DBF"), gateway.Held, "DOC-MISSING")
	r.Advance(25 * time.Hour)
	r.Settle()
	expect(t, r.Receipt("P.DBF", 1), gateway.Rejected, "DOC-MISSING")
	t.Logf("\n%s", r.Read("/receipts/P.DBF.receipt1.txt"))
}

func TestDetachedRefusals(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	for _, c := range []struct {
		name  string
		sig   func(r *gatewaytest.Rig, doc []byte) []byte
		rules []string
	}{
		{"content changed", func(r *gatewaytest.Rig, doc []byte) []byte {
			return r.Detached(append(slices.Clone(doc), ' '), p.Head, p.Accountant)
		}, []string{"SIG-FAILED"}},
		{"stranger", func(r *gatewaytest.Rig, doc []byte) []byte { return r.Detached(doc, p.Stranger) }, []string{"SIG-STRANGER"}},
		{"cut", func(r *gatewaytest.Rig, doc []byte) []byte {
			b := r.Detached(doc, p.Head)
			return b[:len(b)-100]
		}, []string{"SIG-FORMAT_FAILURE"}},
		{"attached beside it", func(r *gatewaytest.Rig, doc []byte) []byte { return r.Signed(doc) }, []string{"SIG-AMBIGUOUS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := stage(t)
			doc := r.DBF(1, 1)
			r.Send("P.DBF", doc)
			r.Send("P.DBF.p7s", c.sig(r, doc))
			got := r.Receipt("P.DBF", 1)
			expect(t, got, gateway.Rejected, c.rules...)
			t.Logf("\n%s", r.Read("/receipts/P.DBF.receipt1.txt"))
			if len(r.Lease(1)) != 0 {
				t.Error("leased")
			}
		})
	}
}
