package enveloped

import (
	"bytes"
	"fmt"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Container is a parsed encrypted container. Its parts alias the input.
type Container struct {
	// Authenticated tells AuthEnvelopedData.
	Authenticated bool
	Version       int
	// Originators are certificates that the sender put beside, DER.
	Originators [][]byte
	Recipients  []Recipient
	// ContentType is that of the plain content; Cipher its encryption.
	ContentType der.OID
	Cipher      algorithm.Identifier
	// Encrypted is the encrypted content, joined if it came in pieces.
	Encrypted []byte
	// MAC is the tag of AuthEnvelopedData; authAttrs the attributes it covers
	// besides, as a SET OF, or nil.
	MAC       []byte
	authAttrs []byte
}

// Sort is how a recipient comes to the content key.
type Sort uint8

// The sorts.
const (
	OtherSort    Sort = iota // key encryption keys, passwords: not opened
	KeyTransport             // KeyTransRecipientInfo, RFC 5652, 6.2.1
	KeyAgreement             // KeyAgreeRecipientInfo, RFC 5652, 6.2.2
)

// Name is how a container names a certificate: by issuer and serial number or by
// subject key identifier.
type Name struct {
	Issuer, Serial []byte // an encoded name; a serial's contents octets
	KeyID          []byte
}

// Is tells whether n names c.
func (n Name) Is(c *pki.Certificate) bool {
	if n.Issuer != nil {
		return bytes.Equal(n.Serial, c.RawSerial) && bytes.Equal(n.Issuer, c.RawIssuer)
	}
	return len(n.KeyID) > 0 && bytes.Equal(n.KeyID, c.SubjectKeyID)
}

// Recipient is one encrypted key.
type Recipient struct {
	Sort Sort
	Name Name
	// Algorithm is keyEncryptionAlgorithm.
	Algorithm    algorithm.Identifier
	EncryptedKey []byte
	// Of key agreement: the sender's certificate (static) or public key
	// (ephemeral), and the user keying material, nil when absent.
	Originator   Name
	OriginatorID algorithm.Identifier
	OriginatorPK []byte // the BIT STRING's octets; nil when static
	UKM          []byte
}

// Parse reads a ContentInfo with EnvelopedData or AuthEnvelopedData. The outer
// layers and the content may be BER, recipients and algorithms must be DER,
// nothing may follow. Errors wrap ErrNotEnveloped, ErrLimit or ErrFormat.
func Parse(data []byte) (*Container, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("container of %d octets: %w", len(data), ErrLimit)
	}
	kind, _, err := cms.Head(data)
	if err != nil || kind != cms.TypeEnveloped && kind != cms.TypeAuthEnveloped {
		return nil, ErrNotEnveloped
	}
	c := &Container{Authenticated: kind == cms.TypeAuthEnveloped}
	if err := c.parse(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return c, nil
}

func (c *Container) parse(data []byte) error {
	if err := der.CheckDepth(data); err != nil {
		return err
	}
	r := der.NewReader(data, der.BER)
	info, err := r.Sequence()
	if err != nil {
		return err
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("after the container: %w", err)
	}
	if _, err := info.OID(); err != nil {
		return err
	}
	x, err := info.Explicit(0)
	if err != nil {
		return err
	}
	if err := info.End(); err != nil {
		return err
	}
	body, err := x.Sequence()
	if err != nil {
		return err
	}
	if err := x.End(); err != nil {
		return err
	}
	return c.parseBody(body)
}

func (c *Container) parseBody(r *der.Reader) error {
	var err error
	if c.Version, err = r.Int(4); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if r.Peek(der.Context, 0) {
		if err := c.parseOriginator(r); err != nil {
			return fmt.Errorf("originator: %w", err)
		}
	}
	set, err := r.Set()
	if err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	for !set.Empty() {
		e, err := set.Next()
		if err == nil {
			err = c.parseRecipient(e)
		}
		if err != nil {
			return fmt.Errorf("recipients: %w", err)
		}
	}
	if len(c.Recipients) == 0 {
		return fmt.Errorf("recipients: none")
	}
	if err := c.parseContent(r); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if c.Authenticated {
		return c.parseTag(r)
	}
	if _, _, err := r.Optional(der.Context, 1); err != nil {
		return fmt.Errorf("unprotected attributes: %w", err)
	}
	return r.End()
}

// parseOriginator reads OriginatorInfo for its certificates.
func (c *Container) parseOriginator(r *der.Reader) error {
	in, err := r.Explicit(0)
	if err != nil {
		return err
	}
	if in.Peek(der.Context, 0) {
		certificates, err := in.Explicit(0)
		if err != nil {
			return err
		}
		for !certificates.Empty() {
			if len(c.Originators) == maxCertificates {
				return ErrLimit
			}
			e, err := certificates.Next()
			if err != nil {
				return err
			}
			if e.Is(der.Universal, der.TagSequence) {
				c.Originators = append(c.Originators, e.Raw)
			}
		}
	}
	if _, _, err := in.Optional(der.Context, 1); err != nil {
		return err
	}
	return in.End()
}

func (c *Container) add(r Recipient) error {
	if len(c.Recipients) == MaxRecipients {
		return ErrLimit
	}
	if len(r.EncryptedKey) > maxKeyMaterial || len(r.UKM) > maxKeyMaterial || len(r.OriginatorPK) > maxKeyMaterial {
		return ErrLimit
	}
	c.Recipients = append(c.Recipients, r)
	return nil
}

func (c *Container) parseRecipient(e der.Element) error {
	transport, agreement := e.Is(der.Universal, der.TagSequence), e.Is(der.Context, 1)
	if !transport && !agreement {
		if e.Class != der.Context || e.Tag < 2 || e.Tag > 4 || !e.Constructed {
			return fmt.Errorf("byte %d: a value of another type was expected", e.Offset)
		}
		return c.add(Recipient{})
	}
	if err := der.CheckDER(e.Raw); err != nil {
		return err
	}
	if !e.Constructed {
		return fmt.Errorf("byte %d: primitive", e.Offset)
	}
	r := der.NewReader(e.Content, der.DER)
	version, err := r.Int(4)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if transport {
		return c.parseTransport(r)
	}
	if version != 3 {
		return fmt.Errorf("version %d of key agreement", version)
	}
	return c.parseAgreement(r)
}

func (c *Container) parseTransport(r *der.Reader) error {
	x := Recipient{Sort: KeyTransport}
	var err error
	if key, ok, err := r.Optional(der.Context, 0); err != nil {
		return err
	} else if ok {
		if key.Constructed {
			return fmt.Errorf("byte %d: key identifier of another form", key.Offset)
		}
		x.Name.KeyID = key.Content
	} else if x.Name, err = readName(r); err != nil {
		return err
	}
	if x.Algorithm, err = algorithm.ReadIdentifier(r); err != nil {
		return err
	}
	if x.EncryptedKey, err = r.OctetString(); err != nil {
		return err
	}
	if err := r.End(); err != nil {
		return err
	}
	return c.add(x)
}

func readName(r *der.Reader) (Name, error) {
	in, err := r.Sequence()
	if err != nil {
		return Name{}, err
	}
	issuer, err := in.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return Name{}, err
	}
	serial, err := in.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return Name{}, err
	}
	return Name{Issuer: issuer.Raw, Serial: serial.Content}, in.End()
}

