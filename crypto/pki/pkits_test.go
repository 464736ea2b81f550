package pki_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// pkitsLeft are the sections whose valid paths may be refused for now, with the
// reason. Every path that must fail is refused in all sections.
var pkitsLeft = map[string]string{
	"4.1.4":   "DSA is not in the algorithm table",
	"4.1.5":   "DSA is not in the algorithm table",
	"4.10.":   "policyMappings are refused",
	"4.11.":   "policyMappings are refused",
	"4.13.":   "nameConstraints are refused",
	"4.14.30": "the CRL issuer's own certificate is looked for in the CRL that it signs: whoever answers for itself is not believed",
}

var policyNames = map[string]der.OID{
	"anyPolicy":           "2.5.29.32.0",
	"NIST-test-policy-1":  "2.16.840.1.101.3.2.1.48.1",
	"NIST-test-policy-2":  "2.16.840.1.101.3.2.1.48.2",
	"NIST-test-policy-3":  "2.16.840.1.101.3.2.1.48.3",
	"NIST-test-policy-4":  "2.16.840.1.101.3.2.1.48.4",
	"NIST-test-policy-5":  "2.16.840.1.101.3.2.1.48.5",
	"NIST-test-policy-6":  "2.16.840.1.101.3.2.1.48.6",
	"NIST-test-policy-7":  "2.16.840.1.101.3.2.1.48.7",
	"NIST-test-policy-8":  "2.16.840.1.101.3.2.1.48.8",
	"NIST-test-policy-9":  "2.16.840.1.101.3.2.1.48.9",
	"NIST-test-policy-10": "2.16.840.1.101.3.2.1.48.10",
}

// TestPKITS runs the NIST PKITS paths.
func TestPKITS(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "pkits")
	var cases []struct {
		Name                                                                        string
		CertPath, CRLPath, InitialPolicySet                                         []string
		ShouldValidate                                                              bool
		InitialPolicyMappingInhibit, InitialExplicitPolicy, InitialAnyPolicyInhibit bool
	}
	if err := json.Unmarshal(shareddata.Read(t, dir, "vectors.json"), &cases); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	var refused, accepted, left int
	for _, c := range cases {
		number, _, _ := strings.Cut(c.Name, " ")
		var certs []*pki.Certificate
		broken := ""
		for _, f := range c.CertPath {
			b, err := os.ReadFile(filepath.Join(dir, "certs", f))
			if err != nil {
				t.Fatal(err)
			}
			cert, err := pki.ParseCertificate(b)
			if err != nil {
				broken = f + ": " + err.Error()
				break
			}
			certs = append(certs, cert)
		}
		var crls []*pki.CRL
		for _, f := range c.CRLPath {
			b, err := os.ReadFile(filepath.Join(dir, "crls", f))
			if err != nil {
				t.Fatal(err)
			}
			if l, err := pki.ParseCRL(b); err == nil {
				crls = append(crls, l)
			} else {
				t.Logf("%s: %s: %v", c.Name, f, err)
			}
		}
		got := pki.Path{Detail: broken}
		if broken == "" {
			o := pki.PathOptions{At: at, ExplicitPolicy: c.InitialExplicitPolicy, InhibitAnyPolicy: c.InitialAnyPolicyInhibit}
			for _, p := range c.InitialPolicySet {
				oid, ok := policyNames[p]
				if !ok {
					t.Fatalf("policy %q", p)
				}
				o.Policies = append(o.Policies, oid)
			}
			n := len(certs) - 1
			got = pki.NewStore(certs[:1], certs[1:n], crls).Validate(certs[n], o)
		}
		valid := got.Outcome == pki.ValidPath
		why := ""
		for prefix, reason := range pkitsLeft {
			if strings.HasPrefix(number, prefix) && (strings.HasSuffix(prefix, ".") || number == prefix) {
				why = reason
			}
		}
		switch {
		case valid && c.ShouldValidate:
			accepted++
		case !valid && !c.ShouldValidate:
			refused++
		case valid:
			t.Errorf("%s: accepted", c.Name)
		case why != "":
			left++
			t.Logf("left out: %s (%s): %d %s", c.Name, why, got.Outcome, got.Detail)
		default:
			t.Errorf("%s: refused: %d %s", c.Name, got.Outcome, got.Detail)
		}
	}
	t.Logf("refused %d of those that must fail, accepted %d of those that must pass, left out %d", refused, accepted, left)
	if refused != 135 || left != 33 {
		t.Errorf("refused %d, want 135; left out %d, want 33", refused, left)
	}
}
