package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/transport"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/spool"
)

// Soon after an acceptance, and never before its receipt, the gateway keeps what
// the verdict rests on beside the document: the certificates and revocation answers
// of the moment, and the signatures raised with them (CAdES-LT, with a time-stamp
// where there is an authority). What has to be done stands in the store, from the
// transaction of the verdict on.

// RoleEvidence is the role of what is kept beside an accepted submission.
const RoleEvidence spool.Role = "evidence"

const (
	evidencePart   = ".evidence" // evidenceKept as JSON
	evidenceBucket = "evidence"  // submissions whose evidence is not kept yet, with evidenceTodo
)

// evidenceEvery is how often the keeper looks for work; evidenceWait how long it
// lets examinations go first.
const (
	evidenceEvery = time.Second
	evidenceWait  = 30 * time.Second
)

// evidenceKept is what is kept.
type evidenceKept struct {
	Kept      time.Time         `json:"kept"`
	Tolerate  []string          `json:"tolerate,omitempty"`
	Freshness pki.Freshness     `json:"freshness"`
	Anchors   [][]byte          `json:"anchors"` // DER
	Material  evidence.Material `json:"material"`
}

// evidenceTodo says since when a submission waits, and when to try again.
type evidenceTodo struct {
	Since time.Time `json:"since"`
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// ErrNoEvidence: the evidence of a submission is not complete yet, or it was never
// accepted.
var ErrNoEvidence = errors.New("there is no evidence of it")

// oweEvidence notes in the transaction of an acceptance that evidence has to be kept.
func (g *Gateway) oweEvidence(tx spool.Tx, id spool.ID, now time.Time) error {
	b, err := json.Marshal(evidenceTodo{Since: now})
	if err != nil {
		return err
	}
	return tx.SetValue(evidenceBucket, id.String(), b)
}

// keeper keeps evidence until ctx ends.
func (g *Gateway) keeper(ctx context.Context) {
	every := time.NewTicker(evidenceEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if r := g.restampAgain.Load(); r != nil && !g.Now().Before(r.next) {
			if err := g.Restamp(ctx, r.lead); err != nil && ctx.Err() == nil {
				g.Log.Error("time-stamping evidence anew", zap.Error(err))
			}
		}
		if err := g.KeepEvidence(ctx); err != nil && ctx.Err() == nil {
			g.Log.Error("keeping evidence", zap.Error(err))
		}
	}
}

// KeepEvidence keeps the evidence that is owed and due. Examinations go first.
func (g *Gateway) KeepEvidence(ctx context.Context) error {
	var owed map[string][]byte
	err := g.Store.View(ctx, func(r spool.Reader) (err error) {
		owed, err = r.Values(evidenceBucket)
		return err
	})
	if err != nil {
		return err
	}
	names := make([]string, 0, len(owed))
	for name := range owed {
		names = append(names, name)
	}
	slices.Sort(names) // ids grow with time
	for _, name := range names {
		var todo evidenceTodo
		if err := json.Unmarshal(owed[name], &todo); err != nil {
			return fmt.Errorf("evidence of %s: %w", name, err)
		}
		now := g.Now()
		if ctx.Err() != nil || len(g.work) > 0 && now.Sub(todo.Since) < evidenceWait {
			return ctx.Err()
		}
		if t := g.StampTrouble(); t != nil && now.Before(t.Next) {
			return nil
		}
		if now.Before(todo.Next) {
			continue
		}
		id, err := spool.ParseID(name)
		if err != nil {
			return err
		}
		if err := g.keepEvidence(ctx, id); err != nil && ctx.Err() == nil {
			todo.Tries++
			todo.Next = now.Add(min(time.Hour, time.Second<<min(todo.Tries, 12)))
			g.Log.Warn("evidence not kept; it will be tried again", zap.Stringer("submission", id), zap.Error(err), zap.Time("next", todo.Next))
			b, err := json.Marshal(todo)
			if err != nil {
				return err
			}
			if err := g.Store.Update(ctx, func(tx spool.Tx) error { return tx.SetValue(evidenceBucket, name, b) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// signedPieces are the parts that carry a submission's signatures.
type signedPieces struct {
	item     spool.Item
	parts    []spool.Part
	document *spool.Part
	sigs     []spool.Part // signature files, or the container
}

func (g *Gateway) signedPieces(r spool.Reader, id spool.ID) (s signedPieces, err error) {
	if s.item, err = r.Item(id); err != nil {
		return s, err
	}
	if s.parts, err = r.Parts(id); err != nil {
		return s, err
	}
	var opened *spool.Part
	for i := range s.parts {
		p := &s.parts[i]
		switch p.Role {
		case RoleDocument:
			s.document = p
		case RoleSignature, RoleContainer:
			s.sigs = append(s.sigs, *p)
		case RoleOpened:
			opened = p
		}
	}
	if opened != nil { // it arrived encrypted: what was in it is signed
		s.sigs = []spool.Part{*opened}
	}
	return s, nil
}

func (g *Gateway) keepEvidence(ctx context.Context, id spool.ID) error {
	var s signedPieces
	err := g.Store.View(ctx, func(r spool.Reader) (err error) {
		s, err = g.signedPieces(r, id)
		return err
	})
	if errors.Is(err, spool.ErrNotFound) { // retention was faster
		return g.Store.Update(ctx, func(tx spool.Tx) error { return tx.SetValue(evidenceBucket, id.String(), nil) })
	}
	if err != nil {
		return err
	}
	entry := g.Register().ByID(client.ID(s.item.Owner))
	if entry == nil {
		entry = &client.Entry{ID: client.ID(s.item.Owner)}
	}
	c := Case{Entry: entry, Trust: g.Trust.Snapshot()}
	trust := c.material()
	o := cades.Options{At: s.item.Decided, Trust: trust, Freshness: g.Freshness, Tolerate: c.tolerances()}
	var document *io.SectionReader
	if s.document != nil {
		blob, err := g.Store.Open(ctx, s.document.Content.SHA256)
		if err != nil {
			return err
		}
		defer blob.Close()
		document = io.NewSectionReader(blob, 0, blob.Size())
	}
	leave, err := g.large.enter(ctx, s.sigs...)
	if err != nil {
		return err
	}
	defer leave()
	kept := evidenceKept{Kept: g.Now().UTC(), Tolerate: entry.Tolerate, Freshness: g.Freshness}
	m := newGathering(trust, s.item.Decided)
	var containers [][]byte
	for _, p := range s.sigs {
		b, err := g.read(ctx, p.Content)
		if err != nil {
			return err
		}
		containers = append(containers, b)
		r := evidence.Judge(b, document, o)
		if r.Indication != cades.TotalPassed {
			// A provider may have judged it by another trust: what it believed is not ours to keep.
			g.Log.Warn("the verdict over an accepted signature is not given again", zap.Stringer("submission", id), zap.String("indication", r.Indication.String()), zap.String("why", string(r.SubIndication)))
		}
		m.add(r)
	}
	b := &batch{g: g}
	defer b.discard()
	type addition struct {
		name    string
		content spool.Content
	}
	var additions []addition
	var raisedAll [][]byte
	for i, p := range s.sigs {
		raised, err := g.raise(ctx, containers[i], c, m)
		if err != nil {
			return err
		}
		if raised == nil {
			continue
		}
		content, err := b.content(ctx, raised)
		if err != nil {
			return err
		}
		additions = append(additions, addition{raisedName(1, p.Name), content})
		raisedAll = append(raisedAll, raised)
	}
	kept.Material, kept.Anchors = m.material(), m.anchors()
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	content, err := b.content(ctx, text)
	if err != nil {
		return err
	}
	additions = append(additions, addition{evidencePart, content})
	end, err := stampsEnd(trust, raisedAll...)
	if err != nil {
		g.Log.Warn("the time-stamps of a signature cannot be watched for their end", zap.Stringer("submission", id), zap.Error(err))
	}
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		for _, a := range additions {
			if err := tx.AddPart(id, a.name, RoleEvidence, a.content, kept.Kept); err != nil && !errors.Is(err, spool.ErrExists) {
				return err
			}
		}
		if err := watchEnd(tx, id, end); err != nil {
			return err
		}
		if err := tx.SetValue(evidenceBucket, id.String(), nil); err != nil {
			return err
		}
		return g.journal(tx, id, g.Now(), "evidence kept", journalRecord{Name: evidencePart, Role: RoleEvidence, SHA256: content.SHA256})
	})
}

// raise gives a container with the values that it is validated with later, and with
// a time-stamp where there is an authority; nil where it is of a form that cannot be
// added to: then what is kept beside it has to do. An error is errStamp.
func (g *Gateway) raise(ctx context.Context, container []byte, c Case, m *gathering) ([]byte, error) {
	if asic.Sniff(readerAt(container), int64(len(container))) || transport.Is(container) {
		return nil, nil
	}
	if g.Stamper == nil && len(container) > largeContainer {
		return nil, nil // it would be the whole document once more, for values that are kept beside it
	}
	s := &stamping{g: g, trust: m.trust, tolerate: c.tolerances(), m: m}
	r := s.raising()
	raised, err := container, error(nil)
	if g.Stamper != nil {
		raised, err = r.AddTimeStamp(ctx, container)
		if s.failed != nil || err == nil {
			g.stamped(s.failed)
		}
		if s.failed != nil {
			return nil, s.failed
		}
	}
	if err == nil {
		raised, err = r.AddValues(raised, m.values(), cades.Baseline)
	}
	if err != nil {
		g.Log.Debug("signature not raised", zap.Error(err))
		return nil, nil
	}
	return raised, nil
}

// gathering collects what verdicts rest on.
type gathering struct {
	trust        *pki.Store
	at           time.Time
	ends         []*pki.Certificate // anchors
	certificates []*pki.Certificate
	crls         []*pki.CRL
	answers      [][]byte
	had          map[[32]byte]bool
}

func newGathering(trust *pki.Store, at time.Time) *gathering {
	return &gathering{trust: trust, at: at, had: map[[32]byte]bool{}}
}

func (m *gathering) add(r *cades.Report) {
	for _, s := range r.Signatures {
		m.chain(s.Chain)
		m.evidence(s.Evidence)
		for _, x := range s.TimeStamps {
			m.chain(x.Chain)
			m.evidence(x.Evidence)
		}
	}
}

func (m *gathering) chain(chain []*pki.Certificate) {
	for i, c := range chain {
		if m.had[c.SHA256()] {
			continue
		}
		m.had[c.SHA256()] = true
		m.certificates = append(m.certificates, c)
		if i == len(chain)-1 {
			m.ends = append(m.ends, c)
		}
	}
}

func (m *gathering) evidence(refs []cades.EvidenceRef) {
	for _, e := range refs {
		if m.had[e.SHA256] {
			continue
		}
		raw := m.trust.Piece(e)
		if raw == nil {
			continue // it is in the container itself
		}
		m.had[e.SHA256] = true
		switch e.Kind {
		case "crl":
			l, err := pki.ParseCRL(raw)
			if err != nil {
				continue
			}
			m.crls = append(m.crls, l)
			// It may be signed by another key of its issuer.
			for _, c := range m.trust.Certificates() {
				if c.Subject.Same(l.Issuer) && !m.had[c.SHA256()] {
					m.had[c.SHA256()] = true
					m.certificates = append(m.certificates, c)
				}
			}
		case "ocsp":
			m.answers = append(m.answers, raw)
		}
	}
}

func (m *gathering) anchors() (out [][]byte) {
	for _, c := range m.ends {
		out = append(out, c.Raw)
	}
	return out
}

func (m *gathering) values() cades.Values {
	v := cades.Values{Certificates: m.certificates, OCSP: m.answers}
	for _, l := range m.crls {
		v.CRLs = append(v.CRLs, l.Raw)
	}
	return v
}

func (m *gathering) material() evidence.Material {
	out := evidence.Material{OCSP: m.answers}
	for _, c := range m.certificates {
		out.Certificates = append(out.Certificates, c.Raw)
	}
	for _, l := range m.crls {
		out.CRLs = append(out.CRLs, l.Raw)
	}
	return out
}

// Evidence makes the package of evidence of an accepted submission, sealed now.
func (g *Gateway) Evidence(ctx context.Context, id spool.ID) ([]byte, error) {
	var s signedPieces
	err := g.Store.View(ctx, func(r spool.Reader) (err error) {
		s, err = g.signedPieces(r, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	part := func(name string) ([]byte, error) {
		i := slices.IndexFunc(s.parts, func(p spool.Part) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("submission %s: %s: %w", id, name, spool.ErrNotFound)
		}
		return g.read(ctx, s.parts[i].Content)
	}
	none := func(why string) error { return fmt.Errorf("submission %s: %w: %s", id, ErrNoEvidence, why) }
	text, err := part(evidencePart)
	if errors.Is(err, spool.ErrNotFound) {
		if n := readNote(s.item.Note); n.Outcome != Accepted {
			return nil, none("only what was accepted has any")
		}
		if t := g.StampTrouble(); t != nil {
			return nil, none("it waits for the time-stamping authority: " + t.Err.Error())
		}
		return nil, none("it is being kept; try again in a moment")
	}
	if err != nil {
		return nil, err
	}
	var kept evidenceKept
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("submission %s: evidence: %w", id, err)
	}
	c := evidence.Case{
		Submission: id, Client: s.item.Owner, Name: fileName(s.item.Name), SHA256: s.item.SHA256,
		Tolerate: kept.Tolerate, Freshness: kept.Freshness, Material: kept.Material,
	}
	if s.document != nil {
		if c.Document, err = g.read(ctx, s.document.Content); err != nil {
			return nil, err
		}
	}
	for _, p := range s.sigs {
		x := evidence.Container{Name: fileName(p.Name)}
		if x.Content, err = g.read(ctx, p.Content); err != nil {
			return nil, err
		}
		if n := s.raisings(p.Name); n > 0 {
			if x.Raised, err = part(raisedName(n, p.Name)); err != nil {
				return nil, err
			}
		}
		c.Containers = append(c.Containers, x)
	}
	for _, raw := range kept.Anchors {
		a, err := pki.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		c.Anchors = append(c.Anchors, a)
	}
	for n := 1; n <= 2; n++ {
		base := fmt.Sprintf("%s.receipt%d", s.item.Label, n)
		r := evidence.Receipt{Number: n, Name: fileName(base)}
		r.JSON, err = part(base + ".json")
		if errors.Is(err, spool.ErrNotFound) && n == 2 {
			break
		}
		if err != nil {
			return nil, err
		}
		if r.Seal, err = part(base + ".json.p7s"); err != nil {
			return nil, err
		}
		if r.Text, err = part(base + ".txt"); err != nil && !errors.Is(err, spool.ErrNotFound) {
			return nil, err
		}
		r.Proof, err = part(base + ".proof")
		if errors.Is(err, spool.ErrNotFound) && n == 2 {
			break // it is answered, and the next checkpoint is not signed yet
		}
		if errors.Is(err, spool.ErrNotFound) {
			return nil, none("the journal has no checkpoint over it yet; try again in a minute")
		}
		if err != nil {
			return nil, err
		}
		if n == 1 {
			var told struct {
				Decided time.Time `json:"decided"`
			}
			if err := json.Unmarshal(r.JSON, &told); err != nil {
				return nil, err
			}
			c.Decided = told.Decided
		}
		c.Receipts = append(c.Receipts, r)
	}
	if g.JournalKey == nil {
		return nil, none("there is no journal")
	}
	if c.JournalKey, err = g.JournalKey(); err != nil {
		return nil, err
	}
	now := g.Now()
	return evidence.Make(c, now, func(content []byte) ([]byte, error) { return g.sealForLong(ctx, content, now) })
}

// sealForLong seals what is read years later: with a time-stamp where there is an authority.
func (g *Gateway) sealForLong(ctx context.Context, content []byte, now time.Time) ([]byte, error) {
	sealed, err := g.seal(content, now)
	if err != nil || g.Stamper == nil {
		return sealed, err
	}
	// As who checks the package does, nothing about revocation is asked.
	s := &stamping{g: g, trust: g.Trust.Snapshot(), tolerate: cades.Tolerances{cades.NoRevocation: true}}
	return s.raising().AddTimeStamp(ctx, sealed)
}

// fileName makes the name of a part one that may stand in a container.
func fileName(name string) string {
	name = strings.TrimLeft(strings.ReplaceAll(name, "/", "_"), ". -")
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r), r >= 0x0400 && r <= 0x045f, r == 'ґ', r == 'Ґ':
			return r
		}
		return '_'
	}, name)
	if len(name) > 100 {
		sum := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%x", sum[:8]) + name[len(name)-20:]
		name = strings.ToValidUTF8(name, "_")
	}
	if name == "" {
		name = "document"
	}
	return name
}
