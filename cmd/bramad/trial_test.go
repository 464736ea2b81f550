package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// A trial is a test that may fail: whoever runs it wants to know.
type trial struct {
	testing.TB

	mu       sync.Mutex
	said     []string
	cleanups []func()
}

// try runs a trial and gives what it complains of.
func try(t testing.TB, f func(testing.TB)) []string {
	tr := &trial{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer tr.clean()
		f(tr)
	}()
	<-ended
	return tr.said
}

func (t *trial) clean() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, text)
}

func (t *trial) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.said) > 0
}

func (t *trial) Error(args ...any)                 { t.say(fmt.Sprint(args...)) }
func (t *trial) Errorf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }
func (t *trial) FailNow()                          { t.say("failed"); runtime.Goexit() }
func (t *trial) Fatal(args ...any)                 { t.Error(args...); runtime.Goexit() }
func (t *trial) Fatalf(format string, args ...any) { t.Errorf(format, args...); runtime.Goexit() }
func (t *trial) Log(...any)                        {}
func (t *trial) Logf(string, ...any)               {}

// A trial that says what went wrong ends there and says all of it.
func TestTrial(t *testing.T) {
	t.Parallel()
	var ended []string
	said := try(t, func(t testing.TB) {
		t.Cleanup(func() { ended = append(ended, "first") })
		t.Cleanup(func() { ended = append(ended, "second"); t.Error("in the end") })
		t.Errorf("%d", 1)
		t.Fatal("last")
		t.Error("never")
	})
	if !slices.Equal(said, []string{"1", "last", "in the end"}) || !slices.Equal(ended, []string{"second", "first"}) {
		t.Errorf("said %q, cleaned up %q", said, ended)
	}
	if said := try(t, func(testing.TB) {}); len(said) != 0 {
		t.Errorf("a good trial says %q", said)
	}
}
