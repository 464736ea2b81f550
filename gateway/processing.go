package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// Bounds of what a processor may ask.
const (
	MaxLeases = 1000
	MinTTL    = time.Second
	MaxTTL    = 24 * time.Hour
	MaxWait   = time.Minute
	maxReason = 2000
)

// Lease gives the processor the next accepted submissions, most of them at most, each
// for ttl. It waits until there is one, at most wait.
func (g *Gateway) Lease(ctx context.Context, most int, wait, ttl time.Duration) ([]Lease, error) {
	most = min(max(most, 1), MaxLeases)
	ttl = clamp(ttl, MinTTL, MaxTTL)
	end := time.NewTimer(clamp(wait, 0, MaxWait))
	defer end.Stop()
	for {
		changes := g.Changes()
		leases, err := g.claim(ctx, most, ttl)
		if err != nil || len(leases) > 0 {
			return leases, err
		}
		select {
		case <-changes:
		case <-time.After(time.Second): // work that was given back with a delay becomes due without a change
		case <-end.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (g *Gateway) claim(ctx context.Context, most int, ttl time.Duration) ([]Lease, error) {
	waiting := false
	err := g.Store.View(ctx, func(r spool.Reader) error {
		counts, err := r.Counts(Submissions)
		waiting = counts[StateAccepted] > 0
		return err
	})
	if err != nil || !waiting {
		return nil, err
	}
	now := g.Now()
	var items []spool.Item
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		var err error
		items, err = tx.Claim(spool.Claim{
			Queue: Submissions, From: StateAccepted, To: StateLeased,
			Now: now, TTL: ttl, Max: most, Token: newToken,
		})
		if err != nil {
			return err
		}
		for i := range items {
			it := &items[i]
			it.Deadline = it.LeaseUntil
			if err := tx.Put(*it); err != nil {
				return err
			}
			if err := g.journal(tx, it.ID, now, "leased", journalRecord{From: StateAccepted, To: StateLeased, Lease: it.Lease[:8]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	g.changed()
	var leases []Lease
	unread := items
	err = g.Store.View(ctx, func(r spool.Reader) error {
		unread = nil
		for _, it := range items {
			s, err := g.submission(ctx, r, it)
			if err != nil {
				// One that cannot be read must not hold up the others.
				g.Log.Error("submission cannot be leased", zap.Stringer("submission", it.ID), zap.Error(err))
				unread = append(unread, it)
				continue
			}
			leases = append(leases, Lease{Token: it.Lease, Until: it.LeaseUntil.UTC(), Submission: s})
		}
		return nil
	})
	// Nobody gets to know these leases: the submissions come again, later and later.
	for _, it := range unread {
		if err := g.endLease(ctx, it.ID, func(now spool.Item) bool { return now.Lease == it.Lease }); err != nil {
			g.Log.Error("lease nobody has must run out", zap.Stringer("submission", it.ID), zap.Error(err))
		}
	}
	return leases, err
}

func newToken() string {
	var b [20]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// leased finds the submission under a lease.
func leased(r spool.Reader, token string) (spool.Item, error) {
	items, err := r.Items(spool.Query{Queue: Submissions, Lease: token, States: []spool.State{StateLeased}, Limit: 1})
	if err != nil {
		return spool.Item{}, err
	}
	if token == "" || len(items) == 0 {
		return spool.Item{}, ErrLease
	}
	return items[0], nil
}

// Extend lengthens a lease to ttl from now.
func (g *Gateway) Extend(ctx context.Context, token string, ttl time.Duration) (time.Time, error) {
	var until time.Time
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		it, err := leased(tx, token)
		if err != nil {
			return err
		}
		until = g.Now().Add(clamp(ttl, MinTTL, MaxTTL))
		it.LeaseUntil, it.Deadline = until, until
		return tx.Put(it)
	})
	return until.UTC(), err
}

// Answer settles a leased submission: processed and returned make receipt 2,
// retry gives it back for later, dead hands it to the operator. The same answer
// again is answered the same; another one is ErrAnswer.
func (g *Gateway) Answer(ctx context.Context, token string, a Answer) error {
	if err := a.check(); err != nil {
		return err
	}
	now := g.Now()
	var it spool.Item
	var v Verdict
	err := g.Store.View(ctx, func(r spool.Reader) error {
		err := answered(r, token, a, now)
		if err != nil {
			return err
		}
		if it, err = leased(r, token); err != nil {
			return err
		}
		v, err = g.verdict(ctx, r, it.ID)
		return err
	})
	if errors.Is(err, errAnswered) {
		return nil
	}
	if err != nil {
		return err
	}
	entry := g.Register().ByID(client.ID(it.Owner))
	if entry == nil {
		entry = &client.Entry{ID: client.ID(it.Owner)}
	}
	record := g.ids.New(now)
	var files []receiptFile
	if a.Outcome == Processed || a.Outcome == Returned {
		answer := Receipt{
			Receipt: 2, Document: it.Name, SHA256: it.SHA256, Size: it.Size, Submission: it.ID, Client: entry.ID,
			Received: it.Received.UTC(), Decided: now.UTC(), Outcome: a.Outcome, Kind: v.Kind, Profile: v.Profile,
			Totals: totals(v.Entries), Signatures: v.Signatures, Container: v.Container, Reason: a.Reason, Reference: a.Reference,
			Journal: JournalRef{Record: record},
		}
		if files, err = g.receiptFiles(&answer, entry, &v); err != nil {
			return fmt.Errorf("submission %s: receipt 2: %w", it.ID, err)
		}
	}
	b := &batch{g: g}
	defer b.discard()
	papers, err := b.receipts(ctx, files)
	if err != nil {
		return fmt.Errorf("submission %s: receipt 2: %w", it.ID, err)
	}
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		if err := answered(tx, token, a, now); err != nil {
			return err // the same was said twice at once
		}
		it, err := leased(tx, token)
		if err != nil {
			return err
		}
		given, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if err := tx.SetValue(answersOf(now), token, given); err != nil {
			return err
		}
		to := map[Outcome]spool.State{Processed: StateProcessed, Returned: StateReturned, Retry: StateAccepted, Dead: StateDead}[a.Outcome]
		if err := move(&it, to); err != nil {
			return err
		}
		n := readNote(it.Note)
		n.Answer, n.Answered = &a, now
		it.Note = n.bytes()
		it.Lease, it.LeaseUntil, it.Deadline = "", time.Time{}, time.Time{}
		if a.Outcome == Retry {
			it.NotBefore = now.Add(delay(it.Attempts))
		}
		var set journal.Values
		if a.Outcome == Returned {
			// The number may be used again (DESIGN 5).
			if err := tx.Forget(it.ID); err != nil {
				return err
			}
			if set, err = post(tx, client.ID(it.Owner), &it, &v, true); err != nil {
				return err
			}
		}
		if err := tx.Put(it); err != nil {
			return err
		}
		rec := journalRecord{From: StateLeased, To: it.State, Outcome: a.Outcome, SHA256: it.SHA256, Reason: a.Reason, Reference: a.Reference, Values: set}
		for i, f := range files {
			if i == 0 {
				rec.Receipt = hexSHA256(f.content)
			}
			if err := g.publish(tx, &it, entry, "receipts", it.Label+f.suffix, RoleReceipt, papers[i], now); err != nil {
				return err
			}
		}
		return g.journalAs(tx, record, it.ID, now, "answered", rec)
	})
	if errors.Is(err, errAnswered) {
		return nil
	}
	if err != nil {
		return err
	}
	g.Log.Info("answered", zap.Stringer("submission", it.ID), zap.String("client", it.Owner), zap.String("outcome", string(a.Outcome)))
	if a.Outcome == Dead {
		g.Log.Error("submission is dead: the operator must look at it (bramactl spool show, retry)", zap.Stringer("submission", it.ID))
	}
	g.changed()
	return nil
}

// Answers are remembered by the day on which they were given, for so many days:
// a processor that repeats one after that is told that its lease is over.
const answerDays = 14

func answersOf(t time.Time) string { return "answer/" + t.UTC().Format(time.DateOnly) }

// errAnswered says that this very answer was given before.
var errAnswered = errors.New("answered so before")

// answered looks for an answer under this lease: errAnswered for the same one,
// ErrAnswer for another, nil for none.
func answered(r spool.Reader, token string, a Answer, now time.Time) error {
	for i := range answerDays {
		given, err := r.Value(answersOf(now.AddDate(0, 0, -i)), token)
		if errors.Is(err, spool.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		var before Answer
		if err := json.Unmarshal(given, &before); err != nil {
			return fmt.Errorf("stored answer: %w", err)
		}
		if before != a {
			return ErrAnswer
		}
		return errAnswered
	}
	return nil
}

// forgetAnswers ends the memory of answers that are too old; it looks back a
// month, for days on which it did not run.
func (g *Gateway) forgetAnswers(ctx context.Context, now time.Time) error {
	for i := answerDays; i < answerDays+31; i++ {
		bucket := answersOf(now.AddDate(0, 0, -i))
		var old map[string][]byte
		err := g.Store.View(ctx, func(r spool.Reader) error {
			var err error
			old, err = r.Values(bucket)
			return err
		})
		if err != nil {
			return err
		}
		for tokens := range slices.Chunk(slices.Sorted(maps.Keys(old)), 1000) {
			err := g.Store.Update(ctx, func(tx spool.Tx) error {
				for _, token := range tokens {
					if err := tx.SetValue(bucket, token, nil); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Answer) check() error {
	switch a.Outcome {
	case Processed, Retry:
	case Returned, Dead:
		if strings.TrimSpace(a.Reason) == "" {
			return fmt.Errorf("answer %s: a reason is needed: %w", a.Outcome, ErrAnswerForm)
		}
	default:
		return fmt.Errorf("answer %q: want processed, returned, retry or dead: %w", a.Outcome, ErrAnswerForm)
	}
	if len(a.Reason) > maxReason || len(a.Reference) > 200 {
		return fmt.Errorf("answer %s: reason or reference is too long: %w", a.Outcome, ErrAnswerForm)
	}
	return nil
}

// delay grows with the number of attempts: 10 s, 20 s, 40 s ... one hour.
func delay(attempts int) time.Duration {
	d := 10 * time.Second
	for range min(attempts-1, 9) {
		d *= 2
	}
	return min(d, time.Hour)
}

// giveBack ends a lease that ran out.
func (g *Gateway) giveBack(ctx context.Context, id spool.ID) error {
	now := g.Now()
	return g.endLease(ctx, id, func(it spool.Item) bool { return !now.Before(it.LeaseUntil) || endless(it, now) })
}

// endLease ends a lease that is over: the submission goes back into the queue, and
// waits the longer the more often it was leased. It may have been answered, extended
// or leased again meanwhile.
func (g *Gateway) endLease(ctx context.Context, id spool.ID, over func(spool.Item) bool) error {
	now := g.Now()
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		it, err := tx.Item(id)
		if err != nil {
			return err
		}
		if it.State != StateLeased || !over(it) {
			return nil
		}
		token := it.Lease
		if err := move(&it, StateAccepted); err != nil {
			return err
		}
		it.Lease, it.LeaseUntil, it.Deadline = "", time.Time{}, time.Time{}
		it.NotBefore = now.Add(delay(it.Attempts))
		if err := tx.Put(it); err != nil {
			return err
		}
		g.Log.Warn("lease is over", zap.Stringer("submission", id), zap.Int("attempts", it.Attempts))
		return g.journal(tx, id, now, "lease over", journalRecord{From: StateLeased, To: StateAccepted, Lease: token[:min(8, len(token))]})
	})
}

// GiveBack ends a lease whose holder has done nothing with it: the submission
// is at once there for the next who asks, and the attempt does not count.
func (g *Gateway) GiveBack(ctx context.Context, token string) error {
	now := g.Now()
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		it, err := leased(tx, token)
		if err != nil {
			return err
		}
		if err := move(&it, StateAccepted); err != nil {
			return err
		}
		it.Lease, it.LeaseUntil, it.Deadline, it.NotBefore = "", time.Time{}, time.Time{}, time.Time{}
		it.Attempts = max(0, it.Attempts-1)
		if err := tx.Put(it); err != nil {
			return err
		}
		return g.journal(tx, it.ID, now, "given back", journalRecord{From: StateLeased, To: StateAccepted, Lease: token[:min(8, len(token))]})
	})
	if err == nil {
		g.changed()
	}
	return err
}

// Submission tells of one.
func (g *Gateway) Submission(ctx context.Context, id spool.ID) (Submission, error) {
	var s Submission
	err := g.Store.View(ctx, func(r spool.Reader) error {
		it, err := r.Item(id)
		if err != nil {
			return err
		}
		if it.Queue != Submissions {
			return spool.ErrNotFound
		}
		s, err = g.submission(ctx, r, it)
		return err
	})
	return s, err
}

func (g *Gateway) submission(ctx context.Context, r spool.Reader, it spool.Item) (Submission, error) {
	s := Submission{
		ID: it.ID, Client: client.ID(it.Owner), Document: it.Name, SHA256: it.SHA256, Size: it.Size,
		Kind: formats.Kind(it.Kind), State: it.State, Received: it.Received.UTC(), Decided: utc(it.Decided),
		Deadline: utc(it.Deadline), Attempts: it.Attempts, Parts: []Part{},
	}
	if entry := g.Register().ByID(s.Client); entry != nil {
		s.EDRPOU = entry.EDRPOU
	}
	parts, err := r.Parts(it.ID)
	if err != nil {
		return s, err
	}
	if it.SHA256 != "" && !slices.ContainsFunc(parts, func(p spool.Part) bool { return p.Role == RoleDocument }) {
		// It lies in a container; OpenPart takes it out.
		s.Parts = append(s.Parts, Part{Name: documentPart, Role: string(RoleDocument), Size: it.Size, SHA256: it.SHA256})
	}
	for _, p := range parts {
		if p.Role == RoleVerdict || p.Role == RoleNotice || p.Role == RoleOpened || p.Role == RoleEvidence {
			continue
		}
		s.Parts = append(s.Parts, Part{Name: p.Name, Role: string(p.Role), Size: p.Content.Size, SHA256: p.Content.SHA256})
	}
	v, err := g.verdict(ctx, r, it.ID)
	if errors.Is(err, spool.ErrNotFound) {
		return s, nil // not decided yet
	}
	if err != nil {
		return s, err
	}
	s.Profile, s.Entries, s.Signers = v.Profile, v.Entries, v.Signatures
	return s, nil
}

// documentPart is the part that reads as the document that was signed, wherever it lies.
const documentPart = "document"

// OpenPart reads a part of a submission. The name "document" reads the document
// that was signed, also out of a container.
func (g *Gateway) OpenPart(ctx context.Context, id spool.ID, name string) (Reading, error) {
	var p spool.Part
	var owner client.ID
	err := g.Store.View(ctx, func(r spool.Reader) error {
		it, err := r.Item(id)
		if err != nil {
			return err
		}
		if it.Queue != Submissions || strings.HasPrefix(name, ".") {
			return spool.ErrNotFound
		}
		owner = client.ID(it.Owner)
		if p, err = r.Part(id, name); !errors.Is(err, spool.ErrNotFound) || name != documentPart {
			return err
		}
		parts, err := r.Parts(id)
		if err != nil {
			return err
		}
		for _, p = range parts {
			if p.Role == RoleDocument || p.Role == RoleContainer {
				if opened, err := r.Part(id, openedPart); err == nil {
					p.Content = opened.Content
				}
				return nil
			}
		}
		return spool.ErrNotFound
	})
	if err != nil {
		return nil, err
	}
	if name == documentPart && p.Role == RoleContainer {
		return g.unwrapped(ctx, owner, p)
	}
	return g.reading(ctx, p.Content, p.Added, nil)
}

func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }
