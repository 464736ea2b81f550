package dstu4145

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"testing"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
)

// TestRealKeys: every public key of the real certificates is accepted, in the order
// of octets that its identifier tells, and is refused or another one in the other.
func TestRealKeys(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(shareddata.Dir(t, "kep", "real", "certs"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(b)
		if err != nil {
			continue // the library refuses some of these for other reasons
		}
		var spki struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}
		if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
			t.Fatal(err)
		}
		order := map[string]Order{OIDLittleEndian: LittleEndian, OIDBigEndian: BigEndian}[spki.Algorithm.Algorithm.String()]
		if order == 0 {
			continue
		}
		var octets []byte
		if rest, err := asn1.Unmarshal(spki.Key.Bytes, &octets); err != nil || len(rest) > 0 {
			t.Fatal(file, err)
		}
		c := realCurve(t, file, spki.Algorithm.Parameters, order)
		k, err := NewPublicKey(c, octets, order)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		if !bytes.Equal(k.Bytes(order), octets) {
			t.Errorf("%s: encoded in another way", filepath.Base(file))
		}
		if other, err := NewPublicKey(c, octets, 3-order); err == nil && other.Equal(k) {
			t.Errorf("%s: the order of octets does not matter", filepath.Base(file))
		}
		seen[c.Name()]++
	}
	t.Log(seen)
	if seen[DSTU257().Name()] < 50 || seen[DSTU431().Name()] < 20 {
		t.Errorf("keys seen: %v", seen)
	}
}

// realCurve reads the parameters with the standard library, as a second reader.
func realCurve(t *testing.T, file string, params asn1.RawValue, order Order) *Curve {
	t.Helper()
	var named struct {
		OID asn1.ObjectIdentifier
		DKE []byte `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(params.FullBytes, &named); err == nil {
		c, err := CurveByOID(named.OID.String())
		if err != nil {
			t.Fatal(file, err)
		}
		return c
	}
	var explicit struct {
		Curve struct {
			Version int `asn1:"optional,explicit,tag:0"`
			Field   struct {
				M int
				K asn1.RawValue
			}
			A  int
			B  []byte
			N  asn1.RawValue
			BP []byte
		}
		DKE []byte `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(params.FullBytes, &explicit); err != nil {
		t.Fatal(file, err)
	}
	x := explicit.Curve
	p := Parameters{M: x.Field.M, A: x.A, B: x.B, BP: x.BP, Order: order, N: x.N.Bytes}
	if x.Field.K.Tag == asn1.TagInteger {
		p.K = []int{0}
		if _, err := asn1.Unmarshal(x.Field.K.FullBytes, &p.K[0]); err != nil {
			t.Fatal(file, err)
		}
	} else if _, err := asn1.Unmarshal(x.Field.K.FullBytes, &p.K); err != nil {
		t.Fatal(file, err)
	}
	c, err := p.Curve()
	if err != nil {
		t.Fatal(file, err)
	}
	return c
}
