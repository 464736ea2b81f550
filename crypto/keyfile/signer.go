package keyfile

import (
	"crypto"
	"fmt"

	"github.com/brama-gateway/brama/crypto/algorithm"
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
