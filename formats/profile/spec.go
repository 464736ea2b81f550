package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/jsondoc"
	"github.com/brama-gateway/brama/formats/text"
)

// spec is a profile as it is written. Every key is listed here; any other is an
// error.
type spec struct {
	Profile   string        `yaml:"profile"` // its name, as ua.oshchad.payment-order
	Version   string        `yaml:"version"`
	Kind      string        `yaml:"kind"`
	Title     formats.Text  `yaml:"title"` // what people call the layout
	Match     matchSpec     `yaml:"match"`
	Container containerSpec `yaml:"container"`
	Charset   charsetSpec   `yaml:"charset"`
	Limits    limitsSpec    `yaml:"limits"`
	Record    []fieldSpec   `yaml:"record"`
	// Absent are canonical paths that the layout cannot carry: rules about them do
	// not apply, and every file gets a warning that says so.
	Absent    []string       `yaml:"absent"`
	Rules     []ruleSpec     `yaml:"rules"`
	FileRules []fileRuleSpec `yaml:"file_rules"`
	// References hold fields to classifiers and to the sender's register entry.
	References []referenceSpec `yaml:"references"`
	// Refuse says why no document of this layout is taken. Such a profile is there
	// so that the sender is told what to do instead.
	Refuse formats.Text `yaml:"refuse"`
}

type matchSpec struct {
	Name string `yaml:"name"` // RE2 on the file's name
}

type containerSpec struct {
	Type        string `yaml:"type"`          // dbf, xml, pdf, json, fixed, keyvalue, keyed, delimited
	Versions    []int  `yaml:"versions"`      // dbf: first bytes allowed
	CharOver255 string `yaml:"char_over_255"` // dbf: "clipper" or nothing
	Message     string `yaml:"message"`       // xml: pain.001.001.09 or .03
	Length      int    `yaml:"length"`        // fixed: bytes of a line without its end
	First       string `yaml:"first"`         // keyvalue: the first line of the file
	CRLF        bool   `yaml:"crlf"`          // text: every line ends in CR and LF
	Separator   string `yaml:"separator"`     // delimited: one ASCII character
	Header      bool   `yaml:"header"`        // delimited: the first line names the columns
	Quote       bool   `yaml:"quote"`         // delimited: values may stand in double quotes
	MaxLine     int    `yaml:"max_line"`      // text: bytes of a line
	Array       string `yaml:"array"`         // json: the member that holds the records; empty: the document is their array
}

type charsetSpec struct {
	Name     string `yaml:"name"`
	FromLDID []int  `yaml:"from_ldid"` // dbf: language bytes that agree with name
	Fold     string `yaml:"fold"`      // "cyrillic-i": Latin i within Cyrillic words is і
	Foreign  string `yaml:"foreign"`   // letters that show that the text is in another page
}

type limitsSpec struct {
	MaxBytes   int64 `yaml:"max_bytes"`
	MaxRecords int   `yaml:"max_records"`
}

type fieldSpec struct {
	Src      names    `yaml:"src"` // one name, or several that are joined
	To       string   `yaml:"to"`
	Type     string   `yaml:"type"` // one type, or several with | for codes
	Join     string   `yaml:"join"` // "raw": parts follow each other as they are; else trimmed
	Required bool     `yaml:"required"`
	Ignore   bool     `yaml:"ignore"`
	Optional bool     `yaml:"optional"` // the field may be missing from the table
	Max      int64    `yaml:"max"`      // characters; of money: kopecks
	Min      int64    `yaml:"min"`
	Pad      int      `yaml:"pad"`      // digits: zeros on the left up to so many
	Unit     string   `yaml:"unit"`     // of money: kopeck or hryvnia
	Decimals int      `yaml:"decimals"` // of money in hryvnias: digits after the point; those beyond two must be zeros
	Format   string   `yaml:"format"`
	Values   []string `yaml:"values"`
	At       int      `yaml:"at"`    // fixed: first byte, from 1
	Len      int      `yaml:"len"`   // fixed: bytes
	Align    string   `yaml:"align"` // fixed: "right" or "left"; the other side has no spaces
	Check    bool     `yaml:"check"` // the value must be of its type, and goes nowhere

	line  int
	name  string   // for findings
	types []string // Type, one by one
	at    int      // index of To among the fields of the kind; -1: goes nowhere
}

