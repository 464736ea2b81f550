package sftpd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// cut is how a client goes away in the middle of an upload.
var cuts = map[string]func(*testing.T, *ssh.Client, *sftp.Client){
	"connection lost": func(_ *testing.T, c *ssh.Client, _ *sftp.Client) { _ = c.Close() },
	"channel closed without CLOSE": func(_ *testing.T, _ *ssh.Client, f *sftp.Client) {
		_ = f.Close()
	},
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, cut := range cuts {
		for _, sent := range []int{0, 1, 32 << 10, 100_000} {
			e := begin(t, nil)
			conn := e.login()
			f := e.channel(conn)
			w, err := f.Create("/inbox/P0001.DBF")
			if err != nil {
				t.Fatal(err)
			}
			if sent > 0 {
				if _, err := w.Write(make([]byte, sent)); err != nil {
					t.Fatal(err)
				}
			}
			cut(t, conn, f)
			desk := e.counter("alpha")
			eventually(t, "interrupt after "+name, func() bool { return slices.Contains(desk.happened(), "interrupt /inbox/P0001.DBF") })
			e.finish()
			if n := len(desk.takenFiles()); n != 0 {
				t.Errorf("%s after %d bytes: taken", name, sent)
			}
		}
	}
}

// A packet that ends in the middle, as when a modem hangs up.
func TestInterruptedInPacket(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	s, w, _ := rawChannel(t, e.login())
	open := []byte{3, 0, 0, 0, 1}
	open = appendString(open, "/inbox/P0001.DBF")
	open = append(open, 0, 0, 0, 0x1a, 0, 0, 0, 0)
	for _, p := range [][]byte{packet([]byte{1, 0, 0, 0, 3}), packet(open), {0, 0, 1, 0, 6, 0, 0}} {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	desk := e.counter("alpha")
	eventually(t, "open", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return desk.files["/inbox/P0001.DBF"] != nil })
	_ = s.Close()
	eventually(t, "interrupt", func() bool { return slices.Contains(desk.happened(), "interrupt /inbox/P0001.DBF") })
	if len(desk.takenFiles()) != 0 {
		t.Error("taken")
	}
}

func packet(body []byte) []byte {
	n := len(body)
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func appendString(b []byte, s string) []byte {
	n := len(s)
	return append(append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), s...)
}

func rawChannel(t *testing.T, c *ssh.Client) (*ssh.Session, io.WriteCloser, io.Reader) {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	return s, w, r
}

