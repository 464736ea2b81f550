package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/brama-gateway/brama/spool"
)

// What a row says of bytes: the part of an item that it names has this hash.
type bytesOf struct {
	item spool.ID
	name string
	sum  [sha256.Size]byte
}

// acts are what rows say of a post: that it was read, or acknowledged.
type act struct {
	item spool.ID
	name string
	kind string
}

// note keeps what a row says of bytes and posts.
func (v *verifying) note(e spool.Event, rec record) {
	switch e.Kind {
	case "delivered", "acknowledged":
		v.acts[act{e.Item, rec.Name, e.Kind}] = true
		return
	case "released":
		v.released = append(v.released, paper{item: e.Item, row: e.Seq, name: rec.Name, sum: rec.SHA256})
	case "joined":
		if rec.SHA256 == "" {
			v.from[e.Item] = append(v.from[e.Item], rec.Other)
		}
	}
	b := bytesOf{item: e.Item, name: rec.Name}
	if n, err := hex.Decode(b.sum[:], []byte(rec.SHA256)); err == nil && n == sha256.Size {
		v.bytes[b] = true
	}
}

// documents holds the parts that came in against the rows that say so.
func (v *verifying) documents(parts []spool.Part) {
	for _, p := range parts {
		if p.Role != "document" && p.Role != "signature" && p.Role != "container" {
			continue
		}
		b := bytesOf{item: p.Item, name: p.Name}
		hex.Decode(b.sum[:], []byte(p.Content.SHA256))
		known := v.bytes[b]
		for _, from := range v.from[p.Item] {
			b.item = from
			known = known || v.bytes[b]
		}
		if !known {
			v.report.add(DocumentChanged, 0, p.Item, "%s %q: no row tells of these bytes", p.Role, p.Name)
		}
	}
}

// posts holds the files in the boxes of an item's owner against its parts and rows.
func (v *verifying) posts(posts []spool.Post, parts []spool.Part) {
	has := map[string]bool{}
	for _, p := range parts {
		has[p.Name] = true
	}
	for _, p := range posts {
		v.report.Posts++
		where := fmt.Sprintf("%s, %s/%s", p.Owner, p.Box, p.Name)
		if !has[p.Part] && p.Withdrawn.IsZero() {
			v.report.add(PostChanged, 0, p.Item, "%s: there are no bytes for it", where)
		}
		for _, a := range []struct {
			kind string
			done bool
		}{{"delivered", !p.Delivered.IsZero()}, {"acknowledged", !p.Acknowledged.IsZero()}} {
			if told := v.acts[act{p.Item, p.Name, a.kind}]; a.done && !told {
				v.report.add(PostChanged, 0, p.Item, "%s: it is marked as %s, no row tells of that", where, a.kind)
			}
		}
	}
}

// statements holds what was released against its rows: the bytes, and that they lie
// in a box. What went out encrypted is another file than the one that was hashed.
func (v *verifying) statements(r spool.Reader, seen map[spool.ID]string) error {
	for _, p := range v.released {
		if _, ok := seen[p.item]; !ok || v.away[p.item] || p.sum == "" || strings.HasSuffix(p.name, ".p7e") {
			continue
		}
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.report.Statements++
		part, err := r.Part(p.item, p.name)
		if errors.Is(err, spool.ErrNotFound) {
			v.report.add(StatementChanged, p.row, p.item, "%q is not there", p.name)
			continue
		}
		if err != nil {
			return err
		}
		sum, err := v.sum(part)
		if err != nil {
			return err
		}
		if sum != p.sum {
			v.report.add(StatementChanged, p.row, p.item, "%q is not the one that was released", p.name)
		}
	}
	return nil
}

// sum is the hash of a part's bytes; of what is not there it is that of nothing.
func (v *verifying) sum(p spool.Part) (string, error) {
	h := sha256.New()
	blob, err := v.store.Open(v.ctx, p.Content.SHA256)
	if err == nil {
		_, err = io.Copy(h, io.NewSectionReader(blob, 0, blob.Size()))
		blob.Close()
	}
	if err != nil && !errors.Is(err, spool.ErrNotFound) {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Folders holds what lies in the outbox folders of watched clients, below root and
// named by their ids, against the store: a file that nobody released, and one with
// other bytes than were released, are findings of the report. A file that is not
// there any more was acknowledged by its client, and is none. Receipts are looked at
// where they lie. It may run beside the daemon.
func Folders(ctx context.Context, root string, store Store, report *Report) error {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return fmt.Errorf("folders of clients: %w", err)
	}
	defer dir.Close()
	clients, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("folders of clients: %w", err)
	}
	for _, c := range clients {
		if !c.IsDir() {
			continue
		}
		for _, box := range []string{"outbox", "receipts"} {
			if err := folderOf(ctx, dir, c.Name(), box, store, report); err != nil {
				return fmt.Errorf("folder of client %s: %w", c.Name(), err)
			}
		}
	}
	return nil
}

func folderOf(ctx context.Context, dir *os.Root, owner, box string, store Store, report *Report) error {
	files, err := fs.ReadDir(dir.FS(), path.Join(owner, box))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Hidden files and NAME.old are not releases; of what lies among receipts,
		// notices of holds and refusals come and go without being any.
		name := f.Name()
		if !f.Type().IsRegular() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".old") || box == "receipts" && !strings.Contains(name, ".receipt") {
			continue
		}
		// The file first: whatever lies there was committed before.
		sum, err := fileSum(dir, path.Join(owner, box, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var part spool.Part
		err = store.View(ctx, func(r spool.Reader) error {
			p, err := r.Post(owner, box, name)
			if err == nil {
				part, err = r.Part(p.Item, p.Part)
			}
			return err
		})
		where := path.Join(owner, box, name)
		switch {
		case errors.Is(err, spool.ErrNotFound):
			report.add(FolderUnknown, 0, 0, "%s lies in the folder, and nobody released it", where)
		case err != nil:
			return err
		case part.Content.SHA256 != sum:
			report.add(FolderChanged, 0, part.Item, "%s in the folder is not what was released", where)
		}
		report.Files++
	}
	return nil
}

func fileSum(dir *os.Root, name string) (string, error) {
	// Not waiting: a client may have put a pipe there meanwhile.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fs.ErrNotExist)
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
