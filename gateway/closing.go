package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// DayReport reconciles one day, Kyiv time: what came in on it and what became of
// that, what of earlier days is still open, and whether the numbers of statements
// follow on each other.
type DayReport struct {
	Day      string              `json:"day"` // ISO 8601
	Closed   *time.Time          `json:"closed,omitempty"`
	Received int                 `json:"received"`
	States   map[spool.State]int `json:"states"` // of what was received, at the close
	Released int                 `json:"released"`
	Clients  []ClientDay         `json:"clients"` // those with anything to tell, by id
}

// ClientDay is the day of one client.
type ClientDay struct {
	Client   client.ID           `json:"client"`
	Received int                 `json:"received"`
	States   map[spool.State]int `json:"states"`
	// Open are those without a last answer, also of days before, oldest first.
	Open []OpenRow `json:"open"`
	// Statements released on the day: how many, and their numbers.
	Released int   `json:"released"`
	First    int64 `json:"first,omitempty"`
	Last     int64 `json:"last,omitempty"`
	// Missing are numbers up to Last that no statement has. There are none unless
	// somebody took statements out of the store.
	Missing []int64 `json:"missing,omitempty"`
}

// OpenRow names a submission that has no last answer yet.
type OpenRow struct {
	Submission spool.ID    `json:"submission"`
	Document   string      `json:"document"`
	Kind       string      `json:"kind,omitempty"`
	Number     string      `json:"number,omitempty"`
	Received   time.Time   `json:"received"`
	State      spool.State `json:"state"`
}

// Open counts what is open in all.
func (r *DayReport) Open() (n int) {
	for _, c := range r.Clients {
		n += len(c.Open)
	}
	return n
}

// Missing counts the numbers that are missing in all.
func (r *DayReport) Missing() (n int) {
	for _, c := range r.Clients {
		n += len(c.Missing)
	}
	return n
}

const (
	bucketDays    = journal.BucketDays // ISO date -> DayReport of the close
	bucketNumbers = "closed numbers"   // client -> the last number that a close has seen

	maxMissing = 100 // numbers named of one client
)

// unfinished are the states from which a submission still has to come to an end.
var unfinished = []spool.State{StateReceived, StateHeld, StateAccepted, StateLeased, StateDead}

// Reconcile makes the report of the day of a moment, Kyiv time, as it is now, or with
// closed the report that was kept when it was closed: spool.ErrNotFound where it was not.
func (g *Gateway) Reconcile(ctx context.Context, at time.Time, closed bool) (*DayReport, error) {
	from := day(at)
	if !closed {
		rep, _, err := g.reconcile(ctx, from)
		return rep, err
	}
	rep := &DayReport{}
	err := g.Store.View(ctx, func(r spool.Reader) error {
		b, err := r.Value(bucketDays, from.Format(time.DateOnly))
		if err != nil {
			return err
		}
		return json.Unmarshal(b, rep)
	})
	if err != nil {
		return nil, fmt.Errorf("close of %s: %w", from.Format(time.DateOnly), err)
	}
	return rep, nil
}

