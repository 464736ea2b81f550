package dstu4145

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/crypto/gf2m"
)

// Errors that callers tell apart.
var (
	// ErrCurve: parameters or an identifier that are none of the ten curves.
	ErrCurve = errors.New("curve is not one of DSTU 4145")
	// ErrNormalBasis: a curve over a field in optimal normal basis.
	ErrNormalBasis = errors.New("curve in optimal normal basis is not supported")
	// ErrPublicKey: octets that are no point of the subgroup of order n.
	ErrPublicKey = errors.New("public key is not a valid point")
	// ErrPrivateKey: a number outside 0 < d < n.
	ErrPrivateKey = errors.New("private key is out of range")
	// ErrSignatureForm: an OCTET STRING that does not hold a signature value.
	ErrSignatureForm = errors.New("signature value is malformed")
)

// Object identifiers: of keys and signatures with GOST 34.311 by the order of
// octets in keys and parameters, and the arcs of named curves (z1399-12).
const (
	OIDLittleEndian = "1.2.804.2.1.1.1.1.3.1.1"
	OIDBigEndian    = "1.2.804.2.1.1.1.1.3.1.1.1.1"
	OIDNormalBasis  = "1.2.804.2.1.1.1.1.3.1.2"
	oidCurves       = "1.2.804.2.1.1.1.1.3.1.1.2."
)

// Order is the order of octets of field elements and points in an encoding.
type Order int

// The zero Order is neither, and refused.
const (
	LittleEndian Order = iota + 1
	BigEndian
)

// little gives b in little-endian order, as a copy.
func (o Order) little(b []byte) ([]byte, bool) {
	b = bytes.Clone(b)
	switch o {
	case LittleEndian:
	case BigEndian:
		slices.Reverse(b)
	default:
		return nil, false
	}
	return b, true
}

// Curve is one of the ten curves y² + xy = x³ + ax² + b with its base point.
type Curve struct {
	def    curveDef
	order  modulus
	engine engine
}

type curveDef struct {
	m        int
	k        []int // middle terms of the field's polynomial, descending
	a        int
	b, n, bp string // hexadecimal, big-endian; bp is the compressed base point
	note     string // end of the name
}

// DSTU 4145-2002, annex Г, table Г.1; base points as in z1399-12.
var curveDefs = [10]curveDef{
	{163, []int{7, 6, 3}, 1, "05ff6108462a2dc8210ab403925e638a19c1455d21", "400000000000000000002bec12be2262d39bcf14d", "02e2f85f5dd74ce983a5c4237229daf8a3f35823be", ""},
	{167, []int{6}, 1, "6ee3ceeb230811759f20518a0930f1a4315a827dac", "3fffffffffffffffffffffb12ebcc7d7f29ff7701f", "7a1f6653786a68192803910a3d30b2a2018b21cd54", ""},
	{173, []int{10, 2, 1}, 0, "108576c80499db2fc16eddf6853bbb278f6b6fb437d9", "800000000000000000000189b4e67606e3825bb2831", "04d41a619bcc6eadf0448fa22fad567a9181d37389ca", ""},
	{179, []int{4, 2, 1}, 1, "04a6e0856526436f2f88dd07a341e32d04184572beb710", "3ffffffffffffffffffffffb981960435fe5ab64236ef", "06ba06fe51464b2bd26dc57f48819ba9954667022c7d02", ""},
	{191, []int{9}, 1, "7bc86e2102902ec4d5890e8b6b4981ff27e0482750fefc03", "40000000000000000000000069a779cac1dabc6788f7474f", "714114b762f2ff4a7912a6d2ac58b9b5c2fcfe76daeb7128", ""},
	{233, []int{9, 4, 1}, 1, "006973b15095675534c7cf7e64a21bd54ef5dd3b8a0326aa936ece454d2c", "1000000000000000000000000000013e974e72f8a6922031d2603cfe0d7", "003fcda526b6cdf83ba1118df35b3c31761d3545f32728d003eeb25efe96", ""},
	{257, []int{12}, 0, "01cef494720115657e18f938d7a7942394ff9425c1458c57861f9eea6adbe3be10", "800000000000000000000000000000006759213af182e987d3e17714907d470d", "002a29ef207d0e9b6c55cd260b306c7e007ac491ca1b10c62334a9e8dcd8d20fb6", ""},
	{307, []int{8, 4, 2}, 1, "0393c7f7d53666b5054b5e6c6d3de94f4296c0c599e2e2e241050df18b6090bdc90186904968bb", "3ffffffffffffffffffffffffffffffffffffffc079c2f3825da70d390fbba588d4604022b7b7", "0216ee8b189d291a0224984c1e92f1d16bf75ccd825a087a239b276d3167743c52c02d6e7232aa", ""},
	{367, []int{21}, 1, "43fc8ad242b0b7a6f3d1627ad5654447556b47bf6aa4a64b0c2afe42cadab8f93d92394c79a79755437b56995136", "40000000000000000000000000000000000000000000009c300b75a3fa824f22428fd28ce8812245ef44049b2d49", "324a6eddd512f08c49a99ae0d3f961197a76413e7be81a400ca681e09639b5fe12e59a109f78bf4a373541b3b9a0", ""},
	{431, []int{5, 3, 1}, 1, "03ce10490f6a708fc26dfe8c3d27c4f94e690134d5bff988d8d28aaeaede975936c66bac536b18ae2dc312ca493117daa469c640caf3", "3fffffffffffffffffffffffffffffffffffffffffffffffffffffba3175458009a8c0a724f02f81aa8a1fcbaf80d90c7a95110504cf", "1a62ba79d98133a16bbae7ed9a8e03c32e0824d57aef72f88986874e5aae49c27bed49a2a95058068426c2171e99fd3b43c5947c857c", ""},
}

