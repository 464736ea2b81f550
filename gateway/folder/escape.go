package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Escape spells a name that somebody chose so that it can stand in a log, in a
// text and as a file name: Latin and Ukrainian letters, digits, space and ._-+()
// stay, every other byte becomes %XX, a leading dot too. Names longer than 120
// bytes are cut and end in a hash of the whole.
func Escape(name string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if plainRune(r, n) && (i > 0 || r != '.') {
			b.WriteString(name[i : i+n])
		} else {
			for _, c := range []byte(name[i : i+n]) {
				b.Write([]byte{'%', digits[c>>4], digits[c&15]})
			}
		}
		i += n
		if b.Len() > 4*255 {
			break
		}
	}
	s := b.String()
	if len(s) > 120 {
		cut := 100
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		sum := sha256.Sum256([]byte(name))
		s = s[:cut] + "~" + hex.EncodeToString(sum[:6])
	}
	return s
}

func plainRune(r rune, n int) bool {
	switch {
	case r == utf8.RuneError && n <= 1:
		return false
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r >= 'а' && r <= 'я', r >= 'А' && r <= 'Я':
		return true
	}
	return strings.ContainsRune(" ._-+()ґҐєЄіІїЇʼ№", r)
}
