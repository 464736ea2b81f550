package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/cms"
	"github.com/brama-gateway/brama/crypto/der"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/crypto/xmldsig"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/spool"
)

// Options are what a package is checked with.
type Options struct {
	// Anchors are whom the reader believes: the authority of the signatories, and that
	// of the seal.
	Anchors []*pki.Certificate
	// Key is the journal's public key, where the reader has it from elsewhere; empty:
	// that which the seal vouches for.
	Key string
	// At is the time of checking.
	At time.Time
}

// Step is one thing that was checked.
type Step struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail,omitempty"`
}

// Result is what was found of a package.
type Result struct {
	Indication    cades.Indication    `json:"indication"`
	SubIndication cades.SubIndication `json:"subIndication,omitempty"`
	Detail        string              `json:"detail,omitempty"`
	At            time.Time           `json:"at"`
	Submission    string              `json:"submission,omitempty"`
	Client        string              `json:"client,omitempty"`
	Document      string              `json:"document,omitempty"`
	SHA256        string              `json:"sha256,omitempty"`
	// Decided is the time for which the signatures hold; Proved when the journal's
	// checkpoint was signed, before which they existed.
	Decided *time.Time `json:"decided,omitempty"`
	Proved  *time.Time `json:"proved,omitempty"`
	// Sealed is the time of the package's seal, SealProof what proves it: "time-stamp";
	// "expired-time-stamp" (its authority's certificate has ended since: the authority is
	// relied on to have destroyed its key); "valid" (the seal holds at the time of
	// checking); or "claim" (the gateway's word).
	Sealed    *time.Time `json:"sealed,omitempty"`
	SealProof string     `json:"sealProof,omitempty"`
	// JournalKey is "given" where the reader has it from elsewhere, else "sealed".
	JournalKey string            `json:"journalKey,omitempty"`
	Steps      []Step            `json:"steps"`
	Signatures []provider.Report `json:"signatures"`
}

// errUndecided marks what may be only a want of anchors.
var errUndecided = errors.New("not decided")

// skew is how far two clocks of the same gateway and the reader's may differ.
const skew = 10 * time.Minute

// Verify checks a package: every file against the seal, every signature for the time
// of the verdict, the verdict against the report, the receipts' seals, and their records in the
// journal. It never panics: a fault of the reader's own is a FORMAT_FAILURE.
func Verify(pkg []byte, o Options) (r *Result) {
	r = &Result{Indication: cades.TotalPassed, At: o.At.UTC(), Steps: []Step{}, Signatures: []provider.Report{}}
	defer func() {
		if p := recover(); p != nil {
			r.Indication, r.SubIndication, r.Detail = cades.TotalFailed, cades.FormatFailure, fmt.Sprintf("reader fault (%T): report this file", p)
		}
	}()
	c := &checking{r: r, o: o}
	c.run(pkg)
	return r
}

type checking struct {
	r     *Result
	o     Options
	c     *asic.Container
	index Index
	key   journal.Key
}

// step notes what was checked. The first that does not hold is the verdict, and a
// failure goes before what is only not decided.
func (c *checking) step(name string, err error) bool {
	s := Step{Name: name, Passed: err == nil}
	if err != nil {
		s.Detail = err.Error()
		worst := cades.TotalFailed
		if errors.Is(err, errUndecided) {
			worst = cades.Indeterminate
		}
		if c.r.Indication == cades.TotalPassed || c.r.Indication == cades.Indeterminate && worst == cades.TotalFailed {
			c.r.Indication, c.r.Detail, c.r.SubIndication = worst, name+": "+s.Detail, ""
			var v *judged
			if errors.As(err, &v) {
				c.r.SubIndication = v.sub
			}
		}
	}
	c.r.Steps = append(c.r.Steps, s)
	return err == nil
}

// judged is a signature that does not hold.
type judged struct {
	indication cades.Indication
	sub        cades.SubIndication
	detail     string
}

func (j *judged) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s: %s", j.indication, j.sub, j.detail), ": ")
}

