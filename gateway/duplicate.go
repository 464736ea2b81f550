package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// before looks for an earlier acceptance of the same document. An identical one,
// or one with the same numbers, makes this a duplicate; a file in which only some
// payments were accepted before is rejected whole (DESIGN 5).
func (g *Gateway) before(ctx context.Context, entry *client.Entry, v *Verdict, keys []spool.Key) (*spool.ID, error) {
	var first *spool.ID
	err := g.Store.View(ctx, func(r spool.Reader) error {
		content, seen, err := r.Seen(keys[0])
		if err != nil {
			return err
		}
		if seen {
			first = &content
			v.duplicate("DUP-001", content,
				"Цей самий документ уже прийнято. Повторно він не виконується.",
				"This very document was accepted before. It is not carried out again.")
			return nil
		}
		var again []formats.Finding
		whole := true // every payment was accepted before, in one and the same submission
		for i, e := range v.Entries {
			id, seen, err := r.Seen(keys[1+i])
			if err != nil {
				return err
			}
			if !seen {
				whole = false
				continue
			}
			if first == nil {
				first = &id
			}
			whole = whole && *first == id
			f := finding("DUP-002",
				fmt.Sprintf("Документ № %s від %s уже прийнято: подання %s. Номер можна використати знову лише після відмови чи повернення.", e.Number, e.Date, id),
				fmt.Sprintf("Document No %s of %s was accepted before: submission %s. The number may be used again only after it was rejected or returned.", e.Number, e.Date, id))
			f.Record = e.Record
			again = append(again, f)
		}
		if len(again) == 0 {
			return nil
		}
		if whole {
			it, err := r.Item(*first)
			if err == nil {
				whole, err = sameEntries(r, g, ctx, it, len(v.Entries))
			}
			if err != nil {
				return err
			}
		}
		if whole {
			v.duplicate("DUP-003", *first,
				"Документ з цим номером і датою вже прийнято. Якщо це інший платіж, дайте йому інший номер.",
				"A document of this number and date was accepted before. If this is another payment, give it another number.")
			return nil
		}
		v.Outcome, first = Rejected, nil
		v.add(again...)
		return nil
	})
	return first, err
}

// resent looks for the acceptance of a document that has come again alone: its
// sender has not seen the OK and repeats what he did last. It would wait in vain
// for signatures that were sent before.
func (g *Gateway) resent(ctx context.Context, it spool.Item, v *Verdict, now time.Time) (*spool.ID, error) {
	if v.SHA256 == "" {
		return nil, nil
	}
	var first *spool.ID
	err := g.Store.View(ctx, func(r spool.Reader) error {
		before, err := r.Items(spool.Query{
			Queue: Submissions, Owner: it.Owner, Name: it.Name, From: now.Add(-g.reach()), Before: it.ID, Newest: true, Limit: recent,
			States: []spool.State{StateAccepted, StateLeased, StateProcessed, StateDead},
		})
		for _, b := range before {
			if first == nil && b.SHA256 == v.SHA256 {
				first = &b.ID
			}
		}
		return err
	})
	if first != nil {
		v.Findings, v.More = nil, 0
		v.duplicate("DUP-001", *first,
			"Цей самий документ уже прийнято. Повторно він не виконується.",
			"This very document was accepted before. It is not carried out again.")
	}
	return first, err
}

// sameEntries says whether an earlier submission has as many payments as the one
// at hand, all of whose numbers it has: then one is a repetition of the other.
func sameEntries(r spool.Reader, g *Gateway, ctx context.Context, it spool.Item, n int) (bool, error) {
	v, err := g.verdict(ctx, r, it.ID)
	switch {
	case errors.Is(err, spool.ErrNotFound):
		return false, nil
	case errors.Is(err, archive.ErrOffline):
		return sameKeys(r, it.ID, n)
	}
	return len(v.Entries) == n, err
}

// sameKeys is sameEntries for a submission whose verdict is in an archive that is away:
// its row has a key for each payment, after that of the content.
func sameKeys(r spool.Reader, id spool.ID, n int) (bool, error) {
	history, err := r.History(id)
	for _, e := range history {
		if e.Kind != "decided" {
			continue
		}
		var rec struct{ Keys []byte }
		if err := json.Unmarshal(e.Record, &rec); err != nil {
			return false, fmt.Errorf("journal row %d: %w", e.Seq, err)
		}
		had := len(rec.Keys) / len(spool.Key{})
		return had == n+1 && had < maxKnown, nil
	}
	return false, err
}

func (v *Verdict) duplicate(rule string, first spool.ID, uk, en string) {
	v.Outcome = Duplicate
	v.add(finding(rule, uk+" Перше подання: "+first.String()+".", en+" First submission: "+first.String()+"."))
}

// keys are what the duplicate index knows a document by: its content with its
// signers, then the number and date of each payment in it. Never the hash of
// the signed file: signatures are malleable (THREATS A11).
func (v *Verdict) keys(owner client.ID) []spool.Key {
	persons := slices.Clone(v.Persons)
	slices.Sort(persons)
	persons = slices.Compact(persons)
	keys := []spool.Key{key("content", string(owner), v.SHA256, strings.Join(persons, "\x00"))}
	for _, e := range v.Entries {
		keys = append(keys, key("number", string(owner), string(v.Kind), e.Number, e.Date))
	}
	return keys
}

// maxKnown bounds the keys in a journal record: that of the content and those of the
// first payments.
const maxKnown = 4096

// keysOf joins keys for the journal.
func keysOf(keys []spool.Key) []byte {
	var b []byte
	for _, k := range keys[:min(len(keys), maxKnown)] {
		b = append(b, k[:]...)
	}
	return b
}

func key(parts ...string) spool.Key {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return spool.Key(h.Sum(nil)[:16])
}
