package provider

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/socket"
)

// Options of a Server. Socket is required, and Keys or Verifier.
type Options struct {
	Socket   string   // path
	UIDs     []uint32 // who may connect, beside root and the own user
	Keys     []Key
	Verifier Verifier // nil: it does not verify
	// Probe says whether the keys can be used now; nil: always.
	Probe  func(context.Context) error
	Limits Limits
	Log    *zap.Logger // nil: silent
}

// Server is the provider's side. Make it with NewServer.
type Server struct {
	Options
	keys map[string]*signingKey
	busy chan struct{} // a place for each operation at once
	http *http.Server
}

// signingKey is a Key with what it signs by.
type signingKey struct {
	Key
	digest    *algorithm.Digest
	by        algorithm.Identifier
	algorithm string
}

// NewServer checks the options.
func NewServer(o Options) (*Server, error) {
	if o.Socket == "" || len(o.Keys) == 0 && o.Verifier == nil {
		return nil, errors.New("provider: socket, and keys or a verifier, are required")
	}
	l := &o.Limits
	if l.Verify <= 0 {
		l.Verify = 96 << 20
	}
	if l.Connections <= 0 {
		l.Connections = 64
	}
	if l.Concurrent <= 0 {
		l.Concurrent = 4
	}
	if l.Sign <= 0 {
		l.Sign = 10 * time.Second
	}
	if l.Judge <= 0 {
		l.Judge = time.Minute
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	s := &Server{Options: o, keys: map[string]*signingKey{}, busy: make(chan struct{}, l.Concurrent)}
	for _, k := range o.Keys {
		sk, err := newSigningKey(k)
		if err != nil {
			return nil, fmt.Errorf("provider: key %q: %w", k.ID, err)
		}
		if s.keys[k.ID] != nil {
			return nil, fmt.Errorf("provider: key %q: named twice", k.ID)
		}
		s.keys[k.ID] = sk
	}
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute + max(l.Sign, l.Judge) + 30*time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(o.Log),
	}
	return s, nil
}

func newSigningKey(k Key) (*signingKey, error) {
	switch {
	case !validID(k.ID):
		return nil, errors.New("not a name of 1 to 64 letters, digits, dots, dashes and underlines")
	case k.Key == nil || k.Certificate == nil:
		return nil, errors.New("key or certificate is missing")
	case !algorithm.SameKey(k.Key.Public(), k.Certificate.PublicKey):
		return nil, errors.New("certificate is of another key")
	}
	d, id, err := algorithm.SigningIdentifier(k.Key.Public())
	if err != nil {
		return nil, err
	}
	a, err := algorithm.FindSignature(id)
	if err != nil {
		return nil, err
	}
	return &signingKey{k, d, id, a.Name}, nil
}

// Prove signs attributes over random bytes with each key, which are nobody's document.
func (s *Server) Prove() error {
	for _, k := range s.keys {
		challenge := make([]byte, k.digest.Size)
		_, _ = rand.Read(challenge) // it never fails
		proof := cades.SignedAttributes{MessageDigest: challenge, SigningTime: k.Certificate.NotBefore}
		if _, err := k.value(proof.Encode(k.digest, k.Certificate)); err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	return nil
}

// Listen makes the socket, with mode 0660. It refuses when another process
// answers there, and replaces a socket that a dead one left.
func (s *Server) Listen() (net.Listener, error) {
	return socket.Listen(s.Socket, socket.Options{Peers: socket.Peers{UIDs: s.UIDs}, Most: s.Limits.Connections, Refused: func(p socket.Peer, err error) {
		s.Log.Warn("connection refused", zap.Uint32("uid", p.UID), zap.Int32("pid", p.PID), zap.Error(err))
	}})
}

// Run serves on l until ctx ends. Then requests that are being answered have ten
// seconds, and the socket is removed.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.http.Shutdown(drain)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-ended
	return err
}

// within runs an operation when there is a place for it, and stops waiting for it
// when its time is over or the peer is gone. A token cannot be told to stop: what
// is not waited for any more keeps its place until it ends, so that a token that
// hangs holds Concurrent goroutines and no more.
func within[T any](ctx context.Context, s *Server, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return none, unavailable.because("other operations take too long")
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-s.busy }()
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{none, fmt.Errorf("panic: %v", p)}
			}
			done <- r
		}()
		r.value, r.err = do(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, unavailable.because("the operation takes too long")
	}
}
