package profile

import (
	"strings"

	"github.com/brama-gateway/brama/formats/charset"
)

// What is prepared when a profile is compiled, so that reading a record costs
// little.

// prepare sets up what plain, wantsRaw and string ask.
func (p *Profile) prepare() {
	if p.page != nil && p.page != charset.UTF8 {
		p.odd = new([256]bool)
		for i := range p.odd {
			r, ok := p.page.Rune(byte(i))
			rule, _ := textProblem(string(r), true)
			p.odd[i] = !ok || rule != "" || strings.ContainsRune(p.spec.Charset.Foreign, r)
		}
	}
	p.known = map[string]string{}
	for i := range p.spec.Record {
		for _, v := range p.spec.Record[i].Values {
			p.known[v] = v
		}
	}
	p.raw = map[string]bool{}
	for _, r := range p.spec.Rules {
		text := r.When + "\x00" + r.Expr
		for i := range p.spec.Record {
			for _, src := range p.spec.Record[i].Src {
				if strings.Contains(text, src) || strings.Contains(text, "raw[") {
					p.raw[src] = true
				}
			}
		}
	}
}

// plain says whether every byte stands for a character that needs no second
// look. Where the page has several bytes to a letter, none is.
func (p *Profile) plain(raw []byte) bool {
	if p.odd == nil {
		return false
	}
	for _, c := range raw {
		if p.odd[c] {
			return false
		}
	}
	return true
}

// wantsRaw says whether some rule may look at a field of the source.
func (p *Profile) wantsRaw() bool { return len(p.raw) > 0 }

// string is b as a string; of values that the profile lists no new one is made.
func (p *Profile) string(b []byte) string {
	if s, ok := p.known[string(b)]; ok {
		return s
	}
	return string(b)
}
