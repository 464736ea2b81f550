package gateway

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

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
	RoleReceipt   spool.Role = "receipt"
	RoleNotice    spool.Role = "notice" // held.txt, held.json
	RoleStatement spool.Role = "statement"
	RoleSeal      spool.Role = "seal"
)

// upload is a file being written, from Create to the moment it is taken, kept
// or forgotten. Gateway.mu guards all but draft, which is set once before the
// upload is handed out.
type upload struct {
	g      *Gateway
	origin Origin
	draft  spool.Draft

	name    string // may change while it is open
	modTime time.Time
	over    bool // closed, interrupted or removed
}

// create begins an upload, or goes on with one that was interrupted.
func (g *Gateway) create(ctx context.Context, o Origin, name string, mode Mode) (Upload, error) {
	if _, temporary := Temporary(name, g.Temporary); !temporary {
		if _, err := CleanName(name); err != nil {
			return nil, err
		}
	}
	entry := g.Register().ByID(o.Client)
	if entry == nil || entry.Disabled {
		return nil, fs.ErrPermission
	}
	limits := g.limitsOf(entry)
	if err := g.withinQuota(ctx, o, limits); err != nil {
		return nil, err
	}

	u := &upload{g: g, origin: o, name: name, modTime: g.Now()}
	key := fileKey{o.Client, name}
	g.mu.Lock()
	switch {
	case g.draining:
		g.mu.Unlock()
		return nil, ErrStopping
	case g.open[key] != nil:
		g.mu.Unlock()
		return nil, ErrBusy
	}
	g.open[key] = u
	g.mu.Unlock()

	draft, err := u.begin(ctx, mode, limits.File)
	g.mu.Lock()
	u.draft = draft
	g.mu.Unlock()
	if err != nil {
		g.closeUpload(u)
		if errors.Is(err, spool.ErrFull) {
			err = fmt.Errorf("%w: %w", ErrStopping, err)
		}
		return nil, err
	}
	return u, nil
}

func (u *upload) begin(ctx context.Context, mode Mode, limit int64) (spool.Draft, error) {
	if !mode.Truncate {
		draft, err := u.g.Store.Resume(ctx, string(u.origin.Client), u.name, limit)
		switch {
		case err == nil && mode.Exclusive:
			return nil, errors.Join(fs.ErrExist, draft.Discard())
		case err == nil:
			return draft, nil
		case !errors.Is(err, spool.ErrNotFound):
			return nil, err
		}
	}
	return u.g.Store.NewDraft(ctx, limit)
}

func (g *Gateway) closeUpload(u *upload) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if key := (fileKey{u.origin.Client, u.name}); g.open[key] == u {
		delete(g.open, key)
	}
}

func (u *upload) WriteAt(p []byte, off int64) (int, error) { return u.draft.WriteAt(p, off) }
func (u *upload) ReadAt(p []byte, off int64) (int, error)  { return u.draft.ReadAt(p, off) }
func (u *upload) Size() int64                              { return u.draft.Size() }
func (u *upload) Truncate(size int64) error                { return u.draft.Truncate(size) }

func (u *upload) SetModTime(t time.Time) {
	u.g.mu.Lock()
	u.modTime = t
	u.g.mu.Unlock()
}

// end marks the upload as over, once; its name cannot change any more.
func (u *upload) end() (name string, modTime time.Time, first bool) {
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	first = !u.over
	u.over = true
	return u.name, u.modTime, first
}

func (u *upload) Close(ctx context.Context) error {
	name, modTime, first := u.end()
	if !first {
		return nil
	}
	defer u.g.closeUpload(u)
	if _, temporary := Temporary(name, u.g.Temporary); temporary {
		// Durable too: a client that has seen its temporary file closed may rename it tomorrow.
		return errors.Join(u.draft.Keep(ctx, string(u.origin.Client), name, modTime), u.draft.Discard())
	}
	_, err := u.g.take(ctx, u.origin, name, modTime, u.draft)
	if err != nil {
		u.g.Log.Warn("upload not taken", zap.String("client", string(u.origin.Client)),
			zap.String("session", u.origin.Session), zap.String("name", name), zap.Error(err))
		return errors.Join(err, u.draft.Discard())
	}
	return nil
}

