package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/commitment"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/money"
	"github.com/brama-gateway/brama/formats/sample"
	"github.com/brama-gateway/brama/gateway"
	"github.com/brama-gateway/brama/gateway/gatewaytest"
)

// everyKind lets the client send documents of every kind.
func everyKind(r *gatewaytest.Rig) {
	e := gatewaytest.Entry()
	e.Kinds = nil
	for _, k := range formats.Inbound {
		e.Kinds = append(e.Kinds, string(k))
	}
	r.Apply(e)
}

// register is a signed document of a kind; each row is changed by edit.
func register(r *gatewaytest.Rig, k *kind.Kind, number string, edit func(i int, row sample.Row)) []byte {
	rows := sample.Rows(k.ID, sample.DemoPayer(), r.Clock.Now(), number)
	for i, row := range rows {
		if edit != nil {
			edit(i, row)
		}
	}
	return r.Signed(sample.CSV(k, rows))
}

// paid is a signed file of one payment in canonical CSV.
func paid(r *gatewaytest.Rig, number int, kopecks int64, commitment, documents string) []byte {
	o := sample.Orders(sample.DemoPayer(), r.Clock.Now(), number, 1)[0]
	line := []string{o.Number, o.Date, money.Format(kopecks), o.Payer.Name, o.Payer.Code, o.Payer.IBAN, o.Payee.Name, o.Payee.Code, o.Payee.IBAN, "За послуги", commitment, documents}
	return r.Signed([]byte("number;date;amount;payer_name;payer_code;payer_iban;payee_name;payee_code;payee_iban;purpose;commitment;documents\n" + strings.Join(line, ";") + "\n"))
}

func TestLedger(t *testing.T) {
	r := stage(t)
	everyKind(r)
	scan := sample.PDF("Invoice No 1")
	sum := sha256.Sum256(scan)
	id := hex.EncodeToString(sum[:])
	with := func(documents string) func(int, sample.Row) {
		return func(_ int, row sample.Row) { row["documents"] = documents }
	}
	send := func(name string, b []byte, outcome gateway.Outcome, want ...string) gateway.Receipt {
		t.Helper()
		r.Send(name+".p7s", b)
		got := r.Receipt(name+".p7s", 1)
		expect(t, got, outcome, want...)
		return got
	}
	unknown := send("F1.CSV", register(r, commitment.FinancialRegister, "1", with(id)), gateway.Rejected, "REF-001", "REF-002", "REF-001", "REF-002")
	if f := unknown.Findings[1]; f.Record != 1 || f.Field != "commitment" {
		t.Errorf("%+v", f)
	}
	send("R1.CSV", register(r, commitment.Register, "1", nil), gateway.Accepted)
	send("R2.CSV", register(r, commitment.Register, "1", nil), gateway.Duplicate, "DUP-001")
	send("R3.CSV", register(r, commitment.Register, "2", func(i int, row sample.Row) { row["commitment"] = fmt.Sprintf("1-%d", i+1) }), gateway.Rejected, "REF-004", "REF-004")
	send("F2.CSV", register(r, commitment.FinancialRegister, "2", with(id)), gateway.Rejected, "REF-001", "REF-001")
	pdf := send("A.PDF", r.Signed(scan), gateway.Accepted)
	send("F3.CSV", register(r, commitment.FinancialRegister, "1", with(id+", "+pdf.Submission.String())), gateway.Accepted)
	send("F4.CSV", register(r, commitment.FinancialRegister, "1", with(id+", "+pdf.Submission.String())), gateway.Duplicate, "DUP-001")

	// 100 000,00 was registered and nothing is paid yet.
	over := send("P1.CSV", paid(r, 1, 100_000_01, "1-1", ""), gateway.Rejected, "REF-003")
	if f := over.Findings[0]; f.Record != 1 || !strings.Contains(f.Message.EN, "100000.00 UAH") {
		t.Errorf("%+v", f)
	}
	send("P2.CSV", paid(r, 2, 60_000_00, "1-1", id), gateway.Accepted)
	send("P3.CSV", paid(r, 2, 60_000_00, "1-1", id), gateway.Duplicate, "DUP-001")
	send("P4.CSV", paid(r, 4, 40_000_01, "1-1", ""), gateway.Rejected, "REF-003")
	send("P5.CSV", paid(r, 5, 1_00, "9-9", ""), gateway.Rejected, "REF-002")

	// What the processor returns is open again.
	for _, l := range r.Lease(100) {
		a := gateway.Answer{Outcome: gateway.Processed}
		if l.Submission.Document == "P2.CSV.p7s" {
			a = gateway.Answer{Outcome: gateway.Returned, Reason: "Рахунок закрито"}
		}
		r.Answer(l, a)
	}
	send("P6.CSV", paid(r, 6, 100_000_00, "1-1", ""), gateway.Accepted)
	send("P7.CSV", paid(r, 7, 1, "1-1", ""), gateway.Rejected, "REF-003")

	// A change of the commitment opens more.
	send("R4.CSV", register(r, commitment.Register, "4", func(i int, row sample.Row) {
		row["operation"], row["commitment"], row["amount"], row["prepayment"] = "change", fmt.Sprintf("1-%d", i+1), []string{"0.02", "-0.01"}[i], ""
		row["total"] = "0.01"
	}), gateway.Accepted)
	send("P8.CSV", paid(r, 8, 2, "1-1", ""), gateway.Accepted)
	send("P9.CSV", paid(r, 9, 1, "1-1", ""), gateway.Rejected, "REF-003")
}

// Payments that together exceed what is open arrive at once: as many are accepted
// as it covers, whoever examines them first; and the register that came just
// before them counts.
func TestLedgerAtOnce(t *testing.T) {
	r := stage(t)
	everyKind(r)
	r.Upload("R.CSV.p7s", register(r, commitment.Register, "1", nil))
	const n = 12
	for i := range n {
		r.Upload(fmt.Sprintf("P%d.CSV.p7s", i), paid(r, i+1, 30_000_00, "1-1", ""))
	}
	r.Run()
	accepted := 0
	for i := range n {
		name := fmt.Sprintf("P%d.CSV.p7s", i)
		r.Await("the receipt", func() bool { return r.Has("/receipts/" + name + ".receipt1.json") })
		switch got := r.Receipt(name, 1); got.Outcome {
		case gateway.Accepted:
			accepted++
		default:
			expect(t, got, gateway.Rejected, "REF-003")
		}
	}
	if accepted != 3 {
		t.Errorf("%d payments of 30 000 under a commitment of 100 000", accepted)
	}
}
