package keyfile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestKeysOfCertificates: every key of the synthetic PKI is that of its
// certificate, named and explicit, little- and big-endian, m = 257 and 431.
func TestKeysOfCertificates(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "pki")
	files, _ := filepath.Glob(filepath.Join(dir, "keys", "*.p8"))
	n := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".p8")
		entries, err := keyfile.Open(shareddata.Read(t, f), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		key, err := entries[0].Key()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := pki.ParseCertificate(shareddata.Read(t, dir, "certs", name+".cer"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n++; !algorithm.SameKey(key.Public(), c.PublicKey) {
			t.Errorf("%s: not the key of its certificate", name)
		}
	}
	if n < 30 {
		t.Errorf("only %d keys", n)
	}
}
