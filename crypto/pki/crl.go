package pki

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// Reasons for revocation that are treated specially, RFC 5280, 5.3.1.
const (
	reasonCertificateHold = 6
	reasonRemoveFromCRL   = 8
)

// ErrCRL is wrapped by every error about a CRL's encoding.
var ErrCRL = errors.New("not a CRL")

// CRL is a parsed certificate revocation list, RFC 5280, section 5. It aliases
// the bytes it was parsed from. Parsing says nothing about its signature.
type CRL struct {
	Raw, RawTBS        []byte
	Issuer             Name
	ThisUpdate         time.Time
	NextUpdate         time.Time // zero when absent; such a CRL is never fresh
	Number             *big.Int  // nil when absent
	AuthorityKeyID     []byte
	SignatureAlgorithm algorithm.Identifier
	Signature          []byte

	entries  map[string]crlEntry // by entryKey
	rawPoint []byte              // issuingDistributionPoint; nil when absent
	point    *distributionPoint  // its name
	scope    scope
	indirect bool     // entries may be of other issuers
	reasons  *reasons // for some reasons only; nil: for all
	// delta lists change full ones; alone they prove nothing good.
	delta bool
	base  *big.Int // BaseCRLNumber
	// entryIssuer is the issuer of the entries being read.
	entryIssuer Name
	foreign     bool // some entry names its issuer
	// unusable says why the CRL proves nothing, as an unknown critical extension.
	unusable string
	sum      [32]byte

	mu sync.Mutex
	// verified remembers by which keys the signature was checked and how it went.
	verified map[[32]byte]error
}

// scope is what an issuingDistributionPoint limits a CRL to.
type scope uint8

const (
	everyone scope = iota
	usersOnly
	authoritiesOnly
)

type crlEntry struct {
	at     time.Time
	reason int
}

// SHA256 gives the digest of the whole CRL.
func (l *CRL) SHA256() [32]byte { return l.sum }

// Len is the number of entries.
func (l *CRL) Len() int { return len(l.entries) }

// Usable gives an empty text, or why the CRL is no evidence whoever signed it.
func (l *CRL) Usable() string { return l.unusable }

// ParseCRL reads one DER CRL; nothing may follow it.
func ParseCRL(data []byte) (*CRL, error) {
	l, err := parseCRL(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCRL, err)
	}
	return l, nil
}

// ParseCRLs reads the CRLs of a file: PEM blocks or one DER CRL after another.
// No CRL at all is an error.
func ParseCRLs(data []byte) ([]*CRL, error) {
	var out []*CRL
	err := eachBlock(data, "X509 CRL", func(b []byte) error {
		l, err := ParseCRL(b)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: none in the file", ErrCRL)
	}
	return out, nil
}

func parseCRL(data []byte) (*CRL, error) {
	if err := der.CheckDER(data); err != nil {
		return nil, err
	}
	whole := der.NewReader(data, der.DER)
	outer, err := whole.Sequence()
	if err != nil {
		return nil, err
	}
	if err := whole.End(); err != nil {
		return nil, err
	}
	l := &CRL{Raw: data, sum: sha256.Sum256(data), entries: make(map[string]crlEntry), verified: make(map[[32]byte]error)}
	tbs, err := outer.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	l.RawTBS = tbs.Raw
	if l.SignatureAlgorithm, err = algorithm.ReadIdentifier(outer); err != nil {
		return nil, err
	}
	if l.Signature, err = wholeOctets(outer); err != nil {
		return nil, err
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	return l, l.parseTBS(outer.Inside(tbs))
}

func (l *CRL) parseTBS(r *der.Reader) error {
	version := 1
	if r.Peek(der.Universal, der.TagInteger) {
		v, err := r.Int(1)
		if err != nil {
			return err
		}
		if v != 1 {
			return &der.SyntaxError{Offset: r.Offset(), Reason: "CRL of an unknown version"}
		}
		version = 2
	}
	inner, err := algorithm.ReadIdentifier(r)
	if err != nil {
		return err
	}
	if string(inner.Raw) != string(l.SignatureAlgorithm.Raw) {
		return &der.SyntaxError{Offset: r.Offset(), Reason: "inner and outer signature algorithms differ"}
	}
	issuer, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return err
	}
	if l.Issuer, err = parseName(issuer); err != nil {
		return err
	}
	l.entryIssuer = l.Issuer
	if l.ThisUpdate, err = r.Time(); err != nil {
		return err
	}
	if r.Peek(der.Universal, der.TagUTCTime) || r.Peek(der.Universal, der.TagGeneralizedTime) {
		if l.NextUpdate, err = r.Time(); err != nil {
			return err
		}
	}
	if r.Peek(der.Universal, der.TagSequence) {
		list, err := r.Sequence()
		if err != nil {
			return err
		}
		for !list.Empty() {
			if err := l.parseEntry(list, version); err != nil {
				return err
			}
		}
	}
	if r.Peek(der.Context, 0) {
		x, err := r.Explicit(0)
		if err != nil {
			return err
		}
		if version == 1 {
			return &der.SyntaxError{Offset: x.Offset(), Reason: "extensions in a version 1 CRL"}
		}
		extensions, err := ReadExtensions(x)
		if err != nil {
			return err
		}
		if err := x.End(); err != nil {
			return err
		}
		for _, e := range extensions {
			if err := l.readExtension(e); err != nil {
				return fmt.Errorf("extension %s: %w", e.OID, err)
			}
		}
	}
	if l.foreign && !l.indirect {
		l.refuse("entries of other issuers in a CRL that is not indirect")
	}
	return r.End()
}

func (l *CRL) refuse(why string) {
	if l.unusable == "" {
		l.unusable = why
	}
}

func (l *CRL) parseEntry(list *der.Reader, version int) error {
	s, err := list.Sequence()
	if err != nil {
		return err
	}
	serial, err := s.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return err
	}
	entry := crlEntry{}
	if entry.at, err = s.Time(); err != nil {
		return err
	}
	if !s.Empty() {
		if version == 1 {
			return &der.SyntaxError{Offset: s.Offset(), Reason: "entry extensions in a version 1 CRL"}
		}
		extensions, err := ReadExtensions(s)
		if err != nil {
			return err
		}
		for _, e := range extensions {
			switch e.OID {
			case extReasonCode:
				v, err := der.One(e.Value, der.DER)
				if err != nil {
					return err
				}
				if !v.Is(der.Universal, der.TagEnumerated) {
					return &der.SyntaxError{Reason: "reason code is not ENUMERATED"}
				}
				if entry.reason, err = v.Int(10); err != nil {
					return err
				}
			case extCertificateIssuer:
				if err := l.readEntryIssuer(e.Value); err != nil {
					return err
				}
			case extInvalidityDate:
			default:
				if e.Critical {
					l.refuse("unknown critical entry extension " + string(e.OID))
				}
			}
		}
		if err := s.End(); err != nil {
			return err
		}
	}
	key := entryKey(l.entryIssuer, serial.Content)
	// Of two entries for one certificate the one that cannot be undone stands.
	if old, ok := l.entries[key]; ok && old.reason != reasonCertificateHold && old.reason != reasonRemoveFromCRL {
		return nil
	}
	l.entries[key] = entry
	return nil
}

