package main

import (
	"context"
	"errors"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/backup"
	"github.com/brama-gateway/brama/gateway/config"
)

// validCron is what the configuration's schedules are checked with.
func validCron(spec string) error {
	_, err := cron.ParseStandard(spec)
	return err
}

// schedule runs what has a schedule: deadlines of held submissions, retention,
// the close of the day, archives, new time-stamps over old evidence, backups, and the journal's checkpoints. Times are Kyiv times. A run
// that is still going when the next is due is not joined by a second. A reload with
// another schedule begins all of them anew.
func (d *daemon) schedule(ctx context.Context) error {
	for {
		c, err := d.crontab(ctx)
		if err != nil {
			return err
		}
		c.Start()
		select {
		case <-ctx.Done():
		case <-d.rescheduled:
		}
		<-c.Stop().Done()
		if ctx.Err() != nil {
			return nil
		}
		d.log.Info("schedule changed")
	}
}

// crontab is the schedule of the moment.
func (d *daemon) crontab(ctx context.Context) (*cron.Cron, error) {
	c := cron.New(cron.WithLocation(gateway.Kyiv), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	at := d.live.Load().Schedule
	for _, job := range []struct {
		name, spec string
		run        func(context.Context) error
	}{
		{"deadlines", at.Deadlines, d.Core.Recheck},
		{"retention", at.Retention, d.retain},
		{"daily close", at.DailyClose, d.closeDay},
		{"evidence", at.Evidence, d.restamp},
		{"checkpoints", at.Checkpoints, d.checkpoint},
		{"archive", at.Archive, d.archive},
		{"backup", at.Backup, d.backup},
	} {
		_, err := c.AddFunc(job.spec, func() {
			if err := job.run(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("scheduled work", zap.String("job", job.name), zap.Error(err))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (d *daemon) retain(ctx context.Context) error {
	keep := d.live.Load().Keep
	return d.Core.Retain(ctx, keep.Unfinished, keep.Outbox)
}

func (d *daemon) restamp(ctx context.Context) error {
	return d.Core.Restamp(ctx, d.live.Load().Trust.TSA.Renew)
}

// archive puts old months away.
func (d *daemon) archive(ctx context.Context) error {
	a := d.live.Load().Archive
	_, err := d.Core.Archive(ctx, gateway.Archiving{After: a.After, Size: int64(a.Size)})
	if ctx.Err() == nil {
		d.archiveFault.Store(&err)
	}
	return err
}

// backup takes a copy of the state, then removes those that are old enough.
func (d *daemon) backup(ctx context.Context) error {
	b := d.live.Load().Backup
	if b.Repository == "" {
		d.backupFault.Store(nil)
		return nil
	}
	err := takeBackup(ctx, b, d.cfg.State, d.log)
	if ctx.Err() == nil {
		d.backupFault.Store(&err)
	}
	return err
}

func takeBackup(ctx context.Context, b config.Backup, state string, log *zap.Logger) error {
	r, err := backup.Make(b.Repository)
	if err != nil {
		return err
	}
	c, written, err := r.Take(ctx, state, time.Now())
	if err != nil {
		return err
	}
	log.Info("backup", zap.Time("at", c.At), zap.Int64("rows", c.Rows), zap.Int64("bytes", c.Bytes), zap.Int64("written", written))
	_, err = r.Prune(ctx, c.At.Add(-b.Keep))
	return err
}

// closeDay closes the day that has just ended, and gives every client the
// journal's signed root of it.
func (d *daemon) closeDay(ctx context.Context) error {
	rep, err := d.Core.CloseDay(ctx, time.Now().Add(-12*time.Hour))
	if rep == nil {
		return err
	}
	d.closed.Store(rep)
	return errors.Join(err, d.releaseRoot(ctx, rep.Day))
}
