package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/admin"
)

// demo goes the whole way of DESIGN 5 on this machine, with the real programs: a
// gateway of its own, the OpenSSH client, a folder, and a processor that it plays
// itself. It stops at the first step that does not come out as it must.
func demo(c *call, args []string) error {
	var once bool
	var dir string
	flags := c.flags()
	flags.BoolVar(&once, "once", false, "")
	flags.StringVar(&dir, "dir", "", "")
	if _, err := c.parse(flags, args, 0, 0); err != nil {
		return err
	}
	if dir == "" {
		tmp, err := os.MkdirTemp("", "brama-demo-")
		if err != nil {
			return err
		}
		dir = filepath.Join(tmp, "gate")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	p := &play{call: c, layout: layout{abs}}
	defer p.stop()
	for i, step := range []struct {
		title string
		do    func() error
	}{
		{c.t("Шлюз із демо-клієнтом", "A gateway with a demo client"), p.prepare},
		{c.t("Платіжний файл із двома підписами, через SFTP", "A payment file with two signatures, over SFTP"), p.overSFTP},
		{c.t("Інший, через папку під наглядом", "Another one, through a watched folder"), p.throughFolder},
		{c.t("Змінений після підписання: відхилено", "Changed after it was signed: refused"), p.tampered},
		{c.t("Обробник бере документи й відповідає: квитанція №2", "The processor takes them and answers: receipt 2"), p.process},
		{c.t("Виписка клієнтові, з печаткою", "A statement to the client, sealed"), p.statement},
		{c.t("Що бачить оператор", "What the operator sees"), p.overview},
	} {
		c.printf("\n%d. %s\n", i+1, step.title)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	c.printf("\n%s %s\n", c.t("Усе лежить тут:", "All of it lies here:"), p.dir)
	if once {
		return p.stop()
	}
	c.printf("%s\n  sftp %s\n%s\n", c.t("Шлюз працює далі; увійти:", "The gateway goes on; log in:"), strings.Join(p.sftpFlags(), " "), c.t("Ctrl-C зупиняє його.", "Ctrl-C stops it."))
	<-c.Done()
	return p.stop()
}

// play is one run of the demo.
type play struct {
	*call
	layout
	daemon     *exec.Cmd
	host, port string
	client     sftpClient
}

// patience is how long anything may take before the demo gives up; it is long
// because the machine may be slow, not because the gateway is.
const patience = 30 * time.Second

func (p *play) show(what, path string) { p.printf("   %-12s %s\n", what, path) }

func (p *play) prepare() error {
	bramad, err := beside("bramad")
	if err != nil {
		return err
	}
	if err := p.vacant(); err != nil {
		return err
	}
	if err := p.fit(); err != nil {
		return err
	}
	if err := p.make(p.call, "127.0.0.1:0", true, time.Now()); err != nil {
		return err
	}
	p.show("config", p.layout.config())
	p.show("samples", p.path("demo", "samples"))

	log, err := os.Create(p.path("bramad.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.daemon = exec.Command(bramad, "--config", p.layout.config())
	p.daemon.Stderr = log
	out, err := p.daemon.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.daemon.Start(); err != nil {
		return err
	}
	p.show("log", log.Name())
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case line := <-first:
		address, ok := strings.CutPrefix(line, "READY sftp=")
		if !ok {
			return fmt.Errorf("bramad said %q; see %s", line, log.Name())
		}
		p.printf("   %s\n", line)
		i := strings.LastIndexByte(address, ':')
		p.host, p.port = address[:i], address[i+1:]
	case <-time.After(patience):
		return fmt.Errorf("bramad does not become ready; see %s", log.Name())
	case <-p.Done():
		return p.Err()
	}
	// The client knows the host key: nothing is trusted on first use.
	key, err := os.ReadFile(p.path("keys", "ssh_host_ed25519_key.pub"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path("demo", "known_hosts"), fmt.Appendf(nil, "[%s]:%s %s", p.host, p.port, key), 0o600); err != nil {
		return err
	}
	if _, err := exec.LookPath("sftp"); err == nil {
		p.client = openSSH{p, p.sftpFlags()}
		return nil
	}
	p.printf("   %s\n", p.t("клієнта OpenSSH тут немає: завантажує вбудований", "the OpenSSH client is not here: a built-in one uploads"))
	p.client = builtIn{p, net.JoinHostPort(p.host, p.port), p.path("demo", "client_ed25519"), key}
	return nil
}

// beside finds a program of Brama: next to this one, else in PATH.
func beside(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// stop ends the daemon as systemd would, and waits for it.
func (p *play) stop() error {
	if p.daemon == nil || p.daemon.Process == nil || p.daemon.ProcessState != nil {
		return nil
	}
	if err := p.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	kill := time.AfterFunc(patience, func() { p.daemon.Process.Kill() })
	defer kill.Stop()
	return p.daemon.Wait()
}

// signed makes a container of a sample, by the head and the accountant.
func (p *play) signed(sample string) ([]byte, error) {
	content, err := os.ReadFile(p.path("demo", "samples", sample))
	if err != nil {
		return nil, err
	}
	var signers []cades.Signer
	for _, who := range []string{"head", "accountant"} {
		s, err := p.signer(p.path("demo", who+".key"), p.path("demo", who+".pem"), nil)
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	return cades.Sign(rand.Reader, content, signers, cades.SignOptions{At: time.Now()})
}

func (p *play) overSFTP() error {
	container, err := p.signed("P0001.DBF")
	if err != nil {
		return err
	}
	return p.sendAndWait("P0001.DBF.p7s", container, gateway.Accepted)
}

func (p *play) tampered() error {
	container, err := p.signed("P0002.DBF")
	if err != nil {
		return err
	}
	// One digit of one sum.
	content, err := os.ReadFile(p.path("demo", "samples", "P0002.DBF"))
	if err != nil {
		return err
	}
	at := bytes.Index(container, content)
	if at < 0 {
		return errors.New("the container does not hold the document as it is")
	}
	container[at+len(content)-20] ^= 1
	return p.sendAndWait("P0009.DBF.p7s", container, gateway.Rejected)
}

// sendAndWait puts a file over SFTP and fetches its receipt.
func (p *play) sendAndWait(name string, content []byte, want gateway.Outcome) error {
	local := p.path("demo", name)
	if err := os.WriteFile(local, content, 0o644); err != nil {
		return err
	}
	p.show("file", local)
	begin := time.Now()
	if err := p.client.put(local, "/inbox/"+name); err != nil {
		return err
	}
	p.printf("   sftp put %s -> /inbox: OK (%v)\n", name, time.Since(begin).Round(time.Millisecond))
	return p.fetchReceipt(name, 1, want)
}

// fetchReceipt gets the three files of a receipt over SFTP and verifies the seal.
func (p *play) fetchReceipt(name string, number int, want gateway.Outcome) error {
	base := fmt.Sprintf("%s.receipt%d", name, number)
	into := p.path("demo", "received")
	if err := os.MkdirAll(into, 0o750); err != nil {
		return err
	}
	err := p.await(base, func() (bool, error) {
		err := p.client.get(into, "/receipts/"+base+".json", "/receipts/"+base+".json.p7s", "/receipts/"+base+".txt")
		var exit *exec.ExitError
		if errors.As(err, &exit) || errors.Is(err, fs.ErrNotExist) {
			return false, nil // not there yet
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return p.showReceipt(filepath.Join(into, base), want)
}

// await asks until the answer is yes.
func (p *play) await(what string, ready func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; {
		ok, err := ready()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not there after %v; see %s", what, patience, p.path("bramad.log"))
		}
		select {
		case <-p.Done():
			return p.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// showReceipt verifies a receipt's seal, shows what it says, and wants an outcome.
func (p *play) showReceipt(base string, want gateway.Outcome) error {
	quiet := *p.call
	quiet.stdout = io.Discard
	if err := receiptVerify(&quiet, []string{base + ".json", "--anchor", p.path("keys", "seal-ca.pem")}); err != nil {
		return fmt.Errorf("the seal of %s.json does not verify: %w", base, err)
	}
	text, err := os.ReadFile(base + ".json")
	if err != nil {
		return err
	}
	var receipt struct {
		Outcome gateway.Outcome `json:"outcome"`
	}
	if err := json.Unmarshal(text, &receipt); err != nil {
		return err
	}
	for _, suffix := range []string{".txt", ".json", ".json.p7s"} {
		p.show("receipt", base+suffix)
	}
	p.printf("   %s\n", p.t("печатка справжня; у квитанції:", "the seal is genuine; the receipt says:"))
	if people, err := os.ReadFile(base + ".txt"); err == nil {
		for line := range strings.Lines(strings.TrimSpace(string(people))) {
			p.printf("   | %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
	}
	if receipt.Outcome != want {
		return fmt.Errorf("the outcome is %q, it must be %q", receipt.Outcome, want)
	}
	return nil
}

func (p *play) throughFolder() error {
	container, err := p.signed("P0002.DBF")
	if err != nil {
		return err
	}
	name := "P0002.DBF.p7s"
	inbox := p.path("clients", "demo", "inbox", name)
	// As old accounting software writes: no temporary name, no rename.
	if err := os.WriteFile(inbox, container, 0o644); err != nil {
		return err
	}
	p.show("file", inbox)
	base := p.path("clients", "demo", "receipts", name+".receipt1")
	if err := p.await(base+".txt", func() (bool, error) { return exist(base+".txt", base+".json", base+".json.p7s") }); err != nil {
		return err
	}
	return p.showReceipt(base, gateway.Accepted)
}

func exist(paths ...string) (bool, error) {
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// process plays the back office, both kinds of it: one that speaks to the socket
// and one that knows only folders. Either may get a document; nobody gets it twice.
func (p *play) process() error {
	socket, ready := p.path("run", "processor.sock"), p.path("handoff", "ready")
	p.show("processor", socket)
	p.show("processor", ready)
	office := newOffice(socket)
	seen := map[string]bool{}
	done := func(s gateway.Submission) error {
		var sum int64
		for _, e := range s.Entries {
			sum += e.Amount
		}
		p.printf("   %s %s: %d x, %d.%02d UAH\n", s.ID, s.Document, len(s.Entries), sum/100, sum%100)
		if seen[s.Document] {
			return fmt.Errorf("%s was given twice", s.Document)
		}
		seen[s.Document] = true
		return nil
	}
	err := p.await("two accepted documents", func() (bool, error) {
		leases, err := office.lease(p, 10)
		if err != nil {
			return false, err
		}
		for _, l := range leases {
			answer := gateway.Answer{Outcome: gateway.Processed, Reference: "DEMO-" + l.Submission.ID.String()}
			if err := errors.Join(done(l.Submission), office.answer(p, l.Token, answer)); err != nil {
				return false, err
			}
		}
		folders, err := os.ReadDir(ready)
		if err != nil {
			return false, err
		}
		for _, d := range folders {
			if strings.HasPrefix(d.Name(), ".") {
				continue
			}
			s, err := readEnvelope(filepath.Join(ready, d.Name(), "envelope.json"))
			if err != nil {
				return false, err
			}
			// Moving it is the whole answer.
			if err := errors.Join(done(s), os.Rename(filepath.Join(ready, d.Name()), p.path("handoff", "done", d.Name()))); err != nil {
				return false, err
			}
		}
		return len(seen) == 2, nil
	})
	if err != nil {
		return err
	}
	return p.fetchReceipt("P0001.DBF.p7s", 2, gateway.Processed)
}

func readEnvelope(path string) (gateway.Submission, error) {
	var envelope struct {
		Submission gateway.Submission `json:"submission"`
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &envelope)
	}
	return envelope.Submission, err
}

func (p *play) statement() error {
	const name = "statement-demo.txt"
	local := p.path("demo", name)
	text := "Виписка за рахунком\r\n" + time.Now().UTC().Format(time.DateOnly) + "\r\n"
	if err := os.WriteFile(local, []byte(text), 0o644); err != nil {
		return err
	}
	op := admin.NewClient(p.path("run", "admin.sock"))
	defer op.Close()
	id, err := op.PutStatement(p, "demo", name, "", []byte(text))
	if err != nil {
		return err
	}
	p.printf("   %s %s\n", id, name)
	// The gateway may give it a numbered name: what lies in the outbox is asked for.
	into := p.path("demo", "outbox")
	if err := os.MkdirAll(into, 0o750); err != nil {
		return err
	}
	var found []string
	err = p.await("the statement in /outbox", func() (bool, error) {
		if err := p.client.get(into, "/outbox/*"); err != nil {
			return false, nil
		}
		found, err = filepath.Glob(filepath.Join(into, "*.p7s"))
		return len(found) > 0, err
	})
	if err != nil {
		return err
	}
	for _, seal := range found {
		file := strings.TrimSuffix(seal, ".p7s")
		quiet := *p.call
		quiet.stdout = io.Discard
		err := verify(&quiet, []string{seal, "--detached", file, "--anchor", p.path("keys", "seal-ca.pem"), "--tolerate", string(cades.NoRevocation)})
		if err != nil {
			return fmt.Errorf("the seal of %s does not verify: %w", file, err)
		}
		p.show("statement", file)
		p.show("seal", seal)
	}
	p.printf("   %s\n", p.t("печатка справжня", "the seal is genuine"))
	return nil
}

func (p *play) overview() error {
	op := admin.NewClient(p.path("run", "admin.sock"))
	defer op.Close()
	rows, err := op.SpoolList(p, admin.Filter{})
	if err != nil {
		return err
	}
	for _, r := range rows {
		p.printf("   %s  %-10s  %-9s  %s\n", r.ID, r.State, r.Kind, printable(r.Document))
	}
	p.printf("   bramactl --config %s status\n", p.layout.config())
	return nil
}

func (p *play) sftpFlags() []string {
	return []string{
		"-i", p.path("demo", "client_ed25519"), "-P", p.port,
		"-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + p.path("demo", "known_hosts"),
		"demo@" + p.host,
	}
}
