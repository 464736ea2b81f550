package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/backup"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// Copies are taken and read beside the daemon, never through it, as the journal
// is; a state is restored where none is.

// repository is the one that was named, or that of the configuration.
func (c *call) repository(named string) (dir string, cfg *config.Config, err error) {
	cfg, err = config.Load(c.configFile())
	if err == nil && named == "" {
		named = cfg.Backup.Repository
	}
	if named == "" {
		return "", cfg, errors.Join(err, usageError{errors.New(c.t("вкажіть сховище копій: --repository DIR або backup.repository у конфігурації",
			"name the repository: --repository DIR, or backup.repository in the configuration"))})
	}
	if err == nil {
		err = c.embedded(cfg)
	}
	return named, cfg, err
}

// embedded refuses what is for the embedded engine alone.
func (c *call) embedded(cfg *config.Config) error {
	if engine.Embedded(cfg) {
		return nil
	}
	return errors.New(c.t("сховище в PostgreSQL: для копій і відновлення служать його власні засоби, pg_basebackup і pg_dump (docs/operator.md)",
		"the store is in PostgreSQL: copies and repair are the work of its own tools, pg_basebackup and pg_dump (docs/operator.md)"))
}

// copyJSON is one copy in --json.
type copyJSON struct {
	At    time.Time `json:"at"`
	Rows  int64     `json:"rows"`
	Files int       `json:"files"`
	Bytes int64     `json:"bytes"`
}

func copyView(k *backup.Copy) copyJSON { return copyJSON{k.At, k.Rows, len(k.Files), k.Bytes} }

func (c *call) printCopy(k *backup.Copy) {
	c.printf(c.t("%s  рядків журналу %d, файлів %d, байтів %d\n", "%s  journal rows %d, files %d, bytes %d\n"),
		k.At.Format("2006-01-02T15:04:05.000Z"), k.Rows, len(k.Files), k.Bytes)
}

func backupTake(c *call, args []string) error {
	var named string
	flags := c.flags()
	flags.StringVar(&named, "repository", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	dir, cfg, err := c.repository(named)
	if err != nil {
		return err
	}
	r, err := backup.Make(dir)
	if err != nil {
		return err
	}
	k, written, err := r.Take(c, cfg.State, time.Now())
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			copyJSON
			Written int64 `json:"written"`
		}{copyView(k), written})
	}
	c.printCopy(k)
	c.printf(c.t("записано у сховище: %d байтів\n", "written into the repository: %d bytes\n"), written)
	return nil
}

