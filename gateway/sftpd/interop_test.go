//go:build interop

package sftpd

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestInterop drives a permissive counter with the clients that the machine has:
// go test -tags interop -run TestInterop -v. INTEROP_COMMAND, if set, is run
// instead of the suite, with HOST, PORT and KEYS in its environment.
func TestInterop(t *testing.T) {
	dir := t.TempDir()
	e := begin(t, func(o *Options) {
		o.Legacy = os.Getenv("INTEROP_LEGACY") != ""
		o.HostKeys = append(o.HostKeys, ecKey(t, elliptic.P256()), rsaKey(t, 3072))
	})
	c := e.counter("bench")
	if os.Getenv("INTEROP_STRICT") == "" {
		c.permissive = true
		c.dirs["/"], c.dirs["/in"] = true, true
	} else {
		c.dirs["/inbox"] = true
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]any{"id_ed25519": ed, "id_ecdsa": ec, "id_rsa": rs} {
		block, err := ssh.MarshalPrivateKey(k, "")
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(k)
		if err != nil {
			t.Fatal(err)
		}
		e.admit("bench", signer.PublicKey())
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(e.addr)
	args := []string{
		"--host", host, "--port", port, "--user", "bench", "--key", filepath.Join(dir, "id_ed25519"),
		"--rsa-key", filepath.Join(dir, "id_rsa"), "--ecdsa-key", filepath.Join(dir, "id_ecdsa"), "--dir", "in",
	}
	expected := filepath.Join(dir, "expect")
	if err := os.WriteFile(expected, []byte(refusals), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, "--expect", expected)
	if w := os.Getenv("INTEROP_CLIENTS"); w != "" {
		args = append(args, "--clients", w)
	}
	cmd := exec.Command(shared(t, "tools", "interop", "run.sh"), args...)
	if w := os.Getenv("INTEROP_COMMAND"); w != "" {
		cmd = exec.Command("sh", "-c", w)
	}
	cmd.Env = append(os.Environ(), "HOST="+host, "PORT="+port, "KEYS="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if n := e.logs.FilterMessage("panic").Len(); n != 0 {
		t.Errorf("%d panics", n)
	}
}

// refusals are the cases of the suite that end otherwise here, all by policy: no
// folder can be made, a mode is answered OK and not kept, no chacha20.
const refusals = `openssh mkdir-rmdir FAIL
openssh put-recursive FAIL
openssh cipher:chacha20-poly1305@openssh.com FAIL
psftp mkdir-rmdir FAIL
lftp mirror-up FAIL
lftp mirror-down FAIL
lftp mirror-same FAIL
lftp cleanup FAIL
curl create-dirs FAIL
rclone sync FAIL
rclone check FAIL
rclone purge FAIL
sshfs mkdir FAIL
sshfs rmdir FAIL
paramiko chmod FAIL
paramiko mkdir FAIL
paramiko rmdir FAIL
asyncssh mkdir FAIL
asyncssh rmtree FAIL
jsch mkdir-rmdir FAIL
netssh2 mkdir FAIL
netssh2 rmdir FAIL
netsftp mkpath FAIL
netsftp rremove FAIL
ruby mkdir-rmdir FAIL
php mkdir FAIL
php rmdir FAIL
`
