package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway/evidence"
	"github.com/brama-gateway/brama/gateway/keys"
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

// flips changes a byte in every entry of a package, the check sum of the archive
// with it, and wants that nothing passes.
func flips(t *testing.T, pkg []byte, verify func([]byte) cades.Indication) {
	t.Helper()
	entries := unzip(t, pkg)
	if verify(rezip(t, entries)) != cades.TotalPassed {
		t.Fatal("the package packed anew does not pass: nothing is proved by flips")
	}
	for i, e := range entries {
		n := 2
		if strings.HasPrefix(e.name, "META-INF/") {
			n = 20
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
