package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
)

// The journal is read beside the daemon, never through it: who asks whether a
// history is true does not ask the one who keeps it.

// journalKey reads a public key: the one that is given, as a file or as it is,
// or the one beside the journal.
func (c *call) journalKey(given string) (journal.Key, error) {
	if given == "" {
		cfg, err := config.Load(c.configFile())
		if err != nil {
			return journal.Key{}, fmt.Errorf("%s: %w", c.t("немає ключа журналу; вкажіть --key", "no key of the journal; name it: --key"), err)
		}
		if given, err = journal.PublicKey(journal.Folder(cfg.State)); err != nil {
			return journal.Key{}, err
		}
	} else if b, err := os.ReadFile(given); err == nil {
		given = string(b)
	}
	return journal.ParseKey(given)
}

// journalOpen gives the configuration, the key and the store, for reading.
func (c *call) journalOpen(key string) (*config.Config, journal.Key, engine.Reading, error) {
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return nil, journal.Key{}, nil, err
	}
	k, err := c.journalKey(key)
	if err != nil {
		return nil, journal.Key{}, nil, err
	}
	store, err := engine.OpenReading(c, cfg)
	return cfg, k, store, err
}

func journalVerify(c *call, args []string) error {
	var key string
	var files list
	flags := c.flags()
	flags.StringVar(&key, "key", "", "")
	flags.Var(&files, "checkpoint", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	cfg, k, store, err := c.journalOpen(key)
	if err != nil {
		return err
	}
	defer store.Close()
	var copies []journal.Copy
	if dir := cfg.Journal.Copy; dir != "" {
		name := journal.CheckpointsIn(dir)
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", c.t("копія контрольних точок", "copy of the checkpoints"), err)
		}
		copies = append(copies, journal.Copy{Name: name, Text: text})
	}
	for _, name := range files {
		text, err := c.readFile(name)
		if err != nil {
			return err
		}
		copies = append(copies, journal.Copy{Name: name, Text: text})
	}
	r, err := journal.Verify(c, journal.Folder(cfg.State), store, k, copies...)
	if err != nil {
		return err
	}
	if cfg.Clients.Root != "" {
		if err := journal.Folders(c, cfg.Clients.Root, store, r); err != nil {
			return err
		}
	}
	if c.json {
		err = c.writeJSON(r)
	} else {
		c.printJournal(r)
	}
	switch {
	case err != nil || r.OK():
	case r.OnlyAbsent():
		err = verdict(exitUndecided)
	default:
		err = verdict(exitNo)
	}
	return err
}

func (c *call) printJournal(r *journal.Report) {
	for _, f := range r.Findings {
		where := ""
		if f.Row > 0 {
			where += fmt.Sprintf(c.t(" рядок %d", " row %d"), f.Row)
		}
		if f.Item != "" {
			where += " " + f.Item
		}
		c.printf("%s%s: %s\n", f.Sort, where, printable(f.Detail))
	}
	if r.More > 0 {
		c.printf(c.t("... і ще %d\n", "... and %d more\n"), r.More)
	}
	for _, a := range r.Archives {
		is := map[string]string{
			"whole": c.t("цілий", "whole"), "absent": c.t("його тут немає", "not here"), "changed": c.t("ЗМІНЕНО", "CHANGED"),
			"removed": c.t("вилучено назавжди", "removed for good"), "unfinished": c.t("цілий, перенесення триває", "whole, items still move there"),
		}[a.Is]
		if a.Reason != "" {
			is += ": " + printable(a.Reason)
		}
		c.printf(c.t("%s: документів і виписок %d, %s\n", "%s: documents and statements %d, %s\n"), a.Name, a.Items, is)
	}
	if r.OK() {
		c.printf("%s\n", c.t("Журнал цілий.", "The journal is whole."))
	} else if r.OnlyAbsent() {
		c.printf("\n%s\n", c.t("Усе, що тут є, сходиться; чого в архівах, яких тут немає, не доведено. Поверніть їхні файли й перевірте знову.",
			"Everything that is here agrees; what is in the archives that are not here is not proved. Bring their files back and verify again."))
	} else {
		c.printf("\n%s\n", c.t("Журнал НЕ цілий. Нічого не змінюйте: збережіть копію каталогу стану для розслідування.",
			"The journal is NOT whole. Change nothing: keep a copy of the state folder for whoever looks into it."))
	}
	signed := c.t("ще не підписано", "not signed yet")
	if r.SignedAt != nil {
		signed = fmt.Sprintf("%d (%s)", r.Signed, when(*r.SignedAt))
	}
	c.printf(c.t("Рядків: %d; підписано: %s; контрольних точок: %d, з копій: %d\nДокументів і виписок: %d; квитанцій: %d; виписок: %d; файлів для клієнтів: %d, у їхніх папках: %d\nКорінь: %s\n",
		"Rows: %d; signed: %s; checkpoints: %d, from copies: %d\nDocuments and statements: %d; receipts: %d; statements: %d; files for clients: %d, in their folders: %d\nRoot: %s\n"),
		r.Rows, signed, r.Checkpoints, r.Copies, r.Items, r.Receipts, r.Statements, r.Posts, r.Files, r.Root)
}

