// Package charset decodes and encodes the code pages that Ukrainian accounting
// uses. Decoding is strict: a byte that the page does not define is an error
// with its offset, never a replacement character. Encoding is for texts that
// people read (receipts) and never fails: what the page lacks is transliterated
// by the table in this package, or becomes a question mark.
package charset

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Page is a code page. There are five; see [Lookup].
type Page struct {
	name  string
	runes *[256]rune // nil: UTF-8; -1: undefined
	text  *[256]unit // the same in UTF-8
	bytes map[rune]byte
}

// The pages.
var (
	UTF8        = &Page{name: "utf-8"}
	Windows1251 = fromCharmap("windows-1251", charmap.Windows1251)
	CP866       = fromCharmap("cp866", charmap.CodePage866)
	KOI8U       = koi8u()
	CP1125      = ukrainianDOS()
)

// Names are the names that Lookup knows, for messages.
func Names() []string { return []string{"utf-8", "windows-1251", "cp866", "cp1125", "koi8-u"} }

// Lookup finds a page by one of Names, in any case.
func Lookup(name string) (*Page, bool) {
	for _, p := range []*Page{UTF8, Windows1251, CP866, CP1125, KOI8U} {
		if strings.EqualFold(name, p.name) {
			return p, true
		}
	}
	return nil, false
}

// Name is one of Names.
func (p *Page) Name() string { return p.name }

// UndefinedError is a byte that has no meaning in the page.
type UndefinedError struct {
	Page   string
	Offset int // from 0, in the bytes given to Decode
	Byte   byte
}

func (e *UndefinedError) Error() string {
	return fmt.Sprintf("byte %#02x at offset %d: not defined in %s", e.Byte, e.Offset, e.Page)
}

// Decode returns b as text. The error is an *UndefinedError.
func (p *Page) Decode(b []byte) (string, error) {
	if p.runes == nil {
		for i := 0; i < len(b); {
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				return "", &UndefinedError{p.name, i, b[i]}
			}
			i += n
		}
		return string(b), nil
	}
	s, err := p.Append(make([]byte, 0, len(b)*2), b)
	return string(s), err
}

// Append appends b as text to to. The error is an *UndefinedError.
func (p *Page) Append(to, b []byte) ([]byte, error) {
	if p.runes == nil {
		if _, err := p.Decode(b); err != nil {
			return to, err
		}
		return append(to, b...), nil
	}
	for i, c := range b {
		u := &p.text[c]
		switch u.n {
		case 1:
			to = append(to, u.b[0])
		case 2:
			to = append(to, u.b[0], u.b[1])
		case 3:
			to = append(to, u.b[0], u.b[1], u.b[2])
		default:
			return to, &UndefinedError{p.name, i, c}
		}
	}
	return to, nil
}

// Rune is what the byte c means; ok is false if the page does not define it, and
// for UTF-8, where a byte alone means nothing.
func (p *Page) Rune(c byte) (r rune, ok bool) {
	if p.runes == nil || p.runes[c] < 0 {
		return 0, false
	}
	return p.runes[c], true
}

// unit is one byte of a page in UTF-8; n is 0 when it is undefined.
type unit struct {
	b [3]byte
	n uint8
}

// Reader decodes what r gives, strictly.
func (p *Page) Reader(r io.Reader) io.Reader {
	return &reader{page: p, from: r}
}

// reader decodes one-byte pages as a stream. UTF-8 passes through unchecked:
// whoever reads XML checks it anyway.
type reader struct {
	page *Page
	from io.Reader
	raw  [32 << 10]byte
	all  []byte // what text is a part of
	text []byte
	done int // bytes decoded before raw
	err  error
}

func (d *reader) Read(b []byte) (int, error) {
	if d.page.runes == nil {
		return d.from.Read(b)
	}
	for len(d.text) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		var n int
		n, d.err = d.from.Read(d.raw[:])
		var err error
		if d.all, err = d.page.Append(d.all[:0], d.raw[:n]); err != nil {
			e := err.(*UndefinedError)
			e.Offset += d.done
			d.err = e
			d.all = d.all[:0]
		}
		d.done += n
		d.text = d.all
	}
	n := copy(b, d.text)
	d.text = d.text[n:]
	return n, nil
}

