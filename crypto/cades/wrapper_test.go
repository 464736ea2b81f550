package cades

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/keyfile"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/transport"
)

func inSection(label string, body []byte) []byte {
	head := binary.LittleEndian.AppendUint32([]byte(label+"\x00"), uint32(len(body)))
	return append(head, body...)
}

func inBlocks(parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, binary.LittleEndian.AppendUint32([]byte{2}, uint32(len(p)))...)
		body = append(body, p...)
	}
	return inSection("QLB_SIGN", body)
}

func encrypted(t testing.TB, p *pkitest.PKI, content []byte) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Issue(issue.Subject{CommonName: "Encryption"}, func(t *issue.Template) { t.KeyUsage = pki.KeyAgreement }).Certificate
	c.PublicKey = k.Public()
	box, err := enveloped.Encrypt(rand.Reader, content, []*pki.Certificate{c}, enveloped.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// TestTransportWrapper: refused by default; with the flag what is inside is
// judged, and the report says that the flag was needed.
func TestTransportWrapper(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	head := signer(p, p.Person("Head", "00013480", "2222222222"))
	sign := mustSign(t, document, SignOptions{}, head)
	beside := mustSign(t, document, SignOptions{Detached: true}, head)
	stranger := mustSign(t, document, SignOptions{}, signer(pkitest.New(t), pkitest.New(t).Person("Head", "00013480", "2222222222")))
	box := encrypted(t, p, sign)
	headers := inSection("TRANSPORTABLE", []byte("EDRPOU=99999999\r\n\x00"))
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	for _, c := range []struct {
		name    string
		in      []byte
		doc     []byte
		looks   Sniffed
		verdict string
	}{
		{"UA1_SIGN", inSection("UA1_SIGN", sign), nil, Attached, "TOTAL-PASSED"},
		{"headers", join(headers, inSection("UA1_SIGN", sign)), nil, Attached, "TOTAL-PASSED"},
		{"QLB_SIGN", inBlocks(sign), nil, Attached, "TOTAL-PASSED"},
		{"QLB_SIGN with the document", inBlocks(beside, document), nil, Attached, "TOTAL-PASSED"},
		{"QLB_SIGN with another document", inBlocks(beside, []byte("x")), nil, Attached, "TOTAL-FAILED HASH_FAILURE"},
		{"two contents", inBlocks(sign, document), nil, Attached, "TOTAL-FAILED FORMAT_FAILURE"},
		{"detached", inSection("UA1_SIGN", beside), document, Detached, "TOTAL-PASSED"},
		{"document thrice", inBlocks(beside, document), document, Attached, "TOTAL-FAILED FORMAT_FAILURE"},
		{"stranger", inSection("UA1_SIGN", stranger), nil, Attached, "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"},
		{"two parts", join(inSection("UA1_SIGN", sign), inSection("UA1_SIGN", sign)), nil, Attached, "TOTAL-FAILED FORMAT_FAILURE"},
		{"part beside", join(inSection("UA1_SIGN", sign), inSection("DOCUMENT", document)), nil, Attached, "TOTAL-FAILED FORMAT_FAILURE"},
		{"bare document", inSection("DOCUMENT", document), nil, OtherCMS, "TOTAL-FAILED FORMAT_FAILURE"},
		{"encrypted", join(headers, inSection("UA1_CRYPT", box)), nil, Enveloped, "TOTAL-FAILED FORMAT_FAILURE"},
		{"twice", inSection("UA1_SIGN", inSection("UA1_SIGN", sign)), nil, OtherCMS, "TOTAL-FAILED FORMAT_FAILURE"},
		{"tail", append(inSection("UA1_SIGN", sign), 0), nil, Attached, "TOTAL-FAILED FORMAT_FAILURE"},
		{"PACKED_XML", []byte("PACKED_XML\x00\x01\x02"), nil, OtherCMS, "TOTAL-FAILED FORMAT_FAILURE"},
	} {
		in := Input{Container: c.in}
		if c.doc != nil {
			in.Detached = detached(c.doc)
		}
		if got := Sniff(c.in); got != c.looks {
			t.Errorf("%s looks like %d", c.name, got)
		}
		o := Options{At: pkitest.At, Trust: p.Store()}
		if r := Validate(in, o); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" || r.NotContainer || len(r.Signatures) > 0 {
			t.Errorf("%s without the flag: %s (%s)", c.name, verdict(r), r.Detail)
		}
		o.Tolerate = Tolerances{TransportWrapper: true}
		r := Validate(in, o)
		if verdict(r) != c.verdict || r.NotContainer {
			t.Errorf("%s: %s (%s)", c.name, verdict(r), r.Detail)
		}
		for _, s := range r.Signatures {
			if !slices.Contains(s.Tolerances, TransportWrapper) {
				t.Errorf("%s: the flag is not in the report", c.name)
			}
		}
		if r.Indication == TotalPassed && c.doc == nil && (!r.Attached || !bytes.Equal(r.Content, document)) {
			t.Errorf("%s: content %q", c.name, r.Content)
		}
	}
	if got := MessageDigests(inSection("UA1_SIGN", beside)); len(got) != 1 {
		t.Error("digests", got)
	}
}

