package sftpd

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/zap"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/client"
)

// connection is one accepted connection and, after its handshake, the session of
// one client. A panic in a handler, or in a goroutine of ours, ends the connection
// and nothing else. Those in the libraries' own goroutines cannot be caught here:
// FuzzRequests and FuzzHandshake look for them.
type connection struct {
	server *Server
	conn   *deadlineConn
	peer   net.Addr
	log    *zap.Logger
	closed atomic.Bool

	// set by the handshake, before the first channel
	ssh     *ssh.ServerConn
	client  client.ID
	key     ssh.PublicKey
	desk    gateway.Desk
	session string
	ended   chan struct{} // closed when the transport has ended

	active atomic.Int32 // handlers running now
	moved  atomic.Int64 // when data last moved on a channel, ns since 1970
	logged atomic.Int32 // refusals logged

	mu      sync.Mutex
	ready   bool // authenticated: the fields above are set
	handles int
	uploads map[*upload]bool
}

const (
	maxRejects  = 3   // channels of a forbidden type, then the connection goes
	maxOverflow = 64  // channels beyond the cap, then the connection goes
	maxRequests = 32  // refused requests on a channel, then the channel goes
	maxLogged   = 200 // refusals logged a connection
)

// serve runs the connection to its end.
func (c *connection) serve(from netip.Prefix, wait time.Duration) {
	s := c.server
	start := time.Now()
	_ = c.conn.SetDeadline(start.Add(s.limits.Handshake)) // errors show at the next read
	if wait > 0 {
		select {
		case <-time.After(min(wait, s.limits.Handshake/2)):
		case <-s.work.Done():
		}
	}
	conn, channels, requests, ok := c.handshake(from, start)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()

	id, key, fingerprint, ok := identity(conn)
	if ok { // the register may have changed, and the callback was about an offer
		again, still := s.opt.Authorize(conn.User(), key.Marshal(), c.peer)
		ok = still && again == id
	}
	if !ok || s.draining.Load() {
		c.log.Info("log-in refused after the handshake", zap.Stringer("peer", c.peer), zap.String("user", named(conn.User())))
		return
	}
	if !s.join(id) {
		c.log.Warn("too many sessions", zap.String("client", string(id)), zap.Stringer("peer", c.peer))
		return
	}
	defer s.leave(id)

	var random [8]byte
	_, _ = rand.Read(random[:]) // does not fail (crypto/rand)
	c.mu.Lock()
	c.ssh, c.client, c.key, c.session = conn, id, key, hex.EncodeToString(random[:])
	c.log = c.log.With(zap.String("session", c.session), zap.String("client", string(id)))
	c.desk = s.opt.Desk(gateway.Origin{Client: id, Entrance: "sftp", Session: c.session, Peer: addrOf(c.peer), Key: fingerprint})
	c.uploads = map[*upload]bool{}
	c.ended = make(chan struct{})
	c.ready = true
	c.mu.Unlock()
	c.touch()
	c.conn.idleAfter(s.limits.Idle)
	c.log.Info("session begins", zap.Stringer("peer", c.peer), zap.String("key", fingerprint),
		zap.ByteString("version", printable(conn.ClientVersion())), algorithms(conn))

	var running sync.WaitGroup
	running.Go(func() { defer c.recovered("requests"); c.answer(requests) })
	c.channels(channels, &running)
	close(c.ended)
	running.Wait()
	c.log.Info("session ends", zap.Duration("after", time.Since(start)), zap.Int32("refusals", c.logged.Load()))
}

