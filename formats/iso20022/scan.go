package iso20022

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// scanner goes through XML that the schema engine has read before: names and
// nesting are known to be right, so that it only finds the tags again. It is
// three times as quick as encoding/xml, which would have to prove everything
// anew. What it does not know it refuses; a test holds it to encoding/xml.
type scanner struct {
	from io.Reader
	buf  []byte // buf[at:end] is read and not used
	at   int
	end  int
	err  error

	line, column int // of the byte at buf[at], from 1, in bytes

	name []byte // of the tag last read, without prefix; good until the next call
	text []byte // of the text last read
	attr []byte // the attributes of the start tag last read, as written
	pend bool   // an end tag is due: the element was <empty/>
	open int    // elements open
}

// token is what next found.
type token uint8

const (
	noToken token = iota
	startTag
	endTag
	charData
)

// maxTag bounds a tag, a comment or a run of text kept whole; the schema engine
// has the same bound on tokens.
const maxTag = 64 << 10

// Why a document is not gone through.
var (
	errSyntax  = errors.New("not XML that was validated")
	errDTD     = errors.New("a DTD")
	errProcess = errors.New("a processing instruction")
	errAside   = errors.New("comment or instruction too long")
)

func newScanner(r io.Reader) *scanner {
	return &scanner{from: r, buf: make([]byte, 2*maxTag), line: 1, column: 1}
}

// fill reads more; false at the end of what can be had or held.
func (s *scanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.at > 0 {
		copy(s.buf, s.buf[s.at:s.end])
		s.end -= s.at
		s.at = 0
	}
	if s.end == len(s.buf) {
		return false
	}
	n, err := s.from.Read(s.buf[s.end:])
	s.end += n
	s.err = err
	return n > 0 || err == nil
}

// advance leaves n bytes behind.
func (s *scanner) advance(n int) {
	b := s.buf[s.at : s.at+n]
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		s.line += bytes.Count(b, newline)
		s.column = len(b) - i
	} else {
		s.column += n
	}
	s.at += n
}

var newline = []byte{'\n'}

// find is where mark begins, from the byte at on; -1 when it is not within maxTag
// bytes or at all.
func (s *scanner) find(from int, mark string) int {
	for {
		b := s.buf[s.at:s.end]
		if from <= len(b) {
			if i := bytes.Index(b[from:], []byte(mark)); i >= 0 {
				if from+i > maxTag {
					return -1
				}
				return from + i
			}
			from = max(from, len(b)-len(mark)+1)
		}
		if len(b) > maxTag || !s.fill() {
			return -1
		}
	}
}

// has says whether the bytes at hand begin with mark.
func (s *scanner) has(mark string) bool {
	for s.end-s.at < len(mark) {
		if !s.fill() {
			return false
		}
	}
	return string(s.buf[s.at:s.at+len(mark)]) == mark
}

// next is the next tag or text. Of the end it gives io.EOF.
func (s *scanner) next() (token, error) {
	if s.pend {
		s.pend = false
		s.open--
		return endTag, nil
	}
	for {
		if s.at == s.end && !s.fill() {
			if s.err == nil || errors.Is(s.err, io.EOF) {
				return noToken, io.EOF
			}
			return noToken, s.err
		}
		if s.at == s.end {
			continue
		}
		if s.buf[s.at] != '<' {
			if t, err := s.characters(); t != noToken || err != nil {
				return t, err
			}
			continue
		}
		switch {
		case s.has("<!--"):
			if err := s.skip(4, "-->"); err != nil {
				return noToken, err
			}
		case s.has("<![CDATA["):
			i := s.find(9, "]]>")
			if i < 0 {
				return noToken, errSyntax
			}
			s.text = appendLines(s.text[:0], s.buf[s.at+9:s.at+i])
			s.advance(i + 3)
			return charData, nil
		case s.has("<!"):
			return noToken, errDTD
		case s.has("<?"):
			if !s.has("<?xml ") && !s.has("<?xml\t") && !s.has("<?xml\n") && !s.has("<?xml\r") {
				return noToken, errProcess
			}
			if err := s.skip(2, "?>"); err != nil {
				return noToken, err
			}
		default:
			return s.tag()
		}
	}
}

// skip leaves a comment or instruction behind.
func (s *scanner) skip(from int, mark string) error {
	i := s.find(from, mark)
	if i >= 0 {
		s.advance(i + len(mark))
		return nil
	}
	if s.end-s.at > maxTag {
		return errAside
	}
	return errSyntax
}

