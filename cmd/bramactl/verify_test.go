package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/gateway/provider"
)

// Time-stamps are shown with who made them, and with the reason where they fail.
func TestPrintTimeStamps(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 1, 0, time.UTC)
	r := provider.Report{Indication: "TOTAL-PASSED", Signatures: []provider.SignatureRow{{Indication: "TOTAL-PASSED", TimeStamps: []provider.TimeStampRow{
		{Kind: "content-time-stamp", Valid: true, Time: &at, Authority: "TSP"},
		{Kind: "signature-time-stamp", SubIndication: "FORMAT_FAILURE", Detail: "not a time-stamp token\x1b[1m"},
	}}}}
	for lang, want := range map[string][]string{
		"en": {"   content time-stamp: 2026-11-01T12:00:01Z, TSP, valid\n", "   signature time-stamp: not valid FORMAT_FAILURE: not a time-stamp token"},
		"uk": {"   позначка часу документа: 2026-11-01T12:00:01Z, TSP, дійсна\n", "   позначка часу підпису: недійсна FORMAT_FAILURE: "},
	} {
		var out bytes.Buffer
		c := &call{stdout: &out, lang: lang}
		c.printReport(r)
		for _, line := range want {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s: no %q in\n%s", lang, line, out.String())
			}
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: control characters", lang)
		}
	}
}
