// Package sftpd is the SFTP entrance: an SSH server that speaks the sftp
// subsystem (version 3) and nothing else.
//
// A connection passes admission (caps, random early drop, penalties: admit.go),
// a handshake within its deadline (auth.go), and is then a session of one client
// (session.go). Each of its channels shows the client's [gateway.Desk] as a tree
// of names (tree.go); open files are counted and end either by CLOSE, which is
// the client's word, or by an interrupt, which is not (file.go). Names are looked
// up by the desk and never joined to a path of the host. Answers carry the status
// codes and texts of OpenSSH, never an error of ours (status.go).
//
// References: RFC 4251 to 4254 (SSH), RFC 8308 (server-sig-algs), RFC 8332
// (rsa-sha2), draft-ietf-secsh-filexfer-02 (SFTP 3), OpenSSH PROTOCOL
// (posix-rename, statvfs, keepalive, strict key exchange).
package sftpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/zap"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
)

// Options say what a [Server] serves. Listeners, HostKeys, Authorize and Desk
// must be set.
type Options struct {
	// Listeners are accepted on until Serve ends, which closes them.
	Listeners []net.Listener
	// HostKeys are Ed25519, ECDSA P-256 or RSA of 3072 bits at least.
	HostKeys []ssh.Signer
	// Authorize tells whose key it is (in wire form, RFC 4253, 6.6): a look-up in a snapshot of the register,
	// with the client's networks and whether it is disabled. It is called for keys
	// that are merely offered, again after the handshake, and for each channel; it
	// must not remember anything.
	Authorize func(user string, key []byte, addr net.Addr) (client.ID, bool)
	// Desk opens a client's side of the counter, once a connection. A desk may have
	// a method Space(context.Context) (total, free int64), bytes, for df.
	Desk func(gateway.Origin) gateway.Desk
	// Log takes no names of persons and no contents; nil logs nothing.
	Log    *zap.Logger
	Limits Limits
	// Legacy offers SHA-1 and CBC algorithms and P-521 user keys too, for clients
	// that know nothing else. Each such log-in is logged.
	Legacy bool
}

// Limits bound what peers can take. Zero fields take the defaults in brackets.
type Limits struct {
	Handshake time.Duration // from accept to the end of authentication [20s]
	Idle      time.Duration // without any traffic [5m]
	Grace     time.Duration // for uploads under way when Serve's context ends [10s]

	Connections     int // at once [3000]
	Unauthenticated int // at once before authentication; random drop above half [1500]
	PerSource       int // of these from one address (IPv6: /64); random drop above half [1000]
	Sessions        int // connections of one client [512]

	Channels int   // open channels of a connection [4]
	Handles  int   // open files and folders of a connection [64]
	FileSize int64 // highest offset that may be written, bytes [4 GiB]; the desk's quota is the finer bound
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Handshake, 20 * time.Second}, {&l.Idle, 5 * time.Minute}, {&l.Grace, 10 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Connections, 3000}, {&l.Unauthenticated, 1500}, {&l.PerSource, 1000}, {&l.Sessions, 512}, {&l.Channels, 4}, {&l.Handles, 64}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if l.FileSize <= 0 {
		l.FileSize = 4 << 30
	}
	return l
}

// Server is the SFTP entrance. Make one with [New] and run it once with Serve.
type Server struct {
	opt    Options
	limits Limits
	log    *zap.Logger
	config *ssh.ServerConfig
	admit  *admission

	resized atomic.Int64 // limits.FileSize of a reload; 0: none

	work     context.Context // what handlers get; outlives Serve's context by the grace time
	draining atomic.Bool

	mu          sync.Mutex
	connections map[*connection]bool
	sessions    map[client.ID]int
	running     sync.WaitGroup
}

// extensions is set once: pkg/sftp keeps what it announces in a package variable.
var extensions sync.Once

