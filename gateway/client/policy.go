package client

import (
	"slices"

	"github.com/brama-gateway/brama/formats"
)

// Lang is the language of receipts: uk unless the entry says en.
func (e *Entry) Lang() string {
	if e.Language == "en" {
		return "en"
	}
	return "uk"
}

// Page is the code page of text receipts.
func (e *Entry) Page() string {
	if e.CodePage == "" {
		return "utf-8"
	}
	return e.CodePage
}

// May says whether the client may send documents of kind.
func (e *Entry) May(kind string) bool {
	return kind != "" && slices.Contains(e.Kinds, kind)
}

// MayUse says whether the client may use the layout named profile.
func (e *Entry) MayUse(profile string) bool {
	return len(e.Profiles) == 0 || slices.Contains(e.Profiles, profile)
}

// PolicyFor says which signatures a document of kind needs: the entry's policy of
// the kind, else that of "*", else the gateway's own: head and accountant for a
// kind that binds (formats.Kind.Binding), one signatory for anything else. Min is never less than
// the roles together, and never 0, but for a policy that the entry has and that
// demands nothing: it comes back as it is, and package policy refuses by it.
func (e *Entry) PolicyFor(kind string) Policy {
	p, ok := e.Policies[kind]
	if !ok {
		p, ok = e.Policies["*"]
	}
	if !ok {
		if formats.Kind(kind).Binding() {
			return Policy{Roles: map[Role]int{Head: 1, Accountant: 1}, Min: 2}
		}
		return Policy{Min: 1}
	}
	sum := 0
	for _, n := range p.Roles {
		sum += max(n, 0)
	}
	p.Min = max(p.Min, sum)
	return p
}
