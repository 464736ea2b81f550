package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// A reload applies what it may, and tells what needs a restart.
func TestReloadApplies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("limits: {file: 64KiB}\nlog: {level: info}\n")
	p := s.start(nil)
	s.register()
	c := s.client(p)
	big := make([]byte, 10<<10)
	if err := put(c, "inbox/R1.DBF", big); err != nil {
		t.Fatal(err)
	}
	if said := s.ctl("reload"); strings.Contains(said, "restart") {
		t.Errorf("the same file needs a restart: %s", said)
	}

	s.configure("limits: {file: 4KiB, connections: 99}\nschedule: {retention: '@hourly'}\nlog: {level: debug}\n")
	if said := s.ctl("reload"); !strings.Contains(said, "needs a restart: limits.connections\n") {
		t.Errorf("bramactl reload says %q", said)
	}
	for _, want := range []string{"needs a restart: limits.connections", "schedule changed"} {
		await(t, soon, want, func() bool { return strings.Contains(p.said(), want) })
	}
	if err := put(c, "inbox/R2.DBF", big); err == nil {
		t.Error("a file above the new limit was taken")
	}
	if err := put(c, "inbox/R3.DBF", big[:4<<10]); err != nil {
		t.Error(err)
	}
	if said := s.ctl("status"); !strings.Contains(said, "limits.connections") {
		t.Errorf("bramactl status says %q", said)
	}

	s.configure("limits: {file: 64KiB}\n")
	if said := s.ctl("reload"); strings.Contains(said, "restart") {
		t.Errorf("after it was taken back: %s", said)
	}
	if err := put(c, "inbox/R4.DBF", big); err != nil {
		t.Error(err)
	}
	c.Close()
	if code := p.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}

	out, err := exec.Command(program(t, "bramactl"), "--config", s.path("brama.yaml"), "reload").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(string(out), "the daemon does not run") {
		t.Errorf("with the daemon stopped: %v, %s", err, out)
	}
}
