package keyfile

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxPassword bounds a password in octets.
const maxPassword = 1024

// spellings gives the octets that a password in UTF-8 may have been used as: itself,
// and Windows-1251, which older Ukrainian programs used.
func spellings(password []byte) [][]byte {
	out := [][]byte{password}
	if utf8.Valid(password) {
		if b, err := charmap.Windows1251.NewEncoder().Bytes(password); err == nil && !bytes.Equal(b, password) {
			out = append(out, b)
		}
	}
	return out
}

// utf16BE spells a password in UTF-16, high octet first; ok is false if it is not
// UTF-8.
func utf16BE(password []byte) (out []byte, ok bool) {
	out = make([]byte, 0, 2*len(password)+2)
	for len(password) > 0 {
		r, n := utf8.DecodeRune(password)
		if r == utf8.RuneError && n <= 1 {
			clear(out)
			return nil, false
		}
		password = password[n:]
		if a, b := utf16.EncodeRune(r); a != utf8.RuneError {
			out = append(out, byte(a>>8), byte(a), byte(b>>8), byte(b))
		} else {
			out = append(out, byte(r>>8), byte(r))
		}
	}
	return out, true
}

// bmp spells a password as RFC 7292, B.1 wants it.
func bmp(password []byte) ([]byte, bool) {
	out, ok := utf16BE(password)
	return append(out, 0, 0), ok
}
