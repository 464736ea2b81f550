package provider

import (
	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Operations lists the routes for the test that holds them to the OpenAPI file.
func Operations() (out []string) {
	for _, r := range routes {
		out = append(out, r.method+" "+r.path)
	}
	return out
}

// DigestOf is what a certificate's key signs with.
func DigestOf(c *pki.Certificate) *algorithm.Digest {
	d, _, _ := algorithm.SigningIdentifier(c.PublicKey)
	return d
}
