// Package evidence makes and checks packages of evidence: everything that proves
// later, without the gateway, that a submission was signed, accepted and answered.
//
// # The package
//
// An ASiC-E with the gateway's seal over all of its files:
//
//	evidence.json                 what is what (Index)
//	README.txt                    how to check it by hand
//	document/NAME                 the document, where the signatures are beside it
//	signatures/NAME               signatures and containers, as they were received
//	raised/NAME                   the same as the gateway raised them (CAdES-T, LT)
//	material/certificates/*.cer   certificates that the verdict rests on, by SHA-256
//	material/crls/*.crl, material/ocsp/*.ors   revocation answers of the time of the verdict
//	validation/report.json, validation/report.xml   the verdict, also in the form of ETSI TS 119 102-2
//	receipts/*                    what the client was told, sealed
//	journal/*.proof               that the receipt's record is in the journal: tlog proofs
//	journal/key.txt, journal/checkpoint.txt   the journal's public key, and the newest checkpoint of the proofs
//
// # What it proves, and on what
//
// Who checks a package names anchors: the authority of the signatories, and that of
// the gateway's seal. Nothing else is believed. The seal vouches for the package and
// with it for the journal's key; the key proves the checkpoint; the checkpoint proves
// the record, which names the document, the verdict and the receipt. So the journal
// proves that the signatures existed when the verdict was given, and the verdict is
// given again for that time with the answers of that time, whatever has expired since.
//
// The seal's own time is that of its time-stamp where it has one that is valid. Without
// a time-stamping authority it is the time that the gateway claims: whoever holds both
// the key of the seal and that of the journal could make such a package later. Who
// has the journal's key from elsewhere ([Options.Key]), or a checkpoint that was handed
// out on the day, need not believe that.
package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/brama-gateway/brama/crypto/asic"
	"github.com/brama-gateway/brama/crypto/cades"
	"github.com/brama-gateway/brama/crypto/etsireport"
	"github.com/brama-gateway/brama/crypto/pki"
	"github.com/brama-gateway/brama/gateway/journal"
	"github.com/brama-gateway/brama/gateway/provider"
	"github.com/brama-gateway/brama/spool"
)

// Format names the layout of a package, in its Index.
const Format = "brama-evidence/1"

// Index says what the files of a package are.
type Index struct {
	Format     string   `json:"format"`
	Submission spool.ID `json:"submission"`
	Client     string   `json:"client"`
	// Document is the file of it; empty where it is inside the container.
	Document string `json:"document,omitempty"`
	SHA256   string `json:"sha256"` // of the document
	// Decided is the time of the verdict, for which the signatures hold.
	Decided time.Time `json:"decided"`
	// Tolerate names the tolerances that the verdict was given with.
	Tolerate []string `json:"tolerate,omitempty"`
	// Freshness is how old the revocation answers might be.
	Freshness  pki.Freshness    `json:"freshness"`
	Signatures []IndexSignature `json:"signatures"`
	Receipts   []IndexReceipt   `json:"receipts"`
	// Material names the certificates and revocation answers.
	Material []string `json:"material"`
	// Anchors are those that the gateway believed for this verdict. Who checks names
	// his own.
	Anchors []IndexAnchor `json:"anchors"`
}

// IndexSignature is one signature file or container.
type IndexSignature struct {
	File   string `json:"file"`
	Raised string `json:"raised,omitempty"`
}

// IndexReceipt is one receipt with its seal and proof.
type IndexReceipt struct {
	Receipt int    `json:"receipt"`
	JSON    string `json:"json"`
	Seal    string `json:"seal"`
	Proof   string `json:"proof"`
}

// IndexAnchor names an anchor.
type IndexAnchor struct {
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"`
}

// Material is what the verdict over signatures rests on: DER.
type Material struct {
	Certificates [][]byte `json:"certificates"`
	CRLs         [][]byte `json:"crls"`
	OCSP         [][]byte `json:"ocsp"`
}

// Container is a signature file or a container, as it was received.
type Container struct {
	Name    string
	Content []byte
	Raised  []byte // nil: it was not
}

