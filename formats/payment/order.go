// Package payment holds the canonical payment instruction and the rules of the
// kind, whatever layout it was read from. A layout's reader fills an [Order] a
// record and hands it to a [Checker].
package payment

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

	// What an ISO 20022 answer must quote.
	PaymentID  string `json:"paymentId,omitempty"`
	EndToEndID string `json:"endToEndId,omitempty"`
	Instructed string `json:"instructionId,omitempty"`
}

// texts are the text fields of an order by canonical path.
var texts = []struct {
	path string
	of   func(*Order) *string
}{
	{"number", func(o *Order) *string { return &o.Number }},
	{"date", func(o *Order) *string { return &o.Date }},
	{"value_date", func(o *Order) *string { return &o.ValueDate }},
	{"currency", func(o *Order) *string { return &o.Currency }},
	{"purpose", func(o *Order) *string { return &o.Purpose }},
	{"purpose_code", func(o *Order) *string { return &o.PurposeCode }},
	{"kekv", func(o *Order) *string { return &o.KEKV }},
	{"kpkvk", func(o *Order) *string { return &o.KPKVK }},
	{"kkdb", func(o *Order) *string { return &o.KKDB }},
	{"budget", func(o *Order) *string { return &o.Budget }},
	{"reference", func(o *Order) *string { return &o.EndToEndID }},
	{"payer.name", func(o *Order) *string { return &o.Payer.Name }},
	{"payer.code", func(o *Order) *string { return &o.Payer.Code }},
	{"payer.iban", func(o *Order) *string { return &o.Payer.IBAN }},
	{"payer.mfo", func(o *Order) *string { return &o.Payer.MFO }},
	{"payer.bank", func(o *Order) *string { return &o.Payer.Bank }},
	{"payee.name", func(o *Order) *string { return &o.Payee.Name }},
	{"payee.code", func(o *Order) *string { return &o.Payee.Code }},
	{"payee.iban", func(o *Order) *string { return &o.Payee.IBAN }},
	{"payee.mfo", func(o *Order) *string { return &o.Payee.MFO }},
	{"payee.bank", func(o *Order) *string { return &o.Payee.Bank }},
	{"actual_payer.name", func(o *Order) *string { return &o.ActualPayer.Name }},
	{"actual_payer.code", func(o *Order) *string { return &o.ActualPayer.Code }},
	{"actual_payee.name", func(o *Order) *string { return &o.ActualPayee.Name }},
	{"actual_payee.code", func(o *Order) *string { return &o.ActualPayee.Code }},
}

// Paths are the canonical paths of an order. A layout maps its fields to them.
func Paths() []string {
	list := []string{"amount"}
	for _, t := range texts {
		list = append(list, t.path)
	}
	return list
}

// Text is the text field at path; ok is false for amount and for no path.
func (o *Order) Text(path string) (field *string, ok bool) {
	for _, t := range texts {
		if t.path == path {
			return t.of(o), true
		}
	}
	return nil, false
}

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
