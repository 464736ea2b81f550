package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/spool/disktest"
)

// TestMain is also the child half of TestInheritedListener: what systemd would start;
// and the processor of TestPaused.
func TestMain(m *testing.M) {
	if socket := os.Getenv("BRAMAD_TEST_PROCESSOR"); socket != "" {
		os.Exit(slowProcessor(socket))
	}
	disktest.Main()
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
