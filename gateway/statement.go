package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// errAgain ends a transaction that has nothing to do.
var errAgain = errors.New("released before")

// PutStatement releases something to a client: a canonical document of any kind
// that the treasury sends, which is checked and rendered, or a ready file. It is sealed once, numbered, committed,
// and from then on in the client's outbox. The number is without gaps for each
// client. The same Key, or without one the same name and content, again is
// answered with the id of the first.
func (g *Gateway) PutStatement(ctx context.Context, to client.ID, out Outgoing) (spool.ID, error) {
	entry := g.Register().ByID(to)
	if entry == nil {
		return 0, fmt.Errorf("client %q: %w", to, spool.ErrNotFound)
	}
	now := g.Now()
	r, err := g.release(entry, out, now)
	if err != nil {
		return 0, err
	}
	b := &batch{g: g}
	defer b.discard()
	var papers []paper
	for i := range r.files {
		f := &r.files[i]
		content, err := f.render()
		if err != nil {
			return 0, err
		}
		made, err := g.sealed(entry, *f, content, now)
		if err != nil {
			return 0, err
		}
		for _, p := range made {
			if p.content, err = b.content(ctx, p.bytes); err != nil {
				return 0, err
			}
			p.bytes = nil // one form at a time is in memory
			papers = append(papers, p)
		}
		if i == 0 {
			r.sha256, r.size = hexSHA256(content), int64(len(content))
		}
	}
	files := r.files
	made := g.ids.New(now)
	id := made
	again := key("statement", string(to), "key", out.Key)
	if out.Key == "" {
		again = key("statement", string(to), out.Name, r.input)
	}
	err = g.Store.Update(spool.Urgent(ctx), func(tx spool.Tx) error {
		id = made
		first, err := tx.See(again, id)
		if errors.Is(err, spool.ErrExists) {
			id = first
			it, err := tx.Item(first)
			if err != nil {
				return err
			}
			if input := readNote(it.Note).Input; input != r.input && (input != "" || it.SHA256 != r.input) {
				return fmt.Errorf("statement key of %s: %w", first, ErrKey)
			}
			return errAgain
		}
		if err != nil {
			return err
		}
		seq, err := tx.Next("statement/" + string(to))
		if err != nil {
			return err
		}
		number := r.number
		if number == "" {
			number = fmt.Sprint(seq)
		}
		base, err := g.freeName(tx, to, files)
		if err != nil {
			return err
		}
		it := spool.Item{
			ID: id, Queue: Statements, Owner: string(to), State: StateAvailable, Received: now, Decided: now,
			Name: papers[0].name(base), Label: fmt.Sprintf("%06d", seq), Kind: string(r.kind), Number: number,
			SHA256: r.sha256, Size: r.size,
			Note: note{Origin: Origin{Client: to, Entrance: "processor"}, Input: r.input}.bytes(),
		}
		if err := tx.Insert(it); err != nil {
			return err
		}
		for _, p := range papers {
			if err := g.publish(tx, &it, entry, "outbox", p.name(base), p.role, p.content, now); err != nil {
				return err
			}
		}
		return g.journal(tx, id, now, "released", journalRecord{Name: it.Name, SHA256: it.SHA256, To: StateAvailable, Reference: it.Label, Keys: again[:]})
	})
	if errors.Is(err, errAgain) {
		return id, nil
	}
	if err != nil {
		return 0, err
	}
	g.Log.Info("statement released", zap.Stringer("statement", id), zap.String("client", string(to)))
	g.changed()
	return id, nil
}

// paper is one file in the client's outbox: a form of what is released, its seal,
// or both in one, encrypted.
type paper struct {
	of      outFile
	ending  string // after the form's name
	role    spool.Role
	bytes   []byte
	content spool.Content
}

func (p paper) name(n int64) string { return p.of.name(n) + p.ending }

// The endings of a seal, of what is encrypted, and of a container.
const (
	sealEnding      = ".p7s"
	encryptedEnding = ".p7e"
	containerEnding = ".asics"
)

