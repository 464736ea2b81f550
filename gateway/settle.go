package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// process examines one submission and settles it. It may be called for
// anything at any time: what needs no examination is left alone.
func (g *Gateway) process(ctx context.Context, id spool.ID) error {
	g.mu.Lock()
	delete(g.queued, id) // what changes from here on is queued anew
	g.mu.Unlock()

	for again := range 8 {
		err := g.guarded(ctx, id)
		if errors.Is(err, errEarlier) {
			select {
			case <-time.After(time.Duration(again+1) * 25 * time.Millisecond):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, spool.ErrConflict) {
			continue // a part came in, or the same document was accepted, meanwhile
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, spool.ErrNotFound) {
			g.later(id)
			if !errors.Is(err, errSealAway) {
				g.Log.Error("submission not settled; it will be tried again", zap.Stringer("submission", id), zap.Error(err))
			}
		}
		return err
	}
	g.later(id)
	return nil
}

// maxLater is how many submissions are remembered to be examined again one by one.
const maxLater = 10_000

// later has a submission examined again with what is due next. The store tells of
// one that is received, but not that something held was to be examined before its
// deadline.
func (g *Gateway) later(id spool.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.again) < maxLater {
		g.again[id] = true
	} else {
		g.recheck, g.checked = true, 0
	}
}

// guarded keeps a fault in making a receipt from ending the daemon: the
// submission stays as it is, and the log says so.
func (g *Gateway) guarded(ctx context.Context, id spool.ID) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("submission %s: panic: %v", id, p)
			g.Log.Error("fault while settling", zap.Stringer("submission", id), zap.Stack("stack"))
		}
	}()
	return g.examineAndSettle(ctx, id)
}

func (g *Gateway) examineAndSettle(ctx context.Context, id spool.ID) error {
	var it spool.Item
	var parts []spool.Part
	err := g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		if it, err = r.Item(id); err != nil {
			return err
		}
		parts, err = r.Parts(id)
		return err
	})
	if err != nil {
		return err
	}
	if it.Queue != Submissions || it.State != StateReceived && it.State != StateHeld {
		return nil
	}
	if err := g.sealReady(); err != nil {
		return err
	}
	leave, ok := g.enterOrWait(id, parts)
	if !ok {
		return nil
	}
	defer leave()
	now := g.Now()
	entry := g.Register().ByID(client.ID(it.Owner))
	if entry == nil { // taken out of the register since; nothing of his is accepted
		entry = &client.Entry{ID: client.ID(it.Owner), Disabled: true}
	}
	before := g.prior(ctx, entry.ID)
	c := Case{
		Document: it.Name, Entry: entry, Received: it.Received, At: now,
		Overdue:    !it.Deadline.IsZero() && !now.Before(it.Deadline),
		Superseded: readNote(it.Note).Superseded,
		Prior:      before,
		Trust:      g.Trust.Snapshot(), Freshness: g.Freshness, Profiles: g.Profiles(), Lists: g.Classifiers(), Validate: g.Validate, Keys: g.Keys,
	}
	for _, p := range parts {
		if p.Role != RoleDocument && p.Role != RoleSignature && p.Role != RoleContainer {
			continue
		}
		blob, err := g.Store.Open(ctx, p.Content.SHA256)
		if err != nil {
			return fmt.Errorf("submission %s: part %q: %w", id, p.Name, err)
		}
		defer blob.Close()
		c.Pieces = append(c.Pieces, Piece{Name: p.Name, Role: p.Role, Content: io.NewSectionReader(blob, 0, blob.Size())})
	}
	v, err := Examine(c)
	if err != nil {
		return fmt.Errorf("submission %s: %w", id, err)
	}
	if before.err != nil {
		return fmt.Errorf("submission %s: ledger: %w", id, before.err)
	}
	v.prior = before
	if g.seek(it, &v) {
		return nil
	}
	if v.away != nil && it.State != StateHeld { // once is enough
		g.Log.Warn("signatures not judged; the document is held", zap.Stringer("submission", id), zap.Error(v.away))
	}
	if v.fault != "" {
		g.Log.Error("fault while examining; the document is rejected", zap.Stringer("submission", id), zap.String("panic", v.fault))
	}
	if slices.ContainsFunc(v.Findings, func(f formats.Finding) bool { return f.Rule == profile.RuleInternal }) {
		g.Log.Error("fault while checking the format; the document is rejected", zap.Stringer("submission", id))
	}
	return g.settle(ctx, it, entry, v, now)
}

// errSealAway is wrapped when the seal was away just now: the failed attempt that
// found it out is in the log already.
var errSealAway = fmt.Errorf("%w: it was away just now", ErrSeal)

