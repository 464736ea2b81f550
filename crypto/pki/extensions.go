package pki

import (
	"bytes"

	"github.com/brama-gateway/brama/crypto/der"
)

// Object identifiers of extensions.
const (
	extSubjectDirectoryAttributes der.OID = "2.5.29.9"
	extSubjectKeyID               der.OID = "2.5.29.14"
	extKeyUsage                   der.OID = "2.5.29.15"
	extPrivateKeyUsagePeriod      der.OID = "2.5.29.16"
	extSubjectAltName             der.OID = "2.5.29.17"
	extIssuerAltName              der.OID = "2.5.29.18"
	extBasicConstraints           der.OID = "2.5.29.19"
	extCRLNumber                  der.OID = "2.5.29.20"
	extReasonCode                 der.OID = "2.5.29.21"
	extInvalidityDate             der.OID = "2.5.29.24"
	extDeltaCRL                   der.OID = "2.5.29.27"
	extIssuingDistributionPoint   der.OID = "2.5.29.28"
	extCertificateIssuer          der.OID = "2.5.29.29"
	extNameConstraints            der.OID = "2.5.29.30"
	extCRLDistributionPoints      der.OID = "2.5.29.31"
	extCertificatePolicies        der.OID = "2.5.29.32"
	extPolicyMappings             der.OID = "2.5.29.33"
	extAuthorityKeyID             der.OID = "2.5.29.35"
	extPolicyConstraints          der.OID = "2.5.29.36"
	extExtendedKeyUsage           der.OID = "2.5.29.37"
	extFreshestCRL                der.OID = "2.5.29.46"
	extInhibitAnyPolicy           der.OID = "2.5.29.54"
	extAuthorityInfoAccess        der.OID = "1.3.6.1.5.5.7.1.1"
	extQCStatements               der.OID = "1.3.6.1.5.5.7.1.3"

	anyPolicy der.OID = "2.5.29.32.0"
)

// refuse notes why no path may go through the certificate; the first cause stays.
func (c *Certificate) refuse(why string) {
	if c.refusal == "" {
		c.refusal = why
	}
}

// noncritical notes an extension that RFC 5280 says is never critical.
func (c *Certificate) noncritical(e Extension, name string) {
	if e.Critical {
		c.refuse(name + " is critical")
	}
}

// readExtension reads the extensions that take part in path validation. An
// error means a broken certificate; what is whole but not supported is noted
// with refuse, so that the certificate can still be shown.
func (c *Certificate) readExtension(e Extension) error {
	r := der.NewReader(e.Value, der.DER)
	switch e.OID {
	case extSubjectKeyID:
		c.noncritical(e, "subjectKeyIdentifier")
		id, err := r.OctetString()
		if err != nil {
			return err
		}
		c.SubjectKeyID = id
		return r.End()

	case extAuthorityKeyID:
		c.noncritical(e, "authorityKeyIdentifier")
		c.hasAuthorityKeyID = true
		c.AuthorityKeyID = keyIdentifier(e.Value)

	case extKeyUsage:
		bits, _, err := r.BitString()
		if err != nil {
			return err
		}
		c.HasKeyUsage = true
		for i, b := range bits[:min(len(bits), 2)] { // real certificates pad it
			for j := range 8 {
				if b&(0x80>>j) != 0 {
					c.KeyUsage |= 1 << (8*i + j)
				}
			}
		}
		return r.End()

	case extBasicConstraints:
		s, err := r.Sequence()
		if err != nil {
			return err
		}
		if s.Peek(der.Universal, der.TagBoolean) {
			if c.IsCA, err = s.Bool(); err != nil {
				return err
			}
		}
		if s.Peek(der.Universal, der.TagInteger) {
			n, err := s.Int(1 << 20)
			if err != nil {
				return err
			}
			if c.IsCA {
				c.MaxPathLen = n
			}
		}
		if err := s.End(); err != nil {
			return err
		}
		return r.End()

	case extExtendedKeyUsage:
		oids, err := readOIDs(r)
		if err != nil {
			return err
		}
		c.ExtendedKeyUsage = oids

	case extCertificatePolicies:
		list, err := r.Sequence()
		if err != nil {
			return err
		}
		seen := make(map[der.OID]bool)
		for !list.Empty() {
			p, err := list.Sequence()
			if err != nil {
				return err
			}
			oid, err := p.OID()
			if err != nil {
				return err
			}
			if seen[oid] || len(seen) == maxPolicies {
				return &der.SyntaxError{Reason: "a policy is there twice, or too many policies"}
			}
			seen[oid] = true
			c.Policies = append(c.Policies, oid)
		}
		return r.End()

	case extPolicyConstraints:
		s, err := r.Sequence()
		if err != nil {
			return err
		}
		if s.Empty() {
			return &der.SyntaxError{Reason: "empty policyConstraints"}
		}
		if x, ok, err := s.Optional(der.Context, 0); err != nil {
			return err
		} else if ok {
			if c.requireExplicitPolicy, err = x.Int(1 << 20); err != nil {
				return err
			}
		}
		// inhibitPolicyMapping: mappings are refused altogether.
		if x, ok, err := s.Optional(der.Context, 1); err != nil {
			return err
		} else if ok {
			if _, err := x.Int(1 << 20); err != nil {
				return err
			}
		}
		if err := s.End(); err != nil {
			return err
		}
		return r.End()

	case extInhibitAnyPolicy:
		n, err := r.Int(1 << 20)
		if err != nil {
			return err
		}
		c.inhibitAnyPolicy = n
		return r.End()

	case extPolicyMappings:
		c.refuse("policyMappings are not supported")

	case extNameConstraints:
		c.refuse("nameConstraints are not supported")

	case extCRLDistributionPoints:
		points, err := readDistributionPoints(e.Value)
		if err != nil {
			return err
		}
		c.points = points

	case extAuthorityInfoAccess:
		c.noncritical(e, "authorityInfoAccess")
		list, err := r.Sequence()
		if err != nil {
			return err
		}
		for !list.Empty() {
			d, err := list.Sequence()
			if err != nil {
				return err
			}
			if _, err := d.OID(); err != nil {
				return err
			}
			if n, err := d.Next(); err != nil || n.Class != der.Context {
				return &der.SyntaxError{Reason: "access location is not a GeneralName"}
			}
			if err := d.End(); err != nil {
				return err
			}
		}
		return r.End()

	case extSubjectAltName, extIssuerAltName, extSubjectDirectoryAttributes, extPrivateKeyUsagePeriod, extQCStatements:
		// Known, and no constraint on a path. (privateKeyUsagePeriod limits
		// signing, not the checking of it.)

	case extFreshestCRL:
		c.noncritical(e, "freshestCRL")

	default:
		if e.Critical {
			c.refuse("unknown critical extension " + string(e.OID))
		}
	}
	return nil
}

