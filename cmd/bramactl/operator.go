package main

import (
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/config"
)

// daemon gives the running daemon. When it does not run, the error wraps
// admin.ErrNoDaemon, and the configuration is that of its store; nil where the call
// names a socket.
func (c *call) daemon() (*admin.Client, *config.Config, error) {
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
	if _, err := daemon.Status(c); err != nil {
		daemon.Close()
		return nil, cfg, err
	}
	return daemon, cfg, nil
}

// operator gives the running daemon, or with the daemon stopped its store. The
// function returned ends the use.
func (c *call) operator() (admin.Operator, func(), error) {
	daemon, cfg, err := c.daemon()
	if err == nil {
		return daemon, daemon.Close, nil
	}
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

// reload is for a running daemon only: a store opened for a moment has nothing to
// read anew.
func reload(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	daemon, _, err := c.daemon()
	if err != nil {
		return err
	}
	defer daemon.Close()
	if err := daemon.Reload(c); err != nil {
		return err
	}
	s, err := daemon.Status(c)
	if err != nil {
		return err
	}
	left := []admin.Warning{}
	for _, w := range s.Warnings {
		if w.Code == admin.WarnRestart {
			left = append(left, w)
		}
	}
	if c.json {
		return c.writeJSON(struct {
			Reloaded bool            `json:"reloaded"`
			Warnings []admin.Warning `json:"warnings"`
		}{true, left})
	}
	c.printf("%s\n", c.t("перечитано", "reloaded"))
	for _, w := range left {
		c.printf("%s\n", printable(w.Text.In(c.lang)))
	}
	return nil
}
