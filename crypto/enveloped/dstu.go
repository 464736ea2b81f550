package enveloped

import (
	"bytes"
	"crypto"
	"fmt"
	"hash"
	"io"
	"strings"

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
	return dstuKey{private: a, public: public}, nil
}

func isDSTU(c *pki.Certificate) bool {
	r, err := der.NewReader(c.RawSPKI, der.DER).Sequence()
	if err != nil {
		return false
	}
	id, err := algorithm.ReadIdentifier(r)
	return err == nil && strings.HasPrefix(string(id.OID), dstu4145.OIDLittleEndian)
}

// dstuPublic reads the key of a certificate.
func dstuPublic(c *pki.Certificate) (*dstu4145.PublicKey, error) {
	r, err := der.NewReader(c.RawSPKI, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	id, err := algorithm.ReadIdentifier(r)
	if err != nil {
		return nil, err
	}
	bits, unused, err := r.BitString()
	if err != nil {
		return nil, err
	}
	if unused != 0 || !r.Empty() {
		return nil, fmt.Errorf("public key is malformed: %w", ErrUnsupported)
	}
	return readDSTU(id, bits, nil)
}

// readDSTU reads a public key: the algorithm and the octets of the BIT STRING,
// which are an OCTET STRING with the compressed point. Where the parameters are
// left out the key is on curve.
func readDSTU(id algorithm.Identifier, bits []byte, curve *dstu4145.Curve) (*dstu4145.PublicKey, error) {
	var order dstu4145.Order
	switch id.OID {
	case dstu4145.OIDLittleEndian:
		order = dstu4145.LittleEndian
	case dstu4145.OIDBigEndian:
		order = dstu4145.BigEndian
	default:
		return nil, fmt.Errorf("public key %s: %w", id.OID, ErrUnsupported)
	}
	if id.Params != nil && !bytes.Equal(id.Params, der.Null()) {
		var err error
		if curve, err = readCurve(id.Params, order); err != nil {
			return nil, err
		}
	}
	r := der.NewReader(bits, der.DER)
	point, err := r.OctetString()
	if err != nil || !r.Empty() {
		return nil, fmt.Errorf("public key is malformed: %w", ErrUnsupported)
	}
	return dstu4145.NewPublicKey(curve, point, order)
}

// readCurve reads DSTU4145Params (z1399-12).
func readCurve(params []byte, order dstu4145.Order) (*dstu4145.Curve, error) {
	bad := fmt.Errorf("parameters of the public key: %w", ErrUnsupported)
	r, err := der.NewReader(params, der.DER).Sequence()
	if err != nil {
		return nil, bad
	}
	var curve *dstu4145.Curve
	if r.Peek(der.Universal, der.TagOID) {
		oid, err := r.OID()
		if err != nil {
			return nil, bad
		}
		if curve, err = dstu4145.CurveByOID(string(oid)); err != nil {
			return nil, bad
		}
	} else if curve, err = readExplicit(r, order); err != nil {
		return nil, bad
	}
	if !r.Empty() {
		box, err := r.OctetString()
		no1 := gost28147.DKE1.Packed()
		if err != nil || !bytes.Equal(box, no1[:]) || !r.Empty() {
			return nil, bad
		}
	}
	return curve, nil
}

// readExplicit reads ECBinary.
func readExplicit(r *der.Reader, order dstu4145.Order) (*dstu4145.Curve, error) {
	in, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	if in.Peek(der.Context, 0) {
		if _, err := in.Explicit(0); err != nil {
			return nil, err
		}
	}
	p := dstu4145.Parameters{Order: order}
	field, err := in.Sequence()
	if err != nil {
		return nil, err
	}
	if p.M, err = field.Int(1024); err != nil {
		return nil, err
	}
	middle := field
	if field.Peek(der.Universal, der.TagSequence) {
		if middle, err = field.Sequence(); err != nil {
			return nil, err
		}
	}
	for !middle.Empty() && len(p.K) < 3 {
		k, err := middle.Int(1024)
		if err != nil {
			return nil, err
		}
		p.K = append(p.K, k)
	}
	if err := middle.End(); err != nil {
		return nil, err
	}
	if err := field.End(); err != nil {
		return nil, err
	}
	if p.A, err = in.Int(1); err != nil {
		return nil, err
	}
	if p.B, err = in.OctetString(); err != nil {
		return nil, err
	}
	n, err := in.Expect(der.Universal, der.TagInteger)
	if err != nil {
		return nil, err
	}
	p.N = n.Content
	if p.BP, err = in.OctetString(); err != nil {
		return nil, err
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	return p.Curve()
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
		peer, err = readDSTU(r.OriginatorID, r.OriginatorPK, k.public.Curve())
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
	ephemeral, err := dstu4145.GenerateKey(curve, rand)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("ephemeral key: %w", err)
	}
	public, _ := ephemeral.Public().(*dstu4145.PublicKey)
	from = der.Sequence(
		der.Sequence(der.OID(dstu4145.OIDLittleEndian).Encode(), der.Sequence(der.OID(curve.OID()).Encode())),
		der.BitString(der.OctetString(public.Bytes(dstu4145.LittleEndian))),
	)
	from[0] = 0xa1
	return gostKey{ephemeral}, from, nil, nil
}
