package algorithm

import (
	"crypto"
	"fmt"
	"hash"
	"math/big"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/gost34311"
)

// Object identifiers of DSTU 4145, GOST 34.311 and Kupyna. Signatures with Kupyna have one more arc for the polynomial basis;
// older ones are found without it.
const (
	GOST34311 der.OID = "1.2.804.2.1.1.1.1.2.1"
	Kupyna256 der.OID = "1.2.804.2.1.1.1.1.2.2.1"
	Kupyna384 der.OID = "1.2.804.2.1.1.1.1.2.2.2"
	Kupyna512 der.OID = "1.2.804.2.1.1.1.1.2.2.3"

	DSTU4145              der.OID = dstu4145.OIDLittleEndian
	DSTU4145BigEndian     der.OID = dstu4145.OIDBigEndian
	DSTU4145WithKupyna256 der.OID = "1.2.804.2.1.1.1.1.3.6.1.1"
	DSTU4145WithKupyna384 der.OID = "1.2.804.2.1.1.1.1.3.6.2.1"
	DSTU4145WithKupyna512 der.OID = "1.2.804.2.1.1.1.1.3.6.3.1"

	shortKupyna256 der.OID = "1.2.804.2.1.1.1.1.3.6.1"
	shortKupyna384 der.OID = "1.2.804.2.1.1.1.1.3.6.2"
	shortKupyna512 der.OID = "1.2.804.2.1.1.1.1.3.6.3"

	dstuNormalBasis          der.OID = dstu4145.OIDNormalBasis
	dstuNormalBasisBigEndian der.OID = dstu4145.OIDNormalBasis + ".1.1"
)

// dstuSignature is a row of the table. Certificates wrap the value, CMS does not.
func dstuSignature(oid, digest der.OID, name string) *Signature {
	return &Signature{OID: oid, Name: name, Digest: digest, params: Identifier.plain, verify: verifyDSTU, wrapped: true}
}

// DSTUKey is a public key of DSTU 4145 with what its SubjectPublicKeyInfo says
// beside the point.
type DSTUKey struct {
	Point *dstu4145.PublicKey
	// SBox is the substitution block (DKE) that GOST 34.311 is computed with in
	// signatures by this key; nil where the key names none, which means DKE No 1.
	SBox *gost28147.SBox
	// Explicit tells that the curve is written out; otherwise it is named.
	Explicit bool
	// Order is that of the octets of the point and of explicit parameters; zero
	// stands for little-endian.
	Order dstu4145.Order
}

// Equal tells whether x is the same point, however it is encoded.
func (k *DSTUKey) Equal(x crypto.PublicKey) bool {
	p := dstuPoint(x)
	return k != nil && k.Point != nil && p != nil && k.Point.Equal(p)
}

func dstuPoint(key crypto.PublicKey) *dstu4145.PublicKey {
	switch k := key.(type) {
	case *dstu4145.PublicKey:
		return k
	case *DSTUKey:
		if k != nil {
			return k.Point
		}
	}
	return nil
}

func sbox(key crypto.PublicKey) *gost28147.SBox {
	if k, ok := key.(*DSTUKey); ok && k != nil {
		return k.SBox
	}
	return nil
}

func newGOST(key crypto.PublicKey) hash.Hash { return gost34311.New(sbox(key)) }

// LegacySBox tells that a key names another substitution block than DKE No 1, as
// keys of before 2013 do.
func LegacySBox(key crypto.PublicKey) bool {
	box := sbox(key)
	return box != nil && !box.Equal(gost28147.DKE1)
}

// Variant tells digests of the same bytes for different keys apart: it is equal
// for keys with which the digest is the same.
func (d *Digest) Variant(key crypto.PublicKey) string {
	if !d.Keyed || !LegacySBox(key) {
		return string(d.OID)
	}
	packed := sbox(key).Packed()
	return string(d.OID) + "/" + string(packed[:])
}

