package main

import (
	"encoding/hex"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/etsireport"
	"github.com/brama-gateway/brama/crypto/pki"
)

// signatureDetails is what one verdict rests on, as verify --json gives it for each
// of the signatures.
type signatureDetails struct {
	// BestSignatureTime is the time for which the signature was found to hold or not.
	BestSignatureTime time.Time       `json:"bestSignatureTime"`
	Chain             []chainRow      `json:"chain"`
	Revocation        []revocationRow `json:"revocation"`
	Constraints       []constraintRow `json:"constraints"`
}

type chainRow struct {
	Subject string    `json:"subject"`
	SHA256  string    `json:"sha256"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Anchor  bool      `json:"anchor,omitempty"`
}

type revocationRow struct {
	Kind       string     `json:"kind"` // crl or ocsp
	SHA256     string     `json:"sha256"`
	ThisUpdate time.Time  `json:"thisUpdate"`
	NextUpdate *time.Time `json:"nextUpdate,omitempty"`
}

// constraintRow is a building block of EN 319 102-1 and how it came out.
type constraintRow struct {
	Block  string `json:"block"`
	Result string `json:"result"` // PASSED, FAILED, INDETERMINATE; or empty: not reached
}

// blocks are the building blocks, EN 319 102-1, 5.2, in their order, and the
// sub-indications with which each ends.
var blocks = []struct {
	name string
	subs []cades.SubIndication
}{
	{"format checking", []cades.SubIndication{cades.FormatFailure}},
	{"identification of the signing certificate", []cades.SubIndication{cades.NoSigningCertificateFound}},
	{"signature policy", []cades.SubIndication{cades.PolicyProcessingError, cades.SignaturePolicyNotAvailable}},
	{"cryptographic verification", []cades.SubIndication{cades.HashFailure, cades.SigCryptoFailure, cades.SignedDataNotFound}},
	{"X.509 certificate validation", []cades.SubIndication{
		cades.NoCertificateChainFound, cades.CertificateChainGeneralFailure, cades.ChainConstraintsFailure,
		cades.OutOfBoundsNoPOE, cades.OutOfBoundsNotRevoked, cades.RevokedNoPOE, cades.RevokedCANoPOE, cades.Revoked, cades.Expired, cades.NotYetValid, cades.RevocationOutOfBoundsNoPOE,
	}},
	{"revocation freshness", []cades.SubIndication{cades.TryLater}},
	{"signature acceptance", []cades.SubIndication{cades.SigConstraintsFailure, cades.CryptoConstraintsFailure, cades.CryptoConstraintsFailureNoPOE}},
	{"time-stamps", []cades.SubIndication{cades.TimestampOrderFailure, cades.NoPOE}},
}

// constraints tells how far a validation came: the block that ends with the
// sub-indication did not pass, those before it did.
func constraints(s *cades.Signature) []constraintRow {
	out := make([]constraintRow, 0, len(blocks))
	ended := false
	for _, b := range blocks {
		row := constraintRow{Block: b.name}
		switch {
		case ended:
		case s.Indication == cades.TotalPassed:
			row.Result = "PASSED"
		default:
			row.Result = "PASSED"
			for _, sub := range b.subs {
				if sub == s.SubIndication {
					ended = true
					row.Result = "INDETERMINATE"
					if s.Indication == cades.TotalFailed {
						row.Result = "FAILED"
					}
				}
			}
		}
		out = append(out, row)
	}
	return out
}

// blockName is the name of a building block in the language of the call; JSON and the
// XML report have the standard's own.
func (c *call) blockName(name string) string {
	for uk, en := range map[string]string{
		"перевірка формату": "format checking", "пошук сертифіката підписувача": "identification of the signing certificate",
		"політика підпису": "signature policy", "криптографічна перевірка": "cryptographic verification",
		"перевірка сертифіката та його ланцюжка": "X.509 certificate validation", "свіжість відомостей про відкликання": "revocation freshness",
		"вимоги до підпису": "signature acceptance", "позначки часу": "time-stamps",
	} {
		if en == name {
			return c.t(uk, en)
		}
	}
	return name
}

func details(r *cades.Report, at time.Time, trust *pki.Store) []signatureDetails {
	out := []signatureDetails{}
	for i := range r.Signatures {
		s := &r.Signatures[i]
		d := signatureDetails{BestSignatureTime: at.UTC(), Chain: []chainRow{}, Revocation: []revocationRow{}, Constraints: constraints(s)}
		held := at
		if s.Past {
			held = s.ProvedTime
			d.BestSignatureTime = held.UTC()
		}
		for _, c := range s.Chain {
			sum := c.SHA256()
			d.Chain = append(d.Chain, chainRow{c.Subject.String(), hex.EncodeToString(sum[:]), c.NotBefore, c.NotAfter, trust.IsAnchorAt(c, held)})
		}
		for _, e := range s.Evidence {
			row := revocationRow{Kind: e.Kind, SHA256: hex.EncodeToString(e.SHA256[:]), ThisUpdate: e.ThisUpdate.UTC()}
			if !e.NextUpdate.IsZero() {
				next := e.NextUpdate.UTC()
				row.NextUpdate = &next
			}
			d.Revocation = append(d.Revocation, row)
		}
		out = append(out, d)
	}
	return out
}

func (c *call) printDetails(list []signatureDetails) {
	for i, d := range list {
		c.printf("\n%s %d:\n", c.t("Підстави для підпису", "What the verdict rests on, signature"), i+1)
		c.printf("   %s: %s\n", c.t("станом на", "for the time"), d.BestSignatureTime.Format(time.RFC3339))
		for _, x := range d.Constraints {
			if x.Result == "" {
				x.Result = c.t("не дійшло", "not reached")
			}
			c.printf("   %s: %s\n", c.blockName(x.Block), x.Result)
		}
		for _, x := range d.Chain {
			role := ""
			if x.Anchor {
				role = c.t(", корінь довіри", ", anchor")
			}
			c.printf("   %s: %s, %s..%s, SHA-256 %s%s\n", c.t("сертифікат", "certificate"), printable(x.Subject), day(x.From), day(x.Until), x.SHA256, role)
		}
		for _, x := range d.Revocation {
			until := "-"
			if x.NextUpdate != nil {
				until = x.NextUpdate.Format(time.RFC3339)
			}
			c.printf("   %s: %s %s..%s, SHA-256 %s\n", c.t("відкликання", "revocation"), x.Kind, x.ThisUpdate.Format(time.RFC3339), until, x.SHA256)
		}
	}
}

// writeXML writes the report of ETSI TS 119 102-2.
func writeXML(path, name string, r *cades.Report, at time.Time, document []byte, trust *pki.Store) error {
	if path == "" {
		return nil
	}
	v := etsireport.Verdict{Name: name, Report: r, At: at, Document: document, Evidence: trust.Piece}
	return writePackage(path, etsireport.XML(v))
}
