package strict

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Lines says at which line each key of a decoded node stands. Keys are spelled
// as in [Problem].
type Lines map[string]int

// At gives the line of key or of the nearest key above it that the file has.
func (l Lines) At(key string) int {
	for {
		if n, ok := l[key]; ok {
			return n
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			return l[""]
		}
		key = key[:i]
	}
}

// Decode fills the struct that into points to; what the node does not mention
// keeps its value. Fields are found by their yaml tag. A field may be text, a
// number, a boolean, time.Duration ("90s", "7d"), time.Time (RFC 3339, or a date,
// which is midnight in zone), an [encoding.TextUnmarshaler], a struct, a list or
// a map of these. The error is a Problems; Lines is complete even then.
func (n Node) Decode(into any, zone *time.Location) (Lines, error) {
	d := decoder{file: n.file, lines: Lines{"": n.yaml.Line}, zone: zone}
	d.value(n.yaml, reflect.ValueOf(into).Elem(), "")
	return d.lines, d.problems.Err()
}

type decoder struct {
	file     string
	lines    Lines
	zone     *time.Location
	problems Problems
}

func (d *decoder) refuse(n *yaml.Node, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: n.Line, Key: key, Text: fmt.Sprintf(format, args...)})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	t := v.Type()
	text, isText := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case t == durationType:
		d.scalar(n, key, "a duration such as 500ms, 24h or 7d", func(s string) error {
			x, err := ParseDuration(s)
			v.SetInt(int64(x))
			return err
		})
	case t == timeType:
		d.scalar(n, key, "a date such as 2026-01-31, or a time such as 2026-01-31T09:00:00+02:00", func(s string) error {
			x, err := d.time(s)
			v.Set(reflect.ValueOf(x))
			return err
		})
	case isText:
		d.scalar(n, key, "a value", func(s string) error { return text.UnmarshalText([]byte(s)) })
	case t.Kind() == reflect.Struct:
		d.mapping(n, v, key)
	case t.Kind() == reflect.Slice:
		d.list(n, v, key)
	case t.Kind() == reflect.Map:
		d.table(n, v, key)
	case t.Kind() == reflect.String:
		d.scalar(n, key, "a text", func(s string) error { v.SetString(s); return nil })
	case t.Kind() == reflect.Bool:
		d.scalar(n, key, "true or false", func(s string) error {
			if s != "true" && s != "false" {
				return errors.New("not true or false")
			}
			v.SetBool(s == "true")
			return nil
		})
	case v.CanInt():
		d.scalar(n, key, "a whole number", func(s string) error {
			// Base 10 only: 010 and 0x10 are for machines.
			x, err := strconv.ParseInt(s, 10, t.Bits())
			if err != nil || strings.HasPrefix(s, "+") || len(s) > 1 && s[0] == '0' {
				return errors.New("not a whole number")
			}
			v.SetInt(x)
			return nil
		})
	default:
		panic("strict: a struct has a field of type " + t.String()) // a mistake in our own type, found by its first test
	}
}

// scalar sets a plain value; want says what should stand there.
func (d *decoder) scalar(n *yaml.Node, key, want string, set func(string) error) {
	switch {
	case n.Kind == yaml.SequenceNode:
		d.refuse(n, key, "is a list; write %s", want)
	case n.Kind == yaml.MappingNode:
		d.refuse(n, key, "has keys below it; write %s", want)
	case isNull(n):
		d.refuse(n, key, "is empty; write %s or remove the key", want)
	default:
		if err := set(n.Value); err != nil {
			if want == "a value" { // the type's own error says what to write
				d.refuse(n, key, "%q: %s", clip(n.Value), err)
				return
			}
			d.refuse(n, key, "%q is not what is wanted; write %s", clip(n.Value), want)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) { // "section:" with everything in it commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		d.refuse(n, key, "is a single value or a list; write its keys on lines of their own, indented: %s", strings.Join(fieldKeys(v.Type()), ", "))
		return
	}
	keys := fieldKeys(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		at := slices.Index(keys, k.Value)
		sub := join(key, k.Value)
		if at < 0 {
			if near := Nearest(k.Value, keys); near != "" {
				d.refuse(k, join(key, clip(k.Value)), "unknown key; did you mean %s?", join(key, near))
			} else {
				d.refuse(k, join(key, clip(k.Value)), "unknown key; the keys here are %s", strings.Join(keys, ", "))
			}
			continue
		}
		d.lines[sub] = k.Line
		d.value(c, v.Field(fieldIndex(v.Type(), k.Value)), sub)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(n, key, "is not a list; write [a, b], or its elements on lines that begin with \"- \"")
		return
	}
	if len(n.Content) == 0 { // [] and an absent list are the same
		v.SetZero()
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		sub := fmt.Sprintf("%s[%d]", key, i)
		d.lines[sub] = c.Line
		d.value(c, out.Index(i), sub)
	}
	v.Set(out)
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		d.refuse(n, key, "is not a list of keys; write lines of the form \"key: value\", indented")
		return
	}
	if len(n.Content) == 0 {
		v.SetZero()
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		sub := join(key, k.Value)
		d.lines[sub] = k.Line
		x := reflect.New(v.Type().Elem()).Elem()
		d.value(c, x, sub)
		out.SetMapIndex(reflect.ValueOf(k.Value).Convert(v.Type().Key()), x)
	}
	v.Set(out)
}

func (d *decoder) time(s string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, d.zone); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
}

// ParseDuration is time.ParseDuration that also takes whole days, as 7d.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("duration %q: not a number of days", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

func join(key, sub string) string {
	if key == "" {
		return sub
	}
	return key + "." + sub
}

// fieldKeys gives the yaml names of a struct's fields, in their order.
func fieldKeys(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		if k := FieldKey(f); k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

func fieldIndex(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if FieldKey(t.Field(i)) == key {
			return i
		}
	}
	return -1
}

// FieldKey is the key that a struct field has in YAML; empty if it has none.
func FieldKey(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// Nearest gives the word that s was probably meant to be, or "".
func Nearest(s string, words []string) string {
	best, most := "", 1+min(len(s), 9)/4 // one slip in a short word, three in a long one
	for _, w := range words {
		if n := distance(s, w, most); n <= most {
			best, most = w, n-1
		}
	}
	return best
}

// distance is the edit distance of a and b, or more than most.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
