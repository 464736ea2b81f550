// Package profile is the way into formats: it finds out in which layout a
// document came and has it read and checked. A layout is described by a profile,
// a YAML file that maps the fields of a container (DBF, XML, PDF) to the
// canonical type of its kind and may add rules of a site's own. Profiles are
// compiled when they are loaded: a wrong key, path, type or expression stops the
// loading and names its line, never a payment.
//
// The container is told by the content; the name and its extension must agree.
package profile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/brama-gateway/brama/configs"
	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/dbf"
	"github.com/brama-gateway/brama/formats/jpeg"
	"github.com/brama-gateway/brama/formats/jsondoc"
	"github.com/brama-gateway/brama/formats/kind"
	"github.com/brama-gateway/brama/formats/letter"
	"github.com/brama-gateway/brama/formats/report"
	"github.com/brama-gateway/brama/formats/text"
	"github.com/brama-gateway/brama/formats/xmldoc"
)

// Profile is one compiled layout.
type Profile struct {
	spec spec
	file string
	ref  formats.ProfileRef

	name      *regexp.Regexp
	schema    *xmldoc.Schema // of canonical XML
	records   *kind.Kind     // nil: the document is looked at as a whole
	page      *charset.Page
	dbf       dbf.Options
	text      text.Options
	json      jsondoc.Options
	fields    map[string]string // canonical path -> source name
	declared  map[string]bool   // source names, lower case
	rules     []rule
	fileRules []fileRule

	odd   *[256]bool        // bytes of the page that need a second look; nil: all
	raw   map[string]bool   // fields of the source that a rule may look at
	known map[string]string // values that the profile itself lists
}

// Set is the profiles that are in use. It is immutable and safe for concurrent
// use. The zero value recognises nothing.
type Set struct {
	profiles []*Profile // by name
	layouts  []*Layout  // those that are written
}

// Load reads and compiles every *.yaml file at the root of fsys. It stops at the
// first error, which names file, line and key.
func Load(fsys fs.FS) (*Set, error) {
	files, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	var sets []*Set
	for _, file := range files {
		content, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		one, err := One(file, content)
		if err != nil {
			return nil, err
		}
		sets = append(sets, one)
	}
	return Union(sets...)
}

// One is the set of one profile of either direction; file is its name for messages.
func One(file string, content []byte) (*Set, error) {
	p, l, err := parse(file, content)
	switch {
	case err != nil:
		return nil, err
	case l != nil:
		return &Set{layouts: []*Layout{l}}, nil
	}
	return &Set{profiles: []*Profile{p}}, nil
}

// Union is the profiles of all the sets, of which no two may have one name.
func Union(sets ...*Set) (*Set, error) {
	s := &Set{}
	for _, one := range sets {
		for _, l := range one.layouts {
			if q := s.Layout(l.ref.Name); q != nil {
				return nil, fmt.Errorf("%s: profile %q: is in %s already; rename one", l.file, l.ref.Name, q.file)
			}
			s.layouts = append(s.layouts, l)
		}
		for _, p := range one.profiles {
			if q := s.find(p.ref.Name); q != nil {
				return nil, fmt.Errorf("%s: profile %q: is in %s already; rename one", p.file, p.ref.Name, q.file)
			}
			s.profiles = append(s.profiles, p)
		}
	}
	slices.SortFunc(s.profiles, func(a, b *Profile) int { return strings.Compare(a.ref.Name, b.ref.Name) })
	return s, nil
}

// Parse compiles the text of one profile; file is its name for messages.
func Parse(file string, content []byte) (*Profile, error) {
	p, l, err := parse(file, content)
	if l != nil {
		return nil, fmt.Errorf("%s: profile %q: is of the direction out, nothing is read by it", file, l.ref.Name)
	}
	return p, err
}

// ParseLayout compiles the text of one profile of the direction out.
func ParseLayout(file string, content []byte) (*Layout, error) {
	p, l, err := parse(file, content)
	if p != nil {
		return nil, fmt.Errorf("%s: profile %q: is not of the direction out, nothing is written by it", file, p.ref.Name)
	}
	return l, err
}

// Read compiles the text of one profile of either direction: one of the two is nil.
func Read(file string, content []byte) (*Profile, *Layout, error) { return parse(file, content) }

// Layout is the layout of that name that documents are written in, or nil.
func (s *Set) Layout(name string) *Layout {
	for _, l := range s.layouts {
		if l.ref.Name == name {
			return l
		}
	}
	return nil
}

// Layouts are the names of the layouts that documents are written in, sorted.
func (s *Set) Layouts() []string {
	var list []string
	for _, l := range s.layouts {
		list = append(list, l.ref.Name)
	}
	slices.Sort(list)
	return list
}

var builtin = sync.OnceValue(func() *Set {
	sub, err := fs.Sub(configs.Profiles, "profiles")
	if err != nil {
		panic(err)
	}
	s, err := Load(sub)
	if err != nil {
		panic(err) // our own bytes; a test reads them first
	}
	return s
})

