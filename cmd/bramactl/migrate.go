package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/migrate"
)

// migrateStore moves the store of the configuration to the other engine, with the
// daemon stopped. The journal's files stay where they are, in the folder state.
func migrateStore(c *call, args []string) error {
	var to string
	target := config.Store{}
	flags := c.flags()
	flags.StringVar(&to, "to", "", "")
	flags.StringVar(&target.URL, "url", "", "")
	flags.StringVar(&target.PasswordFile, "password-file", "", "")
	flags.StringVar(&target.Schema, "schema", config.Default().Store.Schema, "")
	flags.BoolVar(&target.Unflushed, "unflushed", false, "")
	reopen := flags.Bool("reopen", false, "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	from, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	if *reopen {
		return c.reopen(from)
	}
	into := *from
	switch {
	case to == from.Store.Engine:
		return usageError{fmt.Errorf(c.t("сховище вже %s", "the store is %s already"), to)}
	case to == config.EnginePostgres:
		target.Engine = to
		if target.URL == "" {
			return usageError{errors.New(c.t("вкажіть базу: --url postgres://brama@db.example/brama", "name the database: --url postgres://brama@db.example/brama"))}
		}
		into.Store = target
	case to == config.EngineEmbedded:
		into.Store = config.Default().Store
	default:
		return usageError{errors.New(c.t("вкажіть, куди: --to postgres або --to embedded", "say where to: --to postgres or --to embedded"))}
	}
	if err := into.CheckStore(); err != nil {
		return usageError{err}
	}
	rep, err := c.move(from, &into)
	if err != nil {
		return err
	}
	whole, err := c.verified(&into)
	if err != nil {
		return err
	}
	if c.json {
		err = c.writeJSON(struct {
			*migrate.Report
			Journal *journal.Report `json:"journal,omitempty"`
		}{rep, whole})
	} else {
		c.printMigration(rep, whole, to)
	}
	if err == nil && whole != nil && !whole.OK() {
		err = verdict(exitNo)
	}
	return err
}

// move runs the migration under the locks of both stores.
func (c *call) move(from, to *config.Config) (rep *migrate.Report, err error) {
	var sides [2]migrate.Side
	for i, cfg := range []*config.Config{from, to} {
		s, err := engine.OpenAny(c, cfg)
		if errors.Is(err, spool.ErrLocked) {
			err = fmt.Errorf("%s: %w", c.t("спершу зупиніть шлюз", "stop the daemon first"), err)
		}
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		side, ok := s.(migrate.Side)
		if !ok {
			return nil, fmt.Errorf("%T cannot be moved", s)
		}
		sides[i] = side
	}
	return migrate.Run(c, sides[0], sides[1], nil)
}

// reopen takes a store that was moved into use again.
func (c *call) reopen(cfg *config.Config) (err error) {
	s, err := engine.OpenAny(c, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m, ok := s.(migrate.Marks); ok {
		err = migrate.Reopen(c, m)
	}
	if err == nil {
		c.printf("%s\n", c.t("Сховище знову в роботі, таким, яким було перед переносом. Того, що надійшло після нього, тут немає.",
			"The store is in use again, as it was before it was moved. What came in since is not in it."))
	}
	return err
}

// verified holds the moved store to the journal, where there is one.
func (c *call) verified(cfg *config.Config) (*journal.Report, error) {
	dir := journal.Folder(cfg.State)
	text, err := journal.PublicKey(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // no daemon has run yet
	}
	if err != nil {
		return nil, err
	}
	key, err := journal.ParseKey(text)
	if err != nil {
		return nil, err
	}
	store, err := engine.OpenReading(c, cfg)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return journal.Verify(c, dir, store, key)
}

func (c *call) printMigration(rep *migrate.Report, j *journal.Report, to string) {
	for _, t := range rep.Tables {
		c.printf("%-8s %9d  %s\n", t.Name, t.Rows, t.SHA256)
	}
	c.printf(c.t("Перенесено й звірено: вмісту %d, байтів %d.\n", "Moved and compared: contents %d, bytes %d.\n"), rep.Contents, rep.Bytes)
	if j != nil {
		c.printJournal(j)
	}
	if to == config.EnginePostgres {
		c.printf("%s\n", c.t("Тепер запишіть у конфігурацію store.engine: postgres і store.url та запустіть шлюз. Старе сховище виведено з роботи (назад: bramactl migrate --reopen); spool.db, content і drafts можна прибрати з каталогу стану.",
			"Now write store.engine: postgres and store.url into the configuration, and start the daemon. The old store is out of use (the way back: bramactl migrate --reopen); spool.db, content and drafts can be taken out of the state folder."))
	} else {
		c.printf("%s\n", c.t("Тепер приберіть із конфігурації store.engine і store.url та запустіть шлюз.",
			"Now remove store.engine and store.url from the configuration, and start the daemon."))
	}
}
