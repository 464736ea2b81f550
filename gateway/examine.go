package gateway

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/enveloped"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
	"github.com/brama-gateway/brama/gateway/client"
	"github.com/brama-gateway/brama/gateway/policy"
	"github.com/brama-gateway/brama/spool"
)

// Piece is one file of a submission under examination.
type Piece struct {
	Name    string
	Role    spool.Role
	Content *io.SectionReader
}

// NewPiece makes a piece of a file that did not come through an entrance, for
// tools: its role is told as for an upload.
func NewPiece(name string, content *io.SectionReader) (Piece, error) {
	f, err := look(name, content)
	return Piece{Name: name, Role: f.role, Content: content}, err
}

// Case is everything that a verdict depends on.
type Case struct {
	Document   string // the document's name
	Pieces     []Piece
	Entry      *client.Entry // the sender's register entry; nil: format and signatures only, never accepted
	Received   time.Time     // when it was taken: signatories must be entitled then
	At         time.Time     // the moment of the verdict
	Overdue    bool          // its deadline has passed: what is missing will not come
	Superseded bool          // another document took its place while it waited
	Trust      *pki.Store
	Freshness  pki.Freshness // bounds the age of revocation evidence
	Profiles   *profile.Set
	Lists      formats.Lists // classifiers; nil: none
	Profile    string        // forced, for tools; empty: found by content and name
	Prior      formats.Prior // what was accepted before of the client; nil: references are not looked up
	FormatOnly bool          // for tools: signatures and policy are not looked at
	Validate   Validator

	Keys []enveloped.Key // of the gateway, for what arrives encrypted to it; none: that is refused

	reading bool // an accepted document is read again: whether signatures hold now is not asked
}

// Validator judges a container as cades.Validate does, which is meant by nil. It may
// be another program, whose verdict then stands. An error is no verdict: whom it
// leaves without one is held, however long.
type Validator func(cades.Input, cades.Options) (*cades.Report, error)

// Verdict is all that was found of one submission. The zero value is held.
type Verdict struct {
	Outcome    Outcome            `json:"outcome"`
	Document   string             `json:"document"`
	SHA256     string             `json:"sha256"` // of the document that was signed
	Size       int64              `json:"size"`
	Kind       formats.Kind       `json:"kind,omitempty"`
	Profile    formats.ProfileRef `json:"profile"`
	Findings   []formats.Finding  `json:"findings"`
	More       int                `json:"more,omitempty"`
	Signatures []SignatureView    `json:"signatures"`
	Container  *ContainerView     `json:"container,omitempty"` // that it came in, if an ASiC
	Entries    []formats.Entry    `json:"entries,omitempty"`
	Message    *formats.Message   `json:"message,omitempty"`

	Signers  []string `json:"signers,omitempty"`  // SHA-256 of the certificates, with the indication
	Persons  []string `json:"persons,omitempty"`  // who signed, as the duplicate index knows them
	Evidence []string `json:"evidence,omitempty"` // SHA-256 of the revocation data used

	prior     *prior        // what was asked of the ledger
	missing   []pki.Missing // what to fetch evidence of
	fault     string        // where we panicked; for the log
	away      error         // why there is no verdict on a signature; for the log
	encrypted bool          // it arrived encrypted
	opened    []byte        // and this was in it, for keeping
	outer     *cades.Report // on a signature around what was encrypted, if it did not pass
}

// MaxFindings is how many findings one receipt lists; the rest are counted.
const MaxFindings = 200

// Examine gives the verdict on a case: container, signatures, format, rules,
// policy, in this order, and all of them whatever the first ones say, so that
// one receipt tells everything. It has no side effect, and asks neither the
// clock nor the network. The error says that bytes could not be read: then there is no
// verdict.
func Examine(c Case) (Verdict, error) {
	var a attention
	pieces := slices.Clone(c.Pieces)
	for i := range pieces {
		if pieces[i].Content != nil {
			pieces[i].Content = a.over(pieces[i].Content)
		}
	}
	c.Pieces = pieces
	v := c.examine()
	if err := a.fault(); err != nil {
		return Verdict{Document: c.Document}, fmt.Errorf("the document cannot be read: %w", err)
	}
	return v, nil
}

