package main

import (
	"bytes"
	stdpem "encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/brama-gateway/brama/crypto/pki"
)

// key64 bounds serial numbers.
var key64 = new(big.Int).Lsh(big.NewInt(1), 64)

func pem(c *pki.Certificate) string {
	return string(stdpem.EncodeToMemory(&stdpem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

const goodSettings = `socket: /run/brama-signer/provider.sock
allow: [root, "1"]
module: /usr/lib/softhsm/libsofthsm2.so
token: {label: brama}
pin_file: $CREDENTIALS_DIRECTORY/pin
keys:
  - {name: seal, label: seal, id: 3fa9, certificate: seal.pem, chain: [ca.pem]}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "signer.yaml")
	read := func(text string) (*settings, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return load(file)
	}
	c, err := read(goodSettings)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.uids) != 2 || c.uids[0] != 0 || c.uids[1] != 1 || c.PINFile != credentials+"/pin" || c.Log != "info" ||
		c.Keys[0].Certificate != filepath.Join(dir, "seal.pem") || c.Keys[0].Chain[0] != filepath.Join(dir, "ca.pem") || !bytes.Equal(c.Keys[0].id, []byte{0x3f, 0xa9}) {
		t.Errorf("%+v", c)
	}
	for _, row := range []struct{ from, to, says string }{
		{"socket: /run/brama-signer/provider.sock\n", "", "socket: is missing"},
		{"module: /usr/lib/softhsm/libsofthsm2.so", "module: libsofthsm2.so", "module: is not a whole path"},
		{"token: {label: brama}", "token: {}", "token: write either"},
		{"token: {label: brama}", "token: {label: brama, slot: 1}", "token: write either"},
		{"token: {label: brama}", "token: {slot: first}", "token.slot: \"first\" is not a number"},
		{"pin_file: $CREDENTIALS_DIRECTORY/pin\n", "pin: 1234\n", "pin: unknown key"},
		{`[root, "1"]`, "[nobody-of-this-name]", "allow[0]: user"},
		{"label: seal, id: 3fa9, ", "", "keys[0]: has neither"},
		{"id: 3fa9", "id: 3f9", "keys[0].id: is not hexadecimal"},
		{"certificate: seal.pem, ", "", "keys[0].certificate: is missing"},
		{"name: seal, ", "", "keys[0].name: is missing"},
		{"keys:", "log: loud\nkeys:", "log: \"loud\""},
		{"keys:\n", "keys:\n  - {name: seal, label: other, certificate: a.pem}\n", "is another key's name"},
		{goodSettings, "", "want one document"},
		{goodSettings, goodSettings + "---\na: b\n", "want one document"},
	} {
		text := strings.Replace(goodSettings, row.from, row.to, 1)
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%q: %v", row.to, err)
		}
	}
}

func TestReadPIN(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "pin")
	getenv := func(string) string { return dir }
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		path, text string
		mode       os.FileMode
		want       string // empty: refused
	}{
		{file, "1234", 0o600, "1234"},
		{file, "1234\n", 0o400, "1234"},
		{file, "1234\r\n", 0o400, "1234"},
		{file, " 12 34 ", 0o400, " 12 34 "},
		{file, "1234", 0o440, ""},
		{credentials + "/pin", "1234", 0o440, "1234"},
		{credentials + "/pin", "1234", 0o444, ""},
		{credentials + "/../pin", "1234", 0o400, ""},
		{credentials + "/other", "1234", 0o400, ""},
		{file, "1234", 0o604, ""},
		{file, "1234", 0o620, ""},
		{file, "", 0o600, ""},
		{file, "\n", 0o600, ""},
		{file, "1234\n\n", 0o600, ""},
		{file, "12\n34", 0o600, ""},
		{file, "12\x0034", 0o600, ""},
		{file, strings.Repeat("1", 255), 0o600, strings.Repeat("1", 255)},
		{file, strings.Repeat("1", 256), 0o600, ""},
		{file, strings.Repeat("1", 1000), 0o600, ""},
		{dir, "1234", 0o600, ""},
		{filepath.Join(dir, "none"), "", 0o600, ""},
	} {
		write(row.text, row.mode)
		got, err := readPIN(row.path, getenv)
		if string(got) != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%s %q %o: %q %v", row.path, row.text, row.mode, got, err)
		}
		// Without the names of the folders, whose digits are the test's own.
		if err != nil && strings.Contains(strings.NewReplacer(dir, "", credentials, "").Replace(err.Error()), "12") {
			t.Errorf("the error tells the PIN: %v", err)
		}
	}
	write("1234", 0o600)
	if err := os.Symlink(file, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "pipe"} {
		if _, err := readPIN(filepath.Join(dir, name), getenv); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	if _, err := readPIN(credentials+"/pin", func(string) string { return "" }); err == nil {
		t.Error("read without systemd")
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := readPIN(file, getenv); err == nil {
			t.Error("another user's file: read")
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--pin", "1234"}, {"--config", "/nowhere/signer.yaml"}, {"x"}} {
		if code := run(t.Context(), args, io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%q: %d", args, code)
		}
	}
	var out strings.Builder
	if code := run(t.Context(), []string{"--version"}, &out, io.Discard); code != exitOK || !strings.HasPrefix(out.String(), "brama-signer ") {
		t.Error(code, out.String())
	}
}
