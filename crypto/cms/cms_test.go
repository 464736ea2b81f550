package cms

import (
	"bytes"
	"errors"
	"testing"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
)

// parts of a container that is well formed and means nothing.
type parts struct {
	certificates, signers, attributes, values int
	unsigned                                  [][]byte
	after                                     []byte
}

func (p parts) build() []byte {
	sha := der.Sequence(algorithm.SHA256.Encode())
	name := der.Sequence()
	var attrs [][]byte
	for i := range p.attributes {
		var values [][]byte
		for j := range p.values {
			values = append(values, der.Int(int64(j)))
		}
		attrs = append(attrs, der.Sequence(der.OID("1.2.3").Encode(), der.SetOf(append(values, der.Int(int64(i)))...)))
	}
	set := der.SetOf(attrs...)
	set[0] = 0xa0
	si := [][]byte{der.Int(1), der.Sequence(name, der.Int(1)), sha, set, der.Sequence(algorithm.ECDSAWithSHA256.Encode()), der.OctetString(nil)}
	if p.unsigned != nil {
		u := der.SetOf(p.unsigned...)
		u[0] = 0xa1
		si = append(si, u)
	}
	signer := der.Sequence(si...)
	var signers, certs [][]byte
	for range p.signers {
		signers = append(signers, signer)
	}
	for i := range p.certificates {
		certs = append(certs, der.Sequence(der.Int(int64(i))))
	}
	return append(Build([]byte("x"), [][]byte{sha}, certs, signers), p.after...)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	big := NewAttribute("1.2.4", der.OctetString(make([]byte, MaxUnsignedBytes)))
	fits := NewAttribute("1.2.4", der.OctetString(make([]byte, MaxUnsignedBytes-100)))
	for _, c := range []struct {
		name string
		p    parts
		ok   bool
	}{
		{"good", parts{certificates: 1, signers: 1, attributes: 3}, true},
		{"no signer", parts{}, true},
		{"64 certificates", parts{certificates: 64, signers: 1}, true},
		{"65 certificates", parts{certificates: 65, signers: 1}, false},
		{"16 signers", parts{signers: 16}, true},
		{"17 signers", parts{signers: 17}, false},
		{"64 attributes", parts{signers: 1, attributes: 64}, true},
		{"65 attributes", parts{signers: 1, attributes: 65}, false},
		{"65 values", parts{signers: 1, attributes: 1, values: 64}, false},
		{"unsigned attributes of 1 MiB", parts{signers: 1, unsigned: [][]byte{fits}}, true},
		{"unsigned attributes of more", parts{signers: 1, unsigned: [][]byte{big}}, false},
	} {
		sd, err := Parse(c.p.build(), Options{})
		if c.ok && (err != nil || len(sd.Signers) != c.p.signers || len(sd.Certificates) != c.p.certificates) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok && !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v, want %v", c.name, err, ErrLimit)
		}
	}
	for _, after := range [][]byte{{0}, {0, 0}, []byte("\n"), parts{}.build()} {
		if _, err := Parse(parts{signers: 1, after: after}.build(), Options{}); err == nil {
			t.Errorf("%.4x after the container is let through", after)
		}
	}
	if _, err := Parse(der.Sequence(TypeEnveloped.Encode(), der.Explicit(0, der.Sequence())), Options{}); !errors.Is(err, ErrNotSigned) {
		t.Errorf("EnvelopedData: %v", err)
	}
	if _, err := Parse([]byte("text"), Options{}); !errors.Is(err, ErrNotCMS) {
		t.Errorf("text: %v", err)
	}
}

func TestUnarmour(t *testing.T) {
	t.Parallel()
	raw := parts{signers: 1}.build()
	for text, ok := range map[string]bool{
		"-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n":                                               true,
		"\n-----BEGIN PKCS7-----\r\nMAA=\r\n-----END PKCS7-----":                                       true,
		"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n":                               false,
		"-----BEGIN CMS-----\nMAA=\n-----END CMS-----\ntext":                                           false,
		"-----BEGIN CMS-----\nMAA=\n-----END PKCS7-----\n":                                             false,
		"-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n-----BEGIN CMS-----\nMAA=\n-----END CMS-----\n": false,
		"-----BEGIN CMS-----\nMA?=\n-----END CMS-----\n":                                               false,
		"MAAwADAAMAA=":  true,
		"MAAwADAAMAA=x": false,
	} {
		if got, err := Unarmour([]byte(text)); (err == nil) != ok || ok && !bytes.HasPrefix(got, []byte{0x30, 0}) {
			t.Errorf("%q: %x %v", text, got, err)
		}
	}
	if got, err := Unarmour(raw); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("bare: %v", err)
	}
}

func TestIsAttributes(t *testing.T) {
	t.Parallel()
	if !IsAttributes(der.SetOf(NewAttribute(AttrContentType, Data.Encode()))) {
		t.Error("a set of attributes is not known")
	}
	for _, b := range [][]byte{nil, []byte("1"), []byte("1;2;3"), der.SetOf(), der.Sequence(NewAttribute(AttrContentType, Data.Encode()))} {
		if IsAttributes(b) {
			t.Errorf("%q is taken for attributes", b)
		}
	}
}
