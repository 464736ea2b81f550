package cades

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // identifies what old references name; proves nothing
	"slices"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
)

// References are what complete-certificate-references and complete-revocation-
// references (EN 319 122-1, A.1.1 and A.1.2) name, and how much of it is at hand: in
// the container or configured. They decide nothing by themselves; a time-stamp over
// them proves that what they name by a strong digest existed.
type References struct {
	Named, Missing int
	// Weak are found, but named by SHA-1 alone.
	Weak int
}

// maxReferences bounds those that are looked at.
const maxReferences = 256

// reference is one OtherHash.
type reference struct {
	digest *algorithm.Digest // nil: SHA-1
	value  []byte
}

// readReferences reads both attributes. What cannot be read names nothing.
func (j *judgement) readReferences() {
	var named []reference
	for _, a := range j.si.UnsignedAttrs {
		for _, v := range a.Values {
			switch a.Type {
			case cms.AttrCertificateRefs:
				for _, id := range sequence(v) {
					named = appendHash(named, id)
				}
			case cms.AttrRevocationRefs:
				for _, ref := range sequence(v) {
					named = appendRevocationRef(named, ref)
				}
			}
		}
	}
	if len(named) == 0 {
		return
	}
	named = named[:min(len(named), maxReferences)]
	known := j.known()
	byDigest := make(map[*algorithm.Digest]map[string][]byte)
	refs := &References{Named: len(named)}
	for _, n := range named {
		table := byDigest[n.digest]
		if table == nil {
			table = make(map[string][]byte, len(known))
			for _, b := range known {
				if n.digest != nil {
					table[string(hashed(n.digest, nil, b))] = b
				} else {
					s := sha1.Sum(b)
					table[string(s[:])] = b
				}
			}
			byDigest[n.digest] = table
		}
		b, ok := table[string(n.value)]
		switch {
		case !ok:
			refs.Missing++
		case n.digest == nil:
			refs.Weak++
		default:
			j.named = append(j.named, b)
		}
	}
	j.out.References = refs
}

// known are the objects at hand that a reference may name.
func (j *judgement) known() [][]byte {
	var out [][]byte
	for _, c := range slices.Concat(j.material, j.c.o.Trust.Certificates(), j.c.o.Trust.Anchors()) {
		out = append(out, c.Raw)
	}
	for _, l := range slices.Concat(j.lists, j.c.lists, j.c.o.Trust.CRLs()) {
		out = append(out, l.Raw)
	}
	for _, r := range j.answers {
		out = append(out, ocspParts(r.Raw)...)
	}
	return out
}

// referenced are the objects at hand that the references name by a strong digest.
func (j *judgement) referenced() [][]byte {
	var out [][]byte
	for _, b := range j.named {
		out = append(out, b)
		if parts := ocspParts(b); parts != nil {
			out = append(out, parts...)
		}
	}
	return out
}

// appendHash reads the OtherHash that begins a SEQUENCE.
func appendHash(to []reference, raw []byte) []reference {
	r, err := der.NewReader(raw, der.BER).Sequence()
	if err != nil {
		return to
	}
	return appendOtherHash(to, r)
}

func appendOtherHash(to []reference, r *der.Reader) []reference {
	if r.Peek(der.Universal, der.TagOctetString) {
		if v, err := r.OctetString(); err == nil && len(v) == sha1.Size {
			return append(to, reference{value: v})
		}
		return to
	}
	in, err := r.Sequence()
	if err != nil {
		return to
	}
	id, err := algorithm.ReadIdentifier(in)
	if err != nil {
		return to
	}
	d := algorithm.DigestByOID(id.OID)
	v, err := in.OctetString()
	if err != nil || d == nil || len(v) != d.Size {
		return to
	}
	return append(to, reference{d, v})
}

// appendRevocationRef reads CrlOcspRef.
func appendRevocationRef(to []reference, raw []byte) []reference {
	r, err := der.NewReader(raw, der.BER).Sequence()
	if err != nil {
		return to
	}
	for tag := range uint32(2) {
		if !r.Peek(der.Context, tag) {
			continue
		}
		x, err := r.Explicit(tag)
		if err != nil {
			return to
		}
		body, err := x.Sequence() // CRLListID, OcspListID
		if err != nil {
			return to
		}
		list, err := body.Sequence()
		if err != nil {
			return to
		}
		for _, id := range elements(list) {
			if tag == 0 {
				to = appendHash(to, id)
				continue
			}
			in, err := der.NewReader(id, der.BER).Sequence()
			if err != nil {
				continue
			}
			if _, err := in.Sequence(); err != nil || in.Empty() { // OcspIdentifier; the digest may be absent
				continue
			}
			to = appendOtherHash(to, in)
		}
	}
	return to
}

// attributeContents are type and values, without the SEQUENCE around them, of all
// unsigned attributes of a type.
func (j *judgement) attributeContents(oid der.OID) []byte {
	var out bytes.Buffer
	for _, a := range j.si.UnsignedAttrs {
		if a.Type != oid {
			continue
		}
		if e, err := der.One(a.Raw, der.BER); err == nil {
			out.Write(e.Content)
		}
	}
	return out.Bytes()
}
