package gateway

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/spool"
)

// A time-stamp proves nothing any more when its authority's certificate has ended or
// its algorithms are broken. Before that a raised signature gets what its newest
// time-stamp rests on, and an archive-time-stamp over all of it, as a new part
// beside the old one.
//
// The bucket "stamp-ends" names the months in which time-stamps end, the bucket
// "stamp-ends/MONTH" the submissions with the end: so whoever looks for what is due
// reads that only. A row may be out of date; what the stored signature says counts.

const (
	endsBucket = "stamp-ends"
	endsState  = "state" // key beside the months: endsFilled
	month      = "2006-01"
)

// endsPage is how many submissions are read at once to fill the buckets.
const endsPage = 200

// restampPause and restampPauses bound the pause before what failed is tried again.
const (
	restampPause  = time.Minute
	restampPauses = 6 * time.Hour
)

// endsFilled tells how far the buckets are filled by an edition of the table of
// algorithms.
type endsFilled struct {
	Table string   `json:"table"`
	After spool.ID `json:"after,omitzero"`
	Done  bool     `json:"done,omitempty"`
}

// restampAgain is what failed and is to be tried again before its schedule.
type restampAgain struct {
	lead  time.Duration
	next  time.Time
	tries int
}

// errTooSoon: the authority has no certificate yet that lasts longer.
var errTooSoon = errors.New("a time-stamp of the authority would end no later than the one that is there")

// raisedName is the name of the part with a raised signature: n counts from 1, and
// goes up with each archive-time-stamp.
func raisedName(n int, part string) string {
	if n == 1 {
		return ".raised." + part
	}
	return fmt.Sprintf(".raised%d.%s", n, part)
}

// raisings is how often a part was raised; the last is the one that counts.
func (s *signedPieces) raisings(part string) (n int) {
	for slices.ContainsFunc(s.parts, func(p spool.Part) bool { return p.Name == raisedName(n+1, part) }) {
		n++
	}
	return n
}

// newestStamps gives the newest time-stamp over each signature of a container; those
// without any have none.
func newestStamps(container []byte) (out []*tsp.Token, sd *cms.SignedData, err error) {
	raw, err := cms.Unarmour(container)
	if err != nil {
		return nil, nil, err
	}
	if sd, err = cms.Parse(raw, cms.Options{BERSignerInfo: true}); err != nil {
		return nil, nil, err
	}
	for i := range sd.Signers {
		var newest *tsp.Token
		for _, a := range sd.Signers[i].UnsignedAttrs {
			if a.Type != cms.AttrTimeStamp && a.Type != cms.AttrArchive3 {
				continue
			}
			for _, v := range a.Values {
				t, err := tsp.Parse(v)
				if err != nil {
					continue // it proves nothing, so nothing ends with it
				}
				if newest == nil || !t.Info.Time.Before(newest.Info.Time) {
					newest = t
				}
			}
		}
		if newest != nil {
			out = append(out, newest)
		}
	}
	return out, sd, nil
}

// stampsEnd is when the first of the newest time-stamps over raised signatures
// ends; zero: there are none.
func stampsEnd(trust *pki.Store, raised ...[]byte) (end time.Time, err error) {
	sooner := func(t time.Time) {
		if end.IsZero() || t.Before(end) {
			end = t
		}
	}
	for _, b := range raised {
		tokens, sd, err := newestStamps(b)
		if err != nil {
			return time.Time{}, err
		}
		var material []*pki.Certificate
		for _, raw := range sd.Certificates {
			if c, err := trust.ParseCertificate(raw); err == nil {
				material = append(material, c)
			}
		}
		for _, t := range tokens {
			// Only who the authority is; whether it holds is judged when it is due.
			r := t.Verify(tsp.Options{
				Trust: trust, AttrsAsStored: true, Path: pki.PathOptions{At: t.Info.Time, WithoutRevocation: true, Material: material},
				Sum: func(*algorithm.Digest, crypto.PublicKey) ([]byte, error) { return t.Info.Imprint, nil },
			})
			if r.Authority == nil {
				return time.Time{}, fmt.Errorf("time-stamp of %v: %s", t.Info.Time, r.Detail)
			}
			sooner(r.Authority.NotAfter)
			sooner(keyEnds(r.Authority.PublicKey))
			if d := digestEnds(t.Info.ImprintAlgorithm.OID); !d.IsZero() {
				sooner(d)
			}
		}
	}
	return end.UTC(), nil
}

