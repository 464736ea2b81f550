package cades

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/tsp"
)

// ArchiveRule is how the imprint of an archive-time-stamp-v3 is made.
type ArchiveRule string

// The rules.
const (
	// ArchiveETSI is EN 319 122-1, 5.5.3: over the fields of the SignerInfo and the
	// ats-hash-index-v3 that the token carries.
	ArchiveETSI ArchiveRule = "etsi"
	// ArchiveUAPKI is what UAPKI and the Diia test stand write: over the SignerInfo as a
	// whole element, and a hash index that the token does not carry and that is made
	// again from the container as it stands.
	ArchiveUAPKI ArchiveRule = "uapki"
)

// hashIndex is ats-hash-index-v3, EN 319 122-1, 5.5.2: digests of what an archive
// time-stamp protects.
type hashIndex struct {
	raw                              []byte
	algorithm                        algorithm.Identifier
	certificates, revocation, values [][]byte
}

// maxIndexed bounds the digests of each list of an index.
const maxIndexed = 1024

// indexOf reads the index among the unsigned attributes of a token; nil if there is
// none.
func indexOf(t *tsp.Token) (*hashIndex, error) {
	var found *hashIndex
	for _, a := range t.SignedData().Signers[0].UnsignedAttrs {
		if a.Type != cms.AttrHashIndex && a.Type != cms.AttrHashIndex3 {
			continue
		}
		if found != nil || len(a.Values) != 1 {
			return nil, errors.New("ats-hash-index is doubled or not of one value")
		}
		x, err := readIndex(a.Values[0], a.Type == cms.AttrHashIndex)
		if err != nil {
			return nil, fmt.Errorf("ats-hash-index: %w", err)
		}
		found = x
	}
	return found, nil
}

func readIndex(raw []byte, old bool) (*hashIndex, error) {
	x := &hashIndex{raw: raw, algorithm: algorithm.Identifier{OID: algorithm.SHA256}}
	if err := der.CheckDER(raw); err != nil {
		return nil, err
	}
	r, err := der.NewReader(raw, der.DER).Sequence()
	if err != nil {
		return nil, err
	}
	// Old ones leave out SHA-256, their default: then the first SEQUENCE is a list of
	// OCTET STRINGs.
	first, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return nil, err
	}
	pending := &first
	if r.Inside(first).Peek(der.Universal, der.TagOID) {
		if x.algorithm, err = algorithm.ReadIdentifier(der.NewReader(first.Raw, der.DER)); err != nil {
			return nil, err
		}
		pending = nil
	} else if !old {
		return nil, errors.New("no digest algorithm")
	}
	for _, to := range []*[][]byte{&x.certificates, &x.revocation, &x.values} {
		var list *der.Reader
		if pending != nil {
			list, pending = r.Inside(*pending), nil
		} else if list, err = r.Sequence(); err != nil {
			return nil, err
		}
		for !list.Empty() {
			if len(*to) == maxIndexed {
				return nil, cms.ErrLimit
			}
			sum, err := list.OctetString()
			if err != nil {
				return nil, err
			}
			*to = append(*to, sum)
		}
	}
	return x, r.End()
}

// indexed are the parts of a container that an index knows, each by what is hashed.
func indexed(sd *cms.SignedData, si *cms.SignerInfo, whole bool, skip func(cms.Attribute) bool) (certificates, revocation, values [][]byte) {
	for _, a := range si.UnsignedAttrs {
		switch {
		case skip != nil && skip(a):
		case whole:
			values = append(values, a.Raw)
		default:
			for _, v := range a.Values {
				values = append(values, slices.Concat(a.Type.Encode(), v))
			}
		}
	}
	return sd.CertificateChoices, sd.RevocationChoices, values
}

// newIndex makes the index over everything that is in the container.
func newIndex(sd *cms.SignedData, si *cms.SignerInfo, d *algorithm.Digest, id []byte, whole bool, skip func(cms.Attribute) bool) []byte {
	list := func(parts [][]byte) []byte {
		var sums [][]byte
		for _, p := range parts {
			sums = append(sums, der.OctetString(hashed(d, nil, p)))
		}
		return der.Sequence(sums...)
	}
	c, r, v := indexed(sd, si, whole, skip)
	return der.Sequence(id, list(c), list(r), list(v))
}

