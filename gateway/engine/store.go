package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/brama-gateway/brama/gateway/archive"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/migrate"
	"github.com/brama-gateway/brama/spool/postgres"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// Store is what every engine has besides the contract.
type Store interface {
	spool.Store
	// Integrity looks for damage, if deep in the bytes of every content too. An error
	// means that it could not look.
	Integrity(ctx context.Context, deep bool) ([]spool.Problem, error)
}

// Reading is a store that is open for nothing but reading, beside the process that
// has it open for work, or when there is none.
type Reading interface {
	View(ctx context.Context, read func(spool.Reader) error) error
	Open(ctx context.Context, sha256 string) (spool.Blob, error)
	Integrity(ctx context.Context, deep bool) ([]spool.Problem, error)
	Close() error
}

// Embedded says that the store of a configuration lies in its folder state.
func Embedded(cfg *config.Config) bool { return cfg.Store.Engine != config.EnginePostgres }

// OpenStore opens the store of a configuration under its lock. A store that was moved
// to the other engine, or whose migration has not ended, is refused.
func OpenStore(ctx context.Context, cfg *config.Config) (Store, error) {
	s, err := OpenAny(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if m, ok := s.(migrate.Marks); ok {
		err = migrate.Usable(ctx, m)
	}
	switch {
	case errors.Is(err, migrate.ErrMoved):
		err = fmt.Errorf("the store of the configuration (store.engine: %s): %w; set store to where it was moved to, or take this one, as it was then, into use again: bramactl migrate --reopen", cfg.Store.Engine, err)
	case errors.Is(err, migrate.ErrUnfinished):
		err = fmt.Errorf("the store of the configuration (store.engine: %s): %w; set store to what it was, and run bramactl migrate again", cfg.Store.Engine, err)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenAny is OpenStore for whoever migrates: it opens what OpenStore refuses too.
func OpenAny(ctx context.Context, cfg *config.Config) (Store, error) {
	if Embedded(cfg) {
		s, err := sqlite.Open(ctx, sqlite.Options{Dir: cfg.State, FloorBytes: int64(cfg.Limits.FreeDisk)})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	// The journal's files are there with either engine.
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, err
	}
	opt, err := Postgres(cfg)
	if err != nil {
		return nil, err
	}
	s, err := postgres.Open(ctx, opt)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OpenReading opens the store of a configuration for reading, with its archives.
func OpenReading(ctx context.Context, cfg *config.Config) (Reading, error) {
	r, err := openReading(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &reading{archive.Over(r, Archives(cfg)), r}, nil
}

// reading is a store and its archives.
type reading struct {
	*archive.Reading
	store Reading
}

func (r *reading) Close() error {
	r.Set().Close()
	return r.store.Close()
}

// Integrity looks for damage in the store, then in the archives.
func (r *reading) Integrity(ctx context.Context, deep bool) ([]spool.Problem, error) {
	problems, err := r.store.Integrity(ctx, deep)
	if err != nil {
		return problems, err
	}
	more, err := r.Check(ctx, deep)
	return append(problems, more...), err
}

func openReading(ctx context.Context, cfg *config.Config) (Reading, error) {
	if Embedded(cfg) {
		r, err := sqlite.OpenReading(cfg.State)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	opt, err := Postgres(cfg)
	if err != nil {
		return nil, err
	}
	r, err := postgres.OpenReading(ctx, opt)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Postgres are the options of a store in PostgreSQL.
func Postgres(cfg *config.Config) (postgres.Options, error) {
	opt := postgres.Options{URL: cfg.Store.URL, Schema: cfg.Store.Schema, Unsafe: cfg.Store.Unflushed}
	if cfg.Store.URL == "" {
		return opt, errors.New("store.url is missing in the configuration; write where the database is, as postgres://brama@db.example/brama")
	}
	password, err := keys.Password(cfg.Store.PasswordFile)
	if err != nil {
		return opt, fmt.Errorf("store.password_file: %w", err)
	}
	opt.Password = string(password)
	return opt, nil
}
