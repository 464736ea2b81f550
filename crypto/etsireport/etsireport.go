// Package etsireport writes the verdict over a container as a signature validation
// report: ETSI TS 119 102-2, V1.4.1, in XML.
//
// The report is made of the verdict, the document's digest and the time alone, so
// that whoever validates again gets the same bytes. It is not signed by itself.
//
// Of the optional parts are left out: the evaluation of single constraints, the
// signature's attributes and quality.
package etsireport

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Space is the namespace of reports.
const Space = "http://uri.etsi.org/19102/v1.2.1#"

// Verdict is one container and what validation found of it.
type Verdict struct {
	// Name of the container, for people.
	Name   string
	Report *cades.Report
	// At is the time for which it was validated.
	At time.Time
	// Document is the SHA-256 of what was signed; nil if it is not known.
	Document []byte
	// CRL and OCSP find a piece of revocation evidence by its SHA-256, to be put
	// into the report; nil, or an answer of nil, leaves its digest there.
	Evidence func(cades.EvidenceRef) []byte
}

// XML writes the report over several containers; each signature has a part of its own.
func XML(verdicts ...Verdict) []byte {
	w := &writer{objects: map[string]string{}}
	w.raw(xml.Header)
	w.raw(`<ValidationReport xmlns="` + Space + `" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + "\n")
	for i, v := range verdicts {
		if len(v.Report.Signatures) == 0 {
			w.raw(fmt.Sprintf("<SignatureValidationReport>\n<SignatureIdentifier id=\"S-%d\">", i+1))
			w.element("DAIdentifier", v.Name)
			w.raw("</SignatureIdentifier>\n")
			w.times(v, time.Time{})
			w.status(v.Report.Indication, v.Report.SubIndication, v.Report.Detail, nil)
			w.raw("</SignatureValidationReport>\n")
		}
		for j := range v.Report.Signatures {
			w.signature(v, &v.Report.Signatures[j], fmt.Sprintf("S-%d-%d", i+1, j+1))
		}
	}
	if w.body.Len() > 0 {
		w.raw("<SignatureValidationObjects>\n")
		w.out.Write(w.body.Bytes())
		w.raw("</SignatureValidationObjects>\n")
	}
	w.raw("</ValidationReport>\n")
	return w.out.Bytes()
}

type writer struct {
	out     bytes.Buffer
	body    bytes.Buffer      // of SignatureValidationObjects
	objects map[string]string // identifiers of what is in body, by digest
}

func (w *writer) raw(s string) { w.out.WriteString(s) }

func text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes everything
	return b.String()
}

func (w *writer) element(name, value string) {
	w.raw("<" + name + ">" + text(value) + "</" + name + ">")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func sha256Value(sum []byte) string {
	return `<DigestAlgAndValue><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>` +
		base64.StdEncoding.EncodeToString(sum) + `</ds:DigestValue></DigestAlgAndValue>`
}

func (w *writer) signature(v Verdict, s *cades.Signature, id string) {
	w.raw("<SignatureValidationReport>\n<SignatureIdentifier id=\"" + id + "\">")
	w.element("HashOnly", "false")
	w.element("DocHashOnly", "false")
	w.element("DAIdentifier", v.Name)
	w.raw("</SignatureIdentifier>\n")
	best := v.At // where nothing proves more (EN 319 102-1, 5.5.4)
	if !s.ProvedTime.IsZero() {
		best = s.ProvedTime
	}
	w.times(v, best)
	if v.Document != nil {
		w.raw("<SignersDocument>" + sha256Value(v.Document) + "</SignersDocument>\n")
	}
	if s.Signer != nil {
		w.raw("<SignerInformation><SignerCertificate VOReference=\"" + w.certificate(s.Signer) + "\"/>")
		w.element("Signer", s.Signer.Subject.String())
		w.raw("</SignerInformation>\n")
	}
	process := "Basic"
	for _, x := range s.TimeStamps {
		if x.Valid {
			process = "LTVM"
		}
	}
	w.raw("<SignatureValidationProcess><SignatureValidationProcessID>urn:etsi:019102:validationprocess:" + process +
		"</SignatureValidationProcessID></SignatureValidationProcess>\n")
	w.status(s.Indication, s.SubIndication, s.Detail, func() {
		if len(s.Chain) > 0 {
			w.raw("<CertificateChain>")
			for i, c := range s.Chain {
				name := "IntermediateCertificate"
				switch i {
				case 0:
					name = "SigningCertificate"
				case len(s.Chain) - 1:
					name = "TrustAnchor"
				}
				w.raw("<" + name + ` VOReference="` + w.certificate(c) + `"/>`)
			}
			w.raw("</CertificateChain>")
		}
		if !s.RevokedAt.IsZero() {
			w.raw("<RevocationStatusInformation>")
			w.element("RevocationTime", stamp(s.RevokedAt))
			w.raw("</RevocationStatusInformation>")
		}
		for _, e := range s.Evidence {
			w.raw(`<AdditionalValidationReportData><ReportData><Type>urn:brama:validation:revocation-data</Type><Value VOReference="` + w.evidence(v, e) + `"/></ReportData></AdditionalValidationReportData>`)
		}
		data := func(kind, value string) {
			w.raw("<AdditionalValidationReportData><ReportData><Type>urn:brama:validation:" + kind + "</Type>")
			w.element("Value", value)
			w.raw("</ReportData></AdditionalValidationReportData>")
		}
		if !s.ClaimedTime.IsZero() {
			data("claimed-signing-time", stamp(s.ClaimedTime))
		}
		for _, t := range s.Tolerances {
			data("tolerance", string(t))
		}
		for _, x := range s.TimeStamps {
			line := string(x.Kind) + " " + stamp(x.Time) + " "
			if x.Valid {
				line += "PASSED"
			} else {
				line += string(x.SubIndication) + ": " + x.Detail
			}
			if x.Authority != "" {
				line += "; " + x.Authority
			}
			data("time-stamp", line)
		}
	})
	w.raw("</SignatureValidationReport>\n")
}

func (w *writer) times(v Verdict, best time.Time) {
	w.raw("<ValidationTimeInfo>")
	w.element("ValidationTime", stamp(v.At))
	if !best.IsZero() {
		w.raw("<BestSignatureTime>")
		w.element("POETime", stamp(best))
		w.element("TypeOfProof", "urn:etsi:019102:poetype:validation")
		w.raw("</BestSignatureTime>")
	}
	w.raw("</ValidationTimeInfo>\n")
}

func (w *writer) status(i cades.Indication, sub cades.SubIndication, detail string, more func()) {
	w.raw("<SignatureValidationStatus>")
	w.element("MainIndication", "urn:etsi:019102:mainindication:"+strings.ToLower(i.String()))
	if sub != "" {
		w.element("SubIndication", "urn:etsi:019102:subindication:"+string(sub))
	}
	w.raw("<AssociatedValidationReportData>")
	if more != nil {
		more()
	}
	if detail != "" {
		w.raw("<AdditionalValidationReportData><ReportData><Type>urn:brama:validation:detail</Type>")
		w.element("Value", detail)
		w.raw("</ReportData></AdditionalValidationReportData>")
	}
	w.raw("</AssociatedValidationReportData></SignatureValidationStatus>\n")
}

// object puts a validation object into the report, once, and gives its identifier.
func (w *writer) object(kind string, sum [32]byte, content []byte) string {
	key := hex.EncodeToString(sum[:])
	if id := w.objects[key]; id != "" {
		return id
	}
	id := "V-" + key
	w.objects[key] = id
	fmt.Fprintf(&w.body, `<ValidationObject id="%s"><ObjectType>urn:etsi:019102:validationObject:%s</ObjectType><ValidationObjectRepresentation>`, id, kind)
	if content != nil {
		w.body.WriteString("<base64>" + base64.StdEncoding.EncodeToString(content) + "</base64>")
	} else {
		w.body.WriteString(sha256Value(sum[:]))
	}
	w.body.WriteString("</ValidationObjectRepresentation></ValidationObject>\n")
	return id
}

func (w *writer) certificate(c *pki.Certificate) string {
	return w.object("certificate", c.SHA256(), c.Raw)
}

func (w *writer) evidence(v Verdict, e cades.EvidenceRef) string {
	kind := map[string]string{"crl": "CRL", "ocsp": "OCSPResponse"}[e.Kind]
	var content []byte
	if v.Evidence != nil {
		if content = v.Evidence(e); content != nil && sha256.Sum256(content) != e.SHA256 {
			content = nil
		}
	}
	return w.object(kind, e.SHA256, content)
}
