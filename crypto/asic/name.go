package asic

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	metaInf   = "META-INF/"
	mimetype  = "mimetype"
	maxName   = 120 // bytes of one component
	maxPath   = 255
	maxFolder = 8
)

// checkName tells whether an entry may have this name: components of Latin and
// Cyrillic letters, digits, inner spaces and № . _ - + ( ) , ' joined by slashes,
// relative, in normal form C, and a file name on every system.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of an entry is empty")
	case len(name) > maxPath:
		return errors.New("the name of an entry is too long")
	case !utf8.ValidString(name):
		return errors.New("the name of an entry is not UTF-8")
	case !norm.NFC.IsNormalString(name):
		return errors.New("the name of an entry is not in normal form C")
	}
	parts := strings.Split(name, "/")
	if len(parts) > maxFolder {
		return errors.New("the name of an entry has too many folders")
	}
	for _, p := range parts {
		if err := checkComponent(p); err != nil {
			return fmt.Errorf("the name of an entry %w", err)
		}
	}
	return nil
}

func checkComponent(p string) error {
	switch {
	case p == "":
		return errors.New("is no plain relative name")
	case len(p) > maxName:
		return errors.New("is too long")
	}
	for _, r := range p {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r >= 0x0400 && r <= 0x04ff && unicode.IsLetter(r):
		case strings.ContainsRune("№._-+(), '’", r):
		default:
			return fmt.Errorf("has the character %U", r)
		}
	}
	last := p[len(p)-1]
	switch {
	case p[0] == '.' || p[0] == ' ' || p[0] == '-':
		return errors.New("begins with a dot, a dash or a space")
	case last == '.' || last == ' ':
		return errors.New("ends with a dot or a space")
	case deviceName(p):
		return errors.New("is a device name")
	}
	return nil
}

// deviceName tells a reserved name of Windows: what stands before the first dot.
func deviceName(p string) bool {
	base, _, _ := strings.Cut(p, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9'
}

// folded is equal for names that are one file where case does not count.
func folded(name string) string { return cases.Fold().String(norm.NFC.String(name)) }

// checkNames refuses names that fall together, and a file where another name has a
// folder.
func checkNames(entries []*entry) error {
	files := make(map[string]bool, len(entries))
	folders := make(map[string]bool)
	for _, e := range entries {
		if e.name == metaInf {
			continue
		}
		if err := checkName(e.name); err != nil {
			return malformed("%w", err)
		}
		if !isASCII(e.name) && e.flags&flagUTF8 == 0 {
			return malformed("a name beyond ASCII is not marked as UTF-8")
		}
		key := folded(e.name)
		if files[key] {
			return malformed("two entries of one name, or of names equal but for case")
		}
		files[key] = true
		for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for key := range files {
		if folders[key] {
			return malformed("a name is that of a file and of a folder")
		}
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || r < 0x20 }) < 0
}

// resolve gives the name that a URI of a manifest stands for: a relative reference
// that is the name itself, where octets that may not stand in a URI can be written
// as %XX (RFC 3986, 2.1). Others that are written so are refused, so that one name
// has no second spelling.
func resolve(uri string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(uri); i++ {
		if uri[i] != '%' {
			b.WriteByte(uri[i])
			continue
		}
		if i+2 >= len(uri) {
			return "", errors.New("a URI with a damaged %XX")
		}
		hi, lo := unhex(uri[i+1]), unhex(uri[i+2])
		if hi < 0 || lo < 0 {
			return "", errors.New("a URI with a damaged %XX")
		}
		c := byte(hi<<4 | lo)
		if c < utf8.RuneSelf && !strings.ContainsRune(" (),+'", rune(c)) {
			return "", errors.New("a URI that writes a plain character as %XX")
		}
		b.WriteByte(c)
		i += 2
	}
	name := b.String()
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("a URI that is no plain relative name: %w", err)
	}
	return name, nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// reference spells a name as a URI of a manifest.
func reference(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || c == ' ' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
