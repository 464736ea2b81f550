// Package cades validates and makes CAdES signatures (EN 319 122-1) over
// documents, and reports in the terms of EN 319 102-1.
//
// Validate answers with a Report and never with an error: whatever the bytes
// are, there is a verdict. The zero verdict is INDETERMINATE, which nobody may
// take for a yes. A signer who has expired or is revoked now passes only if
// time-stamps, or what the caller knows, prove that the signature existed before
// (EN 319 102-1, 5.6); signing-time is only a claim. Raising makes signatures fit
// for that: CAdES-T, LT, LTA.
//
// Where implementations differ the strict answer is the default; each softer
// one is a named Tolerance that the caller allows and the report names when it
// was needed.
//
// References: RFC 5652 (CMS), RFC 5035 (signing-certificate-v2), EN 319 122-1,
// EN 319 102-1, draft-ietf-lamps-cms-euf-cma-signeddata.
package cades

import (
	"fmt"
	"io"
	"time"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Indication is the main result of EN 319 102-1, 5.1.3. Its zero value proves
// nothing.
type Indication uint8

// The indications.
const (
	Indeterminate Indication = iota
	TotalFailed
	TotalPassed
)

// String spells the indication as the standard does.
func (i Indication) String() string {
	switch i {
	case TotalFailed:
		return "TOTAL-FAILED"
	case TotalPassed:
		return "TOTAL-PASSED"
	}
	return "INDETERMINATE"
}

// MarshalText gives String.
func (i Indication) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (i *Indication) UnmarshalText(text []byte) error {
	for _, v := range []Indication{Indeterminate, TotalFailed, TotalPassed} {
		if v.String() == string(text) {
			*i = v
			return nil
		}
	}
	return fmt.Errorf("indication %q is unknown", text)
}

// SubIndication is the reason, EN 319 102-1, table 6. Empty for TOTAL-PASSED.
type SubIndication string

// The sub-indications, spelled as in the standard.
const (
	FormatFailure                  SubIndication = "FORMAT_FAILURE"
	HashFailure                    SubIndication = "HASH_FAILURE"
	SigCryptoFailure               SubIndication = "SIG_CRYPTO_FAILURE"
	Revoked                        SubIndication = "REVOKED"
	Expired                        SubIndication = "EXPIRED"
	NotYetValid                    SubIndication = "NOT_YET_VALID"
	SigConstraintsFailure          SubIndication = "SIG_CONSTRAINTS_FAILURE"
	ChainConstraintsFailure        SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	CertificateChainGeneralFailure SubIndication = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
	CryptoConstraintsFailure       SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	CryptoConstraintsFailureNoPOE  SubIndication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
	PolicyProcessingError          SubIndication = "POLICY_PROCESSING_ERROR"
	SignaturePolicyNotAvailable    SubIndication = "SIGNATURE_POLICY_NOT_AVAILABLE"
	TimestampOrderFailure          SubIndication = "TIMESTAMP_ORDER_FAILURE"
	NoSigningCertificateFound      SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	NoCertificateChainFound        SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	RevokedNoPOE                   SubIndication = "REVOKED_NO_POE"
	RevokedCANoPOE                 SubIndication = "REVOKED_CA_NO_POE"
	OutOfBoundsNotRevoked          SubIndication = "OUT_OF_BOUNDS_NOT_REVOKED"
	OutOfBoundsNoPOE               SubIndication = "OUT_OF_BOUNDS_NO_POE"
	RevocationOutOfBoundsNoPOE     SubIndication = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
	NoPOE                          SubIndication = "NO_POE"
	TryLater                       SubIndication = "TRY_LATER"
	SignedDataNotFound             SubIndication = "SIGNED_DATA_NOT_FOUND"
)

// Input is what is to be validated.
type Input struct {
	// Container is CMS SignedData: DER, BER, PEM or base64.
	Container []byte
	// Detached is the signed document; nil when the content must be inside the
	// container. Both present is refused: there must be one source of content.
	Detached *io.SectionReader
	// Sums are digests of the document beside the container, by the digest's object
	// identifier, for who has not the document itself. They go instead of Detached;
	// a signature by a digest that is not among them, or whose digest depends on
	// the key, has SIGNED_DATA_NOT_FOUND.
	Sums map[der.OID][]byte
}

// beside tells that a document is given beside the container.
func (in Input) beside() bool { return in.Detached != nil || in.Sums != nil }

// Options are the conditions of a validation.
type Options struct {
	// At is the time for which the signature has to hold. Evidence issued after
	// it is not used: when a held document is judged again, it is judged at the
	// time of judging.
	At time.Time
	// Trust holds anchors, and certificates and CRLs to look through. Nil trusts
	// nothing.
	Trust *pki.Store
	// Tolerate names what is allowed beyond the strict rules.
	Tolerate Tolerances
	// Evidence answers about revocation beside the CRLs of Trust and those in
	// the container.
	Evidence []pki.Evidence
	// Past are the conditions under which proofs of existence make good what does not
	// hold any more.
	Past Past
	// Freshness bounds the age of revocation evidence.
	Freshness pki.Freshness
}

// Report is the verdict over all signatures of a container.
type Report struct {
	// Indication of the whole: TOTAL-PASSED only if there is a signature and
	// every one of them passed; TOTAL-FAILED wins over INDETERMINATE.
	Indication    Indication
	SubIndication SubIndication
	// Signatures in their order in the container; a SignerInfo that is there
	// twice is reported twice. Of a nested container the outer ones come first.
	Signatures []Signature
	// Content is the signed bytes of an attached container whatever the verdict;
	// nil when it is detached or unreadable.
	Content  []byte
	Attached bool
	// NotContainer tells that the bytes are no CMS container at all.
	NotContainer bool
	// Detail says in English what failed, without personal data.
	Detail string
}

// Signature is the verdict over one SignerInfo.
type Signature struct {
	// Signer is the signing certificate; nil if it was not found.
	Signer *pki.Certificate
	// SignerID is how the container names the certificate: issuer and serial
	// number, or a key identifier; fit to show.
	SignerID      string
	Indication    Indication
	SubIndication SubIndication
	// Detail says in English what failed, without personal data.
	Detail string
	// ClaimedTime is signing-time: a claim, zero when absent.
	ClaimedTime time.Time
	// Tolerances that were needed, in the order of their use.
	Tolerances []Tolerance
	// DigestAlgorithm ("sha256") and SignatureAlgorithm ("ecdsa-with-SHA256")
	// are names, or object identifiers of what is unknown.
	DigestAlgorithm, SignatureAlgorithm string
	// MessageDigest is what the signer says the content's digest is.
	MessageDigest []byte
	// Chain runs from the signer to the anchor.
	Chain []*pki.Certificate
	// Evidence is what says that no certificate of the chain is revoked.
	Evidence []EvidenceRef
	// RevokedAt is when the signer or an authority was revoked, else zero.
	RevokedAt time.Time
	// Missing are the certificates of which no fresh evidence said anything, of the
	// signer's path and of the paths of time-stamps that must hold: with evidence of them
	// the verdict may be another.
	Missing []pki.Missing
	// TimeStamps are what was found of the signature's time-stamps: the signed ones
	// first, each kind in its order.
	TimeStamps []TimeStamp
	// ProvedTime is the earliest time at which the signature is proved to have existed
	// (best-signature-time of EN 319 102-1); zero if nothing proves it before now.
	ProvedTime time.Time
	// Past tells that TOTAL-PASSED rests on ProvedTime: the signer's path does not hold
	// at the time of validation any more (EN 319 102-1, 5.6.2.4).
	Past bool
	// References are those to certificates and revocation answers; nil if there are none.
	References *References
}

// Kind of a time-stamp, named as its attribute.
type Kind string

// The kinds.
const (
	// ContentTimeStamp is signed, over the content: the signer asked for it before
	// signing (EN 319 122-1, 5.2.8).
	ContentTimeStamp Kind = "content-time-stamp"
	// SignatureTimeStamp is unsigned, over the signature value (EN 319 122-1, 5.3).
	SignatureTimeStamp Kind = "signature-time-stamp"
	// CAdESCTimeStamp is unsigned, over signature value, its time-stamp and the
	// references (EN 319 122-1, A.1.5.2).
	CAdESCTimeStamp Kind = "CAdES-C-time-stamp"
	// ReferencesTimeStamp is unsigned, over the references (EN 319 122-1, A.1.5.1).
	ReferencesTimeStamp Kind = "time-stamped-certs-crls-references"
	// ArchiveTimeStamp is unsigned, over all that is in the container (EN 319 122-1,
	// 5.5.3).
	ArchiveTimeStamp Kind = "archive-time-stamp-v3"
)

// Kinds are all kinds.
var Kinds = []Kind{ContentTimeStamp, SignatureTimeStamp, CAdESCTimeStamp, ReferencesTimeStamp, ArchiveTimeStamp}

// TimeStamp is the verdict over one time-stamp. One that is not Valid proves
// nothing.
type TimeStamp struct {
	Kind  Kind
	Valid bool
	// Time is what the token says; zero if it cannot be read. Proved only if Valid.
	Time time.Time
	// SubIndication and Detail, in English and without personal data, say why it is
	// not valid.
	SubIndication SubIndication
	Detail        string
	// Authority is the name in the authority's certificate, fit to show; empty if the
	// certificate was not found.
	Authority string
	// Rule is that of an ArchiveTimeStamp.
	Rule ArchiveRule
	// Past tells that it is valid because it is proved to have existed while its
	// authority's path held, which does not hold at the time of validation any more.
	Past bool
	// Chain runs from the authority to the anchor; Evidence is about its revocation.
	Chain    []*pki.Certificate
	Evidence []EvidenceRef
}

// EvidenceRef names a piece of evidence by kind, digest and dates.
type EvidenceRef = pki.EvidenceRef
