// Package provider is the protocol by which another process signs and verifies in
// the gateway's place: a crypto server, or brama-signer with a PKCS #11 token
// (THREATS E05). JSON over HTTP/1.1 on a Unix socket; docs/provider.md describes
// it, docs/provider.openapi.yaml is the contract. Both sides are here: [Server]
// and [Client].
//
// A provider never signs raw bytes or a digest that somebody made (THREATS A02). It
// is given the whole set of signed attributes, or what it needs to build it, and
// signs only the one set that a CAdES-B signature with its own certificate has
// ([cades.ParseSignedAttributes]). The client in turn verifies every value with
// the certificate before it believes it.
//
// Requests are strict: unknown fields, trailing bytes, wrong types and sizes beyond
// the limits are refused. Errors are problem details (RFC 9457) with a message in
// Ukrainian and English.
package provider

import (
	"context"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
)

// Protocol is the version of the protocol.
const Protocol = "1"

// Key is what a provider signs with: a cades.Signer under a name. Its Key is given
// digests of attributes that have been looked through; one that is a
// cades.AttributeSigner gets the attributes.
type Key struct {
	ID string // 1 to 64 of A-Z a-z 0-9 . _ -
	cades.Signer
}

// Verifier judges containers. Its Trust is nil when the request brought none: then
// it believes whom it is configured to. An error is "could not", never a verdict.
type Verifier interface {
	Verify(ctx context.Context, in cades.Input, o cades.Options) (*cades.Report, error)
}

// Requests and answers of the protocol; they are the schemas of
// docs/provider.openapi.yaml. Bytes are base64 (RFC 4648, section 4).
type (
	// Health says how the provider is.
	Health struct {
		Protocol   string   `json:"protocol"`
		Operations []string `json:"operations"`       // of keys, sign, verify
		OK         bool     `json:"ok"`               // it can do them now
		Detail     string   `json:"detail,omitempty"` // why not
	}
	// KeyList is all keys of the provider.
	KeyList struct {
		Keys []KeyView `json:"keys"`
	}
	// KeyView is a key with its certificate.
	KeyView struct {
		ID          string   `json:"id"`
		Algorithm   string   `json:"algorithm"` // of its signatures, as ecdsa-with-SHA256
		Digest      string   `json:"digest"`    // that it signs with, as sha256
		Certificate []byte   `json:"certificate"`
		Chain       [][]byte `json:"chain"` // above the certificate
	}
	// SignRequest has either Attributes or Document.
	SignRequest struct {
		Digest     string           `json:"digest"`               // must be the key's
		Attributes []byte           `json:"attributes,omitempty"` // DER SET OF Attribute, as it is signed
		Document   *DocumentRequest `json:"document,omitempty"`
	}
	// DocumentRequest is what the provider builds the attributes of.
	DocumentRequest struct {
		MessageDigest []byte    `json:"messageDigest"`
		SigningTime   time.Time `json:"signingTime"` // whole seconds count
	}
	// SignResponse is a signature value and the attributes that it is over.
	SignResponse struct {
		Signature  []byte `json:"signature"`
		Attributes []byte `json:"attributes"`
	}
	// VerifyRequest is a container, and the document beside a detached one: whole,
	// or its digests by name.
	VerifyRequest struct {
		Name      string            `json:"name,omitempty"` // comes back as file of the report
		Container []byte            `json:"container"`
		Document  []byte            `json:"document,omitempty"`
		Digests   map[string][]byte `json:"digests,omitempty"` // as {"sha256": ...}
		At        time.Time         `json:"at"`
		Tolerate  []string          `json:"tolerate,omitempty"`
		Trust     *TrustMaterial    `json:"trust,omitempty"`   // absent: the provider's own
		Content   bool              `json:"content,omitempty"` // give the content of an attached container
	}
	// TrustMaterial is whom to believe, and what may serve as evidence, in DER.
	TrustMaterial struct {
		Anchors      [][]byte `json:"anchors"`
		Certificates [][]byte `json:"certificates,omitempty"`
		CRLs         [][]byte `json:"crls,omitempty"`
	}
	// VerifyResponse is the report, and of each of its signatures what the report
	// has only words for.
	VerifyResponse struct {
		Report       Report         `json:"report"`
		NotContainer bool           `json:"notContainer,omitempty"` // no CMS container at all
		Content      []byte         `json:"content,omitempty"`
		Signers      []SignerDetail `json:"signers"` // one for each signature, in their order
	}
	// SignerDetail is one signature's certificate, chain and evidence.
	SignerDetail struct {
		Certificate   []byte        `json:"certificate,omitempty"` // absent: not found
		Chain         [][]byte      `json:"chain,omitempty"`       // from the signer to the anchor
		MessageDigest []byte        `json:"messageDigest,omitempty"`
		Evidence      []EvidenceRow `json:"evidence,omitempty"`
	}
	// EvidenceRow names what says that nothing of the chain is revoked.
	EvidenceRow struct {
		Kind       string    `json:"kind"`
		SHA256     []byte    `json:"sha256"`
		ThisUpdate time.Time `json:"thisUpdate"`
		NextUpdate time.Time `json:"nextUpdate"`
	}
)

// Limits of a server. Zero fields take the defaults in brackets.
type Limits struct {
	Verify      int64         // bytes of a request to verify [96 MiB]
	Connections int           // open at once [64]
	Concurrent  int           // operations at once [4]
	Sign        time.Duration // longest signing [10 s]
	Judge       time.Duration // longest verification [1 min]
}

const (
	maxSign     = 64 << 10 // bytes of a request to sign
	maxName     = 255      // bytes of VerifyRequest.Name
	maxID       = 64
	maxMaterial = 10_000 // certificates or CRLs in a request
)

// validID says whether a key may be named so.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && id != "." && id != ".." &&
		strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}
