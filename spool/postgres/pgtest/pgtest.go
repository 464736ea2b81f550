// Package pgtest runs a PostgreSQL server of the system's for tests: an own one,
// in a temporary folder, on a Unix socket, gone with the test.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running server. It does not flush: what tests end is the server's
// processes, never the machine.
type Server struct {
	dir  string
	bin  string
	cred *syscall.Credential // nil: the tests' own user
	cmd  *exec.Cmd
	log  *os.File
	gone chan struct{}
	port int // of TCP on loopback too; 0: the socket in dir alone
	next atomic.Int32
}

// ErrNone is returned by Start where no server is installed.
var ErrNone = errors.New("no PostgreSQL server is installed (Debian: postgresql)")

// Main runs a package's tests with a server, and gives it to them by server. In CI
// a missing server is a failure; elsewhere tests that need one skip.
func Main(m *testing.M, server **Server) int {
	s, err := Start()
	if err != nil {
		if !errors.Is(err, ErrNone) || os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			return 1
		}
	} else {
		defer s.Remove()
		*server = s
	}
	return m.Run()
}

// Need skips a test when there is no server.
func Need(t testing.TB, s *Server) {
	t.Helper()
	if s == nil {
		t.Skip(ErrNone)
	}
}

// Start makes a server and waits until it answers.
func Start() (*Server, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, ErrNone
	}
	slices.Sort(found)
	s := &Server{bin: filepath.Dir(found[len(found)-1])}
	if os.Geteuid() == 0 { // which the server refuses to run as
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}

func (s *Server) begin() error {
	if s.cred != nil {
		if err := os.Chown(s.dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return err
		}
	}
	init := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "brama", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	init.Dir = s.dir
	init.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return err
	}
	return s.Again()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// URL is how to connect, as the owner of the database.
func (s *Server) URL() string { return s.DatabaseURL("postgres") }

// DatabaseURL is how to connect to another database of the server.
func (s *Server) DatabaseURL(name string) string {
	q := url.Values{"host": {s.dir}, "user": {"brama"}}
	if s.port != 0 {
		q.Set("port", strconv.Itoa(s.port)) // the socket bears it
	}
	return "postgres:///" + name + "?" + q.Encode()
}

// Copy makes a database that is as another one is now, in place of one of its name.
// Nobody may be connected to the other one; who is to this one is cut off.
func (s *Server) Copy(ctx context.Context, name, from string) error {
	c, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	id, model := pgx.Identifier{name}.Sanitize(), pgx.Identifier{from}.Sanitize()
	if _, err := c.Exec(ctx, "DROP DATABASE IF EXISTS "+id+" WITH (FORCE)"); err != nil {
		return err
	}
	_, err = c.Exec(ctx, "CREATE DATABASE "+id+" TEMPLATE "+model)
	return err
}

// Schema is a name that nobody has had.
func (s *Server) Schema() string { return "t" + strconv.Itoa(int(s.next.Add(1))) }

// Pid is that of the server's first process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Again starts the server after it was killed, and waits until it answers. What the
// killed one left may take a moment to go.
func (s *Server) Again() error {
	end := time.Now().Add(time.Minute)
	for {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.answers(end)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(s.log.Name())
			return fmt.Errorf("the server does not answer: %w\n%s", err, tail(text))
		}
		s.Kill()
		time.Sleep(50 * time.Millisecond)
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-3000):] }

func (s *Server) answers(end time.Time) error {
	for {
		ctx, cancel := context.WithDeadline(context.Background(), end)
		c, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			err = c.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-s.gone:
			return err
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return err
		}
	}
}

func (s *Server) launch() error {
	listen, port := "", 5432
	if s.port != 0 {
		listen, port = "127.0.0.1", s.port
	}
	s.cmd = exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses="+listen, "-p", strconv.Itoa(port),
		"-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "restart_after_crash=on")
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	// The server goes when the tests do, however they end. The signal is bound to the
	// thread that starts the process, which therefore waits for it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	s.gone = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(s.gone)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.cmd.Wait()
		}
	}()
	return <-started
}

// Listen starts the server anew, on loopback too, where it wants the password.
func (s *Server) Listen(ctx context.Context, password string) (addr string, err error) {
	c, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "SET password_encryption = 'scram-sha-256'; ALTER ROLE brama PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'; CHECKPOINT"); err != nil {
		return "", err
	}
	rules := "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return "", err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	free.Close()
	s.Kill()
	return fmt.Sprintf("127.0.0.1:%d", s.port), s.Again()
}

// Kill ends the server's first process as a crash does, and waits for its end. The
// others notice and go.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.gone
}

// Remove ends the server and removes its files.
func (s *Server) Remove() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.gone
	}
	if s.log != nil {
		s.log.Close()
	}
	os.RemoveAll(s.dir)
}

// Log is the end of what the server has said.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log.Name())
	return string(bytes.TrimSpace(tail(b)))
}
