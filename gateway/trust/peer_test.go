package trust_test

import (
	"bufio"
	"crypto/rand"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/ocsp/ocsptest"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/gateway/trust"
)

// TestFetchBouncyCastle: a live responder that Bouncy Castle is, with a key of DSTU 4145
// and issuers named by their GOST key identifiers, is asked and believed: good, then
// revoked; what it does not know is missing.
func TestFetchBouncyCastle(t *testing.T) {
	t.Parallel()
	jars := []string{"/usr/share/java/bcprov.jar", "/usr/share/java/bcpkix.jar", "/usr/share/java/bcutil.jar"}
	for _, f := range jars {
		if _, err := os.Stat(f); err != nil {
			missing(t, "Bouncy Castle not here (Debian: libbcpkix-java)")
		}
	}
	if _, err := exec.LookPath("javac"); err != nil {
		missing(t, "java not here")
	}
	dir := t.TempDir()
	java := exec.Command("java", "-XX:TieredStopAtLevel=1", "-cp", strings.Join(jars, ":"), "testdata/Responder.java", dir)
	java.Stderr = os.Stderr
	stdout, err := java.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := java.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = java.Process.Kill(); _ = java.Wait() })
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)

	root := ocsptest.NewAuthority(t, ocsptest.DSTU, "Root", time.Now())
	spki, err := os.ReadFile(filepath.Join(dir, "spki.der"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := algorithm.ParseKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := issue.Signatory(issue.Subject{Country: "UA", CommonName: "Responder"}, big.NewInt(100), root.From, root.Until)
	ocsptest.ForAnswers(&tmpl)
	own, err := issue.Certificate(rand.Reader, root.Issuer, key, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("responder.cer", own.Raw)
	write("issuer.cer", root.Certificate.Raw)

	slow := newFetching(t, root, func(o *trust.FetchOptions) { o.Timeout = 20 * time.Second }) // a virtual machine warms up
	good, gone := root.Issue("Good", ocsptest.At(url, "", "")), root.Issue("Gone", ocsptest.At(url, "", ""))
	if p := slow.seek("1", good.Certificate); p.Outcome != pki.ValidPath || p.Evidence[0].Kind != "ocsp" {
		t.Errorf("good: %d %s", p.Outcome, p.Detail)
	}
	write("revoked.txt", []byte(gone.Certificate.Serial.Text(16)+"\n"))
	if p := slow.seek("2", gone.Certificate); p.Outcome != pki.CertificateRevoked {
		t.Errorf("gone: %d %s", p.Outcome, p.Detail)
	}
	// Whoever is good was told already; after a restart the responder is asked anew.
	write("revoked.txt", []byte(good.Certificate.Serial.Text(16)+"\n"))
	again := newFetching(t, root)
	if p := again.seek("3", good.Certificate); p.Outcome != pki.CertificateRevoked {
		t.Errorf("good, then revoked: %d %s", p.Outcome, p.Detail)
	}
	// Now it answers for another authority: this one's are unknown to it.
	write("issuer.cer", ocsptest.NewAuthority(t, ocsptest.DSTU, "Root", time.Now()).Certificate.Raw)
	if p := again.seek("4", root.Issue("Stranger", ocsptest.At(url, "", "")).Certificate); p.Outcome != pki.NoRevocationEvidence {
		t.Errorf("unknown: %d %s", p.Outcome, p.Detail)
	}
}

// missing skips a test that needs a program, which CI always has.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
