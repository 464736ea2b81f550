package keyfile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/kdf"
)

// Object identifiers of PKCS #12.
const (
	oidEncryptedData der.OID = "1.2.840.113549.1.7.6"
	oidKeyBag        der.OID = "1.2.840.113549.1.12.10.1.1"
	oidShroudedBag   der.OID = "1.2.840.113549.1.12.10.1.2"
	oidCertBag       der.OID = "1.2.840.113549.1.12.10.1.3"
	oidX509          der.OID = "1.2.840.113549.1.9.22.1"
	oidFriendlyName  der.OID = "1.2.840.113549.1.9.20"
	oidLocalKeyID    der.OID = "1.2.840.113549.1.9.21"
	// M.E.Doc writes this for the hash of the MAC, which it does not make.
	oidMEDoc der.OID = "1.32.113549.1.7.1.524545"
)

// macs are the hashes of the MAC; the second number is the block that the key
// derivation counts with.
var macs = map[der.OID]struct {
	new   func() hash.Hash
	block int
}{
	oidGOST34311:             {newGOST, 32},
	"1.3.14.3.2.26":          {sha1.New, 64},
	"2.16.840.1.101.3.4.2.1": {sha256.New, 64},
	"2.16.840.1.101.3.4.2.2": {sha512.New384, 128},
	"2.16.840.1.101.3.4.2.3": {sha512.New, 128},
}

// bags are what was found in a PKCS #12.
type bags struct {
	keys  []Entry
	ids   [][]byte // localKeyId of each key
	certs []certificate
}

type certificate struct {
	der, id []byte
}

// pkcs12 opens a PFX under a password, RFC 7292.
func (o *opener) pkcs12(data []byte) ([]Entry, error) {
	r, err := der.NewReader(data, der.BER).Sequence()
	if err != nil {
		return nil, bad("PKCS #12", err)
	}
	if _, err := r.Int(3); err != nil {
		return nil, bad("PKCS #12 version", err)
	}
	oid, content, err := contentInfo(r)
	if err != nil {
		return nil, err
	}
	if oid != oidData {
		return nil, fmt.Errorf("PKCS #12 integrity by %s: %w", oid, ErrUnsupported)
	}
	safe, err := content.OctetString()
	if err != nil {
		return nil, bad("PKCS #12 content", err)
	}
	if !r.Empty() {
		if err := o.checkMAC(r, safe); err != nil {
			return nil, err
		}
	}

	found := new(bags)
	if err := o.authenticatedSafe(safe, found); err != nil {
		for _, k := range found.keys {
			if k.DSTU != nil {
				k.DSTU.Wipe()
			}
		}
		return nil, err
	}
	if len(found.keys) == 0 {
		return nil, bad("PKCS #12 without a private key", nil)
	}
	return found.entries(), nil
}

// contentInfo reads a ContentInfo and enters its content.
func contentInfo(r *der.Reader) (der.OID, *der.Reader, error) {
	c, err := r.Sequence()
	if err != nil {
		return "", nil, bad("content", err)
	}
	oid, err := c.OID()
	if err != nil {
		return "", nil, bad("content", err)
	}
	x, err := c.Explicit(0)
	if err != nil {
		return "", nil, bad("content", err)
	}
	return oid, x, nil
}

// checkMAC reads MacData and compares the code, RFC 7292, 4 and appendix B.
func (o *opener) checkMAC(r *der.Reader, content []byte) error {
	m, err := r.Sequence()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	info, err := m.Sequence()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	alg, err := info.Sequence()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	oid, err := alg.OID()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	if oid == oidMEDoc {
		return nil
	}
	want, err := info.OctetString()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	salt, err := m.OctetString()
	if err != nil {
		return bad("PKCS #12 MAC", err)
	}
	if len(salt) > maxSalt {
		return fmt.Errorf("PKCS #12 MAC salt: %w", ErrLimit)
	}
	count := 1
	if !m.Empty() {
		n, err := m.Integer()
		if err != nil {
			return bad("PKCS #12 MAC", err)
		}
		if !n.IsInt64() || n.Int64() > maxWork {
			return fmt.Errorf("iteration count: %w", ErrLimit)
		}
		count = int(n.Int64())
	}
	mac, ok := macs[oid]
	if !ok {
		return fmt.Errorf("PKCS #12 MAC with %s: %w", oid, ErrUnsupported)
	}
	if err := o.spend(count); err != nil {
		return err
	}
	pw, ok := bmp(o.password)
	if !ok {
		return ErrPassword
	}
	defer clear(pw)
	h := mac.new()
	key := kdf.PKCS12(h, mac.block, kdf.ForMAC, pw, salt, count, h.Size())
	defer clear(key)
	code := hmac.New(mac.new, key)
	code.Write(content)
	if !equal(code.Sum(nil), want) {
		return ErrPassword
	}
	return nil
}

