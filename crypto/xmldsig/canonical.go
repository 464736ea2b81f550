package xmldsig

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// Canonical gives the exclusive canonical form of an element, leaving out one
// element within; nil leaves out none. It is what a signer digests.
func Canonical(e, without *Element) []byte {
	var b bytes.Buffer
	c := &canonicalizer{w: &b, without: without}
	c.element(e, nil)
	return b.Bytes()
}

// canonical writes the exclusive canonical form of an element, without comments
// (Exclusive XML Canonicalization 1.0), leaving out one element within.
func canonical(w io.Writer, e, without *Element) error {
	c := &canonicalizer{w: w, without: without}
	c.element(e, nil)
	return c.err
}

type canonicalizer struct {
	w       io.Writer
	without *Element
	err     error
}

func (c *canonicalizer) write(parts ...string) {
	for _, s := range parts {
		if c.err == nil {
			_, c.err = io.WriteString(c.w, s)
		}
	}
}

var (
	escapeText  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	escapeValue = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// element writes one element. rendered is the namespaces that an ancestor in the
// output has declared.
func (c *canonicalizer) element(e *Element, rendered *scope) {
	if e == c.without {
		return
	}
	name := e.Local
	if e.prefix != "" {
		name = e.prefix + ":" + e.Local
	}
	c.write("<", name)

	used := []string{e.prefix}
	for _, a := range e.Attributes {
		if a.prefix != "" {
			used = append(used, a.prefix)
		}
	}
	slices.Sort(used)
	for _, prefix := range slices.Compact(used) {
		if prefix == "xml" {
			continue
		}
		uri, _ := e.scope.find(prefix)
		if had, ok := rendered.find(prefix); ok && had == uri {
			continue
		}
		rendered = &scope{prefix: prefix, uri: uri, outer: rendered}
		if prefix == "" {
			c.write(` xmlns="`)
		} else {
			c.write(" xmlns:", prefix, `="`)
		}
		c.write(escapeValue.Replace(uri), `"`)
	}
	attributes := slices.Clone(e.Attributes)
	slices.SortFunc(attributes, func(a, b Attribute) int {
		if d := strings.Compare(a.Space, b.Space); d != 0 {
			return d
		}
		return strings.Compare(a.Local, b.Local)
	})
	for _, a := range attributes {
		if c.write(" "); a.prefix != "" {
			c.write(a.prefix, ":")
		}
		c.write(a.Local, `="`, escapeValue.Replace(a.Value), `"`)
	}
	c.write(">")
	for _, n := range e.children {
		if n.element != nil {
			c.element(n.element, rendered)
		} else {
			c.write(escapeText.Replace(n.text))
		}
	}
	c.write("</", name, ">")
}