// readEntryIssuer reads certificateIssuer, which holds for the entries from here on
// (RFC 5280, 5.3.3).
func (l *CRL) readEntryIssuer(value []byte) error {
	list, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return err
	}
	for !list.Empty() {
		n, err := list.Next()
		if err != nil {
			return err
		}
		if n.Is(der.Context, 4) && n.Constructed {
			l.entryIssuer, err = ParseName(n.Content)
			l.foreign = true
			return err
		}
	}
	return &der.SyntaxError{Reason: "certificateIssuer without a directory name"}
}

func (l *CRL) readExtension(e Extension) error {
	r := der.NewReader(e.Value, der.DER)
	switch e.OID {
	case extCRLNumber:
		n, err := r.Integer()
		if err != nil {
			return err
		}
		l.Number = n
		return r.End()
	case extAuthorityKeyID:
		l.AuthorityKeyID = keyIdentifier(e.Value)
	case extDeltaCRL:
		l.delta = true
		n, err := r.Integer()
		if err != nil {
			return err
		}
		l.base = n
		return r.End()
	case extIssuingDistributionPoint:
		l.rawPoint = e.Value
		return l.readPoint(r)
	case extIssuerAltName, extFreshestCRL, extAuthorityInfoAccess:
	default:
		if e.Critical {
			l.refuse("unknown critical extension " + string(e.OID))
		}
	}
	return nil
}

// readPoint reads an issuingDistributionPoint, RFC 5280, 5.2.5.
func (l *CRL) readPoint(r *der.Reader) error {
	s, err := r.Sequence()
	if err != nil {
		return err
	}
	if s.Peek(der.Context, 0) {
		x, err := s.Explicit(0)
		if err != nil {
			return err
		}
		l.point = &distributionPoint{}
		if l.point.names, l.point.relative, err = readPointName(x); err != nil {
			return err
		}
	}
	for !s.Empty() {
		e, err := s.Next()
		if err != nil {
			return err
		}
		on := false
		if e.Class == der.Context && e.Tag != 3 {
			if on, err = e.Bool(); err != nil {
				return err
			}
		}
		switch {
		case e.Is(der.Context, 1) && on:
			l.scope = usersOnly
		case e.Is(der.Context, 2) && on:
			l.scope = authoritiesOnly
		case e.Is(der.Context, 3):
			bits, _, err := e.BitString()
			if err != nil {
				return err
			}
			some := readReasons(bits)
			l.reasons = &some
		case e.Is(der.Context, 4) && on:
			l.indirect = true
		case e.Is(der.Context, 5) && on:
			l.refuse("CRL for attribute certificates only")
		case e.Class != der.Context || e.Tag > 5:
			l.refuse("issuingDistributionPoint of an unknown form")
		}
	}
	return r.End()
}

// signedBy checks the signature with a certificate's key, and remembers the
// result: a CRL is large and asked often.
func (l *CRL) signedBy(issuer *Certificate) error {
	if issuer.PublicKey == nil {
		return algorithm.ErrUnknown
	}
	key := sha256.Sum256(issuer.RawSPKI)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err, ok := l.verified[key]; ok {
		return err
	}
	err := algorithm.Verify(l.SignatureAlgorithm, issuer.PublicKey, l.RawTBS, l.Signature)
	if len(l.verified) < 16 {
		l.verified[key] = err
	}
	return err
}
