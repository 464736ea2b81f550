package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/gateway/config"
)

// units are the services and the score, in tenths, that systemd-analyze gives each;
// it may only become better. What is left of bramad's: the host's root directory, the
// shared group, Unix sockets, and the clock device that ProtectClock itself brings.
// brama-signer must see the users of its peers, so it has not PrivateUsers either.
var units = []struct {
	name  string
	score int
}{
	{"bramad", 2},
	{"brama-signer", 4},
}

func TestUnitScore(t *testing.T) {
	t.Parallel()
	tool := systemdAnalyze(t)
	for _, u := range units {
		unit := filepath.Join(moduleRoot(t), "systemd", u.name+".service")
		out, err := exec.Command(tool, "security", "--offline=true", "--threshold="+strconv.Itoa(u.score), "--no-pager", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		// A threshold that nothing passes proves that the tool judges at all.
		if err := exec.Command(tool, "security", "--offline=true", "--threshold=0", "--no-pager", unit).Run(); err == nil {
			t.Errorf("%s: the score is below 0.1, or the tool does not judge; look again", u.name)
		}
	}
}

func TestUnitsParse(t *testing.T) {
	t.Parallel()
	tool := systemdAnalyze(t)
	dir := filepath.Join(moduleRoot(t), "systemd")
	out, _ := exec.Command(tool, "verify", filepath.Join(dir, "bramad.service"), filepath.Join(dir, "bramad.socket"), filepath.Join(dir, "brama-signer.service")).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// The binaries need not be installed where the test runs.
		if (strings.Contains(line, "bramad.") || strings.Contains(line, "brama-signer.")) && !strings.Contains(line, " is not executable") {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// A directive whose reason nobody wrote down is one that nobody dares to change.
func TestUnitDirectivesHaveReasons(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	for _, name := range []string{"bramad.service", "bramad.socket", "brama-signer.service"} {
		b, err := os.ReadFile(filepath.Join(root, "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		// One reason may stand above several directives, until an empty line.
		reason := false
		for i, line := range strings.Split(string(b), "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
				reason = true
			case line == "" || strings.HasPrefix(line, "["):
				reason = false
			case !reason && !plain[strings.SplitN(line, "=", 2)[0]]:
				t.Errorf("%s:%d: %s: no reason above it", name, i+1, line)
			}
		}
	}
}

// The configuration of docs/operator.md names no folder that nobody makes.
func TestFoldersOfTheOperatorsPage(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "operator.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("the page has no configuration")
	}
	cfg, err := config.Parse("/etc/brama/brama.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, "systemd", "tmpfiles.d", "brama.conf"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{"/var/lib/brama": true, "/run/brama": true} // StateDirectory=, RuntimeDirectory=
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 6 && f[0] == "d" {
			made[f[1]] = true
		}
	}
	for _, dir := range []string{cfg.State, cfg.Run, cfg.Clients.Root, cfg.Processor.Handoff, cfg.Trust.Dir, cfg.Trust.Dir + "/anchors", cfg.Trust.Dir + "/material"} {
		if !made[dir] {
			t.Errorf("%s is made by nobody", dir)
		}
	}
}

// plain directives say themselves why.
var plain = map[string]bool{"Description": true, "Documentation": true, "WantedBy": true}

func systemdAnalyze(t *testing.T) string {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is not installed")
		}
		t.Skip("systemd-analyze is not installed")
	}
	return tool
}
