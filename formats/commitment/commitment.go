// Package commitment holds the register of budget commitments (Реєстр 1) and that
// of budget financial commitments (Реєстр 2), canonical types and rules.
//
// A commitment is known by its number, which its body gives and never uses twice.
// Registering it opens two accounts of the body's ledger (kind.CommitmentAccount,
// kind.PayableAccount); a financial commitment takes of the first and opens one of
// its own; a payment takes of what it names.
//
// References: order 309 of the Ministry of Finance of 02.03.2012 (the order of
// registration; the columns of its annexes as of today are not verified, rules
// that rest on them are warnings).
package commitment

import (
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

const (
	cite309   = "order 309 of 02.03.2012 of the Ministry of Finance (clause not verified)"
	citeBrama = "Brama, formats/commitment"
)

// Line is one budget commitment of a register.
type Line struct {
	kind.Head
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр (9900000000: державний)" en:"code of the budget, 10 digits (9900000000: the state's)"`
	Fund   string `field:"fund" type:"word" values:"general|special" need:"head,required" dbf:"FUND" uk:"фонд: general (загальний) або special (спеціальний)" en:"fund: general or special"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`
	Total  int64  `field:"total" type:"change" need:"head,required" dbf:"TOTAL" uk:"підсумок реєстру, гривні" en:"total of the register, hryvnias"`

	Commitment string `field:"commitment" type:"ref" max:"35" need:"required" dbf:"COMMITM" uk:"номер зобов'язання" en:"number of the commitment"`
	Operation  string `field:"operation" type:"word" values:"new|change" need:"required" dbf:"OPER" uk:"new: нове зобов'язання, change: зміна суми прийнятого" en:"new: a new commitment, change: of the sum of an accepted one"`
	KEKV       string `field:"kekv" type:"kekv" need:"required" dbf:"KEKV" uk:"КЕКВ, 4 цифри" en:"economic classification (KEKV), 4 digits"`
	PayeeCode  string `field:"counterparty.code" type:"party" need:"required" dbf:"CP_CODE" uk:"код контрагента" en:"code of the counterparty"`
	PayeeName  string `field:"counterparty.name" type:"text" max:"140" need:"required" dbf:"CP_NAME" uk:"найменування контрагента" en:"name of the counterparty"`
	Basis      string `field:"basis.kind" type:"text" max:"50" need:"required" dbf:"BAS_KIND" uk:"вид документа-підстави (договір, рахунок ...)" en:"sort of the document that is the basis (contract, invoice ...)"`
	BasisNo    string `field:"basis.number" type:"text" max:"50" need:"required" dbf:"BAS_NO" uk:"номер документа-підстави" en:"number of the basis"`
	BasisDate  string `field:"basis.date" type:"date" need:"required" dbf:"BAS_DATE" uk:"дата документа-підстави" en:"date of the basis"`
	BasisUntil string `field:"basis.until" type:"date" dbf:"BAS_UNTIL" uk:"строк дії документа-підстави" en:"last day of the basis"`
	Amount     int64  `field:"amount" type:"change" need:"required" dbf:"AMOUNT" uk:"сума зобов'язання (зміни: зі знаком), гривні" en:"sum of the commitment (of a change: with its sign), hryvnias"`
	Prepayment int64  `field:"prepayment" type:"money" dbf:"PREPAY" uk:"у тому числі попередня оплата, гривні" en:"of that paid in advance, hryvnias"`
	Tender     string `field:"procurement" type:"text" max:"40" dbf:"TENDER" uk:"ідентифікатор закупівлі (UA-...)" en:"identifier of the procurement (UA-...)"`
	Documents  string `field:"documents" type:"text" max:"254" dbf:"DOCS" uk:"підтвердні документи: номери подань або SHA-256, через кому" en:"supporting documents: submissions or SHA-256s, with commas between"`
}

// Register is the register of budget commitments.
var Register = kind.Of(kind.Definition[Line]{
	ID: formats.CommitmentRegister, Prefix: "CR", Root: "CommitmentRegister", Line: "Commitment",
	Title: formats.Text{UK: "реєстр бюджетних зобов'язань", EN: "register of budget commitments"},
	Basis: cite309,
	Rules: []formats.Rule[*Line]{
		{
			ID: "CR-001", Title: "a new commitment is greater than zero, a change is not zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.Operation == "new" {
					kind.Positive(r, "amount", l.Amount)
				} else if l.Amount == 0 {
					r("amount", formats.Text{UK: "Зміна на нуль нічого не змінює. Вкажіть суму зміни.", EN: "A change of zero changes nothing. Give the sum of the change."})
				}
			},
		},
		{
			ID: "CR-002", Title: "the basis is not later than the register", Citation: cite309, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				kind.NotAfter(r, "basis.date", l.BasisDate, l.Date, formats.Text{UK: "Документ-підстава пізніший за реєстр. Перевірте дати.", EN: "The basis is later than the register. Check the dates."})
			},
		},
		{
			ID: "CR-003", Title: "the basis ends after it begins", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.BasisUntil != "" {
					kind.NotAfter(r, "basis.until", l.BasisDate, l.BasisUntil, formats.Text{UK: "Строк дії документа-підстави закінчується раніше, ніж його складено.", EN: "The basis ends before its own date."})
				}
			},
		},
		{
			ID: "CR-004", Title: "the prepayment is at most the sum", Citation: citeBrama,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.Operation == "new" && l.Prepayment > l.Amount {
					r("prepayment", formats.Text{UK: "Попередня оплата більша за суму зобов'язання.", EN: "The prepayment is more than the commitment."})
				}
			},
		},
		{
			ID: "CR-005", Title: "a commitment is registered within seven working days", Citation: cite309, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.Operation == "new" && workingDays(l.BasisDate, l.Date) > 7 {
					r("basis.date", formats.Text{UK: "Від дати документа-підстави минуло понад 7 робочих днів.", EN: "More than seven working days have passed since the date of the basis."})
				}
			},
		},
		{
			ID: "CR-006", Title: "a commitment comes under expenditure (KEKV 2000, 3000) or loans (4000)", Citation: "order 11 of 14.01.2011 (classes of KEKV)", Severity: formats.Warning,
			Check: func(_ *formats.Context, l *Line, r kind.Report) {
				if l.KEKV != "" && (l.KEKV[0] < '2' || l.KEKV[0] > '4') {
					r("kekv", formats.Text{UK: "КЕКВ звичайно починається з 2, 3 або 4. Перевірте код.", EN: "A KEKV begins with 2, 3 or 4 as a rule. Check the code."})
				}
			},
		},
	},
	File: []kind.FileRule[Line]{
		kind.Unique("CR-010", "a commitment stands once in a register", citeBrama, "commitment", func(l *Line) string { return l.Commitment }),
	},
	References: func(l *Line) (string, string) { return "documents", l.Documents },
	Postings: func(l *Line) []formats.Posting {
		if l.Commitment == "" {
			return nil
		}
		opens := l.Operation == "new"
		return []formats.Posting{
			{Account: kind.CommitmentAccount(l.Commitment), Amount: l.Amount, Opens: opens, Path: "commitment"},
			{Account: kind.PayableAccount(l.Commitment), Amount: l.Amount, Opens: opens, Path: "commitment"},
		}
	},
})

