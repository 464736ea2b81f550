package iso20022

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/statement"
)

// accountReader reads camt messages into canonical statements and holds each to
// the rules of both.
type accountReader struct {
	*walk
	account account

	made     string // CreDtTm of the part
	one      statement.Statement
	base     int // records before this part
	owner    party
	servicer agent

	currency string // of the amount that is read now
	bal      balance
	balances []balance

	summary map[string]string // counts and sums, by their paths

	entry       statement.Entry
	status      string
	counter     party
	counterBank agent
	purpose     strings.Builder
}

// balance is one Bal, of type code.
type balance struct {
	code, date, moment string
	kopecks            int64
}

func (r *accountReader) start(path []byte, s *scanner) {
	rest, ok := strings.CutPrefix(string(path), r.account.part)
	if !ok {
		return
	}
	switch rest {
	case "":
		r.one = statement.Statement{Kind: r.account.kind, Currency: "UAH"}
		r.made, r.owner, r.servicer, r.balances, r.summary = "", party{}, agent{}, nil, map[string]string{}
	case "/Bal":
		r.bal = balance{}
	case "/Ntry":
		r.entry, r.status = statement.Entry{}, ""
		r.counter, r.counterBank = party{}, agent{}
		r.purpose.Reset()
	case "/Ntry/NtryDtls/TxDtls":
		r.purpose.Reset()
	}
	if strings.HasSuffix(rest, "Amt") {
		r.currency, _ = s.attribute("Ccy")
	}
}

func (r *accountReader) end(path []byte, raw string) {
	text := strings.TrimSpace(raw)
	rest, ok := strings.CutPrefix(string(path), r.account.part)
	if !ok {
		r.header(string(path), text)
		return
	}
	rest = strings.TrimPrefix(rest, "/")
	switch {
	case rest == "":
		r.finish()
	case strings.HasPrefix(rest, "Ntry"):
		r.inEntry(strings.TrimPrefix(strings.TrimPrefix(rest, "Ntry"), "/"), text, raw)
	case strings.HasPrefix(rest, "Bal"):
		r.inBalance(strings.TrimPrefix(strings.TrimPrefix(rest, "Bal"), "/"), text)
	case strings.HasPrefix(rest, "TxsSummry/"):
		r.summary[strings.TrimPrefix(rest, "TxsSummry/")] = text
	default:
		r.head(rest, text)
	}
}

func (r *accountReader) field(rest string) string { return r.account.part + "/" + rest }

// head reads what stands beside balances, summary and entries.
func (r *accountReader) head(rest, text string) {
	switch rest {
	case "Id":
		if r.one.Number == "" {
			r.one.Number = text
		}
	case "ElctrncSeqNb":
		r.one.Number = text
		r.summary["ElctrncSeqNb"] = text
	case "CreDtTm":
		r.made = text
	case "FrToDt/FrDtTm":
		r.one.From = dateOf(text)
	case "FrToDt/ToDtTm":
		r.one.To = dateOf(text)
	case "Acct/Id/IBAN":
		r.one.Account = text
	case "Acct/Ccy":
		r.one.Currency = text
	default:
		r.owner.set(rest, "Acct/Ownr/", text)
		r.servicer.set(rest, "Acct/Svcr/", text)
	}
}

func (r *accountReader) inBalance(rest, text string) {
	switch rest {
	case "":
		r.balances = append(r.balances, r.bal)
	case "Tp/CdOrPrtry/Cd":
		r.bal.code = text
	case "Amt":
		r.bal.kopecks = r.money(0, r.field("Bal/Amt"), text, r.currency)
	case "CdtDbtInd":
		if text == "DBIT" {
			r.bal.kopecks = -r.bal.kopecks
		}
	case "Dt/Dt":
		r.bal.date = text
	case "Dt/DtTm":
		r.bal.date, r.bal.moment = dateOf(text), text
	}
}

func (r *accountReader) record() int { return r.base + len(r.one.Entries) + 1 }