// watchEnd notes when the time-stamps of a submission end; a zero time notes nothing.
func watchEnd(tx spool.Tx, id spool.ID, end time.Time) error {
	if end.IsZero() {
		return nil
	}
	at := end.UTC().Format(month)
	if err := tx.SetValue(endsBucket, at, []byte("1")); err != nil {
		return err
	}
	return tx.SetValue(endsBucket+"/"+at, id.String(), []byte(end.UTC().Format(time.RFC3339)))
}

// Restamp puts a new archive-time-stamp over every stored raised signature whose
// newest time-stamp ends within lead. What fails for want of the authority is tried
// again by itself, with growing pauses. Without an authority there is nothing to do.
func (g *Gateway) Restamp(ctx context.Context, lead time.Duration) error {
	if g.Stamper == nil || !g.restamping.TryLock() {
		return nil
	}
	defer g.restamping.Unlock()
	err := g.restamp(ctx, lead)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, errTooSoon) {
		g.restampAgain.Store(nil)
		return err
	}
	again := restampAgain{lead: lead}
	if was := g.restampAgain.Load(); was != nil {
		again.tries = was.tries + 1
	}
	again.next = g.Now().Add(min(restampPauses, restampPause<<min(again.tries, 12)))
	g.restampAgain.Store(&again)
	return err
}

func (g *Gateway) restamp(ctx context.Context, lead time.Duration) error {
	if err := g.fillEnds(ctx); err != nil {
		return err
	}
	limit := g.Now().Add(lead)
	months, err := g.values(ctx, endsBucket)
	if err != nil {
		return err
	}
	var waits error // for what is not at hand yet
	for _, at := range sortedKeys(months) {
		if at == endsState || at > limit.UTC().Format(month) {
			continue
		}
		rows, err := g.values(ctx, endsBucket+"/"+at)
		if err != nil {
			return err
		}
		for _, name := range sortedKeys(rows) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			end, err := time.Parse(time.RFC3339, string(rows[name]))
			if err != nil {
				return fmt.Errorf("%s/%s: %w", endsBucket, at, err)
			}
			id, err := spool.ParseID(name)
			if err != nil {
				return err
			}
			if end.After(limit) {
				continue
			}
			switch err := g.restampOne(ctx, id, at, limit); {
			case err == nil:
			case errors.Is(err, errStatus):
				waits = fmt.Errorf("submission %s: %w", id, err)
			case errors.Is(err, errStamp), errors.Is(err, errTooSoon), ctx.Err() != nil:
				return fmt.Errorf("submission %s: %w", id, err) // the others fare no better
			default:
				waits = fmt.Errorf("submission %s: %w", id, err)
				g.Log.Error("evidence not time-stamped anew", zap.Stringer("submission", id), zap.Error(err))
			}
		}
		err = g.Store.Update(ctx, func(tx spool.Tx) error {
			if left, err := tx.Values(endsBucket + "/" + at); err != nil || len(left) > 0 {
				return err
			}
			return tx.SetValue(endsBucket, at, nil)
		})
		if err != nil {
			return err
		}
	}
	return waits
}

func (g *Gateway) values(ctx context.Context, bucket string) (out map[string][]byte, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) (err error) {
		out, err = r.Values(bucket)
		return err
	})
	return out, err
}

