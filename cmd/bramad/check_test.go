package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What would keep the daemon from working is told by --check and at the start alike,
// with file, line and key.
func TestConfigurationDoesNotHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, err := os.ReadFile(s.path("brama.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	whole := string(b)
	copied, err := os.ReadFile(s.path("keys", "ssh_host_ed25519_key"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(s.path("keys", "again_key"), string(copied))
	s.write(s.path("keys", "no_key"), "not a key\n")
	if err := os.MkdirAll(s.path("broken"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(s.path("broken", "own.yaml"), "name: own\nlayout: [\n")
	if err := os.MkdirAll(s.path("state", "handoff"), 0o700); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ name, old, new, key, want string }{
		{"another's key", "key: keys/seal.key", "key: demo/head.key", "seal.key", "is not the key of the certificate"},
		{"no key", "key: keys/seal.key", "key: keys/no_key", "seal.key", "no PEM private key"},
		{"no certificate", "certificate: keys/seal.pem", "certificate: keys/no_key", "seal.certificate", "no_key"},
		{"another's chain", "chain: [keys/seal-ca.pem]", "chain: [demo/ca.pem]", "seal.chain", "no certificate in it has issued"},
		{"no chain", "chain: [keys/seal-ca.pem]", "chain: [keys/no_key]", "seal.chain[0]", "no_key"},
		{"a broken profile", "profiles: profiles", "profiles: broken", "profiles", "own.yaml"},
		{"no trust", "dir: trust", "dir: turst", "trust.dir", "is not there"},
		{"clients in the state", "root: clients", "root: state", "clients.root", "is also state"},
		{"hand-off in the state", "handoff: handoff", "handoff: state/handoff", "processor.handoff", "lies inside state"},
		{"two of one type", "keys/ssh_host_ecdsa_key", "keys/again_key", "ssh.host_keys[1]", "is of type ssh-ed25519"},
		{"no host key", "keys/ssh_host_ecdsa_key", "keys/no_key", "ssh.host_keys[1]", "no key found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.new, 1)
			if text == whole {
				t.Fatalf("%q is not in the configuration", c.old)
			}
			file := s.path("bad.yaml")
			s.write(file, text)
			for _, args := range [][]string{{"--check"}, {}} {
				var stdout, stderr bytes.Buffer
				code := run(t.Context(), append(args, "--config", file), &stdout, &stderr, nil)
				said := stderr.String()
				if code != exitUsage || stdout.Len() > 0 || !strings.HasPrefix(said, file+":") || !strings.Contains(said, ": "+c.key+": ") || !strings.Contains(said, c.want) {
					t.Errorf("%v: code %d, %s%s", args, code, stdout.Bytes(), said)
				}
				if strings.Count(said, "\n") != 1 {
					t.Errorf("more than was asked for: %s", said)
				}
			}
		})
	}
	if _, err := os.Stat(s.path("turst")); err == nil {
		t.Error("a trust folder was made at a mistyped path")
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--check", "--config", s.path("brama.yaml")}, &stdout, &stderr, nil); code != exitOK {
		t.Errorf("the whole one: code %d, %s", code, stderr.Bytes())
	}
}
