package processor

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/gateway"
)

type spec map[string]any

func openapi(t *testing.T) spec {
	t.Helper()
	b, err := os.ReadFile("../../docs/processor.openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := yaml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return spec(s)
}

func at(v any, keys ...string) any {
	for _, k := range keys {
		switch m := v.(type) {
		case spec:
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

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := openapi(t)
	if s["openapi"] != "3.1.0" {
		t.Error(s["openapi"])
	}
	var doc, code []string
	for _, path := range keys(s["paths"]) {
		for _, m := range keys(at(s, "paths", path)) {
			if m != "parameters" {
				doc = append(doc, strings.ToUpper(m)+" "+path)
			}
		}
	}
	for _, r := range routes {
		code = append(code, r.method+" "+r.path)
	}
	slices.Sort(doc)
	slices.Sort(code)
	if !slices.Equal(doc, code) {
		t.Errorf("the file has\n%q\nthe code\n%q", doc, code)
	}
}

// Every reference leads somewhere.
func TestReferences(t *testing.T) {
	t.Parallel()
	s := openapi(t)
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

// The schemas have the fields of the Go types, and require those that are always
// written; a request requires what the handlers require.
func TestSchemas(t *testing.T) {
	t.Parallel()
	s := openapi(t)
	for name, v := range map[string]any{
		"LeaseRequest": LeaseRequest{}, "LeaseResponse": LeaseResponse{}, "Lease": gateway.Lease{},
		"ExtendRequest": ExtendRequest{}, "ExtendResponse": ExtendResponse{}, "Answer": gateway.Answer{},
		"StatementResponse": StatementResponse{}, "Submission": gateway.Submission{}, "Part": gateway.Part{},
		"SignatureView": gateway.SignatureView{}, "SignerView": gateway.SignerView{}, "Problem": Problem{},
		"ProfileRef": formats.ProfileRef{}, "Entry": formats.Entry{}, "Finding": formats.Finding{}, "Text": formats.Text{},
	} {
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
func (s spec) holds(schema, v any, where string) error {
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

// answered checks status, content type and body of an answer against the file.
func (s spec) answered(method, path string, status int, contentType string, body []byte) error {
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
