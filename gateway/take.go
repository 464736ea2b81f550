package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Roles of the parts of an item.
const (
	RoleDocument  spool.Role = "document"  // what was signed, delivered beside its signatures
	RoleSignature spool.Role = "signature" // a detached signature
	RoleContainer spool.Role = "container" // a document and its signatures in one
	RoleVerdict   spool.Role = "verdict"   // what the examination found
	RoleOpened    spool.Role = "opened"    // the signed container out of an encrypted one that was accepted
	RoleReceipt   spool.Role = "receipt"
	RoleNotice    spool.Role = "notice" // held.txt, held.json
	RoleStatement spool.Role = "statement"
	RoleSeal      spool.Role = "seal"
)

// take makes a finished upload the gateway's own: it becomes a submission, or a
// part of one that waits for it. When it returns nil the file will outlive a
// power cut.
//
// Kept is the name under which the unfinished file may lie in the store.
func (g *Gateway) take(ctx context.Context, o Origin, kept, name string, modTime time.Time, draft spool.Draft) (spool.ID, error) {
	if _, err := CleanName(name); err != nil {
		return 0, err
	}
	if g.isDraining() && o.Entrance == "folder" {
		return 0, ErrStopping // the file stays where it is; nothing is lost
	}
	f, err := look(name, draft)
	if err != nil {
		return 0, err
	}
	f.content, err = draft.Finish(ctx)
	if err != nil {
		return 0, err
	}
	now := g.Now()
	var in joining
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		in = joining{g: g, tx: tx, origin: o, now: now}
		if err := in.join(f); err != nil {
			return err
		}
		for _, n := range []string{kept, name} { // an unfinished file of the final name gives way
			if err := tx.Unkeep(string(o.Client), n); err != nil && !errors.Is(err, spool.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := draft.Discard(); err != nil { // what was not attached: a file that we had already
		g.Log.Warn("draft not discarded", zap.Error(err))
	}
	g.count(o.Client, in.begun)
	g.remember(fileKey{o.Client, name}, residue{size: f.content.Size, modTime: modTime, until: now.Add(g.Residue)})
	g.Log.Info("taken", zap.Stringer("submission", in.id), zap.String("client", string(o.Client)), zap.String("entrance", o.Entrance),
		zap.String("session", o.Session), zap.String("name", name), zap.Int64("bytes", f.content.Size))
	g.enqueue(in.id)
	for _, id := range in.superseded {
		g.enqueue(id)
	}
	g.changed()
	return in.id, nil
}

// file is a finished upload, told apart by its content; the name decides only
// where the content says nothing.
type file struct {
	name    string
	role    spool.Role
	of      string         // for a signature: the document's name, as far as the name tells
	digests []cades.Digest // for a signature: what it says it was made over
	content spool.Content
}

// The endings of signature files (DESIGN 5.1), and of encrypted ones.
var signatureEndings = []string{".p7s", ".p7m", ".p7e", ".sig", ".sign", ".cades", ".asice", ".asics", ".sce", ".scs"}

// SignedName strips the ending of a signature file: what it is a signature of.
func SignedName(name string) (string, bool) {
	ext := strings.ToLower(path.Ext(name))
	for _, s := range signatureEndings {
		if ext == s && len(name) > len(ext) {
			return name[:len(name)-len(ext)], true
		}
	}
	return name, false
}

// maxSignature bounds a detached signature; what is larger is not looked into
// and goes to the examiner as a container, which refuses it.
const maxSignature = 4 << 20

// sized is bytes that can be looked at before they are content.
type sized interface {
	io.ReaderAt
	Size() int64
}

func look(name string, draft sized) (file, error) {
	f := file{name: name, role: RoleDocument}
	of, named := SignedName(name)
	head := make([]byte, min(4096, draft.Size()))
	if _, err := draft.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	switch cades.Sniff(head) {
	case cades.NotCMS:
		if named || asic.Sniff(draft, draft.Size()) {
			f.role = RoleContainer // it says that it is a signature, and the examiner may say that it is none; or it is an ASiC
		}
	case cades.Detached:
		if draft.Size() > maxSignature {
			f.role = RoleContainer
			break
		}
		f.role, f.of = RoleSignature, of
		whole := make([]byte, draft.Size())
		if _, err := draft.ReadAt(whole, 0); err != nil && !errors.Is(err, io.EOF) {
			return f, err
		}
		f.digests = cades.MessageDigests(whole)
	default:
		f.role = RoleContainer
	}
	return f, nil
}

// Known says whether the gateway took a file of this name and content from the
// client at or after since: a folder entrance asks it before it takes a file
// again that an interruption may have left behind.
func (g *Gateway) Known(ctx context.Context, from client.ID, name, sha256 string, size int64, since time.Time) (bool, error) {
	names := []string{name}
	if of, named := SignedName(name); named { // a part of its document's submission
		names = append(names, documentNames(of)...)
	}
	known := false
	err := g.Store.View(ctx, func(r spool.Reader) error {
		for _, n := range names {
			items, err := r.Items(spool.Query{Queue: Submissions, Owner: string(from), Name: n, From: since.Add(-g.reach()), Newest: true})
			if err != nil {
				return err
			}
			for _, it := range items {
				p, err := r.Part(it.ID, name)
				if err == nil && p.Content.SHA256 == sha256 && p.Content.Size == size && !p.Added.Before(since) {
					known = true
					return nil
				} else if err != nil && !errors.Is(err, spool.ErrNotFound) {
					return err
				}
			}
		}
		return nil
	})
	return known, err
}

// Whole says whether the head of a file is that of a container which is
// complete by itself and as long as it says: a folder entrance need not wait
// for such a file to be stable.
func Whole(head []byte, size int64) bool {
	if k := cades.Sniff(head); k != cades.Attached && k != cades.Enveloped || len(head) < 6 || head[0] != 0x30 {
		return false
	}
	n := int(head[1]) - 0x80 // length of the length; a short or indefinite one is not waited out
	if n < 1 || n > 4 {
		return false
	}
	var length int64
	for _, b := range head[2 : 2+n] {
		length = length<<8 | int64(b)
	}
	return size == length+int64(2+n) && !bytes.HasPrefix(head, []byte("-----"))
}
