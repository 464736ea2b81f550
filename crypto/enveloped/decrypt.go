package enveloped

import (
	"errors"
	"fmt"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Opened is what was in an encrypted container.
type Opened struct {
	// Content is the plain content. What has the type id-signedData and stands
	// without its ContentInfo has got one.
	Content     []byte
	ContentType der.OID
	// Key is the index of the key that opened it.
	Key int
	// Authenticated tells that the content is what was encrypted. Without it only a
	// signature inside says so.
	Authenticated bool
	// Cipher is the content cipher by name: "aes-256-gcm", "gost28147-cfb".
	Cipher string
	// Originator is the sender's certificate in static key agreement: a name that
	// the container gives, no proof of who sent it.
	Originator *pki.Certificate
}

// Decrypt opens a container (DER or BER; armour is taken off before) with the
// first of its recipients that is one of keys. known are certificates among which
// a sender's is looked for, beside those of keys and those in the container.
//
// Errors wrap ErrNotEnveloped, ErrFormat, ErrLimit, ErrNotForUs, ErrOriginator,
// ErrUnsupported or ErrDamaged. Read the package comment before telling a sender
// more than that.
func Decrypt(container []byte, keys []Key, known ...*pki.Certificate) (Opened, error) {
	c, err := Parse(container)
	if err != nil {
		return Opened{}, err
	}
	return c.Open(keys, known...)
}

// Open opens a parsed container; see Decrypt.
func (c *Container) Open(keys []Key, known ...*pki.Certificate) (Opened, error) {
	kind, err := c.cipher()
	if err != nil {
		return Opened{}, err
	}
	r, which := c.find(keys)
	if r == nil {
		return Opened{}, ErrNotForUs
	}
	o := Opened{ContentType: c.ContentType, Key: which, Authenticated: kind.authenticated, Cipher: kind.name}
	from := func(n Name) *pki.Certificate {
		o.Originator = c.originator(n, keys, known)
		return o.Originator
	}
	key, err := keys[which].private.contentKey(r, kind.keySize, from)
	if err != nil {
		return Opened{}, quiet(err)
	}
	defer clear(key)
	if o.Content, err = kind.open(c, key); err != nil {
		return Opened{}, quiet(err)
	}
	if c.ContentType == cms.TypeSignedData {
		if t, _, err := cms.Head(o.Content); err != nil || t != cms.TypeSignedData {
			o.Content = der.Sequence(cms.TypeSignedData.Encode(), der.Explicit(0, o.Content))
		}
	}
	return o, nil
}

// quiet lets through only errors about what anybody can read in the container.
func quiet(err error) error {
	for _, public := range []error{ErrUnsupported, ErrLimit, ErrOriginator} {
		if errors.Is(err, public) {
			return err
		}
	}
	return ErrDamaged
}

// find gives the first recipient that is one of keys. Only this one is tried: the
// work for a container is one private operation.
func (c *Container) find(keys []Key) (*Recipient, int) {
	for i := range c.Recipients {
		r := &c.Recipients[i]
		if r.Sort == OtherSort {
			continue
		}
		for j, k := range keys {
			if k.private != nil && r.Name.Is(k.certificate) {
				return r, j
			}
		}
	}
	return nil, 0
}

func (c *Container) originator(n Name, keys []Key, known []*pki.Certificate) *pki.Certificate {
	for _, x := range known {
		if x != nil && n.Is(x) {
			return x
		}
	}
	for _, k := range keys {
		if k.certificate != nil && n.Is(k.certificate) {
			return k.certificate
		}
	}
	for _, raw := range c.Originators {
		if x, err := pki.ParseCertificate(raw); err == nil && n.Is(x) {
			return x
		}
	}
	return nil
}

// For tells whether a container names the certificate as a recipient.
func (c *Container) For(certificate *pki.Certificate) bool {
	for _, r := range c.Recipients {
		if r.Sort != OtherSort && r.Name.Is(certificate) {
			return true
		}
	}
	return false
}

// String describes a container for the operator: its cipher and how many
// recipients it has.
func (c *Container) String() string {
	name := string(c.Cipher.OID)
	if k, ok := contentCiphers[c.Cipher.OID]; ok {
		name = k.name
	}
	return fmt.Sprintf("%s, %d recipients", name, len(c.Recipients))
}
