package iso20022

import (
	"strconv"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
)

// statusReader reads pain.002.
type statusReader struct {
	*walk
	count    string // OrgnlNbOfTxs
	records  int
	entry    formats.Entry
	currency string
	refused  bool
	reasons  bool
}

// statuses are the codes that pain.002 may tell, of both generations.
var statuses = map[string]bool{
	"ACTC": true, "ACCP": true, "ACSP": true, "ACSC": true, "ACWC": true, "ACWP": true, "ACCC": true, "ACFC": true,
	"RCVD": true, "PDNG": true, "PART": true, "PATC": true, "RJCT": true, "CANC": true,
}

const txStatus = "OrgnlPmtInfAndSts/TxInfAndSts"

func (r *statusReader) start(path []byte, s *scanner) {
	switch {
	case string(path) == txStatus:
		r.records++
		r.full = r.records > maxSent
		r.entry = formats.Entry{Record: r.records}
	case strings.HasSuffix(string(path), "StsRsnInf"):
		r.reasons = true
	}
	r.currency, _ = s.attribute("Ccy")
}

func (r *statusReader) end(path []byte, text string) {
	text = strings.TrimSpace(text)
	p := string(path)
	switch p {
	case "OrgnlGrpInfAndSts/OrgnlMsgNmId":
		want := Pain001
		if r.message == Pain00203 {
			want = Pain00103
		}
		if text != want {
			r.report(ruleSentOf, 0, p, "Це відповідь не на "+want+".", "This does not answer a "+want+".")
		}
	case "OrgnlGrpInfAndSts/OrgnlNbOfTxs":
		r.count = text
	case "OrgnlGrpInfAndSts/GrpSts", "OrgnlPmtInfAndSts/PmtInfSts", txStatus + "/TxSts":
		record := 0
		if strings.HasPrefix(p, txStatus) {
			record = r.records
		}
		if !statuses[text] {
			r.report(ruleSentStatus, record, p, "Такого стану платежу немає в переліку ISO 20022.", "There is no such payment status in the code set of ISO 20022.")
		}
		r.refused = r.refused || text == "RJCT"
	case txStatus:
		r.entries = append(r.entries, r.entry)
	case txStatus + "/OrgnlEndToEndId":
		r.entry.Number, r.entry.EndToEndID = text, text
	case txStatus + "/OrgnlTxRef/Amt/InstdAmt":
		r.entry.Amount = r.money(r.records, p, text, r.currency)
	case txStatus + "/OrgnlTxRef/DbtrAcct/Id/IBAN", txStatus + "/OrgnlTxRef/CdtrAcct/Id/IBAN":
		if !ident.ValidIBAN(text) {
			r.report(ruleSentIBAN, r.records, p, "Рахунок не є правильним українським IBAN.", "The account is not a valid Ukrainian IBAN.")
		}
	default:
		r.header(p, text)
	}
}

// done says what only the whole message shows.
func (r *statusReader) done() {
	if n, err := strconv.Atoi(r.count); r.count != "" && (err != nil || r.records > n) {
		r.report(ruleSentCount, 0, "OrgnlGrpInfAndSts/OrgnlNbOfTxs", "Платежів у відповіді більше, ніж було в повідомленні.", "The report tells of more payments than the message had.")
	}
	if r.refused && !r.reasons {
		r.report(ruleSentReason, 0, "StsRsnInf", "Немає причини відхилення (RJCT).", "There is no reason of the refusal (RJCT).")
	}
}
