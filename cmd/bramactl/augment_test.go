package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// opensslTSA runs "openssl ts -reply" behind HTTP, under an authority of its own that
// is valid for so many years; in dir it leaves root.pem and crl.pem of that.
func opensslTSA(t *testing.T, dir string, now time.Time, years int) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) {
		if kind != "" {
			b = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ca, err := newAuthority(fmt.Sprintf("Time CA for %d years", years), now, years)
	must(err)
	key := pkitest.Key(t)
	template := issue.Signatory(issue.Subject{Country: "UA", CommonName: "Time"}, big.NewInt(7), now.Add(-time.Hour), now.AddDate(years, 0, -1))
	template.ExtendedKeyUsage = nil
	template.Extra = append(template.Extra, pki.Extension{OID: "2.5.29.37", Critical: true, Value: der.Sequence(tsp.TimeStamping.Encode())})
	certificate, err := issue.Certificate(rand.Reader, ca, key.Public(), template)
	must(err)
	// From before the stamps, as lists mostly are.
	list, err := issue.CRL(rand.Reader, ca, issue.List{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.AddDate(0, 1, 0)})
	must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	write("tsa.key", "PRIVATE KEY", private)
	write("tsa.pem", "CERTIFICATE", certificate.Raw)
	write("root.pem", "CERTIFICATE", ca.Certificate.Raw)
	write("crl.pem", "X509 CRL", list.Raw)
	write("serial", "", []byte("01\n"))
	write("tsa.cnf", "", []byte(strings.ReplaceAll(`[tsa]
default_tsa = it
[it]
serial = DIR/serial
signer_cert = DIR/tsa.pem
signer_key = DIR/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`, "DIR", dir)))
	var one sync.Mutex // the serial number's file
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		query, answer := filepath.Join(dir, "q.tsq"), filepath.Join(dir, "a.tsr")
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(query, raw, 0o600)
		}
		if err != nil {
			t.Error(err)
			return
		}
		if out, err := exec.Command("openssl", "ts", "-reply", "-config", filepath.Join(dir, "tsa.cnf"), "-queryfile", query, "-out", answer).CombinedOutput(); err != nil {
			t.Errorf("openssl: %v %s", err, out)
		}
		b, err := os.ReadFile(answer)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(b)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestAugment raises a signature of the demonstration's signatory, by OpenSSL's
// time-stamping authority, and asks years later.
func TestAugment(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl not here")
		}
		t.Skip("openssl not here")
	}
	now := time.Now()
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	bramactl := func(args ...string) (int, string) {
		var out, bad bytes.Buffer
		code := run(context.Background(), append([]string{"--lang", "en"}, args...), func(string) string { return "" }, strings.NewReader(""), &out, &bad)
		return code, out.String() + bad.String()
	}
	ok := func(args ...string) {
		t.Helper()
		if code, text := bramactl(args...); code != exitYes {
			t.Fatal(args, code, text)
		}
	}
	short, long := opensslTSA(t, in("short"), now, 3), opensslTSA(t, in("long"), now, 15)
	if err := os.WriteFile(in("doc"), []byte("document"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok("init", "--dir", in("g"), "--demo")
	anchors := []string{"--anchor", in("g", "demo", "ca.pem"), "--anchor", in("short", "root.pem"), "--anchor", in("long", "root.pem")}
	material := append(anchors[:6:6], "--material", in("g", "demo", "crl.pem"), "--material", in("short", "crl.pem"), "--material", in("long", "crl.pem"))
	ok("sign", "--key", in("g", "demo", "head.key"), "--cert", in("g", "demo", "head.pem"), "-o", in("b"), in("doc"))
	augment := func(from, to string, args ...string) {
		t.Helper()
		ok(append(append([]string{"augment", in(from), "-o", in(to)}, args...), material...)...)
	}
	augment("b", "t", "--to", "t", "--tsa", short)
	augment("b", "t15", "--to", "t", "--tsa", long)
	augment("t", "lt", "--to", "lt")
	augment("b", "lt15", "--to", "lt", "--tsa", long)
	augment("b", "x15", "--to", "lt", "--tsa", long, "--form", "extended")
	augment("lt", "lta", "--to", "lta", "--tsa", long)
	augment("b", "lta-short", "--to", "lta", "--tsa", short)
	augment("lta-short", "lta-renewed", "--to", "lta", "--tsa", long)
	whole, err := os.ReadFile(in("lta"))
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace(whole, []byte("document"), []byte("Document"), 1)
	if err := os.WriteFile(in("altered"), altered, 0o600); err != nil {
		t.Fatal(err)
	}

	const strict, expired = "--strict-past", "--expired-tsa"
	for _, c := range []struct {
		file  string
		years int
		args  []string
		code  int
		want  string
	}{
		{"b", 3, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"b", 10, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"b", 10, []string{expired}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"t15", 3, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"}, // nothing tells whether it was revoked
		{"t15", 10, []string{expired}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"lt15", 0, nil, exitYes, ""},
		{"lt15", 3, nil, exitYes, ""},
		{"x15", 3, nil, exitYes, ""},
		{"lt15", 3, []string{strict}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"lt15", 10, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"}, // the list is not proved to be older than its issuer's end
		{"lt", 10, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"lta", 0, nil, exitYes, ""},
		{"lta", 3, nil, exitYes, ""},
		{"lta", 10, nil, exitYes, ""},
		{"lta", 10, []string{strict}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"lta", 20, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"}, // the last authority has expired
		{"lta", 20, []string{expired}, exitYes, ""},
		{"lta-short", 10, nil, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"lta-short", 10, []string{expired}, exitYes, ""},
		{"lta-renewed", 10, nil, exitYes, ""},
		{"altered", 10, nil, exitNo, "HASH_FAILURE"},
		{"altered", 10, []string{expired}, exitNo, "HASH_FAILURE"},
		{"lt15", 10, []string{"--existed", now.AddDate(1, 0, 0).Format(time.DateOnly)}, exitYes, ""},
		{"lt15", 10, []string{"--existed", now.AddDate(9, 0, 0).Format(time.DateOnly)}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
		{"b", 10, []string{"--existed", now.AddDate(0, 0, 1).Format(time.DateOnly)}, exitUndecided, "OUT_OF_BOUNDS_NO_POE"},
	} {
		at := time.Now().AddDate(c.years, 0, 0).UTC().Format(time.RFC3339)
		// With nothing but the file and anchors.
		args := append(append([]string{"verify", in(c.file), "--json", "--at", at}, anchors...), c.args...)
		code, text := bramactl(args...)
		var r verifyReport
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err, text)
		}
		if c.file == "lt15" && c.years == 0 || c.file == "lta" && c.years == 0 {
			if code != c.code {
				t.Errorf("%s now: %d %s", c.file, code, text)
			}
			continue
		}
		if code != c.code || r.SubIndication != c.want {
			t.Errorf("%s after %d years, %v: %d %s %s; want %d %s\n%s", c.file, c.years, c.args, code, r.Indication, r.SubIndication, c.code, c.want, text)
			continue
		}
		if code == exitYes {
			s := r.Signatures[0]
			if !s.Past || s.ProvedTime == nil || s.ProvedTime.Sub(now).Abs() > time.Minute || !r.Details[0].BestSignatureTime.Equal(*s.ProvedTime) {
				t.Errorf("%s after %d years: the time told is wrong: %s", c.file, c.years, text)
			}
		}
	}
	// For people, the time is told.
	if _, text := bramactl(append([]string{"verify", in("lta"), "--at", now.AddDate(10, 0, 0).Format(time.DateOnly)}, anchors...)...); !strings.Contains(text, "existed at the latest: "+now.UTC().Format("2006-01-02")) || !strings.Contains(text, "valid at the proved time") {
		t.Error(text)
	}

	for name, c := range map[string]struct {
		code int
		args []string
	}{
		"altered":            {exitNo, append([]string{in("altered"), "--to", "lta", "--tsa", long}, material...)},
		"no list":            {exitUndecided, append([]string{in("b"), "--to", "lt", "--tsa", long}, anchors...)},
		"authority unknown":  {exitUndecided, append([]string{in("t15"), "--to", "lt", "--anchor", in("g", "demo", "ca.pem")}, material[6:]...)},
		"no anchors":         {exitCouldNot, []string{in("t"), "--to", "lt"}},
		"no authority":       {exitCouldNot, append([]string{in("b"), "--to", "lta"}, material...)},
		"stamped already":    {exitCouldNot, []string{in("t"), "--to", "t", "--tsa", long}},
		"no level":           {exitCouldNot, []string{in("b")}},
		"no signature":       {exitCouldNot, []string{in("doc"), "--to", "t", "--tsa", long}},
		"authority away":     {exitCouldNot, []string{in("b"), "--to", "t", "--tsa", "http://127.0.0.1:1/"}},
		"flags that exclude": {exitCouldNot, nil},
	} {
		args := append([]string{"augment", "-o", in("none")}, c.args...)
		if c.args == nil {
			args = append([]string{"verify", in("lta"), strict, expired}, anchors...)
		}
		if code, text := bramactl(args...); code != c.code {
			t.Errorf("%s: %d, want %d: %s", name, code, c.code, text)
		}
		if _, err := os.Stat(in("none")); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
}

// An archive that is no container is refused, not set aside.
func TestVerifyZIP(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem")
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Certificate.Raw}))
	for name, c := range map[string]struct {
		content string
		code    int
	}{
		"empty":       {"PK\x05\x06" + strings.Repeat("\x00", 18), exitNo},
		"one entry":   {"PK\x03\x04" + strings.Repeat("\x00", 100), exitNo},
		"not a ZIP":   {"PKI", exitCouldNot},
		"not a thing": {"text", exitCouldNot},
	} {
		file := filepath.Join(dir, "file")
		write(file, []byte(c.content))
		var out, bad bytes.Buffer
		code := run(context.Background(), []string{"verify", file, "--anchor", root}, func(string) string { return "" }, strings.NewReader(""), &out, &bad)
		if code != c.code || code == exitNo && !strings.HasPrefix(out.String(), "TOTAL-FAILED FORMAT_FAILURE") {
			t.Errorf("%s: %d %s %s", name, code, out.String(), bad.String())
		}
	}
}
