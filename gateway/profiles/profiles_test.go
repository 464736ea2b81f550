package profiles_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/configs"
	"github.com/brama-gateway/brama/gateway/profiles"
)

// A bad profile never takes the place of a good one.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := profiles.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	builtin := p.Set().Names()
	text, err := configs.Profiles.ReadFile("profiles/brama.payment-order.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(own, []byte("name: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err == nil {
		t.Error("a bad profile was taken")
	}
	if !slices.Equal(p.Set().Names(), builtin) {
		t.Errorf("%v", p.Set().Names())
	}
	if err := os.WriteFile(own, text, 0o600); err != nil { // the site's own of a built-in name
		t.Fatal(err)
	}
	if err := p.Reload(); err != nil || !slices.Equal(p.Set().Names(), builtin) {
		t.Errorf("%v %v", p.Set().Names(), err)
	}
	if _, err := profiles.Open(filepath.Join(dir, "own.yaml", "x")); err == nil {
		t.Log("a folder that is not there is one without profiles")
	}
}
