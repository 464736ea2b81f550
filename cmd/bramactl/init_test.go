package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
)

// What init makes is what the daemon, the register and the formats want.
func TestInitIsWhole(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "g")
	bramactl(t, 0, "init", "--dir", dir, "--demo")

	cfg, err := config.Load(filepath.Join(dir, "brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Check(func(string) error { return nil }); err != nil {
		t.Errorf("bramad --check would say: %v", err)
	}
	for _, key := range cfg.SSH.HostKeys {
		b, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ssh.ParsePrivateKey(b); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if info, _ := os.Stat(key); info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", key, info.Mode())
		}
	}

	text, err := os.ReadFile(filepath.Join(dir, "clients.d", "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := client.Parse("demo.yaml", text)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	register, err := client.NewRegister(entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range register.Warnings() {
		t.Error(w)
	}

	owner := &formats.Owner{EDRPOU: entries[0].EDRPOU, Accounts: entries[0].Accounts}
	samples, err := filepath.Glob(filepath.Join(dir, "demo", "samples", "*"))
	if err != nil || len(samples) < 3 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, name := range samples {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := profile.Builtin().Check(formats.Context{At: time.Now(), Owner: owner}, profile.Options{Name: filepath.Base(name)}, io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))))
		if !r.OK() {
			t.Errorf("%s: %+v", filepath.Base(name), r.Findings)
		}
		if !entries[0].May(string(r.Kind)) {
			t.Errorf("%s: the demo client may not send %s", filepath.Base(name), r.Kind)
		}
	}
}
