package profile

import (
	"regexp"
	"slices"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/kind"
)

// The rules of references. IDs are never reused.
const (
	refUnknown = "REF-001" // the code is not in the list, or not on that day
	refNoList  = "REF-002" // the list is not in the gateway: nothing was compared
	refOwner   = "REF-003" // not the sender's own
)

// What a reference may name besides a classifier.
const (
	clientAccounts = "client.accounts"
	clientEDRPOU   = "client.edrpou"
)

var listName = regexp.MustCompile(`^[a-z][a-z0-9]*([._-][a-z0-9]+)*$`)

func (p *Profile) compileReferences(fail failer) error {
	for i := range p.spec.References {
		r := &p.spec.References[i]
		r.at = p.records.Index(r.Field)
		if r.at < 0 || p.records.Fields[r.at].Money() {
			return fail(r.line, "reference: field %q: no such path of a text; %s", r.Field, didYouMean(r.Field, p.records.Paths()))
		}
		if !listName.MatchString(r.List) {
			return fail(r.line, "reference %s: list %q: want the name of a classifier, as kekv, or client.accounts or client.edrpou", r.Field, r.List)
		}
		if len(r.List) > 7 && r.List[:7] == "client." && r.List != clientAccounts && r.List != clientEDRPOU {
			return fail(r.line, "reference %s: list %q: unknown; %s", r.Field, r.List, didYouMean(r.List, []string{clientAccounts, clientEDRPOU}))
		}
		if r.Message != (formats.Text{}) && (r.Message.UK == "" || r.Message.EN == "") {
			return fail(r.line, "reference %s: message: write it in both languages, as {uk: ..., en: ...}", r.Field)
		}
		var err error
		if r.severity, err = severityOf(r.Severity); err != nil {
			return fail(r.line, "reference %s: %w", r.Field, err)
		}
	}
	return nil
}

// references holds a record to the lists that the profile names. A field that is
// empty refers to nothing.
func (s *site) references(o kind.Record) {
	for i := range s.profile.spec.References {
		r := &s.profile.spec.References[i]
		value := *o.Text(r.at)
		if value == "" {
			continue
		}
		message := func(uk, en string, args ...any) formats.Text {
			if r.Message.UK != "" {
				return r.Message
			}
			return formats.Textf(uk, en, args...)
		}
		owner := s.context.Owner
		switch r.List {
		case clientAccounts:
			if owner != nil && len(owner.Accounts) > 0 && !slices.Contains(owner.Accounts, value) {
				s.report(refOwner, r.severity, o.Place(), r.Field, message(
					"Рахунок не належить відправнику. Вкажіть власний рахунок.", "The account is not the sender's. Give an account of your own."))
			}
			continue
		case clientEDRPOU:
			if owner != nil && owner.EDRPOU != "" && owner.EDRPOU != value {
				s.report(refOwner, r.severity, o.Place(), r.Field, message(
					"Код не є кодом ЄДРПОУ відправника. Вкажіть свій код.", "The code is not the sender's EDRPOU. Give your own code."))
			}
			continue
		}
		in, known := false, false
		if s.context.Lists != nil {
			in, known = s.context.Lists.Contains(r.List, value, o.Day())
		}
		switch {
		case !known && !s.missing[r.List]:
			if s.missing == nil {
				s.missing = map[string]bool{}
			}
			s.missing[r.List] = true
			s.report(refNoList, formats.Warning, 0, r.Field, formats.Textf(
				"Довідника «%s» у шлюзі немає: коди за ним не перевірено.", "The classifier \"%s\" is not in the gateway: codes were not compared with it.", r.List))
		case known && !in:
			s.report(refUnknown, r.severity, o.Place(), r.Field, message(
				"Такого коду немає в довіднику «%s» або він не діє на дату документа. Виправте код.",
				"The code is not in the classifier \"%s\", or not in force on the document's date. Mend the code.", r.List))
		}
	}
}
