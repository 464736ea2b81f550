// Package trustlisttest makes signed lists of trusted services, as an operator of a
// scheme does, for tests.
package trustlisttest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"html"
	"math/big"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/xmldsig"
)

// Identifiers that tests use.
const (
	CAQC      = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
	Granted   = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
	Withdrawn = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"
)

// List is what is to be written.
type List struct {
	Sequence           int64
	Issued, NextUpdate time.Time // NextUpdate zero: an empty NextUpdate
	Services           []Service
}

// Service is one service; the first status is the present one.
type Service struct {
	Provider, Name, Type string
	Certificates         []*pki.Certificate
	Statuses             []Status
	Extra                string // XML within ServiceInformation
}

// Status of a service from a time on.
type Status struct {
	URI  string
	From time.Time
}

// XML writes the list, unsigned. It spreads namespaces and white space as real
// lists do.
func (l List) XML() string {
	var b bytes.Buffer
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<!-- a list -->
<tsl:TrustServiceStatusList xmlns:tsl="http://uri.etsi.org/02231/v2#" xmlns:unused="urn:unused"
   TSLTag="http://uri.etsi.org/19612/TSLTag" Id="list">
<tsl:SchemeInformation><tsl:TSLVersionIdentifier>5</tsl:TSLVersionIdentifier><tsl:TSLSequenceNumber>%d</tsl:TSLSequenceNumber>
<tsl:TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric</tsl:TSLType>
<tsl:SchemeOperatorName><tsl:Name xml:lang="uk">Адміністратор &amp; тест</tsl:Name><tsl:Name xml:lang="en">Test operator</tsl:Name></tsl:SchemeOperatorName>
<tsl:SchemeTerritory>UA</tsl:SchemeTerritory>
<tsl:ListIssueDateTime>%s</tsl:ListIssueDateTime><tsl:NextUpdate>`, l.Sequence, stamp(l.Issued))
	if !l.NextUpdate.IsZero() {
		fmt.Fprintf(&b, `<tsl:dateTime>%s</tsl:dateTime>`, stamp(l.NextUpdate))
	}
	b.WriteString("</tsl:NextUpdate></tsl:SchemeInformation>\n<tsl:TrustServiceProviderList>")
	for _, s := range l.Services {
		fmt.Fprintf(&b, `
<tsl:TrustServiceProvider><tsl:TSPInformation><tsl:TSPName><tsl:Name xml:lang="en">%s</tsl:Name></tsl:TSPName></tsl:TSPInformation>
<tsl:TSPServices><tsl:TSPService><tsl:ServiceInformation>
<tsl:ServiceTypeIdentifier>%s</tsl:ServiceTypeIdentifier><tsl:ServiceName><tsl:Name xml:lang="en">%s</tsl:Name></tsl:ServiceName>
<tsl:ServiceDigitalIdentity>`, html.EscapeString(s.Provider), s.Type, html.EscapeString(s.Name))
		for _, c := range s.Certificates {
			fmt.Fprintf(&b, `<tsl:DigitalId><tsl:X509Certificate>%s</tsl:X509Certificate></tsl:DigitalId>`, base64.StdEncoding.EncodeToString(c.Raw))
		}
		b.WriteString("</tsl:ServiceDigitalIdentity>")
		for i, x := range s.Statuses {
			if i == 1 {
				fmt.Fprintf(&b, "%s</tsl:ServiceInformation><tsl:ServiceHistory>", s.Extra)
			}
			if i > 0 {
				fmt.Fprintf(&b, "<tsl:ServiceHistoryInstance><tsl:ServiceTypeIdentifier>%s</tsl:ServiceTypeIdentifier>", s.Type)
			}
			fmt.Fprintf(&b, "<tsl:ServiceStatus>%s</tsl:ServiceStatus><tsl:StatusStartingTime>%s</tsl:StatusStartingTime>", x.URI, stamp(x.From))
			if i > 0 {
				b.WriteString("</tsl:ServiceHistoryInstance>")
			}
		}
		if len(s.Statuses) > 1 {
			b.WriteString("</tsl:ServiceHistory>")
		} else {
			fmt.Fprintf(&b, "%s</tsl:ServiceInformation>", s.Extra)
		}
		b.WriteString("</tsl:TSPService></tsl:TSPServices></tsl:TrustServiceProvider>")
	}
	b.WriteString("\n</tsl:TrustServiceProviderList>\n</tsl:TrustServiceStatusList>\n")
	return b.String()
}

// Signed writes the list, signed.
func (l List) Signed(t testing.TB, key crypto.Signer, cert *pki.Certificate) []byte {
	t.Helper()
	return Sign(t, l.XML(), key, cert)
}

// Sign puts an enveloped XAdES-B signature at the end of the root.
func Sign(t testing.TB, document string, key crypto.Signer, cert *pki.Certificate) []byte {
	t.Helper()
	digest, id, err := algorithm.ForSigning(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndex([]byte(document), []byte("</"))
	build := func(properties, document64, value string) []byte {
		s := fmt.Sprintf(`<ds:Signature xmlns:ds="%s" Id="sig"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`+
			`<ds:SignatureMethod Algorithm="%s"/>`+
			`<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>`+
			`<ds:DigestMethod Algorithm="%s"/><ds:DigestValue>%s</ds:DigestValue></ds:Reference>`+
			`<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#props"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>`+
			`<ds:DigestMethod Algorithm="%s"/><ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>`+
			`<ds:SignatureValue>%s</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`+
			`<ds:Object><xades:QualifyingProperties xmlns:xades="%s" Target="#sig"><xades:SignedProperties Id="props"><xades:SignedSignatureProperties>`+
			`<xades:SigningTime>2026-02-01T10:00:00Z</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>`+
			`<ds:DigestMethod Algorithm="%s"/><ds:DigestValue>%s</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificateV2>`+
			`</xades:SignedSignatureProperties></xades:SignedProperties></xades:QualifyingProperties></ds:Object></ds:Signature>`,
			xmldsig.Space, methodURI(t, id), digestURI(digest), document64, digestURI(digest), properties, value,
			base64.StdEncoding.EncodeToString(cert.Raw), xmldsig.XAdESSpace, digestURI(digest), sum(digest, cert, cert.Raw))
		return []byte(document[:end] + s + document[end:])
	}
	find := func(b []byte) (root, signature, info, properties *xmldsig.Element) {
		root, err := xmldsig.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		root.Walk(func(e *xmldsig.Element) {
			switch {
			case e.Is(xmldsig.Space, "Signature"):
				signature = e
			case e.Is(xmldsig.Space, "SignedInfo"):
				info = e
			case e.Is(xmldsig.XAdESSpace, "SignedProperties"):
				properties = e
			}
		})
		return root, signature, info, properties
	}
	root, signature, _, properties := find(build("AA==", "AA==", "AA=="))
	p, d := sum(digest, cert, xmldsig.Canonical(properties, nil)), sum(digest, cert, xmldsig.Canonical(root, signature))
	_, _, info, _ := find(build(p, d, "AA=="))
	h := digest.New(cert.PublicKey)
	h.Write(xmldsig.Canonical(info, nil))
	value, err := key.Sign(rand.Reader, h.Sum(nil), digest.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		value = plain(t, value, (k.Params().BitSize+7)/8)
	}
	return build(p, d, base64.StdEncoding.EncodeToString(value))
}

