package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
)

func section(label string, body string) string {
	n := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	return label + "\x00" + string(n) + body
}

func block(body string) string {
	return "\x02" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body
}

const head = "EDRPOU=00000111\r\nFILENAME=\xe2\xe8\xef\xe8\xf1\xea\xe0.xml\r\n\x00"

func TestParse(t *testing.T) {
	t.Parallel()
	hash := "\x20" + strings.Repeat("h", 32)
	untagged := block("payload")[1:]
	for _, c := range []struct {
		name, in string
		want     []Part
	}{
		{"sign", section("UA1_SIGN", "s"), []Part{{Kind: Signed, Label: "UA1_SIGN", Data: []byte("s")}}},
		{"headers", section("TRANSPORTABLE", head) + section("UA1_SIGN", "s"), []Part{{Kind: Signed, Label: "UA1_SIGN", Data: []byte("s")}}},
		{"post", section("ZPOSTTRANSPORTABLE", head) + section("DOCUMENT", "d"), []Part{{Kind: Document, Label: "DOCUMENT", Data: []byte("d")}}},
		{
			"crypt", section("TRANSPORTABLE", head) + section("CERTCRYPT", "c") + section("UA1_CRYPT", "e"),
			[]Part{{Kind: Encrypted, Label: "UA1_CRYPT", Data: []byte("e"), Certificate: []byte("c")}},
		},
		{"mark", "USC_SIGN\x00" + section("UA1_SIGN", "s"), []Part{{Kind: Signed, Label: "UA1_SIGN", Data: []byte("s")}}},
		{
			"blocks", section("QLB_SIGN", block("sig")+hash+block("doc")),
			[]Part{{Kind: Signed, Label: "QLB_SIGN", Data: []byte("sig"), Content: []byte("doc")}},
		},
		{
			"untagged", section("QLB_SIGN", block("sig")+hash+"\x00\x00\x00\x00"+untagged),
			[]Part{{Kind: Signed, Label: "QLB_SIGN", Data: []byte("sig"), Content: []byte("payload")}},
		},
		{
			"encrypted blocks", section("QLB_CRYPT", block("cert")+block("env")),
			[]Part{{Kind: Encrypted, Label: "QLB_CRYPT", Data: []byte("env"), Certificate: []byte("cert")}},
		},
	} {
		f, err := Parse([]byte(c.in))
		if err != nil || !reflect.DeepEqual(f.Parts, c.want) {
			t.Errorf("%s: %v, %+v", c.name, err, f)
			continue
		}
		if !Is([]byte(c.in)) {
			t.Errorf("%s: not told", c.name)
		}
		if strings.Contains(c.in, head) && (f.Header("EDRPOU") != "00000111" || f.Header("FILENAME") != "виписка.xml" || f.Header("X") != "") {
			t.Errorf("%s: headers %v", c.name, f.Headers)
		}
		if p := FirstPart([]byte(c.in)); p.Kind != c.want[0].Kind || p.Label != c.want[0].Label || p.Data != nil && !bytes.HasPrefix(p.Data, c.want[0].Data) {
			t.Errorf("%s: first part %+v", c.name, p)
		}
		// Cut anywhere, it is no file.
		for n := range len(c.in) {
			if f, err := Parse([]byte(c.in[:n])); err == nil && n > 0 && !strings.HasPrefix(c.in[n:], "\x00\x00\x00\x00") {
				t.Errorf("%s cut at %d: %+v", c.name, n, f)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	sign := section("UA1_SIGN", "s")
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"nothing", "", ErrNotWrapper},
		{"CMS", "\x30\x80", ErrNotWrapper},
		{"packed", "PACKED_XML\x00\x01", ErrPackedXML},
		{"unknown first", section("SOMETHING", "s"), ErrNotWrapper},
		{"lower case", section("ua1_sign", "s"), ErrNotWrapper},
		{"unknown second", sign + section("SOMETHING", "s"), ErrFormat},
		{"tail", sign + "\x00", ErrFormat},
		{"empty section", section("UA1_SIGN", ""), ErrFormat},
		{"length beyond", "UA1_SIGN\x00\xff\xff\xff\xffs", ErrFormat},
		{"headers alone", section("TRANSPORTABLE", head), ErrFormat},
		{"headers twice", section("TRANSPORTABLE", head) + section("TRANSPORTABLE", head) + sign, ErrFormat},
		{"headers last", sign + section("TRANSPORTABLE", head), ErrFormat},
		{"certificate alone", section("CERTCRYPT", "c"), ErrFormat},
		{"certificate for signed", section("CERTCRYPT", "c") + sign, ErrFormat},
		{"two certificates", section("CERTCRYPT", "c") + section("CERTCRYPT", "c") + section("UA1_CRYPT", "e"), ErrFormat},
		{"mark alone", "USC_SIGN\x00", ErrFormat},
		{"many", strings.Repeat(sign, maxSections+1), ErrFormat},
		{"key twice", section("TRANSPORTABLE", "A=1\r\nA=2\r\n\x00") + sign, ErrFormat},
		{"no key", section("TRANSPORTABLE", "=1\r\n\x00") + sign, ErrFormat},
		{"key with a space", section("TRANSPORTABLE", "A B=1\r\n\x00") + sign, ErrFormat},
		{"no end of line", section("TRANSPORTABLE", "A=1\x00") + sign, ErrFormat},
		{"bare LF", section("TRANSPORTABLE", "A=1\nB=2\r\n\x00") + sign, ErrFormat},
		{"NUL within", section("TRANSPORTABLE", "A=1\r\n\x00B=2\r\n\x00") + sign, ErrFormat},
		{"undefined octet", section("TRANSPORTABLE", "A=\x98\r\n\x00") + sign, ErrFormat},
		{"long value", section("TRANSPORTABLE", "A="+strings.Repeat("x", maxValue+1)+"\r\n\x00") + sign, ErrFormat},
		{"no blocks", section("QLB_SIGN", "\x20"+strings.Repeat("h", 32)), ErrFormat},
		{"three blocks", section("QLB_SIGN", block("a")+block("b")+block("c")), ErrFormat},
		{"one encrypted block", section("QLB_CRYPT", block("a")), ErrFormat},
		{"short hash", section("QLB_SIGN", block("a")+"\x20hhh"), ErrFormat},
		{"untagged first", section("QLB_SIGN", block("a")[1:]), ErrFormat},
		{"many blocks", section("QLB_SIGN", block("a")+strings.Repeat("\x00\x00\x00\x00", maxBlocks)), ErrFormat},
	} {
		if f, err := Parse([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %+v", c.name, err, f)
		}
	}
	f, err := Parse([]byte(sign + sign))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Payload(); !errors.Is(err, ErrFormat) {
		t.Error("two parts:", err)
	}
}

// TestShared: every wrapped file of the data set gets its verdict.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	read := func(name ...string) []byte { return shareddata.Read(t, append([]string{dir}, name...)...) }
	for _, name := range []string{"bad_length.dat", "bad_label.dat", "zero_len.dat"} {
		if _, err := Parse(read("transport", name)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	payload := func(b []byte) (*File, Part) {
		t.Helper()
		f, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Payload()
		if err != nil {
			t.Fatal(err)
		}
		return f, p
	}
	signed := func(p Part) *cms.SignedData {
		t.Helper()
		sd, err := cms.Parse(p.Data, cms.Options{})
		if err != nil || p.Kind != Signed {
			t.Fatal(p.Kind, err)
		}
		return sd
	}
	f, p := payload(read("transport", "sign_headers.p7s"))
	signed(p)
	for k, v := range map[string]string{"EDRPOU": "00000111", "DOC_TYPE": "3", "FILENAME": "виписка.xml", "RCV_EMAIL": "user@example.test"} {
		if f.Header(k) != v {
			t.Errorf("sign_headers: %s is %q", k, f.Header(k))
		}
	}
	_, p = payload(read("transport", "sign_plain.p7s"))
	signed(p)
	_, p = payload(read("transport", "crypt_with_cert.dat"))
	if _, err := enveloped.Parse(p.Data); err != nil || p.Kind != Encrypted {
		t.Error("crypt_with_cert:", err)
	}
	if _, err := pki.ParseCertificate(p.Certificate); err != nil {
		t.Error("crypt_with_cert:", err)
	}
	_, p = payload(read("transport", "sign_crypt_sign.dat"))
	_, inner := payload(signed(p).Content)
	if _, err := enveloped.Parse(inner.Data); err != nil || inner.Label != "UA1_CRYPT" {
		t.Error("sign_crypt_sign:", err)
	}
	f, p = payload(read("real", "transport", "message.transport"))
	if string(signed(p).Content) != "123" || f.Header("EDRPOU") != "1234567891" || f.Header("DOC_TYPE") != "3" {
		t.Error("message.transport:", f.Headers)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(section("TRANSPORTABLE", head) + section("CERTCRYPT", "c") + section("UA1_CRYPT", "e")))
	f.Add([]byte("USC_SIGN\x00" + section("QLB_SIGN", block("sig")+"\x20"+strings.Repeat("h", 32)+block("doc"))))
	f.Fuzz(func(t *testing.T, in []byte) {
		FirstPart(in)
		w, err := Parse(in)
		if err != nil {
			return
		}
		if !Is(in) {
			t.Error("a wrapper that is not told")
		}
		n := 0
		for _, p := range w.Parts {
			n += len(p.Data) + len(p.Certificate) + len(p.Content)
		}
		if n > len(in) {
			t.Error("more came out than went in")
		}
	})
}
