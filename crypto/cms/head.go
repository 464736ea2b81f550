package cms

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/brama-gateway/brama/crypto/der"
)

// headReader follows the first values of a container that may be cut off: it
// needs the headers, not the ends.
type headReader struct {
	b   []byte
	off int
}

var errHead = errors.New("no container's first bytes")

// open reads a header with the given identifier octet and gives the length, -1
// for an indefinite one.
func (h *headReader) open(identifier byte) (int, error) {
	if len(h.b)-h.off < 2 || h.b[h.off] != identifier {
		return 0, errHead
	}
	l := h.b[h.off+1]
	h.off += 2
	switch {
	case l < 0x80:
		return int(l), nil
	case l == 0x80:
		if identifier&0x20 == 0 {
			return 0, errHead
		}
		return -1, nil
	}
	n := int(l & 0x7f)
	if n > 8 || n > len(h.b)-h.off {
		return 0, errHead
	}
	v := uint64(0)
	for _, c := range h.b[h.off : h.off+n] {
		v = v<<8 | uint64(c)
	}
	h.off += n
	if v > 1<<62 {
		return 0, errHead
	}
	return int(v), nil
}

// take reads a short primitive value whole.
func (h *headReader) take(identifier byte) ([]byte, error) {
	n, err := h.open(identifier)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > len(h.b)-h.off {
		return nil, errHead
	}
	v := h.b[h.off : h.off+n]
	h.off += n
	return v, nil
}

func (h *headReader) oid() (der.OID, error) {
	c, err := h.take(der.TagOID)
	if err != nil {
		return "", err
	}
	return der.Element{Content: c}.OID()
}

// contentInfo reads ContentInfo up to its contentType.
func (h *headReader) contentInfo() (der.OID, error) {
	if _, err := h.open(0x30); err != nil {
		return "", err
	}
	return h.oid()
}

// eContent reads on from contentInfo to whether eContent is there.
func (h *headReader) eContent() (attached bool, err error) {
	if _, err := h.open(0xa0); err != nil {
		return false, err
	}
	if _, err := h.open(0x30); err != nil {
		return false, err
	}
	if _, err := h.take(der.TagInteger); err != nil {
		return false, err
	}
	n, err := h.open(0x31)
	if err != nil {
		return false, err
	}
	if n >= 0 {
		if n > len(h.b)-h.off {
			return false, errHead
		}
		h.off += n
	} else {
		r := der.NewReader(h.b[h.off:], der.BER)
		for !bytes.HasPrefix(h.b[h.off+r.Offset():], []byte{0, 0}) {
			if _, err := r.Next(); err != nil {
				return false, err
			}
		}
		h.off += r.Offset() + 2
	}
	size, err := h.open(0x30)
	if err != nil {
		return false, err
	}
	start := h.off
	if _, err := h.oid(); err != nil {
		return false, err
	}
	if size >= 0 {
		return h.off < start+size, nil
	}
	return h.off < len(h.b) && h.b[h.off] == 0xa0, nil
}

// Head tells from the first bytes of a container, armour taken off, its content
// type and, of SignedData, whether the content is inside.
func Head(b []byte) (contentType der.OID, attached bool, err error) {
	h := &headReader{b: b}
	if contentType, err = h.contentInfo(); err != nil {
		return "", false, err
	}
	if contentType == TypeSignedData {
		attached, err = h.eContent()
	}
	return contentType, attached, err
}

// Armour is the transport encoding around a container.
type Armour uint8

// The armours.
const (
	Bare Armour = iota
	PEM
	Base64
)

var (
	pemBegin  = []byte("-----BEGIN ")
	pemLabels = []string{"PKCS7", "CMS", "PKCS #7 SIGNED DATA"}
)

// FindArmour tells the armour from the first bytes.
func FindArmour(head []byte) Armour {
	t := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) > 0 && head[0] == 0x30 && !isBase64(head):
		return Bare
	case bytes.HasPrefix(t, pemBegin):
		return PEM
	case len(t) >= 8 && isBase64(head):
		return Base64
	}
	return Bare
}

func isBase64(b []byte) bool {
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/', c == '=',
			c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			return false
		}
	}
	return true
}

// Unarmour takes a PEM or base64 armour off; bare bytes come back as they are.
// Of PEM exactly one block of a CMS label may be there, with nothing but white
// space around it.
func Unarmour(data []byte) ([]byte, error) {
	switch FindArmour(data[:min(len(data), 4096)]) {
	case PEM:
		t := bytes.TrimSpace(data)
		for _, label := range pemLabels {
			body, ok := bytes.CutPrefix(t, []byte("-----BEGIN "+label+"-----"))
			if !ok {
				continue
			}
			body, ok = bytes.CutSuffix(body, []byte("-----END "+label+"-----"))
			if !ok {
				return nil, errors.New("PEM armour does not end")
			}
			return decode(body)
		}
		return nil, errors.New("PEM armour of another label")
	case Base64:
		return decode(data)
	}
	return data, nil
}

func decode(text []byte) ([]byte, error) {
	clean := make([]byte, 0, len(text))
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			clean = append(clean, c)
		}
	}
	n, err := base64.StdEncoding.Strict().Decode(clean, clean)
	if err != nil {
		return nil, errors.New("base64 armour is broken")
	}
	return clean[:n], nil
}

// UnarmourHead takes the armour off the first bytes of a file, as far as they go.
func UnarmourHead(head []byte) []byte {
	switch FindArmour(head) {
	case PEM:
		t := bytes.TrimLeft(head, " \t\r\n")
		i := bytes.IndexByte(t, '\n')
		if i < 0 {
			return nil
		}
		head = t[i:]
		if j := bytes.IndexByte(head, '-'); j >= 0 {
			head = head[:j]
		}
	case Base64:
	default:
		return head
	}
	clean := make([]byte, 0, len(head))
	for _, c := range head {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			clean = append(clean, c)
		}
	}
	clean = clean[:len(clean)/4*4]
	n, _ := base64.StdEncoding.Decode(clean, clean)
	return clean[:n]
}
