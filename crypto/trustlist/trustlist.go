// Package trustlist reads lists of trusted services: ETSI TS 119 612 XML with an
// enveloped signature, as the Ukrainian list and those of the member states are.
//
// Who signs a list is known beforehand: the caller pins the SHA-256 of the signer's
// certificate, and of a list that it did not sign nothing is given. The list is not
// a chain to anything: neither the validity nor the issuer of that certificate
// counts, as the list of lists does not either.
//
// Services that matter are read with the certificates of their digital identities
// and the history of their status: [Service.Terms] says from when to when a service
// was granted. The others are passed over.
//
// References: ETSI TS 119 612 V2.2.1 (and V2.1.1, of which the part read here is the
// same); for the Ukrainian types the list itself, http://czo.gov.ua/TrstSvc.
package trustlist

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/xmldsig"
)

// ErrList is wrapped by every error about what a list says.
var ErrList = errors.New("trusted list")

const (
	space        = "http://uri.etsi.org/02231/v2#"
	maxServices  = 20_000
	maxStatuses  = 200 // of one service
	maxDigitalID = 64  // of one service
)

// Type of a service.
type Type string

// The types that are read.
const (
	CA   Type = "CA/QC"
	TSA  Type = "TSA/QTST"
	OCSP Type = "OCSP/QC"
)

// types by their identifiers, TS 119 612, 5.5.1, and the Ukrainian list's own.
var types = map[string]Type{
	"http://uri.etsi.org/TrstSvc/Svctype/CA/QC":              CA,
	"http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST":           TSA,
	"http://uri.etsi.org/TrstSvc/Svctype/Certstatus/OCSP/QC": OCSP,
	"http://czo.gov.ua/TrstSvc/Svctype/CA/QC":                CA,
	"http://czo.gov.ua/TrstSvc/Svctype/MR-CA/QC":             CA,
	"http://czo.gov.ua/TrstSvc/Svctype/TSA/QTST":             TSA,
	"http://czo.gov.ua/TrstSvc/Svctype/MR-TSA/QTST":          TSA,
	"http://czo.gov.ua/TrstSvc/Svctype/Certstatus/OCSP/QC":   OCSP,
}

// granted are the statuses by which a service may be relied on: those of today, and
// of the time before Regulation 910/2014 that TS 119 612, 5.5.4 and annex J, carries on.
var granted = map[string]bool{
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted":                                             true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/undersupervision":                                    true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/accredited":                                          true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/supervisionincessation":                              true,
	"http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/Svcstatus/undersupervision":       true,
	"http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/Svcstatus/accredited":             true,
	"http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/Svcstatus/supervisionincessation": true,
	"http://czo.gov.ua/TrustedList/Svcstatus/granted":                                                       true,
	"http://czo.gov.ua/TrstSvc/TrustedList/Svcstatus/granted":                                               true,
}

// List is a list whose signature holds.
type List struct {
	SHA256    [32]byte // of the file
	Signer    *pki.Certificate
	Territory string // ISO 3166-1, as UA
	Operator  string
	Sequence  int64
	// Issued and NextUpdate bound the time for which the list speaks. A list without
	// NextUpdate is closed (TS 119 612, 5.3.15): zero.
	Issued, NextUpdate time.Time
	Services           []Service
}

// Service is one trusted service.
type Service struct {
	Provider, Name string
	Type           Type
	// Certificates are its digital identities.
	Certificates []*pki.Certificate
	// Unreadable counts those that could not be read: nobody is believed by them.
	Unreadable int
	// Statuses are the present one and those before, newest first.
	Statuses []Status
}

// Status of a service from a time on.
type Status struct {
	URI     string
	Granted bool
	From    time.Time
}

// Term is a time during which a service was granted. Until is zero while it is.
type Term struct{ From, Until time.Time }

// Terms are the times in which the service was granted, newest first. What two
// granted statuses join is one.
func (s *Service) Terms() []Term {
	var out []Term
	var until time.Time
	for _, x := range s.Statuses {
		if x.Granted {
			if n := len(out); n > 0 && out[n-1].From.Equal(until) && !until.IsZero() {
				out[n-1].From = x.From
			} else {
				out = append(out, Term{x.From, until})
			}
		}
		until = x.From
	}
	return out
}