func (j *judged) Is(target error) bool {
	return target == errUndecided && j.indication == cades.Indeterminate
}

func (c *checking) find(name string) []byte {
	if f := c.c.File(name); f != nil && slices.Contains(c.c.Data, f) {
		return f.Content
	}
	return nil
}

func (c *checking) run(pkg []byte) {
	if !c.step("seal of the package", c.seal(pkg)) && c.c == nil {
		return
	}
	if !c.step("index", c.readIndex()) {
		return
	}
	v, err := newVerdict(&c.index, c.find, c.o.Anchors)
	if err == nil {
		c.r.Signatures = v.reports
		if v.indication != cades.TotalPassed {
			err = &judged{v.indication, v.sub, v.detail}
		}
	}
	c.step("signatures, for the time of the verdict", err)
	if v == nil {
		return
	}
	if v.indication == cades.TotalPassed {
		c.step("the verdict is the one that was given", c.sameReport(v))
	}
	c.step("journal key", c.journalKey())
	for _, row := range c.index.Receipts {
		c.step(fmt.Sprintf("receipt %d: seal", row.Receipt), c.receipt(row))
		c.step(fmt.Sprintf("receipt %d: record in the journal", row.Receipt), c.proof(row, v))
	}
	c.step("order of times", c.order(v))
	for i, s := range c.index.Signatures {
		if s.Raised != "" && v.indication == cades.TotalPassed {
			c.step("raised "+path.Base(s.Raised), c.raised(i, s, v))
		}
	}
}

// seal judges the seal over the whole package: at the time of checking where that
// is possible, by its time-stamp or while it is valid; else for the time that it claims.
func (c *checking) seal(pkg []byte) error {
	trust := pki.NewStore(c.o.Anchors, nil, nil)
	at := func(t time.Time) *asic.Report {
		return asic.Validate(pkg, asic.ValidateOptions{
			Options: cades.Options{At: t, Trust: trust, Tolerate: cades.Tolerances{cades.NoRevocation: true}, Past: cades.Past{ExpiredAuthorities: true}},
			Open:    asic.Options{Archives: true},
		})
	}
	r := at(c.o.At)
	c.c = r.Container
	if c.c == nil {
		return errors.New(r.Detail)
	}
	if len(c.c.Signatures) != 1 || len(r.Signatures) != 1 || c.c.Form != asic.E || len(c.c.Unused) > 0 || len(c.c.Stamps) > 0 {
		return errors.New("not a package of evidence: one seal over all files is wanted")
	}
	claimed := r.Signatures[0].ClaimedTime
	proof := "valid"
	if r.Indication == cades.TotalPassed {
		for _, x := range r.Signatures[0].TimeStamps {
			switch {
			case x.Kind != cades.SignatureTimeStamp || !x.Valid || proof == "time-stamp":
			case x.Past:
				proof = "expired-time-stamp"
			default:
				proof = "time-stamp"
			}
		}
	} else if !claimed.IsZero() && !claimed.After(c.o.At.Add(skew)) {
		then := claimed // or a moment later, when it was time-stamped
		for _, x := range r.Signatures[0].TimeStamps {
			if x.Time.After(then) && x.Time.Before(claimed.Add(skew)) {
				then = x.Time
			}
		}
		r, proof = at(then), "claim"
	}
	if r.SubIndication == cades.SignedDataNotFound { // it is not on its way: the package is not what was sealed
		return errors.New(r.Detail)
	}
	if r.Indication != cades.TotalPassed {
		return &judged{r.Indication, r.SubIndication, r.Detail}
	}
	for _, x := range r.Signatures[0].TimeStamps {
		if !x.Valid { // it came with the seal, and would be bytes that nobody has checked
			return &judged{cades.Indeterminate, x.SubIndication, "its time-stamp does not hold; is the authority of the time-stamps among the anchors? " + x.Detail}
		}
	}
	c.r.Sealed, c.r.SealProof = &claimed, proof
	if proof != "valid" && proof != "claim" && r.Signatures[0].ProvedTime.Add(-skew).After(claimed) {
		return errors.New("its time-stamp is of another time than it claims")
	}
	return tidy(c.c.Signatures[0].File.Content, r.Signatures[0])
}

