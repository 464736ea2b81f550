package main

import (
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/config"
)

// operator gives the running daemon, or with the daemon stopped its store. The
// function returned ends the use.
func (c *call) operator() (admin.Operator, func(), error) {
	socket := c.socket
	var cfg *config.Config
	if socket == "" {
		var err error
		if cfg, err = config.Load(c.configFile()); err != nil {
			return nil, nil, err
		}
		socket = cfg.Admin.Socket
	}
	daemon := admin.NewClient(socket)
	_, err := daemon.Status(c)
	if err == nil {
		return daemon, daemon.Close, nil
	}
	daemon.Close()
	if !errors.Is(err, admin.ErrNoDaemon) || cfg == nil {
		return nil, nil, err
	}
	op, done, offlineErr := openOffline(c, cfg)
	if offlineErr != nil {
		return nil, nil, fmt.Errorf("%w; %w", err, offlineErr)
	}
	return op, done, nil
}

func status(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	s, err := op.Status(c)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(s)
	}
	c.printStatus(s)
	return nil
}

func reload(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	if err := op.Reload(c); err != nil {
		return err
	}
	c.printf("%s\n", c.t("перечитано", "reloaded"))
	return nil
}
