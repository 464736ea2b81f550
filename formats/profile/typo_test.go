package profile

import (
	"strings"
	"testing"
)

// A wrong name in an expression stops the loading; the error names the line and
// the nearest name that there is.
func TestTypoInRule(t *testing.T) {
	t.Parallel()
	for from, to := range map[string][2]string{
		"amount < 1000000": {"ammount < 1000000", `did you mean "amount"?`},
		"bank(payee.iban)": {"bank(payee.ibam)", `did you mean "iban"?`},
		`raw.rest != ""`:   {`raw.rset != ""`, `did you mean "rest"?`},
	} {
		line := 1 + strings.Count(testProfile[:strings.Index(testProfile, from)], "\n")
		_, err := Parse("t.yaml", []byte(strings.Replace(testProfile, from, to[0], 1)))
		if err == nil || !strings.HasPrefix(err.Error(), "t.yaml:") || !strings.Contains(err.Error(), to[1]) {
			t.Errorf("line %d, %s: %v", line, to[0], err)
		}
	}
}
