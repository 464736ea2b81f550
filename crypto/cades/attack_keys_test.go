package cades

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
)

// people are who the hostile classes are made with, all keys of one family.
type people struct {
	head, other, revoked, expired Signer
	forged                        Signer // under a CA of the same names and another key
	self                          Signer // the head's names, signed by itself
	authority                     Signer // the CA itself
	trust                         *pki.Store
	digest                        *algorithm.Digest
}

func newPeople(t *testing.T, kind string) people {
	t.Helper()
	year := 365 * 24 * time.Hour
	from, until := pkitest.At.Add(-year), pkitest.At.Add(year)
	key := func() (crypto.Signer, crypto.PublicKey) {
		if kind == "dstu" {
			k, public := newDSTUKey(t, dstu4145.DSTU257(), nil, false, 0)
			return k, public
		}
		k, err := keyKinds[kind]()
		if err != nil {
			t.Fatal(err)
		}
		return k, k.Public()
	}
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hierarchy := func() (root, ca issue.Issuer) {
		k, public := key()
		c, err := issue.SelfSignedAs(rand.Reader, k, public, issue.Authority(issue.Subject{Country: "UA", CommonName: "Root"}, big.NewInt(1), from, until, -1))
		fatal(err)
		root = issue.Issuer{Key: k, Certificate: c}
		k, public = key()
		c, err = issue.Certificate(rand.Reader, root, public, issue.Authority(issue.Subject{Country: "UA", CommonName: "CA"}, big.NewInt(2), from, until, 0))
		fatal(err)
		return root, issue.Issuer{Key: k, Certificate: c}
	}
	root, ca := hierarchy()
	_, forger := hierarchy()
	person := func(by issue.Issuer, name string, serial int64, until time.Time) Signer {
		k, public := key()
		c, err := issue.Certificate(rand.Reader, by, public, issue.Signatory(
			issue.Subject{Country: "UA", CommonName: name, EDRPOU: "00013480", Person: "2222222222"}, big.NewInt(serial), from, until))
		fatal(err)
		return Signer{Key: k, Certificate: c, Chain: []*pki.Certificate{by.Certificate}}
	}
	p := people{
		head: person(ca, "Head", 10, until), other: person(ca, "Other", 11, until), revoked: person(ca, "Revoked", 12, until),
		expired: person(ca, "Expired", 13, pkitest.At.Add(-time.Hour)), forged: person(forger, "Head", 10, until),
		authority: Signer{Key: ca.Key, Certificate: ca.Certificate, Chain: []*pki.Certificate{root.Certificate}},
	}
	k, public := key()
	c, err := issue.SelfSignedAs(rand.Reader, k, public, issue.Signatory(issue.Subject{Country: "UA", CommonName: "Head", EDRPOU: "00013480", Person: "2222222222"}, big.NewInt(10), from, until))
	fatal(err)
	p.self = Signer{Key: k, Certificate: c, Chain: []*pki.Certificate{c}}
	var lists []*pki.CRL
	for _, by := range []issue.Issuer{root, ca} {
		l := issue.List{Number: big.NewInt(1), ThisUpdate: pkitest.At.Add(-time.Hour), NextUpdate: pkitest.At.Add(time.Hour)}
		if by.Certificate == ca.Certificate {
			l.Revoked = []issue.Revocation{{Serial: p.revoked.Certificate.Serial, At: pkitest.At.Add(-2 * time.Hour), Reason: 1}}
		}
		crl, err := issue.CRL(rand.Reader, by, l)
		fatal(err)
		lists = append(lists, crl)
	}
	p.trust = pki.NewStore([]*pki.Certificate{root.Certificate}, []*pki.Certificate{ca.Certificate, p.head.Certificate, p.other.Certificate}, lists)
	p.digest, _, err = algorithm.ForSigning(p.head.Key.Public())
	fatal(err)
	return p
}

// attributes are those of a sound signature, by the family's own digest.
func (p people) attributes(s Signer, content []byte) [][]byte {
	return [][]byte{
		cms.NewAttribute(cms.AttrContentType, cms.Data.Encode()),
		cms.NewAttribute(cms.AttrDigest, der.OctetString(hashed(p.digest, nil, content))),
		cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(p.digest, s.Certificate)),
	}
}

