package pki

import (
	"sync"
	"testing"
)

// TestRecent: what is used stays, the number is bounded.
func TestRecent(t *testing.T) {
	t.Parallel()
	r := recent[int, int]{limit: 100}
	for i := range 1000 {
		r.put(i, i)
		if v, ok := r.get(0); !ok || v != 0 {
			t.Fatalf("what is used was forgotten at %d", i)
		}
		if n := len(r.now) + len(r.old); n > 100 {
			t.Fatalf("%d remembered", n)
		}
	}
	if _, ok := r.get(500); ok {
		t.Error("what is not used was not forgotten")
	}
	var w sync.WaitGroup
	for i := range 4 {
		w.Go(func() {
			for j := range 1000 {
				r.put(i*1000+j, j)
				r.get(j)
			}
		})
	}
	w.Wait()
}
