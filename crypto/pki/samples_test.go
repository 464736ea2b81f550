package pki_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// TestGnuTLS reads the malformed and odd certificates.
func TestGnuTLS(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "gnutls-certs")
	for _, name := range []string{
		"dup-exts.pem", "invalid-date-day.der", "invalid-date-hour.der",
		"invalid-date-month.der", "invalid-date-secs.der", "openssl-invalid-time-format.pem",
		"x509-with-zero-version.pem", "x509-v1-with-sid.pem",
	} {
		if _, err := pki.ParseCertificates(shareddata.Read(t, dir, name)); err == nil {
			t.Errorf("%s: parsed", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"template-dates-after2038.pem", "very-long-dn.pem", "pkcs1-pad-ok.pem", "crit-extensions.pem"} {
		all, err := pki.ParseCertificates(shareddata.Read(t, dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := len(all[0].Subject.String()); n > 2000 {
			t.Errorf("%s: name of %d bytes shown", name, n)
		}
	}
	// Whatever they hold, none is valid, trusting the last certificate of each file.
	for _, name := range []string{"crit-extensions.pem", "invalid-sig4.pem", "pkcs1-pad-broken.pem", "pkcs1-pad-broken2.pem", "pkcs1-pad-broken3.pem", "long-oids.pem", "long-serial.pem"} {
		all, err := pki.ParseCertificates(shareddata.Read(t, dir, name))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		p := pki.NewStore(all[len(all)-1:], all[1:], nil).Validate(all[0], pki.PathOptions{At: all[0].NotBefore.Add(time.Hour), WithoutRevocation: true})
		t.Logf("%s (%d): %d %s", name, len(all), p.Outcome, p.Detail)
		if p.Outcome == pki.ValidPath && len(all) > 1 {
			t.Errorf("%s: valid", name)
		}
	}
}

// TestRealCertificates reads every certificate of the КЕП set: the parser has to
// take what real authorities issued.
func TestRealCertificates(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	n, bad := 0, 0
	var files []string
	for _, pattern := range []string{"*/*.cer", "*/*/*.cer", "*/*/*/*.cer", "*/*.crt", "*/*/*.crt", "*/*/*/*.crt", "*/*/*.pem"} {
		m, _ := filepath.Glob(filepath.Join(dir, pattern))
		files = append(files, m...)
	}
	for _, f := range files {
		all, err := pki.ParseCertificates(shareddata.Read(t, f))
		n += len(all)
		if err != nil {
			bad++
			rel, _ := filepath.Rel(dir, f)
			t.Logf("%s: %v", rel, err)
			continue
		}
		for _, c := range all {
			if k := c.Codes(); k.Ambiguous {
				t.Logf("%s: ambiguous codes", filepath.Base(f))
			}
		}
	}
	t.Logf("%d certificates, %d files not read", n, bad)
}

// goldenCertificate is what expected.json of the КЕП set says of a certificate.
type goldenCertificate struct {
	Kind           string
	SPKI           string   `json:"spki_alg"`
	SigAlg         string   `json:"sig_alg"`
	Key            string   `json:"key"`
	Serial         string   `json:"serial_hex"`
	SerialNegative bool     `json:"serial_negative"`
	RawSKI         *string  `json:"ski"`
	RawAKI         *string  `json:"aki"`
	NotBefore      string   `json:"not_before"`
	NotAfter       string   `json:"not_after"`
	KeyUsage       []string `json:"key_usage"`
	EKU            []string `json:"eku"`
	Policies       []string `json:"policies"`
	Ext            []string `json:"ext"`
	Critical       []string `json:"critical_ext"`
	CA             *bool    `json:"ca"`
	Seal           bool     `json:"seal"`
	EDRPOU         string   `json:"edrpou"`
	DRFO           string   `json:"drfo"`
	NTRUA          string   `json:"ntrua"`
	TINUA          string   `json:"tinua"`
	UNZR           string   `json:"unzr"`
	Point          string   `json:"pubkey_le_hex"`
	Note           string   `json:"note"`
}

var usageNames = map[string]pki.KeyUsage{
	"digitalSignature": pki.DigitalSignature, "nonRepudiation": pki.NonRepudiation, "keyEncipherment": pki.KeyEncipherment,
	"dataEncipherment": pki.DataEncipherment, "keyAgreement": pki.KeyAgreement, "keyCertSign": pki.KeyCertSign,
	"cRLSign": pki.CRLSign, "encipherOnly": pki.EncipherOnly, "decipherOnly": pki.DecipherOnly,
}

// TestGoldenCertificates compares every certificate of the КЕП set with what an
// implementation of another language read in it.
func TestGoldenCertificates(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	rows := make(map[string]json.RawMessage)
	if err := json.Unmarshal(shareddata.Read(t, dir, "expected.json"), &rows); err != nil {
		t.Fatal(err)
	}
	n, dstu := 0, 0
	for name, raw := range rows {
		var g goldenCertificate
		if json.Unmarshal(raw, &g) != nil || g.Kind != "certificate" {
			continue
		}
		n++
		c, err := pki.ParseCertificate(shareddata.Read(t, dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		is := func(what string, got, want any) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %s is %v, want %v", name, what, got, want)
			}
		}
		set := func(what string, got []string, want []string) {
			t.Helper()
			slices.Sort(got)
			slices.Sort(want)
			is(what, strings.Join(slices.Compact(got), " "), strings.Join(slices.Compact(want), " "))
		}
		text := func(p *string) string {
			if p == nil {
				return ""
			}
			return *p
		}
		is("serial", hex.EncodeToString(c.RawSerial), g.Serial)
		is("sign of the serial", c.Serial.Sign() < 0, g.SerialNegative)
		is("signature algorithm", string(c.SignatureAlgorithm.OID), g.SigAlg)
		is("SKI", hex.EncodeToString(c.SubjectKeyID), text(g.RawSKI))
		is("AKI", hex.EncodeToString(c.AuthorityKeyID), text(g.RawAKI))
		is("notBefore", c.NotBefore.UTC().Format("20060102150405Z"), g.NotBefore)
		is("notAfter", c.NotAfter.UTC().Format("20060102150405Z"), g.NotAfter)
		is("CA", c.IsCA, g.CA != nil && *g.CA)
		var usage pki.KeyUsage
		for _, u := range g.KeyUsage {
			usage |= usageNames[u]
		}
		is("keyUsage", c.KeyUsage, usage)
		var eku, policies, extensions, critical []string
		for _, o := range c.ExtendedKeyUsage {
			eku = append(eku, string(o))
		}
		for _, o := range c.Policies {
			policies = append(policies, string(o))
		}
		for _, e := range c.Extensions {
			extensions = append(extensions, string(e.OID))
			if e.Critical {
				critical = append(critical, string(e.OID))
			}
		}
		set("extendedKeyUsage", eku, g.EKU)
		set("policies", policies, g.Policies)
		set("extensions", extensions, g.Ext)
		set("critical extensions", critical, g.Critical)

		codes := c.Codes()
		if !codes.Ambiguous {
			is("EDRPOU", codes.EDRPOU, strings.TrimSpace(cmp.Or(g.EDRPOU, g.NTRUA)))
			is("person", codes.Person, cmp.Or(g.DRFO, g.TINUA))
			is("UNZR", codes.UNZR, strings.ReplaceAll(g.UNZR, "-", ""))
			// The set does not take NTRUA without TINUA for a seal, of authorities
			// and services least of all; here their codes say nothing else.
			if g.Seal || codes.EDRPOU == "" || codes.Person != "" {
				is("seal", c.IsSeal(), g.Seal)
			}
		} else {
			t.Logf("%s: ambiguous: %q %q %q %q", name, g.EDRPOU, g.NTRUA, g.DRFO, g.TINUA)
		}

		// Keys: those of other families are nil where the set says that they are bad.
		if g.Point == "" {
			if c.PublicKey == nil {
				t.Logf("%s: %s: %v", name, g.Key, c.KeyError)
			}
			continue
		}
		dstu++
		k, ok := c.PublicKey.(*algorithm.DSTUKey)
		if !ok {
			t.Errorf("%s: key %s: %v", name, g.Key, c.KeyError)
			continue
		}
		is("point", hex.EncodeToString(k.Point.Bytes(k.Order)), g.Point) // as encoded, in spite of its name
		is("explicit", k.Explicit, strings.HasPrefix(g.Key, "explicit"))
		is("order of octets", k.Order == dstu4145.BigEndian, g.SPKI == string(algorithm.DSTU4145BigEndian))
		if k.SBox != nil {
			packed := k.SBox.Packed()
			is("DKE", true, strings.HasSuffix(g.Key, "dke:"+hex.EncodeToString(packed[:4])))
		} else {
			is("no DKE", true, strings.HasSuffix(g.Key, "no-dke"))
		}
		if again, err := algorithm.MarshalKey(k); err != nil || !bytes.Equal(again, c.RawSPKI) {
			t.Errorf("%s: key is written otherwise: %v", name, err)
		}
		// Of synthetic keys with another block the identifier is made with DKE No 1.
		if id, err := algorithm.KeyID(c.RawSPKI); err != nil || !bytes.Equal(id, c.SubjectKeyID) && !strings.Contains(name, "legacy") && c.SubjectKeyID != nil {
			t.Errorf("%s: key identifier %x: %v", name, id, err)
		}
	}
	t.Logf("%d certificates, %d of DSTU 4145", n, dstu)
	if n < 150 || dstu < 110 {
		t.Errorf("only %d certificates, %d of DSTU 4145", n, dstu)
	}
}