// TestAttackOtherKeys makes the classes of the hostile set under fresh keys of every
// family: none of what must not be accepted passes, all that is sound does.
func TestAttackOtherKeys(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"p256", "p384", "rsa", "dstu"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPeople(t, kind)
			accepted, refused := 0, 0
			judge := func(name string, sound bool, b, beside []byte) {
				t.Helper()
				in := Input{Container: b}
				if beside != nil {
					in.Detached = detached(beside)
				}
				r := Validate(in, Options{At: pkitest.At, Trust: p.trust})
				if passed := r.Indication == TotalPassed; passed != sound {
					t.Errorf("%s: %s (%s)", name, verdict(r), r.Detail)
				}
				if sound {
					accepted++
				} else {
					refused++
				}
			}
			attached := mustSign(t, document, SignOptions{}, p.head)
			apart := mustSign(t, document, SignOptions{Detached: true}, p.head)
			judge("attached", true, attached, nil)
			judge("detached", true, apart, document)
			judge("two signers", true, mustSign(t, document, SignOptions{}, p.head, p.other), nil)
			judge("by hand", true, hand{attrs: p.attributes(p.head, document)}.build(t, p.head), nil)
			judge("certificates of others in it", true, mustSign(t, document, SignOptions{}, Signer{
				Key: p.head.Key, Certificate: p.head.Certificate, Chain: []*pki.Certificate{p.self.Certificate, p.forged.Certificate, p.forged.Chain[0]},
			}), nil)

			hostile := func(name string, b []byte) { judge(name, false, b, nil) }
			change := func(name string, f func(attrs [][]byte) [][]byte) {
				hostile(name, hand{attrs: f(p.attributes(p.head, document))}.build(t, p.head))
			}
			other := []byte("another document")
			digestOf := func(b []byte) []byte { return cms.NewAttribute(cms.AttrDigest, der.OctetString(b)) }
			judge("another document beside", false, apart, other)
			judge("no document", false, apart, nil)
			judge("document inside and beside", false, attached, document)
			hostile("content altered", bytes.Replace(attached, document, bytes.ToUpper(document), 1))
			hostile("an octet after", append(bytes.Clone(attached), 0))
			hostile("cut", attached[:len(attached)-1])
			change("digest of another document", func(a [][]byte) [][]byte { a[1] = digestOf(hashed(p.digest, nil, other)); return a })
			change("digest cut to half", func(a [][]byte) [][]byte {
				a[1] = digestOf(hashed(p.digest, nil, document)[:p.digest.Size/2])
				return a
			})
			change("digest empty", func(a [][]byte) [][]byte { a[1] = digestOf(nil); return a })
			change("no message-digest", func(a [][]byte) [][]byte { return slices.Delete(a, 1, 2) })
			change("two message-digests", func(a [][]byte) [][]byte { return append(a, digestOf(hashed(p.digest, nil, other))) })
			change("message-digest of two values", func(a [][]byte) [][]byte {
				a[1] = der.Sequence(cms.AttrDigest.Encode(), der.SetOf(der.OctetString(hashed(p.digest, nil, document)), der.OctetString(hashed(p.digest, nil, other))))
				return a
			})
			change("no content-type", func(a [][]byte) [][]byte { return a[1:] })
			change("another content-type", func(a [][]byte) [][]byte {
				a[0] = cms.NewAttribute(cms.AttrContentType, cms.TypeTSTInfo.Encode())
				return a
			})
			change("two content-types", func(a [][]byte) [][]byte { return append(a, a[0]) })
			change("no signing-certificate", func(a [][]byte) [][]byte { return a[:2] })
			change("signing-certificate of another", func(a [][]byte) [][]byte {
				a[2] = cms.NewAttribute(cms.AttrSigningCert2, signingCertificate(p.digest, p.other.Certificate))
				return a
			})
			change("signing-certificate twice", func(a [][]byte) [][]byte { return append(a, a[2]) })
			change("two signing-times", func(a [][]byte) [][]byte {
				when := cms.NewAttribute(cms.AttrSigningTime, der.Time(pkitest.At))
				return append(a, when, when)
			})
			change("signing-time in the future", func(a [][]byte) [][]byte {
				return append(a, cms.NewAttribute(cms.AttrSigningTime, der.Time(pkitest.At.Add(11*time.Minute))))
			})
			change("attribute without a value", func(a [][]byte) [][]byte {
				return append(a, der.Sequence(der.OID("1.2.3").Encode(), der.SetOf()))
			})
			hostile("attributes out of order", hand{attrs: backward(p.attributes(p.head, document)), unsorted: true, asStored: true}.build(t, p.head))
			hostile("attributes sorted for signing alone", hand{attrs: backward(p.attributes(p.head, document)), unsorted: true}.build(t, p.head))
			hostile("signature in an OCTET STRING", hand{attrs: p.attributes(p.head, document), wrap: true}.build(t, p.head))
			hostile("digest algorithm not listed", hand{attrs: p.attributes(p.head, document), digests: [][]byte{der.Sequence(algorithm.SHA512.Encode())}}.build(t, p.head))
			hostile("long length", hand{attrs: p.attributes(p.head, document), signers: longLength}.build(t, p.head))

			// Somebody else's key, certificate or authority.
			swapped := p.head
			swapped.Key = p.other.Key
			hostile("signed by another key", hand{attrs: p.attributes(p.head, document)}.build(t, swapped))
			for name, s := range map[string]Signer{
				"revoked": p.revoked, "expired": p.expired, "CA of the same name": p.forged, "self-signed": p.self, "the CA itself": p.authority,
			} {
				hostile(name, hand{attrs: p.attributes(s, document)}.build(t, s))
			}

			// The SignerInfo made by hand, each field by itself.
			sd, err := cms.Parse(attached, cms.Options{})
			if err != nil {
				t.Fatal(err)
			}
			si := sd.Signers[0]
			attrs := make([][]byte, len(si.SignedAttrs))
			for i, a := range si.SignedAttrs {
				attrs[i] = a.Raw
			}
			rebuilt := func(name string, sound bool, f func(*cms.SignerParts)) {
				parts := cms.SignerParts{
					Issuer: si.Issuer, Serial: si.Serial, DigestAlgorithm: si.DigestAlgorithm.Raw, SignedAttrs: attrs,
					SignatureAlgorithm: si.SignatureAlgorithm.Raw, Signature: bytes.Clone(si.Signature),
				}
				f(&parts)
				judge(name, sound, cms.Build(document, [][]byte{si.DigestAlgorithm.Raw, der.Sequence(algorithm.SHA512.Encode())}, sd.Certificates, [][]byte{parts.Encode()}), nil)
			}
			rebuilt("as it was", true, func(*cms.SignerParts) {})
			for _, at := range []int{0, len(si.Signature) / 2, len(si.Signature) - 1} {
				rebuilt("signature altered", false, func(x *cms.SignerParts) { x.Signature[at] ^= 1 })
			}
			rebuilt("signature cut", false, func(x *cms.SignerParts) { x.Signature = x.Signature[:len(x.Signature)-1] })
			rebuilt("signature longer", false, func(x *cms.SignerParts) { x.Signature = append(x.Signature, 0) })
			rebuilt("signature of zeros", false, func(x *cms.SignerParts) { clear(x.Signature) })
			rebuilt("signature (0, 0)", false, func(x *cms.SignerParts) { x.Signature = der.Sequence(der.Int(0), der.Int(0)) })
			rebuilt("signature empty", false, func(x *cms.SignerParts) { x.Signature = nil })
			rebuilt("signer named another", false, func(x *cms.SignerParts) { x.Serial = p.other.Certificate.RawSerial })
			rebuilt("signer named nobody", false, func(x *cms.SignerParts) { x.Serial = []byte{99} })
			rebuilt("another digest named", false, func(x *cms.SignerParts) { x.DigestAlgorithm = der.Sequence(algorithm.SHA512.Encode()) })
			rebuilt("another signature algorithm named", false, func(x *cms.SignerParts) {
				x.SignatureAlgorithm = der.Sequence(der.OID("1.2.840.10045.4.3.4").Encode())
			})
			rebuilt("no signature algorithm", false, func(x *cms.SignerParts) { x.SignatureAlgorithm = der.Sequence(der.OID("1.2.3").Encode()) })

			// A signature without attributes over what are attributes, and the other way.
			set := der.SetOf(p.attributes(p.head, document)...)
			value, err := p.head.Key.Sign(rand.Reader, hashed(p.digest, p.head.Certificate.PublicKey, set), p.digest.Hash)
			if err != nil {
				t.Fatal(err)
			}
			bare := der.Sequence(der.Int(1), der.Sequence(si.Issuer, der.Value(der.TagInteger, si.Serial)), si.DigestAlgorithm.Raw, si.SignatureAlgorithm.Raw, der.OctetString(value))
			hostile("attributes shown as a document", cms.Build(set, [][]byte{si.DigestAlgorithm.Raw}, sd.Certificates, [][]byte{bare}))
			if value, err = p.head.Key.Sign(rand.Reader, hashed(p.digest, p.head.Certificate.PublicKey, document), p.digest.Hash); err != nil {
				t.Fatal(err)
			}
			bare = der.Sequence(der.Int(1), der.Sequence(si.Issuer, der.Value(der.TagInteger, si.Serial)), si.DigestAlgorithm.Raw, si.SignatureAlgorithm.Raw, der.OctetString(value))
			hostile("no attributes", cms.Build(document, [][]byte{si.DigestAlgorithm.Raw}, sd.Certificates, [][]byte{bare}))
			hostile("no signer", cms.Build(document, [][]byte{si.DigestAlgorithm.Raw}, sd.Certificates, nil))
			hostile("one of two damaged", cms.Build(document, [][]byte{si.DigestAlgorithm.Raw}, sd.Certificates, [][]byte{si.Raw, bare}))
			hostile("signed container within", mustSign(t, attached, SignOptions{}, p.head))
			hostile("empty", hand{attrs: p.attributes(p.head, nil), content: []byte{}}.build(t, p.head))
			if accepted != 6 || refused < 50 {
				t.Errorf("%d sound, %d hostile", accepted, refused)
			}
			t.Logf("%d sound, %d hostile", accepted, refused)
		})
	}
}

// backward gives attributes in the order that is not DER's.
func backward(attrs [][]byte) [][]byte {
	slices.SortFunc(attrs, func(a, b []byte) int { return bytes.Compare(b, a) })
	return attrs
}
