package cades

import (
	"fmt"
	"slices"
)

// Tolerance is a named departure from the strict rules.
type Tolerance string

// The tolerances.
const (
	// NoSigningCertificate: neither signing-certificate attribute is there.
	NoSigningCertificate Tolerance = "no-signing-certificate"
	// AttrsAsStored: signed attributes out of DER order, signed as they stand.
	AttrsAsStored Tolerance = "attrs-as-stored"
	// AttrsResorted: signed attributes out of DER order, signed in DER order.
	AttrsResorted Tolerance = "attrs-resorted"
	// BERSignerInfo: a SignerInfo in BER whose attributes re-encode to DER.
	BERSignerInfo Tolerance = "ber-signer-info"
	// NestedSignedData: SignedData within SignedData, one level; both are judged.
	NestedSignedData Tolerance = "nested-signed-data"
	// WrappedSignature: the signature value within a further OCTET STRING.
	WrappedSignature Tolerance = "wrapped-signature"
	// DigestAlgorithms: SignedData does not list the signer's digest algorithm.
	DigestAlgorithms Tolerance = "digest-algorithms"
	// DigitalSignatureOnly: a certificate with digitalSignature, without
	// nonRepudiation.
	DigitalSignatureOnly Tolerance = "digital-signature-only"
	// NoRevocation: no revocation evidence. For closed test networks only.
	NoRevocation Tolerance = "no-revocation"
	// TransportWrapper: the container within a transport wrapper (package
	// transport), whose one part it is.
	TransportWrapper Tolerance = "transport-wrapper"

	// LegacySBox: a key of the signer or of an authority names another
	// substitution block than DKE No 1.
	LegacySBox Tolerance = "legacy-sbox"
	// BigEndianSignature: the signature is under the big-endian identifier of
	// DSTU 4145, its value the usual one reversed.
	BigEndianSignature Tolerance = "big-endian-signature"

	// ASiCMimetype: the mimetype entry of an ASiC container is missing, not the first,
	// compressed, or ends in a new line (package asic).
	ASiCMimetype Tolerance = "asic-mimetype"
)

var tolerances = []Tolerance{
	NoSigningCertificate, AttrsAsStored, AttrsResorted, BERSignerInfo, NestedSignedData, WrappedSignature,
	DigestAlgorithms, DigitalSignatureOnly, NoRevocation, TransportWrapper, LegacySBox, BigEndianSignature,
	ASiCMimetype,
}

// Tolerances is a set; nil allows nothing.
type Tolerances map[Tolerance]bool

// ParseTolerances reads names; an unknown one is an error.
func ParseTolerances(names []string) (Tolerances, error) {
	set := make(Tolerances, len(names))
	for _, n := range names {
		if !slices.Contains(tolerances, Tolerance(n)) {
			return nil, fmt.Errorf("tolerance %q is unknown", n)
		}
		set[Tolerance(n)] = true
	}
	return set, nil
}
