package enveloped

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

var plain = []byte("платіжне доручення № 1")

// serials of certificates made here.
var serials = make(chan int64)

func init() {
	go func() {
		for n := int64(1000); ; n++ {
			serials <- n
		}
	}()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certify makes a certificate of a standard key with a key usage.
func certify(t testing.TB, p *pkitest.PKI, public crypto.PublicKey, usage pki.KeyUsage) *pki.Certificate {
	t.Helper()
	s := issue.Subject{Country: "UA", Organization: "TEST", CommonName: "Шифрування"}
	template := issue.Signatory(s, big.NewInt(<-serials), p.At.Add(-time.Hour), p.At.Add(time.Hour))
	template.KeyUsage = usage
	c, err := issue.Certificate(rand.Reader, p.CA, public, template)
	must(t, err)
	return c
}

func newKey(t testing.TB, c *pki.Certificate, private crypto.PrivateKey) Key {
	t.Helper()
	k, err := NewKey(c, private)
	must(t, err)
	return k
}

func ecRecipient(t testing.TB, p *pkitest.PKI, curve elliptic.Curve) Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	return newKey(t, certify(t, p, k.Public(), pki.KeyAgreement), k)
}

func rsaRecipient(t testing.TB, p *pkitest.PKI) Key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return newKey(t, certify(t, p, k.Public(), pki.KeyEncipherment), k)
}

// dstuCertificate is only what this package reads of a certificate.
func dstuCertificate(t testing.TB, public *dstu4145.PublicKey) *pki.Certificate {
	t.Helper()
	spki := der.Sequence(
		der.Sequence(der.OID(dstu4145.OIDLittleEndian).Encode(), der.Sequence(der.OID(public.Curve().OID()).Encode())),
		der.BitString(der.OctetString(public.Bytes(dstu4145.LittleEndian))),
	)
	key, err := algorithm.ParseKey(spki)
	must(t, err)
	serial := big.NewInt(<-serials)
	return &pki.Certificate{
		RawIssuer: issue.Subject{Organization: "TEST", CommonName: "DSTU CA"}.Encode(),
		Serial:    serial, RawSerial: serial.Bytes(),
		RawSPKI: spki, PublicKey: key, KeyUsage: pki.KeyAgreement, HasKeyUsage: true,
	}
}

func dstuRecipient(t testing.TB, curve *dstu4145.Curve) Key {
	t.Helper()
	k, err := dstu4145.GenerateKey(curve, rand.Reader)
	must(t, err)
	return newKey(t, dstuCertificate(t, k.Public().(*dstu4145.PublicKey)), k)
}

func certificates(keys ...Key) (out []*pki.Certificate) {
	for _, k := range keys {
		out = append(out, k.certificate)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	rsaKey, p256, p384, p521 := rsaRecipient(t, p), ecRecipient(t, p, elliptic.P256()), ecRecipient(t, p, elliptic.P384()), ecRecipient(t, p, elliptic.P521())
	d257, d257b, d431 := dstuRecipient(t, dstu4145.DSTU257()), dstuRecipient(t, dstu4145.DSTU257()), dstuRecipient(t, dstu4145.DSTU431())
	for _, c := range []struct {
		name   string
		to     []Key
		o      Options
		cipher string
	}{
		{"rsa", []Key{rsaKey}, Options{}, "aes-256-gcm"},
		{"p256", []Key{p256}, Options{}, "aes-256-gcm"},
		{"p384", []Key{p384}, Options{}, "aes-256-gcm"},
		{"p521", []Key{p521}, Options{}, "aes-256-gcm"},
		{"several", []Key{p256, rsaKey, p384}, Options{}, "aes-256-gcm"},
		{"dstu", []Key{d257}, Options{}, "gost28147-cfb"},
		{"dstu two curves", []Key{d257, d431}, Options{}, "gost28147-cfb"},
		{"dstu kupyna", []Key{d431, d257}, Options{Kupyna: true}, "gost28147-cfb"},
		{"dstu static", []Key{d257b}, Options{Sender: &d257}, "gost28147-cfb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, content := range [][]byte{{}, bytes.Repeat(plain, 500)} {
				box, err := Encrypt(rand.Reader, content, certificates(c.to...), c.o)
				must(t, err)
				must(t, der.CheckDER(box))
				for i, k := range c.to {
					got, err := Decrypt(box, []Key{{}, k}, d257.certificate)
					must(t, err)
					if !bytes.Equal(got.Content, content) || got.Key != 1 || got.Cipher != c.cipher ||
						got.Authenticated != (c.cipher == "aes-256-gcm") || got.ContentType != cms.Data {
						t.Errorf("recipient %d: %+v", i, got)
					}
				}
				stranger := ecRecipient(t, p, elliptic.P256())
				if _, err := Decrypt(box, []Key{stranger}); !errors.Is(err, ErrNotForUs) {
					t.Error("stranger:", err)
				}
			}
		})
	}
}