func (r *accountReader) inEntry(rest, text, raw string) {
	switch rest {
	case "":
		r.finishEntry()
		return
	case "Amt":
		r.entry.Amount = r.money(r.record(), r.field("Ntry/Amt"), text, r.currency)
	case "CdtDbtInd":
		r.entry.Credit = text == "CRDT"
	case "Sts", "Sts/Cd":
		if text != "" {
			r.status = text
		}
	case "BookgDt/Dt":
		r.entry.Date = text
	case "BookgDt/DtTm":
		r.entry.Date = dateOf(text)
	case "ValDt/Dt":
		r.entry.ValueDate = text
	case "ValDt/DtTm":
		r.entry.ValueDate = dateOf(text)
	case "AcctSvcrRef":
		r.entry.Reference = text
	case "NtryDtls/TxDtls/Refs/EndToEndId":
		r.entry.Number = text
	case "NtryDtls/TxDtls/Amt", "NtryDtls/TxDtls/AmtDtls/TxAmt/Amt":
		r.money(r.record(), r.field("Ntry/"+rest), text, r.currency)
	case "NtryDtls/TxDtls/RmtInf/Ustrd":
		r.purpose.WriteString(raw) // cut anywhere, also at a space
	case "NtryDtls/TxDtls":
		r.entry.Purpose = strings.TrimSpace(r.purpose.String())
	default:
		side := "Cdtr"
		if r.entry.Credit {
			side = "Dbtr"
		}
		if parties, ok := strings.CutPrefix(rest, "NtryDtls/TxDtls/RltdPties/"); ok {
			if parties == side+"Acct/Id/IBAN" {
				r.entry.Counterparty.IBAN = text
			}
			r.counter.set(parties, side+"/", text)     // of 2009
			r.counter.set(parties, side+"/Pty/", text) // of 2019
		} else if agents, ok := strings.CutPrefix(rest, "NtryDtls/TxDtls/RltdAgts/"); ok {
			r.counterBank.set(agents, side+"Agt/", text)
		}
	}
}

func (r *accountReader) finishEntry() {
	n := r.record()
	if n > maxSent {
		r.full = true
		return
	}
	e := &r.entry
	if r.status != "BOOK" {
		r.report(ruleSentBooked, n, r.field("Ntry/Sts"), "Рядок не проведено: стан повинен бути BOOK.", "The entry is not booked: its status must be BOOK.")
	}
	if e.Date == "" { // optional in the schema; a rule of the statement needs it
		e.Date = e.ValueDate
	}
	e.Counterparty.Name = r.counter.name
	e.Counterparty.Code = r.walk.party(r.counter, n, r.field("Ntry/NtryDtls/TxDtls/RltdPties"))
	r.bank(r.counterBank, e.Counterparty.IBAN, n, r.field("Ntry/NtryDtls/TxDtls/RltdAgts"))
	r.one.Entries = append(r.one.Entries, *e)
	sum := &r.one.Debits
	if e.Credit {
		sum = &r.one.Credits
	}
	if e.Amount > 0 && e.Amount <= math.MaxInt64-*sum { // what does not fit, a rule of the statement says
		*sum += e.Amount
	}
	r.entries = append(r.entries, formats.Entry{Record: n, Number: e.Number, Date: e.Date, Amount: e.Amount})
}

// finish holds one part, which is of one account, to the rules.
func (r *accountReader) finish() {
	s := &r.one
	s.Owner, s.OwnerCode = r.owner.name, r.walk.party(r.owner, 0, r.field("Acct/Ownr"))
	r.bank(r.servicer, s.Account, 0, r.field("Acct/Svcr"))
	r.weigh()
	r.period()
	r.sums()
	if r.account.kind == formats.Statement && r.summary["ElctrncSeqNb"] == "" {
		r.report(ruleSentNumber, 0, r.field("ElctrncSeqNb"), "Виписка не має порядкового номера (ElctrncSeqNb).", "The statement has no sequence number (ElctrncSeqNb).")
	}
	rep := s.Check()
	for _, f := range rep.Findings {
		f.Field = r.field(accountField(f.Path))
		if f.Record > 0 {
			f.Record += r.base
		}
		r.add(f)
	}
	r.base += len(s.Entries)
}

func (r *accountReader) done() {}

