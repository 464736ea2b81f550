package pki

import (
	"slices"

	"github.com/brama-gateway/brama/crypto/der"
)

const (
	oidSealUsage   der.OID = "1.2.804.2.1.1.1.3.9" // Ukrainian extended key usage "electronic seal"
	oidQcType      der.OID = "0.4.0.1862.1.6"      // EN 319 412-5, 4.2.3
	oidQcTypeESeal der.OID = "0.4.0.1862.1.6.2"
)

// IsSeal tells whether the certificate says of itself that it is for electronic
// seals: by the Ukrainian extended key usage, or by the qualified statement of
// type (EN 319 412-5, 4.2.3). A seal belongs to an institution and is nobody's
// own signature.
func (c *Certificate) IsSeal() bool {
	if slices.Contains(c.ExtendedKeyUsage, oidSealUsage) {
		return true
	}
	e := c.Extension(extQCStatements)
	return e != nil && qcTypeHas(e.Value, oidQcTypeESeal)
}

// qcTypeHas looks for a type in qcStatements. What cannot be read has none.
func qcTypeHas(value []byte, want der.OID) bool {
	list, err := der.NewReader(value, der.DER).Sequence()
	for err == nil && !list.Empty() {
		var statement, types *der.Reader
		if statement, err = list.Sequence(); err != nil {
			return false
		}
		oid, bad := statement.OID()
		if bad != nil || oid != oidQcType {
			continue
		}
		if types, err = statement.Sequence(); err != nil {
			return false
		}
		for !types.Empty() {
			t, err := types.OID()
			if err != nil {
				return false
			}
			if t == want {
				return true
			}
		}
	}
	return false
}
