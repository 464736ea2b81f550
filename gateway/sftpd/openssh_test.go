package sftpd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// openSSH is OpenSSH's clients on this machine against one entrance.
type openSSH struct {
	t          *testing.T
	e          *entrance
	dir        string
	host, port string
}

func withOpenSSH(t *testing.T) *openSSH {
	t.Helper()
	for _, tool := range []string{"sftp", "scp", "ssh"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("no " + tool)
			}
			t.Skip("no " + tool + " on this machine")
		}
	}
	o := &openSSH{t: t, e: begin(t, nil), dir: t.TempDir()}
	o.host, o.port, _ = net.SplitHostPort(o.e.addr)
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(k, "")
	if err != nil {
		t.Fatal(err)
	}
	o.write("key", string(pem.EncodeToMemory(block)))
	o.e.admit("alpha", newSigner(t, k).PublicKey())
	return o
}

func (o *openSSH) write(name, text string) string {
	o.t.Helper()
	name = filepath.Join(o.dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return name
}

func (o *openSSH) run(input, tool string, args ...string) (string, error) {
	o.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	options := []string{
		"-F", "none", "-i", filepath.Join(o.dir, "key"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "User=alpha", "-o", "Port=" + o.port,
	}
	cmd := exec.CommandContext(ctx, tool, append(options, args...)...)
	cmd.Dir = o.dir
	cmd.Stdin = strings.NewReader(input)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func TestOpenSSH(t *testing.T) {
	t.Parallel()
	o := withOpenSSH(t)
	desk := o.e.counter("alpha")
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	o.write("P0001.DBF", "payment")
	o.write("half.bin", string(big[:len(big)/2]))
	o.write("whole.bin", string(big))
	o.write("Платіжка №1.xml", "<p/>")

	text, err := o.run(strings.Join([]string{
		"pwd", "ls -la", "df -h",
		"put -p P0001.DBF /inbox/P0001.DBF",
		`put "Платіжка №1.xml" /inbox/`,
		"put -f P0001.DBF /inbox/f.dbf",
		"put half.bin /inbox/whole.bin.part",
		"reput whole.bin /inbox/whole.bin.part",
		"get /inbox/whole.bin.part back.bin",
		"rename /inbox/whole.bin.part /inbox/whole.bin",
		"ls -lt /inbox",
		"ls /inbox/*.DBF",
		"get -p /outbox/statement.csv",
		"mget /outbox/*.csv",
		"chmod 600 /inbox/P0001.DBF",
		"-mkdir /inbox/new", "-rmdir /inbox", "-ln -s /etc/passwd /inbox/l", "-put P0001.DBF /outbox/x", "-rm /inbox/P0001.DBF",
		"rm /outbox/statement.csv",
	}, "\n"), "sftp", "-b", "-", o.host)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"Remote working directory: /\n", "alpha    brama", "/inbox/P0001.DBF", "remote mkdir \"/inbox/new\": Permission denied"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if back, err := os.ReadFile(filepath.Join(o.dir, "back.bin")); err != nil || !bytes.Equal(back, big) {
		t.Error("resumed upload differs", len(back), err)
	}
	if got := desk.takenFiles(); !slices.Equal(got, []string{"P0001.DBF:payment", "Платіжка №1.xml:<p/>", "f.dbf:payment", "whole.bin:0123456789abcdef0123"}) {
		t.Errorf("%q", got)
	}

	// reget
	o.write("big.bin", string(big[:1000]))
	if text, err := o.run("reget /outbox/big.bin big.bin\n", "sftp", "-b", "-", "-B", "261120", "-R", "8", o.host); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if back, err := os.ReadFile(filepath.Join(o.dir, "big.bin")); err != nil || !bytes.Equal(back, big) {
		t.Error("resumed download differs", len(back), err)
	}
	// a rename that does not replace what was taken
	text, err = o.run("put P0001.DBF /inbox/again.part\nrename /inbox/again.part /inbox/P0001.DBF\n", "sftp", "-b", "-", o.host)
	if err == nil || !strings.Contains(text, "Failure") {
		t.Errorf("%v\n%s", err, text)
	}

	for _, args := range [][]string{
		{"P0001.DBF", "whole.bin", o.host + ":/inbox/"}, // SFTP is what scp speaks since OpenSSH 9
		{"-p", "P0001.DBF", o.host + ":inbox/s.dbf"},
		{o.host + ":/outbox/*.bin", "."},
	} {
		if text, err := o.run("", "scp", args...); err != nil {
			t.Errorf("scp %s: %v\n%s", args, err, text)
		}
	}
	if _, err := o.run("", "scp", "-O", "P0001.DBF", o.host+":/inbox/o.dbf"); err == nil {
		t.Error("scp over exec")
	}
	for _, args := range [][]string{{o.host, "id"}, {o.host}, {"-W", "127.0.0.1:22", o.host}, {"-s", o.host, "netconf"}} {
		if text, err := o.run("", "ssh", args...); err == nil {
			t.Errorf("ssh %s: %s", args, text)
		}
	}
	if text, err := o.run("ls\n", "sftp", "-A", "-o", "RekeyLimit=64K", "-o", "ForwardX11=yes", "-b", "-", o.host); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
