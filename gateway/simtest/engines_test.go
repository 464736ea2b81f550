package simtest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/postgres"
	"github.com/brama-gateway/brama/spool/postgres/pgtest"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// folder is in memory where it can be: this is not about the disk.
func folder() string {
	dir, err := os.MkdirTemp("/dev/shm", "simulate")
	if err != nil {
		dir, err = os.MkdirTemp("", "simulate")
	}
	must(err)
	return dir
}

// The same histories over the engines themselves: a few, or BRAMA_SIM_ENGINES of them on
// the embedded one and a tenth on PostgreSQL, where an empty store takes longest.
func TestSimulateEngines(t *testing.T) {
	t.Parallel()
	n := number(t, "BRAMA_SIM_ENGINES", 0)
	engines := map[string]func() (Bed, func()){"sqlite": func() (Bed, func()) {
		dir := folder()
		return func() (spool.Store, error) { return sqlite.Open(context.Background(), sqlite.Options{Dir: dir}) }, func() { os.RemoveAll(dir) }
	}}
	if n > 0 {
		server, err := pgtest.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Remove)
		engines["postgres"] = func() (Bed, func()) {
			opt := postgres.Options{URL: server.URL(), Schema: server.Schema(), Unsafe: true}
			return func() (spool.Store, error) { return postgres.Open(context.Background(), opt) }, func() {}
		}
	}
	for name, bed := range engines {
		t.Run(name, func(t *testing.T) {
			histories := max(n, 8)
			if name == "postgres" {
				histories = max(n/10, 1)
			}
			reach, failed := Run(Config{Seed: uint64(number(t, "BRAMA_SIM_SEED", 1)), Histories: histories, Workers: number(t, "BRAMA_SIM_WORKERS", 1), Bed: bed})
			if n > 0 {
				var b strings.Builder
				reach.Print(&b)
				t.Log(b.String())
			}
			if failed != nil {
				t.Fatal(failed)
			}
		})
	}
}
