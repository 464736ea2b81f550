package cades

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// attackTime is the validation time of the hostile set (attack/pki/context.json).
var attackTime = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

func readCertificate(t testing.TB, path ...string) *pki.Certificate {
	t.Helper()
	c, err := pki.ParseCertificates(shareddata.Read(t, path...))
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(path...), err)
	}
	return c[0]
}

func readCRL(t testing.TB, path ...string) *pki.CRL {
	t.Helper()
	l, err := pki.ParseCRLs(shareddata.Read(t, path...))
	if err != nil {
		t.Fatalf("%s: %v", filepath.Join(path...), err)
	}
	return l[0]
}

func attackStore(t testing.TB, dir string, caCRL string) *pki.Store {
	t.Helper()
	crls := []*pki.CRL{readCRL(t, dir, "pki", "root.crl")}
	if caCRL != "" {
		crls = append(crls, readCRL(t, dir, "pki", caCRL))
	}
	return pki.NewStore([]*pki.Certificate{readCertificate(t, dir, "pki", "root.cer")},
		[]*pki.Certificate{readCertificate(t, dir, "pki", "ca.cer")}, crls)
}

func detached(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// byPolicy are sound signatures of the wrong person: the policy refuses them.
var byPolicy = []string{"059", "091", "093", "094"}

// settled are the rows marked "either", as VERDICTS.md settles them.
var settled = map[string]string{
	"005": "TOTAL-PASSED",
	"022": "TOTAL-PASSED",
	"053": "TOTAL-PASSED", // twice the same person: policy counts persons
	"056": "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	"058": "TOTAL-PASSED",
	"070": "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"072": "TOTAL-FAILED FORMAT_FAILURE",
	"109": "TOTAL-FAILED FORMAT_FAILURE",
	"112": "TOTAL-PASSED",
	"113": "TOTAL-PASSED",
}

// more are the rows whose expected column names no indication.
var more = map[string]string{
	"013": "TOTAL-FAILED FORMAT_FAILURE",
	"020": "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
	"021": "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
	"039": "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"055": "TOTAL-FAILED FORMAT_FAILURE",
	"082": "INDETERMINATE REVOKED_NO_POE",
	"095": "INDETERMINATE TRY_LATER",
	"097": "INDETERMINATE TRY_LATER",
	"100": "TOTAL-FAILED FORMAT_FAILURE",
	"102": "TOTAL-FAILED FORMAT_FAILURE",
	"103": "TOTAL-FAILED FORMAT_FAILURE",
	"104": "TOTAL-FAILED FORMAT_FAILURE",
	"105": "TOTAL-FAILED FORMAT_FAILURE",
	"106": "TOTAL-FAILED FORMAT_FAILURE",
	"114": "TOTAL-FAILED FORMAT_FAILURE",
	"115": "TOTAL-FAILED FORMAT_FAILURE",
	"116": "TOTAL-FAILED FORMAT_FAILURE",
	"117": "TOTAL-FAILED FORMAT_FAILURE",
}

func verdict(r *Report) string {
	return strings.TrimSpace(r.Indication.String() + " " + string(r.SubIndication))
}

// TestAttack judges every row of the hostile set (THREATS.md A01 to A16, A22).
func TestAttack(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "relsec", "attack")
	stores := make(map[string]*pki.Store)
	for _, name := range []string{"ca.crl", "ca-stale.crl", "ca-forged.crl", ""} {
		stores[name] = attackStore(t, dir, name)
	}
	rows := strings.Split(strings.TrimSpace(string(shareddata.Read(t, dir, "cms", "CASES.tsv"))), "\n")[1:]
	refused, accepted := 0, 0
	for _, row := range rows {
		f := strings.Split(row, "\t")
		file, external, must, expected := f[0], f[1], f[2], f[3]
		id := strings.TrimPrefix(file, "cms/")[:3]
		in := Input{Container: shareddata.Read(t, dir, file)}
		if name, _, _ := strings.Cut(external, " "); name != "" && id != "005" {
			in.Detached = detached(shareddata.Read(t, dir, "cms", name))
		}
		crl := "ca.crl"
		switch id {
		case "095":
			crl = "ca-stale.crl"
		case "096":
			crl = "ca-forged.crl"
		case "097":
			crl = ""
		}
		start := time.Now()
		r := Validate(in, Options{At: attackTime, Trust: stores[crl]})
		took := time.Since(start)
		got := verdict(r)
		t.Logf("%-45s %s (%s) %v", file, got, r.Detail, took.Round(time.Microsecond))
		if took > 10*time.Second {
			t.Errorf("%s: took %v", file, took)
		}

		if id == "005" && !bytes.Equal(r.Content, shareddata.Read(t, dir, "cms", "content.bin")) {
			t.Errorf("%s: content differs", file)
		}

		want := expected
		switch {
		case must == "accept" || contains(byPolicy, id):
			want = "TOTAL-PASSED"
		case must == "either":
			want = settled[id]
		case more[id] != "":
			want = more[id]
		}
		want = strings.TrimPrefix(want, "REJECT ")
		want, _, _ = strings.Cut(want, ",")
		want, _, _ = strings.Cut(want, " (")
		want = strings.TrimPrefix(want, "by profile ")
		if want != "" && got != want {
			t.Errorf("%s: got %s (%s), want %s: %s", file, got, r.Detail, want, f[4])
		}
		if must == "not-accept" && !contains(byPolicy, id) {
			if r.Indication == TotalPassed {
				t.Errorf("%s: accepted", file)
			} else {
				refused++
			}
		}
		if must == "accept" && r.Indication == TotalPassed {
			accepted++
		}
	}
	if refused != 52 || accepted != 7 || len(rows) != 73 {
		t.Errorf("of %d rows refused %d, accepted %d", len(rows), refused, accepted)
	}

	// 056 again: the register supplies the certificate.
	known := stores["ca.crl"].With([]*pki.Certificate{readCertificate(t, dir, "pki", "signerA.cer")}, nil)
	if r := Validate(Input{Container: shareddata.Read(t, dir, "cms", "056-no-certificates.p7s")}, Options{At: attackTime, Trust: known}); verdict(r) != "TOTAL-PASSED" {
		t.Errorf("056 with the certificate at hand: %s (%s)", verdict(r), r.Detail)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
