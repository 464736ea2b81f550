package ocsptest

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Answer is what a response shall say.
type Answer struct {
	// ID is the encoded CertID.
	ID []byte
	// Status is the encoded CertStatus; nil: good.
	Status []byte
	// This is thisUpdate, Next nextUpdate (zero: absent), Produced producedAt (zero: This).
	This, Next, Produced time.Time
	// Nonce is repeated; nil: none.
	Nonce []byte
	// ByKey names the responder by the hash of its key instead of its name.
	ByKey bool
	// By signs; its certificate, and More, go into the response unless Bare.
	By   Party
	More [][]byte
	Bare bool
	// Critical adds an unknown critical extension.
	Critical bool
}

// Revoked is a CertStatus; reason 0 is not written.
func Revoked(at time.Time, reason int) []byte {
	parts := [][]byte{Time(at)}
	if reason != 0 {
		parts = append(parts, der.Explicit(0, der.Value(der.TagEnumerated, []byte{byte(reason)})))
	}
	return der.Explicit(1, parts...)
}

// Good and Unknown are CertStatuses.
var (
	Good    = der.Implicit(0, nil)
	Unknown = der.Implicit(2, nil)
)

// Time encodes a GeneralizedTime, with a fraction where there is one.
func Time(at time.Time) []byte {
	return der.Value(der.TagGeneralizedTime, []byte(at.UTC().Format("20060102150405.999Z")))
}

// ID encodes a CertID by SHA-256, or as Ukrainian software does where the issuer's key
// is of DSTU 4145.
func ID(c, issuer *pki.Certificate) []byte {
	oid, key := algorithm.SHA256, []byte(nil)
	if _, ok := issuer.PublicKey.(*algorithm.DSTUKey); ok {
		oid, key = algorithm.GOST34311, issuer.SubjectKeyID
	}
	d := algorithm.DigestByOID(oid)
	sum := func(b []byte) []byte {
		h := d.New(nil)
		h.Write(b)
		return h.Sum(nil)
	}
	if key == nil {
		key = sum(keyBits(issuer))
	}
	return der.Sequence(der.Sequence(oid.Encode()), der.OctetString(sum(issuer.RawSubject)), der.OctetString(key), der.Integer(c.Serial))
}

func keyBits(c *pki.Certificate) []byte {
	r, err := der.NewReader(c.RawSPKI, der.DER).Sequence()
	if err != nil {
		return nil
	}
	if _, err := r.Next(); err != nil {
		return nil
	}
	bits, _, _ := r.BitString()
	return bits
}

// Basic gives the BasicOCSPResponse.
func (a Answer) Basic() ([]byte, error) {
	status := a.Status
	if status == nil {
		status = Good
	}
	produced := a.Produced
	if produced.IsZero() {
		produced = a.This
	}
	single := [][]byte{a.ID, status, Time(a.This)}
	if !a.Next.IsZero() {
		single = append(single, der.Explicit(0, Time(a.Next)))
	}
	who := der.Explicit(1, a.By.Certificate.RawSubject)
	if a.ByKey {
		d := algorithm.DigestByOID(algorithm.GOST34311)
		h := d.New(nil)
		h.Write(keyBits(a.By.Certificate))
		who = der.Explicit(2, der.OctetString(h.Sum(nil)))
	}
	data := [][]byte{who, Time(produced), der.Sequence(der.Sequence(single...))}
	var extensions [][]byte
	if a.Nonce != nil {
		extensions = append(extensions, der.Sequence(der.OID("1.3.6.1.5.5.7.48.1.2").Encode(), der.OctetString(der.OctetString(a.Nonce))))
	}
	if a.Critical {
		extensions = append(extensions, der.Sequence(der.OID("1.2.3.4").Encode(), der.Bool(true), der.OctetString(der.Null())))
	}
	if extensions != nil {
		data = append(data, der.Explicit(1, der.Sequence(extensions...)))
	}
	tbs := der.Sequence(data...)
	public := a.By.Certificate.PublicKey
	d, id, err := algorithm.ForSigning(public)
	if err != nil {
		return nil, err
	}
	h := d.New(public)
	h.Write(tbs)
	value, err := a.By.Key.Sign(rand.Reader, h.Sum(nil), d.Hash)
	if err != nil {
		return nil, err
	}
	bits, err := algorithm.SignatureBits(public, value)
	if err != nil {
		return nil, err
	}
	parts := [][]byte{tbs, id, der.BitString(bits)}
	certs := a.More
	if !a.Bare {
		certs = append([][]byte{a.By.Certificate.Raw}, certs...)
	}
	if len(certs) > 0 {
		parts = append(parts, der.Explicit(0, der.Sequence(certs...)))
	}
	return der.Sequence(parts...), nil
}

// Whole gives the OCSPResponse.
func (a Answer) Whole() ([]byte, error) {
	basic, err := a.Basic()
	if err != nil {
		return nil, err
	}
	return der.Sequence(der.Value(der.TagEnumerated, []byte{0}),
		der.Explicit(0, der.Sequence(der.OID("1.3.6.1.5.5.7.48.1.1").Encode(), der.OctetString(basic)))), nil
}

// Error gives an OCSPResponse of a status other than successful.
func Error(status int) []byte {
	return der.Sequence(der.Value(der.TagEnumerated, []byte{byte(status)}))
}

// Question is what a responder reads of a request.
type Question struct {
	ID     []byte // the encoded CertID
	Serial *big.Int
	Nonce  []byte
}

// ReadQuestion reads an OCSPRequest about one certificate.
func ReadQuestion(raw []byte) (q Question, err error) {
	fail := func(e error) (Question, error) { return q, fmt.Errorf("OCSP request: %w", e) }
	outer, err := der.NewReader(raw, der.DER).Sequence()
	if err != nil {
		return fail(err)
	}
	tbs, err := outer.Sequence()
	if err != nil {
		return fail(err)
	}
	list, err := tbs.Sequence()
	if err != nil {
		return fail(err)
	}
	one, err := list.Sequence()
	if err != nil {
		return fail(err)
	}
	id, err := one.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return fail(err)
	}
	q.ID = id.Raw
	in := one.Inside(id)
	for range 3 {
		if _, err := in.Next(); err != nil {
			return fail(err)
		}
	}
	if q.Serial, err = in.Integer(); err != nil {
		return fail(err)
	}
	if tbs.Peek(der.Context, 2) {
		x, err := tbs.Explicit(2)
		if err != nil {
			return fail(err)
		}
		list, err := pki.ReadExtensions(x)
		if err != nil {
			return fail(err)
		}
		for _, e := range list {
			if v, err := der.One(e.Value, der.DER); err == nil && e.OID == "1.3.6.1.5.5.7.48.1.2" {
				q.Nonce = v.Content
			}
		}
	}
	return q, nil
}