// A client that guesses the handle and sends everything at once.
func TestPipelined(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	s, w, r := rawChannel(t, e.login())
	all := bytes.Join([][]byte{
		packet([]byte{1, 0, 0, 0, 3}),
		packet(appendString([]byte{200, 0, 0, 0, 7}, limitsExtension)),
		packet(append(appendString([]byte{3, 0, 0, 0, 1}, "/inbox/P0001.DBF"), 0, 0, 0, 0x1a, 0, 0, 0, 0)),
		packet(appendString(append(appendString([]byte{6, 0, 0, 0, 2}, "1"), 0, 0, 0, 0, 0, 0, 0, 0), "payment")),
		packet(append(appendString([]byte{5, 0, 0, 0, 9}, "1"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9)), // READ of a handle for writing: no zeros are written
		packet(appendString([]byte{4, 0, 0, 0, 3}, "1")),
		packet(appendString([]byte{200, 0, 0, 0, 8}, "nothing@example")),
	}, nil)
	if _, err := w.Write(all); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 7 {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatal(err)
		}
		switch body[0] {
		case fxpVersion:
			if !bytes.HasSuffix(body, appendString(appendString(nil, limitsExtension), "1")) || bytes.Contains(body, []byte("hardlink")) {
				t.Errorf("version %q", body)
			}
		case fxpExtendedReply:
			want := []uint64{maxPacket, maxRead, maxRead, 64}
			for i, v := range want {
				if binary.BigEndian.Uint64(body[5+8*i:]) != v {
					t.Errorf("limits %x", body)
				}
			}
		case fxpStatus:
			text := body[13 : 13+binary.BigEndian.Uint32(body[9:])]
			got = append(got, fmt.Sprintf("%d %d %d %s", body[0], body[4], body[8], text))
			continue
		}
		got = append(got, fmt.Sprint(body[0]))
	}
	got[4] = "read" // data or the end: the library reads and writes side by side
	if want := []string{"2", "201", "102", "101 2 0 Success", "read", "101 3 0 Success", "101 8 8 Operation unsupported"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	_ = s.Close()
	if taken := e.counter("alpha").takenFiles(); !slices.Equal(taken, []string{"P0001.DBF:payment"}) {
		t.Errorf("%q", taken)
	}
}

func TestBrokenPackets(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	for _, p := range [][]byte{
		{0, 0, 0, 0},
		{0xff, 0xff, 0xff, 0xff},
		packet([]byte{3}), packet([]byte{3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}),
		packet([]byte{9, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff}), packet([]byte{200, 0, 0, 0, 9}), packet(appendString([]byte{200, 0, 0, 0, 9}, "nothing@example")),
		packet(append(appendString([]byte{9, 0, 0, 0, 1}, "/inbox"), 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)),
		packet(append(appendString([]byte{9, 0, 0, 0, 1}, "/inbox"), 0, 0, 0, 0xf)),
	} {
		s, w, r := rawChannel(t, e.login())
		_, _ = w.Write(packet([]byte{1, 0, 0, 0, 3}))
		_, _ = w.Write(p)
		_ = w.Close()
		_, _ = io.Copy(io.Discard, r)
		_ = s.Close()
	}
	if _, err := e.sftp().Stat("/inbox"); err != nil {
		t.Error(err)
	}
	if n := e.logs.FilterMessage("panic").Len(); n != 0 {
		t.Errorf("%d panics", n)
	}
}

func TestPanicStaysInItsConnection(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	other, f := e.sftp(), e.sftp()
	if _, err := f.Stat("/panic"); err == nil {
		t.Error("no error")
	}
	if _, err := other.Stat("/inbox"); err != nil {
		t.Error(err)
	}
	if e.logs.FilterMessage("panic").Len() != 1 {
		t.Error("not logged")
	}
}

func TestOnlySFTP(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	c := e.login()
	for name, try := range map[string]func(*ssh.Session) error{
		"exec":  func(s *ssh.Session) error { return s.Run("id") },
		"shell": func(s *ssh.Session) error { return s.Shell() },
		"pty":   func(s *ssh.Session) error { return s.RequestPty("xterm", 24, 80, nil) },
		"env":   func(s *ssh.Session) error { return s.Setenv("LD_PRELOAD", "x") },
		"other": func(s *ssh.Session) error { return s.RequestSubsystem("netconf") },
		"agent": func(s *ssh.Session) error {
			ok, err := s.SendRequest("auth-agent-req@openssh.com", true, nil)
			if err == nil && !ok {
				err = errors.New("refused")
			}
			return err
		},
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(name, err)
		}
		if err := try(s); err == nil {
			t.Errorf("%s was granted", name)
		}
		_ = s.Close()
	}
	// the same channel serves after a refusal
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setenv("LANG", "uk"); err == nil {
		t.Error("variable taken")
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		t.Error(err)
	}
	if err := s.RequestSubsystem("sftp"); err == nil {
		t.Error("two subsystems on a channel")
	}
	_ = s.Close()

	if _, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("remote forwarding")
	}
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Error("keepalive", ok, err)
	}
	for i := range maxRejects {
		if _, err := e.channel(c).Stat("/"); err != nil {
			t.Fatalf("not usable after %d refusals: %v", i, err)
		}
		if conn, err := c.Dial("tcp", "127.0.0.1:22"); err == nil {
			_ = conn.Close()
			t.Fatal("local forwarding")
		}
	}
	eventually(t, "closed after three", func() bool { _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); return err != nil })
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) { o.Limits.Handshake, o.Limits.Idle = time.Second, 800*time.Millisecond })
	var silent sync.WaitGroup
	for _, say := range []string{"", "SSH-2.0-scanner\r\n", "GET / HTTP/1.1\r\n\r\n"} {
		silent.Go(func() {
			conn, err := net.Dial("tcp", e.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, say); err != nil {
				t.Error(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			start := time.Now()
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q: still open after %v", say, time.Since(start))
			}
		})
	}
	defer silent.Wait()
	c := e.login()
	f := e.channel(c)
	for range 10 { // busy longer than the limit
		time.Sleep(100 * time.Millisecond)
		if _, err := f.Stat("/"); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	_ = c.Wait()
	if d := time.Since(start); d < 400*time.Millisecond || d > 10*time.Second {
		t.Errorf("idle connection ended after %v", d)
	}
}

func TestCaps(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) { o.Limits.Sessions = 2 })
	k := edKey(t)
	e.admit("alpha", k.PublicKey())
	c, err := e.dial("alpha", k)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var channels []*sftp.Client
	for range 4 {
		channels = append(channels, e.channel(c))
	}
	if _, err := sftp.NewClient(c); err == nil {
		t.Error("fifth channel")
	}
	_ = channels[3].Close()
	eventually(t, "a channel again", func() bool {
		f, err := sftp.NewClient(c)
		if err == nil {
			_ = f.Close()
		}
		return err == nil
	})

	var open []*sftp.File
	for i := range 64 {
		f, err := channels[i%3].Open("/outbox/big.bin")
		if err != nil {
			t.Fatal(i, err)
		}
		open = append(open, f)
	}
	_, err = channels[0].Open("/outbox/big.bin")
	expect(t, "65th file", err, 4)
	_, err = channels[1].ReadDir("/")
	expect(t, "65th handle, a folder", err, 4)
	_, err = channels[2].Create("/inbox/x.part")
	expect(t, "65th handle, an upload", err, 4)
	for _, f := range open {
		expect(t, "close", f.Close(), 0)
	}
	for range 100 {
		if _, err := channels[0].ReadDir("/"); err != nil {
			t.Fatal("handles are not given back:", err)
		}
		_, err := channels[0].Open("/nothing")
		expect(t, "open", err, 2)
	}

	d, err := e.dial("alpha", k)
	if err != nil {
		t.Fatal(err)
	}
	g := e.channel(d)
	if x, err := e.dial("alpha", k); err == nil {
		if _, err := sftp.NewClient(x); err == nil {
			t.Error("third session of the client")
		}
		_ = x.Close()
	}
	// both sessions see the same counter
	expect(t, "put", put(channels[0], "/inbox/two.txt", "2"), 0)
	if _, err := g.Stat("/inbox/two.txt"); err != nil {
		t.Error(err)
	}
	w, err := channels[0].Create("/inbox/busy.part")
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Create("/inbox/busy.part")
	expect(t, "somebody else writes it", err, 4)
	expect(t, "close", w.Close(), 0)
	_ = d.Close()
	eventually(t, "a session again", func() bool {
		x, err := e.dial("alpha", k)
		if err != nil {
			return false
		}
		defer func() { _ = x.Close() }()
		_, err = sftp.NewClient(x)
		return err == nil
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	desk := e.counter("alpha")
	desk.closing = make(chan struct{})
	idle, f := e.login(), e.sftp()
	started := make(chan error, 1)
	go func() { started <- put(f, "/inbox/late.txt", "late") }()
	eventually(t, "upload at its close", func() bool {
		desk.mu.Lock()
		defer desk.mu.Unlock()
		return desk.files["/inbox/late.txt"] != nil && len(desk.files["/inbox/late.txt"].data) == 4
	})
	time.Sleep(20 * time.Millisecond) // CLOSE is on its way
	e.stop()
	_ = idle.Wait() // a session that does nothing is closed at once
	if _, err := net.DialTimeout("tcp", e.addr, time.Second); err == nil {
		t.Error("still listening")
	}
	select {
	case err := <-started:
		t.Fatal("answered before it was taken:", err)
	case <-e.ended:
		t.Fatal("did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	close(desk.closing)
	if err := <-started; err != nil {
		t.Error("the request in flight was not answered:", err)
	}
	e.finish()
	if got := desk.takenFiles(); !slices.Equal(got, []string{"late.txt:late"}) {
		t.Errorf("%q", got)
	}
}

func TestDrainGrace(t *testing.T) {
	t.Parallel()
	e := begin(t, func(o *Options) { o.Limits.Grace = 200 * time.Millisecond })
	f := e.sftp()
	w, err := f.Create("/inbox/endless.txt")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := w.WriteAt([]byte("x"), 0); err != nil {
					return
				}
			}
		}
	})
	time.Sleep(20 * time.Millisecond)
	start := time.Now()
	e.finish()
	if d := time.Since(start); d < 150*time.Millisecond || d > 10*time.Second {
		t.Errorf("drained after %v", d)
	}
	close(stop)
	writing.Wait()
	desk := e.counter("alpha")
	if len(desk.takenFiles()) != 0 || !slices.Contains(desk.happened(), "interrupt /inbox/endless.txt") {
		t.Errorf("%q", desk.happened())
	}
}

