package provider

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/pki"
)

// Report is a verdict over a container as "bramactl verify --json" prints it.
type Report struct {
	File          string         `json:"file"`
	Indication    string         `json:"indication"`
	SubIndication string         `json:"subIndication,omitempty"`
	Detail        string         `json:"detail,omitempty"`
	Attached      bool           `json:"attached"`
	At            time.Time      `json:"at"`
	Signatures    []SignatureRow `json:"signatures"`
}

// SignatureRow is the verdict over one signature.
type SignatureRow struct {
	Signer        SignerRow  `json:"signer"`
	Indication    string     `json:"indication"`
	SubIndication string     `json:"subIndication,omitempty"`
	Time          *time.Time `json:"time,omitempty"` // claimed by the signer
	Tolerances    []string   `json:"tolerances,omitempty"`
	SignerID      string     `json:"signerId,omitempty"` // how the container names the certificate
	Detail        string     `json:"detail,omitempty"`
	Digest        string     `json:"digest,omitempty"`
	Algorithm     string     `json:"algorithm,omitempty"`
	RevokedAt     *time.Time `json:"revokedAt,omitempty"`
	ProvedTime    *time.Time `json:"provedTime,omitempty"` // the earliest at which it is proved to have existed
	Past          bool       `json:"past,omitempty"`       // passed because of provedTime: the certificate has expired or is revoked since

	TimeStamps []TimeStampRow `json:"timeStamps,omitempty"`
}

// TimeStampRow is the verdict over one time-stamp of a signature.
type TimeStampRow struct {
	Kind          string     `json:"kind"` // see cades.Kinds
	Valid         bool       `json:"valid"`
	Time          *time.Time `json:"time,omitempty"` // as the token says
	SubIndication string     `json:"subIndication,omitempty"`
	Detail        string     `json:"detail,omitempty"`
	Authority     string     `json:"authority,omitempty"` // the name in its certificate
	Past          bool       `json:"past,omitempty"`      // proved to have existed while its authority's certificate held
	Rule          string     `json:"rule,omitempty"`      // of an archive-time-stamp-v3: etsi or uapki
}

// SignerRow names a signer.
type SignerRow struct {
	Name   string `json:"name"`
	EDRPOU string `json:"edrpou,omitempty"`
	Person string `json:"person,omitempty"`
	Serial string `json:"serial"`
	Issuer string `json:"issuer"`
}

// NewReport writes down what validation at a time found of a file.
func NewReport(file string, at time.Time, r *cades.Report) Report {
	out := Report{
		File: file, Indication: r.Indication.String(), SubIndication: string(r.SubIndication), Detail: r.Detail,
		Attached: r.Attached, At: at.UTC(), Signatures: []SignatureRow{},
	}
	for _, s := range r.Signatures {
		row := SignatureRow{
			Indication: s.Indication.String(), SubIndication: string(s.SubIndication), Time: known(s.ClaimedTime),
			SignerID: s.SignerID, Detail: s.Detail, Digest: s.DigestAlgorithm, Algorithm: s.SignatureAlgorithm, RevokedAt: known(s.RevokedAt),
			ProvedTime: known(s.ProvedTime), Past: s.Past,
		}
		for _, t := range s.Tolerances {
			row.Tolerances = append(row.Tolerances, string(t))
		}
		if s.Signer != nil {
			row.Signer = signerRow(s.Signer)
		}
		for _, x := range s.TimeStamps {
			row.TimeStamps = append(row.TimeStamps, NewTimeStampRow(x))
		}
		out.Signatures = append(out.Signatures, row)
	}
	return out
}

