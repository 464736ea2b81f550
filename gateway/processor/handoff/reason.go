package handoff

import (
	"errors"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/gateway/folder"
)

// NoReason stands in receipt 2 when the processor gave none.
const NoReason = "Повернено підсистемою обробки без пояснення. (Returned by the processor without a reason.)"

const maxReason = 2000 // characters

// reason reads reason.txt of a returned folder. It may be written after the
// folder was moved: an absent one is waited for, a present one must lie still.
// ok is false while waiting.
func (h *Handoff) reason(r *root, name string, d *held) (reason string, ok bool, err error) {
	now := h.o.Now()
	dir, err := r.returned.Sub(name)
	if err != nil {
		return "", false, err
	}
	defer dir.Close()
	m, err := dir.Stat("reason.txt")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	if d.returned.IsZero() || m != d.reason {
		d.returned, d.reason = now, m
	}
	wait := h.o.Stable
	if err != nil || m.Size == 0 || !dir.Plain(m) {
		wait = h.o.Grace
	}
	// What has lain still since before we looked needs no further wait.
	if now.Sub(d.returned) < wait && (wait != h.o.Stable || now.Sub(m.Changed()) < wait) {
		return "", false, nil
	}
	reason, err = readText(r.returned, name, "reason.txt", maxReason)
	if reason == "" {
		reason = NoReason
	}
	return reason, err == nil, err
}

// readText reads a short text that a person or program wrote beside a document;
// empty when it is absent, no plain file or blank. Legacy programs write
// windows-1251.
func readText(parent *folder.Dir, name, file string, most int) (string, error) {
	dir, err := parent.Sub(name)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	b, err := readSmall(dir, file, 1<<20)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, folder.ErrIrregular) || errors.Is(err, errSmall) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimPrefix(string(b), "\ufeff")
	if !utf8.ValidString(text) {
		page, _ := charset.Lookup("windows-1251")
		if text, err = page.Decode(b); err != nil {
			return "", nil
		}
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return text, nil
}
