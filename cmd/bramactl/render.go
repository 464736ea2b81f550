package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/outgoing"
	"github.com/brama-gateway/brama/formats/profile"
)

// statementRender checks a canonical document and writes it in one form, as the
// gateway would for a client, without a daemon.
func statementRender(c *call, args []string) error {
	var form, page, layout, out string
	var at moment
	fs := c.flags()
	fs.StringVar(&form, "format", "", "")
	fs.StringVar(&page, "charset", "utf-8", "")
	fs.StringVar(&layout, "profile", "", "")
	fs.StringVar(&out, "out", "", "")
	fs.Var(&at, "at", "")
	rest, err := c.parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	to, ok := charset.Lookup(page)
	if !ok {
		return usageError{fmt.Errorf("--charset %s: %s %s", page, c.t("немає такої сторінки; є:", "no such page; there are:"), strings.Join(charset.Names(), ", "))}
	}
	r := outgoing.Renderer{Layouts: profile.Builtin()}
	if layout != "" {
		text, err := c.readFile(layout)
		if err != nil {
			return err
		}
		l, err := profile.ParseLayout(filepath.Base(layout), text)
		if err != nil {
			fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(err.Error()))
			return verdict(exitNo)
		}
		r.Layouts = l.Beside(r.Layouts)
		if form == "" {
			form = l.Ref().Name
		}
	}
	if !r.Known(form) {
		return usageError{fmt.Errorf("--format %s: %s %s", form, c.t("немає такого формату; є:", "no such format; there are:"), strings.Join(r.Forms(), ", "))}
	}
	canonical, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	doc, err := outgoing.Parse(canonical)
	if err != nil {
		fmt.Fprintf(c.stderr, "bramactl: %s: %s\n", rest[0], printable(err.Error()))
		return verdict(exitNo)
	}
	if report := doc.Check(); !report.OK() {
		return c.unfit(report.Findings)
	}
	when := at.Time
	if when.IsZero() {
		when = time.Now()
	}
	var b bytes.Buffer
	err = r.Render(&b, form, doc, canonical, outgoing.Options{Language: c.lang, Page: to, At: when})
	var unfit *profile.Unfit
	if errors.As(err, &unfit) {
		return c.unfit(unfit.Findings)
	}
	if err != nil {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(err.Error()))
		return verdict(exitNo)
	}
	if out != "" {
		return os.WriteFile(out, b.Bytes(), 0o644)
	}
	_, err = c.stdout.Write(b.Bytes())
	return err
}

// unfit says why a document does not go out.
func (c *call) unfit(findings []formats.Finding) error {
	for _, f := range findings {
		place := ""
		if f.Record > 0 {
			place = fmt.Sprintf(" [%d]", f.Record)
		}
		fmt.Fprintf(c.stderr, "%s%s %s: %s\n", f.Rule, place, f.Field, f.Message.In(c.lang))
	}
	return verdict(exitNo)
}
