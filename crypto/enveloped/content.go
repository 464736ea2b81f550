package enveloped

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
)

// Object identifiers of content ciphers (RFC 3565, RFC 5084, z1398-12).
const (
	aes128CBC der.OID = "2.16.840.1.101.3.4.1.2"
	aes192CBC der.OID = "2.16.840.1.101.3.4.1.22"
	aes256CBC der.OID = "2.16.840.1.101.3.4.1.42"
	aes128GCM der.OID = "2.16.840.1.101.3.4.1.6"
	aes192GCM der.OID = "2.16.840.1.101.3.4.1.26"
	aes256GCM der.OID = "2.16.840.1.101.3.4.1.46"
	gostCFB   der.OID = "1.2.804.2.1.1.1.1.1.1.3"
)

type contentCipher struct {
	name          string
	keySize       int
	authenticated bool
	open          func(c *Container, key []byte) ([]byte, error)
}

var contentCiphers = map[der.OID]contentCipher{
	aes128CBC: {"aes-128-cbc", 16, false, openCBC},
	aes192CBC: {"aes-192-cbc", 24, false, openCBC},
	aes256CBC: {"aes-256-cbc", 32, false, openCBC},
	aes128GCM: {"aes-128-gcm", 16, true, openGCM},
	aes192GCM: {"aes-192-gcm", 24, true, openGCM},
	aes256GCM: {"aes-256-gcm", 32, true, openGCM},
	gostCFB:   {"gost28147-cfb", gost28147.KeySize, false, openGOST},
}

// cipher finds the content cipher and judges its parameters, all of which are
// public: what is wrong with them may be told before any key is used.
func (c *Container) cipher() (contentCipher, error) {
	k, ok := contentCiphers[c.Cipher.OID]
	if !ok || k.authenticated != c.Authenticated {
		return k, fmt.Errorf("content cipher %s: %w", c.Cipher.OID, ErrUnsupported)
	}
	var err error
	switch c.Cipher.OID {
	case gostCFB:
		_, _, err = c.gostParams()
	case aes128GCM, aes192GCM, aes256GCM:
		_, _, err = c.gcmParams()
	default:
		if _, err = c.cbcIV(); err == nil && (len(c.Encrypted) == 0 || len(c.Encrypted)%aes.BlockSize != 0) {
			err = fmt.Errorf("content of %d octets: %w", len(c.Encrypted), ErrDamaged)
		}
	}
	return k, err
}

func (c *Container) params(what string) error {
	return fmt.Errorf("parameters of %s: %w", what, ErrUnsupported)
}

func (c *Container) cbcIV() ([]byte, error) {
	r := der.NewReader(c.Cipher.Params, der.DER)
	iv, err := r.OctetString()
	if err != nil || len(iv) != aes.BlockSize || !r.Empty() {
		return nil, c.params("CBC")
	}
	return iv, nil
}

// openCBC takes the padding off (RFC 5652, 6.3) only where it is right and gives
// no error where it is not; see the package comment.
func openCBC(c *Container, key []byte) ([]byte, error) {
	iv, err := c.cbcIV()
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, ErrDamaged
	}
	out := make([]byte, len(c.Encrypted))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, c.Encrypted)
	n := int(out[len(out)-1])
	right := n >= 1 && n <= aes.BlockSize
	if right {
		for _, p := range out[len(out)-n:] {
			right = right && int(p) == n
		}
	}
	if right {
		out = out[:len(out)-n]
	}
	return out, nil
}

const (
	gcmNonce = 12
	gcmTag   = 16
)

// gcmParams reads GCMParameters, RFC 5084, 3.2.
func (c *Container) gcmParams() (nonce []byte, tag int, err error) {
	r, err := der.NewReader(c.Cipher.Params, der.DER).Sequence()
	if err != nil {
		return nil, 0, c.params("GCM")
	}
	if nonce, err = r.OctetString(); err != nil || len(nonce) != gcmNonce {
		return nil, 0, c.params("GCM")
	}
	tag = 12
	if !r.Empty() {
		if tag, err = r.Int(gcmTag); err != nil || tag < 12 || !r.Empty() {
			return nil, 0, c.params("GCM")
		}
	}
	return nonce, tag, nil
}