// sealReady asks a seal that is in another process whether it can be used:
// examining what cannot be sealed would be in vain. The tick comes back to it.
func (g *Gateway) sealReady() error {
	if k, ok := g.Seal.Key.(interface{ Ready() error }); ok {
		if err := k.Ready(); err != nil {
			return fmt.Errorf("%w: %w", errSealAway, err)
		}
	}
	return nil
}

// settle writes the verdict, the sealed receipt and the journal record in one
// transaction (DESIGN 5.3). From then on the verdict stands.
func (g *Gateway) settle(ctx context.Context, it spool.Item, entry *client.Entry, v Verdict, now time.Time) error {
	var first *spool.ID
	keys := v.keys(entry.ID)
	if v.Outcome == Accepted {
		var err error
		if first, err = g.before(ctx, entry, &v, keys); err != nil {
			return err
		}
	}
	if again, yes := v.butForPrior(); yes {
		// What comes again finds its own amount taken. It is a duplicate first of all.
		id, err := g.before(ctx, entry, &again, keys)
		if err != nil {
			return err
		}
		if again.Outcome == Duplicate {
			v, first = again, id
		}
	}
	if v.Outcome == Held && len(v.Signatures) == 0 {
		var err error
		if first, err = g.resent(ctx, it, &v, now); err != nil {
			return err
		}
	}
	if v.Outcome == Held {
		return g.hold(ctx, it, entry, v, now)
	}

	record := g.ids.New(now)
	answer := Receipt{
		Receipt: 1, Document: it.Name, SHA256: v.SHA256, Size: v.Size, Submission: it.ID, Client: entry.ID,
		Received: it.Received.UTC(), Decided: now.UTC(), Outcome: v.Outcome, First: first,
		Kind: v.Kind, Profile: v.Profile, Findings: v.Findings, More: v.More, Signatures: v.Signatures, Container: v.Container,
		Totals: totals(v.Entries), Journal: JournalRef{Record: record},
	}
	files, err := g.receiptFiles(&answer, entry, &v)
	if err != nil {
		return fmt.Errorf("submission %s: receipt: %w", it.ID, err)
	}
	verdict, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("submission %s: verdict: %w", it.ID, err)
	}
	b := &batch{g: g}
	defer b.discard()
	kept, err := b.content(ctx, verdict)
	if err != nil {
		return fmt.Errorf("submission %s: verdict: %w", it.ID, err)
	}
	var opened spool.Content
	if v.Outcome == Accepted && v.opened != nil {
		if opened, err = b.content(ctx, v.opened); err != nil {
			return fmt.Errorf("submission %s: what was encrypted: %w", it.ID, err)
		}
	}
	papers, err := b.receipts(ctx, files)
	if err != nil {
		return fmt.Errorf("submission %s: receipt: %w", it.ID, err)
	}

	var known []byte
	if v.Outcome == Accepted {
		known = keysOf(keys)
	}
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		it := it
		if err := v.prior.same(tx, entry.ID); err != nil {
			return err
		}
		if err := v.prior.ripe(tx, &it, &v); err != nil {
			return err
		}
		if v.Outcome == Accepted {
			if err := post(tx, entry.ID, &it, &v, false); err != nil {
				return err
			}
			for _, k := range keys {
				if first, err := tx.See(k, it.ID); errors.Is(err, spool.ErrExists) && first == it.ID {
					continue
				} else if errors.Is(err, spool.ErrExists) {
					return fmt.Errorf("submission %s: accepted before: %w", it.ID, spool.ErrConflict)
				} else if err != nil {
					return err
				}
			}
		}
		from := it.State
		if it.State == StateHeld { // its deadline has passed, or evidence has come
			if err := move(&it, StateReceived); err != nil {
				return err
			}
		}
		if err := move(&it, stateOf(v.Outcome)); err != nil {
			return err
		}
		it.Decided, it.Deadline = now, time.Time{}
		it.SHA256, it.Size, it.Kind = v.SHA256, v.Size, string(v.Kind)
		if len(v.Entries) > 0 {
			it.Number, it.Date = v.Entries[0].Number, v.Entries[0].Date
		}
		n := readNote(it.Note)
		n.Outcome, n.First = v.Outcome, first
		it.Note = n.bytes()
		if err := g.label(tx, &it); err != nil {
			return err
		}
		if err := tx.Put(it); err != nil {
			return err
		}
		if err := g.withdrawHeld(tx, &it, it.ID, now); err != nil {
			return err
		}
		if err := tx.AddPart(it.ID, verdictPart, RoleVerdict, kept, now); err != nil {
			return err
		}
		if opened.SHA256 != "" {
			if err := tx.AddPart(it.ID, openedPart, RoleOpened, opened, now); err != nil {
				return err
			}
		}
		for i, f := range files {
			if err := g.publish(tx, &it, entry, "receipts", it.Label+f.suffix, RoleReceipt, papers[i], now); err != nil {
				return err
			}
		}
		if v.Outcome == Accepted {
			if err := g.oweEvidence(tx, it.ID, now); err != nil {
				return err
			}
		}
		return g.journalAs(tx, record, it.ID, now, "decided", journalRecord{
			Name: it.Name, SHA256: v.SHA256, From: from, To: it.State, Outcome: v.Outcome, Rules: refusals(v.Findings),
			Signatures: v.Signers, Evidence: v.Evidence, Profile: v.Profile.SHA256, Receipt: hexSHA256(files[0].content),
			Other: deref(first), Keys: known,
		})
	})
	if err != nil {
		return err
	}
	g.count(entry.ID, -1)
	g.Log.Info("decided", zap.Stringer("submission", it.ID), zap.String("client", it.Owner), zap.String("outcome", string(v.Outcome)),
		zap.String("kind", string(v.Kind)), zap.Strings("rules", refusals(v.Findings)))
	g.changed()
	return nil
}

