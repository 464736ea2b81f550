package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/spool"
	"github.com/brama-gateway/brama/spool/sqlite"
)

// What an operator does before and after a disk is lost: copies while documents
// come in, the copy restored on another machine, everything proved there, and the
// gateway put to work again.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure(`
intake: {stable: 50ms}
limits: {client_connections: 50, free_disk: 1MiB}
schedule: {checkpoints: "@every 1s", backup: "@every 1s"}
journal: {copy: elsewhere}
backup: {repository: repo}
log: {level: warn}
`)
	p := s.start(nil)
	s.register()
	l := newLoad(s, 1)
	l.ttl = "1m"
	l.begin()
	l.addr.Store(&p.addr)
	await(t, 3*soon, "two scheduled copies under load", func() bool {
		names, _ := filepath.Glob(s.path("repo", "copies", "*.json"))
		return len(names) >= 2
	})
	var last struct {
		At   time.Time
		Rows int64
	}
	var err error
	for range 100 { // the daemon may be taking one itself
		var out []byte
		if out, err = exec.Command(program(t, "bramactl"), "--config", s.path("brama.yaml"), "backup", "--json").Output(); err == nil {
			err = json.Unmarshal(out, &last)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil || last.Rows == 0 {
		t.Fatalf("bramactl backup: %+v, %v", last, err)
	}
	s.write(s.path("brama.yaml"), strings.Replace(s.text("brama.yaml"), "backup: {repository: repo}", "", 1))
	s.ctl("reload") // no copies after that one
	time.Sleep(1500 * time.Millisecond)
	l.finish()
	lost := s.ctl("journal", "checkpoint")
	if code := p.stop(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, p.said())
	}

	// Elsewhere: the configuration, the keys and the trust folder were kept by other means.
	other := &site{t: t, dir: filepath.Join(filepath.Dir(s.dir), "e")}
	if out, err := exec.Command("cp", "-a", s.dir, other.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, gone := range []string{"state", "run", "clients", "elsewhere"} {
		if err := os.RemoveAll(other.path(gone)); err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range []string{"run", "clients"} {
		if err := os.Mkdir(other.path(made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(s.text("brama.yaml"), s.dir, other.dir)
	other.write(other.path("brama.yaml"), strings.Replace(config, "journal: {copy: elsewhere}", "", 1))
	other.ctl("restore", "--repository", s.path("repo"), "--at", last.At.Format(time.RFC3339Nano))
	other.ctl("integrity", "--deep")
	other.ctl("journal", "verify")
	if n := other.provable(); n == 0 {
		t.Error("no receipt was in the copy")
	}

	// With the copies of the checkpoints the loss shows, and nothing is signed over it.
	if out, err := exec.Command("cp", "-a", s.path("elsewhere"), other.path("elsewhere")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	other.write(other.path("brama.yaml"), config)
	if out, err := exec.Command(program(t, "bramactl"), "--config", other.path("brama.yaml"), "journal", "verify").Output(); err == nil || !strings.Contains(string(out), string(journal.RowsCut)) {
		t.Errorf("a history that was taken back: %v\n%s", err, out)
	}
	p = other.start(nil)
	if out := other.ctl("status"); !strings.Contains(out, "journal verify") {
		t.Errorf("status:\n%s", out)
	}
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	other.ctl("journal", "renew", "--reason", "the disk of the store was lost")
	p = other.start(nil)
	c := other.client(p)
	if err := put(c, "/inbox/after.pdf.p7s", other.signedPDF("after")); err != nil {
		t.Fatal(err)
	}
	await(t, 3*soon, "a proof under the new key", func() bool {
		_, err := c.Stat("/receipts/after.pdf.p7s.receipt1.proof")
		return err == nil
	})
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.said())
	}
	other.ctl("journal", "verify")
	// The checkpoint that a client kept still says what was lost: under the old key.
	kept := other.path("kept")
	other.write(kept, lost)
	origin, _, _ := strings.Cut(lost, "\n")
	key := journal.Folder(other.path("state")) + "/" + origin + ".pub"
	if out, err := exec.Command(program(t, "bramactl"), "--config", other.path("brama.yaml"), "journal", "verify", "--key", key, "--checkpoint", kept).Output(); err == nil || !strings.Contains(string(out), string(journal.RowsCut)) {
		t.Errorf("what was lost: %v\n%s", err, out)
	}
}

func (s *site) text(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// provable proves every receipt of the store that a checkpoint covers, and counts them.
func (s *site) provable() (n int) {
	s.t.Helper()
	dir := journal.Folder(s.path("state"))
	public, err := journal.PublicKey(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := journal.ParseKey(public)
	if err != nil {
		s.t.Fatal(err)
	}
	head, err := journal.LastCheckpoint(dir, key)
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := sqlite.OpenReading(s.path("state"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer store.Close()
	var rows []spool.Event
	if err := store.View(s.t.Context(), func(r spool.Reader) (err error) {
		rows, err = r.Events(0, 1_000_000)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	for _, e := range rows {
		if e.Seq > head.Size || e.Kind != "decided" && e.Kind != "answered" {
			continue
		}
		p, err := journal.ProveIn(s.t.Context(), dir, store, key, e.ID)
		if err != nil {
			s.t.Errorf("row %d: %v", e.Seq, err)
			continue
		}
		if p.Receipt() > 0 {
			n++
		}
	}
	return n
}
