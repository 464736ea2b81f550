package keyfile

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/brama-gateway/brama/crypto/der"
)

// oidJKS is the protection of keys in a JKS.
const oidJKS der.OID = "1.3.6.1.4.1.42.2.17.1.1"

// fields reads the big-endian fields of a JKS; after the first error it gives
// nothing.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if f.bad || n < 0 || n > len(f.b) {
		f.bad = true
		return nil
	}
	out := f.b[:n:n]
	f.b = f.b[n:]
	return out
}

func (f *fields) number(size int) int {
	var w [8]byte
	copy(w[8-size:], f.take(size))
	return int(binary.BigEndian.Uint64(w[:]))
}

func (f *fields) text() string  { return string(f.take(f.number(2))) }
func (f *fields) block() []byte { return f.take(f.number(4)) }

// jks opens a Java key store, versions 1 and 2. Passwords are spelled in UTF-16. The
// store has a password for the whole and each key its own, mostly the same.
func (o *opener) jks(data []byte) ([]Entry, error) {
	if len(data) < 12+sha1.Size {
		return nil, bad("JKS", nil)
	}
	store, ok := utf16BE(o.password)
	if !ok {
		return nil, ErrPassword
	}
	defer clear(store)
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	h := sha1.New()
	h.Write(store)
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(body)
	if !equal(h.Sum(nil), sum) {
		return nil, ErrPassword
	}
	key, ok := utf16BE(o.keyPassword)
	if !ok {
		return nil, ErrPassword
	}
	defer clear(key)

	f := &fields{b: body[4:]}
	version := f.number(4)
	count := f.number(4)
	if version != 1 && version != 2 {
		return nil, bad("JKS version", nil)
	}
	if count > maxEntries {
		return nil, fmt.Errorf("JKS entries: %w", ErrLimit)
	}
	var entries []Entry
	fail := func(err error) ([]Entry, error) {
		for _, e := range entries {
			if e.DSTU != nil {
				e.DSTU.Wipe()
			}
		}
		return nil, err
	}
	for range count {
		tag := f.number(4)
		name := f.text()
		f.take(8) // date
		switch tag {
		case 1:
			sealed := f.block()
			chain, err := jksChain(f, version, f.number(4))
			if err != nil {
				return fail(err)
			}
			if f.bad {
				return fail(bad("JKS", nil))
			}
			got, err := jksKey(sealed, key)
			if err != nil {
				return fail(err)
			}
			for i := range got {
				got[i].Name = name
			}
			got[0].Certificates = chain
			entries = append(entries, got...)
		case 2:
			chain, err := jksChain(f, version, 1)
			if err != nil {
				return fail(err)
			}
			entries = append(entries, Entry{Name: name, Certificates: chain})
		default:
			return fail(bad("JKS entry", nil))
		}
	}
	if f.bad || len(f.b) != 0 {
		return fail(bad("JKS", nil))
	}
	return entries, nil
}

func jksChain(f *fields, version, count int) ([][]byte, error) {
	if count > maxEntries {
		return nil, fmt.Errorf("JKS certificates: %w", ErrLimit)
	}
	var chain [][]byte
	for range count {
		if version == 2 {
			f.text() // the type: "X.509", also "X509"
		}
		chain = append(chain, bytes.Clone(f.block()))
	}
	if f.bad {
		return nil, bad("JKS certificates", nil)
	}
	return chain, nil
}

// jksKey undoes the protection: salt, data under a key stream of SHA-1, SHA-1 of the
// password and the plain data.
func jksKey(sealed, password []byte) ([]Entry, error) {
	r, err := der.NewReader(sealed, der.BER).Sequence()
	if err != nil {
		return nil, bad("JKS key", err)
	}
	alg, err := r.Sequence()
	if err != nil {
		return nil, bad("JKS key", err)
	}
	oid, err := alg.OID()
	if err != nil {
		return nil, bad("JKS key", err)
	}
	if oid != oidJKS {
		return nil, fmt.Errorf("JKS key under %s: %w", oid, ErrUnsupported)
	}
	b, err := r.OctetString()
	if err != nil || len(b) < 2*sha1.Size {
		return nil, bad("JKS key", err)
	}
	stream, body, check := b[:sha1.Size], b[sha1.Size:len(b)-sha1.Size], b[len(b)-sha1.Size:]
	plain := make([]byte, len(body))
	defer clear(plain)
	h := sha1.New()
	for i := 0; i < len(body); i += sha1.Size {
		h.Reset()
		h.Write(password)
		h.Write(stream)
		stream = h.Sum(nil)
		subtle.XORBytes(plain[i:], body[i:], stream)
	}
	h.Reset()
	h.Write(password)
	h.Write(plain)
	if !equal(h.Sum(nil), check) {
		return nil, ErrPassword
	}
	return privateKeyInfo(plain)
}