// Builtin is the set of profiles that are built into the program.
func Builtin() *Set { return builtin() }

// With returns the profiles of both sets; of two with one name, other's.
func (s *Set) With(other *Set) *Set {
	both := &Set{profiles: slices.Clone(other.profiles), layouts: slices.Clone(other.layouts)}
	for _, l := range s.layouts {
		if both.Layout(l.ref.Name) == nil {
			both.layouts = append(both.layouts, l)
		}
	}
	for _, p := range s.profiles {
		if both.find(p.ref.Name) == nil {
			both.profiles = append(both.profiles, p)
		}
	}
	slices.SortFunc(both.profiles, func(a, b *Profile) int { return strings.Compare(a.ref.Name, b.ref.Name) })
	return both
}

// Beside is the set s with p in it; p takes the place of one of its name.
func (p *Profile) Beside(s *Set) *Set { return s.With(&Set{profiles: []*Profile{p}}) }

func (s *Set) find(name string) *Profile {
	for _, p := range s.profiles {
		if p.ref.Name == name {
			return p
		}
	}
	return nil
}

// Names are the profiles of the set, sorted.
func (s *Set) Names() []string {
	var list []string
	for _, p := range s.profiles {
		list = append(list, p.ref.Name)
	}
	return list
}

// Kinds are the kinds that some profile of the set reads, sorted.
func (s *Set) Kinds() []formats.Kind {
	kinds := map[formats.Kind]bool{}
	for _, p := range s.profiles {
		kinds[p.kind()] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// Ref is the name, version and digest of a profile, for receipts.
func (p *Profile) Ref() formats.ProfileRef { return p.ref }

// family is how the container is told by its first bytes: dbf, xml, pdf, json or
// text.
func (p *Profile) family() string {
	if p.spec.Container.text() {
		return "text"
	}
	if p.spec.Container.Type == "declar" {
		return "xml"
	}
	return p.spec.Container.Type
}

func (p *Profile) kind() formats.Kind { return formats.Kind(p.spec.Kind) }

// Explain describes a profile of either direction for people.
func (s *Set) Explain(name string) (formats.Text, error) {
	if l := s.Layout(name); l != nil {
		return l.Explain(), nil
	}
	e, err := s.Describe(name)
	if err != nil {
		return formats.Text{}, err
	}
	return e.Text(), nil
}

// Options say what is known of a document besides its bytes.
type Options struct {
	Name    string // the file's name; empty: not known, nothing is said about it
	Profile string // forces a profile
	// Kinds and Allowed restrict what may be sent, by kind and by profile; empty:
	// all.
	Kinds, Allowed []string
	MaxFindings    int // findings kept; 0: formats.DefaultFindings

	// Sent has the messages of ISO 20022 that the treasury itself sends checked, for
	// tools; otherwise they are refused, as they must be from a client.
	Sent bool
}

// The rules on a document as a whole. IDs are never reused.
const (
	RuleUnknown   = "FMT-001" // no layout fits
	RuleName      = "FMT-002" // the name does not fit the content
	RuleEmpty     = "FMT-003"
	RuleLarge     = "FMT-004"
	RuleForbidden = "FMT-005" // kind or layout not allowed for the client
	RuleInternal  = "FMT-006"
	RuleRead      = "FMT-007"
	RuleNoRecords = "FMT-008"
	RulePartial   = "FMT-009" // the layout cannot carry everything that the kind has
	RuleRefused   = "FMT-010" // the layout is known, and no document in it can be taken
)

// Check finds the layout of doc and holds the document to it. It never panics
// and never returns nil; what it could not do is a finding that refuses.
func (s *Set) Check(c formats.Context, o Options, doc *io.SectionReader) (report *formats.Report) {
	report = &formats.Report{}
	collector := &formats.Collector{Report: report, Max: o.MaxFindings}
	defer func() {
		if v := recover(); v != nil {
			report.Findings = append(report.Findings, formats.Finding{Rule: RuleInternal, Message: formats.Text{
				UK: "Внутрішня помилка під час перевірки. Повідомте адміністратора; файл не прийнято.",
				EN: "Internal fault during the check. Tell the administrator; the file was not taken.",
			}})
		}
	}()
	if doc == nil || doc.Size() == 0 {
		collector.Add(formats.Finding{Rule: RuleEmpty, Message: formats.Text{UK: "Файл порожній. Вивантажте документ ще раз.", EN: "The file is empty. Export the document again."}})
		return report
	}
	run := &check{set: s, context: &c, options: o, doc: doc, report: report, add: collector.Add}
	run.all()
	return report
}

// check is one examination.
type check struct {
	set     *Set
	context *formats.Context
	options Options
	doc     *io.SectionReader
	report  *formats.Report
	add     func(formats.Finding)
}

func (c *check) all() {
	container, ok := c.container()
	if !ok {
		return
	}
	p, table, lines := c.recognise(container)
	if p == nil {
		return
	}
	c.report.Recognised, c.report.Kind, c.report.Profile = true, p.kind(), p.ref
	if p.spec.Refuse.UK != "" {
		c.add(formats.Finding{Rule: RuleRefused, Message: p.spec.Refuse})
		return
	}
	if !c.allowed(p) {
		c.add(formats.Finding{Rule: RuleForbidden, Message: formats.Textf(
			"Цей вид або макет документа (%s) вам не дозволено надсилати. Зверніться до казначейства.",
			"You may not send this kind or layout of document (%s). Ask the treasury.", p.ref.Name)})
		return
	}
	c.nameAgrees(p, container)
	if c.doc.Size() > p.spec.Limits.MaxBytes {
		c.add(formats.Finding{Rule: RuleLarge, Message: formats.Textf(
			"Файл більший, ніж дозволено (%d байтів). Поділіть його.", "The file is larger than allowed (%d bytes). Split it.", p.spec.Limits.MaxBytes)})
		return
	}
	switch container {
	case "dbf":
		c.dbf(p, table)
	case "text":
		c.text(p, lines)
	case "jpeg":
		jpeg.Check(c.doc, c.add)
	case "letter":
		c.report.Entries = letter.Check(c.context, c.doc, c.add)
	case "xml":
		if p.spec.Container.Type == "declar" {
			c.report.Entries = report.Check(c.context, c.options.Name, c.doc, c.add)
			return
		}
		if p.schema != nil {
			c.xml(p)
			return
		}
		c.pain001(p)
	case "json":
		c.json(p)
	case "pdf":
		c.pdf()
	}
}

// extensions that promise a container.
var extensions = map[string]string{".dbf": "dbf", ".xml": "xml", ".pdf": "pdf", ".jpg": "jpeg", ".jpeg": "jpeg", ".txt": "text", ".csv": "text", ".dat": "text", ".json": "json"}

// container tells by the first bytes what holds the document. A name's extension
// is asked only where the bytes say nothing.
func (c *check) container() (string, bool) {
	head := make([]byte, 64)
	n, err := c.doc.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		c.add(formats.Finding{Rule: RuleRead, Message: formats.Text{UK: "Файл не вдалося прочитати. Надішліть його ще раз.", EN: "The file could not be read. Send it again."}})
		return "", false
	}
	head = head[:n]
	begin := strings.TrimLeft(strings.TrimPrefix(string(head), "\xef\xbb\xbf"), " \t\r\n")
	switch {
	case strings.HasPrefix(string(head), "%PDF-"):
		return "pdf", true
	case jpeg.Is(head):
		return "jpeg", true
	case strings.HasPrefix(begin, "<"):
		return "xml", true
	case slices.Contains([]byte{0x02, 0x03, 0x04, 0x05, 0x83, 0x8B, 0xF5}, head[0]):
		return "dbf", true
	}
	if letter.Is(head) {
		return "letter", true
	}
	if p := c.set.find(c.options.Profile); p != nil {
		return p.family(), true
	}
	if strings.HasPrefix(begin, "{") || strings.HasPrefix(begin, "[") {
		return "json", true
	}
	if p, _ := c.recogniseText(c.candidates("text")); p != nil {
		return "text", true
	}
	if t, ok := extensions[c.extension()]; ok {
		return t, true
	}
	c.unknown("")
	return "", false
}

// extension is the name's, with ASCII letters in lower case.
func (c *check) extension() string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, path.Ext(c.options.Name))
}

