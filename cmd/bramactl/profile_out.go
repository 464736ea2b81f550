package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/charset"
	"github.com/brama-gateway/brama/formats/outgoing"
	"github.com/brama-gateway/brama/formats/profile"
)

// checkWritten writes a canonical document by a profile of the direction out, and
// holds the findings and the bytes to what is expected.
func (c *call) checkWritten(layout *profile.Layout, sample, expect, page string, at time.Time) error {
	var want profile.Expectation
	if expect != "" {
		var err error
		if want, err = c.readExpectation(expect); err != nil {
			return err
		}
		if want.Output != "" && want.Output != filepath.Base(want.Output) {
			return fmt.Errorf("%s: output %q: name a file beside the expectation", expect, want.Output)
		}
		if want.OK && want.Output == "" {
			return fmt.Errorf("%s: output: missing; name the file beside the expectation that holds what must be written", expect)
		}
		if at.IsZero() {
			at = want.At
		}
		if page == "" {
			page = want.Page
		}
	}
	if at.IsZero() {
		at = time.Now().UTC().Truncate(time.Second)
	}
	var to *charset.Page
	if page != "" {
		var ok bool
		if to, ok = charset.Lookup(page); !ok {
			return usageError{fmt.Errorf("--charset %s: %s %s", page, c.t("немає такої сторінки; є:", "no such page; there are:"), strings.Join(charset.Names(), ", "))}
		}
	}
	canonical, err := c.readFile(sample)
	if err != nil {
		return err
	}
	doc, err := outgoing.Parse(canonical)
	if err == nil && !layout.Carries(doc.DocumentKind()) {
		err = errors.New(c.t("профіль не пише документів виду ", "the profile does not write documents of the kind ") + string(doc.DocumentKind()))
	}
	if err != nil {
		fmt.Fprintf(c.stderr, "bramactl: %s: %s\n", sample, printable(err.Error()))
		return verdict(exitNo)
	}
	r, written, err := layout.Try(doc, profile.WriteOptions{Page: to, At: at})
	if err != nil {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(err.Error()))
		return verdict(exitNo)
	}
	got := profile.Expect(r, at)
	got.Page = page
	if c.json {
		if err := c.writeJSON(got); err != nil {
			return err
		}
	} else {
		c.printWritten(r, doc.Len(), len(written))
	}
	if expect == "" {
		if r.OK() {
			return nil
		}
		return verdict(exitNo)
	}
	differences := want.Differences(got)
	if want.OK && r.OK() {
		b, err := c.readFile(filepath.Join(filepath.Dir(expect), want.Output))
		if err != nil {
			return err
		}
		if i := firstDifference(written, b); i >= 0 {
			differences = append(differences, formats.Textf("записано %[1]d байтів, очікувано %[2]d (%[4]s); перша різниця в байті %[3]d",
				"%[1]d bytes written, expected %[2]d (%[4]s); they differ first at byte %[3]d", len(written), len(b), i, want.Output))
		}
	}
	return c.differ(differences)
}

// firstDifference is the first place, from 0, where a and b differ; -1: nowhere.
func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func (c *call) printWritten(r *formats.Report, records, size int) {
	if r.OK() {
		c.printf("%s: %s, %s %d, %s %d\n", r.Profile.Name, c.t("записано", "written"), c.t("записів", "records"), records, c.t("байтів", "bytes"), size)
		return
	}
	c.printf("%s: %s\n", r.Profile.Name, c.t("не записано", "not written"))
	for _, f := range r.Findings {
		c.printf("%s\n", printable(fmt.Sprintf("  %s %s %d %s: %s", f.Rule, f.Severity, f.Record, f.Field, f.Message.In(c.lang))))
	}
}
