package asic

import (
	"bytes"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

func verdict(r *Report) string {
	return strings.TrimSpace(r.Indication.String() + " " + string(r.SubIndication))
}

func readCertificate(t testing.TB, path ...string) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificates(shareddata.Read(t, path...))
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(path...), err)
	}
	return c[0]
}

func readCRLs(t testing.TB, path ...string) []*pki.CRL {
	t.Helper()
	l, err := pki.ParseCRLs(shareddata.Read(t, path...))
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(path...), err)
	}
	return l
}

// attackTime is the validation time of the hostile set (attack/pki/context.json).
var attackTime = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

// settled is what VERDICTS.md and THREATS.md A17 to A21 make of the rows whose
// expected column names no indication, or leaves it open.
var settled = map[string]string{
	"222": "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
	"224": "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE", // each signature has to cover every file
	"225": "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
	"227": "TOTAL-FAILED FORMAT_FAILURE",
	"234": "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"235": "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"238": "TOTAL-FAILED FORMAT_FAILURE",
	"250": "TOTAL-FAILED FORMAT_FAILURE",
	"252": "TOTAL-FAILED FORMAT_FAILURE",
	"264": "TOTAL-FAILED FORMAT_FAILURE",
	// By asic-mimetype they pass.
	"260": "TOTAL-FAILED FORMAT_FAILURE",
	"261": "TOTAL-FAILED FORMAT_FAILURE",
	"262": "TOTAL-FAILED FORMAT_FAILURE",
}

// TestAttack judges every row of the hostile set (THREATS.md A17 to A21).
func TestAttack(t *testing.T) {
	dir := shareddata.Dir(t, "relsec", "attack")
	store := pki.NewStore([]*pki.Certificate{readCertificate(t, dir, "pki", "root.cer")},
		[]*pki.Certificate{readCertificate(t, dir, "pki", "ca.cer")},
		append(readCRLs(t, dir, "pki", "root.crl"), readCRLs(t, dir, "pki", "ca.crl")...))
	rows := strings.Split(strings.TrimSpace(string(shareddata.Read(t, dir, "asic", "CASES.tsv"))), "\n")[1:]
	refused, accepted, tolerated := 0, 0, 0
	for _, row := range rows {
		f := strings.Split(row, "\t")
		file, must, expected := f[0], f[1], f[2]
		id := strings.TrimPrefix(file, "asic/")[:3]
		container := shareddata.Read(t, dir, file)
		o := ValidateOptions{Options: cades.Options{At: attackTime, Trust: store}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		r := Validate(container, o)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		t.Logf("%-42s %s (%s) %v", file, verdict(r), r.Detail, took.Round(time.Microsecond))
		if mem := after.TotalAlloc - before.TotalAlloc; mem > 64<<20 || took > 5*time.Second {
			t.Errorf("%s: %d bytes, %v", file, mem, took)
		}
		want := settled[id]
		if want == "" {
			want, _, _ = strings.Cut(expected, " (")
			want, _, _ = strings.Cut(want, ",")
			want, _, _ = strings.Cut(want, " ->")
			want = strings.Replace(want, "REJECT FORMAT_FAILURE", "TOTAL-FAILED FORMAT_FAILURE", 1)
		}
		if verdict(r) != want {
			t.Errorf("%s: got %s (%s), want %s: %s", file, verdict(r), r.Detail, want, f[3])
		}
		switch {
		case must == "not-accept" && r.Indication != cades.TotalPassed:
			refused++
		case must == "accept" && r.Indication == cades.TotalPassed:
			accepted++
		}
		// The tolerance lets the odd ones pass and nothing else.
		o.Tolerate = cades.Tolerances{cades.ASiCMimetype: true}
		lax := Validate(container, o)
		if must == "either" && lax.Indication == cades.TotalPassed && lax.Signatures[0].Tolerances[0] == cades.ASiCMimetype {
			tolerated++
		} else if verdict(lax) != verdict(r) {
			t.Errorf("%s with asic-mimetype: %s (%s)", file, verdict(lax), lax.Detail)
		}
		if !Sniff(strings.NewReader(string(container)), int64(len(container))) && must != "not-accept" {
			t.Errorf("%s: not told as a container", file)
		}
	}
	if refused != 49 || accepted != 2 || tolerated != 3 || len(rows) != 54 {
		t.Errorf("of %d rows refused %d, accepted %d, tolerated %d", len(rows), refused, accepted, tolerated)
	}
}

// differences are the containers of EU DSS on which Brama's verdict is another than
// that of DSS, each with the clause or the rule of ours. DSS's policy warns where ours
// fails; "crypto ok" means that the signature holds, and the authority is not at hand.
var differences = map[string]struct{ dss, brama, detail, why string }{
	"onefile-ok.asice": {
		"crypto ok", "TOTAL-FAILED FORMAT_FAILURE", "mimetype is not the first entry",
		"EN 319 162-1, A.1: mimetype is the first entry; passes with asic-mimetype",
	},
	"onefile-ok.asics": {
		"crypto ok", "TOTAL-FAILED FORMAT_FAILURE", "mimetype is not the first entry",
		"EN 319 162-1, A.1: the same",
	},
	"multifiles-ok.asice": {
		"crypto ok", "TOTAL-FAILED FORMAT_FAILURE", "mimetype is not the first entry",
		"EN 319 162-1, A.1: the same",
	},
	"asice-cades-new-line-mimetype": {
		"crypto ok, a warning", "TOTAL-FAILED FORMAT_FAILURE", "ends in a new line",
		"EN 319 162-1, 4.4.3.1 and A.1: mimetype is the media type alone, and first; passes with asic-mimetype",
	},
	"cp852encoded_signature.asice": {
		"crypto ok", "TOTAL-FAILED FORMAT_FAILURE", "is not UTF-8",
		"APPNOTE 4.4.4, D.1: a name in an old code page means another on another system; and no manifest covers that file (EN 319 162-1, 4.4.3.2)",
	},
	"brokenReference.asice": {
		"TOTAL-FAILED HASH_FAILURE", "TOTAL-FAILED FORMAT_FAILURE", "",
		"EN 319 162-1, A.1: with asic-mimetype it is HASH_FAILURE as in DSS",
	},
	"removed-doc.asics": {
		"TOTAL-FAILED HASH_FAILURE", "TOTAL-FAILED FORMAT_FAILURE", "archive within",
		"EN 319 162-1, 4.3.3.2 allows a ZIP of several files as the one data file of ASiC-S; THREATS A20: no archive in an archive",
	},
	"no-signature.asics": {
		"no signature found", "TOTAL-FAILED FORMAT_FAILURE", "XAdES",
		"the same answer; the reason told is that its only signature file is XAdES",
	},
	"nonConformantManifest.asice": {
		"no signature found", "TOTAL-FAILED FORMAT_FAILURE", "mimetype is not that",
		"EN 319 162-1, 4.4.3.1: the mimetype entry is of another type; its manifest fails A.4 besides",
	},
}

// agreements are those with the same verdict.
var agreements = map[string]string{
	"brokenReferenceAndAlteredManifest.asice": "TOTAL-FAILED FORMAT_FAILURE",
	"removed-doc.asice":                       "INDETERMINATE SIGNED_DATA_NOT_FOUND",
	"malformed-container.asics":               "TOTAL-FAILED FORMAT_FAILURE",
}

// TestDSS keeps the list of differences from EU DSS true.
func TestDSS(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "dss", "asic")
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		name := filepath.Base(f)
		container := shareddata.Read(t, f)
		o := ValidateOptions{Options: cades.Options{At: attackTime}}
		r := Validate(container, o)
		o.Tolerate = cades.Tolerances{cades.ASiCMimetype: true}
		lax := Validate(container, o)
		t.Logf("%-42s %s (%s); with asic-mimetype %s (%s)", name, verdict(r), r.Detail, verdict(lax), lax.Detail)
		d, differs := differences[name]
		want := d.brama
		if !differs {
			want = agreements[name]
		}
		if verdict(r) != want || !strings.Contains(r.Detail, d.detail) {
			t.Errorf("%s: %s (%s), want %s (%s)", name, verdict(r), r.Detail, want, d.detail)
		}
	}
	if len(files) != len(differences)+len(agreements) {
		t.Errorf("%d files, %d in the tables", len(files), len(differences)+len(agreements))
	}
}