// LittleEndian gives what a signature under the big-endian identifier of DSTU 4145
// is under the usual one. The big-endian identifier is refused otherwise: the only
// rule known for its value is Bouncy Castle's, the whole value reversed, and no
// real signature proves it.
func LittleEndian(id Identifier, sig []byte) (Identifier, []byte, bool) {
	if id.OID != DSTU4145BigEndian || !id.plain() {
		return id, sig, false
	}
	sig = slices.Clone(sig)
	slices.Reverse(sig)
	id.OID = DSTU4145
	return id, sig, true
}

func verifyDSTU(key crypto.PublicKey, _ *Digest, _, sum, sig []byte) error {
	k := dstuPoint(key)
	if k == nil {
		return fmt.Errorf("DSTU 4145 signature: %w", ErrMismatch)
	}
	if !k.Verify(sum, sig) {
		return ErrSignature
	}
	return nil
}

// sboxes are those that keys mostly name: their tables are made once.
var sboxes = []*gost28147.SBox{gost28147.DKE1, gost28147.TestParamSet, gost28147.CZO2005}

func readSBox(packed []byte) (*gost28147.SBox, error) {
	for _, b := range sboxes {
		if p := b.Packed(); string(p[:]) == string(packed) {
			return b, nil
		}
	}
	return gost28147.NewSBox(packed)
}

func parseLittleEndian(id Identifier, bits []byte) (crypto.PublicKey, error) {
	return parseDSTU(id, bits, dstu4145.LittleEndian)
}

func parseBigEndian(id Identifier, bits []byte) (crypto.PublicKey, error) {
	return parseDSTU(id, bits, dstu4145.BigEndian)
}

func refuseNormalBasis(Identifier, []byte) (crypto.PublicKey, error) {
	return nil, dstu4145.ErrNormalBasis
}

// parseDSTU reads a key: the parameters, and in the BIT STRING an OCTET STRING with
// the compressed point.
func parseDSTU(id Identifier, bits []byte, o dstu4145.Order) (crypto.PublicKey, error) {
	c, k, err := readDSTUParams(id.Params, o)
	if err != nil {
		return nil, err
	}
	r := der.NewReader(bits, der.DER)
	point, err := r.OctetString()
	if err != nil {
		return nil, fmt.Errorf("DSTU 4145 key: %w", err)
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("DSTU 4145 key: %w", err)
	}
	if k.Point, err = dstu4145.NewPublicKey(c, point, o); err != nil {
		return nil, err
	}
	return k, nil
}

// readDSTUParams reads the parameters: the curve, named or written out,
// and the substitution block.
func readDSTUParams(params []byte, o dstu4145.Order) (*dstu4145.Curve, *DSTUKey, error) {
	whole := der.NewReader(params, der.DER)
	r, err := whole.Sequence()
	if err != nil {
		return nil, nil, fmt.Errorf("DSTU 4145 parameters: %w", err)
	}
	k := &DSTUKey{Order: o}
	var c *dstu4145.Curve
	if r.Peek(der.Universal, der.TagOID) {
		name, err := r.OID()
		if err != nil {
			return nil, nil, fmt.Errorf("DSTU 4145 curve: %w", err)
		}
		if c, err = dstu4145.CurveByOID(string(name)); err != nil {
			return nil, nil, err
		}
	} else {
		k.Explicit = true
		p, err := readCurve(r)
		if err != nil {
			return nil, nil, fmt.Errorf("DSTU 4145 curve: %w", err)
		}
		p.Order = o
		if c, err = p.Curve(); err != nil {
			return nil, nil, err
		}
	}
	if !r.Empty() {
		packed, err := r.OctetString()
		if err != nil {
			return nil, nil, fmt.Errorf("substitution block: %w", err)
		}
		if k.SBox, err = readSBox(packed); err != nil {
			return nil, nil, err
		}
	}
	for _, x := range []*der.Reader{r, whole} {
		if err := x.End(); err != nil {
			return nil, nil, fmt.Errorf("DSTU 4145 parameters: %w", err)
		}
	}
	return c, k, nil
}

