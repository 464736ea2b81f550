package main

import (
	"context"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
)

// validCron is what the configuration's schedules are checked with.
func validCron(spec string) error {
	_, err := cron.ParseStandard(spec)
	return err
}

// schedule runs what has a schedule: deadlines of held submissions, retention,
// the close of the day, and the journal's checkpoints. Times are Kyiv times. A run that is still going when
// the next is due is not joined by a second.
func (d *daemon) schedule(ctx context.Context) error {
	c := cron.New(cron.WithLocation(gateway.Kyiv), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	for _, job := range []struct {
		name, spec string
		run        func(context.Context) error
	}{
		{"deadlines", d.cfg.Schedule.Deadlines, d.Core.Recheck},
		{"retention", d.cfg.Schedule.Retention, d.retain},
		{"daily close", d.cfg.Schedule.DailyClose, d.closeDay},
		{"checkpoints", d.cfg.Schedule.Checkpoints, d.checkpoint},
	} {
		_, err := c.AddFunc(job.spec, func() {
			if err := job.run(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("scheduled work", zap.String("job", job.name), zap.Error(err))
			}
		})
		if err != nil {
			return err
		}
	}
	c.Start()
	<-ctx.Done()
	<-c.Stop().Done()
	return nil
}

func (d *daemon) retain(ctx context.Context) error {
	return d.Core.Retain(ctx, d.cfg.Keep.Unfinished, d.cfg.Keep.Outbox)
}

// closeDay closes the day that has just ended, and gives every client the
// journal's signed root of it.
func (d *daemon) closeDay(ctx context.Context) error {
	rep, err := d.Core.CloseDay(ctx, time.Now().Add(-12*time.Hour))
	if err != nil {
		return err
	}
	return d.releaseRoot(ctx, rep.Day)
}