// tidy: everything in the seal counts. A certificate that is not of its path would
// be bytes that nobody has checked.
func tidy(seal []byte, s cades.Signature) error {
	sd, err := cms.Parse(seal, cms.Options{})
	if err != nil {
		return err
	}
	for _, raw := range sd.Certificates {
		if !slices.ContainsFunc(s.Chain, func(c *pki.Certificate) bool { return bytes.Equal(c.Raw, raw) }) {
			return errors.New("a certificate in the seal is not of its path")
		}
	}
	odd := errors.New("the seal is not in the form in which gateways write it")
	if len(sd.Signers) != 1 || sd.Attached {
		return odd
	}
	si := &sd.Signers[0]
	parts := cms.SignerParts{
		Issuer: si.Issuer, Serial: si.Serial, DigestAlgorithm: si.DigestAlgorithm.Raw,
		SignatureAlgorithm: si.SignatureAlgorithm.Raw, Signature: si.Signature,
	}
	for _, a := range si.SignedAttrs {
		parts.SignedAttrs = append(parts.SignedAttrs, a.Raw)
	}
	fields, err := der.NewReader(parts.Encode(), der.DER).Next()
	if err != nil {
		return err
	}
	var digests [][]byte
	for _, d := range sd.DigestAlgorithms {
		digests = append(digests, d.Raw)
	}
	if !bytes.Equal(fields.Content, si.Fields) || !bytes.Equal(cms.Build(nil, digests, sd.Certificates, [][]byte{si.Raw}), seal) {
		return odd
	}
	return nil
}

func (c *checking) readIndex() error {
	b := c.find(indexFile)
	if b == nil {
		return errors.New("not in the package")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c.index); err != nil {
		return err
	}
	x := &c.index
	if x.Format != Format {
		return fmt.Errorf("format %q is not %s", x.Format, Format)
	}
	if x.Decided.IsZero() || len(x.Receipts) == 0 || x.Receipts[0].Receipt != 1 {
		return errors.New("the time of the verdict, or receipt 1, is missing")
	}
	c.r.Submission, c.r.Client, c.r.SHA256 = x.Submission.String(), x.Client, x.SHA256
	c.r.Decided, c.r.Document = &x.Decided, path.Base(x.Document)
	if x.Document == "" {
		c.r.Document = path.Base(x.Signatures[0].File)
	}
	return nil
}

// sameReport holds the verdict against both reports of the package.
func (c *checking) sameReport(v *verdict) error {
	var kept []provider.Report
	if err := json.Unmarshal(c.find("validation/report.json"), &kept); err != nil {
		return fmt.Errorf("report.json: %w", err)
	}
	was, err := comparable(kept)
	if err != nil {
		return err
	}
	is, err := comparable(v.reports)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, is) {
		return errors.New("report.json says something else")
	}
	root, err := xmldsig.Parse(c.find("validation/report.xml"))
	if err != nil {
		return fmt.Errorf("report.xml: %w", err)
	}
	now, err := xmldsig.Parse(v.xml)
	if err != nil {
		return err
	}
	if !slices.Equal(indications(root), indications(now)) {
		return errors.New("report.xml says something else")
	}
	return nil
}

// comparable is what a report has to say again whatever the version of the program:
// all but explanations.
func comparable(reports []provider.Report) ([]byte, error) {
	out := slices.Clone(reports)
	for i := range out {
		out[i].Detail = ""
		out[i].Signatures = slices.Clone(out[i].Signatures)
		for j := range out[i].Signatures {
			out[i].Signatures[j].Detail = ""
			out[i].Signatures[j].TimeStamps = slices.Clone(out[i].Signatures[j].TimeStamps)
			for k := range out[i].Signatures[j].TimeStamps {
				out[i].Signatures[j].TimeStamps[k].Detail = ""
			}
		}
	}
	return json.Marshal(out)
}