// authenticatedSafe reads the parts, each plain or under the password.
func (o *opener) authenticatedSafe(safe []byte, found *bags) error {
	r, err := der.NewReader(safe, der.BER).Sequence()
	if err != nil {
		return bad("PKCS #12 content", err)
	}
	for n := 0; !r.Empty(); n++ {
		if n == maxEntries {
			return fmt.Errorf("PKCS #12 parts: %w", ErrLimit)
		}
		oid, x, err := contentInfo(r)
		if err != nil {
			return err
		}
		switch oid {
		case oidData:
			b, err := x.OctetString()
			if err != nil {
				return bad("PKCS #12 part", err)
			}
			if err := o.safeContents(b, found); err != nil {
				return err
			}
		case oidEncryptedData:
			if err := o.encryptedPart(x, found); err != nil {
				return err
			}
		default:
			return fmt.Errorf("PKCS #12 part %s: %w", oid, ErrUnsupported)
		}
	}
	return nil
}

// encryptedPart opens EncryptedData, RFC 5652, section 8.
func (o *opener) encryptedPart(x *der.Reader, found *bags) error {
	r, err := x.Sequence()
	if err != nil {
		return bad("PKCS #12 part", err)
	}
	if _, err := r.Int(2); err != nil {
		return bad("PKCS #12 part", err)
	}
	c, err := r.Sequence()
	if err != nil {
		return bad("PKCS #12 part", err)
	}
	if _, err := c.OID(); err != nil {
		return bad("PKCS #12 part", err)
	}
	alg, err := c.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return bad("PKCS #12 part", err)
	}
	e, err := c.Next()
	if err != nil || e.Class != der.Context || e.Tag != 0 {
		return bad("PKCS #12 part", err)
	}
	body, err := c.Octets(e)
	if err != nil {
		return bad("PKCS #12 part", err)
	}
	return o.decrypt(alg.Raw, body, func(plain []byte) error {
		// A wrong spelling of the password must leave nothing behind.
		var here bags
		if err := o.safeContents(plain, &here); err != nil {
			return err
		}
		found.keys = append(found.keys, here.keys...)
		found.ids = append(found.ids, here.ids...)
		found.certs = append(found.certs, here.certs...)
		return nil
	})
}

// safeContents reads the bags, RFC 7292, 4.2. Kinds that hold neither keys nor
// certificates are passed over.
func (o *opener) safeContents(b []byte, found *bags) error {
	r, err := der.NewReader(b, der.BER).Sequence()
	if err != nil {
		return bad("PKCS #12 bags", err)
	}
	for !r.Empty() {
		if len(found.keys)+len(found.certs) >= maxEntries {
			return fmt.Errorf("PKCS #12 bags: %w", ErrLimit)
		}
		bag, err := r.Sequence()
		if err != nil {
			return bad("PKCS #12 bag", err)
		}
		oid, err := bag.OID()
		if err != nil {
			return bad("PKCS #12 bag", err)
		}
		value, err := bag.Explicit(0)
		if err != nil {
			return bad("PKCS #12 bag", err)
		}
		name, id, err := bagAttributes(bag)
		if err != nil {
			return err
		}
		switch oid {
		case oidKeyBag, oidShroudedBag:
			e, err := value.Next()
			if err != nil {
				return bad("PKCS #12 key", err)
			}
			var got []Entry
			if oid == oidKeyBag {
				got, err = privateKeyInfo(e.Raw)
			} else {
				got, err = o.encryptedPKCS8(e.Raw)
			}
			if err != nil {
				return err
			}
			for i := range got {
				got[i].Name = name
				found.keys = append(found.keys, got[i])
				found.ids = append(found.ids, id)
			}
		case oidCertBag:
			c, err := value.Sequence()
			if err != nil {
				return bad("PKCS #12 certificate", err)
			}
			kind, err := c.OID()
			if err != nil {
				return bad("PKCS #12 certificate", err)
			}
			if kind != oidX509 {
				continue
			}
			x, err := c.Explicit(0)
			if err != nil {
				return bad("PKCS #12 certificate", err)
			}
			raw, err := x.OctetString()
			if err != nil {
				return bad("PKCS #12 certificate", err)
			}
			found.certs = append(found.certs, certificate{der: bytes.Clone(raw), id: id})
		}
	}
	return nil
}

// bagAttributes reads the name and the localKeyId of a bag.
func bagAttributes(bag *der.Reader) (name string, id []byte, err error) {
	if bag.Empty() {
		return "", nil, nil
	}
	set, err := bag.Set()
	if err != nil {
		return "", nil, bad("PKCS #12 attributes", err)
	}
	for !set.Empty() {
		a, err := set.Sequence()
		if err != nil {
			return "", nil, bad("PKCS #12 attribute", err)
		}
		oid, err := a.OID()
		if err != nil {
			return "", nil, bad("PKCS #12 attribute", err)
		}
		values, err := a.Set()
		if err != nil {
			return "", nil, bad("PKCS #12 attribute", err)
		}
		if values.Empty() {
			continue
		}
		v, err := values.Next()
		if err != nil {
			return "", nil, bad("PKCS #12 attribute", err)
		}
		switch oid {
		case oidFriendlyName:
			name, _ = v.Text()
			name = strings.TrimRight(name, "\x00")
		case oidLocalKeyID:
			if id, err = values.Octets(v); err != nil {
				return "", nil, bad("PKCS #12 attribute", err)
			}
			id = bytes.Clone(id)
		}
	}
	return name, id, nil
}
