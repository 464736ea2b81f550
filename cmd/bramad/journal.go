package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/syslog"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

func (d *daemon) openJournal() (err error) {
	o := journal.Options{
		Dir: journal.Folder(d.cfg.State), Copy: d.cfg.Journal.Copy, Store: d.Store, Publisher: d.Core,
		Now: time.Now, Rand: rand.Reader, Log: d.log.Named("journal"),
	}
	if w := d.cfg.Journal.Witness; w.URL != "" {
		key, err := journal.ParseWitnessKey(w.Key)
		if err != nil {
			return fmt.Errorf("journal.witness.key: %w", err)
		}
		o.Witness = &journal.Remote{URL: w.URL, Key: key, Client: &http.Client{Timeout: 10 * time.Second}}
	}
	if d.cfg.Journal.Syslog {
		if o.Syslog, err = syslog.New(syslog.LOG_INFO|syslog.LOG_DAEMON, "bramad"); err != nil {
			return fmt.Errorf("journal.syslog: %w", err)
		}
	}
	d.journal, err = journal.Open(o)
	return err
}

// checkpoint signs what was added in the last minute.
func (d *daemon) checkpoint(ctx context.Context) error {
	_, err := d.journal.Checkpoint(ctx)
	return err
}

// kindRoot is the kind of a released root, in lists of statements.
const kindRoot formats.Kind = "journal_root"

// releaseRoot puts the signed root of a day into the outbox of every client that
// is let in (DESIGN 2.7): whoever keeps it can prove what the history was. It may
// be repeated: a client that has it is not given it again.
func (d *daemon) releaseRoot(ctx context.Context, day string) error {
	c, err := d.journal.Checkpoint(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range d.Core.Register().All() {
		if e.Disabled {
			continue
		}
		_, err := d.Core.PutStatement(ctx, e.ID, gateway.Outgoing{
			Key: "journal root " + day, Name: "ROOT-" + day + ".txt", Kind: kindRoot, Content: bytes.NewReader(c.Note),
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, gateway.ErrKey) { // it has an earlier root of that day
			errs = append(errs, fmt.Errorf("root of %s for client %s: %w", day, e.ID, err))
		}
	}
	return errors.Join(errs...)
}

// stopJournal signs what was added last. What it cannot sign, or give to clients, the
// next start does. It returns that the store has stopped taking work, which nobody
// else has seen by then: the daemon must not end as if all were well.
func (d *daemon) stopJournal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := d.journal.Stop(ctx)
	if errors.Is(err, spool.ErrStopped) {
		return fmt.Errorf("last checkpoint: %w", err)
	}
	if err != nil {
		d.log.Error("no checkpoint at the stop", zap.Error(err))
	}
	return nil
}

// describeJournal warns of a history that is not the signed one.
func (d *daemon) describeJournal(s *admin.Status) {
	if err := d.journal.WitnessFault(); err != nil {
		s.Warnings = append(s.Warnings, admin.Warning{Code: "WITNESS", Text: formats.Text{
			UK: "Свідок не підписує журнал: " + err.Error(),
			EN: "The witness does not sign the journal: " + err.Error(),
		}})
	}
	if d.journal.Fault() == nil {
		return
	}
	s.Warnings = append(s.Warnings, admin.Warning{Code: "JOURNAL", Text: formats.Text{
		UK: "Журнал не той, що був підписаний: нові контрольні точки не підписуються. Перевірте: bramactl journal verify",
		EN: "The journal is not the one that was signed: no checkpoints are signed any more. See: bramactl journal verify",
	}})
}
