package profile

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/sample"
)

func c(name string, length int) sample.DBFField {
	return sample.DBFField{Name: name, Type: 'C', Length: length}
}

func n(name string, length, decimals int) sample.DBFField {
	return sample.DBFField{Name: name, Type: 'N', Length: length, Decimals: decimals}
}

func d(name string) sample.DBFField { return sample.DBFField{Name: name, Type: 'D', Length: 8} }

func compact(day string) string { return strings.ReplaceAll(day, "-", "") }

// dotted is dd.mm.yyyy.
func dotted(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("02.01.2006")
}

func kopecks(o payment.Order) string { return strconv.FormatInt(o.Amount, 10) }

// table writes a sample of a layout in DBF.
func table(version, language byte, page *charset.Page, fields []sample.DBFField, orders []payment.Order, row func(payment.Order) []string) []byte {
	var rows [][]string
	for _, o := range orders {
		rows = append(rows, row(o))
	}
	b := sample.DBF(fields, language, page, january.At, rows)
	b[0] = version
	return b
}

func oshchad2019(language byte, page *charset.Page, orders []payment.Order) []byte {
	fields := []sample.DBFField{c("ndoc", 10), d("dt"), d("dv"), c("acccli", 29), c("acccor", 29), c("okpocor", 14), c("namecor", 38), n("summa", 20, 0), n("val", 4, 0), c("nazn", 160), n("cod_cor", 4, 0)}
	return table(3, language, page, fields, orders, func(o payment.Order) []string {
		return []string{o.Number, compact(o.Date), compact(o.ValueDate), o.Payer.IBAN, o.Payee.IBAN, o.Payee.Code, o.Payee.Name, kopecks(o), "980", o.Purpose, "804"}
	})
}

func corp2(language byte, page *charset.Page, today string, orders []payment.Order) []byte {
	fields := []sample.DBFField{c("kb_a", 12), c("kk_a", 29), c("kb_b", 12), c("kk_b", 29), n("d_k", 1, 0), n("summa", 20, 0), n("vid", 3, 0), c("ndoc", 10), n("i_va", 4, 0), d("da"), d("da_doc"), c("nk_a", 38), c("nk_b", 38), c("nazn", 160), c("kod_a", 14), c("kod_b", 14)}
	return table(3, language, page, fields, orders, func(o payment.Order) []string {
		return []string{o.Payer.MFO, o.Payer.IBAN, o.Payee.MFO, o.Payee.IBAN, "1", kopecks(o), "1", o.Number, "980", today, compact(o.Date), o.Payer.Name, o.Payee.Name, o.Purpose, o.Payer.Code, o.Payee.Code}
	})
}

func pumb(language byte, page *charset.Page, orders []payment.Order) []byte {
	fields := []sample.DBFField{c("DAY", 10), c("NUMBER", 10), c("A", 38), c("B", 38), c("OKPO_A", 14), c("OKPO_B", 14), c("ACCOUNT_A", 29), c("ACCOUNT_B", 29), c("BANK_A", 38), c("BANK_B", 38), c("MFO_A", 9), c("MFO_B", 9), c("CITY_A", 3), c("CITY_B", 3), c("AMOUNT", 18), c("DETAILS", 160), c("GUILTY", 50), c("DETAILS_T", 50)}
	return table(0x83, language, page, fields, orders, func(o payment.Order) []string {
		return []string{dotted(o.Date), o.Number, o.Payer.Name, o.Payee.Name, o.Payer.Code, o.Payee.Code, o.Payer.IBAN, o.Payee.IBAN, o.Payer.Bank, o.Payee.Bank, o.Payer.MFO, o.Payee.MFO, "804", "804", money.Format(o.Amount), o.Purpose, "Бухгалтер", ""}
	})
}

func jbklSnd(orders []payment.Order) []byte {
	fields := []sample.DBFField{n("TIP", 1, 0), n("N_D", 10, 0), d("DATE"), n("SUMMA", 15, 2), c("NAME_A", 40), n("COUNT_A", 16, 0), n("MFO_A", 9, 0), n("KSCH_A", 16, 0), c("BANK_A", 45), c("NAME_B", 40), n("MFO_B", 9, 0), n("COUNT_B", 16, 0), n("KSCH_B", 16, 0), c("BANK_B", 45), c("N_P", 160), c("VAL", 4), c("PACKET", 1), c("USER", 20), c("K_S", 6), n("OKPO_A", 10, 0), n("OKPO_B", 10, 0), c("SKP", 2), c("SOURCE", 12), c("OI", 3)}
	return table(3, 0, charset.Windows1251, fields, orders, func(o payment.Order) []string {
		return []string{"1", o.Number, compact(o.Date), money.Format(o.Amount), o.Payer.Name, o.Payer.IBAN[15:], o.Payer.MFO, "", "", o.Payee.Name, o.Payee.MFO, o.Payee.IBAN[15:], "", "", o.Purpose, "UAH", "", "", "", o.Payer.Code, o.Payee.Code, "", "", ""}
	})
}

