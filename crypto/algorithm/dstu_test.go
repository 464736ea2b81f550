package algorithm

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

func dstuKeyPair(t testing.TB, c *dstu4145.Curve) (*dstu4145.PrivateKey, *dstu4145.PublicKey) {
	t.Helper()
	k, err := dstu4145.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, k.Public().(*dstu4145.PublicKey)
}

// TestDSTUKeys writes and reads keys in every form.
func TestDSTUKeys(t *testing.T) {
	t.Parallel()
	for _, c := range dstu4145.Curves() {
		private, point := dstuKeyPair(t, c)
		var first []byte
		for _, explicit := range []bool{false, true} {
			for _, o := range []dstu4145.Order{dstu4145.LittleEndian, dstu4145.BigEndian} {
				for _, box := range []*gost28147.SBox{nil, gost28147.DKE1, gost28147.TestParamSet} {
					spki, err := MarshalKey(&DSTUKey{Point: point, SBox: box, Explicit: explicit, Order: o})
					if err != nil {
						t.Fatal(err)
					}
					key, err := ParseKey(spki)
					if err != nil {
						t.Fatalf("%s: %v", c.Name(), err)
					}
					k := key.(*DSTUKey)
					if !SameKey(key, point) || !SameKey(private.Public(), key) || k.Explicit != explicit || k.Order != o || (k.SBox == nil) != (box == nil) {
						t.Errorf("%s explicit %v order %v: read otherwise", c.Name(), explicit, o)
					}
					if LegacySBox(key) != (box == gost28147.TestParamSet) {
						t.Errorf("%s: legacy %v", c.Name(), LegacySBox(key))
					}
					if first == nil {
						first = spki
					}
					// The private key with the same AlgorithmIdentifier.
					r, err := der.NewReader(spki, der.DER).Sequence()
					if err != nil {
						t.Fatal(err)
					}
					id, err := r.Next()
					if err != nil {
						t.Fatal(err)
					}
					if again, err := NewDSTUPrivateKey(id.Raw, private.Bytes(dstu4145.BigEndian)); err != nil || !again.Equal(private) {
						t.Errorf("%s: private key: %v", c.Name(), err)
					}
				}
			}
		}
		if plain, err := MarshalKey(point); err != nil || !bytes.Equal(plain, first) {
			t.Errorf("%s: a bare point is not written named, little-endian, without block: %v", c.Name(), err)
		}
	}
}

// TestDSTUKeysRefused: what is no key of a known curve.
func TestDSTUKeysRefused(t *testing.T) {
	t.Parallel()
	c := dstu4145.DSTU257()
	_, point := dstuKeyPair(t, c)
	params := c.Parameters(dstu4145.LittleEndian)
	good := point.Bytes(dstu4145.LittleEndian)
	spki := func(oid der.OID, params []byte, bits ...byte) []byte {
		return der.Sequence(der.Sequence(oid.Encode(), params), der.BitString(bits))
	}
	octets := der.OctetString(good)
	named := der.Sequence(der.OID(c.OID()).Encode())
	changed := func(f func(*dstu4145.Parameters)) []byte {
		p := params
		p.K, p.B, p.BP, p.N = slices.Clone(p.K), slices.Clone(p.B), slices.Clone(p.BP), slices.Clone(p.N)
		f(&p)
		return der.Sequence(marshalCurve(p))
	}
	box := gost28147.DKE1.Packed()
	broken := slices.Clone(box[:])
	broken[0] = broken[1]
	huge := der.Sequence(der.Sequence(der.Sequence(der.Integer(new(big.Int).Lsh(big.NewInt(1), 30)), der.Int(12)),
		der.Int(0), der.OctetString(params.B), der.Int(3), der.OctetString(params.BP)))
	for name, v := range map[string][]byte{
		"empty point":          spki(DSTU4145, named, der.OctetString(nil)...),
		"bare point":           spki(DSTU4145, named, good...),
		"long point":           spki(DSTU4145, named, der.OctetString(append(slices.Clone(good), 0))...),
		"after the point":      spki(DSTU4145, named, append(slices.Clone(octets), 0)...),
		"x = 0":                spki(DSTU4145, named, der.OctetString(make([]byte, 33))...),
		"no parameters":        spki(DSTU4145, nil, octets...),
		"NULL parameters":      spki(DSTU4145, der.Null(), octets...),
		"unknown curve":        spki(DSTU4145, der.Sequence(ECPublicKey.Encode()), octets...),
		"named normal basis":   spki(DSTU4145, der.Sequence(der.OID("1.2.804.2.1.1.1.1.3.1.2.2.0").Encode()), octets...),
		"normal basis":         spki(dstuNormalBasis, named, octets...),
		"normal basis, BE":     spki(dstuNormalBasisBigEndian, named, octets...),
		"other base point":     spki(DSTU4145, changed(func(p *dstu4145.Parameters) { p.BP[1] ^= 1 }), octets...),
		"other b":              spki(DSTU4145, changed(func(p *dstu4145.Parameters) { p.B[1] ^= 1 }), octets...),
		"other a":              spki(DSTU4145, changed(func(p *dstu4145.Parameters) { p.A = 1 }), octets...),
		"other n":              spki(DSTU4145, changed(func(p *dstu4145.Parameters) { p.N[5] ^= 1 }), octets...),
		"other field":          spki(DSTU4145, changed(func(p *dstu4145.Parameters) { p.K[0] = 13 }), octets...),
		"huge field":           spki(DSTU4145, huge, octets...),
		"little under big":     spki(DSTU4145BigEndian, der.Sequence(marshalCurve(params)), octets...),
		"short block":          spki(DSTU4145, der.Sequence(der.OID(c.OID()).Encode(), der.OctetString(box[:63])), octets...),
		"block no permutation": spki(DSTU4145, der.Sequence(der.OID(c.OID()).Encode(), der.OctetString(broken)), octets...),
		"after the parameters": spki(DSTU4145, der.Sequence(der.OID(c.OID()).Encode(), der.OctetString(box[:]), der.Null()), octets...),
	} {
		if k, err := ParseKey(v); err == nil {
			t.Errorf("%s: read as %v", name, k)
		}
	}
}

