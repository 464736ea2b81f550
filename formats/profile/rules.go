package profile

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/ident"
	"github.com/brama-gateway/brama/formats/kind"
)

// rule is a profile's own rule on a record, compiled.
type rule struct {
	spec       *ruleSpec
	severity   formats.Severity
	when, expr *vm.Program
}

// fileRule is a profile's own rule on a file.
type fileRule struct {
	spec     *fileRuleSpec
	severity formats.Severity
	unique   []int // indexes of fields
	sorted   []int
	sum      int // of the field that is summed
	total    int // of the field that holds the file's total; -1: none
}

// builtins of the expression language that rules may use. None knows the time or
// the world.
var builtins = []string{"len", "all", "any", "none", "one", "trim", "upper", "lower", "hasPrefix", "hasSuffix", "indexOf", "abs", "min", "max", "int"}

// functions of ours.
func functions() []expr.Option {
	return []expr.Option{
		expr.Function("days", func(a ...any) (any, error) {
			n, ok := formats.Days(a[0].(string), a[1].(string))
			if !ok {
				return 0, fmt.Errorf("not a date")
			}
			return n, nil
		}, new(func(string, string) int)),
		expr.Function("day", func(a ...any) (any, error) {
			layout := dateFormats[a[1].(string)]
			t, err := time.Parse(layout, a[0].(string))
			if layout == "" || err != nil {
				return "", fmt.Errorf("not a date")
			}
			return t.Format(time.DateOnly), nil
		}, new(func(string, string) string)),
		expr.Function("digits", func(a ...any) (any, error) { return ident.Digits(a[0].(string), a[1].(int)), nil }, new(func(string, int) bool)),
		expr.Function("bank", func(a ...any) (any, error) { return ident.BankOf(a[0].(string)), nil }, new(func(string) string)),
	}
}

// environment is what a rule sees: the canonical record, and raw: the fields of
// the source by their names, as trimmed text.
func (p *Profile) environment() types.Map {
	raw := types.Map{}
	for i := range p.spec.Record {
		for _, src := range p.spec.Record[i].Src {
			raw[src] = types.String
		}
	}
	env := types.Map{"raw": raw, "record": types.Int}
	for i := range p.records.Fields {
		f := &p.records.Fields[i]
		value := types.Type(types.String)
		if f.Money() {
			value = types.Int64
		}
		party, part, ok := strings.Cut(f.Path, ".")
		switch {
		case !ok:
			env[f.Path] = value
		case env[party] == nil:
			env[party] = types.Map{part: value}
		default:
			env[party].(types.Map)[part] = value
		}
	}
	return env
}

func (p *Profile) values(o kind.Record, raw map[string]any) map[string]any {
	env := map[string]any{"raw": raw, "record": o.Place()}
	for i := range p.records.Fields {
		f := &p.records.Fields[i]
		var value any
		if f.Money() {
			value = *o.Money(i)
		} else {
			value = *o.Text(i)
		}
		party, part, ok := strings.Cut(f.Path, ".")
		if !ok {
			env[f.Path] = value
			continue
		}
		m, ok := env[party].(map[string]any)
		if !ok {
			m = map[string]any{}
			env[party] = m
		}
		m[part] = value
	}
	return env
}

// firstLine is what an expression's error says, without the drawing below it.
func firstLine(err error) error {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(s)
}

var unknownName = regexp.MustCompile(`unknown (?:name|field) (\w+)`)

// explained is what an expression's error says, with the nearest name that there is.
func (p *Profile) explained(err error) error {
	err = firstLine(err)
	m := unknownName.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	names := []string{"raw", "record", "days", "day", "digits", "bank"}
	for _, path := range p.records.Paths() {
		party, part, _ := strings.Cut(path, ".")
		names = append(names, party)
		if part != "" {
			names = append(names, part)
		}
	}
	for i := range p.spec.Record {
		names = append(names, p.spec.Record[i].Src...)
	}
	slices.Sort(names)
	return fmt.Errorf("%w; %s", err, didYouMean(m[1], slices.Compact(names)))
}

func (p *Profile) compileRules(fail failer) error {
	if p.records == nil {
		return nil
	}
	options := append(functions(), expr.Env(p.environment()), expr.AsBool(), expr.DisableAllBuiltins(), expr.MaxNodes(500))
	for _, b := range builtins {
		options = append(options, expr.EnableBuiltin(b))
	}
	seen := map[string]bool{}
	for i := range p.spec.Rules {
		s := &p.spec.Rules[i]
		severity, err := p.ruleHead(fail, seen, s.ID, s.Severity, s.Message, s.line)
		if err != nil {
			return err
		}
		r := rule{spec: s, severity: severity}
		if s.Field != "" && p.records.Index(s.Field) < 0 {
			return fail(s.line, "rule %s: field %q: no such path; %s", s.ID, s.Field, didYouMean(s.Field, p.records.Paths()))
		}
		if r.expr, err = expr.Compile(s.Expr, options...); err != nil {
			return fail(s.line, "rule %s: expr: %w", s.ID, p.explained(err))
		}
		if s.When != "" {
			if r.when, err = expr.Compile(s.When, options...); err != nil {
				return fail(s.line, "rule %s: when: %w", s.ID, p.explained(err))
			}
		}
		p.rules = append(p.rules, r)
	}
	for i := range p.spec.FileRules {
		s := &p.spec.FileRules[i]
		severity, err := p.ruleHead(fail, seen, s.ID, s.Severity, s.Message, s.line)
		if err != nil {
			return err
		}
		sorts := 0
		for _, given := range []bool{len(s.Unique) > 0, s.Sum != "", len(s.Sorted) > 0} {
			if given {
				sorts++
			}
		}
		switch {
		case sorts != 1:
			return fail(s.line, "rule %s: write one of unique: [paths], sorted: [paths], sum: amount", s.ID)
		case s.Sum != "" && (!p.money(s.Sum) || (s.Max <= 0) == (s.Total == "")):
			return fail(s.line, "rule %s: sum: only a path of money, as amount, can be summed, and max (kopecks) or total (a path of money) must be given", s.ID)
		case s.Sum == "" && (s.Max != 0 || s.Total != ""):
			return fail(s.line, "rule %s: max, total: only for sum; remove them", s.ID)
		case s.Total != "" && !p.money(s.Total):
			return fail(s.line, "rule %s: total %q: no such path of money; %s", s.ID, s.Total, didYouMean(s.Total, p.records.Paths()))
		}
		r := fileRule{spec: s, severity: severity, sum: p.records.Index(s.Sum), total: -1}
		if s.Total != "" {
			r.total = p.records.Index(s.Total)
		}
		for _, list := range []struct {
			what  string
			paths []string
			to    *[]int
		}{{"unique", s.Unique, &r.unique}, {"sorted", s.Sorted, &r.sorted}} {
			for _, path := range list.paths {
				i := p.records.Index(path)
				if i < 0 || p.records.Fields[i].Money() {
					return fail(s.line, "rule %s: %s %q: no such path of a text; %s", s.ID, list.what, path, didYouMean(path, p.records.Paths()))
				}
				*list.to = append(*list.to, i)
			}
		}
		p.fileRules = append(p.fileRules, r)
	}
	return p.compileReferences(fail)
}

