package handoff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/folder"
)

// Envelope is envelope.json.
type Envelope struct {
	Submission gateway.Submission `json:"submission"`
	Files      map[string]string  `json:"files"` // path in the folder to name of the part
}

var errPart = errors.New("content is not what the submission says")

// lease fills the free places in ready.
func (h *Handoff) lease(ctx context.Context, r *root, wait time.Duration) error {
	free := h.o.Max - len(h.held)
	if free <= 0 || h.quiet.After(h.o.Now()) {
		return nil
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	h.waiting.Store(&cancel)
	if h.yielding() {
		return nil
	}
	got, err := h.o.Core.Lease(asking, free, wait, h.o.TTL)
	if err != nil {
		if h.yielding() && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	var errs []error
	for _, l := range got {
		if err := h.place(ctx, r, l); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.Submission.ID, err))
		}
	}
	return errors.Join(errs...)
}

// place writes the lease down and lays the document into ready.
func (h *Handoff) place(ctx context.Context, r *root, l gateway.Lease) error {
	id := l.Submission.ID
	d := &held{Lease: l.Token, Until: l.Until}
	note, err := json.Marshal(d)
	if err != nil {
		return err
	}
	name := id.String()
	err = write(r.leases, name, 0o600, note)
	if err == nil {
		err = r.leases.Sync()
	}
	if err != nil {
		return err // nothing lies there yet; the lease ends by itself
	}
	h.held[id] = d
	if lies(r.done, name) || lies(r.returned, name) {
		return nil // done under an earlier lease; the next pass answers
	}
	if err := h.takeBack(r, name); err != nil {
		return err
	}
	hidden := folder.HiddenPrefix + "new-" + name
	err = r.ready.RemoveAll(hidden, depth)
	if err == nil {
		err = h.build(ctx, r.ready, hidden, l.Submission)
	}
	if err == nil {
		err = r.ready.Rename(hidden, r.ready, name)
	}
	if err == nil {
		return r.ready.Sync()
	}
	// Given back at once, for somebody to have more luck with it.
	giveBack := h.o.Core.Answer(context.WithoutCancel(ctx), l.Token, gateway.Answer{Outcome: gateway.Retry})
	if giveBack == nil || errors.Is(giveBack, gateway.ErrLease) {
		giveBack = h.forget(r, id)
	}
	return errors.Join(err, r.ready.RemoveAll(hidden, depth), giveBack)
}

// build makes the folder of a document, flushed to the last name.
func (h *Handoff) build(ctx context.Context, in *folder.Dir, name string, sub gateway.Submission) error {
	// The processor moves the folder: for that it must be able to write it.
	dir, err := in.Make(name, rootPerm)
	if err != nil {
		return err
	}
	defer dir.Close()
	signatures, err := dir.Make("signatures", rootPerm)
	if err != nil {
		return err
	}
	defer signatures.Close()

	env := Envelope{Submission: sub, Files: map[string]string{}}
	hasDocument := false
	for _, p := range sub.Parts {
		hasDocument = hasDocument || p.Role == "document"
	}
	for _, p := range sub.Parts {
		to, file, shown := dir, "", ""
		switch p.Role {
		case "document":
			file, shown = "document", "document"
		case "canonical":
			file, shown = "canonical.json", "canonical.json"
		case "container", "signature":
			if p.Role == "container" && !hasDocument {
				file, shown = "document", "document"
				hasDocument = true
				break
			}
			to, file = signatures, folder.Escape(p.Name)
			shown = "signatures/" + file
		default:
			continue // receipts are not the processor's
		}
		if _, twice := env.Files[shown]; twice {
			return fmt.Errorf("part %s: %w", folder.Escape(p.Name), fs.ErrExist)
		}
		if err := h.copyPart(ctx, to, file, sub, p); err != nil {
			return err
		}
		env.Files[shown] = p.Name
	}
	if !hasDocument {
		return fmt.Errorf("no part is the document: %w", errPart)
	}
	b, err := json.MarshalIndent(env, "", "  ")
	if err != nil {
		return err
	}
	if err := write(dir, "envelope.json", filePerm, append(b, '\n')); err != nil {
		return err
	}
	return errors.Join(signatures.Sync(), dir.Sync())
}

func (h *Handoff) copyPart(ctx context.Context, to *folder.Dir, file string, sub gateway.Submission, p gateway.Part) error {
	from, err := h.o.Core.OpenPart(ctx, sub.ID, p.Name)
	if err != nil {
		return err
	}
	defer from.Close()
	return to.Write(file, filePerm, sub.Received, func(w io.Writer) error {
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, sum), io.NewSectionReader(from, 0, from.Size()))
		if err == nil && (n != p.Size || hex.EncodeToString(sum.Sum(nil)) != p.SHA256) {
			err = fmt.Errorf("part %s: %w", folder.Escape(p.Name), errPart)
		}
		return err
	})
}

func write(d *folder.Dir, name string, perm fs.FileMode, b []byte) error {
	return d.Write(name, perm, time.Time{}, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