func sum(d *algorithm.Digest, cert *pki.Certificate, b []byte) string {
	h := d.New(cert.PublicKey)
	h.Write(b)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func digestURI(d *algorithm.Digest) string {
	switch d.OID {
	case algorithm.SHA256:
		return "http://www.w3.org/2001/04/xmlenc#sha256"
	case algorithm.SHA384:
		return "http://www.w3.org/2001/04/xmldsig-more#sha384"
	case algorithm.SHA512:
		return "http://www.w3.org/2001/04/xmlenc#sha512"
	}
	return "urn:oid:" + string(d.OID)
}

func methodURI(t testing.TB, id []byte) string {
	x, err := algorithm.ReadIdentifier(der.NewReader(id, der.DER))
	if err != nil {
		t.Fatal(err)
	}
	for oid, name := range map[der.OID]string{
		algorithm.SHA256WithRSA: "rsa-sha256", algorithm.SHA384WithRSA: "rsa-sha384", algorithm.SHA512WithRSA: "rsa-sha512",
		algorithm.RSAEncryption: "rsa-sha256", algorithm.ECDSAWithSHA256: "ecdsa-sha256",
		algorithm.ECDSAWithSHA384: "ecdsa-sha384", algorithm.ECDSAWithSHA512: "ecdsa-sha512",
	} {
		if x.OID == oid {
			return "http://www.w3.org/2001/04/xmldsig-more#" + name
		}
	}
	return "urn:oid:" + string(x.OID)
}

// plain makes a DER ECDSA value r and s side by side.
func plain(t testing.TB, value []byte, size int) []byte {
	r, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 2*size)
	for i := range 2 {
		var n *big.Int
		if n, err = r.Integer(); err != nil {
			t.Fatal(err)
		}
		n.FillBytes(out[i*size : (i+1)*size])
	}
	return out
}
