package cms

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
)

// Amendment is what is added to a container without touching what was signed.
type Amendment struct {
	// Certificates and CRLs are whole DER values; those that are there already are left
	// out.
	Certificates, CRLs [][]byte
	// OCSP are encoded OCSPResponses; they go into crls as RFC 5940 says.
	OCSP [][]byte
	// Unsigned are encoded attributes to add to those of the signer of that index.
	Unsigned map[int][][]byte
}

// Amend encodes the container again with more in it: what was signed, what was
// there unsigned, and its order are kept byte for byte. The container must come from
// Parse. An error wraps ErrLimit: Parse would refuse the outcome.
func (s *SignedData) Amend(a Amendment) ([]byte, error) {
	certificates := more(s.CertificateChoices, a.Certificates)
	var infos [][]byte
	for _, raw := range a.OCSP {
		other := der.Sequence(TypeOCSPResponse.Encode(), raw)
		other[0] = 0xa1
		infos = append(infos, other)
	}
	revocation := more(s.RevocationChoices, slices.Concat(a.CRLs, infos))
	if len(certificates) > MaxCertificates || len(revocation) > MaxCRLs {
		return nil, fmt.Errorf("certificates or CRLs: %w", ErrLimit)
	}
	var signers [][]byte
	for i := range s.Signers {
		si, err := s.Signers[i].amend(a.Unsigned[i])
		if err != nil {
			return nil, fmt.Errorf("signer %d: %w", i+1, err)
		}
		signers = append(signers, si)
	}
	return der.Sequence(TypeSignedData.Encode(), der.Explicit(0, der.Sequence(
		der.Int(int64(max(s.Version, s.needed(certificates, revocation)))),
		s.digests, s.encap,
		choices(0xa0, certificates), choices(0xa1, revocation),
		der.Value(0x31, signers...),
	))), nil
}

// more appends what is not there yet.
func more(have, add [][]byte) [][]byte {
	out := slices.Clip(have)
	for _, b := range add {
		if !slices.ContainsFunc(out, func(x []byte) bool { return bytes.Equal(x, b) }) {
			out = append(out, b)
		}
	}
	return out
}

// choices encodes a SET under an implicit tag, nothing where it is empty. Additions
// follow what was there: an archive-time-stamp may be over the old order.
func choices(tag byte, list [][]byte) []byte {
	if len(list) == 0 {
		return nil
	}
	return der.Value(tag, list...)
}

// needed is the version that the contents ask for, RFC 5652, 5.1.
func (s *SignedData) needed(certificates, revocation [][]byte) int {
	has := func(list [][]byte, tag byte) bool {
		return slices.ContainsFunc(list, func(b []byte) bool { return b[0] == tag })
	}
	switch {
	case has(certificates, 0xa3), has(revocation, 0xa1):
		return 5
	case has(certificates, 0xa2):
		return 4
	case has(certificates, 0xa1), s.ContentType != Data,
		slices.ContainsFunc(s.Signers, func(si SignerInfo) bool { return si.Version == 3 }):
		return 3
	}
	return 1
}

// amend encodes the SignerInfo with more unsigned attributes, after those it has.
func (s *SignerInfo) amend(add [][]byte) ([]byte, error) {
	if len(add) == 0 {
		return s.Raw, nil
	}
	attrs := make([][]byte, 0, len(s.UnsignedAttrs)+len(add))
	size := 0
	for _, a := range s.UnsignedAttrs {
		attrs = append(attrs, a.Raw)
	}
	sorted := der.SortedSet(attrs)
	attrs = append(attrs, add...)
	for _, a := range attrs {
		size += len(a)
	}
	if len(attrs) > MaxAttributes || size+8 > MaxUnsignedBytes {
		return nil, fmt.Errorf("unsigned attributes: %w", ErrLimit)
	}
	var set []byte
	if sorted {
		set = der.SetOf(attrs...)
	} else {
		set = der.Value(0x31, attrs...)
	}
	set[0] = 0xa1
	return der.Sequence(s.Fields, set), nil
}
