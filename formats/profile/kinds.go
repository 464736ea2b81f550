package profile

import (
	"io"
	"slices"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/commitment"
	"github.com/brama-gateway/brama/formats/contract"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/memorial"
	"github.com/brama-gateway/brama/formats/network"
	"github.com/brama-gateway/brama/formats/payment"
	"github.com/brama-gateway/brama/formats/plan"
	"github.com/brama-gateway/brama/formats/xmldoc"
)

// kinds are the kinds whose records a profile describes field by field.
var kinds = []*kind.Kind{
	payment.Kind,
	commitment.Register, commitment.FinancialRegister,
	plan.Schedule, plan.ScheduleChange, plan.Estimate, plan.EstimateChange, plan.Allotments, plan.Distribution,
	memorial.Document, network.Network, network.Register,
	contract.Contracts, contract.Acts,
}

// Kinds are the kinds of document that consist of records, in a fixed order.
func Kinds() []*kind.Kind { return kinds }

// kindOf is the kind of that name, or nil if it has no records.
func kindOf(id formats.Kind) *kind.Kind {
	for _, k := range kinds {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// pictures are the kinds whose documents are looked at as a whole.
var pictures = []string{string(formats.SupportingDocument)}

// carried are the kinds that a container can carry.
func (c containerSpec) carried() []string {
	switch c.Type {
	case "pdf", "jpeg":
		return pictures
	case "letter":
		return []string{string(formats.Letter)}
	case "declar":
		return []string{string(formats.TaxReport)}
	case "xml":
		if k := c.canonical(); k != nil {
			return []string{string(k.ID)}
		}
		return []string{string(formats.PaymentInstruction)}
	}
	var list []string
	for _, k := range kinds {
		list = append(list, string(k.ID))
	}
	return list
}

// canonical is the kind whose canonical XML the container is, or nil.
func (c containerSpec) canonical() *kind.Kind {
	for _, k := range kinds {
		if c.Type == "xml" && k.Root != "" && k.Namespace() == c.Message {
			return k
		}
	}
	return nil
}

// messages are what the message of an xml container may be.
func messages() []string {
	list := iso20022.Messages()
	for _, k := range kinds {
		if k.Root != "" {
			list = append(list, k.Namespace())
		}
	}
	return list
}

// root says whether the root element of an XML is that of the layout.
func (p *Profile) root(space, local string) bool {
	if p.spec.Container.Type == "declar" {
		return local == "DECLAR"
	}
	if p.schema != nil {
		return space == p.records.Namespace() && local == p.records.Root
	}
	return local == "Document" && space == iso20022.NamespaceOf(p.spec.Container.Message)
}

// compileXML prepares the reading of canonical XML.
func (p *Profile) compileXML(fail failer, line func(string) int, k *kind.Kind) error {
	engine, err := k.Engine()
	if err != nil {
		return fail(line("container"), "container message %q: its schema: %w", p.spec.Container.Message, err)
	}
	p.schema = &xmldoc.Schema{Engine: engine, Name: k.Slug(), Head: kind.HeadElement, Line: k.Line}
	p.page = charset.UTF8 // the reader decodes
	if len(p.spec.Record) == 0 {
		return fail(line("record"), "record: missing; declare the elements")
	}
	elements := make([]string, len(k.Fields))
	for i := range k.Fields {
		elements[i] = k.Fields[i].Element()
	}
	for i := range p.spec.Record {
		for _, src := range p.spec.Record[i].Src {
			if !slices.Contains(elements, src) {
				return fail(p.spec.Record[i].line, "src %q: the schema has no such element; %s", src, didYouMean(src, elements))
			}
		}
	}
	return nil
}

// xml reads canonical XML. What does not follow the schema is not read further.
func (c *check) xml(p *Profile) {
	limit := c.options.MaxFindings
	if limit <= 0 {
		limit = formats.DefaultFindings
	}
	if !p.schema.Validate(c.doc, limit, c.add) {
		return
	}
	elements := make([]string, len(p.records.Fields))
	for i := range p.records.Fields {
		elements[i] = p.records.Fields[i].Element()
	}
	columns, ok := c.columns(p, elements)
	if ok {
		c.records(p, columns, &limited{Reader: xmldoc.NewReader(c.doc, p.schema, elements), max: p.spec.Limits.MaxRecords, add: c.add})
	}
}

// limited ends a document of too many records.
type limited struct {
	*xmldoc.Reader
	max int
	add func(formats.Finding)
}

func (l *limited) Next() error {
	err := l.Reader.Next()
	if err == nil && l.Record() > l.max {
		l.add(formats.Finding{Rule: RuleLarge, Message: formats.Textf("У файлі більше записів, ніж дозволено (%d). Поділіть його.", "The file has more records than allowed (%d). Split it.", l.max)})
		return io.EOF
	}
	return err
}
