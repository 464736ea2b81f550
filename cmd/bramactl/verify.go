package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/provider"
)

func verify(c *call, args []string) error {
	var trust trustFlags
	var detached, tolerate, xml string
	var at moment
	var past pastFlags
	flags := c.flags()
	flags.Var(&trust.anchors, "anchor", "")
	flags.Var(&trust.material, "material", "")
	flags.StringVar(&detached, "detached", "", "")
	flags.Var(&at, "at", "")
	flags.Var(&past.existed, "existed", "")
	flags.BoolVar(&past.expired, "expired-tsa", false, "")
	flags.BoolVar(&past.strict, "strict-past", false, "")
	flags.StringVar(&tolerate, "tolerate", "", "")
	flags.StringVar(&xml, "report-xml", "", "")
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
	if o.Past, err = past.of(c, in.Container); err != nil {
		return err
	}
	var document []byte // its SHA-256
	if detached != "" {
		doc, err := c.readFile(detached)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(doc)
		document = sum[:]
		in.Detached = io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc)))
	}
	// An archive of any kind is judged as a container, which it then fails to be.
	if isASiC(in.Container) || asic.IsZIP(in.Container) {
		return c.verifyASiC(rest[0], in, o, xml)
	}
	r := cades.Validate(in, o)
	if r.NotContainer {
		return fmt.Errorf("%s: %s (%s)", rest[0], c.t("це не контейнер підпису", "not a signature container"), r.Detail)
	}
	if r.Content != nil {
		sum := sha256.Sum256(r.Content)
		document = sum[:]
	}
	if err := writeXML(xml, rest[0], r, o.At, document, o.Trust); err != nil {
		return err
	}
	out := verifyReport{provider.NewReport(rest[0], o.At, r), details(r, o.At, o.Trust)}
	if c.json {
		err = c.writeJSON(out)
	} else {
		c.printReport(out.Report)
		c.printDetails(out.Details)
	}
	if err != nil {
		return err
	}
	return indicated(r.Indication)
}

// pastFlags say on what a validation in the past may rest.
type pastFlags struct {
	existed         moment
	expired, strict bool
}

func (f pastFlags) of(c *call, file []byte) (cades.Past, error) {
	past := cades.Examiner
	if f.strict {
		if f.expired {
			return past, usageError{errors.New(c.t("--strict-past і --expired-tsa суперечать одне одному", "--strict-past and --expired-tsa contradict each other"))}
		}
		past = cades.Past{}
	}
	past.ExpiredAuthorities = f.expired
	if !f.existed.IsZero() {
		past.Exists = []cades.Existence{{SHA256: sha256.Sum256(file), At: f.existed.Time}}
	}
	return past, nil
}

// verifyReport is what verify --json prints.
type verifyReport struct {
	provider.Report
	// Details are of each of the signatures.
	Details []signatureDetails `json:"details"`
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

func (c *call) printReport(r provider.Report) {
	line := func(indication, sub, detail string) string {
		s := indication
		if sub != "" {
			s += " " + c.meaning(sub)
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
		if s.ProvedTime != nil {
			field("існував щонайпізніше", "existed at the latest", s.ProvedTime.Format(time.RFC3339))
		}
		if s.Past {
			field("підстава", "rests on", c.t("дійсний на доведений час, тепер сертифікат уже ні", "valid at the proved time; the certificate is not any more"))
		}
		field("послаблення", "tolerances", strings.Join(s.Tolerances, ", "))
		for _, x := range s.TimeStamps {
			name := stampNames[cades.Kind(x.Kind)]
			field(name.UK, name.EN, c.timeStamp(x))
		}
	}
}

var stampNames = map[cades.Kind]formats.Text{
	cades.ContentTimeStamp:    {UK: "позначка часу документа", EN: "content time-stamp"},
	cades.SignatureTimeStamp:  {UK: "позначка часу підпису", EN: "signature time-stamp"},
	cades.CAdESCTimeStamp:     {UK: "позначка часу підпису й посилань", EN: "CAdES-C time-stamp"},
	cades.ReferencesTimeStamp: {UK: "позначка часу посилань", EN: "time-stamp of references"},
	cades.ArchiveTimeStamp:    {UK: "архівна позначка часу", EN: "archive time-stamp"},
}

// timeStamp puts a time-stamp into a line.
func (c *call) timeStamp(x provider.TimeStampRow) string {
	var parts []string
	if x.Time != nil {
		parts = append(parts, x.Time.Format(time.RFC3339))
	}
	if x.Authority != "" {
		parts = append(parts, x.Authority)
	}
	if x.Rule != "" {
		parts = append(parts, x.Rule)
	}
	word := c.t("дійсна", "valid")
	if x.Past {
		word = c.t("була дійсна на доведений час", "was valid at the proved time")
	}
	if !x.Valid {
		word = c.t("недійсна", "not valid") + " " + x.SubIndication + ": " + x.Detail
	}
	return strings.Join(append(parts, word), ", ")
}
