package iso20022

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/statement"
)

// account describes a message that is told of an account.
type account struct {
	kind            formats.Kind
	root, part      string // elements: the message, and what it says of one account
	opening, closed string // codes of the balances
	old             bool   // of the generation of 2009
}

var accounts = map[string]account{
	"camt.053.001.08": {formats.Statement, "BkToCstmrStmt", "Stmt", "OPBD", "CLBD", false},
	"camt.053.001.02": {formats.Statement, "BkToCstmrStmt", "Stmt", "OPBD", "CLBD", true},
	"camt.052.001.08": {formats.AccountState, "BkToCstmrAcctRpt", "Rpt", "OPBD", "ITBD", false},
	"camt.052.001.02": {formats.AccountState, "BkToCstmrAcctRpt", "Rpt", "OPBD", "ITBD", true},
	"camt.054.001.08": {formats.AccountNotification, "BkToCstmrDbtCdtNtfctn", "Ntfctn", "", "", false},
	"camt.054.001.02": {formats.AccountNotification, "BkToCstmrDbtCdtNtfctn", "Ntfctn", "", "", true},
}

// AccountMessages are the messages that WriteAccount writes, and the kind that
// each of them tells.
func AccountMessages() map[string]formats.Kind {
	m := map[string]formats.Kind{}
	for name, a := range accounts {
		m[name] = a.kind
	}
	return m
}

// AccountOptions are what a message says besides the statement.
type AccountOptions struct {
	ID string    // of the message, at most 35 characters; empty: of the statement's number and day
	At time.Time // when it is made
}

// WriteAccount writes a statement that holds (statement.Check) as the camt message
// of that name, entry by entry. It is valid by the schema. Every text of the
// statement stands in it whole.
func WriteAccount(to io.Writer, message string, s *statement.Statement, o AccountOptions) error {
	a, ok := accounts[message]
	if !ok {
		return fmt.Errorf("message %q: none that is told of an account", message)
	}
	if a.kind != s.DocumentKind() {
		return fmt.Errorf("message %s: carries %s, not %s", message, a.kind, s.DocumentKind())
	}
	w := &camt{Writer: bufio.NewWriterSize(to, 64<<10), account: a, s: s}
	if moment, err := time.Parse(time.RFC3339, s.AsOf); err == nil {
		w.asOf = moment.UTC().Format("2006-01-02T15:04:05Z")
	}
	id := o.ID
	if id == "" {
		id = s.To + "-" + s.Number
	}
	made := o.At.UTC().Format("2006-01-02T15:04:05Z")
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open(`Document xmlns="` + NamespaceOf(message) + `"`)
	w.open(a.root)
	w.open("GrpHdr")
	w.text("MsgId", short(id, 35))
	w.text("CreDtTm", made)
	w.close("GrpHdr")
	w.open(a.part)
	w.text("Id", short(s.Number, 35))
	if n := strings.TrimLeft(s.Number, "0"); n != "" && len(n) <= 18 && ident.Digits(n, len(n)) {
		w.text("ElctrncSeqNb", n)
	}
	w.text("CreDtTm", made)
	w.open("FrToDt")
	w.text("FrDtTm", s.From+"T00:00:00")
	if w.asOf != "" {
		w.text("ToDtTm", w.asOf)
	} else {
		w.text("ToDtTm", s.To+"T23:59:59")
	}
	w.close("FrToDt")
	w.owner()
	w.balances()
	w.summary()
	for i := range s.Entries {
		w.entry(i, &s.Entries[i])
	}
	w.close(a.part)
	w.close(a.root)
	w.close("Document")
	w.raw("\n")
	return w.Flush()
}

// camt writes one message; a bufio.Writer keeps the first error until Flush.
type camt struct {
	*bufio.Writer
	account account
	s       *statement.Statement
	asOf    string
}

func (w *camt) raw(s string)   { _, _ = w.WriteString(s) }
func (w *camt) open(n string)  { w.raw("<" + n + ">") }
func (w *camt) close(n string) { w.raw("</" + n + ">") }
func (w *camt) text(n, s string) {
	w.open(n)
	_ = xml.EscapeText(w.Writer, []byte(s)) // the writer keeps the error
	w.close(n)
}

func (w *camt) amount(n string, kopecks int64) {
	w.raw("<" + n + ` Ccy="` + w.s.Currency + `">` + money.Format(kopecks) + "</" + n + ">")
}

func (w *camt) side(credit bool) {
	if credit {
		w.text("CdtDbtInd", "CRDT")
	} else {
		w.text("CdtDbtInd", "DBIT")
	}
}

func (w *camt) day(n, date string) {
	w.open(n)
	w.text("Dt", date)
	w.close(n)
}

func (w *camt) owner() {
	w.open("Acct")
	w.iban(w.s.Account)
	w.text("Ccy", w.s.Currency)
	if w.s.Owner != "" || w.s.OwnerCode != "" {
		w.open("Ownr")
		w.party(w.s.Owner, w.s.OwnerCode)
		w.close("Ownr")
	}
	w.open("Svcr")
	w.bank(w.s.Account)
	w.close("Svcr")
	w.close("Acct")
}

func (w *camt) iban(s string) {
	w.open("Id")
	w.text("IBAN", s)
	w.close("Id")
}

