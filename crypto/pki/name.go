package pki

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/brama-gateway/brama/crypto/der"
)

// Object identifiers of name attributes, X.520.
const (
	oidCommonName             der.OID = "2.5.4.3"
	oidSerialNumber           der.OID = "2.5.4.5"
	oidOrganization           der.OID = "2.5.4.10"
	oidOrganizationIdentifier der.OID = "2.5.4.97"
)

var attributeNames = map[der.OID]string{
	oidCommonName: "CN", "2.5.4.4": "SN", oidSerialNumber: "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L",
	"2.5.4.8": "ST", "2.5.4.9": "street", oidOrganization: "O", "2.5.4.11": "OU", "2.5.4.12": "title",
	"2.5.4.42": "GN", oidOrganizationIdentifier: "organizationIdentifier",
	"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "DC",
}

// Limits on what a name may hold and how much of it is shown.
const (
	maxNameAttributes = 128
	maxShown          = 512
)

// Attribute is one type and value of a Name.
type Attribute struct {
	Type der.OID
	// Text is the value as UTF-8, exactly as encoded: it may hold control
	// characters. Show it with Escape. It is empty when Readable is false.
	Text     string
	Readable bool
}

// Name is a distinguished name, RFC 5280, 4.1.2.4. It is for people; nothing is
// decided by it but which certificate may have issued which.
type Name struct {
	// Raw is the encoded name.
	Raw []byte
	// Attributes in the order of the encoding, all RDNs flattened.
	Attributes []Attribute
	// CommonName and Organization are the first of their kind, escaped as by
	// Escape and cut, so that they may be shown.
	CommonName, Organization string

	key string
}

// Empty tells that the name has no attribute.
func (n Name) Empty() bool { return len(n.Attributes) == 0 }

// Same compares two names as RFC 5280, 7.1 wants: letters without case, white
// space at the ends and its repetition without meaning, whatever the string
// type. Attributes within one RDN have no order.
func (n Name) Same(o Name) bool { return n.key == o.key }

// String gives the name for people, "CN=..., O=...", escaped and cut to some
// 500 characters.
func (n Name) String() string {
	var s strings.Builder
	for i, a := range n.Attributes {
		if i > 0 {
			s.WriteString(", ")
		}
		if s.Len() > maxShown {
			s.WriteString("…")
			break
		}
		short := attributeNames[a.Type]
		if short == "" {
			short = string(a.Type)
		}
		s.WriteString(short)
		s.WriteByte('=')
		if a.Readable {
			s.WriteString(strings.ReplaceAll(Escape(a.Text), ",", `\,`))
		} else {
			s.WriteString("?")
		}
	}
	return s.String()
}

// Escape makes foreign text fit to show: control characters, bidirectional
// controls, zero-width and other invisible characters become \u{...}; more than
// some 200 characters are cut. The result is meant for eyes, not for comparing.
func Escape(text string) string {
	var s strings.Builder
	n := 0
	for _, c := range text {
		if n++; n > 200 {
			s.WriteString("…")
			break
		}
		switch {
		case c == '\\':
			s.WriteString(`\\`)
		case c == unicode.ReplacementChar, c != ' ' && !unicode.IsGraphic(c), unicode.Is(unicode.Cf, c),
			unicode.IsSpace(c) && c != ' ', unicode.Is(unicode.Variation_Selector, c),
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c):
			fmt.Fprintf(&s, `\u{%X}`, c)
		default:
			s.WriteRune(c)
		}
	}
	return s.String()
}

// parseName reads a Name. Values may be of any type: names compare by readable
// text, or else by their bytes.
func parseName(e der.Element) (Name, error) {
	n := Name{Raw: e.Raw}
	rdns := der.NewReader(nil, der.DER).Inside(e)
	var key strings.Builder
	for !rdns.Empty() {
		set, err := rdns.Set()
		if err != nil {
			return n, err
		}
		if set.Empty() {
			return n, &der.SyntaxError{Offset: set.Offset(), Reason: "empty RDN"}
		}
		var parts []string
		for !set.Empty() {
			if len(n.Attributes) == maxNameAttributes {
				return n, &der.SyntaxError{Offset: set.Offset(), Reason: "name of too many attributes"}
			}
			pair, err := set.Sequence()
			if err != nil {
				return n, err
			}
			oid, err := pair.OID()
			if err != nil {
				return n, err
			}
			v, err := pair.Next()
			if err != nil {
				return n, err
			}
			if err := pair.End(); err != nil {
				return n, err
			}
			a := Attribute{Type: oid}
			a.Text, a.Readable = v.Text()
			n.Attributes = append(n.Attributes, a)
			part := string(oid)
			if a.Readable {
				part += "=" + fold(a.Text)
			} else {
				part += "#" + string(v.Raw)
			}
			parts = append(parts, fmt.Sprintf("%d:%s", len(part), part))
		}
		slices.Sort(parts)
		for _, p := range parts {
			key.WriteString(p)
		}
		key.WriteByte('/')
	}
	n.key = key.String()
	n.CommonName = n.first(oidCommonName)
	n.Organization = n.first(oidOrganization)
	return n, nil
}

// fold makes texts equal that a caseIgnoreMatch takes for equal.
func fold(s string) string {
	return strings.ToLower(strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c == ' ' }), " "))
}

func (n Name) first(oid der.OID) string {
	for _, a := range n.Attributes {
		if a.Type == oid && a.Readable {
			return Escape(a.Text)
		}
	}
	return ""
}

// ParseName reads an encoded distinguished name.
func ParseName(raw []byte) (Name, error) {
	r := der.NewReader(raw, der.DER)
	e, err := r.Expect(der.Universal, der.TagSequence)
	if err != nil {
		return Name{}, err
	}
	if err := r.End(); err != nil {
		return Name{}, err
	}
	return parseName(e)
}
