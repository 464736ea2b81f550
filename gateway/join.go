package gateway

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/spool"
)

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
			// A digest that the gateway does not keep (GOST, Kupyna) tells nothing: then
			// the name does, for the moment in which the two were sent together.
			it := &late[i]
			together := f.signed() == "" && name == f.of && !it.Decided.IsZero() && j.now.Sub(it.Decided) < sentTogether
			if f.signs(it.SHA256) || together {
				if done, err := j.late(it, f); err != nil || done {
					return err
				}
			}
		}
	}
	return j.begin(f, f.of)
}

// sentTogether is how long after the answer to a document its signature may still
// come that was sent with it.
const sentTogether = time.Minute

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