// characters reads text up to the next tag, or a part of it.
func (s *scanner) characters() (token, error) {
	i := bytes.IndexByte(s.buf[s.at:s.end], '<')
	if i < 0 {
		// A reference or a line end may lie on the edge: keep what is short.
		if s.end-s.at < maxTag && s.fill() {
			return noToken, nil
		}
		i = s.end - s.at
		if !errors.Is(s.err, io.EOF) {
			if k := bytes.LastIndexByte(s.buf[s.at:s.end], '&'); k > 0 && i-k < 16 {
				i = k
			} else if s.buf[s.at+i-1] == '\r' && i > 1 {
				i--
			}
		}
	}
	raw := s.buf[s.at : s.at+i]
	if bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		s.text = append(s.text[:0], raw...)
	} else {
		var err error
		if s.text, err = appendText(s.text[:0], raw); err != nil {
			return noToken, err
		}
	}
	s.advance(i)
	return charData, nil
}

// tag reads a start or end tag.
func (s *scanner) tag() (token, error) {
	// A > may stand in an attribute's value: quotes are followed.
	i, quote := 1, byte(0)
	for ; ; i++ {
		if s.at+i >= s.end {
			if i > maxTag || !s.fill() {
				return noToken, errSyntax
			}
			i--
			continue
		}
		c := s.buf[s.at+i]
		if quote != 0 {
			if c == quote {
				quote = 0
			}
			continue
		}
		if c == '>' {
			break
		}
		if c == '"' || c == '\'' {
			quote = c
		}
	}
	b := s.buf[s.at+1 : s.at+i]
	end := len(b) > 0 && b[0] == '/'
	if end {
		b = b[1:]
	}
	empty := !end && len(b) > 0 && b[len(b)-1] == '/'
	if empty {
		b = b[:len(b)-1]
	}
	n := bytes.IndexAny(b, " \t\r\n")
	if n < 0 {
		n = len(b)
	}
	name := b[:n]
	s.attr = append(s.attr[:0], b[n:]...)
	if k := bytes.IndexByte(name, ':'); k >= 0 {
		name = name[k+1:]
	}
	if len(name) == 0 {
		return noToken, errSyntax
	}
	s.name = append(s.name[:0], name...)
	s.advance(i + 1)
	if end {
		s.open--
		if s.open < 0 {
			return noToken, errSyntax
		}
		return endTag, nil
	}
	s.open++
	s.pend = empty
	return startTag, nil
}

// attribute is the value of an attribute of the start tag last read, by its name
// without prefix.
func (s *scanner) attribute(want string) (string, bool) {
	b := s.attr
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		name, rest, ok := bytes.Cut(b, []byte{'='})
		if !ok {
			return "", false
		}
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) == 0 {
			return "", false
		}
		value, after, ok := bytes.Cut(rest[1:], rest[:1])
		if !ok {
			return "", false
		}
		name = bytes.TrimRight(name, " \t\r\n")
		if k := bytes.IndexByte(name, ':'); k >= 0 {
			name = name[k+1:]
		}
		if string(name) == want {
			text, err := appendText(nil, value)
			return string(text), err == nil
		}
		b = after
	}
}

// appendLines appends raw with its line ends made one sort (XML 1.0, 2.11).
func appendLines(to, raw []byte) []byte {
	for i, c := range raw {
		if c == '\r' {
			if i+1 < len(raw) && raw[i+1] == '\n' {
				continue
			}
			c = '\n'
		}
		to = append(to, c)
	}
	return to
}

// appendText appends raw with references resolved: the five of XML and characters
// by number (XML 1.0, 4.1, 4.6).
func appendText(to, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '&')
		if i < 0 {
			return appendLines(to, raw), nil
		}
		to = appendLines(to, raw[:i])
		raw = raw[i+1:]
		name, rest, ok := bytes.Cut(raw, []byte{';'})
		if !ok || len(name) == 0 || len(name) > 12 {
			return to, errSyntax
		}
		raw = rest
		switch string(name) {
		case "lt":
			to = append(to, '<')
		case "gt":
			to = append(to, '>')
		case "amp":
			to = append(to, '&')
		case "quot":
			to = append(to, '"')
		case "apos":
			to = append(to, '\'')
		default:
			if name[0] != '#' || len(name) < 2 {
				return to, errSyntax
			}
			digits, base := string(name[1:]), 10
			if digits[0] == 'x' {
				digits, base = digits[1:], 16
			}
			v, err := strconv.ParseUint(digits, base, 32)
			if err != nil || !utf8.ValidRune(rune(v)) || v == 0 {
				return to, errSyntax
			}
			to = utf8.AppendRune(to, rune(v))
		}
	}
	return to, nil
}
