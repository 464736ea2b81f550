// Package sample builds documents that are valid today: for a demonstration, for
// load tests, for the examples that a new gateway offers. Names and codes in them
// are invented.
package sample

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/statement"
)

// Payer is who pays in a sample.
type Payer struct {
	Name   string
	EDRPOU string
	IBAN   string
}

// DemoPayer is an invented institution with an account at the Treasury.
func DemoPayer() Payer {
	return Payer{Name: "Відділ освіти тестової громади", EDRPOU: EDRPOU(0), IBAN: Account("820172", 0)}
}

// EDRPOU is the n-th invented code; its check digit is right.
func EDRPOU(n int) string {
	base := fmt.Sprintf("%07d", 203000+n%700000)
	return base + string(ident.EDRPOUDigit(base))
}

// Account is the n-th invented account at the bank mfo.
func Account(mfo string, n int) string {
	iban, err := ident.IBAN(mfo, fmt.Sprintf("344290%08d", n%100000000))
	if err != nil {
		return ""
	}
	return iban
}

// Orders makes count payments of payer dated the Kyiv day of at. First is the
// number of the first one: files of one day that start at different numbers have
// no payment in common.
func Orders(payer Payer, at time.Time, first, count int) []payment.Order {
	day := formats.KyivDate(at)
	list := make([]payment.Order, count)
	for i := range list {
		n := first + i
		payee := payment.Party{Name: fmt.Sprintf("ТОВ «Світанок-Є %d»", n%97+1), Code: EDRPOU(1 + n%97), CodeType: payment.EDRPOU, IBAN: Account("305299", 1+n%97), MFO: "305299", Bank: "Тестовий банк"}
		list[i] = payment.Order{
			Record: i + 1, Number: strconv.Itoa(n), Date: day, ValueDate: day, Amount: int64(10000 + n%9000000), Currency: "UAH",
			Payer:   payment.Party{Name: payer.Name, Code: payer.EDRPOU, CodeType: payment.EDRPOU, IBAN: payer.IBAN, MFO: ident.BankOf(payer.IBAN), Bank: "Казначейство України"},
			Payee:   payee,
			Purpose: fmt.Sprintf("За електроенергію зг. дог. № %d; КЕКВ 2273; у т.ч. ПДВ", n),
		}
	}
	return list
}

