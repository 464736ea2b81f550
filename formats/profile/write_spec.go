package profile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/extract"
	"github.com/brama-gateway/brama/formats/statement"
)

// layoutSpec is a profile with "direction: out": how a document of the treasury
// is written for a program that reads it. Every key is listed here; any other is
// an error.
type layoutSpec struct {
	Profile   string             `yaml:"profile"`
	Version   string             `yaml:"version"`
	Direction string             `yaml:"direction"` // out
	Kinds     []string           `yaml:"kinds"`
	Title     formats.Text       `yaml:"title"`
	Container outContainerSpec   `yaml:"container"`
	Charset   outCharsetSpec     `yaml:"charset"`
	Record    []layoutColumnSpec `yaml:"record"`
}

type outContainerSpec struct {
	Type        string `yaml:"type"`          // dbf, delimited, fixed, keyvalue
	Extension   string `yaml:"extension"`     // of the file, as .dbf
	Version     int    `yaml:"version"`       // dbf: first byte; 0x03 if not written
	Language    int    `yaml:"language"`      // dbf: language driver byte; none: the one of the page
	CharOver255 string `yaml:"char_over_255"` // dbf: "clipper" or nothing
	Separator   string `yaml:"separator"`     // delimited: one ASCII character
	Header      bool   `yaml:"header"`        // delimited: the first line names the columns
	Quote       bool   `yaml:"quote"`         // delimited: what needs it stands in double quotes
	First       string `yaml:"first"`         // keyvalue: the first line of the file
}

type outCharsetSpec struct {
	// Name is a page, or "client": the one of the register entry; in a DBF
	// windows-1251 where that is utf-8, which the language byte cannot say.
	Name string `yaml:"name"`
	// Substitutes "refuse" takes no substitute for a letter that the page lacks, as
	// Latin i for і in cp866.
	Substitutes string `yaml:"substitutes"`
}

type layoutColumnSpec struct {
	Name   string            `yaml:"name"`
	From   string            `yaml:"from"`   // canonical path
	Const  string            `yaml:"const"`  // or always this
	Type   string            `yaml:"type"`   // dbf: C, N, D
	Len    int               `yaml:"len"`    // dbf and fixed: bytes
	Dec    int               `yaml:"dec"`    // dbf: of N
	Unit   string            `yaml:"unit"`   // of money: kopeck or hryvnia
	Format string            `yaml:"format"` // of a date that is not D
	Values map[string]string `yaml:"values"` // what is written for a value
	Skip   int               `yaml:"skip"`   // characters that the column before has taken
	Take   int               `yaml:"take"`   // characters that this column takes, the next takes on
	Cut    bool              `yaml:"cut"`    // what does not fit may be cut; else it is an error
	Align  string            `yaml:"align"`  // fixed: "right"; else left

	line int
	kind formats.ValueType
}

func (c *layoutColumnSpec) UnmarshalYAML(node *yaml.Node) error {
	type plain layoutColumnSpec
	c.line = node.Line
	return node.Decode((*plain)(c))
}

// Layout is a compiled profile of the direction out.
type Layout struct {
	spec layoutSpec
	file string
	ref  formats.ProfileRef
	page *charset.Page // nil: the client's
}

// Ref is the name, version and digest of the layout.
func (l *Layout) Ref() formats.ProfileRef { return l.ref }

// Extension is how files of the layout end, as ".dbf".
func (l *Layout) Extension() string { return l.spec.Container.Extension }

// Title is what people call the layout.
func (l *Layout) Title() formats.Text { return l.spec.Title }

// Carries says whether the layout writes documents of a kind.
func (l *Layout) Carries(k formats.Kind) bool { return slices.Contains(l.spec.Kinds, string(k)) }

// isLayout says whether a profile describes what is written. A misspelt
// "direction" does too, so that the error names the right key.
func isLayout(n *yaml.Node) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if distance(n.Content[i].Value, "direction") <= 2 {
			return true
		}
	}
	return false
}

// pathsOf are the canonical paths of a kind; nil for one that has no records.
func pathsOf(k formats.Kind) map[string]formats.ValueType {
	switch k {
	case formats.Statement, formats.AccountState, formats.AccountNotification:
		return statement.Paths
	case formats.AllocationExtract, formats.PlanChange, formats.RegisterExtract:
		return extract.Paths
	}
	return nil
}

var outContainers = []string{"dbf", "delimited", "fixed", "keyvalue"}

