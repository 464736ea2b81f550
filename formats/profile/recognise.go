package profile

import (
	"errors"
	"slices"
	"strings"

	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/iso20022"
	"github.com/brama-gateway/brama/formats/jsondoc"
	"github.com/brama-gateway/brama/formats/text"
)

// candidates are the profiles that may be meant, those that the client may send
// first: where two layouts fit, the allowed one is taken.
func (c *check) candidates(container string) []*Profile {
	if c.options.Profile != "" {
		p := c.set.find(c.options.Profile)
		if p == nil || p.family() != container {
			return nil
		}
		return []*Profile{p}
	}
	var allowed, rest []*Profile
	for _, p := range c.set.profiles {
		switch {
		case p.family() != container:
		case c.allowed(p):
			allowed = append(allowed, p)
		default:
			rest = append(rest, p)
		}
	}
	return append(allowed, rest...)
}

// recognise chooses the profile. When there is none it has said why.
func (c *check) recognise(container string) (*Profile, *dbf.Reader, *text.Reader) {
	list := c.candidates(container)
	switch container {
	case "dbf":
		p, table := c.recogniseDBF(list)
		return p, table, nil
	case "text":
		p, lines := c.recogniseText(list)
		if p == nil {
			c.unknown(container)
		}
		return p, nil, lines
	case "json":
		return c.recogniseJSON(list), nil, nil
	case "xml":
		space, local, ok := iso20022.Root(c.doc)
		if !ok {
			c.add(iso20022.Unreadable(c.doc))
			return nil, nil, nil
		}
		list = slices.DeleteFunc(list, func(p *Profile) bool {
			return !p.root(space, local)
		})
		if message, kind, ok := iso20022.SentIn(space); ok && len(list) == 0 && c.options.Profile == "" {
			c.sent(message, kind)
			return nil, nil, nil
		}
	}
	if len(list) == 0 {
		c.unknown(container)
		return nil, nil, nil
	}
	return list[0], nil, nil
}

// recogniseText takes the profile of whose shape the file is: what its first
// line, or the names of its columns, show. Of columns without names their number
// decides. Whoever allows several layouts of one shape names the one.
func (c *check) recogniseText(list []*Profile) (*Profile, *text.Reader) {
	var (
		best    *Profile
		lines   *text.Reader
		closest fit
	)
	for _, p := range list {
		r, err := text.NewReader(c.doc, p.text)
		if err != nil {
			continue
		}
		f := p.fit(r.Fields)
		if f.common < 2 || f.common*2 < len(r.Fields) {
			continue
		}
		if best == nil || f.better(closest) {
			best, lines, closest = p, r, f
		}
	}
	return best, lines
}

// recogniseJSON takes the profile that has the most of the members of the first
// record and of the document.
func (c *check) recogniseJSON(list []*Profile) *Profile {
	var best *Profile
	var closest fit
	for _, p := range list {
		known, unknown, ok := jsondoc.Fits(c.doc, p.json)
		f := fit{common: known, differ: unknown, exact: unknown == 0}
		if !ok || known < 2 || known < unknown {
			continue
		}
		if best == nil || f.better(closest) {
			best, closest = p, f
		}
	}
	if best != nil {
		return best
	}
	if len(list) == 1 && c.options.Profile != "" { // what is wrong with it is said by its reader
		return list[0]
	}
	if len(list) > 0 { // a document that is not JSON at all is told so
		var e *jsondoc.Error
		if _, err := jsondoc.NewReader(c.doc, list[0].json); errors.As(err, &e) && e.Rule != jsondoc.RuleShape {
			c.add(e.Finding())
			return nil
		}
	}
	c.unknown("json")
	return nil
}

// fit says how well the fields of a document are those of a layout: how many it
// has in common with it, and how many it lacks or has beyond it.
type fit struct {
	common, differ int
	exact          bool // nothing differs
	page           bool // and the language byte agrees with the code page
}

// fit compares field names, without regard to case.
func (p *Profile) fit(names []string) fit {
	var f fit
	have := map[string]bool{}
	for _, n := range names {
		n = strings.ToLower(n)
		have[n] = true
		if p.declared[n] {
			f.common++
		} else {
			f.differ++
		}
	}
	for i := range p.spec.Record {
		s := &p.spec.Record[i]
		for _, src := range s.Src {
			if !s.Optional && !have[strings.ToLower(src)] {
				f.differ++
			}
		}
	}
	f.exact = f.differ == 0
	return f
}

// better orders fits. Of two equal ones the first is kept: candidates come in
// order.
func (f fit) better(g fit) bool {
	switch {
	case f.exact != g.exact:
		return f.exact
	case f.page != g.page && f.exact:
		return f.page
	}
	return f.common-f.differ > g.common-g.differ
}

// recogniseDBF takes the profile that declares all of the table's fields, and of
// several the one of whose code page the language byte speaks; or else the one
// from which the table differs least, so that the finding can name what differs.
func (c *check) recogniseDBF(list []*Profile) (*Profile, *dbf.Reader) {
	var (
		best    *Profile
		table   *dbf.Reader
		closest fit
		refusal *dbf.Error
	)
	for _, p := range list {
		r, err := dbf.NewReader(c.doc, p.dbf)
		if err != nil {
			// The rules are numbered in the order in which they are checked: the
			// profile that came furthest knows best what is wrong.
			var e *dbf.Error
			if errors.As(err, &e) && (refusal == nil || e.Rule > refusal.Rule) {
				refusal = e
			}
			continue
		}
		var names []string
		for _, f := range r.Fields {
			names = append(names, f.Name)
		}
		f := p.fit(names)
		f.page = slices.Contains(p.spec.Charset.FromLDID, int(r.Language))
		if f.common < 2 || f.common*2 < len(names) {
			continue
		}
		if best == nil || f.better(closest) {
			best, table, closest = p, r, f
		}
	}
	if best == nil && refusal != nil {
		refusal = c.version(list, refusal)
	}
	switch {
	case best != nil:
	case refusal != nil:
		c.add(refusal.Finding())
	default:
		c.unknown("dbf")
	}
	return best, table
}

// version is the refusal of a table whose version byte is what its layout does
// not take: another layout, of which the table is not, may take the byte and then
// stumble over a field. It is the layout's word if the table has its fields, or
// the word of all layouts by which something can be taken.
func (c *check) version(list []*Profile, refusal *dbf.Error) *dbf.Error {
	var first *dbf.Error
	taken := false
	for _, p := range list {
		if p.spec.Refuse.UK != "" {
			continue
		}
		var e *dbf.Error
		if _, err := dbf.NewReader(c.doc, p.dbf); !errors.As(err, &e) || e.Offset != 0 || e.Rule != dbf.RuleVersion && e.Rule != dbf.RuleMemo {
			taken = true
			continue
		}
		if first == nil {
			first = e
		}
		r, err := dbf.NewReader(c.doc, p.anyVersion(c.doc))
		if err != nil {
			continue
		}
		var names []string
		for _, f := range r.Fields {
			names = append(names, f.Name)
		}
		if f := p.fit(names); f.common >= 2 && f.common*2 >= len(names) {
			return e
		}
	}
	if first != nil && !taken {
		return first
	}
	return refusal
}
