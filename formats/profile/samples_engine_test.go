package profile

import (
	"encoding/json"

	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/sample"
)

func ukrexim(language byte, page *charset.Page, orders []payment.Order) []byte {
	fields := []sample.DBFField{
		c("D_NUMBER", 10), d("D_DATE"), c("S_NAME", 38), c("S_OKPO", 12), c("S_BANK", 38), c("S_MFO", 9), c("S_ACOUNT", 29),
		c("R_NAME", 38), c("R_OKPO", 12), c("R_BANK", 38), c("R_MFO", 9), c("R_ACOUNT", 29), c("CURRENCY", 3),
		n("SUMMA", 20, 4), n("C_SUMMA", 20, 4), c("DIRECT", 160), d("PAY_DATE"),
	}
	return table(3, language, page, fields, orders, func(o payment.Order) []string {
		return []string{
			o.Number, compact(o.Date), o.Payer.Name, o.Payer.Code, o.Payer.Bank, "000" + o.Payer.MFO, o.Payer.IBAN[15:],
			o.Payee.Name, o.Payee.Code, o.Payee.Bank, "000" + o.Payee.MFO, o.Payee.IBAN, "980",
			money.Format(o.Amount) + "00", "0.0000", o.Purpose, compact(o.ValueDate),
		}
	})
}

func canonicalDBF(orders []payment.Order) []byte {
	fields := []sample.DBFField{
		c("NUMBER", 35), d("DATE"), d("VALUEDATE"), n("AMOUNT", 18, 0), c("CURRENCY", 3),
		c("PAYERNAME", 140), c("PAYERCODE", 10), c("PAYERIBAN", 29), c("PAYEENAME", 140), c("PAYEECODE", 10), c("PAYEEIBAN", 29),
		c("PURPOSE", 253), c("PURPOSE2", 167), c("PURPCODE", 3), c("KEKV", 4), c("KPKVK", 7), c("KKDB", 8), c("BUDGET", 10),
	}
	return table(3, 0xC9, charset.Windows1251, fields, orders, func(o payment.Order) []string {
		first, second := o.Purpose, ""
		if r := []rune(o.Purpose); len(r) > 253 {
			first, second = string(r[:253]), string(r[253:])
		}
		return []string{
			o.Number, compact(o.Date), compact(o.ValueDate), kopecks(o), "UAH", o.Payer.Name, o.Payer.Code, o.Payer.IBAN,
			o.Payee.Name, o.Payee.Code, o.Payee.IBAN, first, second, "", "2273", "", "", "9900000000",
		}
	})
}

func canonicalJSON(orders []payment.Order) []byte {
	type party struct {
		Name string `json:"name"`
		Code string `json:"code"`
		IBAN string `json:"iban"`
		MFO  string `json:"mfo,omitempty"`
	}
	type doc struct {
		Number  string      `json:"number"`
		Date    string      `json:"date"`
		Amount  json.Number `json:"amount"`
		Payer   party       `json:"payer"`
		Payee   party       `json:"payee"`
		Purpose string      `json:"purpose"`
		KEKV    string      `json:"kekv"`
		Bank    *string     `json:"value_date"`
	}
	of := func(p payment.Party) party { return party{p.Name, p.Code, p.IBAN, p.MFO} }
	list := []doc{}
	for _, o := range orders {
		list = append(list, doc{o.Number, o.Date, json.Number(money.Format(o.Amount)), of(o.Payer), of(o.Payee), o.Purpose, "2273", nil})
	}
	b, err := json.MarshalIndent(map[string]any{"documents": list}, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// engineFiles are the samples of layouts that the readers of their own need.
func engineFiles(orders, bad []payment.Order) map[string][]byte {
	long := append([]payment.Order{}, orders...)
	long[0].Purpose = "За послуги "
	for len([]rune(long[0].Purpose)) < 400 {
		long[0].Purpose += "зв'язку й доставки, "
	}
	return map[string][]byte{
		"ua.ukrexim.payment-order.pass.dbf":      ukrexim(0x26, charset.CP866, orders),
		"ua.ukrexim.payment-order.fail.dbf":      swap(ukrexim(0x00, charset.CP866, bad), "100.0100", "100.0150"),
		"ua.ukrexim.payment-order-1251.pass.dbf": ukrexim(0xC9, charset.Windows1251, orders),
		"ua.ukrexim.payment-order-1251.fail.dbf": ukrexim(0x57, charset.CP866, bad),
		"brama.payment-order.gw.pass.dbf":        canonicalDBF(long),
		"brama.payment-order.gw.fail.dbf":        canonicalDBF(bad),
		"brama.payment-order.json.pass.json":     canonicalJSON(orders),
		"brama.payment-order.json.fail.json":     swap(swap(canonicalJSON(bad), `"amount": 100.01`, `"amount": 1.0001e2`), `"kekv": "2273"`, `"kekv": "2273", "number": "1"`),
	}
}
