package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/spool"
)

// Archives are files: they are read beside the daemon, or where there is none at all.

type archiveJSON struct {
	archive.Row
	Here bool   `json:"here"`
	Path string `json:"path"`
}

// archives gives what the store of the configuration knows of, and where it lies.
func (c *call) archives() (rows []archiveJSON, unknown []string, err error) {
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return nil, nil, err
	}
	store, err := engine.OpenReading(c, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer store.Close()
	set := engine.Archives(cfg)
	var known []archive.Row
	if err := store.View(c, func(r spool.Reader) (err error) {
		known, err = archive.Rows(r)
		return err
	}); err != nil {
		return nil, nil, err
	}
	names := map[string]bool{}
	for _, row := range known {
		path := set.Path(row.Name)
		_, err := os.Lstat(path)
		names[row.Name] = true
		rows = append(rows, archiveJSON{row, err == nil, path})
	}
	all, err := set.Names()
	for _, name := range all {
		if !names[name] {
			unknown = append(unknown, set.Path(name))
		}
	}
	return rows, unknown, err
}

func archiveList(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	rows, unknown, err := c.archives()
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(append([]archiveJSON{}, rows...))
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("АРХІВ\tМІСЯЦЬ\tСТАН\tДОКУМЕНТІВ І ВИПИСОК\tБАЙТІВ\tФАЙЛ\tЗАПИСАНО\tSHA-256", "ARCHIVE\tMONTH\tSTATE\tITEMS\tBYTES\tFILE\tWRITTEN\tSHA-256"))
	for _, r := range rows {
		state := string(r.State)
		if !r.Here && r.State != archive.Gone {
			state += c.t(", НЕМАЄ ФАЙЛУ", ", NO FILE")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", r.Name, r.Period, state, r.Moved, r.Bytes, r.Size, when(r.Written), r.SHA256)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, path := range unknown {
		c.printf("%s: %s\n", printable(path), c.t("сховище не знає цього файлу", "the store does not know this file"))
	}
	return nil
}

// archiveFiles opens, one after another, the files that are named, or all of the
// configuration's; do says when it has enough.
func (c *call) archiveFiles(named []string, do func(*archive.File) (enough bool, err error)) error {
	if len(named) == 0 {
		rows, _, err := c.archives()
		if err != nil {
			return err
		}
		for _, r := range rows {
			switch {
			case r.State == archive.Writing, r.State == archive.Gone:
			case !r.Here:
				fmt.Fprintf(c.stderr, "bramactl: %s: %s\n", r.Path, c.t("файлу немає, у ньому не шукали", "the file is not here, it was not searched"))
			default:
				named = append(named, r.Path)
			}
		}
	}
	for _, path := range named {
		f, err := archive.Open(path)
		if err != nil {
			return err
		}
		enough, err := do(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if enough {
			return nil
		}
	}
	return nil
}

// wanted is what archive search looks for. Empty fields do not restrict.
type wanted struct {
	client, document, number, date, sum, kind, state string
	from, to                                         moment
}

func (w *wanted) is(r *archive.Record) bool {
	if w.client != "" && r.Client != w.client || w.kind != "" && r.Kind != w.kind || w.number != "" && r.Number != w.number ||
		w.date != "" && r.Date != w.date || w.state != "" && r.State != w.state ||
		!w.from.IsZero() && r.Received.Before(w.from.Time) || !w.to.IsZero() && !r.Received.Before(w.to.Time) {
		return false
	}
	if w.document != "" && !matches(w.document, r.Name) {
		found := false
		for _, p := range r.Parts {
			found = found || matches(w.document, p.Name)
		}
		if !found {
			return false
		}
	}
	if w.sum == "" || r.SHA256 == w.sum {
		return true
	}
	for _, p := range r.Parts {
		if p.SHA256 == w.sum {
			return true
		}
	}
	return false
}

// matches compares a name with a pattern: * stands for any characters, ? for one.
func matches(pattern, name string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == name
	}
	ok, err := filepath.Match(strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(pattern), name)
	return ok && err == nil
}

