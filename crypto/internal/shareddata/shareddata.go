// Package shareddata finds the test data that does not lie in the repository.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir gives the path of elem within the shared data: under data/ in the folder
// that BRAMA_SHARED names, or in ../shared beside the repository. If it is not
// there the test is skipped, or fails where CI=true.
func Dir(t testing.TB, elem ...string) string {
	t.Helper()
	base := os.Getenv("BRAMA_SHARED")
	if base == "" {
		dir, err := os.Getwd()
		for err == nil && dir != filepath.Dir(dir) {
			if _, e := os.Stat(filepath.Join(dir, "go.mod")); e == nil {
				base = filepath.Join(dir, "..", "shared")
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	path := filepath.Join(append([]string{base, "data"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		Missing(t, "shared data not here")
	}
	return path
}

// Read gives the bytes of a file.
func Read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Missing skips a test for want of something outside, or fails where CI=true.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