// openedPart is the name of the part that keeps what an accepted encrypted
// container held. The processor reads the document out of it, and it proves the
// signatures, when the gateway's key is long gone.
const openedPart = ".opened"

// verdictPart is the name of the part that keeps the verdict; a name that no
// client can use (CleanName).
const verdictPart = ".verdict"

// hold puts a submission aside and tells the client what it waits for.
func (g *Gateway) hold(ctx context.Context, it spool.Item, entry *client.Entry, v Verdict, now time.Time) error {
	answer := Receipt{
		Receipt: 1, Document: it.Name, SHA256: v.SHA256, Size: v.Size, Submission: it.ID, Client: entry.ID,
		Received: it.Received.UTC(), Decided: now.UTC(), Outcome: Held, Deadline: utc(it.Deadline),
		Kind: v.Kind, Profile: v.Profile, Findings: v.Findings, More: v.More, Signatures: v.Signatures, Container: v.Container,
	}
	body, err := answer.JSON()
	if err != nil {
		return err
	}
	text := encode(entry, answer.Text(g.language(entry)))
	notices := []receiptFile{{".held.txt", text}, {".held.json", body}}
	b := &batch{g: g}
	defer b.discard()
	papers, err := b.receipts(ctx, notices)
	if err != nil {
		return fmt.Errorf("submission %s: notice: %w", it.ID, err)
	}
	told := false
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		it := it
		told = false
		from := it.State
		if it.State == StateReceived {
			if err := move(&it, StateHeld); err != nil {
				return err
			}
		}
		if v.SHA256 != "" {
			it.Kind = string(v.Kind)
		}
		if err := g.label(tx, &it); err != nil {
			return err
		}
		old, err := tx.Part(it.ID, it.Label+".held.txt")
		if err != nil && !errors.Is(err, spool.ErrNotFound) {
			return err
		}
		if from == StateHeld && old.Content.SHA256 == hexSHA256(text) {
			return nil // nothing new to say
		}
		if err := tx.Put(it); err != nil {
			return err
		}
		for i, f := range notices {
			if err := tx.RemovePart(it.ID, it.Label+f.suffix); err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
			if err := g.publish(tx, &it, entry, "receipts", it.Label+f.suffix, RoleNotice, papers[i], now); err != nil {
				return err
			}
		}
		told = true
		return g.journal(tx, it.ID, now, "held", journalRecord{Name: it.Name, SHA256: v.SHA256, From: from, To: it.State, Outcome: Held, Rules: refusals(v.Findings)})
	})
	if err == nil && told {
		g.Log.Info("held", zap.Stringer("submission", it.ID), zap.String("client", it.Owner), zap.Time("deadline", it.Deadline))
		g.changed()
	}
	return err
}

// withdrawHeld takes the notices of a hold back. Where an outbox has to remove
// them from a folder, heir is the item that remembers it.
func (g *Gateway) withdrawHeld(tx spool.Tx, it *spool.Item, heir spool.ID, now time.Time) error {
	posts, err := tx.Posts(spool.PostQuery{Owner: it.Owner, Item: it.ID})
	if err != nil {
		return err
	}
	for _, p := range posts {
		if !strings.HasSuffix(p.Name, ".held.txt") && !strings.HasSuffix(p.Name, ".held.json") {
			continue
		}
		if entry := g.Register().ByID(client.ID(it.Owner)); entry == nil || !entry.Folder {
			if err := tx.DeletePost(p.Owner, p.Box, p.Name); err != nil {
				return err
			}
			continue
		}
		p.Item, p.Withdrawn, p.Told = heir, now, time.Time{} // the outbox has to take the file away
		if err := tx.PutPost(p); err != nil {
			return err
		}
	}
	return nil
}

