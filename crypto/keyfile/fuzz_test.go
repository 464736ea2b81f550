package keyfile

import (
	"bytes"
	"testing"
)

// FuzzOpen must not panic, must give errors of this package only, and keys that are
// complete. The work allowed is small, so that a case is quick.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"pem_pkcs8.pem", "root_first_chain.jks", "ee_person_sign.p8", "ee_person_kep431.p8", "gost_pfx.p12", "key6_single.dat"} {
		f.Add(read(f, "testdata/synthetic/"+name))
	}
	_, e := sample(f, "key6_sign_and_kep.dat")
	p8, err := encryptPKCS8(e[0].DSTU.PKCS8(), []byte(password), 2, []byte("salt"), make([]byte, 8))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p8)
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := open(bytes.Clone(data), []byte(password), []byte("qwerty"), 64)
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		if len(entries) == 0 {
			t.Fatal("no entries and no error")
		}
		for _, e := range entries {
			if k := e.DSTU; k != nil && (len(k.D) != (k.M+7)/8 || len(k.Algorithm) == 0 || k.SBox != nil && len(k.SBox) != 64) {
				t.Fatal("incomplete key")
			}
		}
	})
}

// FuzzPrivateKeyInfo reaches what stands behind the encryption.
func FuzzPrivateKeyInfo(f *testing.F) {
	for _, name := range []string{"ee_person_sign.p8", "ee_person_kep431.p8"} {
		f.Add(read(f, "testdata/synthetic/"+name))
	}
	_, e := sample(f, "key6_sign_and_kep.dat")
	params, err := secondParams(e[1].DSTU)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(params)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := privateKeyInfo(data); err != nil && !known(err) {
			t.Fatal(err)
		}
		if alg, err := secondAlgorithm(data); err == nil {
			if _, err := dstuKey(alg, []byte{1}); err != nil && !known(err) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzBags reaches the contents of a PKCS #12.
func FuzzBags(f *testing.F) {
	pfx := read(f, "testdata/synthetic/gost_pfx.p12")
	f.Add(pfx[30:5298])
	f.Fuzz(func(t *testing.T, data []byte) {
		o := &opener{password: []byte(password), work: 64}
		found := new(bags)
		if err := o.authenticatedSafe(data, found); err != nil && !known(err) {
			t.Fatal(err)
		}
		for _, e := range found.entries() {
			e.arrange()
		}
	})
}