type ruleSpec struct {
	ID       string       `yaml:"id"`
	Title    string       `yaml:"title"`
	Citation string       `yaml:"citation"`
	When     string       `yaml:"when"`
	Expr     string       `yaml:"expr"`
	Field    string       `yaml:"field"` // canonical path that the finding names
	Severity string       `yaml:"severity"`
	From     string       `yaml:"from"`
	Until    string       `yaml:"until"`
	Message  formats.Text `yaml:"message"`

	line int
}

type fileRuleSpec struct {
	ID       string       `yaml:"id"`
	Unique   []string     `yaml:"unique"` // canonical paths whose values together occur once
	Sum      string       `yaml:"sum"`    // a path of money: all records together
	Max      int64        `yaml:"max"`    // of sum: kopecks, at most
	Total    string       `yaml:"total"`  // of sum: a path of money that holds the file's total, the same in each record
	Sorted   []string     `yaml:"sorted"` // canonical paths by which the records come in order
	Severity string       `yaml:"severity"`
	Message  formats.Text `yaml:"message"`

	line int
}

type referenceSpec struct {
	Field    string       `yaml:"field"` // canonical path
	List     string       `yaml:"list"`  // a classifier's name, client.accounts or client.edrpou
	Severity string       `yaml:"severity"`
	Message  formats.Text `yaml:"message"` // may be left out

	line     int
	at       int
	severity formats.Severity
}

func (r *referenceSpec) UnmarshalYAML(node *yaml.Node) error {
	type plain referenceSpec
	r.line = node.Line
	return node.Decode((*plain)(r))
}

// names is one name or a list of them.
type names []string