// money says whether path is one of a sum.
func (p *Profile) money(path string) bool {
	i := p.records.Index(path)
	return i >= 0 && p.records.Fields[i].Money()
}

// site checks a profile's own rules, record by record.
type site struct {
	profile *Profile
	field   func(path string) string
	add     func(formats.Finding)
	context *formats.Context
	seen    []kind.Seen
	sums    []int64
	totals  []int64
	last    [][]string // values of the record before, for sorted
	over    []bool
	missing map[string]bool // lists that are not there, said once
	parts   []string
}

func (p *Profile) site(c *formats.Context, field func(string) string, add func(formats.Finding)) *site {
	n := len(p.fileRules)
	return &site{
		profile: p, context: c, field: field, add: add,
		seen: make([]kind.Seen, n), sums: make([]int64, n), totals: make([]int64, n), last: make([][]string, n), over: make([]bool, n),
	}
}

func (s *site) check(o kind.Record, raw map[string]any) {
	if len(s.profile.rules) > 0 {
		env := s.profile.values(o, raw)
		for _, r := range s.profile.rules {
			force := formats.Rule[kind.Record]{From: r.spec.From, Until: r.spec.Until}
			if !force.InForce(o.Day()) {
				continue
			}
			// A rule that cannot be evaluated does not hold.
			if r.when != nil {
				if v, err := expr.Run(r.when, env); err == nil && v != true {
					continue
				}
			}
			if v, err := expr.Run(r.expr, env); err != nil || v != true {
				s.report(r.spec.ID, r.severity, o.Place(), r.spec.Field, r.spec.Message)
			}
		}
	}
	s.references(o)
	for i := range s.profile.fileRules {
		r := &s.profile.fileRules[i]
		switch {
		case r.spec.Sum != "":
			s.sum(i, r, o)
		case len(r.sorted) > 0:
			now := s.values(nil, r.sorted, o)
			if before := s.last[i]; before != nil && slices.Compare(now, before) < 0 {
				s.report(r.spec.ID, r.severity, o.Place(), r.spec.Sorted[0], r.spec.Message)
			}
			s.last[i] = now
		default:
			s.parts = s.values(s.parts[:0], r.unique, o)
			if _, twice := s.seen[i].Before(o.Place(), s.parts...); twice {
				s.report(r.spec.ID, r.severity, o.Place(), r.spec.Unique[0], r.spec.Message)
			}
		}
	}
}

// values appends the texts of the fields.
func (s *site) values(to []string, fields []int, o kind.Record) []string {
	for _, k := range fields {
		to = append(to, *o.Text(k))
	}
	return to
}

// sum adds a record to the sum of the file. A sum that is no number any more is
// over every bound.
func (s *site) sum(i int, r *fileRule, o kind.Record) {
	if s.over[i] {
		return
	}
	v := *o.Money(r.sum)
	s.over[i] = v < 0 || v > math.MaxInt64-s.sums[i]
	if !s.over[i] {
		s.sums[i] += v
	}
	if r.total >= 0 {
		t := *o.Money(r.total)
		if o.Place() > 1 && s.totals[i] != t {
			s.over[i] = true // the records do not agree on the total
		}
		s.totals[i] = t
	} else if s.sums[i] > r.spec.Max {
		s.over[i] = true
	}
	if s.over[i] {
		s.report(r.spec.ID, r.severity, 0, r.spec.Sum, r.spec.Message)
	}
}

// end holds the whole file to what can be said only then. Of a file that was not
// read whole nothing is said: its sum is not known.
func (s *site) end(whole bool) {
	for i := range s.profile.fileRules {
		if r := &s.profile.fileRules[i]; whole && r.total >= 0 && !s.over[i] && s.sums[i] != s.totals[i] {
			s.report(r.spec.ID, r.severity, 0, r.spec.Total, r.spec.Message)
		}
	}
}

func (s *site) report(id string, severity formats.Severity, record int, path string, m formats.Text) {
	f := formats.Finding{Rule: id, Severity: severity, Record: record, Path: path, Message: m}
	if path != "" {
		f.Field = s.field(path)
	}
	s.add(f)
}
