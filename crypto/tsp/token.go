// Package tsp reads and verifies time-stamp tokens (RFC 3161): that an authority
// which is trusted to stamp says that certain bytes were there at a certain time.
//
// A token is judged for one time, at which the authority's certificate must be
// valid: there is no validation in the past. The zero Outcome proves nothing.
package tsp

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
)

// Limits of a token.
const (
	// MaxToken bounds an encoded token, in octets.
	MaxToken = 1 << 20

	maxExtensions = 16
	maxNumber     = 64 // octets of serial number and nonce; RFC 3161 says 160 bits
	maxImprint    = 64 // octets
)

// Errors that callers tell apart.
var (
	// ErrToken is wrapped by every error about a token's form.
	ErrToken = errors.New("not a time-stamp token")
	// ErrNotGranted: the response holds no token.
	ErrNotGranted = errors.New("time-stamp is not granted")
)

// Info is TSTInfo, RFC 3161, 2.4.2: what the authority says.
type Info struct {
	Policy der.OID
	// ImprintAlgorithm and Imprint are the digest of the stamped bytes.
	ImprintAlgorithm algorithm.Identifier
	Imprint          []byte
	Serial           *big.Int
	// Time is genTime, UTC, with its fraction of a second.
	Time time.Time
	// Accuracy is the deviation from Time to either side; 0 if it is not told.
	Accuracy time.Duration
	Ordering bool
	// Nonce repeats the request's; nil when absent.
	Nonce *big.Int
	// Name is the GeneralName of the authority, encoded; a hint that is not used.
	Name []byte
}

// Token is a parsed TimeStampToken. Nothing in it is proved before Verify. It
// aliases the bytes it was parsed from.
type Token struct {
	Info Info
	// Raw is the whole token, as it was parsed.
	Raw []byte

	sd *cms.SignedData
	si *cms.SignerInfo
}

// SignedData is the token's container: what certificates, CRLs and unsigned
// attributes it carries. It must not be changed.
func (t *Token) SignedData() *cms.SignedData { return t.sd }

// Parse reads a TimeStampToken: SignedData with one signature over TSTInfo in DER.
func Parse(raw []byte) (*Token, error) {
	t, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return t, nil
}

func parse(raw []byte) (*Token, error) {
	if len(raw) > MaxToken {
		return nil, cms.ErrLimit
	}
	sd, err := cms.Parse(raw, cms.Options{})
	if err != nil {
		return nil, err
	}
	switch {
	case sd.ContentType != cms.TypeTSTInfo || !sd.Attached:
		return nil, errors.New("content is not TSTInfo")
	case len(sd.Signers) != 1: // RFC 3161, 2.4.2: the authority's alone
		return nil, errors.New("not one signature")
	}
	t := &Token{Raw: raw, sd: sd, si: &sd.Signers[0]}
	if err := t.Info.parse(sd.Content); err != nil {
		return nil, fmt.Errorf("TSTInfo: %w", err)
	}
	return t, nil
}