// Parse reads a list that the pinned certificate signed; SHA-256 of its DER.
func Parse(data []byte, pin [32]byte) (*List, error) {
	root, err := xmldsig.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	if !root.Is(space, "TrustServiceStatusList") {
		return nil, fmt.Errorf("%w: the root element is %q", ErrList, root.Local)
	}
	signature, err := xmldsig.Find(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	l := &List{SHA256: sha256.Sum256(data)}
	if l.Signer, err = signature.VerifyPinned(pin); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	if err := l.read(root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	return l, nil
}

func (l *List) read(root *xmldsig.Element) (err error) {
	scheme := root.Only(space, "SchemeInformation")
	if v := scheme.Only(space, "TSLVersionIdentifier").Text(); v != "5" && v != "6" {
		return fmt.Errorf("TSLVersionIdentifier %q is not 5 or 6", v)
	}
	if l.Sequence, err = strconv.ParseInt(scheme.Only(space, "TSLSequenceNumber").Text(), 10, 64); err != nil || l.Sequence < 1 {
		return errors.New("TSLSequenceNumber is missing, or no number")
	}
	l.Territory = label(scheme.Only(space, "SchemeTerritory").Text())
	l.Operator = name(scheme.Only(space, "SchemeOperatorName"))
	if l.Issued, err = moment(scheme.Only(space, "ListIssueDateTime")); err != nil {
		return err
	}
	next := scheme.Only(space, "NextUpdate")
	if next == nil {
		return errors.New("NextUpdate is missing")
	}
	if t := next.Only(space, "dateTime"); t != nil {
		if l.NextUpdate, err = moment(t); err != nil {
			return err
		}
		if !l.NextUpdate.After(l.Issued) {
			return errors.New("NextUpdate is not after the time of issue")
		}
	}
	providers := root.Only(space, "TrustServiceProviderList")
	for _, p := range providers.Children(space, "TrustServiceProvider") {
		who := name(p.Path(space, "TSPInformation", "TSPName"))
		for _, x := range p.Only(space, "TSPServices").Children(space, "TSPService") {
			s, err := service(x)
			if err != nil {
				return fmt.Errorf("a service of %q: %w", who, err)
			}
			if s == nil {
				continue
			}
			s.Provider = who
			if l.Services = append(l.Services, *s); len(l.Services) > maxServices {
				return fmt.Errorf("more than %d services", maxServices)
			}
		}
	}
	return nil
}

// service reads one service; nil if it is of no type that matters.
func service(e *xmldsig.Element) (*Service, error) {
	info := e.Only(space, "ServiceInformation")
	kind := info.Only(space, "ServiceTypeIdentifier").Text()
	s := &Service{Type: types[kind], Name: name(info.Only(space, "ServiceName"))}
	if s.Type == "" || onlyOther(info) {
		return nil, nil
	}
	if err := s.identities(info.Only(space, "ServiceDigitalIdentity")); err != nil {
		return nil, err
	}
	now, err := status(info)
	if err != nil {
		return nil, err
	}
	s.Statuses = append(s.Statuses, now)
	for _, h := range e.Only(space, "ServiceHistory").Children(space, "ServiceHistoryInstance") {
		if types[h.Only(space, "ServiceTypeIdentifier").Text()] != s.Type {
			continue // it was another sort of service then
		}
		before, err := status(h)
		if err != nil {
			return nil, err
		}
		if s.Statuses = append(s.Statuses, before); len(s.Statuses) > maxStatuses {
			return nil, fmt.Errorf("more than %d statuses", maxStatuses)
		}
	}
	slices.SortStableFunc(s.Statuses, func(a, b Status) int { return b.From.Compare(a.From) })
	return s, nil
}

// onlyOther tells that a CA/QC service is qualified for something else than
// signatures and seals alone: its additional information names uses, and neither
// of these is among them (TS 119 612, 5.5.9.4).
func onlyOther(info *xmldsig.Element) bool {
	named, ours := false, false
	for _, e := range info.Only(space, "ServiceInformationExtensions").Children(space, "Extension") {
		for _, a := range e.Children(space, "AdditionalServiceInformation") {
			uri := a.Only(space, "URI").Text()
			use, ok := strings.CutPrefix(uri, "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/For")
			if !ok {
				continue
			}
			named = true
			ours = ours || use == "eSignatures" || use == "eSeals"
		}
	}
	return named && !ours
}

func (s *Service) identities(e *xmldsig.Element) error {
	for _, id := range e.Children(space, "DigitalId") {
		for _, x := range id.Children(space, "X509Certificate") {
			if len(s.Certificates)+s.Unreadable == maxDigitalID {
				return fmt.Errorf("more than %d certificates", maxDigitalID)
			}
			raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(x.Text()), ""))
			if err != nil {
				return errors.New("X509Certificate is not base64")
			}
			c, err := pki.ParseCertificate(raw)
			if err != nil {
				s.Unreadable++
				continue
			}
			if !slices.ContainsFunc(s.Certificates, c.Equal) {
				s.Certificates = append(s.Certificates, c)
			}
		}
	}
	return nil
}

func status(e *xmldsig.Element) (Status, error) {
	s := Status{URI: e.Only(space, "ServiceStatus").Text()}
	s.Granted = granted[s.URI]
	var err error
	s.From, err = moment(e.Only(space, "StatusStartingTime"))
	return s, err
}

// moment reads a time. TS 119 612, 5.1.3: UTC, in whole seconds.
func moment(e *xmldsig.Element) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, e.Text())
	if err != nil {
		return time.Time{}, errors.New("a time is missing, or not as 2026-03-01T12:00:00Z")
	}
	return t.UTC(), nil
}

// name is the English one of several, else the first.
func name(e *xmldsig.Element) string {
	names := e.Children(space, "Name")
	for _, n := range names {
		if strings.EqualFold(n.Attribute("http://www.w3.org/XML/1998/namespace", "lang"), "en") {
			return label(n.Text())
		}
	}
	if len(names) > 0 {
		return label(names[0].Text())
	}
	return ""
}

// label makes foreign text fit to show.
func label(s string) string {
	s = pki.Escape(strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return s
}
