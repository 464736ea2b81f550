package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brama-gateway/brama/cmd/bramad/internal/faulttest"
)

// TestLastCheckpointFails: a disk that fails only when the journal is signed for the
// last time ends the daemon with a word and an exit code, and the next start is sound.
func TestLastCheckpointFails(t *testing.T) {
	needTracing(t)
	t.Parallel()
	s := newSite(t)
	s.configure("schedule: {checkpoints: \"@yearly\"}\n")
	s.start(nil).stop(t) // the first start makes the journal
	s.counter = &faulttest.Counter{
		Harm: faulttest.EIO, At: 1, Root: s.dir + "/",
		Only: func(c faulttest.Call) bool { return c.Name == "pwrite64" && strings.HasSuffix(c.On, "spool.db-wal") },
	}
	p := s.start(nil)
	s.register()
	c, err := s.dial(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := put(c, "/inbox/letter.txt", []byte("what the journal has to sign")); err != nil {
		t.Fatal(err)
	}
	await(t, soon, "the answer, and that nothing is written any more", func() bool {
		files, err := c.ReadDir("/receipts")
		wal, err2 := os.Stat(s.path("state", "spool.db-wal"))
		return err == nil && len(files) > 0 && err2 == nil && time.Since(wal.ModTime()) > 500*time.Millisecond
	})
	c.Close()
	s.counter.Phase("stop")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if s.counter.Struck() == nil {
		t.Fatalf("the last checkpoint wrote nothing\n%s", p.said())
	}
	if p.code != exitFailed || !strings.Contains(p.said(), "last checkpoint") {
		t.Errorf("exit code %d, want %d and a word of the last checkpoint\n%s", p.code, exitFailed, p.said())
	}
	s.counter = nil
	if p := s.start(nil); p.stop(t) != exitOK {
		t.Errorf("next: exit code %d\n%s", p.code, p.said())
	}
}
