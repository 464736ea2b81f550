package cms

import (
	"fmt"

	"github.com/brama-gateway/brama/crypto/der"
)

// MaxBundle bounds the certificates of a bundle.
const MaxBundle = 4096

// Certificates gives the certificates of SignedData as whole elements, without
// regard to content and signers: for bundles of certificates (.p7b), which have
// none of either. A bundle is not signed and proves nothing.
func Certificates(data []byte) ([][]byte, error) {
	if head, err := contentInfoType(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCMS, err)
	} else if head != TypeSignedData {
		return nil, fmt.Errorf("content type %s: %w", head, ErrNotSigned)
	}
	if err := der.CheckDepth(data); err != nil {
		return nil, err
	}
	whole := der.NewReader(data, der.BER)
	info, err := whole.Sequence()
	if err != nil {
		return nil, err
	}
	if err := whole.End(); err != nil {
		return nil, fmt.Errorf("after the bundle: %w", err)
	}
	if _, err := info.OID(); err != nil {
		return nil, err
	}
	x, err := info.Explicit(0)
	if err != nil {
		return nil, err
	}
	r, err := x.Sequence()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for !r.Empty() {
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if !e.Is(der.Context, 0) || !e.Constructed {
			continue
		}
		for list := r.Inside(e); !list.Empty(); {
			c, err := list.Next()
			if err != nil {
				return nil, err
			}
			if !c.Is(der.Universal, der.TagSequence) {
				continue // an attribute certificate, or another form
			}
			if len(out) == MaxBundle {
				return nil, fmt.Errorf("more than %d certificates: %w", MaxBundle, ErrLimit)
			}
			out = append(out, c.Raw)
		}
	}
	return out, nil
}
