package statement

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/money"
)

// Text renders the statement for people, in language lang (uk or en), in UTF-8
// with CRLF line ends, which every editor of an old system shows.
func (s *Statement) Text(lang string) string {
	w := &strings.Builder{}
	say := func(uk, en string, args ...any) {
		fmt.Fprintf(w, formats.Text{UK: uk, EN: en}.In(lang)+"\r\n", args...)
	}
	say("ВИПИСКА № %s", "STATEMENT No %s", s.Number)
	say("Рахунок: %s", "Account: %s", s.Account)
	if s.Owner != "" {
		say("Власник: %s", "Owner: %s", s.Owner)
	}
	say("Період: %s - %s, валюта %s", "Period: %s - %s, currency %s", s.From, s.To, s.Currency)
	say("Вхідний залишок: %s", "Opening balance: %s", money.Format(s.Opening))
	w.WriteString("\r\n")
	for i, e := range s.Entries {
		sign := formats.Text{UK: "видаток", EN: "debit"}
		if e.Credit {
			sign = formats.Text{UK: "надходження", EN: "credit"}
		}
		fmt.Fprintf(w, "%d. %s  %s  %s\r\n", i+1, e.Date, sign.In(lang), money.Format(e.Amount))
		if e.Number != "" {
			say("   Документ: %s", "   Document: %s", e.Number)
		}
		say("   Кореспондент: %s", "   Counterparty: %s", strings.TrimSpace(e.Counterparty.Name+" "+e.Counterparty.Code+" "+e.Counterparty.IBAN))
		say("   Призначення: %s", "   Purpose: %s", e.Purpose)
		if e.Reference != "" {
			say("   Референс: %s", "   Reference: %s", e.Reference)
		}
	}
	w.WriteString("\r\n")
	say("Надходження: %s", "Credits: %s", money.Format(s.Credits))
	say("Видатки: %s", "Debits: %s", money.Format(s.Debits))
	say("Вихідний залишок: %s", "Closing balance: %s", money.Format(s.Closing))
	return w.String()
}

// CSV renders the entries as UTF-8 with semicolons, a header row and CRLF (RFC
// 4180 otherwise). Text that a spreadsheet would take for a formula gets an
// apostrophe before it.
func (s *Statement) CSV() []byte {
	b := &strings.Builder{}
	w := csv.NewWriter(b)
	w.Comma, w.UseCRLF = ';', true
	rows := [][]string{{"account", "statement", "date", "direction", "amount", "currency", "number", "counterparty_name", "counterparty_code", "counterparty_iban", "purpose", "reference"}}
	for _, e := range s.Entries {
		direction := "debit"
		if e.Credit {
			direction = "credit"
		}
		rows = append(rows, []string{
			s.Account, plain(s.Number), e.Date, direction, money.Format(e.Amount), s.Currency, plain(e.Number),
			plain(e.Counterparty.Name), plain(e.Counterparty.Code), plain(e.Counterparty.IBAN), plain(e.Purpose), plain(e.Reference),
		})
	}
	_ = w.WriteAll(rows) // a strings.Builder never fails
	return []byte(b.String())
}

func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
