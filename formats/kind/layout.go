package kind

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"

	"github.com/jacoelho/xsd"
)

// Slug is the kind's name as it stands in names of profiles and namespaces.
func (k *Kind) Slug() string { return strings.ReplaceAll(string(k.ID), "_", "-") }

// Namespace is that of the kind's canonical XML, version 1. A version that is
// published is never changed; another one gets another namespace.
func (k *Kind) Namespace() string { return "urn:brama:" + k.Slug() + ":v1" }

// Column is the name of the field in canonical CSV.
func (f *Field) Column() string { return strings.ReplaceAll(f.Path, ".", "_") }

// Element is the name of the field in canonical XML.
func (f *Field) Element() string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(f.Path, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// HeadElement is the element of canonical XML for what belongs to the document.
const HeadElement = "Head"

// pattern is the XSD pattern (and the regular expression) of a type, or "".
func (f *Field) pattern() string {
	switch f.Type {
	case "money":
		return `[0-9]{1,15}(\.[0-9]{1,2})?`
	case "change":
		return `-?[0-9]{1,15}(\.[0-9]{1,2})?`
	case "ref":
		return `[A-Za-z0-9/?:().,'+ \-]{1,35}`
	case "digits":
		if f.exact() {
			return fmt.Sprintf("[0-9]{%d}", f.Max)
		}
		return fmt.Sprintf("[0-9]{1,%d}", f.Max)
	case "iban":
		return `UA[0-9]{27}`
	case "edrpou", "kkdb":
		return `[0-9]{8}`
	case "kekv":
		return `[0-9]{4}`
	case "kpkvk":
		return `[0-9]{7}`
	case "mfo":
		return `[0-9]{6}`
	case "party":
		return `[0-9]{8}|[0-9]{9}|[0-9]{10}|[А-ЯҐЄІЇ]{2}[0-9]{6}`
	}
	return ""
}

// exact says whether digits must be as many as Max: a year, a code of a budget.
func (f *Field) exact() bool { return f.Path == "year" || f.Path == "budget" }

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

// Schema is the XML schema of the kind's canonical XML.
func (k *Kind) Schema() []byte {
	var b strings.Builder
	documentation := func(indent, uk, en string) {
		fmt.Fprintf(&b, "%s<xs:annotation>\n%s\t<xs:documentation xml:lang=\"uk\">%s</xs:documentation>\n%s\t<xs:documentation xml:lang=\"en\">%s</xs:documentation>\n%s</xs:annotation>\n",
			indent, indent, escaped(uk), indent, escaped(en), indent)
	}
	element := func(f *Field) {
		least := 0
		if f.Required {
			least = 1
		}
		fmt.Fprintf(&b, "\t\t\t<xs:element name=\"%s\" minOccurs=\"%d\"", f.Element(), least)
		if f.Type == "date" {
			b.WriteString(" type=\"xs:date\"")
		}
		b.WriteString(">\n")
		documentation("\t\t\t\t", f.Title.UK, f.Title.EN)
		if f.Type != "date" {
			b.WriteString("\t\t\t\t<xs:simpleType>\n\t\t\t\t\t<xs:restriction base=\"xs:string\">\n")
			switch {
			case f.Type == "word":
				for _, v := range f.Values {
					fmt.Fprintf(&b, "\t\t\t\t\t\t<xs:enumeration value=\"%s\"/>\n", escaped(v))
				}
			case f.Type == "text":
				fmt.Fprintf(&b, "\t\t\t\t\t\t<xs:minLength value=\"1\"/>\n\t\t\t\t\t\t<xs:maxLength value=\"%d\"/>\n", f.Max)
			default:
				fmt.Fprintf(&b, "\t\t\t\t\t\t<xs:pattern value=\"%s\"/>\n", escaped(f.pattern()))
			}
			b.WriteString("\t\t\t\t\t</xs:restriction>\n\t\t\t\t</xs:simpleType>\n")
		}
		b.WriteString("\t\t\t</xs:element>\n")
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<!-- Made from the canonical type of the kind %s; see docs/kinds.md. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="%s" targetNamespace="%s" elementFormDefault="qualified" version="1.0">
	<xs:element name="%s">
`, k.ID, k.Namespace(), k.Namespace(), k.Root)
	documentation("\t\t", k.Title.UK, k.Title.EN)
	b.WriteString("\t\t<xs:complexType>\n\t\t\t<xs:sequence>\n")
	head := k.hasHead()
	if head {
		fmt.Fprintf(&b, "\t\t\t\t<xs:element name=\"%s\" type=\"%s\"/>\n", HeadElement, HeadElement)
	}
	fmt.Fprintf(&b, "\t\t\t\t<xs:element name=\"%s\" type=\"%s\" maxOccurs=\"unbounded\"/>\n\t\t\t</xs:sequence>\n\t\t</xs:complexType>\n\t</xs:element>\n", k.Line, k.Line)
	group := func(name string, header bool) {
		fmt.Fprintf(&b, "\t<xs:complexType name=\"%s\">\n\t\t<xs:sequence>\n", name)
		for i := range k.Fields {
			if k.Fields[i].Header == header {
				element(&k.Fields[i])
			}
		}
		b.WriteString("\t\t</xs:sequence>\n\t</xs:complexType>\n")
	}
	if head {
		group(HeadElement, true)
	}
	group(k.Line, false)
	b.WriteString("</xs:schema>\n")
	return []byte(b.String())
}

func (k *Kind) hasHead() bool {
	for i := range k.Fields {
		if k.Fields[i].Header {
			return true
		}
	}
	return false
}

var engines sync.Map // *Kind -> func() (*xsd.Engine, error)

// Engine is the compiled schema.
func (k *Kind) Engine() (*xsd.Engine, error) {
	compile, _ := engines.LoadOrStore(k, sync.OnceValues(func() (*xsd.Engine, error) {
		return xsd.Compile(xsd.Bytes(k.Slug()+".xsd", k.Schema()))
	}))
	return compile.(func() (*xsd.Engine, error))()
}

// TableSchema describes the kind's canonical CSV as a Frictionless Table Schema.
func (k *Kind) TableSchema() []byte {
	type constraints struct {
		Required  bool     `json:"required"`
		MaxLength int      `json:"maxLength,omitempty"`
		Pattern   string   `json:"pattern,omitempty"`
		Enum      []string `json:"enum,omitempty"`
	}
	type field struct {
		Name        string      `json:"name"`
		Type        string      `json:"type"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Constraints constraints `json:"constraints"`
	}
	schema := struct {
		Schema string  `json:"$schema"`
		Name   string  `json:"name"`
		Title  string  `json:"title"`
		Fields []field `json:"fields"`
	}{"https://specs.frictionlessdata.io/schemas/table-schema.json", "brama." + k.Slug() + ".csv", k.Title.UK, nil}
	for i := range k.Fields {
		f := &k.Fields[i]
		t := "string"
		c := constraints{Required: f.Required, Pattern: f.pattern(), Enum: f.Values}
		switch f.Type {
		case "date":
			t = "date"
		case "text":
			c.MaxLength = f.Max
		}
		schema.Fields = append(schema.Fields, field{f.Column(), t, f.Title.UK, f.Title.EN, c})
	}
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // strings, numbers and lists
	}
	return append(b, '\n')
}

