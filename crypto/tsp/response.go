package tsp

import (
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
)

// Statuses of a response, RFC 3161, 2.4.2.
const (
	granted         = 0
	grantedWithMods = 1
	lastStatus      = 5
)

// failures are the names of PKIFailureInfo by bit, RFC 3161, 2.4.2.
var failures = map[int]string{
	0: "badAlg", 2: "badRequest", 5: "badDataFormat", 14: "timeNotAvailable",
	15: "unacceptedPolicy", 16: "unacceptedExtension", 17: "addInfoNotAvailable", 25: "systemFailure",
}

const (
	maxStatusTexts = 8
	maxStatusText  = 200 // letters shown of each
)

// StatusError is a response without a token. It wraps ErrNotGranted.
type StatusError struct {
	Status int
	// Failures are names of RFC 3161, or bit numbers of others.
	Failures []string
	// Text is what the authority says about it, cut to a sane length; not to be trusted.
	Text string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%v: status %d", ErrNotGranted, e.Status)
	if len(e.Failures) > 0 {
		s += " " + strings.Join(e.Failures, ", ")
	}
	if e.Text != "" {
		s += fmt.Sprintf(" (%q)", e.Text)
	}
	return s
}

// Unwrap gives ErrNotGranted.
func (e *StatusError) Unwrap() error { return ErrNotGranted }

// ParseResponse reads a TimeStampResp (RFC 3161, 2.4.2) and gives its token. A
// response without one is a *StatusError.
func ParseResponse(raw []byte) (*Token, error) {
	t, err := parseResponse(raw)
	if err != nil {
		return nil, fmt.Errorf("time-stamp response: %w", err)
	}
	return t, nil
}

func parseResponse(raw []byte) (*Token, error) {
	if len(raw) > MaxToken {
		return nil, cms.ErrLimit
	}
	if err := der.CheckDepth(raw); err != nil {
		return nil, err
	}
	outer := der.NewReader(raw, der.BER)
	r, err := outer.Sequence()
	if err != nil {
		return nil, err
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	info, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	status, err := readStatus(info)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	if status.Status != granted && status.Status != grantedWithMods || r.Empty() {
		return nil, status
	}
	e, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return Parse(e.Raw)
}

// readStatus reads PKIStatusInfo.
func readStatus(r *der.Reader) (*StatusError, error) {
	s := &StatusError{}
	var err error
	if s.Status, err = r.Int(lastStatus); err != nil {
		return nil, err
	}
	if r.Peek(der.Universal, der.TagSequence) {
		list, err := r.Sequence()
		if err != nil {
			return nil, err
		}
		var texts []string
		for n := 0; !list.Empty(); n++ {
			if n == maxStatusTexts {
				return nil, cms.ErrLimit
			}
			e, err := list.Next()
			if err != nil {
				return nil, err
			}
			if text, ok := e.Text(); ok {
				letters := []rune(text)
				texts = append(texts, string(letters[:min(len(letters), maxStatusText)]))
			}
		}
		s.Text = strings.Join(texts, "; ")
	}
	if r.Peek(der.Universal, der.TagBitString) {
		bits, _, err := r.BitString()
		if err != nil {
			return nil, err
		}
		for i := range min(8*len(bits), 64) {
			if bits[i/8]>>(7-i%8)&1 == 0 {
				continue
			}
			name := failures[i]
			if name == "" {
				name = fmt.Sprintf("bit %d", i)
			}
			s.Failures = append(s.Failures, name)
		}
	}
	return s, nil
}
