package ocsp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Object identifiers, RFC 6960, appendix B.
const (
	oidBasic          der.OID = "1.3.6.1.5.5.7.48.1.1"
	oidNonce          der.OID = "1.3.6.1.5.5.7.48.1.2"
	oidCRLReference   der.OID = "1.3.6.1.5.5.7.48.1.3"
	oidArchiveCutoff  der.OID = "1.3.6.1.5.5.7.48.1.6"
	oidServiceLocator der.OID = "1.3.6.1.5.5.7.48.1.7"
	oidExtendedRevoke der.OID = "1.3.6.1.5.5.7.48.1.9"

	// Signing is the extended key usage id-kp-OCSPSigning.
	Signing der.OID = "1.3.6.1.5.5.7.3.9"
)

// Bounds of what is read.
const (
	MaxSize    = 1 << 20 // octets of a response
	maxSingles = 1024
	maxCerts   = 16
)

// ErrResponse is wrapped by every error about a response's encoding.
var ErrResponse = errors.New("not an OCSP response")

// StatusError is a response that says no more than why there is none (RFC 6960, 2.3).
type StatusError int

// The statuses.
const (
	MalformedRequest StatusError = 1
	InternalError    StatusError = 2
	TryLater         StatusError = 3
	SigRequired      StatusError = 5
	Unauthorized     StatusError = 6
)

// Error names the status as the RFC does.
func (s StatusError) Error() string {
	name := map[StatusError]string{
		MalformedRequest: "malformedRequest", InternalError: "internalError", TryLater: "tryLater",
		SigRequired: "sigRequired", Unauthorized: "unauthorized",
	}[s]
	if name == "" {
		name = fmt.Sprintf("status %d", int(s))
	}
	return "the OCSP responder answers: " + name
}

// CertID names a certificate by hashes of its issuer (RFC 6960, 4.1.1).
type CertID struct {
	Hash              algorithm.Identifier
	NameHash, KeyHash []byte
	Serial            []byte // contents octets of the INTEGER
}

// status is CertStatus. The zero value knows nothing.
type status uint8

const (
	unknown status = iota
	good
	revoked
)

// single is a SingleResponse.
type single struct {
	id         CertID
	status     status
	revokedAt  time.Time
	reason     int
	thisUpdate time.Time
	nextUpdate time.Time // zero when absent
	cutoff     time.Time // archiveCutoff; zero when absent
	unusable   string
}

// Response is a parsed BasicOCSPResponse. It is immutable and may be used by several
// goroutines. Parsing says nothing about its signature; the zero value proves nothing.
type Response struct {
	// Raw is the whole BasicOCSPResponse.
	Raw []byte
	// Produced is producedAt.
	Produced time.Time
	// Nonce is what the response repeats of its request; nil when absent.
	Nonce []byte
	// Certificates are those in the response that can be read.
	Certificates []*pki.Certificate

	tbs           []byte
	byName        pki.Name
	named         bool
	byKey         []byte
	singles       []single
	algorithm     algorithm.Identifier
	signature     []byte
	extendedRevok bool
	unusable      string
	sum           [32]byte

	mu sync.Mutex
	// verified remembers by which keys the signature was checked and how it went.
	verified map[[32]byte]error
}

// SHA256 gives the digest of the BasicOCSPResponse.
func (r *Response) SHA256() [32]byte { return r.sum }

// Len is how many certificates the response is about.
func (r *Response) Len() int { return len(r.singles) }

// Serials gives the serial numbers, their contents octets, that the response is about.
func (r *Response) Serials() [][]byte {
	out := make([][]byte, len(r.singles))
	for i := range r.singles {
		out[i] = r.singles[i].id.Serial
	}
	return out
}

// Update gives the earliest thisUpdate and nextUpdate in it; the latter is zero where a
// certificate's is absent.
func (r *Response) Update() (this, next time.Time) {
	for i, s := range r.singles {
		if i == 0 || s.thisUpdate.Before(this) {
			this = s.thisUpdate
		}
		switch {
		case i == 0:
			next = s.nextUpdate
		case s.nextUpdate.IsZero() || next.IsZero():
			next = time.Time{}
		case s.nextUpdate.Before(next):
			next = s.nextUpdate
		}
	}
	return this, next
}

// Responder is how the response names its signer, fit to show.
func (r *Response) Responder() string {
	if r.named {
		return r.byName.String()
	}
	return fmt.Sprintf("key %x", r.byKey)
}

// Usable gives an empty text, or why the response is no evidence whoever signed it.
func (r *Response) Usable() string { return r.unusable }

// Encode gives the response as an OCSPResponse, which files and HTTP hold.
func (r *Response) Encode() []byte {
	return der.Sequence(der.Value(der.TagEnumerated, []byte{0}),
		der.Explicit(0, der.Sequence(oidBasic.Encode(), der.OctetString(r.Raw))))
}

