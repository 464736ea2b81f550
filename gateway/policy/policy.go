// Package policy decides: may these signatures say this for this client? It is
// pure and knows nothing but its argument; the gateway builds a [Case] of what
// the formats found, what package cades validated and what the register says, and
// gets a [Decision].
//
// # The principle
//
// Accept is given only when every condition was met and looked at. Reject is
// given when nothing that can still come (another signature, revocation evidence)
// could make the document acceptable, so that the client learns it at once.
// Everything else is Hold, the zero value. When the deadline has passed
// ([Case.Overdue]) nothing can come any more, and Hold becomes Reject.
//
// # What is not checked here
//
// Whether a signature is cryptographically right, its certificate trusted, alive
// and fit for signing, and covers the document: package cades says that in one
// indication. Whether the document's own contents hold (its accounts, EDRPOU,
// dates, sums): formats. Names in certificates: they never decide; only the hash
// of a certificate and the codes in it do. Quotas, networks and SSH keys: the
// entrances. Which tolerances a signature used: cades was given the client's.
// Totals over many documents (a daily limit): the register has none.
package policy

import (
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
)

// Indication is the main status of a signature (ETSI EN 319 102-1, 5.1.2). The
// zero value proves nothing.
type Indication uint8

// The indications, numbered as in package cades: a conversion between the two
// types is right.
const (
	Indeterminate Indication = iota
	Failed                   // TOTAL-FAILED
	Passed                   // TOTAL-PASSED
)

// Signature is what policy must know of one signature.
type Signature struct {
	Indication    Indication
	SubIndication string // as EN 319 102-1 spells it, TRY_LATER; empty: not said

	CertSHA256 string // of the signer certificate's DER, lower-case hex; empty: the certificate is not known
	KeyID      string // names the public key: two certificates over one key are one signatory

	// The codes of the certificate's subject, without prefixes.
	EDRPOU string
	Person string
	// AmbiguousCodes is set when the subject has two codes of one sort.
	AmbiguousCodes bool
	// SealCertificate is set for the certificate of an electronic seal: it belongs
	// to an institution and never counts as a person.
	SealCertificate bool
}

// Case is one submission at one moment.
type Case struct {
	At      time.Time     // the moment of reception: windows of signatories are judged by it
	Entry   *client.Entry // of the client that sent it
	Kind    string        // of document; empty: not recognised
	Profile string        // layout it was read with

	FormatOK    bool   // the document was recognised and no finding refuses it
	Sum         int64  // kopecks of the whole document; 0 for kinds without a sum
	DuplicateOf string // the first submission with the same content or business number; empty: none

	// Complete is set when no further signature can come: a container that carries
	// its content.
	Complete bool
	// Overdue is set when the deadline of a held submission has passed.
	Overdue bool

	Signatures []Signature
}

// Action is what shall be done with a submission. The zero value keeps it.
type Action uint8

// The actions.
const (
	Hold Action = iota
	Accept
	Reject
)

// String gives the action in lower case.
func (a Action) String() string {
	switch a {
	case Accept:
		return "accept"
	case Reject:
		return "reject"
	default:
		return "hold"
	}
}

// Reason is one thing that keeps a submission from being accepted, or, with
// Action Accept, is worth saying about an accepted one.
type Reason struct {
	ID        string
	Action    Action           // what this reason alone calls for
	Severity  formats.Severity // Error rejects, Warning holds, Info neither
	Signature int              // from 1; 0: the whole submission
	Text      formats.Text
}

// Finding is the reason as receipts carry it.
func (r Reason) Finding() formats.Finding {
	return formats.Finding{Rule: r.ID, Severity: r.Severity, Message: r.Text}
}

// Decision is what policy says. The zero value holds.
type Decision struct {
	Action  Action
	Reasons []Reason
	// Roles has one element for each signature: the role that it fills, or "" for
	// one that fills none (not proved, not entitled, the same person again, or one
	// more than the policy asks for in every role the person has).
	Roles []string
}

// Findings gives all reasons as receipts carry them.
func (d *Decision) Findings() []formats.Finding {
	out := make([]formats.Finding, len(d.Reasons))
	for i, r := range d.Reasons {
		out[i] = r.Finding()
	}
	return out
}
