package sdnotify

import (
	"net"
	"os"
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
	n := New(getenv)
	for _, step := range []struct {
		name string
		send func() error
		want string
	}{
		{"ready", func() error { return n.Ready("sftp=127.0.0.1:2022") }, "READY=1\nSTATUS=sftp=127.0.0.1:2022"},
		{"a status cannot smuggle in another line", func() error { return n.Status("busy\nREADY=1") }, "STATUS=busy READY=1"},
		{"watchdog", n.Alive, "WATCHDOG=1"},
		{"stopping", n.Stopping, "STOPPING=1"},
	} {
		if err := step.send(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := next(); got != step.want {
			t.Errorf("%s: sent %q, want %q", step.name, got, step.want)
		}
	}
	if err := n.Reloading(); err != nil {
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
	n := New(func(string) string { return "" })
	if err := n.Ready("x"); err != nil {
		t.Error(err)
	}
	gone := Notifier{filepath.Join(t.TempDir(), "nobody")}
	if err := gone.Alive(); err == nil {
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
		if got := WatchdogEvery(func(k string) string { return env[k] }); got != c.want {
			t.Errorf("usec %q pid %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
