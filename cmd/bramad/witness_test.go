package main

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The daemon's checkpoints get the signature of a witness in another process; when
// that goes away, documents still come in, and the status says so.
func TestWitness(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("schedule: {checkpoints: \"@every 1s\"}\n")
	if code := s.start(nil).stop(t); code != exitOK { // the first start makes the journal's key
		t.Fatalf("exit code %d", code)
	}
	cmd := exec.Command(program(t, "bramactl"), "journal", "witness", "--lang", "en", "--dir", s.path("witness"),
		"--listen", "127.0.0.1:0", "--name", "witness.example/brama", "--key", s.path("state", "journal", "key.pub"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	r := bufio.NewReader(out)
	url, err1 := r.ReadString('\n')
	key, err2 := r.ReadString('\n')
	if err1 != nil || err2 != nil {
		t.Fatal(url, key, err1, err2)
	}
	url, key = strings.TrimSpace(strings.TrimPrefix(url, "the witness listens: ")), strings.TrimSpace(strings.TrimPrefix(key, "its key: "))
	s.configure("schedule: {checkpoints: \"@every 1s\"}\njournal: {witness: {url: \"" + url + "\", key: \"" + key + "\"}}\n")
	p := s.start(nil)
	c := s.client(p)
	if err := put(c, "/inbox/contract.pdf.p7s", s.signedPDF("witness")); err != nil {
		t.Fatal(err)
	}
	await(t, 3*soon, "the witness's signature", func() bool {
		b, err := exec.Command("grep", "-c", "witness.example/brama", s.path("state", "journal", "witnessed")).Output()
		return err == nil && strings.TrimSpace(string(b)) == "1"
	})
	s.ctl("journal", "verify", "--checkpoint", s.path("witness", "checkpoints"))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the witness ended: %v", err)
	}
	if err := put(c, "/inbox/second.pdf.p7s", s.signedPDF("second")); err != nil {
		t.Fatal(err)
	}
	await(t, 3*soon, "the warning", func() bool { return strings.Contains(s.ctl("status", "--lang", "en"), "The witness does not sign") })
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
}
