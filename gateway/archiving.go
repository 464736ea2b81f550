package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// Old months move out of the store into archives (package archive). What stays of an
// item is all that repetitions, numbers and states are judged by: the item itself, its
// keys, its rows of the journal. The order in which that is done loses nothing,
// wherever it is cut off:
//
//  1. a row of the store says that a file of this name is being written
//  2. the file is written under another name, flushed, given its name, the folder flushed
//  3. it is read back whole, and every byte compared with what it was to be
//  4. one transaction: the row says that items move there; the journal tells of the file by its hash
//  5. item by item, some in a transaction: where it is still what the file says, its parts
//     and posts leave the store, and it is marked with the archive's name
//  6. one transaction: the row is closed; the journal tells how many, and which
//  7. content that nothing refers to any more is swept
//
// Cut off before 4, the next run removes the file and begins anew; after it, the next run goes on.

// Archiving says what moves into archives.
type Archiving struct {
	After time.Duration // a month moves so long after it has ended; 0: none does
	Size  int64         // a file is ended when it has about so many bytes; 0: never
}

// bucketMonths remembers months of which nothing is left to move: "2026-01" -> when that was found.
const bucketMonths = "archived months"

const (
	archivePage  = 100 // items read at once
	archiveGroup = 16  // items that leave the store in one transaction: others are not held up

	// A month that has a file gets another one when so many items are left of it, or the last is so old.
	archiveFew   = 1000
	archiveAgain = 30 * 24 * time.Hour
)

// Archive moves what is old enough, month by month, and gives the archives that it
// has closed. What a run that was cut off has left is finished first. A document that is
// not at its end yet stays, and moves later into a further archive of its month.
func (g *Gateway) Archive(ctx context.Context, a Archiving) ([]archive.Row, error) {
	if g.Archives == nil || g.Archives.Dir() == "" {
		return nil, errors.New("archive: there is no folder for archives")
	}
	if !g.archiving.TryLock() {
		return nil, errors.New("archive: it is at work already")
	}
	defer g.archiving.Unlock()
	closed, begun, err := g.finishArchives(ctx)
	if err != nil {
		return closed, fmt.Errorf("archive: %w", err)
	}
	if a.After <= 0 {
		return closed, nil
	}
	if err := os.MkdirAll(g.Archives.Dir(), 0o700); err != nil {
		return closed, fmt.Errorf("archive: %w", err)
	}
	// Not before late signatures and repetitions can no longer be meant for a document.
	months, err := g.oldMonths(ctx, g.Now().Add(-max(a.After, g.reach())))
	if err != nil {
		return closed, fmt.Errorf("archive: %w", err)
	}
	for _, from := range months {
		name := monthName(from)
		rows, err := g.archiveMonth(ctx, a, from, begun[name] || g.archiveCut[name])
		closed = append(closed, rows...)
		delete(g.archiveCut, name)
		if err != nil {
			if g.archiveCut == nil {
				g.archiveCut = map[string]bool{}
			}
			g.archiveCut[name] = true
			return closed, fmt.Errorf("archive of %s: %w", name, err)
		}
	}
	return closed, nil
}

func monthName(t time.Time) string { return t.Format("2006-01") }

// at is called between two steps.
func (g *Gateway) archiveAt(step string) error {
	if g.archiveStep == nil {
		return nil
	}
	return g.archiveStep(step)
}

// oldMonths gives the months that ended before a moment and may have something left.
func (g *Gateway) oldMonths(ctx context.Context, before time.Time) (out []time.Time, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) error {
		items, err := r.Items(spool.Query{Limit: 1})
		if err != nil || len(items) == 0 {
			return err
		}
		done, err := r.Values(bucketMonths)
		if err != nil {
			return err
		}
		t := day(items[0].Received)
		for t = t.AddDate(0, 0, 1-t.Day()); !t.AddDate(0, 1, 0).After(before); t = t.AddDate(0, 1, 0) {
			if _, ok := done[monthName(t)]; !ok {
				out = append(out, t)
			}
		}
		return nil
	})
	return out, err
}

