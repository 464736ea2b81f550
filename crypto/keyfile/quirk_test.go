package keyfile

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/brama-gateway/brama/crypto/der"
)

// TestWindows1251 opens containers whose password was spelled in the old code page.
func TestWindows1251(t *testing.T) {
	t.Parallel()
	_, e := sample(t, "key6_single.dat")
	old, err := charmap.Windows1251.NewEncoder().Bytes([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	p8, err := encryptPKCS8(e[0].DSTU.PKCS8(), old, 3, []byte("salt"), make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	key6, err := SealKey6(e[0].DSTU, nil, old)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{p8, key6} {
		got, err := Open(data, []byte(password))
		if err != nil || !bytes.Equal(got[0].DSTU.D, e[0].DSTU.D) {
			t.Error(err)
		}
	}
}

// TestWrappers: what programs put around containers.
func TestWrappers(t *testing.T) {
	t.Parallel()
	data, e := sample(t, "key6_single.dat")
	p8 := e[0].DSTU.PKCS8()
	sealed, err := encryptPKCS8(p8, []byte("p"), 3, []byte("salt"), make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	// The bag and the parts in BER, as older programs write them.
	octets := func(b []byte) []byte {
		half := len(b) / 2
		out := append([]byte{0x24, 0x80}, der.OctetString(b[:half])...)
		return append(append(out, der.OctetString(b[half:])...), 0, 0)
	}
	info := func(b []byte) []byte { return der.Sequence(oidData.Encode(), der.Explicit(0, octets(b))) }
	bag := der.Sequence(der.Sequence(oidShroudedBag.Encode(), der.Explicit(0, sealed)))
	streamed := der.Sequence(der.Int(3), info(der.Sequence(info(bag))))
	medoc := der.Sequence(der.Int(3), dataInfo(der.Sequence(dataInfo(bag))), der.Sequence(
		der.Sequence(der.Sequence(oidMEDoc.Encode(), der.Null()), der.OctetString(make([]byte, 32))),
		der.OctetString(make([]byte, 8)), der.Int(1)))

	for name, c := range map[string]struct {
		data []byte
		pw   string
	}{
		"six octets before":  {append([]byte{0x51, 1, 2, 3, 4, 5}, data...), password},
		"BER PKCS12":         {streamed, "p"},
		"M.E.Doc PKCS12":     {medoc, "p"},
		"encrypted PEM":      {pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}), "p"},
		"PEM after text":     {append([]byte("Bag Attributes\n    x: y\n"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8})...), ""},
		"octets after PKCS8": {append(bytes.Clone(p8), make([]byte, 15)...), ""},
	} {
		if name == "octets after PKCS8" {
			got, err := privateKeyInfo(c.data)
			if err != nil || !bytes.Equal(got[0].DSTU.D, e[0].DSTU.D) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := privateKeyInfo(append(c.data, 0)); !errors.Is(err, ErrFormat) {
				t.Errorf("%s, 16 of them: %v", name, err)
			}
			continue
		}
		got, err := Open(c.data, []byte(c.pw))
		if err != nil || !bytes.Equal(got[0].DSTU.D, e[0].DSTU.D) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrivateNumber starts from a good key and changes one thing.
func TestPrivateNumber(t *testing.T) {
	t.Parallel()
	_, e := sample(t, "key6_single.dat")
	k := e[0].DSTU
	number := bytes.Clone(k.D)
	for i, j := 0, len(number)-1; i < j; i, j = i+1, j-1 {
		number[i], number[j] = number[j], number[i]
	}
	high := bytes.Clone(number)
	high[32] = 2
	named := func(last string) []byte {
		return der.Sequence(oidDSTU.Encode(), der.Sequence(der.OID("1.2.804.2.1.1.1.1.3.1.1.2."+last).Encode()))
	}
	for _, c := range []struct {
		name      string
		algorithm []byte
		number    []byte
		want      error
	}{
		{"good", k.Algorithm, number, nil},
		{"named", named("6"), number, nil},
		{"zero dropped", k.Algorithm, number[:32], nil},
		{"zeros added", k.Algorithm, append(bytes.Clone(number), 0, 0), nil},
		{"in an OCTET STRING", k.Algorithm, der.OctetString(number), nil},
		{"zero", k.Algorithm, make([]byte, 33), ErrFormat},
		{"nothing", k.Algorithm, nil, ErrFormat},
		{"above the field", k.Algorithm, high, ErrFormat},
		{"too long", k.Algorithm, append(bytes.Clone(number), 1), ErrFormat},
		{"unknown curve", named("10"), number, ErrUnsupported},
		{"no parameters", der.Sequence(oidDSTU.Encode()), number, ErrFormat},
		{"short block", der.Sequence(oidDSTU.Encode(), der.Sequence(der.OID("1.2.804.2.1.1.1.1.3.1.1.2.6").Encode(), der.OctetString(make([]byte, 63)))), number, ErrFormat},
	} {
		got, err := dstuKey(c.algorithm, c.number)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && !bytes.Equal(got.D, k.D) {
			t.Errorf("%s: another number", c.name)
		}
	}
	onb := der.Sequence(der.Int(0), der.Sequence(oidDSTUONB.Encode()), der.OctetString(number))
	if _, err := Open(onb, nil); !errors.Is(err, ErrUnsupported) {
		t.Error("normal basis:", err)
	}
}

// The vectors are of RFC 2268, section 5, those whose key bits all count.
func TestRC2(t *testing.T) {
	t.Parallel()
	for _, x := range [][3]string{
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		var b [3][]byte
		for i := range x {
			b[i], _ = hex.DecodeString(x[i])
		}
		out := make([]byte, 8)
		newRC2(b[0]).Decrypt(out, b[2])
		if !bytes.Equal(out, b[1]) {
			t.Errorf("%x, want %s", out, x[1])
		}
	}
}
