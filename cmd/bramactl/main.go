// Command bramactl is the operator's tool of Brama, and everything that works on
// files without a daemon: making and validating signatures, checking documents,
// verifying receipts. docs/bramactl.md describes it; `bramactl help` lists it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
