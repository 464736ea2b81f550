// Package strictjson reads the canonical JSON of documents in the one way that
// two readers cannot understand differently: UTF-8, one object, no key twice (in
// whatever case), no unknown key, nothing after the end, bounded size and depth.
//
// References: RFC 8259, RFC 7493 (I-JSON).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nesting; canonical documents have three levels.
const maxDepth = 8

// Decode reads one object from r, of at most limit bytes, into v.
func Decode(r io.Reader, limit int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return err
	case int64(len(b)) > limit:
		return fmt.Errorf("larger than %d bytes", limit)
	case !utf8.Valid(b):
		return errors.New("not UTF-8")
	}
	if err := noRepeats(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the object")
	}
	return nil
}

// noRepeats refuses a key that stands twice in one object, also in another case,
// which encoding/json would take as the same: readers differ on which one counts.
func noRepeats(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		keys  map[string]bool // nil: an array
		value bool            // a value comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if delim, ok := t.(json.Delim); ok && (delim == '}' || delim == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack) - 1; n >= 0 && stack[n].keys != nil {
			if !stack[n].value {
				k := strings.ToLower(t.(string))
				if stack[n].keys[k] {
					return errors.New("a key stands twice in one object")
				}
				stack[n].keys[k] = true
				stack[n].value = true
				continue
			}
			stack[n].value = false
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > maxDepth {
			return errors.New("nested too deeply")
		}
	}
}
