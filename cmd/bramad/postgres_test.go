package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
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

// TestPostgresByPassword: the database is reached over TCP with the password of a
// file, which is in no message.
func TestPostgresByPassword(t *testing.T) {
	t.Parallel()
	server, _ := database(t)
	const password = "it's-7h3-password"
	addr, err := server.Listen(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	file := s.path("keys", "db.password")
	s.write(file, password+"\n")
	s.configure(fmt.Sprintf("store: {engine: postgres, url: 'postgres://brama@%s/postgres?sslmode=disable', unflushed: true, password_file: %s}\n", addr, file))
	p := s.start(nil)
	s.register()
	if code := p.stop(t); code != exitOK || strings.Contains(p.said(), password) {
		t.Fatalf("exit code %d\n%s", code, p.said())
	}
	const wrong = "an0ther-0ne"
	s.write(file, wrong+"\n")
	p, ready, err := s.spawn(nil)
	if err != nil {
		t.Fatal(err)
	}
	if <-ready != "" {
		p.kill()
		t.Fatal("a wrong password opened the store")
	}
	<-p.ended
	if p.code == exitOK || !strings.Contains(p.said(), "password authentication failed") || strings.Contains(p.said(), wrong) {
		t.Errorf("exit code %d\n%s", p.code, p.said())
	}
}
