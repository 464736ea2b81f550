package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/brama-gateway/brama/formats"
	"github.com/brama-gateway/brama/formats/profile"
)

// profileExplain says in words what a layout wants; without a name it lists them.
func profileExplain(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 0, 1)
	if err != nil {
		return err
	}
	set := profile.Builtin()
	if len(rest) == 0 {
		if c.json {
			return c.writeJSON(append(set.Names(), set.Layouts()...))
		}
		c.printf("%s\n", strings.Join(append(set.Names(), set.Layouts()...), "\n"))
		return nil
	}
	if c.json && set.Layout(rest[0]) == nil {
		e, err := set.Describe(rest[0])
		if err != nil {
			return err
		}
		return c.writeJSON(e)
	}
	text, err := set.Explain(rest[0])
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(text)
	}
	c.printf("%s\n", strings.TrimRight(text.In(c.lang), "\n"))
	return nil
}

// profileCheck compiles a profile, and holds a sample to it beside the built-in
// ones, so that one that another layout would take is found too.
func profileCheck(c *call, args []string) error {
	var sample, expect, page string
	var at moment
	flags := c.flags()
	flags.StringVar(&page, "charset", "", "")
	flags.StringVar(&sample, "sample", "", "")
	flags.StringVar(&expect, "expect", "", "")
	flags.Var(&at, "at", "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	if expect != "" && sample == "" {
		return usageError{errors.New(c.t("--expect: вкажіть і --sample", "--expect: name the --sample too"))}
	}
	text, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	p, layout, err := profile.Read(filepath.Base(rest[0]), text)
	if err != nil {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(err.Error()))
		return verdict(exitNo)
	}
	if layout != nil {
		if sample != "" {
			return c.checkWritten(layout, sample, expect, page, at.Time)
		}
		if c.json {
			return c.writeJSON(layout.Ref())
		}
		c.printf("%s\n", c.t("правильний", "right")+": "+layout.Ref().Name+" "+layout.Ref().Version+" "+layout.Ref().SHA256)
		return nil
	}
	if page != "" {
		return usageError{errors.New(c.t("--charset: лише для вихідного профілю", "--charset: only for a profile of the direction out"))}
	}
	if sample == "" {
		ran, wrong, err := c.samplesOf(rest[0], p)
		if err != nil {
			return err
		}
		if c.json {
			err = c.writeJSON(p.Ref())
		} else {
			c.printf("%s: %s %s %s, %s %d\n", c.t("правильний", "right"), p.Ref().Name, p.Ref().Version, p.Ref().SHA256, c.t("зразків:", "samples:"), ran)
		}
		if err == nil && wrong {
			err = verdict(exitNo)
		}
		return err
	}

	var want profile.Expectation
	if expect != "" {
		if want, err = c.readExpectation(expect); err != nil {
			return err
		}
		if at.IsZero() {
			at.Time = want.At
		}
	}
	if at.IsZero() {
		at.Time = time.Now().UTC().Truncate(time.Second)
	}
	doc, err := c.readFile(sample)
	if err != nil {
		return err
	}
	r := p.Beside(profile.Builtin()).Check(formats.Context{At: at.Time}, profile.Options{Name: filepath.Base(sample)}, io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
	got := profile.Expect(r, at.Time)
	if c.json {
		if err := c.writeJSON(got); err != nil {
			return err
		}
	} else {
		c.printFormats(r)
	}
	if expect == "" {
		if r.OK() && r.Profile.Name == p.Ref().Name {
			return nil
		}
		return verdict(exitNo)
	}
	return c.differ(want.Differences(got))
}

func (c *call) readExpectation(file string) (profile.Expectation, error) {
	var want profile.Expectation
	b, err := c.readFile(file)
	if err != nil {
		return want, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&want); err != nil {
		return want, fmt.Errorf("%s: %w", file, err)
	}
	return want, nil
}

// differ says what is not as expected.
func (c *call) differ(differences []formats.Text) error {
	for _, d := range differences {
		fmt.Fprintf(c.stderr, "bramactl: %s\n", printable(d.In(c.lang)))
	}
	if len(differences) > 0 {
		return verdict(exitNo)
	}
	return nil
}

// samplesOf holds to a profile the samples that are beside its file, in the folder
// samples or in its own: NAME.*.want.json, and the document without .want.json,
// where NAME is that of the profile. wrong: some are not as expected.
func (c *call) samplesOf(file string, p *profile.Profile) (ran int, wrong bool, err error) {
	for _, dir := range []string{filepath.Join(filepath.Dir(file), "samples"), filepath.Dir(file)} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return ran, wrong, err
		}
		for _, e := range entries {
			sample, ok := strings.CutSuffix(e.Name(), ".want.json")
			if !ok || !strings.HasPrefix(sample, p.Ref().Name+".") {
				continue
			}
			text, err := c.readFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return ran, wrong, err
			}
			var want profile.Expectation
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&want); err != nil {
				return ran, wrong, fmt.Errorf("%s: %w", e.Name(), err)
			}
			if want.Profile != "" && want.Profile != p.Ref().Name {
				continue // of a layout whose name begins with this one's
			}
			doc, err := c.readFile(filepath.Join(dir, sample))
			if err != nil {
				return ran, wrong, err
			}
			ran++
			r := p.Beside(profile.Builtin()).Check(formats.Context{At: want.At}, profile.Options{Name: sample}, io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
			for _, d := range want.Differences(profile.Expect(r, want.At)) {
				wrong = true
				fmt.Fprintf(c.stderr, "bramactl: %s: %s\n", printable(sample), printable(d.In(c.lang)))
			}
		}
	}
	return ran, wrong, nil
}

// printFormats writes which layout took a document, and the findings.
func (c *call) printFormats(r *formats.Report) {
	name := r.Profile.Name
	if name == "" {
		name = "-"
	}
	result := c.t("не прийнято", "refused")
	if r.OK() {
		result = c.t("прийнято", "taken")
	}
	c.printf("%s: %s, %s %d\n", name, result, c.t("документів", "documents"), len(r.Entries))
	for _, f := range r.Findings {
		c.printf("%s\n", printable(fmt.Sprintf("  %s %s %d %s: %s", f.Rule, f.Severity, f.Record, f.Field, f.Message.In(c.lang))))
	}
	if r.More > 0 {
		c.printf("  %s %d\n", c.t("і ще", "and more:"), r.More)
	}
}

// profileInfer drafts a profile for a table.
func profileInfer(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 1, 1)
	if err != nil {
		return err
	}
	doc, err := c.readFile(rest[0])
	if err != nil {
		return err
	}
	text, err := profile.Infer(filepath.Base(rest[0]), io.NewSectionReader(bytes.NewReader(doc), 0, int64(len(doc))))
	if err != nil {
		return fmt.Errorf("%s: %w", rest[0], err)
	}
	if c.json {
		return c.writeJSON(map[string]string{"profile": string(text)})
	}
	c.printf("%s", text)
	return nil
}
