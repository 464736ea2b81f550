package client

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// sshKeyTypes are the types of key that a client may have. DSA is gone from
// OpenSSH; certificates are not used here.
var sshKeyTypes = []string{
	"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
	"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
}

// SSHKey is one line of authorized_keys, taken apart.
type SSHKey struct {
	Type    string
	Blob    []byte // the key in SSH wire form (RFC 4253, section 6.6)
	Comment string
}

// ParseSSHKey reads a line of the form "type base64 comment". Options before the
// type are refused: what a client may do is said by its entry. Only the outer
// form is checked, not whether the numbers inside make a usable or a strong key:
// the SSH entrance does that.
func ParseSSHKey(line string) (SSHKey, error) {
	if strings.ContainsAny(line, "\r\n") {
		return SSHKey{}, errors.New("is more than one line; write each key as an element of its own")
	}
	if strings.Contains(line, "PRIVATE KEY") {
		return SSHKey{}, errors.New("is a private key; write the line of the .pub file")
	}
	words := strings.Fields(line)
	if len(words) < 2 {
		return SSHKey{}, errors.New("is not a public key; write the line of the .pub file: type, base64, comment")
	}
	k := SSHKey{Type: words[0], Comment: strings.Join(words[2:], " ")}
	if !slices.Contains(sshKeyTypes, k.Type) {
		return SSHKey{}, fmt.Errorf("begins with %q; write a key without options, of one of the types %s", short(k.Type), strings.Join(sshKeyTypes, ", "))
	}
	var err error
	if k.Blob, err = base64.StdEncoding.Strict().DecodeString(words[1]); err != nil {
		return SSHKey{}, errors.New("has a damaged base64 part; copy the line of the .pub file whole")
	}
	fields, ok := wireStrings(k.Blob)
	if !ok || len(fields) < 2 {
		return SSHKey{}, errors.New("is cut or damaged; copy the line of the .pub file whole")
	}
	if string(fields[0]) != k.Type {
		return SSHKey{}, fmt.Errorf("says %s and holds a key of another type; copy the line of the .pub file whole", k.Type)
	}
	return k, nil
}

// wireStrings splits b into the length-prefixed strings it must consist of (RFC
// 4251, section 5).
func wireStrings(b []byte) (out [][]byte, ok bool) {
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, false
		}
		n := binary.BigEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return nil, false
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out, true
}

// short bounds what of a value goes into a message.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}