func (u *upload) Interrupt(cause error) {
	name, modTime, first := u.end()
	if !first {
		return
	}
	defer u.g.closeUpload(u)
	u.g.Log.Info("upload interrupted", zap.String("client", string(u.origin.Client)),
		zap.String("session", u.origin.Session), zap.String("name", name), zap.Int64("bytes", u.draft.Size()), zap.Error(cause))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := errors.Join(u.draft.Keep(ctx, string(u.origin.Client), name, modTime), u.draft.Discard())
	if err != nil {
		u.g.Log.Warn("interrupted upload not kept", zap.String("name", name), zap.Error(err))
	}
}

// take makes a finished upload the gateway's own: it becomes a submission, or a
// part of one that waits for it. When it returns nil the file will outlive a
// power cut.
func (g *Gateway) take(ctx context.Context, o Origin, name string, modTime time.Time, draft spool.Draft) (spool.ID, error) {
	return g.takeRenamed(ctx, o, name, name, modTime, draft)
}

// takeRenamed is take for a file that was kept under another name.
func (g *Gateway) takeRenamed(ctx context.Context, o Origin, kept, name string, modTime time.Time, draft spool.Draft) (spool.ID, error) {
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
	var id spool.ID
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		var err error
		if id, err = g.join(tx, o, f, now); err != nil {
			return err
		}
		if err := tx.Unkeep(string(o.Client), kept); err != nil && !errors.Is(err, spool.ErrNotFound) {
			return err
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := draft.Discard(); err != nil { // what was not attached: a file that we had already
		g.Log.Warn("draft not discarded", zap.Error(err))
	}
	g.count(o.Client, 1)
	g.remember(fileKey{o.Client, name}, residue{size: f.content.Size, modTime: modTime, until: now.Add(g.Residue)})
	g.Log.Info("taken", zap.Stringer("submission", id), zap.String("client", string(o.Client)), zap.String("entrance", o.Entrance),
		zap.String("session", o.Session), zap.String("name", name), zap.Int64("bytes", f.content.Size))
	g.enqueue(id)
	g.changed()
	return id, nil
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

// The endings of signature files (DESIGN 5.1).
var signatureEndings = []string{".p7s", ".p7m", ".sig", ".sign", ".cades", ".asice", ".asics"}

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
		if named {
			f.role = RoleContainer // it says that it is a signature; the examiner will say that it is none
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

// signs says whether the signature in f was made over content of this hash, as
// far as the file itself tells.
func (f *file) signs(sha256 string) bool {
	for _, d := range f.digests {
		if d.Algorithm == "sha256" && hex.EncodeToString(d.Value) == sha256 {
			return true
		}
	}
	return false
}

// join finds the submission that a file belongs to, or begins one. A document
// and its detached signatures are one submission, in whatever order they come.
func (g *Gateway) join(tx spool.Tx, o Origin, f file, now time.Time) (spool.ID, error) {
	switch f.role {
	case RoleSignature:
		return g.joinSignature(tx, o, f, now)
	case RoleDocument:
		return g.joinDocument(tx, o, f, now)
	}
	// A container that lies beside the document it belongs to: two sources of
	// content. It joins, and the examiner refuses both (THREATS A04).
	if of, named := SignedName(f.name); named {
		open, err := waiting(tx, o, of)
		if err != nil {
			return 0, err
		}
		for _, it := range open {
			if it.SHA256 != "" {
				return it.ID, g.addPart(tx, o, &it, f, f.name, now)
			}
		}
	}
	return g.begin(tx, o, f, f.name, now)
}

// waiting are the client's unsettled submissions of a document's name, newest first.
func waiting(tx spool.Tx, o Origin, name string) ([]spool.Item, error) {
	return tx.Items(spool.Query{
		Queue: Submissions, Owner: string(o.Client), Name: name,
		States: []spool.State{StateReceived, StateHeld}, Newest: true,
	})
}

func (g *Gateway) joinSignature(tx spool.Tx, o Origin, f file, now time.Time) (spool.ID, error) {
	// P.xml.head.p7s may sign P.xml.head, or P.xml. Of several documents that wait
	// it signs the one whose hash it names.
	var best *spool.Item
	for name := f.of; name != ""; name = name[:max(0, strings.LastIndexByte(name, '.'))] {
		open, err := waiting(tx, o, name)
		if err != nil {
			return 0, err
		}
		for i := range open {
			if best == nil || f.signs(open[i].SHA256) && !f.signs(best.SHA256) {
				best = &open[i]
			}
		}
	}
	if best != nil {
		return best.ID, g.addPart(tx, o, best, f, f.name, now)
	}
	// The document was answered already: refused for its format before its
	// signature came, or accepted with fewer. Its answer is this file's answer too.
	late, err := tx.Items(spool.Query{Queue: Submissions, Owner: string(o.Client), Name: f.of, From: now.Add(-g.Hold), Newest: true, Limit: 16})
	if err != nil {
		return 0, err
	}
	for i := range late {
		if it := &late[i]; f.signs(it.SHA256) {
			return it.ID, g.addLate(tx, o, it, f, now)
		}
	}
	return g.begin(tx, o, f, f.of, now)
}

// kindSignature is the kind of a submission that is a detached signature
// without its document yet.
const kindSignature = "detached_signature"

func (g *Gateway) joinDocument(tx spool.Tx, o Origin, f file, now time.Time) (spool.ID, error) {
	open, err := waiting(tx, o, f.name)
	if err != nil {
		return 0, err
	}
	for i := range open {
		it := &open[i]
		switch it.SHA256 {
		case "":
		case f.content.SHA256:
			// The same file once more while it waits: an answer that got lost.
			return it.ID, g.journal(tx, it.ID, now, "again", journalRecord{Origin: &o, Name: f.name, SHA256: f.content.SHA256})
		default:
			if err := g.supersede(tx, it, now); err != nil {
				return 0, err
			}
		}
	}
	orphans, err := tx.Items(spool.Query{
		Queue: Submissions, Owner: string(o.Client), Kind: kindSignature,
		States: []spool.State{StateReceived, StateHeld}, Limit: 10_000,
	})
	if err != nil {
		return 0, err
	}
	orphans = slices.DeleteFunc(orphans, func(it spool.Item) bool {
		return it.Name != f.name && !strings.HasPrefix(it.Name, f.name+".")
	})
	if len(orphans) == 0 {
		return g.begin(tx, o, f, f.name, now)
	}
	it := orphans[0] // the oldest
	for _, other := range orphans[1:] {
		if err := tx.MoveParts(other.ID, it.ID); err != nil {
			return 0, err
		}
		if err := g.journal(tx, it.ID, now, "joined", journalRecord{Origin: &o, Name: other.Name, Other: other.ID}); err != nil {
			return 0, err
		}
		if err := g.withdrawHeld(tx, &other, it.ID, now); err != nil {
			return 0, err
		}
		if err := tx.Delete(other.ID); err != nil {
			return 0, err
		}
	}
	it.Name, it.Kind = f.name, ""
	return it.ID, g.addPart(tx, o, &it, f, f.name, now)
}

// begin makes a new submission of one file.
func (g *Gateway) begin(tx spool.Tx, o Origin, f file, name string, now time.Time) (spool.ID, error) {
	it := spool.Item{
		ID: g.ids.New(now), Queue: Submissions, Owner: string(o.Client), State: StateReceived,
		Name: name, Received: now, Deadline: now.Add(g.Hold),
	}
	switch f.role {
	case RoleDocument:
		it.SHA256, it.Size = f.content.SHA256, f.content.Size
	case RoleSignature:
		it.Kind = kindSignature
	}
	it.Note = note{Origin: o}.bytes()
	if err := tx.Insert(it); err != nil {
		return 0, err
	}
	if err := tx.AddPart(it.ID, f.name, f.role, f.content, now); err != nil {
		return 0, err
	}
	return it.ID, g.journal(tx, it.ID, now, "received", journalRecord{
		Origin: &o, Name: f.name, Role: f.role, SHA256: f.content.SHA256, To: StateReceived,
	})
}

// addPart adds a file to a submission that waits, and sends it to be examined
// anew. A file of a name that is there already takes its place: the client has
// signed again.
func (g *Gateway) addPart(tx spool.Tx, o Origin, it *spool.Item, f file, name string, now time.Time) error {
	old, err := tx.Part(it.ID, name)
	switch {
	case err == nil && old.Content.SHA256 == f.content.SHA256:
		return g.journal(tx, it.ID, now, "again", journalRecord{Origin: &o, Name: name, SHA256: f.content.SHA256})
	case err == nil:
		if err := tx.RemovePart(it.ID, name); err != nil {
			return err
		}
	case !errors.Is(err, spool.ErrNotFound):
		return err
	}
	if err := tx.AddPart(it.ID, name, f.role, f.content, now); err != nil {
		return err
	}
	if f.role == RoleDocument {
		it.SHA256, it.Size = f.content.SHA256, f.content.Size
	}
	from := it.State
	if it.State == StateHeld {
		if err := move(it, StateReceived); err != nil {
			return err
		}
	}
	if err := tx.Put(*it); err != nil {
		return err
	}
	return g.journal(tx, it.ID, now, "added", journalRecord{
		Origin: &o, Name: name, Role: f.role, SHA256: f.content.SHA256, Replaced: old.Content.SHA256, From: from, To: it.State,
	})
}

// addLate keeps a signature that came after the answer.
func (g *Gateway) addLate(tx spool.Tx, o Origin, it *spool.Item, f file, now time.Time) error {
	err := tx.AddPart(it.ID, f.name, f.role, f.content, now)
	if err != nil && !errors.Is(err, spool.ErrExists) {
		return err
	}
	return g.journal(tx, it.ID, now, "late", journalRecord{Origin: &o, Name: f.name, Role: f.role, SHA256: f.content.SHA256})
}

// supersede ends a waiting submission in whose place the client has sent
// another document of the same name. It gets its answer from the examiner.
func (g *Gateway) supersede(tx spool.Tx, it *spool.Item, now time.Time) error {
	n := readNote(it.Note)
	n.Superseded = true
	it.Note = n.bytes()
	if it.State == StateHeld {
		if err := move(it, StateReceived); err != nil {
			return err
		}
	}
	if err := tx.Put(*it); err != nil {
		return err
	}
	g.enqueue(it.ID) // tick finds it if this transaction is not committed yet
	return g.journal(tx, it.ID, now, "superseded", journalRecord{Name: it.Name, SHA256: it.SHA256, To: it.State})
}

// Known says whether the gateway took a file of this name and content from the
// client at or after since: a folder entrance asks it before it takes a file
// again that an interruption may have left behind.
func (g *Gateway) Known(ctx context.Context, from client.ID, name, sha256 string, size int64, since time.Time) (bool, error) {
	known := false
	err := g.Store.View(ctx, func(r spool.Reader) error {
		items, err := r.Items(spool.Query{Queue: Submissions, Owner: string(from), From: since.Add(-g.Hold), Newest: true})
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
		return nil
	})
	return known, err
}

// Whole says whether the head of a file is that of a container which is
// complete by itself and as long as it says: a folder entrance need not wait
// for such a file to be stable.
func Whole(head []byte, size int64) bool {
	if cades.Sniff(head) != cades.Attached || len(head) < 6 || head[0] != 0x30 {
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
