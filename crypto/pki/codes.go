package pki

import (
	"slices"
	"strings"

	"github.com/brama-gateway/brama/crypto/der"
)

// Attributes in subjectDirectoryAttributes that carry Ukrainian codes.
const (
	oidDRFO   der.OID = "1.2.804.2.1.1.1.11.1.4.1.1"
	oidEDRPOU der.OID = "1.2.804.2.1.1.1.11.1.4.2.1"
	oidUNZR   der.OID = "1.2.804.2.1.1.1.11.1.4.11.1"
)

// What marks an electronic seal.
const (
	ekuSeal    der.OID = "1.2.804.2.1.1.1.3.9"
	qcType     der.OID = "0.4.0.1862.1.6"
	qcTypeSeal der.OID = "0.4.0.1862.1.6.2"
)

// Codes are the registered codes of a certificate's subject. Identity is decided
// by these and by the certificate itself, never by names.
type Codes struct {
	// EDRPOU is the organisation's code, eight digits; for a sole proprietor it
	// may be the person's own.
	EDRPOU string
	// Person is the taxpayer code (DRFO, RNOKPP), ten digits, or the passport
	// that stands for one.
	Person string
	// UNZR is the number in the demographic register, digits only.
	UNZR string
	// Ambiguous tells that two different organisation codes or two different
	// person codes are there; EDRPOU and Person are then empty.
	Ambiguous bool
}

// Codes gives the Ukrainian codes of the subject, from subjectDirectoryAttributes
// and from organizationIdentifier ("NTRUA-12345678", EN 319 412-1, 5.1.4) and
// serialNumber ("TINUA-1234567890", 5.1.3) in its name.
func (c *Certificate) Codes() Codes { return c.codes }

// IsSeal tells that the certificate is for an organisation's electronic seal: it
// says so (extended key usage, or QcType eSeal of EN 319 412-5, 4.2.3), or has an
// organisation's code and no person's.
func (c *Certificate) IsSeal() bool {
	if slices.Contains(c.ExtendedKeyUsage, ekuSeal) {
		return true
	}
	if e := c.Extension(extQCStatements); e != nil && slices.Contains(qcTypes(e.Value), qcTypeSeal) {
		return true
	}
	k := c.codes
	return k.EDRPOU != "" && k.Person == "" && k.UNZR == ""
}

// qcTypes reads QcType out of qcStatements; nil if it is not there.
func qcTypes(value []byte) []der.OID {
	list, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return nil
	}
	for !list.Empty() {
		s, err := list.Sequence()
		if err != nil {
			return nil
		}
		if oid, err := s.OID(); err != nil || oid != qcType {
			continue
		}
		oids, err := readOIDs(s)
		if err != nil {
			return nil
		}
		return oids
	}
	return nil
}

func readCodes(c *Certificate) Codes {
	var k Codes
	add := func(to *string, code string) {
		switch {
		case code == "" || *to == code:
		case *to == "":
			*to = code
		default:
			k.Ambiguous = true
		}
	}
	for _, a := range c.Subject.Attributes {
		switch {
		case a.Type == oidOrganizationIdentifier:
			if v, ok := strings.CutPrefix(a.Text, "NTRUA-"); ok {
				add(&k.EDRPOU, cleanCode(v))
			}
		case a.Type == oidSerialNumber:
			// Without the prefix it is the certification authority's own number.
			if v, ok := strings.CutPrefix(a.Text, "TINUA-"); ok {
				add(&k.Person, cleanCode(v))
			}
		}
	}
	if e := c.Extension(extSubjectDirectoryAttributes); e != nil {
		eachDirectoryAttribute(e.Value, func(oid der.OID, text string) {
			switch oid {
			case oidEDRPOU:
				add(&k.EDRPOU, cleanCode(text))
			case oidDRFO:
				add(&k.Person, cleanCode(text))
			case oidUNZR:
				add(&k.UNZR, strings.ReplaceAll(cleanCode(text), "-", ""))
			}
		})
	}
	if k.Ambiguous {
		k.EDRPOU, k.Person, k.UNZR = "", "", ""
	}
	return k
}

// cleanCode takes a code of letters, digits and hyphens; anything else is no
// code. (Passport series are Cyrillic or Latin letters.)
func cleanCode(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 32 {
		return ""
	}
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= 'А' && c <= 'я', c == '-',
			c == 'І', c == 'Ї', c == 'Є', c == 'Ґ', c == 'і', c == 'ї', c == 'є', c == 'ґ':
		default:
			return ""
		}
	}
	return s
}

// eachDirectoryAttribute gives every readable value of subjectDirectoryAttributes,
// RFC 5280, 4.2.1.8. It stops at what is malformed.
func eachDirectoryAttribute(value []byte, each func(der.OID, string)) {
	list, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return
	}
	for !list.Empty() {
		a, err := list.Sequence()
		if err != nil {
			return
		}
		oid, err := a.OID()
		if err != nil {
			return
		}
		set, err := a.Set()
		if err != nil {
			return
		}
		for !set.Empty() {
			v, err := set.Next()
			if err != nil {
				return
			}
			if text, ok := v.Text(); ok {
				each(oid, text)
			}
		}
	}
}
