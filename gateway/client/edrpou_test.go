package client

import "testing"

func TestEDRPOU(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"00013480":  true, // leading zeros
		"37993783":  true, // the weights of the middle range
		"12345678":  true,
		"12345679":  false,
		"32855968":  false, // right by the wrong row of weights
		"":          false,
		"0001348":   false,
		"000134800": false,
		"0001348x":  false,
		"٠٠٠١٣٤٨٠":  false,
	} {
		if got := validEDRPOU(code); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
}
