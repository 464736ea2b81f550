// Package payment holds the canonical payment instruction and the rules of the
// kind, whatever layout it was read from. A layout's reader fills an [Order] a
// record and hands it to a [Checker].
package payment

import (
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

// CodeType says what sort of code a party's Code is.
type CodeType string

// The code types. Empty means that the layout does not say; the length decides.
const (
	EDRPOU    CodeType = "edrpou"   // 8 digits
	RNOKPP    CodeType = "rnokpp"   // 10 digits
	TaxNumber CodeType = "taxno9"   // 9 digits
	Passport  CodeType = "passport" // series and number
	NoCode    CodeType = "none"     // said to have none: 000000000 or 99999
)

// Party is the payer or the payee.
type Party struct {
	Name     string   `json:"name"`
	Code     string   `json:"code"`
	CodeType CodeType `json:"codeType,omitempty"`
	IBAN     string   `json:"iban"`
	MFO      string   `json:"mfo,omitempty"`  // ID НБУ of the provider, when the layout gives it
	Bank     string   `json:"bank,omitempty"` // the provider's name
}

// Order is one payment instruction (NBU Board decree 163 of 29.07.2022; the
// list of fields is that of its annex as far as we know it). Dates are ISO 8601.
type Order struct {
	Record int `json:"record"` // from 1

	Number    string `json:"number"`
	Date      string `json:"date"`
	ValueDate string `json:"valueDate,omitempty"`
	Amount    int64  `json:"amount"`             // kopecks
	Currency  string `json:"currency,omitempty"` // empty: the layout is in hryvnias
	Payer     Party  `json:"payer"`
	Payee     Party  `json:"payee"`
	// The actual payer and payee, when they differ (ISO: Ultimate Debtor, Creditor).
	ActualPayer Party  `json:"actualPayer,omitzero"`
	ActualPayee Party  `json:"actualPayee,omitzero"`
	Purpose     string `json:"purpose"`
	// PurposeCode is the three-digit kind of payment of a structured purpose.
	PurposeCode string `json:"purposeCode,omitempty"`

	KEKV   string `json:"kekv,omitempty"`
	KPKVK  string `json:"kpkvk,omitempty"`
	KKDB   string `json:"kkdb,omitempty"`
	Budget string `json:"budget,omitempty"`

	// What the payment fulfils, by the numbers of the sender's registers, and the
	// documents that support it, as submissions or SHA-256s, with commas between.
	Commitment          string `json:"commitment,omitempty"`
	FinancialCommitment string `json:"financialCommitment,omitempty"`
	Documents           string `json:"documents,omitempty"`

	// What an ISO 20022 answer must quote.
	PaymentID  string `json:"paymentId,omitempty"`
	EndToEndID string `json:"endToEndId,omitempty"`
	Instructed string `json:"instructionId,omitempty"`
}

// fields are the canonical fields of an order. A layout maps its own to them.
var fields = []struct {
	kind.Field
	text func(*Order) *string // nil: the amount
}{
	{kind.Field{Path: "amount", Type: "money"}, nil},
	{kind.Field{Path: "number", Type: "text"}, func(o *Order) *string { return &o.Number }},
	{kind.Field{Path: "date", Type: "date"}, func(o *Order) *string { return &o.Date }},
	{kind.Field{Path: "value_date", Type: "date"}, func(o *Order) *string { return &o.ValueDate }},
	{kind.Field{Path: "currency", Type: "text"}, func(o *Order) *string { return &o.Currency }},
	{kind.Field{Path: "purpose", Type: "text"}, func(o *Order) *string { return &o.Purpose }},
	{kind.Field{Path: "purpose_code", Type: "digits"}, func(o *Order) *string { return &o.PurposeCode }},
	{kind.Field{Path: "kekv", Type: "kekv"}, func(o *Order) *string { return &o.KEKV }},
	{kind.Field{Path: "kpkvk", Type: "kpkvk"}, func(o *Order) *string { return &o.KPKVK }},
	{kind.Field{Path: "kkdb", Type: "kkdb"}, func(o *Order) *string { return &o.KKDB }},
	{kind.Field{Path: "budget", Type: "digits"}, func(o *Order) *string { return &o.Budget }},
	{kind.Field{Path: "reference", Type: "ref"}, func(o *Order) *string { return &o.EndToEndID }},
	{kind.Field{Path: "commitment", Type: "ref"}, func(o *Order) *string { return &o.Commitment }},
	{kind.Field{Path: "financial_commitment", Type: "ref"}, func(o *Order) *string { return &o.FinancialCommitment }},
	{kind.Field{Path: "documents", Type: "text"}, func(o *Order) *string { return &o.Documents }},
	{kind.Field{Path: "payer.name", Type: "text"}, func(o *Order) *string { return &o.Payer.Name }},
	{kind.Field{Path: "payer.code", Type: "code"}, func(o *Order) *string { return &o.Payer.Code }},
	{kind.Field{Path: "payer.iban", Type: "iban"}, func(o *Order) *string { return &o.Payer.IBAN }},
	{kind.Field{Path: "payer.mfo", Type: "mfo"}, func(o *Order) *string { return &o.Payer.MFO }},
	{kind.Field{Path: "payer.bank", Type: "text"}, func(o *Order) *string { return &o.Payer.Bank }},
	{kind.Field{Path: "payee.name", Type: "text"}, func(o *Order) *string { return &o.Payee.Name }},
	{kind.Field{Path: "payee.code", Type: "code"}, func(o *Order) *string { return &o.Payee.Code }},
	{kind.Field{Path: "payee.iban", Type: "iban"}, func(o *Order) *string { return &o.Payee.IBAN }},
	{kind.Field{Path: "payee.mfo", Type: "mfo"}, func(o *Order) *string { return &o.Payee.MFO }},
	{kind.Field{Path: "payee.bank", Type: "text"}, func(o *Order) *string { return &o.Payee.Bank }},
	{kind.Field{Path: "actual_payer.name", Type: "text"}, func(o *Order) *string { return &o.ActualPayer.Name }},
	{kind.Field{Path: "actual_payer.code", Type: "code"}, func(o *Order) *string { return &o.ActualPayer.Code }},
	{kind.Field{Path: "actual_payee.name", Type: "text"}, func(o *Order) *string { return &o.ActualPayee.Name }},
	{kind.Field{Path: "actual_payee.code", Type: "code"}, func(o *Order) *string { return &o.ActualPayee.Code }},
}

// Kind is the payment instruction as layouts see it.
var Kind = &kind.Kind{
	ID:    formats.PaymentInstruction,
	Title: formats.Text{UK: "платіжна інструкція", EN: "payment instruction"},
	Fields: func() []kind.Field {
		list := make([]kind.Field, len(fields))
		for i := range fields {
			list[i] = fields[i].Field
		}
		return list
	}(),
	Start: func(r kind.Run) kind.Checker { return &Checker{Run: r} },
}

// Text is the text field at index i of Kind.Fields; nil for the amount.
func (o *Order) Text(i int) *string {
	if of := fields[i].text; of != nil {
		return of(o)
	}
	return nil
}

// Money is the amount for its index in Kind.Fields, nil for any other.
func (o *Order) Money(i int) *int64 {
	if fields[i].text == nil {
		return &o.Amount
	}
	return nil
}

// Place is the number of the record.
func (o *Order) Place() int { return o.Record }

// Day is the date of the instruction.
func (o *Order) Day() string { return o.Date }

// SetCodeType notes what sort of code the party at path (as payer.code) has.
func (o *Order) SetCodeType(path string, t CodeType) {
	switch path {
	case "payer.code":
		o.Payer.CodeType = t
	case "payee.code":
		o.Payee.CodeType = t
	case "actual_payer.code":
		o.ActualPayer.CodeType = t
	case "actual_payee.code":
		o.ActualPayee.CodeType = t
	}
}
