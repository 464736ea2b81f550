package engine_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/config"
	"github.com/brama-gateway/brama/gateway/engine"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
	"github.com/brama-gateway/brama/spool"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	p := gatewaytest.Cast()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(p.Seal.Key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.State, cfg.Trust.Dir, cfg.Profiles = filepath.Join(dir, "state"), filepath.Join(dir, "trust"), ""
	cfg.Trust.Anchors = nil
	cfg.Seal.Key, cfg.Seal.Certificate, cfg.Seal.Chain = write("seal.key", "PRIVATE KEY", der), write("seal.pem", "CERTIFICATE", p.Seal.Certificate.Raw), nil
	write("trust/anchors/ca.pem", "CERTIFICATE", p.CA.Certificate.Raw)

	e, err := engine.Open(context.Background(), cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Trust.Snapshot().Anchors()) != 1 {
		t.Errorf("%d anchors", len(e.Trust.Snapshot().Anchors()))
	}
	if _, err := engine.Open(context.Background(), cfg, zap.NewNop()); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("two on one store: %v", err)
	}
	write("trust/material/crl.pem", "X509 CRL", p.Fresh.Raw)
	changed := *cfg
	changed.Intake.Hold, changed.Limits.File, changed.Language = time.Hour, 1<<20, "en"
	if err := e.Renew(context.Background(), &changed); err != nil || len(e.Trust.Snapshot().CRLs()) != 1 {
		t.Errorf("%v", err)
	}
	if s := e.Core.Settings(); s.Hold != time.Hour || s.Limits.File != 1<<20 || s.Language != "en" {
		t.Errorf("settings %+v", s)
	}
	if err := e.Store.Close(); err != nil {
		t.Error(err)
	}
	bad := *cfg
	bad.Seal.Certificate = write("other.pem", "CERTIFICATE", p.Head.Certificate.Raw)
	if _, err := engine.Open(context.Background(), &bad, zap.NewNop()); err == nil {
		t.Error("another's certificate")
	}

	// A tool opens without a seal, and cannot seal.
	bad.Seal.Key = filepath.Join(dir, "gone.key")
	if _, err := engine.Open(context.Background(), &bad, zap.NewNop()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a seal: %v", err)
	}
	e, err = engine.OpenTool(context.Background(), &bad, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Core.Counts(context.Background()); err != nil {
		t.Error(err)
	}
	entry := gatewaytest.Entry()
	if _, err := e.Core.Apply(context.Background(), []client.Entry{entry}, "test", false); err != nil {
		t.Fatal(err)
	}
	_, err = e.Core.PutStatement(context.Background(), entry.ID, gateway.Outgoing{Name: "s.txt", Content: strings.NewReader("x")})
	if !errors.Is(err, gateway.ErrSeal) || !strings.Contains(err.Error(), "gone.key") {
		t.Errorf("sealed without a seal: %v", err)
	}
	if err := e.Core.Work(context.Background()); err != nil {
		t.Errorf("work: %v", err)
	}
	if err := e.Store.Close(); err != nil {
		t.Error(err)
	}

	e, err = engine.Open(context.Background(), cfg, zap.NewNop()) // a failed opening left no lock
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Store.Close(); err != nil {
		t.Error(err)
	}
}