// readCurve reads ECBinary.
func readCurve(outer *der.Reader) (dstu4145.Parameters, error) {
	var p dstu4145.Parameters
	r, err := outer.Sequence()
	if err != nil {
		return p, err
	}
	if r.Peek(der.Context, 0) {
		x, err := r.Explicit(0)
		if err != nil {
			return p, err
		}
		if _, err := x.Int(1); err != nil {
			return p, err
		}
		if err := x.End(); err != nil {
			return p, err
		}
	}
	f, err := r.Sequence()
	if err != nil {
		return p, err
	}
	if p.M, err = f.Int(1 << 16); err != nil {
		return p, err
	}
	middle, count := f, 1
	if f.Peek(der.Universal, der.TagSequence) {
		if middle, err = f.Sequence(); err != nil {
			return p, err
		}
		count = 3
	}
	for range count {
		k, err := middle.Int(1 << 16)
		if err != nil {
			return p, err
		}
		p.K = append(p.K, k)
	}
	if err := middle.End(); err != nil {
		return p, err
	}
	if err := f.End(); err != nil {
		return p, err
	}
	if p.A, err = r.Int(1); err != nil {
		return p, err
	}
	if p.B, err = r.OctetString(); err != nil {
		return p, err
	}
	n, err := r.Integer()
	if err != nil {
		return p, err
	}
	if n.Sign() > 0 {
		p.N = n.Bytes()
	}
	if p.BP, err = r.OctetString(); err != nil {
		return p, err
	}
	return p, r.End()
}

// marshalDSTU encodes a key as SubjectPublicKeyInfo.
func marshalDSTU(k *DSTUKey) ([]byte, error) {
	if k.Point == nil || k.Point.Curve() == nil {
		return nil, fmt.Errorf("DSTU 4145 key without a point: %w", ErrUnknown)
	}
	o, oid := dstu4145.LittleEndian, DSTU4145
	if k.Order == dstu4145.BigEndian {
		o, oid = dstu4145.BigEndian, DSTU4145BigEndian
	}
	c := k.Point.Curve()
	var params [][]byte
	if k.Explicit || c.OID() == "" { // one base point of 2005 has no name
		params = append(params, marshalCurve(c.Parameters(o)))
	} else {
		params = append(params, der.OID(c.OID()).Encode())
	}
	if k.SBox != nil {
		packed := k.SBox.Packed()
		params = append(params, der.OctetString(packed[:]))
	}
	return der.Sequence(
		der.Sequence(oid.Encode(), der.Sequence(params...)),
		der.BitString(der.OctetString(k.Point.Bytes(o)))), nil
}

func marshalCurve(p dstu4145.Parameters) []byte {
	k := slices.Clone(p.K)
	slices.Sort(k) // ascending, as certificates have them
	var middle []byte
	if len(k) == 1 {
		middle = der.Int(int64(k[0]))
	} else {
		var list [][]byte
		for _, e := range k {
			list = append(list, der.Int(int64(e)))
		}
		middle = der.Sequence(list...)
	}
	return der.Sequence(
		der.Sequence(der.Int(int64(p.M)), middle),
		der.Int(int64(p.A)), der.OctetString(p.B),
		der.Integer(new(big.Int).SetBytes(p.N)), der.OctetString(p.BP))
}

// NewDSTUPrivateKey makes a private key of the AlgorithmIdentifier of its container
// and the number d, big-endian. Containers are found that have the octets of their
// parameters in the other order than the identifier says; the substitution block is
// the certificate's matter and not looked at.
func NewDSTUPrivateKey(id, d []byte) (*dstu4145.PrivateKey, error) {
	r := der.NewReader(id, der.DER)
	alg, err := ReadIdentifier(r)
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	switch alg.OID {
	case DSTU4145, DSTU4145BigEndian:
	case dstuNormalBasis, dstuNormalBasisBigEndian:
		return nil, dstu4145.ErrNormalBasis
	default:
		return nil, fmt.Errorf("private key %s: %w", alg.OID, ErrUnknown)
	}
	c, _, err := readDSTUParams(alg.Params, dstu4145.LittleEndian)
	if err != nil {
		if c, _, err = readDSTUParams(alg.Params, dstu4145.BigEndian); err != nil {
			return nil, err
		}
	}
	return dstu4145.NewPrivateKey(c, d, dstu4145.BigEndian)
}
