package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/gateway/socket"
)

const pin = "63719284"

var document = []byte("квитанція № 1")

// program is the real brama-signer, built once for a run of the tests.
var program struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// signerBinary builds brama-signer with cgo.
func signerBinary(t *testing.T) string {
	t.Helper()
	cc, err := exec.Command("go", "env", "CC").Output()
	if err == nil {
		_, err = exec.LookPath(strings.Fields(string(cc) + " -")[0])
	}
	if err != nil {
		absent(t, "no C compiler")
	}
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "signer"); program.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(program.dir, "brama-signer"), ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "brama-signer")
}

// site is a folder with a SoftHSM token that has an RSA and an EC key, their
// certificates, and the configuration of a signer.
type site struct {
	t       *testing.T
	dir     string
	softhsm string
	pki     *pkitest.PKI
	certs   map[string]*pki.Certificate
}

func newSite(t *testing.T) *site {
	t.Helper()
	for _, tool := range []string{"softhsm2-util", "pkcs11-tool", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			absent(t, tool+" is not installed")
		}
	}
	s := &site{t: t, pki: pkitest.NewAt(t, time.Now().Truncate(time.Second)), certs: map[string]*pki.Certificate{}}
	found, _ := filepath.Glob("/usr/lib/softhsm/libsofthsm2.so")
	if more, _ := filepath.Glob("/usr/lib/*/softhsm/libsofthsm2.so"); found == nil {
		found = more
	}
	if found == nil {
		absent(t, "libsofthsm2.so is not installed")
	}
	s.softhsm = found[0]
	var err error
	if s.dir, err = os.MkdirTemp("", "hsm"); err != nil { // t.TempDir is too long for a socket
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	if err := os.Mkdir(s.path("tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("softhsm2.conf", "directories.tokendir = "+s.path("tokens")+"\nobjectstore.backend = file\nlog.level = ERROR\n")
	s.write("pin", pin+"\n")
	s.tool("softhsm2-util", "--init-token", "--free", "--label", "brama test", "--pin", pin, "--so-pin", "00000000")
	for i, k := range []struct{ name, kind string }{{"rsa", "RSA:3072"}, {"ec", "EC:prime256v1"}} {
		pkcs11 := []string{"--module", s.softhsm, "--token-label", "brama test", "--login", "--pin", pin}
		id := fmt.Sprintf("0%d", i+1)
		s.tool("pkcs11-tool", append(pkcs11, "--keypairgen", "--key-type", k.kind, "--label", "seal-"+k.name, "--id", id, "--usage-sign")...)
		s.tool("pkcs11-tool", append(pkcs11, "--read-object", "--type", "pubkey", "--id", id, "--output-file", s.path(k.name+".pub"))...)
		spki, err := os.ReadFile(s.path(k.name + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := algorithm.ParseKey(spki)
		if err != nil {
			t.Fatal(err)
		}
		serial, _ := rand.Int(rand.Reader, key64)
		cert, err := issue.Certificate(rand.Reader, s.pki.CA, key, issue.Signatory(
			issue.Subject{Country: "UA", Organization: "Treasury", CommonName: "Seal " + k.name, EDRPOU: "37567646"},
			serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		s.certs[k.name] = cert
		s.write(k.name+".pem", pem(cert))
	}
	s.write("ca.pem", pem(s.pki.CA.Certificate))
	s.write("root.pem", pem(s.pki.Root.Certificate))
	s.configure(nil)
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// configure writes signer.yaml; change replaces text in it.
func (s *site) configure(change *strings.Replacer) {
	s.t.Helper()
	text := `socket: provider.sock
module: ` + s.softhsm + `
token: {label: brama test}
pin_file: pin
keys:
  - {name: rsa, label: seal-rsa, certificate: rsa.pem, chain: [ca.pem]}
  - {name: ec, id: "02", certificate: ec.pem, chain: [ca.pem]}
`
	if change != nil {
		text = change.Replace(text)
	}
	s.write("signer.yaml", text)
}

func (s *site) env() []string { return append(os.Environ(), "SOFTHSM2_CONF="+s.path("softhsm2.conf")) }

func (s *site) tool(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = s.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// process is a running brama-signer.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	log   bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start starts the signer; ready is false when it ended instead.
func (s *site) start() (p *process, ready bool) {
	s.t.Helper()
	p = &process{cmd: exec.Command(signerBinary(s.t), "--config", s.path("signer.yaml")), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = s.env(), p
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		defer close(p.ended)
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		io.Copy(io.Discard, r)
		_ = p.cmd.Wait() // the state tells
	}()
	s.t.Cleanup(func() { p.end(syscall.SIGKILL) })
	select {
	case first := <-line:
		return p, strings.HasPrefix(first, "READY ")
	case <-time.After(20 * time.Second):
		s.t.Fatalf("not ready after 20s\n%s", p.said())
		return nil, false
	}
}

// end ends it and gives its exit code.
func (p *process) end(with syscall.Signal) int {
	_ = p.cmd.Process.Signal(with) // it may have gone already
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// The way of a seal, with everything that can happen to it.
func TestToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, ready := s.start()
	if !ready {
		p.end(syscall.SIGTERM)
		t.Fatal(p.said())
	}
	c := provider.NewClient(s.path("provider.sock"))
	c.Again = 0
	defer c.Close()
	signers := map[string]cades.Signer{}
	for name, cert := range s.certs {
		var err error
		if signers[name], err = c.Signer(t.Context(), name, cert); err != nil {
			t.Fatal(err)
		}
	}
	seal := func(name string) error {
		_, err := cades.Sign(rand.Reader, document, []cades.Signer{signers[name]}, cades.SignOptions{Detached: true, At: time.Now()})
		return err
	}

	t.Run("OpenSSL verifies", func(t *testing.T) {
		for name, signer := range signers {
			container, err := cades.Sign(rand.Reader, document, []cades.Signer{signer}, cades.SignOptions{Detached: true, At: time.Now()})
			if err != nil {
				t.Error(name, err)
				continue
			}
			s.write(name+".p7s", string(container))
			s.write("document", string(document))
			out, err := exec.Command("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", s.path(name+".p7s"),
				"-content", s.path("document"), "-CAfile", s.path("root.pem"), "-purpose", "any", "-out", s.path("out")).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
			in := cades.Input{Container: container, Detached: io.NewSectionReader(bytes.NewReader(document), 0, int64(len(document)))}
			if r := cades.Validate(in, cades.Options{At: time.Now(), Trust: s.pki.Store()}); r.Indication != cades.TotalPassed {
				t.Error(name, r.Indication, r.SubIndication, r.Detail)
			}
		}
	})

	t.Run("raw bytes", func(t *testing.T) {
		h := &http.Client{Transport: socket.Transport(s.path("provider.sock"))}
		defer h.CloseIdleConnections()
		for _, body := range []string{
			`{"digest":"sha256","attributes":"` + strings.Repeat("A", 43) + `="}`,
			`{"digest":"sha256","attributes":"MQA="}`,
		} {
			res, err := h.Post("http://provider/v1/keys/rsa/sign", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", body, res.StatusCode)
			}
		}
		if _, err := c.Validate(t.Context(), cades.Input{Container: []byte{1}}, cades.Options{At: time.Now()}); err == nil {
			t.Error("a signer verifies")
		}
	})

	t.Run("the PIN is nowhere", func(t *testing.T) {
		for _, f := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, f))
			if err == nil && bytes.Contains(b, []byte(pin)) {
				t.Errorf("in %s", f)
			}
		}
		if strings.Contains(p.said(), pin) {
			t.Error("in the log")
		}
	})

	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for range 3 {
					if err := seal([]string{"rsa", "ec"}[i%2]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})

	t.Run("the token is removed and comes back", func(t *testing.T) {
		if err := os.Rename(s.path("tokens"), s.path("away")); err != nil {
			t.Fatal(err)
		}
		if err := seal("ec"); !errors.Is(err, provider.ErrAway) {
			t.Errorf("sealed without a token: %v", err)
		}
		if _, err := c.Health(t.Context()); !errors.Is(err, provider.ErrAway) {
			t.Errorf("healthy without a token: %v", err)
		}
		if err := os.Rename(s.path("away"), s.path("tokens")); err != nil {
			t.Fatal(err)
		}
		until(t, func() error { return seal("ec") })
		until(t, func() error { return seal("rsa") })
		if _, err := c.Health(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("killed and started again", func(t *testing.T) {
		p.end(syscall.SIGKILL)
		if _, err := os.Lstat(s.path("provider.sock")); err != nil {
			t.Fatal("a killed process took its socket away:", err)
		}
		if err := seal("rsa"); !errors.Is(err, provider.ErrAway) {
			t.Errorf("sealed without a signer: %v", err)
		}
		again, ready := s.start()
		if !ready {
			t.Fatal(again.said())
		}
		if err := seal("rsa"); err != nil {
			t.Error(err)
		}
		if second, ready := s.start(); ready || second.end(syscall.SIGTERM) != exitFailed {
			t.Errorf("a second one beside it: %s", second.said())
		}
		if code := again.end(syscall.SIGTERM); code != exitOK {
			t.Errorf("exit code %d\n%s", code, again.said())
		}
		if _, err := os.Lstat(s.path("provider.sock")); err == nil {
			t.Error("the socket stays")
		}
	})

	for _, row := range []struct {
		name   string
		change *strings.Replacer
		before func()
		code   int
		says   string
	}{
		{"a wrong PIN", nil, func() { s.write("pin", "11111111\n") }, exitPIN, "CKR_PIN_INCORRECT"},
		{"no PIN file", nil, func() { os.Remove(s.path("pin")) }, exitUsage, "no such file"},
		{"a PIN file that others read", nil, func() { s.write("pin", pin); os.Chmod(s.path("pin"), 0o640) }, exitUsage, "chmod 600"},
		{"another's certificate", strings.NewReplacer("certificate: ec.pem", "certificate: ca.pem"), func() { os.Chmod(s.path("pin"), 0o600) }, exitFailed, "key ec: the signature"},
		{"no such token", strings.NewReplacer("brama test", "brama"), nil, exitFailed, "the token is not there"},
		{"no such key", strings.NewReplacer("seal-rsa", "seal"), nil, exitFailed, "no such private key"},
		{"no such module", strings.NewReplacer(s.softhsm, "/nowhere.so"), nil, exitFailed, "cannot be loaded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.before != nil {
				row.before()
			}
			s.configure(row.change)
			p, ready := s.start()
			if code := p.end(syscall.SIGTERM); ready || code != row.code || !strings.Contains(p.said(), row.says) {
				t.Errorf("ready %v, exit code %d, want %d and %q:\n%s", ready, code, row.code, row.says, p.said())
			}
		})
	}
}

// until tries until it works: a token that was lost is left alone for a second.
func until(t *testing.T, do func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