// allowed says whether the sender may use the layout. One that cannot carry all
// that its kind has, a payment without a payee, is only for a client whose entry
// names it: what it leaves out must stand in an agreement.
func (c *check) allowed(p *Profile) bool {
	named := slices.Contains(c.options.Allowed, p.ref.Name)
	if len(p.spec.Absent) > 0 && c.context.Owner != nil && !named {
		return false
	}
	return (len(c.options.Kinds) == 0 || slices.Contains(c.options.Kinds, p.spec.Kind)) &&
		(len(c.options.Allowed) == 0 || named)
}

func (c *check) nameAgrees(p *Profile, container string) {
	// A signed container is named after its document (X.DBF.p7s), or not (X.p7s).
	if slices.Contains([]string{".p7s", ".p7m", ".sig", ".asice", ".asics"}, c.extension()) {
		c.options.Name = c.options.Name[:len(c.options.Name)-len(c.extension())]
		if c.extension() == "" {
			return
		}
	}
	if c.options.Name == "" {
		return
	}
	if t, ok := extensions[c.extension()]; ok && t != container && (t != "text" || container != "letter") {
		c.add(formats.Finding{Rule: RuleName, Message: formats.Textf(
			"Розширення назви файлу не відповідає вмісту: це %s. Перейменуйте файл або надішліть інший.",
			"The file name's extension does not fit the content: this is %s. Rename the file or send another.", strings.ToUpper(container))})
	} else if !p.name.MatchString(c.options.Name) {
		c.add(formats.Finding{Rule: RuleName, Severity: formats.Warning, Message: formats.Text{
			UK: "Назва файлу незвична для цього макета.", EN: "The file's name is unusual for this layout.",
		}})
	}
}
