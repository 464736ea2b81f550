package cades

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

// kepTime is the reference time of the synthetic КЕП set.
var kepTime = time.Date(2026, 11, 1, 12, 5, 0, 0, time.UTC)

// kepSet is the synthetic PKI of the КЕП set.
type kepSet struct {
	dir     string
	anchors []*pki.Certificate // the DSTU root first
	// authorities and services, then signatories.
	authorities, signatories []*pki.Certificate
	lists                    []*pki.CRL
}

func readKEP(t testing.TB) kepSet {
	t.Helper()
	k := kepSet{dir: shareddata.Dir(t, "kep")}
	for _, name := range []string{"root431.cer", "ec_root.cer", "rsa_root.cer"} {
		k.anchors = append(k.anchors, readCertificate(t, k.dir, "pki", "certs", name))
	}
	files, _ := filepath.Glob(filepath.Join(k.dir, "pki", "certs", "*.cer"))
	for _, f := range files {
		c := readCertificate(t, f)
		if c.IsCA {
			k.authorities = append(k.authorities, c)
		} else {
			k.signatories = append(k.signatories, c)
		}
	}
	files, _ = filepath.Glob(filepath.Join(k.dir, "pki", "crl", "*.crl"))
	for _, f := range files {
		k.lists = append(k.lists, readCRL(t, f))
	}
	return k
}

func (k kepSet) store() *pki.Store {
	return pki.NewStore(k.anchors, slices.Concat(k.authorities, k.signatories), k.lists)
}

type kepRow struct {
	Verdict string
}

