package profile

import (
	"errors"
	"fmt"
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
	sum      int   // of the field that is summed
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
			return fail(s.line, "rule %s: expr: %w", s.ID, firstLine(err))
		}
		if s.When != "" {
			if r.when, err = expr.Compile(s.When, options...); err != nil {
				return fail(s.line, "rule %s: when: %w", s.ID, firstLine(err))
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
		switch {
		case (len(s.Unique) > 0) == (s.Sum != ""):
			return fail(s.line, "rule %s: write either unique: [paths] or sum: amount", s.ID)
		case s.Sum != "" && (!p.money(s.Sum) || s.Max <= 0):
			return fail(s.line, "rule %s: sum: only a path of money, as amount, can be summed, and max (kopecks) must be given", s.ID)
		}
		r := fileRule{spec: s, severity: severity, sum: p.records.Index(s.Sum)}
		for _, path := range s.Unique {
			i := p.records.Index(path)
			if i < 0 || p.records.Fields[i].Money() {
				return fail(s.line, "rule %s: unique %q: no such path of a text; %s", s.ID, path, didYouMean(path, p.records.Paths()))
			}
			r.unique = append(r.unique, i)
		}
		p.fileRules = append(p.fileRules, r)
	}
	return nil
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
	seen    []kind.Seen
	sums    []int64
	over    []bool
}

func (p *Profile) site(field func(string) string, add func(formats.Finding)) *site {
	n := len(p.fileRules)
	return &site{profile: p, field: field, add: add, seen: make([]kind.Seen, n), sums: make([]int64, n), over: make([]bool, n)}
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
	for i, r := range s.profile.fileRules {
		if r.spec.Sum != "" {
			if s.sums[i] += *o.Money(r.sum); (s.sums[i] > r.spec.Max || s.sums[i] < 0) && !s.over[i] {
				s.over[i] = true
				s.report(r.spec.ID, r.severity, 0, r.spec.Sum, r.spec.Message)
			}
			if s.over[i] {
				s.sums[i] = 0
			}
			continue
		}
		parts := make([]string, len(r.unique))
		for j, k := range r.unique {
			parts[j] = *o.Text(k)
		}
		if _, twice := s.seen[i].Before(o.Place(), parts...); twice {
			s.report(r.spec.ID, r.severity, o.Place(), r.spec.Unique[0], r.spec.Message)
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
