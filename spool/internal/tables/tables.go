// Package tables names the rows that every engine keeps, so that they can be moved
// from one engine to another and compared. Both engines order words and bytes by
// their bytes, and write numbers for times.
package tables

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
)

// Kind is the sort of a column's values.
type Kind int

// The kinds. Bytes may be absent (nil), which is the same as empty.
const (
	Number Kind = iota // int64
	Word               // string
	Bytes              // []byte
	Needed             // []byte, never nil
)

// A Column is one value of a row. Read is how it is asked for when that is not its name.
type Column struct {
	Name string
	Kind Kind
	Read string
}

// A Table is a set of rows in the order of its first Key columns.
type Table struct {
	Name    string
	Columns []Column
	Key     int
}

// Row is the values of a table's columns: int64, string or []byte.
type Row []any

func numbers(names ...string) (c []Column) {
	for _, n := range names {
		c = append(c, Column{Name: n})
	}
	return c
}

func words(names ...string) (c []Column) {
	for _, n := range names {
		c = append(c, Column{Name: n, Kind: Word})
	}
	return c
}

func columns(all ...[]Column) (c []Column) {
	for _, a := range all {
		c = append(c, a...)
	}
	return c
}

func one(name string, kind Kind) []Column { return []Column{{Name: name, Kind: kind}} }

// Content is moved with its bytes; Kept, unfinished drafts, as drafts.
const (
	Content = "content"
	Kept    = "kept"
)

// All are the tables in the order in which rows may be written: what others refer
// to first. The number of a part is its place among those of its item.
var All = []*Table{
	{"item", columns(numbers("id"), words("queue", "owner", "state", "name", "label", "kind", "number", "date", "sha256"),
		numbers("size", "priority", "received", "decided", "deadline", "not_before", "attempts"), words("lease"), numbers("lease_until"),
		one("note", Bytes), numbers("version", "ripe")), 1},
	{"tally", columns(words("queue", "state"), numbers("n")), 2},
	{"claimed", words("queue", "state"), 2},
	{"turn", columns(words("queue", "state", "owner"), numbers("priority", "served", "idle")), 4},
	{Content, columns(numbers("id"), one("sha256", Needed), numbers("size")), 1},
	{"loose", numbers("content"), 1},
	{"part", columns(numbers("item"), words("name"), []Column{{"n", Number, "(SELECT COUNT(*) FROM part q WHERE q.item = part.item AND q.n <= part.n)"}},
		words("role"), numbers("added", "content")), 2},
	{"event", columns(numbers("seq", "id", "item", "at"), words("kind"), one("record", Bytes)), 1},
	{"seen", columns(one("key", Needed), numbers("item")), 1},
	{"post", columns(words("owner", "box", "name"), numbers("item"), words("part"), numbers("size", "at", "told", "delivered", "acknowledged", "withdrawn")), 3},
	{"counter", columns(words("name"), numbers("n")), 1},
	{"value", columns(words("bucket", "key"), one("value", Needed)), 2},
	{Kept, columns(words("owner", "name"), numbers("size", "modified"), one("ranges", Bytes)), 2},
}

func (t *Table) list(n int) string {
	var names []string
	for _, c := range t.Columns[:n] {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

func marks(from, to int) string {
	var m []string
	for i := from; i <= to; i++ {
		m = append(m, fmt.Sprintf("$%d", i))
	}
	return strings.Join(m, ", ")
}

// Select reads rows in order, the first $1 of them; after a row those whose key is
// greater than $2, ...
func (t *Table) Select(after bool) string {
	var what []string
	for _, c := range t.Columns {
		if c.Read != "" {
			what = append(what, c.Read)
		} else {
			what = append(what, c.Name)
		}
	}
	text := "SELECT " + strings.Join(what, ", ") + " FROM " + t.Name
	if after {
		text += " WHERE (" + t.list(t.Key) + ") > (" + marks(2, t.Key+1) + ")"
	}
	return text + " ORDER BY " + t.list(t.Key) + " LIMIT $1"
}

// Last reads the greatest key.
func (t *Table) Last() string {
	return "SELECT " + t.list(t.Key) + " FROM " + t.Name + " ORDER BY " + strings.ReplaceAll(t.list(t.Key), ",", " DESC,") + " DESC LIMIT 1"
}

// Insert writes one row, which may be there already.
func (t *Table) Insert() string {
	return "INSERT INTO " + t.Name + " (" + t.list(len(t.Columns)) + ") VALUES (" + marks(1, len(t.Columns)) + ") ON CONFLICT DO NOTHING"
}

// Normal brings values of a driver into the form of Row.
func Normal(columns []Column, row []any) (Row, error) {
	for i, v := range row {
		switch x := v.(type) {
		case int64, string:
		case int32:
			row[i] = int64(x)
		case int16:
			row[i] = int64(x)
		case nil:
			row[i] = []byte(nil)
		case []byte:
			if len(x) == 0 {
				row[i] = []byte(nil)
			}
		default:
			return nil, fmt.Errorf("column %s: a value of type %T", columns[i].Name, v)
		}
		if b, is := row[i].([]byte); is && b == nil && columns[i].Kind == Needed {
			row[i] = []byte{}
		}
	}
	return row, nil
}

// A Sum is the hash of a table's rows in order.
type Sum struct {
	Rows int64
	hash hash.Hash
}

// NewSum begins one.
func NewSum() *Sum { return &Sum{hash: sha256.New()} }

// Add takes the next row: of each value its kind, its length and its bytes.
func (s *Sum) Add(row Row) {
	s.Rows++
	var b []byte
	for _, v := range row {
		switch x := v.(type) {
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'n'), uint64(x))
		case string:
			b = append(binary.BigEndian.AppendUint64(append(b, 'w'), uint64(len(x))), x...)
		case []byte:
			b = append(binary.BigEndian.AppendUint64(append(b, 'b'), uint64(len(x))), x...)
		}
	}
	s.hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
	s.hash.Write(b)
}

// Sum is the SHA-256 of what was added.
func (s *Sum) Sum() [32]byte { return [32]byte(s.hash.Sum(nil)) }
