package enveloped

import (
	"bytes"
	"crypto"
	"fmt"
	"hash"
	"io"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/kupyna"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Object identifiers of z1398-12 and z1399-12. The agreements without cofactor
// (...3.5, ...3.8) are not opened: none was ever seen.
const (
	cofactorGOST   der.OID = "1.2.804.2.1.1.1.1.3.4"
	cofactorKupyna der.OID = "1.2.804.2.1.1.1.1.3.7"
	gostWrap       der.OID = "1.2.804.2.1.1.1.1.1.1.5"
)

// ukmSize is how many octets of user keying material a static agreement gets.
const ukmSize = 64

// gostKey is a key in memory as an Agreement.
type gostKey struct{ *dstu4145.PrivateKey }

func (k gostKey) SharedX(peer crypto.PublicKey) ([]byte, error) {
	p, ok := peer.(*dstu4145.PublicKey)
	if !ok {
		return nil, ErrUnsupported
	}
	return k.ECDH(p)
}

// dstuKey opens key agreement by DSTU 4145 keys.
type dstuKey struct {
	private Agreement
	public  *dstu4145.PublicKey
	spki    []byte // of the certificate
}

func newDSTU(c *pki.Certificate, private crypto.PrivateKey) (opener, error) {
	if k, ok := private.(*dstu4145.PrivateKey); ok {
		private = gostKey{k}
	}
	a, ok := private.(Agreement)
	if !ok {
		return nil, fmt.Errorf("private key of an unknown sort: %w", ErrKey)
	}
	public, err := dstuPublic(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !public.Equal(a.Public()) {
		return nil, fmt.Errorf("DSTU 4145 key: %w", ErrKey)
	}
	return dstuKey{private: a, public: public, spki: c.RawSPKI}, nil
}

func isDSTU(c *pki.Certificate) bool {
	_, ok := c.PublicKey.(*algorithm.DSTUKey)
	return ok
}

// dstuPublic gives the point of a certificate's key.
func dstuPublic(c *pki.Certificate) (*dstu4145.PublicKey, error) { return point(c.PublicKey) }

// point gives the point of a key of DSTU 4145. Keys with another substitution block
// than DKE No 1 are refused: with which one their derivation is done, no text says
// and no real message shows.
func point(key crypto.PublicKey) (*dstu4145.PublicKey, error) {
	k, ok := key.(*algorithm.DSTUKey)
	if !ok || k.Point == nil || algorithm.LegacySBox(key) {
		return nil, fmt.Errorf("public key: %w", ErrUnsupported)
	}
	return k.Point, nil
}

// ephemeral reads a sender's key beside its algorithm. Where the parameters are
// left out they are those of the recipient's key, whose SubjectPublicKeyInfo own is.
func ephemeral(id algorithm.Identifier, bits, own []byte) (*dstu4145.PublicKey, error) {
	raw := id.Raw
	if id.Params == nil || bytes.Equal(id.Params, der.Null()) {
		r, err := der.NewReader(own, der.DER).Sequence()
		if err != nil {
			return nil, err
		}
		of, err := algorithm.ReadIdentifier(r)
		if err != nil || of.OID != id.OID {
			return nil, fmt.Errorf("public key %s: %w", id.OID, ErrUnsupported)
		}
		raw = of.Raw
	}
	key, err := algorithm.ParseKey(der.Sequence(raw, der.BitString(bits)))
	if err != nil {
		return nil, err
	}
	return point(key)
}

// kek derives the key encryption key of z1398-12 from the x-coordinate of the
// shared point. The derivation with GOST 34.311 leaves leading zero octets out.
func kek(agreement der.OID, x, wrap, ukm []byte) ([]byte, error) {
	var start func() hash.Hash
	switch agreement {
	case cofactorGOST:
		start = func() hash.Hash { return gost34311.New(gost28147.DKE1) }
		x = bytes.TrimLeft(x, "\x00")
	case cofactorKupyna:
		start = kupyna.New256
	default:
		return nil, fmt.Errorf("key agreement %s: %w", agreement, ErrUnsupported)
	}
	return x963(start, x, sharedInfo(wrap, ukm, gost28147.KeySize), gost28147.KeySize), nil
}

func (k dstuKey) contentKey(r *Recipient, size int, from func(Name) *pki.Certificate) ([]byte, error) {
	if r.Sort != KeyAgreement {
		return nil, fmt.Errorf("DSTU 4145 key in key transport: %w", ErrUnsupported)
	}
	wrap, err := algorithm.ReadIdentifier(der.NewReader(r.Algorithm.Params, der.DER))
	if err != nil || wrap.OID != gostWrap || wrap.Params != nil && !bytes.Equal(wrap.Params, der.Null()) || size != gost28147.KeySize {
		return nil, fmt.Errorf("key wrap in %s: %w", r.Algorithm.OID, ErrUnsupported)
	}
	var peer *dstu4145.PublicKey
	if r.OriginatorPK != nil {
		peer, err = ephemeral(r.OriginatorID, r.OriginatorPK, k.spki)
	} else {
		sender := from(r.Originator)
		if sender == nil {
			return nil, ErrOriginator
		}
		peer, err = dstuPublic(sender)
	}
	if err != nil || peer.Curve() != k.public.Curve() {
		return nil, fmt.Errorf("sender's key: %w", ErrUnsupported)
	}
	x, err := k.private.SharedX(peer)
	if err != nil {
		return nil, ErrDamaged
	}
	defer clear(x)
	secret, err := kek(r.Algorithm.OID, x, wrap.Raw, r.UKM)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	c, err := gost28147.NewCipher(secret, gost28147.DKE1)
	if err != nil {
		return nil, ErrDamaged
	}
	defer c.Wipe()
	key, err := c.Unwrap(r.EncryptedKey)
	if err != nil {
		return nil, ErrDamaged
	}
	return key, nil
}

// toDSTU makes KeyAgreeRecipientInfo.
func toDSTU(rand io.Reader, to *pki.Certificate, key []byte, o Options) ([]byte, error) {
	public, err := dstuPublic(to)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	sender, from, ukm, err := senderOf(rand, public.Curve(), o.Sender)
	if err != nil {
		return nil, err
	}
	x, err := sender.SharedX(public)
	if err != nil {
		return nil, fmt.Errorf("key agreement: %w", err)
	}
	defer clear(x)
	agreement := cofactorGOST
	if o.Kupyna {
		agreement = cofactorKupyna
	}
	wrap := der.Sequence(gostWrap.Encode(), der.Null())
	secret, err := kek(agreement, x, wrap, ukm)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	c, err := gost28147.NewCipher(secret, gost28147.DKE1)
	if err != nil {
		return nil, err
	}
	defer c.Wipe()
	iv := make([]byte, gost28147.BlockSize)
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	wrapped, err := c.Wrap(key, iv)
	if err != nil {
		return nil, err
	}
	return agreementWith(to, from, ukm, der.Sequence(agreement.Encode(), wrap), wrapped), nil
}

// senderOf gives the sender's side: its own key by name, with keying material, or
// an ephemeral one.
func senderOf(rand io.Reader, curve *dstu4145.Curve, own *Key) (sender Agreement, from, ukm []byte, err error) {
	if own != nil {
		k, ok := own.private.(dstuKey)
		if !ok || k.public.Curve() != curve {
			return nil, nil, nil, fmt.Errorf("sender's key is not on the recipient's curve: %w", ErrKey)
		}
		ukm = make([]byte, ukmSize)
		if _, err := io.ReadFull(rand, ukm); err != nil {
			return nil, nil, nil, fmt.Errorf("randomness: %w", err)
		}
		return k.private, nameOf(own.certificate), ukm, nil
	}
	once, err := dstu4145.GenerateKey(curve, rand)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("ephemeral key: %w", err)
	}
	public, _ := once.Public().(*dstu4145.PublicKey)
	from = der.Sequence(
		der.Sequence(der.OID(dstu4145.OIDLittleEndian).Encode(), der.Sequence(der.OID(curve.OID()).Encode())),
		der.BitString(der.OctetString(public.Bytes(dstu4145.LittleEndian))),
	)
	from[0] = 0xa1
	return gostKey{once}, from, nil, nil
}