// bank names the institution of an account by its code, which a Ukrainian IBAN
// holds; the clearing system is UA of the external code list.
func (w *camt) bank(iban string) {
	w.open("FinInstnId")
	w.open("ClrSysMmbId")
	w.raw("<ClrSysId><Cd>UA</Cd></ClrSysId>")
	w.text("MmbId", ident.BankOf(iban))
	w.close("ClrSysMmbId")
	w.close("FinInstnId")
}

// party writes name and code, with the scheme that the kind of code has in the
// payments of Ukraine.
func (w *camt) party(name, code string) {
	if name != "" {
		w.text("Nm", name)
	}
	if code == "" {
		return
	}
	who, scheme := "OrgId", "USRC"
	switch {
	case ident.Digits(code, 8):
	case ident.TaxNumber9(code):
		scheme = "TRAN"
	case ident.Digits(code, 10):
		who, scheme = "PrvtId", "RNRCT"
	case ident.Passport(code):
		who, scheme = "PrvtId", "PSPT"
	default:
		scheme = "NA"
	}
	w.open("Id")
	w.open(who)
	w.open("Othr")
	w.text("Id", code)
	w.raw("<SchmeNm><Prtry>" + scheme + "</Prtry></SchmeNm>")
	w.close("Othr")
	w.close(who)
	w.close("Id")
}

func (w *camt) balances() {
	if w.account.opening == "" {
		return
	}
	w.balance(w.account.opening, w.s.Opening, w.s.From, "")
	w.balance(w.account.closed, w.s.Closing, w.s.To, w.asOf)
}

func (w *camt) balance(code string, kopecks int64, date, moment string) {
	w.open("Bal")
	w.raw("<Tp><CdOrPrtry><Cd>" + code + "</Cd></CdOrPrtry></Tp>")
	sign := kopecks >= 0
	if !sign {
		kopecks = -kopecks
	}
	w.amount("Amt", kopecks)
	w.side(sign)
	if moment != "" {
		w.open("Dt")
		w.text("DtTm", moment)
		w.close("Dt")
	} else {
		w.day("Dt", date)
	}
	w.close("Bal")
}

func (w *camt) summary() {
	var credits, debits int
	for i := range w.s.Entries {
		if w.s.Entries[i].Credit {
			credits++
		} else {
			debits++
		}
	}
	total := func(n string, count int, sum string) {
		w.open(n)
		w.text("NbOfNtries", strconv.Itoa(count))
		if sum != "" {
			w.text("Sum", sum)
		}
		w.close(n)
	}
	w.open("TxsSummry")
	total("TtlNtries", credits+debits, "")
	total("TtlCdtNtries", credits, money.Format(w.s.Credits))
	total("TtlDbtNtries", debits, money.Format(w.s.Debits))
	w.close("TxsSummry")
}

func (w *camt) entry(i int, e *statement.Entry) {
	value := e.ValueDate
	if value == "" {
		value = e.Date
	}
	w.open("Ntry")
	w.text("NtryRef", strconv.Itoa(i+1))
	w.amount("Amt", e.Amount)
	w.side(e.Credit)
	if w.account.old {
		w.text("Sts", "BOOK")
	} else {
		w.raw("<Sts><Cd>BOOK</Cd></Sts>")
	}
	w.day("BookgDt", e.Date)
	w.day("ValDt", value)
	if e.Reference != "" {
		w.text("AcctSvcrRef", e.Reference)
	}
	code := e.Group
	if code == "" {
		code = "1" // a payment instruction
	}
	w.raw("<BkTxCd><Prtry>")
	w.text("Cd", code)
	w.raw("</Prtry></BkTxCd>")
	w.raw("<NtryDtls><TxDtls>")
	w.open("Refs")
	if e.Reference != "" {
		w.text("AcctSvcrRef", e.Reference)
	}
	if e.Number != "" {
		w.text("EndToEndId", e.Number)
	} else {
		w.text("EndToEndId", "NOTPROVIDED")
	}
	w.close("Refs")
	if w.account.old {
		w.raw("<AmtDtls><TxAmt>")
		w.amount("Amt", e.Amount)
		w.raw("</TxAmt></AmtDtls>")
	} else {
		w.amount("Amt", e.Amount)
		w.side(e.Credit)
	}
	w.counterparty(e)
	if e.Purpose != "" {
		w.open("RmtInf")
		for r := []rune(e.Purpose); len(r) > 0; {
			n := min(140, len(r))
			w.text("Ustrd", string(r[:n]))
			r = r[n:]
		}
		w.close("RmtInf")
	}
	w.raw("</TxDtls></NtryDtls>")
	w.close("Ntry")
}

// counterparty is the debtor of a credit and the creditor of a debit.
func (w *camt) counterparty(e *statement.Entry) {
	side := "Cdtr"
	if e.Credit {
		side = "Dbtr"
	}
	c := e.Counterparty
	if c.Name != "" || c.Code != "" || c.IBAN != "" {
		w.open("RltdPties")
		if c.Name != "" || c.Code != "" {
			w.open(side)
			if !w.account.old {
				w.open("Pty")
			}
			w.party(c.Name, c.Code)
			if !w.account.old {
				w.close("Pty")
			}
			w.close(side)
		}
		if c.IBAN != "" {
			w.open(side + "Acct")
			w.iban(c.IBAN)
			w.close(side + "Acct")
		}
		w.close("RltdPties")
	}
	if c.IBAN != "" {
		w.open("RltdAgts")
		w.open(side + "Agt")
		w.bank(c.IBAN)
		w.close(side + "Agt")
		w.close("RltdAgts")
	}
}
