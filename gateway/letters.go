package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Letter is a file that an outbox has to bring to a watched client's folder, or
// to take away from it again.
type Letter struct {
	Client    client.ID
	Box       string // "outbox" or "receipts"
	Name      string
	SHA256    string
	Size      int64
	At        time.Time
	Withdrawn bool
}

// Untold are the letters that were not brought yet, at most limit, of one client
// or, with an empty id, of all.
func (g *Gateway) Untold(ctx context.Context, id client.ID, limit int) ([]Letter, error) {
	return g.letters(ctx, spool.PostQuery{Owner: string(id), Untold: true, Limit: limit})
}

// ListTold are the letters that lie in a box of the client's folder now, as far
// as the gateway knows, by name, after a name.
func (g *Gateway) ListTold(ctx context.Context, id client.ID, box, after string, limit int) ([]Letter, error) {
	return g.letters(ctx, spool.PostQuery{Owner: string(id), Box: box, After: after, Limit: limit})
}

func (g *Gateway) letters(ctx context.Context, q spool.PostQuery) ([]Letter, error) {
	var out []Letter
	err := g.Store.View(ctx, func(r spool.Reader) error {
		posts, err := r.Posts(q)
		if err != nil {
			return err
		}
		for _, p := range posts {
			if !q.Untold && p.Told.IsZero() {
				continue
			}
			part, err := r.Part(p.Item, p.Part)
			if err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
			out = append(out, Letter{
				Client: client.ID(p.Owner), Box: p.Box, Name: p.Name, SHA256: part.Content.SHA256, Size: p.Size,
				At: p.At, Withdrawn: !p.Withdrawn.IsZero(),
			})
		}
		return nil
	})
	return out, err
}

// OpenLetter reads what a letter brings.
func (g *Gateway) OpenLetter(ctx context.Context, l Letter) (Reading, error) {
	return g.reading(ctx, spool.Content{SHA256: l.SHA256, Size: l.Size}, l.At, nil)
}

// Told records that a letter was brought, or taken away.
func (g *Gateway) Told(ctx context.Context, l Letter) error {
	now := g.Now()
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		p, err := tx.Post(string(l.Client), l.Box, l.Name)
		if errors.Is(err, spool.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		part, err := tx.Part(p.Item, p.Part)
		if err != nil && !errors.Is(err, spool.ErrNotFound) {
			return err
		}
		if p.Withdrawn.IsZero() == l.Withdrawn || part.Content.SHA256 != l.SHA256 {
			return nil // replaced meanwhile: it is untold still
		}
		p.Told = now
		return tx.PutPost(p)
	})
}

// AcknowledgeLetter records that the client has removed a letter from its folder.
func (g *Gateway) AcknowledgeLetter(ctx context.Context, l Letter) error {
	err := g.acknowledge(ctx, l.Client, l.Box, l.Name)
	if errors.Is(err, spool.ErrNotFound) {
		return nil
	}
	return err
}
