package enveloped

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
)

const (
	rsaesOAEP der.OID = "1.2.840.113549.1.1.7"
	mgf1      der.OID = "1.2.840.113549.1.1.8"
	pSpecial  der.OID = "1.2.840.113549.1.1.9"
)

// rsaKey opens key transport.
type rsaKey struct{ private crypto.Decrypter }

func newRSA(c *pki.Certificate, private crypto.Decrypter) (opener, error) {
	public, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || !public.Equal(private.Public()) {
		return nil, fmt.Errorf("RSA key: %w", ErrKey)
	}
	return rsaKey{private}, nil
}

func (k rsaKey) contentKey(r *Recipient, size int, _ func(Name) *pki.Certificate) ([]byte, error) {
	if r.Sort != KeyTransport {
		return nil, fmt.Errorf("RSA key in key agreement: %w", ErrUnsupported)
	}
	var options *rsa.OAEPOptions
	switch r.Algorithm.OID {
	case algorithm.RSAEncryption:
		private, inMemory := k.private.(*rsa.PrivateKey)
		if !inMemory {
			return nil, fmt.Errorf("PKCS #1 v1.5 with a key elsewhere: %w", ErrUnsupported)
		}
		return openV15(private, r.EncryptedKey, size)
	case rsaesOAEP:
		var err error
		if options, err = readOAEP(r.Algorithm.Params); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("key transport %s: %w", r.Algorithm.OID, ErrUnsupported)
	}
	key, err := k.private.Decrypt(nil, r.EncryptedKey, options)
	if err != nil || len(key) != size {
		return nil, ErrDamaged
	}
	return key, nil
}

// openV15 gives the content key or, where the padding or the length is wrong,
// another one, in the same time. That one comes of the private key and the
// encrypted key, so that asking twice tells nothing either.
func openV15(private *rsa.PrivateKey, encrypted []byte, size int) ([]byte, error) {
	d := sha256.Sum256(private.D.Bytes())
	h := hmac.New(sha256.New, d[:])
	h.Write(encrypted)
	key := h.Sum(nil)[:size]
	//lint:ignore SA1019 old senders know nothing else; the package comment says why it is no oracle
	if rsa.DecryptPKCS1v15SessionKey(nil, private, encrypted, key) != nil {
		return nil, ErrDamaged // of another length than the modulus: anybody sees that
	}
	return key, nil
}

// readOAEP reads RSAES-OAEP-params, RFC 4055, 4.1, with an empty label. SHA-1,
// the default there, does not weaken OAEP.
func readOAEP(params []byte) (*rsa.OAEPOptions, error) {
	bad := fmt.Errorf("RSAES-OAEP parameters: %w", ErrUnsupported)
	o := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	r, err := der.NewReader(params, der.DER).Sequence()
	if err != nil {
		return nil, bad
	}
	if r.Peek(der.Context, 0) {
		if o.Hash, err = readHash(r, 0); err != nil {
			return nil, bad
		}
	}
	if r.Peek(der.Context, 1) {
		x, err := r.Explicit(1)
		if err != nil {
			return nil, bad
		}
		mgf, err := algorithm.ReadIdentifier(x)
		if err != nil || mgf.OID != mgf1 || !x.Empty() {
			return nil, bad
		}
		id, err := algorithm.ReadIdentifier(der.NewReader(mgf.Params, der.DER))
		if err != nil {
			return nil, bad
		}
		if o.MGFHash, err = hashOf(id); err != nil {
			return nil, bad
		}
	}
	if r.Peek(der.Context, 2) {
		x, err := r.Explicit(2)
		if err != nil {
			return nil, bad
		}
		source, err := algorithm.ReadIdentifier(x)
		if err != nil || source.OID != pSpecial || !x.Empty() || len(source.Params) != 2 || source.Params[0] != der.TagOctetString {
			return nil, bad
		}
	}
	if !r.Empty() {
		return nil, bad
	}
	return o, nil
}

func readHash(r *der.Reader, tag uint32) (crypto.Hash, error) {
	x, err := r.Explicit(tag)
	if err != nil {
		return 0, err
	}
	id, err := algorithm.ReadIdentifier(x)
	if err != nil {
		return 0, err
	}
	if err := x.End(); err != nil {
		return 0, err
	}
	return hashOf(id)
}

func hashOf(id algorithm.Identifier) (crypto.Hash, error) {
	if id.OID == algorithm.SHA1 {
		return crypto.SHA1, nil
	}
	d, err := algorithm.FindDigest(id)
	if err != nil {
		return 0, err
	}
	if d.Hash == 0 {
		return 0, ErrUnsupported
	}
	return d.Hash, nil
}

// toRSA makes KeyTransRecipientInfo with RSAES-OAEP over SHA-256.
func toRSA(rand io.Reader, to *pki.Certificate, public *rsa.PublicKey, key []byte) ([]byte, error) {
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand, public, key, nil)
	if err != nil {
		return nil, fmt.Errorf("RSAES-OAEP: %w", err)
	}
	hash := der.Sequence(algorithm.SHA256.Encode(), der.Null())
	oaep := der.Sequence(rsaesOAEP.Encode(), der.Sequence(
		der.Explicit(0, hash),
		der.Explicit(1, der.Sequence(mgf1.Encode(), hash)),
	))
	return der.Sequence(der.Int(0), nameOf(to), oaep, der.OctetString(encrypted)), nil
}

func nameOf(c *pki.Certificate) []byte {
	return der.Sequence(c.RawIssuer, der.Value(der.TagInteger, c.RawSerial))
}
