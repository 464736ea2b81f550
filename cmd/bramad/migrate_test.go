package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMigrate moves the store of a working gateway to PostgreSQL, is killed on the way
// and goes on, serves from there, and moves back: with the real programs.
func TestMigrate(t *testing.T) {
	t.Parallel()
	_, store := database(t)
	url := strings.Split(store, `"`)[1]
	s := newSite(t)
	s.configure("")
	serve := func(names ...string) *process {
		t.Helper()
		p := s.start(nil)
		s.register()
		c := s.client(p)
		for _, n := range names {
			if err := put(c, "/inbox/"+n, s.signedPDF(n)); err != nil {
				t.Fatal(err)
			}
		}
		s.accepted(p, c, names...)
		c.Close()
		return p
	}
	var first []string
	for i := range 8 {
		first = append(first, fmt.Sprintf("A%d.pdf.p7s", i))
	}
	serve(first...).stop(t)

	to := []string{"--json", "migrate", "--to", "postgres", "--url", url, "--unflushed"}
	for wait := 100 * time.Millisecond; wait < 500*time.Millisecond; wait += 200 * time.Millisecond {
		cmd := exec.Command(program(t, "bramactl"), append([]string{"--config", s.path("brama.yaml")}, to...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		_ = cmd.Process.Kill() // it may have ended: then the next one says that it has nothing to do
		_ = cmd.Wait()
	}
	var rep struct {
		Tables   []struct{ Name, SHA256 string }
		Contents int
		Resumed  bool
		Journal  struct{ Findings []any }
	}
	out, err := exec.Command(program(t, "bramactl"), append([]string{"--config", s.path("brama.yaml")}, to...)...).CombinedOutput()
	switch {
	case err != nil && strings.Contains(string(out), "out of use"): // a slow kill
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	default:
		if err := json.Unmarshal(out, &rep); err != nil || rep.Contents < len(first) || len(rep.Tables) == 0 || len(rep.Journal.Findings) > 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("gone on with: %t", rep.Resumed)
	}

	// The configuration still names the old one: it is refused, with the way on.
	if code, said := s.refusesToStart(); code != exitFailed || !strings.Contains(said, "moved to the other engine") || !strings.Contains(said, "migrate --reopen") {
		t.Errorf("a store that was moved: exit %d, %s", code, said)
	}
	s.configure(store)
	serve("B.pdf.p7s").stop(t)
	s.ctl("journal", "verify")

	// And back, into a state without the old store.
	for _, n := range []string{"spool.db", "content", "drafts"} {
		if err := os.Rename(s.path("state", n), s.path(n+".old")); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal([]byte(s.ctl("--json", "migrate", "--to", "embedded")), &rep); err != nil || rep.Contents < len(first)+1 || len(rep.Journal.Findings) > 0 {
		t.Fatalf("back: %v %+v", err, rep)
	}
	if code, said := s.refusesToStart(); code != exitFailed || !strings.Contains(said, "moved to the other engine") {
		t.Errorf("the database that was moved: exit %d, %s", code, said)
	}
	s.ctl("migrate", "--reopen")
	serve().stop(t) // in use again, as it was
	s.configure("")
	p := serve("C.pdf.p7s")
	c := s.client(p)
	s.accepted(p, c, append(first, "B.pdf.p7s", "C.pdf.p7s")...)
	c.Close()
	p.stop(t)
	s.ctl("journal", "verify")
	s.ctl("integrity", "--deep")
}
