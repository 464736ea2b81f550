package main

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway/admin"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/gateway/keys"
	"github.com/brama-gateway/brama/gateway/trust/tsa/tsatest"
)

// A package of evidence proves an acceptance where the gateway is not, and after
// every certificate in it has expired; with any byte changed, it proves nothing.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure("schedule: {checkpoints: \"@every 1s\"}\n")
	p := s.start(nil)
	c := s.client(p)
	doc := sample.PDF("evidence")
	for name, content := range map[string][]byte{
		"detached.pdf": doc, "detached.pdf.p7s": sign(t, doc, true, s.signer("head")),
		"whole.pdf.p7s": s.signedPDF("whole"),
	} {
		if err := put(c, "/inbox/"+name, content); err != nil {
			t.Fatal(err)
		}
	}
	away := t.TempDir() // all that is taken to the other machine
	key := s.ctl("journal", "key")
	export := func(label string) string {
		t.Helper()
		r := s.receipt(c, label)
		file := filepath.Join(away, label+".asice")
		await(t, 3*soon, "the evidence of "+label, func() bool {
			return exec.Command(program(t, "bramactl"), "--config", s.path("brama.yaml"), "evidence", "export", r.Submission.String(), "-o", file).Run() == nil
		})
		return file
	}
	files := []string{export("detached.pdf"), export("whole.pdf.p7s")}
	var anchors []*pki.Certificate
	var args []string
	for _, path := range []string{s.path("demo", "ca.pem"), s.path("keys", "seal-ca.pem")} {
		certs, err := keys.Certificates(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		taken := filepath.Join(away, filepath.Base(path))
		if err := os.WriteFile(taken, b, 0o600); err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, certs...)
		args = append(args, "--anchor", taken)
	}
	p.stop(t)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	later := time.Date(2071, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, a := range anchors {
		if !a.NotAfter.Before(later) {
			t.Fatalf("%s is valid until %v", a.Subject, a.NotAfter)
		}
	}
	for _, file := range files {
		pkg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{time.Now().Format(time.RFC3339), "2071-01-01"} {
			cmd := exec.Command(program(t, "bramactl"), append([]string{"evidence", "verify", file, "--at", at, "--json"}, args...)...)
			cmd.Env, cmd.Dir = []string{"PATH=/nowhere"}, away
			out, err := cmd.Output()
			var r struct {
				Indication, SealProof string
				Steps                 []evidence.Step
			}
			if err != nil || json.Unmarshal(out, &r) != nil || r.Indication != "TOTAL-PASSED" || len(r.Steps) < 8 {
				t.Errorf("%s at %s: %v\n%s", file, at, err, out)
			}
		}
		verify := func(pkg []byte, key string, at time.Time, anchors ...*pki.Certificate) *evidence.Result {
			return evidence.Verify(pkg, evidence.Options{Anchors: anchors, Key: key, At: at})
		}
		if r := verify(pkg, key, later, anchors...); r.Indication != cades.TotalPassed || r.JournalKey != "given" || r.SealProof != "claim" {
			t.Errorf("%s with the journal's key: %+v", file, r)
		}
		if r := verify(pkg, strings.Replace(key, "brama", "drama", 1), later, anchors...); r.Indication != cades.TotalFailed {
			t.Errorf("%s with another journal's key: %v", file, r.Indication)
		}
		for i := range anchors {
			if r := verify(pkg, "", later, anchors[i]); r.Indication != cades.Indeterminate {
				t.Errorf("%s with anchor %d only: %v %s", file, i, r.Indication, r.Detail)
			}
		}
		if r := verify(pkg, "", time.Now().Add(-time.Hour), anchors...); r.Indication == cades.TotalPassed {
			t.Errorf("%s passes before it was made", file)
		}
		if file != files[0] {
			continue // the rest is the same of every package
		}
		flips(t, pkg, func(b []byte) cades.Indication { return verify(b, "", later, anchors...).Indication })
		opensslParts(t, pkg, away)
	}
}

