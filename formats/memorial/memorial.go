// Package memorial holds the memorial document: sums that the treasury moves
// between its own accounts without paying anything out; canonical type and rules.
//
// References: decree 163 of the NBU of 29.07.2022; order 1407 of the Ministry of
// Finance of 22.12.2012; code 6 of the list of kinds of document (doc_vob) of the
// portal of public spending. Clauses that were not verified make warnings.
package memorial

import (
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/kind"
)

const (
	cite1407  = "order 1407 of 22.12.2012 of the Ministry of Finance (clause not verified)"
	citeBrama = "Brama, formats/memorial"
)

// Line is one movement.
type Line struct {
	kind.Head
	Total int64 `field:"total" type:"money" need:"head,required" dbf:"TOTAL" uk:"підсумок документа, гривні" en:"total of the document, hryvnias"`

	Debit      string `field:"debit.iban" type:"iban" need:"required" dbf:"DEBIT" uk:"рахунок за дебетом (IBAN)" en:"account debited (IBAN)"`
	DebitCode  string `field:"debit.code" type:"party" need:"required" dbf:"DEB_CODE" uk:"код власника рахунку за дебетом" en:"code of the owner of the account debited"`
	DebitKEKV  string `field:"debit.kekv" type:"kekv" dbf:"DEB_KEKV" uk:"КЕКВ за дебетом" en:"KEKV debited"`
	Credit     string `field:"credit.iban" type:"iban" need:"required" dbf:"CREDIT" uk:"рахунок за кредитом (IBAN)" en:"account credited (IBAN)"`
	CreditCode string `field:"credit.code" type:"party" need:"required" dbf:"CRE_CODE" uk:"код власника рахунку за кредитом" en:"code of the owner of the account credited"`
	CreditKEKV string `field:"credit.kekv" type:"kekv" dbf:"CRE_KEKV" uk:"КЕКВ за кредитом" en:"KEKV credited"`
	Amount     int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума, гривні" en:"amount, hryvnias"`
	Basis      string `field:"basis" type:"text" max:"254" need:"required" dbf:"BASIS" uk:"підстава та зміст операції" en:"basis and content of the operation"`
}

// treasury says whether an account is kept by the treasury.
func treasury(iban string) bool {
	bank := ident.BankOf(iban)
	return bank == "" || bank == "820172" || bank == "899998"
}

// Document is the memorial document.
var Document = kind.Of(kind.Definition[Line]{
	ID: formats.Memorial, Prefix: "MD", Root: "MemorialDocument", Line: "Movement",
	Title: formats.Text{UK: "меморіальний документ", EN: "memorial document"},
	Basis: cite1407,
	Rules: []formats.Rule[*Line]{
		{
			ID: "MD-001", Title: "the amount is greater than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) { kind.Positive(r, "amount", l.Amount) },
		},
		{
			ID: "MD-002", Title: "both accounts are kept by the treasury: nothing is paid out", Citation: citeBrama + "; ID НБУ 820172 and 899998",
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				for _, a := range []struct{ path, iban string }{{"debit.iban", l.Debit}, {"credit.iban", l.Credit}} {
					if !treasury(a.iban) {
						r(a.path, formats.Text{UK: "Рахунок відкрито не в Казначействі (820172, 899998). Для сплати потрібна платіжна інструкція.", EN: "The account is not kept by the treasury (820172, 899998). A payment needs a payment instruction."})
					}
				}
			},
		},
		{
			ID: "MD-003", Title: "something changes: the account or the KEKV", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.Debit != "" && l.Debit == l.Credit && l.DebitKEKV == l.CreditKEKV {
					r("credit.iban", formats.Text{UK: "Дебет і кредит однакові: документ нічого не змінює.", EN: "Debit and credit are the same: the document changes nothing."})
				}
			},
		},
		{
			ID: "MD-004", Title: "both accounts have one owner", Citation: cite1407, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.DebitCode != "" && l.CreditCode != "" && l.DebitCode != l.CreditCode {
					r("credit.code", formats.Text{UK: "Рахунки належать різним установам. Переконайтеся, що так і має бути.", EN: "The accounts belong to different bodies. See whether that is meant."})
				}
			},
		},
		{
			ID: "MD-005", Title: "a KEKV is given on both sides or on none", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if (l.DebitKEKV == "") != (l.CreditKEKV == "") {
					r("credit.kekv", formats.Text{UK: "КЕКВ вказано лише за дебетом або лише за кредитом.", EN: "A KEKV is given on one side only."})
				}
			},
		},
	},
})
