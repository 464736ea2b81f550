package policy

import (
	"slices"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway/client"
)

// maxSignatures is what a container may hold (VERDICTS); detached ones together
// are held to the same.
const maxSignatures = 16

// Decide gives the decision on a case, with every reason there is.
func Decide(c Case) Decision {
	d := decider{c: &c, out: Decision{Roles: make([]string, len(c.Signatures))}, next: map[int]formats.Text{}}
	if c.Entry == nil || c.At.IsZero() {
		// Nobody's fault but ours; the register or the clock may come back.
		d.hold("CASE-UNKNOWN", 0, caseUnknown, noResend)
		return d.decided(false)
	}
	d.admission()
	satisfied := d.signatures()
	return d.decided(satisfied)
}

type decider struct {
	c    *Case
	out  Decision
	next map[int]formats.Text // by reason: what to do while it waits
}

func (d *decider) add(id string, action Action, severity formats.Severity, signature int, text formats.Text) {
	d.out.Reasons = append(d.out.Reasons, Reason{id, action, severity, signature, text})
}

func (d *decider) reject(id string, signature int, text formats.Text) {
	d.add(id, Reject, formats.Error, signature, text)
}

// hold keeps the submission, or rejects it when its time is over. next says what
// happens, or is to be done, while it waits.
func (d *decider) hold(id string, signature int, text, next formats.Text) {
	if d.c.Overdue {
		d.reject(id, signature, join(text, timeOver))
		return
	}
	d.next[len(d.out.Reasons)] = next
	d.add(id, Hold, formats.Warning, signature, text)
}

// decided draws the sum. Acceptance needs the proof as well as the absence of
// reasons against it, so that a forgotten reason holds.
func (d *decider) decided(satisfied bool) Decision {
	action := Accept
	for _, r := range d.out.Reasons {
		switch r.Action {
		case Reject:
			action = Reject
		case Hold:
			if action == Accept {
				action = Hold
			}
		}
	}
	if action == Accept && !satisfied {
		action = Hold
	}
	if action == Hold { // a rejected document does not wait, whatever held it besides
		for i, next := range d.next {
			d.out.Reasons[i].Text = join(d.out.Reasons[i].Text, next)
		}
	}
	d.out.Action = action
	return d.out
}

// admission is what can be said without looking at signatures.
func (d *decider) admission() {
	c := d.c
	if c.Entry.Disabled {
		d.reject("CLIENT-DISABLED", 0, clientDisabled)
	}
	switch {
	case c.Kind == "":
		d.reject("KIND-UNKNOWN", 0, kindUnknown)
	case !c.Entry.May(c.Kind):
		d.reject("KIND-NOT-ALLOWED", 0, kindNotAllowed(c.Kind))
	case !c.Entry.MayUse(c.Profile):
		d.reject("PROFILE-NOT-ALLOWED", 0, profileNotAllowed(c.Profile))
	}
	if !c.FormatOK && c.Kind != "" {
		d.reject("FORMAT", 0, formatRefused)
	}
	if c.Sum < 0 {
		d.reject("SUM-NEGATIVE", 0, sumNegative)
	}
	if c.DuplicateOf != "" {
		d.reject("DUPLICATE", 0, duplicate(c.DuplicateOf))
	}
}

// signatures judges each signature and all together. It says whether they are
// all proved and entitled and satisfy the policy of the kind.
func (d *decider) signatures() (satisfied bool) {
	c := d.c
	if len(c.Signatures) > maxSignatures {
		d.reject("SIG-TOO-MANY", 0, tooMany)
		return false
	}
	if len(c.Signatures) == 0 {
		if c.Complete {
			d.reject("SIG-NONE", 0, join(noSignature, signAndSend))
		} else {
			d.hold("SIG-NONE", 0, noSignature, sendSignature)
		}
		return false
	}
	var bad, pending, unknown bool
	var signers []signer
	for i := range c.Signatures {
		s := &c.Signatures[i]
		switch standing := d.indication(s, i+1); standing {
		case Accept:
			roles, entries := d.entitlement(s, i+1)
			if len(roles) == 0 {
				bad = true
				continue
			}
			signers = append(signers, signer{index: i, signature: s, proved: true, roles: roles, entries: entries})
		case Hold:
			pending = true
			// Whose it will be once proved is needed only to say what is missing.
			if m := d.match(s); len(m.roles) > 0 {
				signers = append(signers, signer{index: i, signature: s, roles: m.roles, entries: m.entries})
			} else {
				unknown = true
			}
		default:
			bad = true
		}
	}
	enough := d.count(signers, unknown)
	return enough && !pending && !bad
}