// substitutes is what Encode writes for a letter that the page lacks. Latin i
// for Cyrillic і is what Ukrainian programs have written in CP866 for decades.
var substitutes = map[rune]string{
	'і': "i", 'І': "I", 'ї': "i", 'Ї': "I", 'є': "е", 'Є': "Е", 'ґ': "г", 'Ґ': "Г", 'ў': "у", 'Ў': "У", 'ё': "е", 'Ё': "Е",
	'«': `"`, '»': `"`, '“': `"`, '”': `"`, '„': `"`, '’': "'", 'ʼ': "'", '‘': "'", '‚': "'",
	'–': "-", '—': "-", '‑': "-", '−': "-", '…': "...", '•': "*", '·': ".",
	'№': "N", '₴': "грн", '€': "EUR", '§': "п.", '©': "(c)", '®': "(R)", '™': "(TM)",
	'\u00a0': " ", '\u202f': " ", '\u2009': " ", '\u00ad': "", '\ufeff': "",
}

// Encode returns s in the page. It never fails.
func (p *Page) Encode(s string) []byte {
	if p.runes == nil {
		return []byte(strings.ToValidUTF8(s, "?"))
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := p.bytes[r]
		if ok {
			b = append(b, c)
			continue
		}
		sub, known := substitutes[r]
		if !known {
			sub = "?"
		}
		for _, r := range sub {
			if c, ok = p.bytes[r]; !ok {
				c = '?'
			}
			b = append(b, c)
		}
	}
	return b
}

// Exact returns s in the page, or the letters that neither the page nor the table
// of substitutes has. Replaced counts the letters that a substitute stands for: the
// meaning is whole, the spelling is not.
func (p *Page) Exact(s string) (b []byte, replaced int, lost []rune) {
	if p.runes == nil {
		return []byte(s), 0, nil
	}
	b = make([]byte, 0, len(s))
next:
	for _, r := range s {
		if c, ok := p.bytes[r]; ok {
			b = append(b, c)
			continue
		}
		if sub, known := substitutes[r]; known {
			begin := len(b)
			for _, r := range sub {
				c, ok := p.bytes[r]
				if !ok {
					b, lost = b[:begin], append(lost, r)
					continue next
				}
				b = append(b, c)
			}
			replaced++
			continue
		}
		lost = append(lost, r)
	}
	return b, replaced, lost
}

func fromCharmap(name string, m *charmap.Charmap) *Page {
	var runes [256]rune
	for i := range runes {
		runes[i] = m.DecodeByte(byte(i))
		if runes[i] == utf8.RuneError {
			runes[i] = -1
		}
	}
	return newPage(name, runes)
}

// koi8u is KOI8-U of RFC 2319. The table of x/text is the browsers' one, which
// has the Belarusian ў at AE and BE.
func koi8u() *Page {
	var runes [256]rune
	for i := range runes {
		runes[i] = charmap.KOI8U.DecodeByte(byte(i))
	}
	runes[0xAE], runes[0xBE] = 0x255D, 0x256C
	return newPage("koi8-u", runes)
}

// ukrainianDOS is CP1125, which differs from CP866 in F2..F9.
func ukrainianDOS() *Page {
	var runes [256]rune
	for i := range runes {
		runes[i] = charmap.CodePage866.DecodeByte(byte(i))
	}
	copy(runes[0xF2:], []rune("ҐґЄєІіЇї"))
	return newPage("cp1125", runes)
}

func newPage(name string, runes [256]rune) *Page {
	p := &Page{name: name, runes: &runes, text: new([256]unit), bytes: make(map[rune]byte, 256)}
	for i, r := range runes {
		if r >= 0 {
			p.bytes[r] = byte(i)
			p.text[i].n = uint8(copy(p.text[i].b[:], string(r)))
		}
	}
	return p
}

// Escaping encodes for people a text that comes as a stream: a letter that neither
// the page nor the table of substitutes has becomes its code point in brackets, as
// [U+2713], so that nothing is lost silently.
func (p *Page) Escaping(to io.Writer) io.Writer {
	if p.runes == nil {
		return to
	}
	return &escaping{page: p, to: to}
}

type escaping struct {
	page *Page
	to   io.Writer
	cut  []byte // the first bytes of a letter
}

func (e *escaping) Write(b []byte) (int, error) {
	text := append(e.cut, b...)
	out := make([]byte, 0, len(text))
	for len(text) > 0 && utf8.FullRune(text) {
		r, n := utf8.DecodeRune(text)
		if c, ok := e.page.bytes[r]; ok {
			out = append(out, c)
			text = text[n:]
			continue
		}
		one, _, lost := e.page.Exact(string(r))
		if len(lost) > 0 {
			one = fmt.Appendf(nil, "[U+%04X]", r)
		}
		out = append(out, one...)
		text = text[n:]
	}
	e.cut = append([]byte(nil), text...)
	if _, err := e.to.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
