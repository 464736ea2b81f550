// Command brama-signer holds the keys of seals in a PKCS #11 token and signs with
// them for bramad, over the protocol of gateway/provider: the daemon that meets the
// network has no key (THREATS E05). It signs the attributes of CAdES signatures with
// its own certificates and nothing else (THREATS A02). docs/provider.md tells how to
// set it up.
//
// It is the only program here that needs cgo, because a PKCS #11 module is a C
// library: make signer builds it. Built without cgo it says so and ends.
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
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