func backupList(c *call, args []string) error {
	var named string
	flags := c.flags()
	flags.StringVar(&named, "repository", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	dir, _, err := c.repository(named)
	if dir == "" {
		return err
	}
	r, err := backup.Open(dir)
	if err != nil {
		return err
	}
	all, err := r.Copies()
	if err != nil {
		return err
	}
	list := []copyJSON{}
	var faults error
	for _, at := range all {
		k, err := r.Copy(at)
		if err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		list = append(list, copyView(k))
		if !c.json {
			c.printCopy(k)
		}
	}
	if c.json {
		faults = errors.Join(faults, c.writeJSON(list))
	}
	return faults
}

func backupCheck(c *call, args []string) error {
	var named string
	var at moment
	flags := c.flags()
	flags.StringVar(&named, "repository", "", "")
	flags.Var(&at, "at", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	dir, _, err := c.repository(named)
	if dir == "" {
		return err
	}
	r, err := backup.Open(dir)
	if err != nil {
		return err
	}
	k, err := r.Copy(at.Time)
	if err != nil {
		return err
	}
	if err := r.Check(c, k); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(copyView(k))
	}
	c.printCopy(k)
	c.printf("%s\n", c.t("копія ціла", "the copy is whole"))
	return nil
}

// restore makes the state folder anew, and looks at what it has made.
func restore(c *call, args []string) error {
	var named, into string
	var at moment
	flags := c.flags()
	flags.StringVar(&named, "repository", "", "")
	flags.StringVar(&into, "state", "", "")
	flags.Var(&at, "at", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	dir, cfg, err := c.repository(named)
	if dir == "" {
		return err
	}
	if into == "" {
		if err != nil {
			return err // of the configuration: it would have said where
		}
		into = cfg.State
	}
	r, err := backup.Open(dir)
	if err != nil {
		return err
	}
	k, err := r.Restore(c, at.Time, into)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(copyView(k))
	}
	c.printCopy(k)
	c.printf(c.t("відновлено: %s\nДалі: bramactl integrity --deep, bramactl journal verify; якщо після копії шлюз ще працював - bramactl journal renew (docs/operator.md)\n",
		"restored: %s\nNext: bramactl integrity --deep, bramactl journal verify; where the gateway worked on after the copy, bramactl journal renew (docs/operator.md)\n"), into)
	return nil
}

// integrity looks for damage in the store, beside the daemon; --repair needs the
// daemon stopped.
func integrity(c *call, args []string) error {
	var deep, repair bool
	var named string
	flags := c.flags()
	flags.BoolVar(&deep, "deep", false, "")
	flags.BoolVar(&repair, "repair", false, "")
	flags.StringVar(&named, "repository", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	done := []spool.Problem{}
	if repair {
		if named == "" {
			named = cfg.Backup.Repository
		}
		if err := c.embedded(cfg); err != nil {
			return err
		}
		fixed, err := repairStore(c, cfg.State, named)
		if err != nil {
			return err
		}
		done = append(done, fixed...)
		deep = true
	}
	store, err := engine.OpenReading(c, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	problems, err := store.Integrity(c, deep)
	if err != nil {
		return err
	}
	if c.json {
		err = c.writeJSON(struct {
			Deep     bool            `json:"deep"`
			Problems []spool.Problem `json:"problems"`
			Repaired []spool.Problem `json:"repaired"`
		}{deep, append([]spool.Problem{}, problems...), done})
	} else {
		c.printIntegrity(problems, done)
	}
	if err == nil && len(problems) > 0 {
		err = verdict(exitNo)
	}
	return err
}

func (c *call) printIntegrity(problems, done []spool.Problem) {
	for _, p := range done {
		c.printf("%s: %s\n", c.t("виправлено", "put right"), printable(p.String()))
	}
	for _, p := range problems {
		c.printf("%s\n", printable(p.String()))
	}
	if len(problems) == 0 {
		c.printf("%s\n", c.t("Сховище ціле.", "The store is whole."))
		return
	}
	c.printf("\n%s\n", c.t(
		"Сховище пошкоджене. Лічильники та вміст, що є в резервній копії, виправляє bramactl integrity --repair (шлюз зупинено); решту - bramactl restore.",
		"The store is damaged. bramactl integrity --repair, with the daemon stopped, puts right tallies and content that a backup has; the rest takes bramactl restore."))
}

func repairStore(ctx context.Context, state, repository string) ([]spool.Problem, error) {
	var find sqlite.Finder
	if repository != "" {
		r, err := backup.Open(repository)
		if err != nil {
			return nil, err
		}
		find = func(ctx context.Context, sum string) (io.ReadCloser, error) {
			b, err := r.Content(ctx, sum)
			if errors.Is(err, backup.ErrNotFound) {
				err = fmt.Errorf("%w: %w", spool.ErrNotFound, err)
			}
			return b, err
		}
	}
	s, err := sqlite.Open(ctx, sqlite.Options{Dir: state})
	if err != nil {
		return nil, err
	}
	done, err := s.Repair(ctx, find)
	return done, errors.Join(err, s.Close())
}

// journalRenew goes on under a new key where the history that the old one signed
// is not the history that is there: after a restore.
func journalRenew(c *call, args []string) error {
	var reason string
	flags := c.flags()
	flags.StringVar(&reason, "reason", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	if reason == "" {
		return usageError{errors.New(c.t("вкажіть причину: --reason TEXT", "give a reason: --reason TEXT"))}
	}
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	dir := journal.Folder(cfg.State)
	ending, err := journal.Ending(dir, cfg.Journal.Copy)
	if err != nil {
		return err
	}
	ending.Reason, ending.By = reason, fmt.Sprintf("uid %d", os.Getuid())
	e, err := engine.OpenTool(c, cfg, zap.NewNop())
	if err != nil {
		return err
	}
	// The row first: what is signed next is a history that tells of it.
	err = e.Core.JournalRenewed(c, ending)
	if err == nil {
		err = journal.Retire(dir, cfg.Journal.Copy, ending.Origin)
	}
	if err = errors.Join(err, e.Store.Close()); err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(ending)
	}
	c.printf(c.t("журнал %s завершено на рядку %d; наступний запуск шлюзу почне новий ключ. Передайте його відкритий ключ (bramactl journal key) тим, хто має старий.\n",
		"the journal %s ends at row %d; the daemon's next start makes a new key. Give its public key (bramactl journal key) to whoever has the old one.\n"), ending.Origin, ending.Signed)
	return nil
}
