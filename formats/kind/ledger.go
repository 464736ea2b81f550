package kind

import (
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/money"
)

// The rules about what was accepted before of the same client. They are asked
// only where somebody can answer (formats.Context.Prior). IDs are never reused.
var (
	RuleDocument = Rule{ID: "REF-001", Title: "a document that is referred to was accepted before from the same client", Citation: "order 309 of 02.03.2012 (supporting documents; clause not verified); Brama, formats/kind"}
	RuleAccount  = Rule{ID: "REF-002", Title: "the commitment that is referred to was accepted before from the same client", Citation: "order 309 of 02.03.2012 (clause not verified); Brama, formats/kind"}
	RuleOpen     = Rule{ID: "REF-003", Title: "the amount is within what is open of the commitment", Citation: "order 309 of 02.03.2012 (clause not verified); Brama, formats/kind"}
	RuleNew      = Rule{ID: "REF-004", Title: "a commitment is registered once", Citation: "order 309 of 02.03.2012 (clause not verified); Brama, formats/kind"}
)

// Ledger holds the records of one document to what was accepted before.
type Ledger struct {
	Prior formats.Prior // nil: nothing is asked

	taken map[string]int64 // by the records before, in kopecks
}

type namedReport = func(r Rule, path string, m formats.Text)

// Identifiers are the references in a field: separated by commas or spaces.
func Identifiers(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == ';' })
}

// Documents holds the identifiers in the field at path to the documents accepted.
func (l *Ledger) Documents(path, ids string, report namedReport) {
	if l.Prior == nil {
		return
	}
	for _, id := range Identifiers(ids) {
		if !l.Prior.Document(id) {
			report(RuleDocument, path, formats.Text{
				UK: "Документа, на який є посилання, від вас не прийнято. Спершу надішліть його і вкажіть номер подання або SHA-256 з квитанції.",
				EN: "The document that is referred to has not been accepted from you. Send it first, and give the submission or the SHA-256 of its receipt.",
			})
			return
		}
	}
}

// Post holds the postings of a record to what is open.
func (l *Ledger) Post(postings []formats.Posting, report namedReport) {
	if l.Prior == nil {
		return
	}
	for _, p := range postings {
		open, ok := l.Prior.Open(p.Account)
		if p.Opens {
			if ok {
				report(RuleNew, p.Path, formats.Text{
					UK: "Зобов'язання з таким номером уже прийнято. Дайте новому інший номер або надішліть зміну до нього.",
					EN: "A commitment of that number was accepted before. Give the new one another number, or send a change of it.",
				})
				return
			}
			continue
		}
		if !ok {
			report(RuleAccount, p.Path, formats.Text{
				UK: "Зобов'язання з таким номером від вас не прийнято. Спершу зареєструйте його або виправте номер.",
				EN: "No commitment of that number has been accepted from you. Register it first, or mend the number.",
			})
			return
		}
		if l.taken == nil {
			l.taken = map[string]int64{}
		}
		if open -= l.taken[p.Account]; p.Amount < 0 && open+p.Amount < 0 {
			report(RuleOpen, "amount", formats.Textf(
				"Сума перевищує відкритий залишок зобов'язання: залишилося %s грн.", "The amount is more than what is open of the commitment: %s UAH are left.", money.Format(max(open, 0))))
			return
		}
		l.taken[p.Account] -= p.Amount
	}
}

// Accounts of a client's ledger. A budget commitment opens two: what financial
// commitments may be taken on under it, and what may be paid under it. A financial
// commitment takes of the first and opens one of its own for its payments.

// CommitmentAccount is what is open for financial commitments.
func CommitmentAccount(number string) string { return "commitment/" + number }

// PayableAccount is what is open for payments that name the budget commitment.
func PayableAccount(number string) string { return "payable/" + number }

// FinancialAccount is what is open for payments of a financial commitment.
func FinancialAccount(number string) string { return "financial/" + number }