func (g *Gateway) reconcile(ctx context.Context, from time.Time) (*DayReport, map[client.ID][]StatusRow, error) {
	rep := &DayReport{Day: from.Format(time.DateOnly), States: map[spool.State]int{}}
	days := map[string]*ClientDay{}
	of := func(owner string) *ClientDay {
		if days[owner] == nil {
			days[owner] = &ClientDay{Client: client.ID(owner), States: map[spool.State]int{}, Open: []OpenRow{}}
		}
		return days[owner]
	}
	rows := map[client.ID][]StatusRow{}
	to := from.AddDate(0, 0, 1)
	err := g.Store.View(ctx, func(r spool.Reader) error {
		err := eachItem(r, spool.Query{Queue: Submissions, From: from, To: to}, func(it *spool.Item) {
			c := of(it.Owner)
			rep.Received++
			rep.States[it.State]++
			c.Received++
			c.States[it.State]++
			rows[c.Client] = append(rows[c.Client], statusRow(it))
		})
		if err != nil {
			return err
		}
		err = eachItem(r, spool.Query{Queue: Submissions, States: unfinished, To: to}, func(it *spool.Item) {
			c := of(it.Owner)
			c.Open = append(c.Open, OpenRow{it.ID, it.Name, it.Kind, it.Number, it.Received.UTC(), it.State})
			if it.Received.Before(from) {
				rows[c.Client] = append(rows[c.Client], statusRow(it))
			}
		})
		if err != nil {
			return err
		}
		numbers := map[string][]int64{}
		err = eachItem(r, spool.Query{Queue: Statements, From: from, To: to}, func(it *spool.Item) {
			rep.Released++
			of(it.Owner).Released++
			if n, err := strconv.ParseInt(it.Label, 10, 64); err == nil {
				numbers[it.Owner] = append(numbers[it.Owner], n)
			}
		})
		if err != nil {
			return err
		}
		for owner, list := range numbers {
			if err := of(owner).count(r, list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	rep.Clients = make([]ClientDay, 0, len(days))
	for _, c := range days {
		slices.SortFunc(c.Open, func(a, b OpenRow) int { return cmp.Compare(a.Submission, b.Submission) })
		rep.Clients = append(rep.Clients, *c)
	}
	slices.SortFunc(rep.Clients, func(a, b ClientDay) int { return cmp.Compare(a.Client, b.Client) })
	return rep, rows, nil
}

// count finds what is missing between the numbers of the day, and between them and
// the last that a close before has seen. Numbers of days after that close and
// before this one were seen by nobody: they are looked for one by one.
func (c *ClientDay) count(r spool.Reader, list []int64) error {
	slices.Sort(list)
	c.First, c.Last = list[0], list[len(list)-1]
	have := map[int64]bool{}
	for _, n := range list {
		have[n] = true
	}
	before := int64(0)
	if b, err := r.Value(bucketNumbers, string(c.Client)); err == nil {
		if before, err = strconv.ParseInt(string(b), 10, 64); err != nil {
			return fmt.Errorf("last number of client %s: %w", c.Client, err)
		}
	} else if !errors.Is(err, spool.ErrNotFound) {
		return err
	}
	for n := before + 1; n < c.Last && len(c.Missing) < maxMissing; n++ {
		if have[n] {
			continue
		}
		found, err := r.Items(spool.Query{Queue: Statements, Owner: string(c.Client), Label: fmt.Sprintf("%06d", n), Limit: 1})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			c.Missing = append(c.Missing, n)
		}
	}
	return nil
}

// eachItem calls each for all items of a query, however many.
func eachItem(r spool.Reader, q spool.Query, each func(*spool.Item)) error {
	for {
		items, err := r.Items(q)
		if err != nil {
			return err
		}
		for i := range items {
			q.After = items[i].ID
			each(&items[i])
		}
		if len(items) < 1000 {
			return nil
		}
	}
}

// CloseDay ends the day of a moment, Kyiv time: its report is kept and journaled, and each client that has
// anything in it is given a list of its documents. It may be repeated: what was
// given is not given again.
func (g *Gateway) CloseDay(ctx context.Context, at time.Time) (*DayReport, error) {
	from := day(at)
	rep, rows, err := g.reconcile(ctx, from)
	if err != nil {
		return nil, err
	}
	now := g.Now()
	rep.Closed = utc(now)
	body, err := json.Marshal(rep)
	if err != nil {
		return nil, err
	}
	err = g.Store.Update(spool.Urgent(ctx), func(tx spool.Tx) error {
		if err := tx.SetValue(bucketDays, rep.Day, body); err != nil {
			return err
		}
		for _, c := range rep.Clients {
			if c.Last == 0 {
				continue
			}
			if err := tx.SetValue(bucketNumbers, string(c.Client), strconv.AppendInt(nil, c.Last, 10)); err != nil {
				return err
			}
		}
		return g.journal(tx, 0, now, journal.DayClosed, journalRecord{
			Name: rep.Day, SHA256: hexSHA256(body),
			Reason: fmt.Sprintf("received %d, open %d, statements %d, numbers missing %d", rep.Received, rep.Open(), rep.Released, rep.Missing()),
		})
	})
	if err != nil {
		return nil, err
	}
	g.Log.Info("day closed", zap.String("day", rep.Day), zap.Int("received", rep.Received), zap.Int("open", rep.Open()), zap.Int("statements", rep.Released))
	for _, c := range rep.Clients {
		if len(c.Missing) > 0 {
			g.Log.Error("statements are missing in the store; see bramactl journal verify", zap.String("client", string(c.Client)), zap.Int64s("numbers", c.Missing))
		}
	}
	return rep, g.giveDay(ctx, rep, rows)
}

// Reconciliation is the kind of a day's list in a client's outbox.
const Reconciliation formats.Kind = "reconciliation"

// giveDay puts into the outbox of each client the list of its documents of the day.
func (g *Gateway) giveDay(ctx context.Context, rep *DayReport, rows map[client.ID][]StatusRow) error {
	var errs []error
	for id, list := range rows {
		entry := g.Register().ByID(id)
		if entry == nil || entry.Disabled {
			continue
		}
		text, err := g.statusCSV(entry, list)
		if err == nil {
			_, err = g.PutStatement(ctx, id, Outgoing{
				Key: "day " + rep.Day, Name: "DAY-" + rep.Day + ".csv", Kind: Reconciliation, Content: bytes.NewReader(text),
			})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, ErrKey) { // closed before, and given as it was then
			errs = append(errs, fmt.Errorf("list of %s for client %s: %w", rep.Day, id, err))
		}
	}
	return errors.Join(errs...)
}

// statusCSV is a list of documents as a client reads it: in its language and code page.
func (g *Gateway) statusCSV(entry *client.Entry, rows []StatusRow) ([]byte, error) {
	lang := g.language(entry)
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = ';', true
	head := []string{"документ", "подання", "вид", "номер", "дата", "одержано", "стан", "вирішено", "відповідь", "причина", "номер обробки"}
	if lang == "en" {
		head = []string{"document", "submission", "kind", "number", "date", "received", "state", "decided", "answered", "reason", "reference"}
	}
	if err := w.Write(head); err != nil {
		return nil, err
	}
	for _, r := range rows {
		state, ok := stateWords[r.State]
		if !ok {
			state = formats.Text{UK: string(r.State), EN: string(r.State)}
		}
		rec := []string{
			cell(r.Document), r.Submission.String(), r.Kind, cell(r.Number), r.Date, kyiv(r.Received), state.In(lang),
			kyivOrNone(r.Decided), kyivOrNone(r.Answered), cell(r.Reason), cell(r.Reference),
		}
		if err := w.Write(rec); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return encode(entry, b.String()), w.Error()
}

func statusRow(it *spool.Item) StatusRow {
	row := StatusRow{
		Document: it.Name, Submission: it.ID, Kind: it.Kind, Number: it.Number, Date: it.Date,
		Received: it.Received.UTC(), State: it.State, Decided: utc(it.Decided),
	}
	if n := readNote(it.Note); n.Answer != nil && Final(it.State) {
		row.Answered, row.Reason, row.Reference = utc(n.Answered), n.Answer.Reason, n.Answer.Reference
	}
	return row
}