// TestDSTUSignatures: with every digest and block; wrapped in certificates, bare in
// CMS; the digests of two blocks differ.
func TestDSTUSignatures(t *testing.T) {
	t.Parallel()
	message := []byte("message")
	for _, c := range []*dstu4145.Curve{dstu4145.DSTU257(), dstu4145.DSTU431()} {
		private, point := dstuKeyPair(t, c)
		for _, box := range []*gost28147.SBox{nil, gost28147.TestParamSet} {
			key := &DSTUKey{Point: point, SBox: box}
			for _, digest := range []der.OID{"", GOST34311, Kupyna256, Kupyna384, Kupyna512} {
				d, raw, err := ForSigningWith(key, digest)
				if err != nil {
					t.Fatal(err)
				}
				id, err := ReadIdentifier(der.NewReader(raw, der.DER))
				if err != nil {
					t.Fatal(err)
				}
				h := d.New(key)
				h.Write(message)
				sum := h.Sum(nil)
				value, err := private.Sign(rand.Reader, sum, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := VerifySum(id, key, d, sum, value); err != nil {
					t.Errorf("%s %s: %v", c.Name(), d.Name, err)
				}
				bits, err := SignatureBits(key, value)
				if err != nil {
					t.Fatal(err)
				}
				if err := Verify(id, key, message, bits); err != nil {
					t.Errorf("%s %s, wrapped: %v", c.Name(), d.Name, err)
				}
				if err := Verify(id, key, message, value); !errors.Is(err, ErrSignature) {
					t.Errorf("%s %s: bare value where it is wrapped: %v", c.Name(), d.Name, err)
				}
				if err := VerifySum(id, key, d, sum, bits); !errors.Is(err, ErrSignature) {
					t.Errorf("%s %s: wrapped value where it is bare: %v", c.Name(), d.Name, err)
				}
				// A hash under another block is another hash.
				other := &DSTUKey{Point: point, SBox: gost28147.CZO2005}
				if err := Verify(id, other, message, bits); (err == nil) == d.Keyed {
					t.Errorf("%s %s: under another block: %v", c.Name(), d.Name, err)
				}
				if (d.Variant(key) == d.Variant(other)) == d.Keyed {
					t.Errorf("%s: variants", d.Name)
				}
				// The big-endian identifier is refused, and means the value reversed.
				back := slices.Clone(value)
				slices.Reverse(back)
				big := Identifier{OID: DSTU4145BigEndian}
				if err := VerifySum(big, key, d, sum, back); !errors.Is(err, ErrWeak) {
					t.Errorf("big-endian identifier: %v", err)
				}
				if little, v, ok := LittleEndian(big, back); !ok || little.OID != DSTU4145 || !bytes.Equal(v, value) {
					t.Error("big-endian value is not the reversed one")
				}
			}
		}
	}
	private, point := dstuKeyPair(t, dstu4145.DSTU257())
	if _, _, err := ForSigningWith(private.Public(), SHA256); !errors.Is(err, ErrMismatch) {
		t.Errorf("DSTU 4145 with SHA-256: %v", err)
	}
	if err := VerifySum(Identifier{OID: ECDSAWithSHA256}, crypto.PublicKey(point), digests[SHA256], make([]byte, 32), make([]byte, 64)); !errors.Is(err, ErrMismatch) {
		t.Errorf("key of DSTU 4145 under ECDSA: %v", err)
	}
}

// TestRealIdentifiers reads real AlgorithmIdentifiers with parameters of every kind.
func TestRealIdentifiers(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "real")
	var rows []struct{ Alg, DER string }
	if err := json.Unmarshal(shareddata.Read(t, dir, "algids.json"), &rows); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		raw, err := hex.DecodeString(row.DER)
		if err != nil {
			t.Fatal(err)
		}
		id, err := ReadIdentifier(der.NewReader(raw, der.DER))
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		o := dstu4145.LittleEndian
		switch id.OID {
		case dstuNormalBasis, dstuNormalBasisBigEndian:
			if _, err := ParseKey(der.Sequence(raw, der.BitString(nil))); !errors.Is(err, dstu4145.ErrNormalBasis) {
				t.Errorf("%d: normal basis: %v", i, err)
			}
			continue
		case DSTU4145BigEndian:
			o = dstu4145.BigEndian
		}
		c, k, err := readDSTUParams(id.Params, o)
		if i == 8 && errors.Is(err, dstu4145.ErrCurve) {
			continue // m = 163 with the base point of the standard's worked example
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		t.Logf("%d: %s, %s, explicit %v", i, id.OID, c.Name(), k.Explicit)
	}
}
