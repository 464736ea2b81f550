package xmldsig

import (
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// Algorithms by their URI: XML-DSig 1.1, RFC 4051 and RFC 9231. Those of DSTU have
// no URI in a text that was at hand; RFC 3061 makes one of every object identifier.
const (
	excC14N         = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped       = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	xmlenc          = "http://www.w3.org/2001/04/xmlenc#"
	xmldsigMore     = "http://www.w3.org/2001/04/xmldsig-more#"
	xmldsigMore2007 = "http://www.w3.org/2007/05/xmldsig-more#"
	oidScheme       = "urn:oid:"
)

var digestURIs = map[string]der.OID{
	xmlenc + "sha256":      algorithm.SHA256,
	xmldsigMore + "sha384": algorithm.SHA384,
	xmlenc + "sha512":      algorithm.SHA512,
}

func findDigest(uri string) (*algorithm.Digest, error) {
	oid, ok := digestURIs[uri]
	if s, is := strings.CutPrefix(uri, oidScheme); !ok && is {
		oid, ok = der.OID(s), true
	}
	if d := algorithm.DigestByOID(oid); ok && d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("digest method %q: %w", uri, algorithm.ErrUnknown)
}

// method is how a signature value is verified.
type method struct {
	id     algorithm.Identifier
	digest *algorithm.Digest
	// plain tells that the value is r and s side by side (RFC 4050), not DER.
	plain bool
}

var methodURIs = map[string]struct {
	signature, digest der.OID
}{
	xmldsigMore + "rsa-sha256":                          {algorithm.SHA256WithRSA, algorithm.SHA256},
	xmldsigMore + "rsa-sha384":                          {algorithm.SHA384WithRSA, algorithm.SHA384},
	xmldsigMore + "rsa-sha512":                          {algorithm.SHA512WithRSA, algorithm.SHA512},
	xmldsigMore2007 + "sha256-rsa-MGF1":                 {algorithm.RSAPSS, algorithm.SHA256},
	xmldsigMore2007 + "sha384-rsa-MGF1":                 {algorithm.RSAPSS, algorithm.SHA384},
	xmldsigMore2007 + "sha512-rsa-MGF1":                 {algorithm.RSAPSS, algorithm.SHA512},
	xmldsigMore + "ecdsa-sha256":                        {algorithm.ECDSAWithSHA256, algorithm.SHA256},
	xmldsigMore + "ecdsa-sha384":                        {algorithm.ECDSAWithSHA384, algorithm.SHA384},
	xmldsigMore + "ecdsa-sha512":                        {algorithm.ECDSAWithSHA512, algorithm.SHA512},
	oidScheme + string(algorithm.DSTU4145):              {algorithm.DSTU4145, algorithm.GOST34311},
	oidScheme + string(algorithm.DSTU4145WithKupyna256): {algorithm.DSTU4145WithKupyna256, algorithm.Kupyna256},
	oidScheme + string(algorithm.DSTU4145WithKupyna384): {algorithm.DSTU4145WithKupyna384, algorithm.Kupyna384},
	oidScheme + string(algorithm.DSTU4145WithKupyna512): {algorithm.DSTU4145WithKupyna512, algorithm.Kupyna512},
}

func findMethod(uri string) (method, error) {
	row, ok := methodURIs[uri]
	if !ok {
		return method{}, fmt.Errorf("signature method %q: %w", uri, algorithm.ErrUnknown)
	}
	m := method{id: algorithm.Identifier{OID: row.signature}, digest: algorithm.DigestByOID(row.digest)}
	switch row.signature {
	case algorithm.RSAPSS:
		m.id.Params = pssParams(m.digest)
	case algorithm.ECDSAWithSHA256, algorithm.ECDSAWithSHA384, algorithm.ECDSAWithSHA512:
		m.plain = true
	}
	return m, nil
}

// pssParams: RFC 9231, 2.3.10: the digest in MGF1 too, and a salt as long as it.
func pssParams(d *algorithm.Digest) []byte {
	hash := der.Sequence(d.OID.Encode())
	const mgf1 der.OID = "1.2.840.113549.1.1.8"
	return der.Sequence(
		der.Explicit(0, hash),
		der.Explicit(1, der.Sequence(mgf1.Encode(), hash)),
		der.Explicit(2, der.Int(int64(d.Size))),
	)
}
