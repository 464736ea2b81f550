// Package contract holds what spenders publish on the portal of public spending
// (spending.gov.ua): contracts and acts; canonical types and rules.
//
// References: Law of Ukraine 183-VIII of 11.02.2015, article 3 (what is published);
// the tables of fields that the portal publishes for its CSV (not verified: the
// rules that rest on them are warnings).
package contract

import (
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

const (
	cite183   = "Law of Ukraine 183-VIII of 11.02.2015, article 3; field tables of the portal (not verified)"
	citeBrama = "Brama, formats/contract"
)

// Contract is one contract. Each record of a file is a document of its own.
type Contract struct {
	Number     string `field:"number" type:"text" max:"35" need:"required" dbf:"NUMBER" uk:"номер договору" en:"number of the contract"`
	Date       string `field:"date" type:"date" need:"required" dbf:"DATE" uk:"дата договору" en:"date of the contract"`
	Code       string `field:"sender.code" type:"edrpou" need:"required" dbf:"SND_CODE" uk:"код ЄДРПОУ розпорядника" en:"EDRPOU of the spender"`
	Subject    string `field:"subject" type:"text" max:"254" need:"required" dbf:"SUBJECT" uk:"предмет договору" en:"subject of the contract"`
	PartyCode  string `field:"counterparty.code" type:"party" dbf:"CP_CODE" uk:"код контрагента" en:"code of the counterparty"`
	PartyID    string `field:"counterparty.foreign_id" type:"text" max:"50" dbf:"CP_FOREIGN" uk:"реєстраційний номер нерезидента" en:"registration number of a non-resident"`
	PartyName  string `field:"counterparty.name" type:"text" max:"140" need:"required" dbf:"CP_NAME" uk:"найменування контрагента" en:"name of the counterparty"`
	Amount     int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума договору, гривні" en:"amount of the contract, hryvnias"`
	From       string `field:"from" type:"date" need:"required" dbf:"FROM" uk:"діє з" en:"in force from"`
	Until      string `field:"until" type:"date" dbf:"UNTIL" uk:"діє до" en:"in force until"`
	Procedure  string `field:"procedure" type:"word" values:"tender|direct|none" need:"required" dbf:"PROCEDURE" uk:"закупівля: tender (торги), direct (без торгів), none (не закупівля)" en:"procurement: tender, direct, none"`
	Tender     string `field:"procurement" type:"text" max:"40" dbf:"TENDER" uk:"ідентифікатор закупівлі (UA-...)" en:"identifier of the procurement (UA-...)"`
	Commitment string `field:"commitment" type:"ref" max:"35" dbf:"COMMITM" uk:"номер бюджетного зобов'язання" en:"number of the budget commitment"`
}

// Contracts is the kind of a file of contracts.
var Contracts = kind.Of(kind.Definition[Contract]{
	ID: formats.Contract, Prefix: "CT", Root: "Contracts", Line: "Contract", Entries: true,
	Title: formats.Text{UK: "договори для порталу публічних видатків", EN: "contracts for the portal of public spending"},
	Basis: cite183,
	Rules: []formats.Rule[*Contract]{
		{
			ID: "CT-001", Title: "the amount is greater than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, x *Contract, r kind.Report) { kind.Positive(r, "amount", x.Amount) },
		},
		{
			ID: "CT-002", Title: "the counterparty has a code, or the number of a non-resident: one of the two", Citation: citeBrama + "; " + cite183,
			Check: func(_ *formats.Context, x *Contract, r kind.Report) {
				if (x.PartyCode == "") == (x.PartyID == "") {
					r("counterparty.code", formats.Text{UK: "Вкажіть або код контрагента, або реєстраційний номер нерезидента.", EN: "Give either the code of the counterparty or the registration number of a non-resident."})
				}
			},
		},
		{
			ID: "CT-003", Title: "a contract of a tender names the procurement", Citation: cite183, Severity: formats.Warning,
			Check: func(_ *formats.Context, x *Contract, r kind.Report) {
				if x.Procedure == "tender" && x.Tender == "" {
					r("procurement", formats.Text{UK: "Для договору за результатами торгів потрібен ідентифікатор закупівлі.", EN: "A contract made by tender needs the identifier of the procurement."})
				}
			},
		},
		{
			ID: "CT-004", Title: "a contract ends after it begins", Citation: citeBrama,
			Check: func(_ *formats.Context, x *Contract, r kind.Report) {
				if x.Until != "" {
					kind.NotAfter(r, "until", x.From, x.Until, formats.Text{UK: "Договір закінчується раніше, ніж починається.", EN: "The contract ends before it begins."})
				}
			},
		},
	},
	File: []kind.FileRule[Contract]{
		kind.Unique("CT-010", "a contract stands once in a file", citeBrama, "number", func(x *Contract) string { return x.Number + "/" + x.Date }),
	},
})

// Act is one act under a contract.
type Act struct {
	Number       string `field:"number" type:"text" max:"35" need:"required" dbf:"NUMBER" uk:"номер акта" en:"number of the act"`
	Date         string `field:"date" type:"date" need:"required" dbf:"DATE" uk:"дата акта" en:"date of the act"`
	Code         string `field:"sender.code" type:"edrpou" need:"required" dbf:"SND_CODE" uk:"код ЄДРПОУ розпорядника" en:"EDRPOU of the spender"`
	Contract     string `field:"contract.number" type:"text" max:"35" need:"required" dbf:"CON_NO" uk:"номер договору" en:"number of the contract"`
	ContractDate string `field:"contract.date" type:"date" need:"required" dbf:"CON_DATE" uk:"дата договору" en:"date of the contract"`
	Subject      string `field:"subject" type:"text" max:"254" need:"required" dbf:"SUBJECT" uk:"що прийнято" en:"what was accepted"`
	Quantity     string `field:"quantity" type:"digits" max:"12" dbf:"QUANTITY" uk:"кількість" en:"quantity"`
	Unit         string `field:"unit" type:"text" max:"20" dbf:"UNIT" uk:"одиниця виміру; потрібна, коли є кількість" en:"unit; needed if there is a quantity"`
	Amount       int64  `field:"amount" type:"money" need:"required" dbf:"AMOUNT" uk:"сума акта, гривні" en:"amount of the act, hryvnias"`
}

// Acts is the kind of a file of acts.
var Acts = kind.Of(kind.Definition[Act]{
	ID: formats.Act, Prefix: "CA", Root: "Acts", Line: "Act", Entries: true,
	Title: formats.Text{UK: "акти для порталу публічних видатків", EN: "acts for the portal of public spending"},
	Basis: cite183,
	Rules: []formats.Rule[*Act]{
		{
			ID: "CA-001", Title: "the amount is greater than zero", Citation: citeBrama,
			Check: func(_ *formats.Context, x *Act, r kind.Report) { kind.Positive(r, "amount", x.Amount) },
		},
		{
			ID: "CA-002", Title: "an act is not before its contract", Citation: citeBrama,
			Check: func(_ *formats.Context, x *Act, r kind.Report) {
				kind.NotAfter(r, "date", x.ContractDate, x.Date, formats.Text{UK: "Акт складено раніше за договір.", EN: "The act is before its contract."})
			},
		},
		{
			ID: "CA-003", Title: "a quantity has a unit", Citation: cite183, Severity: formats.Warning,
			Check: func(_ *formats.Context, x *Act, r kind.Report) {
				if x.Quantity != "" && x.Unit == "" {
					r("unit", formats.Text{UK: "Вкажіть одиницю виміру кількості.", EN: "Give the unit of the quantity."})
				}
			},
		},
	},
	File: []kind.FileRule[Act]{
		kind.Unique("CA-010", "an act stands once in a file", citeBrama, "number", func(x *Act) string { return x.Number + "/" + x.Date }),
	},
})