// archiveMessage is what an archive-time-stamp-v3 is over, EN 319 122-1, 5.5.3.
// content is the digest of the content by the imprint's algorithm.
func archiveMessage(sd *cms.SignedData, si *cms.SignerInfo, content, index []byte, rule ArchiveRule) []byte {
	fields := si.Fields
	if rule == ArchiveUAPKI {
		fields = der.Sequence(si.Fields)
	}
	return slices.Concat(sd.ContentType.Encode(), content, fields, index)
}

func isArchive3(a cms.Attribute) bool { return a.Type == cms.AttrArchive3 }

// errIndex: an index names what is not in the container, or is by a digest that
// does not count.
var errIndex = errors.New("ats-hash-index names what is not in the container")

// protected gives the parts that the index names, as a set. All that it names must be there:
// something taken away afterwards may have been what spoke against the signature.
func (x *hashIndex) protected(sd *cms.SignedData, si *cms.SignerInfo) (map[string]bool, error) {
	d, err := algorithm.FindDigest(x.algorithm)
	if err != nil {
		return nil, fmt.Errorf("ats-hash-index: %w", err)
	}
	certificates, revocation, values := indexed(sd, si, false, nil)
	// TS 101 733, 6.4.2 indexes attributes as a whole, EN 319 122-1 value by value; each
	// is found under each of the two identifiers, and both protect the value.
	_, _, whole := indexed(sd, si, true, nil)
	values = append(values, whole...)
	out := make(map[string]bool)
	for _, l := range []struct{ named, parts [][]byte }{
		{x.certificates, certificates}, {x.revocation, revocation}, {x.values, values},
	} {
		sums := make(map[string][]byte, len(l.parts))
		for _, p := range l.parts {
			sums[string(hashed(d, nil, p))] = p
		}
		for _, n := range l.named {
			p, ok := sums[string(n)]
			if !ok {
				return nil, errIndex
			}
			out[string(p)] = true
		}
	}
	return out, nil
}

// archiveSum gives the digest that an archive-time-stamp-v3 of a signature must be
// over, and the rule that it follows. content hashes the content.
func archiveSum(sd *cms.SignedData, si *cms.SignerInfo, messageDigest []byte, t *tsp.Token, content func(*algorithm.Digest, crypto.PublicKey) ([]byte, error)) (func(*algorithm.Digest, crypto.PublicKey) ([]byte, error), *hashIndex, ArchiveRule, error) {
	index, err := indexOf(t)
	if err != nil {
		return nil, nil, "", err
	}
	if index == nil {
		return func(d *algorithm.Digest, key crypto.PublicKey) ([]byte, error) {
			made := newIndex(sd, si, d, t.Info.ImprintAlgorithm.Raw, true, isArchive3)
			return hashed(d, key, archiveMessage(sd, si, messageDigest, made, ArchiveUAPKI)), nil
		}, nil, ArchiveUAPKI, nil
	}
	return func(d *algorithm.Digest, key crypto.PublicKey) ([]byte, error) {
		sum, err := content(d, key)
		if err != nil {
			return nil, err
		}
		return hashed(d, key, archiveMessage(sd, si, sum, index.raw, ArchiveETSI)), nil
	}, index, ArchiveETSI, nil
}

// sealedByContainer tells that the signature has an archive-time-stamp over the
// container as it stands: anything added would break it.
func sealedByContainer(si *cms.SignerInfo) bool {
	for _, a := range si.UnsignedAttrs {
		switch a.Type {
		case cms.AttrArchive2:
			return true
		case cms.AttrArchive3:
			for _, v := range a.Values {
				t, err := tsp.Parse(v)
				if err != nil {
					return true
				}
				if x, err := indexOf(t); err != nil || x == nil {
					return true
				}
			}
		}
	}
	return false
}

func hasValue(attrs []cms.Attribute, oid der.OID) bool {
	return slices.ContainsFunc(attrs, func(a cms.Attribute) bool { return a.Type == oid && len(a.Values) > 0 })
}

func sameBytes(list [][]byte, b []byte) bool {
	return slices.ContainsFunc(list, func(x []byte) bool { return bytes.Equal(x, b) })
}
