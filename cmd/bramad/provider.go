package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/provider"
)

const (
	// sealWithin is how long the start waits for a provider with the seal: the two
	// are started together.
	sealWithin = 30 * time.Second
	// providerEvery is how often a provider is asked how it is.
	providerEvery = 2 * time.Second
)

// awaitSeal waits until the provider with the seal answers; what is wrong with it
// else, the opening of the engine tells.
func awaitSeal(ctx context.Context, cfg *config.Config, log *zap.Logger) error {
	if cfg.Seal.Provider.Socket == "" {
		return nil
	}
	c := provider.NewClient(cfg.Seal.Provider.Socket)
	defer c.Close()
	until := time.Now().Add(sealWithin)
	for told := false; ; told = true {
		_, err := c.Health(ctx)
		if !errors.Is(err, provider.ErrAway) || time.Now().After(until) {
			return nil
		}
		if !told {
			log.Warn("waiting for the crypto provider with the seal", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// watched is a crypto provider whose going and coming is told.
type watched struct {
	name   string
	client *provider.Client
	away   admin.Warning // while it is
	log    *zap.Logger

	mu  sync.Mutex
	err error
}

func (d *daemon) watchProviders() {
	if d.Engine.Seal != nil {
		d.providers = append(d.providers, &watched{name: "seal provider", client: d.Engine.Seal, log: d.log, away: admin.Warning{Code: "SEAL-AWAY", Text: formats.Text{
			UK: "Криптопровайдер з печаткою шлюзу не відповідає: нові документи чекають на перевірку, квитанцій і виписок немає.",
			EN: "The crypto provider with the gateway's seal does not answer: new documents wait unexamined, no receipts or statements are made.",
		}}})
	}
	if d.Engine.Verify != nil {
		d.providers = append(d.providers, &watched{name: "verification provider", client: d.Engine.Verify, log: d.log, away: admin.Warning{Code: "VERIFY-AWAY", Text: formats.Text{
			UK: "Криптопровайдер, що перевіряє підписи, не відповідає: нові документи чекають.",
			EN: "The crypto provider that verifies signatures does not answer: new documents wait.",
		}}})
	}
}

// follow asks the provider how it is until ctx ends.
func (w *watched) follow(ctx context.Context) error {
	for {
		_, err := w.client.Health(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		before := w.err
		w.err = err
		w.mu.Unlock()
		switch {
		case before == nil && err != nil:
			w.log.Error("crypto provider is away; work waits for it", zap.String("provider", w.name), zap.Error(err))
		case before != nil && err == nil:
			w.log.Info("crypto provider is back", zap.String("provider", w.name))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(providerEvery):
		}
	}
}

// describe adds to the status that the provider is away.
func (w *watched) describe(s *admin.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		s.Warnings = append(s.Warnings, w.away)
	}
}