func openGCM(c *Container, key []byte) ([]byte, error) {
	nonce, tag, err := c.gcmParams()
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(key)
	if err != nil || tag != len(c.MAC) {
		return nil, ErrDamaged
	}
	aead, err := cipher.NewGCMWithTagSize(b, tag)
	if err != nil {
		return nil, ErrDamaged
	}
	joined := make([]byte, 0, len(c.Encrypted)+tag)
	joined = append(append(joined, c.Encrypted...), c.MAC...)
	out, err := aead.Open(joined[:0], nonce, joined, c.authAttrs)
	if err != nil {
		return nil, ErrDamaged
	}
	return out, nil
}

// sealGCM encrypts under AES-256-GCM.
func sealGCM(rand io.Reader, key, content []byte) (algorithm, encrypted, tag []byte, err error) {
	nonce := make([]byte, gcmNonce)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, nil, nil, fmt.Errorf("randomness: %w", err)
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, nil, err
	}
	aead, err := cipher.NewGCM(b)
	if err != nil {
		return nil, nil, nil, err
	}
	out := aead.Seal(nil, nonce, content, nil)
	algorithm = der.Sequence(aes256GCM.Encode(), der.Sequence(der.OctetString(nonce), der.Int(gcmTag)))
	return algorithm, out[:len(content)], out[len(content):], nil
}

// gostParams reads the start vector and the substitution block of GOST 28147 CFB
// (z1398-12); without a block it is DKE No 1.
func (c *Container) gostParams() (iv []byte, box *gost28147.SBox, err error) {
	r, err := der.NewReader(c.Cipher.Params, der.DER).Sequence()
	if err != nil {
		return nil, nil, c.params("GOST 28147")
	}
	iv, err = r.OctetString()
	// One library (jkurwa) writes a start vector of 32 octets and uses the first 8.
	if err != nil || len(iv) != gost28147.BlockSize && len(iv) != 32 {
		return nil, nil, c.params("GOST 28147")
	}
	box = gost28147.DKE1
	if !r.Empty() {
		packed, err := r.OctetString()
		if err != nil || !r.Empty() {
			return nil, nil, c.params("GOST 28147")
		}
		if box, err = gost28147.NewSBox(packed); err != nil {
			return nil, nil, c.params("GOST 28147")
		}
	}
	return iv[:gost28147.BlockSize], box, nil
}

func openGOST(c *Container, key []byte) ([]byte, error) {
	iv, box, err := c.gostParams()
	if err != nil {
		return nil, err
	}
	g, err := gost28147.NewCipher(key, box)
	if err != nil {
		return nil, ErrDamaged
	}
	defer g.Wipe()
	stream, err := g.NewCFBDecrypter(iv)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(c.Encrypted))
	stream.XORKeyStream(out, c.Encrypted)
	return out, nil
}

// sealGOST encrypts under GOST 28147 CFB with DKE No 1.
func sealGOST(rand io.Reader, key, content []byte) (algorithm, encrypted []byte, err error) {
	iv := make([]byte, gost28147.BlockSize)
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, nil, fmt.Errorf("randomness: %w", err)
	}
	g, err := gost28147.NewCipher(key, gost28147.DKE1)
	if err != nil {
		return nil, nil, err
	}
	defer g.Wipe()
	stream, err := g.NewCFBEncrypter(iv)
	if err != nil {
		return nil, nil, err
	}
	encrypted = make([]byte, len(content))
	stream.XORKeyStream(encrypted, content)
	box := gost28147.DKE1.Packed()
	return der.Sequence(gostCFB.Encode(), der.Sequence(der.OctetString(iv), der.OctetString(box[:]))), encrypted, nil
}
