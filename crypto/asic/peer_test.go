package asic

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

func put(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t testing.TB, dir, program string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		shareddata.Missing(t, program+" not here")
	}
	c := exec.Command(program, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "LC_ALL=C.UTF-8") // names are UTF-8
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestPeers: what we write Info-ZIP unpacks and OpenSSL verifies, file by file, under
// RSA and ECDSA keys.
func TestPeers(t *testing.T) {
	t.Parallel()
	p := pkitest.NewAt(t, time.Now()) // OpenSSL verifies by its own clock
	for family, s := range signers(t, p) {
		if family == "dstu" {
			continue // OpenSSL does not know it
		}
		s.Chain = append(s.Chain, p.CA.Certificate)
		dir := t.TempDir()
		root := put(t, dir, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Certificate.Raw}))
		sign := func(content []byte) ([]byte, error) { return signAt(content, p.At, s) }
		b, err := WriteS(document, sign, WriteOptions{At: p.At})
		put(t, dir, "s.asics", must(t, b, err))
		b, err = WriteE([]File{document, {Name: "b/note.txt", Content: []byte("note")}}, []Signature{{Sign: sign}, {Sign: sign}}, WriteOptions{At: p.At})
		put(t, dir, "e.asice", must(t, b, err))
		for _, c := range []struct{ file, signature, content string }{
			{"s.asics", signatureS, document.Name},
			{"e.asice", metaInf + "signature001.p7s", metaInf + "ASiCManifest001.xml"},
			{"e.asice", metaInf + "signature002.p7s", metaInf + "ASiCManifest002.xml"},
		} {
			if out, err := run(t, dir, "unzip", "-tqq", c.file); err != nil {
				t.Errorf("%s: unzip: %v %s", c.file, err, out)
			}
			to := filepath.Join(dir, "out")
			if out, err := run(t, dir, "unzip", "-qqo", "-d", to, c.file); err != nil {
				t.Errorf("%s: unzip: %v %s", c.file, err, out)
			}
			if got, err := os.ReadFile(filepath.Join(to, document.Name)); err != nil || !bytes.Equal(got, document.Content) {
				t.Errorf("%s: unpacked: %v", c.file, err)
			}
			out, err := run(t, to, "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", c.signature, "-content", c.content,
				"-CAfile", root, "-purpose", "any", "-out", os.DevNull)
			if err != nil {
				t.Errorf("%s, %s, %s: openssl: %v %s", family, c.file, c.signature, err, out)
			}
			if err := os.RemoveAll(to); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestJava: Java and Bouncy Castle verify what we write, and we what they write: with
// data descriptors, other prefixes and names written as %XX.
func TestJava(t *testing.T) {
	t.Parallel()
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	for _, f := range jars {
		if _, err := os.Stat(f); err != nil {
			shareddata.Missing(t, "Bouncy Castle not here")
		}
	}
	p := pkitest.NewAt(t, time.Now())
	person := p.Person("Head", "00013480", "1111111111")
	dir := t.TempDir()
	sources, err := filepath.Abs("testdata/Peer.java")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, dir, "javac", "-cp", strings.Join(jars, ":"), "-d", dir, sources); err != nil {
		t.Fatalf("javac: %v %s", err, out)
	}
	java := func(args ...string) (string, error) {
		return run(t, dir, "java", append([]string{"-XX:TieredStopAtLevel=1", "-cp", strings.Join(append(jars, dir), ":"), "Peer"}, args...)...)
	}
	sign := func(content []byte) ([]byte, error) { return signAt(content, p.At, signerOf(p, person)) }
	b, err := WriteS(document, sign, WriteOptions{At: p.At})
	put(t, dir, "s.asics", must(t, b, err))
	b, err = WriteE([]File{document, {Name: "b/note (1).txt", Content: []byte("note")}}, []Signature{{Sign: sign}, {Sign: sign}}, WriteOptions{At: p.At})
	put(t, dir, "e.asice", must(t, b, err))
	out, err := java("verify", "s.asics", "e.asice")
	if err != nil || out != "s.asics ok 1\ne.asice ok 2\n" {
		t.Errorf("Java on ours: %v %s", err, out)
	}

	key, err := x509.MarshalPKCS8PrivateKey(person.Key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "key.der", key)
	put(t, dir, "cert.der", person.Certificate.Raw)
	for _, name := range []string{"plain.txt", "two words, (1).txt"} {
		put(t, dir, name, document.Content)
		if out, err := java("sign", "key.der", "cert.der", "theirs.asice", name); err != nil {
			t.Fatalf("Java: %v %s", err, out)
		}
		theirs := shareddata.Read(t, dir, "theirs.asice")
		r := Validate(theirs, ValidateOptions{Options: cades.Options{At: time.Now(), Trust: p.Store()}})
		if r.Indication != cades.TotalPassed || r.Container.Data[0].Name != name || !bytes.Equal(r.Content, document.Content) {
			t.Errorf("%s by Java: %s (%s)", name, verdict(r), r.Detail)
		}
	}
}
