package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/spool"
)

// The rows that tell of archives, which hold the documents of old periods. None has an item.
const (
	ArchiveWritten = "archive written" // name, sha256 of the file, items in it
	ArchiveClosed  = "archive closed"  // name; number, and hash of the ids, of the items that left the store for it
	ArchiveRemoved = "archive removed" // name, reason: the file was destroyed for good, by somebody's order
)

// Archives is what a Store of Verify may have besides: the files that items of old
// periods are in, whose parts its View and Open then give. Without it every archive
// is absent.
type Archives interface {
	// Archive gives the SHA-256 of the file of an archive, none if it is unreadable,
	// and whether it is there.
	Archive(ctx context.Context, name string) (sum string, here bool, err error)
}

// Archive is what was found of one.
type Archive struct {
	Name  string `json:"name"`
	Items int64  `json:"items"` // whose documents are only there
	// Is is whole, absent, changed, removed or unfinished.
	Is     string `json:"is"`
	Reason string `json:"reason,omitempty"` // why it was removed
}

// archive is what the rows say of one, and what the items do.
type archive struct {
	row    int64 // that it was written, or the first that names it
	sum    string
	closed bool
	items  int64
	ids    string
	is     string
	reason string

	marked  int64     // items that say they are in it
	hash    hash.Hash // over their ids
	unknown bool      // no row tells of it
}

func (v *verifying) noteArchive(e spool.Event, rec record) {
	switch e.Kind {
	case ArchiveWritten, ArchiveClosed, ArchiveRemoved:
	default:
		return
	}
	a := v.archives[rec.Name]
	if a == nil {
		a = &archive{row: e.Seq, hash: sha256.New()}
		v.archives[rec.Name] = a
	}
	switch e.Kind {
	case ArchiveWritten:
		a.row, a.sum = e.Seq, rec.SHA256
	case ArchiveClosed:
		a.closed, a.items, a.ids = true, rec.Items, rec.Ids
	case ArchiveRemoved:
		a.is, a.reason = "removed", rec.Reason
	}
}

func (v *verifying) archiveNames() []string {
	names := make([]string, 0, len(v.archives))
	for name := range v.archives {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// openArchives holds the files against the rows, before anything in them is believed.
func (v *verifying) openArchives() error {
	store, _ := v.store.(Archives)
	for _, name := range v.archiveNames() {
		a := v.archives[name]
		if a.is != "" {
			continue
		}
		var sum string
		here := false
		if store != nil {
			var err error
			if sum, here, err = store.Archive(v.ctx, name); err != nil {
				return err
			}
		}
		switch {
		case !here:
			a.is = "absent"
			v.report.add(ArchiveAbsent, a.row, 0, "archive %s is not here: what is in it is not proved", name)
		case sum != a.sum:
			a.is = "changed"
			v.report.add(ArchiveChanged, a.row, 0, "archive %s is not the file that was written: nothing in it is believed", name)
		default:
			a.is = "whole"
		}
	}
	return nil
}

// archived notes in which archive an item is, and says whether its documents can be
// looked at, there or in the store.
func (v *verifying) archived(it spool.Item) bool {
	var n struct {
		Archive string `json:"archive"`
	}
	if json.Unmarshal(it.Note, &n) != nil || n.Archive == "" {
		return true
	}
	a := v.archives[n.Archive]
	if a == nil {
		a = &archive{hash: sha256.New(), is: "absent", unknown: true}
		v.archives[n.Archive] = a
		v.report.add(ArchiveUnknown, 0, it.ID, "it is said to be in archive %s, of which no row tells", n.Archive)
	}
	v.in[it.ID] = n.Archive
	a.marked++
	a.hash.Write(binary.BigEndian.AppendUint64(nil, uint64(it.ID)))
	if a.is != "whole" {
		v.away[it.ID] = true
		return false
	}
	return true
}

// closeArchives holds the items that are in archives against those that left the store
// for them: of a file that is not there nothing else can be said.
func (v *verifying) closeArchives() {
	for _, name := range v.archiveNames() {
		a := v.archives[name]
		if a.closed && (a.marked != a.items || hex.EncodeToString(a.hash.Sum(nil)) != a.ids) {
			v.report.add(ArchiveChanged, a.row, 0, "archive %s: %d items left the store for it; those that say so are %s", name, a.items, others(a))
		}
		if a.unknown {
			continue
		}
		is := a.is
		if is == "whole" && !a.closed {
			is = "unfinished"
		}
		v.report.Archives = append(v.report.Archives, Archive{Name: name, Items: a.marked, Is: is, Reason: a.reason})
	}
}

func others(a *archive) string {
	if a.marked == a.items {
		return "others"
	}
	return fmt.Sprint(a.marked)
}

// OnlyAbsent says that nothing is wrong but that archives are not here.
func (r *Report) OnlyAbsent() bool {
	return len(r.Findings) > 0 && !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Sort != ArchiveAbsent })
}