// TestEvidenceStamped: with a time-stamping authority, signatures and seal bear
// time-stamps, which prove the seal after its certificate has ended; while it is down,
// receipts go out and evidence waits.
func TestEvidenceStamped(t *testing.T) {
	t.Parallel()
	now := time.Now()
	root := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	from, until := now.Add(-time.Hour), now.AddDate(60, 0, 0)
	anchor := issue.Issuer{Key: root}
	anchor.Certificate = must(issue.SelfSigned(rand.Reader, root, issue.Authority(issue.Subject{Country: "UA", Organization: "TEST", CommonName: "TSA root"}, big.NewInt(1), from, until, 0)))(t)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	about := issue.Signatory(issue.Subject{Country: "UA", Organization: "TEST", CommonName: "TSA"}, big.NewInt(2), from, until)
	tsatest.Critical(&about)
	authority := must(issue.Certificate(rand.Reader, anchor, key.Public(), about))(t)
	crl := must(issue.CRL(rand.Reader, anchor, issue.List{Number: big.NewInt(3), ThisUpdate: from, NextUpdate: now.Add(time.Hour)}))(t)
	openssl := tsatest.OpenSSL(t, key, authority, nil)
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if up.Load() {
			openssl.Config.Handler.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)

	s := newSite(t)
	s.configure("schedule: {checkpoints: \"@every 1s\"}\n")
	b, err := os.ReadFile(s.path("brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	was := fmt.Sprintf("trust: {dir: %s}", s.path("trust"))
	if !strings.Contains(string(b), was) {
		t.Fatal("the configuration has another trust section")
	}
	s.write(s.path("brama.yaml"), strings.Replace(string(b), was, strings.TrimSuffix(was, "}")+", tsa: {url: \""+server.URL+"\", policy: 1.2.3.4.2, hash: sha384}}", 1))
	s.write(s.path("trust", "anchors", "tsa.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anchor.Certificate.Raw})))
	s.write(s.path("trust", "material", "tsa.crl"), string(crl.Raw))
	p := s.start(nil)
	c := s.client(p)
	if err := put(c, "/inbox/stamped.pdf.p7s", s.signedPDF("stamped")); err != nil {
		t.Fatal(err)
	}
	r := s.receipt(c, "stamped.pdf.p7s")
	a := s.admin()
	defer a.Close()
	warned := func() bool {
		st, err := a.Status(t.Context())
		return err == nil && slices.ContainsFunc(st.Warnings, func(w admin.Warning) bool { return w.Code == "TSA" })
	}
	await(t, soon, "the warning that no time-stamps come", warned)
	file := filepath.Join(s.dir, "p.asice")
	export := func() bool {
		return exec.Command(program(t, "bramactl"), "--config", s.path("brama.yaml"), "evidence", "export", r.Submission.String(), "-o", file).Run() == nil
	}
	if export() {
		t.Error("a package without the time-stamp that is to be in it")
	}
	up.Store(true)
	await(t, 3*soon, "the evidence", export)
	if warned() {
		t.Error("the warning stays")
	}
	p.stop(t)

	pkg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	anchors := []*pki.Certificate{anchor.Certificate}
	for _, path := range []string{s.path("demo", "ca.pem"), s.path("keys", "seal-ca.pem")} {
		anchors = append(anchors, must(keys.Certificates(path))(t)...)
	}
	verify := func(b []byte, at time.Time, anchors ...*pki.Certificate) *evidence.Result {
		return evidence.Verify(b, evidence.Options{Anchors: anchors, At: at})
	}
	for proof, at := range map[string]time.Time{"time-stamp": until.AddDate(0, 0, -1), "expired-time-stamp": until.AddDate(1, 0, 0)} {
		if r := verify(pkg, at, anchors...); r.Indication != cades.TotalPassed || r.SealProof != proof {
			t.Errorf("at %v: %s %s %s by %q", at, r.Indication, r.SubIndication, r.Detail, r.SealProof)
		}
	}
	if r := verify(pkg, now.Add(time.Hour), anchors[1:]...); r.Indication != cades.Indeterminate {
		t.Errorf("without the authority of the time-stamps: %s %s", r.Indication, r.Detail)
	}
	entries := unzip(t, pkg)
	i := slices.IndexFunc(entries, func(e entry) bool { return strings.HasPrefix(e.name, "raised/") })
	if i < 0 {
		t.Fatal("the signature was not raised")
	}
	store := pki.NewStore(anchors, nil, nil)
	got := cades.Validate(cades.Input{Container: entries[i].content}, cades.Options{At: time.Now().Add(time.Minute), Trust: store, Tolerate: cades.Tolerances{cades.NoRevocation: true}})
	if got.Indication != cades.TotalPassed || len(got.Signatures[0].TimeStamps) != 1 || !got.Signatures[0].TimeStamps[0].Valid || len(got.Signatures[0].TimeStamps[0].Evidence) != 1 || got.Signatures[0].ProvedTime.Before(r.Decided.Add(-time.Second)) {
		t.Errorf("raised: %s %s, %+v", got.Indication, got.Detail, got.Signatures)
	}
	// A stamp that is changed proves nothing; the seal is but a claim then. Changed is what
	// signatures cover: of a SignedData versions, digestAlgorithms and the names of signers
	// are not (RFC 5652, sections 5.1 and 5.3).
	i = slices.IndexFunc(entries, func(e entry) bool { return e.name == "META-INF/signature001.p7s" })
	seal := entries[i].content
	info := bytes.Index(seal, []byte{0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04, 0xa0}) // id-smime-ct-TSTInfo
	if info < 0 {
		t.Fatal("the seal has no time-stamp")
	}
	info += bytes.IndexByte(seal[info:], 0x30) // its content
	var places []int
	for at := info; at < info+150; at += 13 {
		places = append(places, at)
	}
	for at := len(seal) - 60; at < len(seal); at += 7 { // the signature
		places = append(places, at)
	}
	for _, at := range places {
		changed := slices.Clone(entries)
		changed[i].content = slices.Clone(entries[i].content)
		changed[i].content[at] ^= 1
		if r := verify(rezip(t, changed), until.AddDate(0, 0, -1), anchors...); r.Indication == cades.TotalPassed && r.SealProof != "claim" {
			t.Errorf("passes with byte %d of the seal changed, by %q", at, r.SealProof)
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// flips changes a byte in every entry of a package, the check sum of the archive
// with it, and wants that nothing passes.
func flips(t *testing.T, pkg []byte, verify func([]byte) cades.Indication) {
	t.Helper()
	entries := unzip(t, pkg)
	if verify(rezip(t, entries)) != cades.TotalPassed {
		t.Fatal("the package packed anew does not pass: nothing is proved by flips")
	}
	for i, e := range entries {
		n := 1
		if strings.HasPrefix(e.name, "META-INF/") {
			n = 8
		}
		for k := range n {
			at := (len(e.content)*k + len(e.content)/2) / n % len(e.content)
			changed := slices.Clone(entries)
			changed[i].content = slices.Clone(e.content)
			changed[i].content[at] ^= 1
			if verify(rezip(t, changed)) == cades.TotalPassed {
				t.Errorf("%s: passes with byte %d changed", e.name, at)
			}
		}
		if e.name != "mimetype" && verify(rezip(t, slices.Delete(slices.Clone(entries), i, i+1))) == cades.TotalPassed {
			t.Errorf("passes without %s", e.name)
		}
	}
	if verify(rezip(t, append(slices.Clone(entries), entry{"more.txt", []byte("x")}))) == cades.TotalPassed {
		t.Error("passes with a file more")
	}
}

type entry struct {
	name    string
	content []byte
}

func unzip(t *testing.T, pkg []byte) (out []entry) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{f.Name, b})
	}
	return out
}

func rezip(t *testing.T, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: e.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(e.content),
			CompressedSize64: uint64(len(e.content)), UncompressedSize64: uint64(len(e.content)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// opensslParts verifies the seal, the receipt and the signature with OpenSSL, as the
// README of the package says.
func opensslParts(t *testing.T, pkg []byte, anchors string) {
	t.Helper()
	openssl := tool(t, "openssl")
	dir := t.TempDir()
	var x evidence.Index
	for _, e := range unzip(t, pkg) {
		path := filepath.Join(dir, filepath.FromSlash(e.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, e.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if e.name == "evidence.json" {
			if err := json.Unmarshal(e.content, &x); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := strconv.FormatInt(x.Decided.Unix()+2, 10)
	check := func(sig, content, anchor string) {
		t.Helper()
		args := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", filepath.Join(dir, sig), "-CAfile", filepath.Join(anchors, anchor), "-purpose", "any", "-attime", at, "-out", os.DevNull}
		if content != "" {
			args = append(args, "-content", filepath.Join(dir, content))
		}
		if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Errorf("openssl: %s: %v\n%s", sig, err, out)
		}
	}
	check("META-INF/signature001.p7s", "META-INF/ASiCManifest001.xml", "seal-ca.pem")
	check(x.Receipts[0].Seal, x.Receipts[0].JSON, "seal-ca.pem")
	check(x.Signatures[0].File, x.Document, "ca.pem")
	if x.Signatures[0].Raised == "" {
		t.Errorf("%s was not raised", x.Signatures[0].File)
	} else {
		check(x.Signatures[0].Raised, x.Document, "ca.pem")
	}
}