var curves = func() []*Curve {
	all := make([]*Curve, len(curveDefs))
	for i, def := range curveDefs {
		all[i] = newCurve(def, nil, nil)
	}
	return all
}()

// central2005 is the curve over the field of degree 431 with the base point of the
// first certificate of the Central certification authority of Ukraine (2005), given
// in full in that certificate. It has no identifier.
var central2005 = func() *Curve {
	def := curveDefs[9]
	def.bp = "79bd8648613efb2cfaf3f51dcf57ff59f14a8deae5f14ff6bcfce12b5c7a2899a3ec1edf7e1fb2903d828d31de374291acdf4720a096"
	def.note = "-2005"
	return newCurve(def, nil, nil)
}()

// newCurve makes a curve; field5 or field7 may say which code to use.
func newCurve(def curveDef, field5 *gf2m.Field[gf2m.E5], field7 *gf2m.Field[gf2m.E7]) *Curve {
	c := &Curve{def: def, order: newModulus(fromHex(def.n))}
	if def.m <= 257 {
		if field5 == nil {
			field5, _ = gf2m.Small(def.m)
		}
		c.engine = newEngine(c, field5)
	} else {
		if field7 == nil {
			field7, _ = gf2m.Large(def.m)
		}
		c.engine = newEngine(c, field7)
	}
	return c
}

// Curves gives the ten curves, smallest field first.
func Curves() []*Curve { return slices.Clone(curves) }

// DSTU257 is the curve of nearly all keys in use, DSTU431 that of the roots.
func DSTU257() *Curve { return curves[6] }

// DSTU431 is described at DSTU257.
func DSTU431() *Curve { return curves[9] }

// CurveByOID finds a named curve. ErrNormalBasis and ErrCurve tell why not.
func CurveByOID(oid string) (*Curve, error) {
	for i, c := range curves {
		if oid == fmt.Sprint(oidCurves, i) {
			return c, nil
		}
	}
	if oid == OIDNormalBasis || strings.HasPrefix(oid, OIDNormalBasis+".") {
		return nil, fmt.Errorf("curve %s: %w", oid, ErrNormalBasis)
	}
	return nil, fmt.Errorf("curve %s: %w", oid, ErrCurve)
}

// Parameters are explicit domain parameters, the ECBinary of z1399-12.
type Parameters struct {
	// M is the degree of the field and K the middle exponents of its polynomial,
	// one or three, in any order.
	M int
	K []int
	A int
	// B and BP (the compressed base point) are octets in Order.
	B, BP []byte
	Order Order
	// N is the order of the base point, big-endian, without regard to leading zeros.
	N []byte
}

