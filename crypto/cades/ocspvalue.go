package cades

import (
	"errors"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
)

// errOCSP: what is given for an OCSP answer is none.
var errOCSP = errors.New("not an OCSP answer")

// basicOCSP gives the BasicOCSPResponse of an OCSPResponse (RFC 6960, 4.2.1), or the
// value itself if it is one.
func basicOCSP(raw []byte) ([]byte, error) {
	e, err := der.One(raw, der.DER)
	if err != nil || !e.Is(der.Universal, der.TagSequence) {
		return nil, errOCSP
	}
	r := der.NewReader(e.Content, der.DER)
	if r.Peek(der.Universal, der.TagSequence) { // tbsResponseData
		return raw, nil
	}
	if status, err := r.Expect(der.Universal, der.TagEnumerated); err != nil || len(status.Content) != 1 || status.Content[0] != 0 {
		return nil, errOCSP
	}
	x, err := r.Explicit(0)
	if err != nil {
		return nil, errOCSP
	}
	in, err := x.Sequence()
	if err != nil {
		return nil, errOCSP
	}
	if oid, err := in.OID(); err != nil || oid != cms.TypeOCSPBasic {
		return nil, errOCSP
	}
	basic, err := in.OctetString()
	if err != nil {
		return nil, errOCSP
	}
	return basic, nil
}

// wholeOCSP wraps a BasicOCSPResponse into a successful OCSPResponse.
func wholeOCSP(basic []byte) []byte {
	return der.Sequence(der.Value(der.TagEnumerated, []byte{0}),
		der.Explicit(0, der.Sequence(cms.TypeOCSPBasic.Encode(), der.OctetString(basic))))
}

// ocspIdentity gives ResponderID and producedAt as they are encoded.
func ocspIdentity(basic []byte) (responder, produced []byte, err error) {
	outer, err := der.NewReader(basic, der.DER).Sequence()
	if err != nil {
		return nil, nil, errOCSP
	}
	r, err := outer.Sequence()
	if err != nil {
		return nil, nil, errOCSP
	}
	if _, _, err := r.Optional(der.Context, 0); err != nil {
		return nil, nil, errOCSP
	}
	who, err := r.Next()
	if err != nil || who.Class != der.Context {
		return nil, nil, errOCSP
	}
	at, err := r.Expect(der.Universal, der.TagGeneralizedTime)
	if err != nil {
		return nil, nil, errOCSP
	}
	return who.Raw, at.Raw, nil
}