// Parse reads one DER OCSPResponse, or the BasicOCSPResponse out of one, as
// revocation-values of CAdES hold it; nothing may follow. A StatusError is wrapped
// where the responder answers with nothing else.
func Parse(data []byte) (*Response, error) {
	r, err := parse(data)
	if err == nil {
		return r, nil
	}
	var s StatusError
	if errors.As(err, &s) {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrResponse, err)
}

func parse(data []byte) (*Response, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("larger than %d octets", MaxSize)
	}
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
	if outer.Peek(der.Universal, der.TagSequence) {
		return parseBasic(data)
	}
	e, err := outer.Expect(der.Universal, der.TagEnumerated)
	if err != nil {
		return nil, err
	}
	code, err := e.Int(127)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		if err := outer.End(); err != nil { // responseBytes beside an error
			return nil, err
		}
		return nil, StatusError(code)
	}
	x, err := outer.Explicit(0)
	if err != nil {
		return nil, err
	}
	in, err := x.Sequence()
	if err != nil {
		return nil, err
	}
	if oid, err := in.OID(); err != nil || oid != oidBasic {
		return nil, &der.SyntaxError{Offset: in.Offset(), Reason: "response of an unknown type"}
	}
	basic, err := in.OctetString()
	if err != nil {
		return nil, err
	}
	for _, r := range []*der.Reader{in, x, outer} {
		if err := r.End(); err != nil {
			return nil, err
		}
	}
	if err := der.CheckDER(basic); err != nil {
		return nil, err
	}
	return parseBasic(basic)
}

