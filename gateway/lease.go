package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/spool"
)

// Errors that a processor tells apart.
var (
	// ErrLease is returned for a lease that is unknown or over.
	ErrLease = errors.New("lease unknown or over")
	// ErrAnswer is returned when a different answer was given already. The same
	// answer again is no error.
	ErrAnswer = errors.New("answered differently already")
	// ErrKey is returned for a statement whose key was given before with another
	// content: one of the two would be lost.
	ErrKey = errors.New("key used before for another statement")
	// ErrAnswerForm is returned for an answer that is not one: an unknown outcome,
	// a reason that is missing or too long.
	ErrAnswerForm = errors.New("not an answer")
)

// RefusedError is returned for a statement that does not hold; nothing of it was kept.
type RefusedError struct {
	Findings []formats.Finding
}

func (e *RefusedError) Error() string {
	switch more := len(e.Findings) - 1; more {
	case -1:
		return "statement refused"
	case 0:
		return "statement refused: " + e.Findings[0].Rule
	case 1:
		return "statement refused: " + e.Findings[0].Rule + " and 1 more finding"
	default:
		return fmt.Sprintf("statement refused: %s and %d more findings", e.Findings[0].Rule, more)
	}
}

// Outcome is what became of a document, as receipts say it.
type Outcome string

// The outcomes. Accepted, Rejected and Duplicate are answers of receipt 1,
// Processed and Returned of receipt 2; Held is a notice, not an answer.
const (
	Accepted  Outcome = "accepted"
	Rejected  Outcome = "rejected"
	Held      Outcome = "held"
	Duplicate Outcome = "duplicate"
	Processed Outcome = "processed"
	Returned  Outcome = "returned"

	// What a processor may say besides: give it back for later, or to the operator.
	Retry Outcome = "retry"
	Dead  Outcome = "dead"
)

// Part is a file of a submission, as the processor and the operator see it.
type Part struct {
	Name   string `json:"name"`
	Role   string `json:"role"` // document, signature, container, canonical, receipt
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Submission is what the gateway tells of one, outside the gateway.
type Submission struct {
	ID       spool.ID           `json:"id"`
	Client   client.ID          `json:"client"`
	EDRPOU   string             `json:"edrpou,omitempty"`
	Document string             `json:"document"`
	SHA256   string             `json:"sha256"`
	Size     int64              `json:"size"`
	Kind     formats.Kind       `json:"kind"`
	Profile  formats.ProfileRef `json:"profile"`
	State    spool.State        `json:"state"`
	Received time.Time          `json:"received"`
	Decided  *time.Time         `json:"decided,omitempty"`
	Deadline *time.Time         `json:"deadline,omitempty"`
	Attempts int                `json:"attempts"`
	Entries  []formats.Entry    `json:"entries,omitempty"`
	Signers  []SignatureView    `json:"signatures,omitempty"`
	Parts    []Part             `json:"parts"`
}

// SignatureView is one signature as receipts and the processor see it (DESIGN 8).
type SignatureView struct {
	Signer        SignerView `json:"signer"`
	Role          string     `json:"role,omitempty"`
	Indication    string     `json:"indication"`
	SubIndication string     `json:"subIndication,omitempty"`
	Time          *time.Time `json:"time,omitempty"` // claimed by the signer
	Tolerances    []string   `json:"tolerances,omitempty"`
}

// SignerView names a signer.
type SignerView struct {
	Name   string `json:"name"`
	EDRPOU string `json:"edrpou,omitempty"`
	Person string `json:"person,omitempty"`
	Serial string `json:"serial"`
	Issuer string `json:"issuer"`
}

// Lease is the right to process one submission until a time.
type Lease struct {
	Token      string     `json:"lease"`
	Until      time.Time  `json:"until"`
	Submission Submission `json:"submission"`
}

// Answer is the processor's word on a leased submission.
type Answer struct {
	Outcome   Outcome `json:"outcome"`             // processed, returned, retry, dead
	Reason    string  `json:"reason,omitempty"`    // required for returned and dead; goes into receipt 2
	Reference string  `json:"reference,omitempty"` // the processor's own number
}

// Outgoing is a statement that a processor hands over for a client.
type Outgoing struct {
	Name string // of the file as the client gets it; empty: made from the statement
	Kind formats.Kind

	// Key names this handing over: a second one with the same client and Key
	// returns the id of the first and keeps nothing. Empty: every one is new.
	Key string

	// Exactly one of the two is set.
	Statement json.RawMessage // a canonical statement, to be rendered for the client
	Content   io.Reader       // a ready file
}
