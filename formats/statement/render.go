package statement

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/paper"
)

// Text is WriteText in memory.
func (s *Statement) Text(lang string) string {
	var b bytes.Buffer
	_ = s.WriteText(&b, lang) // a bytes.Buffer never fails
	return b.String()
}

// WriteText writes the statement for people, in language lang (uk or en), in
// UTF-8 with CRLF line ends, which every editor of an old system shows, on lines
// that fit a printed page.
func (s *Statement) WriteText(to io.Writer, lang string) error {
	w := paper.New(to, lang)
	title := s.DocumentKind().Title()
	w.Say(strings.ToUpper(title.UK)+" № %s", strings.ToUpper(title.EN)+" No %s", s.Number)
	w.Say("Рахунок: %s", "Account: %s", s.Account)
	if s.Owner != "" || s.OwnerCode != "" {
		w.Label("Власник: ", "Owner: ", strings.TrimSpace(s.OwnerCode+" "+s.Owner))
	}
	w.Say("Період: %s - %s, валюта %s", "Period: %s - %s, currency %s", s.From, s.To, s.Currency)
	if s.AsOf != "" {
		w.Say("Станом на: %s", "As of: %s", s.AsOf)
	}
	balances := s.DocumentKind() != formats.AccountNotification
	if balances {
		w.Say("Вхідний залишок: %s", "Opening balance: %s", money.Format(s.Opening))
	}
	w.Line("")
	for i := range s.Entries {
		e := &s.Entries[i]
		sign := formats.Text{UK: "видаток", EN: "debit"}
		if e.Credit {
			sign = formats.Text{UK: "надходження", EN: "credit"}
		}
		w.Line(fmt.Sprintf("%d. %s  %s  %s", i+1, e.Date, sign.In(lang), money.Format(e.Amount)))
		if e.ValueDate != "" && e.ValueDate != e.Date {
			w.Say("   Дата валютування: %s", "   Value date: %s", e.ValueDate)
		}
		if e.Number != "" {
			w.Label("   Документ: ", "   Document: ", e.Number)
		}
		w.Label("   Кореспондент: ", "   Counterparty: ", e.Counterparty.Name+" "+e.Counterparty.Code+" "+e.Counterparty.IBAN)
		w.Label("   Призначення: ", "   Purpose: ", e.Purpose)
		if e.Group != "" {
			w.Label("   Код: ", "   Code: ", e.Group)
		}
		if e.Reference != "" {
			w.Label("   Референс: ", "   Reference: ", e.Reference)
		}
	}
	w.Line("")
	for _, g := range s.Groups {
		w.Say("Код %s: надходження %s, видатки %s", "Code %s: credits %s, debits %s", g.Group, money.Format(g.Credits), money.Format(g.Debits))
	}
	w.Say("Надходження: %s", "Credits: %s", money.Format(s.Credits))
	w.Say("Видатки: %s", "Debits: %s", money.Format(s.Debits))
	if balances {
		w.Say("Вихідний залишок: %s", "Closing balance: %s", money.Format(s.Closing))
	}
	return w.Flush()
}

// CSV is WriteCSV in memory.
func (s *Statement) CSV() []byte {
	var b bytes.Buffer
	_ = s.WriteCSV(&b) // a bytes.Buffer never fails
	return b.Bytes()
}

// WriteCSV writes the entries as UTF-8 with semicolons, a header row and CRLF
// (RFC 4180 otherwise). Text that a spreadsheet would take for a formula gets an
// apostrophe before it.
func (s *Statement) WriteCSV(to io.Writer) error {
	b := bufio.NewWriterSize(to, 64<<10)
	w := csv.NewWriter(b)
	w.Comma, w.UseCRLF = ';', true
	_ = w.Write([]string{
		"account", "statement", "date", "direction", "amount", "currency", "number", "counterparty_name", "counterparty_code", "counterparty_iban", "purpose", "reference", "value_date", "group",
	})
	plain := paper.Plain
	for i := range s.Entries {
		e := &s.Entries[i]
		direction := "debit"
		if e.Credit {
			direction = "credit"
		}
		_ = w.Write([]string{
			s.Account, plain(s.Number), e.Date, direction, money.Format(e.Amount), s.Currency, plain(e.Number),
			plain(e.Counterparty.Name), plain(e.Counterparty.Code), plain(e.Counterparty.IBAN), plain(e.Purpose), plain(e.Reference), e.ValueDate, plain(e.Group),
		})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return b.Flush()
}