// Receipt is one receipt.
type Receipt struct {
	Number     int
	Name       string // without the endings
	JSON, Seal []byte
	Text       []byte // nil: none
	Proof      []byte // journal.Proof
}

// Case is what a package is made of.
type Case struct {
	Submission spool.ID
	Client     string
	Name       string // of the document
	Document   []byte // nil where it is inside the container
	SHA256     string
	Decided    time.Time
	Tolerate   []string
	Freshness  pki.Freshness
	Containers []Container
	Material   Material
	Receipts   []Receipt
	// JournalKey is the journal's public key, as a note verifier.
	JournalKey string
	// Anchors are whom the gateway believed at the time of the verdict.
	Anchors []*pki.Certificate
}

// ErrNotReproduced: what was kept does not give the verdict again.
var ErrNotReproduced = errors.New("the kept evidence does not give the verdict again")

// Make writes the package. seal makes the gateway's detached signature.
func Make(c Case, at time.Time, seal asic.Sign) ([]byte, error) {
	x := Index{Format: Format, Submission: c.Submission, Client: c.Client, SHA256: c.SHA256, Decided: c.Decided.UTC(), Tolerate: c.Tolerate, Freshness: c.Freshness}
	for _, a := range c.Anchors {
		sum := a.SHA256()
		x.Anchors = append(x.Anchors, IndexAnchor{a.Subject.String(), hex.EncodeToString(sum[:])})
	}
	p := &files{}
	if c.Document != nil {
		x.Document = p.add("document", c.Name, c.Document)
	}
	for _, s := range c.Containers {
		row := IndexSignature{File: p.add("signatures", s.Name, s.Content)}
		if s.Raised != nil {
			row.Raised = p.add("raised", s.Name, s.Raised)
		}
		x.Signatures = append(x.Signatures, row)
	}
	for _, m := range c.Material.named() {
		for _, b := range m.list {
			sum := sha256.Sum256(b)
			x.Material = append(x.Material, p.add("material/"+m.folder, hex.EncodeToString(sum[:])+m.ending, b))
		}
	}
	var newest []byte
	for _, r := range c.Receipts {
		row := IndexReceipt{Receipt: r.Number}
		row.JSON = p.add("receipts", r.Name+".json", r.JSON)
		row.Seal = p.add("receipts", r.Name+".json.p7s", r.Seal)
		if r.Text != nil {
			p.add("receipts", r.Name+".txt", r.Text)
		}
		row.Proof = p.add("journal", r.Name+".proof", r.Proof)
		proof, err := journal.ParseProof(r.Proof)
		if err != nil {
			return nil, err
		}
		newest = proof.Checkpoint
		x.Receipts = append(x.Receipts, row)
	}
	if newest == nil {
		return nil, errors.New("no receipt")
	}
	p.add("journal", "key.txt", []byte(strings.TrimSpace(c.JournalKey)+"\n"))
	p.add("journal", "checkpoint.txt", newest)

	v, err := newVerdict(&x, p.find, c.Anchors)
	if err != nil {
		return nil, err
	}
	if v.indication != cades.TotalPassed {
		return nil, fmt.Errorf("%w: %s %s: %s", ErrNotReproduced, v.indication, v.sub, v.detail)
	}
	reports, err := json.MarshalIndent(v.reports, "", "  ")
	if err != nil {
		return nil, err
	}
	p.add("validation", "report.json", append(reports, '\n'))
	p.add("validation", "report.xml", v.xml)
	index, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return nil, err
	}
	p.add("", indexFile, append(index, '\n'))
	p.add("", "README.txt", []byte(readme))
	return asic.WriteE(p.list, []asic.Signature{{Sign: seal}}, asic.WriteOptions{At: at, Open: asic.Options{Archives: true}})
}

const indexFile = "evidence.json"

