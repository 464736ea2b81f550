// Package classifier holds the code lists of the field (КЕКВ, КПКВК, КАТОТТГ, banks
// ...) with the dates on which each code is in force. A list is read from a table
// (DBF, CSV) as its publisher gives it out, and kept as text of our own; profiles
// refer to it by name.
//
// A [Set] is immutable: an import makes a new one.
package classifier

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// Entry is one code and when it is in force: From inclusive, Until exclusive, ISO
// 8601; empty is without bound. A code may stand in several entries.
type Entry struct {
	Code  string `json:"code"`
	Name  string `json:"name,omitempty"`
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
}

// In says whether the entry is in force on day (ISO 8601; empty: any).
func (e *Entry) In(day string) bool {
	return day == "" || (e.From == "" || day >= e.From) && (e.Until == "" || day < e.Until)
}

// List is one classifier. It is immutable.
type List struct {
	name    string
	entries []Entry // by code, then by date
}

var nameOK = regexp.MustCompile(`^[a-z][a-z0-9]*([._-][a-z0-9]+)*$`)

// Bounds of a list.
const (
	MaxEntries = 200_000
	maxCode    = 40
	maxName    = 1000
)

// New makes a list of entries in any order.
func New(name string, entries []Entry) (*List, error) {
	switch {
	case !nameOK.MatchString(name) || len(name) > 40:
		return nil, fmt.Errorf("list %q: want a name of lower-case letters, digits, points and hyphens, as kekv", name)
	case len(entries) == 0:
		return nil, fmt.Errorf("list %s: it has no codes", name)
	case len(entries) > MaxEntries:
		return nil, fmt.Errorf("list %s: more than %d codes", name, MaxEntries)
	}
	l := &List{name: name, entries: slices.Clone(entries)}
	slices.SortStableFunc(l.entries, func(a, b Entry) int {
		if c := compare(a.Code, b.Code); c != 0 {
			return c
		}
		return compare(a.From, b.From)
	})
	for i := range l.entries {
		e := &l.entries[i]
		switch {
		case e.Code == "" || len(e.Code) > maxCode || len(e.Name) > maxName:
			return nil, fmt.Errorf("list %s: code %.40q: empty, or it or its name is too long", name, e.Code)
		case !day(e.From) || !day(e.Until):
			return nil, fmt.Errorf("list %s: code %s: dates %q, %q: want them as 2026-01-31", name, e.Code, e.From, e.Until)
		case e.Until != "" && e.From >= e.Until:
			return nil, fmt.Errorf("list %s: code %s: it ends (%s) before it begins (%s)", name, e.Code, e.Until, e.From)
		case i > 0 && l.entries[i-1].Code == e.Code && (l.entries[i-1].Until == "" || l.entries[i-1].Until > e.From):
			return nil, fmt.Errorf("list %s: code %s: it is in force twice on one day", name, e.Code)
		}
	}
	return l, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// day says whether s is empty or a date.
func day(s string) bool {
	if s == "" {
		return true
	}
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// Name is the name that profiles use.
func (l *List) Name() string { return l.name }

// Entries are the entries of the list, by code and date.
func (l *List) Entries() []Entry { return slices.Clone(l.entries) }

// Len is how many there are.
func (l *List) Len() int { return len(l.entries) }

// Contains says whether code is in force on day (ISO 8601; empty: ever).
func (l *List) Contains(code, day string) bool {
	i, _ := slices.BinarySearchFunc(l.entries, code, func(e Entry, code string) int { return compare(e.Code, code) })
	for ; i < len(l.entries) && l.entries[i].Code == code; i++ {
		if l.entries[i].In(day) {
			return true
		}
	}
	return false
}

// Replace is the list as it is from the day from on: what was in force then and is
// not in entries ends on that day, what is in entries and was not begins on it.
// What was before stays. An empty from leaves nothing of before.
func (l *List) Replace(entries []Entry, from string) (*List, error) {
	if l == nil || from == "" {
		name := ""
		if l != nil {
			name = l.name
		}
		return New(name, entries)
	}
	if !day(from) {
		return nil, fmt.Errorf("list %s: date %q: want it as 2026-01-31", l.name, from)
	}
	named := map[string]*Entry{}
	for i := range entries {
		named[entries[i].Code] = &entries[i]
	}
	var all []Entry
	stays := map[string]bool{}
	for _, e := range l.entries {
		switch n := named[e.Code]; {
		case e.From >= from: // of a later import, which this one takes the place of
			continue
		case !e.In(from):
		case n != nil && n.Name == e.Name:
			stays[e.Code] = true
			e.Until = n.Until
		default:
			e.Until = from
		}
		all = append(all, e)
	}
	for _, e := range entries {
		if stays[e.Code] {
			continue
		}
		if e.From < from {
			e.From = from
		}
		all = append(all, e)
	}
	return New(l.name, all)
}

// stored is how a list is kept.
type stored struct {
	List    string  `json:"list"`
	Entries []Entry `json:"entries"`
}

// Marshal is the list as text that ParseStored reads.
func (l *List) Marshal() ([]byte, error) { return json.Marshal(stored{l.name, l.entries}) }

// ParseStored reads what Marshal wrote.
func ParseStored(text []byte) (*List, error) {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("classifier: %w", err)
	}
	return New(s.List, s.Entries)
}

// Set is the lists of the moment. The zero value and nil have none.
type Set struct{ lists map[string]*List }

// NewSet is a set of lists; of two with one name the later one.
func NewSet(lists ...*List) *Set {
	s := &Set{lists: map[string]*List{}}
	for _, l := range lists {
		s.lists[l.name] = l
	}
	return s
}

// With is the set with l in it, in place of one of its name.
func (s *Set) With(l *List) *Set { return NewSet(append(s.All(), l)...) }

// List is the list of that name, or nil.
func (s *Set) List(name string) *List {
	if s == nil {
		return nil
	}
	return s.lists[name]
}

// All are the lists by name.
func (s *Set) All() []*List {
	if s == nil {
		return nil
	}
	var all []*List
	for _, name := range slices.Sorted(maps.Keys(s.lists)) {
		all = append(all, s.lists[name])
	}
	return all
}

// Contains says whether code is in force in a list on day; known is false when
// there is no such list.
func (s *Set) Contains(list, code, day string) (in, known bool) {
	l := s.List(list)
	if l == nil {
		return false, false
	}
	return l.Contains(code, day), true
}
