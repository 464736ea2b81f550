package policy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/policy"
)

// shared reads a file of the hostile set, which does not lie in the repository.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	base := os.Getenv("BRAMA_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	data, err := os.ReadFile(filepath.Join(base, "data", "relsec", "attack", name))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("shared data not here")
		}
		t.Skip("shared data not here")
	}
	return data
}

func certificates(t *testing.T, name string) []*pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificates(shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIndicationsAreThoseOfCades(t *testing.T) {
	t.Parallel()
	if policy.Indication(cades.TotalPassed) != policy.Passed || policy.Indication(cades.TotalFailed) != policy.Failed || policy.Indication(cades.Indeterminate) != policy.Indeterminate {
		t.Error("a converted indication means something else")
	}
}

// Sound signatures of the wrong person: validation passes them, the register
// does not, whichever way it names the right ones (VERDICTS, last line; THREATS
// A16). The control is the same case with a right signer.
func TestStrangersOfTheHostileSet(t *testing.T) {
	t.Parallel()
	var crls []*pki.CRL
	for _, name := range []string{"pki/root.crl", "pki/ca.crl"} {
		l, err := pki.ParseCRLs(shared(t, name))
		if err != nil {
			t.Fatal(err)
		}
		crls = append(crls, l...)
	}
	store := pki.NewStore(certificates(t, "pki/root.cer"), certificates(t, "pki/ca.cer"), crls)
	moment := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	a, b := certificates(t, "pki/signerA.cer")[0], certificates(t, "pki/signerB.cer")[0]
	byHash := func(c *pki.Certificate) client.Signatory {
		sum := c.SHA256()
		return client.Signatory{Role: client.Head, SHA256: hex.EncodeToString(sum[:])}
	}
	byCodes := func(c *pki.Certificate) client.Signatory {
		if c.Codes().Person == "" || c.Codes().EDRPOU == "" {
			t.Fatalf("%s has no codes", c.Subject)
		}
		return client.Signatory{Role: client.Head, Person: c.Codes().Person, EDRPOU: c.Codes().EDRPOU}
	}
	for _, row := range []struct {
		file   string
		action policy.Action
	}{
		{"001-good-attached.p7s", policy.Accept},
		{"059-wrong-client.p7s", policy.Reject},
		{"091-cn-homoglyph.p7s", policy.Reject},
		{"093-cn-rtl.p7s", policy.Reject},
		{"094-cn-nul.p7s", policy.Reject},
	} {
		container := shared(t, "cms/"+row.file)
		for way, signatories := range map[string][]client.Signatory{
			"hash":  {byHash(a), byHash(b)},
			"codes": {byCodes(a), byCodes(b)},
		} {
			c := policy.Case{
				At: moment, Kind: "supporting_document", FormatOK: true, Complete: true,
				Entry: &client.Entry{ID: "c", EDRPOU: "00013480", Kinds: []string{"supporting_document"}, Signatories: signatories},
			}
			r := cades.Validate(cades.Input{Container: container}, cades.Options{At: moment, Trust: store})
			for _, s := range r.Signatures {
				x := policy.Signature{Indication: policy.Indication(s.Indication), SubIndication: string(s.SubIndication)}
				if s.Signer != nil {
					sum, key, codes := s.Signer.SHA256(), sha256.Sum256(s.Signer.RawSPKI), s.Signer.Codes()
					x.CertSHA256, x.KeyID = hex.EncodeToString(sum[:]), hex.EncodeToString(key[:])
					x.EDRPOU, x.Person, x.AmbiguousCodes = codes.EDRPOU, codes.Person, codes.Ambiguous
				}
				c.Signatures = append(c.Signatures, x)
			}
			if len(c.Signatures) != 1 || c.Signatures[0].Indication != policy.Passed {
				t.Fatalf("%s is not TOTAL-PASSED: %+v %s", row.file, c.Signatures, r.Detail)
			}
			d := policy.Decide(c)
			if d.Action != row.action {
				t.Errorf("%s, register by %s: %s, want %s", row.file, way, d.Action, row.action)
			}
			if row.action == policy.Reject && d.Reasons[0].ID != "SIG-STRANGER" {
				t.Errorf("%s, register by %s: %+v", row.file, way, d.Reasons)
			}
		}
	}
}
