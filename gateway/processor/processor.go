// Package processor is the exit to the treasury's back office: JSON over HTTP/1.1
// on a Unix socket (DESIGN 8; docs/processor.openapi.yaml is the contract). A
// processor leases the next documents, reads their parts, extends its leases
// while it works, and answers each; it also hands over statements.
//
// Requests are strict: unknown fields, trailing bytes, wrong types and sizes
// beyond the limits are refused. Errors are problem details (RFC 9457) with a
// message in Ukrainian and English.
//
// Only processes of the own user, of root, of the users and groups named in the
// options and of the socket's group are talked to, whatever the file modes on
// the way are (unix(7), SO_PEERCRED).
package processor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/socket"
	"github.com/brama-gateway/brama/spool"
)

// Core is the gateway's side.
type Core interface {
	// Lease waits up to wait for work and returns at most max leases that end
	// after ttl; none is no error.
	Lease(ctx context.Context, max int, wait, ttl time.Duration) ([]gateway.Lease, error)
	// Extend makes a lease end ttl from now. gateway.ErrLease.
	Extend(ctx context.Context, token string, ttl time.Duration) (time.Time, error)
	// Answer is durable when it returns nil; the same answer again is nil too.
	// gateway.ErrLease, gateway.ErrAnswer.
	Answer(ctx context.Context, token string, a gateway.Answer) error
	// Submission tells of one. spool.ErrNotFound.
	Submission(ctx context.Context, id spool.ID) (gateway.Submission, error)
	// OpenPart reads a part of a submission. spool.ErrNotFound.
	OpenPart(ctx context.Context, id spool.ID, name string) (gateway.Reading, error)
	// PutStatement is durable when it returns nil. spool.ErrNotFound for an unknown
	// client, *gateway.RefusedError for a statement that does not hold.
	PutStatement(ctx context.Context, id client.ID, o gateway.Outgoing) (spool.ID, error)
}

// Limits of requests. Zero fields take the defaults in brackets.
type Limits struct {
	Leases      int           // leases asked for at once [100]
	Wait        time.Duration // longest wait for work [60 s]
	TTL         time.Duration // longest lease [24 h]
	Statement   int64         // bytes of a canonical statement [16 MiB]
	File        int64         // bytes of a ready statement file [64 MiB]
	Connections int           // open at once [64]
}

const (
	defaultTTL  = 5 * time.Minute
	minTTL      = 5 * time.Second
	maxRequest  = 64 << 10 // bytes of a JSON request other than a statement
	maxReason   = 2000     // characters
	maxRef      = 200      // characters
	drainFor    = 10 * time.Second
	readTimeout = 2 * time.Minute
	// sendTimeout bounds a whole answer: the wait for work, or the largest part.
	sendTimeout = 15 * time.Minute
)

// Options of a Server. Core and Socket are required.
type Options struct {
	Core   Core
	Socket string // path
	UIDs   []uint32
	GIDs   []uint32
	Limits Limits
	// Asked is called before a question for work is answered; nil: nothing.
	Asked func(context.Context)
	Log   *zap.Logger // nil: silent
}

// Server serves the protocol. Make it with New.
type Server struct {
	core   Core
	socket string
	peers  socket.Peers
	limits Limits
	asked  func(context.Context)
	log    *zap.Logger
	http   *http.Server

	stopping context.Context // ends waits for work
	stop     context.CancelFunc
}

// New checks the options.
func New(o Options) (*Server, error) {
	if o.Core == nil || o.Socket == "" {
		return nil, errors.New("processor: core and socket are required")
	}
	l := &o.Limits
	orInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	orInt(&l.Leases, 100)
	orInt(&l.Connections, 64)
	if l.Wait <= 0 {
		l.Wait = time.Minute
	}
	if l.TTL <= 0 {
		l.TTL = 24 * time.Hour
	}
	if l.Statement <= 0 {
		l.Statement = 16 << 20
	}
	if l.File <= 0 {
		l.File = 64 << 20
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	s := &Server{core: o.Core, socket: o.Socket, peers: socket.Peers{UIDs: o.UIDs, GIDs: o.GIDs, Group: true}, limits: *l, asked: o.Asked, log: o.Log}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       readTimeout,
		WriteTimeout:      sendTimeout,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(o.Log),
	}
	return s, nil
}

// Listen makes the socket, with mode 0660. It refuses when another process
// answers there, and replaces a socket that a dead one left.
func (s *Server) Listen() (net.Listener, error) {
	return socket.Listen(s.socket, socket.Options{Peers: s.peers, Most: s.limits.Connections, Refused: func(p socket.Peer, err error) {
		s.log.Warn("connection to the processor socket refused", zap.Uint32("uid", p.UID), zap.Error(err))
	}})
}

// Run serves on l until ctx ends. Then waits for work end at once, requests that
// are being answered have ten seconds, and the socket is removed.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	select {
	case err := <-ended:
		s.stop()
		return err
	case <-ctx.Done():
	}
	s.stop()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	err := s.http.Shutdown(drain)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-ended
	return err
}
