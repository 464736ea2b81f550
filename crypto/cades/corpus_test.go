package cades

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// TestOpenSSLSamples: refused for the stated reason, not for want of a chain.
func TestOpenSSLSamples(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "openssl-cms")
	for name, reason := range map[string]string{
		"no_ct_attr.cms":        "content-type or message-digest attribute is missing",
		"no_md_attr.cms":        "content-type or message-digest attribute is missing",
		"ct_multiple_attr.cms":  "doubled",
		"bad_signtime_attr.cms": "must be signed is unsigned",
		"pkcs7-md4.pem":         "",
	} {
		b := shareddata.Read(t, dir, name)
		// S/MIME and PEM files hold one base64 body.
		data, err := cms.Unarmour(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r := Validate(Input{Container: data}, Options{At: attackTime})
		t.Logf("%s: %s (%s) attached %v", name, verdict(r), r.Detail, r.Attached)
		if !r.Attached && !r.NotContainer && len(data) > 0 {
			r = Validate(Input{Container: data, Detached: detached([]byte("x"))}, Options{At: attackTime})
		}
		if r.Indication == TotalPassed || reason != "" && !strings.Contains(r.Detail, reason) {
			t.Errorf("%s: %s (%s), want %q", name, verdict(r), r.Detail, reason)
		}
	}
}

// TestDSS judges the samples of the EU DSS. Their chains end in authorities that
// are not at hand: the reason tells whether the cryptography held. A prefix of
// the verdict is compared.
func TestDSS(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "dss", "cades")
	want := map[string]string{
		"dss-2011__cades-enveloping-broken.pkcs7":              "TOTAL-FAILED HASH_FAILURE",
		"dss-2011__cades-detached.pkcs7":                       "INDETERMINATE SIGNED_DATA_NOT_FOUND",
		"cms-no-sign-cert.p7m":                                 "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"no-key-info-cert.pkcs7":                               "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"malformed-cades.p7m":                                  "TOTAL-FAILED FORMAT_FAILURE",
		"cades-duplicated-signed-attrs.p7m":                    "TOTAL-FAILED FORMAT_FAILURE",
		"cades-double-signing-certificate.p7m":                 "TOTAL-FAILED FORMAT_FAILURE", // zeros after the container
		"cades-bes-signeddata-enveloping.p7m":                  "TOTAL-FAILED FORMAT_FAILURE",
		"cades-bes-signeddata-detached.p7s":                    "TOTAL-FAILED FORMAT_FAILURE",
		"Signature-C-HU_POL-3.p7m":                             "TOTAL-FAILED FORMAT_FAILURE", // BER throughout
		"dss-667__BER_reordered_prova.txt.p7m":                 "TOTAL-FAILED FORMAT_FAILURE",
		"dss-667__DER_reordered_prova.txt.p7m":                 "TOTAL-FAILED FORMAT_FAILURE",
		"dss-1419__CAdES-BpB-att-SHA3_512-SHA256withRSA.p7m":   "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
		"dss-1419__CAdES-BpB-att-SHA3_256-SHA3_256withRSA.p7m": "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		name := filepath.Base(f)
		if name == "signCert.cer" {
			continue
		}
		r := Validate(Input{Container: shareddata.Read(t, f)}, Options{At: attackTime})
		t.Logf("%-55s %s (%s) signers %d", name, verdict(r), r.Detail, len(r.Signatures))
		if w := want[name]; w != "" {
			if verdict(r) != w {
				t.Errorf("%s: got %s (%s), want %s", name, verdict(r), r.Detail, w)
			}
			continue
		}
		// Sound signatures under unknown authorities, or too old to rely on.
		if r.Indication != Indeterminate {
			t.Errorf("%s: got %s (%s), want INDETERMINATE", name, verdict(r), r.Detail)
		}
	}

	// A counter-signer with two signing-times is no signer; his attributes are not ours.
	if r := Validate(Input{Container: shareddata.Read(t, dir, "cades-double-signing-time.p7m")}, Options{At: attackTime}); len(r.Signatures) != 1 {
		t.Errorf("cades-double-signing-time: %d signatures", len(r.Signatures))
	}
	r := Validate(Input{Container: shareddata.Read(t, dir, "Signature-C-HU_POL-3.p7m")}, Options{At: attackTime, Tolerate: Tolerances{BERSignerInfo: true}})
	if r.Indication != Indeterminate || len(r.Signatures) != 1 || len(r.Signatures[0].Tolerances) != 1 {
		t.Errorf("Signature-C-HU_POL-3 with ber-signer-info: %s (%s)", verdict(r), r.Detail)
	}

	// The certificate comes from the configured material, or is an anchor.
	in := Input{Container: shareddata.Read(t, dir, "no-key-info-cert.pkcs7")}
	c := readCertificate(t, dir, "signCert.cer")
	r = Validate(in, Options{At: c.NotBefore.Add(time.Hour), Trust: pki.NewStore(nil, []*pki.Certificate{c}, nil)})
	t.Logf("no-key-info-cert, certificate as material: %s (%s)", verdict(r), r.Detail)
	if len(r.Signatures) != 1 || r.Signatures[0].Signer == nil || r.Indication == TotalPassed {
		t.Errorf("certificate from material: %s (%s)", verdict(r), r.Detail)
	}
}

