package sample

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/jpeg"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/kind"
)

// Row is a record of a document by canonical paths. Sums are hryvnias, dates ISO
// 8601. What is not there is empty.
type Row map[string]string

func (r Row) with(pairs ...string) Row {
	out := Row{}
	for k, v := range r {
		out[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// Rows are the records of a document of a kind, other than a payment, that payer
// may send on the Kyiv day of at; nil for a kind that has none. Number is the
// document's.
func Rows(id formats.Kind, payer Payer, at time.Time, number string) []Row {
	day := formats.KyivDate(at)
	year := day[:4]
	head := Row{"number": number, "date": day, "sender.code": payer.EDRPOU, "sender.name": payer.Name}
	party := func(prefix string, n int) []string {
		return []string{prefix + ".code", EDRPOU(n), prefix + ".name", fmt.Sprintf("ТОВ «Світанок-Є %d»", n)}
	}
	months := func(prefix string, sums ...string) (list []string) {
		for i, s := range sums {
			list = append(list, fmt.Sprintf("%sm%02d", prefix, i+1), s)
		}
		return list
	}
	switch id {
	case formats.CommitmentRegister:
		head = head.with("budget", "9900000000", "fund", "general", "kpkvk", "2201040", "total", "150000.00")
		line := func(n int, amount string) Row {
			return head.with(party("counterparty", n)...).with("commitment", fmt.Sprintf("%s-%d", number, n), "operation", "new", "kekv", "2273",
				"basis.kind", "договір", "basis.number", fmt.Sprintf("Д-%d", n), "basis.date", day, "amount", amount)
		}
		return []Row{line(1, "100000.00"), line(2, "50000.00").with("prepayment", "10000.00", "basis.until", year+"-12-31")}
	case formats.FinancialCommitmentRegister:
		head = head.with("budget", "9900000000", "fund", "general", "kpkvk", "2201040", "total", "1500.50")
		line := func(n int, amount string) Row {
			return head.with(party("counterparty", n)...).with("financial_commitment", fmt.Sprintf("F%s-%d", number, n), "commitment", fmt.Sprintf("1-%d", n), "kekv", "2273",
				"act.kind", "акт", "act.number", fmt.Sprintf("А-%d", n), "act.date", day, "amount", amount, "documents", strings.Repeat("0a", 32))
		}
		return []Row{line(1, "1000.00"), line(2, "500.50")}
	case formats.Schedule:
		head = head.with("year", year, "budget", "9900000000", "fund", "general", "scope", "months", "total", "2400.00")
		return []Row{
			head.with("kkdb", "11010100", "amount", "1200.00").with(months("months.", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100")...),
			head.with("kpkvk", "2201040", "kekv", "2273", "amount", "1200.00").with(months("months.", "0", "0", "600", "0", "0", "0", "0", "0", "0", "0", "0", "600")...),
		}
	case formats.ScheduleChange:
		head = head.with("year", year, "budget", "9900000000", "fund", "general", "schedule", "1", "total", "0.00")
		return []Row{
			head.with("kpkvk", "2201040", "kekv", "2273", "amount", "-100.00").with(months("months.", "0", "-100")...),
			head.with("kpkvk", "2201040", "kekv", "2210", "amount", "100.00").with(months("months.", "0", "0", "100")...),
		}
	case formats.Estimate:
		head = head.with("year", year, "budget", "9900000000", "kpkvk", "2201040")
		line := func(section, code, name, general, special, both string) Row {
			return head.with("section", section, "code", code, "line_name", name, "general", general, "special", special, "both", both)
		}
		return []Row{
			line("income", "25010100", "Плата за послуги", "1500.00", "300.00", "1800.00"),
			line("expense", "2000", "Поточні видатки", "1500.00", "300.00", "1800.00"),
			line("expense", "2100", "Оплата праці", "1000.00", "0.00", "1000.00"),
			line("expense", "2200", "Товари і послуги", "500.00", "300.00", "800.00"),
			line("expense", "2210", "Матеріали", "500.00", "0.00", "500.00"),
			line("expense", "2240", "Послуги", "0.00", "300.00", "300.00"),
		}
	case formats.EstimateChange:
		head = head.with("year", year, "budget", "9900000000", "kpkvk", "2201040", "basis", "Лист головного розпорядника")
		line := func(code, general string) Row {
			return head.with("section", "expense", "code", code, "general", general, "special", "0.00", "both", general)
		}
		return []Row{line("2210", "-200.00").with("months.m03", "-200.00"), line("2240", "200.00").with("months.m04", "200.00")}
	case formats.AllotmentPlan:
		head = head.with("year", year, "budget", "9900000000", "fund", "general", "kpkvk", "2201040", "total", "1800.00")
		return []Row{
			head.with("kekv", "2110", "amount", "1200.00").with(months("months.", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100", "100")...),
			head.with("kekv", "2273", "amount", "600.00").with(months("months.", "600")...),
		}
	case formats.AllocationDistribution:
		head = head.with("budget", "9900000000", "fund", "general", "kpkvk", "2201040", "open", "1000.00", "total", "900.00")
		line := func(n int, amount string) Row {
			return head.with(party("receiver", n)...).with("receiver.iban", Account("820172", n), "kekv", "2000", "amount", amount)
		}
		return []Row{line(1, "400.00"), line(2, "500.00")}
	case formats.Memorial:
		head = head.with("total", "321.00")
		line := head.with("debit.iban", payer.IBAN, "debit.code", payer.EDRPOU, "credit.iban", payer.IBAN, "credit.code", payer.EDRPOU, "basis", "Уточнення КЕКВ за листом")
		return []Row{
			line.with("debit.kekv", "2210", "credit.kekv", "2240", "amount", "300.00"),
			line.with("debit.kekv", "2273", "credit.kekv", "2274", "amount", "21.00"),
		}
	case formats.Network:
		head = head.with("year", year, "budget", "9900000000", "body.kind", "spender", "treasury", "УДКСУ в місті")
		body := func(n int, level, superior string) Row {
			return head.with(party("body", n)...).with("level", level, "superior", superior, "territory", "UA80000000000093317")
		}
		return []Row{
			head.with("body.code", payer.EDRPOU, "body.name", payer.Name, "level", "1", "superior", ""),
			body(1, "2", payer.EDRPOU), body(2, "2", payer.EDRPOU), body(3, "3", EDRPOU(1)),
		}
	case formats.SpenderRegister:
		account := func(n int, level, superior string) Row {
			return head.with(party("body", n)...).with("level", level, "superior", superior, "iban", Account("820172", n), "budget", "9900000000", "from", year+"-01-01")
		}
		return []Row{account(1, "2", payer.EDRPOU), account(2, "3", EDRPOU(1)).with("until", year+"-12-31")}
	case formats.Contract:
		line := func(n int) Row {
			return Row(map[string]string{"number": fmt.Sprintf("%s/%d", number, n), "date": day, "sender.code": payer.EDRPOU}).with(party("counterparty", n)...).
				with("subject", "Постачання; монтаж \"під ключ\"", "amount", "25000.00", "from", day, "until", year+"-12-31", "procedure", "direct")
		}
		return []Row{line(1), line(2).with("procedure", "tender", "procurement", "UA-2026-01-05-000123-a")}
	case formats.Act:
		line := func(n int) Row {
			return Row{
				"number": fmt.Sprintf("%s/%d", number, n), "date": day, "sender.code": payer.EDRPOU, "contract.number": "1/1", "contract.date": year + "-01-02",
				"subject": "Послуги за січень", "amount": "1250.00",
			}
		}
		return []Row{line(1), line(2).with("quantity", "12", "unit", "шт.")}
	}
	return nil
}

// CSV writes rows in the canonical CSV of a kind.
func CSV(k *kind.Kind, rows []Row) []byte {
	var b strings.Builder
	line := func(value func(f *kind.Field) string) {
		for i := range k.Fields {
			if i > 0 {
				b.WriteByte(';')
			}
			s := value(&k.Fields[i])
			if strings.ContainsAny(s, "\";\r\n") {
				s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			}
			b.WriteString(s)
		}
		b.WriteByte('\n')
	}
	line(func(f *kind.Field) string { return f.Column() })
	for _, r := range rows {
		line(func(f *kind.Field) string { return r[f.Path] })
	}
	return []byte(b.String())
}

// Table writes rows in the canonical DBF of a kind, in windows-1251.
func Table(k *kind.Kind, at time.Time, rows []Row) []byte {
	var fields []DBFField
	for i := range k.Fields {
		f := &k.Fields[i]
		t, length, decimals := f.DBFColumn()
		fields = append(fields, DBFField{Name: f.DBF, Type: t, Length: length, Decimals: decimals})
	}
	var list [][]string
	for _, r := range rows {
		var row []string
		for i := range k.Fields {
			s := r[k.Fields[i].Path]
			if k.Fields[i].Type == "date" {
				s = strings.ReplaceAll(s, "-", "")
			}
			row = append(row, s)
		}
		list = append(list, row)
	}
	return DBF(fields, 0xC9, charset.Windows1251, at, list)
}

// XML writes rows in the canonical XML of a kind.
func XML(k *kind.Kind, rows []Row) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"%s\">\n", k.Root, k.Namespace())
	group := func(name string, header bool, r Row) {
		any := false
		for i := range k.Fields {
			f := &k.Fields[i]
			if f.Header != header || r[f.Path] == "" {
				continue
			}
			if !any {
				fmt.Fprintf(&b, "  <%s>\n", name)
				any = true
			}
			fmt.Fprintf(&b, "    <%s>", f.Element())
			_ = xml.EscapeText(&b, []byte(r[f.Path])) // a buffer does not fail
			fmt.Fprintf(&b, "</%s>\n", f.Element())
		}
		if any {
			fmt.Fprintf(&b, "  </%s>\n", name)
		}
	}
	for i, r := range rows {
		if i == 0 {
			group(kind.HeadElement, true, r)
		}
		group(k.Line, false, r)
	}
	fmt.Fprintf(&b, "</%s>\n", k.Root)
	return b.Bytes()
}

// JPEG is a small grey picture.
func JPEG() []byte {
	m := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		return nil // a buffer does not fail, and the picture is one
	}
	return b.Bytes()
}

// Letter is a free letter dated the Kyiv day of at.
func Letter(at time.Time, number string) []byte {
	return []byte("Тема: Про уточнення рахунку\nНомер: " + number + "\nДата: " + formats.KyivDate(at) + "\n\nПросимо уточнити рахунок для надходжень.\n")
}

// Report is an electronic report of payer for the month before at, with its file
// name.
func Report(payer Payer, at time.Time) (name string, content []byte) {
	day := formats.KyivDate(at)
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "", nil
	}
	period := t.AddDate(0, 0, -t.Day())
	name = fmt.Sprintf("265500%sJ050010910000000011%s2655.xml", payer.EDRPOU, period.Format("012006"))
	s := fmt.Sprintf(`<?xml version="1.0" encoding="windows-1251"?>
<DECLAR xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="J0500109.xsd">
<DECLARHEAD>
<TIN>%s</TIN><C_DOC>J05</C_DOC><C_DOC_SUB>001</C_DOC_SUB><C_DOC_VER>9</C_DOC_VER><C_DOC_TYPE>0</C_DOC_TYPE><C_DOC_CNT>1</C_DOC_CNT>
<C_REG>26</C_REG><C_RAJ>55</C_RAJ><PERIOD_MONTH>%d</PERIOD_MONTH><PERIOD_TYPE>1</PERIOD_TYPE><PERIOD_YEAR>%d</PERIOD_YEAR>
<C_STI_ORIG>2655</C_STI_ORIG><C_DOC_STAN>1</C_DOC_STAN>
<LINKED_DOCS><DOC NUM="1" TYPE="2"><C_DOC>J05</C_DOC><C_DOC_SUB>511</C_DOC_SUB><FILENAME>додаток1.xml</FILENAME></DOC></LINKED_DOCS>
<D_FILL>%s</D_FILL><SOFTWARE>brama</SOFTWARE>
</DECLARHEAD>
<DECLARBODY><HNAME>Відділ освіти</HNAME><R01G3>100.00</R01G3></DECLARBODY>
</DECLAR>
`, payer.EDRPOU, int(period.Month()), period.Year(), t.Format("02012006"))
	return name, charset.Windows1251.Encode(s)
}