func parseBasic(data []byte) (*Response, error) {
	outer, err := der.NewReader(data, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	r := &Response{Raw: data, sum: sha256.Sum256(data), verified: make(map[[32]byte]error)}
	tbs, err := outer.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	r.tbs = tbs.Raw
	if r.algorithm, err = algorithm.ReadIdentifier(outer); err != nil {
		return nil, err
	}
	at := outer.Offset()
	bits, unused, err := outer.BitString()
	if err != nil {
		return nil, err
	}
	if unused != 0 {
		return nil, &der.SyntaxError{Offset: at, Reason: "signature bits are not whole octets"}
	}
	r.signature = bits
	if outer.Peek(der.Context, 0) {
		if err := r.readCertificates(outer); err != nil {
			return nil, err
		}
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	return r, r.readData(outer.Inside(tbs))
}

func (r *Response) readCertificates(outer *der.Reader) error {
	x, err := outer.Explicit(0)
	if err != nil {
		return err
	}
	list, err := x.Sequence()
	if err != nil {
		return err
	}
	for n := 0; !list.Empty(); n++ {
		e, err := list.Next()
		if err != nil {
			return err
		}
		if n == maxCerts {
			return &der.SyntaxError{Offset: e.Offset, Reason: "too many certificates"}
		}
		// One that cannot be read is nobody's; that is all.
		if c, err := pki.ParseCertificate(e.Raw); err == nil {
			r.Certificates = append(r.Certificates, c)
		}
	}
	return x.End()
}

// readData reads ResponseData, RFC 6960, 4.2.1.
func (r *Response) readData(d *der.Reader) error {
	if d.Peek(der.Context, 0) {
		return &der.SyntaxError{Offset: d.Offset(), Reason: "version is not the first one, which is not written"}
	}
	who, err := d.Next()
	if err != nil {
		return err
	}
	inside := d.Inside(who)
	switch {
	case who.Is(der.Context, 1) && who.Constructed:
		e, err := inside.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return err
		}
		if r.byName, err = pki.ParseName(e.Raw); err != nil {
			return err
		}
		r.named = true
	case who.Is(der.Context, 2) && who.Constructed:
		if r.byKey, err = inside.OctetString(); err != nil {
			return err
		}
	default:
		return &der.SyntaxError{Offset: who.Offset, Reason: "responder of an unknown form"}
	}
	if err := inside.End(); err != nil {
		return err
	}
	if r.Produced, err = readTime(d); err != nil {
		return err
	}
	list, err := d.Sequence()
	if err != nil {
		return err
	}
	for !list.Empty() {
		if len(r.singles) == maxSingles {
			return &der.SyntaxError{Offset: list.Offset(), Reason: "too many certificates are answered for"}
		}
		s, err := readSingle(list)
		if err != nil {
			return err
		}
		r.singles = append(r.singles, s)
	}
	if len(r.singles) == 0 {
		return &der.SyntaxError{Offset: d.Offset(), Reason: "no certificate is answered for"}
	}
	err = eachExtension(d, 1, func(e pki.Extension) error {
		switch e.OID {
		case oidNonce:
			// RFC 8954: an OCTET STRING; older responders put the bare octets.
			r.Nonce = e.Value
			if v, err := der.One(e.Value, der.DER); err == nil && v.Is(der.Universal, der.TagOctetString) {
				r.Nonce = v.Content
			}
		case oidExtendedRevoke:
			r.extendedRevok = true
		default:
			if e.Critical {
				r.unusable = "unknown critical extension " + string(e.OID)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.End()
}

func readSingle(list *der.Reader) (s single, err error) {
	in, err := list.Sequence()
	if err != nil {
		return s, err
	}
	if s.id, err = readCertID(in); err != nil {
		return s, err
	}
	e, err := in.Next()
	if err != nil {
		return s, err
	}
	switch {
	case e.Is(der.Context, 0) && !e.Constructed && len(e.Content) == 0:
		s.status = good
	case e.Is(der.Context, 2) && !e.Constructed && len(e.Content) == 0:
		s.status = unknown
	case e.Is(der.Context, 1) && e.Constructed:
		s.status = revoked
		info := in.Inside(e)
		if s.revokedAt, err = readTime(info); err != nil {
			return s, err
		}
		if info.Peek(der.Context, 0) {
			x, err := info.Explicit(0)
			if err != nil {
				return s, err
			}
			reason, err := x.Expect(der.Universal, der.TagEnumerated)
			if err != nil {
				return s, err
			}
			if s.reason, err = reason.Int(10); err != nil {
				return s, err
			}
			if err := x.End(); err != nil {
				return s, err
			}
		}
		if err := info.End(); err != nil {
			return s, err
		}
	default:
		return s, &der.SyntaxError{Offset: e.Offset, Reason: "certificate status of an unknown form"}
	}
	if s.thisUpdate, err = readTime(in); err != nil {
		return s, err
	}
	if in.Peek(der.Context, 0) {
		x, err := in.Explicit(0)
		if err != nil {
			return s, err
		}
		if s.nextUpdate, err = readTime(x); err != nil {
			return s, err
		}
		if err := x.End(); err != nil {
			return s, err
		}
		if s.nextUpdate.Before(s.thisUpdate) {
			return s, &der.SyntaxError{Offset: x.Offset(), Reason: "nextUpdate is before thisUpdate"}
		}
	}
	err = eachExtension(in, 1, func(e pki.Extension) error {
		switch e.OID {
		case oidArchiveCutoff:
			x := der.NewReader(e.Value, der.DER)
			at, err := readTime(x)
			if err != nil {
				return err
			}
			s.cutoff = at
			return x.End()
		case oidCRLReference, oidServiceLocator, "2.5.29.21", "2.5.29.24": // reasonCode, invalidityDate
		default:
			if e.Critical {
				s.unusable = "unknown critical extension " + string(e.OID)
			}
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	return s, in.End()
}

func readCertID(r *der.Reader) (id CertID, err error) {
	in, err := r.Sequence()
	if err != nil {
		return id, err
	}
	if id.Hash, err = algorithm.ReadIdentifier(in); err != nil {
		return id, err
	}
	if id.NameHash, err = in.OctetString(); err != nil {
		return id, err
	}
	if id.KeyHash, err = in.OctetString(); err != nil {
		return id, err
	}
	serial, err := in.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return id, err
	}
	id.Serial = serial.Content
	return id, in.End()
}

// eachExtension reads Extensions under an explicit tag, if they are there.
func eachExtension(r *der.Reader, tag uint32, f func(pki.Extension) error) error {
	if !r.Peek(der.Context, tag) {
		return nil
	}
	x, err := r.Explicit(tag)
	if err != nil {
		return err
	}
	list, err := pki.ReadExtensions(x)
	if err != nil {
		return err
	}
	if err := x.End(); err != nil {
		return err
	}
	for _, e := range list {
		if err := f(e); err != nil {
			return fmt.Errorf("extension %s: %w", e.OID, err)
		}
	}
	return nil
}

// readTime reads a GeneralizedTime, which here may have a fraction of a second.
func readTime(r *der.Reader) (time.Time, error) {
	e, err := r.Expect(der.Universal, der.TagGeneralizedTime)
	if err != nil {
		return time.Time{}, err
	}
	malformed := &der.SyntaxError{Offset: e.Offset, Reason: "time is malformed"}
	text, z := strings.CutSuffix(string(e.Content), "Z")
	whole, fraction, dot := strings.Cut(text, ".")
	if !z || len(whole) != 14 || dot != (fraction != "") || len(fraction) > 9 {
		return time.Time{}, malformed
	}
	for _, c := range whole + fraction {
		if c < '0' || c > '9' {
			return time.Time{}, malformed
		}
	}
	t, err := time.Parse("20060102150405", text) // takes a fraction too
	if err != nil {
		return time.Time{}, malformed
	}
	return t, nil
}