// Layouts are the canonical layouts of a kind.
var Layouts = []string{"csv", "dbf", "xml"}

// Profile is the text of the built-in profile of a canonical layout.
func (k *Kind) Profile(layout string) (name string, text []byte) {
	name = "brama." + k.Slug()
	if layout != "dbf" {
		name += "." + layout
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from the canonical type of the kind; see docs/kinds.md. Do not edit.\nprofile: %s\nversion: \"2026.1\"\nkind: %s\n", name, k.ID)
	title := map[string]string{"csv": "CSV", "dbf": "DBF", "xml": "XML"}[layout]
	fmt.Fprintf(&b, "title: {uk: \"%s: %s «Брами»\", en: \"%s: %s of Brama\"}\n", k.Title.UK, title, k.Title.EN, title)
	fmt.Fprintf(&b, "match: {name: '(?i)\\.%s$'}\n", layout)
	switch layout {
	case "csv":
		b.WriteString("container: {type: delimited, separator: \";\", header: true, quote: true}\ncharset: {name: utf-8}\n")
	case "dbf":
		b.WriteString("container: {type: dbf, versions: [0x03]}\ncharset: {name: windows-1251, from_ldid: [0x00, 0xC9, 0x57]}\n")
	case "xml":
		fmt.Fprintf(&b, "container: {type: xml, message: \"%s\"}\n", k.Namespace())
	}
	b.WriteString("limits: {max_bytes: 67108864, max_records: 50000}\nrecord:\n")
	for i := range k.Fields {
		f := &k.Fields[i]
		src := map[string]string{"csv": f.Column(), "dbf": f.DBF, "xml": f.Element()}[layout]
		fmt.Fprintf(&b, "  - {src: %s, to: %s, %s", src, f.Path, f.inProfile(layout))
		if f.Required {
			b.WriteString(", required: true")
		} else if layout != "dbf" {
			b.WriteString(", optional: true")
		}
		b.WriteString("}\n")
	}
	return name, []byte(b.String())
}

// inProfile are type and bounds as a profile writes them.
func (f *Field) inProfile(layout string) string {
	switch f.Type {
	case "money", "change":
		return "type: " + f.Type + ", unit: hryvnia"
	case "date":
		if layout == "dbf" {
			return "type: date"
		}
		return "type: date, format: yyyy-mm-dd"
	case "word":
		return fmt.Sprintf("type: code, values: [\"%s\"]", strings.Join(f.Values, "\", \""))
	case "party":
		return "type: edrpou|rnokpp|taxno9|passport"
	case "digits":
		if f.exact() {
			return fmt.Sprintf("type: digits, min: %d, max: %d", f.Max, f.Max)
		}
		return fmt.Sprintf("type: digits, max: %d", f.Max)
	case "text":
		return fmt.Sprintf("type: text, max: %d", f.Max)
	}
	return "type: " + f.Type
}

// DBFColumn is the type, length and decimals of the field in the canonical DBF.
func (f *Field) DBFColumn() (t byte, length, decimals int) {
	switch f.Type {
	case "money", "change":
		return 'N', 18, 2
	case "date":
		return 'D', 8, 0
	case "text", "digits":
		return 'C', f.Max, 0
	case "ref":
		return 'C', 35, 0
	case "iban":
		return 'C', 29, 0
	case "word":
		n := 0
		for _, v := range f.Values {
			n = max(n, len(v))
		}
		return 'C', n, 0
	case "party":
		return 'C', 10, 0
	}
	return 'C', map[string]int{"edrpou": 8, "kkdb": 8, "kekv": 4, "kpkvk": 7, "mfo": 6}[f.Type], 0
}
