package kind

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/brama-gateway/brama/formats"
)

// Definition describes a kind by the Go type T of its records. The fields of T,
// and of structs embedded in it, carry tags:
//
//	field  the canonical path
//	type   text, ref, date, money, change (money with a sign), digits, iban, edrpou, party (code of
//	       whomever), kekv, kpkvk, kkdb, mfo, word (one of values)
//	max    characters of a text; digits of digits
//	values words that a word may be, with | between
//	need   "head": belongs to the document, repeated in each record; "required"; both with a comma
//	dbf    name in the canonical DBF, at most 10 characters
//	uk, en what it is
//
// Fields are strings, or int64 (kopecks) for money and change.
type Definition[T any] struct {
	ID     formats.Kind
	Prefix string // of the ids of the rules
	Title  formats.Text
	Basis  string // the order that knows such a document
	Root   string // name of the document in canonical XML, as CommitmentRegister
	Line   string // name of a record in canonical XML

	Rules []formats.Rule[*T]
	File  []FileRule[T]

	// Postings are what an accepted record does to the sender's ledger; nil: nothing.
	Postings func(r *T) []formats.Posting
	// References are the identifiers of accepted documents that a record names,
	// and the path of the field that does; nil: none.
	References func(r *T) (path, ids string)
	// Entries says that each record is a document of its own, with its number and
	// date; else the whole file is one.
	Entries bool
}

// FileRule is a requirement on a document as a whole. Start makes what looks at
// one document: each is called for every record in turn, end after the last one
// if all could be read; either may be nil.
type FileRule[T any] struct {
	ID       string
	Title    string
	Citation string
	Severity formats.Severity
	Start    func(c *formats.Context) (each func(r *T, report Report), end func(report Report))
}

// Report tells what is wrong at a canonical path.
type Report = func(path string, m formats.Text)

// Rule is what is to be known of a rule besides its body.
type Rule struct {
	ID, Title, Citation string
	Severity            formats.Severity
}

// index finds a field in T.
type index = [][]int

// Of makes the kind of a definition. It panics if the tags are wrong: they are
// our own, and every test shows it.
func Of[T any](d Definition[T]) *Kind {
	k := &Kind{ID: d.ID, Title: d.Title, Basis: d.Basis, Root: d.Root, Line: d.Line}
	var at index
	k.Fields, at = fieldsOf(reflect.TypeFor[T](), nil)
	general := generalRules[T](k.Fields)
	for _, r := range general {
		k.Rules = append(k.Rules, Rule{r.ID, r.Title, r.Citation, r.Severity})
	}
	k.Rules = append(k.Rules, ruleHeader)
	if k.Index("total") >= 0 {
		k.Rules = append(k.Rules, ruleTotal)
	}
	for _, r := range d.Rules {
		k.Rules = append(k.Rules, Rule{r.ID, r.Title, r.Citation, r.Severity})
	}
	for _, r := range d.File {
		k.Rules = append(k.Rules, Rule{r.ID, r.Title, r.Citation, r.Severity})
	}
	if d.References != nil {
		k.Rules = append(k.Rules, RuleDocument)
	}
	if d.Postings != nil {
		k.Rules = append(k.Rules, RuleAccount, RuleOpen, RuleNew)
	}
	k.Start = func(run Run) Checker { return newChecker(&d, k, at, general, run) }
	return k
}

func fieldsOf(t reflect.Type, before []int) ([]Field, index) {
	var list []Field
	var at index
	for i := range t.NumField() {
		f := t.Field(i)
		place := append(append([]int(nil), before...), i)
		if f.Anonymous {
			more, where := fieldsOf(f.Type, place)
			list, at = append(list, more...), append(at, where...)
			continue
		}
		tag := f.Tag
		field := Field{
			Path: tag.Get("field"), Type: tag.Get("type"), DBF: tag.Get("dbf"), Title: formats.Text{UK: tag.Get("uk"), EN: tag.Get("en")},
			Header: strings.Contains(tag.Get("need"), "head"), Required: strings.Contains(tag.Get("need"), "required"),
		}
		if s := tag.Get("max"); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				panic(fmt.Sprintf("%s.%s: max %q", t, f.Name, s))
			}
			field.Max = n
		}
		if s := tag.Get("values"); s != "" {
			field.Values = strings.Split(s, "|")
		}
		want := reflect.String
		if field.Money() {
			want = reflect.Int64
		}
		if field.Path == "" || field.Title.UK == "" || field.Title.EN == "" || len(field.DBF) > 10 || field.DBF == "" || f.Type.Kind() != want || !fieldTypes[field.Type] ||
			(field.Type == "word") != (len(field.Values) > 0) || (field.Type == "text" || field.Type == "digits") && field.Max == 0 {
			panic(fmt.Sprintf("%s.%s: tags %q", t, f.Name, tag))
		}
		list, at = append(list, field), append(at, place)
	}
	return list, at
}

// fieldTypes are the types that a tag may name.
var fieldTypes = map[string]bool{
	"text": true, "ref": true, "date": true, "money": true, "change": true, "digits": true, "iban": true, "edrpou": true, "party": true,
	"kekv": true, "kpkvk": true, "kkdb": true, "mfo": true, "word": true,
}

// record is a T that is being filled.
type record[T any] struct {
	value T
	place int
	kind  *Kind
	at    index
}

func (r *record[T]) field(i int) any {
	return reflect.ValueOf(&r.value).Elem().FieldByIndex(r.at[i]).Addr().Interface()
}

// Text implements Record.
func (r *record[T]) Text(i int) *string {
	s, _ := r.field(i).(*string)
	return s
}

// Money implements Record.
func (r *record[T]) Money(i int) *int64 {
	n, _ := r.field(i).(*int64)
	return n
}

// Place implements Record.
func (r *record[T]) Place() int { return r.place }

// Day implements Record.
func (r *record[T]) Day() string {
	if i := r.kind.Index("date"); i >= 0 {
		return *r.Text(i)
	}
	return ""
}
