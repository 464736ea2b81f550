// Package providertest is a crypto provider for tests: keys in memory, a verifier
// that is ours, and misbehaviour on request.
package providertest

import (
	"context"
	"crypto"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/provider"
)

// Provider is a running provider. Its switches may be changed at any time.
type Provider struct {
	Socket string
	Slow   atomic.Int64                        // nanoseconds that each operation takes longer
	Fail   atomic.Pointer[error]               // what the keys answer
	Twist  atomic.Pointer[func(*cades.Report)] // changes verdicts
	Asked  atomic.Int64                        // operations begun
	Trust  *pki.Store                          // of its own

	t      testing.TB
	keys   []provider.Key
	limits provider.Limits
	stop   func()
}

// Start starts a provider that has the keys and ends with the test.
func Start(t testing.TB, limits provider.Limits, keys ...provider.Key) *Provider {
	t.Helper()
	dir, err := os.MkdirTemp("", "prov") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{Socket: filepath.Join(dir, "provider.sock"), t: t, limits: limits}
	for _, k := range keys {
		k.Key = &key{Signer: k.Key, p: p}
		p.keys = append(p.keys, k)
	}
	t.Cleanup(func() {
		p.Stop()
		os.RemoveAll(dir)
	})
	p.Start()
	return p
}

// Start starts it once more after Stop.
func (p *Provider) Start() {
	p.t.Helper()
	s, err := provider.NewServer(provider.Options{Socket: p.Socket, Keys: p.keys, Verifier: verifier{p}, Limits: p.limits, Probe: p.probe})
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := s.Listen()
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx, l); err != nil {
			p.t.Errorf("provider: %v", err)
		}
	}()
	p.stop = func() {
		cancel()
		<-done
	}
}

// Stop ends it, if it runs.
func (p *Provider) Stop() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *Provider) probe(context.Context) error {
	if err := p.Fail.Load(); err != nil {
		return *err
	}
	return nil
}

// begin counts an operation, and waits.
func (p *Provider) begin() error {
	p.Asked.Add(1)
	time.Sleep(time.Duration(p.Slow.Load()))
	return p.probe(context.Background())
}

type key struct {
	crypto.Signer
	p *Provider
}

func (k *key) Sign(rand io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if err := k.p.begin(); err != nil {
		return nil, err
	}
	return k.Signer.Sign(rand, digest, o)
}

type verifier struct{ p *Provider }

func (v verifier) Verify(_ context.Context, in cades.Input, o cades.Options) (*cades.Report, error) {
	if err := v.p.begin(); err != nil {
		return nil, err
	}
	if o.Trust == nil {
		o.Trust = v.p.Trust
	}
	r := cades.Validate(in, o)
	if f := v.p.Twist.Load(); f != nil {
		(*f)(r)
	}
	return r, nil
}
