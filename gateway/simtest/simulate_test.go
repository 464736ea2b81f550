package simtest

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// number reads a number of the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// short is how many histories a test runs; each kind of act, state, move and record
// must come in them at least once, and of a long run a third of so many times.
const short = 250

func TestSimulate(t *testing.T) {
	t.Parallel()
	n := number(t, "BRAMA_SIM_HISTORIES", short)
	c := Config{Seed: uint64(number(t, "BRAMA_SIM_SEED", 1)), Histories: n, Workers: number(t, "BRAMA_SIM_WORKERS", 1), Progress: func(n int) { t.Logf("%d histories", n) }}
	reach, failed := Run(c)
	var b strings.Builder
	reach.Print(&b)
	t.Log(b.String())
	if failed != nil {
		t.Fatal(failed)
	}
	if rare := reach.Rare(max(1, n/short/3)); n >= short && len(rare) > 0 {
		t.Errorf("hardly reached:\n%s", strings.Join(rare, "\n"))
	}
}
