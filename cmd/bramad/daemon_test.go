package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/brama-gateway/brama/cmd/bramad/internal/faulttest"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/keys"
)

// programs are the real binaries, built once for a run of the tests; TestMain
// removes them.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

// program gives the path of bramad or bramactl, built as they are released: static.
func program(t testing.TB, name string) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "brama-test"); programs.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", programs.dir, "./cmd/bramad", "./cmd/bramactl")
		build.Dir = filepath.Join("..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return filepath.Join(programs.dir, name)
}

// site is a gateway's directory as bramactl init --demo makes it.
type site struct {
	t       testing.TB
	dir     string
	counter *faulttest.Counter // under which the daemon runs; nil: by itself
}

// newSite makes a gateway with the demo client.
func newSite(t testing.TB) *site {
	t.Helper()
	// Not t.TempDir: its path is too long for a Unix socket.
	dir, err := os.MkdirTemp("", "brama")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("BRAMA_KEEP") != "" {
			t.Logf("kept: %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	s := &site{t: t, dir: filepath.Join(dir, "d")}
	s.make()
	return s
}

// make lets bramactl make the directory.
func (s *site) make() {
	t := s.t
	t.Helper()
	if out, err := exec.Command(program(t, "bramactl"), "init", "--dir", s.dir, "--demo", "--listen", "127.0.0.1:0").CombinedOutput(); err != nil {
		t.Fatalf("bramactl init: %v\n%s", err, out)
	}
}

func (s *site) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// configure writes a brama.yaml of the test's own: small limits, no hand-off that
// would take leases beside the test's processor. More is appended.
func (s *site) configure(more string) {
	s.t.Helper()
	s.write(s.path("brama.yaml"), strings.NewReplacer("DIR", s.dir).Replace(`listen: {sftp: "127.0.0.1:0"}
ssh: {host_keys: [DIR/keys/ssh_host_ed25519_key]}
state: DIR/state
run: DIR/run
seal: {key: DIR/keys/seal.key, certificate: DIR/keys/seal.pem, chain: [DIR/keys/seal-ca.pem]}
trust: {dir: DIR/trust}
clients: {root: DIR/clients}
`+more))
}

func (s *site) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) admin() *admin.Client { return admin.NewClient(s.path("run", "admin.sock")) }

// register makes sure that the demo client is in the register of the running daemon.
func (s *site) register() {
	s.t.Helper()
	a := s.admin()
	defer a.Close()
	if rows, err := a.Clients(s.t.Context()); err != nil {
		s.t.Fatal(err)
	} else if len(rows) > 0 {
		return
	}
	s.ctl("client", "apply", "-f", s.path("clients.d", "demo.yaml"))
}

// ctl runs bramactl on the site.
func (s *site) ctl(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(program(s.t, "bramactl"), append([]string{"--config", s.path("brama.yaml")}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("bramactl %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// signer is one of the demo client's signatories.
func (s *site) signer(name string) cades.Signer {
	s.t.Helper()
	key, err := keys.Private(s.path("demo", name+".key"))
	if err != nil {
		s.t.Fatal(err)
	}
	certs, err := keys.Certificates(s.path("demo", name+".pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	return cades.Signer{Key: key, Certificate: certs[0]}
}

// sign signs a document as the signatories.
func sign(t testing.TB, doc []byte, detached bool, signers ...cades.Signer) []byte {
	t.Helper()
	b, err := cades.Sign(rand.Reader, doc, signers, cades.SignOptions{Detached: detached, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// process is a running bramad.
type process struct {
	cmd   *exec.Cmd
	addr  string        // of its SFTP entrance
	ended chan struct{} // closed when it has gone
	code  int           // that it ended with, -1 by a signal
	err   error         // of its end

	mu  sync.Mutex
	log bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// said is what it has logged.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// spawn starts bramad. It does not wait for anything; ready gets the address of
// the READY line, or is closed.
func (s *site) spawn(change func(*exec.Cmd)) (p *process, ready <-chan string, err error) {
	p = &process{ended: make(chan struct{})}
	p.cmd = exec.Command(program(s.t, "bramad"), "--config", s.path("brama.yaml"))
	p.cmd.Stderr = p
	if change != nil {
		change(p.cmd)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	var wait func() (int, error)
	if s.counter == nil {
		wait, err = launched(p.cmd)
	} else {
		var traced *faulttest.Program
		if traced, err = faulttest.Start(p.cmd, s.counter); err == nil {
			wait = traced.Wait
		}
	}
	if err != nil {
		return nil, nil, err
	}
	line := make(chan string, 1)
	go func() {
		defer close(p.ended)
		r := bufio.NewReader(out)
		first, err := r.ReadString('\n')
		if addr, ok := strings.CutPrefix(strings.TrimSpace(first), "READY sftp="); ok && err == nil {
			line <- addr
		}
		close(line)
		io.Copy(io.Discard, r)
		p.code, p.err = wait()
	}()
	return p, line, nil
}

// launched starts a program, and gives what waits for its end.
func launched(cmd *exec.Cmd) (wait func() (int, error), err error) {
	return func() (int, error) {
		err := cmd.Wait()
		return cmd.ProcessState.ExitCode(), err
	}, cmd.Start()
}

// start starts bramad and waits until it accepts.
func (s *site) start(change func(*exec.Cmd)) *process {
	s.t.Helper()
	p, ready, err := s.spawn(change)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.kill)
	select {
	case addr, ok := <-ready:
		if !ok {
			<-p.ended
			s.t.Fatalf("bramad ended: %v\n%s", p.err, p.said())
		}
		p.addr = addr
	case <-time.After(30 * time.Second):
		s.t.Fatalf("bramad is not ready after 30s\n%s", p.said())
	}
	return p
}

// kill ends it as a power cut would, as far as a process can be.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have gone already
	<-p.ended
}

// stop asks it to drain and gives its exit code.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.wait(t)
}

func (p *process) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // where does it hang?
		<-p.ended
		t.Errorf("bramad did not end within 30s\n%s", p.said())
	}
	return p.code
}

// dial logs in as the demo client.
func (s *site) dial(addr string) (*sftp.Client, error) {
	b, err := os.ReadFile(s.path("demo", "client_ed25519"))
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(b)
	if err != nil {
		return nil, err
	}
	b, err = os.ReadFile(s.path("keys", "ssh_host_ed25519_key.pub"))
	if err != nil {
		return nil, err
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, err
	}
	conn, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(host),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: 10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	c, err := sftp.NewClient(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// client logs in, or fails the test.
func (s *site) client(p *process) *sftp.Client {
	s.t.Helper()
	c, err := s.dial(p.addr)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, p.said())
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// put uploads a file. Its nil means that CLOSE was answered OK.
func put(c *sftp.Client, path string, content []byte) error {
	f, err := c.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// fetch reads a file whole.
func fetch(c *sftp.Client, path string) ([]byte, error) {
	f, err := c.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// await polls until ok, at most for limit.
func await(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !ok() {
		if time.Since(begun) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begun)
}

// processorClient speaks HTTP over the processor's socket.
func (s *site) processorClient() *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", s.path("run", "processor.sock"))
		},
	}, Timeout: 20 * time.Second}
}

// tool finds a program that the test needs.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}