// FinancialLine is one financial commitment of a register.
type FinancialLine struct {
	kind.Head
	Budget string `field:"budget" type:"digits" max:"10" need:"head,required" dbf:"BUDGET" uk:"код бюджету, 10 цифр" en:"code of the budget, 10 digits"`
	Fund   string `field:"fund" type:"word" values:"general|special" need:"head,required" dbf:"FUND" uk:"фонд: general (загальний) або special (спеціальний)" en:"fund: general or special"`
	KPKVK  string `field:"kpkvk" type:"kpkvk" need:"head,required" dbf:"KPKVK" uk:"КПКВК, 7 цифр" en:"code of the programme (KPKVK), 7 digits"`
	Total  int64  `field:"total" type:"money" need:"head,required" dbf:"TOTAL" uk:"підсумок реєстру, гривні" en:"total of the register, hryvnias"`

	Financial  string `field:"financial_commitment" type:"ref" max:"35" need:"required" dbf:"FINCOMM" uk:"номер фінансового зобов'язання" en:"number of the financial commitment"`
	Commitment string `field:"commitment" type:"ref" max:"35" need:"required" dbf:"COMMITM" uk:"номер бюджетного зобов'язання, прийнятого раніше" en:"number of the budget commitment, accepted before"`
	KEKV       string `field:"kekv" type:"kekv" need:"required" dbf:"KEKV" uk:"КЕКВ, 4 цифри" en:"economic classification (KEKV), 4 digits"`
	PayeeCode  string `field:"counterparty.code" type:"party" need:"required" dbf:"CP_CODE" uk:"код контрагента" en:"code of the counterparty"`
	PayeeName  string `field:"counterparty.name" type:"text" max:"140" need:"required" dbf:"CP_NAME" uk:"найменування контрагента" en:"name of the counterparty"`
	Act        string `field:"act.kind" type:"text" max:"50" need:"required" dbf:"ACT_KIND" uk:"вид документа (акт, накладна, рахунок ...)" en:"sort of the document (act, delivery note, invoice ...)"`
	ActNo      string `field:"act.number" type:"text" max:"50" need:"required" dbf:"ACT_NO" uk:"номер документа" en:"number of the document"`
	ActDate    string `field:"act.date" type:"date" need:"required" dbf:"ACT_DATE" uk:"дата документа" en:"date of the document"`
	Amount     int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума до сплати, гривні" en:"amount due, hryvnias"`
	Documents  string `field:"documents" type:"text" max:"254" dbf:"DOCS" uk:"підтвердні документи: номери подань або SHA-256, через кому" en:"supporting documents: submissions or SHA-256s, with commas between"`
}

