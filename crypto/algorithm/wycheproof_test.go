package algorithm

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

// TestWycheproof: every valid signature verifies, no invalid one does.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "wycheproof")
	hash := func(oid der.OID) []byte { return der.Sequence(oid.Encode(), der.Null()) }
	pss := der.Sequence(
		der.Explicit(0, hash(SHA256)), der.Explicit(1, der.Sequence(mgf1.Encode(), hash(SHA256))), der.Explicit(2, der.Int(32)))
	for file, id := range map[string]Identifier{
		"ecdsa_secp256r1_sha256_test.json":      {OID: ECDSAWithSHA256},
		"ecdsa_secp384r1_sha384_test.json":      {OID: ECDSAWithSHA384},
		"rsa_signature_2048_sha256_test.json":   {OID: SHA256WithRSA, Params: der.Null()},
		"rsa_pss_2048_sha256_mgf1_32_test.json": {OID: RSAPSS, Params: pss},
	} {
		var set struct {
			TestGroups []struct {
				PublicKeyDer string
				Tests        []struct {
					TcID                      int
					Comment, Msg, Sig, Result string
				}
			}
		}
		if err := json.Unmarshal(shareddata.Read(t, dir, file), &set); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, g := range set.TestGroups {
			spki, err := hex.DecodeString(g.PublicKeyDer)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ParseKey(spki)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, c := range g.Tests {
				msg, _ := hex.DecodeString(c.Msg)
				sig, _ := hex.DecodeString(c.Sig)
				ok := Verify(id, key, msg, sig) == nil
				n++
				if ok && c.Result == "invalid" || !ok && c.Result == "valid" {
					t.Errorf("%s %d: verifies %v, want %s (%s)", file, c.TcID, ok, c.Result, c.Comment)
				}
			}
		}
		t.Logf("%s: %d", file, n)
	}
}
