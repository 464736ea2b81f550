package payment

import (
	"slices"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

// Checker holds the orders of one file to the rules, as they come.
type Checker struct {
	kind.Run

	seen    kind.Seen // payer, day and number
	said    []string
	entries []formats.Entry
	ledger  *kind.Ledger
	order   Order

	// The rule and order of the moment, for the one function that rules report to.
	rule *formats.Rule[*Order]
	at   int
	tell func(path string, m formats.Text)
}

// Record is an empty order, good until the next call.
func (c *Checker) Record(place int) kind.Record {
	c.order = Order{Record: place}
	return &c.order
}

// End returns the entries of the orders that were checked.
func (c *Checker) End(bool) []formats.Entry { return c.entries }

// Check holds o to every rule that is in force at its date. Said are the paths
// about which the layout's reader has reported an error of this record already:
// nothing more is said of them.
func (c *Checker) Check(r kind.Record, said ...string) {
	o := r.(*Order)
	c.said = said
	if c.entries == nil && c.Expect > 0 {
		c.entries = make([]formats.Entry, 0, min(c.Expect, kind.MaxExpect))
	}
	c.entries = append(c.entries, o.Entry())
	if c.tell == nil {
		c.tell = func(path string, m formats.Text) { c.report(c.rule.ID, c.rule.Severity, c.at, path, m) }
	}
	c.at = o.Record
	for i := range Rules {
		c.rule = &Rules[i]
		if c.rule.InForce(o.Date) {
			c.rule.Check(c.Context, o, c.tell)
		}
	}
	c.unique(o)
	if c.Context.Prior != nil {
		c.before(o)
	}
}

// before holds o to what was accepted before.
func (c *Checker) before(o *Order) {
	if c.ledger == nil {
		c.ledger = &kind.Ledger{Prior: c.Context.Prior}
	}
	named := func(r kind.Rule, path string, m formats.Text) { c.report(r.ID, r.Severity, o.Record, path, m) }
	c.ledger.Documents("documents", o.Documents, named)
	c.ledger.Post(o.postings(), named)
}

func (c *Checker) report(id string, s formats.Severity, record int, path string, m formats.Text) {
	if slices.Contains(c.Absent, path) || slices.Contains(c.said, path) {
		return
	}
	field := path
	if c.Field != nil {
		field = c.Field(path)
	}
	c.Add(formats.Finding{Rule: id, Severity: s, Record: record, Field: field, Path: path, Message: m})
}

// RuleUnique is the one rule about a file: a number is unique for a payer and a day.
var RuleUnique = formats.Rule[*Order]{
	ID:       "PO-060",
	Title:    "the number is unique for one payer and one day inside a file",
	Citation: "documented rule of a client-bank layout (CORP2: number unique in the file); Brama, formats/payment",
}

func (c *Checker) unique(o *Order) {
	if o.Number == "" {
		return
	}
	if first, twice := c.seen.Before(o.Record, o.Payer.IBAN, o.Payer.Code, o.Date, o.Number); twice {
		c.report(RuleUnique.ID, RuleUnique.Severity, o.Record, "number", formats.Textf(
			"Такий самий номер того самого дня вже має запис %d. Дайте кожній інструкції свій номер.",
			"Record %d of the same day has this number already. Give each instruction its own number.", first))
	}
}

// Entry is what other parts of the gateway must know of an order.
func (o *Order) Entry() formats.Entry {
	return formats.Entry{
		Record: o.Record, Number: o.Number, Date: o.Date, Amount: o.Amount,
		Postings: o.postings(), PaymentID: o.PaymentID, EndToEndID: o.EndToEndID, Instructed: o.Instructed,
	}
}

// postings take the amount from what is open of the commitments that are named.
func (o *Order) postings() []formats.Posting {
	var list []formats.Posting
	if o.Commitment != "" {
		list = append(list, formats.Posting{Account: kind.PayableAccount(o.Commitment), Amount: -o.Amount, Path: "commitment"})
	}
	if o.FinancialCommitment != "" {
		list = append(list, formats.Posting{Account: kind.FinancialAccount(o.FinancialCommitment), Amount: -o.Amount, Path: "financial_commitment"})
	}
	return list
}