func (c Case) examine() (v Verdict) {
	v = Verdict{Outcome: Rejected, Document: c.Document}
	defer func() {
		// A panic in a parser is our fault, and must not become anybody's yes.
		if p := recover(); p != nil {
			v.fault = fmt.Sprintf("%v\n%s", p, debug.Stack())
			v.Outcome, v.Findings = Rejected, append(v.Findings, finding("EXAM-001",
				"Документ не вдалося перевірити через внутрішню помилку шлюзу. Зверніться до казначейства.",
				"The document could not be examined because of an internal fault of the gateway. Contact the treasury."))
		}
	}()

	doc, sigs := c.open(&v)
	unusable := refused(v.Findings)
	if doc != nil {
		if err := v.hash(doc); err != nil {
			v.add(finding("EXAM-002", "Документ не читається зі сховища.", "The document cannot be read from the store."))
			return v
		}
	}
	if v.away != nil {
		if v.encrypted { // whose it is, is not known yet: nothing of it is told
			v = Verdict{Document: v.Document, encrypted: true, away: v.away}
		}
		v.Outcome = Held
		v.add(formats.Finding{Rule: "SIG-NOT-JUDGED", Severity: formats.Warning, Message: formats.Text{
			UK: "Підписи зараз неможливо перевірити: система перевірки підписів не відповідає. Документ чекає; надсилати його ще раз не потрібно.",
			EN: "The signatures cannot be verified now: the system that verifies them does not answer. The document waits; do not send it again.",
		}})
		return v
	}
	report := c.check(&v, doc)
	if report != nil {
		v.Kind, v.Profile, v.Entries, v.Message = report.Kind, report.Profile, report.Entries, report.Message
	}

	decision := c.decide(report, sigs, doc != nil)
	if o := v.outer; o != nil && o.SubIndication == cades.TryLater && !c.Overdue && o.Indication == cades.Indeterminate {
		decision.Action = policy.Hold // evidence may come
	}
	for i := range v.Signatures {
		if i < len(decision.Roles) {
			v.Signatures[i].Role = decision.Roles[i]
		}
	}
	v.Outcome = outcome(decision.Action)
	if unusable {
		v.Outcome = Rejected // whatever may still come
	}
	defer func() { c.conceal(&v, decision.Roles, sigs) }()
	if c.Superseded {
		return v // nobody is to mend it: the answer to the other one says what matters
	}
	for i, r := range decision.Reasons {
		if !v.idle(r, decision, unusable, report) {
			v.add(oneOf(decision.Reasons, i, len(sigs)).Finding())
		}
	}
	if report != nil {
		v.add(report.Findings...)
		v.More += report.More
	}
	if v.Outcome == Held && c.Overdue { // policy rejects then; this holds it to that
		v.Outcome = Rejected
		v.add(finding("HOLD-OVER", "Строк очікування минув, а документ так і не вдалося перевірити до кінця. Надішліть його ще раз.",
			"The time of waiting is over, and the document could not be examined to the end. Send it again."))
	}
	return v
}

// idle tells the policy's reasons that another finding of the receipt says
// better, or that nobody has to mend: a receipt names each fault once.
func (v *Verdict) idle(r policy.Reason, d policy.Decision, unusable bool, report *formats.Report) bool {
	if v.Outcome == Rejected && r.Action == policy.Hold {
		return true // it does not wait any more
	}
	switch r.ID {
	case "FORMAT", "KIND-UNKNOWN", "KIND-NOT-ALLOWED", "PROFILE-NOT-ALLOWED":
		return report != nil && refused(report.Findings)
	case "SIG-NONE":
		return unusable // the signatures are there, and cannot be read
	case "SIG-ROLE-MISSING", "SIG-TOO-FEW":
		// He did sign, and hears already what is wrong with his signature.
		return count(d.Reasons, "SIG-FAILED", "SIG-INDETERMINATE") >= count(d.Reasons, "SIG-ROLE-MISSING", "SIG-TOO-FEW")
	}
	return false
}

// oneOf is a reason that names the signature it is about, if there are others
// of which it does not hold.
func oneOf(reasons []policy.Reason, i, signatures int) policy.Reason {
	r := reasons[i]
	if r.Signature == 0 {
		return r
	}
	alike := 0
	for _, o := range reasons {
		if o.ID == r.ID && o.Text == r.Text {
			alike++
		}
	}
	if alike < signatures {
		r.Text = formats.Text{UK: fmt.Sprintf("Підпис %d: %s", r.Signature, r.Text.UK), EN: fmt.Sprintf("Signature %d: %s", r.Signature, r.Text.EN)}
	}
	return r
}

func count(reasons []policy.Reason, ids ...string) (n int) {
	for _, r := range reasons {
		if slices.Contains(ids, r.ID) {
			n++
		}
	}
	return n
}