// eachOfMonth calls each for the items of a month that are in the store, with
// whether they can move. Every page is a View of its own: a long one would keep the WAL from being reused.
func (g *Gateway) eachOfMonth(ctx context.Context, from time.Time, each func(it spool.Item, ripe bool) error) error {
	for after := spool.ID(0); ; {
		type one struct {
			spool.Item
			ripe bool
		}
		var found []one
		full := false
		err := g.Store.View(ctx, func(r spool.Reader) error {
			items, err := r.Items(spool.Query{From: from, To: from.AddDate(0, 1, 0), After: after, Limit: archivePage})
			if err != nil {
				return err
			}
			full = len(items) == archivePage
			for _, it := range items {
				after = it.ID
				if archive.Of(it) != "" {
					continue
				}
				ripe, err := g.ripe(r, &it)
				if err != nil {
					return err
				}
				found = append(found, one{it, ripe})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, o := range found {
			if err := each(o.Item, o.ripe); err != nil {
				return err
			}
		}
		if !full {
			return ctx.Err()
		}
	}
}

// ripe says whether an item is at its end: nothing will be added to it, and its
// client sees it in the archive only.
func (g *Gateway) ripe(r spool.Reader, it *spool.Item) (bool, error) {
	switch it.Queue {
	case Submissions:
		if !Final(it.State) {
			return false, nil
		}
	case Statements:
		if it.State != StateArchived {
			return false, nil
		}
	default:
		return false, nil
	}
	if _, err := r.Value(evidenceBucket, it.ID.String()); !errors.Is(err, spool.ErrNotFound) {
		return false, err // evidence is owed
	}
	posts, err := r.Posts(spool.PostQuery{Item: it.ID, Gone: true})
	if err != nil {
		return false, err
	}
	for _, p := range posts {
		if !g.past(&p) {
			return false, nil
		}
	}
	parts, err := r.Parts(it.ID)
	if err != nil {
		return false, err
	}
	for _, p := range parts {
		// A receipt without its proof waits for the next checkpoint.
		base, ok := strings.CutSuffix(p.Name, ".json")
		if ok && p.Role == RoleReceipt && it.Queue == Submissions && !slices.ContainsFunc(parts, func(p spool.Part) bool { return p.Name == base+".proof" }) && g.JournalKey != nil {
			return false, nil
		}
	}
	return true, nil
}

// past says that a file in a box is there no more, and that its owner's folder knows that. Boxes of a client
// that is not in the register any more are read by nobody.
func (g *Gateway) past(p *spool.Post) bool {
	entry := g.Register().ByID(client.ID(p.Owner))
	if entry == nil {
		return true
	}
	if p.Acknowledged.IsZero() && p.Withdrawn.IsZero() {
		return false
	}
	return !entry.Folder || !p.Told.IsZero() || !p.Acknowledged.IsZero()
}

// archiveMonth moves what is left of a month; begun says that a run was cut off in it.
func (g *Gateway) archiveMonth(ctx context.Context, a Archiving, from time.Time, begun bool) (closed []archive.Row, err error) {
	for {
		var ripe, left int64
		err := g.eachOfMonth(ctx, from, func(_ spool.Item, is bool) error {
			if is {
				ripe++
			} else {
				left++
			}
			return nil
		})
		if err != nil {
			return closed, err
		}
		if ripe == 0 {
			if left > 0 {
				return closed, nil
			}
			return closed, g.Store.Update(ctx, func(tx spool.Tx) error {
				return tx.SetValue(bucketMonths, monthName(from), []byte(g.Now().UTC().Format(time.RFC3339)))
			})
		}
		number, worth, err := g.nextArchive(ctx, from, ripe, begun || len(closed) > 0)
		if err != nil || !worth {
			return closed, err
		}
		row, err := g.writeArchive(ctx, a, from, fmt.Sprintf("archive-%s-%d", monthName(from), number))
		if err != nil {
			return closed, err
		}
		if row, err = g.moveInto(ctx, row); err != nil {
			return closed, err
		}
		closed = append(closed, row)
		if row.Moved == 0 {
			return closed, nil // everything has changed meanwhile; the next run sees
		}
	}
}

// nextArchive is the number of a month's next file, and whether it is worth one yet.
func (g *Gateway) nextArchive(ctx context.Context, from time.Time, ripe int64, going bool) (number int, worth bool, err error) {
	number, worth = 1, true
	there, err := g.Archives.Names()
	if err != nil {
		return 0, false, err
	}
	err = g.Store.View(ctx, func(r spool.Reader) error {
		rows, err := archive.Rows(r)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Period != monthName(from) {
				continue
			}
			number++
			worth = going || ripe >= archiveFew || g.Now().Sub(row.Written) >= archiveAgain
		}
		return nil
	})
	// A file that no row tells of is not ours to write over: the store may have been taken back.
	for slices.Contains(there, fmt.Sprintf("archive-%s-%d", monthName(from), number)) {
		number++
	}
	return number, worth, err
}

// setArchive keeps a row of an archive.
func setArchive(tx spool.Tx, row archive.Row) error {
	return tx.SetValue(archive.Bucket, row.Name, row.JSON())
}

// writeArchive does steps 1 to 4.
func (g *Gateway) writeArchive(ctx context.Context, a Archiving, from time.Time, name string) (row archive.Row, err error) {
	now := g.Now().UTC()
	plan := archive.Row{Name: name, Period: monthName(from), State: archive.Writing, Written: now}
	if err := g.Store.Update(ctx, func(tx spool.Tx) error { return setArchive(tx, plan) }); err != nil {
		return row, err
	}
	if err := g.archiveAt("planned"); err != nil {
		return row, err
	}
	defer func() {
		if err != nil && !errors.Is(err, spool.ErrStopped) { // then it may have been made still, and the next start tells
			err = errors.Join(err, g.dropArchive(context.WithoutCancel(ctx), plan))
		}
	}()
	if row, err = g.fillArchive(ctx, a, from, plan); err != nil {
		return row, err
	}
	row.State = archive.Moving
	if err := g.archiveAt("read back"); err != nil {
		return row, err
	}
	err = g.Store.Update(spool.Urgent(ctx), func(tx spool.Tx) error {
		if err := setArchive(tx, row); err != nil {
			return err
		}
		return g.journal(tx, 0, g.Now(), journal.ArchiveWritten, journalRecord{Name: row.Name, SHA256: row.SHA256, Items: row.Items})
	})
	return row, err
}

// fillArchive writes the file, and reads it back.
func (g *Gateway) fillArchive(ctx context.Context, a Archiving, from time.Time, plan archive.Row) (archive.Row, error) {
	h := archive.Head{Name: plan.Name, Period: plan.Period, Created: plan.Written}
	if g.JournalKey != nil {
		var err error
		if h.JournalKey, err = g.JournalKey(); err != nil {
			return archive.Row{}, err
		}
	}
	path := g.Archives.Path(plan.Name)
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return archive.Row{}, err
	}
	w, err := archive.Create(path+".new", h)
	if err != nil {
		return archive.Row{}, err
	}
	defer w.Abandon()
	errEnough := errors.New("enough")
	err = g.eachOfMonth(ctx, from, func(it spool.Item, ripe bool) error {
		if !ripe {
			return nil
		}
		rec, err := g.archiveRecord(ctx, it)
		if err != nil {
			return err
		}
		if err := w.Add(ctx, rec, g.Store.Open); err != nil {
			return err
		}
		if a.Size > 0 && w.Size() >= a.Size {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return archive.Row{}, err
	}
	row, err := w.Finish(func(manifest []byte) ([]byte, error) { return g.sealForLong(ctx, manifest, plan.Written) })
	if err != nil {
		return archive.Row{}, err
	}
	if err := g.archiveAt("flushed"); err != nil {
		return archive.Row{}, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return archive.Row{}, err
	}
	if err := g.archiveAt("renamed"); err != nil {
		return archive.Row{}, err
	}
	if err := flushFolder(filepath.Dir(path)); err != nil {
		return archive.Row{}, err
	}
	return row, g.readBack(ctx, row)
}

func (g *Gateway) archiveRecord(ctx context.Context, it spool.Item) (rec archive.Record, err error) {
	err = g.Store.View(ctx, func(r spool.Reader) error {
		now, err := r.Item(it.ID)
		if err != nil {
			return err
		}
		parts, err := r.Parts(it.ID)
		if err != nil {
			return err
		}
		posts, err := r.Posts(spool.PostQuery{Item: it.ID, Gone: true})
		if err != nil {
			return err
		}
		history, err := r.History(it.ID)
		rec = archive.NewRecord(now, parts, posts, history)
		return err
	})
	return rec, err
}

func flushFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readBack proves that what lies on the disk is what was to be written.
func (g *Gateway) readBack(ctx context.Context, row archive.Row) error {
	f, err := archive.Open(g.Archives.Path(row.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := f.Verify(ctx, nil)
	if err == nil && (sum != row.SHA256 || f.Directory() != row.Directory) {
		err = fmt.Errorf("%w: it reads back as another file", archive.ErrDamaged)
	}
	return err
}

// dropArchive takes back a plan, if it is still one: then nothing in the store or the
// journal refers to the file.
func (g *Gateway) dropArchive(ctx context.Context, plan archive.Row) error {
	err := g.Store.View(ctx, func(r spool.Reader) error { return stillPlanned(r, plan.Name) })
	if err == nil {
		path := g.Archives.Path(plan.Name)
		for _, name := range []string{path, path + ".new"} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		err = g.Store.Update(spool.Urgent(ctx), func(tx spool.Tx) error {
			if err := stillPlanned(tx, plan.Name); err != nil {
				return err
			}
			return tx.SetValue(archive.Bucket, plan.Name, nil)
		})
	}
	if errors.Is(err, errNoPlan) {
		return nil
	}
	return err
}

var errNoPlan = errors.New("the archive is more than a plan")

func stillPlanned(r spool.Reader, name string) error {
	b, err := r.Value(archive.Bucket, name)
	if errors.Is(err, spool.ErrNotFound) {
		return errNoPlan
	}
	if err != nil {
		return err
	}
	if row, err := archive.ReadRow(b); err != nil || row.State != archive.Writing {
		return errors.Join(errNoPlan, err)
	}
	return nil
}

// finishArchives does what a run that was cut off has left to do, and says in which
// months that was.
func (g *Gateway) finishArchives(ctx context.Context) (closed []archive.Row, begun map[string]bool, err error) {
	begun = map[string]bool{}
	var rows []archive.Row
	err = g.Store.View(ctx, func(r spool.Reader) (err error) {
		rows, err = archive.Rows(r)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		begun[row.Period] = begun[row.Period] || row.State == archive.Writing || row.State == archive.Moving
		switch row.State {
		case archive.Writing:
			err = g.dropArchive(ctx, row)
		case archive.Moving:
			if row, err = g.moveInto(ctx, row); err == nil {
				closed = append(closed, row)
			}
		case archive.Gone: // a removal that was cut off
			err = g.destroyArchive(row.Name)
		}
		if err != nil {
			return closed, begun, fmt.Errorf("%s: %w", row.Name, err)
		}
	}
	return closed, begun, nil
}

// moveInto does steps 5 to 7.
func (g *Gateway) moveInto(ctx context.Context, row archive.Row) (archive.Row, error) {
	ctx = spool.Urgent(ctx) // it makes space
	f, release, err := g.Archives.File(row)
	if err != nil {
		return row, err
	}
	defer release()
	if err := g.archiveAt("before move"); err != nil {
		return row, err
	}
	group := make([]archive.Record, 0, archiveGroup)
	move := func() error {
		err := g.Store.Update(ctx, func(tx spool.Tx) error {
			for i := range group {
				if err := g.retireItem(tx, &group[i], row.Name); err != nil {
					return fmt.Errorf("item %s: %w", group[i].ID, err)
				}
			}
			return nil
		})
		group = group[:0]
		if err != nil {
			return err
		}
		return errors.Join(ctx.Err(), g.archiveAt("group"))
	}
	err = f.Each(func(r *archive.Record) error {
		if group = append(group, *r); len(group) == archiveGroup {
			return move()
		}
		return nil
	})
	if err == nil && len(group) > 0 {
		err = move()
	}
	if err == nil {
		err = g.archiveAt("moved")
	}
	if err != nil {
		return row, err
	}
	ids, err := g.movedInto(ctx, f, row.Name)
	if err != nil {
		return row, err
	}
	row.State, row.Moved = archive.Closed, ids.N
	now := g.Now()
	err = g.Store.Update(ctx, func(tx spool.Tx) error {
		if err := setArchive(tx, row); err != nil {
			return err
		}
		return g.journal(tx, 0, now, journal.ArchiveClosed, journalRecord{Name: row.Name, Items: ids.N, Ids: ids.Sum()})
	})
	if err != nil {
		return row, err
	}
	g.Log.Info("archive", zap.String("name", row.Name), zap.Int64("items", row.Moved), zap.Int64("bytes", row.Bytes), zap.Int64("size", row.Size))
	if err := g.archiveAt("closed"); err != nil {
		return row, err
	}
	_, err = g.Store.Sweep(ctx)
	return row, err
}

// retireItem takes the parts and posts of an item out of the store, if it is still
// as the archive has it, and marks it. What was done before is not done again.
func (g *Gateway) retireItem(tx spool.Tx, rec *archive.Record, name string) error {
	it, err := tx.Item(rec.ID)
	if errors.Is(err, spool.ErrNotFound) || err == nil && archive.Of(it) != "" {
		return nil
	}
	if err != nil {
		return err
	}
	parts, err := tx.Parts(rec.ID)
	if err != nil {
		return err
	}
	posts, err := tx.Posts(spool.PostQuery{Item: rec.ID, Gone: true})
	if err != nil {
		return err
	}
	if string(it.State) != rec.State || !slices.EqualFunc(parts, rec.Parts, samePart) || slices.ContainsFunc(posts, func(p spool.Post) bool { return !g.past(&p) }) {
		return nil // it has changed since: it stays, and moves another time
	}
	for _, p := range parts {
		if err := tx.RemovePart(rec.ID, p.Name); err != nil {
			return err
		}
	}
	for _, p := range posts {
		if err := tx.DeletePost(p.Owner, p.Box, p.Name); err != nil {
			return err
		}
	}
	var n map[string]json.RawMessage // a field that this release does not know stays
	if len(it.Note) > 0 {
		if err := json.Unmarshal(it.Note, &n); err != nil {
			return fmt.Errorf("note: %w", err)
		}
	}
	if n == nil {
		n = map[string]json.RawMessage{}
	}
	if n["archive"], err = json.Marshal(name); err != nil {
		return err
	}
	if it.Note, err = json.Marshal(n); err != nil {
		return err
	}
	return tx.Put(it)
}

func samePart(p spool.Part, q archive.Part) bool {
	return p.Name == q.Name && string(p.Role) == q.Role && p.Content.SHA256 == q.SHA256
}

// movedInto counts the items that are marked with an archive, which are all in it.
func (g *Gateway) movedInto(ctx context.Context, f *archive.File, name string) (*archive.Ids, error) {
	ids := archive.NewIds()
	var page []spool.ID
	count := func() error {
		err := g.Store.View(ctx, func(r spool.Reader) error {
			for _, id := range page {
				it, err := r.Item(id)
				if err != nil && !errors.Is(err, spool.ErrNotFound) {
					return err
				}
				if err == nil && archive.Of(it) == name {
					ids.Add(id)
				}
			}
			return nil
		})
		page = page[:0]
		return err
	}
	err := f.Each(func(r *archive.Record) error {
		if page = append(page, r.ID); len(page) == 1000 {
			return count()
		}
		return nil
	})
	if err == nil {
		err = count()
	}
	return ids, err
}
