// Package engine opens a gateway core as the configuration says: store, trust,
// profiles, seal. bramad puts doors on it; bramactl opens it for a moment when no
// daemon runs. The store's lock keeps the two apart.
package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/profiles"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/gateway/trust"
	"github.com/brama-gateway/brama/gateway/trust/tsa"
)

// Engine is an open core and what it stands on.
type Engine struct {
	Store Store
	Trust *trust.Dir
	// Evidence gives the core Trust with what is fetched beside it. Its Run is the daemon's
	// to start; nil: nothing is fetched.
	Evidence *trust.Fetcher
	Profiles *profiles.Profiles
	Core     *gateway.Gateway
	// Seal and Verify are the crypto providers that are asked; nil: Brama does it.
	Seal, Verify *provider.Client
}

// Open opens everything, or nothing. It starts nothing.
func Open(ctx context.Context, cfg *config.Config, log *zap.Logger) (*Engine, error) {
	return open(ctx, cfg, log, false)
}

// OpenTool is Open for a tool beside a daemon that does not run: the key of the
// seal may be out of its reach, as credentials of systemd are then. What has to be
// sealed fails with gateway.ErrSeal.
func OpenTool(ctx context.Context, cfg *config.Config, log *zap.Logger) (*Engine, error) {
	return open(ctx, cfg, log, true)
}

func open(ctx context.Context, cfg *config.Config, log *zap.Logger, sealless bool) (e *Engine, err error) {
	e = &Engine{}
	if e.Trust, err = trust.Open(cfg.Trust.Dir, cfg.Trust.Anchors...); err != nil {
		return nil, err
	}
	for _, problem := range e.Trust.Problems() {
		log.Warn("trust file left out", zap.Error(problem))
	}
	fresh := Freshness(cfg)
	var believed gateway.Trust = e.Trust
	if cfg.Trust.Fetch && !sealless {
		if e.Evidence, err = Evidence(cfg, e.Trust, log.Named("trust")); err != nil {
			return nil, err
		}
		believed = e.Evidence
	}
	if e.Profiles, err = profiles.Open(cfg.Profiles); err != nil {
		return nil, err
	}
	seal, err := e.openSeal(ctx, &cfg.Seal)
	if err != nil && sealless {
		seal, err = gateway.NoSeal(err), nil
	}
	if err != nil {
		return nil, err
	}
	validate := e.openVerify(&cfg.Provider.Verify)
	opening, err := keys.Decrypt(cfg.Decrypt.Key, cfg.Decrypt.PasswordFile, cfg.Decrypt.Certificate)
	if err != nil {
		return nil, err
	}
	if e.Store, err = OpenStore(ctx, cfg); err != nil {
		return nil, err
	}
	stamper, digest, err := openStamper(cfg)
	if err != nil {
		return nil, errors.Join(err, e.Store.Close())
	}
	set := settings(cfg)
	e.Core, err = gateway.New(ctx, gateway.Options{
		Store: e.Store, Trust: believed, Freshness: fresh, Profiles: e.Profiles.Set, Seal: seal, Validate: validate, Keys: opening,
		Now: time.Now, Rand: rand.Reader, Log: log,
		JournalKey: func() (string, error) { return journal.PublicKey(journal.Folder(cfg.State)) },
		Stamper:    stamper, StampDigest: digest, Archives: Archives(cfg),
		Hold: set.Hold, Temporary: set.Temporary, Limits: set.Limits, Language: set.Language,
	})
	if err != nil {
		return nil, errors.Join(err, e.Store.Close())
	}
	return e, nil
}

// openStamper gives the time-stamping authority, nil where there is none, and the
// digest that it stamps.
func openStamper(cfg *config.Config) (cades.Stamper, der.OID, error) {
	a := cfg.Trust.TSA
	if a.URL == "" {
		return nil, "", nil
	}
	o := tsa.Options{URL: a.URL, Policy: der.OID(a.Policy), Timeout: cfg.Trust.Timeout}
	if p := cfg.Trust.Proxy; p != "" {
		u, err := url.Parse(p)
		if err != nil {
			return nil, "", err
		}
		o.Proxy = http.ProxyURL(u)
	}
	c, err := tsa.New(o)
	if err != nil {
		return nil, "", err
	}
	if a.Hash == "" {
		return c, "", nil
	}
	d := algorithm.DigestByName(a.Hash)
	if d == nil {
		return nil, "", fmt.Errorf("trust.tsa.hash: %q is unknown", a.Hash)
	}
	return c, d.OID, nil
}

// Evidence opens what was fetched, beside a trust folder.
func Evidence(cfg *config.Config, dir *trust.Dir, log *zap.Logger) (*trust.Fetcher, error) {
	return trust.NewFetcher(dir, trust.FetchOptions{
		Cache: cmp.Or(cfg.Trust.Cache, filepath.Join(cfg.State, "evidence")), Proxy: cfg.Trust.Proxy, Hosts: cfg.Trust.Hosts, Refresh: cfg.Trust.Refresh, Timeout: cfg.Trust.Timeout,
		Size: int64(cfg.Trust.Size), Parallel: cfg.Trust.Parallel, Retry: cfg.Trust.Retry, Freshness: Freshness(cfg),
	}, time.Now, log)
}

// Archives are the files of old documents of a configuration.
func Archives(cfg *config.Config) *archive.Set {
	return archive.NewSet(cmp.Or(cfg.Archive.Directory, filepath.Join(cfg.State, "archive")))
}

// Freshness is how old evidence may be.
func Freshness(cfg *config.Config) pki.Freshness {
	f := pki.Freshness{Answer: cfg.Trust.AnswerAge, Ahead: cfg.Trust.Ahead, Age: cfg.Trust.MaxAge}
	if f.Ahead == 0 {
		f.Ahead = -1 // not at all
	}
	return f
}

// settings are what the core takes from a configuration, also while it runs.
func settings(cfg *config.Config) gateway.Settings {
	return gateway.Settings{
		Hold: cfg.Intake.Hold, Temporary: cfg.Intake.Temporary, Language: cfg.Language,
		Limits: gateway.Limits{File: int64(cfg.Limits.File), Files: cfg.Limits.Files, Bytes: int64(cfg.Limits.Bytes)},
	}
}

// Renew reads trust and profiles anew, puts the core's settings of cfg in force and
// examines what is held once more. After an error of trust or profiles, what it
// names is still in use as it was read before, and the settings are the old ones.
func (e *Engine) Renew(ctx context.Context, cfg *config.Config) error {
	profiles := e.Profiles.Reload()
	_, trust := e.Trust.Reload()
	err := errors.Join(profiles, trust) // one that fails does not keep the other old
	if err == nil {
		e.Core.Reconfigure(settings(cfg))
	}
	return errors.Join(err, e.Core.Recheck(ctx))
}
