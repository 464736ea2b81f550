package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// credentials stands at the beginning of pin_file for the folder in which systemd
// puts the credentials of a unit (systemd.exec(5), LoadCredentialEncrypted=).
const credentials = "$CREDENTIALS_DIRECTORY"

const maxPIN = 255

// errPIN is wrapped for a PIN file that may not be used.
var errPIN = errors.New("the PIN file may not be used")

// readPIN reads the PIN; who asks wipes it. The file must be a regular one that
// nobody but its owner may read, and the owner this process or root. The PIN is
// never given by an argument or an environment variable, which others may see.
func readPIN(path string, getenv func(string) string) (pin []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w: %w", path, errPIN, err)
		}
	}()
	others := os.FileMode(0o077)
	file := path
	if rest, ok := strings.CutPrefix(path, credentials+"/"); ok {
		dir := getenv(strings.TrimPrefix(credentials, "$"))
		if dir == "" || rest != filepath.Base(rest) {
			return nil, errors.New("systemd gave no credential of this name (LoadCredentialEncrypted=)")
		}
		file = filepath.Join(dir, rest)
		// systemd lets the unit's user read its copy by an access list, whose mask
		// stands where the group's mode would.
		others = 0o037
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	owner := uint32(os.Geteuid())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = st.Uid
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file")
	case info.Mode().Perm()&others != 0:
		return nil, fmt.Errorf("others may read or write it (mode %04o); run: chmod 600 %s", info.Mode().Perm(), file)
	case owner != 0 && owner != uint32(os.Geteuid()):
		return nil, errors.New("it belongs to another user")
	}
	buf := make([]byte, maxPIN+3)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		clear(buf)
		return nil, errors.Unwrap(err)
	}
	pin = bytes.TrimSuffix(bytes.TrimSuffix(buf[:n], []byte("\n")), []byte("\r"))
	if len(pin) == 0 || len(pin) > maxPIN || bytes.ContainsAny(pin, "\x00\r\n") {
		clear(buf)
		return nil, fmt.Errorf("want one line of 1 to %d bytes", maxPIN)
	}
	return pin, nil
}