func compileLayout(file string, root *yaml.Node, ref formats.ProfileRef) (*Layout, error) {
	if err := checkKeys(file, root, reflect.TypeFor[layoutSpec]()); err != nil {
		return nil, err
	}
	l := &Layout{file: file, ref: ref}
	if err := root.Decode(&l.spec); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := &l.spec
	l.ref.Name, l.ref.Version = s.Profile, s.Version
	line := func(k string) int { return lineOf(root, k) }
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %w", file, line, fmt.Errorf(format, args...))
	}
	switch {
	case s.Direction != "out":
		return nil, fail(line("direction"), "direction %q: write out, or remove it for a layout that is read", s.Direction)
	case !nameOK.MatchString(s.Profile):
		return nil, fail(line("profile"), "profile %q: want a name of lower-case letters, digits, points and hyphens, as ua.bank.statement", s.Profile)
	case s.Version == "":
		return nil, fail(line("version"), "version: missing; write a text as \"2026.1\"")
	case s.Title.UK == "" || s.Title.EN == "":
		return nil, fail(line("title"), "title: write it in both languages, as {uk: ..., en: ...}")
	case len(s.Kinds) == 0:
		return nil, fail(line("kinds"), "kinds: missing; write the kinds that are written so, as [statement]")
	}
	var paths map[string]formats.ValueType
	for _, k := range s.Kinds {
		p := pathsOf(formats.Kind(k))
		if p == nil {
			return nil, fail(line("kinds"), "kind %q: none that has records to write; %s", k, didYouMean(k, layoutKinds()))
		}
		if paths != nil && len(p) != len(paths) {
			return nil, fail(line("kinds"), "kind %q: has other records than %s; write a layout for each", k, s.Kinds[0])
		}
		paths = p
	}
	c := s.Container
	switch {
	case !slices.Contains(outContainers, c.Type):
		return nil, fail(line("container"), "container type %q: unknown; %s", c.Type, didYouMean(c.Type, outContainers))
	case !strings.HasPrefix(c.Extension, ".") || len(c.Extension) < 2 || len(c.Extension) > 8 || strings.Trim(c.Extension[1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		return nil, fail(line("container"), "container extension %q: write a point and small letters, as .dbf", c.Extension)
	case c.Type != "dbf" && (c.Version != 0 || c.Language != 0 || c.CharOver255 != ""):
		return nil, fail(line("container"), "version, language and char_over_255: only for type dbf; remove them")
	case c.Type != "delimited" && (c.Separator != "" || c.Header || c.Quote), c.Type != "keyvalue" && c.First != "":
		return nil, fail(line("container"), "separator, header and quote are only for delimited, first only for keyvalue; remove what is not for type %s", c.Type)
	case c.Type == "delimited" && (len(c.Separator) != 1 || c.Separator[0] < ' ' && c.Separator[0] != '\t' || c.Separator[0] > '~' || c.Separator == `"`):
		return nil, fail(line("container"), "separator %q: write one character, as \";\"", c.Separator)
	case c.CharOver255 != "" && c.CharOver255 != "clipper":
		return nil, fail(line("container"), "char_over_255 %q: unknown; write clipper or remove it", c.CharOver255)
	case c.Version < 0 || c.Version > 255 || c.Language < 0 || c.Language > 255:
		return nil, fail(line("container"), "version, language: want bytes, 0x00 to 0xFF")
	}
	if s.Charset.Name != "client" {
		var ok bool
		if l.page, ok = charset.Lookup(s.Charset.Name); !ok {
			return nil, fail(line("charset"), "charset name %q: unknown; %s", s.Charset.Name, didYouMean(s.Charset.Name, append(charset.Names(), "client")))
		}
	}
	if v := s.Charset.Substitutes; v != "" && v != "refuse" {
		return nil, fail(line("charset"), "charset substitutes %q: write refuse or remove it", v)
	}
	if len(s.Record) == 0 {
		return nil, fail(line("record"), "record: missing; declare every column")
	}
	if err := l.compileColumns(fail, paths); err != nil {
		return nil, err
	}
	if c.Type == "dbf" {
		t := l.table(0, charset.Windows1251)
		if err := t.Check(); err != nil {
			return nil, fail(line("record"), "%w", err)
		}
	}
	return l, nil
}

func layoutKinds() []string {
	var list []string
	for _, k := range formats.OutgoingKinds() {
		if pathsOf(k) != nil {
			list = append(list, string(k))
		}
	}
	return list
}

func (l *Layout) compileColumns(fail failer, paths map[string]formats.ValueType) error {
	sized := l.spec.Container.Type == "dbf" || l.spec.Container.Type == "fixed"
	names := map[string]bool{}
	taken := map[string]int{} // characters of a path that columns before have taken; -1: the rest
	for i := range l.spec.Record {
		c := &l.spec.Record[i]
		if c.Name == "" || names[strings.ToLower(c.Name)] {
			return fail(c.line, "name %q: missing, or there twice", c.Name)
		}
		names[strings.ToLower(c.Name)] = true
		switch {
		case (c.From != "") == (c.Const != ""):
			if c.From == "" && c.Type != "" && sized {
				break // an empty column that the layout must have
			}
			return fail(c.line, "column %s: write from, or const", c.Name)
		case c.From != "":
			kind, ok := paths[c.From]
			if !ok {
				return fail(c.line, "from %q: no such path; %s", c.From, didYouMean(c.From, slices.Sorted(maps.Keys(paths))))
			}
			c.kind = kind
		}
		switch {
		case sized && c.Len < 1:
			return fail(c.line, "len: missing; write the bytes of column %s", c.Name)
		case !sized && (c.Len != 0 || c.Align != ""), l.spec.Container.Type != "dbf" && (c.Type != "" || c.Dec != 0):
			return fail(c.line, "type and dec are only for dbf, len only for dbf and fixed, align only for fixed; remove what is not")
		case l.spec.Container.Type == "dbf" && c.Type != "C" && c.Type != "N" && c.Type != "D":
			return fail(c.line, "type %q: write C, N or D", c.Type)
		case c.Align != "" && c.Align != "right":
			return fail(c.line, "align %q: write right or remove it", c.Align)
		case c.kind == formats.MoneyValue && c.Unit != "kopeck" && c.Unit != "hryvnia":
			return fail(c.line, "unit %q: write kopeck or hryvnia", c.Unit)
		case c.kind == formats.MoneyValue && c.Unit == "kopeck" && c.Dec != 0, c.kind == formats.MoneyValue && c.Type == "N" && c.Unit == "hryvnia" && c.Dec < 2:
			return fail(c.line, "dec %d: kopecks have none, hryvnias at least 2", c.Dec)
		case c.kind != formats.MoneyValue && c.Unit != "":
			return fail(c.line, "unit: only for money; remove it")
		case c.Cut && (c.Type == "N" || c.Type == "D" || c.kind != formats.TextValue):
			return fail(c.line, "cut: only for text; a sum, a date or a code must be whole")
		case c.kind == formats.MoneyValue && (len(c.Values) > 0 || c.Type == "D"):
			return fail(c.line, "cut, values and type D are not for money")
		case c.kind == formats.MoneyValue && c.Type != "N" && c.Dec != 0:
			return fail(c.line, "dec: only for type N; remove it")
		case c.Type == "D" && c.kind != formats.DateValue && c.From != "":
			return fail(c.line, "type D: %s is no date", c.From)
		case c.Type == "D" && (c.Const != "" || c.Format != ""):
			return fail(c.line, "type D: takes no const and no format")
		case c.Format != "" && (c.kind != formats.DateValue || dateFormats[c.Format] == ""):
			return fail(c.line, "format %q: only for dates; write one of yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, yyyy-mm-dd, yymmdd", c.Format)
		case c.Skip < 0 || c.Take < 0 || (c.Skip > 0 || c.Take > 0) && (c.kind != formats.TextValue || c.From == "" || len(c.Values) > 0):
			return fail(c.line, "skip, take: only for text, and not negative")
		case c.Skip != 0 && taken[c.From] != c.Skip:
			return fail(c.line, "skip %d: the columns before take %d characters of %s", c.Skip, max(0, taken[c.From]), c.From)
		}
		if c.Take > 0 {
			taken[c.From] = c.Skip + c.Take
		} else if c.Skip > 0 {
			taken[c.From] = -1
		}
	}
	for path, n := range taken {
		if n > 0 {
			return fail(l.spec.Record[0].line, "take: no column takes %s from character %d on; the rest would be lost", path, n)
		}
	}
	return nil
}

// languages are the language driver bytes of the pages that have one.
var languages = map[*charset.Page]byte{charset.Windows1251: 0xC9, charset.CP866: 0x65}

func (l *Layout) table(count int, page *charset.Page) dbf.Table {
	c := l.spec.Container
	if c.Language == 0 {
		c.Language = int(languages[page])
	}
	t := dbf.Table{Version: byte(c.Version), Language: byte(c.Language), LongChar: c.CharOver255 == "clipper", Count: count}
	if t.Version == 0 {
		t.Version = 0x03
	}
	for _, f := range l.spec.Record {
		var kind byte
		if f.Type != "" {
			kind = f.Type[0]
		}
		t.Fields = append(t.Fields, dbf.Field{Name: f.Name, Type: kind, Length: f.Len, Decimals: f.Dec})
	}
	return t
}

// Explain says in words what the layout writes.
func (l *Layout) Explain() formats.Text {
	var uk, en strings.Builder
	fmt.Fprintf(&uk, "%s (%s, версія %s)\nнапрям: вихідний\nвиди документів: %s\nконтейнер: %s\nсторінка: %s\n", l.spec.Title.UK, l.ref.Name, l.ref.Version, strings.Join(l.spec.Kinds, ", "), l.spec.Container.Type, l.spec.Charset.Name)
	fmt.Fprintf(&en, "%s (%s, version %s)\ndirection: out\nkinds: %s\ncontainer: %s\ncode page: %s\n", l.spec.Title.EN, l.ref.Name, l.ref.Version, strings.Join(l.spec.Kinds, ", "), l.spec.Container.Type, l.spec.Charset.Name)
	for _, c := range l.spec.Record {
		from := c.From
		if from == "" {
			from = fmt.Sprintf("%q", c.Const)
		}
		row := fmt.Sprintf("  %-12s <- %-18s %s %s\n", c.Name, from, strings.TrimSpace(fmt.Sprintf("%s %d", c.Type, c.Len)), c.Unit)
		uk.WriteString(row)
		en.WriteString(row)
	}
	return formats.Text{UK: uk.String(), EN: en.String()}
}

// Beside is the set s with l in it; l takes the place of one of its name.
func (l *Layout) Beside(s *Set) *Set { return s.With(&Set{layouts: []*Layout{l}}) }
