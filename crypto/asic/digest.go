package asic

import (
	"fmt"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// Names of digests in XML. SHA-2 are those of XML Encryption and RFC 9231, 2.1. The
// digests of Ukrainian standards are registered nowhere: these are the spellings of
// Ukrainian implementations, and object identifiers as URNs (RFC 3061).
const (
	xmlenc     = "http://www.w3.org/2001/04/xmlenc#"
	xmldsigSHA = "http://www.w3.org/2000/09/xmldsig#"
	more       = "http://www.w3.org/2001/04/xmldsig-more#"
	urn        = "urn:oid:"
)

var digestNames = map[string]der.OID{
	xmlenc + "sha256": algorithm.SHA256,
	more + "sha384":   algorithm.SHA384,
	xmlenc + "sha512": algorithm.SHA512,

	more + "gost34311":                algorithm.GOST34311,
	xmlenc + "gost34311":              algorithm.GOST34311,
	urn + string(algorithm.GOST34311): algorithm.GOST34311,
	more + "dstu7564-256":             algorithm.Kupyna256,
	xmlenc + "dstu7564-256":           algorithm.Kupyna256,
	more + "kupyna256":                algorithm.Kupyna256,
	xmlenc + "kupyna256":              algorithm.Kupyna256,
	urn + string(algorithm.Kupyna256): algorithm.Kupyna256,
	more + "dstu7564-512":             algorithm.Kupyna512,
	xmlenc + "dstu7564-512":           algorithm.Kupyna512,
	urn + string(algorithm.Kupyna512): algorithm.Kupyna512,
}

// weakDigests are named, and refused.
var weakDigests = map[string]string{
	xmldsigSHA + "sha1":  "sha1",
	more + "md5":         "md5",
	more + "sha224":      "sha224",
	xmlenc + "ripemd160": "ripemd160",
}

// findDigest gives the digest that a manifest names.
func findDigest(uri string) (*algorithm.Digest, error) {
	if oid, ok := digestNames[uri]; ok {
		if d := algorithm.DigestByOID(oid); d != nil {
			return d, nil
		}
	}
	if name, ok := weakDigests[uri]; ok {
		return nil, fmt.Errorf("digest %s: %w", name, algorithm.ErrWeak)
	}
	return nil, fmt.Errorf("digest of a manifest: %w", algorithm.ErrUnknown)
}