func TestDrainRefusesNewUploads(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	w, err := f.Create("/inbox/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	e.stop()
	eventually(t, "draining", func() bool { return e.server.draining.Load() })
	_, err = f.Create("/inbox/b.txt")
	expect(t, "open", err, 4)
	if _, err := w.Write([]byte("a")); err != nil {
		t.Error(err)
	}
	expect(t, "close", w.Close(), 0)
	e.finish()
}

// A download whose connection is lost is not delivered.
func TestDownloadLost(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	c := e.login()
	r, err := e.channel(c).Open("/outbox/statement.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	e.finish()
	if got := e.counter("alpha").happened(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	a := newAdmission(Limits{Unauthenticated: 8, PerSource: 4})
	luck := 0.99
	a.chance = func() float64 { return luck }
	now := time.Unix(1e9, 0)
	here, there := netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.0.0.2/32")
	enter := func(p netip.Prefix) bool { _, ok := a.enter(p, now); return ok }
	for range 4 {
		if !enter(here) {
			t.Fatal("refused below the limit")
		}
	}
	if enter(here) {
		t.Error("fifth of a source")
	}
	luck = 0
	if enter(there) {
		t.Error("unlucky one beyond half got in")
	}
	luck = 0.99
	for range 4 {
		if !enter(there) {
			t.Fatal("refused")
		}
	}
	if enter(netip.MustParsePrefix("10.0.0.3/32")) {
		t.Error("ninth")
	}
	for range 4 {
		a.leave(here, now, false, true)
		a.leave(there, now, true, false)
	}
	if len(a.sources) != 1 || a.total != 0 {
		t.Errorf("%d sources, %d connections", len(a.sources), a.total)
	}
	for range 200 {
		if enter(there) {
			a.leave(there, now, true, false)
		}
	}
	if enter(there) {
		t.Error("a source that failed a hundred times got in")
	}
	if !enter(here) {
		t.Error("another source pays for it")
	}
	a.leave(here, now, false, false)
	now = now.Add(30 * forgive)
	if wait, ok := a.enter(there, now); !ok || wait <= 0 {
		t.Error("not forgiven, or forgotten at once", wait, ok)
	}
	a.leave(there, now, false, false)
	now = now.Add(time.Hour)
	if wait, ok := a.enter(there, now); !ok || wait != 0 {
		t.Error("not forgotten", wait, ok)
	}
	if sourceOf(&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}) != netip.MustParsePrefix("2001:db8::/64") ||
		sourceOf(&net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1")}) != here || sourceOf(&net.UnixAddr{}).String() != unknownPeers {
		t.Error("sources")
	}
}

func TestListenerFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := begin(t, nil)
	o := e.server.opt
	o.Listeners = []net.Listener{l}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := s.Serve(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestSessionLog(t *testing.T) {
	t.Parallel()
	e := begin(t, nil)
	f := e.sftp()
	expect(t, "put", put(f, "/inbox/-rf\n", "secret contents"), 3)
	refused := e.logs.FilterMessage("refused").All()
	if len(refused) != 1 {
		t.Fatal(refused)
	}
	m := refused[0].ContextMap()
	if m["client"] != "alpha" || m["session"] == "" || !strings.Contains(m["name"].(string), `\n`) {
		t.Error(m)
	}
	for range maxLogged + 50 {
		_ = put(f, "/outbox/x", "")
	}
	if n := e.logs.FilterMessage("refused").Len(); n > maxLogged {
		t.Errorf("%d lines", n)
	}
}
