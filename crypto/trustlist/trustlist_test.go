package trustlist_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/algorithm"
	"github.com/brama-gateway/brama/crypto/dstu4145"
	"github.com/brama-gateway/brama/crypto/gost28147"
	"github.com/brama-gateway/brama/crypto/internal/shareddata"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/issue"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/trustlist"
	"github.com/brama-gateway/brama/crypto/trustlist/trustlisttest"
	"github.com/brama-gateway/brama/crypto/xmldsig"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type signer struct {
	key  crypto.Signer
	cert *pki.Certificate
}

// operator makes the key and certificate of a list's operator.
func operator(t testing.TB, key crypto.Signer, public crypto.PublicKey) signer {
	t.Helper()
	tmpl := issue.Signatory(issue.Subject{Country: "UA", CommonName: "List operator"}, big.NewInt(7), at.AddDate(-1, 0, 0), at.AddDate(1, 0, 0))
	c, err := issue.SelfSignedAs(rand.Reader, key, public, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, c}
}

func ecOperator(t testing.TB, curve elliptic.Curve) signer {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return operator(t, k, k.Public())
}

func sample(t testing.TB) trustlisttest.List {
	p := pkitest.NewAt(t, at)
	return trustlisttest.List{
		Sequence: 12, Issued: at.AddDate(0, -1, 0), NextUpdate: at.AddDate(0, 5, 0),
		Services: []trustlisttest.Service{
			{
				Provider: `Provider "One" & Co`, Name: "CA one", Type: trustlisttest.CAQC, Certificates: []*pki.Certificate{p.CA.Certificate},
				Statuses: []trustlisttest.Status{
					{URI: trustlisttest.Withdrawn, From: at.AddDate(0, -2, 0)},
					{URI: trustlisttest.Granted, From: at.AddDate(-1, 0, 0)},
					{URI: "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/accredited", From: at.AddDate(-3, 0, 0)},
				},
			},
			{Provider: "Two", Name: "CA two", Type: "http://czo.gov.ua/TrstSvc/Svctype/CA/QC", Certificates: []*pki.Certificate{p.Root.Certificate}, Statuses: []trustlisttest.Status{{URI: trustlisttest.Granted, From: at.AddDate(-1, 0, 0)}}},
			{Provider: "Three", Name: "delivery", Type: "http://uri.etsi.org/TrstSvc/Svctype/EDS/Q", Statuses: []trustlisttest.Status{{URI: trustlisttest.Granted, From: at}}},
			{
				Provider: "Four", Name: "for web sites", Type: trustlisttest.CAQC, Certificates: []*pki.Certificate{p.Root.Certificate}, Statuses: []trustlisttest.Status{{URI: trustlisttest.Granted, From: at}},
				Extra: `<tsl:ServiceInformationExtensions><tsl:Extension Critical="true"><tsl:AdditionalServiceInformation><tsl:URI xml:lang="en">http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/ForWebSiteAuthentication</tsl:URI></tsl:AdditionalServiceInformation></tsl:Extension></tsl:ServiceInformationExtensions>`,
			},
		},
	}
}

