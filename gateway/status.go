package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// statusDays is how many days /status tells of.
const statusDays = 31

// StatusRow is one document of a client in /status.
type StatusRow struct {
	Document   string      `json:"document"`
	Submission spool.ID    `json:"submission"`
	Kind       string      `json:"kind,omitempty"`
	Number     string      `json:"number,omitempty"`
	Date       string      `json:"date,omitempty"`
	Received   time.Time   `json:"received"`
	State      spool.State `json:"state"`
	Decided    *time.Time  `json:"decided,omitempty"`
	Answered   *time.Time  `json:"answered,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Reference  string      `json:"reference,omitempty"`
}

var stateWords = map[spool.State]formats.Text{
	StateReceived:  {UK: "одержано, перевіряється", EN: "received, being examined"},
	StateHeld:      {UK: "очікує", EN: "held"},
	StateRejected:  {UK: "відхилено", EN: "rejected"},
	StateDuplicate: {UK: "повтор", EN: "duplicate"},
	StateAccepted:  {UK: "прийнято, у черзі", EN: "accepted, queued"},
	StateLeased:    {UK: "прийнято, обробляється", EN: "accepted, being processed"},
	StateProcessed: {UK: "виконано", EN: "processed"},
	StateReturned:  {UK: "повернуто", EN: "returned"},
	StateDead:      {UK: "затримано, розглядає казначейство", EN: "delayed, the treasury looks into it"},
}

// day is midnight of t's day in Kyiv.
func day(t time.Time) time.Time {
	t = t.In(Kyiv)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, Kyiv)
}

func (d *desk) status(ctx context.Context) ([]File, error) {
	var out []File
	today := day(d.g.Now())
	for i := range statusDays {
		from := today.AddDate(0, 0, -i)
		rows, err := d.rows(ctx, from)
		if err != nil {
			return nil, err
		}
		names := []string{from.Format(time.DateOnly)}
		if i == 0 {
			names = append(names, "today")
		} else if len(rows) == 0 {
			continue
		}
		for _, name := range names {
			for _, ext := range []string{".csv", ".json"} {
				body, modTime, err := d.renderStatus(ext, rows, from)
				if err != nil {
					return nil, err
				}
				out = append(out, File{Name: name + ext, Size: int64(len(body)), ModTime: modTime})
			}
		}
	}
	return out, nil
}

func (d *desk) statusFile(ctx context.Context, name string) (Reading, error) {
	base, ext, _ := strings.Cut(name, ".")
	from := day(d.g.Now())
	if base != "today" {
		t, err := time.ParseInLocation(time.DateOnly, base, Kyiv)
		if err != nil || t.After(from) || t.Before(from.AddDate(0, 0, -statusDays)) {
			return nil, fs.ErrNotExist
		}
		from = t
	}
	if ext != "csv" && ext != "json" {
		return nil, fs.ErrNotExist
	}
	rows, err := d.rows(ctx, from)
	if err != nil {
		return nil, err
	}
	body, modTime, err := d.renderStatus("."+ext, rows, from)
	return bytesReading{body, modTime}, err
}

func (d *desk) rows(ctx context.Context, from time.Time) ([]StatusRow, error) {
	rows := []StatusRow{}
	err := d.g.Store.View(ctx, func(r spool.Reader) error {
		q := spool.Query{Queue: Submissions, Owner: string(d.origin.Client), From: from, To: from.AddDate(0, 0, 1)}
		return eachItem(r, q, func(it *spool.Item) { rows = append(rows, statusRow(it)) })
	})
	return rows, err
}

// renderStatus writes the rows; the time is that of the last change among them.
func (d *desk) renderStatus(ext string, rows []StatusRow, from time.Time) ([]byte, time.Time, error) {
	modTime := from
	for _, r := range rows {
		for _, t := range []*time.Time{&r.Received, r.Decided, r.Answered} {
			if t != nil && t.After(modTime) {
				modTime = *t
			}
		}
	}
	if ext == ".json" {
		body, err := json.MarshalIndent(rows, "", "  ")
		return append(body, '\n'), modTime, err
	}
	entry := d.g.Register().ByID(d.origin.Client)
	if entry == nil {
		entry = &client.Entry{}
	}
	body, err := d.g.statusCSV(entry, rows)
	return body, modTime, err
}

// cell keeps a spreadsheet from taking foreign text for a formula.
func cell(s string) string {
	s = plain(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func kyivOrNone(t *time.Time) string {
	if t == nil {
		return ""
	}
	return kyiv(*t)
}

// The archive: /archive/YYYY/MM/DD/, the settled submissions of a day with
// their receipts, and the statements released on it.

func (d *desk) archiveList(ctx context.Context, rest string) ([]File, error) {
	parts := strings.Split(rest, "/")
	if rest == "" {
		parts = nil
	}
	if len(parts) == 3 {
		files, err := d.archiveDay(ctx, rest)
		out := make([]File, 0, len(files))
		for _, f := range files {
			out = append(out, f.File)
		}
		return out, err
	}
	if len(parts) > 3 {
		return nil, fs.ErrNotExist
	}
	first, err := d.firstDay(ctx)
	if err != nil || first.IsZero() && len(parts) == 0 {
		return nil, err
	}
	// One name a year, month or day between the first document and today.
	layout := []string{"2006", "2006/01", "2006/01/02"}[len(parts)]
	var out []File
	last := ""
	for t := first; !t.IsZero() && !t.After(d.g.Now()); t = t.AddDate(0, 0, 1) {
		p := t.Format(layout)
		if p == last || rest != "" && !strings.HasPrefix(p, rest+"/") {
			continue
		}
		last = p
		out = append(out, File{Name: p[strings.LastIndexByte(p, '/')+1:], Dir: true, ModTime: t})
	}
	if len(out) == 0 {
		return nil, fs.ErrNotExist
	}
	return out, nil
}

func (d *desk) firstDay(ctx context.Context) (time.Time, error) {
	var first time.Time
	err := d.g.Store.View(ctx, func(r spool.Reader) error {
		for _, q := range []spool.Queue{Submissions, Statements} {
			items, err := r.Items(spool.Query{Queue: q, Owner: string(d.origin.Client), Limit: 1})
			if err != nil {
				return err
			}
			if len(items) == 1 && (first.IsZero() || items[0].Received.Before(first)) {
				first = day(items[0].Received)
			}
		}
		return nil
	})
	return first, err
}

type archived struct {
	File
	content spool.Content
	text    []byte // in the place of content: what is said of documents that are elsewhere
}

func (d *desk) archiveDay(ctx context.Context, rest string) ([]archived, error) {
	from, err := time.ParseInLocation("2006/01/02", rest, Kyiv)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	var out []archived
	used := map[string]bool{}
	var offline []string         // archives that are not here
	removed := map[string]bool{} // ... and never will be
	err = d.g.Store.View(ctx, func(r spool.Reader) error {
		for _, q := range []spool.Queue{Submissions, Statements} {
			var after spool.ID
			for {
				items, err := r.Items(spool.Query{Queue: q, Owner: string(d.origin.Client), From: from, To: from.AddDate(0, 0, 1), After: after})
				if err != nil {
					return err
				}
				for _, it := range items {
					after = it.ID
					if q == Submissions && it.Decided.IsZero() {
						continue
					}
					parts, err := r.Parts(it.ID)
					if errors.Is(err, archive.ErrOffline) {
						if name := archive.Of(it); !slices.Contains(offline, name) {
							offline = append(offline, name)
							removed[name] = errors.Is(err, archive.ErrRemoved)
						}
						continue
					}
					if err != nil {
						return err
					}
					for _, p := range parts {
						if p.Role == RoleVerdict || p.Role == RoleNotice || p.Role == RoleOpened || p.Role == RoleEvidence {
							continue
						}
						name := p.Name
						for n := 2; used[name]; n++ { // two of one name on one day
							name = p.Name + "." + strconv.Itoa(n)
						}
						used[name] = true
						out = append(out, archived{File{Name: name, Size: p.Content.Size, ModTime: p.Added}, p.Content, nil})
					}
				}
				if len(items) < 1000 {
					break
				}
			}
		}
		return nil
	})
	for _, name := range offline {
		out = append(out, d.elsewhere(name, from, removed[name]))
	}
	return out, err
}

// elsewhere is the file that a client finds where documents are in an archive that
// is not on this machine now, or never will be again.
func (d *desk) elsewhere(name string, day time.Time, removed bool) archived {
	entry := d.g.Register().ByID(d.origin.Client)
	if entry == nil {
		entry = &client.Entry{}
	}
	text := formats.Text{
		UK: "Документи цього дня лежать в архіві " + name + ", який зараз не під'єднано. Вони збережені. Зверніться до казначейства.\r\n",
		EN: "Documents of this day are in the archive " + name + ", which is not attached now. They are kept. Ask the treasury.\r\n",
	}
	prefix := "OFFLINE-"
	if removed {
		prefix = "REMOVED-"
		text = formats.Text{
			UK: "Документи цього дня лежали в архіві " + name + ", який знищено за розпорядженням казначейства. Їхні хеші лишилися в журналі шлюзу.\r\n",
			EN: "Documents of this day were in the archive " + name + ", which was destroyed by order of the treasury. Their hashes stay in the gateway's journal.\r\n",
		}
	}
	body := encode(entry, text.In(d.g.language(entry)))
	return archived{File: File{Name: prefix + name + ".txt", Size: int64(len(body)), ModTime: day}, text: body}
}

func (d *desk) archiveStat(ctx context.Context, rest string) (File, error) {
	dir, name := rest, ""
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		dir, name = rest[:i], rest[i+1:]
	} else {
		dir, name = "", rest
	}
	files, err := d.archiveList(ctx, dir)
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

func (d *desk) archiveOpen(ctx context.Context, rest string) (Reading, error) {
	i := strings.LastIndexByte(rest, '/')
	if strings.Count(rest, "/") != 3 {
		return nil, fs.ErrPermission
	}
	files, err := d.archiveDay(ctx, rest[:i])
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Name == rest[i+1:] && f.text != nil {
			return bytesReading{f.text, f.ModTime}, nil
		}
		if f.Name == rest[i+1:] {
			return d.g.reading(ctx, f.content, f.ModTime, nil)
		}
	}
	return nil, fmt.Errorf("%s: %w", rest, fs.ErrNotExist)
}