// Curve gives the curve whose parameters these are, every one of them. Others are
// refused, a base point of somebody's own too: with one a signature can be made
// under any public key. (One other base point is known, that of the first root
// certificate of Ukraine, of 2005; its curve has no OID.)
func (p Parameters) Curve() (*Curve, error) {
	b, ok := p.Order.little(p.B)
	bp, ok2 := p.Order.little(p.BP)
	if !ok || !ok2 {
		return nil, fmt.Errorf("explicit parameters without an order of octets: %w", ErrCurve)
	}
	k := slices.Clone(p.K)
	slices.Sort(k)
	slices.Reverse(k)
	for _, c := range append(Curves(), central2005) {
		if c.def.m == p.M && slices.Equal(k, c.def.k) && p.A == c.def.a &&
			bytes.Equal(b, littleHex(c.def.b, c.FieldBytes())) &&
			bytes.Equal(bp, littleHex(c.def.bp, c.FieldBytes())) &&
			bytes.Equal(bytes.TrimLeft(p.N, "\x00"), bytes.TrimLeft(reversed(littleHex(c.def.n, c.FieldBytes())), "\x00")) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("explicit parameters over a field of degree %d: %w", p.M, ErrCurve)
}

// Name is as "DSTU4145-257".
func (c *Curve) Name() string { return fmt.Sprintf("DSTU4145-%d%s", c.def.m, c.def.note) }

// OID is the identifier of the named curve; empty for the one without.
func (c *Curve) OID() string {
	for i := range curves {
		if curves[i] == c {
			return fmt.Sprint(oidCurves, i)
		}
	}
	return ""
}

// Parameters gives the curve's explicit parameters with octets in that order.
func (c *Curve) Parameters(o Order) Parameters {
	b, _ := o.little(littleHex(c.def.b, c.FieldBytes()))
	bp, _ := o.little(littleHex(c.def.bp, c.FieldBytes()))
	n := bytes.TrimLeft(reversed(littleHex(c.def.n, c.FieldBytes())), "\x00")
	return Parameters{M: c.def.m, K: slices.Clone(c.def.k), A: c.def.a, B: b, BP: bp, Order: o, N: n}
}

// M is the degree of the field.
func (c *Curve) M() int { return c.def.m }

// FieldBytes is the length of a field element and of a compressed point in octets.
func (c *Curve) FieldBytes() int { return (c.def.m + 7) / 8 }

// OrderBytes is the length of n in octets; a signature is twice that.
func (c *Curve) OrderBytes() int { return (c.order.bits + 7) / 8 }

// Cofactor is 4 where a = 0 and 2 where a = 1.
func (c *Curve) Cofactor() int { return 1 << c.twos() }

// twos is the binary logarithm of the cofactor.
func (c *Curve) twos() int { return 2 - c.def.a }

// words is the widest field element or scalar: least significant word first.
type words [7]uint64

// fromBytes reads little-endian octets, at most 56.
func fromBytes(b []byte) (w words) {
	for i, v := range b {
		w[i/8] |= uint64(v) << (8 * (i % 8))
	}
	return w
}

// bytes gives the n low octets, little-endian.
func (w *words) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w[i/8] >> (8 * (i % 8)))
	}
	return b
}

func (w *words) len() int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != 0 {
			return 64*i + bits.Len64(w[i])
		}
	}
	return 0
}

func (w *words) bit(i int) uint64 {
	if i >= 64*len(w) {
		return 0
	}
	return w[i/64] >> (i % 64) & 1
}

// fromHex reads the constants of this file.
func fromHex(s string) (w words) {
	for i := range len(s) {
		d := strings.IndexByte("0123456789abcdef", s[len(s)-1-i])
		w[i/16] |= uint64(d) << (4 * (i % 16))
	}
	return w
}

func littleHex(s string, n int) []byte {
	w := fromHex(s)
	return w.bytes(n)
}

func reversed(b []byte) []byte {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return b
}
