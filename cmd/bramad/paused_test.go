package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
)

// slowProcessor is the child of TestPaused: it leases a document on the socket, says
// so, works on it for a moment, answers, and says how it was answered.
func slowProcessor(socket string) int {
	var d net.Dialer
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socket)
	}}}
	post := func(path, body string) (int, []byte) {
		resp, err := client.Post("http://processor"+path, "application/json", strings.NewReader(body))
		if err != nil {
			return 0, []byte(err.Error())
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, b
	}
	var given struct{ Leases []gateway.Lease }
	if code, b := post("/v1/leases", `{"max": 1, "wait": "10s", "ttl": "5s"}`); code != http.StatusOK || json.Unmarshal(b, &given) != nil || len(given.Leases) != 1 {
		fmt.Println("lease:", code, string(b))
		return 1
	}
	fmt.Println("leased")
	time.Sleep(500 * time.Millisecond)
	code, _ := post("/v1/leases/"+given.Leases[0].Token+"/answer", `{"outcome": "returned", "reason": "Запізно"}`)
	fmt.Println("answered", code)
	return 0
}

// TestPaused stops processes and lets them go on (SIGSTOP, SIGCONT): a processor, until
// its lease is over and another one has answered: its own answer is refused; and the
// daemon, for longer than leases last and clients wait: they send again, and everything
// has one answer. It takes the ten seconds that a document waits after a lease that ran out.
func TestPaused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure(`
intake: {stable: 50ms}
limits: {free_disk: 1MiB}
schedule: {checkpoints: "@every 1s"}
`)
	p := s.start(nil)
	s.register()
	l := newLoad(s, 1)
	l.ttl, l.failing = "5s", true // who is paused may be late
	l.addr.Store(&p.addr)
	write := func(n int) *paper {
		now := time.Now()
		doc := sample.Pain001(fmt.Sprintf("S%d", n), now, sample.Orders(sample.DemoPayer(), now, n*10, 2))
		f := sign(t, doc, false, l.head, l.acct)
		name := fmt.Sprintf("pain%d.xml", n)
		paper := &paper{name: name, sum: hexSum(doc), files: []sent{{name + ".p7s", hexSum(f), f}}}
		l.all[paper.sum] = paper
		return paper
	}
	stop := func(process *os.Process, signal syscall.Signal) {
		t.Helper()
		if err := process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}

	first := write(1)
	c := s.client(p)
	if err := put(c, "/inbox/"+first.files[0].name, first.files[0].content); err != nil {
		t.Fatal(err)
	}
	l.done(first)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	slow := exec.Command(self)
	slow.Env = append(os.Environ(), "BRAMAD_TEST_PROCESSOR="+s.path("run", "processor.sock"))
	var errs bytes.Buffer
	slow.Stderr = &errs
	out, err := slow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slow.Process.Kill(); _ = slow.Wait() })
	said := bufio.NewReader(out)
	if line, err := said.ReadString('\n'); line != "leased\n" {
		t.Fatalf("the processor says %q, %v\n%s", line, err, errs.Bytes())
	}
	stop(slow.Process, syscall.SIGSTOP)

	// The daemon, in the middle of an upload, and a client that does not wait.
	second := write(2)
	f, err := c.OpenFile("/inbox/"+second.files[0].name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(second.files[0].content[:100]); err != nil {
		t.Fatal(err)
	}
	stop(p.cmd.Process, syscall.SIGSTOP)
	closed := make(chan error, 1)
	go func() {
		_, err := f.Write(second.files[0].content[100:])
		if err == nil {
			err = f.Close()
		}
		closed <- err
	}()
	select {
	case err := <-closed:
		t.Errorf("a daemon that stands still has answered: %v", err)
	case <-time.After(5500 * time.Millisecond):
	}
	go c.Close() // it gives up; the other side does not answer that either
	stop(p.cmd.Process, syscall.SIGCONT)
	second.resent++
	c = s.client(p)
	await(t, soon, "the upload again", func() bool { return put(c, "/inbox/"+second.files[0].name, second.files[0].content) == nil })
	l.done(second)

	l.work()
	await(t, 2*soon, "another processor's answers to both", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.answers) == 2
	})
	stop(slow.Process, syscall.SIGCONT)
	if line, err := said.ReadString('\n'); line != "answered 409\n" {
		t.Errorf("the late answer: %q, %v", line, err)
	}
	l.drain()
	l.mirrored()
	c.Close()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	for line := range strings.Lines(p.said()) {
		if strings.Contains(line, `"level":"error"`) {
			t.Error(line)
		}
	}
	audit(t, l).tell(t)
}
