package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/brama-gateway/brama/gateway/strict"
)

// Describe gives the commented example, configs/brama.yaml: every key with its
// description and default. It is a valid configuration for a packaged
// installation.
func Describe() string {
	c := Default()
	c.State = "/var/lib/brama"
	var b strings.Builder
	b.WriteString(`# The configuration of Brama. Every key is here with its default; what is not
# written takes it. Only state must be written. Unknown keys are errors.
# Paths that do not begin with / go from the folder of this file. Durations are
# as 500ms, 30s, 24h, 7d. "bramad --check" says what is wrong and at which line.
# docs/config.md says which keys a reload applies; the others need a restart.
`)
	example(&b, reflect.ValueOf(*c), "")
	return b.String()
}

func example(b *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := strict.FieldKey(f)
		if key == "" {
			continue
		}
		if indent == "" || i > 0 {
			b.WriteByte('\n')
		}
		for _, line := range wrap(f.Tag.Get("doc"), 90-len(indent)) {
			b.WriteString(indent + "# " + line + "\n")
		}
		if f.Type.Kind() == reflect.Struct {
			b.WriteString(indent + key + ":\n")
			example(b, v.Field(i), indent+"  ")
			continue
		}
		b.WriteString(indent + key + ": " + value(v.Field(i)) + "\n")
	}
}

// value writes a default as it stands in YAML.
func value(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return show(x)
	case Size:
		return x.String()
	case string:
		return scalar(x)
	case []string:
		out := make([]string, len(x))
		for i, s := range x {
			out[i] = scalar(s)
		}
		return "[" + strings.Join(out, ", ") + "]"
	default:
		return fmt.Sprint(x)
	}
}

// scalar quotes what YAML would read as something else.
func scalar(s string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:") != "" {
		return strconv.Quote(s)
	}
	return s
}

func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// Page gives docs/config.md.
func Page() string {
	var b strings.Builder
	b.WriteString(`# The configuration

One YAML file: the one named by ` + "`--config`" + `, else by the environment variable ` + "`BRAMA_CONFIG`" + `, else
` + "`/etc/brama/brama.yaml`" + `. It is read strictly: an unknown or doubled key, a value of another type, a tab, an anchor, an
alias or a tag is an error that names file, line, key and what to write; all errors are told together. ` + "`bramad --check`" + `
also looks at the files that are named. Only ` + "`state`" + ` must be written; everything else has a default.

A running daemon takes what is marked *reload* below when it is told to (` + "`bramactl reload`" + `, SIGHUP), and reads the
files in the trust and profiles folders anew. Every other key needs a restart: a reload that finds one changed says
"needs a restart" and its name, and goes on with the value that it was started with.

Paths that do not begin with ` + "`/`" + ` go from the folder of the file. Durations are as ` + "`500ms`, `30s`, `24h`, `7d`" + `.
` + "`configs/brama.yaml`" + ` is a commented example with every key. This page and that file are made from the type
` + "`config.Config`" + ` by ` + "`go generate ./gateway/config`" + `.

| key | default | | meaning |
| --- | --- | --- | --- |
`)
	rows(&b, reflect.ValueOf(*Default()), "")
	return b.String()
}

func rows(b *strings.Builder, v reflect.Value, above string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := strict.FieldKey(f)
		if key == "" {
			continue
		}
		doc := strings.ReplaceAll(f.Tag.Get("doc"), "|", `\|`)
		doc = strings.ReplaceAll(doc, "*", `\*`)
		if f.Type.Kind() == reflect.Struct {
			fmt.Fprintf(b, "| **%s%s** | | | %s |\n", above, key, doc)
			rows(b, v.Field(i), above+key+".")
			continue
		}
		def := "`" + value(v.Field(i)) + "`"
		if def == "`\"\"`" {
			def = ""
		}
		when := ""
		if f.Tag.Get("live") != "" {
			when = "*reload*"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", above, key, def, when, doc)
	}
}
