package gateway_test

import (
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
)

func TestRefusedError(t *testing.T) {
	t.Parallel()
	for n, want := range []string{
		"statement refused",
		"statement refused: OUT-EMPTY",
		"statement refused: OUT-EMPTY and 1 more finding",
		"statement refused: OUT-EMPTY and 2 more findings",
	} {
		e := &gateway.RefusedError{Findings: make([]formats.Finding, n)}
		for i := range e.Findings {
			e.Findings[i].Rule = "OUT-EMPTY"
		}
		if e.Error() != want {
			t.Errorf("%d findings: %s", n, e)
		}
	}
}
