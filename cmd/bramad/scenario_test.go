package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
)

// soon is how long the tests wait for what takes a fraction of a second on an
// idle machine.
const soon = 20 * time.Second

// TestWholeWay walks the way of a document with the names of DESIGN 8 only, and
// programs that everybody has.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	openssl, client := tool(t, "openssl"), tool(t, "sftp")
	s := newSite(t)
	p := s.start(nil)

	signed := s.path("pain001.xml.p7s")
	command(t, openssl, "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-nodetach", "-outform", "DER", "-in", s.path("demo", "samples", "pain001.xml"),
		"-signer", s.path("demo", "head.pem"), "-inkey", s.path("demo", "head.key"),
		"-signer", s.path("demo", "accountant.pem"), "-inkey", s.path("demo", "accountant.key"), "-out", signed)

	host, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	batch := func(lines string) error {
		cmd := exec.Command(client, "-i", s.path("demo", "client_ed25519"), "-P", port, "-F", "/dev/null", "-b", "-",
			"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile="+s.path("known_hosts"), "-o", "IdentitiesOnly=yes", "-q", "demo@"+host)
		cmd.Stdin = strings.NewReader(lines)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("sftp: %w\n%s", err, out)
		}
		return nil
	}
	look := s.client(p) // a session that is open already, to see the moment
	const name = "pain001.xml.p7s.receipt1.json"
	seen := make(chan time.Time, 1)
	go func() {
		for end := time.Now().Add(2 * soon); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, err := look.Stat("/receipts/" + name); err == nil {
				break
			}
		}
		seen <- time.Now()
	}()
	begun := time.Now()
	if err := batch("put " + signed + " /inbox/pain001.xml.p7s\n"); err != nil {
		t.Fatal(err)
	}
	put := time.Now()
	at := <-seen
	t.Logf("the receipt was there %v after sftp began, %v after it ended", at.Sub(begun).Round(time.Millisecond), at.Sub(put).Round(time.Millisecond))
	if at.Sub(begun) > soon {
		t.Errorf("no receipt within %v", soon)
	}

	got := s.path("got")
	if err := os.Mkdir(got, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := batch("get /receipts/" + name + " " + got + "\nget /receipts/" + name + ".p7s " + got + "\n"); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(got, name))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`"outcome": ?"accepted"`).Match(body) {
		t.Errorf("not accepted: %s", body)
	}
	// DESIGN 8, as it stands there.
	verify := exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-content", name, "-in", name+".p7s", "-CAfile", s.path("keys", "seal-ca.pem"), "-purpose", "any")
	verify.Dir = got
	out, err := verify.Output()
	if err != nil || !bytes.Equal(out, body) {
		t.Errorf("the seal does not verify: %v", err)
	}

	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// running is a configured site with a daemon on it that knows the demo client.
func running(t *testing.T, more string, change func(*exec.Cmd)) (*site, *process) {
	t.Helper()
	s := newSite(t)
	s.configure("limits: {free_disk: 1MiB}\n" + more)
	p := s.start(change)
	s.register()
	return s, p
}

// signedPDF is a supporting document that the demo client may send.
func (s *site) signedPDF(line string) []byte {
	return sign(s.t, sample.PDF(line), false, s.signer("head"))
}