// handshake authenticates within its deadline. The slot of a connection that has
// not authenticated is given back however it ends.
func (c *connection) handshake(from netip.Prefix, start time.Time) (conn *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, ok bool) {
	var tried attempts
	defer func() { c.server.admit.leave(from, time.Now(), !ok && tried.failed, ok) }()
	config := *c.server.config // the callback below is of this connection alone
	config.AuthLogCallback = tried.note
	conn, channels, requests, err := ssh.NewServerConn(c.conn, &config)
	if err == nil {
		return conn, channels, requests, true
	}
	// scanners and monitors that never offer a key are not worth a line each
	if tried.keys > 0 || tried.failed {
		c.log.Info("log-in refused", zap.Stringer("peer", c.peer), zap.String("user", named(tried.user)), zap.Int("keys", tried.keys))
	} else {
		c.log.Debug("handshake not finished", zap.Stringer("peer", c.peer), zap.Duration("after", time.Since(start)))
	}
	return nil, nil, nil, false
}

// algorithms tells the log what was negotiated, so that one sees when nobody
// needs the legacy set any more.
func algorithms(conn *ssh.ServerConn) zap.Field {
	m, ok := conn.Conn.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return zap.Skip()
	}
	a := m.Algorithms()
	return zap.Strings("algorithms", []string{a.KeyExchange, a.HostKey, a.Read.Cipher, a.Read.MAC})
}

// printable keeps an identification line to what a log may show.
func printable(line []byte) []byte {
	out := make([]byte, 0, 64)
	for _, b := range line[:min(len(line), 64)] {
		if b < ' ' || b > '~' {
			b = '?'
		}
		out = append(out, b)
	}
	return out
}

// answer replies to global requests: keepalives, and nothing is forwarded.
func (c *connection) answer(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil) // a dead connection ends the loop
		}
	}
}

// channels accepts session channels up to the cap and rejects everything else.
func (c *connection) channels(channels <-chan ssh.NewChannel, running *sync.WaitGroup) {
	var open atomic.Int32
	rejected, overflow := 0, 0
	for n := range channels {
		var reason ssh.RejectionReason
		switch {
		case n.ChannelType() != "session":
			rejected++
			reason = ssh.Prohibited
			c.refused("channel", n.ChannelType(), errors.New("only sessions"))
		case int(open.Load()) >= c.server.limits.Channels:
			overflow++
			reason = ssh.ResourceShortage
			c.refused("channel", "session", errors.New("too many channels"))
		case c.server.draining.Load() || !c.allowed():
			_ = c.ssh.Close()
			continue
		default:
			ch, requests, err := n.Accept()
			if err != nil {
				continue
			}
			open.Add(1)
			running.Go(func() {
				defer open.Add(-1)
				defer c.recovered("channel")
				defer func() { _ = ch.Close() }()
				c.channel(ch, requests)
			})
			continue
		}
		_ = n.Reject(reason, "not here")
		if rejected >= maxRejects || overflow >= maxOverflow {
			_ = c.ssh.Close()
		}
	}
}

// channel waits for the subsystem request and serves it. Shells, commands,
// terminals, variables and agents are refused and leave the channel usable.
func (c *connection) channel(ch ssh.Channel, requests <-chan *ssh.Request) {
	// whoever goes on asking after the end must not block the connection
	defer func() { go ssh.DiscardRequests(requests) }()
	var serving chan struct{}
	refused := 0
	for {
		select {
		case <-serving: // nil until the subsystem runs
			return
		case r, ok := <-requests:
			if !ok {
				if serving != nil {
					<-serving
				}
				return
			}
			var sub struct{ Name string }
			wanted := r.Type == "subsystem" && serving == nil && ssh.Unmarshal(r.Payload, &sub) == nil && sub.Name == "sftp"
			if r.WantReply {
				_ = r.Reply(wanted, nil)
			}
			if wanted {
				serving = make(chan struct{})
				go func() {
					defer close(serving)
					defer c.recovered("sftp")
					c.sftp(ch)
				}()
				continue
			}
			if r.Type != "env" && r.Type != "keepalive@openssh.com" {
				c.refused("request", r.Type, errors.New("only the sftp subsystem"))
			}
			if refused++; refused >= maxRequests {
				_ = ch.Close()
				if serving != nil {
					<-serving
				}
				return
			}
		}
	}
}

