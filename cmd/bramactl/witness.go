package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/brama-gateway/brama/gateway/journal"
)

// journalWitness runs a witness until the call's context ends.
func journalWitness(c *call, args []string) error {
	var dir, listen, name, key string
	flags := c.flags()
	flags.StringVar(&dir, "dir", "", "")
	flags.StringVar(&listen, "listen", "", "")
	flags.StringVar(&name, "name", "", "")
	flags.StringVar(&key, "key", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	if dir == "" || listen == "" || key == "" {
		return usageError{errors.New(c.t("потрібні --dir, --listen і --key", "--dir, --listen and --key are needed"))}
	}
	log, err := c.journalKey(key)
	if err != nil {
		return err
	}
	w, err := journal.OpenWitness(dir, name, log, rand.Reader, time.Now)
	if err != nil {
		return err
	}
	defer w.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	c.printf("%s http://%s\n%s %s\n", c.t("свідок слухає:", "the witness listens:"), l.Addr(), c.t("його ключ:", "its key:"), w.Key())
	server := &http.Server{
		Handler: w, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-c.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