func journalCheckpoint(c *call, args []string) error {
	var key string
	flags := c.flags()
	flags.StringVar(&key, "key", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	k, err := c.journalKey(key)
	if err != nil {
		return err
	}
	cp, err := journal.LastCheckpoint(journal.Folder(cfg.State), k)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(checkpointView(cp))
	}
	_, err = c.stdout.Write(cp.Note)
	return err
}

type checkpointJSON struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   string    `json:"root"`
	At     time.Time `json:"at"`
	Note   string    `json:"note"`
}

func checkpointView(cp journal.Checkpoint) checkpointJSON {
	return checkpointJSON{cp.Origin, cp.Size, cp.Root.String(), cp.At, string(cp.Note)}
}

func journalProof(c *call, args []string) error {
	var out string
	flags := c.flags()
	flags.StringVar(&out, "o", "", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	id, err := spool.ParseID(rest[0])
	if err != nil {
		return usageError{err}
	}
	cfg, k, store, err := c.journalOpen("")
	if err != nil {
		return err
	}
	defer store.Close()
	p, err := journal.ProveIn(c, journal.Folder(cfg.State), store, k, id)
	if err != nil {
		return err
	}
	if out != "" {
		return writeNew(out, p.Text(), 0o644)
	}
	_, err = c.stdout.Write(p.Text())
	return err
}

func journalShowKey(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	key, err := journal.PublicKey(journal.Folder(cfg.State))
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(struct {
			Key string `json:"key"`
		}{key})
	}
	c.printf("%s\n", key)
	return nil
}

// receiptProof is what receipt verify --proof found.
type receiptProof struct {
	Proved     bool            `json:"proved"`
	Detail     string          `json:"detail,omitempty"`
	Row        int64           `json:"row,omitempty"`
	Record     string          `json:"record,omitempty"`
	At         *time.Time      `json:"at,omitempty"` // when the row was written
	Checkpoint *checkpointJSON `json:"checkpoint,omitempty"`
}

// prove holds a receipt against its proof. An unreadable file or key is an error,
// a proof that does not hold is not.
func (c *call) prove(file, key string, receipt []byte) (*receiptProof, error) {
	k, err := c.journalKey(key)
	if err != nil {
		return nil, err
	}
	text, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	p, err := journal.ParseProof(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	cp, err := p.CheckReceipt(k, receipt)
	if err != nil {
		return &receiptProof{Detail: err.Error()}, nil
	}
	view, at := checkpointView(cp), p.Row.At
	return &receiptProof{Proved: true, Row: p.Row.Seq, Record: p.Row.ID.String(), At: &at, Checkpoint: &view}, nil
}

func (c *call) printProof(p *receiptProof) {
	if !p.Proved {
		c.printf("%s: %s\n", c.t("у журналі НЕ доведено", "NOT proved to be in the journal"), printable(p.Detail))
		return
	}
	c.printf(c.t("є в журналі: рядок %d (%s), контрольна точка на %d рядків, підписана %s\n",
		"is in the journal: row %d (%s), checkpoint of %d rows, signed %s\n"), p.Row, p.Record, p.Checkpoint.Size, when(p.Checkpoint.At))
}

var errKeyWithoutProof = errors.New("--key is for --proof")
