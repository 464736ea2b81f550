// Package strict reads YAML that people keep by hand, configuration and
// register files, and refuses whatever it does not fully understand: unknown and
// doubled keys, values of another type, empty values, anchors, aliases, merge
// keys, tags and tabs. Every refusal is a [Problem] that names file, line and
// key and says what to write; all of a file's problems are reported together.
//
// Text is taken as it stands: a string key given 00012345 or no reads
// "00012345" and "no", never a number or a boolean (YAML 1.1 would say octal).
//
// Reading is bounded by the length of the input, which [Parse] limits: without
// aliases a YAML text cannot grow.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	File string
	Line int    // from 1; 0 is the whole file
	Key  string // as signatories[0].role; empty: not about one key
	Text string // what is wrong and what to write
}

// String gives file:line: key: text, without the parts that are empty.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
		if p.Line > 0 {
			b.WriteString(strconv.Itoa(p.Line) + ":")
		}
		b.WriteByte(' ')
	} else if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is an error made of one or more problems.
type Problems []Problem

// Error gives one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns the problems sorted by file and line, or nil if there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return out
}

// Node is a mapping of a file: a whole document, or one element of a list in it.
type Node struct {
	file string
	yaml *yaml.Node
}

// File is the name that the node's text was parsed under.
func (n Node) File() string { return n.file }

// Line is the line at which the node begins.
func (n Node) Line() int { return n.yaml.Line }

// maxDepth bounds nesting; a configuration is four deep.
const maxDepth = 32

// Parse splits data into its YAML documents, each a mapping. Empty documents are
// left out; a file without any is an empty list. Data longer than limit bytes is
// refused unread. The error is a Problems.
func Parse(file string, data []byte, limit int) ([]Node, error) {
	if len(data) > limit {
		return nil, Problems{{File: file, Text: fmt.Sprintf("the file is %d bytes long, more than the %d allowed; split it", len(data), limit)}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var nodes []Node
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, Problems{syntax(file, data, err)}
		}
		if len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		root := doc.Content[0]
		if root.Kind != yaml.MappingNode {
			return nil, Problems{{File: file, Line: root.Line, Text: "a document of the file is not a list of keys; write lines of the form \"key: value\""}}
		}
		if ps := plain(file, root, "", 0); len(ps) > 0 {
			return nil, ps.Err()
		}
		nodes = append(nodes, Node{file, root})
	}
}

// Keys gives the keys of the mapping in the order of the file.
func (n Node) Keys() []string {
	keys := make([]string, 0, len(n.yaml.Content)/2)
	for i := 0; i < len(n.yaml.Content); i += 2 {
		keys = append(keys, n.yaml.Content[i].Value)
	}
	return keys
}

// List gives the elements of the list under key, each a mapping.
func (n Node) List(key string) ([]Node, error) {
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		if n.yaml.Content[i].Value != key {
			continue
		}
		list := n.yaml.Content[i+1]
		if list.Kind != yaml.SequenceNode {
			return nil, Problems{{File: n.file, Line: list.Line, Key: key, Text: "is not a list; write its elements on lines that begin with \"- \""}}
		}
		var nodes []Node
		for j, c := range list.Content {
			if c.Kind != yaml.MappingNode {
				return nil, Problems{{File: n.file, Line: c.Line, Key: fmt.Sprintf("%s[%d]", key, j), Text: "is not a list of keys; write lines of the form \"key: value\""}}
			}
			nodes = append(nodes, Node{n.file, c})
		}
		return nodes, nil
	}
	return nil, nil
}

// plain refuses what makes one text mean different things to different readers:
// anchors, aliases, merge keys, tags, doubled keys, keys that are not text.
func plain(file string, n *yaml.Node, key string, depth int) Problems {
	if depth > maxDepth {
		return Problems{{File: file, Line: n.Line, Key: key, Text: fmt.Sprintf("nested deeper than %d levels", maxDepth)}}
	}
	var ps Problems
	if n.Kind == yaml.AliasNode {
		return Problems{{File: file, Line: n.Line, Key: key, Text: "alias *" + clip(n.Value) + " is not allowed; write the value out"}}
	}
	if n.Anchor != "" {
		ps = append(ps, Problem{File: file, Line: n.Line, Key: key, Text: "anchor &" + clip(n.Anchor) + " is not allowed; remove it and write the value out where it is needed"})
	}
	if n.Style&yaml.TaggedStyle != 0 {
		ps = append(ps, Problem{File: file, Line: n.Line, Key: key, Text: "tag " + clip(n.Tag) + " is not allowed; write the value without it"})
	}
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			switch {
			case k.Kind != yaml.ScalarNode:
				ps = append(ps, Problem{File: file, Line: k.Line, Key: key, Text: "a key is not plain text; write \"key: value\""})
				continue
			case k.Tag == "!!merge":
				ps = append(ps, Problem{File: file, Line: k.Line, Key: join(key, "<<"), Text: "merge keys are not allowed; write the keys out"})
			case seen[k.Value] > 0:
				ps = append(ps, Problem{File: file, Line: k.Line, Key: join(key, clip(k.Value)), Text: fmt.Sprintf("is there twice, first at line %d; keep one", seen[k.Value])})
			}
			seen[k.Value] = k.Line
		}
	}
	for i, c := range n.Content {
		sub := key
		switch {
		case n.Kind == yaml.SequenceNode:
			sub = fmt.Sprintf("%s[%d]", key, i)
		case n.Kind == yaml.MappingNode && i%2 == 1:
			sub = join(key, clip(n.Content[i-1].Value))
		}
		ps = append(ps, plain(file, c, sub, depth+1)...)
	}
	return ps
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax turns an error of the YAML parser into a problem. The parser's own
// text is kept: it is the only one that says what is wrong.
func syntax(file string, data []byte, err error) Problem {
	text := err.Error()
	p := Problem{File: file}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	// A tab is what it nearly always is, and what cannot be seen. Tabs are legal
	// inside block text, so they are looked for only when the parser has given up,
	// and near where it did.
	for i, line := range bytes.Split(data, []byte("\n")) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 && (p.Line == 0 || i+1 >= p.Line-1 && i+1 <= p.Line+1) {
			return Problem{File: file, Line: i + 1, Text: "the line is indented with a tab; write spaces"}
		}
	}
	p.Text = "not YAML: " + clip(text) + "; check indentation, colons and quotes around here"
	return p
}

// clip keeps a message readable whatever was in the file: printable, and short.
func clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}
