package main

import (
	"strings"
	"testing"
)

// TestGuarded: a panic is no answer; 2, the runtime's exit code, would be one.
func TestGuarded(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if code := guarded(&stderr, func() int { panic("index out of range") }); code != exitCouldNot || !strings.Contains(stderr.String(), "index out of range") {
		t.Errorf("exit code %d, want %d; %s", code, exitCouldNot, stderr.String())
	}
	if code := guarded(&stderr, func() int { return exitUndecided }); code != exitUndecided {
		t.Errorf("exit code %d, want %d", code, exitUndecided)
	}
}
