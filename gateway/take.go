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
	"sync/atomic"
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
	RoleOpened    spool.Role = "opened"    // the signed container out of an encrypted one that was accepted
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

	kept    string // under which the store may have an unfinished file that this one goes on with, or replaces
	name    string // may change while it is open
	modTime time.Time
	over    bool // closed, interrupted or removed

	spoilt atomic.Pointer[error] // a write that was refused
}

// create begins an upload, or goes on with one that was interrupted.
func (g *Gateway) create(ctx context.Context, o Origin, name string, mode Mode) (Upload, error) {
	if _, temporary := Temporary(name, g.Settings().Temporary); !temporary {
		if _, err := CleanName(name); err != nil {
			return nil, err
		}
	}
	entry := g.Register().ByID(o.Client)
	if entry == nil || entry.Disabled {
		return nil, fs.ErrPermission
	}
	limits := g.limitsOf(entry)
	if err := g.withinQuota(ctx, o, name, limits); err != nil {
		return nil, err
	}

	u := &upload{g: g, origin: o, kept: name, name: name, modTime: g.Now()}
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

	draft, err := u.begin(ctx, name, mode, limits.File)
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

func (u *upload) begin(ctx context.Context, name string, mode Mode, limit int64) (spool.Draft, error) {
	if mode.Exclusive {
		if _, found, err := u.g.unfinished(ctx, u.origin.Client, name); err != nil {
			return nil, err
		} else if found {
			return nil, fs.ErrExist
		}
	}
	if !mode.Truncate {
		draft, err := u.g.Store.Resume(ctx, string(u.origin.Client), name, limit)
		if !errors.Is(err, spool.ErrNotFound) {
			return draft, err
		}
	}
	return u.g.Store.NewDraft(ctx, limit)
}

// unfinished finds the client's unfinished file of a name.
func (g *Gateway) unfinished(ctx context.Context, of client.ID, name string) (k spool.Kept, found bool, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) error {
		kept, err := r.Kept(string(of))
		for _, one := range kept {
			if one.Name == name {
				k, found = one, true
			}
		}
		return err
	})
	return k, found, err
}

func (g *Gateway) closeUpload(u *upload) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if key := (fileKey{u.origin.Client, u.name}); g.open[key] == u {
		delete(g.open, key)
	}
}

