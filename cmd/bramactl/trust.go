package main

import (
	"errors"
	"fmt"
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

// trustAdd puts certificates and lists into the trust folder. Only --anchor makes
// an anchor: a certificate is never believed because it is there (DESIGN 8).
func trustAdd(c *call, args []string) error {
	var anchor bool
	flags := c.flags()
	flags.BoolVar(&anchor, "anchor", false, "")
	names, err := c.parse(flags, args, 1, -1)
	if err != nil {
		return err
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	added := []trust.Item{}
	for _, name := range names {
		b, err := c.readFile(name)
		if err != nil {
			return err
		}
		items, err := dir.Add(b, anchor)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		added = append(added, items...)
	}
	reloaded, err := c.reloadIfRunning()
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(added)
	}
	for _, t := range added {
		c.printf("%s: %s\n", t.Kind, t.Subject)
	}
	if len(added) == 0 {
		c.printf("%s\n", c.t("усе це там уже є", "all of it is there already"))
	}
	if !reloaded {
		c.printf("%s\n", c.t("шлюз не працює; побачить під час запуску", "the gateway does not run; it will see them when it starts"))
	}
	return nil
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

func trustList(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	dir, err := c.openTrust()
	if err != nil {
		return err
	}
	for _, problem := range dir.Problems() {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(problem.Error()))
	}
	all := append([]trust.Item{}, dir.List()...)
	if c.json {
		return c.writeJSON(all)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("ВИД\tДІЄ ДО\tSHA-256\tНАЗВА", "KIND\tUNTIL\tSHA-256\tNAME"))
	for _, t := range all {
		until := "-"
		if !t.Until.IsZero() {
			until = t.Until.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Kind, until, t.SHA256[:16], t.Subject)
	}
	return w.Flush()
}
