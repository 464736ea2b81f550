package statement

import (
	"strconv"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
)

// Paths are the canonical paths that a layout may write, with their types. Each
// is told of one entry; those of the statement are the same in every record.
var Paths = map[string]formats.ValueType{
	"index": formats.TextValue, "number": formats.TextValue, "purpose": formats.TextValue, "reference": formats.TextValue, "group": formats.TextValue,
	"direction": formats.TextValue, "date": formats.DateValue, "value_date": formats.DateValue,
	"amount": formats.MoneyValue, "debit.amount": formats.MoneyValue, "credit.amount": formats.MoneyValue,

	"counterparty.name": formats.TextValue, "counterparty.code": formats.TextValue, "counterparty.iban": formats.TextValue, "counterparty.mfo": formats.TextValue,
	"own.name": formats.TextValue, "own.code": formats.TextValue, "own.iban": formats.TextValue, "own.mfo": formats.TextValue,
	"debit.name": formats.TextValue, "debit.code": formats.TextValue, "debit.iban": formats.TextValue, "debit.mfo": formats.TextValue,
	"credit.name": formats.TextValue, "credit.code": formats.TextValue, "credit.iban": formats.TextValue, "credit.mfo": formats.TextValue,

	"statement.kind": formats.TextValue, "statement.number": formats.TextValue, "statement.from": formats.DateValue, "statement.to": formats.DateValue,
	"currency": formats.TextValue, "currency_code": formats.TextValue,
	"opening": formats.MoneyValue, "closing": formats.MoneyValue, "credits": formats.MoneyValue, "debits": formats.MoneyValue,
}

// Len implements formats.Source.
func (s *Statement) Len() int { return len(s.Entries) }

// Value implements formats.Source.
func (s *Statement) Value(i int, path string) formats.Value {
	e := &s.Entries[i]
	text := func(t string) formats.Value { return formats.Value{Text: t} }
	sum := func(k int64) formats.Value { return formats.Value{Kopecks: k} }
	switch path {
	case "index":
		return text(strconv.Itoa(i + 1))
	case "number":
		return text(e.Number)
	case "purpose":
		return text(e.Purpose)
	case "reference":
		return text(e.Reference)
	case "group":
		return text(e.Group)
	case "direction":
		if e.Credit {
			return text("credit")
		}
		return text("debit")
	case "date":
		return text(e.Date)
	case "value_date":
		if e.ValueDate == "" {
			return text(e.Date)
		}
		return text(e.ValueDate)
	case "amount":
		return sum(e.Amount)
	case "debit.amount":
		if e.Credit {
			return sum(0)
		}
		return sum(e.Amount)
	case "credit.amount":
		if e.Credit {
			return sum(e.Amount)
		}
		return sum(0)
	case "statement.kind":
		return text(string(s.DocumentKind()))
	case "statement.number":
		return text(s.Number)
	case "statement.from":
		return text(s.From)
	case "statement.to":
		return text(s.To)
	case "currency":
		return text(s.Currency)
	case "currency_code":
		return text("980") // UAH, ISO 4217; no other is allowed
	case "opening":
		return sum(s.Opening)
	case "closing":
		return sum(s.Closing)
	case "credits":
		return sum(s.Credits)
	case "debits":
		return sum(s.Debits)
	}
	own := Counterparty{Name: s.Owner, Code: s.OwnerCode, IBAN: s.Account}
	prefix, key, _ := strings.Cut(path, ".")
	var c Counterparty
	switch {
	case prefix == "counterparty", prefix == "debit" && e.Credit, prefix == "credit" && !e.Credit:
		c = e.Counterparty
	case prefix == "own", prefix == "debit", prefix == "credit":
		c = own
	}
	switch key {
	case "name":
		return text(c.Name)
	case "code":
		return text(c.Code)
	case "iban":
		return text(c.IBAN)
	case "mfo":
		return text(ident.BankOf(c.IBAN))
	}
	return formats.Value{}
}
