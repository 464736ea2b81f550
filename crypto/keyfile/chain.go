package keyfile

import (
	"bytes"
	"crypto"
	"slices"

	"github.com/brama-gateway/brama/crypto/pki"
)

// entries ties certificates to keys: by localKeyId, by the public key, by the key
// identifier; with one key alone, all are its. Those that stay over, and are no
// issuers, come last in an entry without a key.
func (b *bags) entries() []Entry {
	used := make([]bool, len(b.certs))
	parsed := make([]*pki.Certificate, len(b.certs))
	for i, c := range b.certs {
		parsed[i], _ = pki.ParseCertificate(c.der) // what cannot be read is handed on all the same
	}
	for k := range b.keys {
		e := &b.keys[k]
		own := slices.IndexFunc(parsed, func(c *pki.Certificate) bool { return c != nil && e.owns(c) })
		if own < 0 && b.ids[k] != nil && !b.shared(k) {
			own = slices.IndexFunc(b.certs, func(c certificate) bool { return bytes.Equal(c.id, b.ids[k]) })
		}
		if own < 0 {
			continue
		}
		used[own] = true
		e.Certificates = append(e.Certificates, b.certs[own].der)
		// Issuers, as long as there are any.
		for at := parsed[own]; at != nil && !at.SelfIssued() && len(e.Certificates) < len(b.certs); {
			up := slices.IndexFunc(parsed, func(c *pki.Certificate) bool {
				return c != nil && bytes.Equal(c.RawSubject, at.RawIssuer)
			})
			if up < 0 {
				break
			}
			used[up] = true
			e.Certificates = append(e.Certificates, b.certs[up].der)
			at = parsed[up]
		}
	}
	var rest [][]byte
	for i, c := range b.certs {
		if !used[i] {
			rest = append(rest, c.der)
		}
	}
	if rest == nil {
		return b.keys
	}
	if len(b.keys) == 1 && b.keys[0].Certificates == nil {
		b.keys[0].Certificates = rest
		return b.keys
	}
	return append(b.keys, Entry{Certificates: rest})
}

// shared tells that a localKeyId stands at more than one key, as it does where IIT
// keeps a second key within the first.
func (b *bags) shared(k int) bool {
	for i, id := range b.ids {
		if i != k && bytes.Equal(id, b.ids[k]) {
			return true
		}
	}
	return false
}

// owns tells that c is a certificate of the entry's key, as far as can be seen.
func (e *Entry) owns(c *pki.Certificate) bool {
	if e.Signer != nil {
		k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && k.Equal(e.Signer.Public())
	}
	return e.KeyID != nil && bytes.Equal(e.KeyID, c.SubjectKeyID)
}

// arrange puts the key's own certificate first and tells the use of the key by it.
func (e *Entry) arrange() {
	if len(e.Certificates) == 0 || e.DSTU == nil && e.Signer == nil {
		return
	}
	parsed := make([]*pki.Certificate, len(e.Certificates))
	for i, b := range e.Certificates {
		c, err := pki.ParseCertificate(b)
		if err != nil {
			return
		}
		parsed[i] = c
	}
	own := slices.IndexFunc(parsed, e.owns)
	if own < 0 {
		// The one that issued none of the others.
		own = slices.IndexFunc(parsed, func(c *pki.Certificate) bool {
			return !slices.ContainsFunc(parsed, func(o *pki.Certificate) bool {
				return o != c && bytes.Equal(o.RawIssuer, c.RawSubject)
			})
		})
	}
	if own < 0 {
		return
	}
	leaf := parsed[own]
	e.Certificates[0], e.Certificates[own] = e.Certificates[own], e.Certificates[0]
	parsed[0], parsed[own] = parsed[own], parsed[0]
	for i := 1; i < len(parsed); i++ {
		for j := i; j < len(parsed); j++ {
			if bytes.Equal(parsed[j].RawSubject, parsed[i-1].RawIssuer) {
				e.Certificates[i], e.Certificates[j] = e.Certificates[j], e.Certificates[i]
				parsed[i], parsed[j] = parsed[j], parsed[i]
				break
			}
		}
	}
	if e.Usage != UsageUnknown || !leaf.HasKeyUsage {
		return
	}
	switch {
	case leaf.KeyUsage&(pki.DigitalSignature|pki.NonRepudiation) != 0:
		e.Usage = UsageSignature
	case leaf.KeyUsage&pki.KeyAgreement != 0:
		e.Usage = UsageAgreement
	}
}
