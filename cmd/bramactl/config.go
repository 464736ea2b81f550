package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"text/template"

	"github.com/brama-gateway/brama/gateway/admin"
)

// adminSocket is where the daemon of a configuration listens for the operator.
func adminSocket(config string) (string, error) {
	dir, err := filepath.Abs(filepath.Dir(config))
	return filepath.Join(dir, "run", "admin.sock"), err
}

// trustFolders are where the configuration's anchors and material lie.
func trustFolders(config string) (anchors, material string, err error) {
	dir, err := filepath.Abs(filepath.Dir(config))
	return filepath.Join(dir, "trust", "anchors"), filepath.Join(dir, "trust", "material"), err
}

// sealChain is the certificate that the seals of a configuration chain up to.
func sealChain(config string) (string, error) {
	name := filepath.Join(filepath.Dir(config), "keys", "seal-ca.pem")
	_, err := os.Stat(name)
	return name, err
}

// openOffline opens the store of a daemon that does not run, under its lock.
func openOffline(ctx context.Context, config string) (admin.Operator, func(), error) {
	return nil, nil, errors.New("its store cannot be opened without it yet")
}

var configText = template.Must(template.New("").Parse(`# Brama. Every key: configs/brama.yaml of the distribution, or docs/config.md.
# Unknown keys are errors; bramad --config THIS --check says whether all is well.

listen:
  sftp: {{.Listen}}

state: {{.Dir}}/state
run: {{.Dir}}/run

processor:
  socket: {{.Dir}}/run/processor.sock
  handoff: {{.Dir}}/handoff

admin:
  socket: {{.Dir}}/run/admin.sock

seal:
  key: {{.Dir}}/keys/seal.key
  certificate: {{.Dir}}/keys/seal.pem
  chain: {{.Dir}}/keys/seal-ca.pem

trust:
  anchors: {{.Dir}}/trust/anchors
  material: {{.Dir}}/trust/material

clients:
  root: {{.Dir}}/clients

profiles: {{.Dir}}/profiles

language: uk
`))

func (l layout) writeConfig(listen string) error {
	var b bytes.Buffer
	if err := configText.Execute(&b, map[string]string{"Dir": l.dir, "Listen": listen}); err != nil {
		return err
	}
	return writeNew(l.config(), b.Bytes(), 0o640)
}
