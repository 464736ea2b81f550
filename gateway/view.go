package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Desk gives a session its client's side of the counter.
func (g *Gateway) Desk(o Origin) Desk { return &desk{g: g, origin: o} }

type desk struct {
	g      *Gateway
	origin Origin
}

// The folders of a client (DESIGN 6).
var folders = []string{"archive", "inbox", "outbox", "receipts", "status"}

// residue is what stays visible of a file that was taken: old clients look at a
// file, and set its times, after they have closed it.
type residue struct {
	size    int64
	modTime time.Time
	until   time.Time
}

func (g *Gateway) remember(k fileKey, r residue) {
	g.mu.Lock()
	g.residue[k] = r
	g.mu.Unlock()
}

func (g *Gateway) forgetResidue() {
	now := g.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, r := range g.residue {
		if now.After(r.until) {
			delete(g.residue, k)
		}
	}
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// split tells folder and the rest of an absolute, clean path.
func split(p string) (folder, rest string, err error) {
	if p != path.Clean("/"+p) {
		return "", "", fs.ErrNotExist
	}
	folder, rest, _ = strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if folder != "" && !slices.Contains(folders, folder) {
		return "", "", fs.ErrNotExist
	}
	return folder, rest, nil
}

func (d *desk) List(ctx context.Context, dir string) ([]File, error) {
	folder, rest, err := split(dir)
	if err != nil {
		return nil, err
	}
	if rest != "" && folder != "archive" {
		return nil, fs.ErrNotExist
	}
	switch folder {
	case "":
		var out []File
		for _, f := range folders {
			out = append(out, d.folder(f))
		}
		return out, nil
	case "inbox":
		return d.inbox(ctx)
	case "status":
		return d.status(ctx)
	case "archive":
		return d.archiveList(ctx, rest)
	}
	return d.box(ctx, folder, "")
}

func (d *desk) folder(name string) File {
	return File{Name: name, Dir: true, ModTime: d.g.Now().Truncate(time.Minute), Writable: name == "inbox"}
}

func (d *desk) Stat(ctx context.Context, p string) (File, error) {
	folder, rest, err := split(p)
	if err != nil {
		return File{}, err
	}
	if rest == "" {
		if folder == "" {
			return File{Name: "/", Dir: true, ModTime: d.g.Now().Truncate(time.Minute)}, nil
		}
		return d.folder(folder), nil
	}
	var list []File
	switch folder {
	case "inbox":
		return d.inboxFile(ctx, rest)
	case "status":
		r, err := d.statusFile(ctx, rest)
		if err != nil {
			return File{}, err
		}
		return File{Name: rest, Size: r.Size(), ModTime: r.ModTime()}, nil
	case "archive":
		return d.archiveStat(ctx, rest)
	default:
		list, err = d.box(ctx, folder, rest)
	}
	if err != nil {
		return File{}, err
	}
	if len(list) == 0 {
		return File{}, fs.ErrNotExist
	}
	return list[0], nil
}

func (d *desk) Open(ctx context.Context, p string) (Reading, error) {
	folder, rest, err := split(p)
	if err != nil {
		return nil, err
	}
	if rest == "" {
		return nil, fs.ErrPermission
	}
	switch folder {
	case "inbox":
		if _, err := d.inboxFile(ctx, rest); err != nil {
			return nil, err
		}
		return nil, fs.ErrPermission // what was sent is not given back here
	case "status":
		return d.statusFile(ctx, rest)
	case "archive":
		return d.archiveOpen(ctx, rest)
	}
	return d.openPost(ctx, folder, rest)
}

func (d *desk) Create(ctx context.Context, p string, mode Mode) (Upload, error) {
	name, err := d.inboxName(p)
	if err != nil {
		return nil, err
	}
	return d.g.create(ctx, d.origin, name, mode)
}

// inboxName is the name of a file in the inbox, or why it cannot be one.
func (d *desk) inboxName(p string) (string, error) {
	name, ok := strings.CutPrefix(p, "/inbox/")
	if !ok || name == "" {
		return "", fs.ErrPermission
	}
	if strings.Contains(name, "/") {
		return "", fs.ErrNotExist
	}
	return name, nil
}

func (d *desk) Rename(ctx context.Context, from, to string, replace bool) error {
	old, err := d.inboxName(from)
	if err != nil {
		return err
	}
	name, err := d.inboxName(to)
	if err != nil {
		return err
	}
	return d.g.rename(ctx, d.origin, old, name, replace)
}

// rename gives an unfinished file another name; under a final one it is taken.
func (g *Gateway) rename(ctx context.Context, o Origin, from, to string, replace bool) error {
	_, temporary := Temporary(to, g.Settings().Temporary)
	if !temporary {
		if _, err := CleanName(to); err != nil {
			return err
		}
	}
	if from == to {
		return nil
	}
	g.mu.Lock()
	target := g.open[fileKey{o.Client, to}]
	u := g.open[fileKey{o.Client, from}]
	if target != nil {
		g.mu.Unlock()
		return ErrBusy
	}
	if u != nil { // still being written: it is taken under its new name when it is closed
		defer g.mu.Unlock()
		if u.over || u.draft == nil {
			return ErrBusy // it is being taken, or opened, at this moment
		}
		delete(g.open, fileKey{o.Client, from})
		g.open[fileKey{o.Client, to}] = u
		u.name = to
		return nil
	}
	// Until it has its new name nobody else may touch it.
	u = &upload{g: g, origin: o, name: from, over: true}
	g.open[fileKey{o.Client, from}] = u
	g.mu.Unlock()
	defer g.closeUpload(u)

	k, found, err := g.unfinished(ctx, o.Client, from)
	if err != nil {
		return err
	}
	if _, there, err := g.unfinished(ctx, o.Client, to); err != nil {
		return err
	} else if there && !replace {
		return fs.ErrExist
	}
	if !found {
		if _, err := (&desk{g: g, origin: o}).inboxFile(ctx, from); err == nil {
			return fs.ErrPermission // taken already: it is the gateway's
		}
		return fs.ErrNotExist
	}
	if temporary {
		return notFound(g.Store.Update(ctx, func(tx spool.Tx) error {
			if replace {
				if err := tx.Unkeep(string(o.Client), to); err != nil && !errors.Is(err, spool.ErrNotFound) {
					return err
				}
			}
			return tx.RenameKept(string(o.Client), from, to)
		}))
	}
	entry := g.Register().ByID(o.Client)
	if entry == nil || entry.Disabled {
		return fs.ErrPermission
	}
	draft, err := g.Store.Resume(ctx, string(o.Client), from, g.limitsOf(entry).File)
	if err != nil {
		return notFound(err)
	}
	if _, err := g.take(ctx, o, from, to, k.Modified, draft); err != nil {
		return errors.Join(err, draft.Discard())
	}
	return nil
}

func (d *desk) Remove(ctx context.Context, p string) error {
	folder, rest, err := split(p)
	if err != nil {
		return err
	}
	switch {
	case rest == "":
		return fs.ErrPermission
	case folder == "outbox", folder == "receipts":
		return notFound(d.g.acknowledge(ctx, d.origin.Client, folder, rest))
	case folder != "inbox":
		return fs.ErrPermission
	}
	k := fileKey{d.origin.Client, rest}
	d.g.mu.Lock()
	u := d.g.open[k]
	_, past := d.g.residue[k]
	d.g.mu.Unlock()
	if u != nil {
		return ErrBusy
	}
	err = d.g.Store.Update(ctx, func(tx spool.Tx) error { return tx.Unkeep(string(d.origin.Client), rest) })
	if !errors.Is(err, spool.ErrNotFound) {
		return err
	}
	waiting, err := d.waiting(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(waiting, func(f File) bool { return f.Name == rest }) {
		return fs.ErrPermission // taken and not settled: it will be answered
	}
	if !past {
		return fs.ErrNotExist
	}
	// Settled already; what the client removes is only the memory of it.
	d.g.mu.Lock()
	delete(d.g.residue, k)
	d.g.mu.Unlock()
	return nil
}

func (d *desk) SetModTime(ctx context.Context, p string, t time.Time) error {
	if name, err := d.inboxName(p); err == nil {
		k := fileKey{d.origin.Client, name}
		d.g.mu.Lock()
		u := d.g.open[k]
		r, ok := d.g.residue[k]
		switch {
		case u != nil:
			u.modTime = t
		case ok:
			r.modTime = t
			d.g.residue[k] = r
		}
		d.g.mu.Unlock()
		if u != nil || ok {
			return nil
		}
	}
	_, err := d.Stat(ctx, p)
	return err
}

// inbox lists what is unfinished, what is not settled, and what was taken a
// short while ago.
func (d *desk) inbox(ctx context.Context) ([]File, error) {
	files := map[string]File{}
	d.g.mu.Lock()
	for k, r := range d.g.residue {
		if k.client == d.origin.Client {
			files[k.name] = File{Name: k.name, Size: r.size, ModTime: r.modTime}
		}
	}
	d.g.mu.Unlock()
	waiting, err := d.waiting(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range waiting {
		if seen, ok := files[f.Name]; ok && seen.Size == f.Size {
			continue // with the time that the client has set
		}
		files[f.Name] = f
	}
	err = d.g.Store.View(ctx, func(r spool.Reader) error {
		kept, err := r.Kept(string(d.origin.Client))
		for _, k := range kept {
			files[k.Name] = File{Name: k.Name, Size: k.Size, ModTime: k.Modified, Writable: true}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range d.g.writing(d.origin.Client) {
		files[f.Name] = f
	}
	out := make([]File, 0, len(files))
	for _, f := range files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// waiting are the files of submissions that are not settled.
func (d *desk) waiting(ctx context.Context) ([]File, error) {
	var out []File
	err := d.g.Store.View(ctx, func(r spool.Reader) error {
		items, err := r.Items(unsettled(d.origin.Client, 0))
		if err != nil {
			return err
		}
		for _, it := range items {
			parts, err := r.Parts(it.ID)
			if err != nil {
				return err
			}
			for _, p := range parts {
				switch p.Role {
				case RoleDocument, RoleSignature, RoleContainer:
					out = append(out, File{Name: p.Name, Size: p.Content.Size, ModTime: p.Added})
				}
			}
		}
		return nil
	})
	return out, err
}

func (d *desk) inboxFile(ctx context.Context, name string) (File, error) {
	k := fileKey{d.origin.Client, name}
	d.g.mu.Lock()
	u, r := d.g.open[k], d.g.residue[k]
	if u != nil && u.draft != nil {
		draft, modTime := u.draft, u.modTime
		d.g.mu.Unlock()
		return File{Name: name, Size: draft.Size(), ModTime: modTime, Writable: true}, nil
	}
	d.g.mu.Unlock()
	// An unfinished one before what was taken: the client resumes at its size.
	if kept, found, err := d.g.unfinished(ctx, d.origin.Client, name); err != nil {
		return File{}, err
	} else if found {
		return File{Name: name, Size: kept.Size, ModTime: kept.Modified, Writable: true}, nil
	}
	if !r.until.IsZero() {
		return File{Name: name, Size: r.size, ModTime: r.modTime}, nil
	}
	files, err := d.inbox(ctx)
	if err != nil {
		return File{}, err
	}
	for _, f := range files {
		if f.Name == name {
			return f, nil
		}
	}
	return File{}, fs.ErrNotExist
}

// box lists outbox or receipts, or the one post of a name.
func (d *desk) box(ctx context.Context, box, name string) ([]File, error) {
	var out []File
	err := d.g.Store.View(ctx, func(r spool.Reader) error {
		after := ""
		for {
			posts, err := r.Posts(spool.PostQuery{Owner: string(d.origin.Client), Box: box, Name: name, After: after})
			if err != nil {
				return err
			}
			for _, p := range posts {
				out = append(out, File{Name: p.Name, Size: p.Size, ModTime: p.At})
				after = p.Name
			}
			if len(posts) < 1000 || name != "" {
				return nil
			}
		}
	})
	return out, err
}

func (d *desk) openPost(ctx context.Context, box, name string) (Reading, error) {
	var p spool.Post
	var part spool.Part
	err := d.g.Store.View(ctx, func(r spool.Reader) error {
		var err error
		if p, err = r.Post(string(d.origin.Client), box, name); err != nil {
			return err
		}
		if !p.Acknowledged.IsZero() || !p.Withdrawn.IsZero() {
			return spool.ErrNotFound
		}
		part, err = r.Part(p.Item, p.Part)
		return err
	})
	if err != nil {
		return nil, notFound(err)
	}
	return d.g.reading(ctx, part.Content, p.At, func() {
		if !p.Delivered.IsZero() {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := d.g.delivered(ctx, d.origin.Client, box, name); err != nil {
			d.g.Log.Warn("delivery not recorded", zap.String("client", string(d.origin.Client)), zap.String("name", name), zap.Error(err))
		}
	})
}

// notFound turns the spool's word into the one that entrances know.
func notFound(err error) error {
	switch {
	case errors.Is(err, spool.ErrNotFound):
		return fs.ErrNotExist
	case errors.Is(err, spool.ErrExists):
		return fs.ErrExist
	}
	return err
}

// reading opens stored content; whole is called once, at Close, if the last
// byte was read.
func (g *Gateway) reading(ctx context.Context, c spool.Content, t time.Time, whole func()) (Reading, error) {
	blob, err := g.Store.Open(ctx, c.SHA256)
	if err != nil {
		return nil, notFound(err)
	}
	return &blobReading{Blob: blob, modTime: t, whole: whole}, nil
}

type blobReading struct {
	spool.Blob
	modTime time.Time
	whole   func()
	end     atomic.Bool
}

func (b *blobReading) ModTime() time.Time { return b.modTime }

func (b *blobReading) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Blob.ReadAt(p, off)
	if off+int64(n) >= b.Size() && (n > 0 || b.Size() == 0) { // a look behind the end reads nothing
		b.end.Store(true)
	}
	return n, err
}

func (b *blobReading) Close() error {
	if b.whole != nil && b.end.Swap(false) {
		b.whole()
	}
	return b.Blob.Close()
}

// bytesReading reads what was made on the spot.
type bytesReading struct {
	readerAt
	modTime time.Time
}

func (b bytesReading) Size() int64        { return int64(len(b.readerAt)) }
func (b bytesReading) ModTime() time.Time { return b.modTime }
func (b bytesReading) Close() error       { return nil }

// unwrapped reads the document out of a container that was validated before.
func (g *Gateway) unwrapped(ctx context.Context, owner client.ID, p spool.Part) (Reading, error) {
	leave, err := g.large.enter(ctx, p)
	if err != nil {
		return nil, err
	}
	defer leave()
	whole, err := g.read(ctx, p.Content)
	if err != nil {
		return nil, notFound(err)
	}
	// It was accepted: what its client's entry tolerated then is not asked again.
	entry := client.Entry{Tolerate: []string{string(cades.TransportWrapper), string(cades.NestedSignedData), string(cades.BERSignerInfo)}}
	if e := g.Register().ByID(owner); e != nil {
		entry.Encrypt = e.Encrypt // perhaps the sender's certificate in key agreement
	}
	c := Case{At: g.Now(), Trust: g.Trust.Snapshot(), Keys: g.Keys, Entry: &entry, reading: true}
	var v Verdict
	rep := c.container(&v, Piece{Name: p.Name, Role: p.Role, Content: section(whole)})
	if rep.Content == nil {
		return nil, fmt.Errorf("part %q: its content cannot be read: %s", p.Name, rep.Detail)
	}
	if p.Content.Size <= largeContainer {
		return bytesReading{rep.Content, p.Added}, nil
	}
	// A reader may take its time, and several may read: it is read where it lies, if
	// it lies there in one piece.
	if at := bytes.Index(whole, rep.Content); at >= 0 {
		r, err := g.reading(ctx, p.Content, p.Added, nil)
		if err != nil {
			return nil, err
		}
		return &within{io.NewSectionReader(r, int64(at), int64(len(rep.Content))), r}, nil
	}
	return bytesReading{rep.Content, p.Added}, nil
}

// within reads a document where it lies in its container.
type within struct {
	*io.SectionReader
	whole Reading
}

func (w *within) ModTime() time.Time { return w.whole.ModTime() }
func (w *within) Close() error       { return w.whole.Close() }
