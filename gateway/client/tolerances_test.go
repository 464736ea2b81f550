package client

import (
	"testing"

	"github.com/brama-gateway/brama/crypto/cades"
)

// Every tolerance that an entry may name is one that validation knows.
func TestTolerances(t *testing.T) {
	t.Parallel()
	if _, err := cades.ParseTolerances(tolerances); err != nil {
		t.Error(err)
	}
}