func (i *Info) parse(raw []byte) error {
	if err := der.CheckDER(raw); err != nil {
		return err
	}
	outer := der.NewReader(raw, der.DER)
	r, err := outer.Sequence()
	if err != nil {
		return err
	}
	if err := outer.End(); err != nil {
		return err
	}
	if v, err := r.Int(1); err != nil || v != 1 {
		return errors.New("version is not 1")
	}
	if i.Policy, err = r.OID(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if i.ImprintAlgorithm, i.Imprint, err = readImprint(r); err != nil {
		return err
	}
	if i.Serial, err = number(r); err != nil {
		return fmt.Errorf("serial number: %w", err)
	}
	e, err := r.Expect(der.Universal, der.TagGeneralizedTime)
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if i.Time, err = generalizedTime(e); err != nil {
		return err
	}
	if r.Peek(der.Universal, der.TagSequence) {
		in, err := r.Sequence()
		if err != nil {
			return fmt.Errorf("accuracy: %w", err)
		}
		if i.Accuracy, err = accuracy(in); err != nil {
			return fmt.Errorf("accuracy: %w", err)
		}
	}
	if r.Peek(der.Universal, der.TagBoolean) {
		if i.Ordering, err = r.Bool(); err != nil {
			return fmt.Errorf("ordering: %w", err)
		}
	}
	if r.Peek(der.Universal, der.TagInteger) {
		if i.Nonce, err = number(r); err != nil {
			return fmt.Errorf("nonce: %w", err)
		}
	}
	if e, ok, err := r.Optional(der.Context, 0); err != nil {
		return err
	} else if ok {
		if !e.Constructed {
			return errors.New("name of the authority: primitive")
		}
		i.Name = e.Content
	}
	if r.Peek(der.Context, 1) {
		in, err := r.Explicit(1) // implicit over a SEQUENCE: the same octets
		if err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
		if err := extensions(in); err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
	}
	return r.End()
}

// readImprint reads MessageImprint.
func readImprint(r *der.Reader) (id algorithm.Identifier, sum []byte, err error) {
	in, err := r.Sequence()
	if err != nil {
		return id, nil, fmt.Errorf("imprint: %w", err)
	}
	if id, err = algorithm.ReadIdentifier(in); err != nil {
		return id, nil, fmt.Errorf("imprint: %w", err)
	}
	if sum, err = in.OctetString(); err != nil {
		return id, nil, fmt.Errorf("imprint: %w", err)
	}
	if len(sum) == 0 || len(sum) > maxImprint {
		return id, nil, errors.New("imprint: length of no digest")
	}
	if err := in.End(); err != nil {
		return id, nil, fmt.Errorf("imprint: %w", err)
	}
	return id, sum, nil
}

func number(r *der.Reader) (*big.Int, error) {
	e, err := r.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return nil, err
	}
	if len(e.Content) > maxNumber {
		return nil, cms.ErrLimit
	}
	return e.Integer()
}

// generalizedTime reads a time that may have a fraction of a second, in the one
// spelling that RFC 3161, 2.4.2 allows: no trailing zeros.
func generalizedTime(e der.Element) (time.Time, error) {
	malformed := errors.New("time: malformed")
	text := string(e.Content)
	if e.Constructed || len(text) < len("20060102150405Z") || text[len(text)-1] != 'Z' {
		return time.Time{}, malformed
	}
	text = text[:len(text)-1]
	if whole, fraction, ok := strings.Cut(text, "."); ok {
		if len(fraction) == 0 || len(fraction) > 9 || fraction[len(fraction)-1] == '0' || len(whole) != 14 {
			return time.Time{}, malformed
		}
	} else if len(text) != 14 {
		return time.Time{}, malformed
	}
	for _, c := range []byte(text) {
		if c != '.' && (c < '0' || c > '9') {
			return time.Time{}, malformed
		}
	}
	t, err := time.Parse("20060102150405", text) // takes a fraction too
	if err != nil {
		return time.Time{}, malformed
	}
	return t, nil
}

// accuracy reads the parts of Accuracy, of which each may be absent.
func accuracy(r *der.Reader) (time.Duration, error) {
	var sum time.Duration
	if r.Peek(der.Universal, der.TagInteger) {
		n, err := r.Int(1 << 30)
		if err != nil {
			return 0, err
		}
		sum = time.Duration(n) * time.Second
	}
	for tag, unit := range []time.Duration{time.Millisecond, time.Microsecond} {
		e, ok, err := r.Optional(der.Context, uint32(tag)) //nolint:gosec // 0 or 1
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		n, err := e.Int(999)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * unit
	}
	return sum, r.End()
}

// extensions refuses critical ones: none is known.
func extensions(r *der.Reader) error {
	for n := 0; !r.Empty(); n++ {
		if n == maxExtensions {
			return cms.ErrLimit
		}
		e, err := r.Sequence()
		if err != nil {
			return err
		}
		oid, err := e.OID()
		if err != nil {
			return err
		}
		if e.Peek(der.Universal, der.TagBoolean) {
			if critical, err := e.Bool(); err != nil {
				return err
			} else if critical {
				return fmt.Errorf("unknown critical extension %s", oid)
			}
		}
		if _, err := e.OctetString(); err != nil {
			return err
		}
		if err := e.End(); err != nil {
			return err
		}
	}
	return nil
}