// receipt waits for a receipt of the demo client.
func (s *site) receipt(c *sftp.Client, label string) (r gateway.Receipt) {
	s.t.Helper()
	var body []byte
	await(s.t, soon, "receipt 1 of "+label, func() (ok bool) {
		b, err := fetch(c, "/receipts/"+label+".receipt1.json")
		body = b
		return err == nil
	})
	if err := json.Unmarshal(body, &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// SIGTERM: what is under way may be finished, and then it is durable; new work
// is refused; the daemon ends by itself.
func TestDrain(t *testing.T) {
	t.Parallel()
	s, p := running(t, "", nil)
	c, other := s.client(p), s.client(p)
	doc := s.signedPDF("drain")
	f, err := c.OpenFile("/inbox/drain.pdf.p7s", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(doc[:len(doc)/2]); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "draining in the log", func() bool { return strings.Contains(p.said(), "draining") })
	if err := put(other, "/inbox/late.pdf.p7s", doc); err == nil {
		t.Error("a new upload is taken while the daemon drains")
	}
	_, err = f.Write(doc[len(doc)/2:])
	err = errors.Join(err, f.Close())
	t.Logf("the upload that was under way: %v", err)
	if code := p.wait(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}

	p = s.start(nil)
	c = s.client(p)
	if err == nil {
		if r := s.receipt(c, "drain.pdf.p7s"); r.Outcome != gateway.Accepted {
			t.Errorf("answered OK and %s", r.Outcome)
		}
		return
	}
	time.Sleep(300 * time.Millisecond)
	if _, err := c.Stat("/receipts/drain.pdf.p7s.receipt1.json"); err == nil {
		t.Error("refused, and answered all the same")
	}
}

// A client that holds a file open and does nothing does not keep the daemon alive.
func TestDrainIdleUpload(t *testing.T) {
	t.Parallel()
	s, p := running(t, "", nil)
	f, err := s.client(p).OpenFile("/inbox/idle.pdf.p7s", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("begun")); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	t.Logf("ended after %v", time.Since(begun).Round(time.Millisecond))

	// What was written is the client's own unfinished file.
	p = s.start(nil)
	info, err := s.client(p).Stat("/inbox/idle.pdf.p7s")
	if err != nil || info.Size() != 5 {
		t.Errorf("the unfinished file: %v, %v", info, err)
	}
}

// SIGHUP: a CRL that came meanwhile revokes.
func TestReload(t *testing.T) {
	t.Parallel()
	s, p := running(t, "", nil)
	c := s.client(p)
	if err := put(c, "/inbox/before.pdf.p7s", s.signedPDF("before")); err != nil {
		t.Fatal(err)
	}
	if r := s.receipt(c, "before.pdf.p7s"); r.Outcome != gateway.Accepted {
		t.Fatalf("%s: %v", r.Outcome, r.Findings)
	}

	ca := s.signer("ca")
	now := time.Now()
	crl, err := issue.CRL(rand.Reader, issue.Issuer{Key: ca.Key, Certificate: ca.Certificate}, issue.List{
		Number: big.NewInt(2), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.AddDate(0, 1, 0),
		Revoked: []issue.Revocation{{Serial: s.signer("head").Certificate.Serial, At: now.Add(-time.Minute), Reason: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.write(s.path("trust", "material", "demo-crl-2.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl.Raw})))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "reloaded in the log", func() bool { return strings.Contains(p.said(), `"reloaded"`) })
	if err := put(c, "/inbox/after.pdf.p7s", s.signedPDF("after")); err != nil {
		t.Fatal(err)
	}
	if r := s.receipt(c, "after.pdf.p7s"); r.Outcome != gateway.Rejected || len(r.Signatures) != 1 || !strings.Contains(r.Signatures[0].SubIndication, "REVOKED") {
		t.Errorf("signed by a revoked certificate and %s: %v %v", r.Outcome, r.Signatures, r.Findings)
	}

	// A configuration that does not hold changes nothing.
	s.write(s.path("brama.yaml"), "stat: nowhere\n")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "not reloaded in the log", func() bool { return strings.Contains(p.said(), "not reloaded") })
	if err := put(c, "/inbox/still.pdf.p7s", s.signedPDF("still")); err != nil {
		t.Error(err)
	}
	s.receipt(c, "still.pdf.p7s")
}

// refusesToStart starts bramad, which must not start, and gives its exit code
// and what it said.
func (s *site) refusesToStart(args ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command(program(s.t, "bramad"), append([]string{"--config", s.path("brama.yaml")}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	s, p := running(t, "", nil)
	code, said := s.refusesToStart()
	if code != exitFailed || !strings.Contains(said, "in use by another process") || !strings.Contains(said, s.path("state")) {
		t.Errorf("exit code %d\n%s", code, said)
	}
	// The first one does not mind.
	a := s.admin()
	defer a.Close()
	if _, err := a.Status(t.Context()); err != nil {
		t.Error(err)
	}
	pc := s.processorClient()
	defer pc.CloseIdleConnections()
	if resp, err := pc.Post("http://processor/v1/leases", "application/json", strings.NewReader("{}")); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	c := s.client(p)
	if err := put(c, "/inbox/x.pdf.p7s", s.signedPDF("x")); err != nil {
		t.Error(err)
	}
	s.receipt(c, "x.pdf.p7s")
}

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if code, said := s.refusesToStart("--check"); code != exitOK || !strings.Contains(said, "brama.yaml: the configuration holds") {
		t.Errorf("of bramactl init: exit code %d\n%s", code, said)
	}
	s.configure("intake: {stable: soon}\n")
	if code, said := s.refusesToStart("--check"); code != exitUsage || !strings.Contains(said, "brama.yaml:8: intake.stable") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if code, said := s.refusesToStart(); code != exitUsage || !strings.Contains(said, "brama.yaml:8: intake.stable") {
		t.Errorf("without --check: exit code %d\n%s", code, said)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	s := newSite(t)
	s.configure("")
	b, err := os.ReadFile(s.path("brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(s.path("brama.yaml"), strings.Replace(string(b), "127.0.0.1:0", busy.Addr().String(), 1))
	code, said := s.refusesToStart()
	if code != exitFailed || !strings.Contains(said, "listen.sftp") || !strings.Contains(said, busy.Addr().String()) || !strings.Contains(said, "address already in use") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	// The port is free again, and nothing stands in the way.
	busy.Close()
	p := s.start(nil)
	if p.addr != busy.Addr().String() {
		t.Errorf("listens on %s", p.addr)
	}
}

// A full disk: new work is refused, what is there goes out, and when there is
// space again everything goes on by itself.
func TestDiskFullDaemon(t *testing.T) {
	t.Parallel()
	manager := listenNotify(t)
	s := newSite(t)
	s.configure("limits: {free_disk: 16MiB}\nintake: {stable: 50ms}\n")
	state := s.path("state")
	// What init has put there moves along: the register.
	moved := s.path("state.before")
	if err := os.Rename(state, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=64m,mode=0700"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(state, 0); err != nil {
			t.Error(err)
		}
	})
	if err := os.CopyFS(state, os.DirFS(moved)); err != nil {
		t.Fatal(err)
	}
	p := s.start(func(c *exec.Cmd) { c.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=400000") })
	t.Cleanup(p.kill) // before the mount goes
	s.register()
	c := s.client(p)
	if err := put(c, "/inbox/before.pdf.p7s", s.signedPDF("before")); err != nil {
		t.Fatal(err)
	}
	s.receipt(c, "before.pdf.p7s")
	s.write(s.path("s.txt"), "виписка")
	s.ctl("statement", "put", "--client", "demo", "--name", "first.txt", s.path("s.txt"))

	filler, err := os.Create(filepath.Join(state, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for { // to the last block
		if _, err := filler.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if err := put(c, "/inbox/full.pdf.p7s", s.signedPDF("full")); err == nil {
		t.Error("an upload is taken on a full disk")
	} else if e := new(sftp.StatusError); !errors.As(err, &e) || e.FxCode() != sftp.ErrSSHFxFailure {
		t.Errorf("an upload on a full disk: %v", err)
	}
	dropped := s.path("clients", "demo", "inbox", "dropped.pdf.p7s")
	s.write(s.path("dropped"), string(s.signedPDF("dropped")))
	if err := os.Rename(s.path("dropped"), dropped); err != nil {
		t.Fatal(err)
	}
	if b, err := fetch(c, "/outbox/first.txt"); err != nil || string(b) != "виписка" {
		t.Errorf("the statement on a full disk: %q, %v", b, err)
	}
	if b, err := fetch(c, "/receipts/before.pdf.p7s.receipt1.json"); err != nil || len(b) == 0 {
		t.Errorf("the receipt on a full disk: %v", err)
	}
	manager.forget()
	await(t, soon, "WATCHDOG=1 on a full disk: a restart would not make space", func() bool { return manager.got("WATCHDOG=1") })
	a := s.admin()
	defer a.Close()
	if status, err := a.Status(t.Context()); err != nil || status.Taking || len(status.Warnings) == 0 {
		t.Errorf("status on a full disk: taking %v, warnings %v, %v", status.Taking, status.Warnings, err)
	}
	if _, err := os.Stat(dropped); err != nil {
		t.Errorf("the dropped file was taken on a full disk: %v", err)
	}

	// Not quite full, below the floor: new work is refused too.
	if err := filler.Truncate(52 << 20); err != nil {
		t.Fatal(err)
	}
	if err := put(c, "/inbox/low.pdf.p7s", s.signedPDF("low")); err == nil {
		t.Error("an upload is taken below the floor")
	}
	if b, err := fetch(c, "/outbox/first.txt"); err != nil || string(b) != "виписка" {
		t.Errorf("the statement below the floor: %q, %v", b, err)
	}

	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "an upload when there is space again", func() bool { return put(c, "/inbox/again.pdf.p7s", s.signedPDF("again")) == nil })
	s.receipt(c, "again.pdf.p7s")
	took := await(t, 70*time.Second, "the dropped file is taken when there is space again", func() bool {
		_, err := os.Stat(dropped)
		return err != nil
	})
	t.Logf("the dropped file was taken after %v", took.Round(time.Millisecond))
	s.receipt(c, "dropped.pdf.p7s")
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

// notifySocket is the service manager's end of NOTIFY_SOCKET.
type notifySocket struct {
	path string
	said chan string
	all  []string
}

func listenNotify(t *testing.T) *notifySocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "brama")
	if err != nil {
		t.Fatal(err)
	}
	n := &notifySocket{path: filepath.Join(dir, "notify"), said: make(chan string, 1000)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); os.RemoveAll(dir) })
	go func() {
		b := make([]byte, 4096)
		for {
			k, err := conn.Read(b)
			if err != nil {
				return
			}
			for line := range strings.Lines(string(b[:k])) {
				n.said <- strings.TrimSpace(line)
			}
		}
	}()
	return n
}

func (n *notifySocket) drain() {
	for {
		select {
		case line := <-n.said:
			n.all = append(n.all, line)
		default:
			return
		}
	}
}

func (n *notifySocket) forget() {
	n.drain()
	n.all = nil
}

// got looks for a line that begins so.
func (n *notifySocket) got(line string) bool {
	n.drain()
	for _, l := range n.all {
		if strings.HasPrefix(l, line) {
			return true
		}
	}
	return false
}

func TestServiceManager(t *testing.T) {
	t.Parallel()
	n := listenNotify(t)
	_, p := running(t, "", func(c *exec.Cmd) { c.Env = append(os.Environ(), "NOTIFY_SOCKET="+n.path, "WATCHDOG_USEC=400000") })
	saw := func(line string) { t.Helper(); await(t, soon, line, func() bool { return n.got(line) }) }
	saw("READY=1")
	saw("STATUS=sftp " + p.addr)
	saw("WATCHDOG=1")
	n.forget()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	saw("RELOADING=1")
	saw("MONOTONIC_USEC=")
	saw("READY=1")
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	saw("STOPPING=1")
}

// The socket of bramad.socket: opened before the daemon, by somebody else.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s, p := running(t, "", func(c *exec.Cmd) {
		c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, c.Args...)
		c.ExtraFiles = []*os.File{file}
		c.Env = append(os.Environ(), "LISTEN_FDS=1")
	})
	if p.addr != l.Addr().String() {
		t.Errorf("listens on %s, inherited %s", p.addr, l.Addr())
	}
	c := s.client(p)
	if err := put(c, "/inbox/inherited.pdf.p7s", s.signedPDF("inherited")); err != nil {
		t.Fatal(err)
	}
	s.receipt(c, "inherited.pdf.p7s")
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}

// submissions are the names of everything that was taken.
func (s *site) submissions() map[string]bool {
	s.t.Helper()
	a := s.admin()
	defer a.Close()
	rows, err := a.SpoolList(s.t.Context(), admin.Filter{Queue: gateway.Submissions, Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range rows {
		names[r.Document] = true
	}
	return names
}