// put writes s into a place of a line, at one of its sides.
func put(line []byte, at, length int, right bool, page *charset.Page, s string) {
	b := page.Encode(s)
	b = b[:min(len(b), length)]
	if right {
		at += length - len(b)
	}
	copy(line[at-1:], b)
}

// sepAB writes information lines of 594 bytes.
func sepAB(orders []payment.Order) []byte {
	var file []byte
	for _, o := range orders {
		line := []byte(strings.Repeat(" ", 592) + "\r\n")
		right := func(at, length int, s string) { put(line, at, length, true, charset.CP866, s) }
		left := func(at, length int, s string) { put(line, at, length, false, charset.CP866, s) }
		day := compact(o.Date)[2:]
		right(1, 9, o.Payer.MFO)
		right(10, 14, o.Payer.IBAN[15:])
		right(24, 9, o.Payee.MFO)
		right(33, 14, o.Payee.IBAN[15:])
		right(47, 1, "1")
		right(48, 16, kopecks(o))
		right(64, 2, "1")
		left(66, 10, o.Number)
		left(76, 3, "980")
		left(79, 6, day)
		left(85, 6, day)
		left(91, 38, o.Payer.Name)
		left(129, 38, o.Payee.Name)
		left(167, 160, o.Purpose)
		right(392, 14, o.Payer.Code)
		right(406, 14, o.Payee.Code)
		right(420, 9, o.Number)
		file = append(file, line...)
	}
	return file
}

func ibank2(orders []payment.Order) []byte {
	s := "Content-Type=doc/ua_payment\r\n\r\n"
	for _, o := range orders {
		for _, kv := range [][2]string{
			{"DATE_DOC", dotted(o.Date)},
			{"NUM_DOC", o.Number},
			{"AMOUNT", money.Format(o.Amount)},
			{"CLN_NAME", o.Payer.Name},
			{"CLN_OKPO", o.Payer.Code},
			{"CLN_ACCOUNT", o.Payer.IBAN},
			{"CLN_BANK_MFO", o.Payer.MFO},
			{"RCPT_NAME", o.Payee.Name},
			{"RCPT_OKPO", o.Payee.Code},
			{"RCPT_ACCOUNT", o.Payee.IBAN},
			{"RCPT_BANK_NAME", o.Payee.Bank},
			{"RCPT_BANK_MFO", o.Payee.MFO},
			{"PAYMENT_DETAILS", o.Purpose},
		} {
			s += kv[0] + "=" + kv[1] + "\r\n"
		}
		s += "\r\n"
	}
	return charset.Windows1251.Encode(s)
}

func stil(orders []payment.Order) []byte {
	s := ""
	for _, o := range orders {
		for _, kv := range [][2]string{
			{"Номер", o.Number},
			{"Дата", strings.ReplaceAll(dotted(o.Date), ".", "/")},
			{"Валюта", "980"},
			{"Свой Счет", o.Payer.IBAN},
			{"Свое МФО", o.Payer.MFO},
			{"Клиент", o.Payee.Name},
			{"ОКПО", o.Payee.Code},
			{"Счет", o.Payee.IBAN},
			{"МФО", o.Payee.MFO},
			{"Сумма", money.Format(o.Amount)},
			{"Назнач.", o.Purpose},
		} {
			key := []rune(kv[0] + ":         ")
			s += string(key[:10]) + kv[1] + "\r\n"
		}
		s += "----------\r\n"
	}
	return charset.Windows1251.Encode(s)
}

func ukrsoc(orders []payment.Order) []byte {
	s := ""
	for i, o := range orders {
		s += strings.Join([]string{
			strconv.Itoa(i + 1), "0", o.Payer.MFO, o.Payer.IBAN[15:], o.Payer.Code, o.Payee.MFO, o.Payee.IBAN, o.Payee.Code,
			dotted(o.Date), o.Number, o.Payer.Name, o.Payee.Name, money.Format(o.Amount), "", "", o.Purpose, "", "F", "0",
		}, "|") + "\r\n"
	}
	return charset.CP866.Encode(s)
}

