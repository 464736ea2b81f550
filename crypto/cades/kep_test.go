package cades

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

// TestKEP reads every container of the КЕП set, synthetic and real. Their
// algorithms are not in the table yet and their authorities not at hand: nothing
// may pass, and nothing may break.
func TestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	at := time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)
	for _, sub := range []string{"cms", "cms/broken", "real/cms", "enveloped", "transport", "tsp", "ocsp"} {
		files, _ := os.ReadDir(filepath.Join(dir, sub))
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			b := shareddata.Read(t, dir, sub, f.Name())
			r := Validate(Input{Container: b}, Options{At: at})
			t.Logf("%-60s %d %s (%s)", sub+"/"+f.Name(), Sniff(b), verdict(r), r.Detail)
			if r.Indication == TotalPassed || strings.Contains(r.Detail, "reader fault") {
				t.Errorf("%s: %s (%s)", f.Name(), verdict(r), r.Detail)
			}
		}
	}
}
