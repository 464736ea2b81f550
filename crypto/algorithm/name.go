package algorithm

import (
	"crypto"

	"github.com/brama-gateway/brama/crypto/der"
)

// DigestByName gives a digest that may be relied on by its Name, or nil.
func DigestByName(name string) *Digest {
	for _, d := range digests {
		if d.Name == name && !d.Weak {
			return d
		}
	}
	return nil
}

// SigningIdentifier gives the digest and the signature algorithm of ForSigning,
// the latter parsed, for who verifies what was signed.
func SigningIdentifier(key crypto.PublicKey) (*Digest, Identifier, error) {
	d, raw, err := ForSigning(key)
	if err != nil {
		return nil, Identifier{}, err
	}
	id, err := ReadIdentifier(der.NewReader(raw, der.DER))
	return d, id, err
}