// WriteAt remembers a failure: a client that goes on and closes must not hear
// that its file was taken when a piece of it was refused.
func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	n, err := u.draft.WriteAt(p, off)
	if err != nil {
		u.spoilt.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (u *upload) ReadAt(p []byte, off int64) (int, error) { return u.draft.ReadAt(p, off) }
func (u *upload) Size() int64                             { return u.draft.Size() }
func (u *upload) Truncate(size int64) error               { return u.draft.Truncate(size) }

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
	if cause := u.spoilt.Load(); cause != nil {
		u.g.Log.Warn("upload not taken: a write of it was refused", zap.String("client", string(u.origin.Client)),
			zap.String("session", u.origin.Session), zap.String("name", name), zap.Error(*cause))
		return errors.Join(fmt.Errorf("a write was refused: %w", *cause), u.draft.Discard())
	}
	if _, temporary := Temporary(name, u.g.Settings().Temporary); temporary {
		// Durable too: a client that has seen its temporary file closed may rename it tomorrow.
		return errors.Join(u.draft.Keep(ctx, string(u.origin.Client), name, modTime), u.draft.Discard())
	}
	_, err := u.g.take(ctx, u.origin, u.kept, name, modTime, u.draft)
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
var signatureEndings = []string{".p7s", ".p7m", ".p7e", ".sig", ".sign", ".cades", ".asice", ".asics"}

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

// maySign says whether a signature whose file is named after of, and which says
// that it was made over signs (empty: it does not say), is to be judged over the
// document of this name and hash. One over other bytes is judged, and refused,
// only where its name leaves no doubt: P.xml.p7s and P.xml.head.p7s are of P.xml;
// P.xml.1.p7s may be of a document P.xml.1 that is still to come.
func maySign(of, signs, name, sha256 string) bool {
	if signs == "" || signs == sha256 {
		return true
	}
	rest := strings.TrimPrefix(of, name)
	if rest == "" {
		return true
	}
	tag := rest[1:]
	return !strings.Contains(tag, ".") && strings.Trim(tag, "0123456789") != ""
}

// signed is the SHA-256 that the signature in f says it was made over; empty if
// it names another digest.
func (f *file) signed() string {
	for _, d := range f.digests {
		if d.Algorithm == "sha256" {
			return hex.EncodeToString(d.Value)
		}
	}
	return ""
}

// joining is one file on its way into a submission, within one transaction.
type joining struct {
	g      *Gateway
	tx     spool.Tx
	origin Origin
	now    time.Time

	id         spool.ID   // where the file has gone
	begun      int        // submissions begun, less those that were joined to others
	superseded []spool.ID // have to be answered now
}

// join finds the submission that a file belongs to, or begins one. A document
// and its detached signatures are one submission, in whatever order they come.
func (j *joining) join(f file) error {
	switch f.role {
	case RoleSignature:
		return j.signature(f)
	case RoleDocument:
		return j.document(f)
	}
	// A container that lies beside the document it belongs to: two sources of
	// content. It joins, and the examiner refuses both (THREATS A04).
	if of, named := SignedName(f.name); named {
		open, err := j.waiting(of)
		if err != nil {
			return err
		}
		for i := range open {
			if open[i].SHA256 != "" {
				return j.add(&open[i], f)
			}
		}
	}
	return j.begin(f, f.name)
}

// waiting are the client's unsettled submissions of a document's name, newest
// first, without those in whose place another document has come: what comes now
// is not meant for them.
func (j *joining) waiting(name string) ([]spool.Item, error) {
	open, err := j.tx.Items(spool.Query{
		Queue: Submissions, Owner: string(j.origin.Client), Name: name,
		States: []spool.State{StateReceived, StateHeld}, Newest: true,
	})
	return slices.DeleteFunc(open, func(it spool.Item) bool { return readNote(it.Note).Superseded }), err
}

// documentNames are the names that the document of a signature may have, the
// likeliest first: P.xml.head.p7s may sign P.xml.head, or P.xml.
func documentNames(of string) []string {
	var names []string
	for name := of; name != ""; name = name[:max(0, strings.LastIndexByte(name, '.'))] {
		names = append(names, name)
	}
	return names
}

func (j *joining) signature(f file) error {
	// Of several documents that wait it signs the one whose hash it names.
	var best *spool.Item
	for _, name := range documentNames(f.of) {
		open, err := j.waiting(name)
		if err != nil {
			return err
		}
		for i := range open {
			it := &open[i]
			switch {
			case it.SHA256 == "" && it.Kind != kindSignature:
				continue // a container: it has its signatures inside
			case it.SHA256 == "" && it.Name != f.of, it.SHA256 != "" && !maySign(f.of, f.signed(), it.Name, it.SHA256):
				continue
			}
			if taken, err := j.taken(it, f); err != nil {
				return err
			} else if taken {
				continue
			}
			if best == nil || f.signs(it.SHA256) && !f.signs(best.SHA256) {
				best = it
			}
		}
	}
	if best != nil {
		if best.SHA256 != "" && !f.signs(best.SHA256) {
			best.Note = spared(best.Note, f) // perhaps it is early, for a document that takes this one's place
		}
		return j.add(best, f)
	}
	// The document was answered already: refused for its format before its
	// signature came, or accepted with fewer. Its answer is this file's answer too.
	for _, name := range documentNames(f.of) {
		late, err := j.tx.Items(spool.Query{
			Queue: Submissions, Owner: string(j.origin.Client), Name: name, From: j.now.Add(-j.g.reach()), Newest: true, Limit: recent,
		})
		if err != nil {
			return err
		}
		for i := range late {
			if it := &late[i]; f.signs(it.SHA256) {
				if done, err := j.late(it, f); err != nil || done {
					return err
				}
			}
		}
	}
	return j.begin(f, f.of)
}

// recent is how many earlier submissions of one name are looked at.
const recent = 16

// taken says whether the name of a file is that of a part of another sort: it
// must not take its place.
func (j *joining) taken(it *spool.Item, f file) (bool, error) {
	p, err := j.tx.Part(it.ID, f.name)
	if errors.Is(err, spool.ErrNotFound) {
		return false, nil
	}
	return p.Role != f.role, err
}

// kindSignature is the kind of a submission that is a detached signature
// without its document yet.
const kindSignature = "detached_signature"

func (j *joining) document(f file) error {
	open, err := j.waiting(f.name)
	if err != nil {
		return err
	}
	for i := range open {
		it := &open[i]
		switch it.SHA256 {
		case "":
		case f.content.SHA256:
			// The same file once more while it waits: an answer that got lost.
			j.id = it.ID
			return j.g.journal(j.tx, it.ID, j.now, "again", journalRecord{Origin: &j.origin, Name: f.name, SHA256: f.content.SHA256})
		default:
			if err := j.supersede(it); err != nil {
				return err
			}
		}
	}
	it, err := j.orphans(f)
	if err != nil {
		return err
	}
	if it == nil {
		err = j.begin(f, f.name)
	} else {
		err = j.add(it, f)
	}
	if err != nil {
		return err
	}
	return j.spare(f)
}

// orphans gathers the signatures that came before their document into one
// submission, that of the oldest; nil if there are none.
func (j *joining) orphans(f file) (*spool.Item, error) {
	orphans, err := j.tx.Items(spool.Query{
		Queue: Submissions, Owner: string(j.origin.Client), Kind: kindSignature,
		States: []spool.State{StateReceived, StateHeld}, Limit: 10_000,
	})
	if err != nil {
		return nil, err
	}
	var first *spool.Item
	for i := range orphans {
		other := &orphans[i]
		if other.Name != f.name && !strings.HasPrefix(other.Name, f.name+".") ||
			!maySign(other.Name, readNote(other.Note).Signs, f.name, f.content.SHA256) {
			continue
		}
		if taken, err := j.taken(other, f); err != nil {
			return nil, err
		} else if taken {
			continue
		}
		if first == nil {
			first = other
			if first.Name != f.name {
				// Answers bear the document's name; the notice that bore the signature's goes.
				if err := j.g.withdrawHeld(j.tx, first, first.ID, j.now); err != nil {
					return nil, err
				}
				first.Label = ""
			}
			first.Name, first.Kind = f.name, ""
			continue
		}
		if err := j.tx.MoveParts(other.ID, first.ID); err != nil {
			return nil, err
		}
		if err := j.g.journal(j.tx, first.ID, j.now, "joined", journalRecord{Origin: &j.origin, Name: other.Name, Other: other.ID}); err != nil {
			return nil, err
		}
		if err := j.g.withdrawHeld(j.tx, other, first.ID, j.now); err != nil {
			return nil, err
		}
		if err := j.tx.Delete(other.ID); err != nil {
			return nil, err
		}
		j.begun--
	}
	return first, nil
}

// spare brings the signatures over this very document that came too late for an
// earlier submission of it, or too early while another document of its name was
// waiting.
func (j *joining) spare(f file) error {
	earlier, err := j.tx.Items(spool.Query{
		Queue: Submissions, Owner: string(j.origin.Client), Name: f.name, From: j.now.Add(-j.g.reach()), Newest: true, Limit: recent,
	})
	if err != nil {
		return err
	}
	for _, it := range earlier {
		n := readNote(it.Note)
		if it.ID == j.id || !slices.ContainsFunc(n.Spare, func(s spare) bool { return s.Signs == f.content.SHA256 }) {
			continue
		}
		var rest []spare
		for _, s := range n.Spare {
			if s.Signs != f.content.SHA256 {
				rest = append(rest, s)
				continue
			}
			p, err := j.tx.Part(it.ID, s.Part)
			if errors.Is(err, spool.ErrNotFound) {
				continue
			}
			if err == nil {
				err = j.tx.AddPart(j.id, p.Name, p.Role, p.Content, j.now)
			}
			if errors.Is(err, spool.ErrExists) {
				continue // signed anew since
			}
			if err != nil {
				return err
			}
			err = j.g.journal(j.tx, j.id, j.now, "joined", journalRecord{Name: p.Name, Role: p.Role, SHA256: p.Content.SHA256, Other: it.ID})
			if err != nil {
				return err
			}
		}
		n.Spare = rest
		it.Note = n.bytes()
		if err := j.tx.Put(it); err != nil {
			return err
		}
	}
	return nil
}

// spared notes a signature that its submission may not need.
func spared(b []byte, f file) []byte {
	n := readNote(b)
	for _, d := range f.digests {
		if d.Algorithm == "sha256" && len(n.Spare) < recent {
			n.Spare = append(n.Spare, spare{Part: f.name, Signs: hex.EncodeToString(d.Value)})
			break
		}
	}
	return n.bytes()
}

// begin makes a new submission of one file.
func (j *joining) begin(f file, name string) error {
	it := spool.Item{
		ID: j.g.ids.New(j.now), Queue: Submissions, Owner: string(j.origin.Client), State: StateReceived,
		Name: name, Received: j.now, Deadline: j.now.Add(j.g.Settings().Hold),
	}
	switch f.role {
	case RoleDocument:
		it.SHA256, it.Size = f.content.SHA256, f.content.Size
	case RoleSignature:
		it.Kind = kindSignature
	}
	it.Note = note{Origin: j.origin, Signs: f.signed()}.bytes()
	if err := j.tx.Insert(it); err != nil {
		return err
	}
	if err := j.tx.AddPart(it.ID, f.name, f.role, f.content, j.now); err != nil {
		return err
	}
	j.id = it.ID
	j.begun++
	return j.g.journal(j.tx, it.ID, j.now, "received", journalRecord{
		Origin: &j.origin, Name: f.name, Role: f.role, SHA256: f.content.SHA256, To: StateReceived,
	})
}

// add adds a file to a submission that waits, and sends it to be examined anew.
// A file of a name that is there already takes its place: the client has signed
// again.
func (j *joining) add(it *spool.Item, f file) error {
	j.id = it.ID
	old, err := j.tx.Part(it.ID, f.name)
	switch {
	case err == nil && old.Content.SHA256 == f.content.SHA256:
		return j.g.journal(j.tx, it.ID, j.now, "again", journalRecord{Origin: &j.origin, Name: f.name, SHA256: f.content.SHA256})
	case err == nil:
		if err := j.tx.RemovePart(it.ID, f.name); err != nil {
			return err
		}
	case !errors.Is(err, spool.ErrNotFound):
		return err
	}
	if err := j.tx.AddPart(it.ID, f.name, f.role, f.content, j.now); err != nil {
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
	if err := j.tx.Put(*it); err != nil {
		return err
	}
	return j.g.journal(j.tx, it.ID, j.now, "added", journalRecord{
		Origin: &j.origin, Name: f.name, Role: f.role, SHA256: f.content.SHA256, Replaced: old.Content.SHA256, From: from, To: it.State,
	})
}

// late keeps a signature that came after the answer. It is not done when the
// submission has another file of that name: then the client has signed again,
// and gets an answer to that.
func (j *joining) late(it *spool.Item, f file) (done bool, err error) {
	old, err := j.tx.Part(it.ID, f.name)
	switch {
	case errors.Is(err, spool.ErrNotFound):
		err = j.tx.AddPart(it.ID, f.name, f.role, f.content, j.now)
	case err == nil && old.Content.SHA256 != f.content.SHA256:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	j.id = it.ID
	it.Note = spared(it.Note, f) // should the document come once more
	if err := j.tx.Put(*it); err != nil {
		return false, err
	}
	return true, j.g.journal(j.tx, it.ID, j.now, "late", journalRecord{Origin: &j.origin, Name: f.name, Role: f.role, SHA256: f.content.SHA256})
}

// supersede ends a waiting submission in whose place the client has sent
// another document of the same name. It gets its answer from the examiner.
func (j *joining) supersede(it *spool.Item) error {
	n := readNote(it.Note)
	n.Superseded = true
	it.Note = n.bytes()
	if it.State == StateHeld {
		if err := move(it, StateReceived); err != nil {
			return err
		}
	}
	if err := j.tx.Put(*it); err != nil {
		return err
	}
	j.superseded = append(j.superseded, it.ID)
	return j.g.journal(j.tx, it.ID, j.now, "superseded", journalRecord{Name: it.Name, SHA256: it.SHA256, To: it.State})
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
