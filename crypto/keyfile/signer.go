package keyfile

import (
	"crypto"
	"fmt"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
)

// Key gives the entry's key for signing, of whatever family. A key of DSTU 4145 is
// compared with its curve here: a number out of range or a curve that is none of
// the standard's wraps ErrFormat. An entry without a key gives ErrUnsupported.
func (e *Entry) Key() (crypto.Signer, error) {
	switch {
	case e.Signer != nil:
		return e.Signer, nil
	case e.DSTU == nil:
		return nil, fmt.Errorf("entry without a key: %w", ErrUnsupported)
	}
	k, err := algorithm.NewDSTUPrivateKey(e.DSTU.Algorithm, e.DSTU.D)
	if err != nil {
		return nil, fmt.Errorf("DSTU 4145 key: %w: %w", ErrFormat, err)
	}
	return k, nil
}

// Signing gives the key to sign with: that of the first entry which is not for key
// agreement. No such entry gives ErrUnsupported.
func Signing(entries []Entry) (crypto.Signer, error) {
	for i := range entries {
		e := &entries[i]
		if e.Usage != UsageAgreement && (e.Signer != nil || e.DSTU != nil) {
			return e.Key()
		}
	}
	return nil, fmt.Errorf("container without a key for signing: %w", ErrUnsupported)
}

// MarshalDSTU encodes a key as PrivateKeyInfo, unencrypted, with the curve named and
// the number little-endian: the secret itself.
func MarshalDSTU(k *dstu4145.PrivateKey) ([]byte, error) {
	spki, err := algorithm.MarshalKey(k.Public())
	if err != nil {
		return nil, err
	}
	r, err := der.NewReader(spki, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	id, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	return der.Sequence(der.Int(0), id.Raw, der.OctetString(k.Bytes(dstu4145.LittleEndian))), nil
}
