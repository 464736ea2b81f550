package keyfile

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/der"
)

func sample(t testing.TB, name string) ([]byte, []Entry) {
	t.Helper()
	b := read(t, "testdata/synthetic/"+name)
	e, err := Open(b, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return b, e
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const password = "Пароль-тест1"

// TestRewrite writes what was read and must come to the same octets, where salt and
// start vector are given.
func TestRewrite(t *testing.T) {
	t.Parallel()
	data, e := sample(t, "key6_sign_and_kep.dat")
	got, err := SealKey6(e[0].DSTU, e[1].DSTU, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	// Of the last block the filling is free.
	if tail := data[36:]; !bytes.Equal(got[36:len(got)-8], tail[:len(tail)-8]) || len(got) != len(data) {
		t.Errorf("Key-6.dat: %x, want %x", got, data)
	}
	back, err := Open(got, []byte(password))
	if err != nil || len(back) != 2 || !bytes.Equal(back[1].DSTU.D, e[1].DSTU.D) || !bytes.Equal(back[1].DSTU.Algorithm, e[1].DSTU.Algorithm) {
		t.Errorf("Key-6.dat back: %v", err)
	}

	for _, name := range []string{"pbes2_gost_257.p8e", "pbes2_gost_431.p8e"} {
		data, e := sample(t, name)
		salt, iv, n := parts(t, data)
		got, err := encryptPKCS8(e[0].DSTU.PKCS8(), []byte(password), n, salt, iv)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %x, %v, want %x", name, got, err, data)
		}
	}
}

func parts(t *testing.T, data []byte) (salt, iv []byte, n int) {
	t.Helper()
	must := func(r *der.Reader, err error) *der.Reader {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := must(der.NewReader(data, der.DER).Sequence())
	r = must(r.Sequence())
	r.OID()
	r = must(r.Sequence())
	k := must(r.Sequence())
	k.OID()
	k = must(k.Sequence())
	salt, err := k.OctetString()
	if err != nil {
		t.Fatal(err)
	}
	n, err = k.Int(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	c := must(r.Sequence())
	c.OID()
	iv, err = must(c.Sequence()).OctetString()
	if err != nil {
		t.Fatal(err)
	}
	return salt, iv, n
}

func TestEncryptPKCS8(t *testing.T) {
	t.Parallel()
	_, e := sample(t, "key6_single.dat")
	k := e[0].DSTU
	a, err := EncryptPKCS8(k.PKCS8(), []byte("p"), 3, bytes.NewReader(make([]byte, 40)))
	if err != nil {
		t.Fatal(err)
	}
	back, err := Open(a, []byte("p"))
	if err != nil || !bytes.Equal(back[0].DSTU.D, k.D) {
		t.Error(err)
	}
	if _, err := EncryptPKCS8(nil, nil, 3, strings.NewReader("short")); err == nil {
		t.Error("short random accepted")
	}
	if _, err := EncryptPKCS8(nil, nil, 0, bytes.NewReader(make([]byte, 40))); err == nil {
		t.Error("no iterations accepted")
	}
	k.Wipe()
	if !bytes.Equal(k.D, make([]byte, 33)) {
		t.Error("not wiped")
	}
}

// TestDamaged changes and cuts the containers at every octet: none may panic, and
// what has a check of its own gives no other key.
func TestDamaged(t *testing.T) {
	t.Parallel()
	_, e := sample(t, "key6_single.dat")
	p8, err := EncryptPKCS8(e[0].DSTU.PKCS8(), []byte("p"), 2, bytes.NewReader(make([]byte, 40)))
	if err != nil {
		t.Fatal(err)
	}
	jks := read(t, "testdata/synthetic/root_first_chain.jks")
	for _, c := range []struct {
		data    []byte
		pw      string
		step    int
		checked bool
	}{{p8, "p", 1, false}, {jks, password, 17, true}, {e[0].DSTU.PKCS8(), "", 1, false}} {
		for i := 0; i < len(c.data); i += c.step {
			b := bytes.Clone(c.data)
			b[i] ^= 0x01
			got, err := open(b, []byte(c.pw), []byte("qwerty"), 100)
			if err == nil && c.checked {
				t.Errorf("octet %d altered: opened %d keys", i, len(got))
			}
			if err != nil && !known(err) {
				t.Errorf("octet %d altered: %v", i, err)
			}
			if _, err := open(c.data[:i], []byte(c.pw), []byte("qwerty"), 100); err == nil || !known(err) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
	}
}

func known(err error) bool {
	for _, e := range []error{ErrPassword, ErrFormat, ErrUnsupported, ErrLimit} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if _, err := Open(make([]byte, maxSize+1), nil); !errors.Is(err, ErrLimit) {
		t.Error("size:", err)
	}
	if _, err := Open(nil, make([]byte, maxPassword+1)); !errors.Is(err, ErrLimit) {
		t.Error("password:", err)
	}
	if _, err := Open(nil, nil); !errors.Is(err, ErrFormat) {
		t.Error("nothing:", err)
	}
	for _, n := range []int64{0, -1, maxWork + 1, 1 << 62} {
		box := make([]byte, 8)
		b := der.Sequence(der.Sequence(oidPBES2.Encode(), der.Sequence(
			der.Sequence(oidPBKDF2.Encode(), der.Sequence(der.OctetString(box), der.Int(n), der.Sequence(oidHMACGOST.Encode(), der.Null()))),
			der.Sequence(oidGOSTCFB.Encode(), der.Sequence(der.OctetString(box))))), der.OctetString(box))
		if _, err := Open(b, nil); !errors.Is(err, ErrLimit) && n > 0 || err == nil {
			t.Errorf("%d iterations: %v", n, err)
		}
	}
	deep := bytes.Repeat([]byte{0x30, 0x80}, maxSize/2)
	if _, err := Open(deep, nil); !errors.Is(err, ErrFormat) {
		t.Error("nesting:", err)
	}
	// Many keys, each cheap by itself, together too dear.
	_, e := sample(t, "key6_single.dat")
	one, err := encryptPKCS8(e[0].DSTU.PKCS8(), []byte("p"), 60, nil, make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for range 5 {
		all = append(all, der.Sequence(oidShroudedBag.Encode(), der.Explicit(0, one)))
	}
	safe := der.Sequence(der.Sequence(oidData.Encode(), der.Explicit(0, der.OctetString(der.Sequence(all...)))))
	pfx := der.Sequence(der.Int(3), der.Sequence(oidData.Encode(), der.Explicit(0, der.OctetString(safe))))
	if _, err := open(pfx, []byte("p"), nil, 200); !errors.Is(err, ErrLimit) {
		t.Error("work:", err)
	}
	if e, err := open(pfx, []byte("p"), nil, 300); err != nil || len(e) != 5 {
		t.Error("within the limit:", len(e), err)
	}
}
