package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/brama-gateway/brama/formats/classifier"
)

// classifierImport brings a code list into the gateway: what the table has is in
// force from a day on, or is the whole list.
func classifierImport(c *call, args []string) error {
	var list, from string
	var columns classifier.Columns
	flags := c.flags()
	flags.StringVar(&list, "list", "", "")
	flags.StringVar(&from, "from", "", "")
	flags.StringVar(&columns.Code, "code", "", "")
	flags.StringVar(&columns.Name, "name", "", "")
	flags.StringVar(&columns.Charset, "charset", "", "")
	flags.IntVar(&columns.Pad, "pad", 0, "")
	rest, err := c.parse(flags, args, 1, 1)
	if err != nil {
		return err
	}
	if list == "" {
		return usageError{errors.New(c.t("назвіть перелік: --list kekv", "name the list: --list kekv"))}
	}
	entries, err := c.readClassifier(rest[0], columns)
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	row, err := op.ImportClassifier(c, list, entries, from)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(row)
	}
	c.printf(c.t("%s: кодів %d, діє сьогодні %d\n", "%s: %d codes, %d in force today\n"), row.Name, row.Entries, row.InForce)
	return nil
}

func (c *call) readClassifier(name string, columns classifier.Columns) ([]classifier.Entry, error) {
	doc, file, err := c.openFile(name)
	if err != nil {
		return nil, err
	}
	if file != nil {
		defer file.Close()
	}
	entries, err := classifier.Read(filepath.Base(name), doc, columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return entries, nil
}

func classifierList(c *call, args []string) error {
	if _, err := c.parse(c.flags(), args, 0, 0); err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	rows, err := op.Classifiers(c)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(rows)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("ПЕРЕЛІК\tКОДІВ\tДІЄ\tSHA-256", "LIST\tCODES\tIN FORCE\tSHA-256"))
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", r.Name, r.Entries, r.InForce, r.SHA256)
	}
	return w.Flush()
}

func classifierShow(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 1, 1)
	if err != nil {
		return err
	}
	op, done, err := c.operator()
	if err != nil {
		return err
	}
	defer done()
	entries, err := op.Classifier(c, rest[0])
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(entries)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.t("КОД\tВІД\tДО (перший день, коли не діє)\tНАЗВА", "CODE\tFROM\tUNTIL (first day not in force)\tNAME"))
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(e.Code), e.From, e.Until, printable(e.Name))
	}
	return w.Flush()
}

// lists are classifiers from files, as --list NAME=FILE.
type lists []string

func (l *lists) String() string     { return strings.Join(*l, " ") }
func (l *lists) Set(s string) error { *l = append(*l, s); return nil }

// read makes a set of them, over those of base.
func (l lists) read(c *call, base *classifier.Set) (*classifier.Set, error) {
	for _, s := range l {
		name, file, ok := strings.Cut(s, "=")
		if !ok {
			return nil, usageError{errors.New("--list " + s + ": " + c.t("потрібно NAME=FILE", "want NAME=FILE"))}
		}
		entries, err := c.readClassifier(file, classifier.Columns{})
		if err != nil {
			return nil, err
		}
		list, err := classifier.New(name, entries)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		base = base.With(list)
	}
	return base, nil
}