func sortedKeys(m map[string][]byte) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// fillEnds notes the ends of the signatures that were raised before they were noted,
// or when the table of algorithms was another. It goes on where it was interrupted.
func (g *Gateway) fillEnds(ctx context.Context) error {
	for {
		var state endsFilled
		var items []spool.Item
		var all []signedPieces
		err := g.Store.View(ctx, func(r spool.Reader) error {
			b, err := r.Value(endsBucket, endsState)
			if err == nil {
				err = json.Unmarshal(b, &state)
			}
			if err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
			if state.Table != ageingTable {
				state = endsFilled{Table: ageingTable}
			}
			if state.Done {
				return nil
			}
			if items, err = r.Items(spool.Query{Queue: Submissions, After: state.After, Limit: endsPage}); err != nil {
				return err
			}
			for _, it := range items {
				s, err := g.signedPieces(r, it.ID)
				if err != nil {
					return err
				}
				all = append(all, s)
			}
			return nil
		})
		if err != nil || state.Done {
			return err
		}
		ends := map[spool.ID]time.Time{}
		trust := g.Trust.Snapshot()
		for _, s := range all {
			raised, _, err := g.raisedOf(ctx, s)
			if err != nil {
				return err
			}
			if ends[s.item.ID], err = stampsEnd(trust, raised...); err != nil {
				g.Log.Warn("the time-stamps of a signature cannot be watched for their end", zap.Stringer("submission", s.item.ID), zap.Error(err))
			}
		}
		if len(items) > 0 {
			state.After = items[len(items)-1].ID
		}
		state.Done = len(items) < endsPage
		b, err := json.Marshal(state)
		if err != nil {
			return err
		}
		err = g.Store.Update(ctx, func(tx spool.Tx) error {
			for id, end := range ends {
				if err := watchEnd(tx, id, end); err != nil {
					return err
				}
			}
			return tx.SetValue(endsBucket, endsState, b)
		})
		if err != nil {
			return err
		}
	}
}

// raisedOf reads the newest of the raised signatures of a submission, with the parts
// that they were raised from.
func (g *Gateway) raisedOf(ctx context.Context, s signedPieces) (raised [][]byte, from []spool.Part, err error) {
	for _, p := range s.sigs {
		n := s.raisings(p.Name)
		if n == 0 {
			continue
		}
		i := slices.IndexFunc(s.parts, func(x spool.Part) bool { return x.Name == raisedName(n, p.Name) })
		b, err := g.read(ctx, s.parts[i].Content)
		if err != nil {
			return nil, nil, err
		}
		raised, from = append(raised, b), append(from, p)
	}
	return raised, from, nil
}

// restampOne does one submission that the bucket of a month names.
func (g *Gateway) restampOne(ctx context.Context, id spool.ID, at string, limit time.Time) error {
	done := func(tx spool.Tx) error { return tx.SetValue(endsBucket+"/"+at, id.String(), nil) }
	var s signedPieces
	err := g.Store.View(ctx, func(r spool.Reader) (err error) {
		s, err = g.signedPieces(r, id)
		return err
	})
	if errors.Is(err, spool.ErrNotFound) {
		return g.Store.Update(ctx, done)
	}
	if err != nil {
		return err
	}
	raised, from, err := g.raisedOf(ctx, s)
	if err != nil {
		return err
	}
	w, err := g.newRestamper(ctx, s)
	if err != nil {
		return err
	}
	defer w.close()
	leave, err := g.large.enter(ctx, s.sigs...)
	if err != nil {
		return err
	}
	defer leave()
	type addition struct {
		name    string
		content spool.Content
	}
	var additions []addition
	b := &batch{g: g}
	defer b.discard()
	for i, p := range from {
		end, err := stampsEnd(w.trust, raised[i])
		if err != nil {
			return err
		}
		if end.IsZero() || end.After(limit) {
			continue
		}
		received, err := g.read(ctx, p.Content)
		if err != nil {
			return err
		}
		longer, err := w.over(ctx, received, raised[i], end)
		if late := (*tooLate)(nil); errors.As(err, &late) {
			g.Log.Error("a stored signature cannot be time-stamped anew; it stays as it is", zap.Stringer("submission", id), zap.String("part", p.Name), zap.Error(err))
			raised[i] = nil
			continue
		}
		if err != nil {
			return err
		}
		content, err := b.content(ctx, longer)
		if err != nil {
			return err
		}
		additions = append(additions, addition{raisedName(s.raisings(p.Name)+1, p.Name), content})
		raised[i] = longer
	}
	raised = slices.DeleteFunc(raised, func(b []byte) bool { return b == nil })
	end, err := stampsEnd(w.trust, raised...)
	if err != nil {
		return err
	}
	now := g.Now()
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		if err := done(tx); err != nil {
			return err
		}
		for _, a := range additions {
			if err := tx.AddPart(id, a.name, RoleEvidence, a.content, now.UTC()); err != nil {
				return err
			}
			if err := g.journal(tx, id, now, "evidence renewed", journalRecord{Name: a.name, Role: RoleEvidence, SHA256: a.content.SHA256}); err != nil {
				return err
			}
		}
		return watchEnd(tx, id, end)
	})
}

