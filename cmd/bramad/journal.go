package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

func (d *daemon) openJournal(ctx context.Context) (err error) {
	d.journal, err = journal.Open(ctx, journal.Options{
		Dir: journal.Folder(d.cfg.State), Copy: d.cfg.Journal.Copy, Store: d.Store, Publisher: d.Core,
		Now: time.Now, Rand: rand.Reader, Log: d.log.Named("journal"),
	})
	return err
}

// checkpoint signs what was added in the last minute.
func (d *daemon) checkpoint(ctx context.Context) error {
	_, err := d.journal.Checkpoint(ctx)
	return err
}

// stopJournal signs what was added last. What it cannot sign, the next start does.
func (d *daemon) stopJournal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := d.journal.Stop(ctx); err != nil && !errors.Is(err, spool.ErrStopped) {
		d.log.Error("no checkpoint at the stop", zap.Error(err))
	}
}

// describeJournal warns of a history that is not the signed one.
func (d *daemon) describeJournal(s *admin.Status) {
	if d.journal.Fault() == nil {
		return
	}
	s.Warnings = append(s.Warnings, admin.Warning{Code: "JOURNAL", Text: formats.Text{
		UK: "Журнал не той, що був підписаний: нові контрольні точки не підписуються. Перевірте: bramactl journal verify",
		EN: "The journal is not the one that was signed: no checkpoints are signed any more. See: bramactl journal verify",
	}})
}
