package extract

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/paper"
)

var funds = map[string]formats.Text{
	"general": {UK: "загальний фонд", EN: "general fund"},
	"special": {UK: "спеціальний фонд", EN: "special fund"},
}

// WriteText writes the document for people, in language lang (uk or en), in
// UTF-8 with CRLF line ends.
func (x *Extract) WriteText(to io.Writer, lang string) error {
	w := paper.New(to, lang)
	title := x.Kind.Title()
	w.Say(strings.ToUpper(title.UK)+" № %s", strings.ToUpper(title.EN)+" No %s", x.Number)
	w.Say("Дата:        %s", "Date:         %s", x.Date)
	w.Label("Кому:        ", "To:           ", strings.TrimSpace(x.EDRPOU+" "+x.Owner))
	if x.Account != "" {
		w.Say("Рахунок:     %s", "Account:      %s", x.Account)
	}
	if x.Year != 0 {
		w.Say("Рік:         %d", "Year:         %d", x.Year)
	}
	if x.Title != "" {
		w.Label("Тема:        ", "Subject:      ", x.Title)
	}
	if x.Basis != "" {
		w.Label("Підстава:    ", "Basis:        ", x.Basis)
	}
	w.Line("")
	if x.Text != "" {
		for _, p := range strings.Split(strings.TrimRight(x.Text, "\n"), "\n") {
			w.Wrap("", p)
		}
		return w.Flush()
	}
	for i := range x.Rows {
		r := &x.Rows[i]
		head := strings.TrimSpace(r.EDRPOU + " " + r.Name)
		if head == "" {
			head = strings.TrimSpace(r.KPKVK + " " + r.KEKV)
		}
		w.Wrap(fmt.Sprintf("%5d. ", i+1), head)
		if r.Account != "" {
			w.Say("       Рахунок: %s", "       Account: %s", r.Account)
		}
		var codes []string
		if r.KPKVK != "" {
			codes = append(codes, "КПКВК "+r.KPKVK)
		}
		if r.KEKV != "" {
			codes = append(codes, "КЕКВ "+r.KEKV)
		}
		if r.Fund != "" {
			codes = append(codes, funds[r.Fund].In(lang))
		}
		if r.Month != 0 {
			codes = append(codes, formats.Textf("місяць %d", "month %d", r.Month).In(lang))
		}
		if len(codes) > 0 {
			w.Wrap("       ", strings.Join(codes, ", "))
		}
		if r.Status != "" {
			w.Say("       Стан: %s", "       Status: %s", r.Status)
		}
		if r.Note != "" {
			w.Wrap("       ", r.Note)
		}
		if r.Amount != 0 {
			w.Say("       Сума: %s", "       Amount: %s", money.Format(r.Amount))
		}
	}
	w.Line("")
	w.Say("Рядків: %d", "Rows: %d", len(x.Rows))
	w.Say("Разом: %s", "Total: %s", money.Format(x.Total))
	return w.Flush()
}

// WriteCSV writes the rows as UTF-8 with semicolons, a header row and CRLF (RFC
// 4180 otherwise); a notice is one row. Text that a spreadsheet would take for a
// formula gets an apostrophe before it.
func (x *Extract) WriteCSV(to io.Writer) error {
	b := bufio.NewWriterSize(to, 64<<10)
	w := csv.NewWriter(b)
	w.Comma, w.UseCRLF = ';', true
	head := []string{"kind", "number", "document_date", "to_edrpou", "account", "year"}
	own := []string{string(x.Kind), paper.Plain(x.Number), x.Date, x.EDRPOU, x.Account, zero(x.Year)}
	if x.Kind == formats.Notice {
		_ = w.Write(append(head, "title", "text"))
		_ = w.Write(append(own, paper.Plain(x.Title), paper.Plain(x.Text)))
	} else {
		_ = w.Write(append(head, "row_edrpou", "row_name", "row_account", "kpkvk", "kekv", "fund", "month", "amount", "status", "note"))
		for i := range x.Rows {
			r := &x.Rows[i]
			_ = w.Write(append(own[:6:6], r.EDRPOU, paper.Plain(r.Name), r.Account, r.KPKVK, r.KEKV, r.Fund, zero(r.Month), money.Format(r.Amount), paper.Plain(r.Status), paper.Plain(r.Note)))
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return b.Flush()
}

func zero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