// sftp serves the protocol until the client ends the channel. Files that are
// still open then were not finished, whatever ended it.
func (c *connection) sftp(ch ssh.Channel) {
	t := &tree{c: c}
	defer t.interruptAll(io.ErrUnexpectedEOF)
	rs := sftp.NewRequestServer(newWire(ch, c), sftp.Handlers{FileGet: t, FilePut: t, FileCmd: t, FileList: t},
		sftp.WithStartDirectory("/"), sftp.WithRSMaxTxPacket(maxRead))
	err := rs.Serve()
	status := struct{ Status uint32 }{}
	if err != nil && !errors.Is(err, io.EOF) {
		status.Status = 1
		c.log.Debug("channel ends", zap.Error(err))
	}
	// scp takes a channel that closes without a status for a failure (RFC 4254, 6.10)
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(&status))
}

func (c *connection) touch() { c.moved.Store(time.Now().UnixNano()) }

// resting tells whether closing the connection now would cut anything short:
// a handler, an answer on its way, an upload that still moves.
func (c *connection) resting() bool {
	c.mu.Lock()
	ready, uploads := c.ready, len(c.uploads)
	c.mu.Unlock()
	if !ready {
		return true
	}
	quiet := time.Since(time.Unix(0, c.moved.Load()))
	if c.active.Load() > 0 || quiet < 50*time.Millisecond {
		return false
	}
	return uploads == 0 || quiet > 2*time.Second
}

// allowed asks the register again.
func (c *connection) allowed() bool {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	if !ready {
		return true // the handshake will ask
	}
	id, ok := c.server.opt.Authorize(c.ssh.User(), c.key.Marshal(), c.peer)
	return ok && id == c.client
}

// close cuts the connection. Everything else follows from that.
func (c *connection) close() {
	if c.closed.CompareAndSwap(false, true) {
		_ = c.conn.Close()
	}
}

// recovered keeps a panic to its connection, which it ends.
func (c *connection) recovered(where string) {
	if p := recover(); p != nil {
		c.log.Error("panic", zap.String("in", where), zap.Any("value", p), zap.ByteString("stack", debug.Stack()))
		c.close()
	}
}

// work is the context of handlers.
func (c *connection) work() context.Context { return c.server.work }

// take counts an open handle.
func (c *connection) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handles >= c.server.limits.Handles {
		return false
	}
	c.handles++
	return true
}

func (c *connection) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handles--
}

// deadlineConn closes an idle connection: each byte either way moves the deadline.
type deadlineConn struct {
	net.Conn
	idle  atomic.Int64 // ns; 0 until the handshake is over, whose deadline is fixed
	moved atomic.Int64 // when the deadline was moved last, ns since 1970

	// of the one goroutine that reads
	count int
	large *bufio.Reader
}

// The transport reads 4 KiB at a time, two system calls a packet. Whoever sends
// much gets a larger buffer; idle sessions, of which there are many, do not.
const (
	largeAfter = 1 << 20
	largeSize  = 64 << 10
)

func (d *deadlineConn) idleAfter(idle time.Duration) {
	d.idle.Store(int64(idle))
	d.moved.Store(0)
	d.renew()
}

func (d *deadlineConn) renew() {
	idle := d.idle.Load()
	if idle == 0 {
		return
	}
	now := time.Now()
	last := d.moved.Load()
	if now.UnixNano()-last < idle/32 || !d.moved.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	_ = d.SetDeadline(now.Add(time.Duration(idle))) // fails on a closed connection, as the next read does
}

func (d *deadlineConn) Read(p []byte) (int, error) {
	var n int
	var err error
	switch {
	case d.large != nil:
		n, err = d.large.Read(p)
	default:
		n, err = d.Conn.Read(p)
		if d.count += n; d.count > largeAfter {
			d.large = bufio.NewReaderSize(d.Conn, largeSize)
		}
	}
	if n > 0 {
		d.renew()
	}
	return n, err
}

func (d *deadlineConn) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	if n > 0 {
		d.renew()
	}
	return n, err
}
