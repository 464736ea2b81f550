package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/trust"
)

func (c *call) openTrust() (*trust.Dir, error) {
	cfg, err := config.Load(c.configFile())
	if err != nil {
		return nil, err
	}
	return trust.Open(cfg.Trust.Dir, cfg.Trust.Anchors...)
}

// trustAdded is the output of trust add --json where a list or a bundle was added.
type trustAdded struct {
	List      *trust.List       `json:"list,omitempty"`
	Items     []trust.Item      `json:"items"`
	Addresses []trust.Addresses `json:"addresses,omitempty"`
}

// trustAdd puts certificates and lists into the trust folder. Only --anchor makes
// an anchor: a certificate is never believed because it is there (DESIGN 8). What
// many authorities come in is taken only with a digest that the sysadmin has from
// elsewhere.
func trustAdd(c *call, args []string) error {
	var anchor bool
	var list, signer, bundle, sum string
	flags := c.flags()
	flags.BoolVar(&anchor, "anchor", false, "")
	flags.StringVar(&list, "list", "", "")
	flags.StringVar(&signer, "signer-sha256", "", "")
	flags.StringVar(&bundle, "bundle", "", "")
	flags.StringVar(&sum, "sha256", "", "")
	names, err := c.parse(flags, args, 0, -1)
	if err != nil {
		return err
	}
	switch {
	case list != "" && (signer == "" || bundle != "" || sum != "" || anchor || len(names) > 0):
		return usageError{errors.New(c.t("--list ФАЙЛ|URL береться разом із --signer-sha256 HEX і нічим більше", "--list FILE|URL goes with --signer-sha256 HEX, and with nothing else"))}
	case bundle != "" && (sum == "" || signer != "" || len(names) > 0):
		return usageError{errors.New(c.t("--bundle ФАЙЛ береться разом із --sha256 HEX", "--bundle FILE goes with --sha256 HEX"))}
	case list == "" && bundle == "" && (signer != "" || sum != ""):
		return usageError{errors.New(c.t("--signer-sha256 береться з --list, --sha256 з --bundle", "--signer-sha256 goes with --list, --sha256 with --bundle"))}
	case list == "" && bundle == "" && len(names) == 0:
		return usageError{errors.New(c.t("бракує аргументу", "an argument is missing"))}
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	out := trustAdded{Items: []trust.Item{}}
	switch {
	case list != "":
		l, err := c.addList(dir, list, signer)
		if err != nil {
			return err
		}
		out.List = &l
	case bundle != "":
		if err := c.addBundle(dir, bundle, sum, anchor, &out); err != nil {
			return err
		}
	}
	for _, name := range names {
		b, err := c.readFile(name)
		if err != nil {
			return err
		}
		items, err := dir.Add(b, anchor)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out.Items = append(out.Items, items...)
	}
	reloaded, err := c.reloadIfRunning()
	if err != nil {
		return err
	}
	if c.json && list == "" && bundle == "" {
		return c.writeJSON(out.Items)
	}
	if c.json {
		return c.writeJSON(out)
	}
	for _, t := range out.Items {
		c.printf("%s: %s\n", t.Kind, t.Subject)
	}
	switch {
	case out.List != nil:
		c.printList(*out.List)
	case len(out.Addresses) > 0:
		c.printf(c.t("адреси служб: %d надавачів\n", "addresses of services: %d authorities\n"), len(out.Addresses))
	case len(out.Items) == 0:
		c.printf("%s\n", c.t("усе це там уже є", "all of it is there already"))
	}
	if !reloaded {
		c.printf("%s\n", c.t("шлюз не працює; побачить під час запуску", "the gateway does not run; it will see them when it starts"))
	}
	return nil
}

func (c *call) addList(dir *trust.Dir, source, signer string) (trust.List, error) {
	pin, err := trust.ParseDigest(signer)
	if err != nil {
		return trust.List{}, usageError{fmt.Errorf("--signer-sha256: %w", err)}
	}
	if !isURL(source) {
		if source, err = filepath.Abs(source); err != nil {
			return trust.List{}, err
		}
	}
	b, err := c.readSource(source)
	if err != nil {
		return trust.List{}, err
	}
	return dir.AddList(b, source, pin, time.Now())
}

func (c *call) addBundle(dir *trust.Dir, name, sum string, anchor bool, out *trustAdded) error {
	pin, err := trust.ParseDigest(sum)
	if err != nil {
		return usageError{fmt.Errorf("--sha256: %w", err)}
	}
	b, err := c.readFile(name)
	if err != nil {
		return err
	}
	items, addresses, err := dir.AddBundle(b, pin, anchor)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	out.Items, out.Addresses = append(out.Items, items...), addresses
	return nil
}

// trustUpdate reads every list again from where it came.
func trustUpdate(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	newer, errs := dir.UpdateLists(time.Now(), c.readSource)
	if len(newer) > 0 {
		if _, err := c.reloadIfRunning(); err != nil {
			errs = append(errs, err)
		}
	}
	if c.json {
		if err := c.writeJSON(append([]trust.List{}, newer...)); err != nil {
			return err
		}
	} else {
		for _, l := range newer {
			c.printList(l)
		}
		if len(newer) == 0 && len(errs) == 0 {
			c.printf("%s\n", c.t("нічого нового", "nothing new"))
		}
	}
	return errors.Join(errs...)
}

// trustRemove stops the use of a list.
func trustRemove(c *call, args []string) error {
	names, err := c.parse(c.flags(), args, 1, 1)
	if err != nil {
		return err
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	if err := dir.RemoveList(names[0]); err != nil {
		return err
	}
	_, err = c.reloadIfRunning()
	return err
}

func (c *call) printList(l trust.List) {
	c.printf(c.t("список %s: %s, № %d, надано послуг: %d, чинний до %s\n", "list %s: %s, No %d, granted services: %d, until %s\n"),
		l.Name, printable(l.Operator), l.Sequence, l.Granted, l.NextUpdate.Format(time.DateOnly))
}

func (c *call) reloadIfRunning() (bool, error) {
	daemon, _, err := c.daemon()
	if errors.Is(err, admin.ErrNoDaemon) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer daemon.Close()
	return true, daemon.Reload(c)
}

// trustList tells what is believed, from when to when, and why; and what else lies
// there.
func trustList(c *call, args []string) error {
	var lists bool
	flags := c.flags()
	flags.BoolVar(&lists, "lists", false, "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	for _, problem := range dir.Problems() {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(problem.Error()))
	}
	for _, l := range dir.Expiring(time.Now()) {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(c.expiring(l)))
	}
	if lists {
		all := append([]trust.List{}, dir.Lists()...)
		if c.json {
			return c.writeJSON(all)
		}
		for _, l := range all {
			c.printList(l)
		}
		return nil
	}
	all := append([]trust.Item{}, dir.List()...)
	if c.json {
		return c.writeJSON(all)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("ВИД\tВІД\tДО\tSHA-256\tНАЗВА\tЧОМУ", "KIND\tFROM\tUNTIL\tSHA-256\tNAME\tWHY"))
	for _, t := range all {
		from, until := t.From, t.Until
		if t.Since != nil && t.Since.After(from) {
			from = *t.Since
		}
		if t.Ends != nil && t.Ends.Before(until) {
			until = *t.Ends
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Kind, day(from), day(until), t.SHA256[:16], t.Subject, printable(t.Why))
	}
	return w.Flush()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// expiring says that a list has to be renewed.
func (c *call) expiring(l trust.List) string {
	if !l.Counts(time.Now()) {
		return fmt.Sprintf(c.t("список %s не діє від %s: ніхто з нього не є довіреним; виконайте bramactl trust update",
			"list %s has expired on %s: nobody in it is believed any more; run bramactl trust update"), l.Name, day(l.NextUpdate))
	}
	return fmt.Sprintf(c.t("список %s діє до %s; виконайте bramactl trust update", "list %s speaks until %s; run bramactl trust update"), l.Name, day(l.NextUpdate))
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }
