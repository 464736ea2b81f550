package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"time"
)

// Roles lists the roles, in the order in which people name them.
func Roles() []Role { return []Role{Head, Accountant, Seal, Other} }

// Fingerprint is the SHA-256 of the DER of the certificate that names the
// signatory, in lower-case hex; empty for one who is named by codes.
func (s *Signatory) Fingerprint() string {
	if s.Certificate != "" {
		der, err := s.DER()
		if err != nil {
			return ""
		}
		sum := sha256.Sum256(der)
		return hex.EncodeToString(sum[:])
	}
	return fingerprint(s.SHA256)
}

// fingerprint takes both common spellings, AB:CD.. and abcd.., to the latter.
func fingerprint(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, ":", ""))
}

// DER is the certificate's own bytes, or an error if there is no certificate.
// The certificate is not parsed: package pki knows the algorithms.
func (s *Signatory) DER() ([]byte, error) {
	block, rest := pem.Decode([]byte(s.Certificate))
	switch {
	case strings.Contains(s.Certificate, "PRIVATE KEY"):
		return nil, errors.New("holds a private key; write the certificate only, and replace that key")
	case block == nil:
		return nil, errors.New("is not PEM; write the whole block from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE----- after \"certificate: |\"")
	case block.Type != "CERTIFICATE":
		return nil, errors.New("is not a certificate; write a block that begins with -----BEGIN CERTIFICATE-----")
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("holds more than one block; write each signatory as an element of its own")
	case !wholeSequence(block.Bytes):
		return nil, errors.New("is cut or damaged; copy the certificate again")
	}
	return block.Bytes, nil
}

// wholeSequence says whether b is one DER SEQUENCE and nothing after it.
func wholeSequence(b []byte) bool {
	if len(b) < 4 || b[0] != 0x30 || b[1] < 0x81 || b[1] > 0x83 {
		return false
	}
	n, head := 0, 2+int(b[1]&0x7f)
	if len(b) < head {
		return false
	}
	for _, c := range b[2:head] {
		n = n<<8 | int(c)
	}
	return len(b) == head+n
}

// At says whether the signatory is entitled at t: From is the first moment,
// Until the first that is no longer.
func (s *Signatory) At(t time.Time) bool {
	return (s.From.IsZero() || !t.Before(s.From)) && (s.Until.IsZero() || t.Before(s.Until))
}

// For says whether the signatory may sign documents of kind.
func (s *Signatory) For(kind string) bool {
	if len(s.Kinds) == 0 {
		return true
	}
	for _, k := range s.Kinds {
		if k == kind {
			return true
		}
	}
	return false
}
