package pki

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

// realCertificates reads every certificate of the КЕП set's real part, once.
func realCertificates(t *testing.T) []*Certificate {
	t.Helper()
	dir := shareddata.Dir(t, "kep")
	seen := make(map[[32]byte]bool)
	var out []*Certificate
	add := func(file string, raw []byte) {
		c, err := ParseCertificate(raw)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			return
		}
		if !seen[c.sum] {
			seen[c.sum] = true
			out = append(out, c)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "real", "certs", "*.cer"))
	for _, f := range files {
		add(f, shareddata.Read(t, f))
	}
	for _, pattern := range []string{"real/trust/*.p7b", "real/cms/*.p7*", "pki/*.p7b"} {
		files, _ = filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		for _, f := range files {
			list, err := cms.Certificates(shareddata.Read(t, f))
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(f), err)
			}
			for _, raw := range list {
				add(f, raw)
			}
		}
	}
	return out
}

// TestRealSignatures reads every real certificate and verifies it by every issuer
// of its name that is there: none is refused for its encoding, and of none does a
// signature fail while the issuer named by its key identifier is at hand.
func TestRealSignatures(t *testing.T) {
	t.Parallel()
	all := realCertificates(t)
	bySubject := make(map[string][]*Certificate)
	for _, c := range all {
		bySubject[c.Subject.key] = append(bySubject[c.Subject.key], c)
	}
	verified, orphans, legacy, failed := make(map[string]int), 0, 0, 0
	for _, c := range all {
		var named, good *Certificate
		for _, issuer := range bySubject[c.Issuer.key] {
			if c.AuthorityKeyID != nil && bytes.Equal(c.AuthorityKeyID, issuer.SubjectKeyID) {
				named = issuer
			}
			if issuer.PublicKey != nil && c.checkSignatureBy(issuer) == nil {
				good = issuer
				break
			}
		}
		switch {
		case good != nil:
			s, err := algorithm.FindSignature(c.SignatureAlgorithm)
			if err != nil {
				t.Fatal(err)
			}
			verified[s.Name]++
			if algorithm.LegacySBox(good.PublicKey) {
				legacy++
			}
		case named == nil:
			orphans++
		default:
			// The root of 2005 with its own base point; one with SHA-1; two made for
			// tests, whose signatures are not their issuers'.
			failed++
			t.Logf("%s, serial %x: %v", c.SignatureAlgorithm.OID, c.RawSerial, c.checkSignatureBy(named))
		}
	}
	t.Logf("%d certificates: verified %v, %d of them with a block other than DKE No 1; issuer not there for %d", len(all), verified, legacy, orphans)
	if len(all) < 550 || verified["dstu4145-with-gost34311"] < 400 || failed > 4 {
		t.Errorf("%d certificates, verified %v, failed %d", len(all), verified, failed)
	}
}

// TestTreasuryChain validates real certificates of the Treasury to a root of the
// central authority: keys of m = 257 and 431, named and explicit, little- and
// big-endian.
func TestTreasuryChain(t *testing.T) {
	t.Parallel()
	all := realCertificates(t)
	var roots []*Certificate
	for _, c := range all {
		if c.IsCA && c.SelfIssued() {
			roots = append(roots, c)
		}
	}
	store := NewStore(roots, all, nil)
	outcomes := make(map[Outcome]int)
	n := 0
	for _, c := range all {
		if !strings.Contains(c.Subject.Organization, "азначейс") {
			continue
		}
		n++
		p := store.Validate(c, PathOptions{At: c.NotBefore.Add(24 * time.Hour), WithoutRevocation: true})
		outcomes[p.Outcome]++
		if p.Outcome != ValidPath {
			t.Logf("serial %x of %s: %d %s", c.RawSerial, c.NotBefore.Format("2006"), p.Outcome, p.Detail)
		}
	}
	if n < 5 || outcomes[ValidPath] < n-1 {
		t.Errorf("%d certificates, outcomes %v", n, outcomes)
	}
}

// TestLegacyAuthority: a certificate is hashed with its issuer's block, and such
// an issuer needs leave.
func TestLegacyAuthority(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "pki", "certs")
	read := func(name string) *Certificate {
		c, err := ParseCertificate(shareddata.Read(t, dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)
	for _, c := range []struct {
		ca, leaf string
		legacy   bool
	}{
		{"ca_legacy_dke.cer", "ee_under_legacy_ca.cer", true},
		{"ca_be_spki.cer", "ee_under_be_ca.cer", false},
		{"ca257.cer", "ee_person_sign.cer", false},
		{"ca2_named.cer", "ee_seal_qctype.cer", false},
	} {
		store := NewStore([]*Certificate{read("root431.cer")}, []*Certificate{read(c.ca)}, nil)
		o := PathOptions{At: at, WithoutRevocation: true}
		want := ValidPath
		if c.legacy {
			want = WeakAlgorithm
		}
		if p := store.Validate(read(c.leaf), o); p.Outcome != want {
			t.Errorf("%s: %d %s", c.leaf, p.Outcome, p.Detail)
		}
		o.LegacySBox = true
		if p := store.Validate(read(c.leaf), o); p.Outcome != ValidPath || len(p.Chain) != 3 {
			t.Errorf("%s with the block allowed: %d %s", c.leaf, p.Outcome, p.Detail)
		}
	}
}

// TestDSTULists: lists signed with DSTU 4145, synthetic and real.
func TestDSTULists(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	real := realCertificates(t)
	ca, err := ParseCertificate(shareddata.Read(t, dir, "pki", "certs", "ca257.cer"))
	if err != nil {
		t.Fatal(err)
	}
	ca2, err := ParseCertificate(shareddata.Read(t, dir, "pki", "certs", "ca2_named.cer"))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "pki", "crl", "*.crl"))
	more, _ := filepath.Glob(filepath.Join(dir, "real", "crl", "*.crl"))
	for _, f := range append(files, more...) {
		name := filepath.Base(f)
		l, err := ParseCRL(shareddata.Read(t, f))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		signed := false
		for _, c := range append([]*Certificate{ca, ca2}, real...) {
			if c.Subject.Same(l.Issuer) && l.signedBy(c) == nil {
				signed = true
			}
		}
		t.Logf("%s: %d entries, signed %v", name, l.Len(), signed)
		if want := name != "CA-Full-badsig.crl"; signed != want && name != "pkiexample_full.crl" && name != "3da-full.crl" {
			t.Errorf("%s: signed %v", name, signed)
		}
	}
}
