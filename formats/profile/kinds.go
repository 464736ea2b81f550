package profile

import (
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/payment"
)

// kinds are the kinds whose records a profile describes field by field.
var kinds = []*kind.Kind{payment.Kind}

// Kinds are the kinds of document that consist of records, in a fixed order.
func Kinds() []*kind.Kind { return kinds }

// kindOf is the kind of that name, or nil if it has no records.
func kindOf(id formats.Kind) *kind.Kind {
	for _, k := range kinds {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// pictures are the kinds whose documents are looked at as a whole.
var pictures = []string{string(formats.SupportingDocument)}

// carried are the kinds that a container can carry.
func (c containerSpec) carried() []string {
	switch c.Type {
	case "pdf":
		return pictures
	case "xml":
		return []string{string(formats.PaymentInstruction)}
	}
	var list []string
	for _, k := range kinds {
		list = append(list, string(k.ID))
	}
	return list
}
