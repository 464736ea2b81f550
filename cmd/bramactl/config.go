package main

import (
	"bytes"
	"cmp"
	"context"
	"text/template"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
)

// configFile is the configuration that the call means.
func (c *call) configFile() string {
	return config.Path(cmp.Or(c.config, c.env("BRAMA_CONFIG")))
}

// openOffline opens the store of a daemon that does not run, under its lock.
func openOffline(ctx context.Context, cfg *config.Config) (admin.Operator, func(), error) {
	e, err := engine.OpenTool(ctx, cfg, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	return &admin.Local{Core: e.Core}, func() { e.Store.Close() }, nil
}

// Paths are relative to the file, so the directory can be moved as a whole.
var configText = template.Must(template.New("").Parse(`# Brama. Every key with its default: configs/brama.yaml and docs/config.md.
# Paths are relative to this file. After a change: bramad --config FILE --check,
# then systemctl reload bramad (or SIGHUP).

listen:
  sftp: "{{.}}"
ssh:
  host_keys:
    - keys/ssh_host_ed25519_key
    - keys/ssh_host_ecdsa_key
    - keys/ssh_host_rsa_key

state: state
run: run

processor:
  handoff: handoff

seal:
  key: keys/seal.key
  certificate: keys/seal.pem
  chain: [keys/seal-ca.pem]

trust:
  dir: trust

clients:
  root: clients

profiles: profiles
`))

// newConfig is the text of a new gateway's configuration, and what the daemon will
// read in it.
func (l layout) newConfig(listen string) ([]byte, *config.Config, error) {
	var b bytes.Buffer
	if err := configText.Execute(&b, listen); err != nil {
		return nil, nil, err
	}
	cfg, err := config.Parse(l.config(), b.Bytes())
	return b.Bytes(), cfg, err
}
