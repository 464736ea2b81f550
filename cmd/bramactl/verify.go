package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/gateway"
)

// verifyReport is the output of verify --json (DESIGN 8).
type verifyReport struct {
	File          string         `json:"file"`
	Indication    string         `json:"indication"`
	SubIndication string         `json:"subIndication,omitempty"`
	Detail        string         `json:"detail,omitempty"`
	Attached      bool           `json:"attached"`
	At            time.Time      `json:"at"`
	Signatures    []signatureRow `json:"signatures"`
}

type signatureRow struct {
	gateway.SignatureView
	SignerID  string     `json:"signerId,omitempty"` // how the container names the certificate
	Detail    string     `json:"detail,omitempty"`
	Digest    string     `json:"digest,omitempty"`
	Algorithm string     `json:"algorithm,omitempty"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
}

func verify(c *call, args []string) error {
	var trust trustFlags
	var detached, tolerate string
	var at moment
	flags := c.flags()
	flags.Var(&trust.anchors, "anchor", "")
	flags.Var(&trust.material, "material", "")
	flags.StringVar(&detached, "detached", "", "")
	flags.Var(&at, "at", "")
	flags.StringVar(&tolerate, "tolerate", "", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	o := cades.Options{At: at.Time}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.Tolerate, err = cades.ParseTolerances(strings.FieldsFunc(tolerate, func(r rune) bool { return r == ',' })); err != nil {
		return usageError{err}
	}
	if o.Trust, err = trust.store(c); err != nil {
		return err
	}
	var in cades.Input
	if in.Container, err = c.readFile(rest[0]); err != nil {
		return err
	}
	if detached != "" {
		doc, err := c.readFile(detached)
		if err != nil {
			return err
		}
		in.Detached = io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc)))
	}
	r := cades.Validate(in, o)
	if r.NotContainer {
		return fmt.Errorf("%s: %s (%s)", rest[0], c.t("це не контейнер підпису", "not a signature container"), r.Detail)
	}
	out := newVerifyReport(rest[0], o.At, r)
	if c.json {
		err = c.writeJSON(out)
	} else {
		c.printReport(out)
	}
	if err != nil {
		return err
	}
	return indicated(r.Indication)
}

// indicated is the exit code of an indication.
func indicated(i cades.Indication) error {
	switch i {
	case cades.TotalPassed:
		return nil
	case cades.TotalFailed:
		return verdict(exitNo)
	default:
		return verdict(exitUndecided)
	}
}

func newVerifyReport(file string, at time.Time, r *cades.Report) verifyReport {
	out := verifyReport{
		File: file, Indication: r.Indication.String(), SubIndication: string(r.SubIndication), Detail: r.Detail,
		Attached: r.Attached, At: at.UTC(), Signatures: []signatureRow{},
	}
	for _, s := range r.Signatures {
		row := signatureRow{
			SignatureView: gateway.ViewSignature(s), SignerID: s.SignerID, Detail: s.Detail, Digest: s.DigestAlgorithm, Algorithm: s.SignatureAlgorithm, RevokedAt: known(s.RevokedAt),
		}
		out.Signatures = append(out.Signatures, row)
	}
	return out
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (c *call) printReport(r verifyReport) {
	line := func(indication, sub, detail string) string {
		s := indication
		if sub != "" {
			s += " " + sub
		}
		if detail != "" {
			s += ": " + detail
		}
		return printable(s)
	}
	c.printf("%s\n", line(r.Indication, r.SubIndication, r.Detail))
	for i, s := range r.Signatures {
		name := s.Signer.Name
		if name == "" {
			name = s.SignerID
		}
		c.printf("\n%d. %s\n", i+1, printable(name))
		field := func(uk, en, value string) {
			if value != "" {
				c.printf("   %s: %s\n", c.t(uk, en), printable(value))
			}
		}
		c.printf("   %s\n", line(s.Indication, s.SubIndication, s.Detail))
		field("ЄДРПОУ", "EDRPOU", s.Signer.EDRPOU)
		field("код особи", "person", s.Signer.Person)
		field("серійний номер", "serial", s.Signer.Serial)
		field("видавець", "issuer", s.Signer.Issuer)
		if s.Time != nil {
			field("заявлений час", "claimed time", s.Time.Format(time.RFC3339))
		}
		if s.RevokedAt != nil {
			field("відкликано", "revoked", s.RevokedAt.Format(time.RFC3339))
		}
		field("послаблення", "tolerances", strings.Join(s.Tolerances, ", "))
	}
}