// tooLate: what is stored does not hold now, so nothing put over it would prove
// anything; only what it proved before still counts.
type tooLate struct{ err error }

func (e *tooLate) Error() string { return "it does not hold any more: " + e.err.Error() }
func (e *tooLate) Unwrap() error { return e.err }

// restamper puts archive-time-stamps over the signatures of one submission.
type restamper struct {
	g        *Gateway
	trust    *pki.Store
	tolerate cades.Tolerances
	document *io.SectionReader // nil where it is inside the container
	blob     spool.Blob        // of document
	check    cades.Options     // with what is kept, as who verifies the package
	reads    attention         // of document
}

func (g *Gateway) newRestamper(ctx context.Context, s signedPieces) (*restamper, error) {
	i := slices.IndexFunc(s.parts, func(p spool.Part) bool { return p.Name == evidencePart })
	if i < 0 {
		return nil, ErrNoEvidence
	}
	text, err := g.read(ctx, s.parts[i].Content)
	if err != nil {
		return nil, err
	}
	var kept evidenceKept
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, err
	}
	w := &restamper{g: g}
	c := Case{Entry: g.Register().ByID(client.ID(s.item.Owner)), Trust: g.Trust.Snapshot()}
	w.trust = c.material()
	if w.tolerate, err = cades.ParseTolerances(kept.Tolerate); err != nil {
		return nil, err
	}
	anchors := slices.Clone(w.trust.Anchors())
	for _, raw := range kept.Anchors {
		a, err := pki.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		anchors = append(anchors, a)
	}
	w.check = cades.Options{At: s.item.Decided, Freshness: kept.Freshness, Tolerate: w.tolerate}
	if w.check.Trust, w.check.Evidence, err = kept.Material.Store(anchors); err != nil || s.document == nil {
		return w, err
	}
	if w.blob, err = g.Store.Open(ctx, s.document.Content.SHA256); err == nil {
		w.document = w.reads.over(io.NewSectionReader(w.blob, 0, w.blob.Size()))
	}
	return w, err
}

// close lets the document go.
func (w *restamper) close() {
	if w.blob != nil {
		w.blob.Close()
	}
}

// over gives a raised container with one more archive-time-stamp, which ends later
// than end.
func (w *restamper) over(ctx context.Context, received, raised []byte, end time.Time) ([]byte, error) {
	if err := evidence.CheckRaised(received, raised, w.document, w.check); err != nil {
		if fault := w.reads.fault(); fault != nil {
			return nil, fmt.Errorf("the document cannot be read: %w", fault)
		}
		return nil, &tooLate{err}
	}
	tokens, sd, err := newestStamps(raised)
	if err != nil {
		return nil, err
	}
	m := newGathering(w.trust, w.g.Now())
	st := &stamping{g: w.g, trust: w.trust, tolerate: w.tolerate, m: m}
	for _, raw := range sd.Certificates {
		if c, err := w.trust.ParseCertificate(raw); err == nil {
			st.material = append(st.material, c)
		}
	}
	for _, t := range tokens {
		if err := st.believe(t, t.Info.Imprint); errors.Is(err, errStatus) {
			return nil, err
		} else if err != nil {
			return nil, &tooLate{err}
		}
	}
	r := st.raising()
	longer, err := r.AddValues(raised, m.values(), cades.Baseline)
	if errors.Is(err, cades.ErrSealed) {
		return nil, &tooLate{err}
	}
	if err != nil {
		return nil, err
	}
	var content *io.SectionReader
	if w.document != nil && !sd.Attached {
		content = w.document
	}
	if longer, err = r.AddArchiveTimeStamp(ctx, longer, content); err != nil {
		return nil, err
	}
	// What the new one rests on, before that is not to be had any more.
	if longer, err = r.AddValues(longer, m.values(), cades.Baseline); err != nil {
		return nil, err
	}
	ends, err := stampsEnd(w.trust, longer)
	if err != nil {
		return nil, err
	}
	if !ends.After(end) {
		return nil, fmt.Errorf("%w: %v", errTooSoon, ends)
	}
	if err := evidence.CheckRaised(received, longer, w.document, w.check); err != nil {
		return nil, fmt.Errorf("what would be stored does not hold: %w", err)
	}
	return longer, nil
}
