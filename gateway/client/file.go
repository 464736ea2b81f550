package client

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"
	_ "time/tzdata" // dates of the register are Kyiv dates on every machine

	"go.yaml.in/yaml/v3"

	"github.com/brama-gateway/brama/gateway/strict"
)

// Bounds of one register file.
const (
	maxBytes   = 32 << 20
	maxEntries = 100_000
)

// kyiv is the zone in which a date of a register file begins.
var kyiv = sync.OnceValue(func() *time.Location {
	for _, name := range []string{"Europe/Kyiv", "Europe/Kiev"} {
		if l, err := time.LoadLocation(name); err == nil {
			return l
		}
	}
	return time.FixedZone("EET", 2*3600)
})

// Parse reads a register file: one entry a YAML document (separated by ---), or
// a list of entries under the key clients, or both. name is what errors call the
// file. Unknown keys, bad values and an id that is there twice are errors; the
// error is a strict.Problems with all of them, and then there are no entries.
func Parse(name string, data []byte) ([]Entry, error) {
	docs, err := strict.Parse(name, data, maxBytes)
	if err != nil {
		return nil, err
	}
	var nodes []strict.Node
	var problems strict.Problems
	for _, doc := range docs {
		keys := doc.Keys()
		if len(keys) == 0 || keys[0] != "clients" {
			nodes = append(nodes, doc)
			continue
		}
		if len(keys) > 1 {
			problems = append(problems, strict.Problem{File: name, Line: doc.Line(), Key: keys[1], Text: "stands beside clients; write it inside an element of the list"})
		}
		list, err := doc.List("clients")
		problems = collect(problems, err)
		nodes = append(nodes, list...)
	}
	if len(nodes) == 0 && len(problems) == 0 {
		return nil, strict.Problems{{File: name, Text: "no client is in the file; write at least id, name, edrpou, kinds and signatories"}}
	}
	if len(nodes) > maxEntries {
		return nil, strict.Problems{{File: name, Text: fmt.Sprintf("%d clients are in the file; at most %d", len(nodes), maxEntries)}}
	}
	entries := make([]Entry, len(nodes))
	first := map[ID]int{}
	for i, n := range nodes {
		e := &entries[i]
		lines, err := n.Decode(e, kyiv())
		problems = collect(problems, err)
		if err == nil { // else a value that could not be read would be told a second time, as missing
			problems = append(problems, place(e.Validate(), name, lines)...)
		}
		if line := first[e.ID]; line > 0 && e.ID != "" {
			problems = append(problems, strict.Problem{File: name, Line: lines.At("id"), Key: "id", Text: fmt.Sprintf("%q is there twice, first at line %d; keep one", short(string(e.ID)), line)})
		} else {
			first[e.ID] = lines.At("id")
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return entries, nil
}

func collect(ps strict.Problems, err error) strict.Problems {
	var more strict.Problems
	if errors.As(err, &more) {
		return append(ps, more...)
	}
	return ps
}

// place adds file and line to the problems of one entry.
func place(err error, file string, lines strict.Lines) strict.Problems {
	ps := collect(nil, err)
	for i := range ps {
		ps[i].File, ps[i].Line = file, lines.At(ps[i].Key)
	}
	return ps
}

// Marshal writes the entry as a register file of one document; Parse reads it
// back to the same entry.
func Marshal(e Entry) ([]byte, error) {
	e.Signatories = append([]Signatory(nil), e.Signatories...)
	for i := range e.Signatories {
		s := &e.Signatories[i]
		if !s.From.IsZero() {
			s.From = s.From.In(kyiv())
		}
		if !s.Until.IsZero() {
			s.Until = s.Until.In(kyiv())
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("client %s: %w", e.ID, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("client %s: %w", e.ID, err)
	}
	return b.Bytes(), nil
}

// MarshalStored writes the entry for the store.
func MarshalStored(e Entry) ([]byte, error) { return Marshal(e) }

// ParseStored reads what MarshalStored wrote. It is as strict as Parse: a stored
// entry that does not hold must not let anybody in.
func ParseStored(data []byte) (Entry, error) {
	entries, err := Parse("stored entry", data)
	if err != nil {
		return Entry{}, err
	}
	if len(entries) != 1 {
		return Entry{}, fmt.Errorf("stored entry: %d clients, want 1", len(entries))
	}
	return entries[0], nil
}
