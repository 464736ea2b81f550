// Package ess reads the signing-certificate attributes of enhanced security
// services (RFC 2634, 5.4; RFC 5035): which certificate a signature is of.
package ess

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // identifies a certificate in signing-certificate, RFC 2634
	"crypto/subtle"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Reference is an ESSCertID or ESSCertIDv2, RFC 5035, sections 3 and 5.
type Reference struct {
	sum    func(c *pki.Certificate) []byte
	value  []byte
	issuer []byte // encoded name; nil when issuerSerial is absent
	serial []byte
	named  bool
}

// Names tells whether c is the certificate that is referred to.
func (r Reference) Names(c *pki.Certificate) bool {
	if subtle.ConstantTimeCompare(r.sum(c), r.value) != 1 {
		return false
	}
	if !r.named {
		return true
	}
	if !bytes.Equal(r.serial, c.RawSerial) {
		return false
	}
	if bytes.Equal(r.issuer, c.RawIssuer) {
		return true
	}
	n, err := pki.ParseName(r.issuer)
	return err == nil && n.Same(c.Issuer)
}

// Read gives the first certificate reference of an encoded signing-certificate or
// signing-certificate-v2, of which the latter goes before the former; the other
// references, of the chain, are not used. An error wraps algorithm.ErrWeak or
// algorithm.ErrUnknown where the digest is at fault.
func Read(v1, v2 []byte) (Reference, error) {
	var ref Reference
	value := v2
	if value == nil {
		value = v1
	}
	r, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return ref, err
	}
	list, err := r.Sequence()
	if err != nil {
		return ref, err
	}
	id, err := list.Sequence()
	if err != nil {
		return ref, err
	}
	if v2 != nil {
		digest := algorithm.Identifier{OID: algorithm.SHA256}
		if id.Peek(der.Universal, der.TagSequence) {
			if digest, err = algorithm.ReadIdentifier(id); err != nil {
				return ref, err
			}
		}
		d, err := algorithm.FindDigest(digest)
		if err != nil {
			return ref, err
		}
		ref.sum = func(c *pki.Certificate) []byte {
			h := d.New(c.PublicKey)
			h.Write(c.Raw)
			return h.Sum(nil)
		}
	} else {
		ref.sum = func(c *pki.Certificate) []byte {
			s := sha1.Sum(c.Raw)
			return s[:]
		}
	}
	if ref.value, err = id.OctetString(); err != nil {
		return ref, err
	}
	if !id.Empty() {
		is, err := id.Sequence()
		if err != nil {
			return ref, err
		}
		names, err := is.Sequence()
		if err != nil {
			return ref, err
		}
		directory, err := names.Explicit(4)
		if err != nil {
			return ref, err
		}
		name, err := directory.Expect(der.Universal, der.TagSequence)
		if err != nil {
			return ref, err
		}
		serial, err := is.Expect(der.Universal, der.TagInteger)
		if err != nil {
			return ref, err
		}
		ref.issuer, ref.serial, ref.named = name.Raw, serial.Content, true
		for _, x := range []*der.Reader{names, directory, is} {
			if err := x.End(); err != nil {
				return ref, err
			}
		}
	}
	return ref, id.End()
}