func canonicalCSV(orders []payment.Order) []byte {
	s := "number;date;value_date;amount;currency;payer_name;payer_code;payer_iban;payer_bank_id;payee_name;payee_code;payee_iban;payee_bank_id;payee_bank;purpose;kekv;budget\n"
	for _, o := range orders {
		s += strings.Join([]string{
			o.Number, o.Date, o.ValueDate, money.Format(o.Amount), "UAH", o.Payer.Name, o.Payer.Code, o.Payer.IBAN, o.Payer.MFO,
			`"` + o.Payee.Name + `"`, o.Payee.Code, o.Payee.IBAN, o.Payee.MFO, o.Payee.Bank, `"` + o.Purpose + `"`, "2273", "9900000000",
		}, ";") + "\n"
	}
	return []byte(s)
}

// pain03 makes a pain.001.001.03 of the later message.
func pain03(b []byte) []byte {
	return []byte(strings.NewReplacer("pain.001.001.09", "pain.001.001.03", "<ReqdExctnDt><Dt>", "<ReqdExctnDt>", "</Dt></ReqdExctnDt>", "</ReqdExctnDt>").Replace(string(b)))
}

// swap changes the first place where from stands.
func swap(b []byte, from, to string) []byte {
	return []byte(strings.Replace(string(b), from, to, 1))
}

// layoutFiles are the samples of the layouts of banks.
func layoutFiles(orders, bad []payment.Order) map[string][]byte {
	const today, later = "20260115", "20260126"
	return map[string][]byte{
		"ua.oshchad.payment-order-2019.pass.dbf":       oshchad2019(0xC9, charset.Windows1251, orders),
		"ua.oshchad.payment-order-2019.fail.dbf":       oshchad2019(0xC9, charset.Windows1251, bad),
		"ua.oshchad.payment-order-2019-cp866.pass.dbf": oshchad2019(0x65, charset.CP866, orders),
		"ua.oshchad.payment-order-2019-cp866.fail.dbf": oshchad2019(0x65, charset.CP1125, orders),
		"ua.bars.corp2.pass.dbf":                       corp2(0xC9, charset.Windows1251, today, orders),
		"ua.bars.corp2.fail.dbf":                       corp2(0xC9, charset.Windows1251, later, bad),
		"ua.bars.corp2-cp866.pass.dbf":                 corp2(0x65, charset.CP866, today, orders),
		"ua.bars.corp2-cp866.fail.dbf":                 corp2(0x65, charset.CP866, "20260114", orders),
		"ua.pumb.payment-order.pass.dbf":               pumb(0x26, charset.CP866, orders),
		"ua.pumb.payment-order.fail.dbf":               pumb(0x26, charset.CP1125, bad),
		"ua.pumb.payment-order-cp1125.pass.dbf":        pumb(0x00, charset.CP1125, orders),
		"ua.pumb.payment-order-cp1125.fail.dbf":        pumb(0x00, charset.CP1125, bad),
		"ua.nbu.sep-ab.pass.dat":                       sepAB(orders),
		"ua.nbu.sep-ab.fail.dat":                       swap(swap(sepAB(bad), "   10001", "10001   "), "980260115", "980260230"),
		"ua.ibank2.ua-payment.pass.txt":                ibank2(orders),
		"ua.ibank2.ua-payment.fail.txt":                swap(swap(ibank2(bad), "AMOUNT=100.01", "AMOUNT=100,01"), "NUM_DOC=1\r\n", "NUM_DOC=1\r\nTYPE=1\r\n"),
		"ua.stil.payment-order.pass.txt":               stil(orders),
		"ua.stil.payment-order.fail.txt":               swap(stil(bad), "980\r\n", "\x98\r\n"),
		"ua.ukrsoc.c-epd.pass.txt":                     ukrsoc(orders),
		"ua.ukrsoc.c-epd.fail.txt":                     swap(swap(ukrsoc(bad), "|F|", "|T|"), "|820172|", "||"),
		"brama.payment-order.csv.pass.csv":             canonicalCSV(orders),
		"brama.payment-order.csv.fail.csv":             swap(swap(canonicalCSV(bad), "100.01", "100.015"), ";2273;", ";227;"),
		"ua.privat.jbkl-snd.fail.dbf":                  jbklSnd(orders),
	}
}

// BenchmarkCheck reads and checks whole files: 5000 payments.
func BenchmarkCheck(b *testing.B) {
	orders := sample.Orders(sample.DemoPayer(), january.At, 1, 5000)
	for name, doc := range map[string][]byte{
		"fixed": sepAB(orders), "keyvalue": ibank2(orders), "keyed": stil(orders), "delimited": canonicalCSV(orders), "dbf": corp2(0xC9, charset.Windows1251, "20260115", orders),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if r := Builtin().Check(january, Options{}, section(doc)); !r.OK() || len(r.Entries) != 5000 {
					b.Fatal(r.Findings)
				}
			}
		})
	}
}
