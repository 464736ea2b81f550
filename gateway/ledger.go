package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// The ledger of a client says what is open of its commitments, in the buckets
// "ledger/CLIENT", and which documents were accepted, in "document/CLIENT", by
// their SHA-256. Both follow from the accepted submissions and are written in the
// transaction that accepts or returns one.
//
// An examination asks without a lock and notes what it was answered; settling asks
// the same again in its transaction, and examines anew if an answer is another
// now. So two payments that together exceed what is open are never both accepted.

// account is a row of the ledger.
type account struct {
	Open   int64    `json:"open"`   // kopecks
	Opened spool.ID `json:"opened"` // the submission that opened it; 0: it was returned
}

func ledgerOf(owner client.ID) string    { return "ledger/" + string(owner) }
func documentsOf(owner client.ID) string { return "document/" + string(owner) }

func readAccount(r spool.Reader, owner client.ID, name string) (a account, err error) {
	b, err := r.Value(ledgerOf(owner), name)
	if errors.Is(err, spool.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// holds says whether the client has an accepted document under an identifier: the
// submission, or the SHA-256 of the document.
func holds(r spool.Reader, owner client.ID, id string) (bool, error) {
	if len(id) == 64 {
		_, err := r.Value(documentsOf(owner), strings.ToLower(id))
		if errors.Is(err, spool.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	n, err := spool.ParseID(id)
	if err != nil {
		return false, nil
	}
	it, err := r.Item(n)
	if errors.Is(err, spool.ErrNotFound) {
		return false, nil
	}
	return err == nil && it.Queue == Submissions && it.Owner == string(owner) &&
		slices.Contains([]spool.State{StateAccepted, StateLeased, StateProcessed, StateDead}, it.State), err
}

// Standing is what a client's ledger says to one question.
type Standing struct {
	OK   bool  `json:"ok"`
	Open int64 `json:"open,omitempty"` // kopecks
}

// question is about a document, or about an account.
type question struct {
	document bool
	name     string
}

func (q question) ask(r spool.Reader, owner client.ID) (a Standing, err error) {
	if q.document {
		a.OK, err = holds(r, owner, q.name)
		return a, err
	}
	row, err := readAccount(r, owner, q.name)
	return Standing{OK: row.Opened != 0, Open: row.Open}, err
}

// prior answers an examination (formats.Prior), and notes what was asked.
type prior struct {
	ask     func(question) (Standing, error)
	answers map[question]Standing
	err     error // of the store: then there is no verdict
}

func (p *prior) answer(q question) Standing {
	if a, ok := p.answers[q]; ok || p.err != nil {
		return a
	}
	a, err := p.ask(q)
	if err != nil {
		p.err = err
		return Standing{}
	}
	if p.answers == nil {
		p.answers = map[question]Standing{}
	}
	p.answers[q] = a
	return a
}

// Document implements formats.Prior.
func (p *prior) Document(id string) bool { return p.answer(question{document: true, name: id}).OK }

// Open implements formats.Prior.
func (p *prior) Open(name string) (int64, bool) {
	a := p.answer(question{name: name})
	return a.Open, a.OK
}

// prior is what was accepted before of a client.
func (g *Gateway) prior(ctx context.Context, owner client.ID) *prior {
	return &prior{ask: func(q question) (Standing, error) { return g.Ask(ctx, owner, q.document, q.name) }}
}

// Ask says what a client's ledger holds: whether a document was accepted, or what
// is open of an account.
func (g *Gateway) Ask(ctx context.Context, owner client.ID, document bool, name string) (a Standing, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) error {
		a, err = question{document, name}.ask(r, owner)
		return err
	})
	return a, err
}

// PriorOf answers an examination by ask, for tools. What ask could not say is
// told by the second result, after the examination.
func PriorOf(ask func(document bool, name string) (Standing, error)) (formats.Prior, func() error) {
	p := &prior{ask: func(q question) (Standing, error) { return ask(q.document, q.name) }}
	return p, func() error { return p.err }
}

// same asks again in a transaction: an answer that is another now makes the
// examination void.
func (p *prior) same(r spool.Reader, owner client.ID) error {
	if p == nil {
		return nil
	}
	for q, before := range p.answers {
		now, err := q.ask(r, owner)
		if err != nil {
			return err
		}
		if now != before {
			return fmt.Errorf("ledger: %s: %w", q.name, spool.ErrConflict)
		}
	}
	return nil
}

// errEarlier says that an earlier submission of the same client may still decide
// what this one refers to.
var errEarlier = errors.New("an earlier submission of the client is not decided yet")

// butForPrior is the verdict without what it refused by what was accepted before;
// no if it refused for another reason too.
func (v *Verdict) butForPrior() (Verdict, bool) {
	if v.Outcome != Rejected || v.More > 0 {
		return Verdict{}, false
	}
	w := *v
	w.Outcome, w.Findings = Accepted, nil
	for _, f := range v.Findings {
		switch {
		case strings.HasPrefix(f.Rule, "REF-"):
		case f.Severity == formats.Error:
			return Verdict{}, false
		default:
			w.Findings = append(w.Findings, f)
		}
	}
	return w, len(w.Findings) < len(v.Findings)
}

// ripe says whether what a verdict refused for want of an earlier document can
// still come: documents that arrive together are decided in their order.
func (p *prior) ripe(r spool.Reader, it *spool.Item, v *Verdict) error {
	if p == nil || !slices.ContainsFunc(v.Findings, func(f formats.Finding) bool {
		return f.Rule == kind.RuleDocument.ID || f.Rule == kind.RuleAccount.ID || f.Rule == kind.RuleOpen.ID
	}) {
		return nil
	}
	earlier, err := r.Items(spool.Query{Queue: Submissions, Owner: it.Owner, States: []spool.State{StateReceived}, Before: it.ID, Limit: 1})
	if err == nil && len(earlier) > 0 {
		return errEarlier
	}
	return err
}

// post writes what an accepted submission does to its client's ledger; with back
// what it did is undone. It gives what it has set, for the journal.
func post(tx spool.Tx, owner client.ID, it *spool.Item, v *Verdict, back bool) (journal.Values, error) {
	set := journal.Values{}
	for _, e := range v.Entries {
		for _, p := range e.Postings {
			a, err := readAccount(tx, owner, p.Account)
			if err != nil {
				return nil, err
			}
			switch {
			case back:
				a.Open -= p.Amount
				if p.Opens && a.Opened == it.ID {
					a.Opened = 0
				}
			default:
				a.Open += p.Amount
				if p.Opens {
					a.Opened = it.ID
				}
			}
			var row []byte
			if a != (account{}) {
				if row, err = json.Marshal(a); err != nil {
					return nil, err
				}
			}
			if err := tx.SetValue(ledgerOf(owner), p.Account, row); err != nil {
				return nil, err
			}
			set.Add(ledgerOf(owner), p.Account, row)
		}
	}
	id := []byte(it.ID.String())
	if back {
		now, err := tx.Value(documentsOf(owner), v.SHA256)
		if err != nil || string(now) != string(id) {
			if errors.Is(err, spool.ErrNotFound) {
				err = nil
			}
			return set, err
		}
		id = nil
	}
	set.Add(documentsOf(owner), v.SHA256, id)
	return set, tx.SetValue(documentsOf(owner), v.SHA256, id)
}
