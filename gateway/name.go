package gateway

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Longest names, in bytes of UTF-8. A temporary name may be longer than a final
// one by what clients put around it.
const (
	maxName      = 120
	maxTemporary = maxName + 40
)

// TemporaryPatterns are the names under which known clients upload before they
// rename (patterns of path.Match, lower case): WinSCP and FileZilla forks, lftp,
// rclone, rsync-like tools, sync clients.
var TemporaryPatterns = []string{
	"*.filepart", "*.part", "*.partial", "*.tmp", "*.uploading", ".in.*", ".*", "~*", "*~",
}

// CleanName tells whether name may be the name of a document, for every entrance
// alike, and returns it unchanged. Names are refused, never repaired: a repaired
// name is one that the client does not find again. What is allowed: at most 120
// bytes of UTF-8 in NFC; Latin and Ukrainian letters, digits, spaces inside, and
// № . _ - + ( ) , . What is refused although it is spelled so: a leading dot,
// dash or space, a trailing dot or space, device names of Windows, words that mix
// Latin and Cyrillic letters, endings that a desktop would run, and endings that
// clients give to unfinished uploads. The error wraps [ErrName].
func CleanName(name string) (string, error) {
	if err := safeName(name, maxName, ""); err != nil {
		return "", err
	}
	if strings.ContainsRune(".-", rune(name[0])) {
		return "", refusedName("begins with a dot or a dash")
	}
	if mixesScripts(name) {
		return "", refusedName("mixes Latin and Cyrillic letters in a word")
	}
	lower := strings.ToLower(name)
	for _, p := range TemporaryPatterns {
		if ok, _ := path.Match(p, lower); ok {
			return "", refusedName("ends as an unfinished upload")
		}
	}
	for lower != "" { // beneath the endings of containers too: x.exe.p7s
		ext := path.Ext(lower)
		if programEndings[ext] {
			return "", refusedName("ends as a program")
		}
		if !containerEndings[ext] {
			break
		}
		lower = strings.TrimRight(strings.TrimSuffix(lower, ext), " ")
	}
	return name, nil
}

// Temporary tells whether name is one that a client gives to a file until it has
// finished and renames it. Patterns are those of path.Match, compared without
// regard to case; none means [TemporaryPatterns]. Such a name may be created and
// waits for its rename; it is never taken. Its characters must be as safe as
// those of a final name, or it does not count as temporary. The first result is
// the final name that it seems to stand for, or empty.
func Temporary(name string, patterns []string) (final string, temporary bool) {
	if len(patterns) == 0 {
		patterns = TemporaryPatterns
	}
	if safeName(name, maxTemporary, "~") != nil || name[0] == '-' || strings.HasPrefix(name, "..") {
		return "", false
	}
	final = name
	for range 3 { // .x.txt.tmp wears two
		stripped, ok := stripTemporary(final, patterns)
		if !ok {
			break
		}
		temporary = true
		final = stripped
	}
	if !temporary {
		return "", false
	}
	if _, err := CleanName(final); err != nil {
		final = ""
	}
	return final, true
}

// stripTemporary takes what the first matching pattern spells before its first and after
// its last wildcard off the name.
func stripTemporary(name string, patterns []string) (string, bool) {
	lower := strings.ToLower(name)
	if len(lower) != len(name) {
		lower = name
	}
	for _, p := range patterns {
		if ok, err := path.Match(strings.ToLower(p), lower); err != nil || !ok {
			continue
		}
		first, last := strings.IndexAny(p, `*?[\`), strings.LastIndexAny(p, `*?]`)
		if first < 0 || last < first {
			return name, true
		}
		if rest := len(p) - last - 1; first+rest <= len(name) {
			return name[first : len(name)-rest], true
		}
		return name, true
	}
	return name, false
}

func refusedName(reason string) error { return fmt.Errorf("%w: %s", ErrName, reason) }

// safeName checks what final and temporary names have in common. Characters in
// more are allowed too.
func safeName(name string, limit int, more string) error {
	switch {
	case name == "":
		return refusedName("empty")
	case len(name) > limit:
		return refusedName("too long")
	case !utf8.ValidString(name):
		return refusedName("not UTF-8")
	case !norm.NFC.IsNormalString(name):
		return refusedName("not in normal form C")
	}
	speaks := false
	for _, r := range name {
		switch {
		case latinLetter(r), cyrillicLetter(r), r >= '0' && r <= '9':
			speaks = true
		case strings.ContainsRune("№._-+(), ", r), strings.ContainsRune(more, r):
		default:
			return refusedName(fmt.Sprintf("character %U", r))
		}
	}
	last := name[len(name)-1]
	switch {
	case !speaks:
		return refusedName("has no letter or digit")
	case name[0] == ' ':
		return refusedName("begins with a space")
	case last == '.' || last == ' ':
		return refusedName("ends with a dot or a space")
	case deviceName(name):
		return refusedName("is a device name")
	}
	return nil
}

// deviceName tells a reserved name of Windows: the part before the first dot counts,
// without the spaces at its end.
func deviceName(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) &&
		base[3] >= '0' && base[3] <= '9'
}

// mixesScripts finds a run of letters in both scripts: "рау" with a Latin y.
func mixesScripts(name string) bool {
	var l, c bool
	for _, r := range name {
		switch {
		case latinLetter(r):
			l = true
		case cyrillicLetter(r):
			c = true
		default:
			l, c = false, false
		}
		if l && c {
			return true
		}
	}
	return false
}

func latinLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// cyrillicLetter tells the 33 letters of the Ukrainian alphabet, in both cases.
func cyrillicLetter(r rune) bool {
	return strings.ContainsRune("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", unicode.ToLower(r))
}

// programEndings are the endings that a desktop runs, or that make it run something.
var programEndings = nameEndings("exe com scr pif cpl msi msp msix appx bat cmd ps1 psm1 vbs vbe js jse ws wsf wsh hta jar " +
	"lnk url scf reg inf chm hlp dll sys ocx gadget application msc sh bash py pl php rb app dmg pkg deb rpm run elf apk desktop " +
	"docm xlsm pptm dotm xltm iso img vhd vhdx")

// containerEndings are the endings of containers and detached signatures.
var containerEndings = nameEndings("p7s p7m sig asice asics sce scs zip")

func nameEndings(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set["."+w] = true
	}
	return set
}
