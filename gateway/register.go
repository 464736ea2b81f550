package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats/outgoing"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// registerBucket holds the register in the spool, an entry a client, so that a
// change of it is one transaction with its journal records.
const registerBucket = journal.BucketRegister

func (g *Gateway) loadRegister(ctx context.Context) error {
	var stored map[string][]byte
	err := g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		stored, err = r.Values(registerBucket)
		return err
	})
	if err != nil {
		return err
	}
	var entries []client.Entry
	for id, text := range stored {
		e, err := client.ParseStored(text)
		if err != nil {
			return fmt.Errorf("entry %q: %w", id, err)
		}
		entries = append(entries, e)
	}
	reg, err := client.NewRegister(entries)
	if err != nil {
		return err
	}
	g.register.Store(reg)
	return nil
}

// Change is one difference that Apply makes, in words.
type Change struct {
	Client client.ID       `json:"client"`
	New    bool            `json:"new,omitempty"`
	Fields []client.Change `json:"fields,omitempty"`
}

// Apply brings entries into the register, all or none of them, and says what
// changes by it. With dry nothing is written. Entries that are not named stay
// as they are.
func (g *Gateway) Apply(ctx context.Context, entries []client.Entry, by string, dry bool) ([]Change, error) {
	g.applying.Lock()
	defer g.applying.Unlock()
	old := g.Register()
	var all []client.Entry
	var changes []Change
	for _, e := range entries {
		was := old.ByID(e.ID)
		c := Change{Client: e.ID, New: was == nil}
		if was != nil {
			if c.Fields = client.Diff(*was, e); len(c.Fields) == 0 {
				continue
			}
		}
		changes = append(changes, c)
	}
	for _, e := range old.All() {
		if !slices.ContainsFunc(entries, func(n client.Entry) bool { return n.ID == e.ID }) {
			all = append(all, *e)
		}
	}
	reg, err := client.NewRegister(append(all, entries...))
	if err == nil {
		err = g.knownFormats(old, entries)
	}
	if err != nil || dry || len(changes) == 0 {
		return changes, err
	}
	now := g.Now()
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		for _, c := range changes {
			i := slices.IndexFunc(entries, func(e client.Entry) bool { return e.ID == c.Client })
			text, err := client.MarshalStored(entries[i])
			if err != nil {
				return err
			}
			before, err := tx.Value(registerBucket, string(c.Client))
			if err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
			if err := tx.SetValue(registerBucket, string(c.Client), text); err != nil {
				return err
			}
			rec := journalRecord{Name: string(c.Client), SHA256: hexSHA256(text), By: by}
			if before != nil {
				rec.Replaced = hexSHA256(before)
			}
			if err := g.journal(tx, 0, now, journal.Registered, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	g.register.Store(reg)
	g.Log.Info("register changed", zap.Int("entries", len(changes)), zap.String("by", by))
	g.changed()
	return changes, g.Recheck(ctx)
}

// knownFormats says which format of statements.formats there is not: a statement
// that could not be rendered later would not reach its client. What an entry had
// before is not asked for: a client can be shut out whatever became of a profile.
func (g *Gateway) knownFormats(old *client.Register, entries []client.Entry) error {
	r := outgoing.Renderer{Layouts: g.Profiles()}
	var errs []error
	for _, e := range entries {
		was := old.ByID(e.ID)
		for _, f := range e.Statements.Formats {
			if !r.Known(f) && (was == nil || !slices.Contains(was.Statements.Formats, f)) {
				errs = append(errs, fmt.Errorf("client %s: statements.formats: %q is not a format; there are %s", e.ID, f, strings.Join(r.Forms(), ", ")))
			}
		}
	}
	return errors.Join(errs...)
}
