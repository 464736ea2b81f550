// Package openapitest holds an OpenAPI file to the code that serves it. It knows as
// much of JSON Schema as our files use.
package openapitest

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Spec is an OpenAPI file.
type Spec map[string]any

// Read reads a file.
func Read(t testing.TB, file string) Spec {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := yaml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return Spec(s)
}

func at(v any, keys ...string) any {
	for _, k := range keys {
		switch m := v.(type) {
		case Spec:
			v = m[k]
		case map[string]any:
			v = m[k]
		default:
			return nil
		}
	}
	return v
}

func keys(v any) (out []string) {
	for k := range at(v).(map[string]any) {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Paths wants the file to have these operations, as "POST /v1/leases", and no others.
func (s Spec) Paths(t testing.TB, code []string) {
	t.Helper()
	if s["openapi"] != "3.1.0" {
		t.Error(s["openapi"])
	}
	var doc []string
	for _, path := range keys(s["paths"]) {
		for _, m := range keys(at(s, "paths", path)) {
			if m != "parameters" {
				doc = append(doc, strings.ToUpper(m)+" "+path)
			}
		}
	}
	slices.Sort(doc)
	slices.Sort(code)
	if !slices.Equal(doc, code) {
		t.Errorf("the file has\n%q\nthe code\n%q", doc, code)
	}
}

// References wants every reference to lead somewhere.
func (s Spec) References(t testing.TB) {
	t.Helper()
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if at(s, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(map[string]any(s))
}

// Schemas wants the schemas to have the fields of the Go types, and to require those
// that are always written.
func (s Spec) Schemas(t testing.TB, types map[string]any) {
	t.Helper()
	for name, v := range types {
		var all, required []string
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			tag, opts, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			all = append(all, tag)
			if !strings.Contains(opts, "omitempty") {
				required = append(required, tag)
			}
		}
		slices.Sort(all)
		slices.Sort(required)
		schema := at(s, "components", "schemas", name)
		if schema == nil {
			t.Errorf("%s is not in the file", name)
			continue
		}
		if got := keys(at(schema, "properties")); !slices.Equal(got, all) {
			t.Errorf("%s: the file has %q, the type %q", name, got, all)
		}
		var got []string
		if r, ok := at(schema, "required").([]any); ok {
			for _, x := range r {
				got = append(got, x.(string))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, required) {
			t.Errorf("%s: the file requires %q, the type %q", name, got, required)
		}
		if at(schema, "additionalProperties") != false {
			t.Errorf("%s is open to unknown fields", name)
		}
	}
}

// holds checks an answer against a schema, as far as our schemas go.
func (s Spec) holds(schema, v any, where string) error {
	if ref, ok := at(schema, "$ref").(string); ok {
		return s.holds(at(s, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), v, where)
	}
	if e, ok := at(schema, "enum").([]any); ok && !slices.Contains(e, v) {
		return fmt.Errorf("%s: %v is none of %v", where, v, e)
	}
	ok := true
	switch at(schema, "type") {
	case "string":
		_, ok = v.(string)
	case "integer", "number":
		_, ok = v.(float64)
	case "array":
		var list []any
		list, ok = v.([]any)
		for i, x := range list {
			if err := s.holds(at(schema, "items"), x, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	case "object":
		var m map[string]any
		m, ok = v.(map[string]any)
		if r, has := at(schema, "required").([]any); has {
			for _, k := range r {
				if _, has := m[k.(string)]; !has {
					return fmt.Errorf("%s: %s is absent", where, k)
				}
			}
		}
		for k, x := range m {
			prop := at(schema, "properties", k)
			if prop == nil {
				return fmt.Errorf("%s: %s is unknown", where, k)
			}
			if err := s.holds(prop, x, where+"."+k); err != nil {
				return err
			}
		}
	}
	if !ok {
		return fmt.Errorf("%s: %T is not %v", where, v, at(schema, "type"))
	}
	return nil
}

// Answered checks status, content type and body of an answer against the file.
func (s Spec) Answered(method, path string, status int, contentType string, body []byte) error {
	responses := at(s, "paths", path, strings.ToLower(method), "responses")
	r := at(responses, fmt.Sprint(status))
	if r == nil && status >= 400 {
		r = at(responses, "default")
	}
	if r == nil {
		return fmt.Errorf("%d is not in the file", status)
	}
	if ref, ok := at(r, "$ref").(string); ok {
		r = at(s, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	content, _ := at(r, "content").(map[string]any)
	if content == nil {
		return nil
	}
	media, ok := content[contentType]
	if !ok {
		return fmt.Errorf("%q is not in the file", contentType)
	}
	schema := at(media, "schema")
	if schema == nil {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return s.holds(schema, v, "")
}