const readme = `This is evidence of a submission that the gateway accepted. Check it with

    bramactl evidence verify FILE --anchor CA.pem --anchor SEAL-CA.pem

which needs neither the gateway nor a network. By hand, after unpacking (unzip):

1. The seal over the list of all files, META-INF/ASiCManifest001.xml (the time is that of the seal):

    openssl cms -verify -binary -inform DER -in META-INF/signature001.p7s -content META-INF/ASiCManifest001.xml \
        -CAfile SEAL-CA.pem -purpose any -attime SECONDS -out /dev/null

   The manifest names each file with its SHA-256 in base64: openssl dgst -sha256 -binary FILE | base64

2. A detached signature over the document, at the time "decided" of evidence.json:

    openssl cms -verify -binary -inform DER -in signatures/NAME.p7s -content document/NAME \
        -CAfile CA.pem -purpose any -attime SECONDS -out /dev/null

3. A receipt: the same with receipts/NAME.receipt1.json.p7s over receipts/NAME.receipt1.json.
4. journal/*.proof are C2SP tlog-proofs under the key in journal/key.txt, which the gateway's
   operator also publishes.

Certificates and revocation answers are in material/, in DER.
`

// files are those of a package under construction.
type files struct{ list []asic.File }

// add gives the name under which a file is in the package.
func (p *files) add(folder, name string, content []byte) string {
	if folder != "" {
		name = folder + "/" + name
	}
	if p.find(name) == nil {
		p.list = append(p.list, asic.File{Name: name, Content: content})
	}
	return name
}

func (p *files) find(name string) []byte {
	if i := slices.IndexFunc(p.list, func(f asic.File) bool { return f.Name == name }); i >= 0 {
		return p.list[i].Content
	}
	return nil
}

// verdict is what the kept evidence gives for the time of the decision.
type verdict struct {
	indication cades.Indication
	sub        cades.SubIndication
	detail     string
	document   []byte // what was signed
	reports    []provider.Report
	full       []*cades.Report
	xml        []byte
}

// newVerdict judges the signatures of a package again. find gives a file.
func newVerdict(x *Index, find func(string) []byte, anchors []*pki.Certificate) (*verdict, error) {
	material, err := store(x, find, anchors)
	if err != nil {
		return nil, err
	}
	o := cades.Options{At: x.Decided, Trust: material.store, Evidence: material.answers, Freshness: x.Freshness}
	if o.Tolerate, err = cades.ParseTolerances(x.Tolerate); err != nil {
		return nil, err
	}
	v := &verdict{indication: cades.TotalPassed}
	if x.Document != "" {
		if v.document = find(x.Document); v.document == nil {
			return nil, fmt.Errorf("%s: not in the package", x.Document)
		}
	}
	if len(x.Signatures) == 0 {
		return nil, errors.New("no signature in the package")
	}
	var rows []etsireport.Verdict
	for _, s := range x.Signatures {
		content := find(s.File)
		if content == nil {
			return nil, fmt.Errorf("%s: not in the package", s.File)
		}
		var beside *io.SectionReader
		if x.Document != "" {
			beside = Section(v.document)
		}
		r := Judge(content, beside, o)
		if r.Indication != cades.TotalPassed && v.indication != cades.TotalFailed {
			v.indication, v.sub, v.detail = r.Indication, r.SubIndication, s.File+": "+r.Detail
		}
		if x.Document == "" && v.document == nil {
			v.document = r.Content
		}
		v.full = append(v.full, r)
		v.reports = append(v.reports, provider.NewReport(s.File, x.Decided, r))
		rows = append(rows, etsireport.Verdict{Name: s.File, Report: r, At: x.Decided, Evidence: material.find})
	}
	sum := sha256.Sum256(v.document)
	for i := range rows {
		rows[i].Document = sum[:]
	}
	if hex.EncodeToString(sum[:]) != x.SHA256 && v.indication == cades.TotalPassed {
		v.indication, v.sub, v.detail = cades.TotalFailed, cades.HashFailure, "what is signed is another document than was accepted"
	}
	v.xml = etsireport.XML(rows...)
	return v, nil
}

// Section reads bytes in memory.
func Section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// Judge validates a container, or a signature over a document beside it; nil where
// there is none beside.
func Judge(content []byte, document *io.SectionReader, o cades.Options) *cades.Report {
	if asic.Sniff(bytes.NewReader(content), int64(len(content))) {
		return &asic.Validate(content, asic.ValidateOptions{Options: o}).Report
	}
	in := cades.Input{Container: content}
	if document != nil {
		in.Detached = io.NewSectionReader(document, 0, document.Size())
	}
	return cades.Validate(in, o)
}