// label gives a submission the name under which it is answered: the document's
// own, or NAME.2, NAME.3 when that has answers already (DESIGN 6).
func (g *Gateway) label(tx spool.Tx, it *spool.Item) error {
	for it.Label == "" {
		n, err := tx.Next("label/" + it.Owner + "/" + it.Name)
		if err != nil {
			return err
		}
		label := it.Name
		if n > 1 {
			label += "." + strconv.FormatInt(n, 10)
		}
		taken, err := tx.Items(spool.Query{Queue: Submissions, Owner: it.Owner, Label: label, Limit: 1})
		if err != nil {
			return err
		}
		if len(taken) == 0 {
			it.Label = label
		}
	}
	return nil
}

// publish puts a file into a client's box.
func (g *Gateway) publish(tx spool.Tx, it *spool.Item, entry *client.Entry, box, name string, role spool.Role, content spool.Content, now time.Time) error {
	if err := tx.AddPart(it.ID, name, role, content, now); err != nil {
		return err
	}
	boxes := []string{box}
	if box == "receipts" && entry.ReceiptsInOutbox {
		boxes = append(boxes, "outbox")
	}
	for _, b := range boxes {
		p := spool.Post{Owner: it.Owner, Box: b, Name: name, Item: it.ID, Part: name, Size: content.Size, At: now}
		if !entry.Folder {
			p.Told = now // nobody copies it anywhere: it is seen here
		}
		if err := tx.PutPost(p); err != nil {
			return err
		}
	}
	return nil
}

// verdict reads the verdict that stands.
func (g *Gateway) verdict(ctx context.Context, r spool.Reader, id spool.ID) (Verdict, error) {
	var v Verdict
	p, err := r.Part(id, verdictPart)
	if err != nil {
		return v, err
	}
	b, err := g.read(ctx, p.Content)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(b, &v)
}

func (g *Gateway) read(ctx context.Context, c spool.Content) ([]byte, error) {
	blob, err := g.Store.Open(ctx, c.SHA256)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	b := make([]byte, c.Size)
	if _, err := blob.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

func refusals(findings []formats.Finding) []string {
	var out []string
	for _, f := range findings {
		if f.Severity == formats.Error && !slices.Contains(out, f.Rule) {
			out = append(out, f.Rule)
		}
	}
	return out
}

func stateOf(o Outcome) spool.State {
	switch o {
	case Accepted:
		return StateAccepted
	case Duplicate:
		return StateDuplicate
	case Rejected:
		return StateRejected
	}
	return StateHeld
}

// batch makes contents that the next transaction attaches.
type batch struct {
	g      *Gateway
	drafts []spool.Draft
}

// maxInline is what spool takes as bytes in memory (spool.Content).
const maxInline = 64 << 10

// content is small bytes as they are, and large ones as a draft that was
// finished: a file of ten thousand payments has a verdict of megabytes.
func (b *batch) content(ctx context.Context, p []byte) (spool.Content, error) {
	if len(p) <= maxInline {
		return spool.Content{SHA256: hexSHA256(p), Size: int64(len(p)), Inline: p}, nil
	}
	draft, err := b.g.Store.NewDraft(spool.Urgent(ctx), int64(len(p))) // an answer goes out on a full disk too
	if err != nil {
		return spool.Content{}, err
	}
	b.drafts = append(b.drafts, draft)
	if _, err := draft.WriteAt(p, 0); err != nil {
		return spool.Content{}, err
	}
	return draft.Finish(ctx)
}

func (b *batch) receipts(ctx context.Context, files []receiptFile) ([]spool.Content, error) {
	out := make([]spool.Content, len(files))
	for i, f := range files {
		c, err := b.content(ctx, f.content)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

// discard ends the drafts, after the transaction.
func (b *batch) discard() {
	for _, d := range b.drafts {
		if err := d.Discard(); err != nil {
			b.g.Log.Warn("draft not discarded", zap.Error(err))
		}
	}
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sha256Of(r *io.SectionReader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, r.Size())); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readerAt reads a slice.
type readerAt []byte

func (b readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func deref(id *spool.ID) spool.ID {
	if id == nil {
		return 0
	}
	return *id
}

func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
