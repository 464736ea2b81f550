// Command bramad is the gateway daemon. It takes signed documents over SFTP and
// from watched folders, examines and queues them, serves the processor and the
// operator on Unix sockets, and releases receipts and statements (docs/bramad.md).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, hangup))
}