// NewTimeStampRow writes down the verdict over a time-stamp.
func NewTimeStampRow(x cades.TimeStamp) TimeStampRow {
	return TimeStampRow{string(x.Kind), x.Valid, known(x.Time), string(x.SubIndication), x.Detail, x.Authority, x.Past, string(x.Rule)}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// signerRow names a signer as receipts do (gateway.ViewSignature); a test compares them.
func signerRow(cert *pki.Certificate) SignerRow {
	codes := cert.Codes()
	name := cert.Subject.String()
	if cn := cert.Subject.CommonName; cn != "" {
		name = pki.Escape(cn)
	}
	return SignerRow{Name: name, EDRPOU: codes.EDRPOU, Person: codes.Person, Serial: cert.Serial.Text(16), Issuer: cert.Issuer.String()}
}

// newVerifyResponse is a report with all that its reader needs to act on it.
func newVerifyResponse(q *VerifyRequest, r *cades.Report) *VerifyResponse {
	out := &VerifyResponse{Report: NewReport(q.Name, q.At, r), NotContainer: r.NotContainer, Signers: []SignerDetail{}}
	if q.Content {
		out.Content = r.Content
	}
	for _, s := range r.Signatures {
		d := SignerDetail{MessageDigest: s.MessageDigest}
		for _, e := range s.Evidence {
			d.Evidence = append(d.Evidence, EvidenceRow{e.Kind, e.SHA256[:], e.ThisUpdate.UTC(), e.NextUpdate.UTC()})
		}
		if s.Signer != nil {
			d.Certificate = s.Signer.Raw
		}
		for _, c := range s.Chain {
			d.Chain = append(d.Chain, c.Raw)
		}
		out.Signers = append(out.Signers, d)
	}
	return out
}

var errContradiction = errors.New("the answer contradicts itself")

// Cades gives the report as validation itself would have given it. An answer that
// contradicts itself is an error: nothing of it may be believed.
func (v *VerifyResponse) Cades() (*cades.Report, error) {
	out := &cades.Report{
		SubIndication: cades.SubIndication(v.Report.SubIndication), Detail: v.Report.Detail,
		Attached: v.Report.Attached, NotContainer: v.NotContainer, Content: v.Content,
	}
	if err := out.Indication.UnmarshalText([]byte(v.Report.Indication)); err != nil {
		return nil, err
	}
	if len(v.Signers) != len(v.Report.Signatures) || v.Content != nil && !v.Report.Attached {
		return nil, errContradiction
	}
	passed := len(v.Report.Signatures) > 0
	for i, row := range v.Report.Signatures {
		s, err := row.cades(v.Signers[i])
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		passed = passed && s.Indication == cades.TotalPassed
		out.Signatures = append(out.Signatures, s)
	}
	if (out.Indication == cades.TotalPassed) != passed || passed && (v.NotContainer || out.SubIndication != "") {
		return nil, errContradiction
	}
	return out, nil
}

func (row *SignatureRow) cades(d SignerDetail) (s cades.Signature, err error) {
	s = cades.Signature{
		SignerID: row.SignerID, SubIndication: cades.SubIndication(row.SubIndication), Detail: row.Detail,
		DigestAlgorithm: row.Digest, SignatureAlgorithm: row.Algorithm, MessageDigest: d.MessageDigest,
	}
	if err := s.Indication.UnmarshalText([]byte(row.Indication)); err != nil {
		return s, err
	}
	if row.Time != nil {
		s.ClaimedTime = *row.Time
	}
	if row.RevokedAt != nil {
		s.RevokedAt = *row.RevokedAt
	}
	if row.ProvedTime != nil {
		s.ProvedTime = *row.ProvedTime
	}
	if s.Past = row.Past; s.Past && (s.ProvedTime.IsZero() || s.Indication != cades.TotalPassed) {
		return s, errContradiction
	}
	for _, t := range row.Tolerances {
		s.Tolerances = append(s.Tolerances, cades.Tolerance(t))
	}
	for _, x := range row.TimeStamps {
		stamp := cades.TimeStamp{
			Kind: cades.Kind(x.Kind), Valid: x.Valid, SubIndication: cades.SubIndication(x.SubIndication), Detail: x.Detail, Authority: x.Authority,
			Past: x.Past, Rule: cades.ArchiveRule(x.Rule),
		}
		if x.Time != nil {
			stamp.Time = *x.Time
		}
		switch {
		case !slices.Contains(cades.Kinds, stamp.Kind):
			return s, errors.New("time-stamp of an unknown kind")
		case stamp.Valid == (stamp.SubIndication != ""),
			stamp.Kind == cades.ContentTimeStamp && !stamp.Valid && s.Indication == cades.TotalPassed:
			return s, errContradiction
		}
		s.TimeStamps = append(s.TimeStamps, stamp)
	}
	for _, e := range d.Evidence {
		ref := cades.EvidenceRef{Kind: e.Kind, ThisUpdate: e.ThisUpdate, NextUpdate: e.NextUpdate}
		if copy(ref.SHA256[:], e.SHA256) != len(e.SHA256) || len(e.SHA256) != len(ref.SHA256) {
			return s, errors.New("evidence: digest of another length")
		}
		s.Evidence = append(s.Evidence, ref)
	}
	if d.Certificate != nil {
		if s.Signer, err = pki.ParseCertificate(d.Certificate); err != nil {
			return s, fmt.Errorf("certificate: %w", err)
		}
	}
	for _, raw := range d.Chain {
		c, err := pki.ParseCertificate(raw)
		if err != nil {
			return s, fmt.Errorf("chain: %w", err)
		}
		s.Chain = append(s.Chain, c)
	}
	if s.Indication == cades.TotalPassed && (s.Signer == nil || s.SubIndication != "") {
		return s, errContradiction
	}
	return s, nil
}
