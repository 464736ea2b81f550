package spool

import (
	"sync"
	"testing"
	"time"
)

func TestIDsGrow(t *testing.T) {
	t.Parallel()
	var m IDs
	at := time.Date(2026, 2, 3, 4, 5, 6, 7_000_000, time.UTC)
	last := m.New(at)
	if got := last.Time(); !got.Equal(at) {
		t.Errorf("time of the id is %v, want %v", got, at)
	}
	for _, step := range []time.Duration{0, 0, -time.Hour, time.Millisecond, -time.Second, 0, time.Hour} {
		at = at.Add(step)
		id := m.New(at)
		if id <= last || id.String() <= last.String() {
			t.Errorf("after a step of %v: %s does not follow %s", step, id, last)
		}
		last = id
	}
}

func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	var m IDs
	var mu sync.Mutex
	seen := map[ID]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				id := m.New(time.Now())
				mu.Lock()
				if seen[id] {
					t.Errorf("%s was made twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"", "0000000000000", "fzzzzzzzzzzzz", "g000000000000", "05k1mc0agc3wv", "05K1MC0AGC3WV", "05k1mc0agc3wi", "05k1mc0agc3w", "№5k1mc0agc3w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s {
			t.Errorf("%q is read as %s", s, id)
		}
		if back, err := ParseID(id.String()); err != nil || back != id {
			t.Errorf("%s is read back as %s, %v", id, back, err)
		}
	})
}