// weigh finds the balances between which the entries lie.
func (r *accountReader) weigh() {
	count := map[string]int{}
	of := map[string]balance{}
	for _, b := range r.balances {
		count[b.code]++
		of[b.code] = b
	}
	s := &r.one
	good := count["OPBD"] <= 1 && count["CLBD"] <= 1 && count["ITBD"] <= 1
	opening, closing := of["OPBD"], of["CLBD"]
	switch r.account.kind {
	case formats.Statement:
		good = good && count["OPBD"] == 1 && count["CLBD"] == 1
	case formats.AccountState:
		good = good && count["CLBD"]+count["ITBD"] == 1
		if count["ITBD"] > 0 {
			closing = of["ITBD"]
		}
		s.AsOf = closing.moment
		if s.AsOf == "" {
			s.AsOf = r.made
		}
		if _, err := time.Parse(time.RFC3339, s.AsOf); err != nil { // without an offset it is Kyiv's
			s.AsOf = kyivMoment(s.AsOf)
		}
		if s.To == "" {
			s.To = dateOf(s.AsOf)
		}
	default:
		good = len(r.balances) == 0
	}
	if !good {
		r.report(ruleSentBalance, 0, r.field("Bal"), "Залишків бракує або їх забагато: виписка має по одному OPBD і CLBD, стан рахунку ITBD або CLBD, повідомлення жодного.",
			"Balances are missing or too many: a statement has one OPBD and one CLBD, an account state an ITBD or a CLBD, a notification none.")
	}
	if r.account.kind == formats.AccountNotification {
		return
	}
	s.Opening, s.Closing = opening.kopecks, closing.kopecks
	if count["OPBD"] == 0 || count["CLBD"]+count["ITBD"] == 0 { // said, or an account state without an opening: nothing to weigh
		s.Opening, s.Closing = 0, s.Credits-s.Debits
	}
	if s.From == "" {
		s.From = opening.date
	}
	if s.To == "" {
		s.To = closing.date
	}
}

// kyivMoment is a local date and time of Kyiv as RFC 3339, or s itself.
func kyivMoment(s string) string {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		return s
	}
	for _, hours := range []int{2, 3} {
		at := t.Add(-time.Duration(hours) * time.Hour)
		if local := formats.KyivDate(at); local == t.Format(time.DateOnly) {
			return at.Format(time.RFC3339)
		}
	}
	return s
}

// period is that of the entries where the message names none.
func (r *accountReader) period() {
	s := &r.one
	if s.From != "" && s.To != "" {
		return
	}
	made := dateOf(r.made)
	first, last := made, made
	for i, e := range s.Entries {
		if i == 0 {
			first, last = e.Date, e.Date
		}
		first, last = min(first, e.Date), max(last, e.Date)
	}
	if s.From == "" {
		s.From = first
	}
	if s.To == "" {
		s.To = last
	}
}

// sums compares the summary with the entries.
func (r *accountReader) sums() {
	var n [2]int // debits, credits
	for i := range r.one.Entries {
		if r.one.Entries[i].Credit {
			n[1]++
		} else {
			n[0]++
		}
	}
	for _, t := range []struct {
		name  string
		count int
		sum   int64
	}{
		{"TtlNtries", n[0] + n[1], r.one.Credits + r.one.Debits},
		{"TtlCdtNtries", n[1], r.one.Credits},
		{"TtlDbtNtries", n[0], r.one.Debits},
	} {
		wrong := false
		if c, ok := r.summary[t.name+"/NbOfNtries"]; ok {
			v, err := strconv.Atoi(c)
			wrong = err != nil || v != t.count
		}
		if s, ok := r.summary[t.name+"/Sum"]; ok {
			v, err := cents(s, true)
			wrong = wrong || err != nil || v != t.sum
		}
		if wrong {
			r.report(ruleSentSummary, 0, r.field("TxsSummry/"+t.name), "Кількість або сума рядків не така, як рядки виписки.", "The number or the sum of entries is not that of the entries.")
		}
	}
}

// accountField is the element of a camt part that holds a path of the statement.
func accountField(path string) string {
	if f, ok := accountFields[path]; ok {
		return f
	}
	return path
}

var accountFields = map[string]string{
	"account": "Acct/Id/IBAN", "currency": "Acct/Ccy", "number": "ElctrncSeqNb", "from": "FrToDt", "asOf": "Bal/Dt/DtTm",
	"owner": "Acct/Ownr/Nm", "ownerCode": "Acct/Ownr/Id", "opening": "Bal", "closing": "Bal", "credits": "TxsSummry",
	"amount": "Ntry/Amt", "date": "Ntry/BookgDt", "valueDate": "Ntry/ValDt", "reference": "Ntry/AcctSvcrRef",
	"purpose": "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd", "counterparty.iban": "Ntry/NtryDtls/TxDtls/RltdPties",
	"counterparty.name": "Ntry/NtryDtls/TxDtls/RltdPties", "counterparty.code": "Ntry/NtryDtls/TxDtls/RltdPties",
}
