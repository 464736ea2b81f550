package main

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool/postgres/pgtest"
)

// database starts a PostgreSQL server and gives the configuration of a store in it.
func database(t *testing.T) (server *pgtest.Server, store string) {
	t.Helper()
	server, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Remove)
	return server, fmt.Sprintf("store: {engine: postgres, url: %q, unflushed: true}", server.URL())
}

// TestCrashPostgres is TestCrash with the store in PostgreSQL. In every third round
// the server is killed as well, under the daemon that goes on.
//
// BRAMA_CRASH_ROUNDS and BRAMA_CRASH_SEED are those of TestCrash.
func TestCrashPostgres(t *testing.T) {
	server, store := database(t)
	rounds, seed := number("BRAMA_CRASH_ROUNDS", 3), uint64(number("BRAMA_CRASH_SEED", int(time.Now().UnixNano()%1e9)))
	kills := 0
	crash(t, rounds, seed, store, func(round int) bool {
		if round%3 != 1 {
			return false
		}
		server.Kill()
		if err := server.Again(); err != nil {
			t.Fatal(err)
		}
		kills++
		time.Sleep(500 * time.Millisecond) // the daemon goes on
		return true
	})
	t.Logf("%d kills of bramad, %d of the server; BRAMA_CRASH_SEED=%d", rounds, kills, seed)
}
