package formats

// ValueType is what a value of an outgoing document is.
type ValueType uint8

// The types. The zero value is text.
const (
	TextValue  ValueType = iota
	DateValue            // Text holds ISO 8601
	MoneyValue           // Kopecks holds it
)

// Value is one value of an outgoing document, for a layout that is written.
type Value struct {
	Text    string
	Kopecks int64
}

// Source is an outgoing document as a layout sees it: records, and values by
// their canonical paths.
type Source interface {
	DocumentKind() Kind
	Len() int                       // records
	Value(i int, path string) Value // i from 0
}
