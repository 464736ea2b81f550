// Command bramactl is the operator's tool of Brama, and everything that works on
// files without a daemon: making and validating signatures, checking documents,
// verifying receipts. docs/bramactl.md describes it; `bramactl help` lists it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := guarded(os.Stderr, func() int { return run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr) })
	stop()
	os.Exit(code)
}

// guarded gives a mistake of ours the exit code of what could not be done: that of the
// runtime, 2, is an answer of many commands.
func guarded(stderr io.Writer, do func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "bramactl: this is a mistake in bramactl, and no answer; please report it: %v\n%s", r, debug.Stack())
			code = exitCouldNot
		}
	}()
	return do()
}