// sealed gives the papers that a form goes out as: NAME and NAME.p7s; or for a
// client whose entry says so NAME.asics alone, the form and the seal in an ASiC-S; or
// NAME.p7e alone: the form with the seal in one container, encrypted. Encryption has no integrity of its own, so the seal lies
// within.
func (g *Gateway) sealed(entry *client.Entry, f outFile, content []byte, now time.Time) ([]paper, error) {
	if entry.StatementContainer != "" && entry.Encrypt == "" {
		whole, err := asic.WriteS(asic.File{Name: f.name(1), Content: content},
			func(content []byte) ([]byte, error) { return g.seal(content, now) },
			asic.WriteOptions{At: now, Open: asic.Options{Archives: true}})
		if err != nil {
			return nil, fmt.Errorf("container of a statement: %w", err)
		}
		return []paper{{of: f, ending: containerEnding, role: RoleStatement, bytes: whole}}, nil
	}
	if entry.Encrypt == "" {
		seal, err := g.seal(content, now)
		if err != nil {
			return nil, err
		}
		return []paper{{of: f, role: RoleStatement, bytes: content}, {of: f, ending: sealEnding, role: RoleSeal, bytes: seal}}, nil
	}
	to, err := pki.ParseCertificatePEM([]byte(entry.Encrypt))
	if err != nil {
		return nil, fmt.Errorf("certificate of client %q for encryption: %w", entry.ID, err)
	}
	if now.Before(to.NotBefore) || now.After(to.NotAfter) {
		return nil, refusedStatement("OUT-ENCRYPT",
			"Сертифікат клієнта для шифрування ще не чинний або прострочений. Внесіть до реєстру чинний (ключ encrypt).",
			"The client's certificate for encryption is not yet valid or expired. Put a valid one into the register (key encrypt).")
	}
	whole, err := cades.Sign(g.Rand, content, []cades.Signer{g.Seal}, cades.SignOptions{At: now})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	box, err := enveloped.Encrypt(g.Rand, whole, []*pki.Certificate{to}, enveloped.Options{})
	if err != nil {
		return nil, fmt.Errorf("encryption to client %q: %w", entry.ID, err)
	}
	return []paper{{of: f, ending: encryptedEnding, role: RoleStatement, bytes: box}}, nil
}

// freeName counts up until no form of the statement meets a name that the
// client's outbox has or ever had.
func (g *Gateway) freeName(tx spool.Tx, to client.ID, files []outFile) (int64, error) {
next:
	for {
		n, err := tx.Next("outbox/" + string(to) + "/" + files[0].stem + files[0].ext)
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			for _, suffix := range []string{"", sealEnding, encryptedEnding, containerEnding} {
				_, err := tx.Post(string(to), "outbox", f.name(n)+suffix)
				if err == nil {
					continue next
				}
				if !errors.Is(err, spool.ErrNotFound) {
					return 0, err
				}
			}
		}
		return n, nil
	}
}

// delivered marks a post as read to its end.
func (g *Gateway) delivered(ctx context.Context, owner client.ID, box, name string) error {
	now := g.Now()
	return g.Store.Update(ctx, func(tx spool.Tx) error {
		p, err := tx.Post(string(owner), box, name)
		if err != nil {
			return err
		}
		if !p.Delivered.IsZero() {
			return nil
		}
		p.Delivered = now
		if err := tx.PutPost(p); err != nil {
			return err
		}
		rec := journalRecord{Name: p.Name}
		if rec.From, rec.To, err = g.follow(tx, p, StateDelivered); err != nil {
			return err
		}
		return g.journal(tx, p.Item, now, "delivered", rec)
	})
}

// acknowledge takes a post out of the client's sight, at the client's word. Its
// bytes stay, and lie in the archive.
func (g *Gateway) acknowledge(ctx context.Context, owner client.ID, box, name string) error {
	now := g.Now()
	err := g.Store.Update(ctx, func(tx spool.Tx) error {
		p, err := tx.Post(string(owner), box, name)
		if err != nil {
			return err
		}
		if !p.Acknowledged.IsZero() || !p.Withdrawn.IsZero() {
			return spool.ErrNotFound
		}
		p.Acknowledged = now
		if err := tx.PutPost(p); err != nil {
			return err
		}
		rec := journalRecord{Name: p.Name}
		if rec.From, rec.To, err = g.follow(tx, p, StateAcknowledged); err != nil {
			return err
		}
		return g.journal(tx, p.Item, now, "acknowledged", rec)
	})
	if err == nil {
		g.changed()
	}
	return err
}

// follow moves a statement along with the post of its first form, and says from
// where to where: nowhere, for another form or another thing.
func (g *Gateway) follow(tx spool.Tx, p spool.Post, to spool.State) (from, moved spool.State, err error) {
	it, err := tx.Item(p.Item)
	if err != nil {
		return "", "", err
	}
	from = it.State
	if it.Queue != Statements || it.Name != p.Name || from == to || move(&it, to) != nil {
		return "", "", nil
	}
	return from, to, tx.Put(it)
}