func (n *names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

func (f *fieldSpec) UnmarshalYAML(node *yaml.Node) error {
	type plain fieldSpec
	f.line = node.Line
	return node.Decode((*plain)(f))
}

func (r *ruleSpec) UnmarshalYAML(node *yaml.Node) error {
	type plain ruleSpec
	r.line = node.Line
	return node.Decode((*plain)(r))
}

func (r *fileRuleSpec) UnmarshalYAML(node *yaml.Node) error {
	type plain fileRuleSpec
	r.line = node.Line
	return node.Decode((*plain)(r))
}

// maxProfile bounds the text of one profile.
const maxProfile = 256 << 10

// parse reads and compiles one profile. Errors name the file, the line, the key
// and what to write.
//
// It is a *Profile, or, where it says "direction: out", a *Layout.
func parse(file string, content []byte) (p *Profile, l *Layout, err error) {
	defer func() { // a YAML library that panics must not take the daemon along
		if v := recover(); v != nil {
			p, l, err = nil, nil, fmt.Errorf("%s: not readable as YAML", file)
		}
	}()
	if len(content) > maxProfile {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes", file, maxProfile)
	}
	var root yaml.Node
	d := yaml.NewDecoder(strings.NewReader(string(content)))
	if err := d.Decode(&root); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	if d.Decode(new(yaml.Node)) == nil {
		return nil, nil, fmt.Errorf("%s: more than one document; write one profile a file", file)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, nil, fmt.Errorf("%s: empty; a profile begins with \"profile: NAME\"", file)
	}
	sum := sha256.Sum256(content)
	ref := formats.ProfileRef{SHA256: hex.EncodeToString(sum[:])}
	if isLayout(root.Content[0]) {
		l, err := compileLayout(file, root.Content[0], ref)
		return nil, l, err
	}
	if err := checkKeys(file, root.Content[0], reflect.TypeFor[spec]()); err != nil {
		return nil, nil, err
	}
	var s spec
	if err := root.Content[0].Decode(&s); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	ref.Name, ref.Version = s.Profile, s.Version
	p = &Profile{spec: s, file: file, ref: ref}
	if err := p.compile(root.Content[0]); err != nil {
		return nil, nil, err
	}
	return p, nil, nil
}

// checkKeys refuses keys that t does not have, repeated keys, aliases and merges.
func checkKeys(file string, n *yaml.Node, t reflect.Type) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("%s:%d: anchors and aliases are not allowed; write the value out", file, n.Line)
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, e := range n.Content {
			if err := checkKeys(file, e, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return fmt.Errorf("%s:%d: want a mapping with the keys %s", file, n.Line, strings.Join(keys(t), ", "))
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			f, ok := fieldByKey(t, k.Value)
			if !ok {
				return fmt.Errorf("%s:%d: key %q: unknown; %s", file, k.Line, k.Value, didYouMean(k.Value, keys(t)))
			}
			if seen[k.Value] {
				return fmt.Errorf("%s:%d: key %q: written twice; keep one", file, k.Line, k.Value)
			}
			seen[k.Value] = true
			if err := checkKeys(file, n.Content[i+1], f.Type); err != nil {
				return err
			}
		}
	default:
		for _, e := range n.Content {
			if err := checkKeys(file, e, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// key is the YAML key of a struct field: its tag, or, for formats.Text, its name.
func key(f reflect.StructField) string {
	if tag := f.Tag.Get("yaml"); tag != "" {
		return tag
	}
	return strings.ToLower(f.Name)
}

func keys(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			list = append(list, key(f))
		}
	}
	return list
}

func fieldByKey(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && key(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func didYouMean(s string, of []string) string {
	best, least := "", 1<<30
	for _, o := range of {
		if d := distance(s, o); d < least {
			best, least = o, d
		}
	}
	if least <= 2 || least <= len(s)/2 {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "write one of " + strings.Join(of, ", ")
}

// distance is Levenshtein's.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

var (
	nameOK = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	ruleID = regexp.MustCompile(`^[A-Z]{2,8}-[0-9]{3}$`)
)

// ours are the prefixes of rules that are built in; a profile's own rules take others.
var ours = []string{"PO", "FMT", "FLD", "DBF", "XML", "UA", "PDF", "ST", "SIG", "TXT", "JSON", "REF"}

// containers are the types of container.
var containers = []string{"dbf", "declar", "delimited", "fixed", "jpeg", "json", "keyed", "keyvalue", "letter", "pdf", "xml"}

// tables are the containers whose records a profile describes field by field.
func (c containerSpec) table() bool { return c.Type == "dbf" || c.Type == "json" || c.text() }

func (c containerSpec) text() bool { return shapes[c.Type] != 0 }

// shapes are the containers of package text.
var shapes = map[string]text.Shape{"fixed": text.Fixed, "keyvalue": text.KeyValue, "keyed": text.Keyed, "delimited": text.Delimited}

func (p *Profile) compile(root *yaml.Node) error {
	s := &p.spec
	line := func(k string) int { return lineOf(root, k) }
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %w", p.file, line, fmt.Errorf(format, args...))
	}
	if !nameOK.MatchString(s.Profile) {
		return fail(line("profile"), "profile %q: want a name of lower-case letters, digits, points and hyphens, as ua.bank.payment-order", s.Profile)
	}
	if s.Version == "" {
		return fail(line("version"), "version: missing; write a text as \"2026.1\"")
	}
	if s.Title.UK == "" || s.Title.EN == "" {
		return fail(line("title"), "title: write it in both languages, as {uk: ..., en: ...}")
	}
	if !slices.Contains(containers, s.Container.Type) {
		return fail(line("container"), "container type %q: unknown; %s", s.Container.Type, didYouMean(s.Container.Type, containers))
	}
	if carried := s.Container.carried(); !slices.Contains(carried, s.Kind) {
		return fail(line("kind"), "kind %q: a container of type %s cannot carry it; %s", s.Kind, s.Container.Type, didYouMean(s.Kind, carried))
	}
	p.records = kindOf(formats.Kind(s.Kind))
	var err error
	var ok bool
	if p.name, err = regexp.Compile(s.Match.Name); err != nil {
		return fail(line("match"), "match name: %w", err)
	}
	if s.Limits.MaxBytes < 0 || s.Limits.MaxRecords < 0 {
		return fail(line("limits"), "limits: want numbers greater than 0")
	}
	if s.Limits.MaxBytes == 0 {
		s.Limits.MaxBytes = 32 << 20
	}
	if s.Limits.MaxRecords == 0 {
		s.Limits.MaxRecords = 50000
	}

	c := s.Container
	switch {
	case c.Type == "xml" && !slices.Contains(messages(), c.Message):
		return fail(line("container"), "container message %q: unknown; %s", c.Message, didYouMean(c.Message, messages()))
	case c.Type == "xml" && (s.Charset.Name != "" || s.Charset.Fold != "" || s.Charset.Foreign != ""):
		return fail(line("charset"), "charset: an XML says itself how it is encoded; remove it")
	case c.Type != "xml" && c.Message != "":
		return fail(line("container"), "container message: only for type xml; remove it")
	case !c.table() && c.canonical() == nil && (len(s.Record) > 0 || s.Charset.Name != "" || s.Charset.Fold != "" || s.Charset.Foreign != "" || len(s.Absent) > 0):
		return fail(line("container"), "a container of type %s has no charset, record or absent; remove them", c.Type)
	case c.Type != "dbf" && (len(c.Versions) > 0 || c.CharOver255 != "" || len(s.Charset.FromLDID) > 0):
		return fail(line("container"), "versions, char_over_255 and from_ldid: only for type dbf; remove them")
	case !c.text() && (c.CRLF || c.MaxLine != 0), c.Type != "fixed" && c.Length != 0, c.Type != "keyvalue" && c.First != "",
		c.Type != "delimited" && (c.Separator != "" || c.Header || c.Quote):
		return fail(line("container"), "crlf and max_line are only for text, length only for fixed, first only for keyvalue, separator, header and quote only for delimited; remove what is not for type %s", c.Type)
	case c.Type != "json" && c.Array != "":
		return fail(line("container"), "array: only for type json; remove it")
	case c.Type == "json" && !strings.EqualFold(s.Charset.Name, "utf-8"):
		return fail(line("charset"), "charset name %q: JSON is always utf-8; write that", s.Charset.Name)
	case c.MaxLine < 0 || c.MaxLine > 1<<20 || c.Length < 0 || c.Length > 1<<20:
		return fail(line("container"), "length, max_line: want at most 1048576 bytes")
	case c.Type == "delimited" && (len(c.Separator) != 1 || c.Separator[0] < ' ' && c.Separator[0] != '\t' || c.Separator[0] > '~' || c.Separator == `"`):
		return fail(line("container"), "separator %q: write one character, as \";\"", c.Separator)
	case c.CharOver255 != "" && c.CharOver255 != "clipper":
		return fail(line("container"), "char_over_255 %q: unknown; write clipper or remove it", c.CharOver255)
	}
	if p.records == nil && (len(s.Rules) > 0 || len(s.FileRules) > 0) {
		return fail(line("rules"), "a container of type %s has no records for rules; remove them", c.Type)
	}
	for _, v := range append(slices.Clone(c.Versions), s.Charset.FromLDID...) {
		if v < 0 || v > 255 {
			return fail(line("container"), "byte %d: want 0x00 to 0xFF", v)
		}
	}
	if k := c.canonical(); k != nil {
		if err := p.compileXML(fail, line, k); err != nil {
			return err
		}
	}
	if c.table() {
		if p.page, ok = charset.Lookup(s.Charset.Name); !ok {
			return fail(line("charset"), "charset name %q: unknown; %s", s.Charset.Name, didYouMean(s.Charset.Name, charset.Names()))
		}
		if c.Type == "dbf" && len(s.Charset.FromLDID) == 0 {
			return fail(line("charset"), "charset from_ldid: missing; list the language bytes that agree with %s, as [0x00, 0xC9]", s.Charset.Name)
		}
		if s.Charset.Fold != "" && s.Charset.Fold != "cyrillic-i" {
			return fail(line("charset"), "charset fold %q: unknown; write cyrillic-i or remove it", s.Charset.Fold)
		}
		for _, v := range c.Versions {
			p.dbf.Versions = append(p.dbf.Versions, byte(v))
		}
		p.dbf.LongChar = c.CharOver255 == "clipper"
		p.dbf.MaxRecords = s.Limits.MaxRecords
		if len(s.Record) == 0 {
			return fail(line("record"), "record: missing; declare every field of the table")
		}
	}
	if c.text() {
		if err := p.compileText(fail, line("container")); err != nil {
			return err
		}
	}
	if c.Type == "json" {
		if err := p.compileJSON(fail); err != nil {
			return err
		}
	}
	if s.Refuse != (formats.Text{}) && (s.Refuse.UK == "" || s.Refuse.EN == "") {
		return fail(line("refuse"), "refuse: write it in both languages, as {uk: ..., en: ...}")
	}
	if err := p.compileFields(fail); err != nil {
		return err
	}
	for _, path := range s.Absent {
		if p.records.Index(path) < 0 {
			return fail(line("absent"), "absent %q: no such path; %s", path, didYouMean(path, p.records.Paths()))
		}
		if p.fields[path] != "" {
			return fail(line("absent"), "absent %q: the record has it; remove one of the two", path)
		}
	}
	p.prepare()
	return p.compileRules(fail)
}

func lineOf(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i].Line
		}
	}
	return n.Line
}

type failer = func(line int, format string, args ...any) error

func (p *Profile) compileFields(fail failer) error {
	p.fields = map[string]string{}
	p.declared = map[string]bool{}
	for i := range p.spec.Record {
		f := &p.spec.Record[i]
		if len(f.Src) == 0 {
			return fail(f.line, "src: missing; write the field's name in the table")
		}
		for _, src := range f.Src {
			if p.declared[strings.ToLower(src)] {
				return fail(f.line, "src %q: declared twice", src)
			}
			p.declared[strings.ToLower(src)] = true
		}
		f.name = strings.Join(f.Src, "+")
		f.types = strings.Split(f.Type, "|")
		if f.Ignore {
			if f.To != "" || f.Required {
				return fail(f.line, "ignore: such a field has no \"to\" and is not required; remove them")
			}
			continue
		}
		if len(f.Src) > 1 && f.Join != "raw" && f.Join != "trim" {
			return fail(f.line, "join %q: with several fields write raw or trim", f.Join)
		}
		f.at = -1
		if f.To != "" {
			f.at = p.records.Index(f.To)
		}
		types := f.types
		for _, t := range types {
			if _, ok := fieldTypes[t]; !ok {
				return fail(f.line, "type %q: unknown; %s", t, didYouMean(t, typeNames()))
			}
			if t == "account" && p.bankOf(f.To) < 0 {
				return fail(f.line, "type account: only for an IBAN beside which there is a bank's code, as payer.iban")
			}
			if len(types) > 1 && codeTypes[t] == "" {
				return fail(f.line, "type %q: only edrpou, rnokpp, taxno9 and passport can stand together", f.Type)
			}
		}
		switch {
		case f.Check && (f.To != "" || isMoney(f.Type) || f.Type == "text"):
			return fail(f.line, "check: such a field has no \"to\" and a type that can be checked; remove one of them")
		case f.To == "" && len(f.Values) == 0 && !f.Check:
			return fail(f.line, "to: missing; write a canonical path, or values, or ignore: true")
		case f.To != "" && f.at < 0:
			return fail(f.line, "to %q: no such path; %s", f.To, didYouMean(f.To, p.records.Paths()))
		case f.To != "" && p.fields[f.To] != "":
			return fail(f.line, "to %q: filled twice", f.To)
		case f.To != "" && p.records.Fields[f.at].Money() != isMoney(f.Type), f.To == "" && isMoney(f.Type):
			return fail(f.line, "type %q: a path of a sum, and only such a one, is money", f.Type)
		case isMoney(f.Type) && f.Unit != "kopeck" && f.Unit != "hryvnia":
			return fail(f.line, "unit %q: write kopeck or hryvnia", f.Unit)
		case f.Decimals != 0 && (f.Unit != "hryvnia" || f.Decimals < 3 || f.Decimals > 9):
			return fail(f.line, "decimals %d: only for money in hryvnias, from 3 to 9", f.Decimals)
		case f.Type == "code" && len(f.Values) == 0:
			return fail(f.line, "values: missing; list the values that the code may have")
		case f.Type == "date" && f.Format != "" && slices.ContainsFunc(strings.Split(f.Format, "|"), func(s string) bool { return dateFormats[s] == "" }):
			return fail(f.line, "format %q: unknown; write one of yyyymmdd, dd.mm.yyyy, dd/mm/yyyy, yyyy-mm-dd, yymmdd", f.Format)
		case f.Pad < 0 || f.Pad > 32 || f.Min < 0 || f.Max < 0:
			return fail(f.line, "pad, min, max: want numbers that are not negative; pad at most 32")
		}
		if f.To != "" {
			p.fields[f.To] = strings.Join(f.Src, "+")
		}
	}
	return nil
}

func severityOf(s string) (formats.Severity, error) {
	var v formats.Severity
	if s == "" {
		return formats.Error, nil
	}
	err := v.UnmarshalText([]byte(s))
	return v, err
}

func (p *Profile) ruleHead(fail failer, seen map[string]bool, id, severity string, m formats.Text, line int) (formats.Severity, error) {
	if !ruleID.MatchString(id) {
		return 0, fail(line, "rule id %q: want capitals, a hyphen and three digits, as SITE-001", id)
	}
	prefix, _, _ := strings.Cut(id, "-")
	if slices.Contains(ours, prefix) {
		return 0, fail(line, "rule id %q: the prefix %s belongs to built-in rules; take another", id, prefix)
	}
	if seen[id] {
		return 0, fail(line, "rule id %q: used twice", id)
	}
	seen[id] = true
	if m.UK == "" || m.EN == "" {
		return 0, fail(line, "rule %s: message: write it in both languages, as {uk: ..., en: ...}", id)
	}
	v, err := severityOf(severity)
	if err != nil {
		return 0, fail(line, "rule %s: %w", id, err)
	}
	return v, nil
}

// bankOf is the index of the bank's code that stands beside the account at path,
// as payer.mfo beside payer.iban, or -1.
func (p *Profile) bankOf(path string) int {
	party, ok := strings.CutSuffix(path, ".iban")
	if !ok {
		return -1
	}
	return p.records.Index(party + ".mfo")
}

// compileJSON prepares the reading of a JSON container.
func (p *Profile) compileJSON(fail failer) error {
	p.json = jsondoc.Options{Array: p.spec.Container.Array, MaxRecords: p.spec.Limits.MaxRecords}
	for i := range p.spec.Record {
		f := &p.spec.Record[i]
		if f.At != 0 || f.Len != 0 || f.Align != "" {
			return fail(f.line, "at, len, align: only for a container of type fixed; remove them")
		}
		for _, src := range f.Src {
			if strings.HasPrefix(src, "/") && p.json.Array == "" {
				return fail(f.line, "src %q: a member of the document (with a slash) needs container array", src)
			}
			p.json.Members = append(p.json.Members, src)
		}
	}
	return nil
}

// compileText prepares the reading of a text container.
func (p *Profile) compileText(fail failer, line int) error {
	c := p.spec.Container
	o := text.Options{
		Shape: shapes[c.Type], Page: p.page, Length: c.Length, First: c.First, CRLF: c.CRLF, Header: c.Header, Quote: c.Quote,
		MaxLine: c.MaxLine, MaxRecords: p.spec.Limits.MaxRecords,
	}
	if c.Type == "delimited" {
		o.Separator = c.Separator[0]
	}
	if o.MaxLine == 0 {
		o.MaxLine = max(16<<10, c.Length)
	}
	next := 1
	for i := range p.spec.Record {
		f := &p.spec.Record[i]
		switch {
		case c.Type != "fixed" && (f.At != 0 || f.Len != 0 || f.Align != ""):
			return fail(f.line, "at, len, align: only for a container of type fixed; remove them")
		case c.Type == "fixed" && len(f.Src) != 1:
			return fail(f.line, "src: want one name for a place in the line")
		case c.Type == "fixed" && (f.At != next || f.Len <= 0 || f.Len > c.Length):
			return fail(f.line, "at %d: want %d, where the field before ends, and len greater than 0: every byte of a line must be declared", f.At, next)
		case f.Align != "" && f.Align != "right" && f.Align != "left":
			return fail(f.line, "align %q: write right or left, or remove it", f.Align)
		case f.Optional && !c.Header:
			return fail(f.line, "optional: only where the file names its columns; remove it")
		}
		for _, src := range f.Src {
			o.Columns = append(o.Columns, text.Column{Name: src, At: f.At - 1, Len: f.Len})
		}
		next += f.Len
	}
	if c.Type == "fixed" && next != c.Length+1 {
		return fail(line, "length %d: the fields end at %d", c.Length, next-1)
	}
	p.text = o
	return nil
}