// dssRow is a line of the table in crypto/dss.md.
type dssRow struct{ dss, brama, same, why string }

func dssTable(t *testing.T) map[string]dssRow {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "dss.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]dssRow)
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(f) != 5 || !strings.HasPrefix(line, "| `") {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		rows[strings.Trim(f[0], "`")] = dssRow{f[1], f[2], f[3], f[4]}
	}
	return rows
}

// TestDSSDifferences holds crypto/dss.md: each sample at its own time, with its topmost
// certificates for anchors, has the verdict of the table, and each that is not DSS's has
// a reason there.
func TestDSSDifferences(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "dss", "cades")
	rows := dssTable(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		name := filepath.Base(f)
		if name == "signCert.cer" {
			continue
		}
		raw := shareddata.Read(t, f)
		o := dssConditions(raw)
		r := Validate(Input{Container: raw}, o)
		got := verdict(r)
		if len(r.Signatures) == 1 && len(r.Signatures[0].TimeStamps) > 0 {
			got += " (" + stampKinds(r) + ")"
		}
		row, ok := rows[name]
		delete(rows, name)
		differs := strings.HasPrefix(row.dss, "valid") != (r.Indication == TotalPassed)
		switch {
		case !ok:
			t.Errorf("%s is not in the table: %s: %s", name, got, r.Detail)
		case got != row.brama:
			t.Errorf("%s: got %s (%s), the table says %s", name, got, r.Detail, row.brama)
		case differs != (row.same == "differs"), differs && row.why == "":
			t.Errorf("%s: DSS %s, we %s, the table says %q because %q", name, row.dss, got, row.same, row.why)
		}
	}
	for name := range rows {
		t.Errorf("%s is in the table alone", name)
	}
}

// dssConditions are a minute after the last that a sample tells of itself, and trust in
// the topmost of its certificates. Revocation is left aside: no answers are at hand.
func dssConditions(raw []byte) Options {
	o := Options{At: attackTime, Tolerate: Tolerances{NoRevocation: true}}
	data, err := cms.Unarmour(raw)
	if err != nil {
		return o
	}
	sd, err := cms.Parse(data, cms.Options{BERSignerInfo: true})
	if err != nil {
		return o
	}
	var all, anchors []*pki.Certificate
	var last time.Time
	add := func(list [][]byte) {
		for _, b := range list {
			if c, err := pki.ParseCertificate(b); err == nil {
				all = append(all, c)
			}
		}
	}
	add(sd.Certificates)
	for _, si := range sd.Signers {
		for _, a := range slices.Concat(si.SignedAttrs, si.UnsignedAttrs) {
			for _, v := range a.Values {
				when := time.Time{}
				switch a.Type {
				case cms.AttrSigningTime:
					when, _ = der.NewReader(v, der.DER).Time()
				case cms.AttrCertificateValues:
					add(sequence(v))
				default:
					if token, err := tsp.Parse(v); err == nil {
						add(token.SignedData().Certificates)
						when = token.Info.Time
					}
				}
				if when.After(last) {
					last = when
				}
			}
		}
	}
	for _, c := range all {
		if !slices.ContainsFunc(all, func(d *pki.Certificate) bool { return d != c && d.Subject.Same(c.Issuer) && !c.SelfIssued() }) {
			anchors = append(anchors, c)
		}
	}
	if !last.IsZero() {
		o.At = last.Add(time.Minute)
	}
	o.Trust = pki.NewStore(anchors, all, nil)
	return o
}

// TestFuzzSeeds: nothing among random seeds passes, hangs or breaks.
func TestFuzzSeeds(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "fuzz")
	n := 0
	for _, name := range []string{"cms-a.zip", "crl-a.zip", "x509-a.zip"} {
		z, err := zip.OpenReader(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.LimitReader(r, 1<<22))
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			n++
			start := time.Now()
			if rep := Validate(Input{Container: b}, Options{At: attackTime}); rep.Indication == TotalPassed || strings.Contains(rep.Detail, "reader fault") {
				t.Errorf("%s %s: %s (%s)", name, f.Name, verdict(rep), rep.Detail)
			}
			Sniff(b)
			MessageDigests(b)
			if c, err := pki.ParseCertificate(b); err == nil {
				_ = c.Subject.String()
			}
			_, _ = pki.ParseCRL(b)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%s %s: took %v", name, f.Name, took)
			}
		}
		z.Close()
	}
	t.Logf("%d seeds", n)
}

// TestNesting: what nests without end is refused at once, whatever its size.
func TestNesting(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{
		bytes.Repeat([]byte{0x30, 0x80}, 2<<20),
		append([]byte{0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2}, bytes.Repeat([]byte{0xa0, 0x80}, 2<<20)...),
	} {
		start := time.Now()
		r := Validate(Input{Container: b}, Options{At: attackTime})
		if verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" || time.Since(start) > 2*time.Second {
			t.Errorf("%s in %v", verdict(r), time.Since(start))
		}
	}
	dir := shareddata.Dir(t, "relsec", "asn1")
	for _, name := range []string{"nested_seq.der", "nested_seq_indef.ber"} {
		if r := Validate(Input{Container: shareddata.Read(t, dir, name)}, Options{At: attackTime}); r.SubIndication != FormatFailure {
			t.Errorf("%s: %s", name, verdict(r))
		}
	}
}