// FinancialRegister is the register of budget financial commitments.
var FinancialRegister = kind.Of(kind.Definition[FinancialLine]{
	ID: formats.FinancialCommitmentRegister, Prefix: "FR", Root: "FinancialCommitmentRegister", Line: "FinancialCommitment",
	Title: formats.Text{UK: "реєстр бюджетних фінансових зобов'язань", EN: "register of budget financial commitments"},
	Basis: cite309,
	Rules: []formats.Rule[*FinancialLine]{
		{
			ID: "FR-001", Title: "the amount is greater than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, l *FinancialLine, r kind.Report) { kind.Positive(r, "amount", l.Amount) },
		},
		{
			ID: "FR-002", Title: "the document is not later than the register", Citation: cite309, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *FinancialLine, r kind.Report) {
				kind.NotAfter(r, "act.date", l.ActDate, l.Date, formats.Text{UK: "Документ пізніший за реєстр. Перевірте дати.", EN: "The document is later than the register. Check the dates."})
			},
		},
		{
			ID: "FR-003", Title: "supporting documents are referred to", Citation: cite309, Severity: formats.Warning,
			Check: func(_ *formats.Context, l *FinancialLine, r kind.Report) {
				if len(kind.Identifiers(l.Documents)) == 0 {
					r("documents", formats.Text{UK: "Немає посилання на підтвердні документи. Без них казначейство може не зареєструвати зобов'язання.", EN: "No supporting documents are referred to. Without them the treasury may not register the commitment."})
				}
			},
		},
	},
	File: []kind.FileRule[FinancialLine]{
		kind.Unique("FR-010", "a financial commitment stands once in a register", citeBrama, "financial_commitment", func(l *FinancialLine) string { return l.Financial }),
	},
	References: func(l *FinancialLine) (string, string) { return "documents", l.Documents },
	Postings: func(l *FinancialLine) []formats.Posting {
		if l.Commitment == "" || l.Financial == "" {
			return nil
		}
		return []formats.Posting{
			{Account: kind.CommitmentAccount(l.Commitment), Amount: -l.Amount, Path: "commitment"},
			{Account: kind.FinancialAccount(l.Financial), Amount: l.Amount, Opens: true, Path: "financial_commitment"},
		}
	},
})

// workingDays is how many days after from, up to until, are not Saturday or
// Sunday. Holidays are not known: it is for a warning.
func workingDays(from, until string) int {
	a, err1 := time.Parse(time.DateOnly, from)
	b, err2 := time.Parse(time.DateOnly, until)
	if err1 != nil || err2 != nil {
		return 0
	}
	n := 0
	for d := a.AddDate(0, 0, 1); !d.After(b) && n < 100; d = d.AddDate(0, 0, 1) {
		if d.Weekday() != time.Saturday && d.Weekday() != time.Sunday {
			n++
		}
	}
	return n
}