func indications(root *xmldsig.Element) (out []string) {
	root.Walk(func(e *xmldsig.Element) {
		switch e.Local {
		case "MainIndication", "SubIndication", "ValidationTime", "SignerCertificate":
			out = append(out, e.Local+" "+e.Text()+e.Attribute("", "VOReference"))
		}
	})
	return out
}

func (c *checking) journalKey() (err error) {
	inside := strings.TrimSpace(string(c.find("journal/key.txt")))
	c.r.JournalKey = "sealed"
	if c.o.Key != "" {
		c.r.JournalKey = "given"
		if strings.TrimSpace(c.o.Key) != inside {
			return errors.New("the journal is another than the one whose key was given")
		}
	}
	c.key, err = journal.ParseKey(inside)
	return err
}

// receiptText is what is read of a receipt.
type receiptText struct {
	Receipt    int       `json:"receipt"`
	SHA256     string    `json:"sha256"`
	Submission spool.ID  `json:"submission"`
	Client     string    `json:"client"`
	Decided    time.Time `json:"decided"`
	Outcome    string    `json:"outcome"`
}

func (c *checking) receiptText(row IndexReceipt) (x receiptText, err error) {
	if err := json.Unmarshal(c.find(row.JSON), &x); err != nil {
		return x, fmt.Errorf("%s: %w", row.JSON, err)
	}
	switch {
	case x.Receipt != row.Receipt, x.Submission != c.index.Submission, x.Client != "" && x.Client != c.index.Client:
		return x, errors.New("it is of another submission")
	case x.SHA256 != c.index.SHA256:
		return x, errors.New("it is of another document")
	case row.Receipt == 1 && (x.Outcome != "accepted" || !x.Decided.Equal(c.index.Decided)):
		return x, errors.New("it does not say that the submission was accepted then")
	}
	return x, nil
}

// receipt judges the seal of a receipt for the time of the receipt.
func (c *checking) receipt(row IndexReceipt) error {
	x, err := c.receiptText(row)
	if err != nil {
		return err
	}
	text := c.find(row.JSON)
	r := cades.Validate(
		cades.Input{Container: c.find(row.Seal), Detached: io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))},
		cades.Options{At: x.Decided, Trust: pki.NewStore(c.o.Anchors, nil, nil), Tolerate: cades.Tolerances{cades.NoRevocation: true}},
	)
	if r.Indication != cades.TotalPassed {
		return &judged{r.Indication, r.SubIndication, r.Detail}
	}
	return nil
}

// proof proves the record behind a receipt, and holds it to the document and to what
// the verdict rests on.
func (c *checking) proof(row IndexReceipt, v *verdict) error {
	p, err := journal.ParseProof(c.find(row.Proof))
	if err != nil {
		return err
	}
	point, err := p.CheckReceipt(c.key, c.find(row.JSON))
	if err != nil {
		return err
	}
	if p.Receipt() != row.Receipt || p.Row.Item != c.index.Submission {
		return errors.New("the record is of another receipt")
	}
	var rec struct {
		SHA256     string   `json:"sha256"`
		Signatures []string `json:"signatures"`
		Evidence   []string `json:"evidence"`
	}
	if err := json.Unmarshal(p.Row.Record, &rec); err != nil {
		return err
	}
	if row.Receipt != 1 {
		return nil
	}
	if rec.SHA256 != c.index.SHA256 {
		return errors.New("the record names another document")
	}
	c.r.Proved = &point.At
	if v.indication != cades.TotalPassed {
		return nil // what it rests on cannot be compared
	}
	signers := map[string]bool{}
	for _, r := range v.full {
		for _, s := range r.Signatures {
			if s.Signer != nil {
				sum := s.Signer.SHA256()
				signers[hex.EncodeToString(sum[:])] = true
			}
		}
	}
	for _, s := range rec.Signatures { // digest, and the indication
		if sum, _, _ := strings.Cut(s, " "); !signers[sum] {
			return errors.New("the record names a signer whose signature is not here")
		}
	}
	used := map[string]bool{}
	for _, r := range v.full {
		for _, s := range r.Signatures {
			for _, e := range s.Evidence {
				used[hex.EncodeToString(e.SHA256[:])] = true
			}
		}
	}
	for _, e := range rec.Evidence { // kind and digest
		if _, sum, _ := strings.Cut(e, " "); !used[sum] {
			return fmt.Errorf("the verdict rested on another revocation answer: %s", e)
		}
	}
	return nil
}

