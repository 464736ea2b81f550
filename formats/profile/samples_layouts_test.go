package profile

import (
	"strconv"
	"strings"
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
		"ua.privat.jbkl-snd.fail.dbf":                  jbklSnd(orders),
	}
}
