package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/jsondoc"
	"github.com/brama-gateway/brama/formats/text"
)

// maxOffered is how many layouts a refusal names: a receipt is read by a person.
const maxOffered = 6

// looks are the containers as an accountant calls them.
var looks = map[string]formats.Text{
	"dbf":    {UK: "це таблиця DBF", EN: "this is a DBF table"},
	"xml":    {UK: "це XML", EN: "this is XML"},
	"json":   {UK: "це JSON", EN: "this is JSON"},
	"text":   {UK: "це текстовий файл", EN: "this is a text file"},
	"pdf":    {UK: "це PDF", EN: "this is a PDF"},
	"jpeg":   {UK: "це зображення JPEG", EN: "this is a JPEG picture"},
	"letter": {UK: "це лист", EN: "this is a letter"},
	"":       {UK: "вид файлу невідомий (не DBF, не XML, не JSON, не PDF і не текст)", EN: "the sort of file is unknown (not DBF, XML, JSON, PDF or text)"},
}

// unknown says that no layout fits: what the file looks like, the nearest layouts
// of that container that the sender may use, and where all of them are listed.
func (c *check) unknown(container string) {
	if (container == "text" || container == "") && c.options.Profile == "" {
		container = c.textOrNot()
	}
	offer := c.offers(container)
	what := looks[container]
	uk, en := "Із таких файлів можна надіслати: ", "Of such files you may send: "
	switch {
	case len(offer) == 0:
		offer, uk, en = c.offers(""), "Таких файлів від вас не приймають. Можна надіслати: ", "Such files are not taken from you. You may send: "
	case container == "":
		uk, en = "Можна надіслати: ", "You may send: "
	}
	if len(offer) == 0 {
		uk, en = "Вам не дозволено жодного макета", "No layout is allowed to you"
	}
	var ukList, enList []string
	for _, p := range offer[:min(len(offer), maxOffered)] {
		ukList = append(ukList, fmt.Sprintf("%s (%s)", p.spec.Title.UK, p.ref.Name))
		enList = append(enList, fmt.Sprintf("%s (%s)", p.spec.Title.EN, p.ref.Name))
	}
	uk, en = uk+strings.Join(ukList, "; "), en+strings.Join(enList, "; ")
	if more := len(offer) - maxOffered; more > 0 {
		uk, en = fmt.Sprintf("%s; та ще %d", uk, more), fmt.Sprintf("%s; and %d more", en, more)
	}
	c.add(formats.Finding{Rule: RuleUnknown, Message: formats.Text{
		UK: "Макет документа не розпізнано: " + what.UK + ". " + uk + ". Повний перелік макетів - у казначействі (bramactl profile explain).",
		EN: "The layout of the document was not recognised: " + what.EN + ". " + en + ". The treasury has the full list of layouts (bramactl profile explain).",
	}})
}

// textOrNot tells a text, in whatever code page, from a file of bytes.
func (c *check) textOrNot() string {
	head := make([]byte, 512)
	n, err := c.doc.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	for _, b := range head[:n] {
		if b < ' ' && b != '\t' && b != '\r' && b != '\n' || b == 0x7F {
			return ""
		}
	}
	return "text"
}

// offers are the layouts of a container that the sender may use, the nearest
// first; of no container: those of all, of every container some.
func (c *check) offers(container string) []*Profile {
	type offer struct {
		p    *Profile
		near int
	}
	var list []offer
	of := map[string]int{}
	for _, p := range c.set.profiles {
		if !c.allowed(p) || p.spec.Refuse.UK != "" || container != "" && p.family() != container {
			continue
		}
		near := -of[p.family()] // one of each container comes before a second of one
		if container != "" {
			near = c.near(p)
		}
		of[p.family()]++
		list = append(list, offer{p, near})
	}
	slices.SortStableFunc(list, func(a, b offer) int { return cmp.Compare(b.near, a.near) })
	var profiles []*Profile
	for _, o := range list {
		profiles = append(profiles, o.p)
	}
	return profiles
}

// near says how like a layout of its own container the document is: the names
// that they have in common, less those that differ.
func (c *check) near(p *Profile) int {
	var names []string
	switch p.family() {
	case "dbf":
		r, err := dbf.NewReader(c.doc, p.anyVersion(c.doc))
		if err != nil {
			return -1000
		}
		for _, f := range r.Fields {
			names = append(names, f.Name)
		}
	case "text":
		r, err := text.NewReader(c.doc, p.text)
		if err != nil {
			return -1000
		}
		names = r.Fields
	case "json":
		known, unknown, ok := jsondoc.Fits(c.doc, p.json)
		if !ok {
			return -1000
		}
		return known - unknown
	case "xml":
		space, local, ok := iso20022.Root(c.doc)
		switch {
		case !ok:
		case p.schema != nil && local == p.records.Root: // another version of the namespace
			return 2
		case p.schema == nil && local == "Document" && strings.HasPrefix(space, "urn:iso:") && strings.HasPrefix(p.spec.Container.Message, "pain."):
			return 1
		}
		return 0
	}
	f := p.fit(names)
	return 2*f.common - f.differ
}

// anyVersion is how the layout reads a table, whatever its version byte.
func (p *Profile) anyVersion(doc io.ReaderAt) dbf.Options {
	o := p.dbf
	o.Versions = make([]byte, 1)
	_, _ = doc.ReadAt(o.Versions, 0) // what cannot be read is refused by the reader
	return o
}