// Pain001 writes the orders, all of one payer, as a pain.001.001.09 message
// created at at. The id names the message, at most 33 characters.
func Pain001(id string, at time.Time, orders []payment.Order) []byte {
	var sum int64
	for _, o := range orders {
		sum += o.Amount
	}
	b := &bytes.Buffer{}
	el := func(name, text string) {
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(b, []byte(text)) // a Buffer never fails
		name, _, _ = strings.Cut(name, " ")
		b.WriteString("</" + name + ">")
	}
	totals := func() {
		el("NbOfTxs", strconv.Itoa(len(orders)))
		el("CtrlSum", money.Format(sum))
	}
	party := func(name string, p payment.Party) {
		b.WriteString("<" + name + ">")
		el("Nm", p.Name)
		b.WriteString("<Id><OrgId><Othr>")
		el("Id", p.Code)
		b.WriteString("<SchmeNm><Prtry>USRC</Prtry></SchmeNm></Othr></OrgId></Id></" + name + ">")
	}
	agent := func(name string, p payment.Party) {
		b.WriteString("<" + name + "><FinInstnId><ClrSysMmbId><ClrSysId><Cd>UA</Cd></ClrSysId>")
		el("MmbId", p.MFO)
		b.WriteString("</ClrSysMmbId></FinInstnId></" + name + ">")
	}
	account := func(name, iban, more string) {
		b.WriteString("<" + name + "><Id>")
		el("IBAN", iban)
		b.WriteString("</Id>" + more + "</" + name + ">")
	}
	payer := payment.Party{}
	day := formats.KyivDate(at)
	if len(orders) > 0 {
		payer = orders[0].Payer
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr>`)
	el("MsgId", id)
	el("CreDtTm", at.UTC().Format("2006-01-02T15:04:05Z"))
	totals()
	party("InitgPty", payer)
	b.WriteString("</GrpHdr><PmtInf>")
	el("PmtInfId", id+"-1")
	el("PmtMtd", "TRF")
	totals()
	b.WriteString("<ReqdExctnDt>")
	el("Dt", day)
	b.WriteString("</ReqdExctnDt>")
	party("Dbtr", payer)
	account("DbtrAcct", payer.IBAN, "<Ccy>UAH</Ccy>")
	agent("DbtrAgt", payer)
	for _, o := range orders {
		b.WriteString("\n<CdtTrfTxInf><PmtId>")
		el("InstrId", o.Number)
		el("EndToEndId", o.Number)
		b.WriteString("</PmtId><Amt>")
		el(`InstdAmt Ccy="UAH"`, money.Format(o.Amount))
		b.WriteString("</Amt>")
		agent("CdtrAgt", o.Payee)
		party("Cdtr", o.Payee)
		account("CdtrAcct", o.Payee.IBAN, "")
		b.WriteString("<RmtInf>")
		for text := []rune(o.Purpose); len(text) > 0; { // Max140Text, repeated
			n := min(140, len(text))
			el("Ustrd", string(text[:n]))
			text = text[n:]
		}
		b.WriteString("</RmtInf></CdtTrfTxInf>")
	}
	b.WriteString("\n</PmtInf></CstmrCdtTrfInitn></Document>\n")
	return b.Bytes()
}

// DBFField is a field of a table that DBF writes.
type DBFField struct {
	Name     string
	Type     byte
	Length   int // of C: more than 255 is written the Clipper way
	Decimals int
}

// DBF writes a dBase III table. Cells are text as it shall stand in the file;
// numbers are aligned to the right. What does not fit is cut.
func DBF(fields []DBFField, language byte, page *charset.Page, day time.Time, rows [][]string) []byte {
	b := &bytes.Buffer{}
	length := 1
	for _, f := range fields {
		length += f.Length
	}
	head := make([]byte, 32)
	head[0] = 0x03
	head[1], head[2], head[3] = byte(day.Year()-1900), byte(day.Month()), byte(day.Day())
	binary.LittleEndian.PutUint32(head[4:], uint32(len(rows)))
	binary.LittleEndian.PutUint16(head[8:], uint16(32+32*len(fields)+1))
	binary.LittleEndian.PutUint16(head[10:], uint16(length))
	head[29] = language
	b.Write(head)
	for _, f := range fields {
		d := make([]byte, 32)
		copy(d[:10], f.Name)
		d[11], d[16], d[17] = f.Type, byte(f.Length), byte(f.Decimals)
		if f.Type == 'C' {
			d[17] = byte(f.Length >> 8)
		}
		b.Write(d)
	}
	b.WriteByte(0x0D)
	for _, row := range rows {
		b.WriteByte(' ')
		for i, f := range fields {
			cell := page.Encode(row[i])
			cell = cell[:min(len(cell), f.Length)]
			pad := bytes.Repeat([]byte(" "), f.Length-len(cell))
			if f.Type == 'N' {
				b.Write(pad)
				b.Write(cell)
			} else {
				b.Write(cell)
				b.Write(pad)
			}
		}
	}
	b.WriteByte(0x1A)
	return b.Bytes()
}

// OshchadFields are the fields of the Oshchadbank layout of 2023.
func OshchadFields() []DBFField {
	return []DBFField{
		{"ndoc", 'C', 10, 0},
		{"dt", 'D', 8, 0},
		{"mfocli", 'C', 12, 0},
		{"okpocli", 'C', 14, 0},
		{"acccli", 'C', 29, 0},
		{"namecli", 'C', 140, 0},
		{"bankcli", 'C', 254, 0},
		{"mfocor", 'C', 12, 0},
		{"acccor", 'C', 29, 0},
		{"okpocor", 'C', 29, 0},
		{"namecor", 'C', 140, 0},
		{"bankcor", 'C', 254, 0},
		{"dk", 'N', 1, 0},
		{"summa", 'N', 20, 0},
		{"nazn", 'C', 420, 0},
		{"val", 'N', 4, 0},
		{"datp", 'D', 8, 0},
		{"da", 'D', 8, 0},
		{"saldovh", 'N', 16, 0},
		{"saldovhEv", 'N', 16, 0},
		{"saldoish", 'N', 16, 0},
		{"saldoishEv", 'N', 16, 0},
		{"uetr", 'C', 36, 0},
	}
}

// OshchadRows are the cells of the orders in that layout.
func OshchadRows(orders []payment.Order) [][]string {
	var rows [][]string
	for _, o := range orders {
		day := strings.ReplaceAll(o.Date, "-", "")
		rows = append(rows, []string{
			o.Number, day, o.Payer.MFO, o.Payer.Code, o.Payer.IBAN, o.Payer.Name, o.Payer.Bank,
			o.Payee.MFO, o.Payee.IBAN, o.Payee.Code, o.Payee.Name, o.Payee.Bank, "0", strconv.FormatInt(o.Amount, 10),
			o.Purpose, "980", day, day, "0", "0", "0", "0", "",
		})
	}
	return rows
}

// OshchadDBF writes the orders in the Oshchadbank layout of 2023, windows-1251.
func OshchadDBF(at time.Time, orders []payment.Order) []byte {
	return DBF(OshchadFields(), 0, charset.Windows1251, at, OshchadRows(orders))
}

// PDF is a small document of one page with a line of Latin text.
func PDF(line string) []byte {
	escape := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`)
	line = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E {
			return '?'
		}
		return r
	}, line)
	content := "BT /F 14 Tf 60 760 Td (" + escape.Replace(line) + ") Tj ET"
	b := bytes.NewBufferString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, body := range []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", i+1, body)
	}
	xref := b.Len()
	fmt.Fprintf(b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, xref)
	return b.Bytes()
}