// foundJSON is one item that archive search has found.
type foundJSON struct {
	Archive string `json:"archive"`
	archive.Record
}

func archiveSearch(c *call, args []string) error {
	var w wanted
	var files list
	limit := 100
	fs := c.flags()
	fs.StringVar(&w.client, "client", "", "")
	fs.StringVar(&w.document, "document", "", "")
	fs.StringVar(&w.number, "number", "", "")
	fs.StringVar(&w.date, "date", "", "")
	fs.StringVar(&w.sum, "sha256", "", "")
	fs.StringVar(&w.kind, "kind", "", "")
	fs.StringVar(&w.state, "state", "", "")
	fs.Var(&w.from, "from", "")
	fs.Var(&w.to, "to", "")
	fs.IntVar(&limit, "limit", limit, "")
	fs.Var(&files, "file", "")
	if _, err := c.parse(fs, args, 0, 0); err != nil {
		return err
	}
	w.sum = strings.ToLower(w.sum)
	found := []foundJSON{}
	errEnough := errors.New("enough")
	err := c.archiveFiles(files, func(f *archive.File) (bool, error) {
		h := f.Head()
		if !w.from.IsZero() && h.To.Before(w.from.Time) || !w.to.IsZero() && !h.From.Before(w.to.Time) {
			return false, nil
		}
		take := func(r *archive.Record) error {
			if err := c.Err(); err != nil {
				return err
			}
			if w.is(r) {
				found = append(found, foundJSON{h.Name, *r})
			}
			if len(found) >= limit {
				return errEnough
			}
			return nil
		}
		if len(w.sum) == 64 { // there is an index
			r, _, err := f.Find(w.sum)
			if errors.Is(err, spool.ErrNotFound) {
				err = f.Each(take) // a document inside a container has its hash, and no part of its own
			} else if err == nil {
				err = take(r)
			}
			return errors.Is(err, errEnough), but(err, errEnough)
		}
		err := f.Each(take)
		return errors.Is(err, errEnough), but(err, errEnough)
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(found)
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.t("НОМЕР\tКЛІЄНТ\tСТАН\tОТРИМАНО\tВИД\tНОМЕР ДОКУМЕНТА\tДАТА\tДОКУМЕНТ\tАРХІВ", "ID\tCLIENT\tSTATE\tRECEIVED\tKIND\tNUMBER\tDATE\tDOCUMENT\tARCHIVE"))
	for _, r := range found {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Client, r.State, when(r.Received), r.Kind, printable(r.Number), r.Date, printable(r.Name), r.Archive)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(found) == limit {
		c.printf(c.t("... показано перші %d; --limit показує більше\n", "... the first %d; --limit shows more\n"), limit)
	}
	return nil
}

func but(err, not error) error {
	if errors.Is(err, not) {
		return nil
	}
	return err
}

// archived finds one item, and hands it and its file on.
func (c *call) archived(word string, files []string, do func(*archive.File, *archive.Record) error) error {
	id, err := spool.ParseID(word)
	if err != nil {
		return usageError{err}
	}
	found := false
	err = c.archiveFiles(files, func(f *archive.File) (bool, error) {
		r, err := f.Item(id)
		if errors.Is(err, spool.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		found = true
		return true, do(f, r)
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %s: %w", word, c.t("немає в архівах, у яких шукали", "not in the archives that were searched"), spool.ErrNotFound)
	}
	return err
}

func archiveShow(c *call, args []string) error {
	var files list
	fs := c.flags()
	fs.Var(&files, "file", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return c.archived(rest[0], files, func(f *archive.File, r *archive.Record) error {
		if c.json {
			return c.writeJSON(foundJSON{f.Head().Name, *r})
		}
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		row := func(uk, en, value string) {
			if value != "" {
				fmt.Fprintf(w, "%s\t%s\n", c.t(uk, en), printable(value))
			}
		}
		row("Номер", "Id", r.ID.String())
		row("Архів", "Archive", f.Head().Name)
		row("Клієнт", "Client", r.Client)
		row("Документ", "Document", r.Name)
		row("Вид", "Kind", r.Kind)
		row("Стан", "State", r.State)
		row("Номер і дата документа", "Number and date", strings.TrimSpace(r.Number+" "+r.Date))
		row("Отримано", "Received", when(r.Received))
		if !r.Decided.IsZero() {
			row("Вирішено", "Decided", when(r.Decided))
		}
		row("SHA-256", "SHA-256", r.SHA256)
		w.Flush()
		c.printf("\n%s\n", c.t("Частини", "Parts"))
		w = tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, p := range r.Parts {
			fmt.Fprintf(w, "  %s\t%s\t%d\t%s\n", p.Role, printable(p.Name), p.Size, p.SHA256)
		}
		w.Flush()
		c.printf("\n%s\n", c.t("Історія", "History"))
		for _, e := range r.History {
			c.printf("  %d  %s  %s  %s\n", e.Seq, when(e.At), e.Kind, printable(string(e.Record)))
		}
		return nil
	})
}

// archiveExport writes the parts of one item into a folder, or one of them into a file.
func archiveExport(c *call, args []string) error {
	var files list
	var out, name string
	fs := c.flags()
	fs.Var(&files, "file", "")
	fs.StringVar(&out, "o", "", "")
	fs.StringVar(&name, "part", "", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	if out == "" {
		return usageError{errors.New(c.t("вкажіть нову папку (з --part - файл): -o ШЛЯХ", "name a new folder (with --part a file): -o PATH"))}
	}
	return c.archived(rest[0], files, func(f *archive.File, r *archive.Record) error {
		if name == "" {
			if err := os.Mkdir(out, 0o755); err != nil {
				return err
			}
		}
		written := map[string]int64{}
		for _, p := range r.Parts {
			to := out
			switch {
			case name == "":
				to = filepath.Join(out, archive.SafeName(p.Name))
			case p.Name != name:
				continue
			}
			if err := exportPart(c, to, f, p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			written[to] = p.Size
			if !c.json {
				c.printf(c.t("%s: %d байтів\n", "%s: %d bytes\n"), printable(to), p.Size)
			}
		}
		if len(written) == 0 {
			return fmt.Errorf("%s: %s: %w", name, c.t("немає такої частини", "no such part"), spool.ErrNotFound)
		}
		if c.json {
			return c.writeJSON(written)
		}
		return nil
	})
}

func exportPart(ctx context.Context, to string, f *archive.File, p archive.Part) error {
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = f.Copy(ctx, w, p)
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// archiveVerified is the output of archive verify --json.
type archiveVerified struct {
	archive.Head
	File     string           `json:"file"`
	SHA256   string           `json:"sha256"`
	Whole    bool             `json:"whole"`
	Detail   string           `json:"detail,omitempty"`
	Receipts int64            `json:"receipts"` // whose proofs hold
	Seal     *provider.Report `json:"seal,omitempty"`
}

// archiveVerify checks a file with nothing but an anchor of the seal.
func archiveVerify(c *call, args []string) error {
	var trust trustFlags
	var key string
	var at moment
	fs := c.flags()
	fs.Var(&trust.anchors, "anchor", "")
	fs.Var(&trust.material, "material", "")
	fs.StringVar(&key, "key", "", "")
	fs.Var(&at, "at", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	if len(trust.anchors) == 0 {
		cfg, err := config.Load(c.configFile())
		if err != nil {
			return fmt.Errorf("%s: %w", c.t("немає кореня довіри; вкажіть --anchor ФАЙЛ", "no anchor; name it: --anchor FILE"), err)
		}
		if n := len(cfg.Seal.Chain); n > 0 {
			trust.anchors = list(cfg.Seal.Chain[n-1:])
			trust.material = append(trust.material, cfg.Seal.Chain...)
		}
		if archive.ValidName(rest[0]) {
			rest[0] = engine.Archives(cfg).Path(rest[0])
		}
	}
	o := cades.Options{At: at.Time, Tolerate: cades.Tolerances{cades.NoRevocation: true}}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.Trust, err = trust.store(c); err != nil {
		return err
	}
	out := archiveVerified{File: rest[0]}
	wrong := func(err error) error {
		if !errors.Is(err, archive.ErrDamaged) {
			return err
		}
		out.Whole, out.Detail = false, err.Error()
		return c.printArchive(&out, verdict(exitNo))
	}
	f, err := archive.Open(rest[0])
	if err != nil {
		return wrong(err)
	}
	defer f.Close()
	out.Head = f.Head()
	if key == "" {
		key = out.JournalKey
	} else if b, err := os.ReadFile(key); err == nil {
		key = string(b)
	}
	prove, err := c.prover(f, key, &out.Receipts)
	if err != nil {
		return err
	}
	if out.SHA256, err = f.Verify(c, prove); err != nil {
		return wrong(err)
	}
	text, seal, err := f.Manifest()
	if err != nil {
		return wrong(err)
	}
	out.Whole = true
	r := cades.Validate(cades.Input{Container: seal, Detached: io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))}, o)
	rep := provider.NewReport(rest[0], o.At, r)
	out.Seal = &rep
	return c.printArchive(&out, indicated(r.Indication))
}

// prover checks the journal's proofs of the receipts in a file.
func (c *call) prover(f *archive.File, key string, n *int64) (func(*archive.Record) error, error) {
	if key == "" {
		return nil, nil
	}
	k, err := journal.ParseKey(key)
	if err != nil {
		return nil, err
	}
	return func(r *archive.Record) error {
		parts := map[string]archive.Part{}
		for _, p := range r.Parts {
			parts[p.Name] = p
		}
		for _, p := range r.Parts {
			base, ok := strings.CutSuffix(p.Name, ".proof")
			receipt, there := parts[base+".json"]
			if !ok || p.Role != "proof" || !there {
				continue
			}
			var proof, text bytes.Buffer
			if err := errors.Join(f.Copy(c, &proof, p), f.Copy(c, &text, receipt)); err != nil {
				return err
			}
			got, err := journal.ParseProof(proof.Bytes())
			if err == nil {
				_, err = got.CheckReceipt(k, text.Bytes())
			}
			if err != nil {
				return fmt.Errorf("%w: %s, %q: %w", archive.ErrDamaged, r.ID, p.Name, err)
			}
			*n++
		}
		return nil
	}, nil
}

func (c *call) printArchive(v *archiveVerified, result error) error {
	if c.json {
		if err := c.writeJSON(v); err != nil {
			return err
		}
		return result
	}
	if !v.Whole {
		c.printf("%s: %s\n", printable(v.File), printable(v.Detail))
		c.printf("%s\n", c.t("Архів НЕ цілий.", "The archive is NOT whole."))
		return result
	}
	c.printf(c.t("%s: місяць %s, документів і виписок %d, частин %d, байтів %d\nSHA-256: %s\nУсе в ньому має свої хеші; квитанцій, доведених журналом: %d\nПечатка: %s\n",
		"%s: month %s, documents and statements %d, parts %d, bytes %d\nSHA-256: %s\nEverything in it has its hash; receipts that the journal proves: %d\nSeal: %s\n"),
		v.Name, v.Period, v.Items, v.Parts, v.Bytes, v.SHA256, v.Receipts, v.Seal.Indication)
	c.printReport(*v.Seal)
	c.printf("%s\n", c.t("Чи це той самий файл, що записаний у журналі: bramactl journal verify", "Whether it is the very file that the journal tells of: bramactl journal verify"))
	return result
}

func archiveRemove(c *call, args []string) error {
	name, reason, err := c.named(args)
	if err != nil {
		return err
	}
	return c.act(name, func(op admin.Operator) error { return op.RemoveArchive(c, name, reason) },
		formats.Text{UK: "знищено; копії, якщо вони є, знищте самі", EN: "destroyed; destroy copies yourself, where there are any"})
}
