package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

func spoolList(c *call, args []string) error {
	var owner, states, kind, queue, before string
	var from, to moment
	var f admin.Filter
	fs := c.flags()
	fs.StringVar(&owner, "client", "", "")
	fs.StringVar(&states, "state", "", "")
	fs.StringVar(&kind, "kind", "", "")
	fs.StringVar(&queue, "queue", "", "")
	fs.StringVar(&f.Document, "document", "", "")
	fs.StringVar(&before, "before", "", "")
	fs.Var(&from, "from", "")
	fs.Var(&to, "to", "")
	fs.IntVar(&f.Limit, "limit", 0, "")
	if _, err := c.parse(fs, args, 0, 0); err != nil {
		return err
	}
	f.Client, f.Kind, f.Queue = client.ID(owner), formats.Kind(kind), spool.Queue(queue)
	f.From, f.To = from.Time, to.Time
	for _, s := range strings.FieldsFunc(states, func(r rune) bool { return r == ',' || r == ' ' }) {
		f.States = append(f.States, spool.State(s))
	}
	if err := c.knownStates(f); err != nil {
		return err
	}
	if before != "" {
		var err error
		if f.Before, err = spool.ParseID(before); err != nil {
			return usageError{fmt.Errorf("--before %w", err)}
		}
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	rows, err := op.SpoolList(c, f)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(rows)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("НОМЕР\tКЛІЄНТ\tСТАН\tОТРИМАНО\tВИД\tДОКУМЕНТ", "ID\tCLIENT\tSTATE\tRECEIVED\tKIND\tDOCUMENT"))
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Client, r.State, when(r.Received), r.Kind, printable(r.Document))
	}
	return w.Flush()
}

// knownStates refuses a queue that is not and states that it does not have: an empty
// list would read as "nothing there".
func (c *call) knownStates(f admin.Filter) error {
	queue := cmp.Or(f.Queue, gateway.Submissions)
	states := gateway.States(queue)
	if states == nil {
		return usageError{fmt.Errorf("--queue %s: %s %s, %s", f.Queue, c.t("немає такої черги; є:", "no such queue; there are:"), gateway.Submissions, gateway.Statements)}
	}
	for _, s := range f.States {
		if !slices.Contains(states, s) {
			return usageError{fmt.Errorf("--state %s: %s %s", s, fmt.Sprintf(c.t("немає такого стану в черзі %s; є:", "no such state in the queue %s; there are:"), queue), joined(states))}
		}
	}
	return nil
}

func joined[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func spoolShow(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 1, 1)
	if err != nil {
		return err
	}
	id, err := spool.ParseID(rest[0])
	if err != nil {
		return usageError{err}
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	item, err := op.SpoolShow(c, id)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(item)
	}
	c.printItem(item)
	return nil
}

func (c *call) printItem(it admin.Item) {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	row := func(uk, en, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.t(uk, en), printable(value))
		}
	}
	optional := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return when(*t)
	}
	row("Номер", "Id", it.ID.String())
	row("Клієнт", "Client", string(it.Client))
	row("Документ", "Document", it.Document)
	row("Вид", "Kind", string(it.Kind))
	row("Стан", "State", string(it.State))
	row("Причина", "Reason", it.Reason)
	row("Номер і дата документа", "Number and date", strings.TrimSpace(it.Number+" "+it.Date))
	row("Отримано", "Received", when(it.Received))
	row("Вирішено", "Decided", optional(it.Decided))
	row("Термін", "Deadline", optional(it.Deadline))
	row("SHA-256", "SHA-256", it.SHA256)
	w.Flush()

	c.printf("\n%s\n", c.t("Частини", "Parts"))
	w = tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	if it.Away != "" {
		c.printf("  %s\n", printable(it.Away))
	}
	for _, p := range it.Parts {
		fmt.Fprintf(w, "  %s\t%s\t%d\t%s\n", p.Role, printable(p.Name), p.Size, p.SHA256)
	}
	w.Flush()

	c.printf("\n%s\n", c.t("Історія", "History"))
	for _, e := range it.History {
		c.printf("  %s  %s  %s\n", when(e.At), e.Kind, printable(string(e.Record)))
	}
}

func spoolRetry(c *call, args []string) error {
	return c.toItem(args, admin.Operator.SpoolRetry, formats.Text{UK: "знову в черзі", EN: "back in the queue"})
}

func spoolBury(c *call, args []string) error {
	return c.toItem(args, admin.Operator.SpoolBury, formats.Text{UK: "вилучено з черги; повернути: bramactl spool retry", EN: "out of the queue; to put it back: bramactl spool retry"})
}

func spoolRelease(c *call, args []string) error {
	return c.toItem(args, admin.Operator.SpoolRelease, formats.Text{UK: "звільнено", EN: "released"})
}

// toItem is act for what is done to an item.
func (c *call) toItem(args []string, do func(admin.Operator, context.Context, spool.ID, string) error, said formats.Text) error {
	name, reason, err := c.named(args)
	if err != nil {
		return err
	}
	id, err := spool.ParseID(name)
	if err != nil {
		return usageError{err}
	}
	return c.act(name, func(op admin.Operator) error { return do(op, c, id, reason) }, said)
}

func statementPut(c *call, args []string) error {
	var owner, name, kind string
	fs := c.flags()
	fs.StringVar(&owner, "client", "", "")
	fs.StringVar(&name, "name", "", "")
	fs.StringVar(&kind, "kind", "", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	if owner == "" {
		return usageError{fmt.Errorf("%s: --client ID", c.t("вкажіть клієнта", "name the client"))}
	}
	if name == "" {
		name = filepath.Base(rest[0])
	}
	if name == "-" {
		return usageError{fmt.Errorf("%s: --name", c.t("вкажіть ім'я виписки", "name the statement"))}
	}
	content, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	id, err := op.PutStatement(c, client.ID(owner), name, formats.Kind(kind), content)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			ID spool.ID `json:"id"`
		}{id})
	}
	c.printf("%s: %s\n", id, c.t("прийнято; з'явиться у вихідній папці клієнта", "taken; it will be in the client's outbox"))
	return nil
}