// open finds the document and judges the signatures over it.
func (c *Case) open(v *Verdict) (doc *io.SectionReader, sigs []cades.Signature) {
	var containers, signatures []Piece
	for _, p := range c.Pieces {
		switch p.Role {
		case RoleDocument:
			doc = p.Content
		case RoleContainer:
			containers = append(containers, p)
		case RoleSignature:
			signatures = append(signatures, p)
		}
	}
	if c.Superseded {
		v.add(finding("SUB-001",
			"Замість цього файлу надійшов інший файл з тією самою назвою. Відповідь буде на нього.",
			"Another file of the same name came in place of this one. The answer will be to that one."))
	}
	if len(containers) > 0 && (doc != nil || len(containers) > 1) {
		v.add(finding("SIG-AMBIGUOUS",
			"Разом з документом надійшов контейнер, який має власний зміст: невідомо, що саме підписано. Надішліть або контейнер, або документ з окремим підписом.",
			"Beside the document there is a container with content of its own: it is not clear what was signed. Send either the container, or the document with a detached signature."))
		return doc, nil
	}
	if c.FormatOnly {
		if len(containers) == 1 {
			// What its signatures are worth is not asked; what cannot be opened is told.
			var within Verdict
			if rep := c.container(&within, containers[0]); rep.Content != nil {
				doc = section(rep.Content)
			}
			v.away, v.Container = within.away, within.Container
			for _, f := range within.Findings {
				if ofContainer(f) {
					v.add(f)
				}
			}
		}
		return doc, nil
	}
	for _, p := range containers {
		rep := c.container(v, p)
		sigs = append(sigs, rep.Signatures...)
		if rep.Content != nil {
			doc = section(rep.Content)
		}
	}
	for _, p := range signatures {
		if doc == nil {
			continue // it waits for its document
		}
		rep := c.validate(v, p, doc)
		v.judge(p.Name, rep)
		sigs = append(sigs, rep.Signatures...)
	}
	return doc, sigs
}

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(readerAt(b), 0, int64(len(b)))
}

// validate judges one detached signature over doc.
func (c *Case) validate(v *Verdict, p Piece, doc *io.SectionReader) *cades.Report {
	whole, rep := p.read()
	if rep != nil {
		return rep
	}
	return c.judgement(v, whole, doc)
}

// judgement is the report on a container, or on a detached signature over doc.
// Whoever judges is asked about what a tolerated wrapper carries, never about the
// wrapper: only we have to know those.
func (c *Case) judgement(v *Verdict, container []byte, doc *io.SectionReader) *cades.Report {
	in := cades.Input{Container: container}
	if doc != nil {
		in.Detached = io.NewSectionReader(doc, 0, doc.Size())
	}
	o := cades.Options{At: c.At, Trust: c.material(), Freshness: c.Freshness, Tolerate: c.tolerances()}
	if c.Validate == nil {
		return cades.Validate(in, o)
	}
	r, err := cades.Through(in, o, c.Validate)
	if err != nil || r == nil {
		v.away = cmp.Or(err, errors.New("no report"))
		return &cades.Report{SubIndication: cades.TryLater, Signatures: []cades.Signature{{SubIndication: cades.TryLater}}}
	}
	return r
}

// tolerances are those of the client's entry.
func (c *Case) tolerances() cades.Tolerances {
	if c.Entry == nil {
		return nil
	}
	// The register was checked when it was read: unknown names are not in it.
	t, err := cades.ParseTolerances(c.Entry.Tolerate)
	if err != nil {
		return nil
	}
	return t
}

// maxContainer bounds a container that is read into memory.
const maxContainer = 128 << 20

// material is the trust store with the register's certificates beside it: a
// signer whose certificate is not in the container may be found there.
func (c *Case) material() *pki.Store {
	if c.Entry == nil {
		return c.Trust
	}
	var more []*pki.Certificate
	for _, s := range c.Entry.Signatories {
		if s.Certificate == "" {
			continue
		}
		if certs, err := pki.ParseCertificates([]byte(s.Certificate)); err == nil {
			more = append(more, certs...)
		}
	}
	if len(more) == 0 {
		return c.Trust
	}
	return c.Trust.With(more, nil)
}

// judge writes what validation found of one file into the verdict.
func (v *Verdict) judge(name string, rep *cades.Report) {
	if rep.Indication != cades.TotalPassed {
		if f, ok := containerFinding(rep); ok {
			f.Field = name
			v.add(f)
		}
	}
	for _, s := range rep.Signatures {
		v.missing = append(v.missing, s.Missing...)
		v.Signatures = append(v.Signatures, ViewSignature(s))
		id := s.SignerID
		if s.Signer != nil {
			sum := s.Signer.SHA256()
			id = hex.EncodeToString(sum[:])
		}
		v.Signers = append(v.Signers, id+" "+s.Indication.String())
		if s.Signer != nil {
			if codes := s.Signer.Codes(); codes.Person != "" {
				id = "person " + codes.Person
			}
		}
		v.Persons = append(v.Persons, id)
		for _, e := range s.Evidence {
			v.Evidence = append(v.Evidence, fmt.Sprintf("%s %x", e.Kind, e.SHA256))
		}
	}
}

