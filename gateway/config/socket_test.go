package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/brama-gateway/brama/gateway/config"
)

// The operator's socket is found in files that hold for nothing else.
func TestAdminSocket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "/run/brama/admin.sock"},
		{"run", "state: s\nrun: /run/gate # here\nlimits: [\n", "/run/gate/admin.sock"},
		{"relative and quoted", "run: \"r u n\"\r\n\tstate: s\n", "DIR/r u n/admin.sock"},
		{"socket", "run: /run/gate\nadmin:\n  # the operator\n  socket: 'a.sock'\nprocessor:\n  socket: other.sock\nlimts: 5\n", "DIR/a.sock"},
		{"on one line", "admin: {socket: /s/a.sock}\nintake: {hold: 1ms}\n", "/s/a.sock"},
		{"empty socket", "admin: {socket: \"\"}\nrun: /r\nx\n", "/r/admin.sock"},
		{"another's run", "listen:\n  run: /wrong\nstate: [\n", "/run/brama/admin.sock"},
		{"not a value", "run: [a, b]\n", "/run/brama/admin.sock"},
	} {
		file := place(t, c.text)
		want := c.want
		if len(want) > 4 && want[:4] == "DIR/" {
			want = filepath.Join(filepath.Dir(file), want[4:])
		}
		got, err := config.AdminSocket(file)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, want)
		}
	}
	if _, err := config.AdminSocket("absent.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A file that holds leads to the same socket either way.
func TestAdminSocketIsThatOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"state: s\n", "state: s\nrun: run\n", "state: s\nrun: /run/x\nadmin: {socket: a.sock}\n", "state: s\nadmin:\n  socket: \"/b.sock\"\n", config.Describe()} {
		file := place(t, text)
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := config.AdminSocket(file); err != nil || got != c.Admin.Socket {
			t.Errorf("%q: %s, %v; want %s", text, got, err, c.Admin.Socket)
		}
	}
}
