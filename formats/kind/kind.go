// Package kind says what a kind of document is: its canonical fields, and how a
// document of it is checked, record by record. Readers and layouts (package
// profile) know kinds through it and through nothing else, so that a new kind is
// one description and no new reader.
//
// A document is a series of records: the payments of a file, the lines of a
// register. What belongs to the whole document, as the number of a register,
// stands in each of its records (Field.Header).
package kind

import (
	"slices"

	"github.com/brama-gateway/brama/formats"
)

// Kind is a kind of document. It is immutable.
type Kind struct {
	ID     formats.Kind
	Title  formats.Text
	Fields []Field
	Rules  []Rule // for people; empty where the package of the kind lists them itself
	Basis  string // the order that knows such a document
	Root   string // names of the document and of a record in canonical XML; empty: it has none
	Line   string

	// Start begins the check of one document.
	Start func(Run) Checker
}

// Field is one canonical field of a record.
type Field struct {
	Path string // as number, payee.iban
	Type string // text, date, money, iban, ... (Definition)

	// The rest is for canonical layouts and descriptions.
	Max      int
	Values   []string
	Required bool
	Header   bool   // belongs to the document: the same in each of its records
	DBF      string // name in the canonical DBF
	Title    formats.Text
}

// Money says whether the field is a sum, in kopecks. All others are texts.
func (f *Field) Money() bool { return f.Type == "money" || f.Type == "change" }

// Paths are the paths of the fields, in their order.
func (k *Kind) Paths() []string {
	list := make([]string, len(k.Fields))
	for i := range k.Fields {
		list[i] = k.Fields[i].Path
	}
	return list
}

// Index is the place of path among the fields, or -1.
func (k *Kind) Index(path string) int {
	return slices.IndexFunc(k.Fields, func(f Field) bool { return f.Path == path })
}

// Record is one canonical record while it is filled and checked. Fields are
// named by their index in Kind.Fields.
type Record interface {
	Text(i int) *string // nil if field i is money
	Money(i int) *int64 // nil if it is not
	Place() int         // number of the record in the file, from 1
	Day() string        // the document's date, ISO 8601: which rules are in force
}

// Run is what the check of one document needs.
type Run struct {
	Context *formats.Context
	Add     func(formats.Finding)

	// Field is the name in the source layout of a canonical path; nil: the path.
	Field func(path string) string
	// Absent are the paths that the layout cannot carry. Rules about them do not
	// apply; the layout must say so openly.
	Absent []string
	// Expect is how many records there will be, as far as a header tells that the
	// size of the document bears out; 0: not known. It saves a list that grows, which
	// is in memory twice.
	Expect int
}

// MaxExpect bounds what is kept ready for the records that are expected.
const MaxExpect = 300000

// Checker checks the records of one document in their order.
type Checker interface {
	// Record is an empty record; place is its number in the file, from 1. It may
	// be the one of the call before, emptied.
	Record(place int) Record
	// Check holds r, which Record gave, to the rules. Said are the paths about
	// which the layout's reader has reported an error of this record already:
	// nothing more is said of them.
	Check(r Record, said ...string)
	// End holds the whole document to the rules and returns what it consists of.
	// It is called once, also if reading ended early; whole is then false.
	End(whole bool) []formats.Entry
}
