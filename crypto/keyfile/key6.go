package keyfile

import (
	"errors"
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/kdf"
)

// key6 opens the container of IIT:
//
//	SEQUENCE {
//	  SEQUENCE { OID, SEQUENCE { mac OCTET STRING (4), rest OCTET STRING OPTIONAL } },
//	  body OCTET STRING }
//
// body and rest together are whole blocks of GOST 28147 in simple substitution; the
// PrivateKeyInfo is as long as body, and mac is its authentication code.
func (o *opener) key6(data []byte) ([]Entry, error) {
	r, err := der.NewReader(data, der.BER).Sequence()
	if err != nil {
		return nil, bad("Key-6.dat", err)
	}
	head, err := r.Sequence()
	if err != nil {
		return nil, bad("Key-6.dat", err)
	}
	if _, err := head.OID(); err != nil {
		return nil, bad("Key-6.dat", err)
	}
	params, err := head.Sequence()
	if err != nil {
		return nil, bad("Key-6.dat", err)
	}
	mac, err := params.OctetString()
	if err != nil || len(mac) != gost28147.MACSize {
		return nil, bad("Key-6.dat", err)
	}
	var rest []byte
	if !params.Empty() {
		if rest, err = params.OctetString(); err != nil {
			return nil, bad("Key-6.dat", err)
		}
	}
	body, err := r.OctetString()
	if err != nil {
		return nil, bad("Key-6.dat", err)
	}
	all := slices.Concat(body, rest)
	if len(rest) >= gost28147.BlockSize || len(all)%gost28147.BlockSize != 0 {
		return nil, bad("Key-6.dat", nil)
	}

	for _, password := range spellings(o.password) {
		if err := o.spend(kdf.IITIterations); err != nil {
			return nil, err
		}
		plain, err := key6Decrypt(password, all, len(body), mac)
		if errors.Is(err, ErrPassword) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		return privateKeyInfo(plain)
	}
	return nil, ErrPassword
}

func key6Decrypt(password, all []byte, size int, mac []byte) ([]byte, error) {
	key := kdf.IIT(password)
	defer clear(key[:])
	c, err := gost28147.NewCipher(key[:], nil)
	if err != nil {
		return nil, err
	}
	defer c.Wipe()
	plain := make([]byte, len(all))
	if err := c.DecryptECB(plain, all); err != nil {
		return nil, err
	}
	if m := c.MAC(plain[:size]); !equal(m[:], mac) {
		clear(plain)
		return nil, ErrPassword
	}
	return plain[:size], nil
}
