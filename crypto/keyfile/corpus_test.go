package keyfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
)

const synthetic = "Пароль-тест1"

// found is what a container must give: for each entry "m257", "m431", "rsa2048",
// "p521", a star if it must hold certificates, and the use.
type container struct {
	file, password, key string
	want                string
	same                []string // private keys in the clear, by the order of entries
}

var corpus = []container{
	{file: "containers/pbes2_gost_257.p8e", want: "m257/0", same: []string{"ee_person_sign"}},
	{file: "containers/pbes2_gost_431.p8e", want: "m431/0", same: []string{"ee_person_kep431"}},
	{file: "containers/pbes2_gost_kep257.p8e", want: "m257/0", same: []string{"ee_director_kep257"}},
	{file: "containers/key6_single.dat", want: "m257/0", same: []string{"ee_person_sign"}},
	{file: "containers/key6_sign_and_kep.dat", want: "m257/1 m431/2", same: []string{"ee_person_sign", "ee_person_kep431"}},
	{file: "containers/pem_pkcs8.pem", want: "m257/0", same: []string{"ee_person_sign"}},
	{file: "containers/privat_style.jks", want: "m257*/1 m431*/2", same: []string{"ee_person_sign", "ee_person_kep431"}},
	{file: "containers/root_first_chain.jks", key: "qwerty", want: "m257*/1"},
	{file: "containers/gost_pfx.p12", want: "m257/0 m431/0 none*/0", same: []string{"ee_person_sign", "ee_person_kep431"}},

	{file: "real/containers/test-diia.p12", password: "testpassword", want: "m257/0 m431/0"},
	{file: "real/containers/key6_tect4.dat", password: "tect4", want: "m257/1 m431/2"},
	{file: "real/containers/iit_testplat2021.pfx", password: "testplat2021", want: "m257/0 m431/0"},
	{file: "real/containers/jks_123456_qwerty.jks", password: "123456", key: "qwerty", want: "m257*/1 m431/2"},
	{file: "real/containers/ecdsa_p521.jks", password: "123456", want: "p521*/0"},
	{file: "real/containers/test-dstu-augusto.p12", password: "testpassword", want: "m257/0"},
	{file: "real/containers/rsa.pfx", password: "123456", want: "rsa2048/0"},
	{file: "real/containers/ossl_ecdsa_aes256.p12", password: "123456", want: "p384*/0"},
	{file: "real/containers/pbes2_STORE_A040.dat", password: "password", want: "m257/0"},
	{file: "real/containers/aes_pbes2_m257.pem", password: "123456", want: "m257/0"},
}

func describe(entries []keyfile.Entry) string {
	var out []string
	for _, e := range entries {
		s := "none"
		switch k := e.Signer.(type) {
		case *rsa.PrivateKey:
			s = "rsa" + itoa(k.N.BitLen())
		case *ecdsa.PrivateKey:
			s = "p" + itoa(k.Curve.Params().BitSize)
		default:
			if e.DSTU != nil {
				s = "m" + itoa(e.DSTU.M)
			}
		}
		if len(e.Certificates) > 0 {
			s += "*"
		}
		out = append(out, s+"/"+itoa(int(e.Usage)))
	}
	return strings.Join(out, " ")
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range corpus {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			if c.password == "" {
				c.password = synthetic
			}
			if c.key == "" {
				c.key = c.password
			}
			var data []byte
			if name, ok := strings.CutPrefix(c.file, "containers/"); ok {
				data = read(t, "testdata/synthetic/"+name)
			} else {
				data = shareddata.Read(t, shareddata.Dir(t, "kep"), c.file)
			}
			entries, err := keyfile.OpenKeys(data, []byte(c.password), []byte(c.key))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(entries); got != c.want {
				t.Errorf("found %s, want %s", got, c.want)
			}
			for i, e := range entries {
				t.Logf("%d: %q %x, %d certificates", i, e.Name, e.KeyID, len(e.Certificates))
			}
			for i, name := range c.same {
				plain, err := keyfile.Open(read(t, "testdata/synthetic/"+name+".p8"), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(entries[i].DSTU.D, plain[0].DSTU.D) {
					t.Errorf("entry %d is not %s", i, name)
				}
				if !bytes.Equal(entries[i].DSTU.Algorithm, plain[0].DSTU.Algorithm) {
					t.Errorf("entry %d: parameters %x, want %x", i, entries[i].DSTU.Algorithm, plain[0].DSTU.Algorithm)
				}
			}
			if strings.HasSuffix(c.file, "pem_pkcs8.pem") {
				return
			}
			wrong := []string{"wrong"}
			if strings.HasSuffix(c.file, "m257.pem") || strings.HasSuffix(c.file, ".jks") {
				wrong = []string{"", "wrong", c.password + "x", "Пароль"} // cheap ones
			}
			for _, wrong := range wrong {
				if _, err := keyfile.Open(data, []byte(wrong)); !errors.Is(err, keyfile.ErrPassword) {
					t.Errorf("password %q: %v", wrong, err)
				}
			}
		})
	}
}

// TestSameKeys: two containers of one person, made by different programs.
func TestSameKeys(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "real", "containers")
	a, err := keyfile.Open(shareddata.Read(t, dir, "key6_tect4.dat"), []byte("tect4"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := keyfile.OpenKeys(shareddata.Read(t, dir, "jks_123456_qwerty.jks"), []byte("123456"), []byte("qwerty"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := keyfile.Open(shareddata.Read(t, dir, "aes_pbes2_m257.pem"), []byte("123456"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a[0].DSTU.D, c[0].DSTU.D) {
		t.Error("key of PKCS #8 differs")
	}
	for i := range a {
		if !bytes.Equal(a[i].DSTU.D, b[i].DSTU.D) {
			t.Errorf("key %d differs", i)
		}
	}
	if id := hex.EncodeToString(a[0].KeyID); !strings.HasPrefix(id, "7e9e345d") {
		t.Error(id)
	}
	if id := hex.EncodeToString(a[1].KeyID); !strings.HasPrefix(id, "7cebcd94") {
		t.Error(id)
	}
}

// TestEveryPlainKey opens the private keys of the synthetic authority.
func TestEveryPlainKey(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep", "pki", "keys")
	for _, name := range files(t, dir) {
		entries, err := keyfile.Open(shareddata.Read(t, dir, name), nil)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s: %d entries, %v", name, len(entries), err)
		}
	}
}
