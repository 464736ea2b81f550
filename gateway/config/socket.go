package config

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// AdminSocket finds where a daemon listens for its operator in a configuration that
// Load refuses: the daemon may well run with what stood there before, and must be
// within reach. It looks for the lines run and admin.socket only, whatever the rest
// is, and takes the default where it finds none. The error says that the file
// cannot be read.
func AdminSocket(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	run, socket := socketLines(data)
	dir := filepath.Dir(path)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	from := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	if socket != "" {
		return from(socket), nil
	}
	return filepath.Join(from(cmp.Or(run, Default().Run)), "admin.sock"), nil
}

// A key with a plain or quoted value, and the section admin on one line.
var (
	keyLine   = regexp.MustCompile(`^(\s*)([a-z_]+):\s*(?:"([^"]*)"|'([^']*)'|([^\s#"'{\[&*!|>][^#]*?))?\s*(?:#.*)?$`)
	adminLine = regexp.MustCompile(`^admin:\s*\{\s*socket:\s*(?:"([^"]*)"|'([^']*)'|([^\s"'},]+))\s*\}`)
)

func socketLines(data []byte) (run, socket string) {
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxBytes)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if m := adminLine.FindStringSubmatch(line); m != nil {
			socket = m[1] + m[2] + m[3]
			continue
		}
		m := keyLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		value := m[3] + m[4] + m[5]
		switch {
		case m[1] == "":
			section = m[2]
			if section == "run" && value != "" {
				run = value
			}
		case section == "admin" && m[2] == "socket" && value != "":
			socket = value
		}
	}
	return run, socket
}
