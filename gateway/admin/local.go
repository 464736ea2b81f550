package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Local is an Operator on a gateway in this process: the one that the daemon's
// Server asks, or that of a tool which has opened the store itself.
type Local struct {
	Core *gateway.Gateway

	// Describe fills in what the core does not know: version, addresses, sessions,
	// free space, warnings. nil for a tool.
	Describe func(*Status)
	// Renew reads configuration, trust and profiles anew. nil: there is nothing to renew.
	Renew func(context.Context) error
}

var _ Operator = (*Local)(nil)

// Status implements Operator.
func (l *Local) Status(ctx context.Context) (Status, error) {
	counts, err := l.Core.Counts(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{Now: l.Core.Now().UTC(), Counts: counts, Taking: l.Core.Taking(), Warnings: []Warning{}}
	for _, e := range l.Core.Register().All() {
		if e.Disabled {
			continue
		}
		s.Clients++
		if e.Folder {
			s.Folders++
		}
	}
	s.Leases = int(counts[gateway.Submissions][gateway.StateLeased])
	open, err := l.Core.Items(ctx, spool.Query{
		Queue: gateway.Submissions, Limit: 1,
		States: []spool.State{gateway.StateReceived, gateway.StateHeld, gateway.StateAccepted, gateway.StateLeased, gateway.StateDead},
	})
	if err != nil {
		return Status{}, err
	}
	for _, it := range open {
		t := it.Received.UTC()
		s.Oldest = &t
	}
	if n := counts[gateway.Submissions][gateway.StateDead]; n > 0 {
		s.Warnings = append(s.Warnings, Warning{"DEAD", formats.Text{
			UK: fmt.Sprintf("Подань, що потребують втручання: %d. Перегляньте: bramactl spool list --state dead", n),
			EN: fmt.Sprintf("Submissions that need you: %d. See them: bramactl spool list --state dead", n),
		}})
	}
	for _, w := range l.Core.Register().Warnings() {
		s.Warnings = append(s.Warnings, Warning{"REGISTER", formats.Text{UK: w, EN: w}})
	}
	if l.Describe != nil {
		l.Describe(&s)
	}
	return s, nil
}

// Reload implements Operator.
func (l *Local) Reload(ctx context.Context) error {
	if l.Renew == nil {
		return nil
	}
	return l.Renew(ctx)
}

// Clients implements Operator.
func (l *Local) Clients(context.Context) ([]ClientRow, error) {
	rows := []ClientRow{}
	for _, e := range l.Core.Register().All() {
		rows = append(rows, ClientRow{
			ID: e.ID, Name: e.Name, EDRPOU: e.EDRPOU, Disabled: e.Disabled, Kinds: e.Kinds,
			Keys: len(e.SSHKeys), Signatories: len(e.Signatories), Folder: e.Folder,
		})
	}
	return rows, nil
}

// Ask implements Operator.
func (l *Local) Ask(ctx context.Context, id client.ID, document bool, name string) (gateway.Standing, error) {
	return l.Core.Ask(ctx, id, document, name)
}

// Client implements Operator.
func (l *Local) Client(_ context.Context, id client.ID) (string, error) {
	e := l.Core.Register().ByID(id)
	if e == nil {
		return "", fmt.Errorf("client %q: %w", id, spool.ErrNotFound)
	}
	text, err := client.Marshal(*e)
	return string(text), err
}

// ExportClients implements Operator.
func (l *Local) ExportClients(context.Context) (string, error) {
	var out strings.Builder
	for _, e := range l.Core.Register().All() {
		text, err := client.Marshal(*e)
		if err != nil {
			return "", err
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.String(), nil
}

// ApplyClients implements Operator.
func (l *Local) ApplyClients(ctx context.Context, files []File, dryRun bool) ([]Change, error) {
	var entries []client.Entry
	var wrong []error
	first := map[client.ID]string{} // the file that names the client; within one Parse looks itself
	for _, f := range files {
		some, err := client.Parse(f.Name, []byte(f.Text))
		if err != nil {
			wrong = append(wrong, err)
		}
		for _, e := range some {
			if other, twice := first[e.ID]; twice {
				wrong = append(wrong, fmt.Errorf("%s: id: %q is also in %s; keep one", f.Name, e.ID, other))
			} else {
				first[e.ID] = f.Name
			}
		}
		entries = append(entries, some...)
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(wrong...))
	}
	return l.apply(ctx, entries, dryRun)
}

func (l *Local) apply(ctx context.Context, entries []client.Entry, dryRun bool) ([]Change, error) {
	changes, err := l.Core.Apply(ctx, entries, by(ctx), dryRun)
	if err != nil && !errors.Is(err, spool.ErrConflict) && !errors.Is(err, spool.ErrStopped) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	} else if err != nil {
		return nil, err
	}
	var out []Change
	for _, e := range entries {
		i := slices.IndexFunc(changes, func(c gateway.Change) bool { return c.Client == e.ID })
		if i < 0 {
			out = append(out, Change{Client: e.ID, Op: Unchanged})
			continue
		}
		c := Change{Client: e.ID, Op: Changed}
		if changes[i].New {
			c.Op = Added
		}
		for _, f := range changes[i].Fields {
			c.Fields = append(c.Fields, FieldChange{Key: f.Key, Old: f.Old, New: f.New})
		}
		out = append(out, c)
	}
	return out, nil
}

// DisableClient implements Operator.
func (l *Local) DisableClient(ctx context.Context, id client.ID, reason string) error {
	e := l.Core.Register().ByID(id)
	if e == nil {
		return fmt.Errorf("client %q: %w", id, spool.ErrNotFound)
	}
	off := *e
	off.Disabled = true
	_, err := l.Core.Apply(ctx, []client.Entry{off}, by(ctx)+": "+reason, false)
	return err
}

// by names the operator in the journal.
func by(ctx context.Context) string {
	if p, ok := PeerOf(ctx); ok {
		return fmt.Sprintf("uid %d", p.UID)
	}
	return "local"
}

// Day implements Operator.
func (l *Local) Day(ctx context.Context, day string, closed bool) (*gateway.DayReport, error) {
	at := l.Core.Now()
	if day != "" {
		var err error
		if at, err = time.ParseInLocation(time.DateOnly, day, gateway.Kyiv); err != nil {
			return nil, fmt.Errorf("%w: day %q: want a date as 2026-03-31", ErrInvalid, day)
		}
	}
	return l.Core.Reconcile(ctx, at, closed)
}

// SpoolList implements Operator.
func (l *Local) SpoolList(ctx context.Context, f Filter) ([]Row, error) {
	q := spool.Query{
		Queue: f.Queue, Owner: string(f.Client), States: f.States, Kind: string(f.Kind), Name: f.Document,
		From: f.From, To: f.To, Before: f.Before, Limit: f.Limit, Newest: true,
	}
	if q.Queue == "" {
		q.Queue = gateway.Submissions
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	items, err := l.Core.Items(ctx, q)
	rows := make([]Row, 0, len(items))
	for _, it := range items {
		rows = append(rows, row(it))
	}
	return rows, err
}

func row(it spool.Item) Row {
	r := Row{
		ID: it.ID, Queue: it.Queue, Client: client.ID(it.Owner), Document: it.Name, Kind: formats.Kind(it.Kind), State: it.State,
		Received: it.Received.UTC(), Number: it.Number, Date: it.Date, Size: it.Size, SHA256: it.SHA256, Attempts: it.Attempts,
	}
	if !it.Decided.IsZero() {
		t := it.Decided.UTC()
		r.Decided = &t
	}
	if !it.Deadline.IsZero() {
		t := it.Deadline.UTC()
		r.Deadline = &t
	}
	return r
}

// SpoolShow implements Operator.
func (l *Local) SpoolShow(ctx context.Context, id spool.ID) (Item, error) {
	d, err := l.Core.Show(ctx, id)
	if err != nil {
		return Item{}, fmt.Errorf("item %s: %w", id, err)
	}
	out := Item{Row: row(d.Item), Label: d.Item.Label, Reason: d.Reason, Receipt: d.Receipt, Parts: []gateway.Part{}, History: []Event{}}
	for _, p := range d.Parts {
		out.Parts = append(out.Parts, gateway.Part{Name: p.Name, Role: string(p.Role), Size: p.Content.Size, SHA256: p.Content.SHA256})
	}
	for _, e := range d.History {
		out.History = append(out.History, Event{Seq: e.Seq, At: e.At.UTC(), Kind: e.Kind, Record: json.RawMessage(e.Record)})
	}
	return out, nil
}

// SpoolRetry implements Operator.
func (l *Local) SpoolRetry(ctx context.Context, id spool.ID, reason string) error {
	return invalid(l.Core.Retry(ctx, id, by(ctx), reason))
}

// SpoolBury implements Operator.
func (l *Local) SpoolBury(ctx context.Context, id spool.ID, reason string) error {
	return invalid(l.Core.Bury(ctx, id, by(ctx), reason))
}

// SpoolRelease implements Operator.
func (l *Local) SpoolRelease(ctx context.Context, id spool.ID, reason string) error {
	return invalid(l.Core.Release(ctx, id, by(ctx), reason))
}

// RemoveArchive implements Operator.
func (l *Local) RemoveArchive(ctx context.Context, name, reason string) error {
	return invalid(l.Core.RemoveArchive(ctx, name, by(ctx), reason))
}

func invalid(err error) error {
	if errors.Is(err, gateway.ErrMove) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

// PutStatement implements Operator.
func (l *Local) PutStatement(ctx context.Context, id client.ID, name string, kind formats.Kind, content []byte) (spool.ID, error) {
	if kind != "" && !kind.Outgoing() {
		return 0, fmt.Errorf("kind %q: want one of %v: %w", kind, formats.OutgoingKinds(), ErrInvalid)
	}
	o := gateway.Outgoing{Name: name, Kind: kind}
	if base, ok := strings.CutSuffix(name, ".json"); ok && json.Valid(content) {
		o.Name, o.Statement = base, content
	} else {
		o.Content = bytes.NewReader(content)
	}
	out, err := l.Core.PutStatement(ctx, id, o)
	var refused *gateway.RefusedError
	if errors.As(err, &refused) || errors.Is(err, gateway.ErrName) {
		err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return out, err
}

// Evidence implements Operator.
func (l *Local) Evidence(ctx context.Context, id spool.ID) ([]byte, error) {
	b, err := l.Core.Evidence(ctx, id)
	if errors.Is(err, gateway.ErrNoEvidence) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return b, err
}