func (c *Container) parseAgreement(r *der.Reader) error {
	common := Recipient{Sort: KeyAgreement}
	from, err := r.Explicit(0)
	if err != nil {
		return err
	}
	if err := common.parseOriginator(from); err != nil {
		return fmt.Errorf("originator: %w", err)
	}
	if r.Peek(der.Context, 1) {
		x, err := r.Explicit(1)
		if err != nil {
			return err
		}
		if common.UKM, err = x.OctetString(); err != nil {
			return err
		}
		if err := x.End(); err != nil {
			return err
		}
	}
	if common.Algorithm, err = algorithm.ReadIdentifier(r); err != nil {
		return err
	}
	keys, err := r.Sequence()
	if err != nil {
		return err
	}
	if keys.Empty() {
		return fmt.Errorf("key agreement with nobody")
	}
	for !keys.Empty() {
		x := common
		in, err := keys.Sequence()
		if err != nil {
			return err
		}
		if in.Peek(der.Context, 0) {
			id, err := in.Explicit(0)
			if err != nil {
				return err
			}
			if x.Name.KeyID, err = id.OctetString(); err != nil {
				return err
			}
			// The date and other information there choose no other key.
		} else if x.Name, err = readName(in); err != nil {
			return err
		}
		if x.EncryptedKey, err = in.OctetString(); err != nil {
			return err
		}
		if err := in.End(); err != nil {
			return err
		}
		if err := c.add(x); err != nil {
			return err
		}
	}
	return r.End()
}

// parseOriginator reads OriginatorIdentifierOrKey.
func (x *Recipient) parseOriginator(r *der.Reader) error {
	var err error
	switch {
	case r.Peek(der.Context, 0):
		e, err := r.Expect(der.Context, 0)
		if err != nil {
			return err
		}
		if e.Constructed {
			return fmt.Errorf("byte %d: key identifier of another form", e.Offset)
		}
		x.Originator.KeyID = e.Content
	case r.Peek(der.Context, 1):
		key, err := r.Explicit(1)
		if err != nil {
			return err
		}
		if x.OriginatorID, err = algorithm.ReadIdentifier(key); err != nil {
			return err
		}
		bits, unused, err := key.BitString()
		if err != nil {
			return err
		}
		if unused != 0 || len(bits) == 0 {
			return fmt.Errorf("public key is not whole octets")
		}
		x.OriginatorPK = bits
		if err := key.End(); err != nil {
			return err
		}
	default:
		if x.Originator, err = readName(r); err != nil {
			return err
		}
	}
	return r.End()
}

func (c *Container) parseContent(r *der.Reader) error {
	in, err := r.Sequence()
	if err != nil {
		return err
	}
	if c.ContentType, err = in.OID(); err != nil {
		return err
	}
	if c.Cipher, err = algorithm.ReadIdentifier(in); err != nil {
		return err
	}
	if err := der.CheckDER(c.Cipher.Raw); err != nil {
		return err
	}
	e, err := in.Expect(der.Context, 0)
	if err != nil {
		return err // a content that lies elsewhere is not taken
	}
	if c.Encrypted, err = in.Octets(e); err != nil {
		return err
	}
	return in.End()
}

// parseTag reads what AuthEnvelopedData has after the content.
func (c *Container) parseTag(r *der.Reader) error {
	attrs, ok, err := r.Optional(der.Context, 1)
	if err != nil {
		return fmt.Errorf("attributes: %w", err)
	}
	if ok {
		if err := der.CheckDER(attrs.Raw); err != nil || !attrs.Constructed {
			return fmt.Errorf("attributes are not DER")
		}
		c.authAttrs = der.Value(0x31, attrs.Content)
	}
	if c.MAC, err = r.OctetString(); err != nil {
		return fmt.Errorf("tag: %w", err)
	}
	if _, _, err := r.Optional(der.Context, 2); err != nil {
		return fmt.Errorf("attributes: %w", err)
	}
	return r.End()
}