// indication says what the validation of one signature calls for.
func (d *decider) indication(s *Signature, n int) Action {
	switch s.Indication {
	case Passed:
		return Accept
	case Failed:
		d.reject("SIG-FAILED", n, failed(s.SubIndication))
		return Reject
	case Indeterminate:
		switch s.SubIndication {
		case "TRY_LATER":
			d.hold("SIG-TRY-LATER", n, tryLater, noResend)
			return Hold
		case "SIGNED_DATA_NOT_FOUND": // a detached signature came before its document
			if d.c.Complete {
				d.reject("SIG-INDETERMINATE", n, indeterminate(s.SubIndication))
				return Reject
			}
			d.hold("SIG-INDETERMINATE", n, indeterminate(s.SubIndication), formats.Text{})
			return Hold
		}
		if slices.Contains(lasting, s.SubIndication) {
			d.reject("SIG-INDETERMINATE", n, indeterminate(s.SubIndication))
			return Reject
		}
	}
	// Not said why, or a word or number that is not known here: an operator looks.
	d.hold("SIG-INDETERMINATE", n, indeterminate(s.SubIndication), noResend)
	return Hold
}

// lasting are the sub-indications of INDETERMINATE (EN 319 102-1, table 6) that
// waiting does not mend: the client must sign anew, or the operator must change
// what is trusted, after which the client sends again.
var lasting = []string{
	"SIG_CONSTRAINTS_FAILURE",
	"CHAIN_CONSTRAINTS_FAILURE",
	"CRYPTO_CONSTRAINTS_FAILURE",
	"CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
	"EXPIRED",
	"NOT_YET_VALID",
	"NO_POE",
	"NO_SIGNING_CERTIFICATE_FOUND",
	"NO_CERTIFICATE_CHAIN_FOUND",
	"NO_CERTIFICATE_CHAIN_FOUND_NO_POE",
	"OUT_OF_BOUNDS_NO_POE",
	"OUT_OF_BOUNDS_NOT_REVOKED",
	"REVOKED_NO_POE",
	"REVOKED_CA_NO_POE",
	"REVOCATION_OUT_OF_BOUNDS_NO_POE",
	"POLICY_PROCESSING_ERROR",
	"SIGNATURE_POLICY_NOT_AVAILABLE",
	"TIMESTAMP_ORDER_FAILURE",
}

// matched is what the register says of a signature.
type matched struct {
	known, inTime, ofKind bool
	roles                 []client.Role
	entries               []int // elements of Entry.Signatories
}

// match finds the elements of the register that let the signer sign this
// document.
func (d *decider) match(s *Signature) (m matched) {
	for i := range d.c.Entry.Signatories {
		e := &d.c.Entry.Signatories[i]
		if s.AmbiguousCodes || !same(e, s) {
			continue
		}
		m.known = true
		if !e.At(d.c.At) {
			continue
		}
		m.inTime = true
		if !e.For(d.c.Kind) {
			continue
		}
		m.ofKind = true
		if e.Limit > 0 && d.c.Sum > e.Limit {
			continue
		}
		m.entries = append(m.entries, i)
		if !slices.Contains(m.roles, e.Role) {
			m.roles = append(m.roles, e.Role)
		}
	}
	return m
}

// entitlement gives the roles in which the signer of a proved signature may sign
// this document, and the register's elements that say so; with none, the reason.
func (d *decider) entitlement(s *Signature, n int) (roles []client.Role, entries []int) {
	m := d.match(s)
	switch {
	case len(m.roles) > 0:
	case s.AmbiguousCodes: // THREATS A16, whatever else would match
		d.reject("SIG-AMBIGUOUS", n, ambiguous)
	case !m.known:
		d.reject("SIG-STRANGER", n, stranger)
	case !m.inTime:
		d.reject("SIG-NOT-IN-FORCE", n, notInForce)
	case !m.ofKind:
		d.reject("SIG-KIND", n, notForKind(d.c.Kind))
	default:
		d.reject("LIMIT-EXCEEDED", n, limitExceeded)
	}
	return m.roles, m.entries
}

// same says whether signature s is by signatory e: the very certificate, or the
// codes in it. An empty code equals nothing.
func same(e *client.Signatory, s *Signature) bool {
	switch {
	case e.Certificate != "" || e.SHA256 != "":
		f := e.Fingerprint()
		return f != "" && f == s.CertSHA256
	case e.Person != "":
		return !s.SealCertificate && e.Person == s.Person && (e.EDRPOU == "" || e.EDRPOU == s.EDRPOU)
	case e.Role == client.Seal && e.EDRPOU != "":
		return s.SealCertificate && e.EDRPOU == s.EDRPOU
	default:
		return false
	}
}
