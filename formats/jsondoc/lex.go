package jsondoc

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// lexer cuts JSON into tokens, exactly as RFC 8259 has them.
type lexer struct {
	from   *bufio.Reader
	offset int64  // of the next byte
	line   int    // of the next byte, from 1
	text   []byte // of the string or number last read
	limit  int    // bytes of a text
}

// token is '{', '}', '[', ']', ':', ',', a string ('s'), a number ('n'), true
// ('t'), false ('f') or null ('0').
type token byte

var (
	errSyntax = errors.New("not JSON")
	errLong   = errors.New("text too long")
	errUTF8   = errors.New("not UTF-8")
)

func (l *lexer) byte() (byte, error) {
	c, err := l.from.ReadByte()
	if err == nil {
		l.offset++
		if c == '\n' {
			l.line++
		}
	}
	return c, err
}

// next is the next token. The end is io.EOF; cut is what ends within a token.
func (l *lexer) next() (token, error) {
	for {
		c, err := l.byte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{', '}', '[', ']', ':', ',':
			return token(c), nil
		case '"':
			return 's', l.string()
		case 't':
			return 't', l.word("rue")
		case 'f':
			return 'f', l.word("alse")
		case 'n':
			return '0', l.word("ull")
		default:
			return 'n', l.number(c)
		}
	}
}

// inside makes the end of the file within a token what it is.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return errSyntax
	}
	return err
}

func (l *lexer) word(rest string) error {
	for i := range len(rest) {
		if c, err := l.byte(); err != nil || c != rest[i] {
			return errors.Join(errSyntax, inside(err))
		}
	}
	return nil
}

// number reads a number that begins with c (RFC 8259, 6) and leaves its text as
// it is written.
func (l *lexer) number(c byte) error {
	l.text = append(l.text[:0], c)
	for {
		b, err := l.from.Peek(1)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(b) == 0 || !strings.ContainsRune("0123456789+-.eE", rune(b[0])) {
			break
		}
		if len(l.text) >= 64 {
			return errLong
		}
		l.text = append(l.text, b[0])
		if _, err := l.byte(); err != nil {
			return err
		}
	}
	if !isNumber(string(l.text)) {
		return errSyntax
	}
	return nil
}

func isNumber(s string) bool {
	digits := func() bool {
		n := len(s)
		s = strings.TrimLeft(s, "0123456789")
		return len(s) < n
	}
	s = strings.TrimPrefix(s, "-")
	if strings.HasPrefix(s, "0") {
		s = s[1:]
	} else if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		if s = s[1:]; !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

// string reads the rest of a string (RFC 8259, 7). Surrogates must come in pairs,
// bytes must be UTF-8: two readers would understand anything else differently.
func (l *lexer) string() error {
	l.text = l.text[:0]
	for {
		c, err := l.byte()
		switch {
		case err != nil:
			return inside(err)
		case len(l.text) >= l.limit:
			return errLong
		case c == '"':
			if !utf8.Valid(l.text) {
				return errUTF8
			}
			return nil
		case c < 0x20:
			return errSyntax
		case c != '\\':
			l.text = append(l.text, c)
			continue
		}
		if c, err = l.byte(); err != nil {
			return inside(err)
		}
		switch c {
		case '"', '\\', '/':
			l.text = append(l.text, c)
		case 'b':
			l.text = append(l.text, '\b')
		case 'f':
			l.text = append(l.text, '\f')
		case 'n':
			l.text = append(l.text, '\n')
		case 'r':
			l.text = append(l.text, '\r')
		case 't':
			l.text = append(l.text, '\t')
		case 'u':
			r, err := l.hex()
			if err != nil {
				return err
			}
			if utf16.IsSurrogate(r) {
				if err := l.word(`\u`); err != nil {
					return err
				}
				low, err := l.hex()
				if err != nil {
					return err
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return errSyntax
				}
			}
			l.text = utf8.AppendRune(l.text, r)
		default:
			return errSyntax
		}
	}
}

func (l *lexer) hex() (rune, error) {
	var r rune
	for range 4 {
		c, err := l.byte()
		if err != nil {
			return 0, inside(err)
		}
		i := strings.IndexByte("0123456789abcdef", c|0x20)
		if i < 0 || c < '0' {
			return 0, errSyntax
		}
		r = r<<4 | rune(i)
	}
	return r, nil
}
