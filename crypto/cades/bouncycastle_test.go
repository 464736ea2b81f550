package cades

import (
	"cmp"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
)

// bouncyCastle runs the generator and the checker that are built on Bouncy Castle.
type bouncyCastle struct{ classpath string }

func newBouncyCastle(t testing.TB) bouncyCastle {
	t.Helper()
	tools := filepath.Join(shareddata.Dir(t), "..", "tools", "kepgen")
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	sources := []string{filepath.Join(tools, "KepGen.java"), filepath.Join(tools, "KepCheck.java")}
	for _, f := range append(jars, sources...) {
		if _, err := os.Stat(f); err != nil {
			shareddata.Missing(t, "kepgen or Bouncy Castle not here")
		}
	}
	if _, err := exec.LookPath("javac"); err != nil {
		shareddata.Missing(t, "java not here")
	}
	dir := t.TempDir()
	path := strings.Join(jars, ":")
	if out, err := exec.Command("javac", append([]string{"-cp", path, "-d", dir}, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v %s", err, out)
	}
	return bouncyCastle{classpath: path + ":" + dir}
}

func (b bouncyCastle) run(class string, args ...string) (string, error) {
	out, err := exec.Command("java", append([]string{"-XX:TieredStopAtLevel=1", "-cp", b.classpath, class}, args...)...).CombinedOutput()
	return string(out), err
}

// generate makes the whole set, all profiles, of a seed.
func (b bouncyCastle) generate(t testing.TB, seed string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := b.run("KepGen", "gen", "--out", dir, "--seed", seed); err != nil {
		t.Fatalf("kepgen: %v %s", err, out)
	}
	return dir
}

// TestBouncyCastle judges the set that kepgen makes with Bouncy Castle, by
// VERDICTS.md where it differs from the manifest.
func TestBouncyCastle(t *testing.T) {
	t.Parallel()
	bc := newBouncyCastle(t)
	// Any seed will do; another one may be tried.
	dir := bc.generate(t, cmp.Or(os.Getenv("BRAMA_KEPGEN_SEED"), "brama"))
	at := time.Date(2026, 1, 16, 10, 0, 0, 0, time.UTC)
	settled := map[string]string{
		"attached-empty.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
		"cms-no-ess.p7s":            "INDETERMINATE SIG_CONSTRAINTS_FAILURE",
		"cms-no-signed-attrs.p7s":   "TOTAL-FAILED SIG_CONSTRAINTS_FAILURE",
		"no-certs.p7s":              "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"no-certs-ski.p7s":          "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"signer-cert-absent.p7s":    "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"counter-signature-bad.p7s": "TOTAL-PASSED", // never a signer
		"cades-t-bad-imprint.p7s":   "TOTAL-PASSED", // the time-stamp is not proof, and not needed
		"cades-t-not-a-tsa.p7s":     "TOTAL-PASSED",
		"attrs-unsorted.p7s":        "TOTAL-FAILED FORMAT_FAILURE",
		"attrs-unsorted-raw.p7s":    "TOTAL-FAILED FORMAT_FAILURE",
		"trailing-zero.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
		"trailing-copy.p7s":         "TOTAL-FAILED FORMAT_FAILURE",
		"length-non-minimal.p7s":    "TOTAL-PASSED", // BER in the outer layer
		"base64.p7s":                "TOTAL-PASSED",
		"sig-pkcs1-no-null.p7s":     "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"sig-wrapped.p7s":           "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"sig-padded.p7s":            "TOTAL-FAILED SIG_CRYPTO_FAILURE", // lengths are fixed
		"wrong-message-digest.p7s":  "TOTAL-FAILED HASH_FAILURE",
		"tampered-content.p7s":      "TOTAL-FAILED HASH_FAILURE",
		"sig-bit-flipped.p7s":       "TOTAL-FAILED SIG_CRYPTO_FAILURE",
		"cert-revoked.p7s":          "INDETERMINATE REVOKED_NO_POE",
		"cert-on-hold.p7s":          "INDETERMINATE TRY_LATER",
		"cert-expired.p7s":          "INDETERMINATE OUT_OF_BOUNDS_NO_POE",
		"cert-revoked-in-delta.p7s": "INDETERMINATE REVOKED_NO_POE", // the delta CRL is at hand
		"cert-key-agreement.p7s":    "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE",
		"ber-indefinite.p7s":        "TOTAL-PASSED", // its SignerInfo is DER
		"wrong-ess-cert.p7s":        "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
		"cert-curveball.p7s":        "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE", // a base point of its own
		"cert-key-not-on-curve.p7s": "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
		"cert-key-order-2.p7s":      "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
		"cert-key-too-long.p7s":     "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
		"cert-key-huge-field.p7s":   "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
	}
	tolerated := map[string]Tolerance{
		"cms-no-ess.p7s": NoSigningCertificate, "attrs-unsorted.p7s": AttrsResorted,
		"attrs-unsorted-raw.p7s": AttrsAsStored, "sig-wrapped.p7s": WrappedSignature,
	}
	stamped := map[string]string{
		"cades-t.p7s":             "signature ok",
		"cades-t-content.p7s":     "content ok, signature ok",
		"cades-t-bad-imprint.p7s": "signature HASH_FAILURE",
		"cades-t-not-a-tsa.p7s":   "signature CHAIN_CONSTRAINTS_FAILURE",
	}
	n := 0
	for _, row := range strings.Split(strings.TrimSpace(string(shareddata.Read(t, dir, "MANIFEST.tsv"))), "\n")[1:] {
		f := strings.Split(row, "\t")
		profile, rest, _ := strings.Cut(f[0], "/")
		if !strings.HasPrefix(rest, "cms/") {
			continue
		}
		n++
		name := strings.TrimPrefix(rest, "cms/")
		in := Input{Container: shareddata.Read(t, dir, f[0])}
		if f[1] != "-" {
			in.Detached = detached(shareddata.Read(t, dir, f[1]))
		}
		store := pki.NewStore(
			[]*pki.Certificate{readCertificate(t, dir, profile, "certs", "root.cer")},
			[]*pki.Certificate{readCertificate(t, dir, profile, "certs", "inter.cer")},
			[]*pki.CRL{
				readCRL(t, dir, profile, "crl", "root.crl"), readCRL(t, dir, profile, "crl", "inter.crl"),
				readCRL(t, dir, profile, "crl", "inter-delta.crl"), readCRL(t, dir, profile, "crl", "inter-wrongkey.crl"),
			})
		r := Validate(in, Options{At: at, Trust: store})
		got := verdict(r)
		want, known := settled[name]
		switch {
		case known:
		case f[4] == "PASS":
			want = "TOTAL-PASSED"
		case f[4] == "FAIL":
			if r.Indication != TotalPassed {
				want = got
			} else {
				want = "a refusal"
			}
		default:
			t.Errorf("%s: %s is not settled", f[0], f[4])
		}
		if got != want {
			t.Errorf("%s: got %s (%s), want %s: %s", f[0], got, r.Detail, want, f[5])
		}
		if want, ok := stamped[name]; ok && (len(r.Signatures) != 1 || stamps(r.Signatures[0]) != want) {
			t.Errorf("%s: time-stamps %q, want %q", f[0], stamps(r.Signatures[0]), want)
		}
		if len(r.Signatures) == 1 && r.Signatures[0].Signer != nil && (name == "attached-seal.p7s") != r.Signatures[0].Signer.IsSeal() {
			t.Errorf("%s: seal %v", f[0], r.Signatures[0].Signer.IsSeal())
		}
		if flag := tolerated[name]; flag != "" {
			r := Validate(in, Options{At: at, Trust: store, Tolerate: Tolerances{flag: true}})
			if r.Indication != TotalPassed || len(r.Signatures) == 0 || len(r.Signatures[0].Tolerances) != 1 || r.Signatures[0].Tolerances[0] != flag {
				t.Errorf("%s with %s: %s (%s)", f[0], flag, verdict(r), r.Detail)
			}
		}
	}
	if n < 550 {
		t.Errorf("only %d rows", n)
	}
	bouncyCastleReads(t, bc, dir)
}

// bouncyCastleReads: what we sign with DSTU 4145 the checker on Bouncy Castle
// accepts, with its certificates and keys and with certificates of our own. One run
// of Java checks all.
func bouncyCastleReads(t *testing.T, bc bouncyCastle, set string) {
	t.Helper()
	at := time.Date(2026, 5, 31, 23, 30, 0, 0, time.UTC) // the checker's time is half an hour later
	content := shareddata.Read(t, set, "dstumix", "doc.bin")
	dir := t.TempDir()
	manifest := "file\tcontent\tcrypto\tcades\tfull\twhy\n"
	put := func(container []byte, path ...string) string {
		t.Helper()
		folder := filepath.Join(append([]string{dir}, path[:len(path)-1]...)...)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, folder, path[len(path)-1], container)
		return strings.Join(path, "/")
	}
	put(content, "doc.bin")
	n := 0
	sign := func(profile, name string, s Signer, store *pki.Store) {
		t.Helper()
		for _, apart := range []bool{false, true} {
			ours, err := Sign(rand.Reader, content, []Signer{s}, SignOptions{Detached: apart, At: at})
			if err != nil {
				t.Fatal(err)
			}
			in, from := Input{Container: ours}, "-"
			if apart {
				name += "-detached"
				in.Detached, from = detached(content), "doc.bin"
			}
			n++
			manifest += put(ours, profile, "cms", name+".p7s") + "\t" + from + "\tPASS\tPASS\tPASS\tours\n"
			if r := Validate(in, Options{At: at, Trust: store}); r.Indication != TotalPassed {
				t.Errorf("%s: %s (%s)", profile, verdict(r), r.Detail)
			}
		}
	}
	for _, profile := range []string{"dstumix", "dstu431", "dstu257n", "kupyna257", "ecp256", "rsa2048"} {
		entries, err := keyfile.Open(shareddata.Read(t, set, profile, "keys", "user.p8"), nil)
		if err != nil {
			t.Fatal(err)
		}
		key, err := entries[0].Key()
		if err != nil {
			t.Fatal(err)
		}
		s := Signer{
			Key: key, Certificate: readCertificate(t, set, profile, "certs", "user.cer"),
			Chain: []*pki.Certificate{readCertificate(t, set, profile, "certs", "inter.cer")},
		}
		if profile == "kupyna257" {
			s.Digest = algorithm.Kupyna256
		}
		for _, f := range []string{"certs/root.cer", "certs/inter.cer", "crl/root.crl", "crl/inter.crl"} {
			put(shareddata.Read(t, set, profile, f), append([]string{profile}, strings.Split(f, "/")...)...)
		}
		sign(profile, "ours", s, pki.NewStore(
			[]*pki.Certificate{readCertificate(t, set, profile, "certs", "root.cer")}, nil,
			[]*pki.CRL{readCRL(t, set, profile, "crl", "root.crl"), readCRL(t, set, profile, "crl", "inter.crl")}))
	}
	// A hierarchy of our own: m = 431 above m = 257, explicit above named.
	p := newDSTUPKI(t, at)
	put(p.root.Certificate.Raw, "own", "certs", "root.cer")
	put(p.ca.Certificate.Raw, "own", "certs", "inter.cer")
	put(p.lists[0].Raw, "own", "crl", "root.crl")
	put(p.lists[1].Raw, "own", "crl", "inter.crl")
	s := p.signer
	sign("own", "gost", s, p.store())
	s.Digest = algorithm.Kupyna256
	sign("own", "kupyna", s, p.store())

	put([]byte(manifest), "MANIFEST.tsv")
	out, err := bc.run("KepCheck", "manifest", dir)
	if want := strconv.Itoa(n) + " agree, 0 differ, 0 left to policy"; err != nil || !strings.Contains(out, want) {
		t.Errorf("Bouncy Castle on ours: %v %s, want %s", err, out, want)
	}
}
