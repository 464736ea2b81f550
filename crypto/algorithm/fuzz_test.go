package algorithm

import (
	"testing"

	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
)

// FuzzParseKey: what is read is written again as the same key.
func FuzzParseKey(f *testing.F) {
	for _, c := range []*dstu4145.Curve{dstu4145.DSTU257(), dstu4145.DSTU431()} {
		k, err := dstu4145.NewPrivateKey(c, []byte{7}, dstu4145.LittleEndian)
		if err != nil {
			f.Fatal(err)
		}
		point := k.Public().(*dstu4145.PublicKey)
		for _, key := range []*DSTUKey{
			{Point: point},
			{Point: point, SBox: gost28147.DKE1, Explicit: true},
			{Point: point, SBox: gost28147.TestParamSet, Explicit: true, Order: dstu4145.BigEndian},
		} {
			spki, err := MarshalKey(key)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(spki)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey(b)
		if err != nil {
			return
		}
		if CheckKey(k) != nil {
			return
		}
		spki, err := MarshalKey(k)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseKey(spki)
		if err != nil || !SameKey(k, again) {
			t.Fatalf("written otherwise: %v", err)
		}
		if _, err := KeyID(spki); err != nil {
			t.Fatal(err)
		}
	})
}