func kepExpected(t testing.TB, dir string) map[string]kepRow {
	t.Helper()
	rows := make(map[string]kepRow)
	if err := json.Unmarshal(shareddata.Read(t, dir, "expected.json"), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// kepSettled is what VERDICTS.md says where the set's own word says something else
// or nothing exact. The set has no CRL of its roots, so that nothing passes without
// no-revocation; these verdicts are with it.
var kepSettled = map[string]string{
	"cms/cms_noattrs.p7s":           "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
	"cms/cms_keyid.p7s":             "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/empty_content.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
	"cms/ber_indefinite.p7s":        "TOTAL-FAILED FORMAT_FAILURE", // its SignerInfo is BER
	"cms/ber_indefinite_attrs.p7s":  "TOTAL-FAILED FORMAT_FAILURE",
	"cms/nested_double.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
	"cms/be_sigoid.p7s":             "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/legacy_dke.p7s":            "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/bes_unsorted_attrs.p7s":    "TOTAL-FAILED FORMAT_FAILURE",
	"cms/bes_resorted_attrs.p7s":    "TOTAL-FAILED FORMAT_FAILURE",
	"cms/bes_sig_wrapped_octet.p7s": "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	// One is signed 25 and 35 minutes after the reference time.
	"cms/multi2.p7s":        "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/multi3_seal.p7s":   "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/multi_one_bad.p7s": "TOTAL-FAILED SIG_CRYPTO_FAILURE",

	"cms/broken/content_tampered.p7s":       "TOTAL-FAILED HASH_FAILURE",
	"cms/broken/md_mismatch.p7s":            "TOTAL-FAILED HASH_FAILURE",
	"cms/broken/md_wrong_sbox.p7s":          "TOTAL-FAILED HASH_FAILURE",
	"cms/broken/sig_bitflip.p7s":            "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/sig_rs_swapped.p7s":         "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/sig_bigendian.p7s":          "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/sig_zero.p7s":               "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/sig_empty.p7s":              "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/sig_63bytes.p7s":            "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/same_sid_other_key.p7s":     "TOTAL-FAILED SIG_CRYPTO_FAILURE",
	"cms/broken/ct_mismatch.p7s":            "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/no_ct.p7s":                  "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/no_md.p7s":                  "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/dup_md.p7s":                 "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/md_two_values.p7s":          "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/trailing_garbage.p7s":       "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/digalg_mismatch.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
	"cms/broken/ess_other_cert.p7s":         "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	"cms/broken/sid_mismatch.p7s":           "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	"cms/broken/wrong_cert_embedded.p7s":    "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	"cms/broken/unknown_alg.p7s":            "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/broken/gostr_oid.p7s":              "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/broken/pubkey_not_on_curve.p7s":    "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/broken/pubkey_zero_x.p7s":          "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	"cms/broken/expired_signer.p7s":         "INDETERMINATE OUT_OF_BOUNDS_NO_POE",
	"cms/broken/future_signer.p7s":          "INDETERMINATE OUT_OF_BOUNDS_NO_POE",
	"cms/broken/revoked_signer.p7s":         "INDETERMINATE REVOKED_NO_POE",
	"cms/broken/onhold_signer.p7s":          "INDETERMINATE TRY_LATER",
	"cms/broken/keyagreement_only_cert.p7s": "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE",
	"cms/broken/issued_by_non_ca.p7s":       "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE",
	"cms/broken/rogue_selfsigned.p7s":       "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND",
	"cms/broken/fake_ca_signature.p7s":      "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND",
	"cms/broken/unknown_root_ec.p7s":        "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND",

	// The signature beside the time-stamp is sound.
	"cms/broken/cts_badsig.p7s":           "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/broken/cts_reversed_imprint.p7s": "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/broken/cts_tsa_without_eku.p7s":  "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/broken/cts_wrong_imprint.p7s":    "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
	"cms/broken/sts_wrong_imprint.p7s":    "TOTAL-PASSED", // ignored as proof, and not needed
}

// kepStamps are the time-stamps of the containers that have them, in order; "ok" is
// a valid one.
var kepStamps = map[string]string{
	"cms/t_bes.p7s":                       "content ok",
	"cms/t.p7s":                           "content ok, signature ok",
	"cms/t_sts_only.p7s":                  "signature ok",
	"cms/ecdsa_t.p7s":                     "content ok",
	"cms/c.p7s":                           "content ok, signature ok",
	"cms/c_crl.p7s":                       "content ok, signature ok",
	"cms/xl.p7s":                          "content ok, signature ok",
	"cms/xl_crl.p7s":                      "content ok, signature ok",
	"cms/a_v3.p7s":                        "content ok, signature ok, archive-time-stamp-v3 ok",
	"cms/a_v3_uapki.p7s":                  "content ok, signature ok, archive-time-stamp-v3 ok",
	"cms/broken/cts_badsig.p7s":           "content SIG_CRYPTO_FAILURE",
	"cms/broken/cts_reversed_imprint.p7s": "content HASH_FAILURE",
	"cms/broken/cts_tsa_without_eku.p7s":  "content CHAIN_CONSTRAINTS_FAILURE",
	"cms/broken/cts_wrong_imprint.p7s":    "content HASH_FAILURE",
	"cms/broken/sts_wrong_imprint.p7s":    "signature HASH_FAILURE",
}

// stamps writes the time-stamps of a signature in short.
func stamps(s Signature) string {
	var out []string
	for _, x := range s.TimeStamps {
		word := string(x.SubIndication)
		if x.Valid {
			word = "ok"
		}
		out = append(out, strings.TrimSuffix(string(x.Kind), "-time-stamp")+" "+word)
	}
	return strings.Join(out, ", ")
}

// kepTolerated is the tolerance that lets a container pass, and the only one.
var kepTolerated = map[string]Tolerance{
	"cms/cms_keyid.p7s":             NoSigningCertificate,
	"cms/ber_indefinite.p7s":        BERSignerInfo,
	"cms/ber_indefinite_attrs.p7s":  BERSignerInfo,
	"cms/nested_double.p7s":         NestedSignedData,
	"cms/be_sigoid.p7s":             BigEndianSignature,
	"cms/legacy_dke.p7s":            LegacySBox,
	"cms/bes_unsorted_attrs.p7s":    AttrsAsStored,
	"cms/bes_resorted_attrs.p7s":    AttrsResorted,
	"cms/bes_sig_wrapped_octet.p7s": WrappedSignature,
}

// TestKEP judges every container of the synthetic set.
func TestKEP(t *testing.T) {
	t.Parallel()
	k := readKEP(t)
	expected := kepExpected(t, k.dir)
	content := shareddata.Read(t, k.dir, "cms", "content.xml")
	all := make(Tolerances)
	for _, x := range tolerances {
		all[x] = true
	}
	count := make(map[string]int)
	for _, sub := range []string{"cms", "cms/broken"} {
		files, err := os.ReadDir(filepath.Join(k.dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := sub + "/" + f.Name()
			if f.IsDir() || name == "cms/content.xml" {
				continue
			}
			in := Input{Container: shareddata.Read(t, k.dir, name)}
			if strings.Contains(name, "detached") {
				in.Detached = detached(content)
			}
			store := k.store()
			switch name {
			case "cms/broken/wrong_cert_embedded.p7s": // the signer's is not supplied
				store = pki.NewStore(k.anchors, k.authorities, k.lists)
			case "cms/broken/unknown_root_ec.p7s":
				store = pki.NewStore(k.anchors[:1], slices.Concat(k.authorities, k.signatories), k.lists)
			}
			o := Options{At: kepTime, Trust: store, Tolerate: Tolerances{NoRevocation: true}}
			r := Validate(in, o)
			want, settled := kepSettled[name]
			word := expected[name].Verdict
			if !settled && word == "valid" {
				want = "TOTAL-PASSED"
			}
			count[word+": "+verdict(r)]++
			switch {
			case want == "" && r.Indication == TotalPassed, want != "" && verdict(r) != want:
				t.Errorf("%s (%s): got %s (%s), want %s", name, word, verdict(r), r.Detail, want)
			case strings.Contains(r.Detail, "reader fault"):
				t.Errorf("%s: %s", name, r.Detail)
			}
			if len(r.Signatures) > 0 {
				if got := stamps(r.Signatures[0]); got != kepStamps[name] {
					t.Errorf("%s: time-stamps %q, want %q", name, got, kepStamps[name])
				}
			}
			// Without any tolerance: the same, or held for want of a CRL of the root.
			o.Tolerate = nil
			strict := Validate(in, o)
			held := "INDETERMINATE TRY_LATER"
			if name == "cms/xl_crl.p7s" { // has that CRL in its revocation-values
				held = "TOTAL-PASSED"
			}
			if r.Indication == TotalPassed && verdict(strict) != held ||
				r.Indication != TotalPassed && verdict(strict) != verdict(r) {
				t.Errorf("%s: strictly %s, with no-revocation %s", name, verdict(strict), verdict(r))
			}
			// With its tolerance it passes and names it; all others do not help.
			flag := kepTolerated[name]
			if flag != "" {
				o.Tolerate = Tolerances{NoRevocation: true, flag: true}
				r := Validate(in, o)
				if r.Indication != TotalPassed || !slices.Contains(r.Signatures[0].Tolerances, flag) || len(r.Signatures[0].Tolerances) != 2 {
					t.Errorf("%s with %s: %s (%s)", name, flag, verdict(r), r.Detail)
				}
			}
			o.Tolerate = make(Tolerances)
			for x := range all {
				o.Tolerate[x] = x != flag
			}
			if lax := Validate(in, o); lax.Indication == TotalPassed && r.Indication != TotalPassed {
				t.Errorf("%s passes with all tolerances but %q", name, flag)
			}
		}
	}
	for _, line := range sortedCounts(count) {
		t.Log(line)
	}

	// Judged after the last of them signed.
	for _, name := range []string{"cms/multi2.p7s", "cms/multi3_seal.p7s"} {
		in := Input{Container: shareddata.Read(t, k.dir, name)}
		r := Validate(in, Options{At: kepTime.Add(time.Hour), Trust: k.store(), Tolerate: Tolerances{NoRevocation: true}})
		if r.Indication != TotalPassed {
			t.Errorf("%s an hour later: %s (%s)", name, verdict(r), r.Detail)
		}
	}
	// The certificate is to be found by who configured it.
	in := Input{Container: shareddata.Read(t, k.dir, "cms", "bes_nocert.p7s")}
	r := Validate(in, Options{At: kepTime, Trust: pki.NewStore(k.anchors, k.authorities, k.lists)})
	if verdict(r) != "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND" {
		t.Errorf("bes_nocert without material: %s", verdict(r))
	}
}

func sortedCounts(count map[string]int) []string {
	var out []string
	for what, n := range count {
		out = append(out, what+" "+strings.Repeat("|", n))
	}
	slices.Sort(out)
	return out
}

// TestKEPReal judges the real containers, each at the time when it was signed, with
// the authorities of the set's bundle. Of signers whose authority is not there the
// certificate itself is trusted, which leaves the container to be judged.
func TestKEPReal(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	expected := kepExpected(t, dir)
	var certs []*pki.Certificate
	files, _ := filepath.Glob(filepath.Join(dir, "real", "certs", "*.cer"))
	for _, f := range files {
		c, err := pki.ParseCertificate(shareddata.Read(t, f))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
			continue
		}
		certs = append(certs, c)
	}
	bundles, _ := filepath.Glob(filepath.Join(dir, "real", "trust", "*.p7b"))
	// The signer of one container is found in another.
	for _, f := range append(bundles, filepath.Join(dir, "real", "cms", "certs_and_crl_only.p7b"), filepath.Join(dir, "real", "cms", "uapki_detached3.p7s")) {
		certs = append(certs, bundle(t, f)...)
	}
	var anchors []*pki.Certificate
	for _, c := range certs {
		if c.IsCA && c.SelfIssued() {
			anchors = append(anchors, c)
		}
	}
	settled := map[string]string{
		"certs_and_crl_only.p7b":    "TOTAL-FAILED FORMAT_FAILURE",             // no signers
		"cryptonite_cms1_ecdsa.p7s": "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE", // signed with a CA certificate
		"uapki_cms_keyid.p7s":       "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
		"dstu_engine_cms.pem":       "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"jkurwa_message.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
		"jkurwa_bad1.p7s":           "TOTAL-FAILED FORMAT_FAILURE",
		"uapki_kupyna_badmd.p7s":    "TOTAL-FAILED HASH_FAILURE",
		"zkeidas_binding.qkb.p7s":   "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
	}
	stamped := map[string]string{
		"diia_t.p7s":          "content ok, signature ok",
		"diia_xl.p7s":         "content ok, signature ok",
		"dstu_engine_cms.pem": "content ok",
		// The certificate of that issuer and serial number that the other token carries is
		// not the one that this names; the octets of its signature are others too.
		"zkeidas_binding.qkb.p7s": "content SIG_CONSTRAINTS_FAILURE, signature HASH_FAILURE",
	}
	tolerated := map[string]Tolerance{
		"uapki_cms_keyid.p7s": NoSigningCertificate, "dstu_engine_cms.pem": WrappedSignature, "jkurwa_message.p7s": AttrsAsStored,
	}
	entries, err := os.ReadDir(filepath.Join(dir, "real", "cms"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		in := Input{Container: shareddata.Read(t, dir, "real", "cms", name)}
		if strings.Contains(name, "detached") {
			in.Detached = detached(shareddata.Read(t, dir, "real", "cms", strings.TrimSuffix(name, ".p7s")+".txt"))
		}
		judge := func(tolerate Tolerances) *Report {
			o := Options{At: kepTime, Trust: pki.NewStore(anchors, certs, nil), Tolerate: tolerate}
			r := Validate(in, o)
			if len(r.Signatures) == 0 {
				return r
			}
			if s := r.Signatures[0]; s.Signer != nil {
				o.At = s.Signer.NotBefore.Add(time.Hour)
				if !s.ClaimedTime.IsZero() {
					o.At = s.ClaimedTime.Add(time.Minute)
				}
			}
			if r = Validate(in, o); r.Signatures[0].Signer != nil && len(r.Signatures[0].Chain) == 0 {
				t.Logf("%s: trusted by itself", name)
				o.Trust = o.Trust.With(nil, nil)
				o.Trust = pki.NewStore(append(slices.Clone(anchors), r.Signatures[0].Signer), certs, nil)
				r = Validate(in, o)
			}
			return r
		}
		r := judge(Tolerances{NoRevocation: true})
		want, ok := settled[name]
		if !ok && expected["real/cms/"+name].Verdict == "valid" {
			want = "TOTAL-PASSED"
		}
		if len(r.Signatures) > 0 {
			if got := stamps(r.Signatures[0]); got != stamped[name] {
				t.Errorf("%s: time-stamps %q, want %q", name, got, stamped[name])
			}
		}
		t.Logf("%-28s %-9s %s (%s)", name, expected["real/cms/"+name].Verdict, verdict(r), r.Detail)
		if verdict(r) != want {
			t.Errorf("%s: got %s (%s), want %s", name, verdict(r), r.Detail, want)
		}
		if flag := tolerated[name]; flag != "" {
			if r := judge(Tolerances{NoRevocation: true, flag: true}); r.Indication != TotalPassed || !slices.Contains(r.Signatures[0].Tolerances, flag) {
				t.Errorf("%s with %s: %s (%s)", name, flag, verdict(r), r.Detail)
			}
		}
	}
}

// bundle reads the certificates of a SignedData without signers.
func bundle(t testing.TB, file string) []*pki.Certificate {
	t.Helper()
	data, err := cms.Unarmour(shareddata.Read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	list, err := cms.Certificates(data)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(file), err)
	}
	var out []*pki.Certificate
	for _, raw := range list {
		c, err := pki.ParseCertificate(raw)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		out = append(out, c)
	}
	return out
}

// TestKEPOthers: of what is in the set for others nothing passes and nothing
// breaks.
func TestKEPOthers(t *testing.T) {
	t.Parallel()
	k := readKEP(t)
	for _, sub := range []string{"enveloped", "transport", "tsp", "ocsp", "containers"} {
		files, _ := os.ReadDir(filepath.Join(k.dir, sub))
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			b := shareddata.Read(t, k.dir, sub, f.Name())
			r := Validate(Input{Container: b}, Options{At: kepTime, Trust: k.store(), Tolerate: Tolerances{NoRevocation: true}})
			Sniff(b)
			if r.Indication == TotalPassed || strings.Contains(r.Detail, "reader fault") {
				t.Errorf("%s/%s: %s (%s)", sub, f.Name(), verdict(r), r.Detail)
			}
		}
	}
}