// Files are documents that payer may send today, by name. No two hold the same
// payment.
func Files(payer Payer, at time.Time) map[string][]byte {
	day := strings.ReplaceAll(formats.KyivDate(at), "-", "")
	return map[string][]byte{
		"P0001.xml": Pain001("DEMO-"+day+"-0001", at, Orders(payer, at, 1, 2)),
		"P0002.DBF": OshchadDBF(at, Orders(payer, at, 101, 3)),
		"A0001.pdf": PDF("Invoice No 1 of " + formats.KyivDate(at)),
	}
}

// Statement is a statement of the payer's account over the Kyiv day of at, with
// count payments of Orders and the appropriation that covers them.
func Statement(payer Payer, at time.Time, number string, count int) *statement.Statement {
	day := formats.KyivDate(at)
	s := &statement.Statement{Account: payer.IBAN, Owner: payer.Name, Currency: "UAH", Number: number, From: day, To: day, Opening: 100000}
	for _, o := range Orders(payer, at, 1, count) {
		s.Debits += o.Amount
		s.Entries = append(s.Entries, statement.Entry{
			Date: day, Amount: o.Amount, Number: o.Number, Purpose: o.Purpose, Reference: "S-" + o.Number,
			Counterparty: statement.Counterparty{Name: o.Payee.Name, Code: o.Payee.Code, IBAN: o.Payee.IBAN},
		})
	}
	s.Credits = s.Debits
	if count > 0 {
		s.Entries = append(s.Entries, statement.Entry{
			Date: day, Credit: true, Amount: s.Credits, Number: "A-1", Purpose: "Асигнування на видатки",
			Counterparty: statement.Counterparty{Name: "Казначейство України", Code: "37567646", IBAN: Account("820172", 1000)},
		})
	}
	s.Closing = s.Opening + s.Credits - s.Debits
	return s
}