// TestKEPWrapped: the wrapped and the encrypted signatures of the КЕП set, the
// sandwich of sign, encrypt and sign among them, pass layer by layer.
func TestKEPWrapped(t *testing.T) {
	t.Parallel()
	k := readKEP(t)
	strict := Options{At: kepTime, Trust: k.store(), Tolerate: Tolerances{NoRevocation: true}}
	lenient := Options{At: kepTime, Trust: k.store(), Tolerate: Tolerances{NoRevocation: true, TransportWrapper: true}}
	read := func(name ...string) []byte { return shareddata.Read(t, append([]string{k.dir}, name...)...) }
	var keys []enveloped.Key
	for _, name := range []string{"ee_director_kep257", "ee_person_kep431"} {
		entries, err := keyfile.Open(read("pki", "keys", name+".p8"), nil)
		if err != nil {
			t.Fatal(err)
		}
		private, err := entries[0].Key()
		if err != nil {
			t.Fatal(err)
		}
		key, err := enveloped.NewKey(readCertificate(t, k.dir, "pki", "certs", name+".cer"), private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	open := func(b []byte) []byte {
		t.Helper()
		o, err := enveloped.Decrypt(b, keys, k.signatories...)
		if err != nil {
			t.Fatal(err)
		}
		return o.Content
	}
	pass := func(name string, b []byte, o Options) []byte {
		t.Helper()
		r := Validate(Input{Container: b}, o)
		if verdict(r) != "TOTAL-PASSED" {
			t.Errorf("%s: %s (%s)", name, verdict(r), r.Detail)
		}
		return r.Content
	}
	part := func(b []byte) []byte {
		t.Helper()
		f, err := transport.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Payload()
		if err != nil {
			t.Fatal(err)
		}
		return p.Data
	}
	pass("signed_then_enveloped", open(read("enveloped", "signed_then_enveloped.p7e")), strict)
	for _, name := range []string{"sign_plain.p7s", "sign_headers.p7s"} {
		b := read("transport", name)
		if r := Validate(Input{Container: b}, strict); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
			t.Errorf("%s without the flag: %s", name, verdict(r))
		}
		pass(name, b, lenient)
	}
	inner := pass("sign_crypt_sign", read("transport", "sign_crypt_sign.dat"), lenient)
	pass("sign_crypt_sign, inside", open(part(inner)), lenient)
	// Encrypted without a signature: it opens, and is worth nothing.
	bare := open(part(read("transport", "crypt_with_cert.dat")))
	if !bytes.Equal(bare, read("enveloped", "plaintext.txt")) {
		t.Errorf("crypt_with_cert: %q", bare)
	}
}

// TestEncrypted: what is encrypted is told from what is signed, and is no
// signature (relsec 116).
func TestEncrypted(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	box := encrypted(t, p, document)
	if Sniff(box) != Enveloped {
		t.Error("AuthEnvelopedData looks like", Sniff(box))
	}
	if r := Validate(Input{Container: box}, Options{At: pkitest.At, Trust: p.Store()}); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
		t.Error(verdict(r), r.Detail)
	}
	b := shareddata.Read(t, shareddata.Dir(t, "relsec", "attack", "cms", "116-enveloped-not-signed.p7s"))
	if Sniff(b) != Enveloped {
		t.Error("EnvelopedData looks like", Sniff(b))
	}
	if r := Validate(Input{Container: b}, Options{At: pkitest.At, Tolerate: Tolerances{TransportWrapper: true}}); verdict(r) != "TOTAL-FAILED FORMAT_FAILURE" {
		t.Error(verdict(r), r.Detail)
	}
}
