package keyfile

import (
	"crypto/hmac"
	"fmt"
	"io"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost34311"
	"github.com/brama-gateway/brama/crypto/kdf"
)

// Plain is a key to be put into a PKCS #12.
type Plain struct {
	// Name is shown to people by programs that list the container; may be empty.
	Name string
	// Key is a PrivateKeyInfo, of any algorithm; see DSTUKey.PKCS8.
	Key []byte
	// Certificates are encoded, the key's own first.
	Certificates [][]byte
}

// SealPKCS12 writes a PKCS #12 (RFC 7292) with keys under PBES2 with GOST, as
// EncryptPKCS8 makes them, the certificates in the clear, and a MAC over GOST 34.311.
// The password is in UTF-8.
func SealPKCS12(keys []Plain, password []byte, iterations int, random io.Reader) ([]byte, error) {
	if len(keys) == 0 || len(keys) > maxEntries || iterations < 1 || iterations > maxWork/(len(keys)+1) {
		return nil, ErrLimit
	}
	pw, ok := bmp(password)
	if !ok || len(password) > maxPassword {
		return nil, fmt.Errorf("password is not text: %w", ErrPassword)
	}
	defer clear(pw)

	var keyBags, certBags [][]byte
	for i, k := range keys {
		shrouded, err := EncryptPKCS8(k.Key, password, iterations, random)
		if err != nil {
			return nil, err
		}
		id := attribute(oidLocalKeyID, der.OctetString([]byte{byte(i + 1)}))
		attributes := der.SetOf(id)
		if k.Name != "" {
			name, ok := utf16BE([]byte(k.Name))
			if !ok {
				return nil, fmt.Errorf("key name is not text: %w", ErrFormat)
			}
			attributes = der.SetOf(id, attribute(oidFriendlyName, der.Value(der.TagBMPString, name)))
		}
		keyBags = append(keyBags, der.Sequence(oidShroudedBag.Encode(), der.Explicit(0, shrouded), attributes))
		for j, c := range k.Certificates {
			bag := der.Explicit(0, der.Sequence(oidX509.Encode(), der.Explicit(0, der.OctetString(c))))
			if j == 0 {
				certBags = append(certBags, der.Sequence(oidCertBag.Encode(), bag, der.SetOf(id)))
			} else {
				certBags = append(certBags, der.Sequence(oidCertBag.Encode(), bag))
			}
		}
	}
	parts := [][]byte{dataInfo(der.Sequence(keyBags...))}
	if certBags != nil {
		parts = append(parts, dataInfo(der.Sequence(certBags...)))
	}
	content := der.Sequence(parts...)

	salt := make([]byte, gost34311.Size)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	key := kdf.PKCS12(newGOST(), gost34311.BlockSize, kdf.ForMAC, pw, salt, iterations, gost34311.Size)
	defer clear(key)
	code := hmac.New(newGOST, key)
	code.Write(content)
	return der.Sequence(der.Int(3), dataInfo(content), der.Sequence(
		der.Sequence(der.Sequence(oidGOST34311.Encode(), der.Null()), der.OctetString(code.Sum(nil))),
		der.OctetString(salt), der.Int(int64(iterations)))), nil
}

func dataInfo(b []byte) []byte {
	return der.Sequence(oidData.Encode(), der.Explicit(0, der.OctetString(b)))
}

func attribute(oid der.OID, value []byte) []byte {
	return der.Sequence(oid.Encode(), der.SetOf(value))
}
