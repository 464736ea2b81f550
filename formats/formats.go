// Package formats holds what the gateway knows of documents: their kinds, the
// layouts they come in, and the rules they must keep. It is pure: a document
// comes in as a reader, findings go out; nothing here opens a file, asks the
// clock or knows of signatures, clients' keys or queues.
//
// A layout (DBF, XML, ...) is read by one of the packages below into the
// canonical type of its kind (package payment, ...); the rules of the kind are
// then checked on that type, whatever it was read from. Package profile chooses
// the layout and is the way in.
package formats

import (
	"fmt"
	"time"
)

// Kind is a sort of document, spelled as in the registers and receipts.
type Kind string

// The kinds.
const (
	PaymentInstruction Kind = "payment_instruction" // платіжна інструкція
	SupportingDocument Kind = "supporting_document" // підтвердний документ
	Statement          Kind = "statement"           // виписка

	CommitmentRegister          Kind = "commitment_register"           // реєстр бюджетних зобов'язань
	FinancialCommitmentRegister Kind = "financial_commitment_register" // реєстр бюджетних фінансових зобов'язань
	Schedule                    Kind = "schedule"                      // розпис, річний або помісячний
	ScheduleChange              Kind = "schedule_change"               // зміни до розпису
	Estimate                    Kind = "estimate"                      // кошторис
	EstimateChange              Kind = "estimate_change"               // довідка про зміни до кошторису
	AllotmentPlan               Kind = "allotment_plan"                // план асигнувань
	AllocationDistribution      Kind = "allocation_distribution"       // розподіл відкритих асигнувань
	Memorial                    Kind = "memorial"                      // меморіальний документ
	Network                     Kind = "network"                       // мережа розпорядників
	SpenderRegister             Kind = "spender_register"              // єдиний реєстр розпорядників
	Contract                    Kind = "contract"                      // договір для порталу відкритого бюджету
	Act                         Kind = "act"                           // акт для порталу відкритого бюджету
	TaxReport                   Kind = "report"                        // електронний звіт
	Letter                      Kind = "letter"                        // лист
)

// Severity of a finding. The zero value refuses the document.
type Severity uint8

// The severities.
const (
	Error   Severity = iota // the document is refused
	Warning                 // it is taken; somebody should look
	Info
)

var severities = [...]string{Error: "error", Warning: "warning", Info: "info"}

// String is how receipts spell the severity.
func (s Severity) String() string {
	if int(s) < len(severities) {
		return severities[s]
	}
	return severities[Error]
}

// MarshalText writes "error", "warning" or "info".
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(text []byte) error {
	for v, name := range severities {
		if name == string(text) {
			*s = Severity(v)
			return nil
		}
	}
	*s = Error
	return fmt.Errorf("severity %q: want error, warning or info", text)
}

// Text is one message in the languages that Brama speaks.
type Text struct {
	UK string `json:"uk"`
	EN string `json:"en"`
}

// In returns the text in language lang ("uk" or "en"; anything else is Ukrainian).
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.UK
}

// Where is the place of a finding.
type Where struct {
	Record int    // from 1; 0 is the whole file
	Field  string // name in the source layout
	Path   string // canonical name, as payee.iban
}

// Finding is one thing that is wrong, or worth saying, about a document.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Record   int      `json:"record,omitempty"`
	Field    string   `json:"field,omitempty"`
	Path     string   `json:"path,omitempty"`
	Message  Text     `json:"message"`
}

// ProfileRef names the exact layout description that a document was read with.
type ProfileRef struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256"` // of the profile's own text, lower-case hex
}

// Entry is one business document inside a file, as far as other parts of the
// gateway must know it: for the duplicate index, status lists and answers.
type Entry struct {
	Record int    `json:"record"` // from 1
	Number string `json:"number"`
	Date   string `json:"date"`   // ISO 8601
	Amount int64  `json:"amount"` // kopecks; 0 where the kind has none

	Postings []Posting `json:"postings,omitempty"` // what its acceptance does to the sender's ledger

	// What an ISO 20022 answer must quote; empty for other layouts.
	PaymentID  string `json:"paymentId,omitempty"`     // PmtInfId
	EndToEndID string `json:"endToEndId,omitempty"`    // EndToEndId
	Instructed string `json:"instructionId,omitempty"` // InstrId
}

// Message is what an ISO 20022 answer must quote of the whole message.
type Message struct {
	Name  string `json:"name"`            // pain.001.001.09
	ID    string `json:"id"`              // MsgId
	Count string `json:"count,omitempty"` // NbOfTxs as written
	Sum   string `json:"sum,omitempty"`   // CtrlSum as written
}

// Report is the result of checking one document. The zero value refuses:
// nothing was recognised.
type Report struct {
	Recognised bool // a layout was found and read, with or without findings
	Kind       Kind
	Profile    ProfileRef
	Findings   []Finding // in the order of the file, at most Limits.Findings
	More       int       // findings that were counted and not kept
	Entries    []Entry
	Message    *Message // for ISO 20022 only
}

// OK says whether the document holds: it was recognised and nothing refuses it.
func (r *Report) OK() bool {
	if !r.Recognised || r.More > 0 { // only errors are counted past the limit
		return false
	}
	for _, f := range r.Findings {
		if f.Severity == Error {
			return false
		}
	}
	return true
}

// Owner is what a rule may know of the client that sends a document.
type Owner struct {
	EDRPOU   string   // 8 digits
	Accounts []string // IBANs it may pay from; empty: not checked
}

// Context is what the rules need besides the document.
type Context struct {
	At    time.Time // the moment of the check; rules about dates use it in Kyiv time
	Owner *Owner    // nil when only the format is checked
	Lists Lists     // the classifiers of the moment; nil: none
	Prior Prior     // nil: what was accepted before is not asked
}

// Lists are code lists with the days on which a code is in force.
type Lists interface {
	// Contains says whether code is in force in a list on day (ISO 8601; empty:
	// ever); known is false when there is no such list.
	Contains(list, code, day string) (in, known bool)
}

// Prior answers what was accepted before of the client that sends a document.
type Prior interface {
	// Document says whether the client has an accepted document under an
	// identifier: the submission, or the SHA-256 of the document.
	Document(id string) bool
	// Open is what is open of an account of the client's ledger, in kopecks; ok is
	// false if no accepted document has opened it.
	Open(account string) (open int64, ok bool)
}

// Posting is what an accepted record does to its sender's ledger. An account is a
// word of the kinds', as "commitment/17".
type Posting struct {
	Account string `json:"account"`
	Amount  int64  `json:"amount"`          // kopecks; less than 0 uses what is open
	Opens   bool   `json:"opens,omitempty"` // the account is a new one
	Path    string `json:"-"`               // the field that names the account
}
