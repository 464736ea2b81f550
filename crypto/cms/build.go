package cms

import (
	"bytes"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
)

// NewAttribute encodes an attribute with one value.
func NewAttribute(oid der.OID, value []byte) []byte {
	return der.Sequence(oid.Encode(), der.SetOf(value))
}

// SignerParts are what a SignerInfo is built of, each encoded.
type SignerParts struct {
	Issuer, Serial     []byte // an encoded name; a serial's contents octets
	DigestAlgorithm    []byte
	SignedAttrs        [][]byte
	SignatureAlgorithm []byte
	Signature          []byte
}

// Encode gives the SignerInfo, version 1.
func (p SignerParts) Encode() []byte {
	attrs := der.SetOf(p.SignedAttrs...)
	attrs[0] = 0xa0
	return der.Sequence(
		der.Int(1),
		der.Sequence(p.Issuer, der.Value(der.TagInteger, p.Serial)),
		p.DigestAlgorithm,
		attrs,
		p.SignatureAlgorithm,
		der.OctetString(p.Signature),
	)
}

// Build encodes a ContentInfo with SignedData over id-data. A nil content gives
// a detached container. Repeated digest algorithms and certificates are written
// once.
func Build(content []byte, digestAlgorithms, certificates, signers [][]byte) []byte {
	return build(1, Data, content, digestAlgorithms, certificates, signers)
}

// BuildToken encodes a time-stamp token over an encoded TSTInfo (RFC 3161, 2.4.2).
func BuildToken(content []byte, digestAlgorithms, certificates, signers [][]byte) []byte {
	return build(3, TypeTSTInfo, content, digestAlgorithms, certificates, signers)
}

func build(version int64, kind der.OID, content []byte, digestAlgorithms, certificates, signers [][]byte) []byte {
	encap := [][]byte{kind.Encode()}
	if content != nil {
		encap = append(encap, der.Explicit(0, der.OctetString(content)))
	}
	var bag []byte
	if len(certificates) > 0 {
		bag = der.SetOf(once(certificates)...)
		bag[0] = 0xa0
	}
	return der.Sequence(TypeSignedData.Encode(), der.Explicit(0, der.Sequence(
		der.Int(version),
		der.SetOf(once(digestAlgorithms)...),
		der.Sequence(encap...),
		bag,
		der.SetOf(signers...),
	)))
}

func once(list [][]byte) [][]byte {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, bytes.Compare)
	return slices.CompactFunc(sorted, bytes.Equal)
}
