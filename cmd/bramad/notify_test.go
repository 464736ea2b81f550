package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fakeManager is the service manager's end of NOTIFY_SOCKET.
func fakeManager(t *testing.T) (getenv func(string) string, next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	getenv = func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return path
		}
		return ""
	}
	next = func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	return getenv, next
}

func TestNotify(t *testing.T) {
	t.Parallel()
	getenv, next := fakeManager(t)
	n := newNotifier(getenv)
	for _, step := range []struct {
		name string
		send func() error
		want string
	}{
		{"ready", func() error { return n.ready("sftp=127.0.0.1:2022") }, "READY=1\nSTATUS=sftp=127.0.0.1:2022"},
		{"a status cannot smuggle in another line", func() error { return n.status("busy\nREADY=1") }, "STATUS=busy READY=1"},
		{"watchdog", n.alive, "WATCHDOG=1"},
		{"stopping", n.stopping, "STOPPING=1"},
	} {
		if err := step.send(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := next(); got != step.want {
			t.Errorf("%s: sent %q, want %q", step.name, got, step.want)
		}
	}
	if err := n.reloading(); err != nil {
		t.Fatal(err)
	}
	got := next()
	usec, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	if v, err := strconv.ParseInt(usec, 10, 64); !ok || err != nil || v <= 0 {
		t.Errorf("reloading: sent %q", got)
	}
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Parallel()
	n := newNotifier(func(string) string { return "" })
	if err := n.ready("x"); err != nil {
		t.Error(err)
	}
	gone := notifier{filepath.Join(t.TempDir(), "nobody")}
	if err := gone.alive(); err == nil {
		t.Error("nobody listens, and no error")
	}
}

func TestWatchdogEvery(t *testing.T) {
	t.Parallel()
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 15 * time.Second},
		{"30000000", me, 15 * time.Second},
		{"30000000", "1", 0},
		{"", "", 0},
		{"0", me, 0},
		{"-5", me, 0},
		{"soon", me, 0},
		{"99999999999999999", me, 0},
	} {
		env := map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}
		if got := watchdogEvery(func(k string) string { return env[k] }); got != c.want {
			t.Errorf("usec %q pid %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}

// TestMain is also the child half of TestInheritedListener: what systemd would start.
func TestMain(m *testing.M) {
	if os.Getenv("BRAMAD_TEST_INHERIT") == "" {
		code := m.Run()
		if programs.dir != "" {
			os.RemoveAll(programs.dir)
		}
		os.Exit(code)
	}
	os.Setenv("LISTEN_PID", os.Getenv("BRAMAD_TEST_PID"))
	if os.Getenv("LISTEN_PID") == "self" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	l, err := inheritedListener()
	switch {
	case err != nil:
		os.Stdout.WriteString("error: " + err.Error())
	case l == nil:
		os.Stdout.WriteString("none")
	case os.Getenv("LISTEN_FDS") != "":
		os.Stdout.WriteString("LISTEN_FDS is still set")
	default:
		conn, err := l.Accept()
		if err != nil {
			os.Stdout.WriteString("error: " + err.Error())
			break
		}
		io.Copy(conn, conn)
		conn.Close()
	}
	os.Exit(0)
}

func TestInheritedListener(t *testing.T) {
	t.Parallel()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tcp, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()

	for _, c := range []struct {
		name string
		fds  []*os.File
		n    string
		pid  string
		want string // what the child prints; empty: it serves
	}{
		{"one socket", []*os.File{tcp}, "1", "self", ""},
		{"none", nil, "0", "self", "none"},
		{"meant for another process", []*os.File{tcp}, "1", "1", "none"},
		{"not started by systemd", nil, "", "", "none"},
		{"two sockets", []*os.File{tcp, tcp}, "2", "self", "error: 2 inherited sockets"},
		{"not a socket", []*os.File{plain}, "1", "self", "error: inherited socket: "},
		{"not a number", []*os.File{tcp}, "one", "self", `error: LISTEN_FDS "one"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "BRAMAD_TEST_INHERIT=1", "BRAMAD_TEST_PID="+c.pid, "LISTEN_FDS="+c.n,
				"GORACE=atexit_sleep_ms=0") // else every child under -race takes a second to end
			child.ExtraFiles = c.fds
			if c.want != "" {
				out, err := child.Output()
				if err != nil || !strings.HasPrefix(string(out), c.want) {
					t.Fatalf("%q, %v; want %q", out, err, c.want)
				}
				return
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			defer child.Wait()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			conn.(*net.TCPConn).CloseWrite()
			if b, err := io.ReadAll(conn); string(b) != "hello" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
		})
	}
}
