package tsp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
)

// nonceSize is how many octets of randomness go into a nonce. RFC 3161, 2.4.1 asks
// for "a large random number"; eight octets are what every server takes.
const nonceSize = 8

// MaxRequest bounds an encoded request, in octets.
const MaxRequest = 64 << 10

// ErrMismatch is wrapped by every error of a token that is not the answer to the
// request: over another imprint, with another nonce, under another policy.
var ErrMismatch = errors.New("the token does not answer the request")

// Request is TimeStampReq, RFC 3161, 2.4.1.
type Request struct {
	ImprintAlgorithm algorithm.Identifier
	Imprint          []byte
	// Policy asks for a policy of the authority; empty leaves it the choice.
	Policy der.OID
	// Nonce comes back in the token; nil is none.
	Nonce *big.Int
	// Certificates asks the authority to put its certificate into the token. Many do
	// not: it is then looked for in the trust store.
	Certificates bool
}

// NewRequest asks for a time-stamp of a digest value, with a nonce from rand, and
// for the certificate.
func NewRequest(rand io.Reader, d *algorithm.Digest, sum []byte) (*Request, error) {
	if d == nil || len(sum) != d.Size {
		return nil, errors.New("time-stamp request: not a digest of the algorithm")
	}
	random := make([]byte, nonceSize)
	if _, err := io.ReadFull(rand, random); err != nil {
		return nil, fmt.Errorf("time-stamp request: %w", err)
	}
	nonce := new(big.Int).SetBytes(random)
	nonce.SetBit(nonce, 8*nonceSize-2, 1) // of full length always
	return &Request{
		ImprintAlgorithm: algorithm.Identifier{OID: d.OID}, Imprint: sum,
		Nonce: nonce, Certificates: true,
	}, nil
}

// Encode gives TimeStampReq in DER.
func (q *Request) Encode() []byte {
	id := [][]byte{q.ImprintAlgorithm.OID.Encode()}
	if q.ImprintAlgorithm.Params != nil {
		id = append(id, q.ImprintAlgorithm.Params)
	}
	parts := [][]byte{
		der.Int(1),
		der.Sequence(der.Sequence(id...), der.OctetString(q.Imprint)),
	}
	if q.Policy != "" {
		parts = append(parts, q.Policy.Encode())
	}
	if q.Nonce != nil {
		parts = append(parts, der.Integer(q.Nonce))
	}
	if q.Certificates { // the default, FALSE, is not written in DER
		parts = append(parts, der.Bool(true))
	}
	return der.Sequence(parts...)
}

// ParseRequest reads a TimeStampReq: for who answers such. Critical extensions are
// refused.
func ParseRequest(raw []byte) (*Request, error) {
	q, err := parseRequest(raw)
	if err != nil {
		return nil, fmt.Errorf("time-stamp request: %w", err)
	}
	return q, nil
}

func parseRequest(raw []byte) (*Request, error) {
	if len(raw) > MaxRequest {
		return nil, cms.ErrLimit
	}
	if err := der.CheckDER(raw); err != nil {
		return nil, err
	}
	outer := der.NewReader(raw, der.DER)
	r, err := outer.Sequence()
	if err != nil {
		return nil, err
	}
	if err := outer.End(); err != nil {
		return nil, err
	}
	if v, err := r.Int(1); err != nil || v != 1 {
		return nil, errors.New("version is not 1")
	}
	q := &Request{}
	if q.ImprintAlgorithm, q.Imprint, err = readImprint(r); err != nil {
		return nil, err
	}
	if r.Peek(der.Universal, der.TagOID) {
		if q.Policy, err = r.OID(); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
	}
	if r.Peek(der.Universal, der.TagInteger) {
		if q.Nonce, err = number(r); err != nil {
			return nil, fmt.Errorf("nonce: %w", err)
		}
	}
	if r.Peek(der.Universal, der.TagBoolean) {
		if q.Certificates, err = r.Bool(); err != nil {
			return nil, err
		}
	}
	if r.Peek(der.Context, 0) {
		in, err := r.Explicit(0) // implicit over a SEQUENCE: the same octets
		if err != nil {
			return nil, fmt.Errorf("extensions: %w", err)
		}
		if err := extensions(in); err != nil {
			return nil, fmt.Errorf("extensions: %w", err)
		}
	}
	return q, r.End()
}

// Answer reads a TimeStampResp and gives its token if it is the one that was asked
// for: the same imprint and nonce, and the policy if one was asked for (RFC 3161,
// 2.2). An error wraps ErrMismatch or is a *StatusError where these apply. The
// token's signature is not verified: see Token.Verify.
func (q *Request) Answer(response []byte) (*Token, error) {
	t, err := ParseResponse(response)
	if err != nil {
		return nil, err
	}
	switch i := t.Info; {
	case i.ImprintAlgorithm.OID != q.ImprintAlgorithm.OID || !bytes.Equal(i.Imprint, q.Imprint):
		return nil, fmt.Errorf("imprint: %w", ErrMismatch)
	case q.Nonce != nil && (i.Nonce == nil || i.Nonce.Cmp(q.Nonce) != 0):
		return nil, fmt.Errorf("nonce: %w", ErrMismatch)
	case q.Nonce == nil && i.Nonce != nil:
		return nil, fmt.Errorf("nonce that was not sent: %w", ErrMismatch)
	case q.Policy != "" && i.Policy != q.Policy:
		return nil, fmt.Errorf("policy %s: %w", i.Policy, ErrMismatch)
	}
	return t, nil
}
