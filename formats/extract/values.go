package extract

import (
	"strconv"

	"github.com/brama-gateway/brama/formats"
)

// Paths are the canonical paths that a layout may write, with their types.
var Paths = map[string]formats.ValueType{
	"index": formats.TextValue, "edrpou": formats.TextValue, "name": formats.TextValue, "account": formats.TextValue, "kpkvk": formats.TextValue, "kekv": formats.TextValue,
	"fund": formats.TextValue, "month": formats.TextValue, "amount": formats.MoneyValue, "status": formats.TextValue, "note": formats.TextValue,

	"document.kind": formats.TextValue, "document.number": formats.TextValue, "document.date": formats.DateValue, "document.title": formats.TextValue,
	"document.basis": formats.TextValue, "document.year": formats.TextValue, "total": formats.MoneyValue,
	"own.code": formats.TextValue, "own.name": formats.TextValue, "own.iban": formats.TextValue,
}

// DocumentKind implements formats.Source.
func (x *Extract) DocumentKind() formats.Kind { return x.Kind }

// Len implements formats.Source.
func (x *Extract) Len() int { return len(x.Rows) }

// Value implements formats.Source.
func (x *Extract) Value(i int, path string) formats.Value {
	r := &x.Rows[i]
	switch path {
	case "amount":
		return formats.Value{Kopecks: r.Amount}
	case "total":
		return formats.Value{Kopecks: x.Total}
	}
	return formats.Value{Text: x.text(i, path)}
}

func (x *Extract) text(i int, path string) string {
	r := &x.Rows[i]
	switch path {
	case "index":
		return strconv.Itoa(i + 1)
	case "edrpou":
		return r.EDRPOU
	case "name":
		return r.Name
	case "account":
		return r.Account
	case "kpkvk":
		return r.KPKVK
	case "kekv":
		return r.KEKV
	case "fund":
		return r.Fund
	case "month":
		return zero(r.Month)
	case "status":
		return r.Status
	case "note":
		return r.Note
	case "document.kind":
		return string(x.Kind)
	case "document.number":
		return x.Number
	case "document.date":
		return x.Date
	case "document.title":
		return x.Title
	case "document.basis":
		return x.Basis
	case "document.year":
		return zero(x.Year)
	case "own.code":
		return x.EDRPOU
	case "own.name":
		return x.Owner
	case "own.iban":
		return x.Account
	}
	return ""
}
