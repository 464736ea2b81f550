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

// Retired is the kind of a row that says that the posts in an owner's box were put
// away which had been published before a time.
const Retired = "retired"

// boxOf is a box of an owner.
type boxOf struct{ owner, box string }

// note keeps what a row says of bytes and posts.
func (v *verifying) note(e spool.Event, rec record) {
	switch e.Kind {
	case "delivered", "acknowledged", "archived":
		v.acts[act{e.Item, rec.Name, e.Kind}] = true
		return
	case "released":
		v.released = append(v.released, paper{item: e.Item, row: e.Seq, name: rec.Name, sum: rec.SHA256})
	case "joined":
		if rec.SHA256 == "" {
			v.from[e.Item] = append(v.from[e.Item], rec.Other)
		}
	}
	if sum, ok := digest(rec.SHA256); ok {
		v.bytes[bytesOf{e.Item, rec.Name, sum}] = true
	}
}

// digest reads a hash in hex; ok is false for anything else, of which there may be much
// in a store that was tampered with.
func digest(text string) (sum [sha256.Size]byte, ok bool) {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

// documents holds the parts that came in against the rows that say so.
func (v *verifying) documents(parts []spool.Part) {
	for _, p := range parts {
		if p.Role != "document" && p.Role != "signature" && p.Role != "container" {
			continue
		}
		sum, known := digest(p.Content.SHA256)
		if known {
			b := bytesOf{p.Item, p.Name, sum}
			known = v.bytes[b]
			for _, from := range v.from[p.Item] {
				b.item = from
				known = known || v.bytes[b]
			}
		}
		if !known {
			v.report.add(DocumentChanged, 0, p.Item, "%s %q: no row tells of these bytes", p.Role, p.Name)
		}
	}
}

// hashes holds the bytes of parts against their hashes.
func (v *verifying) hashes(parts []spool.Part) error {
	for _, p := range parts {
		sort := ItemChanged
		switch p.Role {
		case "document", "signature", "container":
			sort = DocumentChanged
		}
		if err := v.ctx.Err(); err != nil {
			return err
		}
		sum, err := v.sum(p)
		if err != nil {
			return err
		}
		if sum != p.Content.SHA256 {
			v.report.add(sort, 0, p.Item, "%s %q: its bytes do not have the hash %s", p.Role, p.Name, p.Content.SHA256)
		}
	}
	return nil
}

// posts holds the files in the boxes of an item's owner against its parts and rows.
func (v *verifying) posts(it spool.Item, posts []spool.Post, parts []spool.Part) {
	has, lies := map[string]*spool.Part{}, map[string]bool{}
	for i := range parts {
		has[parts[i].Name] = &parts[i]
	}
	for _, p := range posts {
		lies[p.Box+"/"+p.Part] = lies[p.Box+"/"+p.Part] || p.Owner == it.Owner && p.Name == p.Part
	}
	for _, p := range parts {
		if box := boxes[string(p.Role)]; box != "" && v.in[it.ID] == "" && !lies[box+"/"+p.Name] {
			v.report.add(PostChanged, 0, it.ID, "%s, %s/%s: it is not there", it.Owner, box, p.Name)
		}
	}
	for _, p := range posts {
		v.report.Posts++
		where := fmt.Sprintf("%s, %s/%s", p.Owner, p.Box, p.Name)
		if part := has[p.Part]; part != nil && (p.Size != part.Content.Size || !p.At.Equal(part.Added)) {
			v.report.add(PostChanged, 0, p.Item, "%s: its size or time is not that of its bytes", where)
		}
		if part := has[p.Part]; p.Part != p.Name || part != nil && !given[string(part.Role)] {
			v.report.add(PostChanged, 0, p.Item, "%s: it gives %q, which is not for it", where, p.Part)
		}
		if has[p.Part] == nil && p.Withdrawn.IsZero() {
			v.report.add(PostChanged, 0, p.Item, "%s: there are no bytes for it", where)
		}
		if p.Owner != it.Owner {
			v.report.add(PostChanged, 0, p.Item, "%s: it is of %s", where, it.Owner)
		}
		if !p.Withdrawn.IsZero() && !v.withdrawn(p) {
			v.report.add(PostChanged, 0, p.Item, "%s: it was taken out of the client's sight, no row tells of that", where)
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

// boxes are those where parts of a role lie. A proof is given only beside a receipt that
// has not been put away yet.
var boxes = map[string]string{"receipt": "receipts", "statement": "outbox", "seal": "outbox"}

// given are the roles of parts that clients get.
var given = map[string]bool{"receipt": true, "statement": true, "seal": true, "proof": true, "notice": true}

// withdrawn says whether rows tell that a post was put away. Notices of holds come and
// go with the states of their documents.
func (v *verifying) withdrawn(p spool.Post) bool {
	return p.At.Before(v.since) || p.At.Before(v.putAway[boxOf{p.Owner, p.Box}]) || v.acts[act{p.Item, p.Name, "archived"}] ||
		strings.HasSuffix(p.Name, ".held.txt") || strings.HasSuffix(p.Name, ".held.json")
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

// sum is the hash of a part's bytes; of what is not there it is that of nothing, and ""
// where the part names no hash.
func (v *verifying) sum(p spool.Part) (string, error) {
	if _, ok := digest(p.Content.SHA256); !ok {
		return "", nil
	}
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
