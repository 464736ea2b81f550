package etsireport_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/etsireport"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/pki/pkitest"
	"github.com/brama-gateway/brama/crypto/xmldsig"
)

// The report says what the verdict says, in the order of the schema, the same bytes
// each time, and every reference in it leads to an object.
func TestXML(t *testing.T) {
	t.Parallel()
	p := pkitest.New(t)
	who := p.Person(`Somebody & "Co" <x>`, "00013480", "1234567890")
	doc := []byte("document")
	signed, err := cades.Sign(rand.Reader, doc, []cades.Signer{{Key: who.Key, Certificate: who.Certificate, Chain: []*pki.Certificate{p.CA.Certificate}}}, cades.SignOptions{At: p.At})
	if err != nil {
		t.Fatal(err)
	}
	store := p.Store()
	write := func(container []byte) (*cades.Report, []byte) {
		r := cades.Validate(cades.Input{Container: container}, cades.Options{At: p.At, Trust: store})
		sum := sha256.Sum256(doc)
		return r, etsireport.XML(etsireport.Verdict{Name: "a<b>.p7s", Report: r, At: p.At, Document: sum[:], Evidence: store.Piece})
	}
	r, text := write(signed)
	if r.Indication != cades.TotalPassed {
		t.Fatal(r.Detail)
	}
	if _, again := write(signed); !bytes.Equal(text, again) {
		t.Error("another report of the same verdict")
	}
	root, err := xmldsig.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !root.Is(etsireport.Space, "ValidationReport") {
		t.Fatalf("root %s", root.Local)
	}
	one := root.Only(etsireport.Space, "SignatureValidationReport")
	var order []string
	for _, e := range one.Elements() {
		order = append(order, e.Local)
	}
	want := []string{"SignatureIdentifier", "ValidationTimeInfo", "SignersDocument", "SignerInformation", "SignatureValidationProcess", "SignatureValidationStatus"}
	if !slices.Equal(order, want) {
		t.Errorf("parts %v, want %v", order, want)
	}
	if got := one.Path(etsireport.Space, "SignatureValidationStatus", "MainIndication").Text(); got != "urn:etsi:019102:mainindication:total-passed" {
		t.Errorf("indication %q", got)
	}
	objects := map[string]*xmldsig.Element{}
	for _, o := range root.Only(etsireport.Space, "SignatureValidationObjects").Children(etsireport.Space, "ValidationObject") {
		objects[o.Attribute("", "id")] = o
	}
	refs := 0
	root.Walk(func(e *xmldsig.Element) {
		if id := e.Attribute("", "VOReference"); id != "" {
			refs++
			if objects[id] == nil {
				t.Errorf("%s refers to %s, which is not there", e.Local, id)
			}
		}
	})
	if refs < 5 { // signer, three of the chain, revocation
		t.Errorf("%d references", refs)
	}
	id := one.Path(etsireport.Space, "SignerInformation", "SignerCertificate").Attribute("", "VOReference")
	raw, err := base64.StdEncoding.DecodeString(objects[id].Path(etsireport.Space, "ValidationObjectRepresentation", "base64").Text())
	if err != nil || !bytes.Equal(raw, who.Certificate.Raw) {
		t.Errorf("the signer's certificate: %v", err)
	}

	best := func(r *cades.Report) string {
		t.Helper()
		root, err := xmldsig.Parse(etsireport.XML(etsireport.Verdict{Report: r, At: p.At}))
		if err != nil {
			t.Fatal(err)
		}
		return root.Path(etsireport.Space, "SignatureValidationReport", "ValidationTimeInfo", "BestSignatureTime", "POETime").Text()
	}
	proved := p.At.Add(-time.Hour)
	if got := best(r); got != p.At.UTC().Format(time.RFC3339) {
		t.Errorf("best signature time %s of a signature without proof of existence", got)
	}
	r.Signatures[0].ProvedTime = proved
	if got := best(r); got != proved.UTC().Format(time.RFC3339) {
		t.Errorf("best signature time %s of a signature proved at %v", got, proved)
	}

	// One that fails, and one that is no container.
	broken := bytes.Replace(signed, doc, []byte("dOcument"), 1)
	for _, b := range [][]byte{broken, []byte("nothing")} {
		r, text := write(b)
		root, err := xmldsig.Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		status := root.Path(etsireport.Space, "SignatureValidationReport", "SignatureValidationStatus")
		if got := status.Only(etsireport.Space, "SubIndication").Text(); got != "urn:etsi:019102:subindication:"+string(r.SubIndication) || r.SubIndication == "" {
			t.Errorf("sub-indication %q of %s", got, r.SubIndication)
		}
	}
}