// Every family of keys, and what a list says.
func TestParse(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	dstuKey, err := dstu4145.GenerateKey(dstu4145.DSTU257(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]signer{
		"RSA":        operator(t, rsaKey, rsaKey.Public()),
		"P-256":      ecOperator(t, elliptic.P256()),
		"P-521":      ecOperator(t, elliptic.P521()),
		"DSTU m=257": operator(t, dstuKey, &algorithm.DSTUKey{Point: dstuKey.Public().(*dstu4145.PublicKey), SBox: gost28147.DKE1}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := trustlist.Parse(sample(t).Signed(t, by.key, by.cert), by.cert.SHA256())
			if err != nil {
				t.Fatal(err)
			}
			if l.Sequence != 12 || l.Territory != "UA" || l.Operator != "Test operator" || !l.NextUpdate.Equal(at.AddDate(0, 5, 0)) || len(l.Services) != 2 {
				t.Fatalf("%+v", l)
			}
			if s := l.Services[0]; s.Provider != `Provider "One" & Co` || s.Name != "CA one" || s.Type != trustlist.CA || len(s.Certificates) != 1 {
				t.Errorf("%+v", s)
			}
			got := l.Services[0].Terms()
			want := []trustlist.Term{{at.AddDate(-3, 0, 0), at.AddDate(0, -2, 0)}}
			if !slices.Equal(got, want) {
				t.Errorf("terms of the withdrawn one: %v, want %v", got, want)
			}
			if got := l.Services[1].Terms(); len(got) != 1 || !got[0].Until.IsZero() {
				t.Errorf("terms of the granted one: %v", got)
			}
		})
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return at.AddDate(0, 0, n) }
	s := trustlist.Service{Statuses: []trustlist.Status{{Granted: true, From: day(9)}, {From: day(7)}, {Granted: true, From: day(5)}, {Granted: true, From: day(3)}, {From: day(1)}}}
	want := []trustlist.Term{{From: day(9)}, {day(3), day(7)}}
	if got := s.Terms(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Each row changes a list that holds; none of them may be believed.
func TestHostile(t *testing.T) {
	t.Parallel()
	by, other := ecOperator(t, elliptic.P256()), ecOperator(t, elliptic.P256())
	l := sample(t)
	good := string(l.Signed(t, by.key, by.cert))
	pin := by.cert.SHA256()
	if _, err := trustlist.Parse([]byte(good), pin); err != nil {
		t.Fatal(err)
	}
	from := strings.Index(good, "<ds:Signature ")
	signature := good[from : strings.Index(good, "</ds:Signature>")+len("</ds:Signature>")]
	body := strings.Replace(good, signature, "", 1)
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	root := body[strings.Index(body, "<tsl:TrustServiceStatusList"):]
	forged := strings.NewReplacer("Test operator", "Forged", ` Id="list"`, "").Replace(root)
	reference := signature[strings.Index(signature, "<ds:Reference URI"):strings.Index(signature, "</ds:Reference>")]
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"a word changed":                   {swap("Test operator", "Best operator"), xmldsig.ErrSignature},
		"a status changed":                 {swap("Svcstatus/withdrawn", "Svcstatus/granted"), xmldsig.ErrSignature},
		"an attribute changed":             {swap(`Id="list"`, `Id="last"`), xmldsig.ErrSignature},
		"the claimed time changed":         {swap("2026-02-01T10:00:00Z", "2026-02-02T10:00:00Z"), xmldsig.ErrSignature},
		"no signature":                     {body, xmldsig.ErrForm},
		"two signatures":                   {strings.Replace(good, signature, signature+strings.NewReplacer(`"sig"`, `"sig2"`, `"props"`, `"props2"`, `#props`, `#props2`).Replace(signature), 1), xmldsig.ErrForm},
		"signature not below the root":     {strings.Replace(body, "<tsl:SchemeInformation>", "<tsl:SchemeInformation>"+signature, 1), xmldsig.ErrForm},
		"signature is the root":            {signature, trustlist.ErrList},
		"the signed list within a forged":  {strings.Replace(forged, "</tsl:TrustServiceStatusList>", "<tsl:x>"+root+"</tsl:x>"+signature+"</tsl:TrustServiceStatusList>", 1), xmldsig.ErrSignature},
		"the signed list in an object":     {strings.Replace(forged, "</tsl:TrustServiceStatusList>", strings.Replace(signature, "</ds:Object>", "</ds:Object><ds:Object>"+root+"</ds:Object>", 1)+"</tsl:TrustServiceStatusList>", 1), nil},
		"reference to an identifier":       {swap(`<ds:Reference URI="">`, `<ds:Reference URI="#list">`), xmldsig.ErrForm},
		"reference without URI":            {swap(`<ds:Reference URI="">`, `<ds:Reference>`), xmldsig.ErrForm},
		"reference to a file":              {swap(`<ds:Reference URI="">`, `<ds:Reference URI="file:///etc/passwd">`), xmldsig.ErrForm},
		"reference twice":                  {swap(reference, reference+"</ds:Reference>"+reference), xmldsig.ErrForm},
		"identifier twice":                 {swap(`Id="list"`, `Id="props"`), xmldsig.ErrForm},
		"an XPath transform":               {swap(`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>false()</ds:XPath></ds:Transform></ds:Transforms>`), xmldsig.ErrForm},
		"no enveloped transform":           {swap(`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, ""), xmldsig.ErrForm},
		"inclusive canonical form":         {swap(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"`), xmldsig.ErrForm},
		"parameters of the canonical form": {swap(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><x xmlns="y"/></ds:CanonicalizationMethod>`), xmldsig.ErrForm},
		"HMAC":                             {swap("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), xmldsig.ErrForm},
		"SHA-1":                            {swap("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), xmldsig.ErrForm},
		"properties not signed":            {swap(signature[strings.Index(signature, `<ds:Reference Type`):strings.LastIndex(signature, "</ds:Reference>")]+"</ds:Reference>", ""), xmldsig.ErrForm},
		"properties twice":                 {swap("</ds:Object>", `</ds:Object><ds:Object><xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"><xades:SignedProperties/></xades:QualifyingProperties></ds:Object>`), xmldsig.ErrForm},
		"no KeyInfo":                       {swap(signature[strings.Index(signature, "<ds:KeyInfo>"):strings.Index(signature, "<ds:Object>")], ""), xmldsig.ErrForm},
		"signed by another":                {string(l.Signed(t, other.key, other.cert)), xmldsig.ErrSignature},
		"by another, who names the right":  {strings.Replace(string(l.Signed(t, other.key, other.cert)), "<ds:X509Data>", "<ds:X509Data>"+signature[strings.Index(signature, "<ds:X509Certificate>"):strings.Index(signature, "</ds:X509Data>")], 1), xmldsig.ErrSignature},
		"a document type":                  {strings.Replace(good, "<!-- a list -->", `<!DOCTYPE x [<!ENTITY y "z">]>`, 1), xmldsig.ErrXML},
		"an entity":                        {swap("Test operator", "&y;"), xmldsig.ErrXML},
		"a processing instruction":         {swap("<!-- a list -->", "<?x y?>"), xmldsig.ErrXML},
		"another encoding":                 {swap(`encoding="UTF-8"`, `encoding="windows-1251"`), xmldsig.ErrXML},
		"an attribute twice":               {swap(`Id="list"`, `Id="list" Id="list"`), xmldsig.ErrXML},
		"an unknown prefix":                {swap("<tsl:SchemeTerritory>", "<tsx:SchemeTerritory>"), xmldsig.ErrXML},
		"text after the root":              {good + "x", xmldsig.ErrXML},
		"a second root":                    {good + "<x/>", xmldsig.ErrXML},
		"cut off":                          {good[:len(good)-10], xmldsig.ErrXML},
		"empty":                            {"", xmldsig.ErrXML},
		"too deep":                         {strings.Repeat("<a>", 100), xmldsig.ErrXML},
		"too many attributes":              {"<a" + manyAttributes(100) + "/>", xmldsig.ErrXML},
	} {
		_, err := trustlist.Parse([]byte(c.text), pin)
		if !errors.Is(err, trustlist.ErrList) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// What changes nothing that is signed, changes nothing.
	for name, text := range map[string]string{
		"another comment":       swap("<!-- a list -->", "<!-- the list -->"),
		"a comment in a text":   swap("Test operator", "Test<!-- --> operator"),
		"CDATA":                 swap("Test operator", "<![CDATA[Test operator]]>"),
		"another quote":         swap(`Id="list"`, `Id='list'`),
		"a byte order mark":     "\xef\xbb\xbf" + good,
		"an unused declaration": swap(`xmlns:unused="urn:unused"`, ""),
	} {
		l, err := trustlist.Parse([]byte(text), pin)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if l.Operator != "Test operator" {
			t.Errorf("%s: the operator is %q", name, l.Operator)
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("b", i) + `="1"`)
	}
	return b.String()
}

// TestSayings: lists that are signed and say something that cannot be.
func TestSayings(t *testing.T) {
	t.Parallel()
	by := ecOperator(t, elliptic.P256())
	l := sample(t)
	text := l.XML()
	for name, c := range map[string]struct{ old, new string }{
		"version":           {"<tsl:TSLVersionIdentifier>5<", "<tsl:TSLVersionIdentifier>3<"},
		"no number":         {"<tsl:TSLSequenceNumber>12<", "<tsl:TSLSequenceNumber>0<"},
		"two numbers":       {"<tsl:TSLSequenceNumber>", "<tsl:TSLSequenceNumber>13</tsl:TSLSequenceNumber><tsl:TSLSequenceNumber>"},
		"no time":           {"<tsl:ListIssueDateTime>", "<tsl:ListIssueDateTime>x"},
		"no next update":    {"NextUpdate>", "LastUpdate>"},
		"ends at the start": {"2026-08-01T12:00:00Z", "2025-08-01T12:00:00Z"},
		"another root":      {"TrustServiceStatusList", "TrustServiceList"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: %q is not there", name, c.old)
		}
		signed := trustlisttest.Sign(t, strings.ReplaceAll(text, c.old, c.new), by.key, by.cert)
		if _, err := trustlist.Parse(signed, by.cert.SHA256()); !errors.Is(err, trustlist.ErrList) {
			t.Errorf("%s: %v", name, err)
		}
	}
	closed := l
	closed.NextUpdate = time.Time{}
	if got, err := trustlist.Parse(closed.Signed(t, by.key, by.cert), by.cert.SHA256()); err != nil || !got.NextUpdate.IsZero() {
		t.Errorf("a closed list: %v", err)
	}
}

// TestPeers: xmlsec1 (libxml2's canonical form, OpenSSL's signatures) verifies what
// we call signed, and signs what we verify.
func TestPeers(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		shareddata.Missing(t, "no xmlsec1")
	}
	dir := t.TempDir()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]signer{"rsa": operator(t, rsaKey, rsaKey.Public()), "ec": ecOperator(t, elliptic.P256())} {
		list := filepath.Join(dir, name+".xml")
		pem, key := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
		write(t, list, sample(t).Signed(t, by.key, by.cert))
		write(t, pem, pemOf(by.cert))
		write(t, key, keyPEM(t, by.key))
		common := []string{"--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"}
		if out, err := exec.Command("xmlsec1", append(append([]string{"--verify", "--pubkey-cert-pem", pem}, common...), list)...).CombinedOutput(); err != nil {
			t.Errorf("%s: xmlsec1 does not verify: %v\n%s", name, err, out)
		}
		b, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		// The same document as a template, its values emptied, signed by xmlsec1.
		from := bytes.Index(b, []byte("<ds:SignatureValue>"))
		to := bytes.Index(b, []byte("</ds:SignatureValue>"))
		template := filepath.Join(dir, name+".tmpl.xml")
		write(t, template, slices.Concat(b[:from], []byte("<ds:SignatureValue>"), b[to:]))
		out := filepath.Join(dir, name+".signed.xml")
		if text, err := exec.Command("xmlsec1", append(append([]string{"--sign", "--privkey-pem", key + "," + pem, "--output", out}, common...), template)...).CombinedOutput(); err != nil {
			t.Errorf("%s: xmlsec1 does not sign: %v\n%s", name, err, text)
			continue
		}
		if b, err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
		if _, err := trustlist.Parse(b, by.cert.SHA256()); err != nil {
			t.Errorf("%s: what xmlsec1 signed: %v", name, err)
		}
	}
}

// TestUkrainian reads a document with the Ukrainian types that others wrote; it is
// not signed, so here it is signed first.
func TestUkrainian(t *testing.T) {
	t.Parallel()
	dir := shareddata.Dir(t, "kep")
	b, err := os.ReadFile(filepath.Join(dir, "real", "trust", "tl-ua-synthetic.xml"))
	if err != nil {
		t.Fatal(err)
	}
	by := ecOperator(t, elliptic.P256())
	if _, err := trustlist.Parse(b, by.cert.SHA256()); !errors.Is(err, xmldsig.ErrForm) {
		t.Errorf("unsigned: %v", err)
	}
	text := strings.Replace(string(b), "<SchemeInformation>", "<SchemeInformation><TSLVersionIdentifier>5</TSLVersionIdentifier><TSLSequenceNumber>1</TSLSequenceNumber>"+
		"<ListIssueDateTime>2026-01-01T00:00:00Z</ListIssueDateTime><NextUpdate><dateTime>2026-07-01T00:00:00Z</dateTime></NextUpdate>", 1)
	l, err := trustlist.Parse(trustlisttest.Sign(t, text, by.key, by.cert), by.cert.SHA256())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Services) != 2 || len(l.Services[0].Certificates) != 1 || len(l.Services[0].Terms()) != 1 {
		t.Errorf("%+v", l.Services)
	}
}

func FuzzParse(f *testing.F) {
	by := ecOperator(f, elliptic.P256())
	good := sample(f).Signed(f, by.key, by.cert)
	f.Add(good)
	f.Add([]byte(`<a xmlns="b" xmlns:c="d"><c:e c:f="g">h<!-- i -->&amp;<![CDATA[<]]></c:e></a>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := trustlist.Parse(b, by.cert.SHA256())
		if err == nil && (l.Sequence != 12 || len(l.Services) != 2 || l.Operator != "Test operator") {
			t.Errorf("signed, and says something else: %+v", l)
		}
		// The canonical form is XML that has the same canonical form.
		root, err := xmldsig.Parse(b)
		if err != nil {
			return
		}
		once := xmldsig.Canonical(root, nil)
		again, err := xmldsig.Parse(once)
		if err != nil {
			t.Fatalf("%q: canonical form is not read: %v", once, err)
		}
		if twice := xmldsig.Canonical(again, nil); !bytes.Equal(once, twice) {
			t.Errorf("%q, and then %q", once, twice)
		}
	})
}
