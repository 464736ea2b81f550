package cades

import (
	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/transport"
)

// Sniffed is what the first bytes of a file look like.
type Sniffed uint8

// The kinds; the zero value is no CMS.
const (
	NotCMS    Sniffed = iota
	Attached          // SignedData with its content
	Detached          // SignedData without content
	Enveloped         // EnvelopedData or AuthEnvelopedData: encrypted
	OtherCMS          // another content type, or SignedData cut before that can be told
)

// sniffed is how many bytes Sniff looks at.
const sniffed = 4096

var otherTypes = map[der.OID]bool{
	cms.Data:                    true,
	"1.2.840.113549.1.7.4":      true, // signedAndEnvelopedData
	"1.2.840.113549.1.7.5":      true, // digestedData
	"1.2.840.113549.1.7.6":      true, // encryptedData
	"1.2.840.113549.1.9.16.1.2": true, // authenticatedData
	"1.2.840.113549.1.9.16.1.9": true, // compressedData
}

// Sniff tells from the first bytes of a file, at most 4096 of which are looked
// at, whether it is a CMS container: DER or BER, in PEM or bare base64. It reads
// the header fields one after another and so is not taken in by a name; that
// the rest is sound it does not say.
//
// Of a transport wrapper it tells what the wrapper carries, and OtherCMS where
// that is a bare document or lies further on: a wrapper is judged or refused as a
// container and never taken for a document.
func Sniff(head []byte) Sniffed {
	head = head[:min(len(head), sniffed)]
	if !transport.Is(head) {
		return sniff(head)
	}
	p := transport.FirstPart(head)
	switch kind := sniff(p.Data); {
	case p.Kind == transport.Encrypted:
		return Enveloped
	case p.Kind == transport.Signed && kind == Detached && p.Label != "UA1_SIGN":
		return Attached // the document is beside it in the wrapper
	case p.Kind == transport.Signed && (kind == Attached || kind == Detached):
		return kind
	}
	return OtherCMS
}

func sniff(head []byte) Sniffed {
	kind, attached, err := cms.Head(cms.UnarmourHead(head))
	switch {
	case kind == cms.TypeSignedData && err != nil:
		return OtherCMS
	case kind == cms.TypeSignedData && attached:
		return Attached
	case kind == cms.TypeSignedData:
		return Detached
	case kind == cms.TypeEnveloped, kind == cms.TypeAuthEnveloped:
		return Enveloped
	case otherTypes[kind]:
		return OtherCMS
	}
	return NotCMS
}

// Digest is a digest of a document, by name ("sha256") and value.
type Digest struct {
	Algorithm string
	Value     []byte
}

// MessageDigests gives what the signers of a container say they signed. Nothing
// is verified: the answer serves to find the document that belongs to a detached
// signature and proves nothing. It is nil for what is not a readable container.
func MessageDigests(container []byte) (out []Digest) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	if f, err := transport.Parse(container); err == nil {
		p, err := f.Payload()
		if err != nil || p.Kind != transport.Signed {
			return nil
		}
		container = p.Data
	}
	data, err := cms.Unarmour(container)
	if err != nil {
		return nil
	}
	sd, err := cms.Parse(data, cms.Options{BERSignerInfo: true})
	if err != nil {
		return nil
	}
	for i := range sd.Signers {
		si := &sd.Signers[i]
		d := algorithm.DigestByOID(si.DigestAlgorithm.OID)
		if d == nil {
			continue
		}
		for _, a := range si.SignedAttrs {
			if a.Type != cms.AttrDigest || len(a.Values) != 1 {
				continue
			}
			if v, err := der.NewReader(a.Values[0], der.DER).OctetString(); err == nil {
				out = append(out, Digest{Algorithm: d.Name, Value: v})
			}
		}
	}
	return out
}