func readOIDs(r *der.Reader) ([]der.OID, error) {
	list, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	var out []der.OID
	for !list.Empty() {
		oid, err := list.OID()
		if err != nil {
			return nil, err
		}
		out = append(out, oid)
	}
	return out, r.End()
}

// keyIdentifier finds keyIdentifier in an authorityKeyIdentifier. Certificates
// with another shape there exist and are read as if it were absent: the
// identifier only orders candidates, signatures decide.
func keyIdentifier(value []byte) []byte {
	r, err := der.NewReader(value, der.DER).Sequence()
	if err != nil {
		return nil
	}
	id, ok, err := r.Optional(der.Context, 0)
	if err != nil || !ok || id.Constructed {
		return nil
	}
	return id.Content
}

// distributionPoint is one place where a CRL is said to be.
type distributionPoint struct {
	names    [][]byte // encoded GeneralNames of fullName
	relative []byte   // contents of nameRelativeToCRLIssuer
	reasons  *reasons // for some reasons only; nil: for all
	indirect bool     // cRLIssuer is named
	// issuers are the directory names of cRLIssuer, issuerNames they as GeneralNames.
	issuers     []Name
	issuerNames [][]byte
}

func readDistributionPoints(value []byte) ([]distributionPoint, error) {
	r := der.NewReader(value, der.DER)
	list, err := r.Sequence()
	if err != nil {
		return nil, err
	}
	var out []distributionPoint
	for !list.Empty() {
		s, err := list.Sequence()
		if err != nil {
			return nil, err
		}
		if len(out) == maxPolicies {
			return nil, &der.SyntaxError{Reason: "too many distribution points"}
		}
		var p distributionPoint
		if s.Peek(der.Context, 0) {
			x, err := s.Explicit(0)
			if err != nil {
				return nil, err
			}
			if p.names, p.relative, err = readPointName(x); err != nil {
				return nil, err
			}
		}
		some, ok, err := s.Optional(der.Context, 1)
		if err != nil {
			return nil, err
		}
		if ok {
			bits, _, err := some.BitString()
			if err != nil {
				return nil, err
			}
			set := readReasons(bits)
			p.reasons = &set
		}
		by, ok, err := s.Optional(der.Context, 2)
		if err != nil {
			return nil, err
		}
		if p.indirect = ok; ok {
			for in := s.Inside(by); !in.Empty(); {
				n, err := in.Next()
				if err != nil {
					return nil, err
				}
				if !n.Is(der.Context, 4) || !n.Constructed {
					continue
				}
				name, err := ParseName(n.Content)
				if err != nil {
					return nil, err
				}
				p.issuers, p.issuerNames = append(p.issuers, name), append(p.issuerNames, n.Raw)
			}
		}
		if err := s.End(); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, r.End()
}

// readPointName reads a DistributionPointName, RFC 5280, 4.2.1.13.
func readPointName(r *der.Reader) (names [][]byte, relative []byte, err error) {
	e, err := r.Next()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case e.Is(der.Context, 0) && e.Constructed:
		in := r.Inside(e)
		for !in.Empty() {
			n, err := in.Next()
			if err != nil {
				return nil, nil, err
			}
			names = append(names, n.Raw)
		}
	case e.Is(der.Context, 1) && e.Constructed:
		relative = e.Content
	default:
		return nil, nil, &der.SyntaxError{Offset: e.Offset, Reason: "distribution point name of an unknown form"}
	}
	return names, relative, r.End()
}

// samePoint tells whether two distribution point names have one in common
// (RFC 5280, 6.3.3 (b)(2)(i)). issuer is the CRL issuer's encoded name, under
// which a relative name stands.
func samePoint(a, b distributionPoint, issuer []byte) bool {
	for _, x := range a.full(issuer) {
		for _, y := range b.full(issuer) {
			if bytes.Equal(x, y) {
				return true
			}
		}
	}
	return false
}

func (p distributionPoint) full(issuer []byte) [][]byte {
	if p.relative == nil {
		return p.names
	}
	e, err := der.One(issuer, der.DER)
	if err != nil {
		return nil
	}
	return [][]byte{der.Explicit(4, der.Sequence(e.Content, der.Value(0x31, p.relative)))}
}