// TestKEP judges the containers of the synthetic set, under DSTU 4145 keys. The set has
// no CRL of its roots, so that nothing passes without no-revocation.
func TestKEP(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	var certs []*pki.Certificate
	files, _ := filepath.Glob(filepath.Join(dir, "pki", "certs", "*.cer"))
	for _, f := range files {
		certs = append(certs, readCertificate(t, f))
	}
	var lists []*pki.CRL
	files, _ = filepath.Glob(filepath.Join(dir, "pki", "crl", "*.crl"))
	for _, f := range files {
		lists = append(lists, readCRLs(t, f)...)
	}
	store := pki.NewStore([]*pki.Certificate{readCertificate(t, dir, "pki", "certs", "root431.cer")}, certs, lists)
	want := map[string]string{
		"asic_e.asice":               "TOTAL-PASSED",
		"asic_s.asics":               "TOTAL-PASSED",
		"asic_e_tampered.asice":      "TOTAL-FAILED HASH_FAILURE",
		"asic_e_extra_file.asice":    "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
		"asic_zipslip.asics":         "TOTAL-FAILED FORMAT_FAILURE",
		"asic_two_dataobjects.asics": "TOTAL-FAILED FORMAT_FAILURE",
		"asic_no_mimetype.zip":       "TOTAL-FAILED FORMAT_FAILURE",
	}
	files, _ = filepath.Glob(filepath.Join(dir, "asic", "*"))
	if len(files) != len(want) {
		t.Errorf("%d files, %d in the table", len(files), len(want))
	}
	for _, f := range files {
		name, container := filepath.Base(f), shareddata.Read(t, f)
		o := ValidateOptions{Options: cades.Options{
			At: time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC), Trust: store, Tolerate: cades.Tolerances{cades.NoRevocation: true},
		}}
		r := Validate(container, o)
		if verdict(r) != want[name] {
			t.Errorf("%s: %s (%s), want %s", name, verdict(r), r.Detail, want[name])
		}
		if !Sniff(bytes.NewReader(container), int64(len(container))) {
			t.Errorf("%s: not told as a container", name)
		}
		o.Tolerate[cades.ASiCMimetype] = true
		if lax := Validate(container, o); name == "asic_no_mimetype.zip" && lax.Indication != cades.TotalPassed {
			t.Errorf("%s with asic-mimetype: %s (%s)", name, verdict(lax), lax.Detail)
		}
	}
}