// ViewSignature is a signature as receipts and tools show it.
func ViewSignature(s cades.Signature) SignatureView {
	out := SignatureView{Indication: s.Indication.String(), SubIndication: string(s.SubIndication)}
	if s.Signer != nil {
		codes := s.Signer.Codes()
		out.Signer = SignerView{
			Name: subjectName(s.Signer.Subject), EDRPOU: codes.EDRPOU, Person: codes.Person,
			Serial: s.Signer.Serial.Text(16), Issuer: s.Signer.Issuer.String(),
		}
	}
	if !s.ClaimedTime.IsZero() {
		t := s.ClaimedTime.UTC()
		out.Time = &t
	}
	for _, t := range s.Tolerances {
		out.Tolerances = append(out.Tolerances, string(t))
	}
	return out
}

// subjectName is how a signer is called in a receipt.
func subjectName(n pki.Name) string {
	if cn := n.CommonName; cn != "" {
		return pki.Escape(cn)
	}
	return n.String()
}

// hash is over the document that was signed.
func (v *Verdict) hash(doc *io.SectionReader) error {
	sum, err := sha256Of(doc)
	v.SHA256, v.Size = sum, doc.Size()
	return err
}

// check reads the document as what it is.
func (c *Case) check(v *Verdict, doc *io.SectionReader) *formats.Report {
	if doc == nil {
		return nil
	}
	ctx := formats.Context{At: c.At, Prior: c.Prior, Lists: c.Lists}
	o := profile.Options{Name: c.layoutName(v), Profile: c.Profile, MaxFindings: MaxFindings, Sent: c.FormatOnly}
	if c.Entry != nil {
		ctx.Owner = &formats.Owner{EDRPOU: c.Entry.EDRPOU, Accounts: c.Entry.Accounts}
		o.Kinds, o.Allowed = c.Entry.Kinds, c.Entry.Profiles
	}
	return c.Profiles.Check(ctx, o, doc)
}

// documentName is the name of what lies inside a container.
func documentName(name string) string {
	for {
		of, ok := SignedName(name)
		if !ok {
			return name
		}
		name = of
	}
}

// decide asks the policy.
func (c *Case) decide(report *formats.Report, sigs []cades.Signature, found bool) policy.Decision {
	if c.FormatOnly {
		return formatDecision(report)
	}
	if !found {
		return c.documentMissing()
	}
	p := policy.Case{
		At: c.Received, Entry: c.Entry, FormatOK: report != nil && report.OK(),
		Complete: c.Superseded || c.wholeByItself(), Overdue: c.Overdue,
	}
	if report != nil {
		p.Kind, p.Profile = string(report.Kind), report.Profile.Name
		for _, e := range report.Entries {
			p.Sum = addCapped(p.Sum, e.Amount)
		}
	}
	for _, s := range sigs {
		p.Signatures = append(p.Signatures, policySignature(s))
	}
	return policy.Decide(p)
}

// documentMissing holds signatures that came before their document, and refuses
// a container that has none inside.
func (c *Case) documentMissing() policy.Decision {
	if c.wholeByItself() {
		return policy.Decision{Action: policy.Reject} // the container's own finding says why
	}
	missing := policy.Reason{ID: "DOC-MISSING", Severity: formats.Warning, Text: formats.Text{
		UK: "Немає документа, до якого належить підпис. Надішліть документ поруч із файлом підпису.",
		EN: "The document that the signature belongs to is missing. Send the document beside its signature file.",
	}}
	if c.Overdue {
		missing.Action, missing.Severity = policy.Reject, formats.Error
	}
	return policy.Decision{Action: missing.Action, Reasons: []policy.Reason{missing}}
}

// wholeByItself says that no detached signature can be joined any more: the
// submission is a container that carries its content.
func (c *Case) wholeByItself() bool {
	for _, p := range c.Pieces {
		if p.Role == RoleContainer {
			return true
		}
	}
	return false
}

// addCapped adds amounts without overflow: a sum beyond the type is beyond every limit.
func addCapped(a, b int64) int64 {
	if b > 0 && a > 1<<63-1-b {
		return 1<<63 - 1
	}
	return a + b
}

func (v *Verdict) add(f ...formats.Finding) {
	for _, x := range f {
		if slices.Contains(v.Findings, x) {
			continue // the same of two signatures is said once
		}
		if len(v.Findings) >= MaxFindings {
			v.More++
			continue
		}
		v.Findings = append(v.Findings, x)
	}
}

func refused(findings []formats.Finding) bool {
	return slices.ContainsFunc(findings, func(f formats.Finding) bool { return f.Severity == formats.Error })
}

func finding(rule, uk, en string) formats.Finding {
	return formats.Finding{Rule: rule, Severity: formats.Error, Message: formats.Text{UK: uk, EN: en}}
}