// New checks the options and makes a server that does not listen yet.
func New(opt Options) (*Server, error) {
	switch {
	case len(opt.Listeners) == 0:
		return nil, errors.New("sftp entrance: no listener")
	case opt.Authorize == nil:
		return nil, errors.New("sftp entrance: no authorization")
	case opt.Desk == nil:
		return nil, errors.New("sftp entrance: no desk")
	}
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	extensions.Do(func() {
		// no hard links here. The names are the library's own, so it cannot refuse
		// them; if it did, it would announce more than we carry out, no worse.
		_ = sftp.SetSFTPExtensions("posix-rename@openssh.com", "statvfs@openssh.com")
	})
	s := &Server{
		opt:         opt,
		limits:      opt.Limits.withDefaults(),
		log:         opt.Log,
		connections: map[*connection]bool{},
		sessions:    map[client.ID]int{},
	}
	s.admit = newAdmission(s.limits)
	config, err := s.serverConfig()
	if err != nil {
		return nil, fmt.Errorf("sftp entrance: %w", err)
	}
	s.config = config
	return s, nil
}

// Serve accepts connections until ctx ends. Then it closes the listeners and the
// connections that have nothing under way, lets requests and uploads that are
// moving go on for the grace time, and returns nil when all have ended. It
// returns an error only when a listener fails. A server serves once.
func (s *Server) Serve(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.work = work
	accepting, done := context.WithCancel(ctx)
	defer done()

	failed := make(chan error, len(s.opt.Listeners))
	var listening sync.WaitGroup
	for _, l := range s.opt.Listeners {
		listening.Go(func() {
			if err := s.accept(accepting, l); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.draining.Store(true)
	done()
	for _, l := range s.opt.Listeners {
		_ = l.Close() // what it returns says nothing that matters now
	}
	listening.Wait()
	s.drain()
	stop()
	s.closeAll()
	s.running.Wait()
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener) error {
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("sftp entrance: listener: %w", err)
			}
			// out of descriptors, most likely: it passes
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("accept", zap.Error(err), zap.Duration("pause", pause))
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		s.take(conn)
	}
}

// take decides about a new connection before anything is read from it.
func (s *Server) take(conn net.Conn) {
	c := &connection{server: s, conn: &deadlineConn{Conn: conn}, peer: conn.RemoteAddr(), log: s.log}
	s.mu.Lock()
	full := len(s.connections) >= s.limits.Connections || s.draining.Load()
	if !full {
		s.connections[c] = true
		s.running.Add(1)
	}
	s.mu.Unlock()
	if full {
		_ = conn.Close()
		s.log.Debug("connection refused", zap.Stringer("peer", c.peer), zap.String("reason", "too many connections"))
		return
	}
	source := sourceOf(c.peer)
	wait, ok := s.admit.enter(source, time.Now())
	if !ok {
		_ = conn.Close()
		s.forget(c)
		s.log.Debug("connection refused", zap.Stringer("peer", c.peer), zap.String("reason", "admission"))
		return
	}
	go func() {
		defer s.forget(c)
		defer c.recovered("connection")
		defer c.close()
		c.serve(source, wait)
	}()
}

// SetFileSize puts another highest offset in force (Limits.FileSize), for what is
// written from now on. Zero or less changes nothing.
func (s *Server) SetFileSize(n int64) {
	if n > 0 {
		s.resized.Store(n)
	}
}

func (s *Server) fileSize() int64 {
	if n := s.resized.Load(); n > 0 {
		return n
	}
	return s.limits.FileSize
}

func (s *Server) forget(c *connection) {
	s.mu.Lock()
	delete(s.connections, c)
	s.mu.Unlock()
	s.running.Done()
}

// join counts a connection of the client, unless it has too many.
func (s *Server) join(id client.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] >= s.limits.Sessions {
		return false
	}
	s.sessions[id]++
	return true
}

func (s *Server) leave(id client.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id]--; s.sessions[id] <= 0 {
		delete(s.sessions, id)
	}
}

// drain waits until nothing is under way, closing what rests.
func (s *Server) drain() {
	deadline := time.Now().Add(s.limits.Grace)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		left := 0
		for _, c := range s.all() {
			if c.resting() {
				c.close()
			} else {
				left++
			}
		}
		if left == 0 || time.Now().After(deadline) {
			tick.Stop()
			return
		}
	}
}

func (s *Server) all() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*connection, 0, len(s.connections))
	for c := range s.connections {
		list = append(list, c)
	}
	return list
}

func (s *Server) closeAll() {
	for _, c := range s.all() {
		c.close()
	}
}

// Sessions is how many connections have logged in.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, of := range s.sessions {
		n += of
	}
	return n
}

// Recheck asks Authorize again about every connection and closes those that it
// no longer allows: for when the register has changed.
func (s *Server) Recheck() {
	for _, c := range s.all() {
		if !c.allowed() {
			c.close()
		}
	}
}