func TestStaticNeedsSender(t *testing.T) {
	t.Parallel()
	from, to := dstuRecipient(t, dstu4145.DSTU257()), dstuRecipient(t, dstu4145.DSTU257())
	box, err := Encrypt(rand.Reader, plain, certificates(to), Options{Sender: &from})
	must(t, err)
	if _, err := Decrypt(box, []Key{to}); !errors.Is(err, ErrOriginator) {
		t.Error(err)
	}
	got, err := Decrypt(box, []Key{to}, from.certificate)
	must(t, err)
	if got.Originator != from.certificate {
		t.Error("originator is not told")
	}
	other := dstuRecipient(t, dstu4145.DSTU431())
	if _, err := Encrypt(rand.Reader, plain, certificates(to), Options{Sender: &other}); !errors.Is(err, ErrKey) {
		t.Error("sender on another curve:", err)
	}
}

// TestRecipientCertificates: nothing is encrypted to a certificate that is not
// meant for it.
func TestRecipientCertificates(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	signer := p.Person("Підписувач", "12345678", "1234567890").Certificate
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	dstu := dstuRecipient(t, dstu4145.DSTU257())
	signs := *dstu.certificate
	signs.KeyUsage = pki.DigitalSignature | pki.NonRepudiation
	ec := ecRecipient(t, p, elliptic.P256()).certificate
	many := make([]*pki.Certificate, MaxRecipients+1)
	for i := range many {
		many[i] = ec
	}
	for _, c := range []struct {
		name string
		to   []*pki.Certificate
		want error
	}{
		{"none", nil, ErrRecipient},
		{"nil", []*pki.Certificate{nil}, ErrRecipient},
		{"empty", []*pki.Certificate{{}}, ErrRecipient},
		{"signer's", []*pki.Certificate{signer}, ErrRecipient},
		{"without usage", []*pki.Certificate{certify(t, p, k.Public(), 0)}, ErrRecipient},
		{"EC with keyEncipherment", []*pki.Certificate{certify(t, p, k.Public(), pki.KeyEncipherment)}, ErrRecipient},
		{"DSTU signer's", []*pki.Certificate{&signs}, ErrRecipient},
		{"one of two", []*pki.Certificate{ec, signer}, ErrRecipient},
		{"mixed", []*pki.Certificate{ec, dstu.certificate}, ErrMixed},
		{"too many", many, ErrLimit},
	} {
		if _, err := Encrypt(rand.Reader, plain, c.to, Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	ec, dstu := ecRecipient(t, p, elliptic.P256()), dstuRecipient(t, dstu4145.DSTU257())
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	dstuOther, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	must(t, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	for _, c := range []struct {
		name string
		c    *pki.Certificate
		k    crypto.PrivateKey
	}{
		{"no certificate", nil, other},
		{"no key", ec.certificate, nil},
		{"another key", ec.certificate, other},
		{"another family", ec.certificate, r},
		{"DSTU for EC", ec.certificate, dstuOther},
		{"EC for DSTU", dstu.certificate, other},
		{"another DSTU key", dstu.certificate, dstuOther},
		{"no key at all", ec.certificate, "text"},
		{"no private key", ec.certificate, ec.certificate.PublicKey},
	} {
		if _, err := NewKey(c.c, c.k); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// elsewhere is an RSA key behind crypto.Decrypter.
type elsewhere struct{ k *rsa.PrivateKey }

func (e elsewhere) Public() crypto.PublicKey { return e.k.Public() }

func (e elsewhere) Decrypt(r io.Reader, b []byte, o crypto.DecrypterOpts) ([]byte, error) {
	return e.k.Decrypt(r, b, o)
}

// agreeElsewhere is an EC key behind Agreement.
type agreeElsewhere struct{ k *ecdh.PrivateKey }

func (e agreeElsewhere) Public() crypto.PublicKey { return e.k.Public() }

func (e agreeElsewhere) SharedX(peer crypto.PublicKey) ([]byte, error) {
	return e.k.ECDH(peer.(*ecdh.PublicKey))
}

func TestKeysElsewhere(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	e, err := ecdh.P384().GenerateKey(rand.Reader)
	must(t, err)
	ec, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), e.PublicKey().Bytes())
	must(t, err)
	keys := []Key{
		newKey(t, certify(t, p, r.Public(), pki.KeyEncipherment), elsewhere{r}),
		newKey(t, certify(t, p, ec, pki.KeyAgreement), agreeElsewhere{e}),
	}
	box, err := Encrypt(rand.Reader, plain, certificates(keys...), Options{})
	must(t, err)
	for _, k := range keys {
		got, err := Decrypt(box, []Key{k})
		must(t, err)
		if !bytes.Equal(got.Content, plain) {
			t.Error("content differs")
		}
	}
	// PKCS #1 v1.5 is not asked of a key that may tell wrong paddings apart.
	key := make([]byte, 32)
	encrypted := encryptV15(t, &r.PublicKey, key)
	old := withTransport(t, keys[0].certificate, encrypted, key)
	if _, err := Decrypt(old, keys[:1]); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	inMemory := newKey(t, keys[0].certificate, r)
	got, err := Decrypt(old, []Key{inMemory})
	must(t, err)
	if !bytes.Equal(got.Content, plain) {
		t.Error("content differs")
	}
}

func encryptV15(t testing.TB, to *rsa.PublicKey, key []byte) []byte {
	t.Helper()
	//lint:ignore SA1019 this is what is tested
	b, err := rsa.EncryptPKCS1v15(rand.Reader, to, key)
	must(t, err)
	return b
}

// withTransport makes AuthEnvelopedData with a PKCS #1 v1.5 recipient.
func withTransport(t testing.TB, to *pki.Certificate, encrypted, key []byte) []byte {
	t.Helper()
	info := der.Sequence(der.Int(0), nameOf(to),
		der.Sequence(der.OID("1.2.840.113549.1.1.1").Encode(), der.Null()), der.OctetString(encrypted))
	box, err := buildAuthenticated(rand.Reader, key, plain, [][]byte{info})
	must(t, err)
	return box
}

// TestOneAnswer: whatever is wrong after the recipient is found, the answer is
// the same, and says nothing more.
func TestOneAnswer(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rk := newKey(t, certify(t, p, r.Public(), pki.KeyEncipherment), r)
	keys := []Key{rk, ecRecipient(t, p, elliptic.P256()), dstuRecipient(t, dstu4145.DSTU257())}
	for i, k := range keys {
		box, err := Encrypt(rand.Reader, plain, certificates(k), Options{})
		must(t, err)
		c, err := Parse(box)
		must(t, err)
		for at := 0; at < len(c.Recipients[0].EncryptedKey); at += 7 {
			c, err := Parse(bytes.Clone(box))
			must(t, err)
			c.Recipients[0].EncryptedKey[at] ^= 1
			if _, err := c.Open([]Key{k}); err != ErrDamaged {
				t.Fatalf("key %d, octet %d: %v", i, at, err)
			}
			if at > 40 {
				break // RSA is long
			}
		}
		if !c.Authenticated {
			continue
		}
		for _, part := range [][]byte{c.Encrypted, c.MAC} {
			part[0] ^= 1
			if _, err := c.Open([]Key{k}); err != ErrDamaged {
				t.Errorf("key %d: %v", i, err)
			}
			part[0] ^= 1
		}
	}
	// PKCS #1 v1.5: wrong padding, wrong length and a wrong key are the same.
	short := encryptV15(t, &r.PublicKey, make([]byte, 16))
	wrong := encryptV15(t, &r.PublicKey, bytes.Repeat([]byte{1}, 32))
	noise := make([]byte, 256)
	noise[200] = 7
	for i, e := range [][]byte{short, wrong, noise, {}, noise[:100]} {
		if _, err := Decrypt(withTransport(t, rk.certificate, e, make([]byte, 32)), []Key{rk}); err != ErrDamaged {
			t.Errorf("PKCS #1 v1.5, case %d: %v", i, err)
		}
	}
}

// TestCBCPadding: a wrong padding is not told.
func TestCBCPadding(t *testing.T) {
	t.Parallel()
	c := &Container{Encrypted: make([]byte, 48)}
	c.Cipher.OID, c.Cipher.Params = aes128CBC, der.OctetString(make([]byte, 16))
	lengths := make(map[int]bool)
	for i := range 256 {
		c.Encrypted[31] = byte(i)
		out, err := openCBC(c, make([]byte, 16))
		must(t, err)
		lengths[len(out)] = true
	}
	if !lengths[48] || !lengths[47] {
		t.Error("lengths", lengths)
	}
}

func TestWrapAES(t *testing.T) {
	t.Parallel()
	// RFC 3394, 4.1, 4.3, 4.6.
	for _, c := range [][3]string{
		{"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"},
		{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
	} {
		kek, key, want := unhex(t, c[0]), unhex(t, c[1]), unhex(t, c[2])
		got, err := wrapAES(kek, key)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("wrap gives %x", got)
		}
		back, ok := unwrapAES(kek, want)
		if !ok || !bytes.Equal(back, key) {
			t.Errorf("unwrap gives %x, %v", back, ok)
		}
		for i := range want {
			want[i] ^= 0x10
			if _, ok := unwrapAES(kek, want); ok {
				t.Error("altered wrap opens")
			}
			want[i] ^= 0x10
		}
	}
	for _, n := range []int{0, 8, 16, 23, 25} {
		if _, ok := unwrapAES(make([]byte, 16), make([]byte, n)); ok {
			t.Error("opens", n)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}

// TestHostile: syntax that must be refused, before any key is used.
func TestHostile(t *testing.T) {
	t.Parallel()
	k := dstuRecipient(t, dstu4145.DSTU257())
	box, err := Encrypt(rand.Reader, plain, certificates(k), Options{})
	must(t, err)
	deep := bytes.Repeat([]byte{0x30, 0x80}, 2<<20)
	many := make([][]byte, MaxRecipients+1)
	for i := range many {
		many[i] = agreementWith(k.certificate, nameOf(k.certificate), []byte{byte(i)}, der.Sequence(cofactorGOST.Encode()), make([]byte, 44))
	}
	content := der.Sequence(cms.Data.Encode(), der.Sequence(gostCFB.Encode(), der.Sequence(der.OctetString(make([]byte, 8)))), der.Implicit(0, plain))
	wrapped := func(parts ...[]byte) []byte {
		return der.Sequence(cms.TypeEnveloped.Encode(), der.Explicit(0, der.Sequence(parts...)))
	}
	head := der.Sequence(cms.TypeEnveloped.Encode())
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, ErrNotEnveloped},
		{"text", plain, ErrNotEnveloped},
		{"SignedData", cms.Build(plain, nil, nil, nil), ErrNotEnveloped},
		{"deep", deep, ErrNotEnveloped},
		{"deep inside", append(bytes.Clone(head), deep...), ErrFormat},
		{"cut", box[:len(box)-1], ErrFormat},
		{"more", append(bytes.Clone(box), 0), ErrFormat},
		{"no recipients", wrapped(der.Int(2), der.SetOf(), content), ErrFormat},
		{"too many", wrapped(der.Int(2), der.SetOf(many...), content), ErrLimit},
		{"huge key", wrapped(der.Int(2), der.SetOf(agreementWith(k.certificate, nameOf(k.certificate), nil,
			der.Sequence(cofactorGOST.Encode()), make([]byte, maxKeyMaterial+1))), content), ErrLimit},
		{"no content", wrapped(der.Int(2), der.SetOf(many[:1]...), der.Sequence(cms.Data.Encode(), der.Sequence(gostCFB.Encode()))), ErrFormat},
		{"kari version", bytes.Replace(box, []byte{0x02, 0x01, 0x03}, []byte{0x02, 0x01, 0x02}, 1), ErrFormat},
	} {
		if _, err := Decrypt(c.in, []Key{k}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, parts := range map[string][2]der.OID{"triple DES": {"1.2.840.113549.3.7", gostWrap}, "GCM in EnvelopedData": {aes256GCM, gostWrap}} {
		in := wrapped(der.Int(2), der.SetOf(many[:1]...), der.Sequence(cms.Data.Encode(), der.Sequence(parts[0].Encode()), der.Implicit(0, plain)))
		if _, err := Decrypt(in, []Key{k}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decrypt(box, nil); !errors.Is(err, ErrNotForUs) {
		t.Error(err)
	}
	if _, err := Decrypt(box, []Key{{}}); !errors.Is(err, ErrNotForUs) {
		t.Error("zero key:", err)
	}
}

// TestAuthenticatedAttributes: what stands beside the content under the tag
// (RFC 5083, 2.2) is covered by it.
func TestAuthenticatedAttributes(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	k := ecRecipient(t, p, elliptic.P256())
	key := bytes.Repeat([]byte{3}, 32)
	info, err := to(rand.Reader, k.certificate, key, Options{})
	must(t, err)
	block, err := aes.NewCipher(key)
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	nonce := make([]byte, gcmNonce)
	attrs := der.SetOf(cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()))
	sealed := aead.Seal(nil, nonce, plain, attrs)
	build := func(attrs []byte) []byte {
		attrs = bytes.Clone(attrs)
		attrs[0] = 0xa1
		return der.Sequence(cms.TypeAuthEnveloped.Encode(), der.Explicit(0, der.Sequence(
			der.Int(0), der.SetOf(info),
			der.Sequence(cms.Data.Encode(), der.Sequence(aes256GCM.Encode(), der.Sequence(der.OctetString(nonce), der.Int(16))), der.Implicit(0, sealed[:len(plain)])),
			attrs, der.OctetString(sealed[len(plain):]))))
	}
	got, err := Decrypt(build(attrs), []Key{k})
	must(t, err)
	if !bytes.Equal(got.Content, plain) {
		t.Error("content differs")
	}
	other := der.SetOf(cms.NewAttribute(cms.AttrContentType, cms.TypeSignedData.Encode()))
	if _, err := Decrypt(build(other), []Key{k}); err != ErrDamaged {
		t.Error("other attributes:", err)
	}
	// A tag cut to fewer octets than its parameters say is no tag.
	c, err := Parse(build(attrs))
	must(t, err)
	c.MAC = c.MAC[:12]
	if _, err := c.Open([]Key{k}); err != ErrDamaged {
		t.Error("short tag:", err)
	}
}
