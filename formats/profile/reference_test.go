package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/classifier"
	"github.com/brama-gateway/brama/formats/sample"
)

// rulesOf are the rules of findings, without the one about what the layout lacks.
func rulesOf(r *formats.Report) string {
	var list []string
	for _, f := range r.Findings {
		if f.Rule != RulePartial {
			list = append(list, f.Rule)
		}
	}
	return strings.Join(list, " ")
}

func TestReferences(t *testing.T) {
	t.Parallel()
	set := load(t, testProfile+`references:
  - {field: kekv, list: kekv}
  - {field: payee.iban, list: client.accounts, message: {uk: "чужий", en: "foreign"}}
  - {field: payee.code, list: client.edrpou, severity: warning}
`)
	fields := append(slices.Clone(testFields), sample.DBFField{Name: "KEKV", Type: 'C', Length: 4})
	list, err := classifier.New("kekv", []classifier.Entry{{Code: "2273"}, {Code: "2111", Until: "2026-01-01"}})
	if err != nil {
		t.Fatal(err)
	}
	lists := classifier.NewSet(list)
	for _, c := range []struct {
		what, kekv, want string
		lists            formats.Lists
		owner            *formats.Owner
	}{
		{"in the list", "2273", "", lists, nil},
		{"not in the list", "2274", "REF-001", lists, nil},
		{"not any more", "2111", "REF-001", lists, nil},
		{"nothing given", "", "", lists, nil},
		{"no lists", "2273", "REF-002", nil, nil},
		{"another list", "2273", "REF-002", classifier.NewSet(), nil},
		{"own account and code", "2273", "", lists, &formats.Owner{EDRPOU: "00013480", Accounts: []string{iban}}},
		{"somebody's account", "2273", "REF-003", lists, &formats.Owner{Accounts: []string{"UA638999980333129340000026002"}}},
		{"somebody's code", "2273", "REF-003", lists, &formats.Owner{EDRPOU: "37567646"}},
	} {
		ctx := january
		ctx.Lists, ctx.Owner = c.lists, c.owner
		row := append(testRow(), c.kekv)
		r := set.Check(ctx, Options{Allowed: []string{"test.table"}}, section(sample.DBF(fields, 0xC9, charset.Windows1251, january.At, [][]string{row})))
		if got := rulesOf(r); got != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.what, got, c.want, r.Findings)
		}
		if ok := r.OK(); ok != (c.want == "" || c.want == "REF-002" || c.what == "somebody's code") {
			t.Errorf("%s: taken %v", c.what, ok)
		}
	}
	for what, text := range map[string]string{
		"field": "references: [{field: kekw, list: kekv}]",
		"list":  "references: [{field: kekv, list: КЕКВ}]",
		"own":   "references: [{field: kekv, list: client.acounts}]",
	} {
		_, err := Parse("t.yaml", []byte(testProfile+text+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "t.yaml:") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

const totalProfile = `profile: test.total
version: "1"
kind: payment_instruction
title: {uk: "проба", en: "trial"}
container: {type: delimited, separator: ";", header: true}
charset: {name: utf-8}
record:
  - {src: n, to: number, type: text, required: true}
  - {src: d, to: date, type: date, format: yyyy-mm-dd, required: true}
  - {src: s, to: amount, type: money, unit: hryvnia, required: true}
  - {src: p, to: purpose, type: text, required: true}
absent: [payer.name, payer.code, payer.iban, payee.name, payee.code, payee.iban]
file_rules:
`

func TestFileRules(t *testing.T) {
	t.Parallel()
	sorted := load(t, totalProfile+`  - {id: SITE-001, sorted: [date, number], message: {uk: "порядок", en: "order"}}`)
	total := load(t, totalProfile+`  - {id: SITE-002, sum: amount, total: amount, message: {uk: "разом", en: "total"}}`)
	file := func(rows ...string) []byte { return []byte("n;d;s;p\n" + strings.Join(rows, "\n") + "\n") }
	for _, c := range []struct {
		what, want string
		set        *Set
		doc        []byte
	}{
		{"in order", "", sorted, file("1;2026-01-14;1;a", "2;2026-01-14;1;a", "1;2026-01-15;1;a")},
		{"out of order", "SITE-001", sorted, file("1;2026-01-14;1;a", "3;2026-01-14;1;a", "2;2026-01-14;1;a")},
		{"the total", "", total, file("1;2026-01-14;5;a")},
		{"not the total", "SITE-002", total, file("1;2026-01-14;5;a", "2;2026-01-14;5;a")},
		{"two totals", "SITE-002", total, file("1;2026-01-14;5;a", "2;2026-01-14;6;a")},
		{"a record that was not read", "FLD-002", total, file("1;2026-01-14;5;a", "2;2026-01-14;x;a")},
	} {
		if got := rulesOf(c.set.Check(january, Options{}, section(c.doc))); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	for what, rule := range map[string]string{
		"two sorts":     "{id: SITE-001, sorted: [date], unique: [number], message: {uk: a, en: a}}",
		"no such path":  "{id: SITE-001, sorted: [dat], message: {uk: a, en: a}}",
		"money":         "{id: SITE-001, sorted: [amount], message: {uk: a, en: a}}",
		"no total":      "{id: SITE-001, sum: amount, total: number, message: {uk: a, en: a}}",
		"both":          "{id: SITE-001, sum: amount, total: amount, max: 5, message: {uk: a, en: a}}",
		"neither":       "{id: SITE-001, sum: amount, message: {uk: a, en: a}}",
		"total of none": "{id: SITE-001, unique: [number], total: amount, message: {uk: a, en: a}}",
	} {
		if _, err := Parse("t.yaml", []byte(totalProfile+"  - "+rule+"\n")); err == nil || !strings.HasPrefix(err.Error(), "t.yaml:14:") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
