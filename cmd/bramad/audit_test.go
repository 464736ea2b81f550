package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/spool"
)

// found is what an audit complains of.
type found struct {
	lost        []string // answered OK and not there, or without an answer
	doubled     []string // there, answered or accepted twice
	unexplained []string // anything else that nobody has asked for
	figures     []string
}

func (f *found) complaints() []string { return slices.Concat(f.lost, f.doubled, f.unexplained) }

// tell fails the test for each complaint.
func (f *found) tell(t *testing.T) {
	t.Helper()
	for _, line := range f.figures {
		t.Log(line)
	}
	for _, complaint := range f.complaints() {
		t.Error(complaint)
	}
}

// audit opens the store of a daemon that has ended and holds it against what the
// peers were told.
func audit(t testing.TB, l *load) *found {
	t.Helper()
	cfg, err := config.Load(l.s.path("brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Store.Close()
	a := &auditor{TB: t, load: l, e: e, parts: map[spool.ID]map[string]spool.Part{}, receipts: map[spool.ID]map[int]gateway.Receipt{}}
	anchors, err := keys.Certificates(l.s.path("keys", "seal-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	a.anchors = pki.NewStore(anchors, nil, nil)

	a.bytes()
	if err := e.Store.View(t.Context(), a.read); err != nil {
		t.Fatal(err)
	}
	a.journal()
	a.proofs()
	a.answers()
	a.documents()
	a.statementsWhole()
	a.fetched()
	a.mirror()
	a.unexplained = append(a.unexplained, l.complaints...)
	return &a.found
}

func (a *auditor) lostf(format string, args ...any) {
	a.lost = append(a.lost, fmt.Sprintf(format, args...))
}

func (a *auditor) doubledf(format string, args ...any) {
	a.doubled = append(a.doubled, fmt.Sprintf(format, args...))
}

func (a *auditor) oddf(format string, args ...any) {
	a.unexplained = append(a.unexplained, fmt.Sprintf(format, args...))
}

func (a *auditor) figure(format string, args ...any) {
	a.figures = append(a.figures, fmt.Sprintf(format, args...))
}

// auditor is what the store holds.
type auditor struct {
	testing.TB
	found
	load    *load
	e       *engine.Engine
	anchors *pki.Store

	items      []spool.Item // submissions, in order
	statements []spool.Item
	parts      map[spool.ID]map[string]spool.Part
	posts      []spool.Post
	events     []spool.Event
	kept       []spool.Kept
	receipts   map[spool.ID]map[int]gateway.Receipt
}

// bytes: nothing is damaged, and when what crashes left lying is swept away
// nothing else is there than what belongs to somebody.
func (a *auditor) bytes() {
	swept, err := a.e.Store.Sweep(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	problems, err := a.e.Store.Integrity(a.Context(), true)
	if err != nil {
		a.Fatal(err)
	}
	for _, p := range problems {
		a.oddf("integrity: %s", p)
	}
	again, err := a.e.Store.Sweep(a.Context())
	if err != nil || again != 0 {
		a.oddf("a second sweep removes %d contents, %v", again, err)
	}
	a.figure("%d contents that nobody owned were swept away", swept)
	drafts, err := os.ReadDir(a.load.s.path("state", "drafts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a store in PostgreSQL has none
		a.Fatal(err)
	}
	for _, d := range drafts {
		a.oddf("stray draft %s", d.Name())
	}
}

func (a *auditor) read(r spool.Reader) (err error) {
	for _, q := range []struct {
		queue spool.Queue
		into  *[]spool.Item
	}{{gateway.Submissions, &a.items}, {gateway.Statements, &a.statements}} {
		for after := spool.ID(0); ; {
			page, err := r.Items(spool.Query{Queue: q.queue, After: after})
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			*q.into = append(*q.into, page...)
			after = page[len(page)-1].ID
		}
	}
	for _, it := range slices.Concat(a.items, a.statements) {
		parts, err := r.Parts(it.ID)
		if err != nil {
			return err
		}
		a.parts[it.ID] = map[string]spool.Part{}
		for _, p := range parts {
			a.parts[it.ID][p.Name] = p
		}
	}
	for _, box := range []string{"receipts", "outbox"} {
		for after := ""; ; {
			page, err := r.Posts(spool.PostQuery{Owner: "demo", Box: box, After: after})
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			a.posts = append(a.posts, page...)
			after = page[len(page)-1].Name
		}
	}
	for after := int64(0); ; {
		page, err := r.Events(after, 1000)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		a.events = append(a.events, page...)
		after = page[len(page)-1].Seq
	}
	a.kept, err = r.Kept("")
	return err
}

func (a *auditor) content(p spool.Part) []byte {
	blob, err := a.e.Store.Open(context.Background(), p.Content.SHA256)
	if err != nil {
		a.oddf("item %s, part %s: %v", p.Item, p.Name, err)
		return nil
	}
	defer blob.Close()
	b, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	if err != nil || hexSum(b) != p.Content.SHA256 {
		a.oddf("item %s, part %s: not the bytes of its hash, %v", p.Item, p.Name, err)
	}
	return b
}

// journal: numbered without gaps; one decision and at most one last answer for
// each submission, and they name the receipt that is there.
func (a *auditor) journal() {
	type seen struct{ decided, answered int }
	count := map[spool.ID]*seen{}
	ids := map[spool.ID]bool{}
	for i, ev := range a.events {
		if ev.Seq != int64(i+1) {
			a.Fatalf("journal: record %d has number %d", i+1, ev.Seq)
		}
		if ids[ev.ID] {
			a.doubledf("journal: two records are called %s", ev.ID)
		}
		ids[ev.ID] = true
		var rec struct{ Receipt, To string }
		if err := json.Unmarshal(ev.Record, &rec); err != nil {
			a.oddf("journal: record %d: %v", ev.Seq, err)
		}
		if count[ev.Item] == nil {
			count[ev.Item] = &seen{}
		}
		receipt := ""
		switch {
		case ev.Kind == "decided":
			count[ev.Item].decided++
			receipt = ".receipt1.json"
		case ev.Kind == "answered" && (rec.To == "processed" || rec.To == "returned"):
			count[ev.Item].answered++
			receipt = ".receipt2.json"
		}
		if receipt == "" {
			continue
		}
		found := false
		for name, p := range a.parts[ev.Item] {
			found = found || strings.HasSuffix(name, receipt) && p.Content.SHA256 == rec.Receipt
		}
		if !found {
			a.lostf("journal: record %d names a receipt that item %s does not have", ev.Seq, ev.Item)
		}
	}
	for _, it := range a.items {
		n := count[it.ID]
		if n == nil {
			a.lostf("submission %s is not in the journal", it.ID)
			continue
		}
		answers := 0
		if it.State == gateway.StateProcessed || it.State == gateway.StateReturned {
			answers = 1
		}
		if n.decided > 1 || n.answered > answers {
			a.doubledf("submission %s is %s: decided %d times, answered %d times", it.ID, it.State, n.decided, n.answered)
		} else if n.decided != 1 || n.answered != answers {
			a.lostf("submission %s is %s: decided %d times, answered %d times", it.ID, it.State, n.decided, n.answered)
		}
	}
}

// proofs: the journal is whole, and every receipt has its proof.
func (a *auditor) proofs() {
	r := a.verified()
	for item, parts := range a.parts {
		for name := range parts {
			base, ok := strings.CutSuffix(name, ".json")
			if !ok || parts[name].Role != gateway.RoleReceipt {
				continue
			}
			if _, ok := parts[base+".proof"]; !ok {
				a.lostf("item %s: %s has no proof", item, name)
			}
		}
	}
	a.figure("journal: %d rows, %d signed, %d checkpoints, %d receipts", r.Rows, r.Signed, r.Checkpoints, r.Receipts)
}

// verified: the journal is whole.
func (a *auditor) verified(copies ...journal.Copy) *journal.Report {
	dir := journal.Folder(a.load.s.path("state"))
	text, err := journal.PublicKey(dir)
	if err != nil {
		a.Fatal(err)
	}
	key, err := journal.ParseKey(text)
	if err != nil {
		a.Fatal(err)
	}
	r, err := journal.Verify(a.Context(), dir, a.e.Store, key, copies...)
	if err != nil {
		a.Fatal(err)
	}
	for _, f := range r.Findings {
		a.oddf("journal: %+v", f)
	}
	return r
}

// answers: every submission has one receipt 1, one receipt 2 if the processor has
// answered it, both sealed, under a name of its own, and nothing else in the box.
func (a *auditor) answers() {
	want := map[string]spool.ID{} // what must be in the box of receipts
	labels := map[string]bool{}
	for _, it := range a.items {
		if labels[it.Label] || it.Label == "" {
			a.oddf("submission %s: label %q is not its own", it.ID, it.Label)
		}
		labels[it.Label] = true
		outcomes := map[int]gateway.Outcome{1: gateway.Accepted}
		switch it.State {
		case gateway.StateRejected, gateway.StateDuplicate:
			outcomes[1] = gateway.Outcome(it.State)
		case gateway.StateProcessed, gateway.StateReturned:
			outcomes[2] = gateway.Outcome(it.State)
		case gateway.StateAccepted, gateway.StateLeased:
		default:
			a.lostf("submission %s (%s, %s): left as %s", it.ID, it.Label, it.Kind, it.State)
			continue
		}
		a.receipts[it.ID] = map[int]gateway.Receipt{}
		for n, outcome := range outcomes {
			base := fmt.Sprintf("%s.receipt%d", it.Label, n)
			for _, ending := range []string{".json", ".json.p7s", ".txt"} {
				want[base+ending] = it.ID
			}
			if strings.HasPrefix(it.Name, "pain") && it.Kind == "payment_instruction" {
				want[base+".pain002.xml"] = it.ID
			}
			a.receipts[it.ID][n] = a.receipt(it, n, base, outcome)
		}
		for name, p := range a.parts[it.ID] {
			if p.Role == gateway.RoleReceipt && want[name] != it.ID {
				a.oddf("submission %s is %s and has %s", it.ID, it.State, name)
			}
			if p.Role == gateway.RoleNotice && it.Label == "" {
				a.oddf("submission %s has %s", it.ID, name)
			}
		}
	}
	for _, p := range a.posts {
		if p.Box != "receipts" {
			continue
		}
		if receipt, ok := strings.CutSuffix(p.Name, ".proof"); ok { // each was checked by proofs
			if _, ok := a.parts[p.Item][receipt+".json"]; !ok {
				a.oddf("%s is of no receipt", p.Name)
			}
			continue
		}
		if want[p.Name] != p.Item {
			a.oddf("%s in the box of receipts is of %s and should be of %s", p.Name, p.Item, want[p.Name])
		}
		delete(want, p.Name)
	}
	for name, id := range want {
		a.lostf("submission %s: %s is not in the box of receipts", id, name)
	}
}

// receipt reads a receipt and proves its seal.
func (a *auditor) receipt(it spool.Item, n int, base string, outcome gateway.Outcome) (r gateway.Receipt) {
	body := a.content(a.parts[it.ID][base+".json"])
	if err := json.Unmarshal(body, &r); err != nil {
		a.oddf("%s: %v", base, err)
		return r
	}
	if r.Receipt != n || r.Outcome != outcome || r.Submission != it.ID || r.SHA256 != it.SHA256 || r.Document != it.Name {
		a.oddf("%s of %s, which is %s: says receipt %d of %s, %s", base, it.ID, it.State, r.Receipt, r.Submission, r.Outcome)
	}
	a.sealed(base+".json", body, a.content(a.parts[it.ID][base+".json.p7s"]))
	return r
}

// sealed proves a seal as a client would: detached, over these bytes, by a
// certificate under seal-ca.pem. Its revocation is not a question here.
func (a *auditor) sealed(name string, body, seal []byte) {
	document := io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body)))
	report := cades.Validate(cades.Input{Container: seal, Detached: document}, cades.Options{At: time.Now(), Trust: a.anchors})
	if len(report.Signatures) != 1 || report.Indication != cades.TotalPassed && report.SubIndication != cades.TryLater {
		a.oddf("%s: its seal does not hold: %s %s %s", name, report.Indication, report.SubIndication, report.Detail)
	}
}

// documents: what was answered OK is there, was accepted once, and what came
// again is a duplicate that names the first. Nobody's documents are not there.
func (a *auditor) documents() {
	l := a.load
	bySum := map[string][]spool.Item{}
	for _, it := range a.items {
		bySum[it.SHA256] = append(bySum[it.SHA256], it)
		if l.all[it.SHA256] == nil {
			a.oddf("submission %s, %s: a document that nobody sent", it.ID, it.Label)
		}
	}
	for _, k := range a.kept {
		a.oddf("unfinished file %s is still kept", k.Name)
	}
	duplicates := 0
	for sum, p := range l.papers {
		items := bySum[sum]
		if len(items) == 0 {
			a.lostf("%s: answered OK and lost", p.name)
			continue
		}
		if len(items) > 1+p.resent {
			a.doubledf("%s: %d files of it sent again, and %d submissions", p.name, p.resent, len(items))
		}
		// In the order of the decisions: of two that a crash left side by side the
		// later one may be examined first.
		slices.SortFunc(items, func(x, y spool.Item) int { return x.Decided.Compare(y.Decided) })
		var first spool.Item // the last accepted one
		for _, it := range items {
			r := a.receipts[it.ID][1]
			switch {
			case p.refused && r.Outcome == gateway.Rejected:
			case p.refused:
				a.oddf("%s lacks a signature and is %s", p.name, it.State)
			case r.Outcome == gateway.Duplicate:
				duplicates++
				if r.First == nil || first.ID == 0 || *r.First != first.ID {
					a.oddf("%s: duplicate %s names %v, the first is %s", p.name, it.ID, r.First, first.ID)
				}
			case r.Outcome != gateway.Accepted:
				a.oddf("%s (%s, %d sent again) is %s: %v", p.name, it.Label, p.resent, it.State, r.Findings)
			case first.ID != 0 && (first.State != gateway.StateReturned || !it.Decided.After(a.receipts[first.ID][2].Decided)):
				a.doubledf("%s: accepted twice, as %s and %s", p.name, first.ID, it.ID)
			default:
				first = it
			}
		}
		if !p.refused && first.ID == 0 {
			a.lostf("%s: answered OK and not accepted", p.name)
		}
		for _, f := range p.files {
			there := false
			for _, it := range items {
				there = there || a.parts[it.ID][f.name].Content.SHA256 == f.sum
			}
			if !there {
				a.lostf("%s: answered OK and in no submission", f.name)
			}
		}
	}
	for id, outcome := range l.answers {
		if a.receipts[id][2].Outcome != outcome {
			a.lostf("submission %s: the processor's answer %s was confirmed and receipt 2 says %q", id, outcome, a.receipts[id][2].Outcome)
		}
	}
	a.figure("%d submissions of %d documents answered OK, %d of them duplicates; %d journal records", len(a.items), len(l.papers), duplicates, len(a.events))
}

// statementsWhole: what was confirmed is there once, with its seal, and the
// numbers have no gaps.
func (a *auditor) statementsWhole() {
	names := map[string]spool.ID{}
	for i, it := range a.statements {
		if it.Label != fmt.Sprintf("%06d", i+1) {
			a.lostf("statement %d has number %s", i+1, it.Label)
		}
		if names[it.Name] != 0 {
			a.doubledf("statement %s is there twice", it.Name)
		}
		names[it.Name] = it.ID
		body := a.content(a.parts[it.ID][it.Name])
		a.sealed(it.Name, body, a.content(a.parts[it.ID][it.Name+".p7s"]))
	}
	for name, id := range a.load.statements {
		if names[name] == 0 || id != 0 && names[name] != id { // 0: of a file that was handed over, nobody was told it
			a.lostf("statement %s was confirmed as %s and is %s", name, id, names[name])
		}
	}
	if len(names) != len(a.load.statements) {
		a.doubledf("%d statements, %d confirmed", len(names), len(a.load.statements))
	}
}

// fetched: what the client has read in its boxes is there, and has not changed.
func (a *auditor) fetched() {
	is := map[string]string{}
	for _, p := range a.posts {
		is[p.Box+"/"+p.Name] = a.parts[p.Item][p.Part].Content.SHA256
	}
	for name, sum := range a.load.seen {
		if is[name] != sum {
			a.lostf("%s was fetched as %s and is %q", name, sum, is[name])
		}
	}
}

// mirror: the client's real folders show what is in the boxes, and nothing else.
func (a *auditor) mirror() {
	for _, box := range []string{"receipts", "outbox"} {
		want := map[string]spool.Post{}
		for _, p := range a.posts {
			if p.Box == box {
				want[p.Name] = p
			}
		}
		dir := a.load.s.path("clients", "demo", box)
		entries, err := os.ReadDir(dir)
		if err != nil {
			a.Fatal(err)
		}
		for _, f := range entries {
			p, ok := want[f.Name()]
			if f.Name() == ".brama-box" || a.load.removed[f.Name()] { // the first is the outbox's own
				continue
			}
			if !ok {
				a.oddf("%s: nobody has posted %s", box, f.Name())
				continue
			}
			delete(want, f.Name())
			b, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil || hexSum(b) != a.parts[p.Item][p.Part].Content.SHA256 {
				a.oddf("%s: %s is not what was posted, %v", box, f.Name(), err)
			}
		}
		for name, p := range want {
			if p.Told.IsZero() && strings.HasSuffix(name, ".proof") { // published at the stop: brought after the next start
				continue
			}
			a.lostf("%s: %s is not in the client's folder", box, name)
		}
	}
	left, err := os.ReadDir(a.load.s.path("clients", "demo", "inbox"))
	if err != nil {
		a.Fatal(err)
	}
	for _, f := range left {
		a.oddf("inbox: %s was left", f.Name())
	}
}