// order: the verdict came before the checkpoint, that before the seal, that before
// now; and no certificate of a signatory had expired by the checkpoint, before which
// the signatures are proved to have existed.
func (c *checking) order(v *verdict) error {
	if c.r.Proved == nil || c.r.Sealed == nil {
		return fmt.Errorf("%w: no time is proved", errUndecided)
	}
	switch {
	case c.index.Decided.After(c.r.Proved.Add(skew)):
		return errors.New("the verdict is later than the checkpoint")
	case c.r.Proved.After(c.r.Sealed.Add(skew)):
		return errors.New("the checkpoint is later than the seal of the package")
	case c.r.Sealed.After(c.o.At.Add(skew)):
		return fmt.Errorf("%w: the package is from the future", errUndecided)
	}
	for _, r := range v.full {
		for _, s := range r.Signatures {
			for _, cert := range s.Chain {
				if c.r.Proved.After(cert.NotAfter) {
					return &judged{cades.Indeterminate, cades.OutOfBoundsNoPOE, "a certificate had expired by the time of the checkpoint"}
				}
			}
		}
	}
	return nil
}

// raised holds a raised signature against what was received.
func (c *checking) raised(_ int, s IndexSignature, v *verdict) error {
	m, err := store(&c.index, c.find, c.o.Anchors)
	if err != nil {
		return err
	}
	tolerate, err := cades.ParseTolerances(c.index.Tolerate)
	if err != nil {
		return err
	}
	var document *io.SectionReader
	if c.index.Document != "" {
		document = Section(v.document)
	}
	return CheckRaised(c.find(s.File), c.find(s.Raised), document, cades.Options{
		At: c.index.Decided, Trust: m.store, Evidence: m.answers, Freshness: c.index.Freshness, Tolerate: tolerate,
	})
}

// CheckRaised says why a raised container does not hold: it must have the signatures
// of the one that was received, pass for the time of the verdict (o.At), and every
// time-stamp of after the verdict must hold when the newest was made: by itself, or
// because a later one proves that it was there while its authority's certificate was
// in force.
func CheckRaised(received, raised []byte, document *io.SectionReader, o cades.Options) error {
	was, err := cms.Parse(received, cms.Options{})
	if err != nil {
		return err
	}
	is, err := cms.Parse(raised, cms.Options{})
	if err != nil {
		return err
	}
	if len(was.Signers) != len(is.Signers) {
		return errors.New("it has another number of signatures than what was received")
	}
	for j := range was.Signers {
		if !bytes.Equal(was.Signers[j].Signature, is.Signers[j].Signature) {
			return errors.New("its signatures are others than were received")
		}
	}
	decided := o.At
	r := Judge(raised, document, o)
	if r.Indication != cades.TotalPassed {
		return &judged{r.Indication, r.SubIndication, r.Detail}
	}
	for _, sig := range r.Signatures {
		for _, x := range sig.TimeStamps {
			if x.Time.After(o.At) {
				o.At = x.Time
			}
		}
	}
	if o.At.Equal(decided) {
		return nil
	}
	// What a former time-stamp rests on was gathered just before the next was made.
	o.Past.StatusThen = true
	for i, sig := range Judge(raised, document, o).Signatures {
		for k, x := range sig.TimeStamps {
			if !x.Valid && r.Signatures[i].TimeStamps[k].Time.After(decided) {
				return &judged{cades.Indeterminate, x.SubIndication, "its time-stamp does not hold; is the authority of the time-stamps among the anchors? " + x.Detail}
			}
		}
	}
	return nil
}
