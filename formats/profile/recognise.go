package profile

import (
	"errors"
	"strings"

	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/iso20022"
)

// candidates are the profiles that may be meant, those that the client may send
// first: where two layouts fit, the allowed one is taken.
func (c *check) candidates(container string) []*Profile {
	if c.options.Profile != "" {
		p := c.set.find(c.options.Profile)
		if p == nil || p.spec.Container.Type != container {
			return nil
		}
		return []*Profile{p}
	}
	var allowed, rest []*Profile
	for _, p := range c.set.profiles {
		switch {
		case p.spec.Container.Type != container:
		case c.allowed(p):
			allowed = append(allowed, p)
		default:
			rest = append(rest, p)
		}
	}
	return append(allowed, rest...)
}

// recognise chooses the profile. When there is none it has said why.
func (c *check) recognise(container string) (*Profile, *dbf.Reader) {
	list := c.candidates(container)
	switch container {
	case "dbf":
		return c.recogniseDBF(list)
	case "xml":
		space, local, ok := iso20022.Root(c.doc)
		if !ok {
			c.add(iso20022.Unreadable(c.doc))
			return nil, nil
		}
		if space != iso20022.Namespace || local != "Document" {
			list = nil
		}
	}
	if len(list) == 0 {
		c.unknown()
		return nil, nil
	}
	return list[0], nil
}

// recogniseDBF takes the profile that declares all of the table's fields, or else
// the one that declares most of them, so that the finding can name what differs.
func (c *check) recogniseDBF(list []*Profile) (*Profile, *dbf.Reader) {
	var (
		best    *Profile
		table   *dbf.Reader
		most    int
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
		score := 0
		for _, f := range r.Fields {
			if p.declared[strings.ToLower(f.Name)] {
				score++
			}
		}
		if score*2 < len(r.Fields) || score < 2 {
			continue
		}
		if score == len(r.Fields) && score == len(p.declared) {
			score += 1000 // nothing differs
		}
		if score > most {
			best, table, most = p, r, score
		}
	}
	switch {
	case best != nil:
	case refusal != nil:
		c.add(refusal.Finding())
	default:
		c.unknown()
	}
	return best, table
}
